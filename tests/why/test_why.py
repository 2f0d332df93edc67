"""vnic why: it names the limit that bound and no other, and what it says about a setting is true when it is run."""

import json
import re

import frames
import overloads
import pytest
import strategies
from click.testing import CliRunner
from commands import invoke
from hypothesis import given, settings
from overloads import DELAYS, LOSES, again, burst, facts_of
from paths import CAPTURES

import vnic
from vnic.cli.commands import main
from vnic.control.server import Control
from vnic.counters import limits
from vnic.counters.snapshots import FATES
from vnic.errors import ConfigError
from vnic.runs.replay import facts as host_facts
from vnic.why import answer as why_
from vnic.why.causes import causes
from vnic.why.facts import LIMITS, NOT_LIMITS, Facts
from vnic.why.rerun import total, verify

DEMO = CAPTURES / "demo.pcapng"
MEANT_FOR_OTHERS = frames.udp(mac={"dst": b"\x02\0\0\0\0\x99"})


def explain(traffic, options):
    facts = facts_of(traffic, options)
    return verify(facts, again(traffic, facts)), facts


# ---- each limit ----


@pytest.mark.parametrize("name", LOSES)
def test_why_names_the_limit_and_what_is_enough(name):
    o = LOSES[name]
    answer, facts = explain(o.traffic, o.options)
    assert (answer.limit, answer.enough) == (o.limit, o.enough)
    assert answer.verified
    assert answer.frames == total(facts) > 0
    assert total(facts_of(o.traffic, facts["config"] | answer.enough)) == 0


DOUBLED = ("fifo", "rx-ring", "rx-ring, drop-en", "rx-pool", "netdev-max-backlog", "sockets", "udp-mem", "rcvbuf")


