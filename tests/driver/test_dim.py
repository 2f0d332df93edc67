"""Adaptive moderation: the machine beside a plain model, a walk written out, and what it does for a host."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model.dim import PROFILES, TOP, Dim

import vnic
from vnic._core import ffi, lib
from vnic.counters import dim
from vnic.counters.dim import TUNES

MS = 1_000_000


class Machine:
    """The C one, and the model beside it."""

    def __init__(self):
        self.c, self.model = ffi.new("struct dim *"), Dim()
        lib.dim_init(self.c)
        self.t_ns = self.packets = self.bytes = self.events = 0

    def sample(self, ms=1.0, packets=0, size=0, events=64):
        self.t_ns += int(ms * MS)
        self.packets = (self.packets + packets) % 2**32
        self.bytes = (self.bytes + packets * size) % 2**32
        self.events = (self.events + events) % 65536
        now = {"t_ns": self.t_ns, "packets": self.packets, "bytes": self.bytes, "events": self.events}
        changed = lib.net_dim(self.c, ffi.new("struct dim_sample *", now))
        assert changed == self.model.sample(self.t_ns, self.packets, self.bytes, self.events)
        p = lib.dim_profile(self.c)
        assert (self.c.profile, p.usecs, p.frames) == (self.model.ix, *PROFILES[self.model.ix])
        assert (TUNES[self.c.tune], self.c.tired) == (self.model.tune, self.model.tired)
        return int(self.c.profile)


loads = st.tuples(
    st.sampled_from([0.0, 0.0004, 0.001, 0.5, 1.0, 3.0, 100.0]),
    st.sampled_from([0, 1, 90, 100, 105, 112, 200, 5000, 2**20]),
    st.sampled_from([60, 64, 1000, 1514]),
    st.sampled_from([0, 1, 63, 64, 65, 40000]),
)


@given(st.lists(loads, min_size=1, max_size=200))
def test_any_samples_lead_where_the_model_says(samples):
    machine = Machine()
    for sample in samples:
        machine.sample(*sample)


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(60, 1514)), min_size=1, max_size=200))
def test_steady_measurements_decide_as_the_model_does(samples):
    machine = Machine()
    for packets, size in samples:
        machine.sample(1.0, packets, size)


def test_where_bytes_and_packets_are_alike_fewer_interrupts_are_better():
    machine = Machine()
    for ms in (1, 2, 1, 3, 2, 1, 1, 2) * 4:  # 64 interrupts in each
        machine.sample(ms, 1000 * ms, 100)
        machine.sample(ms, 1000 * ms, 100)
    assert len({tune for *_, tune in machine.model.log}) > 1


def walked(rates):
    """A machine after measurements of so many packets a millisecond; a new profile is measured from anew."""
    machine = Machine()
    for rate in rates:
        machine.sample(packets=0) if machine.model.start is None else None
        machine.sample(packets=rate, size=100)
    return machine


def walk(rates):
    """(profile, state) after each of them."""
    return [(ix, tune) for *_, ix, _, _, tune in walked(rates).model.log]


WALK = [
    # packets a ms; then: step, profile, rx-usecs, decision
    (100, "->", 2, 64, "going right"),  # the first is better than nothing
    (150, "->", 3, 128, "going right"),
    (200, "->", 4, 256, "going right"),
    (250, ".", 4, 256, "parking on top"),  # there is no more to the right
    (260, ".", 4, 256, "parking on top"),  # not by a tenth
    (100, "<-", 3, 128, "going left"),  # worse: it leaves
    (150, "<-", 2, 64, "going left"),  # and that was right
    (100, "->", 3, 128, "going right"),  # too far
    (150, ".", 3, 128, "parking on top"),  # one step back after two there: on top
    (150, ".", 3, 128, "parking on top"),
]


def test_the_table_of_a_walk():
    """Shown with pytest -s: each sample, the step and the decision."""
    machine = walked(row[0] for row in WALK)
    log = dim.log(machine.c)
    text = dim.table(log)
    print("\n" + text)
    head, *lines = text.splitlines()
    assert head.split("  ")[-1] == "decision"
    for line, (packets, step, profile, usecs, decision), d in zip(lines, WALK, log, strict=True):
        cells = line.split(None, 8)
        rates = (f"{d.t_ns / 1e6:.3f}", f"{packets}", f"{packets * 100}", "64")
        assert cells == [*rates, step, f"{profile}", f"{usecs}", "256", decision]
    assert len({line.index(row[4]) for line, row in zip(lines, WALK, strict=True)}) == 1  # aligned


def test_the_table_of_no_decisions_and_of_later_ones():
    assert len(dim.table([]).splitlines()) == 1
    later = dim.log(walked(row[0] for row in WALK).c)[5:]
    assert [line.split()[4] for line in dim.table(later, profile=4).splitlines()[1:]] == ["<-", "<-", "->", ".", "."]


def test_a_walk_of_dim_written_out():
    """Ever better to the right: to the edge, and parked there. Then less: it leaves, and finds that left is worse."""
    assert walk([100, 150, 200, 250]) == [(2, "going_right"), (3, "going_right"), (4, "going_right"), (4, TOP)]
    assert walk([100, 150, 200, 250, 250, 100])[4:] == [(4, TOP), (3, "going_left")]
    assert walk([100, 100])[-1] == (1, "going_left")  # no better: turned round
    assert walk([100, 150, 100])[-1] == (2, "going_left")


def test_more_than_a_tenth_is_a_difference():
    assert walk([1000, 1100])[-1] == (1, "going_left")
    assert walk([1000, 1110])[-1] == (3, "going_right")


def test_who_parks_compares_with_what_was_when_it_parked():
    """It creeps up, never by a tenth at once: when it is a tenth in all, the walk begins again."""
    path = walk([100, 150, 200, 250, 250, 260, 270, 280])
    assert [tune for _, tune in path[3:]] == [TOP] * 4 + ["going_left"]


def test_the_top_between_two_worse_places_is_parked_on():
    """Right, right, worse, back, and that is better than what was left: on top."""
    path = walk([100, 150, 100, 150])
    assert path == [(2, "going_right"), (3, "going_right"), (2, "going_left"), (2, TOP)]


def test_who_walks_ten_steps_in_vain_rests():
    """Ever worse: it turns round at each measurement, until it is tired; then it rests for as many, and goes on."""
    tunes = [tune for _, tune in walk([int(10**6 * 0.85**i) for i in range(40)])]
    assert tunes[:10] == ["going_right", "going_left"] * 5
    assert tunes[10:20] == ["parking_tired"] * 10
    assert tunes[20].startswith("going")


def test_a_host_that_is_flooded_gets_fewer_interrupts_than_without():
    interrupts = {}
    for adaptive in (False, True):
        with vnic.Host(sink=True, adaptive_rx=adaptive, fifo=1 << 20, rcvbuf=1 << 24) as host:
            host.feed([frames.udp(b"x" * 200)] * 20000, gap_ns=2000)
            host.run()
            assert sum(host.ledger().fates.values()) == 20000
            interrupts[adaptive] = host.nic.queues()[0].interrupts
            decisions = host.nic.dim()
            assert bool(decisions) == adaptive
    assert interrupts[True] < interrupts[False] / 2
    assert {d.profile for d in decisions} - {1}
    assert [d.t_ns for d in decisions] == sorted(d.t_ns for d in decisions)


def test_what_it_sets_is_what_the_card_uses():
    with vnic.Host(adaptive_rx=True, queues=2) as host:
        for i in range(2):
            irq = host.machine.c.nic.queue[i].irq
            assert (irq.rx_usecs, irq.rx_frames) == PROFILES[1]
        assert host.nic.dim(1) == []


@pytest.mark.parametrize("decisions", [0, 1, 255, 256, 300])
def test_the_latest_decisions_are_kept(decisions):
    with vnic.Host(adaptive_rx=True) as host:
        d = host.machine.c.dq[0].dim
        sample = ffi.new("struct dim_sample *")
        lib.net_dim(d, sample)
        while d.decisions < decisions:
            sample.t_ns, sample.events = sample.t_ns + MS, (sample.events + 64) % 65536
            sample.packets, sample.bytes = sample.packets + 10, sample.bytes + 1000
            lib.net_dim(d, sample)
        kept = host.nic.dim()
        assert len(kept) == min(decisions, 256)
        assert all(k.rx_usecs == PROFILES[k.profile][0] for k in kept)
