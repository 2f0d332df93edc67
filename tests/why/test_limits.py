"""Limits: each is counted when it is the one that binds, and only then; what was lost adds up to the fates."""

import frames
import pytest
import strategies
from driver_steps import work
from hypothesis import given
from overloads import DELAYS, LOSES, Overload, burst, facts_of

import vnic
from vnic._core import ffi, lib
from vnic.counters import limits
from vnic.knobs.table import KNOBS

ALWAYS = {"rx-frames", "weight", "(softirq restarts)", "(softirq time)"}  # a burst at the usual settings
NOT_BY_A_LIMIT = {"FRAG_REASM_TIMEOUT"}


def bound(facts):
    return {x["knob"]: x["bound"] for x in facts["limits"] if x["bound"]}


def lost(facts):
    return {x["knob"]: x["lost"] for x in facts["limits"] if x["lost"]}


def knob_of(name):
    return name.partition(",")[0]


@pytest.mark.parametrize("name", LOSES)
def test_a_limit_that_loses_frames_is_counted_and_no_other_that_does(name):
    o = LOSES[name]
    facts = facts_of(o.traffic, o.options)
    where = o.at or o.limit
    fates = facts["ledger"]["fates"]
    gone = sum(n for f, n in fates.items() if not f.startswith("DELIVERED_") and f not in NOT_BY_A_LIMIT)
    assert set(lost(facts)) == {where}
    assert lost(facts)[where] == gone > 0
    allowed = {where, o.limit, *o.bound, *ALWAYS}
    assert set(bound(facts)) - allowed == set()
    assert bound(facts)[knob_of(name)] > 0


@pytest.mark.parametrize("name", DELAYS)
def test_a_limit_that_only_delays_is_counted_and_loses_nothing(name):
    o = DELAYS[name]
    facts = facts_of(o.traffic, o.options)
    assert bound(facts)[name] > 0
    assert lost(facts) == {}


@pytest.mark.parametrize("name", [n for n in DELAYS if not n.startswith("(")])
def test_a_wider_limit_binds_less_often(name):
    o = DELAYS[name]
    more = {"rx-usecs": 500, "netdev-budget-usecs": 100_000}.get(name, 65535 if name == "gro-max-size" else 1000)
    wide = o.options | {name.replace("-", "_"): more}
    assert bound(facts_of(o.traffic, wide)).get(name, 0) < bound(facts_of(o.traffic, o.options))[name]


def test_a_host_with_little_to_do_is_bound_by_nothing():
    facts = facts_of(burst(100, 20_000), {})
    assert bound(facts) == {"rx-frames": 100}


def test_each_limit_has_traffic_that_makes_it_bind():
    with vnic.Host(sockets=16, rx_pool=64) as host:
        rows = limits.limits(host)
    proven = {knob_of(n) for n in (*LOSES, *DELAYS)} | {"(upcalls)"}
    assert {x.knob for x in rows} == proven
    assert all(x.knob in KNOBS or x.knob.startswith("(") for x in rows)


def test_upcalls_that_python_does_not_take(host):
    h = host(cpus=1)
    h.packet_type(0x88B5)(lambda _burst: None)
    h.feed([frames.eth(b"payload", type=0x88B5)] * (lib.UPCALLS_MAX + 1), gap_ns=1)
    while h.machine.c.nic.offered <= lib.UPCALLS_MAX:  # the stages by hand, and Python never has its turn
        lib.nic_run(ffi.addressof(h.machine.c.nic), lib.nic_next(ffi.addressof(h.machine.c.nic)) + 50)
        work(h)
    x = next(x for x in limits.limits(h) if x.knob == "(upcalls)")
    assert (x.setting, x.bound, x.lost) == (lib.UPCALLS_MAX, 1, 1)


@pytest.mark.parametrize(
    ("name", "knob", "most"),
    [
        ("mtu", "mtu", 1428),
        ("fifo", "fifo", 65520),  # 1092 frames of 60
        ("netdev-max-backlog", "netdev-max-backlog", 1001),  # Linux holds limit + 1
        ("rx-pool", "rx-pool", 512),
        ("rx-usecs", "rx-usecs", 5000),
    ],
)
def test_high_water_marks(name, knob, most):
    o = LOSES[name]
    assert {x["knob"]: x["high_water"] for x in facts_of(o.traffic, o.options)["limits"]}[knob] == most


@pytest.mark.parametrize("name", ["fifo", "netdev-max-backlog", "rcvbuf"])
def test_what_was_counted_says_how_much_is_enough(name):
    """At most: with that much nothing is lost, and it says so without a run."""
    from vnic.why.answer import why

    o = LOSES[name]
    facts = facts_of(o.traffic, o.options)
    guess = why(facts).enough
    assert list(guess) == [name]
    assert lost(facts_of(o.traffic, facts["config"] | guess)) == {}


def held_up(facts):
    names = ("overruns", "overruns_moderated", "overruns_pool")
    return tuple(sum(q[n] for q in facts["queues"]) for n in names)


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("fifo", (0, 0, 0)),  # the DMA is too slow
        ("rx-ring", (396, 0, 0)),  # the CPU is
        ("rx-usecs", (1800, 1800, 0)),  # the CPU has not been told
        ("rx-frames", (0, 0, 0)),  # it is told when there are no buffers left
    ],
)
def test_a_full_fifo_knows_who_held_it_up(name, held):
    o = LOSES[name]
    assert held_up(facts_of(o.traffic, o.options)) == held


