"""Flow control: a live card that reads no more than its FIFO has room for. The wire keeps the rest."""

import hashlib
import os
import socket
import threading

import pytest
from live_tap import live_tap, wait_until

pytestmark = [pytest.mark.root, pytest.mark.slow]
ADDRESSES = {"host_ip": "10.0.0.1/24", "ip": "10.0.0.2/24"}


def overruns(host):
    return host.ledger().fates.get("FIFO_OVERRUN", 0)


@pytest.mark.parametrize("vnet_hdr", [True, False])
@pytest.mark.parametrize("fifo", [1600, 10_000, 65536])
def test_a_small_fifo_loses_nothing_of_a_stream(netns, vnet_hdr, fifo):
    """The ring has 32 buffers: a 64 KB frame of the kernel's fills it and the FIFO, again and again."""
    data = os.urandom(1 << 20) * 2
    options = {"fifo": fifo, "rx_ring": 32, "flow_control": True, "vnet_hdr": vnet_hdr, "tcp": "endpoint"}
    with live_tap("vt0", **ADDRESSES, **options) as host:
        server = host.listen(80)
        peer = socket.create_connection(("10.0.0.2", 80), timeout=10)
        c = server.accept(timeout=10)
        writing = threading.Thread(target=peer.sendall, args=(data,), daemon=True)
        writing.start()
        digest, got = hashlib.sha256(), 0
        while got < len(data):
            piece = c.recv(1 << 18, timeout=20)
            digest.update(piece)
            got += len(piece)
        writing.join(10)
        peer.close()
        c.close()
        assert digest.digest() == hashlib.sha256(data).digest()
        assert overruns(host) == 0


def arrived(sink, out):
    """Send a datagram and read all that is there. Return: was it among them?"""
    out.sendto(b"last", ("10.0.0.2", 9))
    got = []
    while (one := sink.recvfrom_nowait()) is not None:
        got.append(one[0])
    return b"last" in got


def test_it_can_be_switched_while_frames_come(netns):
    """What a burst of datagrams loses, it loses in the TAP's queue or in the socket, not in the card."""
    with (
        live_tap("vt0", **ADDRESSES, fifo=4000, rx_ring=32, flow_control=True) as host,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        sink = host.udp(9)
        for on in (True, False, True):
            host.knobs["flow-control"] = on
            before = overruns(host)
            for _ in range(2000):
                out.sendto(bytes(1000), ("10.0.0.2", 9))
            wait_until(lambda: not host.ledger().in_flight)
            assert not on or overruns(host) == before
        wait_until(lambda: arrived(sink, out))
