"""The sysctls of a host: functions that read and write each name. vnic/knobs/sysctls.py has the names.

A name with a knob has Linux's range and unit (net/core/sysctl_net_core.c, net/ipv4/sysctl_net_ipv4.c,
net/ipv4/ip_fragment.c, net/ipv6/reassembly.c, net/ipv6/addrconf.c). Of any other the value is kept, without effect.
"""

from __future__ import annotations

import errno
import functools
import os
import re
from typing import TYPE_CHECKING

from vnic.knobs import sysctls
from vnic.linux import netdevice, pseudofile, sysctl_tcp
from vnic.linux.pseudofile import File, WriteError
from vnic.linux.sysctl_values import INT, ULONG, Sysctl, knob, parse_int, whole_jiffies

if TYPE_CHECKING:
    from vnic.host import Host

SWAP = str.maketrans("./", "/.")


def _flow_limit_cpus(host: Host, text: str) -> None:
    pseudofile.change(host.knobs, {"flow-limit-cpus": pseudofile.parse_cpumap(text, host.machine.c.ncpus)})


def _table_len(host: Host, text: str) -> None:
    n = parse_int(text, 1, INT[1])
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


def _accept_ra(host: Host, text: str) -> None:
    """0: no. 1, or 2 (also if the host forwards, which it never does): yes."""
    pseudofile.change(host.knobs, {"accept-ra": parse_int(text, *INT) > 0})


_OTHERS = {
    "net.core.busy_read": knob("busy-read"),
    "net.core.dev_weight": knob("dev-weight", 1),
    "net.core.dev_weight_rx_bias": knob("dev-weight-rx-bias", 1),
    "net.core.flow_limit_cpu_bitmap": Sysctl(
        lambda host: pseudofile.cpumap(host.knobs["flow-limit-cpus"], host.machine.c.ncpus),
        _flow_limit_cpus,
        "knob flow-limit-cpus",
    ),
    "net.core.flow_limit_table_len": Sysctl(
        lambda host: str(host.knobs["flow-limit-table-len"]), _table_len, "knob flow-limit-table-len"
    ),
    "net.core.gro_normal_batch": knob("gro-normal-batch", 1),
    "net.core.netdev_budget": knob("netdev-budget", INT[0]),
    "net.core.netdev_budget_usecs": knob("netdev-budget-usecs", _two_jiffies),
    "net.core.netdev_max_backlog": knob("netdev-max-backlog", INT[0]),
    "net.core.netdev_rss_key": Sysctl(lambda host: host.knobs["rss-key"].hex(":"), None, "knob rss-key"),
    "net.core.rmem_default": knob("rcvbuf", 2304),  # SOCK_MIN_RCVBUF
    "net.core.rmem_max": knob("rmem-max", 2304),
    "net.core.rps_sock_flow_entries": knob("rps-sock-flow-entries", 0, 1 << 29, pseudofile.table_size),
    "net.ipv4.icmp_msgs_burst": knob("icmp-msgs-burst"),
    "net.ipv4.icmp_msgs_per_sec": knob("icmp-msgs-per-sec"),
    "net.ipv4.icmp_ratelimit": knob("icmp-ratelimit", stored=whole_jiffies),
    "net.ipv4.ipfrag_high_thresh": knob("ipfrag-high-thresh", *ULONG),
    "net.ipv4.ipfrag_max_dist": knob("ipfrag-max-dist"),
    "net.ipv4.ipfrag_time": knob("ipfrag-time", INT[0]),
    "net.ipv4.neigh.DEV.base_reachable_time_ms": knob("neigh-base-reachable-time-ms", stored=whole_jiffies),
    "net.ipv4.neigh.DEV.gc_stale_time": knob("neigh-gc-stale-time", *INT),
    "net.ipv4.neigh.DEV.retrans_time_ms": knob("neigh-retrans-time-ms", stored=whole_jiffies),
    "net.ipv4.udp_mem": Sysctl(
        lambda host: "\t".join(map(str, (host.knobs["udp-mem"], *host.machine.c.udp_mem_rest))),
        _udp_mem,
        "knob udp-mem, and two numbers that bound nothing",
    ),
    "net.ipv4.udp_rmem_min": knob("udp-rmem-min", 1),
    "net.ipv6.conf.DEV.accept_ra": Sysctl(lambda host: str(int(host.knobs["accept-ra"])), _accept_ra, "knob accept-ra"),
    "net.ipv6.conf.DEV.dad_transmits": knob("dad-transmits", *INT),
    "net.ipv6.icmp.ratelimit": knob("icmp6-ratelimit", stored=whole_jiffies),
    "net.ipv6.ip6frag_high_thresh": knob("ip6frag-high-thresh", *ULONG),
    "net.ipv6.ip6frag_time": knob("ip6frag-time", INT[0]),
    "net.ipv6.neigh.DEV.base_reachable_time_ms": knob("neigh6-base-reachable-time-ms", stored=whole_jiffies),
    "net.ipv6.neigh.DEV.gc_stale_time": knob("neigh6-gc-stale-time", *INT),
    "net.ipv6.neigh.DEV.retrans_time_ms": knob("neigh6-retrans-time-ms", stored=whole_jiffies),
}
SYSCTLS = dict(sorted((_OTHERS | sysctl_tcp.SYSCTLS).items()))
"""Names with a knob, in the order of ``sysctl -a``; DEV is the card's name."""


# ---- names without a knob ----

_LONG = frozenset({"net.ipv4.ipfrag_low_thresh", "net.ipv4.tcp_mem", "net.ipv6.ip6frag_low_thresh"})
_TEXT_MAX = 4096
_NUMBERS = re.compile(r"-?[0-9]+(\s+-?[0-9]+)*")


def _kept(name: str, dev: str) -> Sysctl:
    """Make a name whose value is kept without effect: as many numbers as Linux's default has, or a text."""
    default = sysctls.default(name)
    mtu = f"net.ipv6.conf.{dev}.mtu"
    range_ = ULONG if name in _LONG or "_id_wide" in name else INT

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
