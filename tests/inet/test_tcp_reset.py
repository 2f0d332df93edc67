"""RST to who talks to a closed port. The twins compare all flags; here is what they cannot show."""

import frames
import pytest
from frames import ACK, FIN, RST, SYN
from peer import arp, nd, sent

import vnic

V6 = {"src": "fd00::1", "dst": "fd00::2"}


def answers(*segments, **options):
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero", **options) as h:
        h.feed([arp(1, "10.0.0.1", "10.0.0.2"), nd(135, "fd00::2", src="fd00::1", dst="fd00::2")])
        h.feed(segments)
        h.run()
        return [s.payload for s in sent(h) if s.proto == 6], h.mib(), h.ledger().fates


@pytest.mark.parametrize("ip", [{"src": "10.0.0.1", "dst": "10.0.0.2"}, V6], ids=["v4", "v6"])
@pytest.mark.parametrize(
    ("flags", "data", "seq", "ack", "says"),
    [
        (SYN, b"", 0, 1001, RST | ACK),
        (SYN | FIN, b"abc", 0, 1005, RST | ACK),
        (0, b"abc", 0, 1003, RST | ACK),
        (ACK, b"abc", 77, 0, RST),
    ],
)
def test_the_answer_has_the_numbers_that_its_receiver_expects(ip, flags, data, seq, ack, says):
    (rst,), mib, fates = answers(frames.tcp(data, flags=flags, seq=1000, ack=77, sport=1, dport=2, **ip))
    assert rst[:4] == b"\0\2\0\1"
    assert (rst[4:8], rst[8:12]) == (seq.to_bytes(4, "big"), ack.to_bytes(4, "big"))
    assert (rst[12], rst[13], rst[14:16]) == (0x50, says, b"\0\0")
    assert (mib["Tcp_OutRsts"], mib["Tcp_OutSegs"]) == (1, 1)
    assert fates["NO_SOCKET"] == 1


def option(kind, length):
    return bytes((kind, length)) + bytes(length - 2)


@pytest.mark.parametrize(
    ("options", "answered"),
    [
        (b"", True),
        (b"\1\1\1\0", True),
        (option(8, 10) + b"\1\1", True),
        (b"\1\1" + option(19, 18), False),
        (option(4, 2) + option(19, 18), False),
        (option(29, 16), False),
        (option(8, 10) + b"\0" + b"\x13", True),
    ],
)
def test_a_signed_segment_gets_no_answer(options, answered):
    options += bytes(-len(options) % 4)
    plain = frames.tcp(b"", flags=SYN, src="10.0.0.1", dst="10.0.0.2")
    head = bytearray(plain[34:54])
    head[12] = (5 + len(options) // 4) << 4
    head[16:18] = bytes(2)
    segment = bytes(head) + options
    check = frames.csum(frames.pseudo("10.0.0.1", "10.0.0.2", 6, len(segment)) + segment)
    segment = segment[:16] + check.to_bytes(2, "big") + segment[18:]
    frame = frames.eth(frames.ipv4(segment, 6, src="10.0.0.1", dst="10.0.0.2"))
    assert len(answers(frame)[0]) == answered


def test_nobody_answers_for_a_replay_or_to_a_group():
    with vnic.Host() as h:
        h.feed(frames.tcp(flags=SYN))
        h.run()
        assert (h.nic.sent(), h.ledger().fates) == ([], {"NO_SOCKET": 1})
    to_all = frames.eth(frames.tcp(flags=SYN, src="10.0.0.1", dst="10.0.0.255")[14:], dst=b"\xff" * 6)
    rsts, mib, _ = answers(to_all)
    assert (rsts, mib["Tcp_InSegs"]) == ([], 0)
