"""ICMPv6: whom an error goes to and how often, what it quotes."""

import struct

import frames
import peer
import pytest
from twin_cases.ipv6 import DSTOPTS, ICMPV6, chain, echo, fragment, icmpv6, options, routing

import vnic

PAD, TELL = options(DSTOPTS, b"\1\4" + bytes(4)), options(DSTOPTS, b"\x9e\4" + bytes(4))
ASK = peer.nd(135, "fd00::2", src="fd00::1", dst="fd00::2")
MS = 1_000_000


@pytest.fixture
def sent_by():
    """What a host sends that knows its neighbour, when it has got these frames at once: decoded; and its counters."""

    def ask(*fed, gap_ns=0, **knobs):
        with vnic.Host(**({"ip": "fd00::2/64", "cost": "zero", "link": "inf"} | knobs)) as host:
            host.feed(ASK)
            host.run(until_ns=1)
            host.nic.sent()
            host.feed(fed, at_ns=10**9, gap_ns=gap_ns)
            host.run(until_ns=6 * 10**9)
            return [s for s in peer.sent(host) if s.proto == ICMPV6 and s.payload[0] < 130], host.mib()

    return ask


@pytest.mark.parametrize(
    ("src", "knobs", "gap_ns"),
    [
        pytest.param("fd00::1", {}, 25 * MS, id="a network of 64 bits"),
        pytest.param("fd00::1", {"ip": "fd00::2/96"}, 50 * MS, id="of 96"),
        pytest.param("2a00::1", {"gateway": "fd00::1"}, 6 * MS, id="behind the gateway"),
    ],
)
def test_wider_routes_get_more_errors(sent_by, src, knobs, gap_ns):
    """Six at once, then one in a tenth of a second, divided by what the route's prefix lacks; in whole jiffies."""
    asking = [chain(src=src) for _ in range(50)]
    at_once, _ = sent_by(*asking, **knobs)
    assert len(at_once) == 6
    in_time, _ = sent_by(*asking, gap_ns=gap_ns, **knobs)
    assert len(in_time) == 50
    too_fast, mib = sent_by(*asking, gap_ns=gap_ns // 2, **knobs)
    assert 25 < len(too_fast) < 45
    assert mib["Icmp6_OutRateLimitHost"] == 50 - len(too_fast)


@pytest.mark.parametrize("rx_buf_len", [2048, 200, 128])
@pytest.mark.parametrize(
    ("frame", "code", "pointer"),
    [
        pytest.param(chain(data=bytes(range(200))), 1, 6, id="next header"),
        pytest.param(chain(options(DSTOPTS, b"\x1e\x0c" + bytes(12))), 1, 40, id="behind options"),
        pytest.param(chain(options(DSTOPTS, bytes(6)), routing(5, 1)), 0, 50, id="segments left"),
        pytest.param(chain(*[PAD] * 20, TELL), 2, 202, id="option"),
        pytest.param(chain(options(DSTOPTS, b"\x1e\xfc" + bytes(252)), data=bytes(100)), 1, 40, id="far behind"),
        pytest.param(chain(*[PAD] * 150), 1, 40 + 149 * 8, id="behind the quote's end"),
        pytest.param(chain(fragment(0), TELL), 2, 50, id="in an atomic fragment"),
    ],
)
def test_a_parameter_problem_points_to_the_byte(sent_by, rx_buf_len, frame, code, pointer):
    """Wherever the packet's buffers end."""
    (error,), _ = sent_by(frame, rx_buf_len=rx_buf_len)
    assert (error.payload[:2], struct.unpack("!I", error.payload[4:8])) == (bytes((4, code)), (pointer,))
    assert error.payload[8:] == frame[14:][:1232]


def test_a_host_without_ipv6_says_nothing(sent_by):
    frames_ = echo(dst="ff02::1"), chain(), chain(TELL, dst="ff02::1")
    assert sent_by(*frames_, ip="10.0.0.2/24")[0] == []


def test_a_replay_takes_all_messages_and_says_nothing(host):
    h = host()
    h.feed([chain(upper=ICMPV6, data=icmpv6(kind)) for kind in (*range(100, 130), *range(138, 256)) if kind & 128])
    h.run()
    assert set(h.ledger().fates) == {"DELIVERED_ICMPV6"}
    assert not h.nic.sent()


def test_a_sum_is_checked_before_the_length(host):
    h = host()
    h.feed(frames.eth(frames.ipv6(bytes(4), ICMPV6), type=0x86DD))
    h.run()
    assert h.ledger().fates == {"ICMP_CSUM": 1}