@pytest.mark.parametrize("name", [*DOUBLED, "ipfrag-high-thresh", "ip6frag-high-thresh", "ipfrag-max-dist"])
def test_half_of_the_advice_is_not_enough(name):
    o = LOSES[name]
    facts = facts_of(o.traffic, o.options)
    ((knob, value),) = o.enough.items()
    assert total(facts_of(o.traffic, facts["config"] | {knob: value // 2})) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSES)
def test_what_was_tried_repeats(name):
    o = LOSES[name]
    answer, facts = explain(o.traffic, o.options)
    for t in answer.tried:
        assert total(facts_of(o.traffic, facts["config"] | t.settings)) == t.lost


@pytest.mark.parametrize("name", LOSES)
def test_without_a_run_it_names_the_same_or_what_stands_behind_it(name):
    o = LOSES[name]
    answer = why_.why(facts_of(o.traffic, o.options))
    assert not answer.verified
    assert answer.limit in {o.limit, o.at, "CPU 0"}


# ---- what no setting helps against ----


@pytest.mark.slow
def test_a_cpu_that_is_too_slow_is_named_and_more_of_them_are_the_advice():
    """2.5 million a second, to 41 ports: one CPU cannot. No FIFO is large enough for as long as that lasts."""
    traffic = burst(40_000, 400, flows=97, ports=range(5000, 5041))
    answer, _ = explain(traffic, {"cpus": 4})
    assert answer.limit == "CPU 0"
    assert answer.setting is None
    assert answer.enough["queues"] == 2
    assert "fifo" not in answer.enough
    assert "rx-ring" not in answer.enough
    longer, _ = explain(burst(80_000, 400, flows=97, ports=range(5000, 5041)), {"cpus": 4})
    held, held_longer = (int(re.search(r"needs (\d+) bytes", a.note)[1]) for a in (answer, longer))
    assert 1.8 < held_longer / held < 2.3


@pytest.mark.slow
def test_a_machine_with_one_cpu_needs_another():
    answer, _ = explain(burst(40_000, 400, flows=97, ports=range(5000, 5041)), {"cpus": 1})
    assert answer.limit == "CPU 0"
    assert (answer.enough["cpus"], answer.enough["queues"]) == (2, 2)


@pytest.mark.slow
def test_a_backlog_behind_a_cpu_that_is_too_slow_is_not_the_limit():
    """RPS brings everything to CPU 1; the readers are on five others."""
    traffic = burst(40_000, 330, flows=97, ports=[p for p in range(5000, 5080) if p % 8 > 2])
    answer, _ = explain(traffic, {"cpus": 8, "rps_cpus": "2", "rx_ring": 4096})
    assert "CPU_BACKLOG" in answer.lost
    assert answer.limit == "CPU 1"


@pytest.mark.slow
def test_a_reader_that_is_too_slow_is_the_limit_not_rcvbuf():
    """It reads a datagram in 520 ns, and one comes every 440: more room only puts it off."""
    traffic = burst(60_000, 440, size=1400)
    answer, _ = explain(traffic, {"cpus": 2, "link": "100G", "rx_ring": 4096, "rx_buf_len": 8192})
    assert set(answer.lost) == {"SOCKET_RCVBUFF"}
    assert (answer.limit, answer.enough) == ("the reader on CPU 1", None)


@pytest.mark.slow
def test_one_flow_cannot_be_spread():
    """RSS and RPS go by the flow."""
    traffic = burst(160_000, 300, flows=1)
    answer, facts = explain(traffic, {"cpus": 4})
    assert answer.limit == "CPU 0"
    assert answer.enough is None
    tried = {k: t.lost for t in answer.tried if len(t.settings) == 1 for k in t.settings}
    assert tried["queues"] >= 0.9 * total(facts)


def test_a_burst_that_fits_is_not_an_overload():
    answer, _ = explain(burst(2000), {})
    assert answer.limit == "rx-ring"
    assert answer.note == ""


def test_a_loss_that_comes_of_another_is_mended_with_it():
    """The softirq that drains the larger ring leaves no time to the reader on the same CPU."""
    answer, facts = explain(burst(2000), {"cpus": 1})
    assert list(answer.lost) == ["FIFO_OVERRUN", "SOCKET_RCVBUFF"]
    assert (answer.limit, answer.enough) == ("rx-ring", {"rx-ring": 1024, "rcvbuf": 2097152})
    assert len(answer.then) == 1
    assert answer.then[0].startswith("rcvbuf: 1174 frames")
    for knob in answer.enough:
        rest = {k: v for k, v in answer.enough.items() if k != knob}
        assert total(facts_of(burst(2000), facts["config"] | rest)) > 0, f"{knob} is not needed"


def test_frames_that_no_interrupt_comes_for():
    answer, _ = explain(burst(30, 20_000), {"rx_frames": 20})
    assert (answer.limit, answer.lost) == ("rx-frames", {"DEV_READY": 10})
    assert answer.enough == {"rx-usecs": 100, "rx-frames": 20}


# ---- what is no limit's doing ----


FIRST_FRAGMENT = frames.eth(frames.ipv4(b"y" * 1480, 17, frag=0x2000))


@pytest.mark.parametrize(
    ("frame", "options", "fate", "why", "shown"),
    [
        (MEANT_FOR_OTHERS, {"mac": "02:00:00:00:00:01"}, "MAC_FILTER", "not for us", "not for us"),
        (frames.udp(), {"sink": False}, "NO_SOCKET", "nobody takes it", "no receiver"),
        (frames.udp(check=1), {}, "UDP_CSUM", "sent so", "invalid as sent"),
        (frames.eth(b"x" * 60, type=0x88B5), {}, "UNHANDLED_PROTO", "nobody takes it", "no receiver"),
        (bytes(13), {}, "RX_LENGTH", "sent so", "invalid as sent"),
        (FIRST_FRAGMENT, {}, "FRAG_REASM_TIMEOUT", "the rest never came", "a fragment never arrived"),
    ],
)
def test_what_no_limit_is_to_blame_for(frame, options, fate, why, shown):
    answer, _ = explain([(0, frame)], options)
    assert (answer.frames, answer.enough, answer.tried) == (0, None, ())
    assert answer.besides == ((fate, 1, why),)
    assert f"1 frame {fate}: {shown}\n" in why_.text(answer)


def test_every_fate_is_a_delivery_or_a_limit_or_neither():
    others = [f for fates in NOT_LIMITS.values() for f in fates]
    delivered = {f for f in FATES if f.startswith("DELIVERED_")}
    assert {*others, *LIMITS, *delivered} == set(FATES)
    assert set(others) & set(LIMITS) == {"DEV_READY"}
    assert len(others) == len(set(others))


@pytest.mark.parametrize(("name", "limit"), [("rx-usecs", "rx-usecs"), ("rx-frames", "rx-frames")])
def test_nothing_lost_and_most_of_the_latency_is_moderation(name, limit):
    answer, _ = explain(DELAYS[name].traffic, DELAYS[name].options)
    assert answer.frames == 0
    assert answer.limit == limit
    assert "moderation is" in answer.evidence[-1]


def test_nothing_lost_but_a_limit_is_near():
    near, _ = explain(burst(1000, 1), {"link": "100G", "rx_ring": 4096})
    assert near.limit == "fifo"
    waited, _ = explain(burst(1500), {})
    assert waited.limit == "rx-ring"
    assert waited.evidence[0] == "20 frames had to wait for a buffer"
    assert "Nearest   rx-ring: " in why_.text(waited)


def test_nothing_lost_and_nothing_near():
    answer, _ = explain(burst(10, 100_000), {})
    assert (answer.limit, answer.frames) == ("", 0)
    assert why_.text(answer).startswith("Lost      none of 10 frames by a limit\n")


def test_what_the_kernel_dropped_before_the_card_comes_first():
    facts = facts_of(burst(2000), {}) | {"input": {"kernel_drops": 7}}
    answer = why_.why(facts)
    assert answer.limit == "the card's thread"
    assert answer.then[0].startswith("rx-ring: 396 frames")
    assert [c.frames for c in causes(Facts(facts))] == [7, 396]


# ---- any traffic, any host ----


@pytest.mark.slow
@settings(max_examples=25)
@given(strategies.configs(), strategies.traffic())
def test_its_claims_hold_when_they_are_run(config, traffic):
    options = {k: v for k, v in config.items() if k != "python"}
    facts = facts_of(traffic, options)
    ledger = facts["ledger"]

    def run(changed):
        return facts_of(traffic, {"sink": options["sink"]} | facts["config"] | changed)

    answer = verify(facts, run, runs=16)
    lost = sum(n for f, n in ledger["fates"].items() if not f.startswith("DELIVERED_"))
    assert answer.frames + sum(n for _, n, _ in answer.besides) == lost
    assert answer.enough is None or answer.helps is None
    assert len(answer.tried) <= 16
    json.dumps(answer.as_dict())
    if answer.enough is not None and answer.verified:
        assert total(run(answer.enough)) == 0 < answer.frames
    if answer.helps is not None:
        assert total(run(answer.helps)) == answer.helps_lost < answer.frames
    reckoned = why_.why(facts)
    assert (reckoned.frames, reckoned.besides) == (answer.frames, answer.besides)
    if answer.frames:
        assert answer.limit
        assert reckoned.limit
        assert 5 <= len(why_.text(answer).splitlines()) <= 12


# ---- the command ----


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "burst.pcap"
    traffic = burst(2000)
    path.write_bytes(overloads.capture([*traffic, (traffic[-1][0] + 20_000_000, traffic[-1][1])]))
    return path


def test_why_of_a_capture(capture):
    result = invoke("why", capture)
    assert (result.exit_code, result.stderr) == (0, "")
    heads = [line.split()[0] for line in result.stdout.splitlines()]
    assert heads == ["Lost", "Limit", "Evidence", "Evidence", "Load", "Burst", "Enough", "Verified"]
    assert "Limit     rx-ring (256): " in result.stdout
    assert "Enough    rx-ring=1024\n" in result.stdout
    assert re.search(r"run again with rx-ring=1024: 0 lost instead of \d+ \(rx-ring=512: \d+\)", result.stdout)


def test_a_capture_as_json(capture):
    found = json.loads(invoke("why", capture, "--json").stdout)
    assert (found["schema"], found["limit"], found["setting"], found["verified"]) == (
        "vnic.why/1",
        "rx-ring",
        256,
        True,
    )
    assert found["enough"] == {"rx-ring": 1024}
    assert {"set": {"rx-ring": 1024}, "lost": 0} in found["tried"]
    assert found["unverified"] is None


def test_what_it_advises_is_an_option_of_replay(capture):
    enough = json.loads(invoke("why", capture, "--json").stdout)["enough"]
    again_ = CliRunner().invoke(
        main, ["replay", str(capture), "--json", *(f"--set={k}={v}" for k, v in enough.items())]
    )
    assert set(json.loads(again_.stdout)["ledger"]["fates"]) == {"DELIVERED_UDP"}


def test_no_runs_no_verification(capture):
    result = invoke("why", capture, "--runs", 0)
    assert "Enough    rx-ring=1024, estimated from the counters\n" in result.stdout
    assert "Verified  no: --runs 0 allows no rerun\n" in result.stdout


@pytest.fixture
def report(capture, tmp_path):
    options = ["--cpus", "3", "--seed", "5", "--rx-usecs", "20", "--mac", "02:00:00:00:00:01"]
    path = tmp_path / "report.json"
    path.write_text(CliRunner().invoke(main, ["replay", str(capture), *options, "--json"]).stdout)
    return path


def test_a_report_is_run_again_with_the_options_of_then(report, capture):
    options = ["--cpus", "3", "--seed", "5", "--rx-usecs", "20", "--mac", "02:00:00:00:00:01"]
    result = invoke("why", report)
    assert result.exit_code == 0
    assert result.stdout == invoke("why", capture, *options).stdout
    assert "Verified  run again with " in result.stdout


def test_a_report_whose_capture_is_gone(report, capture):
    capture.unlink()
    result = invoke("why", report)
    assert result.exit_code == 0
    assert "estimated from the counters\nVerified  no: the capture no longer exists\n" in result.stdout


def test_a_report_whose_capture_was_changed(report, capture):
    capture.write_bytes(overloads.capture(burst(1900)))
    assert "Verified  no: an unchanged rerun loses other frames" in invoke("why", report).stdout


def test_a_report_beside_its_capture_is_found_after_both_were_moved(report, capture, tmp_path, monkeypatch):
    facts = json.loads(report.read_text())
    facts["input"]["files"] = [capture.name]
    report.write_text(json.dumps(facts))
    monkeypatch.chdir("/")
    assert "Verified  run again with " in invoke("why", report).stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "begins like a report, but is not JSON"),
        ("{}", "not a report of vnic replay --json"),
        ('{"config": {}}', "not a report of this version of vnic: it lacks"),
        ('{"config": {}, "ledger": {"fates": {}}, "queues": [], "cpus": []}', "it lacks 'limits'"),
        ("hello", "not a capture file"),
        ('{"config": {}, "input": {"files": [1]}, "ledger": {}}', "not a report of vnic replay --json"),
        ('{"config": {}, "input": [1], "ledger": {}}', "not a report of vnic replay --json"),
        ('{"config": {}, "cpus": 5, "input": {"files": ["x"]}}', "not a report of vnic replay --json"),
        ('{"a":' * 100_000, "begins like a report, but is not JSON"),
    ],
)
def test_what_is_no_report(tmp_path, text, says):
    path = tmp_path / "x.json"
    path.write_text(text)
    result = invoke("why", path)
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_why_of_a_file_that_is_not_there(tmp_path):
    result = invoke("why", tmp_path / "nothing.pcap")
    assert (result.exit_code, result.stderr) == (2, f"vnic: {tmp_path}/nothing.pcap: No such file or directory\n")


