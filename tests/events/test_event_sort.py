"""Records in the order of time are Python's stable sort of them."""

from hypothesis import given
from hypothesis import strategies as st

from vnic._core import ffi, lib

times = st.lists(st.one_of(st.integers(0, 50), st.integers(0, 1 << 20), st.integers(0, (1 << 62) - 1)), max_size=200)


@given(times)
def test_the_order_is_pythons(ns):
    n = len(ns)
    given_, to = ffi.new("struct event_record[]", n + 1), ffi.new("struct event_record[]", n + 1)
    for i, t in enumerate(ns):
        given_[i].t_ns, given_[i].arg = t, i
    to[n].arg = 77
    assert lib.events_sort(given_, n, to) == 0
    assert [(to[i].t_ns, to[i].arg) for i in range(n)] == sorted(zip(ns, range(n), strict=True), key=lambda p: p[0])
    assert to[n].arg == 77
