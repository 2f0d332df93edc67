"""The seam: handlers, filters and wires written in Python. Order and virtual time are exact, nothing is lost."""

import os

import frames
import pytest
from costs import charge
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import ffi, lib

ETHERTYPE = 0x88B5


def hello(n):
    return frames.eth(b"hello %d" % n, type=ETHERTYPE)


def packets(burst):
    return [bytes(packet) for packet in burst]


# ---- packets ----


def test_a_packet_type_gets_packets_behind_the_ethernet_header(host):
    h, got = host(), []

    @h.packet_type(ETHERTYPE)
    def handler(burst):
        got.extend(packets(burst))

    h.feed([hello(1), frames.icmp(), hello(2)])
    h.run()
    assert got == [b"hello 1", b"hello 2"]
    assert h.ledger().fates == {"DELIVERED_PYTHON": 2, "DELIVERED_ICMP": 1}


def test_what_waits_is_copied_with_its_bounds_whatever_was_in_their_place(host):
    h = host()
    h.packet_type(ETHERTYPE)(lambda _: None)
    h.feed([hello(n) for n in (1, 22, 333)])
    assert lib.vtime_run(h.machine.c, 1 << 32) == lib.EV_UPCALL
    buf, at, number = ffi.new("uint8_t[]", 1000), ffi.new("uint32_t[]", [77] * 65), ffi.new("uint32_t *")
    times = ffi.new("uint64_t[]", 64)
    for room, n in ((1000, 3), (24, 3), (23, 2), (15, 2), (14, 1), (1, 1)):
        assert lib.upcall_peek(h.machine.c, buf, room, at, number, times) == n
        assert list(at[0 : n + 1]) == [0, min(7, room), 15, 24][: n + 1]
        assert bytes(ffi.buffer(buf, at[n])) == b"hello 1hello 22hello 333"[: at[n]]
        at[0:4] = [77] * 4
    h.run()
    assert h.ledger().fates == {"DELIVERED_PYTHON": 3}


@pytest.mark.parametrize("ip", [{}, {"src": "fd00::1", "dst": "fd00::2"}], ids=["v4", "v6"])
def test_a_protocol_gets_packets_behind_the_ip_header(host, ip):
    h, got = host(), []

    @h.protocol(253)
    def handler(burst):
        got.extend(packets(burst))

    packet, ethertype = (frames.ipv6(b"own", 253), 0x86DD) if ip else (frames.ipv4(b"own", 253), 0x0800)
    h.feed(frames.eth(packet, type=ethertype) + bytes(20))
    h.run()
    assert got == [b"own"]  # without the padding
    assert h.mib()["Ip6_InDelivers" if ip else "Ip_InDelivers"] == 1


def test_a_handler_takes_precedence_over_the_built_in_one(host):
    h = host()
    h.packet_type(0x0806)(lambda burst: [False] * len(burst))
    h.protocol(17)(lambda _burst: None)
    h.udp(5000)
    h.feed([frames.arp(), frames.udp()])
    h.run()
    assert h.ledger().fates == {"PYTHON_DROP": 1, "DELIVERED_PYTHON": 1}


def test_two_handlers_get_their_own_bursts_in_order(host):
    h, got = host(), []
    h.packet_type(ETHERTYPE)(lambda burst: got.extend(packets(burst)))
    h.packet_type(ETHERTYPE + 1)(lambda burst: got.extend(packets(burst)))
    mixed = [frames.eth(b"%d" % i, type=ETHERTYPE + i // 3 % 2) for i in range(20)]
    h.feed(mixed, at_ns=0)
    h.run()
    assert got == [b"%d" % i for i in range(20)]


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), max_size=40))
def test_order_stamps_and_verdicts_are_exact(arrivals):
    """With free work a packet leaves GRO the moment it arrives. Each verdict is its packet's."""
    got, stamps, expected, t = [], [], [], 0
    with vnic.Host(cost="zero", link="inf") as host:

        @host.packet_type(ETHERTYPE)
        def handler(burst):
            assert len(burst) == len(burst.t_ns) == len(burst.offsets) - 1
            got.extend(packets(burst))
            stamps.extend(burst.t_ns)
            return [packet[-1] == ord("+") for packet in burst]

        for gap, keep in arrivals:
            t += gap
            expected.append((t, b"%d%c" % (len(expected), b"+" if keep else b"-")))
        host.feed([(t, frames.eth(data, type=ETHERTYPE)) for t, data in expected])
        host.run()
        assert list(zip(stamps, got, strict=True)) == expected
        ledger = host.ledger()
        assert ledger.closed
        assert ledger.fates.get("DELIVERED_PYTHON", 0) == sum(keep for _, keep in arrivals)
        assert ledger.fates.get("PYTHON_DROP", 0) == sum(not keep for _, keep in arrivals)


