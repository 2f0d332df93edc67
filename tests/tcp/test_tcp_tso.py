"""Segmentation left to the wire: one frame of many segments. Behind virtio headers the test is the kernel."""

import contextlib
import hashlib
import os
import socket
import struct
import threading
from dataclasses import dataclass, field

import frames
import pytest
from commands import ethtool
from frames import ACK, CWR, ECE, FIN, PSH, SYN
from live_tap import live_tap, wait_until
from peer import arp, nd
from vnet_pair import NEEDS_CSUM, TCPV4, TCPV6, Pair, header

import vnic

MSS = 1460
ENDS = {4: {"src": "10.0.0.1", "dst": "10.0.0.2"}, 6: {"src": "fd00::1", "dst": "fd00::2"}}


@dataclass
class Out:
    """A frame that the card sent, with its virtio header."""

    gso_type: int
    gso_size: int
    seq: int
    flags: int
    data: bytes
    tos: int
    segs: int = field(init=False)

    def __post_init__(self):
        self.segs = -(-len(self.data) // self.gso_size) if self.gso_type else 1


class Peer:
    """A connection that the peer opened, on a host behind virtio headers, in virtual time."""

    def __init__(self, pair, version=4, options=b"\2\4\5\xb4", flags=SYN, **knobs):
        self.pair, self.version, self.ends = pair, version, ENDS[version]
        wire = vnic.wire.Wire(pair.wire)
        wire.close = lambda: None
        ip = ["10.0.0.2/24", "fd00::2/64"]
        self.host = vnic.Host(ip=ip, wire=wire, cost="zero", cpus=1, tcp="endpoint", hz=1000, **knobs)
        self.now = 0
        src, dst = self.ends["src"], self.ends["dst"]
        for known in (
            [arp(1, src, dst), arp(2, src, dst)]
            if version == 4
            else [nd(135, dst, src=src, dst=dst, option=1), nd(136, src, src=src, dst=dst, flags=3, option=2)]
        ):
            self.put(known)
        self.server = self.host.listen(80)
        self.isn = 0
        self.put(frames.tcp(flags=flags, seq=100, ack=0, options=options, **self.ends))
        self.out()
        self.put(frames.tcp(seq=101, ack=self.isn + 1, **self.ends))
        self.sock = self.server.accept_nowait()
        self.out()

    def put(self, frame):
        self.pair.kernel.send(header(frame, 0, 0, 16, flags=0) + bytes(2) + frame)
        self.run()

    def run(self):
        """Let a millisecond pass."""
        self.now += 1_000_000
        self.host.run(until_ns=self.now)

    def out(self):
        """Return: segments that were sent, and check what the wire must be able to cut."""
        got = []
        with contextlib.suppress(BlockingIOError):
            while True:
                raw = self.pair.kernel.recv(1 << 17)
                flags, kind, hlen, size, start, offset, _ = struct.unpack("<BBHHHHH", raw[:12])
                f = raw[12:]
                v6 = f[12:14] == b"\x86\xdd"
                l4 = 54 if v6 else 34
                if f[20 if v6 else 23] != 6:
                    continue
                th = f[l4:]
                doff = (th[12] >> 4) * 4
                length = int.from_bytes(f[18:20], "big") if v6 else int.from_bytes(f[16:18], "big") - 20
                if flags & NEEDS_CSUM:
                    assert (start, offset) == (l4, 16)
                    ends = {"src": self.ends["dst"], "dst": self.ends["src"]}
                    pseudo = frames.pseudo(ends["src"], ends["dst"], 6, length)
                    assert th[16:18] == struct.pack("!H", 0xFFFF ^ frames.csum(pseudo))
                if th[13] & SYN:
                    self.isn = int.from_bytes(th[4:8], "big")
                seq = (int.from_bytes(th[4:8], "big") - self.isn) % 2**32
                tos = (f[14] & 15) << 4 | f[15] >> 4 if v6 else f[15]
                got.append(Out(kind, size, seq, th[13], th[doff:length], tos))
                if kind:
                    assert (kind, hlen) == ((TCPV6 if v6 else TCPV4), l4 + doff)
                    assert flags & NEEDS_CSUM
        return got

    def send(self, data):
        assert self.sock.send_nowait(data) == len(data)
        self.run()
        return self.out()

    def ack(self, n, **segment):
        self.put(frames.tcp(**({"seq": 101, "ack": (self.isn + n) % 2**32} | self.ends | segment)))
        return self.out()


@contextlib.contextmanager
def opened(*args, **options):
    with Pair() as pair:
        peer = Peer(pair, *args, **options)
        with peer.host:
            yield peer


@pytest.mark.parametrize("version", [4, 6])
def test_segments_go_out_as_one_frame_of_at_most_half_of_cwnd(version):
    data = os.urandom(10 * MSS)
    with opened(version) as p:
        mss = MSS if version == 4 else 1440
        sent = p.send(data)
        assert [(o.segs, o.gso_size) for o in sent[:2]] == [(5, mss)] * 2
        assert b"".join(o.data for o in sent) == data[: sum(len(o.data) for o in sent)]
        assert p.sock.tcp_info().unacked == 10
        assert (p.sock.tcp_info().data_segs_out, p.host.mib()["TcpExt_TCPOrigDataSent"]) == (10, 10)
        assert all(o.seq == 1 + sum(len(x.data) for x in sent[:i]) for i, o in enumerate(sent))


def test_as_cwnd_grows_frames_grow_to_64_kb_and_no_further():
    data, got = os.urandom(1 << 20), bytearray()
    with opened() as p:
        p.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sent = p.send(data)
        longest = 0
        for _ in range(60):
            for o in sent:
                longest = max(longest, o.segs)
                assert o.seq == 1 + len(got)
                got += o.data
            if len(got) == len(data):
                break
            sent = p.ack(1 + len(got))
        assert bytes(got) == data
        assert longest == (65535 - 20 - 20 - 40) // MSS
        assert p.sock.tcp_info().total_retrans == 0


def test_the_short_end_and_the_fin_go_alone():
    with opened() as p:
        p.sock.send_nowait(bytes(2 * MSS + 100))
        p.sock.shutdown(socket.SHUT_WR)
        p.run()
        sent = p.out()
        assert [(o.segs, len(o.data), o.flags) for o in sent] == [
            (2, 2 * MSS, ACK),
            (1, 100, ACK | PSH),
            (1, 0, ACK | FIN),
        ]


def test_a_fin_that_is_known_rides_on_the_last_segment():
    with opened() as p:
        p.ack(1, window=0)
        p.sock.send_nowait(bytes(4 * MSS))
        p.sock.shutdown(socket.SHUT_WR)
        p.run()
        p.out()
        sent = p.ack(1)
        assert [(o.segs, len(o.data), o.flags) for o in sent] == [(3, 3 * MSS, ACK), (1, MSS, ACK | PSH | FIN)]


def test_the_peers_window_is_not_passed():
    with opened() as p:
        p.put(frames.tcp(b"x", seq=101, ack=p.isn + 1, **p.ends))
        p.ack(1, seq=102, window=3 * MSS + 10)
        sent = p.send(bytes(10 * MSS))
        assert [o.segs for o in sent] == [3]
        sent = p.ack(1 + 3 * MSS, seq=102, window=2 * MSS)
        assert [o.segs for o in sent] == [2]


def test_what_is_lost_goes_again_as_single_segments():
    with opened(options=b"\2\4\5\xb4\4\2\1\1") as p:
        p.send(bytes(10 * MSS))
        sack = b"\1\1\5\x0a" + struct.pack("!II", p.isn + 1 + MSS, p.isn + 1 + 5 * MSS)
        again = p.ack(1, options=sack)
        assert [(o.segs, o.seq, len(o.data)) for o in again] == [(1, 1, MSS)]


def test_a_segment_with_cwr_goes_alone():
    with opened(flags=SYN | ECE | CWR) as p:
        p.send(bytes(10 * MSS))
        p.ack(1 + 10 * MSS, flags=ACK | ECE)
        sent = p.send(bytes(10 * MSS))
        assert [(o.segs, bool(o.flags & CWR), o.tos & 3) for o in sent[:2]] == [(1, True, 2), (3, False, 2)]


@pytest.mark.parametrize("knobs", [{"tx": False}, {"tso": False}])
def test_without_it_each_segment_is_a_frame(knobs):
    with opened(**knobs) as p:
        assert [(o.segs, o.gso_type) for o in p.send(bytes(10 * MSS))] == [(1, 0)] * 10


def test_ethtool_switches_it():
    with opened() as p:
        assert "tcp-segmentation-offload: on\n" in ethtool(p.host, "-k vnic0").out
        assert ethtool(p.host, "-K vnic0 tso off").code == 0
        assert "\ttx-tcp6-segmentation: off\n" in ethtool(p.host, "-k vnic0").out
        assert [o.segs for o in p.send(bytes(4 * MSS))] == [1] * 4
        ethtool(p.host, "-K vnic0 tso on")
        assert [o.segs for o in p.ack(1 + 4 * MSS) + p.send(bytes(4 * MSS))] == [4]


def test_a_wire_without_virtio_headers_has_none():
    with vnic.Host(ip="10.0.0.2/24", tcp="endpoint") as h:
        assert "tcp-segmentation-offload: off\n" in ethtool(h, "-k vnic0").out
        assert "tx-tcp-segmentation: off [fixed]" in ethtool(h, "-k vnic0").out


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
@pytest.mark.parametrize("tso", [True, False])
def test_the_running_kernel_reads_what_was_sent(netns, address, tso):
    data = os.urandom(1 << 20) * 8
    digest, got = hashlib.sha256(), 0
    ip = ["10.0.0.2/24", "fd00::2/64"]
    with live_tap("vt0", host_ip=["10.0.0.1/24", "fd00::1/64"], ip=ip, tcp="endpoint", tso=tso) as host:
        server = host.listen(80)
        peer = socket.create_connection((address, 80), timeout=10)
        c = server.accept(timeout=10)
        writing = threading.Thread(target=lambda: c.sendall(data, timeout=20), daemon=True)
        writing.start()
        while got < len(data):
            piece = peer.recv(1 << 20)
            assert piece
            digest.update(piece)
            got += len(piece)
        writing.join(20)
        wait_until(lambda: c.tcp_info().bytes_acked == len(data))
        info = c.tcp_info()
        peer.close()
        c.close()
        frames_sent = host.machine.c.tx.packets
    assert digest.digest() == hashlib.sha256(data).digest()
    assert (frames_sent < info.data_segs_out / 4) == tso
