"""No result depends on where a run is stopped: random machines of every mode, whole, stepped and sliced."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slices import drawn, play

SEEDS = st.integers(0, 2**32)
STEPS = ["steps", "frames", 50_021]


def same(seed, step):
    load = drawn(seed)
    parts, whole = play(load, step), play(load)
    for what, expected in whole.items():
        assert parts[what] == expected, (what, load.knobs)


@pytest.mark.parametrize("step", STEPS)
@given(seed=SEEDS)
def test_a_run_in_parts_is_the_whole_run(step, seed):
    same(seed, step)


@settings(max_examples=max(2, settings.default.max_examples // 10))
@given(seed=SEEDS)
def test_so_is_one_in_the_finest_slices(seed):
    load = drawn(seed)
    load.frames[:] = load.frames[:100]
    assert play(load, 97) == play(load)


@pytest.mark.slow
@pytest.mark.parametrize("step", [*STEPS, 10_007])
@settings(max_examples=3 * settings.default.max_examples)
@given(seed=SEEDS)
def test_and_so_are_many_more(step, seed):
    same(seed, step)
