"""The filter of a packet socket: beside a plain model, libpcap's own machine, and the running kernel's."""

import ctypes
import errno
import fcntl
import os
import random
import socket
import struct
from itertools import pairwise

import frames
import pytest
from bpf_programs import spoilt, valid
from hypothesis import given
from hypothesis import strategies as st
from model import bpf as model
from paths import CAPTURES
from scapy.utils import PcapNgReader

import vnic
from vnic import bpf
from vnic._core import ffi, lib

KNOWN = [model.EXTENSIONS[n] for n in model.EXTENSIONS if model.EXTENSIONS[n] not in model.NOT_THERE]
with_libpcap = pytest.mark.needs("libpcap")
RET_ALL = (0x06, 0, 0, 0xFFFFFFFF)


def skb_of(pieces, **fields):
    """An sk_buff of these pieces, the first with the Ethernet header; and what has to stay alive."""
    bufs = [ffi.new("uint8_t[]", b"\0" * 20 + p) for p in pieces]
    pool = ffi.new("struct rx_pool *", {"base": bufs[0], "stride": len(bufs[0])})
    skbs = [ffi.new("struct sk_buff *", {"pool": pool}) for _ in pieces]
    for i, (skb, buf, piece) in enumerate(zip(skbs, bufs, pieces, strict=True)):
        skb.data, skb.head_len = buf + 20, len(piece)
        skb.next = skbs[i + 1] if 0 < i < len(skbs) - 1 else ffi.NULL
    head = skbs[0]
    head.data += 14
    head.head_len -= 14
    head.mac_header, head.network_header = 20, 34
    head.len = sum(len(p) for p in pieces) - 14
    head.frag_list = skbs[1] if len(skbs) > 1 else ffi.NULL
    for name, value in fields.items():
        setattr(head, name, value)
    return head, (bufs, pool, skbs)


def run(program, pieces, *, tag_in_bytes=False, cpu=0, **fields):
    prog = bpf.Program(tuple(program), tag_in_bytes).c()
    skb, _alive = skb_of(pieces, **fields)
    try:
        return lib.bpf_run(prog, skb, cpu)
    finally:
        lib.bpf_prog_free(prog)


def cut(data, cuts):
    """data in pieces, the first of at least the Ethernet header."""
    at = [0, *sorted({14 + c % max(1, len(data) - 14) for c in cuts} - {len(data)}), len(data)]
    return [data[a:b] for a, b in pairwise(at)] if len(at) > 2 else [data]


FIELDS = {
    "protocol": 0xDD86,  # in network byte order
    "pkt_type": 3,
    "queue": 6,
    "hash": 0xDEADBEEF,
}
SEEN = {
    model.EXTENSIONS[name]: value
    for name, value in {
        "protocol": 0x86DD, "pkttype": 3, "ifindex": 1, "queue": 7, "hatype": 1, "rxhash": 0xDEADBEEF, "cpu": 5,
    }.items()
}  # fmt: skip
TAGGED = {
    model.EXTENSIONS["vlan_tci"]: 0x6005,
    model.EXTENSIONS["vlan_present"]: 1,
    model.EXTENSIONS["vlan_tpid"]: 0x8100,
}


@given(st.randoms(use_true_random=False), st.binary(min_size=14, max_size=80), st.lists(st.integers(0, 80), max_size=3))
def test_random_programs_say_what_the_model_says(rnd, data, cuts):
    program = valid(rnd, len(data), KNOWN)
    assert model.check(program)
    assert run(program, cut(data, cuts), cpu=5, **FIELDS) == model.run(program, data, SEEN)


@given(st.randoms(use_true_random=False), st.binary(min_size=14, max_size=80), st.booleans())
def test_a_tag_is_beside_the_bytes_or_in_them(rnd, data, in_bytes):
    program = valid(rnd, len(data), KNOWN)
    shown = data[:12] + b"\x81\0\x60\5" + data[12:] if in_bytes else data
    fields = FIELDS | {"flags": lib.SKB_TAGGED, "vlan_proto": 0x0081, "vlan_tci": 0x6005}
    got = run(program, cut(data, [20, 30]), tag_in_bytes=in_bytes, cpu=5, **fields)
    assert got == model.run(program, shown, SEEN | TAGGED, net=18 if in_bytes else 14)


