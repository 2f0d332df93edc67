"""Every fate, provoked by a real frame on the real path: what each story's last frame became."""

import socket
import struct
import sys
from collections import Counter

import frames
import peer
import pytest
from driver_steps import work
from model.sock import frame_truesize
from peer import arp, sent

import vnic
from vnic._core import ffi, lib
from vnic.counters import snapshots as stats

OTHER_MAC = bytes.fromhex("020000000099")


def fates_of_last(host, *story):
    """The fates that came about when the last frame of the story arrived."""
    host.feed(story[:-1])
    host.run()
    before = host.ledger()
    host.feed(story[-1])
    host.run()
    change = host.ledger() - before
    assert before.closed
    assert change.closed
    return {fate: n for fate, n in change.fates.items() if n}


FRAGMENTS = [frames.udp(bytes(24), frag=0x2000), frames.eth(frames.ipv4(bytes(8), 17, frag=4))]


def fates_together(host, *story):
    """All fates so far, when the story's frames came at once and fragments still wait."""
    host.feed(story)
    host.run(until_ns=host.now_ns + 1_000_000)
    assert host.ledger().closed
    return host.ledger().fates


# ---- deliveries ----


def test_fate_DELIVERED_UDP(host):
    h = host()
    h.udp(5000)
    assert fates_of_last(h, frames.udp()) == {"DELIVERED_UDP": 1}


def test_fate_DELIVERED_TCP(host):
    h = host()
    h.tcp(80)
    assert fates_of_last(h, frames.tcp(b"data")) == {"DELIVERED_TCP": 1}


def test_fate_DELIVERED_ICMP(host):
    assert fates_of_last(host(), frames.icmp()) == {"DELIVERED_ICMP": 1}


def test_fate_DELIVERED_ICMPV6(host):
    assert fates_of_last(host(), frames.icmpv6()) == {"DELIVERED_ICMPV6": 1}


def test_fate_DELIVERED_IGMP(host):
    assert fates_of_last(host(), frames.igmp()) == {"DELIVERED_IGMP": 1}


def test_fate_DELIVERED_ARP(host):
    assert fates_of_last(host(), frames.arp()) == {"DELIVERED_ARP": 1}


def test_fate_DELIVERED_PYTHON(host):
    h = host()
    h.packet_type(0x88B5)(lambda _burst: None)
    assert fates_of_last(h, frames.eth(b"payload", type=0x88B5)) == {"DELIVERED_PYTHON": 1}


def test_fate_DELIVERED_DRIVER(host):
    h = host(external_driver=True)
    queue = h.nic.c.config.queue[0]
    base = h.nic.c.dma.base
    desc = ffi.cast("struct virtq_desc *", base + queue.desc)
    avail = ffi.cast("struct virtq_avail *", base + queue.avail)
    desc[0].addr, desc[0].len, desc[0].flags = queue.buffers, 2048, lib.VIRTQ_DESC_F_WRITE
    avail.idx = 1
    h.nic.c.config.driver_features = h.nic.c.config.device_features
    h.nic.c.config.device_status = lib.VIRTIO_S_DRIVER_OK
    h.nic.call_fd(0)
    h.nic.driver_ok()
    assert fates_of_last(h, frames.udp()) == {"DELIVERED_DRIVER": 1}


# ---- the card ----


def test_fate_DEV_READY(host):
    h = host(external_driver=True)  # and that driver never comes
    assert fates_of_last(h, frames.udp()) == {"DEV_READY": 1}


def test_fate_RX_LENGTH(host):
    assert fates_of_last(host(), b"thirteenbytes") == {"RX_LENGTH": 1}


def test_fate_LINK_TYPE(tmp_path):
    """Raw IP, and neither version 4 nor 6."""
    path = tmp_path / "raw.pcap"
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    path.write_bytes(head + struct.pack("<IIII", 0, 0, 4, 4) + bytes(4))
    with vnic.Host(wire=vnic.CaptureWire([path]), cost="zero", link="inf") as h:
        h.run()
        assert h.ledger().fates == {"LINK_TYPE": 1}


def test_fate_MAC_FILTER(host):
    h = host(mac="02:00:00:00:00:01")
    assert fates_of_last(h, frames.udp(mac={"dst": OTHER_MAC})) == {"MAC_FILTER": 1}


