"""What vnic prints for people fits: 80 columns or 200, one CPU or 64, one queue or 16, small counters or huge ones."""

import io
import os

import click
import frames
import pytest
from captures import pcap_each_second
from click.testing import CliRunner
from commands import invoke

import vnic
from vnic.cli import costs, validate
from vnic.cli.send import report as send_report
from vnic.control import commands, rates
from vnic.control.server import Control
from vnic.counters import limits
from vnic.counters.gro import GRO_ENDS
from vnic.look import terminal
from vnic.runs.replay import facts
from vnic.runs.report import show
from vnic.validate.compare import Outcome, Report, Row
from vnic.why.answer import Answer, text, why
from vnic.why.load import Advice, Cure, Load

HUGE = (1 << 64) - 1
SIZES = [(1, 1), (64, 16)]
WIDTHS = [80, 200]
NO_COUNTERS = {"queue", "cpu", "sport", "dport", "duration_ns", "elapsed_ns", "setting"}


def host_facts(cpus, queues, tmp_path):
    path = tmp_path / "f.pcap"
    path.write_bytes(pcap_each_second([frames.udp(sport=i) for i in range(100)]))
    with vnic.Host(
        wire=vnic.CaptureWire([path]), cpus=cpus, queues=queues, sink=True, latency=True, gro_flows=8
    ) as host:
        host.finish()
        return facts(
            host, schema="", input_facts={"files": ["f.pcap"], "frames": 100, "bytes": 6000, "duration_ns": 10**9}
        )


def huge(value, name=""):
    """The same facts with every counter as large as it gets."""
    if isinstance(value, dict):
        return {k: huge(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [huge(v, name) for v in value]
    is_counter = isinstance(value, (int, float)) and not isinstance(value, bool) and name not in NO_COUNTERS
    return type(value)(HUGE) if is_counter else value


def assert_fits(shown, width):
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width, max(lines, key=len)
    assert "…" not in shown


def report(found, width):
    file = io.StringIO()
    show(terminal.console(file, width=width), found)
    return file.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("cpus", "queues"), SIZES)
def test_the_report_of_a_run(cpus, queues, width, tmp_path):
    found = host_facts(cpus, queues, tmp_path)
    shown = report(found, width)
    assert_fits(shown, width)
    for queue in found["queues"]:
        assert f"{queue['bytes']:,}" in shown
    giant = huge(found)
    giant["config"] = found["config"]
    giant["ledger"]["fates"] |= dict.fromkeys(("RX_NO_BUFFER", "IPV6_NDISC_NS_OTHERHOST", "SOCKET_RCVBUFF"), HUGE)
    giant["cpus"] = [cpu | {"busy": 1.0} for cpu in giant["cpus"]]
    giant["gro"]["flows"] = [
        {
            "proto": "tcp",
            "src": "2001:db8:1111:2222:3333:4444:5555:6666",
            "dst": "2001:db8:1111:2222:3333:4444:5555:7777",
            "sport": 65535,
            "dport": 65535,
            "frames": HUGE,
            "skbs": HUGE,
            "lost_ids": HUGE,
            "lost_psh": HUGE,
            "spread_max_ns": HUGE,
            "ended": {GRO_ENDS[0]: HUGE},
        }
    ]
    shown = report(giant, width)
    assert_fits(shown, width)
    numbers = shown.split().count(f"{HUGE:,}")
    assert numbers >= 8 * len(giant["queues"]) + 8 * len(giant["cpus"]) + 4
    assert shown.split().count("100.0%") == cpus


def test_cpus_without_work_share_a_line(tmp_path):
    found = host_facts(64, 1, tmp_path)
    for cpu in found["cpus"]:
        cpu |= {k: int(cpu["cpu"] < 3) for k in cpu if k != "cpu"}
    shown = report(found, 80)
    assert "cpu 3-63: nothing to do" in shown
    few = report(found | {"cpus": found["cpus"][:8]}, 80)
    assert "nothing to do" not in few


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("cpus", [1, 4, 64, 512])
def test_stat(cpus, width):
    per_s = dict.fromkeys(("offered", "bytes", "delivered", "interrupts", "polls", "ipis"), float(HUGE))
    lost = dict.fromkeys(("FIFO_OVERRUN", "CPU_BACKLOG", "SOCKET_RCVBUFF", "NO_SOCKET", "IP_CSUM"), HUGE)
    line = rates.Line(1.0, per_s, lost, 64.0, HUGE, [0.5] * (cpus - 1) + [1.0], [1.0] * 16)
    layout = rates.Layout.of(cpus, width)
    shown = layout.head() + layout.line(line)
    assert_fits(shown, width)
    heads, values = (row.split() for row in shown.splitlines()[1:])
    assert {"rx/s", "deliv/s", "fifo", "backlog", "rcvbuf", "nosock", "other"} <= set(heads)
    if "busiest" in heads:
        assert values[-2:] == [f"cpu{cpus - 1}", "100%"]
    else:
        assert len(heads) == len(values) == 12 + cpus
    for head, value in zip(heads[:8], values, strict=False):
        place = shown.splitlines()[1].index(head) + len(head)
        assert shown.splitlines()[2][:place].endswith(value), head


def test_stat_in_a_pipe_has_a_column_for_each_cpu():
    assert rates.Layout.of(64, None).head().split()[-1] == "cpu63"


@pytest.mark.parametrize("width", WIDTHS)
def test_limits(width):
    with vnic.Host(cpus=64, queues=16) as host:
        rows = [limits.Limit(x.knob, x.setting, x.unit, HUGE, HUGE, HUGE, x.meaning) for x in limits.limits(host)]
        shown = limits.table(rows, width)
        assert_fits(shown, width)
        assert shown.split().count(str(HUGE)) == 3 * len(rows)
        for argv in ([], ["limits"]):
            reply = commands.answer(host, "show", argv)
            assert_fits(reply.on(width).out, max(width, *map(len, reply.data)))
        assert reply.on(None).out == reply.out
        assert max(map(len, reply.out.splitlines())) > 100


@pytest.mark.parametrize("width", WIDTHS)
def test_why(width, tmp_path):
    found = huge(host_facts(64, 16, tmp_path))
    assert_fits(text(why(host_facts(64, 16, tmp_path)), columns=width), width)
    settings = {"queues": 16, "netdev-max-backlog": 1 << 20, "rx-ring": 4096, "rcvbuf": 1 << 30, "rps-cpus": "f" * 16}
    cures = tuple(Cure(settings, HUGE, HUGE, HUGE, 63.99) for _ in range(3))
    load = Load(3.31e6, 10**9, 10**6, 10**8, False, 5.79e5, 1.2e6, settings)
    answer = Answer(
        HUGE,
        {"FIFO_OVERRUN": HUGE},
        "rx-ring",
        256,
        "the ring was empty " * 9,
        (f"{HUGE} frames waited",) * 2,
        enough=settings,
        verified=True,
        advice=Advice(load, cures=cures),
    )
    shown = text(answer, columns=width)
    assert_fits(shown, width)
    assert shown.split().count(f"{HUGE:,}") >= 2 * len(cures)
    assert f"{HUGE:,}" in report(found, width)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["linux", "zero"])
