"""Workloads of TCP over a link: what they reach is computed from the link, and their programs add nothing."""

import json

import pytest
from click.testing import CliRunner
from tcp_invariants import check_host

import vnic
from vnic._core import lib
from vnic.cli.commands import main
from vnic.runs import tcp_programs

MSS, FRAME, OVERHEAD = 1448, 1514, 24
ZERO = {"cost": "zero", "hz": 1000}


def ns(frame, bps):
    """How long the serialiser takes for a frame."""
    return (max(frame, 60) + OVERHEAD) * 8 * 10**9 // bps


@pytest.fixture(autouse=True)
def sound(monkeypatch):
    """Check what has to hold of all connections after each step, and both laws at the end."""

    class Checked(tcp_programs.Work):
        def run(self, *args, **kwargs):
            done = super().run(*args, **kwargs)
            for host in self._hosts:
                check_host(host)
            return done

    monkeypatch.setattr("vnic.runs.tcp_workload.Work", Checked)


@pytest.mark.parametrize("rate", [10**8, 10**9])
def test_a_bulk_fills_the_link(rate):
    found = vnic.tcp_workload("bulk", rate=rate, rtt="2ms", queue=None, bytes=8 * rate // 100, **ZERO).facts
    size = 8 * rate // 100
    share = MSS / (FRAME + OVERHEAD)
    least = size / share * 8 / rate * 1e9  # the link alone
    assert least <= found["duration_ns"] + 1 <= least + 14 * 2_000_000  # slow start doubles from 10 segments on
    assert found["streams"][0]["bytes"] == size
    assert found["link"]["a_to_b"]["busy_ns"] >= least
    assert found["retransmits"] == found["timeouts"] == 0


def test_a_stream_that_has_filled_the_link_gets_its_share_of_it():
    found = vnic.tcp_workload("bulk", rate="1G", rtt="1ms", queue=None, seconds=1, **ZERO).facts
    share = 1e9 * MSS / (FRAME + OVERHEAD)
    assert 0.985 * share <= found["goodput_bps"] <= share
    assert found["bounds"]["link"] >= 0.9 * found["bounds"]["samples"] > 100


def test_losses_cost_what_the_response_functions_say():
    """RFC 5681's window in segments is about 1.22 / sqrt(p); CUBIC is at least as fast (RFC 9438, section 4.3)."""
    found = vnic.tcp_workload("bulk", rate="10G", rtt="20ms", queue=None, loss=1e-3, seconds=20, **ZERO).facts
    reno = 1.22 / 1e-3**0.5 * MSS * 8 / 0.020
    assert 0.5 * reno < found["goodput_bps"] < 3 * reno
    assert found["retransmits"] >= found["link"]["a_to_b"]["lost"] > 10
    assert found["bounds"]["cwnd"] > found["bounds"]["samples"] / 2


@pytest.mark.parametrize(("request_", "response"), [(64, 1024), (1, 1), (1448, 1000)])
def test_an_answer_takes_both_delays_and_both_frames(request_, response):
    found = vnic.tcp_workload(
        "rr", delay="3ms", rate="1G", requests=50, request=request_, response=response, rx_usecs=0, **ZERO
    ).facts
    want = 2 * 3_000_000 + ns(66 + request_, 10**9) + ns(66 + response, 10**9)
    cards = found["rtt_ns"]["min"] - want  # DMA of two frames, each sent and received
    assert 0 <= cards < 2000
    assert found["rtt_ns"]["max"] - found["rtt_ns"]["min"] <= ns(66, 10**9)  # an acknowledgement may go first
    assert found["transactions"] == found["rtt_ns"]["count"] == 50
    assert found["streams"][0]["bytes"] == 50 * response


def test_a_connection_for_each_question_costs_a_round_trip():
    found = vnic.tcp_workload("crr", delay="1ms", rate=None, requests=20, streams=3, rx_usecs=0, **ZERO).facts
    assert found["transactions"] == 60
    assert 4_000_000 <= found["rtt_ns"]["min"] < 4_010_000
    assert found["rtt_ns"]["p50"] < 4_010_000
    assert found["rtt_ns"]["max"] >= 6_000_000  # the first waits for ARP
    assert [s["transactions"] for s in found["streams"]] == [20, 20, 20]
    assert found["hosts"]["b"]["mib"]["Tcp_PassiveOpens"] == 60


def test_many_streams_share_the_link():
    found = vnic.tcp_workload("many", streams=8, rate="100M", rtt="10ms", queue=100, seconds=5, **ZERO).facts
    assert len(found["streams"]) == 8
    assert 0.125 < found["fairness"] <= 1
    assert sum(s["bytes"] for s in found["streams"]) * 8 / 5 == pytest.approx(found["goodput_bps"], abs=1)
    assert found["link"]["a_to_b"]["queue_max"] == 100
    assert found["link"]["a_to_b"]["dropped"] > 0


def test_costs_move_the_rtt_and_the_report_says_where():
    free = vnic.tcp_workload("rr", requests=30, rx_usecs=0, **ZERO).facts
    paid = vnic.tcp_workload("rr", requests=30, rx_usecs=0, cost="linux", hz=1000).facts
    late = vnic.tcp_workload("rr", requests=30, b={"rx_usecs": 50}, rx_usecs=0, **ZERO).facts
    assert paid["rtt_ns"]["p50"] > free["rtt_ns"]["p50"]
    assert 45_000 <= late["rtt_ns"]["p50"] - free["rtt_ns"]["p50"] <= 55_000
    assert paid["hosts"]["a"]["cpus"][0]["busy"] > 0
    assert paid["hosts"]["a"]["latency_ns"]


def test_the_same_words_give_the_same_numbers():
    def go(seed):
        r = vnic.tcp_workload("many", streams=4, loss=0.01, rate="1G", seconds=0.2, seed=seed)
        return json.dumps(r.facts, sort_keys=True)

    assert go(1) == go(1)
    assert go(1) != go(2)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"kind": "flood"}, "workload=flood: must be one of bulk, rr, crr, many"),
        ({"kind": "rr", "bytes": 5}, "bytes: rr counts requests"),
        ({"requests": 5}, "requests: bulk counts bytes"),
        ({"bytes": 5, "seconds": 1}, "seconds and bytes: give one of them"),
        ({"seconds": 0}, "seconds=0: must be between"),
        ({"streams": 0}, "streams=0: must be between 1 and 1000"),
        ({"bytes": "much"}, "bytes=much: must be a size, as in 100M"),
        ({"bytes": "5ms"}, "bytes=5ms: is a time"),
        ({"rtt": "1ms", "delay": "1ms"}, "rtt and delay: give one of them"),
        ({"ip": "10.0.0.1/24"}, "ip: the workload chooses it"),
        ({"b": {"seed": 1}}, "seed: the workload chooses it"),
        ({"rx_usecs": "often"}, "rx-usecs=often"),
    ],
)
def test_a_bad_value_is_one_sentence(bad, sentence):
    with pytest.raises(vnic.ConfigError, match=sentence):
        vnic.tcp_workload(**bad)


