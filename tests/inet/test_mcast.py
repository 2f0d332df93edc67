"""mcast.c: what routers hear of a host's IPv6 groups. The kernel judges the rules: twin_cases/groups.py."""

import ipaddress
import threading

import frames
from live_tap import wait_until
from test_mc_groups import host
from twin_cases.groups import SEVEN, SIX, mld, query2

import vnic

S = 1_000_000_000


def reports(h, until_ns):
    """(time, destination, message) of the MLD that is sent until then."""
    h.run(until_ns=until_ns)
    found = []
    for t, frame in h.nic.sent():
        if frame[12:14] == b"\x86\xdd" and frame[20:22] == b"\0\1":
            src, dst = (str(ipaddress.IPv6Address(frame[i : i + 16])) for i in (22, 38))
            message = frame[62 : 54 + int.from_bytes(frame[18:20], "big")]
            assert frame[54:62] == b"\x3a\0\5\2\0\0\1\0"
            assert frames.csum(frames.pseudo(src, dst, 58, len(message)) + message) == 0
            assert src == "fe80::ff:fe00:1"
            found.append((t, dst, message))
    return found


def records(message):
    """(type, group) of a report of version 2."""
    at = [message[8 + 20 * i :][:20] for i in range(int.from_bytes(message[6:8], "big"))]
    return [(r[0], str(ipaddress.IPv6Address(r[4:20]))) for r in at]


def test_a_host_reports_the_groups_of_its_addresses_when_it_begins():
    with vnic.Host(ip=["fd00::2/64"], mac="02:00:00:00:00:01", cost="zero") as h:
        got = reports(h, 5 * S)
        assert [(to, records(m)) for _, to, m in got] == [
            ("ff02::16", [(4, "ff02::1:ff00:2"), (4, "ff02::1:ff00:1")])
        ] * 2
        assert h.mib()["Icmp6_OutMLDv2Reports"] == h.mib()["Icmp6_OutMsgs"] == 2


def test_a_host_without_ipv6_says_nothing():
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as h:
        assert reports(h, 5 * S) == []
        assert h.now_ns == 0


def test_groups_that_stay_inside_the_host_are_not_reported():
    with host() as h:
        sock = h.udp(5000)
        sock.join("ff01::5")
        sock.join(SIX)
        assert [records(m) for _, _, m in reports(h, 5 * S)] == [[(4, SIX)]] * 2


def test_older_routers_are_answered_in_their_language_until_they_are_gone():
    """RFC 3810 section 9.12: robustness times interval, and the time for answers."""
    with host() as h:
        h.udp(5000).join(SIX)
        reports(h, 5 * S)
        h.feed([mld(130, 100, SIX)], at_ns=6 * S)
        assert [(to, m[0]) for _, to, m in reports(h, 10 * S)] == [(SIX, 131)]
        for at, kind in ((265, 131), (267, 143)):
            h.feed([mld(130, 100, SIX) if kind == 131 else query2(100, SIX)], at_ns=at * S - (kind == 131) * 255 * S)
        h.run(until_ns=600 * S)


def test_a_flood_of_queries_is_answered_in_bounds_and_ping_still_works():
    with host() as h:
        sock = h.udp(5000)
        for group in (SIX, SEVEN):
            sock.join(group)
        reports(h, 5 * S)
        kinds = [query2(100), query2(100, SIX), query2(100, SEVEN, ("fd00::5",)), query2(0, SIX), query2(65535, qrv=7)]
        for second in range(6, 66):
            h.feed(kinds * 200, at_ns=second * S)
            h.feed([frames.icmpv6()], at_ns=second * S + S // 2)
            h.run(until_ns=second * S + S - 1)
        seen = [frame for _, frame in h.nic.sent()]
        assert any(frame[54] == 135 for frame in seen)  # it asks who pings
        assert sum(frame[20:22] == b"\0\1" for frame in seen) <= 60 * 10 * 5
        assert h.mib()["Icmp6_InGroupMembQueries"] > 50_000


def test_a_query_that_spans_buffers():
    with host(rx_buf_len=128) as h:
        h.udp(5000).join(SIX)
        reports(h, 5 * S)
        h.feed([query2(100, SIX, ("fd00::5",) * 60)], at_ns=6 * S)
        assert [records(m) for _, _, m in reports(h, 10 * S)] == [[(2, SIX)]]


def test_to_an_older_router_a_new_group_is_reported_at_once_and_once_more_within_10_s():
    """RFC 2710 section 4, and its Unsolicited Report Interval."""
    with host() as h:
        h.feed([mld(130, 100)], at_ns=S)
        reports(h, 5 * S)
        socks = [h.udp(5000 + i) for i in range(12)]
        for i, sock in enumerate(socks):
            sock.join(f"ff05::99:{i:x}")
        sent_at = {}
        for t, to, message in reports(h, 30 * S):
            if message[0] == 131:
                sent_at.setdefault(to, []).append(t - 5 * S)
        mine = [at for to, at in sent_at.items() if to.startswith("ff05::99:")]
        assert len(mine) == 12
        assert all(len(at) == 2 and at[0] < S // 10 and at[1] <= 10 * S + S // 100 for at in mine)
        assert max(at[1] for at in mine) > 5 * S


class Router:
    """A wire that asks for groups, then pings, and keeps what comes back."""

    def __init__(self, bursts):
        self.bursts, self.sent, self.end = list(bursts), [], threading.Event()

    def read_burst(self, max_frames):
        if self.end.is_set():
            return None
        return self.bursts.pop(0) if self.bursts else []

    def write_burst(self, burst):
        self.sent += [bytes(frame) for _, frame in burst]


def test_a_live_host_that_was_asked_for_its_groups_can_send_afterwards():
    """The query is answered under the lock of the senders."""
    router = Router([[query2(1000)], [frames.icmpv6()]])
    with vnic.Host(ip=["fd00::2/64"], mac="02:00:00:00:00:01", wire=vnic.PythonWire(router), live=True) as h:
        h.start()
        try:
            wait_until(lambda: h.mib()["Icmp6_InGroupMembQueries"] == 1)
            wait_until(lambda: any(frame[54] == 135 for frame in router.sent))  # it asks who pings
        finally:
            router.end.set()
            h.stop()
