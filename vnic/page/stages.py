"""The stages of the path as the page shows them: for each its counters, limits, knobs, latencies and its file.

A counter is a path into the report: ``queues.packets`` adds up over the queues, ``max cpus.input_qlen_max`` is the
largest of the CPUs, ``mib.Ip_InReceives`` is 0 where the report leaves out zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ZONES = {
    "wire": "Wire",
    "card": "Card",
    "ring": "Ring",
    "driver": "Driver and NAPI, on the queue's CPU",
    "stack": "Protocols, on the CPU that RPS chose",
    "socket": "Socket",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; a frame meets them in the order of STAGES."""

    id: str
    title: str
    zone: str
    says: str
    file: str
    funnel: str = ""
    """Its row of vnic.runs.funnel.FUNNEL, which has the fates that end here."""
    counters: tuple[tuple[str, str], ...] = ()
    """(words, path)."""
    limits: tuple[str, ...] = ()
    knobs: tuple[str, ...] = ()
    latency: tuple[str, ...] = ()
    fill: str = ""
    """The limit whose fill the picture shows."""


STAGES = (
    Stage(
        "wire",
        "Wire",
        "wire",
        "Frames come from a capture or a TAP device, each at its time.",
        "csrc/wire/wire.c",
        counters=(("frames offered", "ledger.offered"), ("bytes", "input.bytes")),
        knobs=("link", "speed"),
    ),
    Stage(
        "filter",
        "Filter",
        "card",
        "The card keeps the frames for its addresses, groups and VLANs.",
        "csrc/card/filter.c",
        funnel="filter",
        counters=(("multicast frames", "device.multicast"), ("longer than the MTU", "device.rx_length_errors")),
        limits=("mtu",),
        knobs=("mac", "promisc", "rx-vlan-filter", "mtu"),
    ),
    Stage(
        "rss",
        "RSS",
        "card",
        "A hash of the flow chooses the queue.",
        "csrc/card/rss.c",
        counters=(("aRFS filters hit", "rfs.arfs.hits"),),
        knobs=("queues", "rxhash", "rss-indir", "ntuple"),
    ),
    Stage(
        "fifo",
        "FIFO",
        "card",
        "The card's packet memory holds frames until the ring has a buffer for them.",
        "csrc/card/fifo.c",
        funnel="fifo",
        counters=(("rx_fifo_errors", "device.rx_fifo_errors"), ("bytes lost", "device.fifo_lost_bytes")),
        limits=("fifo",),
        knobs=("fifo",),
        latency=("ring",),
        fill="fifo",
    ),
    Stage(
        "dma",
        "DMA",
        "card",
        "The card copies the frame into the driver's buffers and checks its checksum.",
        "csrc/card/dma.c",
        counters=(
            ("checksum good", "queues.csum_good"),
            ("checksum bad", "queues.csum_errors"),
            ("DMA failed", "queues.dma_failed"),
        ),
        limits=("rx-buf-len",),
        knobs=("rx-buf-len", "rx"),
        latency=("ring",),
    ),
    Stage(
        "irq",
        "IRQ",
        "card",
        "Moderation decides when the card interrupts a CPU.",
        "csrc/card/irq.c",
        counters=(
            ("interrupts", "queues.interrupts"),
            ("raised by rx-usecs", "queues.interrupts_by_usecs"),
            ("raised by rx-frames", "queues.interrupts_by_frames"),
        ),
        limits=("rx-usecs", "rx-frames"),
        knobs=("rx-usecs", "rx-frames", "adaptive-rx"),
        latency=("moderation",),
    ),
    Stage(
        "ring",
        "Ring",
        "ring",
        "Descriptors that the driver posted; without one a frame waits in the FIFO.",
        "csrc/ring/virtqueue.c",
        funnel="ring",
        counters=(
            ("frames in the ring", "queues.packets"),
            ("no buffer posted", "queues.no_buffer"),
            ("while moderation waited", "queues.no_buffer_moderated"),
        ),
        limits=("rx-ring",),
        knobs=("rx-ring", "drop-en"),
        latency=("ring",),
        fill="rx-ring",
    ),
    Stage(
        "driver",
        "Driver",
        "driver",
        "The driver takes used buffers off the ring, builds skbs and posts new buffers.",
        "csrc/driver/driver.c",
        counters=(
            ("frames taken", "device.rx_packets"),
            ("doorbells", "queues.kicks"),
            ("no buffer to post", "queues.alloc_rx_buff_failed"),
        ),
        limits=("rx-pool",),
        knobs=("rx-pool",),
        latency=("stack",),
        fill="rx-pool",
    ),
    Stage(
        "napi",
        "NAPI",
        "driver",
        "The softirq polls queues until its budget or its time is used up.",
        "csrc/softnet/net_rx_action.c",
        counters=(
            ("polls", "queues.polls"),
            ("polls with full weight", "queues.full_polls"),
            ("runs of net_rx_action", "cpus.net_rx_runs"),
            ("time_squeeze", "cpus.time_squeeze"),
            ("left to ksoftirqd", "cpus.ksoftirqd_runs"),
        ),
        limits=("weight", "netdev-budget", "netdev-budget-usecs", "(softirq restarts)", "(softirq time)"),
        knobs=("netdev-budget", "netdev-budget-usecs", "weight", "threaded"),
        latency=("poll",),
    ),
    Stage(
        "gro",
        "GRO",
        "driver",
        "Segments of one flow are merged into one packet.",
        "csrc/softnet/gro.c",
        counters=(
            ("merged", "gro.merged"),
            ("held as the first", "gro.held"),
            ("passed at once", "gro.normal"),
        ),
        limits=("gro-max-size", "(gro bucket)"),
        knobs=("gro", "gro-flush-timeout", "napi-defer-hard-irqs", "gro-max-size"),
        latency=("gro",),
    ),
    Stage(
        "rps",
        "RPS",
        "driver",
        "Software steering chooses the CPU that goes on with the packet.",
        "csrc/softnet/rps.c",
        counters=(
            ("interrupts between CPUs", "irq.ipis"),
            ("steered by RFS", "rfs.steered"),
            ("dropped by the flow limit", "cpus.flow_limit_count"),
        ),
        limits=("flow-limit-cpus",),
        knobs=("rps-cpus", "rps-flow-cnt", "rps-sock-flow-entries", "flow-limit-cpus"),
    ),
    Stage(
        "backlog",
        "Backlog",
        "stack",
        "A queue of each CPU for the packets that other CPUs steered to it.",
        "csrc/softnet/backlog.c",
        funnel="backlog",
        counters=(
            ("packets dropped", "cpus.dropped"),
            ("longest backlog", "max cpus.input_qlen_max"),
            ("polls with full weight", "cpus.backlog_full_polls"),
        ),
        limits=("netdev-max-backlog", "dev-weight"),
        knobs=("netdev-max-backlog", "dev-weight"),
        latency=("backlog",),
        fill="netdev-max-backlog",
    ),
    Stage(
        "receive",
        "Receive",
        "stack",
        "Packet taps see the packet; then the handler of its EtherType takes it.",
        "csrc/softnet/netif_receive_skb.c",
        funnel="protocol",
        counters=(("packets", "cpus.processed"),),
        latency=("stack",),
    ),
    Stage(
        "ip",
        "IP",
        "stack",
        "Header checks, local address, fragments.",
        "csrc/inet/ip.c",
        funnel="ip",
        counters=(
            ("IPv4 received", "mib.Ip_InReceives"),
            ("IPv6 received", "mib.Ip6_InReceives"),
            ("IPv4 delivered", "mib.Ip_InDelivers"),
            ("IPv6 delivered", "mib.Ip6_InDelivers"),
        ),
        limits=("ipfrag-high-thresh", "ip6frag-high-thresh", "ipfrag-max-dist"),
        knobs=("ipfrag-high-thresh", "ipfrag-time"),
        latency=("stack",),
    ),
    Stage(
        "transport",
        "UDP, TCP",
        "stack",
        "Checksum, then the search for the socket; TCP puts segments in order.",
        "csrc/inet/udp.c",
        funnel="udp, tcp",
        counters=(
            ("UDP without a socket", "mib.Udp_NoPorts"),
            ("UDP checksum errors", "mib.Udp_InCsumErrors"),
            ("TCP segments", "mib.Tcp_InSegs"),
            ("TCP out of order", "mib.TcpExt_TCPOFOQueue"),
        ),
        limits=("sockets", "(upcalls)"),
        latency=("stack", "reorder"),
    ),
    Stage(
        "socket",
        "Socket",
        "socket",
        "The receive queue, bounded by the memory that its packets take.",
        "csrc/sock/sock.c",
        funnel="socket",
        counters=(
            ("RcvbufErrors", "mib.Udp_RcvbufErrors"),
            ("MemErrors", "mib.Udp_MemErrors"),
        ),
        limits=("rcvbuf", "udp-mem"),
        knobs=("rcvbuf", "udp-mem"),
        latency=("socket",),
        fill="rcvbuf",
    ),
    Stage(
        "reader",
        "Reader",
        "socket",
        "A program wakes up and reads; it shares its CPU with the interrupts there.",
        "csrc/sock/sock.c",
        counters=(("wake-ups", "cpus.reader_wakeups"), ("ns of work", "cpus.reader_busy_ns")),
        knobs=("reader-cpu", "busy-read"),
        latency=("total",),
    ),
)


def read(facts: dict[str, Any], path: str) -> int | float | None:
    """Return a counter of the report; None: the report does not have it."""
    most = path.startswith("max ")
    found: Any = facts
    for name in path.removeprefix("max ").split("."):
        if isinstance(found, list):
            values = [row[name] for row in found if name in row]
            found = (max(values, default=0) if most else sum(values)) if values or not found else None
        elif isinstance(found, dict):
            found = found.get(name, 0 if path.startswith("mib.") else None)
        else:
            return None
    return found if isinstance(found, (int, float)) else None
