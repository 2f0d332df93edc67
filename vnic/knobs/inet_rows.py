"""Rows of the table of knobs: IP, ICMP, neighbours, sockets."""

from __future__ import annotations

from vnic._core import lib
from vnic.knobs import fields as places
from vnic.knobs.fields import of_host
from vnic.knobs.knob import Knob
from vnic.knobs.parse import TCP_MODES, flag, integer, parse_reader, parse_tcp
from vnic.knobs.tcp_fields import TCP_MODE
from vnic.knobs.tcp_rows import TCP


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
            unit="" if name.endswith("-ms") else "s",
            unit_in_name="ms" if name.endswith("-ms") else "",
            group="sockets",
        )
        for name, (low, high, field, scale, default, help_) in times.items()
    }


INET: dict[str, Knob] = {
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
        4_194_304,
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
    "tcp": Knob(
        parse_tcp,
        TCP_MODE,
        "passive",
        "passive: read both sides of a talk, answer nothing; endpoint: answer, as Linux does",
        as_given=True,
        example="endpoint",
        fixed="connections were made one way",
        group="sockets",
        words=TCP_MODES,
    ),
    **TCP,
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
}
