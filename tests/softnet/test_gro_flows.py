"""What merging lost, and why each hold ended: in total, and per flow."""

import pytest
from frames import ACK, CWR, FIN, PSH, tcp, udp
from gro_rows import MS, TCP_CHECK, bad, flows, seg, timestamp, train

from vnic._core import lib
from vnic.counters import gro

ENDS = {
    # why the first hold of a batch ended: what came
    "complete": [seg()],
    "full_poll": [seg(), *[udp()] * 63],
    "evicted": flows(9, {}),
    "psh": train({}, {"flags": ACK | PSH}),
    "fin": train({}, {"flags": ACK | FIN}),
    "shorter": [seg(0), seg(100, 50)],
    "flags": train({}, {"flags": ACK | 0x40}),
    "cwr": train({}, {"flags": ACK | CWR}),
    "window": train({}, {"window": 9}),
    "ack": train({}, {"ack": 101}),
    "options": train(timestamp(1), timestamp(2)),
    "ttl_tos": train({}, {"ttl": 7}),
    "ip_id": train({"id": 1}, {"id": 7}),
    "empty": [seg(0), seg(100, 0)],
    "longer": [seg(0), seg(100, 101)],
    "seq": [seg(0), seg(200)],
    "size": train({}, {}, n=500),
    "padded": [seg(0), seg(100, 90) + bytes(7)],
}
KNOBS = {"size": {"gro_max_size": 1000}}


@pytest.mark.parametrize("why", ENDS)
def test_why_a_hold_ended(host, why):
    h = host(rxhash=False, rx=False, **KNOBS.get(why, {}))
    h.feed(ENDS[why])
    h.run()
    ended = h.gro().ended
    assert ended[why] >= 1
    assert sum(ended.values()) == h.gro().held == h.gro().flushed_skbs


def test_an_aged_packet_is_flushed(host):
    h = host(rxhash=False, gro_flush_timeout=1000 * MS)
    h.feed([(0, seg(0)), (20 * MS, seg(100))])
    h.run(until_ns=30 * MS)
    assert h.gro().ended == {"aged": 1}


def test_64_datagrams_are_enough(host):
    h = host(rxhash=False, rx_udp_gro_forwarding=True, weight=128, fifo=1 << 20)
    h.feed([udp(id=i) for i in range(70)])
    h.run()
    assert h.gro().ended == {"complete": 1, "count": 1}


def test_what_nobody_verified_joins_no_list(host):
    """Padding forbids a merge, so GRO does not look at the checksum either."""
    h = host(rxhash=False, rx=False, rx_gro_list=True)
    h.feed(ENDS["padded"])
    h.run()
    assert h.gro().ended == {"csum_state": 1}


def test_a_socket_that_asks_for_udp_gro_meanwhile_ends_a_list(host):
    h = host(rxhash=False, rx_gro_list=True, gro_flush_timeout=1000 * MS)
    sock = h.udp(5000)
    h.feed([(0, udp(id=0)), (1 * MS, udp(id=1))])
    h.run(until_ns=0)
    sock.gro = True
    h.run()
    assert h.gro().ended == {"other_kind": 1}


def test_every_reason_has_a_line(host):
    lines = [gro.end_text(reason) for reason in gro.GRO_ENDS]
    assert len(set(lines)) == len(lines) == lib.GRO_END_MAX
    assert all(len(line) > 5 for line in lines)
    assert set(ENDS) | {"holds", "aged", "count", "csum_state", "other_kind"} == set(gro.GRO_ENDS)


@pytest.mark.parametrize(("rule", "expected"), [("6.18", [1, 1, 1, 2]), ("7.0", [1, 2, 2])])
def test_cwr_by_the_rule_of_either_version(host, rule, expected):
    """The selftest's flags_cwr: five in sequence, the second and the third with CWR."""
    h = host(rxhash=False, gro_cwr=rule)
    sizes = []
    h.packet_type(0x0800)(lambda burst: sizes.extend((len(p) - 40) // 100 for p in burst))
    h.feed(train({}, {"flags": ACK | CWR}, {"flags": ACK | CWR}, {}, {}))
    h.run()
    assert sizes == expected
    assert h.config["gro-cwr"] == rule


def test_what_is_lost_is_counted(host):
    h = host(rxhash=False)
    h.feed(train({}, {}, {"flags": ACK | PSH}, {}, {}))
    h.run()
    g = h.gro()
    assert (g.merged, g.lost_ids, g.lost_psh) == (3, 3, 1)
    assert g.ended == {"psh": 1, "complete": 1}


def test_ipv6_has_no_ids_to_lose(host):
    h = host(rxhash=False)
    h.feed(train({}, {}, {}, v=6))
    h.run()
    assert (h.gro().merged, h.gro().lost_ids) == (2, 0)


def test_the_account_of_each_flow(host):
    h = host(gro_flows=64, gro_flush_timeout=1 * MS, hz=100)
    one = [(MS + i * 1000, tcp(b"x" * 100, seq=i * 100, sport=1)) for i in range(10)]
    two = [(MS + i * 5000, tcp(b"x" * 100, seq=i * 100, sport=2, flags=ACK | PSH * (i == 1))) for i in range(3)]
    h.feed(sorted(one + two))
    h.run()
    first, second = h.gro_flows()
    assert (first.proto, first.src, first.sport, first.dst, first.dport) == ("tcp", "10.0.0.1", 1, "10.0.0.2", 80)
    assert (first.frames, first.skbs, first.lost_ids, first.lost_psh) == (10, 1, 9, 0)
    assert (first.spread_ns, first.spread_max_ns) == (9000, 9000)
    assert (second.sport, second.frames, second.skbs, second.lost_psh) == (2, 3, 2, 1)
    assert (second.spread_ns, second.ended) == (5000, {"psh": 1, "complete": 1})
    assert sum(f.skbs for f in h.gro_flows()) == h.gro().flushed_skbs


def test_flows_that_find_no_room_are_counted(host):
    h = host(gro_flows=8)
    h.feed([tcp(b"x", sport=i) for i in range(1, 51)])
    h.run()
    rows = h.gro_flows()
    assert len(rows) == 8
    assert sum(f.skbs for f in rows) + h.machine.c.cpu[0].gro_flows.missed == 50


def test_accounts_are_off_unless_asked_for(host):
    h = host()
    h.feed(train({}, {}))
    h.run()
    assert h.gro_flows() == []


def test_a_bad_checksum_ends_nothing(host):
    h = host(rxhash=False, rx=False)
    h.feed([seg(0), bad(seg(100), TCP_CHECK[4])])
    h.run()
    assert h.gro().ended == {"complete": 1}
