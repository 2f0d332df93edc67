"""A host as visitors see it: scanners, path finders, neighbour discovery, a name service, a DHCP server and its client.

Each program believes that it talks to a Linux machine; each test is in a namespace of its own.
"""

import contextlib
import re
import socket
import struct
import subprocess
import threading
import time

import frames
import pytest
from live_tap import wait_until
from test_namespaces import MAC, OURS, on_the_wire, tool

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]


@pytest.mark.needs("traceroute")
@pytest.mark.parametrize("how", ["-U", "-I", "-T"], ids=["udp", "icmp", "tcp"])
@pytest.mark.parametrize("ours", ["10.0.0.2", "fd00::2"])
def test_traceroute_arrives_at_the_first_hop(how, ours):
    """UDP by port unreachable, ICMP by the echo reply, TCP by the reset of a closed port."""
    with on_the_wire(icmp_ratelimit=0, icmp6_ratelimit=0):
        out = tool("traceroute", "-n", how, "-q", "3", "-w", "2", "-m", "3", ours)
        hops = re.findall(r"^ *\d+ .*", out, re.MULTILINE)
        assert len(hops) == 1, out
        assert hops[0].count(" ms") == 3, out
        assert ours in hops[0]


@pytest.mark.needs("tracepath")
@pytest.mark.parametrize("ours", ["10.0.0.2", "fd00::2"])
def test_tracepath_finds_the_mtu_and_the_end(ours):
    with on_the_wire(icmp_ratelimit=0, icmp6_ratelimit=0):
        out = tool("tracepath", "-n", ours)
        assert re.search(rf"{re.escape(ours)} .*reached", out), out
        assert "Resume: pmtu 1500 hops 1 back 1" in out


@pytest.mark.needs("nmap")
def test_nmap_finds_the_host_and_its_mac_address():
    with on_the_wire():
        out = tool("nmap", "-n", "-sn", "10.0.0.2-3", timeout=60)
        assert "Host is up" in out
        assert MAC.upper() in out
        assert "1 host up" in out or "(1 host up)" in out
        assert "Host is up" in tool("nmap", "-n", "-sn", "-PE", "--send-ip", "10.0.0.2", timeout=60)
        assert "Host is up" in tool("nmap", "-n", "-sn", "-PP", "--send-ip", "10.0.0.2", timeout=60)  # timestamps
        assert "Host is up" in tool("nmap", "-n", "-sn", "-6", "fd00::2", timeout=60)


@pytest.mark.needs("nmap")
def test_nmap_tells_open_ports_from_closed_ones():
    """UDP: an answer, silence, a port unreachable. TCP: a reset. An IP protocol: a protocol unreachable."""
    with on_the_wire(icmp_ratelimit=0, icmp6_ratelimit=0) as host:
        dns, silent = host.udp(53), host.udp(5000)
        stop = threading.Event()

        def answer():
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    query, sender = dns.recvfrom(timeout=0.1)
                    dns.sendto(query[:2] + b"\x80\5" + query[4:], sender)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            out = tool("nmap", "-n", "-Pn", "-sU", "-p", "53,5000,5001", "--max-retries", "1", "10.0.0.2", timeout=90)
        finally:
            stop.set()
            thread.join()
        assert re.search(r"53/udp +open ", out), out
        assert re.search(r"5000/udp +open\|filtered", out), out
        assert re.search(r"5001/udp +closed", out), out
        assert silent.recvfrom_nowait() is not None
        out = tool("nmap", "-n", "-Pn", "-sS", "-p", "80,443", "10.0.0.2", timeout=60)
        assert len(re.findall(r"/tcp +closed", out)) == 2, out
        out = tool("nmap", "-n", "-Pn", "-sO", "-p", "1,17,200", "10.0.0.2", timeout=60)
        assert re.search(r"^1 +open", out, re.MULTILINE), out
        assert "200 closed" in re.sub(" +", " ", out) or "Not shown" in out, out


@pytest.mark.needs("ndisc6", "rdisc6")
def test_ndisc6_gets_our_mac_address():
    with on_the_wire() as host:
        assert MAC.upper() in tool("ndisc6", "-q", "-r", "1", "fd00::2", "vt0").upper()
        known = {a.split("/")[0] for a in OURS}
        assert known == {"10.0.0.2", "fd00::2"}
        tool("rdisc6", "-q", "-r", "1", "-w", "200", "vt0", check=False)  # nobody here is a router
        wait_until(lambda: host.ledger().in_flight == 0)


