"""Nothing stands for ever where Linux would not let it; what Linux lets stand is named, with the knob that frees it."""

import io
import json
from itertools import product

import frames
import pytest
import strategies
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from live_host import live_hosts
from live_tap import wait_until
from model.dim import PROFILES
from overloads import capture
from rich.console import Console

import vnic
from vnic._core import ffi, lib
from vnic.cli import commands as cli
from vnic.control import rates as stat
from vnic.counters import limits
from vnic.runs import replay, report
from vnic.runs.replay import facts
from vnic.why import answer as why

US = 1000
NAPI = {
    "gro_flush_timeout": (0, 20_000, 5_000_000),
    "napi_defer_hard_irqs": (0, 1, 100),
    "threaded": (False, True, "busy-poll"),
    "busy_read": (0, 50),
    "prefer_busy_poll": (False, True),
    "rps_cpus": (0, 1, 3),
    "gro": (False, True),
    "weight": (1, 64),
    "hz": (100, 1000),
}
SINGLE = {
    "udp": frames.udp(b"alone", dport=9),
    "tcp": frames.tcp(b"alone"),
    "ping": frames.icmp(b"alone"),
    "nobody's": frames.eth(b"x" * 50, type=0x88B5),
}


def standing(host):
    return {s["queue"]: s["frames"] for s in facts(host, schema="", input_facts={"frames": 0})["standing"]}


def check_nothing_stands(host):
    """Every frame has its fate, or stands in a ring and is named."""
    where = {k: n for k, n in host.ledger().in_flight_at.items() if n}
    named = sum(standing(host).values())
    assert where == ({"ring": named} if named else {})
    if named:
        assert host.knobs.rx_usecs == 0
        assert host.knobs.rx_frames > 1
        assert not host.knobs.adaptive_rx


moderation = st.fixed_dictionaries({
    "rx_usecs": st.sampled_from((0, 0, 1, 300)),
    "rx_frames": st.sampled_from((1, 2, 8, 300, 65535)),
    "rx_usecs_irq": st.sampled_from((0, 0, 40)),
    "rx_frames_irq": st.sampled_from((0, 3, 1000)),
    "adaptive_rx": st.sampled_from((False, False, True)),
})  # fmt: skip
kinds = st.sampled_from(sorted(SINGLE))


@given(strategies.configs(), moderation, st.lists(st.tuples(kinds, st.integers(0, 3)), min_size=1, max_size=8))
def test_a_frame_to_an_idle_host_arrives_or_is_named(config, moderation, sent):
    """Under any knobs; the host is at rest, or nearly so, when the frame comes. Any time set frees what stands."""
    config.pop("python")
    with vnic.Host(**(config | moderation | {"sink": True})) as h:
        for kind, more in sent:
            h.feed([SINGLE[kind]] * (1 + 20 * (more == 3)), at_ns=h.now_ns + (0, 700, 10**6, 10**9)[more])
            h.run()
            check_nothing_stands(h)
        h.knobs.update({"rx-usecs": 50})
        h.run()
        assert h.ledger().in_flight == 0
        assert standing(h) == {}


@given(
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in NAPI.items()}),
    st.lists(
        st.tuples(st.sampled_from(sorted(NAPI.keys() - {"hz"})), st.integers(0, 2), st.integers(0, 3)), max_size=12
    ),
)
def test_nor_after_any_change_of_who_polls_and_when(config, changes):
    """A knob that is turned while packets are held, a timer runs, or a reader polls."""
    with vnic.Host(cpus=2, queues=2, sink=True, cost="linux", **config) as h:
        for name, value, turns in changes:
            h.feed([*SINGLE.values(), *[frames.tcp(b"x" * 100, seq=1 + 100 * i, id=i) for i in range(3)]])
            for _ in range(turns * 3):
                h.step()
            h.knobs[name] = NAPI[name][value % len(NAPI[name])]
        h.feed(SINGLE["udp"], at_ns=h.now_ns + 10**9)
        h.run()
        check_nothing_stands(h)
        assert h.laws() == 0


@pytest.mark.parametrize("timeout, defer", list(product((0, 20_000), (0, 1, 50))))
def test_deferred_interrupts_come_back(host, timeout, defer):
    """napi_defer_hard_irqs without gro_flush_timeout defers nothing: there would be no timer. net/core/dev.c"""
    h = host(gro_flush_timeout=timeout, napi_defer_hard_irqs=defer)
    sock = h.udp(9)
    for i in range(5):
        h.feed(frames.udp(b"%d" % i, dport=9), at_ns=h.now_ns + 10**7)
        h.run()
        assert sock.recv() == b"%d" % i
    assert h.ledger().in_flight == 0


# ---- the count without a time: Linux's rule ----


