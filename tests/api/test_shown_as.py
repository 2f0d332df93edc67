"""What a person sees of hosts, ledgers, results and latencies: repr() at a prompt, and a table in a notebook."""

import html.parser
import re

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_tap import settle
from paths import ROOT

import vnic
from vnic.counters.latency import Latencies
from vnic.counters.snapshots import FATES, TX_FATES
from vnic.runs.replay import Result

DEMO = ROOT / "tests/captures/demo.pcapng"


class Text(html.parser.HTMLParser):
    """The tags of an HTML text, and the text of each cell."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.cells.append("")

    def handle_endtag(self, tag):
        assert tag in self.tags

    def handle_data(self, data):
        self.cells[-1] += data


ALLOWED = {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}


def shown(thing):
    """The cells of its table; repr() is one line, and no tag is there that is not ours."""
    assert repr(thing).startswith("<vnic.")
    assert len(repr(thing).splitlines()) == 1
    text = Text(thing._repr_html_())
    assert set(text.tags) <= ALLOWED
    return text.cells


def test_a_host_says_what_it_is_and_what_became_of_its_frames():
    with vnic.Host(queues=2, cpus=3, ip=["10.0.0.2/24", "fd00::2/64", "10.0.1.2/24"]) as h:
        h.udp(5000)
        h.feed([frames.udp(dport=port, dst="10.0.0.2") for port in (5000, 5001, 5001)])
        assert repr(h) == (
            "<vnic.Host vnic0 (virtual time), with <vnic.UdpSocket :5000>: ip 10.0.0.2/24, fd00::2/64, 10.0.1.2/24, "
            "2 queues, 3 CPUs; 0 offered: 0 delivered, 0 lost>"
        )
        h.run()
        assert repr(h).endswith("; 3 offered: 1 delivered, 2 lost (NO_SOCKET 2)>")
        cells = shown(h)
        assert cells[cells.index("NO_SOCKET") + 1] == "2"
        assert cells[cells.index("DELIVERED_UDP") + 1] == "1"
        sent = h.tx_ledger()
        assert repr(sent) == "<vnic.TxLedger 5 sent, 2 lost (TX_NEIGH_FAILED 2)>"
        assert shown(sent)[shown(sent).index("TX_SENT") + 1] == "5"
        assert repr(h.nic) == "<vnic.Nic of vnic0>"
        assert repr(h.knobs.queue(1)) == "<vnic: the knobs of queue 1 of vnic0>"
    assert repr(h) == "<vnic.Host vnic0 (closed)>"
    with vnic.Host(cpus=1) as many:
        sockets = [many.udp(port) for port in range(1, 1001)]
        assert len(repr(many)) < 300
        assert f"{sockets[2]!r} and 997 more: ip any, 1 queue, 1 CPU; " in repr(many)
    assert shown(h) == ["vnic.Host vnic0 (closed)"]


def test_repr_never_raises():
    """Also of a host that is not made, is in its handler, or runs on threads."""
    unmade = object.__new__(vnic.Host)
    seen = [repr(unmade)]
    assert unmade._repr_html_() == "<p>vnic.Host, not made</p>"
    with vnic.Host(cpus=1) as h:

        @h.packet_type(0x88B5)
        def handler(burst):
            seen.extend((repr(h), h._repr_html_()))

        h.feed(bytes(12) + b"\x88\xb5" + bytes(50))
        h.run()
    with pytest.raises(vnic.ConfigError):
        vnic.Host(queues=-1)
    assert seen[0] == "<vnic.Host, not made>"
    assert "1 in flight" in seen[1]
    assert len(seen) == 3


def test_a_live_host_says_so(live):
    h = live([[(0, frames.udp())]])
    assert "(live): " in repr(h)
    with h.running():
        assert "(running): " in repr(h)
        settle(h, 1)
    assert "1 lost (NO_SOCKET 1)" in repr(h)


@pytest.mark.parametrize("kind", [vnic.Ledger, vnic.TxLedger])
@given(data=st.data())
def test_a_ledger_is_short_and_true(kind, data):
    names = FATES if kind is vnic.Ledger else TX_FATES
    fates = data.draw(st.dictionaries(st.sampled_from(names), st.integers(1, 10**12)))
    waiting = data.draw(st.integers(0, 10**12))
    if kind is vnic.Ledger:
        offered = sum(fates.values()) + waiting + data.draw(st.integers(-1, 1))
        ledger = vnic.Ledger(offered, {"ring": waiting}, fates)
        assert repr(ledger).endswith(": not closed>") is not ledger.closed
        assert f"{ledger.delivered:,} delivered, {ledger.dropped:,} lost" in repr(ledger)
    else:
        ledger = vnic.TxLedger(waiting, fates)
        assert f" {fates.get('TX_SENT', 0):,} sent, " in repr(ledger)
    assert (f"{waiting:,} in flight" in repr(ledger)) is bool(waiting)
    assert len(repr(ledger)) < 300
    cells = shown(ledger)
    for name, n in fates.items():
        assert cells[cells.index(name) + 1] == f"{n:,}"


def test_latencies_are_a_dict_and_a_table():
    with vnic.Host(cpus=1, latency=True, sink=True) as h:
        h.feed([frames.udp()] * 3)
        h.run()
        found = h.latencies()
    assert isinstance(found, dict)
    assert re.fullmatch(r"<vnic.Latency 3 frames: p50 \S+ \wu?s, .*, max \S+ \wu?s>", repr(found["total"]))
    assert repr(found["reorder"]) == "<vnic.Latency no frames>"
    cells = Text(found._repr_html_()).cells
    assert "reorder" not in cells
    assert cells[cells.index("total") + 1] == "3"
    assert shown(found["total"])[-6] == "3"
    assert Latencies(found) == found


def test_a_result_has_its_files_its_ledger_and_its_latencies():
    result = vnic.replay([DEMO])
    assert repr(result) == f"<vnic.Result {DEMO}: 565 offered: 564 delivered, 1 lost (NO_SOCKET 1)>"
    cells = shown(result)
    assert cells[cells.index("DELIVERED_TCP") + 1] == "284"
    assert cells[cells.index("total") + 1] == "379"
    many = Result(result.facts | {"input": {"files": ["a", "b", "c", "d", "e"]}}, "e: ends early")
    assert repr(many).startswith("<vnic.Result a, b, c and 2 more: 565 offered")
    assert repr(many).endswith("; e: ends early>")


HOSTILE = ["<script>alert(1)</script>", "a\nb\r\x1b[31m", '"><img src=x>', "&lt;", "\udcff", "\u202e", "x" * 10_000]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_escaped(name):
    facts = vnic.replay([DEMO]).facts
    result = Result(facts | {"input": {"files": [name]}}, f"{name}: {name}")
    with vnic.Host(cpus=1) as h:
        h.name = name
        h.feed(frames.udp())
        h.run()
        for thing in (result, h):
            shown(thing)
            thing._repr_html_().encode()
            repr(thing).encode()
            assert "\x1b" not in repr(thing) + thing._repr_html_()
    assert len(repr(result)) < 300
