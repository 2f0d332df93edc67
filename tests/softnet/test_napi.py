"""NAPI: who owns the poll, and what stands in for the interrupt."""

import frames
import pytest
from costs import charge
from hypothesis import given
from hypothesis import strategies as st
from model.napi import Napi
from napi_moments import TABLES
from timeline import Timeline

import vnic
from vnic._core import ffi, lib

SCHED, MISSED, DISABLE = (
    lib.NAPI_STATE_SCHED, lib.NAPI_STATE_MISSED, lib.NAPI_STATE_DISABLE)  # fmt: skip
US = 1000


@pytest.fixture
def napi(host):
    """The NAPI of queue 0; it lives as long as its host."""
    return ffi.addressof(host().machine.c.dq[0].napi)


def configure(napi, timeout, defer):
    config = ffi.addressof(napi.host.napi_config[0])
    config.gro_flush_timeout, config.defer_hard_irqs = timeout, defer


def scheduled(napi):
    return napi.sd.poll_list == napi


@pytest.mark.parametrize(
    ("before", "granted", "after"),
    [
        (0, 1, SCHED),
        (SCHED, 0, SCHED | MISSED),
        (SCHED | MISSED, 0, SCHED | MISSED),
        (DISABLE, 0, DISABLE),
        (SCHED | DISABLE, 0, SCHED | DISABLE),
    ],
)
def test_one_request_is_granted_the_next_is_missed(napi, before, granted, after):
    napi.state = before
    assert (lib.napi_schedule(napi), napi.state, scheduled(napi)) == (granted, after, bool(granted))
    napi.state, napi.sd.poll_list = 0, ffi.NULL


def test_completion_gives_the_right_to_poll_back(napi):
    napi.state = SCHED
    assert (lib.napi_complete_done(napi, 5), napi.state, scheduled(napi)) == (1, 0, False)


def test_a_missed_request_schedules_once_more_and_keeps_the_interrupt_off(napi):
    napi.state = SCHED | MISSED
    assert (lib.napi_complete_done(napi, 5), napi.state, scheduled(napi)) == (0, SCHED, True)
    napi.sd.poll_list = ffi.NULL
    assert (lib.napi_complete_done(napi, 0), napi.state, scheduled(napi)) == (1, 0, False)


def test_a_missed_request_starts_no_timer(napi):
    configure(napi, 1000, 1)
    napi.state = SCHED | MISSED
    assert (lib.napi_complete_done(napi, 1), napi.timer_ns) == (0, 2**64 - 1)
    napi.sd.poll_list = ffi.NULL


@pytest.mark.parametrize(
    ("timeout", "defer", "works", "unmasked", "timer"),
    [
        # nothing is held by GRO here: the timeout alone has nothing to wait for
        (0, 0, [5], [1], None),
        (700, 0, [5], [1], None),
        # deferral without a timeout counts down and has no effect
        (0, 2, [5, 0, 0], [1, 1, 1], None),
        # N empty polls by timer, then the interrupt is back
        (700, 1, [5, 0], [0, 1], None),
        (700, 2, [5, 0, 0], [0, 0, 1], None),
        # work reloads the count
        (700, 2, [5, 0, 3, 0, 0], [0, 0, 0, 0, 1], None),
        (700, 2, [5, 0], [0, 0], 700),
        # an empty poll that nobody deferred loads nothing
        (700, 2, [0], [1], None),
    ],
)
def test_completions_in_a_row(napi, timeout, defer, works, unmasked, timer):
    configure(napi, timeout, defer)
    got = []
    for work in works:
        napi.state, napi.timer_ns = SCHED, 2**64 - 1
        got.append(lib.napi_complete_done(napi, work))
    assert got == unmasked
    assert napi.timer_ns == (2**64 - 1 if timer is None else napi.sd.now + timer)
    napi.timer_ns = napi.sd.timer_next = 2**64 - 1


@pytest.mark.parametrize(
    ("before", "after", "polled"),
    [(0, SCHED, True), (SCHED, SCHED, False), (DISABLE, DISABLE, False)],
)
def test_the_watchdog_never_leaves_missed(napi, before, after, polled):
    napi.state, napi.timer_ns = before, 5
    lib.napi_watchdog(napi)
    assert (napi.state, scheduled(napi), napi.timer_ns) == (after, polled, 2**64 - 1)
    napi.state, napi.sd.poll_list = 0, ffi.NULL


@pytest.mark.parametrize("bit", [lib.NAPI_STATE_NPSVC, lib.NAPI_STATE_IN_BUSY_POLL])
def test_completion_does_nothing_for_who_goes_on(napi, bit):
    """Not even a flush of GRO, and the interrupt stays off."""
    napi.state = before = SCHED | MISSED | bit
    configure(napi, 0, 5)
    napi.defer_hard_irqs_count = 1
    assert (lib.napi_complete_done(napi, 3), napi.state) == (0, before)
    assert (napi.defer_hard_irqs_count, napi.completes) == (1, 0)
    napi.state = 0


