"""The other end of the wire, in plain Python: decodes what a host sends, answers ARP and neighbour discovery."""

import ipaddress
import struct
from dataclasses import dataclass

import frames


@dataclass
class Sent:
    """A frame on the wire, decoded; checksums were verified on the way."""

    t_ns: int
    dst: bytes
    ethertype: int
    src_ip: str = ""
    dst_ip: str = ""
    proto: int = -1
    ttl: int = 0
    tos: int = 0
    ident: int = 0
    df: bool = False
    more: bool = False
    offset: int = 0
    payload: bytes = b""
    frame: bytes = b""

    @property
    def fragment(self):
        return self.more or self.offset > 0

    @property
    def udp(self):
        return struct.unpack("!HHHH", self.payload[:8])


def verify(s):
    if s.fragment or s.proto not in (1, 17, 58):
        return
    pseudo = b"" if s.proto == 1 else frames.pseudo(s.src_ip, s.dst_ip, s.proto, len(s.payload))
    if s.proto != 17 or s.payload[6:8] != b"\0\0":
        assert frames.csum(pseudo + s.payload) in (0, 0xFFFF), s
    if s.proto == 17:
        assert s.udp[2] == len(s.payload)


def decode(t_ns, frame):
    assert len(frame) >= 60
    s = Sent(t_ns, frame[:6], struct.unpack("!H", frame[12:14])[0], frame=frame)
    p = frame[14:]
    if s.ethertype == 0x0800:
        head, total, s.ident, frag, s.ttl, s.proto = struct.unpack("!HHHHBB", p[:10])
        assert (head >> 8, frames.csum(p[:20])) == (0x45, 0)
        s.tos, s.df, s.more, s.offset = head & 255, bool(frag & 0x4000), bool(frag & 0x2000), (frag & 0x1FFF) * 8
        s.src_ip, s.dst_ip = (str(ipaddress.IPv4Address(p[i : i + 4])) for i in (12, 16))
        s.payload = p[20:total]
    elif s.ethertype == 0x86DD:
        first, length, s.proto, s.ttl = struct.unpack("!IHBB", p[:8])
        assert first >> 28 == 6
        s.tos = first >> 20 & 255
        s.src_ip, s.dst_ip = (str(ipaddress.IPv6Address(p[i : i + 16])) for i in (8, 24))
        s.payload = p[40 : 40 + length]
        if s.proto == 44:
            s.proto, _, frag, s.ident = struct.unpack("!BBHI", s.payload[:8])
            s.offset, s.more, s.payload = frag & ~7, bool(frag & 1), s.payload[8:]
    elif s.ethertype == 0x0806:
        s.payload = p[:28]
    verify(s)
    return s


def sent(host):
    return [decode(t, f) for t, f in host.nic.sent()]


def reassembled(fragments):
    """The transport part of fragments in order, each where the one before it ends."""
    whole = b""
    for i, f in enumerate(fragments):
        assert f.offset == len(whole)
        assert f.more == (i + 1 < len(fragments))
        assert (f.ident, f.df) == (fragments[0].ident, False)
        whole += f.payload
    return whole


def arp(op, sip, tip, *, sha=frames.PEER, to_mac=bytes(6), dst=None):
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, op)
    body += sha + ipaddress.IPv4Address(sip).packed + to_mac + ipaddress.IPv4Address(tip).packed
    return frames.eth(body, dst=dst or (b"\xff" * 6 if op == 1 else frames.MAC), src=sha, type=0x0806)


def nd(kind, target, *, src, dst, flags=0, mac=frames.PEER, option=None, hops=255, to=frames.MAC):
    """A solicitation (135) or advertisement (136)."""
    message = struct.pack("!BBHI", kind, 0, 0, flags << 29) + ipaddress.IPv6Address(target).packed
    if mac is not None:
        message += struct.pack("!BB", option or (1 if kind == 135 else 2), 1) + mac
    check = frames.csum(frames.pseudo(src, dst, 58, len(message)) + message)
    message = message[:2] + struct.pack("!H", check) + message[4:]
    return frames.eth(
        frames.ipv6(message, 58, src=src, dst=dst, hops=hops), dst=to, src=mac or frames.PEER, type=0x86DD
    )


class Peer:
    """A wire with one neighbour who has all of ``addresses`` (ip -> mac) and answers who asks."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.seen = []
        self._answers = []

    def read_burst(self, max_frames):
        burst, self._answers = self._answers[:max_frames], self._answers[max_frames:]
        return burst

    def write_burst(self, burst):
        for t, frame in burst:
            s = decode(t, frame)
            self.seen.append(s)
            if s.ethertype == 0x0806 and s.payload[7] == 1:
                sip, tip = (str(ipaddress.IPv4Address(s.payload[i : i + 4])) for i in (14, 24))
                if tip in self.addresses:
                    self._answers.append((t, arp(2, tip, sip, sha=self.addresses[tip], to_mac=frame[6:12])))
            if s.proto == 58 and s.payload[0] == 135:
                target = str(ipaddress.IPv6Address(s.payload[8:24]))
                if target in self.addresses:
                    mac = self.addresses[target]
                    self._answers.append((t, nd(136, target, src=target, dst=s.src_ip, flags=3, mac=mac)))


def quiet(host):
    """The host, which then does not report the groups that it joined when it began."""
    from vnic._core import lib

    lib.mc_flush(host.machine.c)
    return host


def host_with(peer, **options):
    import vnic  # here: scripts/fuzz makes frames without it

    own = {"ip": ["10.0.0.2/24", "fd00::2/64"], "cost": "zero"}
    return quiet(vnic.Host(wire=vnic.PythonWire(peer), **(own | options)))
