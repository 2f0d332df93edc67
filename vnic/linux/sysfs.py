"""Read and write files of /sys/class/net/DEV for ``vnic show`` and ``vnic set`` (net/core/net-sysfs.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vnic.linux import netdevice, pseudofile
from vnic.linux.pseudofile import File, WriteError, kstrtoul

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.host import Host
    from vnic.knobs.settings import Settings

_NET_NAME_ENUM, _NET_NAME_USER = 1, 3


def _write_knob(name: str, parse: Callable[[str], int]) -> Callable[[Host, str], None]:
    return lambda host, text: pseudofile.change(host.knobs, {name: parse(text)})


def _defer(text: str) -> int:
    n = kstrtoul(text)
    if n > 0x7FFFFFFF:
        raise WriteError(errno.ERANGE)
    return n


def _threaded(text: str) -> int:
    n = kstrtoul(text)
    if n > 1:
        raise WriteError(errno.EOPNOTSUPP)
    return n


def _threaded_mode(host: Host) -> int:
    """Return Linux's number: 2 is busy-poll, which the file shows and does not take."""
    mode = host.knobs["threaded"]
    return 2 if mode == "busy-poll" else int(mode)


def _mtu(text: str) -> int:
    n = kstrtoul(text) & 0xFFFFFFFF
    if not netdevice.MTU_MIN <= n <= netdevice.MTU_MAX:
        raise WriteError(errno.EINVAL)
    return n


def _write_flags(host: Host, text: str) -> None:
    pseudofile.change(host.knobs, netdevice.change_flags(host, kstrtoul(text)))


def _write_carrier(_host: Host, _text: str) -> None:
    # Linux returns this for every driver without ndo_change_carrier
    raise WriteError(errno.EOPNOTSUPP, "the carrier is there until the wire ends, and not after it")


def _write_tx_queue_len(_host: Host, text: str) -> None:
    if kstrtoul(text, 32):
        raise WriteError(errno.EINVAL, "it can only be 0: there is no queue between IP and the driver's ring")


def _number(read: Callable[[Host], int], source: str, write: pseudofile.Write | None = None) -> File:
    return File(lambda host: f"{read(host)}\n", source, write)


def _word(read: Callable[[Host], str], source: str, write: pseudofile.Write | None = None) -> File:
    return File(lambda host: f"{read(host)}\n", source, write)


def _knob(name: str, parse: Callable[[str], int]) -> File:
    return _number(lambda host: int(host.knobs[name]), f"knob {name}", _write_knob(name, parse))


def _statistic(name: str) -> File:
    why = netdevice.ALWAYS_0.get(name)
    source = f"always 0: {why}" if why else f"host.nic.stats().{name}"
    return _number(lambda host: netdevice.link_stats(host)[name], source)


DEVICE: dict[str, File] = {
    "addr_len": _number(lambda _h: 6, "bytes of an Ethernet address"),
    "address": _word(lambda host: netdevice.mac(host).hex(":"), "knob mac; any: the address it would send from"),
    "broadcast": _word(lambda _h: "ff:ff:ff:ff:ff:ff", "Ethernet's"),
    "carrier": _number(lambda host: int(netdevice.carrier(host)), "the wire has not ended", _write_carrier),
    "carrier_changes": _number(lambda host: sum(netdevice.carrier_changes(host)), "the two below"),
    "carrier_down_count": _number(lambda host: netdevice.carrier_changes(host)[1], "the wire ended"),
    "carrier_up_count": _number(lambda host: netdevice.carrier_changes(host)[0], "a driver took the card"),
    "dev_id": _word(lambda _h: "0x0", "one card, one interface"),
    "dev_port": _number(lambda _h: 0, "one card, one port"),
    "dormant": _number(lambda _h: 0, "nothing to wait for, as 802.1X would"),
    "duplex": _word(lambda _h: "full", "both directions have a wire of their own"),
    "flags": _word(
        lambda host: f"{netdevice.flags(host):#x}", "a driver has it; knobs promisc, allmulti", _write_flags
    ),
    "gro_flush_timeout": _knob("gro-flush-timeout", kstrtoul),
    "ifindex": _number(netdevice.ifindex, "one interface"),
    "iflink": _number(netdevice.ifindex, "no interface below it"),
    "link_mode": _number(lambda _h: 0, "IF_LINK_MODE_DEFAULT"),
    "mtu": _number(netdevice.mtu, "knob mtu; 0: Ethernet's highest one", _write_knob("mtu", _mtu)),
    "name_assign_type": _number(
        lambda host: _NET_NAME_ENUM if host.name == "vnic0" else _NET_NAME_USER, "whether the name was given"
    ),
    "napi_defer_hard_irqs": _knob("napi-defer-hard-irqs", _defer),
    "operstate": _word(netdevice.operstate, "up, with carrier"),
    "speed": _number(netdevice.speed, "knob link, Mbit/s; -1: the wire has no rate"),
    "threaded": _number(_threaded_mode, "knob threaded", _write_knob("threaded", _threaded)),
    "tx_queue_len": _number(lambda _h: 0, "no queueing discipline", _write_tx_queue_len),
    "type": _number(lambda _h: 1, "ARPHRD_ETHER"),
    **{f"statistics/{name}": _statistic(name) for name in sorted(netdevice.LINK_STATS[:-1])},  # as sysfs: not otherhost
}
"""Path below /sys/class/net/DEV -> file."""


def _settings(host: Host, queue: int, name: str) -> Settings:
    """Return the knobs that hold this one: the queue's own, or the card's if all queues share it."""
    own = host.knobs.queue(queue)
    return own if name in own else host.knobs


def _rps_cpus(queue: int) -> File:
    def write(host: Host, text: str) -> None:
        pseudofile.change(
            _settings(host, queue, "rps-cpus"), {"rps-cpus": pseudofile.parse_cpumap(text, host.machine.c.ncpus)}
        )

    return File(
        lambda host: pseudofile.cpumap(_settings(host, queue, "rps-cpus")["rps-cpus"], host.machine.c.ncpus) + "\n",
        "knob rps-cpus of the queue",
        write,
    )


def _rps_flow_cnt(queue: int) -> File:
    def write(host: Host, text: str) -> None:
        pseudofile.change(_settings(host, queue, "rps-flow-cnt"), {"rps-flow-cnt": kstrtoul(text)})

    return _number(
        lambda host: pseudofile.table_size(_settings(host, queue, "rps-flow-cnt")["rps-flow-cnt"]),
        "knob rps-flow-cnt of the queue",
        write,
    )


def queue_files(queue: int) -> dict[str, File]:
    """Return path below /sys/class/net/DEV -> file for a receive queue."""
    return {
        f"queues/rx-{queue}/rps_cpus": _rps_cpus(queue),
        f"queues/rx-{queue}/rps_flow_cnt": _rps_flow_cnt(queue),
    }


def tree(host: Host) -> dict[str, File]:
    """Return whole path -> file for all files of a host's card."""
    found = dict(DEVICE)
    for queue in range(host.machine.c.nic.nqueues):
        found |= queue_files(queue)
    return {f"/sys/class/net/{host.name}/{path}": file for path, file in found.items()}


def read(host: Host, path: str) -> str:
    """Return a file's text. FileNotFoundError: the file does not exist."""
    return pseudofile.get(tree(host), host, path)


def write(host: Host, path: str, text: str) -> None:
    """Write to a file as ``echo text > path`` does. OSError: see :func:`vnic.linux.pseudofile.put`."""
    pseudofile.put(tree(host), host, path, text)