def test_an_option_it_cannot_take(capture):
    result = invoke("why", capture, "--set", "rx-ring=1")
    assert (result.exit_code, result.stderr) == (2, "vnic: rx-ring=1: must be between 16 and 16384\n")


# ---- a host that runs ----


def test_a_host_answers_for_itself():
    with vnic.Host(sink=True, fifo=2000) as host:
        host.feed(burst(2000))
        host.run()
        reply = why_.show(host, [])
        assert reply.data == why_.why(host_facts(host, schema="x", input_facts={})).as_dict()
        assert "Verified  no: only a replay can be run again\n" in reply.out
        assert why_.show(host, ["rx-ring"]).code == 2


def test_an_instance_is_asked_if_there_is_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with vnic.Host(sink=True, fifo=2000) as host:
        host.feed(burst(2000))
        host.run()
        with Control(host):
            text, data = invoke("why"), invoke("why", "--on", host.name, "--json")
            table = CliRunner().invoke(main, ["show", "limits"])
        assert (text.exit_code, text.stdout) == (0, why_.show(host, []).out)
        assert json.loads(data.stdout)["limit"] == why_.show(host, []).data["limit"] == "rx-ring"
        assert table.stdout == limits.show(host, []).out
    nobody = invoke("why")
    assert (nobody.exit_code, nobody.stdout) == (2, "")
    assert nobody.stderr.count("\n") == 1


