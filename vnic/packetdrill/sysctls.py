"""Sysctls that scripts set: those of the host, by Linux's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.errors import ConfigError, quoted
from vnic.linux.sysctl import command

if TYPE_CHECKING:
    from vnic.host import Host

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


def set_sysctl(host: Host, name: str, value: str) -> None:
    """Set a sysctl of a host. ConfigError: vnic has none with this name, or the value is out of its range."""
    reply = command(host, ["-q", "-w", f"{name}={value}"])
    if reply.code:
        reason = reply.err.strip().rpartition(": ")[2]
        raise ConfigError(f"sysctl {name}={quoted(value)}: {reason}")
