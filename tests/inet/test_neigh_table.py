"""neigh_table.c: how many neighbours are remembered, and which ones go."""

import socket

import frames
import pytest
from peer import Peer, arp, host_with, nd, sent
from test_neigh import SECOND, states

import vnic


@pytest.mark.parametrize("to", ["10.0.0.9", "fd00::9"])
def test_the_tables_counters_are_those_of_arp_cache(to):
    """As /proc/net/stat/arp_cache: a packet is a look-up, a hit if there is an entry; who gives up is a failed one."""
    with host_with(Peer({})) as host:
        t = host.machine.c.neigh
        sock = host.udp(7)
        sock.sendto(b"x", (to, 9))
        assert (t.allocs, t.lookups, t.hits, t.res_failed, t.entries) == (1, 1, 0, 0, 1)
        sock.sendto(b"y", (to, 9))
        assert (t.allocs, t.lookups, t.hits, t.res_failed, t.entries) == (1, 2, 1, 0, 1)
        host.run()
        assert (t.allocs, t.res_failed, t.destroys, t.unresolved_discards) == (1, 1, 0, 0)


def asker(i):
    """A request for us, from the i-th of many neighbours."""
    return arp(1, f"10.0.{1 + i // 250}.{1 + i % 250}", "10.0.0.2", sha=b"\x02" + i.to_bytes(5, "big"))


def solicitor(i):
    return nd(135, "fd00::2", src=f"fd00::1:{i:x}", dst="fd00::2", mac=b"\x02" + i.to_bytes(5, "big"))


