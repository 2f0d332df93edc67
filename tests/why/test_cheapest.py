"""Where one knob is not enough: the cheapest combination, which one knob after another does not find."""

import itertools

import pytest
from overloads import again, burst, capture, facts_of

from vnic.capture_files import gather
from vnic.capture_select import ALL
from vnic.cli.why import explain
from vnic.why.causes import Dial, causes
from vnic.why.cheapest import _disjoint, cheapest, cost
from vnic.why.facts import Facts
from vnic.why.rerun import verify
from vnic.why.side_by_side import side_by_side
from vnic.why.trials import Trials, total

PORTS = tuple(range(5000, 5008))
FOUND = {
    "one knob instead of two": (
        burst(1500, ports=PORTS),
        {"cpus": 4, "rcvbuf": 16384},
        {"rx-ring": 512, "rcvbuf": 131072},
        {"reader-cpu": 3},
    ),
    "a smaller value of the first": (
        burst(1500, 300, size=1000),
        {"cpus": 4, "rx_usecs": 500, "rcvbuf": 16384},
        {"rx-usecs": 125, "rx-frames": 0, "rcvbuf": 131072},
        {"rx-usecs": 7, "rx-frames": 0},
    ),
    "two others with less memory": (
        burst(3000, ports=PORTS),
        {"cpus": 2},
        {"rx-ring": 2048, "rcvbuf": 262144},
        {"rx-ring": 2048, "reader-cpu": 1},
    ),
    "two instead of three": (
        burst(3000, ports=PORTS),
        {"cpus": 4, "rps_cpus": "2"},
        {"rx-ring": 2048, "netdev-max-backlog": 2048, "rcvbuf": 262144},
        {"rx-ring": 1024, "reader-cpu": 2},
    ),
    "greedy was the cheapest": (
        burst(2000),
        {"cpus": 1},
        {"rx-ring": 1024, "rcvbuf": 2097152},
        {"rx-ring": 1024, "rcvbuf": 2097152},
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_it_is_cheaper_than_one_knob_after_another_and_enough(name):
    traffic, options, greedy, expected = FOUND[name]
    facts = facts_of(traffic, options)
    before, after = (verify(facts, again(traffic, facts), combine=combine) for combine in (False, True))
    assert (before.enough, after.enough) == (greedy, expected)
    assert total(facts_of(traffic, facts["config"] | after.enough)) == 0
    assert before.tried == after.tried[: len(before.tried)]
    assert len(after.tried) <= 48
    for knob in after.enough:  # each is needed
        rest = {k: v for k, v in after.enough.items() if k != knob}
        assert knob == "rx-frames" or not rest or total(facts_of(traffic, facts["config"] | rest)) > 0
    assert after.limit


def dials_of(facts, run):
    """Every dial that the search may know: of the input as configured, and behind each single one's last step."""
    found = {}
    for seen in (facts, *(run(d.steps[-1]) for c in causes(Facts(facts)) for d in c.dials if d.steps)):
        for cause in causes(Facts(seen)):
            for dial in cause.dials:
                if dial.steps and "cpus" not in dial.steps[-1]:
                    found.setdefault(frozenset(dial.steps[-1]), dial)
    return list(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one knob instead of two", "two others with less memory", "two instead of three"])
def test_no_other_combination_of_these_knobs_is_cheaper(name):
    """Every value of every one and two of them is run."""
    traffic, options, _, expected = FOUND[name]
    facts = facts_of(traffic, options)
    run = again(traffic, facts)
    dials = dials_of(facts, run)
    mine, cheaper = cost(expected, dials, run(expected)), []
    for n in (1, 2):
        for group in itertools.combinations(dials, n):
            for steps in itertools.product(*(dial.steps for dial in group)) if _disjoint(group) else ():
                settings = {k: v for step in steps for k, v in step.items()}
                found = run(settings)
                if not total(found) and cost(settings, dials, found) < mine:
                    cheaper.append(settings)
    assert cheaper == []


# ---- on made-up inputs, where everything is known ----


class Made:
    """An input that loses nothing if ``enough(settings)``; it counts its runs."""

    def __init__(self, enough, memory=None, busy=None):
        self.enough, self.runs = enough, []
        self.memory, self.busy = memory or (lambda _: 0), busy or (lambda _: 0)

    def __call__(self, settings):
        self.runs.append(settings)
        fates = {} if self.enough(settings) else {"FIFO_OVERRUN": 100 - 10 * len(settings)}
        return {
            "config": {},
            "cpus": [{"now_ns": 1000 + self.busy(settings), "idle_ns": 0}],
            "memory": {"rings": self.memory(settings)},
            "ledger": {"fates": fates},
            "queues": [],
            "limits": [{"knob": "mtu", "lost": 0}],
            "standing": [],
        }


def dial(knob, *values, **more):
    return Dial(tuple({knob: v} | more for v in values), knob)


def search(made, greedy, dials, runs=48):
    return cheapest(greedy, dials, made({}), Trials(made, runs))


A, B, C, D = (dial(name, *range(1, 9)) for name in "abcd")


def test_one_knob_that_is_enough_is_the_answer_without_a_run():
    made = Made(lambda s: s.get("a", 0) >= 3)
    assert search(made, {"a": 5}, [A, B]) == {"a": 5}
    assert made.runs == [{}]


def test_fewest_knobs_come_before_memory():
    made = Made(lambda s: s.get("c", 0) >= 6 or ("a" in s and "b" in s), memory=lambda s: 10**9 * s.get("c", 0))
    assert search(made, {"a": 8, "b": 8}, [A, B, C]) == {"c": 6}


def test_knobs_that_change_together_are_one():
    pair = dial("p", 1, 2, 3, q=0)
    made = Made(lambda s: s.get("p", 0) >= 2 or s.get("a", 0) + s.get("b", 0) >= 10)
    assert search(made, {"a": 8, "b": 2}, [A, B, pair]) == {"p": 2, "q": 0}


def test_then_memory_and_then_cpu_time_decide():
    def enough(s):
        return s.get("a", 0) + s.get("b", 0) >= 9

    assert search(Made(enough, memory=lambda s: 5 * s.get("a", 0) + s.get("b", 0)), {"a": 8, "b": 8}, [A, B]) == {
        "a": 1, "b": 8,
    }  # fmt: skip
    assert search(Made(enough, memory=lambda s: s.get("a", 0) + 5 * s.get("b", 0)), {"a": 8, "b": 8}, [A, B]) == {
        "a": 8, "b": 1,
    }  # fmt: skip
    middle = Made(enough, busy=lambda s: abs(s.get("a", 0) - 5))
    assert search(middle, {"a": 8, "b": 8}, [A, B]) == {"a": 5, "b": 4}


def test_another_machine_comes_last():
    cpus = dial("cpus", 2, 4, queues=2)
    made = Made(lambda s: "cpus" in s or s.get("a", 0) + s.get("b", 0) >= 9, memory=lambda s: 10**9 * ("cpus" not in s))
    assert set(search(made, {"a": 8, "b": 8}, [A, B, cpus])) == {"a", "b"}


def test_three_that_are_needed_stay_three_and_get_milder():
    made = Made(
        lambda s: s.get("a", 0) >= 2 and s.get("b", 0) >= 3 and s.get("c", 0) >= 4, memory=lambda s: sum(s.values())
    )
    found = search(made, {"a": 8, "b": 8, "c": 8}, [A, B, C, D], runs=400)
    assert found == {"a": 2, "b": 3, "c": 4}


@pytest.mark.parametrize("left", [0, 1, 3, 10, 48])
def test_it_makes_no_more_runs_than_it_may(left):
    made = Made(lambda s: s.get("a", 0) + s.get("b", 0) + s.get("c", 0) >= 15)
    found = search(made, {"a": 8, "b": 8}, [A, B, C, D], runs=left)
    assert made.enough(found)
    assert len(made.runs) <= left + 1


def test_what_is_refused_is_no_answer():
    made = Made(lambda s: len(s) == 2)

    def refuse(settings):
        if "c" in settings:
            raise MemoryError
        return made(settings)

    assert set(cheapest({"a": 8, "b": 8}, [A, B, C], made({}), Trials(refuse, 48))) == {"a", "b"}


# ---- side by side ----


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(capture([*burst(1500, ports=PORTS), (40_000_000, burst(1)[0][1])]))
    return path


def test_runs_side_by_side_are_the_runs_one_after_the_other(file):
    from vnic.runs.replay import replay

    config, said = {"cpus": 4, "rcvbuf": 16384}, []
    together = side_by_side(gather([file]), ALL, config, lambda *told: said.append(told))
    wanted = [{"rx-ring": 512}, {"reader-cpu": 3}, {"rx-usecs": 0, "rx-frames": 0}, {}]
    found = together(wanted, 3)
    assert found[2] is None  # it is refused
    for settings, facts in zip(wanted, found, strict=True):
        assert facts is None or facts == replay([file], times=3, **(config | settings)).facts
    assert sorted(map(repr, said)) == sorted(repr((settings, 3)) for settings in wanted)


def test_trials_run_each_once_and_count(file):
    made = Made(lambda s: s.get("a", 0) >= 3)
    ran = []

    def together(wanted):
        ran.append(list(wanted))
        return [made(s) for s in wanted]

    trials = Trials(made, 4, together=together)
    trials({"a": 1})
    trials.several([{"a": 1}, {"a": 2}, {"a": 2}, {"a": 3}])
    assert ran == [[{"a": 2}, {"a": 3}]]
    assert (trials.left, trials.lost({"a": 3}), trials.lost({"a": 2})) == (1, 0, 90)
    trials.several([{"a": n} for n in range(9)])
    assert trials.left == 0
    assert [t.settings["a"] for t in trials.tried] == [1, 2, 3, 0]
    assert trials({"a": 8}) is None


def test_the_command_says_the_cheapest(file):
    found = explain(gather([file]), {"cpus": 4, "rcvbuf": 16384}, runs=48)
    assert found.answer.enough == {"reader-cpu": 3}
    assert not found.answer.advice.load.lasts
    assert found.unverified == ""
