"""Every knob by its Linux name, with its parser, its place and its default. All other code reads this one table.

Dashes and underscores are equal, and so are ``net.core.netdev_budget`` and ``netdev-budget``. Where Linux has a
default, the table has the same.
"""

from __future__ import annotations

import difflib
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.errors import ConfigError, quoted, said
from vnic.knobs import fields as places
from vnic.knobs.fields import Place, flow_hash, of_host, of_irq
from vnic.knobs.parse import (
    fixed_off,
    flag,
    integer,
    parse_capture_mtu,
    parse_cost,
    parse_cwr,
    parse_flow_hash,
    parse_indir,
    parse_key,
    parse_link,
    parse_mac,
    parse_mask,
    parse_mtu,
    parse_reader,
    parse_speed,
    parse_xfrm,
)
from vnic.linux.ntuple import parse_rules

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Knob:
    """One knob: its parser, its place, its default (None: the data plane's own), and a line of help."""

    parse: Callable[[Any], Any]
    place: Place
    default: Any
    help: str
    as_given: bool = False
    """Reports show the value as the user wrote it."""


def _frag_thresh(family: str) -> Knob:
    return Knob(
        integer(0, 1 << 28),
        of_host(f"{family}.high_thresh"),
        lib.INET_FRAG_MEM,
        "most bytes of truesize in incomplete datagrams",
    )


def _frag_time(family: str, seconds: int) -> Knob:
    return Knob(
        integer(0, 86_400),
        of_host(f"{family}.timeout_ns", scale=10**9),
        seconds,
        "longest wait of an incomplete datagram, s",
    )


def _flow_hash(flow_type: str) -> Knob:
    return Knob(
        parse_flow_hash, flow_hash(flow_type), None, f"fields of {flow_type} flows that RSS hashes (ethtool -N)"
    )


