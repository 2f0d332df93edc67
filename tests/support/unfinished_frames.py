"""Frames as their sender left them to its card: what is not filled in yet; and what a replay makes of them."""

import struct

import frames
import pcapng_blocks
from captures import T0, pcap

from vnic.runs.replay import replay

V6 = {"src": "fd00::1", "dst": "fd00::2"}
TAGS = [b"", b"\x81\0\0\5", b"\x88\xa8\0\7\x81\0\0\5"]
HOP_BY_HOP = (0, bytes([6, 0, 5, 2, 0, 0, 1, 0]))
DESTINATION = (60, bytes([6, 0, 1, 4, 0, 0, 0, 0]))
ROUTING = (43, bytes([6, 0, 4, 0, 0, 0, 0, 0]))


def put(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack("!H", value) + data[at + 2 :]


def partial(l4: bytes, proto: int, length: int, *, v6: bool) -> int:
    """The pseudo-header's sum alone, as it is left in the field."""
    addresses = ("fd00::1", "fd00::2") if v6 else ("10.0.0.1", "10.0.0.2")
    return ~frames.csum(frames.pseudo(*addresses, proto, length)) & 0xFFFF


class Made:
    """One frame, complete; and where what a card completes is in it."""

    def __init__(self, *, v6=False, tcp=True, tags=b"", payload=b"x" * 100, options=b"", headers=(), **more):
        make = frames.tcp if tcp else frames.udp
        addresses = V6 if v6 else {"options": b""} | ({"id": more.pop("id", 7)})
        more = {"dport": 80} | more
        if tcp:
            more["options"] = options
            addresses.pop("options", None)
        self.data = make(payload, **addresses, **more)
        self.v6, self.tcp, self.ip, self.proto = v6, tcp, 14 + len(tags), 6 if tcp else 17
        if headers:
            chain = b"".join(
                bytes([headers[i + 1][0] if i + 1 < len(headers) else self.proto]) + body[1:]
                for i, (_, body) in enumerate(headers)
            )
            l4 = self.data[54:]
            self.data = self.data[:14] + frames.ipv6(chain + l4, headers[0][0], **V6)
        self.l4 = self.ip + (40 if v6 else 20) + sum(len(body) for _, body in headers)
        self.data = self.data[:12] + tags + self.data[12:]
        self.sum_at = self.l4 + (16 if tcp else 6)

    def left(self, *, ip_sum=False, length=False, transport=None) -> bytes:
        """As it was before the card had it. transport: 'long', 'short': the pseudo-header with the length, without."""
        data = self.data
        if length:
            data = put(data, self.ip + (4 if self.v6 else 2), 0)
        if ip_sum:
            data = put(data, self.ip + 10, 0)
        if transport:
            n = len(data) - self.l4 if transport == "long" else 0
            data = put(data, self.sum_at, partial(data[self.l4 :], self.proto, n, v6=self.v6))
        return data


def run(tmp_path, *fed, at=("gro",), **options):
    """Replay frames, 1 us apart. Return: the facts, and the packets at the points that were asked for."""
    path, out = tmp_path / "x.pcap", tmp_path / "out.pcapng"
    path.write_bytes(pcap([(T0 + i * 1000, d, len(d)) for i, d in enumerate(fed)], snaplen=262144))
    options = {"cost": "zero", "link": "inf", "gro": False, "fifo": 1 << 20, "rcvbuf": 1 << 24} | options
    facts = replay([path], write=out, at=at, **options).facts
    assert facts["ledger"]["offered"] == sum(facts["ledger"]["fates"].values())
    assert facts["ledger"]["in_flight"] == 0
    return facts, pcapng_blocks.read(out)