@pytest.mark.parametrize("name", ["vlan_tci", "vlan_present", "vlan_tpid"])
def test_an_extension_says_what_the_tag_is(name):
    what = model.EXTENSIONS[name]
    program = [(0x20, 0, 0, 0xFFFFF000 + what), (0x16, 0, 0, 0)]  # SKF_AD_OFF; return A
    assert run(program, [bytes(60)], flags=lib.SKB_TAGGED, vlan_proto=0x0081, vlan_tci=0x6005) == TAGGED[what]
    assert run(program, [bytes(60)], vlan_proto=0x0081, vlan_tci=0x6005) == 0


@given(st.randoms(use_true_random=False))
def test_what_may_not_run_is_refused(rnd):
    program = spoilt(rnd, 60, list(model.EXTENSIONS.values()))
    try:
        bpf.Program(tuple(program))
        good = True
    except vnic.ConfigError:
        good = False
    assert good == model.check(program)


REFUSED = [
    ([], "a program has 1 to 4096 instructions"),
    ([RET_ALL] * 4097, "a program has 1 to 4096 instructions"),
    ([(0x80, 0, 0, 0)], "instruction 0: the last instruction has to be a RET"),
    ([RET_ALL, (0x28, 0, 0, 12)], "instruction 1: the last instruction has to be a RET"),
    ([(0x99, 0, 0, 0), RET_ALL], "instruction 0: no such instruction"),
    ([(0x15, 1, 0, 0), RET_ALL], "instruction 0: jumps behind the program's end"),
    ([(0x05, 0, 0, 0xFFFFFFFF), RET_ALL], "instruction 0: jumps behind the program's end"),
    ([(0x34, 0, 0, 0), RET_ALL], "instruction 0: divides by 0"),
    ([(0x64, 0, 0, 32), RET_ALL], "instruction 0: shifts by more than 31 bits"),
    ([(0x02, 0, 0, 16), RET_ALL], "instruction 0: there are 16 words of scratch memory"),
    ([(0x00, 0, 0, 1), (0x60, 0, 0, 3), RET_ALL], "instruction 1: reads scratch memory that was not written"),
    ([(0x20, 0, 0, -0x1000 + 12), RET_ALL], "instruction 0: this extension of Linux's is not there"),
    ([(0x20, 0, 0, -0x1000 + 3), RET_ALL], "instruction 0: no such extension"),
    ([(1 << 16, 0, 0, 0), RET_ALL], "instruction 0: a number is out of range"),
]


@pytest.mark.parametrize(("program", "why"), REFUSED, ids=range(len(REFUSED)))
def test_a_refusal_is_one_sentence(program, why):
    with pytest.raises(vnic.ConfigError) as e:
        bpf.compile(program)
    assert str(e.value) == f"filter: {why}"


def test_a_program_may_be_text_as_tcpdump_prints_it():
    program = bpf.compile("4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n")
    assert program.insns == ((40, 0, 0, 12), (21, 0, 1, 2048), (6, 0, 0, 262144), (6, 0, 0, 0))
    assert bpf.compile(str(program)) == program == bpf.compile(program) == bpf.compile(program.insns)
    assert bpf.compile("2,40 0 0 12,6 0 0 1,").insns == ((40, 0, 0, 12), (6, 0, 0, 1))  # as iptables has it
    with pytest.raises(vnic.ConfigError, match="the first line says 3 instructions, and 1 follow"):
        bpf.compile("3\n6 0 0 1")


def test_without_libpcap_an_expression_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(bpf, "_libpcap", lambda: None)
    with pytest.raises(vnic.ConfigError, match=r"^filter 'tcp': expressions need libpcap \(Debian: apt install"):
        bpf.compile("tcp")


# ---- libpcap ----

