"""Rows of the table of knobs: CPUs, NAPI, GRO, steering, IP, sockets; and what only vnic has: the wire, the costs."""

from __future__ import annotations

from vnic._core import lib
from vnic.knobs import cpumask
from vnic.knobs import fields as places
from vnic.knobs.fields import of_host
from vnic.knobs.knob import Knob
from vnic.knobs.parse import (
    flag,
    integer,
    parse_capture_mtu,
    parse_cost,
    parse_cwr,
    parse_link,
    parse_mask,
    parse_reader,
    parse_speed,
)
from vnic.linux.ntuple import parse_rules


def _frag_thresh(family: str) -> Knob:
    return Knob(
        integer(0, 1 << 28),
        of_host(f"{family}.high_thresh"),
        lib.INET_FRAG_MEM,
        "most bytes of truesize in incomplete datagrams",
        unit="bytes",
        group="sockets",
    )


def _frag_time(family: str, seconds: int) -> Knob:
    return Knob(
        integer(0, 86_400),
        of_host(f"{family}.timeout_ns", scale=10**9),
        seconds,
        "longest wait of an incomplete datagram, s",
        unit="s",
        group="sockets",
    )


_DAY_S = 86_400


def _neighbours(prefix: str, family: int, what: str) -> dict[str, Knob]:
    """Return the rows of a family's neighbours; ``family``: 0 is IPv4, 1 is IPv6."""
    times = {
        "base-reachable-time-ms": (
            1,
            _DAY_S * 1000,
            "reachable_ns",
            10**6,
            30_000,
            "stays reachable once confirmed, ms",
        ),
        "retrans-time-ms": (1, _DAY_S * 1000, "retrans_ns", 10**6, 1000, "gets to answer before the next question, ms"),
        "gc-stale-time": (0, _DAY_S, "stale_ns", 10**9, 60, "is kept without use in a table that fills up, s"),
    }
    return {
        f"{prefix}-{name}": Knob(
            integer(low, high),
            places.of_neigh(family, field, scale),
            default,
            f"time that {what} neighbour {help_}",
            group="sockets",
        )
        for name, (low, high, field, scale, default, help_) in times.items()
    }


