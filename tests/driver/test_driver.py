"""The driver: what it takes off the ring, what it puts back, when it rings the doorbell."""

import math

import frames
import pytest
from costs import charge
from driver_steps import arrive
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic._core import ffi, lib

HEADER = 20


def payloads(sock):
    return [data for data, _ in iter(sock.recvfrom_nowait, None)]


# ---- refill and doorbell ----


def test_the_ring_is_refilled_once_a_poll(host):
    """It posts what it took when its last frame is done, 10 000 ns after it began, and not a frame earlier."""
    h = host(rx_ring=64)
    h.machine.c.cost[lib.COST_RX] = 1000
    dq, before = h.machine.c.dq[0], h.machine.c.dq[0].vq.avail_idx
    h.feed([frames.udp()] * 10)
    posted = []
    for t in range(500, 12_000, 500):
        h.run(until_ns=t)
        posted.append((dq.rx_packets, (dq.vq.avail_idx - before) % 65536))
    assert posted == [*((1 + t // 1000, 0) for t in range(500, 10_000, 500)), *[(10, 10)] * 4]


@pytest.mark.parametrize("drop_en", [False, True])
@pytest.mark.parametrize("cost", ["zero", "linux"])
def test_the_doorbell_is_silent_while_the_card_has_buffers(host, cost, drop_en):
    h = host(cost=cost, drop_en=drop_en)
    before = h.nic.queues()[0].kicks
    for _ in range(20):
        h.feed([frames.udp()] * 100)
        h.run()
    assert h.nic.queues()[0].kicks == before


def test_a_starved_card_asks_for_the_doorbell(host):
    """40 frames, a ring of 16: the card starves twice, and is told twice, all within one interrupt."""
    h = host(rx_ring=16)
    before = h.nic.queues()[0]
    h.feed([frames.udp()] * 40)
    h.run()
    spent = h.nic.queues()[0] - before
    assert (spent.packets, spent.no_buffer, spent.kicks, spent.interrupts) == (40, 2, 2, 1)


# ---- interrupts ----


@pytest.mark.parametrize(
    ("at", "interrupts", "polls"), [(1000, 1, 1), (1001, 1, 2), (2000, 1, 2), (3000, 1, 2), (3001, 2, 2), (9000, 2, 2)]
)
def test_the_second_look_finds_what_came_between_completion_and_unmasking(host, at, interrupts, polls):
    """The poll is over at 1000. As it completes, the frame goes up, until 3000. Then the driver unmasks."""
    h = host(gro_normal_batch=8)
    h.machine.c.cost[lib.COST_RX], h.machine.c.cost[lib.COST_RECEIVE] = 1000, 2000
    h.feed([(0, frames.udp()), (at, frames.udp())])
    h.run(until_ns=3000)
    assert h.machine.c.nic.queue[0].irq.raised == 1
    h.run()
    q = h.nic.queues()[0]
    assert (q.interrupts, q.polls, q.packets) == (interrupts, polls, 2)
    assert h.ledger().in_flight == 0


def test_what_comes_during_the_poll_is_taken_by_it(host):
    h = host()
    h.machine.c.cost[lib.COST_RX] = 1000
    h.feed((at, frames.udp()) for at in (0, 0, 0, 0, 1, 1500, 2999, 3000))
    h.run()
    q = h.nic.queues()[0]
    assert (q.interrupts, q.polls, h.machine.c.dq[0].rx_packets) == (1, 1, 8)


def test_a_full_poll_leaves_the_interrupt_off(host):
    """65 frames, weight 64: the NAPI is polled again without an interrupt; 64: the second finds nothing."""
    for n, polls in ((63, 1), (64, 2), (65, 2), (129, 3)):
        h = host()
        h.feed([frames.udp()] * n)
        h.run()
        q = h.nic.queues()[0]
        assert (q.interrupts, q.polls, q.full_polls) == (1, polls, n // 64)


# ---- buffers ----


def test_an_empty_pool_starves_the_ring_until_a_buffer_comes_home(host):
    """64 buffers, all in a socket nobody reads; reading gets everything that waited in the FIFO."""
    h = host(rx_pool=64, rx_ring=16, cpus=1, rcvbuf=1 << 30)
    sock = h.udp(5000)
    sent = [i.to_bytes(18) for i in range(200)]
    h.feed([frames.udp(data) for data in sent])
    h.run()
    q = h.nic.queues()[0]
    assert (q.packets, sock._c.qlen, h.mib()["Udp_InDatagrams"]) == (64, 64, 0)
    assert q.alloc_rx_buff_failed > 0
    assert h.ledger().in_flight_at["fifo"] == 200 - 64
    got = []
    for _ in range(200):
        got.append(sock.recvfrom_nowait()[0])
        h.run()
    assert got == sent
    assert h.laws() == h.ledger().in_flight == 0


def test_a_buffer_that_comes_home_late_is_not_used_before_it_was_free(host):
    """The reader's CPU is busy for long: the ring, which is dry, must not get its buffers back in the past."""
    h = host(rx_pool=64, rx_ring=64, cpus=2, sink=True, reader_cpu=1, rcvbuf=1 << 30)
    charge(h, RECV=1_000_000)
    taken = []

    @h.packet_type(0x88B5)
    def tap(burst):
        taken.extend(burst.t_ns)

    h.feed([frames.udp()] * 64 + [frames.eth(bytes(46), type=0x88B5)])
    h.run()
    assert h.nic.queues()[0].alloc_rx_buff_failed > 0
    assert taken[0] >= 1_000_000


@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=12),
    buf_len=st.sampled_from([128, 129, 200, 256, 1500]),
    rx=st.booleans(),
)
def test_frames_that_span_buffers_arrive_whole(sizes, buf_len, rx):
    sent = [bytes((i * 7 + k) % 251 for k in range(n)) for i, n in enumerate(sizes)]
    config = {"rx_pool": 1024, "rx_ring": 512, "sockets": 16, "rcvbuf": 1 << 30}
    with vnic.Host(cost="zero", link="inf", rx_buf_len=buf_len, rx=rx, **config) as h:
        sock, before = h.udp(5000), h.machine.c.dq[0].vq.avail_idx
        h.feed([frames.udp(data) for data in sent])
        h.run()
        assert payloads(sock) == sent
        buffers = sum(math.ceil((HEADER + 42 + n) / buf_len) for n in sizes)
        assert (h.machine.c.dq[0].vq.avail_idx - before) % 65536 == buffers
        assert h.nic.stats().rx_bytes == sum(42 + n for n in sizes)
        assert h.laws() == 0


# ---- what the card says of a frame ----


@pytest.mark.parametrize(
    ("dst", "pkt_type"),
    [
        (frames.MAC, lib.PACKET_HOST),
        (b"\xff" * 6, lib.PACKET_BROADCAST),
        (b"\x01\x00\x5e\x00\x00\x01", lib.PACKET_MULTICAST),
        (b"\xff\xff\xff\xff\xff\xfe", lib.PACKET_MULTICAST),
        (b"\xff\xff\xff\xff\xfe\xff", lib.PACKET_MULTICAST),
        (b"\x02\x00\x00\x00\x00\x09", lib.PACKET_OTHERHOST),
    ],
)
def test_the_packet_type_is_the_destinations(host, dst, pkt_type):
    h = host(mac="02:00:00:00:00:01", promisc=True)
    seen = []

    @h.packet_type(0x88B5)
    def tap(burst):
        tail = h.machine.c.upcalls.tail
        seen.extend(h.machine.c.upcalls.slot[tail + i].skb.pkt_type for i in range(len(burst)))

    h.feed(frames.eth(bytes(46), dst=dst, type=0x88B5))
    h.run()
    assert seen == [pkt_type]


# ---- a card that is not there, or lies ----


def lie(host, desc, length):
    """The card claims to have used a descriptor, and interrupts."""
    vq = ffi.addressof(host.machine.c.nic.queue[0].vq)
    lib.virtqueue_fill_used(vq, desc, length)
    assert lib.virtqueue_publish(vq)
    lib.raise_hardirq(host.machine.c.cpu[0], 0, 0)


@pytest.mark.parametrize("length", [0, HEADER, HEADER + 13, 2049, 2**32 - 1])
def test_a_length_that_cannot_be_is_no_frame_and_costs_no_buffer(host, length):
    h = host()
    q = h.machine.c.nic.queue[0]
    head = q.vq.avail.ring[q.vq.last_avail % q.vq.size]
    q.vq.last_avail += 1
    lie(h, head, length)
    h.feed(frames.udp())
    h.run()
    assert (h.machine.c.dq[0].rx_packets, h.laws()) == (1, 0)


@pytest.mark.parametrize("desc", [256, 2**32 - 1])
def test_a_descriptor_that_was_never_posted_stops_the_queue(host, desc):
    h = host()
    lie(h, desc, 100)
    h.feed(frames.udp())
    h.run()
    assert (h.machine.c.dq[0].bad_used, h.machine.c.dq[0].rx_packets, h.machine.c.dq[0].vq.broken) == (1, 0, 1)


def test_buffers_promised_and_not_delivered_are_not_waited_for(host):
    h = host()
    sock = h.udp(5000)
    arrive(h, frames.udp(b"hello"))
    vq = h.machine.c.dq[0].vq
    buf = vq.desc_buf[vq.used.ring[vq.last_used].id]
    at = h.machine.c.dq[0].pool.base + buf * h.machine.c.dq[0].pool.stride
    ffi.cast("struct virtio_net_hdr_v1_hash *", at).num_buffers = 3
    h.run()
    assert payloads(sock) == [b"hello"]
    assert (h.machine.c.dq[0].bad_used, h.laws()) == (1, 0)