def test_fate_VLAN_FILTER(host):
    h = host(rx_vlan_filter=True)
    assert fates_of_last(h, frames.udp(mac={"vlan": 5})) == {"VLAN_FILTER": 1}


def test_fate_PYTHON_FILTER(host):
    h = host()
    h.nic.filter(lambda burst: [False] * len(burst))
    assert fates_of_last(h, frames.udp()) == {"PYTHON_FILTER": 1}


def test_fate_NTUPLE_FILTER(host):
    h = host(ntuple_rules="udp4 dst-port 5000 action -1")
    assert fates_of_last(h, frames.udp()) == {"NTUPLE_FILTER": 1}


def test_fate_FIFO_OVERRUN(host):
    h = host(fifo=100)
    assert fates_of_last(h, frames.udp(b"x" * 200)) == {"FIFO_OVERRUN": 1}
    assert h.nic.stats().rx_fifo_errors == 1


def test_fate_RX_OVER(host):
    h = host(rx_ring=16, rx_buf_len=128)
    assert fates_of_last(h, frames.udp(b"x" * 3000)) == {"RX_OVER": 1}
    assert h.nic.stats().rx_over_errors == 1


def test_fate_RX_NO_BUFFER(host):
    h = host(rx_ring=16, drop_en=True)
    h.udp(5000)
    h.feed([frames.udp()] * 17, at_ns=0)  # at one instant: the driver has no chance to refill
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 16, "RX_NO_BUFFER": 1}


def test_fate_FAULT(host):
    """The used ring says 6 bytes, less than any frame has: the driver gives the buffer back, and knows of no frame."""
    h = host(faults=["used-len:nth=1"])
    h.udp(5000)
    h.feed([frames.udp(), frames.udp()], gap_ns=10_000)
    h.finish()
    assert h.ledger().fates == {"DELIVERED_UDP": 1, "FAULT": 1}


# ---- the host, up to the protocols ----


def test_fate_CPU_BACKLOG(host):
    h = host(cpus=2, rps_cpus="2", netdev_max_backlog=0)
    h.udp(5000)
    h.feed([frames.udp()] * 2, at_ns=0)  # one fits: the length is looked at before
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 1, "CPU_BACKLOG": 1}
    assert [cpu.dropped for cpu in h.softnet()] == [0, 1]


def test_fate_UNHANDLED_PROTO(host):
    assert fates_of_last(host(), frames.eth(b"?" * 46, type=0x88B5)) == {"UNHANDLED_PROTO": 1}


def test_fate_OTHERHOST(host):
    h = host(mac="02:00:00:00:00:01", promisc=True)
    assert fates_of_last(h, frames.udp(mac={"dst": OTHER_MAC})) == {"OTHERHOST": 1}


def test_fate_PYTHON_DROP(host):
    h = host()
    h.packet_type(0x88B5)(lambda burst: [False] * len(burst))
    assert fates_of_last(h, frames.eth(b"payload", type=0x88B5)) == {"PYTHON_DROP": 1}


def test_fate_PYTHON_QUEUE_FULL(host):
    h = host(cpus=1)
    h.packet_type(0x88B5)(lambda _burst: None)
    h.feed([frames.eth(b"payload", type=0x88B5)] * (lib.UPCALLS_MAX + 1), gap_ns=1)
    nic = ffi.addressof(h.machine.c.nic)
    while h.machine.c.nic.offered <= lib.UPCALLS_MAX:  # the stages by hand, and Python never has its turn
        lib.nic_run(nic, lib.nic_next(nic) + 50)
        work(h)
    assert h.ledger().in_flight_at["python"] == lib.UPCALLS_MAX
    h.run()
    assert h.ledger().fates == {"PYTHON_QUEUE_FULL": 1, "DELIVERED_PYTHON": lib.UPCALLS_MAX}


# ---- IP ----


def test_fate_PKT_TOO_SMALL(host):
    assert fates_of_last(host(), frames.udp(total=1000)) == {"PKT_TOO_SMALL": 1}


def test_fate_IP_INHDR(host):
    assert fates_of_last(host(), frames.eth(b"\x55" + bytes(45))) == {"IP_INHDR": 1}


def test_fate_IP_CSUM(host):
    assert fates_of_last(host(), frames.eth(frames.ipv4(b"", 17, check=1))) == {"IP_CSUM": 1}


