"""--vary: what an axis may be spelled like, and what is refused before anything runs."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic.errors import ConfigError
from vnic.knobs.table import KNOBS
from vnic.sweep.axes import POINTS_MAX, axes, axis


def parsed(text):
    return [value.parsed for value in axis(text).values]


@pytest.mark.parametrize(
    ("text", "knob", "values"),
    [
        ("rx-usecs=0,10,50", "rx-usecs", [0, 10, 50]),
        (" rx_usecs = 0 , 10us,2ms ", "rx-usecs", [0, 10, 2000]),
        ("rx-ring=256..4096x2", "rx-ring", [256, 512, 1024, 2048, 4096]),
        ("rx-ring=256..4095*2", "rx-ring", [256, 512, 1024, 2048]),
        ("ring=16..40x1.5", "rx-ring", [16, 24, 36]),
        ("rx-usecs=1..8x1.5", "rx-usecs", [1, 2, 3, 5, 7]),
        ("rx-usecs=0..100+20", "rx-usecs", [0, 20, 40, 60, 80, 100]),
        ("rx-usecs=0..1ms+250us", "rx-usecs", [0, 250, 500, 750, 1000]),
        ("net.core.netdev_budget=300,600..1000+200", "netdev-budget", [300, 600, 800, 1000]),
        ("fifo=64k..1Mx4", "fifo", [65536, 262144, 1048576]),
        ("queues=1,2,1,2..4+1", "queues", [1, 2, 3, 4]),
        ("queues=3..3+1", "queues", [3]),
        ("gro=on,off", "gro", [True, False]),
        ("speed=0.5..4x2", "speed", [0.5, 1.0, 2.0, 4.0]),
        ("speed=max,2", "speed", [None, 2.0]),
        ("link=1G..100Gx10,inf", "link", [10**9, 10**10, 10**11, 0]),
        ("rps-cpus=0;f;0-1,3", "rps-cpus", [0, 15, 11]),
        ("reader-cpu=any,0..2+1", "reader-cpu", [0xFFFFFFFF, 0, 1, 2]),
        ("cpus=1..8x2", "cpus", [1, 2, 4, 8]),
        ("seed=0..2+1", "seed", [0, 1, 2]),
    ],
)
def test_a_list_or_a_range_or_both(text, knob, values):
    found = axis(text)
    assert (found.knob, [v.parsed for v in found.values]) == (knob, values)


def test_a_host_takes_what_an_axis_gives():
    for text in (
        "link=1G..100Gx10",
        "speed=0.5..4x2",
        "rps-cpus=0;f;0-1,3",
        "fifo=64k..1Mx4",
        "mac=any,02:00:00:00:00:01",
    ):
        found = axis(text)
        for value in found.values:
            with vnic.Host(**{found.knob.replace("-", "_"): value.given}) as host:
                assert host.config[found.knob] == value.shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must be KNOB=VALUES, as in rx-usecs=0,10,50"),
        ("=1", "must be KNOB=VALUES"),
        ("rx-usecs", "must be KNOB=VALUES"),
        ("rx-usecs=", "a value is missing"),
        ("rx-usecs=1,,2", "a value is missing"),
        ("rx-usecs=1;", "a value is missing"),
        ("rx-uses=1", "there is no knob 'rx-uses'; did you mean rx-usecs"),
        ("ip=10.0.0.1", "there is no knob 'ip'"),
        ("rx-ring=8", "rx-ring=8: must be between 16 and 16384"),
        ("rx-ring=64,99999", "rx-ring=99999: must be between"),
        ("rx-ring=8..64x2", "rx-ring=8: must be between"),
        ("rx-ring=64..99999x2", "rx-ring=99999: must be between"),
        ("rx-ring=64..16x2", "begins above its end"),
        ("rx-ring=64..128", "is no range: write 0..100\\+10"),
        ("rx-ring=64..128x2x2", "is no range"),
        ("rx-ring=64..128x-2", "is no range"),
        ("rx-ring=64..128x1", "never reaches its end"),
        ("rx-ring=64..128x0.5", "never reaches its end"),
        ("rx-ring=64..128+0", "never reaches its end"),
        ("rx-usecs=0..128x2", "its begin more than 0"),
        ("rx-usecs=0..10+2.5", "must be a whole number"),
        ("rx-usecs=0..10+64k", "is a size, and this knob is a time"),
        ("rx-ring=64..128x2us", "is not a number"),
        ("rps-cpus=0-1,3", "lists of CPUs have commas, so separate them"),
        ("gro=on..off", "its values are no numbers: list them"),
        ("rps-cpus=1..8x2", "its values are no numbers: list them"),
        ("cpus=0", "cpus=0: must be between 1 and 512"),
        ("cpus=1..1024x2", "cpus=1024: must be between"),
        ("cpus=two", "cpus=two: must be a whole number"),
        ("lro=on", "off \\[fixed\\]"),
        ("udp-mem=1..1000000+1", "has more than 10,000 values"),
        ("udp-mem=1..1000000x1.0000001", "has more than 10,000 values"),
        ("rx-usecs=" + "1," * 40_000 + "1", "longer than 65,536 characters"),
    ],
)  # fmt: skip
def test_what_is_no_axis_is_one_sentence(text, says):
    with pytest.raises(ConfigError, match=says) as e:
        axis(text)
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 500


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ((), "nothing varies"),
        (("rx-ring=64", "ring=128"), "--vary rx-ring: is there twice"),
        (("udp-mem=1..1000+1", "fifo=60..1059+1", "rx-usecs=1..1000+1"), "x 1,000 values are 1,000,000,000 points"),
        (("udp-mem=1..101+1", "fifo=60..159+1"), "10,100 points, and a sweep has at most 10,000"),
    ],
)  # fmt: skip
def test_what_is_no_grid_is_one_sentence(texts, says):
    with pytest.raises(ConfigError, match=says):
        axes(texts)


def test_the_largest_grid():
    assert math.prod(len(a.values) for a in axes(("udp-mem=1..100+1", "fifo=60..159+1"))) == POINTS_MAX


@given(low=st.integers(1, 5000), more=st.integers(0, 5000), step=st.integers(1, 700))
def test_a_range_by_steps_is_pythons(low, more, step):
    assert parsed(f"udp-mem={low}..{low + more}+{step}") == list(range(low, low + more + 1, step))


@given(low=st.integers(1, 5000), more=st.integers(0, 1 << 20), tenths=st.integers(11, 80))
def test_a_range_by_factors_multiplies_exactly_and_never_passes_its_end(low, more, tenths):
    factor, high, n, expected = Fraction(tenths, 10), low + more, Fraction(low), []
    while n <= high:
        expected.append(int(n))
        n *= factor
    assert parsed(f"fifo={low + 60}..{low + 60}x2,{low + 60}") == [low + 60]
    assert parsed(f"udp-mem={low}..{high}x{tenths / 10}") == list(dict.fromkeys(expected))


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=20))
def test_a_list_keeps_its_order_and_has_no_value_twice(values):
    assert parsed("rx-usecs=" + ",".join(map(str, values))) == list(dict.fromkeys(values))


TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="0123456789.x*+,;kMGusfnai- ", max_size=30),
    st.builds(
        "{}..{}{}{}".format, st.integers(0, 1 << 70), st.integers(0, 1 << 70), st.sampled_from("x*+"), st.floats(0)
    ),
)


@given(st.sampled_from([*KNOBS, "cpus", "seed"]), TEXTS)
def test_any_text_is_an_axis_or_one_sentence(knob, text):
    try:
        found, why = axis(f"{knob}={text}"), "it is one"
    except ConfigError as e:
        found, why = None, str(e)
    assert found is None or 0 < len(found.values) <= POINTS_MAX
    assert 0 < len(why) < 700
