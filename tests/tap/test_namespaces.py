"""vnic as a host on a wire, the kernel and its usual tools on the other side; each test in a namespace of its own.

What a real client does: ping, arping, nc, dig, hping3. Needs root; a tool that is not installed skips its test.
"""

import contextlib
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import frames
import needs
import pcapng_blocks
import pytest
from live_tap import live_tap, send_all, settle

import vnic

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]

KERNEL = ["10.0.0.1/24", "fd00::1/64"]
OURS = ["10.0.0.2/24", "fd00::2/64"]
MAC = "02:00:00:00:00:07"


def tool(*command, check=True, timeout=30):
    needs.require(command[0])
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextlib.contextmanager
def on_the_wire(name="vt0", **options):
    Path("/proc/sys/net/ipv6/conf/default/accept_dad").write_text("0")  # addresses are good at once
    with live_tap(name, **({"host_ip": KERNEL, "ip": OURS, "mac": MAC} | options)) as host:
        yield host
        host.stop()
        assert host.laws() == 0
        assert host.ledger().in_flight == host.tx_ledger().in_flight == 0


vnet = pytest.mark.parametrize("vnet_hdr", [True, False], ids=["vnet headers", "plain"])


@vnet
@pytest.mark.parametrize("size", [0, 56, 1472, 6000, 65000])
def test_ping(size, vnet_hdr):
    with on_the_wire(vnet_hdr=vnet_hdr) as host:
        for command in (["ping", "10.0.0.2"], ["ping", "-6", "fd00::2"]):
            out = tool(*command, "-c", "5", "-i", "0.01", "-W", "5", "-s", str(size))
            assert " 0% packet loss" in out
        known = {n.ip: n.state for n in host.neighbours()}
        assert known["10.0.0.1"] in ("REACHABLE", "DELAY", "STALE", "PROBE")
        assert host.mib()["Icmp_OutEchoReps"] == host.mib()["Icmp6_OutEchoReplies"] == 5


def test_a_flood_of_pings_is_answered_to_the_last():
    with on_the_wire(fifo=1 << 22) as host:
        out = tool("ping", "-q", "-f", "-c", "1000", "10.0.0.2")
        assert "1000 received" in out
        assert host.mib()["Icmp_OutEchoReps"] == 1000


def test_arping_gets_our_mac_address():
    with on_the_wire():
        assert MAC in tool("arping", "-c", "2", "-I", "vt0", "10.0.0.2").lower()
        assert (
            "no" not in tool("arping", "-c", "1", "-w", "1", "-I", "vt0", "10.0.0.3", check=False).split("eceived")[-1]
        )


@vnet
@pytest.mark.parametrize(("family", "theirs", "ours"), [(2, "10.0.0.1", "10.0.0.2"), (10, "fd00::1", "fd00::2")])
@pytest.mark.parametrize("size", [0, 1, 1400, 1453, 9000, 60000])
def test_datagrams_both_ways(family, theirs, ours, size, vnet_hdr):
    """From us whole, in fragments, and many at once by UDP_SEGMENT: the kernel's socket gets every byte."""
    data = bytes(i * 3 & 255 for i in range(size))
    with on_the_wire(vnet_hdr=vnet_hdr) as host, socket.socket(family, socket.SOCK_DGRAM) as kernel:
        kernel.bind((theirs, 0))
        kernel.settimeout(10)
        sock = host.udp(7)
        sock.sendto(data, (theirs, kernel.getsockname()[1]))
        got, sender = kernel.recvfrom(65536)
        assert (got, sender[:2]) == (data, (ours, 7))
        kernel.sendto(data, (ours, 7))
        assert sock.recvfrom(timeout=10) == (data, (theirs, kernel.getsockname()[1]))
        if size > 1453:
            sock.sendto(data, (theirs, kernel.getsockname()[1]), gso_size=1000)
            assert b"".join(kernel.recv(65536) for _ in range(0, size, 1000)) == data


def test_a_port_without_a_socket_refuses_the_kernels_client():
    with on_the_wire() as host:
        for family, ours in ((socket.AF_INET, "10.0.0.2"), (socket.AF_INET6, "fd00::2")):
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.settimeout(10)
                client.connect((ours, 9))
                client.send(b"x")
                with pytest.raises(ConnectionRefusedError):
                    client.recv(10)
        assert host.mib()["Icmp_OutDestUnreachs"] == host.mib()["Icmp6_OutDestUnreachs"] == 1