@pytest.mark.parametrize("n", [1, 5, 7, 8, 20])
def test_the_last_of_a_burst_stand_and_a_time_frees_them(host, n):
    h = host(rx_frames=8, queues=2)
    sock = h.udp(9)
    h.feed([SINGLE["udp"]] * n, gap_ns=20 * US)
    h.run()
    queue = next(i for i, q in enumerate(h.nic.queues()) if q.packets)
    left = n % 8
    assert standing(h) == ({queue: left} if left else {})
    assert h.ledger().in_flight_at["ring"] == left
    h.knobs.rx_usecs = 50
    h.run()
    assert standing(h) == {}
    assert [sock.recv() for _ in range(n)] == [b"alone"] * n


def test_a_replay_ends_with_them_lost_and_says_so(tmp_path):
    h = vnic.Host(rx_frames=8, sink=True, latency=True)
    with h:
        h.feed([SINGLE["udp"]] * 20, gap_ns=20 * US)
        h.finish()
        found = facts(h, schema="", input_facts={"frames": 20})
        assert h.ledger().in_flight == 0
    assert found["ledger"]["fates"] == {"DELIVERED_UDP": 16, "DEV_READY": 4}
    assert found["standing"] == [{"queue": 0, "frames": 4, "rx_frames": 8, "ended": True}]
    assert {x["knob"]: x["lost"] for x in found["limits"] if x["lost"]} == {"rx-frames": 4}
    answer = why.why(found)
    assert (answer.limit, answer.lost, answer.enough) == (
        "rx-frames", {"DEV_READY": 4}, {"rx-usecs": 100, "rx-frames": 8},
    )  # fmt: skip
    assert answer.besides == ()
    assert "4 frames stood in the ring of queue 0 to the end: rx-frames 8" in why.text(answer)


def test_the_report_names_stalls(tmp_path):
    (tmp_path / "f.pcap").write_bytes(capture_of([SINGLE["udp"]] * 9))
    result = replay.replay([tmp_path / "f.pcap"], rx_frames=8)
    console = Console(highlight=False, width=160, file=io.StringIO())
    report.show(console, result.facts)
    assert (
        "1 frame stood in the ring of queue 0 to the end: rx-frames 8 waits for more, and with rx-usecs 0 no timer runs"
    ) in console.file.getvalue()
    run = CliRunner().invoke(cli.main, ["why", str(tmp_path / "f.pcap"), "--rx-frames", "8"])
    assert run.exit_code == 0
    assert "1 frame stood in the ring of queue 0" in run.stdout


def capture_of(fed):
    return capture([(i * 20 * US, frame) for i, frame in enumerate(fed)])


def test_frames_lost_in_the_fifo_are_not_put_down_to_moderation(host):
    """Bug: all DEV_READY of a host with rx-frames and no time were said to be moderation's."""
    h = host(rx_frames=2, rx_pool=64, rx_ring=16, rcvbuf=1 << 30, latency=True)
    h.udp(9)
    h.feed([SINGLE["udp"]] * 100)
    h.finish()
    found = facts(h, schema="", input_facts={"frames": 100})
    assert found["ledger"]["fates"] == {"DELIVERED_UDP": 64, "DEV_READY": 36}
    answer = why.why(found)
    assert (answer.frames, answer.besides) == (0, (("DEV_READY", 36, "the card was not up, or had stopped"),))


# ---- what waits for more though no more can come ----


@pytest.mark.parametrize("more", [{}, {"rx_buf_len": 128}, {"drop_en": True}, {"cost": "linux"}])
def test_a_count_that_the_ring_cannot_hold_is_no_stall(host, more):
    """A card without a buffer for the next frame has told its driver of those before (e1000: RXDMT0)."""
    h = host(rx_frames=1000, rx_ring=16, sink=True, rcvbuf=1 << 24, fifo=1 << 20, **more)
    size = 700 if "rx_buf_len" in more else 20
    h.feed([frames.udp(bytes(size), dport=9)] * 300, gap_ns=1000)
    h.run()
    taken = h.ledger().delivered
    left = sum(standing(h).values())
    assert taken + left + h.ledger().fates.get("RX_NO_BUFFER", 0) == 300
    assert left <= 16
    assert taken > 200
    assert h.nic.queues()[0].interrupts > 10


@pytest.mark.parametrize("n", [16, 17, 40])
def test_nor_when_all_come_at_once_and_no_more(host, n):
    """What the ring holds is published after the card has found that there is no buffer for the next one."""
    h = host(rx_frames=1000, rx_ring=16, sink=True, speed="max", link="inf")
    h.feed([SINGLE["udp"]] * n)
    h.run()
    assert h.ledger().delivered + sum(standing(h).values()) == n
    assert h.ledger().delivered >= 16 * (n > 16)


def test_nor_does_the_other_pair_hold_back_what_comes_after_the_servicing(host):
    """rx-frames-irq alone: "applies while an IRQ is being serviced" (ethtool.h); then it is the first pair's turn."""
    h = host(rx_frames_irq=1000, cost="linux")
    sock = h.udp(9)
    for i in range(20):
        h.feed([frames.udp(b"%d" % i, dport=9)] * (1 + i % 3), at_ns=h.now_ns + i * 300)
        h.run()
        assert [sock.recv() for _ in range(1 + i % 3)] == [b"%d" % i] * (1 + i % 3)


