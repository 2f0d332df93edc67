"""Sizes of today: rings of any count up to 16384, 128 queues, 512 CPUs. The event model says what comes of a frame."""

import frames
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model.rss import rss
from virtual_time import differences, draw, run_model, run_vnic

import vnic
from vnic._core import ffi, lib
from vnic.knobs.parse import mask_text, parse_mask
from vnic.linux import procfs, sysfs
from vnic.machine import memory

seeds = st.integers(0, 2**32)
RINGS = [16, 17, 1000, 8160, 16384]
HEADERS = 20 + 14 + 20 + 8
"""Of virtio, Ethernet, IPv4 and UDP."""


def compare(case):
    assert differences(run_vnic(case), run_model(case)) == []


# ---- rings ----


@pytest.mark.parametrize("ring", RINGS)
def test_the_driver_posts_as_many_buffers_as_were_asked_for(host, ring):
    h = host(rx_ring=ring)
    vq = h.machine.c.dq[0].vq
    size = 1 << (ring - 1).bit_length()
    assert (vq.num, vq.size, vq.nfree, vq.avail.idx) == (ring, size, 0, ring)
    assert h.machine.c.nic.queue[0].vq.size == size
    assert sorted(vq.avail.ring[i] for i in range(ring)) == list(range(ring))


@pytest.mark.parametrize("ring", RINGS)
def test_a_ring_holds_that_many_frames_and_the_next_waits_in_the_card(host, ring):
    """The interrupt comes late, so no buffer comes back."""
    h = host(rx_ring=ring, rx_usecs=100_000, rx_frames=0, cost="zero", link="inf", fifo=1 << 22, sink=True)
    h.feed([(1000, frames.udp(b"x"))] * (ring + 5))
    h.run(until_ns=2000)
    assert h.ledger().in_flight_at["ring"] == ring
    assert h.ledger().in_flight_at["fifo"] == 5
    assert h.laws() == 0


@pytest.mark.parametrize("ring", [16, 17, 31, 33, 100])
def test_a_frame_that_needs_a_buffer_more_than_the_ring_has_is_lost(host, ring):
    """Not one that needs all of them, and none waits for ever for a descriptor that the driver does not use."""
    h = host(rx_ring=ring, rx_buf_len=128, sink=True)
    room = ring * 128 - HEADERS
    h.feed([frames.udp(bytes(n)) for n in (room, room + 1, 1)])
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 2, "RX_OVER": 1}


@pytest.mark.slow
@given(seed=seeds, ring=st.one_of(st.integers(16, 300), st.sampled_from(RINGS)))
@settings(max_examples=15)
def test_any_ring_is_the_models(seed, ring):
    compare(draw(seed, rx_ring=ring))


@pytest.mark.slow
@given(
    sizes=st.lists(st.one_of(st.integers(16, 16384), st.sampled_from(RINGS)), min_size=1, max_size=5),
    counts=st.lists(st.integers(0, 100), min_size=5, max_size=5),
)
@settings(max_examples=15)
def test_both_laws_hold_whenever_the_ring_changes(sizes, counts):
    with vnic.Host(sink=True, queues=3, cpus=2, rx_buf_len=256, rcvbuf=1 << 24, fifo=1 << 20) as h:
        for size, count in zip(sizes, counts, strict=False):
            h.feed([frames.udp(bytes(300), sport=i + 1) for i in range(count)])
            h.run(frames=count // 2)
            h.knobs["rx-ring"] = size
            h.run()
            assert h.laws() == 0
            assert [h.machine.c.dq[i].vq.num - h.machine.c.dq[i].vq.nfree for i in range(3)] == [size] * 3
        assert h.ledger().delivered == sum(counts[: len(sizes)])


@pytest.mark.parametrize("ring", [64, 1000, 16384])
def test_jumbo_frames_fit_into_one_buffer_each(host, ring):
    h = host(rx_ring=ring, rx_buf_len=9216, mtu=9000, sink=True, rcvbuf=1 << 24)
    h.feed([frames.udp(bytes(8972))] * 20)
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 20}
    assert h.machine.c.dq[0].rx_packets == h.machine.c.nic.queue[0].vq.used.idx == 20


# ---- queues and CPUs ----


