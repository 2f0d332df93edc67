"""Numbers with units, sentences that are broken, and bars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic.look.bars import bar
from vnic.look.lines import hanging
from vnic.look.units import count, duration, narrow, rate, size


def test_durations_have_three_digits_and_a_unit():
    shown = [duration(ns) for ns in (0, 0.5, 999, 999.4, 999_499, 999_999, 1_234_567, 12e9, 9_999e9)]
    assert shown == ["0 ns", "0.5 ns", "999 ns", "999 ns", "999 us", "1 ms", "1.23 ms", "12 s", "9999 s"]


def test_bytes_and_rates_have_a_unit():
    assert [size(n) for n in (0, 999, 1000, 231_540_000, 5e15)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "231.5 MB",
        "5,000,000.0 GB",
    ]
    assert [rate(n) for n in (0, 999, 1234, 999_999, 1.25e6, 4e9)] == ["0", "999", "1.23 k", "1 M", "1.25 M", "4 G"]
    assert [count(n, "frame") for n in (0, 1, 2000)] == ["0 frames", "1 frame", "2,000 frames"]


@given(st.one_of(st.integers(0, 1 << 64), st.floats(0, 2.0**64)))
def test_narrow_numbers_have_six_characters_at_most_and_three_right_digits(n):
    text = narrow(n)
    assert len(text) <= 6
    scale = {"M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}.get(text[-1], 1)
    assert abs(float(text.rstrip("MGTPE")) * scale - n) <= max(0.5, 0.006 * n)


@pytest.mark.parametrize(
    ("part", "whole", "full", "empty"),
    [
        (0, 0, False, True),
        (0, 5, False, True),
        (5, 5, True, False),
        (10**9 - 1, 10**9, False, False),
        (1, 10**9, False, False),
    ],
)
@pytest.mark.parametrize("width", [8, 32])
def test_a_bar_is_full_only_if_nothing_is_lost_and_empty_only_if_nothing_is_left(part, whole, full, empty, width):
    drawn = bar(part, whole, width)
    assert (drawn == "█" * width) == full
    assert (drawn == "") == empty
    assert len(drawn) <= width


SENTENCES = st.lists(st.text("abc123.,-", min_size=1, max_size=40), max_size=30).map(" ".join)


@given(head=st.text("abc ", max_size=12), sentence=SENTENCES, width=st.integers(20, 120))
def test_a_sentence_keeps_its_words_and_their_order(head, sentence, width):
    shown = hanging(head, sentence, width)
    assert (head + sentence).split() == shown.split()
    first, *rest = shown.split("\n")
    assert all(line.startswith(" " * len(head)) for line in rest)
    assert hanging(head, sentence, None) == head + sentence
    pieces = [len(part) for line in (first, *rest) for part in line.split()]
    assert all(len(line) <= max(width, len(head) + max(16, 2 * max(pieces, default=0) + 1)) for line in (first, *rest))


def test_a_number_stays_with_its_unit():
    text = hanging("Load  ", "about 3.31 M packets pass in 16 ms, that is 99 % of them", 20)
    for pair in ("3.31 M", "16 ms", "99 %"):
        assert pair in text, text


def test_a_path_is_not_broken():
    path = "/a/long/path" * 9
    assert hanging("fix: ", f"write it to {path} then", 40).split() == ["fix:", "write", "it", "to", path, "then"]