def test_fate_IP_INVALID_SOURCE(host):
    assert fates_of_last(host(), frames.udp(src="224.0.0.1")) == {"IP_INVALID_SOURCE": 1}


def test_fate_IP_INADDRERRORS(host):
    h = host(ip="10.0.0.2/24")
    assert fates_of_last(h, frames.udp(dst="10.0.0.3")) == {"IP_INADDRERRORS": 1}


def test_fate_IP_LOCAL_SOURCE(host):
    h = host(ip="10.0.0.2/24")
    assert fates_of_last(h, frames.udp(src="10.0.0.2")) == {"IP_LOCAL_SOURCE": 1}


def test_fate_IP_LOCALNET(host):
    h = host(ip="10.0.0.2/24")
    assert fates_of_last(h, frames.udp(dst="127.0.0.1")) == {"IP_LOCALNET": 1}


def test_fate_IP_INVALID_DEST(host):
    assert fates_of_last(host(), frames.udp(dst="0.0.0.0")) == {"IP_INVALID_DEST": 1}


def test_fate_IP_NOT_JOINED(host):
    h = host(ip="10.0.0.2/24")
    assert fates_of_last(h, frames.udp(dst="224.0.0.99")) == {"IP_NOT_JOINED": 1}


def test_fate_GROUPS_IGNORED(host):
    h = host(ip="10.0.0.2/24")
    assert fates_of_last(h, frames.eth(frames.ipv4(b"\x17\0\xe8\xff" + bytes(4), 2))) == {"GROUPS_IGNORED": 1}


def test_fate_IP_SOURCE_ROUTE(host):
    assert fates_of_last(host(), frames.udp(options=b"\x83\x07\x04\x0a\0\0\1\0")) == {"IP_SOURCE_ROUTE": 1}


def test_fate_IP_INNOROUTES(host):
    h = host(ip="fd00::2/64")
    assert fates_of_last(h, frames.icmpv6(dst="2001:db8::1")) == {"IP_INNOROUTES": 1}


def test_fate_IP_OUTNOROUTES(host):
    h = host(ip="fd00::2/64")
    assert fates_of_last(h, frames.icmpv6(src="2001:db8::1")) == {"IP_OUTNOROUTES": 1}


def test_fate_DUP_FRAG(host):
    assert fates_together(host(), *FRAGMENTS[:1] * 2) == {"DUP_FRAG": 1}


def test_fate_FRAG_REASM_TIMEOUT(host):
    assert fates_of_last(host(), FRAGMENTS[0]) == {"FRAG_REASM_TIMEOUT": 1}


def test_fate_FRAG_TOO_FAR(host):
    others = [frames.udp(frag=0x2000, id=100 + i) for i in range(64)]
    assert fates_together(host(), FRAGMENTS[0], *others, FRAGMENTS[1]) == {"FRAG_TOO_FAR": 1}


def test_fate_PKT_TOO_BIG(host):
    parts = [frames.eth(frames.ipv4(bytes(32768), 17, frag=f)) for f in (0x2000, 0x1000)]
    assert fates_together(host(fifo=1 << 20), *parts) == {"PKT_TOO_BIG": 2}


def test_fate_FRAG_OVERLAP(host):
    assert fates_together(host(), FRAGMENTS[0], frames.udp(bytes(40), frag=2)) == {"FRAG_OVERLAP": 2}


def test_fate_FRAG_LENGTH(host):
    assert fates_together(host(), FRAGMENTS[0], frames.eth(frames.ipv4(b"", 17, frag=4))) == {"FRAG_LENGTH": 2}


def test_fate_FRAG_ECN(host):
    assert fates_together(host(), FRAGMENTS[0], frames.eth(frames.ipv4(bytes(8), 17, frag=4, tos=3))) == {"FRAG_ECN": 2}


def test_fate_FRAG_HIGH_THRESH(host):
    assert fates_together(host(ipfrag_high_thresh=0), FRAGMENTS[0]) == {"FRAG_HIGH_THRESH": 1}


def test_fate_IP_NOPROTO(host):
    assert fates_of_last(host(), frames.eth(frames.ipv4(b"payload", 253))) == {"IP_NOPROTO": 1}


def test_fate_IPV6_BAD_EXTHDR(host):
    truncated = frames.ipv6(b"\x11\x05" + bytes(6), 60)  # says 48 bytes, has 8
    assert fates_of_last(host(), frames.eth(truncated, type=0x86DD)) == {"IPV6_BAD_EXTHDR": 1}