@pytest.mark.parametrize("cost", ["zero", "linux"])
@pytest.mark.parametrize(("cpus", "queues"), [(1, 1), (1, 3), (1, 128), (65, 65), (3, 128), (512, 128), (512, 1)])
def test_each_queue_gets_its_flows_and_interrupts_its_cpu(host, cpus, queues, cost):
    h = host(cpus=cpus, queues=queues, cost=cost, sink=True, rcvbuf=1 << 24, fifo=1 << 20)
    burst = [frames.udp(b"x", sport=1024 + i) for i in range(1500)]
    h.feed(burst)
    h.run()
    table = h.knobs["rss-indir"]
    assert set(table) == set(range(queues))
    got = [q.packets for q in h.nic.queues()]
    assert sum(got) == 1500
    assert all(got) or queues == 128
    assert sum(map(bool, got)) >= queues * 0.9
    for i, q in enumerate(h.nic.queues()):
        on = [cpu for cpu in range(cpus) if lib.irq_count(h.machine.c.dq[i], cpu)]
        assert on == ([i % cpus] if q.packets else [])
    assert h.ledger().fates == {"DELIVERED_UDP": 1500}


@pytest.mark.slow
@pytest.mark.parametrize("wide", [{"cpus": 65, "queues": 65}, {"cpus": 3, "queues": 128}, {"cpus": 1, "queues": 128}])
@given(seed=seeds, threaded=st.booleans())
@settings(max_examples=8)
def test_many_queues_are_the_models(wide, seed, threaded):
    compare(draw(seed, **wide, threaded=threaded, busy_read=0))


@pytest.mark.slow
@given(seed=seeds, cpu=st.sampled_from([0, 63, 64, 100, 511]))
@settings(max_examples=5)
def test_many_cpus_are_the_models(seed, cpu):
    compare(draw(seed, cpus=512, queues=3, rps_cpus=(0, cpu) if cpu else (0,), reader_cpu=511 - cpu, busy_read=0))


@given(
    when=st.lists(
        st.tuples(st.sampled_from([0, 3, 31, 32, 61, 62, 63, 64, 125, 126, 127]), st.integers(0, 3)), max_size=40
    )
)
def test_interrupts_are_taken_in_the_order_in_which_they_were_raised_then_by_queue(when):
    with vnic.Host(cpus=1, queues=128, cost="zero") as h:
        c = h.machine.c
        first = {}
        for queue, at in when:
            lib.raise_hardirq(c.cpu[0], queue, 1000 + at)
            first[queue] = min(at, first.get(queue, at))
        assert c.cpu[0].irq_next == (1000 + min(first.values()) if first else (1 << 64) - 1)
        taken = []
        for t in range(1000, 1004):
            c.cpu[0].now = t
            c.cpu[0].bh_off = 1  # the softirq would poll at once
            lib.do_hardirqs(c.cpu[0])
            n, found = c.cpu[0].poll_list, []
            while n != ffi.NULL:
                found.append(next(i for i in range(128) if c.dev.napi[i] == n))
                n = n.next
            taken = found
        assert taken == sorted(first, key=lambda queue: (first[queue], queue))
        assert c.cpu[0].irq_pending == 0
        lib.local_bh_enable(c.cpu[0])


@pytest.mark.parametrize("queue", [0, 61, 62, 63, 127])
def test_an_interrupt_moves_with_its_queue_and_can_be_taken_back(host, queue):
    h = host(cpus=512, queues=128)
    h.knobs.queue(queue)["smp-affinity"] = 1 << 400
    cpu, other = h.machine.c.cpu[400], (queue + 64) % 128
    h.knobs.queue(other)["smp-affinity"] = 1 << 400
    lib.raise_hardirq(cpu, queue, 7)
    lib.raise_hardirq(cpu, other, 5)
    assert cpu.irq_next == 5
    assert lib.cancel_hardirq(cpu, other) == 5
    assert cpu.irq_next == 7
    h.knobs.queue(queue)["smp-affinity"] = 1 << 511
    assert (cpu.irq_pending, cpu.irq_next) == (0, (1 << 64) - 1)
    h.run()
    assert lib.irq_count(h.machine.c.dq[queue], 511) == 1


def test_queues_that_open_later_have_a_larger_table(host):
    h = host(cpus=128, sink=True)
    for queues, entries in ((64, 128), (65, 256), (128, 256), (3, 128)):
        h.knobs["queues"] = queues
        assert h.knobs["rss-indir"] == tuple(i % queues for i in range(entries))
        h.feed([frames.udp(b"x", sport=i + 1) for i in range(200)])
        h.run()
        assert h.laws() == 0
    assert h.ledger().delivered == 800


