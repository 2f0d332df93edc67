"""Every sysctl of Linux's network by name: the knob that it is here, or None, if the value is kept without effect.

One table for ``vnic sysctl``, ``--set`` and ``--config``: KNOBS has the names with a knob, and sysctls.conf the others
with Linux's defaults. In both, ``DEV`` stands for ``all``, ``default`` or a device. Linux: net/core/sysctl_net_core.c,
net/ipv4/sysctl_net_ipv4.c, net/ipv4/devinet.c, net/ipv6/addrconf.c, net/core/neighbour.c.
"""

from __future__ import annotations

import difflib
import functools
import re
from pathlib import Path

from vnic.errors import ConfigError, quoted

_TCP = """
    abort_on_overflow app_win challenge_ack_limit comp_sack_delay_ns comp_sack_nr congestion_control dsack
    early_retrans ecn ecn_fallback fin_timeout frto invalid_ratelimit keepalive_intvl keepalive_probes
    keepalive_time max_orphans max_reordering max_syn_backlog max_tw_buckets min_rtt_wlen min_snd_mss
    moderate_rcvbuf notsent_lowat orphan_retries pingpong_thresh recovery reordering retrans_collapse retries2
    rfc1337 rmem rto_max_ms rto_min_us sack shrink_window slow_start_after_idle syn_linear_timeouts syn_retries
    synack_retries syncookies thin_linear_timeouts timestamps tw_reuse tw_reuse_delay window_scaling wmem
    workaround_signed_windows
"""
KNOBS = {
    "net.core.busy_read": "busy-read",
    "net.core.dev_weight": "dev-weight",
    "net.core.dev_weight_rx_bias": "dev-weight-rx-bias",
    "net.core.flow_limit_cpu_bitmap": "flow-limit-cpus",
    "net.core.flow_limit_table_len": "flow-limit-table-len",
    "net.core.gro_normal_batch": "gro-normal-batch",
    "net.core.netdev_budget": "netdev-budget",
    "net.core.netdev_budget_usecs": "netdev-budget-usecs",
    "net.core.netdev_max_backlog": "netdev-max-backlog",
    "net.core.netdev_rss_key": "rss-key",
    "net.core.rmem_default": "rcvbuf",
    "net.core.rmem_max": "rmem-max",
    "net.core.rps_sock_flow_entries": "rps-sock-flow-entries",
    "net.core.somaxconn": "somaxconn",
    "net.core.wmem_max": "wmem-max",
    "net.ipv4.icmp_msgs_burst": "icmp-msgs-burst",
    "net.ipv4.icmp_msgs_per_sec": "icmp-msgs-per-sec",
    "net.ipv4.icmp_ratelimit": "icmp-ratelimit",
    "net.ipv4.ip_local_port_range": "ip-local-port-range",
    "net.ipv4.ipfrag_high_thresh": "ipfrag-high-thresh",
    "net.ipv4.ipfrag_max_dist": "ipfrag-max-dist",
    "net.ipv4.ipfrag_time": "ipfrag-time",
    "net.ipv4.neigh.DEV.base_reachable_time_ms": "neigh-base-reachable-time-ms",
    "net.ipv4.neigh.DEV.gc_stale_time": "neigh-gc-stale-time",
    "net.ipv4.neigh.DEV.retrans_time_ms": "neigh-retrans-time-ms",
    **{f"net.ipv4.tcp_{name}": f"tcp-{name.replace('_', '-')}" for name in _TCP.split()},
    "net.ipv4.udp_mem": "udp-mem",
    "net.ipv4.udp_rmem_min": "udp-rmem-min",
    "net.ipv6.conf.DEV.accept_ra": "accept-ra",
    "net.ipv6.conf.DEV.dad_transmits": "dad-transmits",
    "net.ipv6.icmp.ratelimit": "icmp6-ratelimit",
    "net.ipv6.ip6frag_high_thresh": "ip6frag-high-thresh",
    "net.ipv6.ip6frag_time": "ip6frag-time",
    "net.ipv6.neigh.DEV.base_reachable_time_ms": "neigh6-base-reachable-time-ms",
    "net.ipv6.neigh.DEV.gc_stale_time": "neigh6-gc-stale-time",
    "net.ipv6.neigh.DEV.retrans_time_ms": "neigh6-retrans-time-ms",
}
"""Name -> knob. A row with DEV is the knob for the card and for ``default``, not for ``all`` and ``lo``."""

