"""When frames arrive: the wire's rate and the recorded pace; and the wire in memory."""

import errno
from fractions import Fraction

import frames
import pytest
from dma_card import Card, plain
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import ffi, lib


def arrivals(stamped, *, link="inf", speed="1", burst=5):
    """[(id, t_ns)] of frames of (t_ns, length), read a few at a time."""
    with vnic.Host(link=link, speed=speed, cost="zero", sockets=16) as host:
        host.feed([(t, bytes(n)) for t, n in stamped])
        f, out = ffi.new("struct frame[]", burst), []
        while (n := lib.wire_next(host.wire.c, f, burst, 0)) > 0:
            out += [(x.id, x.t_ns) for x in f[0:n]]
        assert n == -errno.EAGAIN
        return out


# ---- time ----


@pytest.mark.parametrize(
    "link, length, ns",
    [
        ("10G", 1514, 1230),  # (1514 + 24) * 0.8 = 1230.4: 812 744 frames a second
        ("10G", 60, 67),  # 67.2: the 14.88 Mpps everybody knows
        ("10G", 0, 67),  # padded to 60
        ("10G", 54, 67),
        ("1G", 60, 672),
        ("100G", 60, 6),
        ("10M", 61, 68_000),
        ("inf", 1514, 0),
    ],
)
def test_a_frame_has_arrived_when_its_last_bit_has(link, length, ns):
    assert arrivals([(0, length)], link=link) == [(1, ns)]


def test_no_time_is_lost_to_rounding():
    """67.2 ns each, back to back."""
    assert [t for _, t in arrivals([(0, 60)] * 10, link="10G")] == [67, 134, 201, 268, 336, 403, 470, 537, 604, 672]


LINKS = {
    "10M": 10**7,
    "1G": 10**9,
    "2.5G": 25 * 10**8,
    "10G": 10**10,
    "40G": 4 * 10**10,
    "100G": 10**11,
    "400G": 4 * 10**11,
}
SPEEDS = {"1": Fraction(1), "0.5": Fraction(1, 2), "3": Fraction(3), "0.001": Fraction(1, 1000), "max": None}


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 1600)), max_size=30),
    st.sampled_from(sorted(LINKS)),
    st.sampled_from(sorted(SPEEDS)),
)
def test_any_arrivals_are_those_of_a_serial_line(gaps, link, speed):
    """Exact arithmetic. Recorded stamps may go backwards: then the latest seen counts."""
    stamped, t = [], 50_000
    for gap, length in gaps:
        t += gap - 500
        stamped.append((t, length))
    free, latest, expected = Fraction(0), 0, []
    for stamp, length in stamped:
        latest = max(latest, stamp)
        due = 0 if SPEEDS[speed] is None else latest / SPEEDS[speed]
        free = max(free, Fraction(int(due))) + Fraction((max(length, 60) + 24) * 8 * 10**9, LINKS[link])
        expected.append(int(free))
    assert [t for _, t in arrivals(stamped, link=link, speed=speed)] == expected


def test_time_that_goes_backwards_is_clamped_and_counted(host):
    h = host()
    h.udp(5000)
    h.feed([(t, frames.udp()) for t in (100, 90, 120, 119, 121)])
    h.run()
    assert (h.wire.c.backwards, h.now_ns) == (2, 121)
    assert h.ledger().fates == {"DELIVERED_UDP": 5}


def test_frames_are_numbered_in_the_order_of_arrival():
    assert [n for n, _ in arrivals([(0, 60)] * 12, burst=5)] == list(range(1, 13))


def test_a_wire_without_rate_and_pace_is_pulled_and_loses_nothing(host):
    """As many as there are, through a FIFO and a ring that are much too small for them."""
    h = host(speed="max", rx_ring=16, fifo=2000)
    assert lib.wire_pulled(h.wire.c)
    h.udp(5000)
    h.machine.c.rcvbuf = 1 << 30
    h.feed([frames.udp(bytes(900)) for _ in range(500)])
    h.run()
    assert h.ledger().offered == sum(h.ledger().fates.values()) == 500
    assert h.nic.stats().rx_fifo_errors == 0


def test_a_pulled_wire_is_asked_again_for_what_came_later(host):
    h = host(speed="max")
    sock = h.udp(5000)
    for n in (1, 2, 1, 65, 1):
        h.run()
        h.feed([frames.udp(bytes([i])) for i in range(n)])
        h.run()
        assert [sock.recv() for _ in range(n)] == [bytes([i]) for i in range(n)]


def test_a_pulled_wire_counts_short_frames_as_the_fifo_does(host):
    """Bug: 42 bytes seemed to fit where 60 are needed, so a wire that loses nothing overran the FIFO."""
    h = host(speed="max", rx_ring=16, fifo=115)
    h.feed([frames.arp()] * 64)
    h.run()
    assert h.ledger().fates == {"DELIVERED_ARP": 64}


