"""FIFO to ring: what survives when no CPU takes frames, which queue holds up which, and when the DMA engine works."""

import os

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model import rss
from model.fifo import Fifo
from tap_pipes import lanes_of

import vnic
from vnic._core import ffi, lib


def mask(host, queue: int = 0) -> None:
    """For good: nothing unmasks but the driver's poll, and nothing makes it poll."""
    lib.virtqueue_disable_cb(ffi.addressof(host.machine.c.dq[queue].vq))


def interrupt(host, queue: int = 0) -> None:
    lib.raise_hardirq(host.machine.c.cpu[queue % host.machine.c.ncpus], queue, host.now_ns)
    host.run()


def numbered(n: int, length: int = 18) -> list[bytes]:
    return [i.to_bytes(2, "big") * (length // 2) for i in range(n)]


# ---- no CPU takes frames ----


@pytest.mark.parametrize("ring, fifo, survive", [
    (16, 600, 16 + 10), (16, 659, 16 + 10), (32, 600, 32 + 10), (16, 60, 16 + 1), (64, 65536, 100), (16, 65536, 100),
])  # fmt: skip
def test_masked_for_good_ring_and_fifo_survive_and_the_rest_is_rx_fifo_errors(host, ring, fifo, survive):
    h = host(rx_ring=ring, fifo=fifo, gro=False, rcvbuf=1 << 20)
    sock = h.udp(5000)
    mask(h)
    h.feed([frames.udp(body) for body in numbered(100)], gap_ns=1000)
    h.run()
    lost = 100 - survive
    ledger, stats = h.ledger(), h.nic.stats()
    assert ledger.fates == ({"FIFO_OVERRUN": lost} if lost else {})
    assert (stats.rx_fifo_errors, stats.rx_errors, stats.rx_missed_errors) == (lost, lost, 0)
    assert (ledger.in_flight_at["ring"], ledger.in_flight_at["fifo"]) == (ring, survive - ring)
    assert h.nic.queues()[0].interrupts == 0
    interrupt(h)
    assert [sock.recv() for _ in range(survive)] == numbered(100)[:survive]
    assert h.laws() == 0


@given(st.lists(st.integers(2, 600), max_size=60), st.integers(60, 3000))
def test_which_frames_survive_is_what_a_box_of_bytes_says(lengths, size):
    """A short one may still fit where a long one did not."""
    ring, box = 16, Fifo(size)
    bodies = [i.to_bytes(2, "big") + bytes(n - 2) for i, n in enumerate(lengths)]
    kept = [b for i, b in enumerate(bodies) if i < ring or box.push(len(b) + 42)]
    if any(len(b) + 42 > size for b in bodies[:ring]):
        return  # larger than the FIFO it has to pass: another test's
    with vnic.Host(rx_ring=ring, fifo=size, cost="zero", link="inf", gro=False, sockets=16) as host:
        sock = host.udp(5000)
        mask(host)
        host.feed([frames.udp(b) for b in bodies])
        host.run()
        assert host.machine.c.nic.fifo.bytes == box.bytes
        assert host.nic.stats().rx_fifo_errors == len(bodies) - len(kept)
        interrupt(host)
        assert [sock.recv() for _ in kept] == kept
        assert host.laws() == 0


def test_what_the_card_and_the_ring_still_hold_ends_as_dev_ready(host):
    h = host(rx_ring=16, fifo=600)
    h.udp(5000)
    mask(h)
    h.feed([frames.udp()] * 100)
    h.finish()
    assert h.ledger().fates == {"DEV_READY": 26, "FIFO_OVERRUN": 74}
    assert h.laws() == 0
    h.feed(frames.udp())
    h.run()
    assert h.ledger().fates["DEV_READY"] == 27


def test_a_card_that_stops_in_the_middle_of_a_dma_does_not_end_it(host):
    h = host()
    h.machine.c.cost[lib.COST_DMA] = 1000
    h.udp(5000)
    h.feed([frames.udp()] * 3, at_ns=0)
    h.run(until_ns=500)
    nic = ffi.addressof(h.machine.c.nic)
    assert nic.dma_busy
    lib.nic_purge(nic)
    assert not nic.dma_busy
    h.feed(frames.udp(), at_ns=5000)
    h.run()
    assert h.ledger().fates == {"DEV_READY": 3, "DELIVERED_UDP": 1}


# ---- which queue holds up which ----


def port_of_queue(queue: int, queues: int) -> int:
    """A source port whose flow goes to this queue."""
    return next(p for p in range(1, 999) if (rss.rss("10.0.0.1", "10.0.0.2", 17, p, 5000)[0] & 127) % queues == queue)


@pytest.mark.parametrize("drop_en", [False, True])
def test_a_queue_without_buffers_holds_up_those_behind_it_unless_drop_en(host, drop_en):
    h = host(queues=2, rx_ring=16, drop_en=drop_en)
    sock = h.udp(5000)
    mask(h, 0)
    blocked, free = port_of_queue(0, 2), port_of_queue(1, 2)
    h.feed([frames.udp(sport=blocked)] * 20 + [frames.udp(b"behind", sport=free)] * 5)
    h.run()
    ledger = h.ledger()
    if drop_en:
        assert ledger.fates == {"RX_NO_BUFFER": 4, "DELIVERED_UDP": 5}
        assert (h.nic.stats().rx_fifo_errors, h.machine.c.nic.rx_no_buffer_count) == (4, 4)
        assert [sock.recv() for _ in range(5)] == [b"behind"] * 5
    else:
        assert (ledger.fates, ledger.in_flight_at["fifo"], ledger.in_flight_at["ring"]) == ({}, 9, 16)
        assert (
            h.machine.c.nic.rx_no_buffer_count == h.nic.queues()[0].no_buffer == 1
        )  # only the head of the FIFO ever waited
        interrupt(h)
        assert h.ledger().fates == {"DELIVERED_UDP": 25}


def test_a_frame_that_waits_is_counted_once_however_often_it_is_looked_at(host):
    h = host(rx_ring=16)
    mask(h)
    h.feed([frames.udp()] * 17)
    h.run()
    for _ in range(5):
        h.nic.kick()
        h.run()
    assert h.machine.c.nic.rx_no_buffer_count == 1


# ---- when ----


def done(host, n: int) -> list[tuple[int, int]]:
    """(arrived, written) of the first n frames, from the card's shadow of the ring."""
    q = host.machine.c.nic.queue[0]
    shadow = [q.shadow[q.vq.used.ring[i].id] for i in range(n)]
    return [(s.t_wire, s.t_dma) for s in shadow]


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(14, 1500)), max_size=40),
    st.integers(1, 900),
    st.integers(0, 1500),
)
def test_the_dma_engine_takes_one_frame_after_the_other(arrivals, per_frame, per_byte_ps):
    """It needs its time for each, and is a queue with one server: done = max(arrived, free) + cost."""
    stamped, t, free, expected = [], 0, 0, []
    for gap, length in arrivals:
        t += gap
        stamped.append((t, frames.eth(bytes(length - 14), type=0x88B5)))
        free = max(free, t) + per_frame + length * per_byte_ps // 1000
        expected.append((t, free))
    with vnic.Host(cost="zero", link="inf", rx_ring=64, sockets=16, rx_frames=1) as host:
        host.machine.c.cost[lib.COST_DMA], host.machine.c.cost[lib.COST_DMA_PS] = per_frame, per_byte_ps
        mask(host)
        host.feed(stamped)
        host.run()
        assert done(host, len(stamped)) == expected