def test_a_full_fifo_behind_a_pool_that_is_empty():
    o = LOSES["rx-pool"]
    total, moderated, dry = held_up(facts_of(o.traffic, o.options))
    assert (moderated, dry) == (0, total)
    assert total > 0


def test_time_squeeze_is_either_the_budget_s_or_the_time_s():
    one, other = (facts_of(DELAYS[n].traffic, DELAYS[n].options) for n in ("netdev-budget", "netdev-budget-usecs"))
    for facts, budget in ((one, True), (other, False)):
        squeezed = sum(c["time_squeeze"] for c in facts["cpus"])
        by_usecs = sum(c["time_squeeze_usecs"] for c in facts["cpus"])
        assert squeezed > 0
        assert by_usecs == (0 if budget else squeezed)


def test_two_moments_subtract():
    with vnic.Host(cpus=1, fifo=600, sink=True) as host:
        host.feed([frames.udp()] * 400, gap_ns=67)
        host.run()
        before = limits.limits(host)
        host.feed([frames.udp()] * 400, gap_ns=67)
        host.run()
        spent = {x.knob: x for x in (a - b for a, b in zip(limits.limits(host), before, strict=True))}
        then = {x.knob: x for x in before}
        both = {x.knob: x for x in limits.limits(host)}
    assert spent["weight"].bound + then["weight"].bound == both["weight"].bound
    assert (spent["fifo"].setting, spent["fifo"].high_water) == (600, 600)


def test_show_limits_is_a_table_beside_the_settings(host):
    h = host(fifo=1200, cost="linux", link="10G", cpus=1, sink=True)
    h.knobs["rx-usecs"] = 30
    h.feed([frames.udp()] * 500)
    h.run()
    reply = limits.show(h, [])
    assert (reply.code, reply.err) == (0, "")
    lines = reply.out.splitlines()
    assert lines[0].split() == ["limit", "setting", "hits", "lost", "most", "reached", "when"]
    rows = {x["knob"]: x for x in reply.data}
    for line, x in zip(lines[1:], reply.data, strict=True):
        assert line.startswith(x["knob"])
        assert line.endswith(x["meaning"])
        assert f"{x['setting']}  {x['unit']}" in line
    assert rows["rx-usecs"]["setting"] == 30  # as it is now, not as it was when the host was made
    assert rows["fifo"]["lost"] == h.ledger().fates["FIFO_OVERRUN"] > 0


def test_show_limits_of_some(host):
    h = host()
    reply = limits.show(h, ["netdev_budget", "(gro bucket)"])
    assert [x["knob"] for x in reply.data] == ["netdev-budget", "(gro bucket)"]
    for name, says in (
        ("nonsense", "there is no knob 'nonsense'"),
        ("rxhash", "rxhash is not a counted limit"),
    ):
        bad = limits.show(h, [name])
        assert (bad.code, bad.out) == (1, "")
        assert bad.err.startswith(f"vnic: {says}")
        assert bad.err.count("\n") == 1


LIMIT_FATES = {
    "FIFO_OVERRUN", "RX_OVER", "RX_NO_BUFFER", "CPU_BACKLOG", "FRAG_HIGH_THRESH", "FRAG_TOO_FAR", "PYTHON_QUEUE_FULL",
    "SOCKET_TABLE_FULL", "SOCKET_RCVBUFF", "PROTO_MEM",
    "TCP_OFO_DROP", "TCP_OFO_QUEUE_PRUNE",
}  # fmt: skip


@given(strategies.configs(), strategies.traffic())
def test_what_limits_lost_is_what_the_ledger_has(config, traffic):
    facts = facts_of(traffic, {k: v for k, v in config.items() if k != "python"})
    fates = facts["ledger"]["fates"]
    rows = {x["knob"]: x for x in facts["limits"]}
    assert all(x["bound"] >= 0 and x["lost"] >= 0 for x in facts["limits"])
    too_long = rows["mtu"]["lost"]
    assert sum(x["lost"] for x in facts["limits"]) - too_long == sum(fates.get(f, 0) for f in LIMIT_FATES)
    assert too_long <= fates.get("RX_LENGTH", 0)
    held, moderated, dry = held_up(facts)
    assert 0 <= max(moderated, dry) <= held <= fates.get("FIFO_OVERRUN", 0)
    assert all(x["high_water"] <= x["setting"] for x in (rows["fifo"], rows["rx-pool"]))
    assert rows["netdev-max-backlog"]["high_water"] <= rows["netdev-max-backlog"]["setting"] + 1
    left = sum(c[f"ksoftirqd_by_{why}"] for c in facts["cpus"] for why in ("time", "restarts", "resched"))
    assert left >= bool(sum(c["ksoftirqd_runs"] for c in facts["cpus"]))


def test_the_overloads_have_knobs_of_this_host():
    assert all(isinstance(o, Overload) and o.traffic for o in (*LOSES.values(), *DELAYS.values()))