READ_ONLY = frozenset({
    "net.core.netdev_rss_key",
    "net.ipv4.conf.DEV.mc_forwarding",
    "net.ipv4.tcp_available_congestion_control",
    "net.ipv4.tcp_available_ulp",
    "net.ipv4.tcp_ehash_entries",
    "net.ipv4.udp_hash_entries",
    "net.ipv6.conf.DEV.mc_forwarding",
})  # fmt: skip
WHY = {
    "net.core.busy_poll": "no reader of this host waits in poll(2); busy_read is what they obey",
    "net.core.dev_weight_tx_bias": "there are no queueing disciplines that would be run by weight",
    "net.core.netdev_tstamp_prequeue": "packets are stamped before they wait in a backlog",
}
"""Name without a knob -> why it has no effect, if there is more to say than that vnic lacks what it changes."""
WRITE_ONLY = frozenset({"net.ipv4.route.flush", "net.ipv6.route.flush"})
DEPRECATED = frozenset({
    f"net.ipv{v}.neigh.DEV.{name}" for v in (4, 6) for name in ("base_reachable_time", "retrans_time")
})  # fmt: skip
"""Names that ``sysctl -a`` leaves out."""

_OF_DEVICE = re.compile(r"(net\.ipv[46]\.(?:conf|neigh))\.([^.]+)\.([^.]+)")
_NUMBERS = re.compile(r"([0-9]+)(?:\s+[0-9]+){1,2}", re.ASCII)
_NEAR_MAX = 100  # characters compared


@functools.cache
def defaults() -> dict[str, str]:
    """Return the rows of sysctls.conf: name, with ``DEV`` or not -> Linux's default."""
    text = Path(__file__).with_name("sysctls.conf").read_text("utf-8")
    rows = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in rows}


def row(name: str) -> str | None:
    """Return the name in the table: with DEV, if the row is a device's. None: Linux has no such sysctl."""
    if name in KNOBS or name in defaults():
        return name
    of = _OF_DEVICE.fullmatch(name)
    general = f"{of[1]}.DEV.{of[3]}" if of else ""
    return general if general in KNOBS or general in defaults() else None


def knob(name: str) -> str | None:
    """Return the knob of a sysctl, None if it has no effect here. ConfigError: Linux has no such sysctl.

    Sysctls of other subsystems (``kernel.pid_max``, ``net.netfilter.nf_conntrack_max``) have no effect.
    """
    found = row(name)
    if found is None:
        if not elsewhere(name):
            raise ConfigError(f"there is no sysctl {quoted(name)}{near(name)}")
        return None
    of = _OF_DEVICE.fullmatch(name)
    if of and of[2] in ("all", "lo"):
        return None
    return KNOBS.get(found)


def elsewhere(name: str) -> bool:
    """Return whether it is a name of a subsystem that vnic lacks: ``vm.swappiness``."""
    return bool(re.match(r"(abi|debug|dev|fs|kernel|sunrpc|user|vm|net\.(?!core\.|ipv4\.|ipv6\.)[^.]+)\.", f"{name}."))


def for_knob(knob: str, text: str) -> str:
    """Return the text of a knob's sysctl as the knob takes it."""
    text = text.strip()
    if knob == "udp-mem" and (numbers := _NUMBERS.fullmatch(text)):
        return numbers[1]  # the other two bound nothing
    if knob == "accept-ra" and text in ("0", "1", "2"):
        return "off" if text == "0" else "on"
    return text


def near(name: str) -> str:
    """Return the end of a sentence about an unknown name: which names are like it; or nothing."""
    among = [*KNOBS, *defaults()]
    short = {n.rpartition(".")[2]: n for n in reversed(among)}
    found = difflib.get_close_matches(name[:_NEAR_MAX], among, 2, 0.8)
    found = found or [short[n] for n in difflib.get_close_matches(name[:_NEAR_MAX].rpartition(".")[2], short, 2, 0.8)]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def names(dev: str) -> list[str]:
    """Return all names that a host with this card has, in the order of ``sysctl -a``."""
    found = set[str]()
    for name in (*KNOBS, *defaults()):
        devices = ("all", "default", dev) if ".conf.DEV." in name else ("default", dev)
        found |= {name.replace(".DEV.", f".{d}.") for d in devices} if ".DEV." in name else {name}
    return sorted(found)


def default(name: str) -> str:
    """Return Linux's default of a name without a knob. KeyError: it is in no row of sysctls.conf."""
    return defaults()[name if name in defaults() else row(name) or name]
