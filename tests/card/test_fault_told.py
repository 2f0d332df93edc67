"""Faults on purpose are told: in captures, the event log, a walk, reports, the page, vnic stat."""

import io
import re

import frames
import pytest
from paths import CAPTURES
from pcapng_blocks import read
from rich.console import Console

import vnic
from vnic.control import rates
from vnic.events.log import EventLog
from vnic.page import make
from vnic.runs.report import show
from vnic.walk.shown import ending
from vnic.walk.story import story

SENT = [frames.udp(b"hello%04d" % i, sport=1000 + i) for i in range(60)]
GAP_NS = 3000
ON_FRAMES = {
    "dma-flip", "dma-short", "dma-wrong-buffer", "csum-lie", "hash-wrong", "num-buffers",
    "used-id", "used-len", "used-twice", "used-reorder", "no-buffer", "link-down",
}  # fmt: skip
"""Kinds that hit a frame, on a card that has no connection to hang up."""


def comments(path):
    """The packet comments of a capture, by frame: that at nic, if the frame came there."""
    return {block.id: block.comment for block in read(path)}


@pytest.mark.parametrize("kind", sorted(ON_FRAMES))
def test_a_hit_on_a_frame_is_its_fate_or_a_mark_in_the_capture(kind, tmp_path):
    """And a record in the log that has its number; no other frame has one."""
    when = "from=30us,until=32us" if kind == "link-down" else "nth=11"
    with vnic.Host(sink=True, latency=True, faults=[f"{kind}:{when}"]) as host:
        log = EventLog(host)
        capture = vnic.Capture(host, tmp_path / "a.pcapng", at=("wire", "nic"))
        host.feed(SENT, gap_ns=GAP_NS)
        host.finish()
        capture.close()
        assert host.machine.faults[0].hits == 1
        events = log.end()
    [mark] = [e for e in events if e.kind == "fault"]
    assert (mark.frame, mark.args) == (11, {"fault": kind})
    said = comments(tmp_path / "a.pcapng")
    if kind == "no-buffer":
        assert said[11].startswith("RX_NO_BUFFER: ")
    elif kind == "link-down":
        assert said[11].startswith("DEV_READY: ")
    else:
        assert said[11] == f"fault: {kind}"
    assert {n for n, text in said.items() if "fault: " in text} <= {11}


def test_a_frame_that_several_faults_hit_has_all_their_names(host, tmp_path):
    h = host(faults=["used-len:nth=2,len=70", "dma-flip:nth=2", "num-buffers:nth=2"])
    with vnic.Capture(h, tmp_path / "a.pcapng", at="nic"):
        h.feed(SENT[:3], gap_ns=GAP_NS)
        h.run()
    assert comments(tmp_path / "a.pcapng") == {1: "", 2: "fault: dma-flip, num-buffers, used-len", 3: ""}


@pytest.mark.parametrize("spec", ["used-len:nth=11", "num-buffers:nth=11", "used-id:nth=11", "used-twice:nth=11"])
def test_each_frame_that_the_driver_never_finds_has_its_fate_in_the_log(spec):
    with vnic.Host(sink=True, latency=True, faults=[spec], rx_ring=32) as host:
        log = EventLog(host)
        host.feed(SENT, gap_ns=GAP_NS if "num" not in spec else 0)
        host.finish()
        lost = host.ledger().fates["FAULT"]
        rows = list(log.end().frames)
    assert lost > 0
    assert sum(row.fate == "FAULT" for row in rows) == lost
    assert all(row.fate for row in rows)


def test_a_walk_says_what_hit_the_frame(host):
    h = host(sink=True, latency=True, faults=["dma-flip:nth=3", "no-buffer:nth=7"])
    log = EventLog(h)
    h.feed(SENT, gap_ns=GAP_NS)
    h.finish()
    events = log.end()
    stories = {n: story(events, n) for n in (2, 3, 7)}
    assert {n: s.faults for n, s in stories.items()} == {2: [], 3: ["dma-flip"], 7: ["no-buffer"]}
    assert stories[3].as_dict()["faults"] == ["dma-flip"]
    assert any("fault dma-flip: a bit of" in line for line in ending(stories[3], 120))
    assert stories[7].before is None, "nothing stood in front of it"


def test_a_report_has_a_row_for_each_rule(tmp_path):
    rules = ["used-len:nth=100", "dma-flip:nth=4", "stall:from=1s,until=1500ms", "alloc-fail:nth=1000000"]
    result = vnic.replay([CAPTURES / "demo.pcapng"], faults=rules)
    rows = result.facts["faults"]
    assert [(row["rule"], row["kind"], row["hits"]) for row in rows] == [
        ("used-len:nth=100", "used-len", 1),
        ("dma-flip:nth=4", "dma-flip", 1),
        ("stall:from=1s,until=1500ms", "stall", 1),
        ("alloc-fail:nth=1000000", "alloc-fail", 0),
    ]
    assert rows[0]["chances"] == result.facts["ledger"]["offered"]
    console = Console(file=io.StringIO(), width=120)
    show(console, result.facts)
    text = console.file.getvalue()
    assert re.search(r"^dma-flip:nth=4 +565 +1 +a bit of", text, re.MULTILINE), text
    page = make.page(result.facts)
    assert "dma-flip:nth=4" in page
    assert 'id="faults"' in page
    without = make.page(vnic.replay([CAPTURES / "demo.pcapng"]).facts)
    assert 'id="faults"' not in without


def test_vnic_stat_names_the_rules_that_hit_in_an_interval(host):
    h = host(sink=True, faults=["dma-flip:every=10", "used-len:nth=1", "dma-flip:every=10"])
    h.feed(SENT[:1], gap_ns=GAP_NS)
    h.run()
    before = rates.sample(h)
    h.nic.fault("hash-wrong", nth=3)
    h.feed(SENT, gap_ns=GAP_NS)
    h.run()
    line = rates.difference(rates.sample(h), before)
    assert line.faults == {"dma-flip:every=10": 6 + 5, "hash-wrong:nth=3": 1}  # a hit ends the search
    assert "faults: dma-flip:every=10 11, hash-wrong:nth=3 1\n" in rates.Layout.of(4, None).line(line)
    quiet = rates.difference(rates.sample(h), rates.sample(h))
    assert quiet.faults == {}
    assert "faults" not in rates.Layout.of(4, None).line(quiet)