KNOBS: dict[str, Knob] = {
    # the order matters where one knob depends on another
    "queues": Knob(integer(1, lib.NIC_QUEUES_MAX), places.QUEUES, 1, "receive queues (ethtool -L combined)"),
    "rx-ring": Knob(
        integer(lib.RX_RING_MIN, lib.RX_RING_MAX, power_of_two=True),
        places.RING,
        256,
        "descriptors per queue (ethtool -G rx)",
    ),
    "rx-buf-len": Knob(
        integer(128, 65536), of_host("nic.buf_len"), 2048, "bytes of a receive buffer; longer frames span several"
    ),
    "rx-pool": Knob(integer(64, 1 << 20), of_host("rx_pool_size"), 32768, "the driver's buffers per queue"),
    "fifo": Knob(integer(60, 1 << 28), places.FIFO, 65536, "bytes of the card's FIFO"),
    "mtu": Knob(parse_mtu, places.MTU, 0, "longest payload of a frame; 0: no limit"),
    "mac": Knob(parse_mac, places.MAC, "any", "the card's address; any: the card takes all unicast frames"),
    "promisc": Knob(flag, of_host("nic.filter.promisc", kind=bool), False, "the address filter passes all frames"),
    "allmulti": Knob(
        flag, of_host("nic.filter.allmulti", kind=bool), None, "the address filter passes all multicast frames"
    ),
    "rx-vlan-filter": Knob(
        flag, of_host("nic.filter.vlan_filter", kind=bool), False, "the card passes only listed VLAN ids"
    ),
    "tx": Knob(flag, of_host("nic.tx_csum", kind=bool), True, "tx checksumming and segmentation in the card"),
    "icmp-ratelimit": Knob(
        integer(0, 1_000_000),
        of_host("icmp.ratelimit_ms"),
        1000,
        "shortest time between ICMP errors to one host, ms; 0: no limit",
    ),
    "icmp-msgs-per-sec": Knob(integer(0, 1 << 30), of_host("icmp.msgs_per_sec"), 1000, "most ICMP errors per second"),
    "icmp-msgs-burst": Knob(integer(0, 1 << 30), of_host("icmp.msgs_burst"), 50, "most ICMP errors in one burst"),
    "rx": Knob(flag, of_host("nic.rx_csum", kind=bool), True, "rx checksumming: the card verifies TCP and UDP"),
    "rxhash": Knob(
        flag, of_host("nic.rss.enabled", kind=bool), True, "the card hashes flows, and spreads them by the hash"
    ),
    "rx-flow-hash-udp": Knob(parse_flow_hash, flow_hash("udp4", "udp6"), "sdfn", "fields of UDP flows that RSS hashes"),
    "rx-flow-hash-tcp4": _flow_hash("tcp4"),
    "rx-flow-hash-udp4": _flow_hash("udp4"),
    "rx-flow-hash-tcp6": _flow_hash("tcp6"),
    "rx-flow-hash-udp6": _flow_hash("udp6"),
    "rss-key": Knob(parse_key, places.KEY, None, "Toeplitz key (ethtool -X hkey)"),
    "rss-xfrm": Knob(parse_xfrm, places.XFRM, "none", "symmetric-xor: both directions of a flow hash alike"),
    "rss-indir": Knob(
        parse_indir, places.INDIR, None, "queues by the hash's low bits: 128, or fewer that repeat (ethtool -X)"
    ),
    "drop-en": Knob(
        flag,
        of_host("nic.drop_en", kind=bool),
        False,
        "drop a frame if its queue has no buffer, instead of blocking the FIFO",
    ),
    "rx-usecs": Knob(
        integer(0, 100_000),
        of_irq("rx_usecs"),
        0,
        "delay from the first frame to the interrupt, us; alone it sets rx-frames to 0",
    ),
    "rx-frames": Knob(integer(0, 65535), of_irq("rx_frames"), 1, "frames that raise the interrupt"),
    "rx-usecs-irq": Knob(
        integer(0, 100_000),
        of_irq("rx_usecs_irq"),
        0,
        "rx-usecs for frames that come while an interrupt is serviced; they may delay the next interrupt",
    ),
    "rx-frames-irq": Knob(
        integer(0, 65535), of_irq("rx_frames_irq"), 0, "rx-frames likewise; both 0: no delay by such frames"
    ),
    "adaptive-rx": Knob(
        flag, places.ADAPTIVE, False, "rx-usecs and rx-frames follow the traffic (DIM); given values are ignored"
    ),
    "lro": Knob(fixed_off, places.OFF, False, "large receive offload, which merges in the card: off [fixed]"),
    "rx-gro-hw": Knob(fixed_off, places.OFF, False, "GRO in the card: off [fixed]"),
    "rx-vlan-offload": Knob(fixed_off, places.OFF, False, "the card removes VLAN tags: off [fixed]"),
    "hz": Knob(integer(100, 1000), of_host("hz"), 250, "jiffies per second"),
    "weight": Knob(integer(1, 1024), places.of_weight("weight"), 64, "most packets per poll"),
    "dev-weight": Knob(integer(1, 1024), places.of_weight("dev_weight"), 64, "most packets per poll of the backlog"),
    "netdev-budget": Knob(integer(1, 1 << 20), of_host("netdev_budget"), 300, "most packets per run of net_rx_action"),
    "netdev-budget-usecs": Knob(
        integer(1, 10_000_000),
        of_host("netdev_budget_usecs"),
        None,
        "longest run of net_rx_action, us (default 2 jiffies)",
    ),
    "netdev-max-backlog": Knob(
        integer(0, 1 << 20), of_host("netdev_max_backlog"), 1000, "most packets in a CPU's backlog"
    ),
    "gro": Knob(flag, of_host("gro", kind=bool), True, "generic receive offload"),
    "gro-max-size": Knob(integer(0, 524280), places.GRO_MAX_SIZE, 65536, "longest merged packet, bytes"),
    "gro-ipv4-max-size": Knob(
        integer(0, 524280), of_host("gro_ipv4_max_size"), None, "longest merged IPv4 packet, bytes"
    ),
    "rx-udp-gro-forwarding": Knob(
        flag, of_host("gro_udp_fwd", kind=bool), False, "GRO merges UDP that no socket takes"
    ),
    "rx-gro-list": Knob(
        flag, of_host("gro_list", kind=bool), False, "GRO keeps the headers of forwarded packets (a list)"
    ),
    "gro-cwr": Knob(
        parse_cwr,
        of_host("gro_cwr"),
        "6.18",
        "rule for TCP's CWR: Linux 6.18 (never merged) or 7.0 (as other flags)",
        as_given=True,
    ),
    "gro-flows": Knob(integer(0, 1 << 20), of_host("gro_flows"), 0, "flows per CPU with an account of their merges"),
    "gro-normal-batch": Knob(
        integer(1, 1024), of_host("gro_normal_batch"), 8, "segments that GRO hands up in one batch"
    ),
    "gro-flush-timeout": Knob(
        integer(0, 1 << 40), of_host("gro_flush_timeout"), 0, "time that GRO holds packets after a poll, ns"
    ),
    "napi-defer-hard-irqs": Knob(
        integer(0, 1 << 20), of_host("napi_defer_hard_irqs"), 0, "empty polls by timer before the interrupt is enabled"
    ),
    "threaded": Knob(flag, places.THREADED, False, "a task of its own polls each queue's NAPI"),
    "busy-read": Knob(
        integer(0, 1_000_000),
        of_host("busy_read"),
        0,
        "time that a reader polls its queue before it sleeps, us; 0: off",
    ),
    "busy-poll-budget": Knob(integer(1, 1024), places.BUSY_BUDGET, 8, "most packets per busy poll"),
    "prefer-busy-poll": Knob(
        flag,
        of_host("prefer_busy_poll", kind=bool),
        False,
        "softirqs leave a queue to its busy reader while its timer runs",
    ),
    "smp-affinity": Knob(
        parse_mask,
        places.AFFINITY,
        None,
        "CPUs for a queue's interrupt, mask: the lowest takes it; default for queue i: CPU i mod cpus",
        as_given=True,
    ),
    "rps-cpus": Knob(
        parse_mask, places.RPS, 0, "CPUs that RPS spreads packets to, hexadecimal mask; 0: off", as_given=True
    ),
    "rps-flow-cnt": Knob(
        integer(0, 1 << 20), places.FLOW_CNT, 0, "flows in a queue's RFS table, rounded up to 2^n; 0: off"
    ),
    "rps-sock-flow-entries": Knob(
        integer(0, 1 << 24), places.SOCK_FLOWS, 0, "flows in the table of readers' CPUs (RFS); 0: off"
    ),
    "flow-limit-cpus": Knob(
        parse_mask, places.FLOW_LIMIT, 0, "CPUs that limit flows when they enqueue, mask", as_given=True
    ),
    "flow-limit-table-len": Knob(integer(1, 65536), of_host("flow_limit_table_len"), None, "buckets of the flow limit"),
    "ntuple": Knob(flag, places.NTUPLE, False, "the card steers flows to their readers' queues (accelerated RFS)"),
    "ntuple-rules": Knob(
        parse_rules, places.RULES, None, "rules in the card, separated by ; (ethtool -N): udp4 dst-port 53 action 1"
    ),
    "ipfrag-high-thresh": _frag_thresh("ip_frags"),
    "ipfrag-time": _frag_time("ip_frags", 30),
    "ipfrag-max-dist": Knob(
        integer(0, 1 << 30),
        of_host("ip_frags.max_dist"),
        64,
        "most fragments of one sender between two of a datagram; 0: any number",
    ),
    "ip6frag-high-thresh": _frag_thresh("ip6_frags"),
    "ip6frag-time": _frag_time("ip6_frags", 60),
    "rcvbuf": Knob(integer(0, 1 << 30), of_host("rcvbuf"), 212992, "a socket's receive buffer, bytes of truesize"),
    "rmem-max": Knob(
        integer(2304, (1 << 31) - 1), of_host("rmem_max"), 212992, "largest value of setsockopt(SO_RCVBUF), bytes"
    ),
    "reader-cpu": Knob(
        parse_reader, places.READER, "any", "CPU of the readers; any: local port mod cpus", as_given=True
    ),
    "sockets": Knob(integer(16, 1 << 20), of_host("sock_max"), 65536, "most sockets"),
    "catch-up": Knob(
        integer(1, 64), of_host("catch_up"), 8, "virtual time: packets between two checks of the other clocks"
    ),
    "link": Knob(
        parse_link, places.LINK, "10G", "rate of the wire; inf with --speed max waits for the card", as_given=True
    ),
    "speed": Knob(parse_speed, places.SPEED, "1", "pace of a recorded wire: a factor, or max"),
    "strict-csum": Knob(
        flag,
        places.STRICT_CSUM,
        False,
        "treat checksums left to the sender's card as they are in the capture; also IP length 0 and segmentation",
    ),
    "capture-mtu": Knob(
        parse_capture_mtu,
        places.CAPTURE_MTU,
        1500,
        "longest IP packet on the captured wire: the card gets longer TCP frames cut (TSO); off: it gets them whole",
        as_given=True,
    ),
    "cost": Knob(
        parse_cost, places.COST, "linux", "costs of work in virtual time: a profile (vnic costs), or FILE.toml"
    ),
}

