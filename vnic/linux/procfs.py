"""Format files of /proc as the kernel does; ``vnic show PATH`` prints them, and other tools can parse them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.linux import groups, irq_affinity, netdevice, pseudofile, snmp, sockstat, sysctl_rows
from vnic.linux.pseudofile import File

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vnic.host import Host

_NET_DEV_HEADER = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|"
    "bytes    packets errs drop fifo colls carrier compressed\n"
)

_SOFTIRQS = ("HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU")


def net_dev_line(name: str, s: Mapping[str, int]) -> str:
    """Format a device's line of /proc/net/dev (net/core/net-procfs.c) from the fields of rtnl_link_stats64."""
    return (
        f"{name:>6}: {s['rx_bytes']:7} {s['rx_packets']:7} {s['rx_errors']:4}"
        f" {s['rx_dropped'] + s['rx_missed_errors']:4} {s['rx_fifo_errors']:4}"
        f" {s['rx_length_errors'] + s['rx_over_errors'] + s['rx_crc_errors'] + s['rx_frame_errors']:5}"
        f" {s['rx_compressed']:10} {s['multicast']:9}"
        f" {s['tx_bytes']:8} {s['tx_packets']:7} {s['tx_errors']:4} {s['tx_dropped']:4} {s['tx_fifo_errors']:4}"
        f" {s['collisions']:5}"
        f" {s['tx_carrier_errors'] + s['tx_aborted_errors'] + s['tx_window_errors'] + s['tx_heartbeat_errors']:7}"
        f" {s['tx_compressed']:10}\n"
    )


def net_dev(host: Host) -> str:
    """/proc/net/dev, with the only interface."""
    return _NET_DEV_HEADER + net_dev_line(host.name, netdevice.link_stats(host))


def softnet_stat(host: Host) -> str:
    """/proc/net/softnet_stat: a line for each CPU, 15 columns of 32 bits in hexadecimal."""
    lines = []
    for cpu, s in enumerate(host.softnet()):
        columns = (
            *(s.processed, s.dropped, s.time_squeeze),
            *(0, 0, 0, 0, 0, 0),  # fast routing and collisions, which Linux no longer counts
            *(s.received_rps, s.flow_limit_count, s.input_qlen + s.process_qlen),
            *(cpu, s.input_qlen, s.process_qlen),
        )
        lines.append(" ".join(f"{n & 0xFFFFFFFF:08x}" for n in columns) + "\n")
    return "".join(lines)


def _heading(cpus: int, indent: int) -> str:
    return " " * indent + "".join(f"CPU{cpu:<8}" for cpu in range(cpus)) + "\n"


def interrupts(host: Host) -> str:
    """/proc/interrupts: a line for each receive queue, and CAL for the IPIs of RPS. Sending raises no interrupts."""
    text = _heading(host.machine.c.ncpus, 11)
    for i in range(host.machine.c.nic.nqueues):
        counts = "".join(f" {n:10}" for n in irq_affinity.counts(host, i))
        text += f"{irq_affinity.IRQ_BASE + i:3}:{counts} {'vnic':>8} {i:3}{'-edge':<9}  {host.name}-rx-{i}\n"
    calls = "".join(f"{s.received_rps:10} " for s in host.softnet())
    return text + f"CAL: {calls}  Function call interrupts\n"


def softirqs(host: Host) -> str:
    """/proc/softirqs: NET_RX counts the runs of net_rx_action(). No other softirq exists here."""
    text = _heading(host.machine.c.ncpus, 20)
    for name in _SOFTIRQS:
        counts = (s.net_rx_runs if name == "NET_RX" else 0 for s in host.softnet())
        text += f"{name:>12}:{''.join(f' {n:10}' for n in counts)}\n"
    return text


FILES: dict[str, File] = {
    "/proc/net/dev": File(net_dev, "host.nic.stats()"),
    "/proc/net/softnet_stat": File(softnet_stat, "host.softnet()"),
    "/proc/net/snmp": File(snmp.snmp, "host.mib()"),
    "/proc/net/netstat": File(snmp.netstat, "host.mib()"),
    "/proc/net/snmp6": File(snmp.snmp6, "host.mib()"),
    "/proc/net/udp": File(sockstat.udp, "the host's UDP sockets; drops: those that found rcvbuf full"),
    "/proc/net/udp6": File(sockstat.udp6, "those bound to an address of IPv6"),
    "/proc/net/sockstat": File(sockstat.sockstat, "the host's sockets; datagrams that wait for fragments"),
    "/proc/net/sockstat6": File(sockstat.sockstat6, "the same of IPv6"),
    "/proc/net/igmp": File(groups.igmp, "the IPv4 groups that the host has joined, and the version of their querier"),
    "/proc/net/igmp6": File(groups.igmp6, "those of IPv6"),
    "/proc/interrupts": File(interrupts, "interrupts that the driver handled; received_rps"),
    "/proc/softirqs": File(softirqs, "net_rx_runs"),
}
"""Path -> file, for the files of every host."""


def tree(host: Host) -> dict[str, File]:
    """Return path -> file for all files of a host below /proc, including those per queue."""
    return FILES | sysctl_rows.files(host.name) | irq_affinity.tree(host)


def read(host: Host, path: str) -> str:
    """Return a file's text. FileNotFoundError: the file does not exist."""
    return pseudofile.get(tree(host), host, path)


def write(host: Host, path: str, text: str) -> None:
    """Write to a file as ``echo text > path`` does. OSError: see :func:`vnic.linux.pseudofile.put`."""
    pseudofile.put(tree(host), host, path, text)
