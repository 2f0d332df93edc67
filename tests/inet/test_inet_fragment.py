"""What reassembly of both families shares: limits, time, which CPU looks after what, and that nothing is left over."""

import contextlib
import time
from collections import Counter
from random import Random

import fragments
import peer
import pytest
from fragments import PORT, check, cut, datagram, drain, frame
from hypothesis import example, given
from hypothesis import strategies as st
from model.inet_fragment import QUEUE_SIZE, Reassembler
from model.sock import frame_truesize

import vnic
from vnic._core import lib

TEXT = bytes(range(200))
S = 1_000_000_000
NEVER = 2**64 - 1
FAMILIES = pytest.mark.parametrize("family", [4, 6])
TIME = {4: 30 * S, 6: 60 * S}
THRESH = {4: "ipfrag_high_thresh", 6: "ip6frag_high_thresh"}


def table(host, family):
    return host.machine.c.ip6_frags if family == 6 else host.machine.c.ip_frags


def mib(host, family):
    prefix = "Ip6_Reasm" if family == 6 else "Ip_Reasm"
    return {n.removeprefix(prefix): v for n, v in host.mib().items() if n.startswith(prefix) and v}


def firsts(family, ids):
    """A fragment of each of many datagrams, and what is missing of each."""
    pairs = [cut(family, datagram(family, TEXT), (64,), id=i) for i in ids]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def feed(host, parts, at_ns=None):
    host.feed([frame(f) for f in parts], at_ns=host.now_ns if at_ns is None else at_ns)
    host.run(until_ns=host.now_ns + 1000 if at_ns is None else at_ns + 1000)


# ---- time ----


@FAMILIES
def test_a_datagram_has_30_or_60_seconds_from_its_first_fragment_on(host, family):
    for late in (0, 1):
        h = host()
        sock = h.udp(PORT)
        one, two, three = cut(family, datagram(family, TEXT), (64, 128))
        feed(h, [one], at_ns=5000)
        feed(h, [two], at_ns=20 * S)
        h.run(until_ns=5000 + TIME[family] - 1)
        assert h.ledger().in_flight_at["frag"] == 2
        if late:
            h.run(until_ns=5000 + TIME[family])
            assert h.ledger().fates == {"FRAG_REASM_TIMEOUT": 2}
            assert mib(h, family) == {"Timeout": 1, "Reqds": 2, "Fails": 1}
        feed(h, [three])
        assert drain(sock) == [[TEXT], []][late]


def test_a_datagram_that_begins_anew_has_all_of_the_time_again(host):
    h = host(ipfrag_max_dist=1)
    (one, other), (two, _) = firsts(4, [1, 2])
    feed(h, [one], at_ns=1000)
    feed(h, [other, other, two], at_ns=10 * S)
    assert h.ledger().fates == {"DUP_FRAG": 1, "FRAG_TOO_FAR": 1}
    h.run(until_ns=40 * S - 1)
    assert fragments.queues(h) == 2
    h.run(until_ns=40 * S)
    assert fragments.queues(h) == 0


@FAMILIES
@pytest.mark.parametrize("cpus", [1, 2])
def test_who_stops_waits_for_no_fragment_any_more(host, family, cpus):
    h = host(cpus=cpus)
    feed(h, firsts(family, range(5))[0])
    before, cpu = h.now_ns, h.machine.c.cpu[0]
    assert before < cpu.timer_ns[lib.TIMER_IPFRAG] == cpu.timer_next <= before + TIME[family]
    lib.inet_frags_flush(h.machine.c)
    assert (cpu.timer_ns[lib.TIMER_IPFRAG], cpu.timer_next) == (2**64 - 1,) * 2
    h.run()
    assert h.now_ns == before
    assert h.ledger().fates == {"FRAG_REASM_TIMEOUT": 5}


@FAMILIES
def test_without_a_last_look_a_run_waits_until_time_is_out(host, family):
    h = host()
    (one,), (two,) = firsts(family, [1])
    h.feed(frame(one), at_ns=7)
    h.run()
    assert h.now_ns == 7 + TIME[family]
    assert h.ledger().fates == {"FRAG_REASM_TIMEOUT": 1}
    assert h.laws() == 0
    h.feed(frame(two))
    h.finish()
    assert h.ledger().fates == {"FRAG_REASM_TIMEOUT": 2}


@FAMILIES
def test_no_timer_is_left_of_what_became_whole(host, family):
    h = host(cpus=4, rps_cpus="f")
    h.udp(PORT)
    for i in range(8):
        src = f"10.0.1.{i}" if family == 4 else f"fd00::1:{i}"
        feed(h, cut(family, datagram(family, TEXT, src=src), (64, 128), src=src))
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 24}
    assert h.now_ns < S