def test_a_pair_that_is_taken_away_while_it_holds_back_lets_go(host):
    """rx-usecs-irq held the interrupt back, and is set to 0."""
    h = host(rx_usecs_irq=100_000, rx_frames_irq=500, cost="linux")
    h.udp(9)
    h.feed([SINGLE["udp"]] * 30, gap_ns=500)
    h.run(until_ns=h.now_ns + 100 * US)
    h.feed(SINGLE["udp"], at_ns=h.now_ns + 500 * US)
    h.run(until_ns=h.now_ns + 1000 * US)
    assert h.ledger().in_flight == 1
    h.knobs.rx_usecs_irq = 0
    h.run(until_ns=h.now_ns + 10 * US)
    assert h.ledger().in_flight == 0


# ---- adaptive ----


def test_every_profile_of_dim_has_a_time():
    """lib/dim/net_dim.c: so has every one of Linux's."""
    d = ffi.new("struct dim *")
    lib.dim_init(d)
    for i, (usecs, count) in enumerate(PROFILES):
        d.profile = i
        profile = lib.dim_profile(d)
        assert (profile.usecs, profile.frames) == (usecs, count)
        assert usecs > 0


@pytest.mark.parametrize("queue", [None, 0])
def test_what_is_set_while_it_is_adaptive_waits_for_nothing(host, queue):
    """Bug: rx-usecs 0 and rx-frames 8 took the profile's place, and DIM never had 64 interrupts to choose another."""
    h = host(adaptive_rx=True)
    h.udp(9)
    knobs = h.knobs if queue is None else h.knobs.queue(queue)
    knobs.update({"rx-usecs": 0, "rx-frames": 8})
    irq = h.machine.c.nic.queue[0].irq
    assert (irq.rx_usecs, irq.rx_frames) == PROFILES[1]
    h.feed(SINGLE["udp"])
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 1}
    h.knobs.update({"rx-usecs": 7, "adaptive-rx": False})
    assert irq.rx_usecs == 7


def test_frames_that_stand_are_freed_when_it_becomes_adaptive(host):
    h = host(rx_frames=8)
    h.udp(9)
    h.feed([SINGLE["udp"]] * 3)
    h.run()
    assert standing(h) == {0: 3}
    h.knobs.adaptive_rx = True
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 3}


# ---- live ----


@pytest.fixture
def live():
    with live_hosts(sink=True) as make:
        yield make


LIVE = [
    {"rx_usecs": 100},
    {"rx_usecs": 1000, "rx_frames": 1000},
    {"rx_frames_irq": 100},
    {"adaptive_rx": True},
    {"napi_defer_hard_irqs": 5},
    {"gro_flush_timeout": 100_000, "napi_defer_hard_irqs": 5},
    {"threaded": True, "rx_frames_irq": 9},
    {"busy_read": 100, "prefer_busy_poll": True, "reader_cpu": 0},
    {"cpus": 2, "rps_cpus": "2", "rx_usecs": 10},
]


@pytest.mark.parametrize("knobs", LIVE, ids=str)
def test_live_a_single_frame_arrives(live, knobs):
    host = live([[SINGLE["udp"]]], **{"cpus": 1} | knobs)
    host.start()
    wait_until(lambda: host.ledger().delivered == 1)
    assert host.ledger().in_flight == 0
    for _ in range(3):
        host.wire.source.bursts.append([SINGLE["tcp"]])
    wait_until(lambda: sum(host.ledger().fates.values()) == 4)


def test_live_frames_that_stand_are_named_and_freed(live):
    host = live([[SINGLE["udp"]] * 3], rx_frames=8, cpus=1, latency=True)
    host.start()
    wait_until(lambda: standing(host) == {0: 3})
    before = stat.sample(host)
    line = stat.difference(stat.sample(host), before)
    says = "3 frames stand in the ring of queue 0: rx-frames 8 waits for more, and with rx-usecs 0 no timer runs"
    assert says in stat.Layout.of(1, None).line(line)
    assert says in limits.show(host, []).out
    assert says in limits.show(host, ["rx-frames"]).out
    assert says not in limits.show(host, ["weight"]).out
    answer = why.show(host, [])
    assert f"Standing  {says}" in answer.out
    assert json.loads(json.dumps(answer.data))["standing"][0].startswith(says)
    host.knobs.rx_usecs = 50
    wait_until(lambda: host.ledger().delivered == 3)
    assert standing(host) == {}
    assert says not in why.show(host, []).out


@pytest.mark.parametrize("queue", [0, 1])
def test_what_stands_when_the_card_closes_ends_as_dev_ready_and_is_named_with_its_queue(host, queue):
    h = host(queues=2, rx_usecs=0, rx_frames=100, rss_indir=(queue,))
    h.feed([frames.udp(b"x")] * 3)
    h.finish()
    assert (h.ledger().fates, h.ledger().in_flight) == ({"DEV_READY": 3}, 0)
    assert standing(h) == {queue: 3}