ALIASES = {
    "rx-checksumming": "rx",
    "tx-checksumming": "tx",
    "receive-hashing": "rxhash",
    "generic-receive-offload": "gro",
    "rx-gro": "gro",
    "rx-checksum": "rx",
    "rx-hashing": "rxhash",
    "large-receive-offload": "lro",
    "rx-lro": "lro",
    "rxvlan": "rx-vlan-offload",
    "rx-vlan-hw-parse": "rx-vlan-offload",
    "ntuple-filters": "ntuple",
    "rx-ntuple-filter": "ntuple",
    "flow-limit-cpu-bitmap": "flow-limit-cpus",
}


UNITS = {
    "rx-ring": "descriptors",
    "rx-buf-len": "bytes",
    "fifo": "bytes",
    "mtu": "bytes",
    "capture-mtu": "bytes",
    "icmp-ratelimit": "ms",
    "weight": "packets",
    "dev-weight": "packets",
    "netdev-budget": "packets",
    "netdev-max-backlog": "packets",
    "gro-max-size": "bytes",
    "gro-ipv4-max-size": "bytes",
    "gro-flush-timeout": "ns",
    "busy-read": "usecs",
    "ipfrag-high-thresh": "bytes",
    "ipfrag-time": "s",
    "ip6frag-high-thresh": "bytes",
    "ip6frag-time": "s",
    "rcvbuf": "bytes",
    "rmem-max": "bytes",
    "link": "bps",
}
"""Units missing in Linux's names. ``gro-flush-timeout-ns`` is a name too."""