# ---- ARP and neighbour discovery ----


def test_fate_ARP_TARGET(host):
    assert fates_of_last(host(), peer.arp(1, "10.0.0.1", "127.0.0.1")) == {"ARP_TARGET": 1}


def solicitation(target="fd00::2", **more):
    return peer.nd(135, target, **({"src": "fd00::1", "dst": "fd00::2"} | more))


@pytest.mark.parametrize("target", ["ff02::1", "fd00::2"])
def test_fate_NDISC_NO_NEWS(host, target):
    src = "fd00::1" if target == "ff02::1" else "::"
    assert fates_of_last(host(), solicitation(target, src=src)) == {"NDISC_NO_NEWS": 1}


def test_fate_IPV6_NDISC_FRAG(host):
    packet = solicitation()[54:]
    fragment = frames.ipv6(b"\x3a\0\0\0\0\0\0\1" + packet, 44, hops=255)
    assert fates_of_last(host(), frames.eth(fragment, type=0x86DD)) == {"IPV6_NDISC_FRAG": 1}


def test_fate_IPV6_NDISC_HOP_LIMIT(host):
    assert fates_of_last(host(), solicitation(hops=254)) == {"IPV6_NDISC_HOP_LIMIT": 1}


def test_fate_IPV6_NDISC_BAD_CODE(host):
    coded = bytearray(solicitation())
    coded[55] = 1
    coded[56:58] = (int.from_bytes(coded[56:58], "big") - 1).to_bytes(2, "big")
    assert fates_of_last(host(), bytes(coded)) == {"IPV6_NDISC_BAD_CODE": 1}


def test_fate_IPV6_NDISC_BAD_OPTIONS(host):
    assert fates_of_last(host(), solicitation(mac=b"")) == {"IPV6_NDISC_BAD_OPTIONS": 1}


def test_fate_IPV6_NDISC_NS_OTHERHOST(host):
    own = host(ip=["fd00::2/64"], mac="02:00:00:00:00:01")
    assert fates_of_last(own, solicitation("fd00::3")) == {"IPV6_NDISC_NS_OTHERHOST": 1}


# ---- above IP ----


def test_fate_ICMP_CSUM(host):
    assert fates_of_last(host(), frames.icmp(check=1)) == {"ICMP_CSUM": 1}


def test_fate_INVALID_PROTO(host):
    assert fates_of_last(host(), frames.icmp(dst="224.0.0.1")) == {"INVALID_PROTO": 1}


def test_fate_UDP_CSUM(host):
    h = host()
    h.udp(5000)
    assert fates_of_last(h, frames.udp(check=1)) == {"UDP_CSUM": 1}


def test_fate_TCP_CSUM(host):
    h = host()
    h.tcp(80)
    assert fates_of_last(h, frames.tcp(b"data", check=1)) == {"TCP_CSUM": 1}


def test_fate_TCP_FLAGS(host):
    h = host()
    h.tcp(80)
    assert fates_of_last(h, frames.tcp(flags=frames.SYN | frames.FIN)) == {"TCP_FLAGS": 1}


def test_fate_TCP_RESET(host):
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as h:
        h.tcp(80)
        assert fates_of_last(h, frames.tcp(flags=frames.RST)) == {"TCP_RESET": 1}


def test_fate_NO_SOCKET(host):
    assert fates_of_last(host(), frames.udp()) == {"NO_SOCKET": 1}


def test_fate_SOCKET_TABLE_FULL(host):
    h = host(sink=True, sockets=16)
    ports = [frames.udp(dport=5000 + i) for i in range(17)]
    assert fates_of_last(h, *ports) == {"SOCKET_TABLE_FULL": 1}


def test_fate_SOCKET_RCVBUFF(host):
    h = host(rcvbuf=0)
    h.udp(5000)
    assert fates_of_last(h, frames.udp(), frames.udp()) == {"SOCKET_RCVBUFF": 1}


def test_fate_PROTO_MEM(host):
    """A page is taken for a socket that is charged less than udp_rmem_min, whatever udp_mem says."""
    h = host(udp_mem=1)
    h.udp(5000)
    long = [frames.udp(b"x" * 1400)] * 4  # three take two pages
    assert 3 * frame_truesize(1442) < 8192 < 4 * frame_truesize(1442)
    assert fates_of_last(h, *long) == {"PROTO_MEM": 1}
    assert h.mib()["Udp_MemErrors"] == h.mib()["Udp_InErrors"] == 1


