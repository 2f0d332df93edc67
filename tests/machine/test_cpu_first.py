"""Which CPU acts next, of any number: by its instant, on a tie by its number."""

from hypothesis import given
from hypothesis import strategies as st

from vnic._core import ffi, lib

NEVER = 2**64 - 1
CPUS = [1, 2, 15, 16, 17, 33, 512]
GROUP = lib.CPU_GROUP


def plain(instants):
    """When the first acts, before which instant no other does, and who it is."""
    at, cpu = min((at, cpu) for cpu, at in enumerate(instants))
    others = [x + (n > cpu) for n, x in enumerate(instants) if n != cpu and x != NEVER]
    return at, min(others, default=NEVER), cpu


def asked(c):
    first = lib.cpu_first(c)
    return first.at, first.then, first.cpu


moves = st.lists(st.tuples(st.integers(0, 511), st.sampled_from([0, 1, 2, 3, 1000, NEVER - 1, NEVER])), max_size=40)


@given(st.sampled_from(CPUS), st.lists(moves, min_size=1, max_size=6))
def test_it_is_the_plain_models_however_the_instants_move(cpus, rounds):
    c = ffi.gc(lib.host_new(cpus), lib.host_free)
    instants = [NEVER] * cpus
    for turn in rounds:
        for cpu, at in turn:
            instants[cpu % cpus] = c.next[cpu % cpus] = at
            c.next_stale |= 1 << cpu % cpus // GROUP
        got = asked(c)
        want = plain(instants)
        assert got == want or (got[0] == want[0] == NEVER)


def test_cpus_that_did_not_move_are_not_looked_through():
    c = ffi.gc(lib.host_new(512), lib.host_free)
    assert asked(c)[0] == NEVER
    c.next[100] = 5  # and its group is not said to be stale
    assert asked(c)[0] == NEVER
    c.next_stale |= 1 << 100 // GROUP
    assert asked(c) == (5, NEVER, 100)
