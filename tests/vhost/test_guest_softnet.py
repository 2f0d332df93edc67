"""A Linux of its own beside vnic's host: the same frames at one interrupt, the same knobs, and what each CPU did then.

The guest is Linux 6.1 on vnic's card (softnet_guest.py); vnic's host runs in virtual time (softnet_vnic.py). No race
can change the answer to any of these questions. vnic follows 6.18; ``same`` says what 6.1 does otherwise.
"""

import random
import shutil

import frames
import pytest
import softnet_vnic
from softnet_asked import ANY, CONNECTED, PEER_PORT, Frames, Read, Still
from softnet_guest import Softnets

pytestmark = [pytest.mark.slow, pytest.mark.needs("qemu-system-x86_64", "busybox", "ethtool")]
OWN = {"rps_cpus": "1"}
"""CPU 0 polls, and its own backlog takes what it polled: all on one CPU, so nothing races."""
TO_1 = {"rps_cpus": "2"}
RFS = {"rps_flow_cnt": 256, "rps_sock_flow_entries": 1024}
TIMEOUT = {"gro_flush_timeout": 20_000_000}


@pytest.fixture(scope="module")
def linux(tmp_path_factory):
    if not shutil.which("cc"):
        pytest.skip("no C compiler for the guest's reader")
    with Softnets(tmp_path_factory.mktemp("guest")) as guest:
        yield guest


def same(linux, knobs, *steps, polls=0, silent=True):
    """Ask both. Return: their answer, which is the same. ``silent=False``: the guest sends, so polls are not compared.

    Linux has had two changes since 6.1 (both of 6.4), which neither move a packet nor a counter here. A CPU that owes
    another one an IPI raised its own softirq for that: a run without a poll. And a run that had no more to poll ended,
    though its packets had scheduled the CPU's backlog meanwhile: the next run polled it.
    """
    theirs, ours = linux.ask(knobs, *steps, polls=polls), softnet_vnic.ask(knobs, *steps)
    for answer in (theirs, ours):
        answer.runs = {cpu: [run for run in runs if run] for cpu, runs in answer.runs.items() if any(runs)}
    if silent:
        assert {cpu: theirs.polls(cpu) for cpu in theirs.runs} == {cpu: ours.polls(cpu) for cpu in ours.runs}
    for what in ("softnet", "received", "lost", "lists", "joined", "read", "udp", "threads"):
        assert getattr(theirs, what) == getattr(ours, what), what
    return theirs, ours


def same_runs(linux, knobs, *steps):
    """As same(), and each poll is in the same run. Return: the guest's answer."""
    theirs, ours = same(linux, knobs, *steps)
    assert theirs.runs == ours.runs
    return theirs


def flows(n, of=None, port=ANY):
    """Datagrams, of so many flows in turn; none given: each of its own."""
    return Frames([frames.udp(b"x" * 20, sport=2000 + i % (of or n), dport=port) for i in range(n)])


def one(n=1, port=CONNECTED):
    """Datagrams of the flow that the connected socket has."""
    return Frames([frames.udp(b"x", sport=PEER_PORT, dport=port) for _ in range(n)])


def segment(flow, nth=0, *, size=100, **options):
    """A TCP segment, the nth of its flow, to another host: an answer's interrupt, which all rings share, would race."""
    options = {"dst": "10.0.0.77"} | options
    return frames.tcp(b"x" * size, sport=3000 + flow, dport=80, seq=1 + nth * size, **options)


# ---- net_rx_action ----