def test_fate_TCP_OLD_DATA(host):
    h = host()
    h.tcp(80)
    assert fates_of_last(h, frames.tcp(b"data"), frames.tcp(b"data")) == {"TCP_OLD_DATA": 1}


def test_fate_TCP_OVERWINDOW(host):
    h = host()
    h.tcp(80)
    far = frames.tcp(b"data", seq=5 + (1 << 30) + 1)
    assert fates_of_last(h, frames.tcp(b"data"), far) == {"TCP_OVERWINDOW": 1}


def test_fate_TCP_OFOMERGE(host):
    h = host()
    h.tcp(80)
    early = frames.tcp(b"data", seq=100)
    assert fates_of_last(h, frames.tcp(b"data"), early, early) == {"TCP_OFOMERGE": 1}


def test_fate_TCP_OFO_DROP(host):
    """Neither the out-of-order queue nor the socket behind the hole has room."""
    h = host(rcvbuf=0)
    h.tcp(80)
    story = frames.tcp(b"data"), frames.tcp(b"data", seq=100), frames.tcp(b"data", seq=200)
    assert fates_of_last(h, *story) == {"TCP_OFO_DROP": 1}
    assert h.mib()["TcpExt_TCPOFODrop"] == 1


def test_fate_TCP_CLOSE(host):
    h = host()
    h.tcp(80)
    story = frames.tcp(b"data"), frames.tcp(flags=frames.RST, seq=5), frames.tcp(b"more", seq=5)
    assert fates_of_last(h, *story) == {"TCP_CLOSE": 1}


# ---- TCP's endpoint ----


class Endpoint:
    """A host that answers on port 80, and a peer that makes segments: numbers are relative to each side's first."""

    TS = bytes((1, 1, 8, 10))

    def __init__(self, host, **knobs):
        self.h = host(ip="10.0.0.2/24", tcp="endpoint", cost="zero", **knobs)
        self.server = self.h.listen(80, backlog=knobs.pop("backlog", 5))
        self.t = 10**9
        self.feed(arp(1, "10.0.0.1", "10.0.0.2"))

    def feed(self, *segments):
        """Return: the fates that they met."""
        before = Counter(self.h.ledger().fates)
        self.h.feed([(self.t, s) for s in segments])
        self.t += 10**8
        self.h.run(until_ns=self.t - 1)
        return dict(Counter(self.h.ledger().fates) - before)

    def segment(self, data=b"", *, seq=1, ack=1, flags=frames.ACK, ts=None, ecr=0, sport=1000, options=b""):
        if ts is not None:
            options = self.TS + struct.pack("!II", ts, ecr)
        return frames.tcp(
            data, seq=500 + seq, ack=(self.iss + ack) % 2**32, flags=flags, sport=sport, options=options,
            src="10.0.0.1", dst="10.0.0.2",
        )  # fmt: skip

    def syn(self, sport=1000, **kw):
        self.iss = 0
        fates = self.feed(self.segment(seq=0, flags=frames.SYN, sport=sport, **kw))
        answers = [s.payload for s in sent(self.h) if s.proto == 6]
        if answers:
            self.iss = int.from_bytes(answers[-1][4:8], "big")
            self.their_ts = int.from_bytes(answers[-1][28:32], "big")
        return fates

    def connected(self, **kw):
        self.syn(**kw)
        ts = {"ts": kw["ts"], "ecr": self.their_ts} if "ts" in kw else {}
        self.feed(self.segment(**ts))
        return self.server.accept(timeout=0)


def test_fate_TCP_RFC7323_PAWS(host):
    e = Endpoint(host)
    e.connected(ts=1000)
    assert e.feed(e.segment(b"x", ts=900)) == {"TCP_RFC7323_PAWS": 1}


def test_fate_TCP_RFC7323_TSECR(host):
    e = Endpoint(host)
    e.syn(ts=1000)
    assert e.feed(e.segment(ts=1001, ecr=e.their_ts + 5)) == {"TCP_RFC7323_TSECR": 1}


def test_fate_TCP_OLD_SEQUENCE(host):
    e = Endpoint(host)
    e.connected()
    e.feed(e.segment(b"x" * 10))
    assert e.feed(e.segment(b"x", seq=2)) == {"TCP_OLD_SEQUENCE": 1}


