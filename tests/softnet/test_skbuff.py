"""Buffers come home, and packets in pieces read like whole ones."""

from itertools import pairwise

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnic._core import ffi, lib

SIZE = 32


class Pool:
    """A pool of CPU 0's; CPUs 1 and 2, and Python (None), have its buffers too."""

    def __init__(self, *, live=True, buf_len=64):
        self.memory = ffi.new("uint8_t[]", SIZE * buf_len)
        self.cpus = [ffi.new("struct softnet_data *", {"cpu": i}) for i in range(3)]
        self.c = ffi.new("struct rx_pool *")
        assert lib.rx_pool_init(self.c, self.memory, 0, SIZE, buf_len, buf_len) == 0
        self.c.owner = self.cpus[0]
        self.cpus[0].live = live

    def skb(self):
        """A buffer and what describes it; None: the pool is empty."""
        i = lib.rx_pool_get(self.c)
        if i < 0:
            return None
        skb = ffi.addressof(self.c.skbs, i)
        ffi.memmove(skb, ffi.new("struct sk_buff *"), ffi.sizeof("struct sk_buff"))
        skb.id, skb.pool, skb.segs = i, self.c, 1
        return skb

    def packet(self, pieces):
        """An skb whose data are these pieces, one to a buffer."""
        head = tail = None
        for data in pieces:
            skb = self.skb()
            skb.data = ffi.addressof(self.memory, skb.id * self.c.stride)
            ffi.memmove(skb.data, data, len(data))
            skb.head_len = len(data)
            if head is None:
                head, head.len = skb, 0
            elif tail is None:
                head.frag_list = skb
            else:
                tail.next = skb
            tail = None if skb == head else skb
            head.len += len(data)
        return head

    def free(self, cpu, skb):
        lib.kfree_skb_list(ffi.NULL if cpu is None else self.cpus[cpu], skb)

    def flush(self):
        for cpu in self.cpus:
            lib.skb_flush_returns(cpu)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        lib.rx_pool_exit(self.c)


def read(skb, off=0, n=1 << 16):
    to = ffi.new("uint8_t[]", n)
    return ffi.buffer(to, lib.skb_copy_bits(skb, off, to, n))[:]


# ---- the second law ----

STEP = st.one_of(
    st.tuples(st.just("get"), st.integers(1, 4)),
    st.tuples(st.just("free"), st.integers(0, SIZE)),
    st.tuples(st.just("flush"), st.integers(0, 2)),
)


@given(
    live=st.booleans(),
    steps=st.lists(st.tuples(STEP, st.sampled_from([0, 1, 2, None])), max_size=120),
)
def test_every_buffer_has_one_holder_and_comes_home(live, steps):
    """Packets of one to four buffers are taken by the owner and freed by anybody, in any order."""
    with Pool(live=live) as pool:
        held = []
        for (what, n), cpu in steps:
            if what == "get" and sum(len(ids) for _, ids in held) + n <= SIZE:
                skbs = [s for _ in range(n) if (s := pool.skb()) is not None]
                for a, b in pairwise(skbs[1:]):
                    a.next = b
                if len(skbs) > 1:
                    skbs[0].frag_list = skbs[1]
                if skbs:
                    held.append((skbs[0], [s.id for s in skbs]))
            elif what == "free" and held:
                skb, _ = held.pop(n % len(held))
                pool.free(cpu, skb)
            elif what == "flush":
                lib.skb_flush_returns(pool.cpus[n])
            ids = [i for _, some in held for i in some]
            assert len(ids) == len(set(ids))
        for skb, _ in held:
            pool.free(0, skb)
        pool.flush()
        assert lib.rx_pool_free_count(pool.c) == SIZE
        assert sorted(lib.rx_pool_get(pool.c) for _ in range(SIZE)) == list(range(SIZE))
        assert lib.rx_pool_get(pool.c) == -105


def test_what_another_cpu_frees_is_on_its_way_until_it_flushes():
    with Pool() as pool:
        skb = pool.skb()
        pool.free(1, skb)
        assert lib.rx_pool_free_count(pool.c) == SIZE - 1
        lib.skb_flush_returns(pool.cpus[1])
        assert lib.rx_pool_free_count(pool.c) == SIZE


def test_what_was_freed_last_is_taken_first():
    with Pool() as pool:
        a, b = pool.skb(), pool.skb()
        pool.free(0, b)
        pool.free(0, a)
        assert [pool.skb().id, pool.skb().id] == [a.id, b.id]


@pytest.mark.parametrize("cpu", [0, 1, None])
def test_a_buffer_that_comes_home_wakes_the_driver_of_a_dry_ring(cpu):
    with Pool() as pool:
        pool.c.queue = 3
        skbs = [pool.skb() for _ in range(2)]
        pool.free(cpu, skbs[0])
        pool.flush()
        assert pool.cpus[0].irq_pending == 0
        pool.c.starved = 1
        pool.free(cpu, skbs[1])
        pool.flush()
        assert (pool.cpus[0].irq_pending, pool.c.starved) == (1 << 3, 0)


