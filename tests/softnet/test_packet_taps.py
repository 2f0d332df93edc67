"""Several packet taps at one point of the path."""

import frames
import pytest
from bpf_programs import keep

import vnic


def test_several_sockets_each_get_their_own_and_one_that_was_closed_gets_none(host):
    h = host()
    a, b, c = h.packet_socket(), h.packet_socket(keep(0)), h.packet_socket()
    h.feed(frames.udp(b"1"))
    h.run()
    a.close()
    a.close()
    h.feed(frames.udp(b"2"))
    h.run()
    assert (len(list(b)), len(list(c))) == (0, 2)
    with pytest.raises(vnic.VnicError, match="closed"):
        a.recv_nowait()


def test_nobody_else_notices_it_full_or_not(host):
    def a_run(socks):
        h = host(sink=True, cost="linux", cpus=2, rps_cpus="3", latency=True)
        sockets = [h.packet_socket(*a, **k) for a, k in socks]
        h.feed([frames.udp(bytes(1000), sport=i) for i in range(300)], gap_ns=100)
        h.run()
        return (h.ledger(), h.softnet(), h.latencies()), [s.statistics() for s in sockets]

    alone, _ = a_run([])
    beside, (full, wide, none) = a_run([((), {"ring": 4096}), ((), {}), ((keep(0),), {})])
    assert alone == beside
    seen = wide.packets
    assert (wide.drops, none) == (0, vnic.PacketStatistics(0, 0))
    assert full == vnic.PacketStatistics(packets=seen, drops=seen - 3)  # three of 1042 bytes fit
