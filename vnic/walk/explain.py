"""For learners: what each stage does, and how it loses frames. Each text is true without the others."""

from __future__ import annotations

EXPLAIN = {
    "wire": "The card sees a frame when its last bit has arrived. From here on its latency counts.",
    "fifo": "The card keeps arriving frames in a FIFO of `fifo` bytes until its DMA engine takes them. "
    "One frame without a buffer stops all frames behind it.",
    "dma": "DMA copies the frame into buffers that the driver posted in the ring beforehand. No CPU takes part.",
    "moderation": "The card may wait before it interrupts, so that a single interrupt announces many frames. "
    "`rx-usecs` bounds the wait, `rx-frames` the number of frames.",
    "hardirq": "The interrupt handler masks the queue's interrupt and schedules NAPI. All other work comes later.",
    "softirq": "NET_RX_SOFTIRQ polls the queues of its CPU. One run takes at most `netdev-budget` packets and "
    "`netdev-budget-usecs`; the rest waits for the next run, perhaps for ksoftirqd.",
    "poll": "One poll takes at most `weight` frames from the ring, in the order in which they came.",
    "skb": "The driver describes the frame by an sk_buff, and posts a fresh buffer in the ring.",
    "gro": "GRO merges segments of one flow into one packet, so that the stack runs once for all of them. "
    "With `gro-flush-timeout`, it waits longer for the next segment.",
    "rps": "RPS hashes the flow, and hands the packet to one of the CPUs in `rps-cpus`. So one CPU need not do it all.",
    "backlog": "A CPU's backlog holds the packets that other CPUs gave it. An IPI tells an idle CPU of them.",
    "receive": "Packet taps see the packet first. Then IP and the protocol check it, and find its socket.",
    "reorder": "A fragment waits for the rest of its datagram, and a TCP segment for the bytes in front of it.",
    "socket": "The packet waits in the socket's receive buffer until its reader runs and calls read().",
    "read": "read() copies the data to the program, and the buffer goes back to the driver's pool.",
    "fate": "Every frame ends in exactly one fate, and vnic counts it where it happens.",
}
"""Stage -> what it does. Names in backticks are knobs."""

DROPS = {
    "wire": "The card loses a frame here if its filters do not want it (`mac`, `promisc`, VLANs, ntuple rules). "
    "The same holds for a frame that is longer than `mtu`, and as long as no driver has set the card up.",
    "fifo": "A frame is lost here (FIFO_OVERRUN) if the FIFO has no room for it. "
    "Then DMA is slower than the wire, or a full ring stops it (`fifo`, `rx-ring`).",
    "dma": "A frame is lost here if it is longer than all buffers of a ring (RX_OVER, `rx-buf-len`). "
    "With `drop-en`, it is also lost if the ring has no buffer (RX_NO_BUFFER, `rx-ring`).",
    "backlog": "A packet is lost here (CPU_BACKLOG) if the backlog holds more than `netdev-max-backlog` packets. "
    "With `flow-limit-cpus`, a flow that sends too much loses its packets earlier.",
    "receive": "A packet is lost here if no protocol or socket wants it. "
    "The same holds for one that is not valid: a wrong checksum, a wrong length, another host's address.",
    "reorder": "A fragment is lost here if the rest does not come in time (`ipfrag-time`), "
    "or if incomplete datagrams fill `ipfrag-high-thresh`.",
    "socket": "A packet is lost here (SOCKET_RCVBUFF) if the receive buffer is full (`rcvbuf`): "
    "its reader is too slow, or does not get its CPU.",
}
"""Stage -> how it loses frames. Other stages lose none."""

_AT = {
    "filter": "wire",
    "fifo": "fifo",
    "ring": "dma",
    "backlog": "backlog",
    "protocol": "receive",
    "ip": "receive",
    "udp, tcp": "receive",
    "socket": "socket",
}
_FRAGMENTS = frozenset({"DUP_FRAG", "FRAG_REASM_TIMEOUT", "FRAG_TOO_FAR", "PKT_TOO_BIG", "FRAG_OVERLAP", "FRAG_LENGTH",
                        "FRAG_ECN", "FRAG_HIGH_THRESH", "TCP_OFO_DROP", "TCP_OFOMERGE",
                        "TCP_OFO_QUEUE_PRUNE"})  # fmt: skip


def drop_stage(fate: str) -> str | None:
    """Return the stage that a fate belongs to; None: it is no loss."""
    from vnic.runs.funnel import FUNNEL

    if fate.startswith("DELIVERED_"):
        return None
    if fate in _FRAGMENTS:
        return "reorder"
    return next((_AT[stage] for stage, _, fates in FUNNEL if fate in fates), None)
