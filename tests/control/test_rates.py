"""vnic stat: what an interval's line says is what happened in it."""

import time

import frames

import vnic
from vnic.control import rates as stat


def test_a_line_is_the_difference_of_two_samples():
    with vnic.Host(
        cpus=2, sink=True, reader_cpu=0, fifo=2000, rx_ring=16, rx_usecs=500, rx_frames=0, latency=True
    ) as h:
        h.nic.feed([frames.udp(dport=9)] * 10, gap_ns=1000)
        h.run()
        before = stat.sample(h)
        t0, seen = h.now_ns, h.ledger()
        h.nic.feed([frames.udp(dport=9)] * 200, at_ns=10_000_000, gap_ns=100)
        h.run()
        line = stat.difference(stat.sample(h), before)
        after = h.ledger() - seen
    seconds = (h_now := before["t_ns"]) and line.seconds
    assert h_now == t0
    assert seconds > 0.009
    assert line.lost == {"FIFO_OVERRUN": after.fates["FIFO_OVERRUN"]}
    assert round(line.per_s["offered"] * line.seconds) == 200
    assert round(line.per_s["delivered"] * line.seconds) == 200 - line.lost["FIFO_OVERRUN"]
    assert 0 < line.busy[0] < 0.5
    assert line.busy[1] == 0
    assert line.queues == [line.per_s["delivered"]]
    layout = stat.Layout.of(2, None)
    shown = layout.line(line).split()
    assert shown[3:8] == [str(line.lost["FIFO_OVERRUN"]), "0", "0", "0", "0"]
    assert len(shown) == len(layout.head().splitlines()[1].split())
    assert line.as_dict()["lost"] == line.lost


def test_every_loss_is_in_one_column():
    fates = {fate: 1 for fate in vnic.counters.snapshots.FATES if not fate.startswith("DELIVERED_")}
    sample = {
        "t_ns": 0,
        "offered": 0,
        "bytes": 0,
        "fates": {},
        "in_flight_at": {},
        "interrupts": 0,
        "polls": 0,
        "frames": 0,
        "skbs": 0,
        "time_squeeze": 0,
        "ipis": 0,
        "queues": [],
        "processed": [],
        "idle_ns": [],
        "now_ns": [],
        "standing": [],
        "faults": [],
        "live": False,
    }
    line = stat.difference(sample | {"t_ns": 10**9, "fates": fates}, sample)
    assert sum(int(n) for n in stat.Layout.of(0, None).line(line).split()[3:8]) == len(fates)


def test_queues_that_came_meanwhile_begin_at_nothing():
    with vnic.Host(cpus=4) as h:
        before = stat.sample(h)
        h.knobs.queues = 3
        h.nic.feed([frames.udp(sport=i) for i in range(64)], at_ns=1000)
        h.run()
        line = stat.difference(stat.sample(h), before)
    assert len(line.queues) == 3
    assert min(line.queues) > 0


def test_a_cpu_that_sleeps_is_idle_also_before_it_wakes_up(live):
    h = live([], cpus=2)
    h.start()
    while not h.machine.c.cpu[1].idle_since:
        time.sleep(0.001)
    first = h.softnet()[1].idle_ns
    time.sleep(0.02)
    assert h.softnet()[1].idle_ns - first >= 20_000_000
    h.stop()
    assert h.machine.c.cpu[1].idle_since == 0
