"""Options at a script's head: ``--tolerance_usecs=10000``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vnic.errors import quoted
from vnic.packetdrill.script import ScriptError

if TYPE_CHECKING:
    from vnic.packetdrill.script import Script

_NUMBERS = {
    "tolerance_usecs": (1, 60_000_000),
    "tolerance_percent": (0, 1000),
    "mtu": (68, 9000),
    "mss": (0, 65535),
    "bind_port": (1, 65535),
    "connect_port": (1, 65535),
    "tcp_ts_tick_usecs": (0, 1_000_000),
}
_WITHOUT_EFFECT = (
    "define",
    "speed",
    "local_ip",
    "remote_ip",
    "gateway_ip",
    "netmask_ip",
    "non_fatal",
    "verbose",
    "debug",
)


@dataclass(frozen=True, slots=True)
class Options:
    """packetdrill's own, with its values where a script names none."""

    tolerance_usecs: int = 4000
    tolerance_percent: float = 12.5
    mtu: int = 1500
    mss: int = 0
    bind_port: int = 8080
    connect_port: int = 8080
    tcp_ts_tick_usecs: int = 0


def options_of(script: Script) -> Options:
    """Return a script's options. ScriptError: vnic does not know one, or its value is out of its range."""
    found = Options()
    for name, value in script.options:
        if name in _NUMBERS:
            low, high = _NUMBERS[name]
            if value is None or not value.isdecimal() or not low <= int(value[:10]) <= high:
                raise ScriptError(0, 0, f"--{name}={value or ''}: must be a number from {low} to {high}")
            found = replace(found, **{name: int(value)})
        elif name == "ip_version":
            if value != "ipv4":
                raise ScriptError(0, 0, f"--ip_version={value or ''}: vnic runs scripts of ipv4")
        elif name not in _WITHOUT_EFFECT:
            raise ScriptError(0, 0, f"vnic does not know the option {quoted('--' + name)}")
    return found
