"""One frame for many is cut into segments as the running kernel cuts it."""

import random
import socket

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peer import decode
from vnet_pair import ECN, TCPV4, TCPV6, UDP_L4, Pair, big_tcp, big_udp, header, read_all

from vnic.tap.wire import TapWire

SOL_PACKET, PACKET_VNET_HDR = 263, 15


def random_big(r):
    v6, size, n = r.random() < 0.5, r.choice((64, 100, 536, 1000, 1400)), r.randint(2, 40)
    data = r.randbytes(min(size * n - r.randrange(size), 60000))
    ident = r.randrange(65536)
    if r.random() < 0.3:
        frame = big_udp(v6, data, ident)
        return header(frame, UDP_L4, size, 6) + frame
    flags = frames.ACK | r.choice((0, frames.PSH, frames.FIN, frames.PSH | frames.FIN, frames.CWR))
    options = r.choice((b"", b"\1\1\x08\x0a" + bytes(8)))
    frame = big_tcp(v6, data, flags=flags, options=options, seq=r.randrange(2**32), ident=ident)
    return header(frame, (TCPV6 if v6 else TCPV4) | (ECN if flags & frames.CWR else 0), size, 16) + frame


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_gso_cuts_as_the_running_kernel_does():
    """The same frames into two TAPs: one hands them over whole, for the other the kernel's own GSO cuts them."""
    r = random.Random(7)
    taps = [TapWire("vt0", vnet_hdr=True, fifo_bytes=1 << 20), TapWire("vt1", vnet_hdr=False, fifo_bytes=1 << 20)]
    try:
        for _ in range(60):
            frame = random_big(r)
            cut = []
            for tap in taps:
                with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
                    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
                    s.bind((tap.name, 0))
                    s.send(frame)
                cut.append(read_all(tap.c))
            assert cut[0] == cut[1]
            assert len(cut[0]) > 1
        facts = taps[0].vnet_facts()
        assert (facts["gso_frames"], facts["bad_vnet"]) == (60, 0)
    finally:
        for tap in taps:
            tap.close()


@given(st.booleans(), st.booleans(), st.integers(1, 1500), st.binary(min_size=1, max_size=200), st.integers(1, 64000))
def test_segments_put_together_are_what_was_cut(v6, tcp, size, seed, n):
    data = (seed * (n // len(seed) + 1))[:n]
    frame = big_tcp(v6, data, seq=2**32 - 5) if tcp else big_udp(v6, data)
    kind = (TCPV6 if v6 else TCPV4) if tcp else UDP_L4
    with Pair() as pair:
        got = [decode(0, f.ljust(60, b"\0")) for f in pair.give(header(frame, kind, size, 16 if tcp else 6), frame)]
        skip = 20 if tcp else 8
        assert [s.payload[skip:] for s in got] == [data[i : i + size] for i in range(0, n, size)]
        if tcp:
            assert [int.from_bytes(s.payload[4:8], "big") for s in got] == [
                (2**32 - 5 + i) % 2**32 for i in range(0, n, size)
            ]
            for s in got:
                assert frames.csum(frames.pseudo(s.src_ip, s.dst_ip, 6, len(s.payload)) + s.payload) in (0, 0xFFFF)
        if not v6:
            assert [s.ident for s in got] == [i & 0xFFFF for i in range(len(got))]
        assert pair.c.nfree == pair.c.nslots
