"""The sysctls of a host: functions that read and write each name. vnic/knobs/sysctls.py has the names.

A name with a knob has Linux's range and unit (net/core/sysctl_net_core.c, net/ipv4/sysctl_net_ipv4.c,
net/ipv4/ip_fragment.c, net/ipv6/reassembly.c, net/ipv6/addrconf.c). Of any other the value is kept, without effect.
"""

from __future__ import annotations

import errno
import functools
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnic.knobs import sysctls
from vnic.linux import netdevice, pseudofile
from vnic.linux.pseudofile import File, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.host import Host

_INT = (-(1 << 31), (1 << 31) - 1)
_ULONG = (0, (1 << 64) - 1)
SWAP = str.maketrans("./", "/.")


def parse_int(text: str, low: int, high: int) -> int:
    """Parse the first number of a write as proc_dointvec_minmax() does. WriteError: EINVAL."""
    found = re.match(r"\s*(-?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)(?=[ \t\n]|$)", text)
    if found is None:
        raise WriteError(errno.EINVAL)
    try:
        n = pseudofile.number(found[2], 64)
    except WriteError:
        raise WriteError(errno.EINVAL) from None
    n = -n if found[1] else n
    if not low <= n <= high:
        raise WriteError(errno.EINVAL)
    return n


@dataclass(frozen=True, slots=True)
class Sysctl:
    """One name: functions that read its text and write it (None: read-only)."""

    read: Callable[[Host], str]
    write: Callable[[Host, str], None] | None
    source: str


def _knob(
    name: str,
    low: int | Callable[[Host], int] = 0,
    high: int = _INT[1],
    shown: Callable[[int], int] = int,
    stored: Callable[[Host, int], int] = lambda _h, n: n,
) -> Sysctl:
    """Make a whole number that is a knob. ``low``, ``high``: Linux's own range; a value outside gets no reason."""

    def write(host: Host, text: str) -> None:
        n = parse_int(text, low(host) if callable(low) else low, high)
        pseudofile.change(host.knobs, {name: stored(host, n)})

    return Sysctl(lambda host: str(shown(host.knobs[name])), write, f"knob {name}")


def _flow_limit_cpus(host: Host, text: str) -> None:
    pseudofile.change(host.knobs, {"flow-limit-cpus": pseudofile.parse_cpumap(text, host.machine.c.ncpus)})


def _table_len(host: Host, text: str) -> None:
    n = parse_int(text, 1, _INT[1])
    if n & (n - 1):
        raise WriteError(errno.EINVAL)
    pseudofile.change(host.knobs, {"flow-limit-table-len": n})


def _udp_mem(host: Host, text: str) -> None:
    """As proc_doulongvec_minmax(): those numbers that are given, and no other word."""
    numbers = [parse_int(word, 0, (1 << 32) - 1) for word in text.split()[:3]]
    if not numbers:
        raise WriteError(errno.EINVAL)
    pseudofile.change(host.knobs, {"udp-mem": numbers[0]})
    for i, n in enumerate(numbers[1:]):
        host.machine.c.udp_mem_rest[i] = n


def _two_jiffies(host: Host) -> int:
    return 2_000_000 // int(host.machine.c.hz)