@pytest.mark.parametrize(("theirs", "ours"), [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")])
def test_the_kernel_refuses_our_connected_client(theirs, ours):
    with on_the_wire() as host:
        sock = host.udp(0)
        sock.connect((theirs, 9))
        sock.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(timeout=10)


@pytest.mark.needs("nc")
def test_nc_talks_to_a_socket_of_ours():
    with on_the_wire() as host:
        sock = host.udp(5000)
        with subprocess.Popen(["nc", "-u", "10.0.0.2", "5000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nc:
            nc.stdin.write(b"hello\n")
            nc.stdin.flush()
            data, sender = sock.recvfrom(timeout=20)
            assert data == b"hello\n"
            sock.sendto(b"and back\n", sender)
            assert nc.stdout.readline() == b"and back\n"
            nc.terminate()


def answer_dns(sock, stop):
    """A DNS responder of ten lines: every name is 192.0.2.7."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            query, sender = sock.recvfrom(timeout=0.1)
            question = query[12 : query.index(b"\0", 12) + 5]
            head = query[:2] + struct.pack("!HHHHH", 0x8400, 1, 1, 0, 0)
            sock.sendto(
                head + question + b"\xc0\x0c" + struct.pack("!HHIH4s", 1, 1, 60, 4, bytes([192, 0, 2, 7])), sender
            )


def test_dig_asks_a_small_dns_responder():
    with on_the_wire() as host:
        stop, sock = threading.Event(), host.udp(53)
        t = threading.Thread(target=answer_dns, args=(sock, stop))
        t.start()
        try:
            for server in ("10.0.0.2", "fd00::2"):
                assert "192.0.2.7" in tool("dig", f"@{server}", "+short", "+tries=1", "+time=10", "vnic.example", "A")
        finally:
            stop.set()
            t.join()


def test_hping3_finds_a_host_like_any_other():
    with on_the_wire() as host:
        host.udp(7)
        assert "Port Unreachable" in tool("hping3", "-2", "-p", "9", "-c", "2", "-i", "u10000", "10.0.0.2", check=False)
        out = tool("hping3", "-1", "-c", "3", "-i", "u10000", "10.0.0.2", check=False)
        assert "3 packets received" in out


def test_broadcast_and_multicast_reach_a_socket():
    with on_the_wire() as host:
        sock = host.udp(7)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            s.sendto(b"all", ("10.0.0.255", 7))
        assert sock.recv(timeout=10) == b"all"
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.sendto(b"group", ("ff02::1%vt0", 7))
        assert sock.recv(timeout=10) == b"group"


def test_foreign_mac_addresses_are_seen_only_when_promiscuous():
    other = frames.udp(dport=7, mac={"dst": bytes.fromhex("020000000099")})
    for promisc, fate in ((False, "MAC_FILTER"), (True, "OTHERHOST")):
        with on_the_wire(f"vt{int(promisc)}", promisc=promisc) as host:
            before = host.ledger().fates.get(fate, 0)
            send_all(f"vt{int(promisc)}", [other] * 10)
            deadline = time.monotonic() + 10
            while host.ledger().fates.get(fate, 0) < before + 10:
                assert time.monotonic() < deadline
                time.sleep(0.005)


def test_a_jumbo_mtu():
    needs.run("ip", "tuntap", "add", "dev", "vt0", "mode", "tap")
    needs.run("ip", "link", "set", "vt0", "mtu", "9000", "up")
    with on_the_wire(mtu=9000):
        assert " 0% packet loss" in tool("ping", "-c", "3", "-i", "0.01", "-M", "do", "-s", "8972", "10.0.0.2")


def test_vlan_frames_reach_the_host_as_any():
    with live_tap("vt0", sink=True) as host:
        send_all("vt0", [frames.udp(mac={"vlan": 5})] * 20)
        settle(host, 20)
        assert host.ledger().fates == {"DELIVERED_UDP": 20}


def test_the_kernels_own_capture_of_the_wire_is_ours(tmp_path):
    """What AF_PACKET sees on the kernel's side is what our capture of the wire has, byte for byte and in order."""
    path = tmp_path / "wire.pcapng"
    with on_the_wire(vnet_hdr=False, sink=True, host_ip=KERNEL[:1]) as host:
        capture = vnic.Capture(host, path, at=("wire",))
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)) as tap:
            tap.bind(("vt0", 0x0003))
            tap.settimeout(10)
            tool("ping", "-c", "3", "-i", "0.01", "10.0.0.2")
            tool("ping", "-c", "1", "-s", "4000", "10.0.0.2")
            theirs = []
            while len(theirs) < 3 * 2 + 3 * 2:
                frame = tap.recv(2000)
                theirs += [frame] if frame[12:14] == b"\x08\0" else []
        capture.close()
    ours = [b.data for b in pcapng_blocks.at(pcapng_blocks.read(path), "wire")]
    assert [f for f in ours if f[12:14] == b"\x08\0"] == theirs


def test_two_hosts_on_a_bridge_talk_to_each_other():
    for command in (
        "ip link add br0 type bridge",
        "ip tuntap add dev va mode tap",
        "ip tuntap add dev vb mode tap",
        "ip link set va master br0 up",
        "ip link set vb master br0 up",
        "ip link set br0 up",
    ):
        needs.run(*command.split())
    with (
        live_tap("va", ip=["10.0.0.5/24"], mac="02:00:00:00:00:05") as a,
        live_tap("vb", ip=["10.0.0.6/24"], mac="02:00:00:00:00:06") as b,
    ):
        here, there = a.udp(1000), b.udp(2000)
        for i in range(50):
            here.sendto(b"%d" % i, ("10.0.0.6", 2000))
            data, sender = there.recvfrom(timeout=20)
            assert (data, sender) == (b"%d" % i, ("10.0.0.5", 1000))
            there.sendto(data * 2, sender)
            assert here.recv(timeout=20) == data * 2
        assert {n.ip for n in a.neighbours()} == {"10.0.0.6"}


@vnet
def test_a_flood_and_every_book_balances(vnet_hdr):
    """What the kernel was given it sent or dropped; what it sent was read, and has a fate; pools are whole."""
    n, size = 20000, 100
    with on_the_wire(vnet_hdr=vnet_hdr, sink=True, fifo=65536, host_ip=KERNEL[:1]) as host:
        tool("ping", "-c", "1", "10.0.0.2")  # the addresses are known
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("10.0.0.2", 7))
            sent = 0
            for _ in range(n):
                with contextlib.suppress(OSError):
                    sent += s.send(bytes(size)) == size
        before = -1
        while before != (before := host.ledger().offered) or host.ledger().in_flight:
            time.sleep(0.2)
        ledger, read = host.ledger(), sum(lane["frames"] for lane in host.wire.lane_facts())
        assert ledger.closed
        assert read == ledger.offered
        fates = ledger.fates
        got = sum(fates.get(f, 0) for f in ("DELIVERED_UDP", "SOCKET_RCVBUFF", "FIFO_OVERRUN"))
        assert got + host.wire.kernel_drops() == sent


def test_asyncio_waits_for_a_datagram():
    import asyncio

    async def echo(sock):
        loop, waiting = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(sock.fileno(), waiting.set)
        while True:
            await asyncio.wait_for(waiting.wait(), 20)
            waiting.clear()
            sock.acknowledge()
            while (got := sock.recvfrom_nowait()) is not None:
                sock.sendto(got[0].upper(), got[1])
                if got[0] == b"end":
                    loop.remove_reader(sock.fileno())
                    return

    with on_the_wire() as host, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel:
        sock = host.udp(7)
        kernel.connect(("10.0.0.2", 7))
        kernel.settimeout(10)
        for word in (b"a", b"bc", b"end"):
            kernel.send(word)
        asyncio.run(echo(sock))
        assert [kernel.recv(100) for _ in range(3)] == [b"A", b"BC", b"END"]


def test_a_host_of_many_queues_and_lanes_answers_too():
    needs.run("ip", "tuntap", "add", "dev", "vt0", "mode", "tap", "multi_queue")
    needs.run("ip", "link", "set", "vt0", "up")
    with on_the_wire(lanes=3, queues=3, rps_cpus="f"):
        assert " 0% packet loss" in tool("ping", "-c", "5", "-i", "0.01", "10.0.0.2")
        assert " 0% packet loss" in tool("ping", "-6", "-c", "5", "-i", "0.01", "fd00::2")
