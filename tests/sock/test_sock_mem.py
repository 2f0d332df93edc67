"""What UDP's queues are charged: vnic beside the running kernel and beside the plain model, number by number."""

import os
import socket

import fragments
import frames
import kernel_gro
import kernel_gro_sock
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kernel_sock import PORT, KernelSock, words
from model.sock import ReceiveQueue, UdpMem, frame_truesize, merged_truesize, reassembled_truesize

import vnic
from vnic.control import commands
from vnic.linux import procfs

LEVEL, RCVBUF, RCVBUFFORCE, MEMINFO = socket.SOL_SOCKET, socket.SO_RCVBUF, 33, 55
ROOM = {"cost": "zero", "link": "inf", "fifo": 1 << 20, "mtu": 0}
RMEM_DEFAULT = 212_992

payloads = st.sampled_from((0, 18, 100, 500, 1472, 3414, 3415, 3671, 9000, 30_000))
sends = st.tuples(st.just("send"), payloads, st.integers(1, 40))
reads = st.tuples(st.just("read"), st.integers(1, 40))
sizes = st.tuples(st.just("rcvbuf"), st.sampled_from((0, 1152, 1153, 5000, 20_000, 106_496, 500_000)))
steps = st.lists(st.one_of(sends, sends, reads, reads, sizes), min_size=1, max_size=14)


READERS_QUEUE = [("send", 18, 5), ("read", 2), ("send", 18, 3), ("read", 3), ("send", 18, 1), ("read", 3), ("read", 1)]
"""The reader empties its own queue twice while more is queued, far from a quarter of rcvbuf."""


def mem(sock):
    return words(sock.getsockopt(LEVEL, MEMINFO, 36))


def send(host, payload):
    host.feed(frames.udp(payload))
    host.run()


# ---- as the running kernel has it ----