@pytest.mark.parametrize(("make", "free_ns"), [(asker, 11 * SECOND + 2000), (solicitor, 14 * SECOND + 2000)])
def test_a_full_table_takes_nobody_until_the_oldest_may_go(make, free_ns):
    """gc_thresh3: 1024 of a family. What changed within 5 s stays; then all above gc_thresh2 go, the oldest first.

    Who was sent an answer to its solicitation stays until it has failed to confirm it: 5 s, and three probes.
    """
    with vnic.Host(ip=["10.0.0.2/16", "fd00::2/64"], cost="zero", link="inf", speed="1", icmp_ratelimit=0) as host:
        host.run(until_ns=6 * SECOND)
        sent(host)  # its reports of groups
        for i in range(1030):
            host.feed(make(i), at_ns=6 * SECOND + i)
        host.run(until_ns=7 * SECOND)
        t = host.machine.c.neigh
        assert (t.allocs, t.destroys, t.entries, t.table_fulls) == (1024, 0, 1024, 6)
        assert sum(s.proto in (-1, 58) for s in sent(host)) == 1024  # who is not remembered is not answered
        host.feed(make(1030), at_ns=free_ns - SECOND // 2)
        host.feed(make(1030), at_ns=free_ns)
        host.run(until_ns=20 * SECOND)
        assert (t.allocs, t.destroys, t.entries, t.table_fulls) == (1025, 513, 512, 7)
        assert len(states(host)) == 512
        other = solicitor if make is asker else asker  # the other family has a table of its own
        host.feed(other(5), at_ns=20 * SECOND)
        host.run(until_ns=21 * SECOND)
        assert t.entries == 513


def test_a_full_table_that_was_searched_in_vain_knows_until_when_nobody_may_go():
    """Until 5 s after the change that is longest ago: a flood of strangers meanwhile costs no search each."""
    with vnic.Host(ip="10.0.0.2/16", cost="zero", link="inf", speed="1", icmp_ratelimit=0) as host:
        for i in range(1030):
            host.feed(asker(i), at_ns=6 * SECOND + i)
        host.run(until_ns=7 * SECOND)
        t = host.machine.c.neigh
        assert t.table_fulls == 6
        assert t.gc[0].futile == min(t.entry[i].updated for i in range(t.used)) + 5 * SECOND
        assert t.gc[1].futile == 0


def test_who_is_reachable_is_not_given_up_for_strangers():
    with vnic.Host(ip="10.0.0.2/16", cost="zero", link="inf", speed="1") as host:
        host.udp(7).sendto(b"x", ("10.0.0.1", 9))
        host.feed(arp(2, "10.0.0.1", "10.0.0.2"))
        host.run(until_ns=8 * SECOND)  # longer ago than what changed lately, and still reachable
        assert states(host) == {"10.0.0.1": "REACHABLE"}
        for i in range(1100):
            host.feed(asker(i), at_ns=8 * SECOND + i)
        host.run(until_ns=9 * SECOND)
        assert host.machine.c.neigh.table_fulls > 0
        assert states(host)["10.0.0.1"] == "REACHABLE"


def test_who_answers_stays_in_a_table_that_strangers_flood_for_a_minute():
    """An entry that is in use is never given up, and the table has a fixed size."""
    peer = Peer({"10.0.0.1": frames.PEER, "fd00::1": frames.PEER})
    with host_with(peer, ip=["10.0.0.2/8", "fd00::2/64"], link="inf", speed="1") as host:
        host.feed([arp(1, "10.0.0.1", "10.0.0.2"), nd(135, "fd00::2", src="fd00::1", dst="fd00::2")])
        for second in range(60):
            at = second * SECOND
            for i in range(100):
                n = second * 100 + i
                sha = b"\x02" + n.to_bytes(5, "big")
                host.feed(
                    arp(1, f"10.{1 + n // 62500}.{n // 250 % 250}.{1 + n % 250}", "10.0.0.2", sha=sha), at_ns=at + i
                )
                host.feed(nd(135, "fd00::2", src=f"fd00::1:{n:x}", dst="fd00::2", mac=sha), at_ns=at + i)
            host.feed([frames.icmp(), frames.icmpv6()], at_ns=at + SECOND // 2)
            host.run(until_ns=at + SECOND - 1)
            assert host.machine.c.neigh.entries <= 2048
        assert sum(s.payload[:1] == b"\0" and s.dst_ip == "10.0.0.1" for s in peer.seen if s.proto == 1) == 60
        assert sum(s.payload[:1] == b"\x81" and s.dst_ip == "fd00::1" for s in peer.seen if s.proto == 58) == 60


def test_a_table_full_of_questions_takes_no_more_and_leaves_half_of_the_buffers():
    with vnic.Host(ip="10.0.0.2/16", cost="zero") as host:
        sock = host.udp(7)
        for i in range(1024):
            sock.sendto(b"x", (f"10.0.{1 + i // 250}.{1 + i % 250}", 9))
            host.run(until_ns=host.now_ns + 1)
            host.nic.sent()
        assert {n.state for n in host.neighbours()} == {"INCOMPLETE"}
        with pytest.raises(OSError, match="No buffer space"):
            sock.sendto(b"x", ("10.0.77.77", 9))
        t = host.machine.c.neigh
        assert (t.allocs, t.destroys, t.entries, t.table_fulls) == (1024, 0, 1024, 1)
        fates = host.tx_ledger().fates
        assert fates["TX_NEIGH_CREATEFAIL"] == 1
        assert 512 <= fates["TX_NEIGH_QUEUEFULL"] < 600  # some buffers are questions on their way
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(b"x", ("10.0.255.255", 9))
        host.run()
        fates = host.tx_ledger().fates
        assert fates["TX_NEIGH_FAILED"] + fates["TX_NEIGH_QUEUEFULL"] == 1024


@pytest.mark.parametrize(
    ("n", "then_s", "destroys", "entries"),
    [(601, 12, range(81, 602), range(512, 521)), (121, 13, range(1), range(122, 123))],
    ids=["above", "below"],
)
def test_above_the_second_threshold_the_oldest_go_once_in_5_s(n, then_s, destroys, entries):
    """gc_thresh2, 512: the next neighbour finds those older than 5 s, and all above the threshold go; below, nobody."""
    with vnic.Host(ip="10.0.0.2/16", cost="zero", link="inf", speed="1") as host:
        t = host.machine.c.neigh
        for i in range(n):
            host.feed(asker(i), at_ns=6 * SECOND + i)
        host.run(until_ns=8 * SECOND)
        assert (t.destroys, t.entries) == (0, n)
        host.feed(asker(n), at_ns=then_s * SECOND)
        host.run(until_ns=then_s * SECOND + 1000)
        assert t.destroys in destroys
        assert t.entries in entries


def test_a_table_that_was_full_in_vain_is_looked_through_again_when_its_oldest_is_5_s_old():
    with vnic.Host(ip="10.0.0.2/16", cost="zero", link="inf", speed="1") as host:
        t = host.machine.c.neigh
        for i in range(1024):
            host.feed(asker(i), at_ns=SECOND + i)
        host.feed(asker(1024), at_ns=4 * SECOND)
        host.run(until_ns=5 * SECOND)
        assert (t.destroys, t.entries, t.table_fulls) == (0, 1024, 1)
        host.feed(asker(1024), at_ns=6 * SECOND + SECOND // 10)
        host.run(until_ns=7 * SECOND)
        assert (t.destroys, t.entries, t.table_fulls) == (513, 512, 1)
