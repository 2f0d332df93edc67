"""The Pareto front: what no other point beats."""

from hypothesis import given
from hypothesis import strategies as st

from vnic.sweep.front import OBJECTIVES, front, ranked, score


def row(lost, p99, interrupts, cpu_ns):
    return {"error": None, "lost": lost, "latency_ns": {"p99": p99}, "interrupts": interrupts, "cpu_ns": cpu_ns}


FAILED = {"error": "refused", "lasts": True}


def test_what_is_worse_in_one_and_better_in_none_is_not_on_it():
    rows = [row(0, 10, 5, 5), row(0, 10, 5, 6), row(1, 9, 5, 5), row(2, 9, 5, 5), FAILED, row(0, 10, 5, 5)]
    order, best = ranked(rows)
    assert best == {0, 2, 5}
    assert order == [0, 5, 1, 2, 3, 4]


def test_without_a_latency_a_point_has_the_worst():
    rows = [row(5, None, 0, 1), row(5, 10**12, 0, 1)]
    assert ranked(rows) == ([1, 0], {1})
    assert ranked(rows[:1]) == ([0], {0})


def test_points_without_a_result_are_last_and_on_no_front():
    assert ranked([FAILED, row(0, 1, 1, 1), FAILED]) == ([1, 0, 2], {1})
    assert ranked([FAILED]) == ([0], set())
    assert ranked([]) == ([], set())


def test_each_objective_counts():
    assert len(OBJECTIVES) == len(score(row(1, 2, 3, 4))) == 4
    for i in range(4):
        better = [5, 5, 5, 5]
        better[i] = 4
        assert ranked([row(5, 5, 5, 5), row(*better)])[1] == {1}


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 4), max_size=40))
def test_it_is_what_the_definition_says(scores):
    def beaten(a):
        return any(b != a and all(x <= y for x, y in zip(b, a, strict=True)) for b in scores)

    assert front(scores) == {a for a in scores if not beaten(a)}
