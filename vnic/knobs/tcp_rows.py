"""Rows of the table of knobs: TCP's endpoint. Names, units, ranges and defaults are those of Linux's sysctls.

Linux: net/ipv4/sysctl_net_ipv4.c, net/ipv4/tcp_ipv4.c (tcp_sk_init()), net/core/sysctl_net_core.c.
"""

from __future__ import annotations

from vnic._core import lib
from vnic.knobs import tcp_fields
from vnic.knobs.fields import of_host
from vnic.knobs.knob import Knob
from vnic.knobs.parse import CONGESTION, integer, parse_congestion, parse_ports, parse_three_sizes
from vnic.knobs.tcp_fields import of_numbers

_INT_MAX = (1 << 31) - 1
_SECONDS_MAX = _INT_MAX // 100
"""Linux keeps these seconds as jiffies in an int; hz is at least 100."""


def _number(
    field: str, low: int, high: int, default: int, help_: str, *,
    unit: str = "", in_name: str = "", example: int | None = None,
) -> Knob:  # fmt: skip
    return Knob(
        integer(low, high),
        of_host(f"tcp.{field}"),
        default,
        help_,
        unit=unit,
        unit_in_name=in_name,
        example=example,
        group="sockets",
    )


def _switch(field: str, default: int, help_: str) -> Knob:
    """Return the row of a byte that Linux takes as a yes or a no; it keeps the number."""
    return _number(field, 0, 255, default, help_)


def _sizes(field: str, default: str, help_: str) -> Knob:
    return Knob(
        parse_three_sizes,
        of_numbers(f"tcp.{field}"),
        default,
        help_,
        unit="bytes",
        example="4096 65536 1048576",
        group="sockets",
    )


