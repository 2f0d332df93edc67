"""ICMP about our segments: while connecting, when established, of a stranger's invention, and "too big"."""

import errno
import struct

import frames
import pytest
from peer import nd
from tcp_talk import ACK, OPT, PEER, PLAIN, SIDE, Talk

import vnic
from vnic import HostError

UNREACH, QUENCH, TIME_EXCEEDED, PARAMETER = 3, 4, 11, 12


def quoting(frame, type_, code, rest=0, *, seq=None, src=PEER):
    """The ICMP error of a router about a frame of ours."""
    ip = frame[14 : 14 + 28]
    if seq is not None:
        ip = ip[:24] + struct.pack("!I", seq % 2**32) + ip[28:]
    body = struct.pack("!BBHI", type_, code, 0, rest) + ip
    body = body[:2] + struct.pack("!H", frames.csum(body)) + body[4:]
    return frames.eth(frames.ipv4(body, 1, src=src, dst=SIDE))


class Errors(Talk):
    """Keeps the frames, to quote them."""

    def collect(self, ms):
        self.now += int(ms * 1e6)
        self.host.run(until_ns=self.now - 1)
        self.frames = getattr(self, "frames", [])
        out = []
        for t, frame in self.host.nic.sent():
            if (s := self.peer.see(frame)) is not None:
                self.frames.append(frame)
                self.said.append((t, s))
                out.append(s)
        return out

    def icmp(self, type_, code, rest=0, *, of=-1, **more):
        self.put(quoting(self.frames[of], type_, code, rest, **more))
        return self.collect(1)


CONNECTING = [
    (UNREACH, 0, errno.ENETUNREACH),
    (UNREACH, 1, errno.EHOSTUNREACH),
    (UNREACH, 2, errno.ENOPROTOOPT),
    (UNREACH, 3, errno.ECONNREFUSED),
    (UNREACH, 13, errno.EHOSTUNREACH),
    (TIME_EXCEEDED, 0, errno.EHOSTUNREACH),
    (PARAMETER, 0, errno.EPROTO),
]


@pytest.mark.parametrize(("type_", "code", "number"), CONNECTING)
def test_a_connection_that_is_being_made_ends(type_, code, number):
    with Errors() as talk:
        talk.step(("connect",))
        talk.icmp(type_, code)
        assert talk.sock.state == "CLOSE"
        with pytest.raises(HostError) as e:
            talk.sock.recv_nowait()
        assert e.value.errno == number
        assert talk.wait(10) == []


@pytest.mark.parametrize(("type_", "code", "number"), CONNECTING)
def test_an_established_one_goes_on_and_remembers_why_for_when_it_times_out(type_, code, number):
    """RFC 1122 section 4.2.3.9, RFC 5461."""
    with Errors() as talk:
        talk.open(PLAIN)
        talk.send(b"abc")
        talk.icmp(type_, code)
        assert talk.sock.state == "ESTABLISHED"
        assert talk.sock.recv_nowait() is None
        talk.wait(7200)
        with pytest.raises(HostError) as e:
            talk.sock.recv_nowait()
        assert e.value.errno == number


def test_an_acknowledgement_forgets_it():
    with Errors() as talk:
        talk.open(PLAIN)
        talk.send(b"abc")
        talk.icmp(UNREACH, 1)
        talk.seg(ack=4)
        talk.send(b"def")
        talk.wait(7200)
        with pytest.raises(TimeoutError):
            talk.sock.recv_nowait()


@pytest.mark.parametrize("off", [-1, 100_000, 2**31])
@pytest.mark.parametrize("connecting", [True, False])
def test_a_number_that_is_not_in_flight_is_a_strangers(off, connecting):
    """RFC 5927."""
    with Errors() as talk:
        if connecting:
            talk.step(("connect",))
        else:
            talk.open(PLAIN)
            talk.send(b"abc")
        isn = talk.peer.irs
        talk.icmp(UNREACH, 3, seq=isn + off + (not connecting))
        assert talk.sock.state == ("SYN_SENT" if connecting else "ESTABLISHED")
        assert talk.mib("TcpExt_OutOfWindowIcmps") == 1


def test_an_error_about_no_connection_is_counted():
    with Errors() as talk:
        talk.open(PLAIN)
        talk.send(b"abc")
        frame = bytearray(talk.frames[-1])
        frame[34:36] = b"\1\1"
        talk.put(quoting(bytes(frame), UNREACH, 3))
        talk.collect(1)
        assert talk.mib("Icmp_InErrors") == 1


@pytest.mark.parametrize("type_", [QUENCH, 5])
def test_a_quench_says_nothing(type_):
    with Errors() as talk:
        talk.step(("connect",))
        talk.icmp(type_, 0)
        assert talk.sock.state == "SYN_SENT"


# ---- too big ----