@FAMILIES
@pytest.mark.parametrize("missing", [0, 2])
def test_the_sender_hears_of_it_if_the_first_fragment_came(host, family, missing):
    """Time exceeded, code 1. It quotes the first fragment as it came, and nothing of those behind it."""
    h = host(ip=["10.0.0.2/24", "fd00::2/64"])
    parts = cut(family, datagram(family, TEXT), (64, 128))
    del parts[missing]
    h.feed([frame(f) for f in parts])
    asks = [peer.arp(1, "10.0.0.1", "10.0.0.2"), peer.nd(135, "fd00::2", src="fd00::1", dst="fd00::2")]
    h.feed(asks, at_ns=TIME[family] - S)  # so that it is known where the sender is
    h.run(until_ns=TIME[family] + S)
    errors = [s.payload for s in peer.sent(h) if s.proto in (1, 58) and s.payload[0] in (3, 11)]
    if missing == 0:
        assert errors == []
    else:
        (error,) = errors
        assert error[:2] == bytes([3 if family == 6 else 11, 1])
        assert error[4:] == bytes(4) + frame(parts[0])[14:]
    assert h.mib()["Icmp6_OutTimeExcds" if family == 6 else "Icmp_OutTimeExcds"] == len(errors)


@pytest.mark.parametrize("seconds", [0, 1, 5])
def test_the_time_can_be_set(host, seconds):
    h = host(ipfrag_time=seconds, **{"net.ipv6.ip6frag_time": 2})
    h.feed([frame(f) for f in firsts(4, range(3))[0]], at_ns=100)
    h.run()
    assert h.now_ns == 100 + seconds * S
    h.feed([frame(f) for f in firsts(6, range(3))[0]], at_ns=10 * S)
    h.run()
    assert h.now_ns == 12 * S


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5), st.sampled_from("abc")), min_size=1, max_size=40),
    st.sampled_from((4, 6)),
)
@example([(0, 0, "a"), (5, 1, "b"), (1, 0, "c"), (12, 1, "a"), (12, 0, "b")], 4)
def test_any_order_of_arrivals_in_time_ends_as_in_the_model(arrivals, family):
    """(seconds since the one before, datagram, which part)."""
    model = Reassembler(family, max_dist=3)
    with vnic.Host(cost="zero", link="inf", cpus=3, rps_cpus="7", ipfrag_max_dist=3) as host:
        sock = host.udp(PORT)
        now, want, fates = 0, [], Counter()
        for gap, number, part in arrivals:
            now += gap * S + 1000
            f = cut(family, datagram(family, TEXT), (64, 128), id=number)["abc".index(part)]
            whole = model.fragment(f, now / S)
            if whole:
                want.append(TEXT)
                fates["DELIVERED_UDP"] += whole.frames
            feed(host, [f], at_ns=now)
            assert host.ledger().in_flight_at["frag"] == model.waiting
            assert host.laws() == 0
        model.tick(1e9)
        host.finish()
        assert drain(sock) == want
        assert host.ledger().fates == {k: n for k, n in (fates + model.fates).items() if n}


# ---- memory ----


@FAMILIES
def test_no_fragment_is_taken_while_more_than_the_limit_waits(host, family):
    """Neither of a new datagram nor of one that waits; the one that goes over the limit is taken still."""
    one = frame_truesize(len(frame(firsts(family, [0])[0][0]))) + QUEUE_SIZE[family]
    for limit, taken in ((3 * one - 1, 3), (3 * one, 4)):
        h = host(**{THRESH[family]: limit})
        sock = h.udp(PORT)
        first, second = firsts(family, range(5))
        feed(h, [*first, second[0]])
        assert h.ledger().in_flight_at["frag"] == taken
        assert table(h, family).mem == taken * one
        assert h.ledger().fates == {"FRAG_HIGH_THRESH": 6 - taken}
        assert mib(h, family) == {"Reqds": 6, "Fails": 6 - taken}
        h.run()
        assert drain(sock) == []
        assert table(h, family).mem == 0
        feed(h, [first[0], second[0]])
        assert drain(sock) == [TEXT]


@FAMILIES
def test_a_limit_of_0_lets_none_in(host, family):
    h = host(**{THRESH[family]: 0})
    feed(h, firsts(family, [1])[0])
    assert h.ledger().fates == {"FRAG_HIGH_THRESH": 1}


def test_the_families_have_limits_of_their_own(host):
    h = host(ipfrag_high_thresh=0)
    sock = h.udp(PORT)
    feed(h, [f for parts in firsts(6, [1]) for f in parts])
    assert drain(sock) == [TEXT]


