"""The protocol under test: a name comes in a datagram, and a greeting goes back."""

PORT = 4242


def greet(sock):
    """Answer all datagrams that wait. Return how many."""
    datagrams = 0
    while datagram := sock.recvfrom_nowait():
        name, sender = datagram
        sock.sendto(b"hello " + name, sender)
        datagrams += 1
    return datagrams