def test_costs(width, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = invoke("costs", name).stdout
    assert_fits(shown, width)
    figures = costs.shipped(name).figures()
    words = shown.split()
    for key, (figure, _) in figures.items():
        assert key in words
        assert str(figure.value) in words
    assert_fits(invoke("costs").stdout, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_validate(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    names = Outcome.__dataclass_fields__
    rows = [
        Row("plain", 300_000, 10, *((tuple(Outcome(**dict.fromkeys(names, v * n)) for n in (1, 2, 3)),) * 2))
        for v in (0.01, 1e6)
    ]
    found = Report(rows, {"cpu": "x " * 90}, costs.shipped("linux"))
    command = click.Command("validate", callback=lambda: validate._show(found, markdown=False))
    shown = CliRunner().invoke(command).stdout
    assert_fits(shown, width)
    assert shown.split().count("300") >= 2


@pytest.mark.parametrize("width", WIDTHS)
def test_doctor_and_ls(width, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = invoke("doctor").stdout
    assert_fits("\n".join(line for line in shown.splitlines() if "fix: " not in line), width)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with vnic.Host() as host:
        host.name = "n" * 15
        with Control(host) as control:
            shown = invoke("ls").stdout
    words = shown.split()
    assert {"n" * 15, str(os.getpid()), str(control.path)} <= set(words)
    assert "…" not in shown


@pytest.mark.parametrize("width", WIDTHS)
def test_send(width):
    found = {
        "to": {"interface": "vt0", "by": "tap", "dropped": HUGE, "mtu": 1500},
        "sent": {"frames": HUGE, "bytes": HUGE, "duration_ns": HUGE},
        "late": {"frames": HUGE, "over_ns": 1000, "max_ns": HUGE},
        "gap_error_ns": {"count": HUGE, "p50": 1.5, "p99": 999_999, "max": HUGE,
                         "octaves": [{"below_ns": 1 << i, "frames": HUGE >> i} for i in range(40)]},
        "interrupted": True,
        "pace": "recorded speed",
        "rate": {"asked": {"pps": 1e18, "mbps": 1e18}, "reached": {"pps": 1e18, "mbps": 1e18}},
        "not_sent": dict.fromkeys(("too_long", "too_short", "aliens", "dropped"), HUGE),
        "input": {"cut": HUGE, "links": []},
        "shortened": {"gaps": HUGE, "ns": HUGE},
        "queue_full": HUGE,
    }  # fmt: skip
    shown = "\n".join(send_report(found, width))
    assert_fits(shown, width)
    assert f"{HUGE:,}" in shown
