"""Begins and ends in the order of time: random work that nests comes out nested, whatever begins or ends together."""

from hypothesis import given
from hypothesis import strategies as st

from vnic._core import ffi, lib
from vnic.events.kinds import NEVER

INSTANT, BEGIN, END = range(3)


class Points:
    def __init__(self):
        self.c = ffi.gc(ffi.new("struct trace_points *"), lib.trace_points_free)

    def pop(self, until=NEVER):
        point = ffi.new("struct trace_point *")
        return (point.t, point.what, point.at) if lib.trace_pop(self.c, until, point) else None


def nest(draw, begin, end, depth):
    """Pieces of work [(begin, end, depth)] inside this time, which do not cross."""
    rows = []
    at = begin
    while at < end and draw(st.booleans()):
        first = draw(st.integers(at, end - 1))
        last = draw(st.integers(first + 1, end))
        rows.append((first, last, depth))
        if depth < 4:
            rows += nest(draw, first, last, depth + 1)
        at = last
    return rows


@st.composite
def work(draw):
    return nest(draw, 0, 12, 1)


@given(work())
def test_what_nests_comes_out_nested(rows):
    points = Points()
    rows = sorted(rows, key=lambda row: (row[0], -row[2]))  # as a log has it: the inner record of one instant first
    stack, seen, last = [], [], 0

    def take(until):
        nonlocal last
        while (found := points.pop(until)) is not None:
            t, what, at = found
            assert t >= last
            last = t
            if what == BEGIN:
                assert all(rows[outer][2] < rows[at][2] and rows[outer][1] >= rows[at][1] for outer in stack)
                stack.append(at)
                assert lib.trace_push_end(points.c, rows[at][1], END, at) == 0
            else:
                assert stack.pop() == at
                assert t == rows[at][1]
                seen.append(at)

    for i, (begin, end, depth) in enumerate(rows):
        take(begin)
        assert lib.trace_push_begin(points.c, begin, end - begin, depth, BEGIN, i) == 0
    take(NEVER)
    assert not stack
    assert sorted(seen) == list(range(len(rows)))


def test_of_one_instant_what_takes_no_time_comes_before_ends_and_those_before_begins():
    points = Points()
    assert lib.trace_push_begin(points.c, 5, 10, 1, BEGIN, 1) == 0
    assert lib.trace_push_begin(points.c, 5, 20, 1, BEGIN, 2) == 0
    assert lib.trace_push_begin(points.c, 5, 20, 0, BEGIN, 3) == 0
    assert lib.trace_push_end(points.c, 5, END, 4) == 0
    assert lib.trace_push_end(points.c, 5, END, 5) == 0
    assert lib.trace_push_begin(points.c, 5, 0, 1, INSTANT, 6) == 0
    assert lib.trace_push_begin(points.c, 5, 0, 0, BEGIN, 7) == 0
    assert lib.trace_push_instant(points.c, 5, INSTANT, 8) == 0
    assert points.pop(5) is None
    assert [points.pop()[2] for _ in range(8)] == [6, 8, 5, 4, 3, 2, 1, 7]
    assert points.pop() is None


@given(st.lists(st.integers(0, 50), max_size=200))
def test_any_times_come_out_in_order_and_of_one_time_in_the_order_of_the_pushes(times):
    points = Points()
    for i, t in enumerate(times):
        assert lib.trace_push_instant(points.c, t, INSTANT, i) == 0
    found = [points.pop() for _ in times]
    assert [(t, at) for t, _, at in found] == sorted((t, i) for i, t in enumerate(times))