@pytest.mark.parametrize(
    "link, speed, pulled", [("inf", "max", 1), ("10G", "max", 0), ("inf", "1", 0), ("inf", "4000", 0)]
)
def test_only_a_wire_that_is_in_no_hurry_is_pulled(host, link, speed, pulled):
    assert lib.wire_pulled(host(link=link, speed=speed).wire.c) == pulled


# ---- memory ----


def held(nic):
    """The frames in the card's FIFO, and those that it has read and not yet taken."""
    fifo = nic.fifo
    return [fifo.slot[i & fifo.mask] for i in range(fifo.tail, fifo.head)] + list(
        nic.burst[nic.burst_pos : nic.burst_len]
    )


@given(st.lists(st.lists(st.integers(0, 300), max_size=12), max_size=8))
def test_frames_keep_their_bytes_while_the_arena_grows_and_begins_anew(rounds):
    """A tiny arena, with frames everywhere: not read yet, in the FIFO, in the ring. The driver is stopped meanwhile."""
    wire = vnic.wire.MemoryWire(arena_bytes=64, frames=1)
    sizes = [n for r in rounds for n in r]
    with vnic.Host(wire=wire, link="inf", cost="zero", rx_ring=16, gro=False, sockets=16, fifo=1 << 20) as host:
        sock = host.udp(5000)
        dq = host.machine.c.dq[0]
        lib.virtqueue_disable_cb(ffi.addressof(dq.vq))
        bodies = [bytes([i % 251]) * n for i, n in enumerate(sizes)]
        queue = iter(bodies)
        for r in rounds:
            host.feed([frames.udp(next(queue)) for _ in r])
            w = ffi.cast("struct mem_wire *", wire.c)
            assert all(w.arena <= f.data <= f.data + f.len <= w.arena + w.arena_used for f in held(host.machine.c.nic))
            host.run(frames=len(r) // 2)
        host.run()
        lib.raise_hardirq(host.machine.c.cpu[0], 0, host.machine.c.nic.now)
        host.run()
        assert [sock.recv() for _ in bodies] == bodies
        assert host.laws() == 0


def test_frames_that_the_card_holds_are_moved_to_the_front_of_the_arena_one_behind_the_other():
    """It has no buffer for them, and each feed begins the arena anew."""
    with Card(fifo=1 << 16) as card:
        card.start()
        nic, w = card.host.machine.c.nic, ffi.cast("struct mem_wire *", card.host.wire.c)
        bodies = [plain(n) for n in (60, 61, 500, 60, 63)]
        for n, body in enumerate(bodies, 1):
            assert card.receive(body) == []
            assert [bytes(ffi.buffer(f.data, f.len)) for f in held(nic)] == bodies[:n]
            assert [f.data - w.arena for f in held(nic)] == [sum(map(len, bodies[:i])) for i in range(n)]
            assert w.arena_used == sum(map(len, bodies[:n]))


@pytest.mark.parametrize("left", [0, 1, 60])
@pytest.mark.parametrize("last", [60, 61, 1514])
def test_what_is_sent_is_kept_up_to_4_mib_to_the_byte_and_again_once_it_was_fetched(left, last):
    """left: bytes of room that the last frame leaves."""
    wire = vnic.wire.MemoryWire()
    with vnic.Host(wire=wire) as host:
        wire.open_output()
        header = ffi.new("struct virtio_net_hdr_v1_hash *")
        for _ in range(3):
            size, data, n = lib.MEM_OUT_BYTES - left - last, bytes(range(251)) * 300, 0
            sizes = [65_536] * (size // 65_536) + [size % 65_536] * (size % 65_536 > 0)
            for n, length in enumerate([*sizes, last]):
                assert wire.c.write(wire.c, data[n:], length, header, n) == 0
            rc = wire.c.write(wire.c, data, left + 1, header, 0)
            assert rc == -errno.ENOBUFS
            assert wire.sent() == [(i, data[i : i + length]) for i, length in enumerate([*sizes, last])]
            assert wire.sent() == []
        assert host.laws() == 0


def test_so_many_frames_are_kept_and_no_more():
    wire = vnic.wire.MemoryWire()
    with vnic.Host(wire=wire):
        wire.open_output()
        header = ffi.new("struct virtio_net_hdr_v1_hash *")
        for _ in range(2):
            rcs = [wire.c.write(wire.c, i.to_bytes(60), 60, header, i) for i in range(lib.MEM_OUT_MAX + 2)]
            assert rcs == [0] * lib.MEM_OUT_MAX + [-errno.ENOBUFS] * 2
            assert wire.sent() == [(i, i.to_bytes(60)) for i in range(lib.MEM_OUT_MAX)]


class Source:
    def __init__(self, *bursts):
        self.bursts, self.asked = list(bursts), 0

    def read_burst(self, max_frames):
        assert max_frames == lib.BURST
        self.asked += 1
        return self.bursts.pop(0) if self.bursts else None


def test_a_wire_in_python_is_asked_until_it_says_none():
    source = Source([frames.udp(b"a"), (5000, frames.udp(b"b"))], [frames.udp(b"c")])
    with vnic.Host(wire=vnic.wire.PythonWire(source), cost="zero", link="inf") as host:
        sock = host.udp(5000)
        host.run()
        assert [sock.recv() for _ in range(3)] == [b"a", b"b", b"c"]
        assert (source.asked, host.wire.c.eof) == (3, 1)


def test_a_wire_in_python_that_ran_dry_still_takes_frames_by_hand():
    """They were queued, and nothing read them."""

    class Empty:
        def read_burst(self, _max_frames):
            return []

    with vnic.Host(wire=vnic.PythonWire(Empty()), cost="zero") as host:
        for second in range(3):
            assert host.feed(frames.udp(), at_ns=second * 10**9) == 1
            host.run(until_ns=(second + 1) * 10**9 - 1)
            assert host.now_ns // 10**9 == second


def test_a_wire_that_was_ended_takes_no_frame(host):
    h = host()
    h.wire.end()
    with pytest.raises(vnic.VnicError, match="the wire has ended"):
        h.feed(frames.udp())


def test_scapy_packets_can_be_fed(host):
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    h = host()
    sock = h.udp(7)
    packets = [Ether() / IP(src="10.9.8.7", dst="10.0.0.2") / UDP(sport=9, dport=7) / bytes([n]) for n in range(3)]
    assert h.feed(packets[0]) + h.feed(packets[1:]) == 3
    h.run()
    assert [sock.recvfrom() for _ in range(3)] == [(bytes([n]), ("10.9.8.7", 9)) for n in range(3)]


@pytest.mark.parametrize("knobs", [{}, {"link": "10G"}, {"speed": "max"}], ids=["its own", "a link's", "pulled"])
def test_the_first_stamp_is_the_wires_base_whatever_its_pace(knobs):
    """A report says when a recording began: by its first frame."""
    with vnic.Host(**({"link": "inf", "cost": "zero", "speed": "1"} | knobs)) as host:
        host.feed([(7_000_000, bytes(60)), (9_000_000, bytes(60))])
        host.wire.c.started = 0  # as a file's, whose stamps are of another clock
        f = ffi.new("struct frame[]", 1)
        assert [lib.wire_next(host.wire.c, f, 1, 5) for _ in range(2)] == [1, 1]
        assert host.wire.c.base_ns == 7_000_000


def test_a_live_wires_base_is_when_its_first_frame_was_read():
    with vnic.Host(link="inf", cost="zero", speed="1") as host:
        host.feed([(7_000_000, bytes(60)), (9_000_000, bytes(60))])
        f = ffi.new("struct frame[]", 1)
        host.wire.c.started, host.wire.c.live = 0, 1
        assert [lib.wire_next(host.wire.c, f, 1, now) for now in (5, 6)] == [1, 1]
        host.wire.c.live = 0
        assert (host.wire.c.base_ns, f[0].t_ns) == (5, 6)


def test_only_a_frame_that_lost_bytes_counts_as_cut():
    with vnic.Host(link="inf", cost="zero") as host:
        for wire_len in (60, 61):
            lib.mem_wire_feed(host.wire._mem, bytes(60), 60, wire_len, 0)
        host.run()
        assert (host.wire.c.frames, host.wire.c.cut) == (2, 1)


@pytest.mark.parametrize(("length", "oversize"), [(1518, 0), (1519, 1)])
def test_a_frame_is_oversize_beyond_1518_bytes(length, oversize):
    with vnic.Host(link="inf", cost="zero") as host:
        host.feed([bytes(length)] * 3)
        host.run()
        assert host.wire.c.oversize == 3 * oversize


def test_a_wires_frames_and_bytes_are_counted_once_in_bursts_of_any_length():
    with vnic.Host(link="inf", cost="zero") as host:
        host.feed([bytes(n) for n in range(60, 160)])
        f, seen = ffi.new("struct frame[]", 7), []
        while (n := lib.wire_next(host.wire.c, f, 7, 0)) > 0:
            seen += [len(ffi.buffer(x.data, x.len)) for x in f[0:n]]
            assert (host.wire.c.frames, host.wire.c.bytes) == (len(seen), sum(seen))
        assert seen == list(range(60, 160))
