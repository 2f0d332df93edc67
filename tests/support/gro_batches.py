"""Batches for GRO: random ones that mean something, their frames, what vnic makes of them, and a shrinker.

A batch is plain data: kinds of flows, and items (flow, payload bytes, what is special about it). So it can be printed,
shrunk and kept. Most items go on with their flow as a sender would; the specials are what Linux's rules look at.
"""

import random
import struct
from dataclasses import asdict, dataclass
from typing import Self

from frames import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG, csum, eth, ipv4, ipv6, tcp, udp
from kernel_gro import Seen

import vnic
from vnic._core import ffi, lib

SERVER, CLIENT = {4: "192.168.1.100", 6: "fdaa::1"}, {4: "192.168.1.200", 6: "fdaa::2"}
ELSEWHERE = {4: "192.168.1.201", 6: "fdaa::3"}
DPORT = 8000

# ---- what can be special ----

TCP_FIELDS = {
    "psh": {"flags": ACK | PSH}, "fin": {"flags": ACK | FIN}, "syn": {"flags": SYN},
    "rst": {"flags": RST}, "urg": {"flags": ACK | URG, "urg": 1}, "ece": {"flags": ACK | ECE},
    "cwr": {"flags": ACK | CWR}, "psh+ece": {"flags": ACK | PSH | ECE}, "no ack": {"flags": 0},
    "ack": {"ack": 101}, "window": {"window": 1}, "urg_ptr": {"urg": 9},
    "later": {"options": b"\1\1\x08\x0a\0\0\0\2\0\0\0\0"}, "sack": {"options": b"\1\1\5\x0a" + bytes(8)},
    "dport": {"dport": 81},
}  # fmt: skip
IP_FIELDS = {
    4: {"ttl": {"ttl": 7}, "tos": {"tos": 4}, "ecn": {"tos": 2}, "df": {"frag": 0}, "mf": {"frag": 0x6000},
        "offset": {"frag": 5}, "reserved": {"frag": 0xC000}, "id": {"id": 77}, "total": {"total": 60}},
    6: {"ttl": {"hops": 7}, "tos": {"tc": 0x20}, "ecn": {"tc": 2}, "id": {"flow": 77}, "total": {"length": 60}},
}  # fmt: skip
OUTER = {f"outer {name}": fields for name, fields in IP_FIELDS[4].items() if name != "total"}
OUTER |= {"outer fixed id": {}}
DAMAGE = (
    "csum", "ip csum", "ip options", "doff 4", "doff 15", "ae", "padding", "dst options", "other dst options",
    "hop-by-hop", "fragment", "cut", "src mac", "dst mac", "src ip", "dst ip", "other proto",
)  # fmt: skip
STREAM = ("lost", "again", "overlap", "fixed id", "id gap")
UDP_ONLY = ("zero csum", "udp length")
KINDS = tuple(dict.fromkeys([*TCP_FIELDS, *IP_FIELDS[4], *IP_FIELDS[6], *OUTER, *DAMAGE, *STREAM, *UDP_ONLY]))

FLOWS = {
    # name: transport, its IP version, the tunnel's IP version or None, an extension header
    "tcp4": ("tcp", 4, None, None), "tcp6": ("tcp", 6, None, None), "tcp6 ext": ("tcp", 6, None, 60),
    "udp4": ("udp", 4, None, None), "udp6": ("udp", 6, None, None),
    "ipip": ("tcp", 4, 4, None), "6in4": ("tcp", 6, 4, None), "4in6": ("tcp", 4, 6, None),
    "6in6": ("tcp", 6, 6, None), "udp in ipip": ("udp", 4, 4, None), "ipip in ipip": ("ipip", 4, 4, None),
    "other4": ("other", 4, None, None), "other6": ("other", 6, None, None),
}  # fmt: skip
TCP_FLOWS = ("tcp4", "tcp4", "tcp6", "tcp6 ext", "ipip", "6in4", "4in6", "6in6")
ALL_FLOWS = (*TCP_FLOWS, "udp4", "udp4", "udp6", "udp in ipip", "ipip in ipip", "other4", "other6")