def _whole_jiffies(host: Host, ms: int) -> int:
    """Round up to jiffies as Linux does: 7 ms become 8 at 250 Hz."""
    hz = int(host.machine.c.hz)
    return -(-ms * hz // 1000) * 1000 // hz


def _accept_ra(host: Host, text: str) -> None:
    """0: no. 1, or 2 (also if the host forwards, which it never does): yes."""
    pseudofile.change(host.knobs, {"accept-ra": parse_int(text, *_INT) > 0})


SYSCTLS = {
    "net.core.busy_read": _knob("busy-read"),
    "net.core.dev_weight": _knob("dev-weight", 1),
    "net.core.dev_weight_rx_bias": _knob("dev-weight-rx-bias", 1),
    "net.core.flow_limit_cpu_bitmap": Sysctl(
        lambda host: pseudofile.cpumap(host.knobs["flow-limit-cpus"], host.machine.c.ncpus),
        _flow_limit_cpus,
        "knob flow-limit-cpus",
    ),
    "net.core.flow_limit_table_len": Sysctl(
        lambda host: str(host.knobs["flow-limit-table-len"]), _table_len, "knob flow-limit-table-len"
    ),
    "net.core.gro_normal_batch": _knob("gro-normal-batch", 1),
    "net.core.netdev_budget": _knob("netdev-budget", _INT[0]),
    "net.core.netdev_budget_usecs": _knob("netdev-budget-usecs", _two_jiffies),
    "net.core.netdev_max_backlog": _knob("netdev-max-backlog", _INT[0]),
    "net.core.netdev_rss_key": Sysctl(lambda host: host.knobs["rss-key"].hex(":"), None, "knob rss-key"),
    "net.core.rmem_default": _knob("rcvbuf", 2304),  # SOCK_MIN_RCVBUF
    "net.core.rmem_max": _knob("rmem-max", 2304),
    "net.core.rps_sock_flow_entries": _knob("rps-sock-flow-entries", 0, 1 << 29, pseudofile.table_size),
    "net.ipv4.icmp_msgs_burst": _knob("icmp-msgs-burst"),
    "net.ipv4.icmp_msgs_per_sec": _knob("icmp-msgs-per-sec"),
    "net.ipv4.icmp_ratelimit": _knob("icmp-ratelimit", stored=_whole_jiffies),
    "net.ipv4.ipfrag_high_thresh": _knob("ipfrag-high-thresh", *_ULONG),
    "net.ipv4.ipfrag_max_dist": _knob("ipfrag-max-dist"),
    "net.ipv4.ipfrag_time": _knob("ipfrag-time", _INT[0]),
    "net.ipv4.neigh.DEV.base_reachable_time_ms": _knob("neigh-base-reachable-time-ms", stored=_whole_jiffies),
    "net.ipv4.neigh.DEV.gc_stale_time": _knob("neigh-gc-stale-time", *_INT),
    "net.ipv4.neigh.DEV.retrans_time_ms": _knob("neigh-retrans-time-ms", stored=_whole_jiffies),
    "net.ipv4.udp_mem": Sysctl(
        lambda host: "\t".join(map(str, (host.knobs["udp-mem"], *host.machine.c.udp_mem_rest))),
        _udp_mem,
        "knob udp-mem, and two numbers that bound nothing",
    ),
    "net.ipv4.udp_rmem_min": _knob("udp-rmem-min", 1),
    "net.ipv6.conf.DEV.accept_ra": Sysctl(lambda host: str(int(host.knobs["accept-ra"])), _accept_ra, "knob accept-ra"),
    "net.ipv6.conf.DEV.dad_transmits": _knob("dad-transmits", *_INT),
    "net.ipv6.icmp.ratelimit": _knob("icmp6-ratelimit", stored=_whole_jiffies),
    "net.ipv6.ip6frag_high_thresh": _knob("ip6frag-high-thresh", *_ULONG),
    "net.ipv6.ip6frag_time": _knob("ip6frag-time", _INT[0]),
    "net.ipv6.neigh.DEV.base_reachable_time_ms": _knob("neigh6-base-reachable-time-ms", stored=_whole_jiffies),
    "net.ipv6.neigh.DEV.gc_stale_time": _knob("neigh6-gc-stale-time", *_INT),
    "net.ipv6.neigh.DEV.retrans_time_ms": _knob("neigh6-retrans-time-ms", stored=_whole_jiffies),
}
"""Names with a knob, in the order of ``sysctl -a``; DEV is the card's name."""


# ---- names without a knob ----

_LONG = frozenset({"net.ipv4.ipfrag_low_thresh", "net.ipv4.tcp_mem", "net.ipv6.ip6frag_low_thresh"})
_UINT = frozenset({"net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_challenge_ack_limit"})
_TEXT_MAX = 4096
_NUMBERS = re.compile(r"-?[0-9]+(\s+-?[0-9]+)*")


def _kept(name: str, dev: str) -> Sysctl:
    """Make a name whose value is kept without effect: as many numbers as Linux's default has, or a text."""
    default = sysctls.default(name)
    mtu = f"net.ipv6.conf.{dev}.mtu"
    range_ = _ULONG if name in _LONG or "_id_wide" in name else (0, (1 << 32) - 1) if name in _UINT else _INT

    def read(host: Host) -> str:
        return host.machine.sysctls.get(name) or (str(netdevice.mtu(host)) if name == mtu else default)

    def write(host: Host, text: str) -> None:
        if _NUMBERS.fullmatch(default):
            numbers = read(host).split()
            if not text.split():
                raise WriteError(errno.EINVAL)
            for i, word in enumerate(text.split()[: len(numbers)]):
                numbers[i] = str(parse_int(word, *range_))
                host.machine.sysctls[name] = "\t".join(numbers)  # Linux keeps those before a wrong one, too
            return
        if len(text) > _TEXT_MAX:
            raise WriteError(errno.EINVAL)
        host.machine.sysctls[name] = text.strip()

    why = sysctls.WHY.get(name, "")
    return Sysctl(read, None if _row(name) in sysctls.READ_ONLY else write, f"no effect{why and ': '}{why}")


def _flush(name: str) -> Sysctl:
    """Make a name that can only be written."""

    def read(_host: Host) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path(name))

    return Sysctl(read, lambda _host, _text: None, "no effect: there is no cache of routes")


def _row(name: str) -> str:
    return sysctls.row(name) or name


@functools.lru_cache(maxsize=64)
def of_card(dev: str) -> dict[str, Sysctl]:
    """Return name -> functions, for all names of a host whose card has this name, in the order of ``sysctl -a``."""
    found = {}
    card = dev.translate(SWAP)
    for name in sysctls.names(card):
        general = name.replace(f".{card}.", ".DEV.", 1)
        if name in SYSCTLS or general in SYSCTLS:
            found[name] = SYSCTLS.get(name) or SYSCTLS[general]
        else:
            found[name] = _flush(name) if name in sysctls.WRITE_ONLY else _kept(name, card)
    return found


def path(name: str) -> str:
    """Return the name's file. The first of ``.`` and ``/`` is the separator, the other part of a name (sysctl(8))."""
    first = re.search("[./]", name)
    return f"/proc/sys/{name.translate(SWAP) if first and first[0] == '.' else name}"


def _file(sysctl: Sysctl) -> File:
    return File(lambda host: f"{sysctl.read(host)}\n", sysctl.source, sysctl.write)


@functools.lru_cache(maxsize=64)
def files(dev: str) -> dict[str, File]:
    """Return path -> file, for the same names."""
    return {path(name): _file(sysctl) for name, sysctl in of_card(dev).items()}