def test_time_stands_still_while_python_works(host):
    h, times = host(), []
    h.packet_type(ETHERTYPE)(lambda burst: times.append((h.now_ns, h.nic.c.offered, len(burst))))
    h.feed([hello(i) for i in range(3)], at_ns=100, gap_ns=100)
    h.run()
    assert times == [(100, 1, 1), (200, 2, 1), (300, 3, 1)]


@pytest.mark.parametrize(
    ("receive", "times"), [(0, [(500, 500, 3)]), (10, [(510, 510, 1), (520, 520, 1), (530, 530, 1)])]
)
def test_a_packet_comes_before_time_goes_on_and_with_all_of_its_instant(host, receive, times):
    """Three are polled at 500. Work that costs nothing takes no time, and ends no burst."""
    h, seen = host(cpus=1, gro_normal_batch=1), []
    charge(h, RX=receive)
    h.packet_type(ETHERTYPE)(lambda burst: seen.append((burst.t_ns[0], int(h.softnet()[0].now_ns), len(burst))))
    h.feed([hello(i) for i in range(3)], at_ns=500)
    h.run()
    assert seen == times


def test_a_burst_is_a_view_that_cannot_be_written(host):
    h, views = host(), []
    h.packet_type(ETHERTYPE)(lambda burst: views.append(burst[0].readonly))
    h.feed(hello(1))
    h.run()
    assert views == [True]


def test_a_packet_over_many_buffers_comes_in_one_piece(host):
    h, got = host(rx_buf_len=128), []
    h.packet_type(ETHERTYPE)(lambda burst: got.extend(packets(burst)))
    long = bytes(i % 251 for i in range(3000))
    h.feed(frames.eth(long, type=ETHERTYPE))
    h.run()
    assert got == [long]
    assert h.laws() == 0


# ---- handlers that go wrong ----


@pytest.mark.parametrize("verdicts", [[], [True], [True] * 3])
def test_the_wrong_number_of_verdicts_is_an_error_and_loses_nothing(host, verdicts):
    h = host()
    answers = [verdicts, [True, True]]

    @h.packet_type(ETHERTYPE)
    def handler(burst):
        return answers.pop(0)

    h.feed([hello(1), hello(2)], at_ns=0)
    with pytest.raises(vnic.VnicError, match=f"handler returned {len(verdicts)} verdicts for 2"):
        h.run()
    ledger = h.ledger()
    assert ledger.in_flight_at["python"] == 2
    assert ledger.closed
    h.run()  # the same burst is offered again
    assert h.ledger().fates == {"DELIVERED_PYTHON": 2}


def test_an_exception_leaves_the_burst_waiting(host):
    h, seen = host(), []

    @h.packet_type(ETHERTYPE)
    def handler(burst):
        seen.append(packets(burst))
        if len(seen) == 1:
            raise ZeroDivisionError

    h.feed([hello(1), hello(2)], at_ns=0)
    with pytest.raises(ZeroDivisionError):
        h.run()
    assert h.ledger().in_flight_at["python"] == 2
    h.run()
    assert seen == [[b"hello 1", b"hello 2"]] * 2
    assert h.ledger().fates == {"DELIVERED_PYTHON": 2}


def test_there_is_room_for_so_many_packet_types_and_no_more(host):
    h = host()
    for ethertype in range(0x9000, 0x9000 + lib.PTYPES_MAX - 3):  # IPv4, IPv6 and ARP are there
        h.packet_type(ethertype)(lambda _burst: None)
    with pytest.raises(vnic.VnicError, match="no room"):
        h.packet_type(ETHERTYPE)(lambda _burst: None)


# ---- the filter ----


@pytest.mark.parametrize("pace", [{"link": "inf"}, {"link": "inf", "speed": "max"}], ids=["paced", "pulled"])
def test_a_filter_sees_every_frame_once_before_it_arrives(host, pace):
    h, seen = host(**pace), []

    @h.nic.filter
    def no_icmp(burst):
        seen.extend(packets(burst))
        return [packet[23] != 1 for packet in burst]

    h.udp(5000)
    fed = [frames.icmp() if i % 3 == 0 else frames.udp(bytes([i])) for i in range(90)]
    h.feed(fed)
    h.run()
    assert seen == fed
    assert h.ledger().fates == {"PYTHON_FILTER": 30, "DELIVERED_UDP": 60}
    assert h.nic.c.filtered == 30


def test_a_filter_that_goes_wrong_is_asked_again(host):
    h, seen = host(), []

    @h.nic.filter
    def broken(burst):
        seen.append(len(burst))
        return [True] * (len(burst) - (len(seen) == 1))

    h.udp(5000)
    h.feed([frames.udp()] * 5)
    with pytest.raises(vnic.VnicError, match="the filter returned 4 verdicts for 5"):
        h.run()
    h.run()
    assert seen == [5, 5]
    assert h.ledger().fates == {"DELIVERED_UDP": 5}