TCP: dict[str, Knob] = {
    "ip-local-port-range": Knob(
        parse_ports,
        of_numbers("tcp.local_ports"),
        "32768 60999",
        "first and last port of connections that ask for none",
        example="40000 49999",
        group="sockets",
    ),
    "somaxconn": _number(
        "somaxconn", 0, _INT_MAX, 4096, "most connections that wait to be accepted, whatever backlog listen() asks for"
    ),
    "wmem-max": _number(
        "wmem_max", 4608, _INT_MAX, 4_194_304, "largest value of setsockopt(SO_SNDBUF) of TCP, bytes", unit="bytes"
    ),
    "tcp-abort-on-overflow": _switch(
        "abort_on_overflow", 0, "reset a handshake that finds the accept queue full, instead of letting the peer retry"
    ),
    "tcp-app-win": _number(
        "app_win", 0, 31, 31, "of the receive buffer, one part in 2 to this power is not offered; 0: all is", example=2
    ),
    "tcp-challenge-ack-limit": _number(
        "challenge_ack_limit", 0, _INT_MAX, _INT_MAX,
        "challenges (RFC 5961) per second, half to one and a half of it; 2147483647: any number",
    ),
    "tcp-comp-sack-delay-ns": _number(
        "comp_sack_delay_ns", 0, (1 << 64) - 1, 1_000_000,
        "longest time that SACKs are held back, ns; a twentieth of the round trip, if that is less",
        in_name="ns",
    ),
    "tcp-comp-sack-nr": _number("comp_sack_nr", 0, 255, 44, "most SACKs that are held back; 0: none"),
    "tcp-congestion-control": Knob(
        parse_congestion,
        tcp_fields.CONGESTION,
        "cubic",
        "congestion control of new connections",
        example="reno",
        group="sockets",
        words=CONGESTION,
    ),
    "tcp-dsack": _switch("dsack", 1, "tell the peer by SACK what arrived twice"),
    "tcp-early-retrans": _number(
        "early_retrans", 0, 4, 3, "3, 4: probe a tail without acknowledgements (TLP); 0 to 2: wait for the timeout"
    ),
    "tcp-ecn": _number(
        "ecn", 0, 2, 2, "ECN: 0: no; 1: ask for it and accept it; 2: accept it", example=1
    ),
    "tcp-ecn-fallback": _number("ecn_fallback", 0, 1, 1, "ask for no ECN in a SYN that is sent again", example=0),
    "tcp-fin-timeout": _number(
        "fin_timeout", 0, _SECONDS_MAX, 60, "time that a closed connection waits for the peer's FIN, s", unit="s"
    ),
    "tcp-frto": _switch("frto", 2, "find out by new data whether a timeout was spurious (F-RTO)"),
    "tcp-invalid-ratelimit": _number(
        "invalid_ratelimit_ms", 0, 2_147_483_000, 500,
        "shortest time between two answers to segments that are not acceptable, ms",
        unit="ms",
        example=200,
    ),
    "tcp-keepalive-intvl": _number(
        "keepalive_intvl", 0, _SECONDS_MAX, 75, "time between two probes of keepalive, s", unit="s"
    ),
    "tcp-keepalive-probes": _number(
        "keepalive_probes", 0, 255, 9, "probes of keepalive without an answer that end a connection"
    ),
    "tcp-keepalive-time": _number(
        "keepalive_time", 0, _SECONDS_MAX, 7200, "silence after which keepalive probes, s", unit="s"
    ),
    "tcp-max-orphans": _number(
        "max_orphans", 0, _INT_MAX, 65536, "most connections that the program has closed; one more is reset"
    ),
    "tcp-max-reordering": _number(
        "max_reordering", 1, _INT_MAX, 300, "most segments by which a path is taken to reorder"
    ),
    "tcp-max-syn-backlog": _number(
        "max_syn_backlog", 0, _INT_MAX, 4096,
        "without tcp-syncookies: a listener takes no more half-open connections than three quarters of this",
    ),
    "tcp-max-tw-buckets": _number(
        "max_tw_buckets", 0, int(lib.TCP_TW_MAX), 65536, "most connections in TIME_WAIT; one more ends at once"
    ),
    "tcp-min-rtt-wlen": _number(
        "min_rtt_wlen", 0, 86_400, 300, "time for which the least round trip is remembered, s", unit="s"
    ),
    "tcp-min-snd-mss": _number(
        "min_snd_mss", 48, 65_535, 48, "least MSS, options included, whatever the peer and the path say; bytes",
        unit="bytes",
    ),
    "tcp-moderate-rcvbuf": _switch("moderate_rcvbuf", 1, "let receive buffers grow with what is read"),
    "tcp-notsent-lowat": _number(
        "notsent_lowat", 0, (1 << 32) - 1, (1 << 32) - 1,
        "bytes not sent yet at which a program's writes wait; a program that waits goes on at half of it",
        unit="bytes",
    ),
    "tcp-orphan-retries": _number(
        "orphan_retries", 0, 255, 0, "as tcp-retries2, for a connection that the program has closed; 0: 8"
    ),
    "tcp-pingpong-thresh": _number(
        "pingpong_thresh", 1, 255, 1, "answers after which acknowledgements wait for the next answer"
    ),
    "tcp-recovery": _switch(
        "recovery", 1, "bits of RACK: 2: never wait longer for reordering; 4: wait also after duplicates"
    ),
    "tcp-reordering": _number(
        "reordering", 1, 300, 3, "segments by which a path may reorder at first; of new sockets"
    ),
    "tcp-retrans-collapse": _switch("retrans_collapse", 1, "send short segments again as one"),
    "tcp-retries2": _number(
        "retries2", 0, 255, 15, "doublings of 200 ms that data may stay unacknowledged; also probes of a closed window"
    ),
    "tcp-rfc1337": _switch("rfc1337", 0, "let no reset end TIME_WAIT"),
    "tcp-rmem": _sizes(
        "rmem", "4096 131072 33554432",
        "receive buffer: the first number has no effect, the one it begins with, the one it grows to; bytes",
    ),
    "tcp-rto-max-ms": _number(
        "rto_max_ms", 1000, 120_000, 120_000,
        "longest retransmission timeout of new sockets, ms", in_name="ms", example=5000
    ),
    "tcp-rto-min-us": _number(
        "rto_min_us", 1, _INT_MAX, 200_000, "least variation in the retransmission timeout of new sockets, us",
        in_name="us",
    ),
    "tcp-sack": _switch("sack", 1, "offer and accept SACK"),
    "tcp-shrink-window": _number(
        "shrink_window", 0, 1, 0, "take a scaled window back if memory fills up sooner than it said"
    ),
    "tcp-slow-start-after-idle": _switch(
        "slow_start_after_idle", 1, "halve cwnd for each timeout that a connection was silent"
    ),
    "tcp-syn-linear-timeouts": _number(
        "syn_linear_timeouts", 0, 127, 4, "SYNs that are sent again each second, before the wait doubles"
    ),
    "tcp-syn-retries": _number(
        "syn_retries", 1, 127, 6, "SYNs that are sent again after those; also the doublings of a second that it takes"
    ),
    "tcp-synack-retries": _number("synack_retries", 0, 255, 5, "SYN-ACKs that are sent again"),
    "tcp-syncookies": _switch(
        "syncookies", 1, "answer by cookies: 0: never; 1: while too many connections are half open; 2: always"
    ),
    "tcp-thin-linear-timeouts": _switch(
        "thin_linear_timeouts", 0, "do not double the first six timeouts of a stream with few segments out"
    ),
    "tcp-timestamps": _switch("timestamps", 1, "offer and accept timestamps; 1: a clock for each pair of hosts"),
    "tcp-tw-reuse": _number(
        "tw_reuse", 0, 2, 2, "1: connect from a port that is in TIME_WAIT; 2: as 0, because there is no loopback",
        example=1,
    ),
    "tcp-tw-reuse-delay": _number(
        "tw_reuse_delay", 1, 60_000, 1000, "time in TIME_WAIT before that, ms", unit="ms"
    ),
    "tcp-window-scaling": _switch("window_scaling", 1, "offer and accept a scaled window"),
    "tcp-wmem": _sizes(
        "wmem", "4096 16384 4194304",
        "send buffer: the first number has no effect, the one it begins with, the one it grows to; bytes",
    ),
    "tcp-workaround-signed-windows": _switch(
        "workaround_signed_windows", 0, "offer at most 32767 without scaling: a peer may read windows as signed"
    ),
}  # fmt: skip