@dataclass(frozen=True)
class Item:
    """One frame."""

    flow: int
    n: int
    special: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Frames that arrive at once."""

    flows: tuple[str, ...]
    items: tuple[Item, ...]

    def frames(self) -> list[bytes]:
        return Build(self.flows).all(self.items)

    def plain(self) -> dict:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of(cls, plain: dict) -> Self:
        items = tuple(Item(i["flow"], i["n"], tuple(i["special"])) for i in plain["items"])
        return cls(tuple(plain["flows"]), items)


def random_batch(
    rng: random.Random, *, flows=ALL_FLOWS, n=60, kinds=KINDS, sizes=(100,) * 8 + (0, 1, 40, 101)
) -> Batch:
    """Up to n items: runs of a few flows, and every fifth or so is special, the next one then often in the same way."""
    count = rng.choice([1, 2, 2, 3, 5, 9, 12])
    chosen = tuple(rng.choice(flows) for _ in range(count))
    rate, items = rng.choice([0, 0.1, 0.2, 0.5]), []
    for _ in range(rng.randint(1, n)):
        if items and rng.random() < 0.3:
            flow, special = items[-1].flow, items[-1].special
        else:
            flow = rng.randrange(count)
            special = tuple(rng.sample(kinds, rng.choice([1, 1, 1, 2]))) if rng.random() < rate else ()
        items.append(Item(flow, rng.choice(sizes), special))
    return Batch(chosen, tuple(items))


# ---- frames ----


def damaged(frame: bytes, at: int, mask: int = 1) -> bytes:
    """Other bits at one place."""
    return frame[:at] + bytes([frame[at] ^ mask]) + frame[at + 1 :] if at < len(frame) else frame


def extended(packet: bytes, kind: int, body: bytes) -> bytes:
    """Put an 8-byte extension header behind the IPv6 header."""
    length = struct.pack("!H", struct.unpack_from("!H", packet, 4)[0] + 8)
    return packet[:4] + length + bytes([kind]) + packet[7:40] + packet[6:7] + b"\0" + body + packet[40:]


class Build:
    """Frames of a batch, one after another."""

    def __init__(self, flows: tuple[str, ...], start: int = 2**32 - 500) -> None:
        self.flows = flows
        self.seq = dict.fromkeys(range(len(flows)), start)  # streams wrap soon
        self.ids = dict.fromkeys(range(len(flows)), 65530)
        self.outer_ids = dict.fromkeys(range(len(flows)), 3)
        self.made = 0

    def all(self, items: tuple[Item, ...]) -> list[bytes]:
        return [self.frame(item) for item in items]

    def frame(self, item: Item) -> bytes:
        transport, v, tunnel, ext = FLOWS[self.flows[item.flow]]
        special = set(item.special)
        self.made += 1
        payload = bytes([self.made & 0xFF]) * item.n
        packet = self.packet(item.flow, transport, v, payload, special)
        if v == 6:
            packet = self.extend(packet, ext, special)
        if tunnel:
            packet = self.encapsulate(item.flow, packet, v, tunnel, special)
        mac = {"src": b"\2\0\0\0\0\3"} if "src mac" in special else {}
        mac |= {"dst": b"\2\0\0\0\0\7"} if "dst mac" in special else {}
        frame = eth(packet, type=0x0800 if packet[0] >> 4 == 4 else 0x86DD, **mac)
        if "padding" in special:
            frame += bytes(7)
        if "cut" in special:
            frame = frame[: 14 + len(packet) * 2 // 3]
        return frame

    def packet(self, flow: int, transport: str, v: int, payload: bytes, special: set[str]) -> bytes:
        ip = {"src": CLIENT[v], "dst": SERVER[v], "ttl" if v == 4 else "hops": 8}
        ip |= {"src": ELSEWHERE[v]} if "src ip" in special else {}
        ip |= {"dst": ELSEWHERE[v]} if "dst ip" in special else {}
        if "other proto" in special:
            transport = {"tcp": "udp", "udp": "tcp"}.get(transport, transport)
        if v == 4:
            self.ids[flow] += 0 if "fixed id" in special else 5 if "id gap" in special else 1
            ip["id"] = self.ids[flow] & 0xFFFF
        for name in special & IP_FIELDS[v].keys():
            ip |= IP_FIELDS[v][name]
        if transport == "tcp":
            packet = self.tcp(flow, payload, special, ip)
        elif transport == "udp":
            packet = self.udp(flow, payload, special, ip)
        elif transport == "ipip":
            ip |= {"src": "10.9.0.1", "dst": "10.9.0.2"}
            packet = ipv4(
                self.tcp(flow, payload, special, ip), 4, src=CLIENT[4], dst=SERVER[4], id=self.ids[flow] & 0xFFFF
            )
        else:
            packet = ipv4(payload, 132, **ip) if v == 4 else ipv6(payload, 132, **ip)
        at = 20 if v == 4 else 40
        if "csum" in special:
            packet = damaged(packet, at + (16 if transport == "tcp" else 6))
        if "ip options" in special and v == 4:
            packet = ipv4(packet[20:], packet[9], options=b"\1\1\1\0", **ip)
        if "ip csum" in special and v == 4:
            packet = damaged(packet, 10)
        return packet

    def tcp(self, flow: int, payload: bytes, special: set[str], ip: dict) -> bytes:
        at = self.seq[flow]
        at += len(payload) if "lost" in special else -100 if "again" in special else -10 if "overlap" in special else 0
        self.seq[flow] = at + len(payload)
        fields = {"sport": 1500 + flow, "dport": DPORT, "seq": at, "ack": 100}
        if flow % 4 == 1:
            fields["options"] = b"\1\1\x08\x0a\0\0\0\1\0\0\0\0"
        for name in special & TCP_FIELDS.keys():
            fields |= TCP_FIELDS[name]
        packet = bytearray(tcp(payload, **fields, **ip)[14:])
        l4 = (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40
        offset = {"doff 4": packet[l4 + 12] & 15 | 0x40, "doff 15": packet[l4 + 12] | 0xF0, "ae": packet[l4 + 12] | 1}
        for name in special & offset.keys():
            pair = packet[12:20] if l4 < 40 or packet[0] >> 4 == 4 else packet[8:40]
            packet[l4 + 12] = offset[name]
            packet[l4 + 16 : l4 + 18] = b"\0\0"
            whole = bytes(pair) + struct.pack("!II", len(packet) - l4, 6) + bytes(packet[l4:])
            packet[l4 + 16 : l4 + 18] = struct.pack("!H", csum(whole))
        return bytes(packet)

    def udp(self, flow: int, payload: bytes, special: set[str], ip: dict) -> bytes:
        extra = {"check": 0} if "zero csum" in special else {}
        total = ip.pop("length", None)  # IPv6's; udp() means its own by that name
        if "udp length" in special:
            extra["length"] = 8 + len(payload) // 2
        packet = udp(payload, sport=1500 + flow, dport=81 if "dport" in special else DPORT, **extra, **ip)[14:]
        return packet if total is None else packet[:4] + total.to_bytes(2) + packet[6:]

    @staticmethod
    def extend(packet: bytes, ext: int | None, special: set[str]) -> bytes:
        if ext:
            packet = extended(packet, ext, b"\1\4\0\0\0\0")
        for name, kind, body in (
            ("dst options", 60, b"\1\4\0\0\0\0"), ("other dst options", 60, b"\1\4\0\1\0\0"),
            ("hop-by-hop", 0, b"\1\4\0\0\0\0"), ("fragment", 44, bytes(6)),
        ):  # fmt: skip
            if name in special:
                packet = extended(packet, kind, body)
        return packet

    def encapsulate(self, flow: int, packet: bytes, v: int, tunnel: int, special: set[str]) -> bytes:
        proto = 4 if v == 4 else 41
        if tunnel == 6:
            return ipv6(packet, proto, src=CLIENT[6], dst=SERVER[6], hops=7 if "outer ttl" in special else 8)
        self.outer_ids[flow] += "outer fixed id" not in special
        fields = {"src": CLIENT[4], "dst": SERVER[4], "ttl": 8, "id": self.outer_ids[flow]}
        for name in special & OUTER.keys():
            fields |= OUTER[name]
        return ipv4(packet, proto, **fields)


# ---- vnic's answer ----


class Vnic:
    """The same frames through vnic: one queue, no hash, nothing verified by the card, a batch in one poll."""

    def __init__(self, *, udp_gro_ports=(), udp_ports=(), **knobs) -> None:
        config = {"cost": "zero", "link": "inf", "rx": False, "rxhash": False, "rx_buf_len": 16384, "rx_pool": 512,
                  "strict_csum": True}  # fmt: skip
        self.host = vnic.Host(**(config | {"fifo": 1 << 24, "sockets": 64} | knobs))
        for port in udp_gro_ports:
            self.host.udp(port, SERVER[4], gro=True)
        for port in udp_ports:
            self.host.udp(port, SERVER[4])
        self.seen: list[Seen] = []
        for ethertype in (0x0800, 0x86DD):
            self.host.packet_type(ethertype)(self.take)

    def take(self, burst) -> None:
        queue = self.host.machine.c.upcalls
        for i, packet in enumerate(burst):
            skb = queue.slot[(queue.tail + i) % lib.UPCALLS_MAX].skb
            at = skb.pool.base + skb.id * skb.pool.stride + skb.mac_header
            self.seen.append(seen(bytes(ffi.buffer(at, 14)) + bytes(packet), skb))

    def deliver(self, frames: list[bytes]) -> list[Seen]:
        self.seen = []
        self.host.feed(frames)
        self.host.run()
        return self.seen

    def close(self) -> None:
        assert self.host.laws() == 0
        self.host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc) -> None:
        self.close()


def seen(packet: bytes, skb) -> Seen:
    """What Linux would tell of an skb in a virtio_net_hdr."""
    state = {lib.CHECKSUM_NONE: "-", lib.CHECKSUM_UNNECESSARY: "V", lib.CHECKSUM_PARTIAL: "P"}[skb.ip_summed]
    if skb.segs == 1:
        return Seen(packet, "", 0, state, 0)
    tags = skb.gro_outer - 14  # were in the frame when GRO had it
    version = packet[(skb.gro_inner or skb.gro_outer) - tags] >> 4
    gso = "udp_l4" if skb.flags & lib.SKB_UDP else f"tcpv{version}"
    return Seen(packet, gso, skb.gso_size, state, skb.gro_l4 - tags if state == "P" else 0)


# ---- shrinking ----


def shrink(batch: Batch, fails) -> Batch:
    """The smallest batch found that still fails: fewer items, fewer specials, plainer sizes."""
    size = max(1, len(batch.items) // 2)
    while size:
        at = 0
        while at < len(batch.items):
            fewer = Batch(batch.flows, batch.items[:at] + batch.items[at + size :])
            if fewer.items and fails(fewer):
                batch = fewer
            else:
                at += size
        size //= 2
    for i, item in enumerate(batch.items):
        simpler = [Item(item.flow, item.n, tuple(s for s in item.special if s != drop)) for drop in item.special]
        simpler += [Item(item.flow, 100, item.special)]
        for other in simpler:
            candidate = Batch(batch.flows, (*batch.items[:i], other, *batch.items[i + 1 :]))
            if other != batch.items[i] and fails(candidate):
                batch = candidate
    return batch
