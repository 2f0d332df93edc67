"""What counts as worse: the rules of --fail-on."""

from types import SimpleNamespace

import pytest

from vnic.cli import names
from vnic.diff.result import Percentiles, Shift
from vnic.diff.worse import judge, rules, text
from vnic.errors import ConfigError


def times(p99):
    return Percentiles(10, p99 / 2, 1, p99 // 2, p99 // 2, p99, p99, p99)


def diff(*, lost=(5, 5), p99=(1000, 1000), socket=(100, 100), interrupts=(10, 10), cpu=(1000, 1000), changed=0):
    return SimpleNamespace(
        a=SimpleNamespace(lost=lost[0]),
        b=SimpleNamespace(lost=lost[1]),
        changed=changed,
        latency={"total": Shift(times(p99[0]), times(p99[1]), 0, 0), "socket": Shift(*map(times, socket), 0, 0)},
        cost={"interrupts": interrupts, "cpu_ns": cpu, "polls": (0, 3), "ipis": (0, 0), "memory_bytes": (None, 5)},
    )


@pytest.mark.parametrize(
    ("given", "what", "worse"),
    [
        ([], {"lost": (5, 6)}, ["lost"]),
        ([], {"lost": (6, 5)}, []),
        (["p99+10%"], {"lost": (5, 6)}, ["lost"]),
        (["lost+1"], {"lost": (5, 6)}, []),
        (["lost+1"], {"lost": (5, 7)}, ["lost+1"]),
        (["lost+20%"], {"lost": (5, 6)}, []),
        (["lost+19%"], {"lost": (5, 6)}, ["lost+19%"]),
        (["none"], {"lost": (0, 9), "p99": (1, 1000)}, []),
        (["p99+10%"], {"p99": (1000, 1100)}, []),
        (["p99+10%"], {"p99": (1000, 1101)}, ["p99+10%"]),
        (["total.max+0%"], {"p99": (1000, 1001)}, ["total.max+0%"]),
        (["socket.p99+50%"], {"socket": (100, 151)}, ["socket.p99+50%"]),
        (["ring.p99+50%"], {}, []),
        (["interrupts+20%", "cpu+5.5%"], {"interrupts": (10, 13), "cpu": (1000, 1056)}, ["interrupts+20%", "cpu+5.5%"]),
        (["polls+900%"], {}, ["polls+900%"]),
        (["memory+1%"], {}, []),
        (["changed"], {"changed": 1}, ["changed"]),
        (["changed"], {}, []),
    ],
)
def test_what_is_worse_by_which_rule(given, what, worse):
    assert [w.rule for w in judge(diff(**what), rules(given))] == worse


@pytest.mark.parametrize(
    "wrong",
    ["", "p99", "p99+10", "p98+10%", "nowhere.p99+10%", "lost+x", "lost+-1", "changed+1", "none+1", "total+1%",
     "x" * 5000, "interrupts+3", "p99+1e9%"],
)  # fmt: skip
def test_what_is_no_rule(wrong):
    with pytest.raises(ConfigError, match="--fail-on") as e:
        rules([wrong])
    assert len(str(e.value)) < 600


def test_none_stands_alone():
    with pytest.raises(ConfigError, match="give no other rule"):
        rules(["none", "lost"])


def test_in_words():
    found = judge(diff(lost=(5, 6000), p99=(1000, 2000), interrupts=(1, 2000), cpu=(1, 3)),
                  rules(["lost", "p99+1%", "interrupts+1%", "cpu+1%"]))  # fmt: skip
    assert [text(w) for w in found] == [
        "lost: 5 -> 6,000 frames", "p99+1%: 1 us -> 2 us", "interrupts+1%: 1 -> 2,000", "cpu+1%: 1 ns -> 3 ns",
    ]  # fmt: skip


def test_a_tab_offers_rules_that_hold():
    offered = names.Rule().shell_complete(None, None, "")
    assert {i.value for i in offered} >= {"lost", "none", "p99+", "socket.p99+", "cpu+", "lost+"}
    for item in offered:
        assert rules([item.value + "10%" if item.value.endswith("+") else item.value]) is not None
