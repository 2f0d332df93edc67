"""mc_report.c: when a host reports its groups, and in how many reports: what IGMP and MLD have in common."""

import ipaddress
import struct

import pytest
import test_mcast
from test_igmp import S, reports
from test_mc_groups import host
from twin_cases.groups import G, query3

from vnic._core import lib


def test_a_change_is_reported_at_once_and_again_within_a_second():
    with host() as h:
        h.udp(5000).join(G)
        (first, to, message), (second, _, again) = reports(h, 5 * S)
        assert (to, message) == ("224.0.0.22", struct.pack("!BBHHHBBH4B", 0x22, 0, 0xE8F9, 0, 1, 4, 0, 0, 239, 1, 2, 3))
        assert again == message
        jiffy = S // 250
        assert first == pytest.approx(2 * jiffy, abs=1e6)
        assert 2 * jiffy <= second - first <= S + 2 * jiffy


def test_times_are_drawn_from_the_seed():
    def second(seed):
        with host(seed=seed) as h:
            h.udp(5000).join(G)
            return reports(h, 5 * S)[1][0]

    assert second(1) == second(1) != second(2)


def test_one_report_has_many_records_and_many_need_several_reports():
    with host(mtu=576, ip="10.0.0.2/24") as h:
        socks = [h.udp(5000 + i) for i in range(8)]
        for i in range(150):
            socks[i // 20].join(f"239.1.2.{i}")
        got = [r for r in reports(h, 10 * S) if r[2][0] == 0x22]
        records = [m[8 + 8 * i :][:8] for _, _, m in got for i in range(int.from_bytes(m[6:8], "big"))]
        assert {len(m) for _, _, m in got} <= {8 + 8 * n for n in range(1, 68)}
        assert max(len(m) for _, _, m in got) + 24 <= 576 - 4
        assert sorted(records) == sorted([bytes((4, 0, 0, 0, 239, 1, 2, i)) for i in range(150)] * 2)


@pytest.mark.parametrize("answers", [True, False])
def test_who_only_listens_reports_nothing(answers):
    with host(**({} if answers else {"external_driver": True})) as h:
        h.udp(5000).join(G)
        assert bool(h.machine.c.cpu[0].timer_next < 2**64 - 1) == answers


def test_a_query_for_all_is_answered_once_though_asked_often():
    with host() as h:
        h.udp(5000).join(G)
        reports(h, 5 * S)
        h.feed([query3(100)] * 50, at_ns=6 * S)
        got = reports(h, 20 * S)
        assert [m[:1] + m[6:9] for _, _, m in got] == [b"\x22\0\1\2"]
        assert 6 * S <= got[0][0] <= 16 * S + S // 100


def test_many_records_need_several_reports():
    with host(mtu=1280) as h:
        sock = h.udp(5000)
        for i in range(200):
            sock.join(f"ff05::{i:x}")
        got = [m for _, _, m in test_mcast.reports(h, 10 * S)]
        assert max(map(len, got)) + 48 <= 1280
        assert sorted(r for m in got for r in test_mcast.records(m)) == sorted(
            [(4, str(ipaddress.IPv6Address(f"ff05::{i:x}"))) for i in range(200)] * 2
        )


@pytest.mark.parametrize(("ns", "jiffies"), [(0, 0), (1, 1), (4_000_000, 1), (4_000_001, 2), (10 * S, 2500)])
def test_a_part_of_a_jiffy_is_a_whole_one_and_no_more(ns, jiffies):
    with host(hz=250) as h:
        assert lib.mc_jiffies(h.machine.c, ns) == jiffies