HOST: dict[str, Knob] = {
    "hz": Knob(
        integer(100, 1000),
        of_host("hz"),
        250,
        "jiffies per second",
        linux="CONFIG_HZ",
        fixed="a kernel is built with it",
        group="run",
    ),
    "weight": Knob(
        integer(1, 1024),
        places.of_weight("weight"),
        64,
        "most packets per poll",
        linux="NAPI_POLL_WEIGHT",
        unit="packets",
        group="NAPI",
    ),
    "dev-weight": Knob(
        integer(1, 1024),
        places.of_weight("dev_weight"),
        64,
        "most packets per poll of the backlog",
        unit="packets",
        group="NAPI",
    ),
    "dev-weight-rx-bias": Knob(
        integer(1, 1024),
        places.of_weight("dev_weight_rx_bias"),
        1,
        "factor of dev-weight for a poll of the backlog",
        group="NAPI",
    ),
    "netdev-budget": Knob(
        integer(1, 1 << 20),
        of_host("netdev_budget"),
        300,
        "most packets per run of net_rx_action",
        unit="packets",
        group="NAPI",
    ),
    "netdev-budget-usecs": Knob(
        integer(1, 10_000_000),
        of_host("netdev_budget_usecs"),
        None,
        "longest run of net_rx_action, us (default 2 jiffies)",
        unit_in_name="usecs",
        group="NAPI",
    ),
    "netdev-max-backlog": Knob(
        integer(0, 1 << 20),
        of_host("netdev_max_backlog"),
        1000,
        "most packets in a CPU's backlog",
        unit="packets",
        group="NAPI",
    ),
    "gro": Knob(flag, of_host("gro", kind=bool), True, "generic receive offload", linux="ethtool -K", group="GRO"),
    "gro-max-size": Knob(
        integer(0, 524280),
        places.GRO_MAX_SIZE,
        65536,
        "longest merged packet, bytes",
        linux="ip link set gro_max_size",
        unit="bytes",
        group="GRO",
    ),
    "gro-ipv4-max-size": Knob(
        integer(0, 524280),
        of_host("gro_ipv4_max_size"),
        None,
        "longest merged IPv4 packet, bytes",
        linux="ip link set gro_ipv4_max_size",
        unit="bytes",
        group="GRO",
    ),
    "rx-udp-gro-forwarding": Knob(
        flag,
        of_host("gro_udp_fwd", kind=bool),
        False,
        "GRO merges UDP that no socket takes",
        linux="ethtool -K",
        group="GRO",
    ),
    "rx-gro-list": Knob(
        flag,
        of_host("gro_list", kind=bool),
        False,
        "GRO keeps the headers of forwarded packets (a list)",
        linux="ethtool -K",
        group="GRO",
    ),
    "gro-cwr": Knob(
        parse_cwr,
        of_host("gro_cwr"),
        "6.18",
        "rule for TCP's CWR: Linux 6.18 (never merged) or 7.0 (as other flags)",
        as_given=True,
        example="7.0",
        group="GRO",
        words=("6.18", "7.0"),
    ),
    "gro-flows": Knob(
        integer(0, 1 << 20),
        of_host("gro_flows"),
        0,
        "flows per CPU with an account of their merges",
        fixed="their memory was taken when the host was made",
        group="GRO",
    ),
    "gro-normal-batch": Knob(
        integer(1, 1024), of_host("gro_normal_batch"), 8, "segments that GRO hands up in one batch", group="GRO"
    ),
    "gro-flush-timeout": Knob(
        integer(0, 1 << 40),
        of_host("gro_flush_timeout"),
        0,
        "time that GRO holds packets after a poll, ns",
        unit="ns",
        example=20_000,
        group="GRO",
    ),
    "napi-defer-hard-irqs": Knob(
        integer(0, 1 << 20),
        of_host("napi_defer_hard_irqs"),
        0,
        "empty polls by timer before the interrupt is enabled",
        group="NAPI",
    ),
    "threaded": Knob(flag, places.THREADED, False, "a task of its own polls each queue's NAPI", group="NAPI"),
    "busy-read": Knob(
        integer(0, 1_000_000),
        of_host("busy_read"),
        0,
        "time that a reader polls its queue before it sleeps, us; 0: off",
        unit="usecs",
        group="NAPI",
    ),
    "busy-poll-budget": Knob(
        integer(1, 1024), places.BUSY_BUDGET, 8, "most packets per busy poll", linux="SO_BUSY_POLL_BUDGET", group="NAPI"
    ),
    "prefer-busy-poll": Knob(
        flag,
        of_host("prefer_busy_poll", kind=bool),
        False,
        "softirqs leave a queue to its busy reader while its timer runs",
        linux="SO_PREFER_BUSY_POLL",
        group="NAPI",
    ),
    "smp-affinity": Knob(
        parse_mask,
        cpumask.AFFINITY,
        None,
        "CPUs for a queue's interrupt, mask: the lowest takes it; default for queue i: CPU i mod cpus",
        as_given=True,
        group="interrupts",
    ),
    "rps-cpus": Knob(
        parse_mask,
        cpumask.RPS,
        0,
        "CPUs that RPS spreads packets to, hexadecimal mask; 0: off",
        as_given=True,
        group="spreading",
    ),
    "rps-flow-cnt": Knob(
        integer(0, 1 << 20),
        places.FLOW_CNT,
        0,
        "flows in a queue's RFS table, rounded up to 2^n; 0: off",
        group="spreading",
    ),
    "rps-sock-flow-entries": Knob(
        integer(0, 1 << 24),
        places.SOCK_FLOWS,
        0,
        "flows in the table of readers' CPUs (RFS); 0: off",
        group="spreading",
    ),
    "flow-limit-cpus": Knob(
        parse_mask,
        cpumask.FLOW_LIMIT,
        0,
        "CPUs that limit flows when they enqueue, mask",
        as_given=True,
        group="spreading",
    ),
    "flow-limit-table-len": Knob(
        integer(1, 65536), of_host("flow_limit_table_len"), None, "buckets of the flow limit", group="spreading"
    ),
    "ntuple": Knob(
        flag,
        places.NTUPLE,
        False,
        "the card steers flows to their readers' queues (accelerated RFS)",
        linux="ethtool -K",
        group="spreading",
    ),
    "ntuple-rules": Knob(
        parse_rules,
        places.RULES,
        None,
        "rules in the card, separated by ; (ethtool -N): udp4 dst-port 53 action 1",
        linux="ethtool -N flow-type",
        example="udp4 dst-port 5000 action 0; tcp4 src-port 1000 action -1",
        group="spreading",
    ),
    "ipfrag-high-thresh": _frag_thresh("ip_frags"),
    "ipfrag-time": _frag_time("ip_frags", 30),
    "ipfrag-max-dist": Knob(
        integer(0, 1 << 30),
        of_host("ip_frags.max_dist"),
        64,
        "most fragments of one sender between two of a datagram; 0: any number",
        group="sockets",
    ),
    "ip6frag-high-thresh": _frag_thresh("ip6_frags"),
    "ip6frag-time": _frag_time("ip6_frags", 60),
    **_neighbours("neigh", 0, "an IPv4"),
    **_neighbours("neigh6", 1, "an IPv6"),
    "accept-ra": Knob(
        flag,
        of_host("addrconf.accept_ra", kind=bool),
        False,
        "ask routers at the start, and take addresses, prefixes and default routers from their advertisements",
        linux="net.ipv6.conf.DEV.accept_ra",
        group="sockets",
    ),
    "dad-transmits": Knob(
        integer(0, 255),
        of_host("addrconf.dad_transmits"),
        0,
        "how often the host asks, at the start, whether another one has its IPv6 addresses",
        linux="net.ipv6.conf.DEV.dad_transmits",
        fixed="the addresses are the host's since the start",
        group="sockets",
    ),
    "rcvbuf": Knob(
        integer(0, 1 << 30),
        of_host("rcvbuf"),
        212992,
        "a socket's receive buffer, bytes of truesize",
        unit="bytes",
        group="sockets",
    ),
    "rmem-max": Knob(
        integer(2304, (1 << 31) - 1),
        of_host("rmem_max"),
        212992,
        "largest value of setsockopt(SO_RCVBUF), bytes",
        unit="bytes",
        group="sockets",
    ),
    "udp-mem": Knob(
        integer(0, (1 << 32) - 1),
        of_host("udp_mem"),
        393216,
        "most pages that all UDP sockets hold; the first number of Linux's",
        unit="pages",
        group="sockets",
    ),
    "udp-rmem-min": Knob(
        integer(1, 1 << 30),
        of_host("udp_rmem_min"),
        4096,
        "bytes that each UDP socket may hold although udp-mem is used up",
        unit="bytes",
        group="sockets",
    ),
    "reader-cpu": Knob(
        parse_reader,
        places.READER,
        "any",
        "CPU of the readers; any: local port mod cpus",
        as_given=True,
        example=1,
        group="sockets",
        words=("any",),
    ),
    "sockets": Knob(
        integer(16, 1 << 20),
        of_host("sock_max"),
        65536,
        "most sockets",
        fixed="their table was made with the host",
        group="sockets",
    ),
    "link": Knob(
        parse_link,
        places.LINK,
        "10G",
        "rate of the wire; inf with --speed max waits for the card",
        as_given=True,
        unit="bps",
        fixed="it is the wire's",
        group="run",
        words=("1G", "10G", "25G", "100G", "inf"),
    ),
    "speed": Knob(
        parse_speed,
        places.SPEED,
        "1",
        "pace of a recorded wire: a factor, or max",
        fixed="it is the wire's",
        group="run",
        words=("max",),
    ),
    "strict-csum": Knob(
        flag,
        places.STRICT_CSUM,
        False,
        "treat checksums left to the sender's card as they are in the capture; also IP length 0 and segmentation",
        fixed="it is the wire's",
        group="run",
    ),
    "capture-mtu": Knob(
        parse_capture_mtu,
        places.CAPTURE_MTU,
        1500,
        "longest IP packet on the captured wire: the card gets longer TCP frames cut (TSO); off: it gets them whole",
        as_given=True,
        unit="bytes",
        fixed="it is the wire's",
        group="run",
        words=("off",),
    ),
    "cost": Knob(
        parse_cost,
        places.COST,
        "linux",
        "costs of work in virtual time: a profile (vnic costs), or FILE.toml",
        example="zero",
        fixed="it is the machine's",
        group="run",
    ),
}