_NAME_MAX = 64  # characters compared: the search's time grows with them
_NAMES = {name: name for name in KNOBS} | {f"{name}-{unit}": name for name, unit in UNITS.items()} | ALIASES


def canonical(name: str) -> str:
    """Return the knob's name in the table. ConfigError, with the nearest names: there is no such knob."""
    if not isinstance(name, str):
        raise ConfigError(f"there is no knob {name!r}")
    key = re.sub(r"^net\.(core|ipv4|ipv6)\.", "", name.lower()).replace("_", "-")
    if key not in _NAMES:
        near = difflib.get_close_matches(key[:_NAME_MAX], KNOBS, 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"there is no knob {quoted(name)}{hint}")
    return _NAMES[key]


def _bad(name: str, value: Any, why: ValueError) -> ConfigError:
    return ConfigError(f"{name}={said(value)}: {why}")


def read(name: str, value: Any = None) -> Any:
    """Return the parsed value of a knob (None: its default). ConfigError: as :func:`apply`."""
    knob = KNOBS[canonical(name)]
    try:
        return knob.parse(knob.default if value is None else value)
    except ValueError as e:
        raise _bad(name, value, e) from None


def refuse_no_interrupt(usecs: int, frames: int) -> None:
    """Raise ConfigError if moderation would never raise an interrupt."""
    if not usecs and not frames:
        raise ConfigError("rx-usecs=0 and rx-frames=0: there would never be an interrupt")


def shown(name: str, parsed: Any, given: Any) -> Any:
    """Return a knob's value as a report shows it: numbers and flags parsed, all others as written."""
    return parsed if isinstance(parsed, (bool, int, float)) and not KNOBS[name].as_given else str(given)


def apply(host: Any, wire: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Set all knobs, given and default ones, before host_start(). Return: name -> value in effect.

    Raises:
        ConfigError: one sentence naming the knob, the value and what is allowed.
    """
    named = {canonical(name): value for name, value in given.items()}
    values = {name: value for name, value in named.items() if value is not None}
    if "rx-usecs" in values and read("rx-usecs", values["rx-usecs"]):
        values.setdefault("rx-frames", 0)  # else the default of 1 frame would win
    effective: dict[str, Any] = {}
    for name, knob in KNOBS.items():
        value = values.get(name, knob.default)
        if value is None:
            continue
        try:
            parsed = knob.parse(value)
            knob.place.put(host, wire, parsed, None)
        except ValueError as e:
            raise _bad(name, value, e) from None
        effective[name] = shown(name, parsed, value)
    irq = host.nic.queue[0].irq
    refuse_no_interrupt(irq.rx_usecs, irq.rx_frames)
    return effective


def siphash_key(seed: int) -> tuple[int, int]:
    """Return the software flow hash's key for a seed: two 64-bit numbers."""
    keys = random.Random(seed)
    return keys.getrandbits(64), keys.getrandbits(64)
