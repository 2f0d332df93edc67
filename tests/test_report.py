"""The report: every fate has its place in the funnel, numbers add up, bars do not lie."""

import pytest

from vnic.report import FUNNEL, _bar, duration, fate_text
from vnic.stats import FATES


def test_every_fate_has_one_place_in_the_funnel():
    placed = [f for _, _, ends in FUNNEL for f in ends] + ["DELIVERED_UDP", "DELIVERED_TCP"]
    assert sorted(placed) == sorted(FATES)


def test_every_fate_has_a_line_of_text():
    assert all(fate_text(f) for f in FATES)


@pytest.mark.parametrize(
    ("part", "whole", "full", "empty"),
    [
        (10, 10, True, False),
        (9_999_999, 10_000_000, False, False),
        (1, 10_000_000, False, False),
        (0, 5, False, True),
    ],
)
def test_a_bar_is_full_only_if_nothing_is_lost_and_empty_only_if_nothing_is_left(part, whole, full, empty):
    bar = _bar(part, whole)
    assert (bar == "█" * 32) == full
    assert (bar == "") == empty


def test_durations_have_three_digits_and_a_unit():
    assert [duration(n) for n in (5, 1234, 5_000_000, 2.5e9)] == [
        "5 ns",
        "1.23 us",
        "5 ms",
        "2.5 s",
    ]
