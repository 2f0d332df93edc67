"""ra_routes.c: routers that advertise themselves, and which one is taken."""

import frames
import peer
import pytest
from test_autoconf import SECOND, addresses, feed, listener
from twin_cases.neighbours import OTHER, THIRD, lladdr
from twin_cases.routers import FOREVER, pio, ra


def test_what_is_behind_a_router_is_reached_as_long_as_it_serves():
    with listener() as host:
        sock = host.udp(7)
        feed(host, ra(lladdr(1, OTHER), life=100), at_s=1)
        sock.sendto(b"x", ("2001:db8::1", 9))
        host.run(until_ns=2 * SECOND)
        assert [s.dst for s in peer.sent(host) if s.proto == 17] == [OTHER]
        feed(host, frames.eth(b"", type=0x9000), at_s=102)
        with pytest.raises(OSError, match="unreachable"):
            sock.sendto(b"x", ("2001:db8::1", 9))


def test_a_router_that_does_not_answer_is_replaced():
    """It is the more preferred one, but fails; when it answers again it serves again."""
    with listener() as host:
        sock = host.udp(7)
        feed(host, ra(lladdr(1, OTHER), src="fe80::7", flags=8), ra(lladdr(1, THIRD), src="fe80::8"), at_s=1)

        def way():
            sock.sendto(b"x", ("2001:db8::1", 9))
            host.run(until_ns=host.now_ns + 1000)
            return [s.dst for s in peer.sent(host) if s.proto == 17]

        assert way() == [OTHER]
        host.run(until_ns=20 * SECOND)
        peer.sent(host)
        assert way() == [THIRD]
        feed(host, ra(lladdr(1, OTHER), src="fe80::7", flags=8), at_s=21)
        assert way() == [OTHER]


def test_what_strangers_can_fill_is_bounded():
    with listener() as host:
        for i in range(3000):
            options = [pio(f"fd01:{i:x}:{j:x}::", valid=FOREVER, preferred=FOREVER) for j in range(20)]
            host.feed([ra(*options, src=f"fe80::1:{i:x}", life=9000)], at_ns=i * SECOND // 100)
        host.run(until_ns=31 * SECOND)
        c = host.machine.c
        assert sum(":" in a for a in addresses(host)) == 16
        assert (c.addrconf.nrouters, sum(p.in_use for p in c.addrconf.prefix)) == (16, 32)
        assert c.neigh.entries <= 1024


@pytest.mark.parametrize("plen, inside, outside", [
    (64, "fd01:0:0:1::5", "fd01::5"),
    (63, "fd01:0:0:3::5", "fd01:0:0:1::5"),
    (65, "fd01:0:0:1:8000::5", "fd01:0:0:1::5"),
    (127, "fd01::9", "fd01::a"),
    (128, "fd01::9", "fd01::8"),
])  # fmt: skip
def test_a_prefix_that_is_on_the_link_is_that_to_its_last_bit(plen, inside, outside):
    """Who is in it is asked for; all others are reached by the router."""
    with listener() as host:
        sock = host.udp(7)
        feed(host, ra(lladdr(1, OTHER), pio(inside, plen=plen, flags=0x80), life=100), at_s=1)
        for to, by in ((inside, []), (outside, [OTHER])):
            sock.sendto(b"x", (to, 9))
            host.run(until_ns=host.now_ns + 1000)
            assert [s.dst for s in peer.sent(host) if s.proto == 17] == by, to
