"""ICMPv6: whom an error goes to, what it quotes. How often: test_icmp_limit.py."""

import struct

import frames
import peer
import pytest
from twin_cases.ipv6 import DSTOPTS, ICMPV6, chain, echo, fragment, icmpv6, options, routing

import vnic

PAD, TELL = options(DSTOPTS, b"\1\4" + bytes(4)), options(DSTOPTS, b"\x9e\4" + bytes(4))
ASK = peer.nd(135, "fd00::2", src="fd00::1", dst="fd00::2")


def sent_by(*fed, gap_ns=0, **knobs):
    """What a host sends that knows its neighbour, when it has got these frames at once: decoded; and its counters."""
    with vnic.Host(**({"ip": "fd00::2/64", "cost": "zero", "link": "inf"} | knobs)) as host:
        host.feed(ASK)
        host.run(until_ns=1)
        host.nic.sent()
        host.feed(fed, at_ns=10**9, gap_ns=gap_ns)
        host.run(until_ns=6 * 10**9)
        return [s for s in peer.sent(host) if s.proto == ICMPV6 and s.payload[0] < 130], host.mib()


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
def test_a_parameter_problem_points_to_the_byte(rx_buf_len, frame, code, pointer):
    """Wherever the packet's buffers end."""
    (error,), _ = sent_by(frame, rx_buf_len=rx_buf_len)
    assert (error.payload[:2], struct.unpack("!I", error.payload[4:8])) == (bytes((4, code)), (pointer,))
    assert error.payload[8:] == frame[14:][:1232]


def test_a_host_without_ipv6_says_nothing():
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
