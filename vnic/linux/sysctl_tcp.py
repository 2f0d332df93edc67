"""The sysctls of TCP's endpoint, net.ipv4.tcp_* and three more, with Linux's ranges and its units.

Linux: net/ipv4/sysctl_net_ipv4.c. Where a row gives no range, the knob's own is Linux's (vnic/knobs/tcp_rows.py).
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, cast

from vnic.knobs.parse import CONGESTION, SIZE_MAX
from vnic.knobs.sysctls import KNOBS as NAMES
from vnic.knobs.tcp_rows import TCP
from vnic.linux import pseudofile
from vnic.linux.pseudofile import WriteError
from vnic.linux.sysctl_values import INT, Sysctl, knob, parse_int, whole_jiffies

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.host import Host
    from vnic.knobs.parse import Integer

_PORT_MIN = 1024  # ip_unprivileged_port_start
_NAME_MAX = 15  # TCP_CA_NAME_MAX, without its end


def _seconds_max(host: Host) -> int:
    return INT[1] // int(host.machine.c.hz)


def _seconds(name: str) -> Sysctl:
    """Make seconds that Linux keeps as jiffies in an int: proc_dointvec_jiffies()."""
    return knob(name, lambda host: -_seconds_max(host), _seconds_max)


def _sizes(name: str) -> Sysctl:
    """Make three sizes. A write may give fewer; those before a wrong one are set, as in Linux."""

    def write(host: Host, text: str) -> None:
        words = text.split()
        if not words:
            raise WriteError(errno.EINVAL)
        sizes = list(host.knobs[name])
        for i, word in enumerate(words[: len(sizes)]):
            sizes[i] = parse_int(word, 1, SIZE_MAX)
            pseudofile.change(host.knobs, {name: sizes})

    return _numbers(name, write)


def _congestion(host: Host, text: str) -> None:
    """ENOENT: there is no such congestion control. Linux: proc_tcp_congestion_control()."""
    word = re.split("[\n\0]", text, maxsplit=1)[0][:_NAME_MAX]
    if word not in CONGESTION:
        raise WriteError(errno.ENOENT)
    pseudofile.change(host.knobs, {"tcp-congestion-control": word})


def _plain(name: str) -> Sysctl:
    bounds = cast("Integer", TCP[name].parse)
    return knob(name, bounds.low, bounds.high)


def _ports(host: Host, text: str) -> None:
    """Both numbers count together, and none below 1024 is taken. Linux: ipv4_local_port_range()."""
    words = text.split()
    ports = list(host.knobs["ip-local-port-range"])
    for i, word in enumerate(words[: len(ports)]):
        ports[i] = parse_int(word, 1, 65535)
    if not words or not _PORT_MIN <= ports[0] <= ports[1]:
        raise WriteError(errno.EINVAL)
    pseudofile.change(host.knobs, {"ip-local-port-range": ports})


def _numbers(name: str, write: Callable[[Host, str], None]) -> Sysctl:
    return Sysctl(lambda host: "\t".join(map(str, host.knobs[name])), write, f"knob {name}")


_SPECIAL = {
    "ip-local-port-range": _numbers("ip-local-port-range", _ports),
    "tcp-challenge-ack-limit": knob("tcp-challenge-ack-limit", *INT),
    "tcp-congestion-control": Sysctl(
        lambda host: str(host.knobs["tcp-congestion-control"]), _congestion, "knob tcp-congestion-control"
    ),
    "tcp-fin-timeout": _seconds("tcp-fin-timeout"),
    "tcp-invalid-ratelimit": knob("tcp-invalid-ratelimit", stored=whole_jiffies),
    "tcp-keepalive-intvl": _seconds("tcp-keepalive-intvl"),
    "tcp-keepalive-time": _seconds("tcp-keepalive-time"),
    "tcp-max-orphans": knob("tcp-max-orphans", *INT),
    "tcp-max-syn-backlog": knob("tcp-max-syn-backlog", *INT),
    "tcp-max-tw-buckets": knob("tcp-max-tw-buckets", *INT),
    "tcp-rmem": _sizes("tcp-rmem"),
    "tcp-wmem": _sizes("tcp-wmem"),
}
SYSCTLS = {name: _SPECIAL.get(own) or _plain(own) for name, own in NAMES.items() if own in TCP}
"""Names of TCP that are knobs."""
