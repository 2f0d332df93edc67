"""Interrupts that move to another CPU, and their queues' NAPIs with them: nothing is lost, nothing overtakes."""

import itertools
import random

import frames
import pytest
from costs import charge
from hypothesis import given, settings
from hypothesis import strategies as st
from live_tap import wait_until
from strategies import configs, traffic

import vnic
from vnic._core import ffi, lib
from vnic.control import commands
from vnic.errors import ConfigError
from vnic.knobs.cpumask import cpumask
from vnic.linux import procfs
from vnic.linux import pseudofile as files


def counts(h):
    """Interrupts by queue and CPU, as /proc/interrupts has them."""
    rows = procfs.read(h, "/proc/interrupts").splitlines()[1 : 1 + h.knobs.queues]
    return [list(map(int, row.split()[1 : 1 + h.machine.c.ncpus])) for row in rows]


def put(h, path, value):
    reply = commands.answer(h, "set", [path, value])
    return reply.code, reply.err


def shown(h, path):
    return commands.answer(h, "show", [path]).out


def where(h):
    return [int(h.machine.c.dq[i].napi.sd.cpu) for i in range(h.knobs.queues)]


# ---- the files ----


def test_a_queues_interrupt_goes_where_the_file_says(host):
    h = host(cpus=4, queues=2)
    h.feed([frames.udp(sport=i) for i in range(40)], gap_ns=10_000)
    h.run()
    before = counts(h)
    assert before[0][1:] == [0, 0, 0]
    assert put(h, "/proc/irq/24/smp_affinity", "4") == (0, "")
    assert put(h, "/proc/irq/25/smp_affinity_list", "3") == (0, "")
    assert where(h) == [2, 3]
    assert [h.machine.c.dq[i].pool.owner.cpu for i in (0, 1)] == [2, 3]  # buffers that come home wake the right one
    assert counts(h) == before  # what was taken elsewhere stays there
    processed = [s.processed for s in h.softnet()]
    h.feed([frames.udp(sport=i) for i in range(40)], gap_ns=10_000)
    h.run()
    now = counts(h)
    assert (now[0][:2], now[1][:3]) == (before[0][:2], before[1][:3])
    assert now[0][2] + now[1][3] == 40
    assert [s.processed - p for s, p in zip(h.softnet(), processed, strict=True)] == [0, 0, now[0][2], now[1][3]]


def test_the_first_cpu_of_a_mask_has_it(host):
    h = host(cpus=4, queues=1)
    assert shown(h, "/proc/irq/24/smp_affinity") == "1\n"
    assert put(h, "/proc/irq/24/smp_affinity", "e") == (0, "")
    for name, text in (("smp_affinity", "e"), ("smp_affinity_list", "1-3"), ("effective_affinity", "2"),
                       ("effective_affinity_list", "1")):  # fmt: skip
        assert shown(h, f"/proc/irq/24/{name}") == f"{text}\n"
    assert where(h) == [1]


def test_masks_are_as_wide_as_there_are_cpus(host):
    h = host(cpus=40, queues=1)
    assert put(h, "/proc/irq/24/smp_affinity", "80,00000000") == (0, "")
    assert shown(h, "/proc/irq/24/smp_affinity") == "80,00000000\n"
    assert shown(h, "/proc/irq/24/effective_affinity_list") == "39\n"


@pytest.mark.parametrize(("name", "value", "why"), [
    ("smp_affinity", "0", "Invalid argument"),
    ("smp_affinity", "x", "Invalid argument"),
    ("smp_affinity", "10", "Value too large for defined data type"),
    ("smp_affinity_list", "", "Invalid argument"),
    ("smp_affinity_list", "4", "Numerical result out of range"),
    ("smp_affinity_list", "3-1", "Invalid argument"),
    ("smp_affinity_list", "1,", None),
])  # fmt: skip
def test_what_no_cpu_can_be_read_from_changes_nothing(host, name, value, why):
    h = host(cpus=4, queues=1)
    said = (0, "") if why is None else (1, f"vnic set: write error: {why}\n")
    assert put(h, f"/proc/irq/24/{name}", value) == said
    assert where(h) == [0 if why else 1]


@pytest.mark.parametrize("name", ["effective_affinity", "effective_affinity_list"])
def test_where_it_is_can_only_be_read(host, name):
    assert put(host(), f"/proc/irq/24/{name}", "1") == (1, f"vnic set: /proc/irq/24/{name}: Permission denied\n")