def test_a_new_napi_is_nobodys_and_cannot_be_had(host):
    h = host()
    n = ffi.new("struct napi_struct *")
    lib.netif_napi_add(h.machine.c.cpu[1], n, h.machine.c.cpu[1].backlog.poll, 64)
    assert n.state == SCHED | lib.NAPI_STATE_NPSVC
    assert lib.napi_schedule_prep(n) == 0
    lib.napi_enable(n)
    assert n.state == MISSED  # as in Linux: the request is made good by the next poll
    h.machine.c.cpu[1].nnapis -= 1


@pytest.mark.parametrize(
    ("before", "answer", "after"),
    [
        (0, 1, SCHED | lib.NAPI_STATE_NPSVC),
        (lib.NAPI_STATE_THREADED, 1, SCHED | lib.NAPI_STATE_NPSVC),
        (SCHED, 0, SCHED | DISABLE),
        (SCHED | MISSED, 0, SCHED | MISSED | DISABLE),
        (SCHED | lib.NAPI_STATE_NPSVC, 0, SCHED | lib.NAPI_STATE_NPSVC | DISABLE),
    ],
)
def test_disabling_is_a_state_and_waits_for_whoever_polls(napi, before, answer, after):
    napi.state, napi.timer_ns = before, 99
    assert (lib.napi_disable(napi), napi.state) == (answer, after)
    assert napi.timer_ns == (2**64 - 1 if answer else 99)
    napi.state, napi.timer_ns, napi.sd.timer_next = 0, 2**64 - 1, 2**64 - 1


# ---- tables of moments ----


def costs(h, **ns):
    charge(h, **ns)
    return h


@pytest.mark.parametrize("name", TABLES)
def test_moment_by_moment(host, name):
    knobs, ns, rows = TABLES[name]
    h = costs(host(**({"rxhash": False, "fifo": 1 << 20, "rx_ring": 1024} | knobs)), **ns)
    Timeline(h).play(rows)


# ---- the same from outside: frames in, when they go up, when the card interrupts ----


def observe(arrivals, **knobs):
    """A frame of its own flow at each time. Return: [(when it left GRO, frame)], interrupts."""
    config = {"cost": "zero", "link": "inf", "rxhash": False, "rx_pool": 512, "sockets": 16}
    with vnic.Host(**(config | knobs)) as h:
        delivered = []

        @h.packet_type(0x0800)
        def tap(burst):
            delivered.extend((t, int.from_bytes(p[20:22])) for t, p in zip(burst.t_ns, burst, strict=True))

        h.feed([(t, frames.tcp(b"x", sport=i)) for i, t in enumerate(arrivals)])
        h.run()
        assert h.laws() == h.ledger().in_flight == 0
        return delivered, h.nic.queues()[0].interrupts


@pytest.mark.parametrize(
    ("timeout_us", "defer", "arrive_us", "go_up_us", "interrupts"),
    [
        (0, 0, [0, 10, 30], [0, 10, 30], 3),
        # held until the timer, which starts anew at each poll that did work; the interrupt is on
        (50, 0, [0], [50], 1),
        (50, 0, [0, 10, 40], [90, 90, 90], 3),
        (50, 0, [0, 60], [50, 110], 2),
        # deferred: masked until N empty polls by timer in a row; the last one flushes
        (50, 1, [0], [50], 1),
        (50, 2, [0], [100], 1),
        (50, 2, [0, 120], [100, 220], 2),
        # what comes while it is masked waits for the timer
        (50, 1, [0, 10], [100, 100], 1),
        (50, 2, [0, 70], [200, 200], 1),
        # deferral alone: nothing
        (0, 9, [0, 10], [0, 10], 2),
        # age: at 250 Hz a jiffy is 4 ms; a poll flushes what an earlier jiffy brought
        (2500, 0, [3000, 4500], [4500, 7000], 2),
    ],
)
def test_the_timer_stands_in_for_the_interrupt(timeout_us, defer, arrive_us, go_up_us, interrupts):
    delivered, irqs = observe(
        [t * US for t in arrive_us],
        gro_flush_timeout=timeout_us * US,
        napi_defer_hard_irqs=defer,
    )
    assert (delivered, irqs) == ([(t * US, i) for i, t in enumerate(go_up_us)], interrupts)


@given(
    gaps=st.lists(st.sampled_from([0, 0, 1, 5, 30, 99, 1000, 3999, 9000]), min_size=1, max_size=40),
    timeout_us=st.sampled_from([0, 10, 20, 100, 5000]),
    defer=st.integers(0, 3),
    hz=st.sampled_from([100, 250, 1000]),
)
def test_packets_go_up_and_interrupts_come_as_the_model_says(gaps, timeout_us, defer, hz):
    """Frame i comes i ns after a whole microsecond, so that no two things happen at once."""
    arrivals = [sum(gaps[: i + 1]) * US + i for i in range(len(gaps))]
    model = Napi(flush_timeout=timeout_us * US, defer=defer, jiffy=10**9 // hz)
    model.run(arrivals)
    got = observe(arrivals, gro_flush_timeout=timeout_us * US, napi_defer_hard_irqs=defer, hz=hz)
    assert got == (model.delivered, len(model.interrupts))
