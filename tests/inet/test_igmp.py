"""igmp.c: what routers hear of a host's IPv4 groups. The rules are compared with the kernel's: twin_cases/groups.py."""

import frames
import pytest
from test_mc_groups import fates, host
from twin_cases.groups import G, H, igmp, query3

S = 1_000_000_000


def reports(h, until_ns):
    """(time, destination, message) of the IGMP that is sent until then."""
    h.run(until_ns=until_ns)
    found = []
    for t, frame in h.nic.sent():
        if frame[12:14] == b"\x08\x00" and frame[23] == 2:
            assert frames.csum(frame[14:38]) == 0
            total = int.from_bytes(frame[16:18], "big")
            message = frame[38 : 14 + total]
            assert frames.csum(message) == 0
            found.append((t, ".".join(map(str, frame[30:34])), message))
    return found


def test_answers_are_spread_over_the_time_that_the_query_allows():
    with host() as h:
        for i in range(20):
            h.udp(5000 + i).join(f"239.1.2.{i}")
        reports(h, 5 * S)
        h.feed([igmp(0x11, 100)], at_ns=6 * S)  # of version 2
        at = [t - 6 * S for t, _, _ in reports(h, 30 * S)]
        assert len(at) == 20
        assert max(at) <= 10 * S + S // 100
        assert max(at) - min(at) > 3 * S


def test_a_flood_of_queries_is_answered_in_bounds_and_ping_still_works():
    """A minute, a thousand queries a second of all kinds: at most a report for each group and tenth of a second."""
    with host() as h:
        sock = h.udp(5000)
        for group in (G, H):
            sock.join(group)
        reports(h, 5 * S)
        kinds = [query3(1), query3(1, G), query3(1, H, ("10.0.0.5",)), query3(0, G), query3(255, qrv=7)]
        for second in range(6, 66):
            h.feed(kinds * 200, at_ns=second * S)
            h.feed([frames.icmp()], at_ns=second * S + S // 2)
            h.run(until_ns=second * S + S - 1)
        seen = [frame for _, frame in h.nic.sent()]
        assert any(frame[12:14] == b"\x08\x06" for frame in seen)  # it asks who pings
        assert sum(frame[12:14] == b"\x08\0" and frame[23] == 2 for frame in seen) <= 60 * 10 * 3
        assert h.ledger().fates["DELIVERED_IGMP"] > 50_000


@pytest.mark.parametrize("kind", [0x17, 0x22, 0x13, 0x14, 0x99])
def test_what_is_for_routers_is_ignored(kind):
    with host() as h:
        assert fates(h, igmp(kind, 0, "224.0.0.1")) == {"GROUPS_IGNORED": 1}


def test_a_report_that_spans_buffers_is_heard():
    with host(rx_buf_len=128) as h:
        h.udp(5000).join(G)
        h.feed([query3(100, G)], at_ns=5 * S)
        h.feed([igmp(0x16, 0, G)], at_ns=5 * S + 1000)
        assert [m[0] for t, _, m in reports(h, 30 * S) if t > 5 * S] == []


@pytest.mark.parametrize("code, most_s", [(127, 12.7), (128, 12.8), (0x8F, 24.8), (0xFF, 3174.4)])
def test_a_long_time_to_answer_is_a_number_with_an_exponent(code, most_s):
    """RFC 3376 section 4.1.1; in tenths of a second. The time is drawn anew for each group."""
    with host() as h:
        groups = [f"239.1.2.{i}" for i in range(40)]
        for i, group in enumerate(groups):
            h.udp(5000 + i).join(group)
        reports(h, 10 * S)
        h.feed([query3(code, group) for group in groups], at_ns=10 * S)
        at = [(t / S - 10) / most_s for t, _, m in reports(h, int((15 + most_s) * S)) if m[0] == 0x22]
        assert 20 <= len(at) <= len(groups)  # those that are due together share a report
        assert 0.75 < max(at) <= 1.001