@FAMILIES
def test_datagrams_without_a_fragment_count_and_are_bounded_too(host, family):
    """IPv6: a fragment of a length that cannot be leaves a queue with nothing in it, as in Linux 6.18."""
    size = QUEUE_SIZE[family]
    h = host(**{THRESH[family]: 10 * size})
    first, _ = firsts(family, range(20))
    feed(h, [fragments.replace(f, offset=64, data=bytes(9) if family == 6 else b"") for f in first])
    assert table(h, family).mem == (11 * size if family == 6 else 0)
    assert fragments.queues(h, family) == (11 if family == 6 else 0)
    h.run()
    assert table(h, family).mem == 0
    assert mib(h, family).get("Timeout", 0) == (11 if family == 6 else 0)
    feed(h, first)
    one = frame_truesize(len(frame(first[0]))) + size
    assert h.ledger().in_flight_at["frag"] == 10 * size // one + 1


@given(st.integers(0, 2**32), st.sampled_from((4, 6)), st.integers(1, 60))
def test_a_low_limit_ends_as_in_the_model(seed, family, fragments_of_room):
    limit = fragments_of_room * frame_truesize(60)
    batch = fragments.batch(Random(seed), family, 10)
    check(Reassembler(family, high_thresh=limit), batch, rx_ring=4096, **{THRESH[family]: limit})


