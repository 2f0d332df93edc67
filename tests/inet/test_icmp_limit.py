"""icmp_limit.c: how many ICMP errors are sent, to one host and to all."""

import frames
import peer
import pytest
from test_icmp import errors
from test_icmpv6 import sent_by
from twin_cases.ipv6 import chain

import vnic
from vnic._core import ffi, lib

MS = 1_000_000


def test_errors_to_one_host_are_limited():
    """icmp_ratelimit: six at once, then one a second; IPv6's own: ten times as many. Echo replies have no limit."""
    many = [frames.udp(dport=9) for _ in range(50)]
    found, mib = errors(*many)
    assert (len(found), mib["Icmp_OutRateLimitHost"]) == (6, 44)
    assert len(errors(*many, icmp_ratelimit=0)[0]) == 50
    six = [frames.udp(dport=9, src="fd00::1", dst="fd00::2") for _ in range(50)]
    found, mib = errors(*six, icmp_ratelimit=0)
    assert (len(found), mib["Icmp6_OutRateLimitHost"]) == (6, 44)
    assert len(errors(*six, icmp6_ratelimit=0)[0]) == 50


@pytest.mark.parametrize("v6", [False, True])
def test_errors_to_all_are_limited(v6):
    """icmp_msgs_per_sec and icmp_msgs_burst: 50 at once, then a thousand a second; one budget for both families."""
    with vnic.Host(ip=["10.0.0.2/16", "fd00::2/64"], cost="zero", link="inf", speed="1") as host:
        hosts = [f"fd00::1:{i}" if v6 else f"10.0.1.{i}" for i in range(1, 201)]
        ours = "fd00::2" if v6 else "10.0.0.2"
        host.feed([peer.nd(135, ours, src=ip, dst=ours) if v6 else peer.arp(1, ip, ours) for ip in hosts])
        host.run(until_ns=10**6)
        host.nic.sent()
        for n, part in enumerate((hosts[:100], hosts[100:])):
            host.feed([frames.udp(dport=9, src=ip, dst=ours) for ip in part], at_ns=10**9 + n * 20_000_000)
        host.run(until_ns=2 * 10**9)
        found = [s for s in peer.sent(host) if s.proto in (1, 58) and s.payload[0] in (1, 3)]
        assert len(found) == 50 + 20
        assert host.mib()["Icmp_OutRateLimitGlobal"] == 130


def refused(host, t, *frames_):
    """How many errors leave for frames that arrive together at this time."""
    peer.sent(host)
    host.feed(list(frames_), at_ns=t)
    host.run(until_ns=t + 1000)
    return sum(s.proto == 1 and s.payload[0] in (3, 12) for s in peer.sent(host))


@pytest.fixture
def asked():
    """A host that knows 10.0.1.1 to 10.0.1.250."""

    def make(**knobs):
        h = vnic.Host(**({"ip": ["10.0.0.2/16"], "cost": "zero", "link": "inf"} | knobs))
        h.feed([peer.arp(1, f"10.0.1.{i}", "10.0.0.2") for i in range(1, 251)])
        h.run(until_ns=10**6)
        made.append(h)
        return h

    made = []
    yield make
    for h in made:
        h.close()


def from_(i, **more):
    return frames.udp(dport=9, src=f"10.0.1.{i}", **more)


def test_one_host_gets_six_errors_at_once_and_one_more_each_second(asked):
    h = asked(icmp_msgs_per_sec=10**6, icmp_msgs_burst=10**6)
    sent = [refused(h, t * 10**8, *[from_(1)] * 10) for t in (10, 11, 20, 25, 30, 49, 50)]
    assert sent == [6, 0, 1, 0, 1, 1, 1]
    h.feed(peer.arp(1, "10.0.1.1", "10.0.0.2"), at_ns=14 * 10**9)
    assert refused(h, 15 * 10**9, *[from_(1)] * 10) == 6


def test_all_hosts_get_a_burst_and_the_next_one_not_before_20_ms(asked):
    h = asked(icmp_ratelimit=0)
    everybody = [from_(i) for i in range(1, 251)]
    sent = [refused(h, 10**9 + t * 10**6, *everybody) for t in (0, 1, 19, 20, 39, 41, 91, 1091)]
    assert sent == [50, 0, 0, 20, 0, 21, 50, 50]
    assert h.mib()["Icmp_OutRateLimitGlobal"] == 8 * 250 - sum(sent)


def test_the_burst_is_not_filled_up_before_it_is_used_up(asked):
    h = asked(icmp_ratelimit=0)
    few = [from_(i) for i in range(1, 41)]
    assert [refused(h, 10**9, *few), refused(h, 2 * 10**9, *few)] == [40, 10 + 30]


def test_an_error_that_its_destination_may_not_get_takes_nothing_from_the_others(asked):
    h = asked(icmp_msgs_burst=10)
    assert refused(h, 10**9, *[from_(1)] * 100, *[from_(i) for i in range(2, 10)]) == 6 + 4
    mib = h.mib()
    assert (mib["Icmp_OutRateLimitHost"], mib["Icmp_OutRateLimitGlobal"]) == (94, 4)


def test_parameter_problems_are_limited_and_answers_are_not(asked):
    h = asked()
    assert refused(h, 10**9, *[from_(1, options=b"\x07\1\0\0")] * 10) == 6
    peer.sent(h)
    h.feed([frames.icmp(bytes(12), type=kind, src="10.0.1.1") for kind in (8, 13)] * 100, at_ns=2 * 10**9)
    h.run(until_ns=3 * 10**9)
    assert len([s for s in peer.sent(h) if s.proto == 1]) == 200


def test_destinations_with_all_their_tokens_are_forgotten_first():
    """There are 1024 buckets. Whoever has used his up keeps it as long as others have all they may have."""
    with vnic.Host(ip=["10.0.0.2/8"], cost="zero", icmp_msgs_per_sec=10**6, icmp_msgs_burst=10**6) as h:
        to = ffi.new("struct inet_addr *")
        cpu, now = h.machine.c.cpu[0], 10**9

        def allowed(i):
            to.lo = 0xFFFF << 32 | 10 << 24 | i
            return lib.icmp_allow(cpu, to)

        for _ in range(20):
            cpu.now = now = now + 7 * 10**9
            assert sum(allowed(1) for _ in range(10)) == 6
            assert all(allowed(i) for i in range(1000, 4000))
            assert not allowed(1)


@pytest.mark.parametrize(
    ("src", "knobs"),
    [
        pytest.param("fd00::1", {}, id="a network of 64 bits"),
        pytest.param("fd00::1", {"ip": "fd00::2/96"}, id="of 96"),
        pytest.param("2a00::1", {"gateway": "fd00::1"}, id="behind the gateway"),
    ],
)
def test_errors_of_ipv6_are_limited_alike_whatever_the_route(src, knobs):
    """Six at once, then one in a tenth of a second. Older kernels gave more to hosts behind wider routes."""
    asking = [chain(src=src) for _ in range(50)]
    at_once, _ = sent_by(*asking, **knobs)
    assert len(at_once) == 6
    in_time, _ = sent_by(*asking, gap_ns=100 * MS, **knobs)
    assert len(in_time) == 50
    too_fast, mib = sent_by(*asking, gap_ns=50 * MS, **knobs)
    assert 25 < len(too_fast) < 45
    assert mib["Icmp6_OutRateLimitHost"] == 50 - len(too_fast)
