"""host.knobs: what was set is read back; a host that runs takes it between two polls, and loses nothing."""

import contextlib
import itertools
import random

import frames
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knob_values import other_value
from live_tap import wait_until
from strategies import configs, traffic

import vnic
from vnic.knobs.attributes import Attributes
from vnic.knobs.table import KNOBS, START_ONLY, UNITS
from vnic.linux.ntuple import Rules

OTHER = {name: other_value(name) for name in KNOBS if name not in START_ONLY}


ALIKE = {  # other names for a part of it, and what follows it
    "queues": {"rss-indir"},
    "rx-flow-hash-udp": {"rx-flow-hash-udp4", "rx-flow-hash-udp6"},
    "rx-flow-hash-udp4": {"rx-flow-hash-udp"},
}


def host(**knobs):
    return vnic.Host(**({"cpus": 4, "rx_pool": 1024, "sockets": 64} | knobs))


def parsed(name, value):
    """The value as it is read back. An indirection table that is short repeats."""
    value = KNOBS[name].parse(value)
    return tuple(value) * (128 // len(value)) if name == "rss-indir" else value


@pytest.mark.parametrize("name", OTHER)
def test_what_is_set_is_read_back_and_is_as_if_set_at_the_start(name):
    to = OTHER[name]
    with host() as h, host(**{name.replace("-", "_"): to}) as fresh:
        before = dict(h.knobs)
        h.knobs[name] = to
        assert h.knobs[name] == parsed(name, to)
        assert h.knobs[name] == fresh.knobs[name] != before[name]
        changed = {k for k in before if h.knobs[k] != before[k]}
        assert changed - {"gro-ipv4-max-size", "rx-usecs", "rx-frames", "allmulti"} <= {name} | ALIKE.get(name, set())
        h.nic.feed([frames.udp(dport=9)] * 20)
        h.run()
        assert h.laws() == 0


@pytest.mark.parametrize("name", sorted(START_ONLY))
def test_what_is_made_at_the_start_stays(name):
    with host() as h:
        now = h.knobs[name]
        h.knobs[name] = now  # as it is: fine
        other = not now if name in {"lro", "rx-gro-hw", "rx-vlan-offload"} else other_value(name)
        with pytest.raises(vnic.ConfigError, match=name):
            h.knobs[name] = other
        assert h.knobs[name] == now


def test_names_are_all_those_of_the_table_and_attributes():
    with host() as h:
        h.knobs.rx_usecs = 50
        assert h.knobs["rx-usecs"] == h.knobs.rx_usecs == 50
        h.knobs["net.core.netdev_budget"] = 7
        assert h.knobs.netdev_budget == 7
        assert "rx-usecs" in h.knobs
        assert "rx-usec" not in h.knobs
        assert "rx_usecs" in dir(h.knobs)
        with pytest.raises(vnic.ConfigError, match="did you mean rx-usecs"):
            h.knobs["rx-usec"] = 1
        with pytest.raises(AttributeError):
            _ = h.knobs.rx_usec


def test_attributes_are_typed_and_a_name_may_say_its_unit():
    typed = Attributes.__annotations__
    names = {**{name: name for name in KNOBS}, **{f"{name}-{unit}": name for name, unit in UNITS.items()}}
    assert typed.keys() == {name.replace("-", "_") for name in names}
    with host() as h:
        for attribute, name in names.items():
            value = getattr(h.knobs, attribute.replace("-", "_"))
            assert value == h.knobs[name]
            kind = typed[attribute.replace("-", "_")]
            assert isinstance(value, eval(kind.replace("tuple[int, ...]", "tuple"), {"Rules": Rules}))
        h.knobs.gro_flush_timeout_ns = 5000
        assert h.knobs.gro_flush_timeout == 5000


def test_a_closed_host_says_so():
    with host() as h:
        knobs = h.knobs
    for use in (lambda: knobs.rx_usecs, lambda: knobs.queue(0), lambda: knobs.update({"rx-usecs": 1})):
        with pytest.raises(vnic.VnicError, match="closed"):
            use()


def test_all_knobs_of_a_change_are_set_or_none():
    with host() as h:
        before = dict(h.knobs)
        for bad in ({"rx-ring": 15}, {"queues": 5}, {"hz": 1000}, {"rx-usecs": 0, "rx-frames": 0}, {"reader-cpu": 4}):
            with pytest.raises(vnic.ConfigError):
                h.knobs.update({"netdev-budget": 5, "gro": False} | bad)
            assert dict(h.knobs) == before


@pytest.mark.parametrize("name", OTHER)
def test_none_is_what_follows_a_knob_too(name):
    """adaptive-rx left its times behind, an address its multicast."""
    for first in ({}, {"gro_ipv4_max_size": 3000, "allmulti": True, "mac": "02:00:00:00:00:09"}):
        with host(queues=3, **first) as h:
            before, flow_cnt = [dict(h.knobs.queue(0)), dict(h.knobs.queue(2)), dict(h.knobs)], h.machine.c.rps_flow_cnt
            with pytest.raises(vnic.ConfigError):
                h.knobs.update(
                    {name: OTHER[name]} | ({"reader-cpu": 9} if name != "reader-cpu" else {"rss-indir": [9]})
                )
            assert [dict(h.knobs.queue(0)), dict(h.knobs.queue(2)), dict(h.knobs)] == before
            assert h.machine.c.rps_flow_cnt == flow_cnt


def test_a_time_alone_moderates_and_none_ends_it():
    """ethtool -C rx-usecs 50 would do nothing beside the rx-frames 1 that is there at the start."""
    with host() as h:
        for usecs, frames_ in ((50, 0), (60, 0), (0, 1), (0, 1), (9, 0)):
            h.knobs.rx_usecs = usecs
            assert (h.knobs.rx_usecs, h.knobs.rx_frames) == (usecs, frames_)
        h.knobs.rx_frames = 1
        h.knobs.update({"rx-usecs": 5, "rx-frames": 7})
        h.knobs.rx_usecs = 6
        assert h.knobs.rx_frames == 7


def test_a_queue_has_its_own():
    with host(queues=2) as h:
        h.knobs.queue(1).update({"rx-usecs": 30, "rps-cpus": "c", "rps-flow-cnt": 5})
        irq = {"rx-usecs-irq": 0, "rx-frames-irq": 0}
        irq |= {"gro-flush-timeout": 0, "napi-defer-hard-irqs": 0, "irq-suspend-timeout": 0, "threaded": False}
        assert (
            dict(h.knobs.queue(1))
            == {"rx-usecs": 30, "rx-frames": 0, "smp-affinity": 2, "rps-cpus": 12, "rps-flow-cnt": 8} | irq
        )
        assert (
            dict(h.knobs.queue(0))
            == {"rx-usecs": 0, "rx-frames": 1, "smp-affinity": 1, "rps-cpus": 0, "rps-flow-cnt": 0} | irq
        )
        h.knobs.rx_usecs = 7
        assert h.knobs.queue(1).rx_usecs == h.knobs.queue(0).rx_usecs == 7
        with pytest.raises(vnic.ConfigError, match="not of a queue"):
            h.knobs.queue(1)["weight"] = 1
        with pytest.raises(vnic.ConfigError, match="no queue 2"):
            h.knobs.queue(2)


def test_what_was_put_back_is_each_queues_own():
    with host(queues=2) as h:
        h.knobs.queue(1)["rps-cpus"] = "c"
        with pytest.raises(vnic.ConfigError, match="no CPU 4"):
            h.knobs.update({"rps-cpus": "2", "reader-cpu": 4})
        assert (h.knobs.queue(0)["rps-cpus"], h.knobs.queue(1)["rps-cpus"]) == (0, 12)


def test_a_report_shows_what_was_set_last():
    with host(queues=2, each_queue={"1": {"rx-usecs": 3}}) as h:
        h.knobs.update({"rps_cpus": "c", "gro": "off", "net.core.netdev_budget": "0x10"})
        assert (h.config["rps-cpus"], h.config["gro"], h.config["netdev-budget"]) == ("c", False, 16)
        assert h.config["each_queue"] == {1: {"rx-usecs": 3, "rx-frames": 0}}


def test_a_ring_is_changed_with_frames_in_it_and_in_the_fifo():
    """Moderation holds the interrupt back for good: all frames wait in ring and FIFO."""
    with host(cpus=1, rx_ring=16, rx_usecs=100_000, rx_frames=0, fifo=1 << 20, sink=True, rcvbuf=1 << 24) as h:
        h.nic.feed([frames.udp(dport=9, sport=i) for i in range(100)], gap_ns=10)
        h.run(until_ns=20_000)
        assert h.ledger().in_flight_at["ring"] == 16
        assert h.ledger().in_flight_at["fifo"] == 84
        h.knobs.rx_ring = 64
        assert h.ledger().in_flight_at["ring"] == 0
        assert h.machine.c.dq[0].vq.size == 64
        h.run()
        assert h.ledger().fates == {"DELIVERED_UDP": 100}
        assert h.laws() == 0


def test_fewer_queues_take_what_was_meant_for_the_others():
    with host(queues=4, rx_ring=16, rx_usecs=100_000, rx_frames=0, fifo=1 << 20, sink=True, rcvbuf=1 << 24) as h:
        h.nic.feed([frames.udp(dport=9, sport=i) for i in range(300)], gap_ns=10)
        h.run(until_ns=20_000)
        h.knobs.queues = 1
        before = h.nic.stats().rx_packets
        h.run()
        assert h.ledger().fates == {"DELIVERED_UDP": 300}
        assert h.nic.stats().rx_packets == 300 > before > 0
        h.knobs.queues = 3
        h.nic.feed([frames.udp(dport=9, sport=i) for i in range(300)], gap_ns=1000)
        h.run()
        assert h.ledger().fates == {"DELIVERED_UDP": 600}
        assert min(q.packets for q in h.nic.queues()) > 0
        assert h.laws() == 0


def test_queues_that_come_later_have_the_ring_size_of_now():
    """They had what was the ring size at the beginning."""
    with host(cpus=4, queues=1, rx_ring=16) as h:
        h.knobs.rx_ring = 64
        h.knobs.queues = 4
        assert [int(h.machine.c.dq[i].vq.size) for i in range(4)] == [64] * 4
        assert [int(h.machine.c.nic.queue[i].vq.size) for i in range(4)] == [64] * 4


def test_queues_that_the_table_names_stay():
    with host(queues=4) as h:
        h.knobs["rss-indir"] = [0, 1, 2]
        with pytest.raises(vnic.ConfigError, match="names queue 2"):
            h.knobs.queues = 2
        h.knobs.queues = 3
        assert h.knobs.queues == 3
        assert not h.knobs["rss-indir"].default


def test_a_table_that_was_not_set_follows_the_queues_and_one_that_was_is_taken_back_as_it_was():
    with host(queues=4) as h:
        with pytest.raises(vnic.ConfigError, match="there is no queue 4"):
            h.knobs.update({"mtu": 70, "rss-key": bytes(40), "rss-indir": [4]})
        assert h.knobs.mtu == 0
        assert h.knobs["rss-key"][:1] == b"\x6d"
        with pytest.raises(vnic.ConfigError, match="has room for 4"):
            h.knobs.update({"rss-indir": [1], "queues": 5})
        assert h.knobs["rss-indir"].default
        assert h.knobs["rss-indir"] == tuple(i % 4 for i in range(128))
        h.knobs["rss-indir"] = h.knobs["rss-indir"]  # as it is: still nobody's
        h.knobs.queues = 2
        assert h.knobs["rss-indir"] == (0, 1) * 64
        h.knobs["rss-indir"] = [0, 1]  # the same numbers
        assert not h.knobs["rss-indir"].default
        with pytest.raises(vnic.ConfigError, match="names queue 1"):
            h.knobs.queues = 1
        h.knobs["rss-indir"] = "default"
        h.knobs.queues = 1
        assert h.knobs["rss-indir"] == (0,) * 128


def every_other(burst):
    return [len(packet) % 2 == 0 for packet in burst]


def impossible(h, config, name, value):
    """No interrupt would ever come, no such CPU, no room for that queue."""
    other = {"rx-usecs": "rx-frames", "rx-frames": "rx-usecs"}.get(name)
    never = other is not None and value == 0 and h.knobs[other] == 0
    return (
        never
        or (name in ("reader-cpu", "smp-affinity") and config["cpus"] == 1)
        or (name == "queues" and value > h.machine.c.nic.queues_max)
    )


CHANGES = {k: v for k, v in OTHER.items() if k not in {"mac", "rss-key"}}


@pytest.mark.slow
@given(traffic(), configs(), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_both_laws_hold_whatever_is_changed_whenever(frames_, config, seed):
    """Any knob to any of two values, between any two turns: the ledger stays closed, no buffer is lost."""
    r = random.Random(seed)
    python = config.pop("python")
    with vnic.Host(**config) as h:
        if python:
            h.packet_type(0x88B5)(every_other)
            h.nic.filter(every_other)
        first = dict(h.knobs)
        h.feed(frames_)
        for turn in itertools.count():
            if not h.step():
                break
            if turn % 64 == 0 and turn < 64 * 200:
                for name in r.sample(sorted(CHANGES), 3):
                    value = r.choice((CHANGES[name], first[name]))
                    given_ = {"gro-cwr": {0: "6.18", 1: "7.0"}, "reader-cpu": {2**32 - 1: "any"}}.get(name, {})
                    if not impossible(h, config, name, value):
                        # Frames that wait in the ring for sending hold it: EBUSY.
                        waits = contextlib.suppress(vnic.ConfigError) if name == "tx-ring" else contextlib.nullcontext()
                        with waits:
                            h.knobs[name] = given_.get(value, value)
                assert h.ledger().closed
        h.knobs.update({"rx-usecs": 1, "rx-frames": 1})
        h.finish()
        assert h.ledger().in_flight == 0
        assert h.laws() == 0


def test_a_live_host_takes_changes_under_load_and_loses_nothing(live):
    n, burst = 300 * 32, [frames.udp(dport=7000 + i % 4, sport=i % 64) for i in range(32)]
    room = {"rcvbuf": 1 << 28, "fifo": 1 << 26, "netdev_max_backlog": 1 << 20, "rx_pool": 4096}
    h = live([burst] * 300, cpus=4, queues=2, sink=True, **room)
    h.start()
    for turn in range(60):
        h.knobs.update(
            {
                "rx-ring": (64, 256, 4096)[turn % 3],
                "queues": 1 + turn % 4,
                "rx-usecs": turn % 2 * 20,
                "rx-frames": 8 - turn % 2 * 8 or 1,
                "rps-cpus": (0, 15)[turn % 2],
                "rps-flow-cnt": (0, 64, 128)[turn % 3],
                "rps-sock-flow-entries": (0, 64, 4096)[turn % 3],
                "gro": turn % 2,
                "rxhash": turn % 5 > 0,
                "weight": 1 + turn % 64,
                "threaded": (False, True, "busy-poll")[turn % 3],
                "ntuple": turn % 2,
                "flow-limit-cpus": 0,
                "adaptive-rx": turn % 3 == 1,
                "rss-key": bytes(range(turn, turn + 40)),
                "fifo": (1 << 26) + turn,
            }
        )
    h.knobs.update({"adaptive-rx": False, "rx-usecs": 0, "rx-frames": 1})
    wait_until(lambda: h.ledger().offered == n and h.ledger().in_flight == 0)
    h.stop()
    assert h.ledger().fates == {"DELIVERED_UDP": n}
    assert h.laws() == 0


def test_a_filter_in_python_may_turn_knobs_of_the_live_host_it_runs_in(live):
    h = live([[frames.udp()] for _ in range(5)], cpus=2, sink=True)
    seen = []

    @h.nic.filter
    def burst(packets):
        seen.append(len(packets))
        h.knobs.rx_ring = 64 if len(seen) % 2 else 128
        return [True] * len(packets)

    h.start()
    wait_until(lambda: h.ledger().offered == 5 and h.ledger().in_flight == 0)
    h.stop()
    assert seen
    assert h.ledger().fates == {"DELIVERED_UDP": 5}


def test_a_card_that_is_stopped_brings_up_what_it_holds(live):
    """Half a datagram once timed out at stop(): its other half was in the ring, behind an interrupt held back."""
    whole = frames.udp(bytes(64), dport=9)[34:]
    first, last = (frames.eth(frames.ipv4(whole[a:b], 17, id=7, frag=f)) for a, b, f in ((0, 40, 0x2000), (40, 72, 5)))
    h = live([[first]], cpus=1, sink=True)
    h.start()
    wait_until(lambda: h.ledger().in_flight_at["frag"] == 1)
    h.knobs.update({"rx-usecs": 40_000})
    h.wire.source.bursts.append([last])
    wait_until(lambda: h.ledger().offered == 2)
    h.stop()
    assert h.ledger().fates == {"DELIVERED_UDP": 2}