def test_what_belongs_to_others_goes_home_in_bursts(host):
    """With the next one behind a burst of them; one of another pool makes them go too."""
    h = host(cpus=3, queues=3)
    cpu, (a, b) = h.machine.c.cpu[0], (ffi.addressof(h.machine.c.dq[i].pool) for i in (1, 2))
    h.machine.c.cpu[1].live = h.machine.c.cpu[2].live = 1
    before = lib.rx_pool_free_count(a)
    skbs = [ffi.addressof(a.skbs, lib.rx_pool_get(a)) for _ in range(300)]
    for i, skb in enumerate(skbs):
        lib.kfree_skb_list(cpu, skb)
        assert lib.rx_pool_free_count(a) == before - 300 + i // lib.BURST * lib.BURST
    other = lib.rx_pool_free_count(b)
    lib.kfree_skb_list(cpu, ffi.addressof(b.skbs, lib.rx_pool_get(b)))
    assert (lib.rx_pool_free_count(a), lib.rx_pool_free_count(b)) == (before, other - 1)
    lib.skb_flush_returns(cpu)
    assert lib.rx_pool_free_count(b) == other
    h.machine.c.cpu[1].live = h.machine.c.cpu[2].live = 0


def in_a_softirq(h, cpu):
    lib.raise_hardirq(cpu, 0, h.now_ns)
    lib.do_hardirqs(cpu)
    assert cpu.softirqs == 1


def in_a_task(h, cpu):
    lib.dev_set_threaded(h.machine.c, 0, lib.NAPI_THREADED_ENABLED)
    lib.raise_hardirq(cpu, 0, h.now_ns)
    lib.do_hardirqs(cpu)
    lib.napi_threaded_poll(ffi.addressof(h.machine.c.dq[0].napi))


def as_a_reader(h, cpu):
    h.machine.c.busy_read = 100
    cpu.busy.queue, cpu.last_task = 1, lib.TASK_READER
    assert lib.busy_poll_begin(cpu) == 1
    assert lib.napi_busy_loop(cpu) == 1
    assert cpu.busy.owned


def as_a_reader_that_stops(h, cpu):
    cpu.busy.napi = napi = ffi.addressof(h.machine.c.dq[0].napi)
    napi.state |= lib.NAPI_STATE_SCHED
    cpu.busy.owned = 1
    assert lib.napi_busy_loop(cpu) == 0  # its time is over
    assert not cpu.busy.owned


THROUGH = {
    "idle": lambda _h, cpu: lib.cpu_run(cpu),
    "in a softirq": in_a_softirq,
    "in a task": in_a_task,
    "as a reader": as_a_reader,
    "as a reader that stops": as_a_reader_that_stops,
    "when the machine stops": lambda h, _cpu: lib.machine_settle(h.machine.c),
    "when the host stops": lambda h, _cpu: lib.live_stop(h.machine.c),
}


@pytest.mark.parametrize("way", THROUGH)
def test_a_cpu_that_is_through_gives_back_what_it_has_of_others(host, way):
    """Not only when it has a burst of them: their ring may be dry. Live: in virtual time they are home at once."""
    h = host(cpus=2, queues=2)
    cpu, owner, pool = h.machine.c.cpu[0], h.machine.c.cpu[1], ffi.addressof(h.machine.c.dq[1].pool)
    free = lib.rx_pool_free_count(pool)
    skb = ffi.addressof(pool.skbs, lib.rx_pool_get(pool))
    owner.live = 1
    lib.kfree_skb_list(cpu, skb)
    owner.live = 0
    assert (cpu.give_back, lib.rx_pool_free_count(pool)) == (skb, free - 1)
    THROUGH[way](h, cpu)
    assert (cpu.give_back, lib.rx_pool_free_count(pool)) == (ffi.NULL, free)


# ---- packets in pieces ----

PIECES = st.lists(st.binary(max_size=20), min_size=1, max_size=8)


@given(pieces=PIECES, off=st.integers(0, 170), n=st.integers(1, 170))
def test_pieces_read_like_a_whole(pieces, off, n):
    whole = b"".join(pieces)
    with Pool() as pool:
        skb = pool.packet(pieces)
        assert read(skb, off, n) == whole[off : off + n]
        copy = ffi.new("uint8_t[]", 170)
        p = lib.skb_header_pointer(skb, off, n, copy)
        if off + n > len(whole):
            assert p == ffi.NULL
        else:
            assert ffi.buffer(p, n)[:] == whole[off : off + n]


@given(pieces=PIECES, cut=st.tuples(st.integers(0, 160), st.integers(0, 160)))
def test_the_checksum_does_not_see_the_seams(pieces, cut):
    whole = b"".join(pieces)
    a, b = (min(c, len(whole)) for c in sorted(cut))
    with Pool() as pool:
        skb = pool.packet(pieces)
        got = lib.csum_fold(lib.skb_checksum(skb, a, b - a, 0))
        want = frames.csum(whole[a:b])
    assert {got.to_bytes(2, "little"), b"\0\0"} >= {want.to_bytes(2, "big")}
    assert got or not want


@given(pieces=PIECES, n=st.integers(0, 170))
def test_trimming_frees_the_pieces_behind(pieces, n):
    whole = b"".join(pieces)
    with Pool() as pool:
        skb = pool.packet(pieces)
        rc = lib.skb_trim(pool.cpus[0], skb, n)
        assert (rc, skb.len) == ((0, n) if n <= len(whole) else (-22, len(whole)))
        assert read(skb) == whole[: skb.len]
        if n == 0:
            assert lib.rx_pool_free_count(pool.c) == SIZE - 1
        pool.free(0, skb)
        assert lib.rx_pool_free_count(pool.c) == SIZE


@given(pieces=PIECES, eaten=st.lists(st.integers(0, 40), max_size=5))
def test_advancing_eats_from_the_front(pieces, eaten):
    whole = b"".join(pieces)
    with Pool() as pool:
        skb = pool.packet(pieces)
        for want in eaten:
            n = min(want, skb.len)
            lib.skb_advance(skb, n)
            whole = whole[n:]
            assert (skb.len, read(skb)) == (len(whole), whole)