EXPRESSIONS = """
tcp
udp
arp
ip
ip6
icmp or icmp6
tcp port 80
tcp port 443
udp port 53
port 5000
portrange 1000-2000
src port 1000
dst port 80 or dst port 5000
host 10.0.0.1
src host 10.0.0.1
src net 10.0.0.0/8
dst net 10.0.0.2/31
net 2001:db8::/32
ether src 02:00:00:00:00:01
ether dst ff:ff:ff:ff:ff:ff
ether broadcast
ether multicast
ip multicast
not ip and not ip6
less 100
greater 1000
len > 60 and len <= 200
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0
tcp[13] = 0x18
tcp and (ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2)) != 0
ip[8] < 64
ip[6:2] & 0x1fff != 0
ip6[6] = 58
icmp[0] = 8
udp[4:2] > 40
ether[0] & 1 = 1
ether[12:2] = 0x88b5
ip proto 17 and not port 53
vlan
vlan 5
vlan and udp port 5000
vlan 5 and tcp
vlan 7 and vlan 9
tcp and portrange 1-65535 and not (src host 10.0.0.1 and dst port 80)
""".strip().splitlines()


def a_few_frames():
    with PcapNgReader(str(CAPTURES / "demo.pcapng")) as reader:
        captured = [bytes(p) for p in reader]
    made = [
        frames.udp(b"x" * 100), frames.tcp(b"y" * 1000), frames.icmp(), frames.icmpv6(), frames.arp(),
        frames.udp(src="fd00::1", dst="fd00::2"), frames.tcp(flags=2), frames.eth(b"who?", type=0x88B5),
        frames.udp(options=b"\1\1\1\0"), frames.udp(ttl=3), frames.udp(dport=53),
    ]  # fmt: skip
    tag = [f[:12] + struct.pack("!HH", 0x8100, tci) + f[12:] for f in made for tci in (5, 0x6007)]
    twice = [f[:12] + struct.pack("!HH", 0x8100, 7) + f[12:16].replace(b"\0\5", b"\0\t") + f[16:] for f in tag]
    return captured[:: max(1, len(captured) // 400)] + made + tag + twice


class Pkthdr(ctypes.Structure):
    _fields_ = (("sec", ctypes.c_long), ("usec", ctypes.c_long), ("caplen", ctypes.c_uint32), ("len", ctypes.c_uint32))


def offline_filter(program, fed):
    """What libpcap's own machine takes."""
    insns = (bpf._Insn * len(program.insns))(*program.insns)
    c = bpf._BpfProgram(len(program.insns), insns)
    pcap = bpf._libpcap()
    return [f for f in fed if pcap.pcap_offline_filter(ctypes.byref(c), ctypes.byref(Pkthdr(0, 0, len(f), len(f))), f)]


@with_libpcap
def test_expressions_take_what_libpcap_takes(host):
    fed = [f for f in a_few_frames() if len(f) >= 14]
    h = host(gro=False, sink=True, strict_csum=True, fifo=1 << 24)
    socks = {e: h.packet_socket(e, ring=1 << 24) for e in EXPRESSIONS}
    h.feed(fed)
    h.run()
    taken = 0
    for expression, sock in socks.items():
        want = offline_filter(bpf.compile(expression), fed)
        assert [bytes(p) for p in sock] == want, expression
        taken += len(want)
        wants = bpf.predicate(bpf.compile(expression))
        assert [f for f in fed if wants(f)] == want
        assert not wants(b"") or expression == ""
    assert taken > 1000


@with_libpcap
@pytest.mark.parametrize(("expression", "why"), [
    ("tcp por 80", "syntax error"),
    ("host no.such.host.invalid", "no.such.host.invalid"),
    ("ether proto \\nonsense", "nonsense"),
    ("tcp\0", "has a NUL in it"),
    ("\udcff", "syntax error"),  # a byte that is no UTF-8, as Python has it in sys.argv
])  # fmt: skip
def test_what_libpcap_does_not_understand_it_says_itself(expression, why):
    with pytest.raises(vnic.ConfigError) as e:
        bpf.compile(expression)
    assert str(e.value).startswith(f"filter {expression!r}: ")
    assert why in str(e.value)


# ---- the running kernel ----

SO_ATTACH_FILTER, SOL_PACKET, PACKET_IGNORE_OUTGOING = 26, 263, 23
MAC = "02:00:00:00:00:01"
# what is the same there and here: not its hash, its CPU, its ifindex
SAME = [model.EXTENSIONS[n] for n in (
    "protocol", "pkttype", "mark", "queue", "hatype", "xor_x", "vlan_tci", "vlan_present", "vlan_tpid")]  # fmt: skip


class Kernel:
    """An AF_PACKET socket on a TAP of the test's own namespace."""

    def __init__(self):
        from pyroute2 import IPRoute

        self.tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tap, 0x400454CA, struct.pack("16sH22x", b"bpf0", 0x1002))
        with IPRoute() as ipr:
            index = ipr.link_lookup(ifname="bpf0")[0]
            ipr.link("set", index=index, address=MAC, state="up")
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind(("bpf0", 3))
        self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.setblocking(False)

    def attach(self, program):
        """Does it accept the program?"""
        insns = (bpf._Insn * max(1, len(program)))(*((c, jt, jf, k & 0xFFFFFFFF) for c, jt, jf, k in program))
        fprog = struct.pack("HP", len(program), ctypes.addressof(insns))
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
            return False
        return True

    def drain(self):
        while self.receive():
            pass

    def receive(self):
        try:
            return self.sock.recv(65536)
        except BlockingIOError:
            return b""

    def send(self, frame):
        os.write(self.tap, frame)

    def close(self):
        self.sock.close()
        os.close(self.tap)


@pytest.fixture
def kernel(netns):
    k = Kernel()
    yield k
    k.close()


@pytest.mark.root
def test_the_running_kernel_refuses_what_is_refused_here(kernel):
    rnd = random.Random(1)
    programs = [p for p, _ in REFUSED[:-1]] + [spoilt(rnd, 60, list(model.EXTENSIONS.values())) for _ in range(2000)]
    refused = 0
    for program in programs:
        try:
            bpf.Program(tuple(program))
            mine = True
        except vnic.ConfigError as e:
            if "is not there" in str(e):
                continue
            mine = False
        assert kernel.attach(program) == mine, program
        refused += not mine
    assert refused > 500


def show_byte(program, shift):
    """Instead of A, one byte of it and 1: a length that a packet of 300 bytes can show."""
    assert program[-1] == (0x16, 0, 0, 0)
    return [*program[:-1], (0x74, 0, 0, shift), (0x54, 0, 0, 0xFF), (0x04, 0, 0, 1), (0x16, 0, 0, 0)]


@pytest.mark.root
def test_random_programs_say_what_the_running_kernel_says(kernel, host):
    rnd = random.Random(2)
    payload = rnd.randbytes(300)
    sent = [
        frames.udp(payload), frames.eth(payload, type=0x88B5), frames.udp(payload, mac={"dst": b"\2\0\0\0\0\x99"}),
        frames.arp(mac={"dst": b"\xff" * 6}) + payload,
    ]  # fmt: skip
    tagged = [f[:12] + struct.pack("!HH", 0x8100, 0x6005) + f[12:] for f in sent[:2]]
    seen = 0
    for i in range(400):
        frame = (sent + tagged)[i % 6]
        program = show_byte(valid(rnd, len(frame), SAME), rnd.choice((0, 8, 16, 24)))
        assert kernel.attach(program)
        kernel.drain()
        kernel.send(frame)
        theirs = kernel.receive()
        h = host(mac=MAC, promisc=True, gro=False)
        with h.packet_socket(program) as sock:
            h.feed(frame)
            mine = [p.data.tobytes() for p in sock]
        assert mine == ([theirs] if theirs else []), (program, frame.hex())
        seen += bool(theirs)
        h.close()
    assert seen > 100