@pytest.mark.parametrize("different", ["id", "src", "dst"])
@FAMILIES
def test_as_many_datagrams_as_there_is_room_for_do_not_get_mixed_up(host, family, different):
    """Enough for many to share a bucket of the table; as for senders."""
    h = host(fifo=1 << 24, rcvbuf=1 << 28, rx_ring=4096, ipfrag_max_dist=1 if different == "src" else 0)
    sock = h.udp(PORT)
    base = "10.1.{}.{}" if family == 4 else "fd00::{}:{}"
    datagrams = []
    for i in range(1400):
        at = {"id": i} if different == "id" else {different: base.format(i // 250, i % 250 + 1)}
        payload = i.to_bytes(2, "big") * 50
        data = datagram(family, payload, check=0 if family == 4 else None, **{k: v for k, v in at.items() if k != "id"})
        datagrams.append((payload, [fragments.replace(f, **at) for f in cut(family, data, (64,))]))
    feed(h, [parts[0] for _, parts in datagrams])
    assert fragments.queues(h, family) == 1400
    feed(h, [parts[1] for _, parts in datagrams])
    assert drain(sock) == [payload for payload, _ in datagrams]


# ---- the order in which they come ----


@pytest.mark.slow
@given(st.integers(0, 2**32))
def test_thousands_of_tiny_fragments_in_an_order_somebody_chose(seed):
    """Each is a run of its own for long; and the second half is joined to nothing either."""
    r = Random(seed)
    data = datagram(4, fragments.DATA[:4000])
    parts = cut(4, data, range(8, len(data), 8))
    orders = (list, lambda p: p[::-1], lambda p: p[::2] + p[1::2], lambda p: r.sample(p, len(p)))
    parts = r.choice(orders)(parts)
    check(Reassembler(4, max_dist=0), parts, ipfrag_max_dist=0, rx_pool=4096, rx_ring=4096)


# ---- several CPUs, and the end ----


def test_a_datagram_whose_fragments_come_to_two_cpus(host):
    """Round robin over two queues: who made the queue has the timer; who brings the last delivers."""
    for complete in (False, True):
        h = host(queues=2, cpus=2, rx_usecs=0)
        sock = h.udp(PORT)
        one, two, three = cut(4, datagram(4, TEXT), (64, 128))
        for cpu, f in ((0, one), (1, two), (0, three) if complete else (1, two)):
            for i in range(lib.RSS_INDIR_SIZE):
                h.machine.c.nic.rss.indir[i] = cpu
            feed(h, [f])
        if complete:
            assert drain(sock) == [TEXT]
            assert h.machine.c.cpu[0].timer_next == h.machine.c.cpu[1].timer_next == 2**64 - 1
        else:
            h.run()
            assert h.machine.c.cpu[0].fates[lib.FRAG_REASM_TIMEOUT] == 2
            assert h.machine.c.cpu[1].fates[lib.FRAG_REASM_TIMEOUT] == 0
            assert h.machine.c.cpu[1].fates[lib.DUP_FRAG] == 1
        assert h.laws() == 0


def test_buffers_that_wait_are_missing_in_the_pool_and_come_home(host):
    h = host(rx_ring=16, rx_pool=64)
    feed(h, firsts(4, range(100))[0])
    assert h.ledger().in_flight_at["frag"] == 64
    assert h.laws() == 0
    h.finish()
    assert h.ledger().fates == {"FRAG_REASM_TIMEOUT": 100}
    assert h.laws() == 0


@FAMILIES
def test_the_split_has_the_time_a_fragment_waited(host, family):
    h = host(latency=True, sink=True)
    one, two, three = cut(family, datagram(family, TEXT), (64, 128))
    for t, f in ((1000, one), (5000, three), (9000, two)):
        h.feed(frame(f), at_ns=t)
    h.run()
    waited = h.latencies()["reorder"]
    assert (waited.count, waited.min, waited.mean, waited.max) == (3, 0, 4000, 8000)
    assert h.latencies()["total"].count == 3


class Frames:
    """A wire for a live host, silent when all are sent."""

    def __init__(self, frames):
        self.frames = frames

    def read_burst(self, max_frames):
        burst, self.frames = self.frames[:max_frames], self.frames[max_frames:]
        if not burst:
            time.sleep(0.002)
        return burst


@contextlib.contextmanager
def live(parts, waiting, **config):
    """A host on threads, when all fragments arrived and so many of them wait; stopped, and both laws checked."""
    wire = vnic.PythonWire(Frames([frame(f) for f in parts]))
    with vnic.Host(
        wire=wire, live=True, **({"cpus": 2, "queues": 2, "fifo": 1 << 24, "rcvbuf": 1 << 28} | config)
    ) as host:
        sock = host.udp(PORT)
        host.start()
        deadline = time.monotonic() + 20
        while host.ledger().offered < len(parts) or host.ledger().in_flight != waiting:
            assert time.monotonic() < deadline, host.ledger()
            time.sleep(0.002)
        host.stop()
        yield host, sock
        assert host.ledger().in_flight == host.laws() == 0


def test_live_what_waits_at_the_end_is_given_up():
    parts = [f for i in range(40) for f in cut(4, datagram(4, TEXT), (64,), id=i)]
    with live(parts[:-1], 1) as (host, sock):
        assert drain(sock) == [TEXT] * 39
        assert host.ledger().fates == {"DELIVERED_UDP": 78, "FRAG_REASM_TIMEOUT": 1}
        assert host.mib()["Ip_ReasmTimeout"] == 0
        assert host.now_ns < host.machine.began_ns + 30 * S


@FAMILIES
def test_a_host_made_by_plain_c_has_linuxs_limits_too(family):
    """Those of net/ipv4/ip_fragment.c and net/ipv6/reassembly.c."""
    c = lib.host_new(1)
    try:
        f = c.ip6_frags if family == 6 else c.ip_frags
        assert (f.high_thresh, f.timeout_ns, f.max_dist) == (4 << 20, TIME[family], 0 if family == 6 else 64)
    finally:
        lib.host_free(c)


@FAMILIES
def test_live_a_timer_that_ends_one_datagram_is_set_for_the_next(host, family):
    """No fragment comes any more, so nothing else would look at it."""
    h = host()
    cpu, at = h.machine.c.cpu[0], (0, 3 * S, 7 * S)
    for i, t in enumerate(at):
        feed(h, firsts(family, [i])[0], at_ns=t)
    cpu.live = 1
    for i, t in enumerate(at):
        ends = t + TIME[family]
        assert cpu.timer_ns[lib.TIMER_IPFRAG] // S == ends // S
        cpu.now, cpu.timer_ns[lib.TIMER_IPFRAG] = ends + S, NEVER
        lib.inet_frag_expire(cpu)
        assert mib(h, family)["Timeout"] == i + 1
    assert cpu.timer_ns[lib.TIMER_IPFRAG] == NEVER
    cpu.live = 0


def test_live_time_is_real_time():
    parts = [f for family in (4, 6) for f in firsts(family, range(50))[0]]
    with live(parts, 0, ipfrag_time=0, ip6frag_time=0) as (host, _):
        assert host.ledger().fates == {"FRAG_REASM_TIMEOUT": 100}
        assert host.mib()["Ip_ReasmTimeout"] == host.mib()["Ip6_ReasmTimeout"] == 50


def test_live_many_senders_on_two_cpus_share_the_table():
    """Each datagram's fragments come by one queue, all together by both."""
    sent, parts = [], []
    for i in range(300):
        src = f"10.0.{i % 7}.{i % 251 + 1}"
        sent.append(TEXT + i.to_bytes(2, "big"))
        parts += reversed(cut(4, datagram(4, sent[-1], src=src), (64, 128), src=src, id=i))
    with live(parts, 0) as (host, sock):
        assert sorted(drain(sock)) == sorted(sent)
        assert all(host.machine.c.cpu[i].mib[lib.Ip_ReasmOKs] for i in range(2))