def test_there_is_a_directory_for_each_queue(host):
    h = host(cpus=4, queues=2)
    assert shown(h, "/proc/irq") == "24\n25\n"
    h.knobs.queues = 3
    assert shown(h, "/proc/irq") == "24\n25\n26\n"
    assert put(h, "/proc/irq/27/smp_affinity", "1") == (
        1,
        "vnic set: /proc/irq/27/smp_affinity: No such file or directory\n",
    )


def test_a_foreign_drivers_interrupt_is_its_own(host):
    h = host(external_driver=True)
    code, err = put(h, "/proc/irq/24/smp_affinity", "2")
    assert (code, err.splitlines()[0]) == (1, "vnic set: write error: Input/output error")
    with pytest.raises(ConfigError, match="the driver's process"):
        h.knobs.smp_affinity = 2
    assert lib.irq_set_affinity(h.machine.c, 0, cpumask(2)) == -5


LISTS = [
    ("0", 1), ("0-3", 15), ("1,3", 10), ("0-7:1/2", 85), ("all", 255), ("ALL", 255), ("N", 128), ("3-N", 248),
    (" 1 , 2\n", 6), ("all:1/4", 17), ("0-7:2/4", 51), ("7,0-1", 131), ("0-0", 1), ("1\t2", 6), ("", 0),
    ("0-3:4/4", 15),
    ("8", "Numerical result out of range"), ("0-8", "Numerical result out of range"), ("x", "Invalid argument"),
    ("1-", "Invalid argument"), ("-1", "Invalid argument"), ("1x", "Invalid argument"), ("0-7:0/0", "Invalid argument"),
    ("0-7:3/2", "Invalid argument"), ("all-3", "Invalid argument"), ("0-7:1", "Invalid argument"),
    ("0x1", "Invalid argument"),
    ("4294967296", "Value too large for defined data type"),
    ("0-7:1/4294967296", "Value too large for defined data type"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "mask"), LISTS)
def test_lists_of_cpus(text, mask):
    if isinstance(mask, int):
        assert files.parse_cpulist(text, 8) == mask
    else:
        with pytest.raises(files.WriteError, match=mask):
            files.parse_cpulist(text, 8)


@given(st.integers(0, (1 << 64) - 1))
def test_a_list_that_is_shown_is_read_as_the_same(mask):
    assert files.parse_cpulist(files.cpulist(mask), 64) == mask


# ---- the knob ----


def test_an_affinity_can_be_given_at_the_start():
    with vnic.Host(cpus=4, queues=3, smp_affinity="c", each_queue={2: {"smp-affinity": "2"}}) as h:
        assert where(h) == [2, 2, 1]
        assert h.knobs.queue(2)["smp-affinity"] == 2
        h.knobs.queue(0)["smp-affinity"] = "1"
        assert where(h) == [0, 2, 1]
        h.knobs.queues = 4  # one that comes later has the mask of all
        assert where(h) == [0, 2, 1, 2]
        h.knobs.smp_affinity = 8
        assert where(h) == [3, 3, 3, 3]


@pytest.mark.parametrize("mask", ["10", "0"])
def test_a_mask_without_a_cpu_is_refused(mask):
    with pytest.raises(ConfigError, match="names no CPU of the host, which has 4"):
        vnic.Host(cpus=4, smp_affinity=mask)
    with vnic.Host(cpus=4) as h, pytest.raises(ConfigError, match="names no CPU"):
        h.knobs.smp_affinity = mask


def test_what_is_refused_together_moves_back():
    with vnic.Host(cpus=4, queues=2) as h:
        with pytest.raises(ConfigError, match="has room for 4"):
            h.knobs.update({"smp-affinity": 8, "queues": 9})
        assert where(h) == [0, 1]


# ---- nothing is lost, and nothing overtakes ----

NOT_HERE = {"python", "queues", "cpus"}


