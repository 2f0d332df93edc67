"""/proc/net/udp, udp6, sockstat, sockstat6: the host's sockets, as the running kernel shows its own."""

import re
import socket
from pathlib import Path

import frames
import pytest
from model.sock import frame_truesize

from vnic.linux import procfs, sockstat

V6 = {"src": "fd00::1", "dst": "fd00::2"}


def lines(h, name):
    return procfs.read(h, f"/proc/net/{name}").splitlines()[1:]


def fields(line):
    names = [
        "sl",
        "local",
        "remote",
        "st",
        "queues",
        "tr",
        "retrnsmt",
        "uid",
        "timeout",
        "inode",
        "ref",
        "pointer",
        "drops",
    ]
    return dict(zip(names, line.split(), strict=True))


# ---- what is in them ----


def test_a_sockets_queue_and_its_drops(host):
    h = host(rcvbuf=3000)
    sock = h.udp(5000)
    h.feed([frames.udp(b"x" * 100)] * 5)
    h.run()
    (one,) = map(fields, lines(h, "udp"))
    assert (one["sl"], one["local"], one["remote"], one["st"]) == ("5000:", "00000000:1388", "00000000:0000", "07")
    one_truesize = frame_truesize(142)
    assert int(one["drops"]) == sock.drops == 5 - 3000 // one_truesize == 2
    assert int(one["queues"].split(":")[1], 16) == 3 * one_truesize
    sock.recv()  # its memory is given back later, but it is not queued
    (one,) = map(fields, lines(h, "udp"))
    assert int(one["queues"].split(":")[1], 16) == 2 * one_truesize
    sock.close()
    assert lines(h, "udp") == []


def test_sockets_are_listed_once_by_their_ports(host):
    h = host(ip=["10.0.0.2/24", "fd00::2/64"], gateway="10.0.0.1")
    h.udp(7000), h.udp(53, "10.0.0.2"), h.udp(6000, "fd00::2")
    peer = h.udp(8000)
    peer.connect(("10.0.0.1", 9))
    assert [fields(line)["local"] for line in lines(h, "udp")] == ["0200000A:0035", "00000000:1B58", "0200000A:1F40"]
    assert [(fields(line)["remote"], fields(line)["st"]) for line in lines(h, "udp")][2] == ("0100000A:0009", "01")
    assert [fields(line)["local"] for line in lines(h, "udp6")] == ["000000FD000000000000000002000000:1770"]


def test_sinks_are_sockets_too(host):
    h = host(sink=True, rcvbuf=0, cpus=1, cost="linux", link="10G")
    h.feed([frames.udp(dport=port) for port in (5, 5, 5, 9)] + [frames.tcp(b"x")])
    h.run()
    found = {fields(line)["sl"]: int(fields(line)["drops"]) for line in lines(h, "udp")}
    assert found.keys() == {"5:", "9:"}
    assert sum(found.values()) == h.ledger().fates.get("SOCKET_RCVBUFF", 0)


def test_sockstat_counts_the_sockets_there_are(host):
    h = host(sink=True, reader_cpu=0)
    h.feed(
        [
            frames.udp(dport=5),
            frames.udp(dport=6, **V6),
            frames.tcp(b"x", seq=1),
            frames.tcp(b"y", dport=81, seq=1, **V6),
        ]
    )
    h.feed([frames.eth(frames.ipv4(bytes(16), 17, id=i, frag=0x2000)) for i in range(3)])
    h.run(until_ns=1_000_000)
    text = procfs.read(h, "/proc/net/sockstat")
    mem = h.machine.c.ip_frags.mem
    tcp = 2 + 2  # streams, and the listeners of their ports
    assert mem > 3 * 200
    assert text == (
        f"sockets: used {tcp + 2}\nTCP: inuse {tcp - 1} orphan 0 tw 0 alloc {tcp} mem 0\nUDP: inuse 2 mem 2\n"
        f"UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 3 memory {mem}\n"
    )
    assert procfs.read(h, "/proc/net/sockstat6") == (
        "TCP6: inuse 1\nUDP6: inuse 0\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n"
    )


def test_what_is_queued_is_memory_by_the_page(host):
    h = host()
    h.udp(5000), h.udp(5001)
    sock = h.udp(5002)
    h.feed([*[frames.udp(bytes(1400))] * 2, frames.udp(dport=5001), *[frames.udp(dport=5002)] * 50])
    h.run()
    assert frame_truesize(1442) * 2 == 4224
    assert frame_truesize(60) * 50 == 35_200
    assert "\nUDP: inuse 3 mem 12\n" in procfs.read(h, "/proc/net/sockstat")  # 2, 1 and 9 pages
    assert len(sock.recvmmsg_nowait()) == 50
    assert "\nUDP: inuse 3 mem 4\n" in procfs.read(h, "/proc/net/sockstat")  # a drained socket keeps a page


# ---- as the running kernel has them ----


@pytest.mark.root
def test_they_look_as_the_running_kernels(netns):
    """The same sockets, all numbers that are the kernel's own business taken from it."""
    made = []
    for family, address, port in ((socket.AF_INET, "0.0.0.0", 5000), (socket.AF_INET6, "::", 53)):
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind((address, port))
        made.append(sock)
    for name, header, address, port in (
        ("udp", sockstat._UDP_HEADER, "0.0.0.0", 5000),
        ("udp6", sockstat._UDP6_HEADER, "::", 53),
    ):
        first, line = Path(f"/proc/net/{name}").read_text().splitlines()
        its = fields(line)
        mine = sockstat.udp_line(
            slot=int(its["sl"].rstrip(":")), local=sockstat.hexadecimal(address, port),
            remote=sockstat.hexadecimal(address, 0), state=7, rx_queue=0, uid=int(its["uid"]), inode=int(its["inode"]),
            drops=0,
        )  # fmt: skip
        line = re.sub(r"2 [0-9a-f]{16}", f"2 {0:016x}", line)
        width = 127 if name == "udp" else 0
        assert (f"{header:{width}}", f"{mine:{width}}") == (first, line)
    for sock in made:
        sock.close()


@pytest.mark.root
@pytest.mark.needs("ip")
def test_addresses_are_written_as_the_running_kernel_writes_them(netns):
    import subprocess

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "addr", "add", "192.168.250.7/32", "dev", "lo"], check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("192.168.250.7", 4660))
        line = Path("/proc/net/udp").read_text().splitlines()[1]
    assert fields(line)["local"] == sockstat.hexadecimal("192.168.250.7", 4660)


@pytest.mark.root
@pytest.mark.parametrize("name", ["sockstat", "sockstat6"])
def test_the_counts_have_the_running_kernels_lines(host, netns, name):
    real = Path(f"/proc/net/{name}").read_text()
    assert re.sub(r"\d+(?=[ \n])", "n", procfs.read(host(), f"/proc/net/{name}")) == re.sub(r"\d+(?=[ \n])", "n", real)