def test_a_link_that_loses_all_is_said():
    with pytest.raises(vnic.VnicError, match="only 0 of 2 streams connected"):
        vnic.tcp_workload(loss=1, streams=2)


def line(*words):
    return CliRunner().invoke(main, ["tcp", *words])


def test_the_command_prints_what_the_call_returns():
    words = "--workload many --streams 3 --rate 100M --rtt 4ms --loss 0.001 --queue 50 --bytes 300k --seed 5"
    said = line(*words.split(), "--set", "rx-usecs=20", "--set-b", "gro=off", "--json")
    assert said.exit_code == 0, said.output
    want = vnic.tcp_workload(
        "many", streams=3, rate="100M", rtt="4ms", loss=0.001, queue="50", bytes="300k", seed=5, rx_usecs=20,
        b={"gro": "off"},
    )  # fmt: skip
    mine = json.loads(json.dumps(want.facts))
    found = json.loads(said.output)
    for facts in (mine, found):
        for host in facts["hosts"].values():
            host.pop("config")
    assert found == mine


def test_the_command_for_a_person():
    said = line("--workload", "rr", "--requests", "20", "--rate", "inf", "--queue", "inf")
    assert said.exit_code == 0, said.output
    for word in (
        "workload    rr, 1 stream",
        "any rate, 500 us one way",
        "queue unlimited",
        "took        min 1 ms",
        "host b",
    ):
        assert word in said.output
    assert line("--time", "100ms", "--rate", "100M").exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--time", "soon"], "time=soon: must be a time, as in 500ms"),
        (["--time", "5k"], "time=5k: is a size"),
        (["--loss", "x"], "loss=x: must be a probability"),
        (["--set", "rx-usecs"], "--set rx-usecs: must be NAME=VALUE"),
        (["--set-b", "nonsense=1"], "nonsense"),
    ],
)
def test_a_bad_line_is_one_sentence(words, sentence):
    said = line(*words)
    assert said.exit_code == 2
    assert sentence in said.output


def test_a_program_at_a_closed_socket_is_over():
    with (
        vnic.Host(ip="10.0.0.1/24", tcp="endpoint", cpus=1, cost="zero") as a,
        vnic.Host(ip="10.0.0.2/24", tcp="endpoint", cpus=1, cost="zero", seed=1) as b,
        tcp_programs.Work(a, b) as link,
    ):
        ours, theirs = link.connect(80)
        task = link.task(0, ours, lib.LINK_TASK_SOURCE)
        task.left = 1 << 30
        ours.close()
        link.run(0.01)
        assert task.done
        assert not task.sent
        theirs.close()
        link.run(0.01)
