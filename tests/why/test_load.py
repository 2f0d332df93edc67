"""Burst or overload: what is said holds for more of the same, for other arrivals, and in the plain event model."""

import json
import random
from functools import partial

import pytest
import strategies
from click.testing import CliRunner
from hypothesis import given, settings
from model.events import Machine
from overloads import LOSES, burst, capture, facts_of
from virtual_time import Case, Flow, run_model

from vnic.cli.commands import main
from vnic.knobs.cost import LINUX
from vnic.runs.replay import replay
from vnic.why import answer
from vnic.why.load import TIMES, Load, advise, consult
from vnic.why.rerun import total


def with_pause(traffic, ns=20_000_000):
    last, frame = traffic[-1]
    return [*traffic, (last + ns, frame)]


def poisson(n, gap, seed, **kind):
    r, at, out = random.Random(seed), 0, []
    for _, frame in burst(n, gap, **kind):
        out.append((at, frame))
        at += round(r.expovariate(1 / gap))
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A capture of this traffic, its facts with these options, and a function that runs it so many times in a row."""

    def make(traffic, **options):
        path = tmp_path_factory.mktemp("x") / "x.pcap"
        path.write_bytes(capture(traffic))
        facts = replay([path], **options).facts
        return facts, lambda more, times: replay([path] * times, **(facts["config"] | more)).facts

    return make


OVERLOADS = {
    "livelock": (partial(burst, 4000, 900), {"cpus": 1}, "moderation"),
    "idle CPUs": (partial(burst, 12_000, 400, flows=97, ports=range(5000, 5041)), {"cpus": 4}, "CPUs"),
    "one flow": (partial(burst, 12_000, 400, flows=1), {"cpus": 4}, "CPUs"),
    "work in pieces": (partial(burst, 6000, 1000, ports=(5001, 5002, 5003)), {"weight": 1, "cpus": 4}, "CPUs"),
    "nothing is left": (partial(burst, 6000, 100), {"cpus": 1, "rx_usecs": 100, "rx_frames": 0}, None),
}


@pytest.fixture(params=OVERLOADS, scope="module")
def overload(request, runs):
    made, options, cure = OVERLOADS[request.param]
    facts, run = runs(made(), **options)
    return facts, run, consult(facts, run, runs=96), cure


def test_an_overload_that_lasts_is_told_and_its_cure_is_no_buffer(overload):
    facts, run, got, cure = overload
    load = got.advice.load
    assert load.lasts
    assert load.packets_per_s == pytest.approx(facts["ledger"]["offered"] * 1e9 / facts["input"]["duration_ns"])
    assert (got.enough is None) == (cure is None)
    if cure is not None:
        assert total(run(got.enough, TIMES)) == total(run(got.enough, 1)) == 0
        assert set(got.enough) & {"rx-usecs", "gro", "weight", "reader-cpu", "rps-cpus", "queues", "cpus"}
        assert (cure == "moderation") == ("rx-usecs" in got.enough)


def test_each_part_of_a_cure_is_needed(overload):
    _, run, got, _ = overload
    for knob in got.enough or {}:
        if not knob.startswith("rx-") and len(got.enough) > 1:  # rx-frames goes with rx-usecs
            fewer = {k: v for k, v in got.enough.items() if k != knob}
            assert total(run(fewer, TIMES)) > 0, fewer


def test_what_holds_this_input_only_is_said_to_do_so(overload):
    _, run, got, _ = overload
    if got.only_now is not None:
        assert total(run(got.only_now, 1)) == 0
        assert total(run(got.only_now, TIMES)) > 0
    assert "no buffer is enough" in answer.text(got)


def test_the_capacity_is_the_pace_at_which_nothing_is_lost(overload):
    facts, run, got, _ = overload
    load = got.advice.load
    for pps, knobs in ((load.capacity, {}), (load.best, load.best_with)):
        if pps is None:
            continue
        at = lambda share, knobs=knobs, pps=pps: total(  # noqa: E731
            run(knobs | {"speed": facts["config"]["speed"] * share * pps / load.packets_per_s}, TIMES)
        )
        assert at(0.999) == 0
        assert any(at(share) for share in (1.04, 1.1, 1.3))
    assert load.capacity is None or load.best is None or load.best >= load.capacity


def test_the_table_has_what_runs_give(overload):
    _, run, got, _ = overload
    assert got.advice.cures[0].settings == {}
    for c in got.advice.cures:
        thrice = run(c.settings, TIMES)
        assert (c.lost, c.lost_thrice) == (total(run(c.settings, 1)), total(thrice))
        assert c.p99_ns == thrice["latency_ns"]["total"]["p99"]
    if got.enough is not None:
        assert got.advice.cures[1].settings == got.enough
    text = answer.text(got)
    assert all(answer.words(c.settings) in text for c in got.advice.cures)
    assert ("fewer packets, or a faster CPU" in text) == (got.enough is None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["livelock", "idle CPUs", "one flow"])
def test_its_cures_hold_for_other_arrivals_of_this_load(runs, name):
    """As many packets a second at random: ten per cent fewer, because a cure need not hold more than it has seen."""
    made, options, _ = OVERLOADS[name]
    kind = made.keywords
    n, gap = made.args
    facts, run = runs(poisson(n, gap, 1, **kind), **options)
    got = consult(facts, run, runs=96)
    assert got.advice.load.lasts
    for seed in (2, 3, 4):
        _, other = runs(poisson(TIMES * n, gap * 1.1, seed, **kind), **options)
        assert total(other({}, 1)) > 0
        assert total(other(got.enough, 1)) == 0, seed


def in_the_model(machine, n, gap):
    flows = [Flow.of(18, 1000 + i % 9, 5001) for i in range(9)]
    told = run_model(Case(machine, [(i * gap, flows[i % 9]) for i in range(n)]))
    return n - told.get("fate DELIVERED_UDP", 0)


def test_its_cure_of_livelock_holds_in_the_event_model(runs):
    """Which nobody wrote with this code in sight: tests/model/events."""
    facts, run = runs(burst(4000, 900), cpus=1)
    got = consult(facts, run, runs=96)
    assert set(got.enough) == {"rx-usecs", "rx-frames"}
    assert in_the_model(Machine(cpus=1, cost=LINUX), 4000, 900) > 1000
    cured = Machine(cpus=1, cost=LINUX, rx_usecs=got.enough["rx-usecs"], rx_frames=got.enough["rx-frames"])
    assert in_the_model(cured, 3 * 4000, 900) == 0


def test_its_buffer_for_a_burst_holds_in_the_event_model(runs):
    facts, run = runs(with_pause(burst(2000)), cpus=4)
    got = consult(facts, run, runs=96)
    assert got.enough == {"rx-ring": 1024}
    assert in_the_model(Machine(cpus=4, cost=LINUX, rx_ring=1024), 2000, 67) == 0
    assert in_the_model(Machine(cpus=4, cost=LINUX, rx_ring=512), 2000, 67) > 0


# ---- bursts ----


def test_a_burst_with_a_pause_behind_it_needs_a_buffer_and_holds_when_it_comes_again(runs):
    facts, run = runs(with_pause(burst(2000)))
    got = consult(facts, run, runs=96)
    assert not got.advice.load.lasts
    assert (got.limit, got.enough, got.only_now) == ("rx-ring", {"rx-ring": 1024}, None)
    assert total(run(got.enough, TIMES)) == 0
    assert "it does not grow" in answer.text(got)
    assert got.advice.load.wait_ns == pytest.approx(got.advice.load.wait_thrice_ns, rel=0.01)


def test_a_burst_whose_second_coming_needs_more_gets_more(runs):
    """What is left of the first is still in the queue when the second comes."""
    facts, run = runs(with_pause(burst(2500, 300, size=1000), 400_000), cpus=1, rx_pool=512, rcvbuf=1 << 24)
    got = consult(facts, run, runs=96)
    if not got.advice.load.lasts and got.enough is not None:
        assert total(run(got.enough, TIMES)) == 0


@pytest.mark.parametrize("name", sorted(LOSES))
def test_what_no_queue_lost_has_no_load(name):
    """Fragments, the MTU, the table of sockets: more of the same is not the question."""
    o = LOSES[name]
    facts = facts_of(o.traffic, o.options) | {"input": {"duration_ns": 1}}
    lost = set(facts["ledger"]["fates"])
    queues = {"FIFO_OVERRUN", "RX_NO_BUFFER", "CPU_BACKLOG", "SOCKET_RCVBUFF", "PROTO_MEM"}
    if not lost & queues:
        assert advise(facts, lambda *_: pytest.fail("it ran"), runs=9) is None


def test_without_a_reader_there_is_no_wait_to_look_at(runs):
    facts, run = runs(burst(2000), cpus=4)
    blind = {**facts, "latency_ns": {}}
    assert advise(facts, lambda more, times: {**run(more, times), "latency_ns": {}}, runs=9) is None
    assert consult(blind, lambda more, times: {**run(more, times), "latency_ns": {}}, runs=48).enough == {
        "rx-ring": 1024
    }


@pytest.mark.parametrize("left", [1, 2, 5, 20])
def test_it_makes_no_more_runs_than_it_may(runs, left):
    facts, run = runs(burst(3000, 900), cpus=1)
    made = []

    def counted(more, times):
        made.append((tuple(sorted(more.items())), times))
        return run(more, times)

    advise(facts, counted, runs=left)
    assert all(sum(times == t for _, times in made) <= left for t in (1, TIMES))


def test_an_overload_that_fills_endless_queues_lasts(runs, monkeypatch):
    """The waits of what is delivered grow no longer then."""
    facts, run = runs(burst(2000), cpus=1)
    small = {"fifo": 1 << 14, "rx-pool": 512}
    monkeypatch.setattr("vnic.why.load._endless", lambda _facts: small | {"rcvbuf": 1 << 30})
    got = consult(facts, run, runs=48)
    assert got.advice.load.overflows
    assert got.advice.load.lasts
    assert "overflow" in answer.text(got)


def test_a_wait_that_grows_from_nothing_to_little_is_no_backlog():
    assert not Load(1e6, 1, 1000, 100_000).lasts
    assert Load(1e6, 1, 1000, 300_000).lasts
    assert not Load(1e6, 1, 1_000_000, 1_400_000).lasts
    assert Load(1e6, 1, 1_000_000, 1_600_000).lasts


@pytest.mark.slow
@settings(max_examples=15)
@given(strategies.configs(), strategies.traffic())
def test_what_is_enough_is_enough_for_three_times_the_input(config, traffic):
    def at(times):
        last = max((t for t, _ in traffic), default=0)
        return [(t + i * last, frame) for i in range(times) for t, frame in traffic]

    facts = facts_of(at(1), {k: v for k, v in config.items() if k != "python"})
    facts["input"] = {"duration_ns": max((t for t, _ in traffic), default=0)}
    if not total(facts):
        return
    run = lambda more, times: facts_of(at(times), {"sink": config["sink"]} | facts["config"] | more)  # noqa: E731
    got = consult(facts, run, runs=48)
    if got.advice is not None and got.advice.load.lasts and got.enough is not None:
        assert total(run(got.enough, TIMES)) == 0


# ---- the command ----


def test_the_command_says_it_and_its_json_has_it(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(capture(burst(4000, 900)))
    shown = CliRunner().invoke(main, ["why", str(path), "--cpus", "1"])
    assert shown.exit_code == 0, shown.output
    cure = "rx-usecs=20 rx-frames=0"
    for piece in ("Load      1.11 M packets/s", "Overload  it lasts", f"Enough    {cure}, also", "CPUs busy"):
        assert piece in shown.stdout
    found = json.loads(CliRunner().invoke(main, ["why", str(path), "--cpus", "1", "--json"]).stdout)
    assert found["load"]["lasts"] is True
    assert found["load"]["capacity"] < found["load"]["packets_per_s"] < found["load"]["best"]
    assert found["enough"] == {"rx-usecs": 20, "rx-frames": 0} == found["cures"][1]["set"]
    assert found["cures"][0]["set"] == {}
