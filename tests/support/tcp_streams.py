"""TCP streams of one segment after another, and the sockets that a host made for them."""

import frames

from vnic._core import lib


def stream(port, n, size=100):
    return [frames.tcp(b"x" * size, seq=1 + i * size, sport=port, dport=80) for i in range(n)]


def sockets(h):
    return [
        h.machine.c.socks.socks[i]
        for i in range(1, h.machine.c.socks.used)
        if h.machine.c.socks.socks[i].type == lib.SOCK_TCP
    ]
