"""From samples to figures: written samples of a machine whose costs are known give those costs back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic.calibrate import ladder
from vnic.knobs.cost import KEYS, shipped

BASE = {key: float(figure.value) for key, (figure, _) in shipped("linux").figures().items()}
COST = st.integers(0, 30_000)
NAMES = [
    *("refused", "skb", "ip", "udp_sock", "softirq_poll", "gro", "rps_backlog", "csum_ps", "copy_ps", "recv"),
    *("copy_remote_ps", "recv_remote", "wake", "wake_remote", "switch", "idle", "idle_100us", "idle_1ms", "ipi"),
    *("backlog", "ipis", "delivery", "hardirq", "first", "tick", "clock", "syscall"),
]
MACHINES = st.fixed_dictionaries(dict.fromkeys(NAMES, COST))


def samples(c):
    """What the loads would measure of a machine with these costs."""
    ether = c["refused"] + c["skb"] + BASE["receive"]
    badsum, single = ether + c["ip"], 77
    napi = {"ether": ether + c["softirq_poll"], "badsum": badsum + c["softirq_poll"] + c["gro"]}
    rps = c["rps_backlog"] * BASE["rps"] / (BASE["rps"] + BASE["backlog"])
    softirq = c["softirq_poll"] * BASE["softirq"] / (BASE["softirq"] + BASE["poll"])
    recv1514 = c["recv"] + 1472 * c["copy_ps"] / 1000
    remote = {n: c["recv_remote"] + n * c["copy_remote_ps"] / 1000 for n in (18, 1472)}
    none = badsum + c["udp_sock"] + single
    packet = c["backlog"] + BASE["receive"] + c["ip"]
    alone, ipis = c["hardirq"] + softirq + packet, 1 + c["ipis"] % 60
    return {
        "clock": c["clock"],
        "syscall": c["syscall"],
        "refused": c["refused"],
        "ether": ether,
        "badsum": badsum,
        "udp": badsum + c["udp_sock"],
        "udp1514": 9000,
        "sum1514": 9000 + 1480 * c["csum_ps"] / 1000,
        "napi.ether": napi["ether"],
        "napi.badsum": napi["badsum"],
        "own.badsum": napi["badsum"] + c["rps_backlog"],
        "recv.udp": c["recv"] + 18 * c["copy_ps"] / 1000,
        "recv.udp1514": recv1514,
        "remote.udp": remote[18],
        "remote.udp1514": remote[1472],
        "none.20us.write": none,
        "sleep.20us.write": none + c["wake_remote"],
        "spin.20us.read": 500,
        "sleep.20us.read": 500 + c["idle"],
        "sleep.200us.read": 500 + c["idle_100us"],
        "sleep.2ms.read": 500 + c["idle_1ms"],
        "same.none.20us.write": none,
        "same.sleep.20us.write": none + c["wake"],
        "same.sleep.20us.read": c["syscall"] + c["switch"] + c["recv"] + 18 * c["copy_ps"] / 1000,
        "single.napi.badsum": napi["badsum"] + single,
        "busy.far.badsum": napi["badsum"] + single + rps + c["ipi"] - c["ip"] - BASE["receive"],
        "stolen": c["clock"] + alone,
        "burst.frames": 64,
        "burst.ipis": ipis,
        "burst.stolen": ipis * alone + (64 - ipis) * packet,
        "delivery": c["delivery"] - c["ipi"],
        "first": 2000 + c["first"],
        "next": 2000,
        "hz": 250,
        "tick": c["clock"] + c["tick"],
    }


@given(MACHINES)
def test_the_costs_of_a_machine_come_out_of_its_samples(c):
    found = ladder.of_round(samples(c), BASE)
    close = lambda *keys: pytest.approx(sum(found[key] for key in keys), abs=1e-6)  # noqa: E731
    assert close("rx") == c["skb"]
    assert close("ip") == c["ip"]
    assert close("udp", "sock") == c["udp_sock"]
    assert close("softirq", "poll") == c["softirq_poll"]
    assert close("gro") == c["gro"]
    assert close("rps") == c["rps_backlog"] * BASE["rps"] / (BASE["rps"] + BASE["backlog"])
    for key, name in {
        "csum-ps": "csum_ps",
        "copy-ps": "copy_ps",
        "recv": "recv",
        "copy-remote-ps": "copy_remote_ps",
        "recv-remote": "recv_remote",
        "wake": "wake",
        "wake-remote": "wake_remote",
        "switch": "switch",
        "switch-idle": "idle",
        "switch-idle-100us": "idle_100us",
        "switch-idle-1ms": "idle_1ms",
        "ipi": "ipi",
        "ipi-delivery": "delivery",
        "backlog": "backlog",
        "hardirq-ipi": "hardirq",
        "hardirq": "hardirq",
        "first-packet": "first",
        "tick": "tick",
    }.items():
        assert close(key) == c[name], key
    assert set(found) == {key for key, *_ in ladder.FIGURES}


@given(MACHINES)
def test_a_sum_that_cannot_be_split_is_split_as_in_the_profile_below(c):
    found = ladder.of_round(samples(c), BASE)
    for one, other in (("udp", "sock"), ("softirq", "poll")):
        assert found[one] * BASE[other] == pytest.approx(found[other] * BASE[one])


@given(MACHINES)
def test_a_kernel_without_the_other_cpu_s_bursts_gives_the_sum_of_rps_and_backlog(c):
    few = {name: ns for name, ns in samples(c).items() if not name.startswith("burst")}
    found = ladder.of_round(few, BASE)
    assert found["rps"] + found["backlog"] == pytest.approx(c["rps_backlog"], abs=1e-6)
    assert found["rps"] * BASE["backlog"] == pytest.approx(found["backlog"] * BASE["rps"])


def test_every_key_is_measured_or_said_to_be_missing():
    rounds = [samples(dict.fromkeys(NAMES, 100 + i)) for i in range(5)]
    found = ladder.profile(rounds, shipped("linux"), name="x", what="", facts={})
    *_, last = found.measured["not-separated"]
    missing = last.removeprefix("not measured, so from linux: ").split(", ")
    assert sorted([*missing, *found.own]) == sorted(KEYS)
    assert missing == ["dma", "dma-ps", "rx-buf", "receive", "tcp", "output"]
    assert found.base is shipped("linux")


def test_without_rps_and_a_second_cpu_what_hangs_on_them_is_missing():
    needed = {
        "own",
        "remote",
        "none",
        "spin",
        "sleep",
        "single",
        "busy",
        "stolen",
        "burst",
        "delivery",
        "first",
        "tick",
    }
    alone = {k: v for k, v in samples(dict.fromkeys(NAMES, 100)).items() if k.split(".")[0] not in needed}
    found = ladder.profile([alone] * 4, shipped("linux"), name="x", what="", facts={})
    assert {"rx", "ip", "udp", "gro", "recv", "wake", "switch"} <= set(found.own)
    assert not {"rps", "ipi", "hardirq", "hardirq-ipi", "wake-remote", "recv-remote", "tick"} & set(found.own)
    assert found.figures()["wake-remote"][0].value == found.own["wake"].value


def test_the_figure_is_the_median_and_the_spread_the_quartiles():
    assert ladder.summary([1, 100, 2, 3, 4]) == (3, (2, 4))
    assert ladder.summary([7]) == (7, (7, 7))


def test_a_difference_below_nothing_is_nothing_and_is_said():
    rounds = [samples(dict.fromkeys(NAMES, 100) | {"delivery": -500}) for _ in range(3)]
    found = ladder.profile(rounds, shipped("linux"), name="x", what="", facts={})
    assert (found.own["ipi-delivery"].value, found.own["ipi-delivery"].spread) == (0, (0, 0))
    assert "ipi-delivery: -500 ns by the difference, so 0" in found.measured["not-separated"]


def test_a_round_without_a_sample_does_not_hide_the_others():
    rounds = [samples(dict.fromkeys(NAMES, 100)) for _ in range(5)]
    del rounds[2]["tick"]
    assert "tick" in ladder.profile(rounds, shipped("linux"), name="x", what="", facts={}).own
    for samples_ in rounds[:3]:
        samples_.pop("tick", None)
    assert "tick" not in ladder.profile(rounds, shipped("linux"), name="x", what="", facts={}).own


def test_on_top_of_zero_a_sum_is_halved():
    zero = dict.fromkeys(KEYS, 0.0)
    found = ladder.of_round(samples(dict.fromkeys(NAMES, 100)), zero)
    assert found["udp"] == found["sock"] == 50