def answer_mdns(sock, stop):
    """An mDNS responder of ten lines (RFC 6762 section 6.7: legacy queries are answered directly): printer.local."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            query, sender = sock.recvfrom(timeout=0.1)
            question = query[12 : query.index(b"\0", 12) + 5]
            if not question.startswith(b"\7printer\5local\0"):
                continue
            head = query[:2] + struct.pack("!HHHHH", 0x8400, 1, 1, 0, 0)
            address = struct.pack("!HHHIH4s", 0xC00C, 1, 1, 10, 4, bytes([10, 0, 0, 2]))
            sock.sendto(head + question + address, sender)


def test_a_name_is_found_by_multicast():
    """By a legacy query (RFC 6762 section 6.7), as a resolver without a daemon sends it."""
    query = struct.pack("!HHHHHH", 7, 0, 1, 0, 0, 0) + b"\7printer\5local\0" + struct.pack("!HH", 1, 1)
    with on_the_wire() as host, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        sock, stop = host.udp(5353), threading.Event()
        sock.join("224.0.0.251")
        client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.0.0.1"))
        client.settimeout(10)
        thread = threading.Thread(target=answer_mdns, args=(sock, stop))
        thread.start()
        try:
            client.sendto(query, ("224.0.0.251", 5353))
            answer, sender = client.recvfrom(1000)
        finally:
            stop.set()
            thread.join()
        assert sender == ("10.0.0.2", 5353)
        assert answer[:2] + answer[-4:] == query[:2] + socket.inet_aton("10.0.0.2")


# ---- DHCP: RFC 2131, over a packet socket, as a client has no address yet ----

_MAGIC = b"\x63\x82\x53\x63"


def dhcp(kind: int, xid: int, *options: tuple[int, bytes]) -> bytes:
    """A client's message in a broadcast frame."""
    mac = bytes.fromhex(MAC.replace(":", ""))
    boot = struct.pack("!BBBBIHH16x6s202x", 1, 1, 6, 0, xid, 0, 0x8000, mac)
    boot += _MAGIC + bytes((53, 1, kind)) + b"".join(bytes((k, len(v))) + v for k, v in options) + b"\xff"
    datagram = struct.pack("!HHHH", 68, 67, 8 + len(boot), 0) + boot
    check = frames.csum(frames.pseudo("0.0.0.0", "255.255.255.255", 17, len(datagram)) + datagram)
    datagram = datagram[:6] + struct.pack("!H", check) + datagram[8:]
    packet = frames.ipv4(datagram, 17, src="0.0.0.0", dst="255.255.255.255")
    return frames.eth(packet, dst=b"\xff" * 6, src=mac)


def dhcp_answer(sniffer, xid: int) -> tuple[str, dict[int, bytes]]:
    """The server's next message: the address it gives, and its options."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        boot = bytes(sniffer.recv(timeout=20))[42:]
        if boot[0] == 2 and boot[4:8] == struct.pack("!I", xid) and boot[236:240] == _MAGIC:
            options, at = {}, 240
            while boot[at] != 255:
                options[boot[at]] = boot[at + 2 : at + 2 + boot[at + 1]]
                at += 2 + boot[at + 1]
            return socket.inet_ntoa(boot[16:20]), options
    raise AssertionError("no answer")


@pytest.mark.needs("dnsmasq")
def test_a_dhcp_client_over_a_packet_socket_gets_a_lease(tmp_path):
    with on_the_wire(ip=[], mac=MAC) as host, host.packet_socket("udp dst port 68") as sock:
        listens = ("--port=0", "--interface=vt0", "--bind-interfaces", "--dhcp-range=10.0.0.50,10.0.0.60,1h")
        files = (f"--dhcp-leasefile={tmp_path}/leases", f"--pid-file={tmp_path}/pid", "--conf-file=/dev/null")
        server = subprocess.Popen(
            ["dnsmasq", "--no-daemon", "--dhcp-authoritative", "--no-ping", "--user=root", *listens, *files],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            for line in server.stdout:
                if "DHCP, IP range" in line or "sockets bound" in line:
                    break
            sock.send(dhcp(1, 7))
            offered, options = dhcp_answer(sock, 7)
            assert options[53] == b"\2"
            sock.send(dhcp(3, 7, (50, socket.inet_aton(offered)), (54, options[54])))
            given, options = dhcp_answer(sock, 7)
            assert options[53] == b"\5"
            assert given == offered
            assert 50 <= int(given.rpartition(".")[2]) <= 60
            assert MAC in (tmp_path / "leases").read_text()
        finally:
            server.terminate()
            server.communicate(timeout=20)
