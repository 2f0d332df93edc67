"""The report: every fate has its place in the funnel, numbers add up, bars do not lie."""

from frames import ACK, PSH, tcp
from rich.console import Console
from scapy.utils import wrpcap

from vnic.counters.snapshots import FATES
from vnic.runs.funnel import FUNNEL
from vnic.runs.replay import replay
from vnic.runs.report import fate_text, show


def test_every_fate_has_one_place_in_the_funnel():
    placed = [f for _, _, ends in FUNNEL for f in ends] + ["DELIVERED_UDP", "DELIVERED_TCP"]
    assert sorted(placed) == sorted(FATES)


def test_every_fate_has_a_line_of_text():
    assert all(fate_text(f) for f in FATES)


def test_the_report_names_reached_limits_with_their_losses(tmp_path, capsys):
    path = tmp_path / "in.pcap"
    wrpcap(str(path), [tcp(b"x" * 100, seq=1 + 100 * i, id=i) for i in range(9)])
    console = Console(highlight=False, width=132)
    show(console, replay([path], mtu=100).facts)
    assert "limits reached, times: mtu 9 (9 lost): vnic why names the cause\n" in capsys.readouterr().out
    show(console, replay([path], weight=1).facts)
    assert "limits reached, times: weight 9\n" in capsys.readouterr().out
    show(console, replay([path]).facts)
    assert "limits reached" not in capsys.readouterr().out


def test_gro_says_what_was_lost_and_why_holds_ended(tmp_path, capsys):
    frames = [tcp(b"x" * 100, seq=1 + 100 * i, id=i, flags=ACK | PSH * (i == 2), sport=port) for i in range(5)
              for port in range(1, 13)]  # fmt: skip
    path = tmp_path / "in.pcap"
    wrpcap(str(path), frames)
    result = replay([path], gro_flows=64, rxhash=False, rx_usecs=100, gro_max_size=400)
    show(Console(highlight=False, width=132), result.facts)
    out = capsys.readouterr().out
    assert "segment boundaries and arrival times" in out
    assert "holds ended: a ninth flow came to its bucket" in out
    assert "tcp 10.0.0.1:1 > 10.0.0.2:80" in out
    assert "and 2 more flows" in out
    assert sum(result.facts["gro"]["ended"].values()) == result.facts["gro"]["held"]
    assert len(result.facts["gro"]["flows"]) == 12


def test_bursts_that_idle_cpus_processed_are_shown(tmp_path, capsys):
    path = tmp_path / "in.pcap"
    wrpcap(str(path), [tcp(b"x")])
    facts, console = replay([path]).facts, Console(highlight=False, width=132)
    show(console, facts)
    assert "idle CPUs" not in capsys.readouterr().out
    facts["input"]["lent_bursts"] = 1234
    show(console, facts)
    assert "bursts of 64 that idle CPUs processed for the card: 1,234\n" in capsys.readouterr().out