def test_fate_TCP_INVALID_SEQUENCE(host):
    e = Endpoint(host)
    e.connected()
    assert e.feed(e.segment(b"x", seq=100_000)) == {"TCP_INVALID_SEQUENCE": 1}


def test_fate_TCP_INVALID_END_SEQUENCE(host):
    e = Endpoint(host)
    e.connected()
    e.feed(e.segment(b"x"))
    assert e.feed(e.segment(bytes(1400), seq=64_000)) == {"TCP_INVALID_END_SEQUENCE": 1}


def test_fate_TCP_INVALID_ACK_SEQUENCE(host):
    e = Endpoint(host)
    e.syn()
    assert e.feed(e.segment(ack=7)) == {"TCP_INVALID_ACK_SEQUENCE": 1}


def test_fate_TCP_INVALID_SYN(host):
    e = Endpoint(host)
    e.connected()
    assert e.feed(e.segment(flags=frames.SYN)) == {"TCP_INVALID_SYN": 1}


def test_fate_TCP_TOO_OLD_ACK(host):
    e = Endpoint(host)
    e.connected()
    assert e.feed(e.segment(ack=-1000)) == {"TCP_TOO_OLD_ACK": 1}


def test_fate_TCP_ACK_UNSENT_DATA(host):
    e = Endpoint(host)
    e.connected()
    assert e.feed(e.segment(ack=1000)) == {"TCP_ACK_UNSENT_DATA": 1}


def test_fate_TCP_ABORT_ON_DATA(host):
    e = Endpoint(host)
    e.connected().close()
    assert e.feed(e.segment(b"x", ack=2)) == {"TCP_ABORT_ON_DATA": 1}


def test_fate_TCP_ZEROWINDOW(host):
    e = Endpoint(host)
    c = e.connected()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 3000)
    e.feed(*(e.segment(bytes(1000), seq=1 + 1000 * i) for i in range(4)))
    nxt = c.tcp_info().bytes_received + 1
    assert e.feed(e.segment(bytes(1000), seq=nxt)) == {"TCP_ZEROWINDOW": 1} or c.tcp_info().rcv_wnd


def test_fate_TCP_OFO_QUEUE_PRUNE(host):
    """What came early makes room for what is next."""
    e = Endpoint(host)
    c = e.connected()
    e.feed(e.segment(bytes(100)))
    e.feed(*(e.segment(bytes(1400), seq=10_001 + 1400 * i) for i in range(20)))
    c.rcvbuf = 30_000
    assert e.feed(e.segment(bytes(1400), seq=101))["TCP_OFO_QUEUE_PRUNE"] == 20


def test_fate_TCP_LISTEN_OVERFLOW(host):
    e = Endpoint(host)
    for sport in range(1000, 1006):
        e.syn(sport)
        e.feed(e.segment(sport=sport))
    assert e.syn(2000) == {"TCP_LISTEN_OVERFLOW": 1}


def test_fate_TCP_REQQFULLDROP(host):
    e = Endpoint(host)
    e.h.machine.c.tcp.syncookies = 0
    for sport in range(1000, 1006):
        e.syn(sport)
    assert e.syn(2000) == {"TCP_REQQFULLDROP": 1}


# ---- the list of fates itself ----


@pytest.mark.parametrize("fate", stats.FATES)
def test_each_one_has_its_test_and_a_text(fate):
    assert hasattr(sys.modules[__name__], f"test_fate_{fate}")
    text = lib.fate_text(getattr(lib, fate))
    assert text != ffi.NULL
    assert len(ffi.string(text)) > 5


def test_no_test_is_named_for_one_that_is_not_there():
    tests = [name for name in dir(sys.modules[__name__]) if name.startswith("test_fate_")]
    assert {name.removeprefix("test_fate_") for name in tests} == set(stats.FATES)


@pytest.mark.parametrize(
    "fates, text, end",
    [(stats.FATES, lib.fate_text, lib.FATE_MAX), (stats.TX_FATES, lib.tx_fate_text, lib.TX_FATE_MAX)],
    ids=["received", "sent"],
)
def test_texts_are_different(fates, text, end):
    texts = {ffi.string(text(i)) for i in range(len(fates))}
    assert len(texts) == len(fates) == end
    assert text(end) == ffi.NULL
