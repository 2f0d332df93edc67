"""An sk_buff is used again and again: what it says of a packet never depends on the packet before."""

import fragments
import frames
import pcapng_blocks
import pytest
from gro_rows import train
from unfinished_frames import TAGS, Made

import vnic
from vnic._core import ffi

V6 = {"src": "fd00::1", "dst": "fd00::2"}
# next and frag_tail are set before anything follows them; frag_list is NULL between two uses
SCALARS = frozenset(
    """len hash mac_header network_header segs ip_summed pkt_type hash_report flags protocol queue truesize head_len
    gso_size seq end_seq rflow gro_l4 gro_inner gro_outer gro_flush gro_same_flow gro_fixed_id vlan_tci vlan_proto
    t_wire t_stage tstamp""".split()  # noqa: SIM905
)
SIZE = {name: ffi.sizeof(f.type) for name, f in ffi.typeof("struct sk_buff").fields if name in SCALARS}


def scribble(host, byte):
    for i in range(host.machine.c.nic.nqueues):
        pool = host.machine.c.dq[i].pool
        for skb in pool.skbs[0 : pool.size]:
            for name in SCALARS:
                setattr(skb, name, int.from_bytes(bytes([byte]) * SIZE.get(name, 4)))
            skb.next = skb.frag_tail = ffi.cast("struct sk_buff *", 0xDEAD)


def traffic():
    fed = [frames.udp(bytes([i]) * 100 * i, sport=1000 + i) for i in range(6)]
    fed += [frames.udp(b"six", **V6), frames.icmp(b"ping"), frames.icmpv6(b"ping"), frames.arp(), b"\1" * 20]
    fed += train(*[{}] * 8) + train(*[{}] * 4, v=6)
    fed += [Made(tags=tags, tcp=False, payload=b"t" * 60).data for tags in TAGS[1:3]]
    fed += [frames.udp(check=0xBAD), frames.tcp(b"x", flags=frames.SYN, sport=9), frames.eth(b"z" * 50, type=0x88B5)]
    parts = fragments.cut(4, fragments.datagram(4, bytes(range(200))), (64,), id=5)
    return fed + [fragments.frame(p) for p in parts]


def outcome(tmp_path, byte, knobs):
    """Of twice the same traffic, all that can be seen."""
    out = tmp_path / f"{byte}.pcapng"
    with vnic.Host(**({"cost": "zero", "rx_pool": 256, "rx_ring": 64, "fifo": 1 << 20} | knobs)) as host:
        sock = host.udp(5000)
        sock.gro = True
        tap = vnic.Capture(host, out, at=("nic", "gro", "stack"))
        got = []
        for _ in range(2):
            if byte is not None:
                scribble(host, byte)
            host.feed(traffic())
            host.run()
            got += list(iter(sock.recvfrom_nowait, None))
        tap.close()
        seen = [(b.point, b.t_ns, b.data, b.wire_len, b.id, b.queue, b.comment) for b in pcapng_blocks.read(out)]
        cpus = [(s.processed, s.received_rps, s.dropped) for s in host.softnet()]
        assert host.laws() == 0
        return host.ledger().fates, host.mib(), host.nic.stats(), host.gro(), cpus, got, seen


KNOBS = [
    {},
    {"gro": False, "rx_buf_len": 128, "rx_pool": 2048, "rx_ring": 512},
    {"queues": 4, "rx_usecs": 20, "rx_frames": 16, "rps_cpus": "e"},
    {"rx": False, "rxhash": False, "rps_cpus": "f"},
    {"rps_cpus": "f", "rps_flow_cnt": 64, "rps_sock_flow_entries": 64, "rx_gro_list": True},
]


@pytest.mark.parametrize("knobs", KNOBS, ids=["plain", "pieces", "queues", "host sums", "rfs"])
@pytest.mark.parametrize("byte", [0x01, 0xFF])
def test_whatever_an_skb_held_before_is_not_seen(tmp_path, knobs, byte):
    assert outcome(tmp_path, byte, knobs) == outcome(tmp_path, None, knobs)
