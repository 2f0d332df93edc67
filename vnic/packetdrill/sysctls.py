"""Sysctls that scripts set: name -> member of ``struct tcp_host``. Others are known and have no effect, or are refused.

The one place that knows where a sysctl of TCP lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, quoted

if TYPE_CHECKING:
    from vnic.host import Host

_PREFIX = "net.ipv4."
_FIELDS = {
    "tcp_syn_retries": "syn_retries",
    "tcp_synack_retries": "synack_retries",
    "tcp_retries2": "retries2",
    "tcp_orphan_retries": "orphan_retries",
    "tcp_fin_timeout": "fin_timeout",
    "tcp_keepalive_time": "keepalive_time",
    "tcp_keepalive_intvl": "keepalive_intvl",
    "tcp_keepalive_probes": "keepalive_probes",
    "tcp_window_scaling": "window_scaling",
    "tcp_timestamps": "timestamps",
    "tcp_sack": "sack",
    "tcp_dsack": "dsack",
    "tcp_early_retrans": "early_retrans",
    "tcp_slow_start_after_idle": "slow_start_after_idle",
    "tcp_moderate_rcvbuf": "moderate_rcvbuf",
    "tcp_abort_on_overflow": "abort_on_overflow",
    "tcp_rto_min_us": "rto_min_us",
    "tcp_rto_max_ms": "rto_max_ms",
    "tcp_invalid_ratelimit": "invalid_ratelimit_ms",
    "tcp_comp_sack_nr": "comp_sack_nr",
    "tcp_rfc1337": "rfc1337",
    "tcp_syncookies": "syncookies",
    "tcp_max_syn_backlog": "max_syn_backlog",
    "tcp_ecn": "ecn",
    "tcp_ecn_fallback": "ecn_fallback",
}
_TRIPLES = {"tcp_rmem": "rmem", "tcp_wmem": "wmem"}
_CONGESTION = {"cubic": 0, "reno": 1}
_IGNORED = """
    autocorking base_mss ecn_option fack fastopen fastopen_key frto limit_output_bytes min_tso_segs mtu_probing
    no_metrics_save no_ssthresh_metrics_save notsent_lowat pacing_ca_ratio pacing_ss_ratio recovery reordering
    tso_rtt_log tso_win_divisor tw_reuse
"""
WITHOUT_EFFECT = frozenset(f"tcp_{name}" for name in _IGNORED.split())
"""Names that scripts set, and vnic takes and ignores."""

DEFAULTS: tuple[tuple[str, str], ...] = (
    ("net.ipv4.tcp_rmem", "4096 540000 15728640"),
    ("net.ipv4.tcp_wmem", "4096 262144 4194304"),
    ("net.ipv4.tcp_timestamps", "1"),
    ("net.ipv4.tcp_syn_retries", "5"),
    ("net.ipv4.tcp_synack_retries", "5"),
    ("net.ipv4.tcp_sack", "1"),
    ("net.ipv4.tcp_dsack", "1"),
    ("net.ipv4.tcp_reordering", "3"),
    ("net.ipv4.tcp_congestion_control", "cubic"),
    ("net.ipv4.tcp_slow_start_after_idle", "0"),
    ("net.ipv4.tcp_early_retrans", "4"),
    ("net.ipv4.tcp_recovery", "1"),
    ("net.ipv4.tcp_tso_win_divisor", "3"),
    ("net.ipv4.tcp_ecn", "0"),
    ("net.ipv4.tcp_pacing_ss_ratio", "200"),
    ("net.ipv4.tcp_pacing_ca_ratio", "120"),
    ("net.ipv4.tcp_notsent_lowat", "4294967295"),
    ("net.ipv4.tcp_syncookies", "1"),
)
"""What a script's ``defaults.sh`` sets."""


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text[:11]) > 0xFFFFFFFF:
        raise ConfigError(f"sysctl {name}: {quoted(text)} is no number from 0 to 4294967295")
    return int(text)


def set_sysctl(host: Host, name: str, value: str) -> None:
    """Set a sysctl of a host. ConfigError: vnic has none with this name, or the value is out of its range."""
    tcp: Any = host.machine.c.tcp
    short, words = name.removeprefix(_PREFIX), value.split()
    if short == "tcp_congestion_control":
        if value not in _CONGESTION:
            raise ConfigError(f"sysctl {name}: {quoted(value)}: vnic has {', '.join(_CONGESTION)}")
        tcp.congestion = _CONGESTION[value]
    elif short in _TRIPLES:
        if len(words) != 3:
            raise ConfigError(f"sysctl {name}: {quoted(value)} are no three numbers")
        for i, word in enumerate(words):
            getattr(tcp, _TRIPLES[short])[i] = _whole(name, word)
    elif short in _FIELDS and len(words) == 1:
        setattr(tcp, _FIELDS[short], _whole(name, words[0]))
    elif name == "net.core.somaxconn" and len(words) == 1:
        tcp.somaxconn = _whole(name, words[0])
    elif short == "tcp_comp_sack_delay_ns" and len(words) == 1:
        tcp.comp_sack_delay_us = _whole(name, words[0]) // 1000
    elif short not in WITHOUT_EFFECT:
        raise ConfigError(f"vnic has no sysctl {quoted(name)}")