@pytest.mark.parametrize("budget", [1, 64, 100, 300])
@pytest.mark.parametrize("n", [1, 63, 64, 65, 128, 200, 256])
def test_the_budget_is_looked_at_after_each_poll(linux, n, budget):
    answer = same_runs(linux, {"netdev_budget": budget}, flows(n))
    assert answer.polls() == [(64, 64)] * (n // 64) + [(n % 64, 64)]
    assert answer.softnet[0].time_squeeze == sum(work >= budget for work, _ in answer.polls())


@pytest.mark.parametrize("budget", [1, 64, 65, 128])
def test_the_rest_goes_before_the_new_ones_and_those_before_what_wants_more(linux, budget):
    """The device's NAPI and the backlog's are one poll list; whichever order it has, the budget cuts it anywhere."""
    answer = same_runs(linux, OWN | {"netdev_budget": budget}, flows(192))
    assert answer.softnet[0].time_squeeze >= 2


# ---- backlogs ----


@pytest.mark.parametrize("n", [1, 64, 200])
@pytest.mark.parametrize("limit", [0, 10, 63, 64])
def test_a_backlog_takes_limit_plus_one(linux, limit, n):
    answer, _ = same(linux, OWN | {"netdev_max_backlog": limit}, flows(n))
    assert (answer.softnet[0].dropped > 0) == (limit < min(n, 64) - 1)


@pytest.mark.parametrize("limit", [0, 10, 50])
def test_a_cpu_that_stands_still_is_called_once_and_charged_with_the_drops(linux, limit):
    answer, _ = same(linux, TO_1 | {"netdev_max_backlog": limit}, Still(1, (flows(30), flows(64))))
    assert [s.dropped for s in answer.softnet] == [0, 94 - (limit + 1), 0, 0]
    assert [s.received_rps for s in answer.softnet] == [0, 1, 0, 0]
    assert answer.received == {1: list(range(limit + 1))}


@pytest.mark.parametrize(
    "weight",
    [{"dev_weight": 1}, {"dev_weight": 8}, {"dev_weight": 100}, {"dev_weight": 4, "dev_weight_rx_bias": 3}],
)
def test_a_backlogs_quota_is_dev_weight_times_its_bias(linux, weight):
    answer, _ = same(linux, OWN | {"netdev_max_backlog": 30} | weight, flows(200))
    assert {w for _, w in answer.polls()} == {64, weight["dev_weight"] * weight.get("dev_weight_rx_bias", 1)}


# ---- RPS ----


@pytest.mark.parametrize("mask", ["1", "2", "3", "6", "8", "e", "f"])
def test_a_flows_cpu_is_its_hash_as_a_fraction_of_the_mask(linux, mask):
    answer, _ = same(linux, {"rps_cpus": mask}, flows(40))
    assert answer.received.keys() == {cpu for cpu in range(4) if int(mask, 16) >> cpu & 1}
    assert [s.received_rps for s in answer.softnet] == [int(cpu > 0 and cpu in answer.received) for cpu in range(4)]


# ---- the flow limit ----


@pytest.mark.parametrize("of", ["1", "2"])
def test_the_flow_limit_is_that_of_the_cpu_that_enqueues(linux, of):
    """CPU 1 stands still: first one flow fills its queue, then others come."""
    knobs = TO_1 | {"flow_limit_cpus": of, "netdev_max_backlog": 200}
    answer, _ = same(linux, knobs, Still(1, (flows(250, 1), flows(64), flows(1))))
    assert (answer.softnet[0].flow_limit_count > 0) == (of == "1")
    assert [s.dropped > 0 for s in answer.softnet] == [False, True, False, False]


@pytest.mark.parametrize("n", [163, 164, 165, 166, 228])
def test_the_flow_limit_drops_a_flow_that_has_more_than_64_of_the_last_128(linux, n):
    """Once the queue is half full, at 100. Then 64 of a flow are taken; the next one is too many."""
    knobs = TO_1 | {"flow_limit_cpus": "1", "netdev_max_backlog": 200}
    answer, _ = same(linux, knobs, Still(1, (flows(n, 1),)))
    assert answer.softnet[0].flow_limit_count == max(0, n - 164)


@pytest.mark.parametrize("knobs", [{"flow_limit_cpus": "1"}, {"flow_limit_cpus": "0"}])
def test_the_flow_limit_of_two_flows_in_turn(linux, knobs):
    same(linux, OWN | {"netdev_max_backlog": 60, "dev_weight": 8} | knobs, flows(256, 2))


# ---- RFS ----


def test_a_flow_goes_to_its_readers_cpu(linux):
    answer, _ = same(linux, RFS, one(), Read(2, CONNECTED), one(), Read(2, CONNECTED), one())
    assert answer.received == {0: [0], 2: [1, 2]}


def test_a_reader_without_a_peer_draws_nothing(linux):
    answer, _ = same(linux, RFS, one(port=ANY), Read(2, ANY), one(port=ANY), Read(2, ANY), one(port=ANY))
    assert answer.received == {0: [0, 1, 2]}


def test_until_it_is_read_rps_steers(linux):
    answer, _ = same(linux, RFS | {"rps_cpus": "8"}, one(), Read(1, CONNECTED), one(), one(port=ANY))
    assert answer.received == {3: [0, 2], 1: [1]}


def test_another_flow_with_the_same_entry_is_told_by_its_upper_bits(linux):
    """The table of sockets has one entry for all flows."""
    answer, _ = same(linux, RFS | {"rps_sock_flow_entries": 1}, one(), Read(1, CONNECTED), flows(10), one())
    assert answer.received == {0: list(range(11)), 1: [11]}


def test_a_flow_moves_only_when_its_old_cpu_has_taken_all(linux):
    """CPU 1 stands still with one of the flow's datagrams. The reader is on CPU 2 now; the next go to CPU 1 too."""
    reader_moves = Still(1, (one(), Read(2, CONNECTED), one(3)))
    answer, _ = same(linux, RFS, one(), Read(1, CONNECTED), one(), Read(1, CONNECTED), reader_moves, one())
    assert answer.received == {0: [0], 1: [1, 2, 3, 4, 5], 2: [6]}
    assert answer.read == [1, 1, 0]


# ---- GRO ----


@pytest.mark.parametrize("batch", [1, 3, 8, 100])
def test_packets_go_up_in_lists_of_gro_normal_batch(linux, batch):
    answer, _ = same(linux, {"gro_normal_batch": batch}, flows(20))
    assert answer.lists[:2] == [("gro", min(batch, 20)), ("up", min(batch, 20))]


def test_a_list_counts_segments(linux):
    """Packets of four segments each fill a list of eight with two."""
    sent = [segment(i % 3, i // 3) for i in range(12)]
    for batch in (4, 8):
        answer, _ = same(linux, {"gro_normal_batch": batch}, Frames([*sent, *flows(3).frames]))
        assert len(answer.joined) == 9


def test_buckets_are_flushed_in_order(linux):
    """Twenty flows in eight buckets by the low bits of the card's hash: what is held goes up bucket by bucket."""
    answer, _ = same(linux, {}, Frames([segment(i, size=100 + i) for i in range(20)]))
    assert sorted(answer.received[0]) == list(range(20)) != answer.received[0]
    assert answer.lists == [("gro", 20), ("up", 20)]


def test_frames_with_equal_vlan_tags_merge(linux):
    tags = [5, 5, 6, 6, 5]
    answer, _ = same(linux, {}, Frames([segment(1, i, mac={"vlan": tag}) for i, tag in enumerate(tags)]))
    assert answer.joined == [1, 3]


# ---- NAPI ----


def test_a_timeout_only_holds_what_gro_holds(linux):
    """Datagrams are not held: no timer. A segment is: the timer polls once more."""
    assert same(linux, TIMEOUT, flows(3), polls=1)[0].polls() == [(3, 64)]
    assert same(linux, TIMEOUT, Frames([segment(1)]), polls=2)[0].polls() == [(1, 64), (0, 64)]


@pytest.mark.parametrize(("times", "timeout", "polls"), [(2, 20_000_000, 3), (1, 20_000_000, 2), (2, 0, 1)])
def test_the_interrupt_is_deferred_for_so_many_empty_polls(linux, times, timeout, polls):
    knobs = {"napi_defer_hard_irqs": times, "gro_flush_timeout": timeout}
    answer, _ = same(linux, knobs, flows(3), polls=polls)
    assert answer.polls() == [(3, 64)] + [(0, 64)] * (polls - 1)


@pytest.mark.parametrize("budget", [1, 300])
def test_a_threaded_napi_knows_no_softirq_and_no_budget(linux, budget):
    answer, _ = same(linux, {"threaded": 1, "netdev_budget": budget}, flows(200))
    assert answer.threads == [(64, 64)] * 3 + [(8, 64)]
    assert answer.runs == {}
    assert answer.softnet[0].time_squeeze == 0


@pytest.mark.parametrize("mask", ["1", "2"])
def test_a_threaded_napis_backlogs_are_the_softirqs(linux, mask):
    answer, _ = same(linux, {"threaded": 1, "rps_cpus": mask}, flows(20))
    assert answer.threads == [(20, 64)]
    assert answer.runs == {int(mask) - 1: [[(20, 64)]]}


# ---- sockets ----


def test_datagrams_to_sockets_and_to_none(linux):
    """UDP's line of /proc/net/snmp: InDatagrams when they are read, and NoPorts."""
    answer, _ = same(linux, {}, flows(7), flows(3, port=9), Read(0, ANY), silent=False)
    assert answer.read == [7]
    assert answer.udp[:4] == [7, 3, 0, 0]
    assert answer.lost == dict.fromkeys(range(7, 10), "NO_SOCKET")


# ---- at random ----


def any_frames(r, n, datagrams):
    """Datagrams, so many of them, and segments of a few flows; of a flow's segments some are pushed."""
    nth, sent = dict.fromkeys(range(r.choice([1, 3, 12])), 0), []
    for _ in range(n):
        flow = r.choice(list(nth))
        if r.random() < datagrams:
            sent.append(frames.udp(b"x" * (20 + flow), sport=2000 + flow, dport=ANY))
        else:
            push = frames.PSH if r.random() < 0.1 else 0
            sent.append(segment(flow, nth[flow], size=100, flags=frames.ACK | push))
            nth[flow] += 1
    return sent


@pytest.mark.parametrize("seed", range(20))
def test_any_frames_with_any_knobs(linux, seed):
    r = random.Random(seed)
    knobs, datagrams = {"gro_normal_batch": r.choice([1, 2, 5, 8, 30])}, r.choice([0, 0.3, 1])
    steered = r.choice(["not", "own", "others"])
    if steered == "not":
        knobs["netdev_budget"] = r.choice([1, 50, 70, 300])
    elif steered == "own":
        knobs |= OWN | {"netdev_max_backlog": r.choice([0, 7, 40, 1000]), "dev_weight": r.choice([5, 64])}
        knobs["flow_limit_cpus"] = r.choice("01")
    else:
        knobs["rps_cpus"] = r.choice(["2", "6", "d", "f"])
        datagrams = 1  # what one CPU frees and another one takes anew has no number any more
    n = r.randrange(1, 60 if steered == "others" else 200)  # one poll, so that each CPU is called once
    same(linux, knobs, Frames(any_frames(r, n, datagrams)))
