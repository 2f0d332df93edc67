"""What GRO sends up, as a packet tap sees it: packets, how many segments each has, and the state of its checksum."""

import struct

from vnic._core import lib

CSUM = {lib.CHECKSUM_NONE: "-", lib.CHECKSUM_UNNECESSARY: "V", lib.CHECKSUM_PARTIAL: "P"}


class Tap:
    """IP packets as a tap sees them: a list of (packet, segments, checksum state)."""

    def __init__(self, host):
        self.host = host
        self.seen = []
        for ethertype in (0x0800, 0x86DD):
            host.packet_type(ethertype)(self.take)

    def take(self, burst):
        queue = self.host.machine.c.upcalls
        for i, packet in enumerate(burst):
            skb = queue.slot[(queue.tail + i) % lib.UPCALLS_MAX].skb
            self.seen.append((bytes(packet), skb.segs, CSUM[skb.ip_summed]))

    def deliver(self, batch):
        self.seen.clear()
        self.host.feed(batch)
        self.host.run()
        return list(self.seen)

    def told(self, batch):
        """Each packet in the words of the rows in gro_rows.py."""
        return [told(*packet) for packet in self.deliver(batch)]


def transport(packet):
    """Flags and payload."""
    total, at = (struct.unpack_from("!H", packet, 2)[0], (packet[0] & 15) * 4)
    if packet[0] >> 4 == 6:
        total, at = struct.unpack_from("!H", packet, 4)[0] + 40, 40
        following = packet[6]
        while following in {44, 60}:
            following, at = packet[at], at + 8
    letters = "".join(c for i, c in enumerate("FSRPAUEC") if packet[at + 13] >> i & 1)
    return letters, packet[at + (packet[at + 12] >> 4) * 4 : total]


def told(packet, segs, state):
    letters, payload = transport(packet)
    return f"{len(payload)}{letters}{f'/{segs}' if segs > 1 else ''} {state}"
