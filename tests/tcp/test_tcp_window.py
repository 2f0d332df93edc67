"""The window: what a SYN offers, and that its right edge never moves back."""

import pytest
from tcp_pair import MS, Pair, transfer

import vnic
from vnic._core import ffi, lib


@pytest.mark.parametrize(
    ("space", "mss", "wscale_ok", "offers"),
    [
        (65536, 1460, True, (64240, 10)),  # 44 segments; the scale for tcp_rmem[2]
        (65536, 1448, True, (65160, 10)),
        (65536, 1460, False, (64240, 0)),
        (1000, 1460, True, (1000, 10)),
        (10**6, 1460, True, (65535, 10)),
    ],
)
def test_what_a_syn_offers(space, mss, wscale_ok, offers):
    with vnic.Host(ip="10.0.0.2/24", tcp="endpoint") as h:
        window, scale = ffi.new("uint32_t *"), ffi.new("uint8_t *")
        lib.tcp_initial_window(h.machine.c, space, False, mss, window, scale, wscale_ok)
        assert (window[0], scale[0]) == offers


def test_the_right_edge_never_moves_back_whatever_the_reader_does():
    """Every segment that the receiver sends, while its reader stops, reads a little, and reads all."""
    with Pair(delay=MS) as pair:
        sender, receiver, _ = pair.connected()
        scale, edge = receiver.tcp_info().rcv_wscale, 0
        data = bytes(range(256)) * 4000
        for pause in (0.2, 1.5, 0.0):
            left = memoryview(data)
            while n := sender.send_nowait(left[: 1 << 18]):
                left = left[n:]
            pair.run(pause)
            receiver.recv_nowait(1000)
        while receiver.recv_nowait(1 << 20):
            pair.window()
        for _, frame in pair.frames[1]:
            if frame[12:14] == b"\x08\0" and frame[23] == 6 and not frame[47] & 0x06:
                ack = int.from_bytes(frame[42:46], "big")
                right = (ack + (int.from_bytes(frame[48:50], "big") << scale)) % 2**32
                assert not edge or (right - edge) % 2**32 < 2**31
                edge = right
        assert receiver.tcp_info().bytes_received > 0


def test_a_reader_that_keeps_up_gets_a_larger_buffer():
    with Pair(delay=20 * MS) as pair:
        sender, receiver, _ = pair.connected()
        before = receiver.rcvbuf
        assert transfer(pair, sender, receiver, bytes(8_000_000)) == bytes(8_000_000)
        assert receiver.rcvbuf > 4 * before


def test_a_buffer_that_the_program_set_stays():
    import socket

    with Pair(delay=20 * MS) as pair:
        sender, receiver, _ = pair.connected()
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
        assert transfer(pair, sender, receiver, bytes(2_000_000)) == bytes(2_000_000)
        assert receiver.rcvbuf == 200_000


@pytest.mark.parametrize(("space", "scale"), [(9490, 0), (65535, 0), (1 << 17, 2)])
def test_a_buffer_that_was_set_needs_no_scale_beyond_itself(space, scale):
    with vnic.Host(ip="10.0.0.2/24", tcp="endpoint") as h:
        window, found = ffi.new("uint32_t *"), ffi.new("uint8_t *")
        lib.tcp_initial_window(h.machine.c, space, True, 1460, window, found, True)
        assert found[0] == scale
