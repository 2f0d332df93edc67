"""The whole path: a frame in at the wire, bytes out at the socket; both laws."""

import frames

import vnic


def test_a_datagram_arrives():
    with vnic.Host() as host:
        sock = host.udp(5000)
        host.feed(frames.udp(b"hello"))
        host.run()
        assert sock.recvfrom() == (b"hello", ("10.0.0.1", 1000))
        assert host.ledger().fates == {"DELIVERED_UDP": 1}
        assert host.laws() == 0


def test_a_stream_has_no_message_borders(host):
    h = host(gro=False)
    listener = h.tcp(80)
    h.feed(
        [
            frames.tcp(seq=0, flags=frames.SYN),
            frames.tcp(b"two sends ", seq=1),
            frames.tcp(b"one read", seq=11),
        ]
    )
    h.run()
    stream = listener.accept()
    assert stream.read() == b"two sends one read"
    h.feed(frames.tcp(b"one send two reads", seq=19, flags=frames.ACK | frames.PSH))
    h.run()
    assert (stream.read(8), stream.read()) == (b"one send", b" two reads")