@pytest.mark.slow
@given(traffic(), configs(), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_both_laws_hold_wherever_interrupts_go_and_whenever(frames_, config, seed):
    """Found: what GRO held went to the backlog of a CPU that idled, and stayed there."""
    r = random.Random(seed)
    config = {k: v for k, v in config.items() if k not in NOT_HERE} | {
        "cpus": r.randint(2, 4),
        "queues": r.randint(1, 4),
    }
    if config.get("reader_cpu") not in (None, "any"):
        config["reader_cpu"] = r.randrange(config["cpus"])
    with vnic.Host(**config) as h:
        h.feed(frames_)
        for turn in itertools.count():
            if not h.step():
                break
            if turn % 16 == 0 and turn < 3200:
                queue = r.randrange(h.knobs.queues)
                h.knobs.queue(queue)["smp-affinity"] = 1 << r.randrange(h.machine.c.ncpus)
                assert h.ledger().closed
                assert sum(map(sum, counts(h))) == sum(int(h.machine.c.dq[i].irqs) for i in range(h.knobs.queues))
        h.knobs.update({"rx-usecs": 1, "rx-frames": 1})
        h.finish()
        assert h.ledger().in_flight == 0
        assert h.laws() == 0


CASES = {
    "plain": {},
    "a CPU that works": {"cost": "linux", "link": "10G"},
    "moderated": {"rx_usecs": 50, "cost": "linux", "link": "10G"},
    "held by a timer": {"gro_flush_timeout": 20_000, "napi_defer_hard_irqs": 2, "cost": "linux", "link": "1G"},
    "threaded": {"threaded": True, "cost": "linux", "link": "10G"},
    "busy-poll": {"threaded": "busy-poll", "cost": "linux", "link": "10G"},
    "busy readers": {"busy_read": 50, "cost": "linux", "link": "1G"},
    "preferred": {"busy_read": 50, "prefer_busy_poll": True, "gro_flush_timeout": 50_000, "napi_defer_hard_irqs": 3,
                  "cost": "linux", "link": "1G"},
    "RPS": {"rps_cpus": "f", "cost": "linux", "link": "10G"},
    "a small ring": {"rx_ring": 16, "cost": "linux", "link": "10G", "fifo": 1 << 20},
    "adaptive": {"adaptive_rx": True, "cost": "linux", "link": "10G"},
}  # fmt: skip
ROOM = {"rcvbuf": 1 << 28, "netdev_max_backlog": 1 << 20, "fifo": 1 << 24}


def streams(n):
    """Segments of 8 TCP flows in turn."""
    return [frames.tcp(b"x" * 100, sport=1000 + i % 8, dport=80, seq=1 + i // 8 * 100) for i in range(n)]


def moved(case, seed, every):
    """2000 segments while interrupts move. Return: what can be compared."""
    r = random.Random(seed)
    with vnic.Host(cpus=4, queues=2, sink=True, latency=True, **(ROOM | CASES[case])) as h:
        h.feed(streams(2000), gap_ns=300)
        for turn in itertools.count():
            if not h.step():
                break
            if every and turn % every == 0:
                h.knobs.queue(r.randrange(2))["smp-affinity"] = 1 << r.randrange(4)
        h.finish()
        assert h.laws() == 0
        return h.ledger().fates, h.mib()["TcpExt_TCPOFOQueue"], h.now_ns, counts(h), h.latencies()


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 3, 17, 100])
@pytest.mark.parametrize("case", CASES)
def test_no_segment_is_lost_or_overtaken_while_its_queue_moves(case, every):
    fates, overtaken, *_ = moved(case, every, every)
    assert fates == {"DELIVERED_TCP": 2000}
    assert not overtaken


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_same_moves_have_the_same_result(case):
    assert moved(case, 5, 7) == moved(case, 5, 7)


@pytest.mark.parametrize("case", CASES)
def test_the_interrupt_comes_no_earlier_than_what_it_is_for(case):
    """Latencies are differences of two CPUs' clocks: none is negative, which would be a huge number."""
    *_, latencies = moved(case, 9, 5)
    assert all(found.max < 10**9 for found in latencies.values() if found.count)


def test_what_gro_holds_goes_up_where_it_was_received(host):
    h = host(cpus=4, queues=1, sink=True, reader_cpu=0, gro_flush_timeout=1_000_000)
    h.feed([frames.tcp(b"x" * 100, seq=1 + i * 100) for i in range(3)])
    h.run(until_ns=1000)
    assert h.ledger().in_flight_at["gro"] == 3
    h.knobs.smp_affinity = 4
    assert h.ledger().in_flight_at["gro"] == 0
    assert [s.processed for s in h.softnet()] == [1, 0, 0, 0]
    h.run()
    assert h.ledger().fates == {"DELIVERED_TCP": 3}


def test_a_queue_that_waits_behind_another_for_its_poll_leaves_the_list(host):
    """A run polls one queue; the others wait in the list, and the last of them moves."""
    h = host(cpus=2, queues=3, sink=True, reader_cpu=0, gro=False, netdev_budget=1, smp_affinity=1)
    charge(h, RX=1000)
    h.feed([frames.udp(dport=9, sport=i) for i in range(60)])
    h.run(until_ns=500)
    lib.machine_settle(h.machine.c)
    last = h.machine.c.cpu[0].poll_tail
    assert h.machine.c.cpu[0].poll_list not in (last, ffi.NULL)
    (queue,) = (i for i in range(3) if ffi.addressof(h.machine.c.dq[i].napi) == last)
    done, waits = h.softnet()[0].processed, [q.packets for q in h.nic.queues()][queue]
    h.knobs.queue(queue)["smp-affinity"] = 2
    assert h.machine.c.cpu[0].poll_tail == h.machine.c.cpu[0].poll_list
    assert h.machine.c.cpu[0].poll_list.next == ffi.NULL
    h.run()
    assert [s.processed for s in h.softnet()] == [60 - waits, waits]
    assert done < 60 - waits
    assert h.ledger().fates == {"DELIVERED_UDP": 60}


def test_a_timer_that_stands_in_for_the_interrupt_moves_along(host):
    """No other interrupt would come: the ring's is off until the timer's poll."""
    h = host(cpus=2, queues=1, sink=True, reader_cpu=0, gro_flush_timeout=100_000, napi_defer_hard_irqs=1)
    h.feed(frames.udp(dport=9))
    h.run(until_ns=1000)
    h.feed(frames.udp(dport=9), at_ns=2000)
    h.run(until_ns=3000)
    assert h.ledger().in_flight_at["ring"] == 1
    h.knobs.smp_affinity = 2
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 2}
    assert h.softnet()[1].processed == 1


