"""The fragments that are there of one datagram, as runs."""

import fragments
from fragments import PORT, TEXT, cut, datagram, drain, feed
from hypothesis import given
from hypothesis import strategies as st
from model.inet_fragment import Fragment, Reassembler

import vnic


@given(st.permutations(range(7)))
def test_fragments_in_any_order_are_one_datagram(order):
    parts = cut(4, datagram(4, TEXT), range(32, 208, 32))
    with vnic.Host(cost="zero", link="inf") as host:
        sock = host.udp(PORT)
        feed(host, *(parts[i] for i in order))
        assert drain(sock) == [TEXT]
        assert host.ledger().fates == {"DELIVERED_UDP": 7}
        assert host.laws() == 0


def test_the_model_knows_an_overlap_from_a_duplicate():
    """Two runs that touch are two: what is inside both together overlaps, as in Linux."""
    model = Reassembler(4)
    parts = cut(4, bytes(64), range(8, 64, 8))
    for f in (parts[7], parts[1], parts[0]):
        model.fragment(f)
    model.fragment(fragments.replace(parts[0], data=bytes(16)))
    assert model.fates == {"FRAG_OVERLAP": 4}
    assert isinstance(parts[0], Fragment)