def test_segments_become_as_short_as_the_path_carries_and_go_again_at_once():
    with Errors() as talk:
        talk.open(OPT)
        talk.send(bytes(1448 * 4))
        cwnd = talk.sock.tcp_info().snd_cwnd
        again = talk.icmp(UNREACH, 4, 1000)
        assert [(s.seq, s.len) for s in again][:2] == [(1, 948), (949, 500)]
        assert all(s.len <= 948 for s in again)
        info = talk.sock.tcp_info()
        assert (info.pmtu, info.snd_mss) == (1000, 948)
        assert info.snd_ssthresh > 1000
        at, got = 1, set()
        for _ in range(20):
            for _, s in talk.said:
                got |= set(range(s.seq, s.seq + s.len)) if s.len <= 948 else set()
            while at in got:
                at += 1
            talk.seg(ack=at)
            talk.wait(0.3)
            if at == 1448 * 4 + 1:
                break
        assert at == 1448 * 4 + 1
        assert talk.sock.tcp_info().ca_state == "Open"
        assert cwnd == 10
        assert max(s.len for s in talk.send(bytes(4000))) == 948


def test_a_larger_mtu_than_ours_changes_nothing():
    with Errors() as talk:
        talk.open(OPT)
        talk.send(bytes(1448))
        assert talk.icmp(UNREACH, 4, 9000) == []
        assert talk.sock.tcp_info().snd_mss == 1448


@pytest.mark.parametrize("mtu", [0, 1, 67, 300, 551])
def test_a_tiny_mtu_does_not_become_tiny_segments(mtu):
    """min_pmtu is 552."""
    with Errors() as talk:
        talk.open(OPT)
        talk.send(bytes(1448))
        talk.icmp(UNREACH, 4, mtu)
        assert talk.sock.tcp_info().snd_mss >= 500


def test_a_strangers_too_big_is_not_believed():
    with Errors() as talk:
        talk.open(OPT)
        talk.send(bytes(1448))
        talk.icmp(UNREACH, 4, 600, seq=talk.peer.irs + 1_000_000)
        assert talk.sock.tcp_info().snd_mss == 1448


# ---- IPv6 ----


def about6(frame, type_, code, rest=0):
    quote = frame[14 : 14 + 60]
    body = struct.pack("!BBHI", type_, code, 0, rest) + quote
    check = frames.csum(frames.pseudo("fd00::1", "fd00::2", 58, len(body)) + body)
    body = body[:2] + struct.pack("!H", check) + body[4:]
    return frames.eth(frames.ipv6(body, 58, src="fd00::1", dst="fd00::2"), type=0x86DD)


@pytest.fixture
def connecting6():
    from tcp_pair import begin

    with vnic.Host(ip="fd00::2/64", cost="zero", cpus=1, tcp="endpoint", mac=frames.MAC.hex(":")) as h:
        h.feed([(0, nd(135, "fd00::2", src="fd00::1", dst="fd00::2"))])
        h.run(until_ns=1_000_000)
        h.nic.sent()
        c = begin(h, "fd00::1", 80)
        h.run(until_ns=2_000_000)
        syn = next(f for _, f in h.nic.sent() if f[20] == 6)

        def say(*what):
            h.feed([(3_000_000, about6(syn, *what))])
            h.run(until_ns=4_000_000)
            return c

        yield say


@pytest.mark.parametrize(
    ("type_", "code", "number"),
    [(1, 0, errno.ENETUNREACH), (1, 1, errno.EACCES), (1, 3, errno.EHOSTUNREACH), (1, 4, errno.ECONNREFUSED),
     (3, 0, errno.EHOSTUNREACH)],
)  # fmt: skip
def test_icmpv6_ends_a_connection_that_is_being_made(connecting6, type_, code, number):
    c = connecting6(type_, code)
    assert c.state == "CLOSE"
    with pytest.raises(HostError) as e:
        c.recv_nowait()
    assert e.value.errno == number


def test_too_big_does_not_end_it(connecting6):
    assert connecting6(2, 0, 1280).state == "SYN_SENT"


def test_an_icmp_of_another_peer_about_a_half_open_one():
    """A request is no connection: the error finds none, and the handshake goes on."""
    with Errors() as talk:
        talk.step(("syn", OPT))
        talk.icmp(UNREACH, 1)
        talk.run([("seg", {}), ("accept",)])
        assert talk.sock.state == "ESTABLISHED"


def test_many_errors_leave_an_open_connection_open():
    with Errors() as talk:
        talk.open(PLAIN)
        for type_ in range(20):
            for code in range(16):
                talk.send(b"x")
                talk.icmp(type_, code, 700)
        assert talk.sock.state == "ESTABLISHED"
        (ack, *_) = talk.data(1, 10)
        assert ack.flags == ACK
