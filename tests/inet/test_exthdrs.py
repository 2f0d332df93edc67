"""exthdrs.c: IPv6 extension headers, their options, and where the transport header lies."""

import frames
import pytest
from test_ipv6 import DSTOPTS, HOPOPTS, PAD, ROUTING, chain, outcome

GOOD, HEADER, OPTION, NOBODY = None, "IP_INHDR", "UNHANDLED_PROTO", "IP_NOPROTO"


@pytest.mark.parametrize(
    ("headers", "fate"),
    [
        pytest.param([(HOPOPTS, PAD)], GOOD, id="hop-by-hop"),
        pytest.param([(DSTOPTS, PAD)], GOOD, id="destination options"),
        pytest.param([(ROUTING, bytes(6))], GOOD, id="routing, no segments left"),
        pytest.param([(ROUTING, b"\0\1" + bytes(4))], "IPV6_BAD_EXTHDR", id="routing, one segment left"),
        pytest.param([(HOPOPTS, PAD), (DSTOPTS, PAD), (ROUTING, bytes(6)), (DSTOPTS, PAD)], GOOD, id="RFC order"),
        pytest.param([(DSTOPTS, PAD), (HOPOPTS, PAD)], NOBODY, id="hop-by-hop not first"),
        pytest.param([(HOPOPTS, PAD), (HOPOPTS, PAD)], NOBODY, id="hop-by-hop twice"),
        pytest.param([(HOPOPTS, bytes(6))], GOOD, id="six times Pad1"),
        pytest.param([(HOPOPTS, bytes(14))], HEADER, id="14 times Pad1"),
        pytest.param([(HOPOPTS, b"\x01\x04\0\0\0\1")], HEADER, id="PadN that is not 0"),
        pytest.param([(HOPOPTS, bytes(5) + b"\x01")], HEADER, id="PadN without a length"),
        pytest.param([(HOPOPTS, b"\x01\x05" + bytes(4))], HEADER, id="PadN over the end"),
        pytest.param([(HOPOPTS, b"\x07\x04" + bytes(4))], HEADER, id="CALIPSO, of a domain that it is not in"),
        pytest.param([(HOPOPTS, b"\x3f\x04" + bytes(4))], GOOD, id="unknown, 00: skip it"),
        pytest.param([(HOPOPTS, b"\x7f\x04" + bytes(4))], OPTION, id="unknown, 01: discard"),
        pytest.param([(DSTOPTS, b"\xbf\x04" + bytes(4))], OPTION, id="unknown, 10: discard, tell"),
        pytest.param([(DSTOPTS, b"\xff\x04" + bytes(4))], OPTION, id="unknown, 11: discard, tell"),
        pytest.param([(DSTOPTS, b"\xc9\x04" + bytes(4))], OPTION, id="home address: Linux without MIPv6"),
        pytest.param([(DSTOPTS, b"\x1e\0" * 8 + b"\1\4" + bytes(4))], GOOD, id="8 options"),
        pytest.param([(DSTOPTS, b"\x1e\0" * 9 + b"\1\2" + bytes(2))], HEADER, id="9 options"),
        pytest.param([(DSTOPTS, PAD)] * 100, GOOD, id="100 headers"),
    ],
)
@pytest.mark.parametrize("rx_buf_len", [2048, 128], ids=["one buffer", "spanning"])
def test_extension_headers(host, headers, fate, rx_buf_len):
    h = host(rx_buf_len=rx_buf_len)
    sock = h.udp(5000)
    fates, counters = outcome(h, chain(*headers))
    assert fates == {fate or "DELIVERED_UDP": 1}
    assert counters == ({"Ip6_InUnknownProtos" if fate == NOBODY else "Ip6_InHdrErrors": 1} if fate else {})
    if not fate:
        assert sock.recvfrom() == (b"payload", ("fd00::1", 1000))


def before(n):
    """Options of n bytes that say nothing."""
    return bytes(n) if n < 8 else b"\x1e" + bytes([n - 2]) + bytes(n - 2)


@pytest.mark.parametrize("good", [True, False])
def test_an_option_is_read_right_wherever_a_buffer_ends(host, good):
    """Its type may be the last byte of a buffer and its length the first of the next: every offset there is, on borders
    of 128 bytes. What is in a good one would be bad options, what is in a bad one would be padding.
    """
    skipped, discarded = b"\x3f\x14" + b"\x7f" * 20, b"\x7f\x14" + bytes(20)
    packets = []
    for shift in range(130):
        options = before(shift) + (skipped if good else discarded)
        options += bytes(-(len(options) + 2) % 8)
        packets.append(chain((DSTOPTS, options)))
    h = host(rx_buf_len=128)
    h.udp(5000)
    h.feed([frames.eth(p, type=0x86DD) for p in packets])
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP" if good else "UNHANDLED_PROTO": 130}


def test_an_option_that_says_it_is_longer_than_its_header_is_bad_wherever_a_buffer_ends(host):
    h = host(rx_buf_len=128)
    h.udp(5000)
    for shift in range(130):
        room = -(shift + 2 + 2) % 8 + 8
        options = before(shift) + bytes([0x1E, room + 1]) + bytes(room)
        fits = before(shift) + bytes([0x1E, room]) + bytes(room)
        h.feed([frames.eth(chain((DSTOPTS, o)), type=0x86DD) for o in (options, fits)])
    h.run()
    assert h.ledger().fates == {"IP_INHDR": 130, "DELIVERED_UDP": 130}


@pytest.mark.parametrize("cut", [1, 7, 8, 15])
def test_a_chain_that_ends_before_the_protocol_is_bad(host, cut):
    packet = chain((DSTOPTS, PAD + bytes(8)), payload=b"")
    h = host()
    assert outcome(h, packet[: 40 + cut][:4] + bytes([0, cut]) + packet[6 : 40 + cut])[0] == {"IPV6_BAD_EXTHDR": 1}


def test_bug_the_sender_of_a_datagram_far_behind_options_in_small_buffers(host):
    """Its UDP header is not in the first buffer; the port was read from wherever that was."""
    h = host(rx_buf_len=128)
    sock = h.udp(5000)
    outcome(h, chain((DSTOPTS, b"\x1e\xfc" + bytes(252))))
    assert sock.recvfrom() == (b"payload", ("fd00::1", 1000))