def test_a_doorbell_restarts_the_dma_engine_at_that_moment(host):
    h = host(rx_ring=16)
    h.machine.c.cost[lib.COST_DMA] = 100
    sock = h.udp(5000)
    mask(h)
    h.feed([frames.udp(b) for b in numbered(30)])
    h.run()
    assert h.ledger().in_flight_at["fifo"] == 14
    interrupt(h)
    assert [sock.recv() for _ in range(30)] == numbered(30)
    assert h.machine.c.nic.now == 16 * 100 + 14 * 100


# ---- a card that is lent ----


def test_who_borrows_the_card_drains_the_fifo_too():
    """As live: the card's thread has read a burst and lent the card, and an idle CPU takes it."""
    with lanes_of(1) as (tap, writers):
        wire = vnic.wire.Wire(ffi.addressof(tap.wire))
        wire.close = lambda: None
        with vnic.Host(wire=wire, cost="zero", rcvbuf=1 << 20) as host:
            nic, sock = host.machine.c.nic, host.udp(5000)
            c = ffi.addressof(nic)
            for body in numbered(lib.BURST):
                os.write(writers[0], frames.udp(body))
            n, room = 0, lib.nic_lend_room(c)
            while n < lib.BURST:
                got = tap.wire.read_burst(ffi.addressof(tap.wire), room + n, lib.BURST - n)
                assert got > 0
                n += got
            lib.nic_lend(c)
            lib.nic_borrow(c)
            assert (nic.lend.bursts, lib.nic_try_back(c)) == (1, 1)
            assert host.ledger().in_flight_at["fifo"] == 0
            host.run()
            assert [sock.recv() for _ in range(lib.BURST)] == numbered(lib.BURST)
