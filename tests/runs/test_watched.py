"""Hosts of a user's tests, without a test runner: the laws at their end, and their last frames."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic.counters.laws import BrokenLaws
from vnic.runs.watched import Hosts


def test_a_host_that_is_left_in_the_middle_of_its_work_breaks_no_law():
    seen = set()
    for until_ns in range(0, 40_000, 100):
        hosts = Hosts({"cpus": 1, "sink": True, "reader_cpu": 0}, frames=0)
        h = hosts()
        h.feed([frames.udp()] * 20)
        h.run(until_ns=until_ns)
        seen.add(h.laws())
        assert hosts.close() == []
    assert seen == {BrokenLaws.NONE, BrokenLaws.POOLS}  # there is such a middle


def test_a_broken_law_is_an_assertion_unless_something_else_went_wrong():
    def breaks(make):
        h = make()
        h.feed(frames.udp())
        h.run()
        h.machine.c.nic.offered += 1

    with pytest.raises(AssertionError, match=r"vnic0: LEDGER is broken: .*2 offered.*not closed"), Hosts() as make:
        breaks(make)
    with pytest.raises(KeyError, match="its own"), Hosts() as make:
        raise KeyError(f"its own {breaks(make)}")


@given(
    ports=st.lists(st.sampled_from([5000, 7]), max_size=60),
    kept=st.integers(1, 30),
    slices=st.lists(st.integers(0, 20), max_size=3),
)
def test_the_last_frames_are_those_that_came_last_each_with_its_fate(ports, kept, slices):
    with Hosts({"cpus": 2, "cost": "zero"}, frames=kept) as make:
        h = make()
        h.udp(5000)
        h.feed([frames.udp(bytes(i), dport=port) for i, port in enumerate(ports)])
        for n in slices:
            h.run(frames=n)
        h.run()
        got = h._last.frames()
    fates = {5000: "DELIVERED_UDP", 7: "NO_SOCKET"}
    wanted = [(i + 1, 42 + i, fates[port]) for i, port in enumerate(ports)][-kept:]
    assert [(f.id, f.length, f.fate) for f in got] == wanted


def test_many_frames_are_kept_in_bounded_memory_and_those_the_card_loses_have_their_fate():
    with Hosts({"cpus": 1, "fifo": 2048, "link": "inf"}, frames=8) as make:
        h = make()
        h.feed([frames.udp(bytes(1000))] * 20_000)
        h.run()
        got = h._last.frames()
        assert len(h._last._stack) <= 1024
    assert [f.id for f in got] == list(range(19_993, 20_001))
    assert {f.fate for f in got} == {"FIFO_OVERRUN"}


def test_a_merged_packet_gives_its_fate_to_its_first_frame():
    with Hosts({"cpus": 1, "sink": True}, frames=8) as make:
        h = make()
        h.feed([frames.tcp(bytes(100), seq=1 + 100 * i) for i in range(4)])
        h.run()
        assert [f.fate for f in h._last.frames()][1:] == [None] * 3
        assert h.story().count("merged, or none yet") == 3


def test_it_is_a_host_in_every_other_way(tmp_path):
    with Hosts(frames=3) as make, make(cpus=1) as h:
        assert isinstance(h, vnic.Host)
        assert repr(h).startswith("<vnic.Host vnic0 ")
        capture = vnic.Capture(h, tmp_path / "own.pcapng")
        h.feed(frames.udp())
        h.run()
        assert capture.packets == 1
