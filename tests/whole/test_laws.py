"""Both laws and determinism, for any frames on any config."""

import strategies
from hypothesis import given
from hypothesis import strategies as st
from watched_run import watched_run


@given(strategies.configs(), strategies.traffic(), st.integers(1, 64))
def test_both_laws_hold_and_runs_repeat(config, traffic, step):
    first = watched_run(config, traffic, step)
    assert watched_run(config, traffic, step) == first


@given(strategies.configs(), strategies.traffic(), st.integers(1, 64))
def test_looking_changes_nothing(config, traffic, step):
    assert watched_run(config, traffic, step) == watched_run(config, traffic, len(traffic))
