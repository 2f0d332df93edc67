"""UDP GRO: only if somebody asked for it. The kernel's own answers are in test_gro_kernel.py."""

import pytest
from frames import udp
from gro_batches import Batch, Item, Vnic
from gro_rows import seg
from model.sock import frame_truesize

SIZES_64K = [46 * 1400, 4 * 1400]


def datagrams(*sizes, special=()):
    return Batch(("udp4",), tuple(Item(0, n, special) for n in sizes)).frames()


def payloads(seen):
    return [len(s.packet) - 42 for s in seen]


def test_udp_passes_at_once(tap):
    seen = tap().deliver([seg(), udp(), udp()])
    assert [p[9] for p, *_ in seen] == [17, 17, 6]


@pytest.mark.parametrize(
    ("who", "merged"),
    [
        ({}, False),
        ({"udp_ports": [8000]}, False),
        ({"udp_gro_ports": [8000]}, True),
        ({"udp_gro_ports": [81]}, False),
        ({"rx_udp_gro_forwarding": True}, True),
        ({"rx_udp_gro_forwarding": True, "udp_ports": [8000]}, True),  # no socket is looked for: nobody has UDP_GRO
        ({"rx_udp_gro_forwarding": True, "udp_ports": [8000], "udp_gro_ports": [81]}, False),
        ({"rx_gro_list": True}, True),
        ({"rx_gro_list": True, "udp_ports": [8000]}, True),
    ],
)
def test_who_must_have_asked(who, merged):
    with Vnic(**who) as v:
        assert payloads(v.deliver(datagrams(100, 100, 100))) == ([300] if merged else [100] * 3)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([100, 50, 100], [150, 100]),
        ([50, 100], [50, 100]),
        ([100] * 70, [6400, 600]),
        ([1400] * 50, SIZES_64K),
        ([100, 101, 101], [100, 202]),
        ([0, 100], [0, 100]),
    ],
)
def test_one_length_a_shorter_one_is_the_last_64_at_most(sizes, expected):
    with Vnic(rx_udp_gro_forwarding=True, rx_buf_len=4096) as v:
        assert payloads(v.deliver(datagrams(*sizes))) == expected


@pytest.mark.parametrize("special", ["zero csum", "csum", "udp length", "id gap"])
def test_datagrams_that_never_merge(special):
    with Vnic(rx_udp_gro_forwarding=True) as v:
        assert payloads(v.deliver(datagrams(100, 100, special=(special,)))) == [100, 100]


def test_the_merged_header_speaks_for_all():
    with Vnic(rx_udp_gro_forwarding=True) as v:
        [seen] = v.deliver(datagrams(100, 100, 40))
    assert (seen.gso, seen.gso_size, seen.csum, seen.csum_start) == ("udp_l4", 100, "P", 34)
    assert seen.packet[38:40] == (8 + 240).to_bytes(2)
    assert seen.packet[16:18] == (28 + 240).to_bytes(2)


def test_a_list_keeps_the_first_checksum():
    frames = datagrams(100, 100)
    with Vnic(rx_gro_list=True) as v:
        [seen] = v.deliver(frames)
    assert (seen.csum, seen.packet[40:42]) == ("V", frames[0][40:42])


# ---- what the socket gets ----


def sent(*sizes):
    return [udp(bytes([i]) * n, id=i) for i, n in enumerate(sizes)]


def test_a_socket_with_udp_gro_reads_them_as_one_and_is_told_their_length(host):
    """The kernel: 100, 100, 100, 40 are one read of 340, and the control message says 100."""
    h = host()
    sock = h.udp(5000, gro=True)
    assert sock.gro
    h.feed(sent(100, 100, 100, 40))
    h.run()
    data, size, sender = sock.recvmsg_nowait()
    assert (len(data), size, sender) == (340, 100, ("10.0.0.1", 1000))
    assert data == b"".join(bytes([i]) * n for i, n in enumerate((100, 100, 100, 40)))
    assert h.ledger().fates == {"DELIVERED_UDP": 4}
    h.feed(sent(7))
    h.run()
    assert sock.recvmsg_nowait()[:2] == (b"\0" * 7, 0)


@pytest.mark.parametrize("feature", ["rx_udp_gro_forwarding", "rx_gro_list"])
@pytest.mark.parametrize("buf_len", [128, 2048])
def test_merged_for_forwarding_and_yet_for_us_they_are_taken_apart(host, feature, buf_len):
    h = host(rx_buf_len=buf_len, **{feature: True})
    sock = h.udp(5000)
    h.feed(sent(300, 300, 300, 40))
    h.run()
    assert h.gro().merged == 3
    got = [sock.recvfrom_nowait() for _ in range(5)]
    assert got == [*((bytes([i]) * n, ("10.0.0.1", 1000)) for i, n in enumerate((300, 300, 300, 40))), None]
    assert h.mib()["Udp_InDatagrams"] == 4


@pytest.mark.parametrize("feature", ["rx_udp_gro_forwarding", "rx_gro_list"])
def test_taken_apart_in_a_vlan_each_knows_its_sender(host, feature):
    """Bug: only the first one's network header moved with the tag."""
    h = host(**{feature: True})
    sock = h.udp(5000)
    h.feed([f[:12] + b"\x81\0\0\5" + f[12:] for f in sent(300, 300, 300)])
    h.run()
    assert [sock.recvfrom_nowait()[1] for _ in range(3)] == [("10.0.0.1", 1000)] * 3


def test_taken_apart_each_counts_against_the_receive_buffer(host):
    """The first stays charged for all of them, as in Linux."""
    one = frame_truesize(142)
    for rcvbuf, fit in ((5 * one - 1, 1), (5 * one, 2), (7 * one, 4)):
        h = host(rx_gro_list=True, rcvbuf=rcvbuf)
        sock = h.udp(5000)
        h.feed(sent(100, 100, 100, 100))
        h.run()
        assert sock.drops == 4 - fit
        assert h.ledger().fates == {k: n for k, n in {"DELIVERED_UDP": fit, "SOCKET_RCVBUFF": 4 - fit}.items() if n}


def test_udp_gro_can_be_switched_and_ends_with_the_socket(host):
    h = host()
    sock = h.udp(5000)
    for on, merged in ((True, 1), (False, 0), (True, 1)):
        before = h.gro().merged
        sock.gro = on
        h.feed(sent(10, 10))
        h.run()
        assert h.gro().merged - before == merged
    assert h.machine.c.udp_gro_socks == 1
    sock.close()
    assert h.machine.c.udp_gro_socks == 0