def test_accelerated_rfs_follows(host):
    """A flow's packets go to the queue that interrupts its reader's CPU, wherever that is now."""
    h = host(
        cpus=4, queues=4, sink=True, reader_cpu=3, ntuple=True, rps_flow_cnt=256, rps_sock_flow_entries=256, gro=False
    )

    def play(first):
        for i in range(10):
            h.feed(frames.tcp(b"x" * 100, seq=1 + (first + i) * 100, dport=80))
            h.run()

    play(0)
    assert lib.arfs_queue(h.machine.c, 3) == 3
    h.knobs.queue(3)["smp-affinity"] = 1
    h.knobs.queue(1)["smp-affinity"] = 8
    assert (lib.arfs_queue(h.machine.c, 3), lib.arfs_queue(h.machine.c, 1)) == (1, 1)
    before = [q.packets for q in h.nic.queues()]
    for sk in range(1, h.machine.c.socks.used):  # its reader goes away and comes back: the flow is steered anew
        h.machine.c.socks.socks[sk].reader_cpu = 2
    play(10)
    for sk in range(1, h.machine.c.socks.used):
        h.machine.c.socks.socks[sk].reader_cpu = 3
    play(20)
    assert h.nic.queues()[1].packets - before[1] >= 8
    assert h.mib()["TcpExt_TCPOFOQueue"] == 0


# ---- live ----


@pytest.mark.parametrize("case", [{}, {"threaded": True}, {"threaded": "busy-poll"}, {"rx_usecs": 50},
                                  {"rps_cpus": "f"}, {"gro_flush_timeout": 50_000, "napi_defer_hard_irqs": 2},
                                  {"busy_read": 50}])  # fmt: skip
def test_a_live_host_moves_them_under_load(live, case):
    n, burst = 200 * 32, [frames.udp(dport=7000 + i % 4, sport=i % 64) for i in range(32)]
    h = live([burst] * 200, cpus=4, queues=2, sink=True, rx_pool=4096, **(ROOM | case))
    h.start()
    for turn in range(60):
        h.knobs.queue(turn % 2)["smp-affinity"] = 1 << turn * 7 % 4
    wait_until(lambda: h.ledger().offered == n and h.ledger().in_flight == 0)
    h.knobs.smp_affinity = 4
    h.wire.source.bursts.append(burst)
    wait_until(lambda: h.ledger().offered == n + 32 and h.ledger().in_flight == 0)
    h.stop()
    assert h.ledger().fates == {"DELIVERED_UDP": n + 32}
    assert h.laws() == 0
    assert where(h) == [2, 2]
    assert sum(map(sum, counts(h))) == sum(int(h.machine.c.dq[i].irqs) for i in range(2))