@pytest.mark.parametrize("entries", [1, 128, 129, 256, 2048])
def test_a_table_has_as_many_entries_as_it_needs(host, entries):
    h = host(queues=4, cpus=4, rss_indir=[i * 7 % 4 for i in range(entries)])
    size = max(128, 1 << (entries - 1).bit_length())
    assert h.knobs["rss-indir"] == tuple(i % entries * 7 % 4 for i in range(size))
    h.feed([frames.udp(b"x", sport=i + 1) for i in range(300)])
    h.run()
    expected = [0] * 4
    for i in range(300):
        expected[h.knobs["rss-indir"][rss("10.0.0.1", "10.0.0.2", 17, i + 1, 5000)[0] % size]] += 1
    assert [q.packets for q in h.nic.queues()] == expected


# ---- the sending ring ----


@pytest.mark.parametrize("ring", [64, 65, 1000, 16384])
def test_a_sending_ring_of_any_count_fills_up_and_empties(host, ring):
    h = host(ip=["10.0.0.2/24"], tx_ring=ring, cost="zero", link="10G")
    c = h.machine.c
    assert (c.tx.vq.num, c.tx.vq.nfree, c.tx.size) == (ring, ring, ring + lib.TX_POOL_SPARE)
    frame = frames.udp(b"x")
    sent = 0
    while lib.dev_direct_xmit(c, frame, len(frame)) == 0:
        sent += 1
    assert sent == ring - 1  # dev_direct_xmit() asks for a descriptor more than a short frame needs
    with pytest.raises(vnic.ConfigError, match="tx-ring=70: Device or resource busy"):
        h.knobs["tx-ring"] = 70
    h.run()
    assert sum(h.tx_ledger().fates.values()) == ring - 1  # the wire in memory takes 1024 of them
    h.knobs["tx-ring"] = 70
    assert (c.tx.vq.num, c.tx.vq.nfree, c.tx.nfree) == (70, 70, 70 + lib.TX_POOL_SPARE)
    for _ in range(69):
        assert lib.dev_direct_xmit(c, frame, len(frame)) == 0
    h.run()
    assert (sum(h.tx_ledger().fates.values()), h.tx_ledger().in_flight) == (ring + 68, 0)


# ---- masks ----


@given(st.integers(0, (1 << 512) - 1))
def test_a_mask_is_read_back_in_groups_of_32_bits(mask):
    text = mask_text(mask)
    assert parse_mask(text) == mask
    assert all(len(group) == 8 for group in text.split(",")[1:])


@pytest.mark.parametrize("cpus", [1, 64, 65, 512])
def test_masks_of_the_last_cpu(host, cpus):
    h = host(cpus=cpus, sink=True)
    last = cpus - 1
    h.knobs.update({"rps-cpus": 1 << last, "flow-limit-cpus": 1 << last})
    h.knobs.queue(0)["smp-affinity"] = 1 << last
    shown = sysfs.read(h, "/sys/class/net/vnic0/queues/rx-0/rps_cpus").strip()
    assert int(shown.replace(",", ""), 16) == 1 << last
    assert shown.count(",") == (cpus - 1) // 32
    assert procfs.read(h, "/proc/sys/net/core/flow_limit_cpu_bitmap").strip() == shown
    assert procfs.read(h, "/proc/irq/24/smp_affinity_list").strip() == str(last)
    assert len(procfs.read(h, "/proc/net/softnet_stat").splitlines()) == cpus
    h.feed([frames.udp(b"x")])
    h.run()
    assert [cpu for cpu, s in enumerate(h.softnet()) if s.processed] == [last]


# ---- bounds ----


def test_what_does_not_fit_into_the_memory_is_refused(host, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1 << 30)
    with pytest.raises(vnic.ConfigError, match=r"queues=128, rx-ring=16384 and rx-buf-len=2048 fill .* GB of memory"):
        vnic.Host(cpus=4, queues=128, rx_ring=16384)
    h = host(cpus=128, queues=2, rx_ring=16384)
    for change in ({"queues": 128}, {"queues": 64, "rx-ring": 16000}):
        with pytest.raises(vnic.ConfigError, match="of memory"):
            h.knobs.update(change)
        assert (h.knobs["queues"], h.knobs["rx-ring"]) == (2, 16384)
    assert memory.stated(h.machine.c, latency=False)["buffers"] == 2 * 16384 * 2176


def test_a_live_host_has_as_many_threads_as_make_sense():
    with pytest.raises(vnic.ConfigError, match="cpus=512: a live host has at most"):
        vnic.Host(cpus=512, live=True)
