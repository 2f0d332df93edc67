"""skb_copy.c: several sockets get one packet, each a copy of its own."""

import pytest
from frames import to_all

import vnic


def ours(**knobs):
    return vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero", **knobs)


@pytest.mark.parametrize("size", [0, 100, 9000])
def test_copies_are_whole_whatever_buffers_the_datagram_lies_in(size):
    with ours(rx_buf_len=128, mtu=9100) as h:
        socks = [h.udp(5000, reuse_addr=True) for _ in range(2)]
        data = bytes(i % 251 for i in range(size))
        h.feed(to_all(data))
        h.run()
        assert [sock.recv() for sock in socks] == [data, data]


def test_a_socket_without_room_misses_its_copy_only():
    with ours() as h:
        full, roomy = h.udp(5000, reuse_addr=True), h.udp(5000, reuse_addr=True)
        full.rcvbuf = 0
        h.feed([to_all()] * 3)
        h.run()
        assert [full._c.qlen, roomy._c.qlen] == [1, 3]
        assert h.ledger().fates == {"DELIVERED_UDP": 3}
        assert (h.mib()["Udp_RcvbufErrors"], h.mib()["Udp_InErrors"], full.drops) == (2, 2, 2)
        assert not h.laws()


def test_when_no_copies_are_left_sockets_miss_theirs():
    with ours(rcvbuf=1 << 30, rx_pool=4096, cpus=1) as h:
        socks = [h.udp(5000, reuse_addr=True) for _ in range(3)]
        h.feed([to_all()] * 400)
        h.run()
        assert sum(sock._c.qlen for sock in socks) == 400 + 512
        assert h.ledger().fates == {"DELIVERED_UDP": 400}
        assert not h.laws()
        socks[0].close()
        socks[1].close()
        assert not h.laws()
