"""The picture of the path: widths are numbers of frames, labels do not lie on each other, all stays inside."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic.counters.snapshots import FATES
from vnic.page import drawing
from vnic.page.passing import passing

LIMITS = ("mtu", "fifo", "rx-ring", "rcvbuf")


def report(fates, in_flight=0):
    rows = [
        {"knob": k, "setting": 10, "unit": "bytes", "bound": 1, "lost": 0, "high_water": 4, "meaning": ""}
        for k in LIMITS
    ]
    return {"ledger": {"offered": sum(fates.values()) + in_flight, "fates": fates}, "limits": rows}


def numbers(path):
    return [float(n) for n in re.findall(r"-?\d+\.\d|-?\d+", path)]


FATE_COUNTS = st.dictionaries(st.sampled_from(FATES), st.integers(1, 10**12), max_size=12)


@given(FATE_COUNTS, st.integers(0, 100))
def test_no_frame_is_missing_in_the_picture(fates, in_flight):
    passed = passing(report(fates, in_flight))
    at_the_end = sum(fates.get(f, 0) for f in ("DELIVERED_UDP", "DELIVERED_TCP")) + in_flight
    assert passed[-1].after == at_the_end
    picture = drawing.draw(passed, drawing.LYING)
    assert sum(part.frames for part in picture.parts) + at_the_end == sum(fates.values()) + in_flight


@given(FATE_COUNTS)
@pytest.mark.parametrize("shape", [drawing.LYING, drawing.STANDING])
def test_the_band_and_its_labels_stay_inside(shape, fates):
    picture = drawing.draw(passing(report(fates)), shape)
    band = numbers(picture.band)
    xs, ys = band[0::2], band[1::2]
    assert 0 <= min(xs) <= max(xs) <= picture.width
    assert 0 <= min(ys) <= max(ys) <= picture.height
    for part in picture.parts:
        assert 0 < part.x < picture.width
        assert 0 < part.y < picture.height


def test_widths_are_shares_of_the_frames():
    passed = passing(report({"FIFO_OVERRUN": 250, "SOCKET_RCVBUFF": 500, "DELIVERED_UDP": 250}))
    picture = drawing.draw(passed, drawing.LYING)
    whole = drawing.LYING.width
    ys = {y - drawing.LYING.across for y in numbers(picture.band)[1::2]}
    assert {round(y, 1) for y in ys} == {0, round(whole / 4, 1), round(3 * whole / 4, 1), whole}


def test_labels_of_the_lying_picture_do_not_overlap():
    names = ("MAC_FILTER", "FIFO_OVERRUN", "RX_NO_BUFFER", "CPU_BACKLOG", "UNHANDLED_PROTO", "DELIVERED_ARP",
             "IPV6_NDISC_BAD_OPTIONS", "DELIVERED_ICMPV6", "SOCKET_TABLE_FULL", "SOCKET_RCVBUFF")  # fmt: skip
    parts = drawing.draw(passing(report(dict.fromkeys(names, 5))), drawing.LYING).parts
    assert len(parts) == 10
    for row in {p.y for p in parts}:
        line = sorted((p for p in parts if p.y == row), key=lambda p: p.x)
        assert all(a.x + 7 * len(a.fate) <= b.x for a, b in pairwise(line))


def test_a_fate_that_this_version_does_not_know_ends_at_the_socket():
    passed = {p.stage.id: p for p in passing(report({"NEW_REASON": 3, "DELIVERED_UDP": 1}))}
    assert [(e.fate, e.frames, e.text) for e in passed["socket"].ended] == [("NEW_REASON", 3, "")]


def test_a_stage_says_all_that_it_shows():
    passed = {p.stage.id: p for p in passing(report({"FIFO_OVERRUN": 1500, "DELIVERED_UDP": 500}))}
    assert passed["fifo"].spoken == "FIFO: 500 frames pass, 1,500 are lost: FIFO_OVERRUN, at most 40 % full"