def test_the_cards_own_filter_comes_first(host):
    h = host(mac="02:00:00:00:00:01")
    h.nic.filter(lambda burst: [False] * len(burst))
    h.feed(frames.udp(mac={"dst": b"\x02\0\0\0\0\x99"}))
    h.run()
    assert h.ledger().fates == {"MAC_FILTER": 1}


# ---- a wire ----


class Source:
    """Hands out what it has, a few at a time; None when it is through."""

    def __init__(self, bursts):
        self.bursts, self.asked = list(bursts), []

    def read_burst(self, max_frames):
        self.asked.append(max_frames)
        return self.bursts.pop(0) if self.bursts else None


def test_a_wire_can_be_any_object_that_reads_bursts():
    source = Source([[(1000, frames.udp(b"a")), (3000, frames.udp(b"b"))], [(7000, frames.udp(b"c"))]])
    with vnic.Host(wire=vnic.PythonWire(source), cost="zero", link="inf") as host:
        sock = host.udp(5000)
        host.run()
        assert [sock.recv() for _ in range(3)] == [b"a", b"b", b"c"]
        assert host.now_ns == 7000
        assert host.ledger().fates == {"DELIVERED_UDP": 3}
    assert source.asked == [64, 64, 64]  # the third time: None


def test_a_wire_may_hand_out_scapy_packets():
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    packet = (
        Ether(dst=frames.MAC, src=frames.PEER, type=0x800)
        / IP(src="1.2.3.4", dst="5.6.7.8")
        / UDP(dport=5000)
        / b"scapy"
    )
    with vnic.Host(wire=vnic.PythonWire(Source([[packet]])), cost="zero", link="inf") as host:
        assert host.udp(5000).recv() == b"scapy"


def test_a_pulled_wire_loses_nothing_whatever_comes():
    bursts = [[frames.udp(b"x" * 1000)] * 64] * 20
    with vnic.Host(wire=vnic.PythonWire(Source(bursts)), sink=True, speed="max", link="inf") as host:
        host.run()
        assert host.ledger().fates == {"DELIVERED_UDP": 20 * 64}


def test_an_exception_of_a_wire_comes_through_and_it_can_go_on():
    class Flaky(Source):
        def read_burst(self, max_frames):
            if len(self.asked) == 1:
                self.asked.append(max_frames)
                raise OSError("the cable is out")
            return super().read_burst(max_frames)

    wire = vnic.PythonWire(Flaky([[frames.udp(b"a")], [frames.udp(b"b")]]))
    with vnic.Host(wire=wire, cost="zero", link="inf") as host:
        host.udp(5000)
        with pytest.raises(OSError, match="cable"):
            host.run()
        host.run()
        assert host.ledger().fates == {"DELIVERED_UDP": 2}


def test_bug_virtual_time_lost_packets_when_two_large_flushes_met():
    """Two queues, everything at one instant, GRO's list as long as it may be: the queue to Python was full."""
    knobs = {"rx_ring": 1024, "weight": 1024, "gro_normal_batch": 1024, "netdev_budget": 4096, "fifo": 1 << 20}
    with vnic.Host(queues=2, cpus=1, cost="zero", link="inf", rcvbuf=1 << 24, **knobs) as h:
        h.packet_type(0x88B5)(lambda _: None)
        for i in range(lib.RSS_INDIR_SIZE):
            h.machine.c.nic.rss.indir[i] = 0 if i == 0 else 1
        other = frames.eth(bytes(50), type=0x88B5)
        ours = frames.eth(frames.ipv4(bytes(30), 253))
        h.protocol(253)(lambda _: None)
        h.feed([other] * 500 + [ours] * 600)
        h.run()
        assert h.ledger().fates == {"DELIVERED_PYTHON": 1100}
        assert h.laws() == 0


def test_live_python_is_woken_by_the_first_packet_of_an_empty_queue_only(host):
    h = host()
    q, sd = h.machine.c.upcalls, h.machine.c.cpu[0]
    was, q.wake_fd = q.wake_fd, os.eventfd(0, os.EFD_NONBLOCK)
    skb = ffi.new("struct sk_buff *")

    def woken():
        try:
            return os.eventfd_read(q.wake_fd)
        except BlockingIOError:
            return 0

    sd.live = 1
    for _ in range(2):
        seen = []
        for _ in range(3):
            lib.upcall_push(sd, skb, 0)
            seen.append(woken())
        assert seen == [1, 0, 0]
        assert q.head - q.tail == 3
        q.tail = q.head  # Python took them
    sd.live = 0
    lib.upcall_push(sd, skb, 0)
    assert woken() == 0  # in virtual time the loop returns instead
    q.tail = q.head
    os.close(q.wake_fd)
    q.wake_fd = was