@pytest.mark.root
def test_the_running_kernel_takes_refuses_and_gives_back_the_same(netns):
    """Random sends, reads and SO_RCVBUFFORCE: after each the kernel, vnic and the model show the same numbers."""
    with KernelSock() as kernel:

        @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
        @example(READERS_QUEUE)
        @given(steps)
        def check(what):
            kernel.renew()
            model = ReceiveQueue(RMEM_DEFAULT)
            kernel.set_rcvbuf(RMEM_DEFAULT // 2)
            with vnic.Host(**ROOM) as host:
                sock = host.udp(PORT)
                for kind, *args in what:
                    if kind == "rcvbuf":
                        kernel.set_rcvbuf(args[0])
                        sock.setsockopt(LEVEL, RCVBUFFORCE, args[0])
                        model.set_rcvbuf(sock.rcvbuf)
                    elif kind == "send":
                        for _ in range(args[1]):
                            kernel.deliver(frames.udp(bytes(args[0])))
                            send(host, bytes(args[0]))
                            model.put(bytes(args[0]), frame_truesize(42 + args[0]))
                            assert mem(sock) == kernel.meminfo()
                    else:
                        for _ in range(args[0]):
                            got = sock.recvfrom_nowait()
                            assert (got and got[0]) == kernel.read() == model.get()
                            assert mem(sock) == kernel.meminfo()
                    assert mem(sock) == (model.rmem_alloc, model.rcvbuf, model.forward_alloc, model.drops)
                    assert int(procfs.read(host, "/proc/net/udp").split("\n")[1].split()[4].split(":")[1], 16) == (
                        kernel.rx_queue()
                    )

        check()


@pytest.mark.root
def test_a_frames_truesize_is_the_running_kernels(netns, host):
    """Every length at a border, and some between: the driver's fragment of a page, or pages."""
    lengths = {
        42,
        43,
        60,
        64,
        128,
        129,
        192,
        193,
        1500,
        1514,
        3456,
        3457,
        3712,
        3713,
        4031,
        4032,
        7808,
        7809,
        9000,
        65000,
    }
    h = host(**ROOM)
    sock = h.udp(PORT)
    with KernelSock() as kernel:
        for length in sorted(lengths | set(range(42, 9100, 61))):
            payload = bytes(length - 42)
            kernel.deliver(frames.udp(payload))
            send(h, payload)
            assert mem(sock).rmem_alloc == kernel.meminfo().rmem_alloc == frame_truesize(length), length
            assert sock.recvfrom_nowait()[0] == kernel.read() == payload


@pytest.mark.root
def test_a_full_default_socket_has_room_again_after_a_quarter(netns, host):
    h = host(**ROOM)
    sock = h.udp(PORT)
    payload = bytes(150)
    assert frame_truesize(42 + 150) == 832
    with KernelSock() as kernel:
        kernel.set_rcvbuf(RMEM_DEFAULT // 2)
        while kernel.meminfo().drops == 0:
            kernel.deliver(frames.udp(payload))
            send(h, payload)
        assert mem(sock) == kernel.meminfo() == (RMEM_DEFAULT, RMEM_DEFAULT, 0, 1)
        assert sock._c.qlen == 256
        reads, refused = 0, True
        while refused:
            assert sock.recvfrom_nowait()[0] == kernel.read()
            reads += 1
            before = mem(sock).drops
            kernel.deliver(frames.udp(payload))
            send(h, payload)
            assert mem(sock) == kernel.meminfo()
            refused = mem(sock).drops > before
    assert reads == 64


@pytest.mark.root
@pytest.mark.parametrize(("size", "cuts"), [(200, 64), (500, 64), (1500, 64), (3000, 104), (9000, 1480), (9000, 4000)])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_reassembled_datagrams_truesize_is_the_running_kernels(netns, host, size, cuts, backwards):
    h = host(**ROOM)
    sock = h.udp(PORT)
    parts = fragments.cut(4, fragments.datagram(4, bytes(size)), tuple(range(cuts, size + 8, cuts)))
    sent = [fragments.frame(p) for p in parts][:: -1 if backwards else 1]
    with KernelSock() as kernel:
        for frame in sent:
            kernel.deliver(frame)
        h.feed(sent)
        h.run()
        assert mem(sock) == kernel.meminfo()
        assert mem(sock).rmem_alloc == reassembled_truesize([len(frame) for frame in sent])


@pytest.mark.root
@pytest.mark.parametrize("feature", [None, "rx-udp-gro-forwarding", "rx-gro-list"])
def test_a_merged_packets_truesize_is_the_running_kernels(host, feature):
    """UDP_GRO: segments give their sk_buff back, 17 in a row. For forwarding: what skb_segment() makes of them."""
    why_not = kernel_gro.why_not()
    if why_not:
        pytest.skip(why_not)
    shapes = [(1, 100), (2, 100), (18, 100), (19, 100), (38, 100), (40, 1400), (2, 3414), (2, 3415)]
    batches = [[frames.udp(bytes(size))] * n for n, size in shapes]
    charged = kernel_gro_sock.rmem_alloc(feature, batches)
    for (n, size), batch, theirs in zip(shapes, batches, charged, strict=True):
        h = host(**ROOM, **({feature.replace("-", "_"): True} if feature else {}))
        sock = h.udp(PORT, gro=not feature)
        h.feed(batch)
        h.run()
        assert mem(sock).rmem_alloc == theirs, (n, size)
        if not feature:
            assert theirs == merged_truesize([42 + size] * n)


# ---- and without one ----


@given(steps, st.sampled_from((0, 1, 2624, 20_000, RMEM_DEFAULT)), st.sampled_from((128, 2048)), st.integers(0, 60))
def test_it_is_the_plain_models(what, rcvbuf, rx_buf_len, udp_mem):
    """With udp_mem so small that it binds, two sockets that share it, and any size of buffers."""
    shared = UdpMem(udp_mem)
    with vnic.Host(**ROOM | {"rcvbuf": rcvbuf, "rx_buf_len": rx_buf_len, "udp_mem": udp_mem}) as host:
        pairs = [(host.udp(PORT + i), ReceiveQueue(rcvbuf, shared)) for i in range(2)]
        for step, (kind, *args) in enumerate(what):
            sock, model = pairs[step % 2]
            if kind == "rcvbuf":
                sock.setsockopt(LEVEL, RCVBUFFORCE, args[0])
                model.set_rcvbuf(sock.rcvbuf)
            elif kind == "send":
                for _ in range(args[1]):
                    payload = bytes(args[0])
                    host.feed(frames.udp(payload, dport=sock.local[1]))
                    host.run()
                    model.put(payload, frame_truesize(42 + args[0]))
            else:
                for _ in range(args[0]):
                    got = sock.recvfrom_nowait()
                    assert (got and got[0]) == model.get()
            assert mem(sock) == (model.rmem_alloc, model.rcvbuf, model.forward_alloc, model.drops)
            assert sock._c.qlen == len(model)
            assert host.machine.c.udp_mem_allocated == shared.allocated
        mib = host.mib()
        assert mib["Udp_MemErrors"] == sum(model.mem_errors for _, model in pairs)
        assert mib["Udp_RcvbufErrors"] == sum(model.drops - model.mem_errors for _, model in pairs)
        assert mib["Udp_InErrors"] == sum(model.drops for _, model in pairs)
        for sock, _ in pairs:
            sock.close()
        assert host.machine.c.udp_mem_allocated == 0
        assert host.laws() == 0


def test_udp_mem_bounds_all_sockets_together(host):
    h = host(udp_mem=3)
    socks = [h.udp(5000), h.udp(5001)]
    h.feed([frames.udp(b"x" * 1358)] * 9 + [frames.udp(b"x" * 1400, dport=5001)] * 9)
    h.run()
    # 2048 bytes each: three pages for the first. 2112 each: udp_rmem_min lets the second have two
    assert [sock.drops for sock in socks] == [3, 6]
    assert h.ledger().fates == {"DELIVERED_UDP": 9, "PROTO_MEM": 9}
    assert "\nUDP: inuse 2 mem 5\n" in procfs.read(h, "/proc/net/sockstat")


@pytest.mark.parametrize(("least", "drops"), [(1, 8), (4096, 6), (8192, 4)])
def test_udp_rmem_min_is_what_each_socket_may_hold(host, least, drops):
    """Of the second: 4096 bytes are two datagrams of 2112, and a page more is taken while it holds less."""
    h = host(udp_mem=3, udp_rmem_min=least)
    socks = [h.udp(5000), h.udp(5001)]
    h.feed([frames.udp(b"x" * 1358)] * 9 + [frames.udp(b"x" * 1400, dport=5001)] * 9)
    h.run()
    assert socks[1].drops == drops


def test_udp_mem_is_a_sysctl_of_three_numbers(host):
    h = host()
    name = "net.ipv4.udp_mem"
    assert commands.answer(h, "sysctl", ["-n", name]).out == "393216\t524288\t786432\n"
    assert commands.answer(h, "sysctl", ["-w", f"{name}=5"]).code == 0
    assert commands.answer(h, "sysctl", ["-n", name]).out == "5\t524288\t786432\n"
    assert h.knobs.udp_mem == 5
    assert commands.answer(h, "sysctl", ["-w", f"{name}=6 7 8"]).code == 0
    assert commands.answer(h, "sysctl", ["-n", name]).out == "6\t7\t8\n"
    for bad in ("", "x", "1 x 3", "-1"):
        assert commands.answer(h, "sysctl", ["-w", f"{name}={bad}"]).code == 1
    assert h.knobs.udp_mem == 6


def test_udp_mems_default_is_of_a_machine_with_16_gib(host):
    """net/ipv4/udp.c udp_init(): an eighth of the pages are the pressure, three quarters of that the limit."""
    pressure = (16 << 30) // os.sysconf("SC_PAGE_SIZE") // 8
    assert host().knobs.udp_mem == pressure // 4 * 3


def test_the_pools_memory_is_beside_the_truesize(host):
    h = host(rx_buf_len=256)
    sock = h.udp(5000)
    assert sock.meminfo().pool_bytes == 0
    h.feed([frames.udp(b"x" * 18), frames.udp(b"x" * 1000)])
    h.run()
    stride = h.machine.c.dq[0].pool.stride
    info = sock.meminfo()
    assert info.pool_bytes == (1 + -(-(20 + 1042) // 256)) * stride  # 20: virtio's header
    assert info.rmem_alloc == frame_truesize(60) + frame_truesize(1042)
    assert (info.rcvbuf, info.sndbuf, info.drops) == (RMEM_DEFAULT, 0, 0)
    sock.recv()
    assert sock.meminfo().rmem_alloc == info.rmem_alloc
    assert sock.meminfo().pool_bytes == info.pool_bytes - stride


def test_a_streams_memory_is_given_back_by_the_read(host):
    h = host()
    listener = h.tcp(80)
    h.feed([frames.tcp(b"x" * 100, seq=1), frames.tcp(b"y" * 100, seq=301)])
    h.run()
    stream = listener.accept()
    assert mem(stream).rmem_alloc == 2 * frame_truesize(154)
    stream.read(100)
    assert mem(stream).rmem_alloc == frame_truesize(154)


def test_getsockopt_gives_bytes_as_pythons_does(host):
    sock = host().udp(5000)
    assert sock.getsockopt(LEVEL, RCVBUF, 4) == RMEM_DEFAULT.to_bytes(4, "little")
    assert sock.getsockopt(LEVEL, MEMINFO) == 0
    assert len(sock.getsockopt(LEVEL, MEMINFO, 8)) == 8