def test_facts_of_something_else():
    with pytest.raises(ConfigError, match="it lacks 'config'"):
        why_.why({})


def test_what_was_set_before_is_not_blamed():
    """An instance had interrupts by rx-frames for long, and lost nothing; then rx-usecs was set, and it was that."""
    with vnic.Host(cpus=2, sink=True, rcvbuf=1 << 28, fifo=4096) as h:
        h.nic.feed([frames.udp(dport=9)] * 3000, gap_ns=20_000)
        h.run()
        assert not h.ledger().dropped
        h.knobs.update({"rx-usecs": 5000, "rx-ring": 16})
        h.nic.feed([frames.udp(dport=9)] * 2000, at_ns=h.now_ns, gap_ns=20_000)
        h.run()
        found = host_facts(h, schema="", input_facts={"frames": 5000})
    assert found["ledger"]["fates"]["FIFO_OVERRUN"] > 100
    answer = why_.why(found)
    assert answer.limit == "rx-usecs"


def test_where_nobody_reads_there_is_no_latency_of_the_whole():
    """Pings are answered before a socket: "60.0 us of 0.0 us" was said."""
    with vnic.Host(cpus=1, ip="10.0.0.2/24", latency=True, rx_usecs=50) as h:
        h.feed([frames.icmp()] * 5)
        h.finish()
        answer = why_.why(host_facts(h, schema="", input_facts={"frames": 5}))
    assert answer.frames == 0
    assert [e for e in answer.evidence if e.startswith("latency")] != []
    assert " of 0.0 us" not in " ".join(answer.evidence)
