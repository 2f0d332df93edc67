"""Which socket belongs to a 4-tuple: the table against a dict, made so small that flows collide and shift."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import vnic
from vnic._core import ffi, lib
from vnic.address import inet_addr

LOCAL = inet_addr("10.0.0.2")


def is_found(host, key):
    addr, port = key
    return lib.sock_lookup_flow(ffi.addressof(host.machine.c.socks), lib.SOCK_UDP, LOCAL, 5000, inet_addr(addr), port)


class FlowTable(RuleBasedStateMachine):
    """16 sockets in a table made smaller, so that flows collide and shift."""

    keys = st.tuples(st.sampled_from(("10.0.0.1", "10.0.0.3", "fd00::1")), st.integers(1, 12))

    def __init__(self):
        super().__init__()
        self.host = vnic.Host(cost="zero", link="inf", sockets=16)
        self.host.machine.c.socks.flow_mask = 31
        self.model = {}

    @rule(key=keys)
    @precondition(lambda self: len(self.model) < 16)
    def insert(self, key):
        if key not in self.model:
            sock = self.host.udp(5000, "10.0.0.2", reuse_port=True)
            assert lib.sock_connect(self.host.machine.c, sock._c, inet_addr(key[0]), key[1]) == 0
            self.model[key] = sock

    @rule(data=st.data())
    @precondition(lambda self: self.model)
    def remove(self, data):
        self.model.pop(data.draw(st.sampled_from(sorted(self.model)))).close()

    @rule(key=keys)
    def look_up(self, key):
        expected = self.model[key]._c if key in self.model else ffi.NULL
        assert is_found(self.host, key) == expected

    @invariant()
    def all_are_found(self):
        assert self.host.machine.c.socks.flows == len(self.model)
        assert all(is_found(self.host, key) == sock._c for key, sock in self.model.items())

    def teardown(self):
        self.host.close()


TestFlowTable = FlowTable.TestCase


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lport", 1),
        ("rport", 1),
        ("type", lib.SOCK_TCP),
        ("laddr", inet_addr("10.0.0.9")[0]),
        ("raddr", inet_addr("10.0.0.9")[0]),
    ],
)
def test_a_flow_with_the_same_hash_is_another_if_anything_differs(host, field, value):
    """Here it is the socket that changes: the table has the hash of what it was."""
    h = host()
    sk = h.udp(5000, "10.0.0.2")._c
    assert lib.sock_connect(h.machine.c, sk, inet_addr("10.0.0.1"), 7) == 0
    assert is_found(h, ("10.0.0.1", 7)) == sk
    was = getattr(sk, field)
    kept = was if isinstance(was, int) else ffi.new("struct inet_addr *", was)[0]
    setattr(sk, field, value)
    assert is_found(h, ("10.0.0.1", 7)) == ffi.NULL
    setattr(sk, field, kept)
    assert is_found(h, ("10.0.0.1", 7)) == sk
