"""Neighbours: who is asked, what waits, and for how long an answer is believed."""

import frames
import pytest
from live_tap import wait_until
from peer import Peer, arp, decode, host_with, nd, sent

import vnic
from vnic._core import lib

SECOND = 1_000_000_000
GATEWAYS = {"10.0.0.254": bytes.fromhex("0200000000fe"), "fd00::fe": bytes.fromhex("0200000000fd")}


def states(host):
    return {n.ip: n.state for n in host.neighbours()}


def arps(seen):
    return [s for s in seen if s.ethertype == 0x0806]


@pytest.mark.parametrize(
    ("to", "group"),
    [
        ("10.0.0.9", b"\xff" * 6),
        ("fd00::9", bytes.fromhex("3333ff000009")),
        ("fd00::ffff:ffff", bytes.fromhex("3333ffffffff")),  # no broadcast: there is none in IPv6
    ],
)
def test_who_is_not_known_is_asked_and_what_waited_goes_out_in_order(to, group):
    peer = Peer({to: frames.PEER})
    with host_with(peer) as host:
        sock = host.udp(7)
        for i in range(3):
            sock.sendto(b"%d" % i, (to, 9))
        assert host.tx_ledger().in_flight == 4  # the question is in the ring, three wait
        host.run()
        assert peer.seen[0].dst == group
        assert [s.payload[8:] for s in peer.seen[1:]] == [b"0", b"1", b"2"]
        assert {s.dst for s in peer.seen[1:]} == {frames.PEER}
        assert states(host) == {to: "REACHABLE"}
        assert host.tx_ledger() == vnic.counters.snapshots.TxLedger(in_flight=0, fates={"TX_SENT": 4})
        sock.sendto(b"again", (to, 9))
        host.run()
        assert peer.seen[-1].payload[8:] == b"again"
        assert len(peer.seen) == 5


@pytest.mark.parametrize("to", ["10.0.0.%d", "fd00::%d"])
def test_live_one_neighbour_after_the_other_is_asked_and_given_up(to):
    """The timer is one CPU's; senders on other threads ask for it, also after it ran for the one before."""
    wire, nobody = vnic.JointWire.pair()
    knobs = {"neigh_retrans_time_ms": 20, "neigh6_retrans_time_ms": 20}
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cpus=1, live=True, wire=wire, **knobs) as host, host.running():
        sock = host.udp(7)
        for i in range(8, 12):
            sock.sendto(b"x", (to % i, 9))
            wait_until(lambda i=i: states(host).get(to % i) == "FAILED")
        assert host.tx_ledger().fates["TX_NEIGH_FAILED"] == 4
    nobody.close()


@pytest.mark.parametrize("to", ["10.0.0.9", "fd00::9"])
def test_nobody_answers_three_questions_and_what_waited_is_lost(to):
    with host_with(Peer({})) as host:
        host.udp(7).sendto(b"x", (to, 9))
        host.run()
        assert states(host) == {to: "FAILED"}
        seen = host.wire.source.seen
        assert [round(s.t_ns / SECOND) for s in seen] == [0, 1, 2]
        assert host.tx_ledger().fates == {"TX_SENT": 3, "TX_NEIGH_FAILED": 1}
        host.udp(8).sendto(b"y", (to, 9))  # it is asked anew
        host.run()
        assert len(seen) == 6


@pytest.mark.parametrize(("to", "family"), [("10.0.0.9", "neigh"), ("fd00::9", "neigh6")])
def test_the_times_are_knobs_of_each_family(to, family):
    with host_with(Peer({}), **{f"{family}_retrans_time_ms": 400}) as host:
        host.udp(7).sendto(b"x", (to, 9))
        host.run()
        assert [round(s.t_ns / SECOND, 1) for s in host.wire.source.seen] == [0, 0.4, 0.8]
    other = {"neigh": "neigh6", "neigh6": "neigh"}[family]
    times = {f"{family}_base_reachable_time_ms": 5000, f"{other}_base_reachable_time_ms": 1000}
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], cost="zero", **times) as host:
        sock = host.udp(7)
        sock.sendto(b"x", (to, 9))
        own = "fd00::2" if ":" in to else "10.0.0.2"
        host.feed(nd(136, to, src=to, dst=own, flags=3) if ":" in to else arp(2, to, own))
        host.run()
        for seconds, state in ((4, "REACHABLE"), (6, "DELAY")):  # DELAY: it was STALE, and is used
            host.feed(frames.udp(dport=1, mac={"type": 0x9000}), at_ns=seconds * SECOND)  # time passes
            host.run(until_ns=seconds * SECOND + SECOND // 10)
            sock.sendto(b"x", (to, 9))
            assert states(host) == {to: state}
        host.knobs[f"{family}-base-reachable-time-ms"] = 60_000
        assert host.knobs[f"{other}-base-reachable-time-ms"] == 1000


def test_what_is_far_away_goes_to_the_gateway_of_its_family():
    peer = Peer(GATEWAYS)
    with host_with(peer, gateway=list(GATEWAYS)) as host:
        sock = host.udp(7)
        sock.sendto(b"4", ("8.8.8.8", 53))
        sock.sendto(b"6", ("2001:db8::1", 53))
        host.run()
        data = {s.dst_ip: s.dst for s in peer.seen if s.proto == 17}
        assert data == {"8.8.8.8": GATEWAYS["10.0.0.254"], "2001:db8::1": GATEWAYS["fd00::fe"]}


@pytest.mark.parametrize(("to", "n"), [("10.0.0.9", 300), ("fd00::9", 300)])
def test_what_waits_is_bounded_and_the_oldest_go(to, n):
    peer = Peer({to: frames.PEER})
    with host_with(peer) as host:
        sock = host.udp(7)
        for i in range(n):
            sock.sendto(b"%d" % i, (to, 9))
        kept = 212992 // (576 + 256)  # unres_qlen_bytes, of truesize: a small head and its sk_buff
        assert host.tx_ledger().fates == {"TX_NEIGH_QUEUEFULL": n - kept}
        host.run()
        assert [int(s.payload[8:]) for s in peer.seen if s.proto == 17] == list(range(n - kept, n))


def test_an_address_is_believed_for_30_s_then_doubted_then_asked_for():
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as host:
        sock = host.udp(7)
        sock.sendto(b"1", ("10.0.0.1", 9))
        host.feed(arp(2, "10.0.0.1", "10.0.0.2"))
        host.run()
        host.feed(frames.udp(dport=1, mac={"type": 0x9000}), at_ns=31 * SECOND)  # time passes
        host.run()
        assert states(host) == {"10.0.0.1": "REACHABLE"}
        sock.sendto(b"2", ("10.0.0.1", 9))
        assert states(host) == {"10.0.0.1": "DELAY"}  # it was STALE: used without knowing
        host.run(until_ns=36 * SECOND + SECOND // 2)
        assert states(host) == {"10.0.0.1": "PROBE"}
        assert [(round(s.t_ns / SECOND), s.dst) for s in arps(sent(host))] == [(0, b"\xff" * 6), (36, frames.PEER)]
        host.feed(arp(2, "10.0.0.1", "10.0.0.2"), at_ns=36 * SECOND + SECOND * 3 // 5)
        host.run()
        assert states(host) == {"10.0.0.1": "REACHABLE"}
        assert host.tx_ledger().fates == {"TX_SENT": 4}


def test_a_probe_that_nobody_answers_ends_in_failed():
    peer = Peer({})
    with host_with(peer) as host:
        host.feed(arp(1, "10.0.0.1", "10.0.0.2"))
        host.feed(frames.icmp())
        host.run()
        assert states(host) == {"10.0.0.1": "FAILED"}
        assert [round(s.t_ns / SECOND) for s in arps(peer.seen)] == [0, 5, 6, 7]


def test_a_probe_names_no_mac_address_and_comes_from_an_address_of_the_link():
    """arp_solicit() leaves the target's MAC address 0; ndisc_solicit() sends from the link-local address."""
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], mac=frames.MAC.hex(":"), cost="zero") as host:
        host.feed([arp(1, "10.0.0.1", "10.0.0.2"), nd(135, "fd00::2", src="fd00::1", dst="fd00::2")])
        host.feed([frames.icmp(), frames.icmpv6()])
        host.run(until_ns=5 * SECOND + SECOND // 2)
        asked = [s for s in sent(host) if s.t_ns >= 5 * SECOND]
        assert [s.dst for s in asked] == [frames.PEER] * 2
        by_type = {s.ethertype: s for s in asked}
        assert by_type[0x0806].payload == arp(1, "10.0.0.2", "10.0.0.1", sha=frames.MAC)[14:]
        assert (by_type[0x86DD].src_ip, by_type[0x86DD].dst_ip) == ("fe80::ff:fe00:1", "fd00::1")


def test_the_first_of_two_answers_counts():
    """locktime: a second address for the same host within a second is not believed."""
    other = bytes.fromhex("020000000099")
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as host:
        sock = host.udp(7)
        sock.sendto(b"1", ("10.0.0.1", 9))
        host.feed([arp(2, "10.0.0.1", "10.0.0.2"), arp(2, "10.0.0.1", "10.0.0.2", sha=other)])
        host.run(until_ns=SECOND)
        assert host.neighbours()[0].mac == frames.PEER.hex(":")
        host.feed([arp(2, "10.0.0.1", "10.0.0.2", sha=other)], at_ns=2 * SECOND)
        host.run(until_ns=3 * SECOND)
        assert host.neighbours()[0].mac == other.hex(":")


@pytest.mark.parametrize("op", [1, 2], ids=["it asks us", "it answers unasked"])
def test_a_neighbour_that_has_another_address_now_is_believed(op):
    """arp_process() overrides what it knows, but for locktime."""
    other = bytes.fromhex("020000000099")
    with vnic.Host(ip="10.0.0.2/24", cost="zero") as host:
        host.feed(arp(1, "10.0.0.1", "10.0.0.2"))
        host.feed(arp(op, "10.0.0.1", "10.0.0.2", sha=other), at_ns=2 * SECOND)
        host.run(until_ns=3 * SECOND)
        assert [n.mac for n in host.neighbours()] == [other.hex(":")]


@pytest.mark.parametrize("heard", [False, True])
def test_what_is_said_to_a_loopback_or_group_address_is_not_heard(heard):
    """arp_process() goes by the target: whoever asks for another is seen, and what is known of it is put right."""
    others = ["10.127.0.9", "126.0.0.1", "128.0.0.1", "223.0.0.1"]
    other = bytes.fromhex("020000000099")
    for tip in others if heard else ["127.0.0.1", "127.255.0.9", "224.0.0.1", "239.0.0.1"]:
        with vnic.Host(ip="10.0.0.2/24", cost="zero") as host:
            host.feed(arp(1, "10.0.0.1", "10.0.0.2"))
            host.feed(arp(1, "10.0.0.1", tip, sha=other), at_ns=2 * SECOND)
            host.run(until_ns=3 * SECOND)
            assert [n.mac for n in host.neighbours()] == [(other if heard else frames.PEER).hex(":")]


def test_a_host_without_addresses_of_its_own_is_silent():
    with vnic.Host(cost="zero") as host:
        host.feed([arp(1, "10.0.0.1", "10.0.0.2"), frames.icmp(), nd(135, "fd00::2", src="fd00::1", dst="fd00::2")])
        host.run()
        assert sent(host) == []
        with pytest.raises(OSError, match="Network is down"):
            host.udp(7).sendto(b"x", ("10.0.0.1", 9))


STOPPED = {  # after a flush; "": as it was
    lib.NUD_NONE: "", lib.NUD_INCOMPLETE: lib.NUD_FAILED, lib.NUD_REACHABLE: "", lib.NUD_STALE: "",
    lib.NUD_DELAY: lib.NUD_STALE, lib.NUD_PROBE: lib.NUD_STALE, lib.NUD_FAILED: "",
}  # fmt: skip


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize(("state", "then"), STOPPED.items())
def test_who_stops_asks_nobody_and_waits_for_nobody_any_more(state, then, cpus):
    """The first entry is of that state, the second waits for an answer: it and its two packets are given up."""
    with host_with(Peer({"10.0.0.8": frames.PEER}), cpus=cpus) as host:
        sock, t = host.udp(7), host.machine.c.neigh
        sock.sendto(b"known", ("10.0.0.8", 9))
        host.run()
        t.entry[0].state = state
        t.entry[0].timer_ns = host.now_ns + 5
        for data in (b"1", b"2"):
            sock.sendto(data, ("10.0.0.9", 9))
        asked = host.machine.c.cpu[0].timer_asked
        asked[lib.TIMER_NEIGH] = host.now_ns + 5
        timers = [[int(ns) for ns in host.machine.c.cpu[i].timer_ns] for i in range(cpus)]
        assert timers[0][lib.TIMER_NEIGH] < 2**64 - 1
        t.entry[2].timer_ns = 1  # no entry yet
        failed = int(t.res_failed)
        lib.neigh_flush(host.machine.c)
        assert (t.entry[0].state, t.entry[1].state) == (state if then == "" else then, lib.NUD_FAILED)
        assert {int(t.entry[i].timer_ns) for i in range(2)} == {int(asked[lib.TIMER_NEIGH])} == {2**64 - 1}
        assert t.entry[2].timer_ns == 1
        assert t.res_failed - failed == 1 + (state == lib.NUD_INCOMPLETE)
        timers[0][lib.TIMER_NEIGH] = 2**64 - 1
        assert [[int(ns) for ns in host.machine.c.cpu[i].timer_ns] for i in range(cpus)] == timers
        t.entry[0].state = lib.NUD_STALE
        before = host.now_ns
        host.run()
        assert host.now_ns - before < SECOND  # no timer goes off
        assert host.tx_ledger().fates == {"TX_SENT": 3, "TX_NEIGH_FAILED": 2}


def test_decode_is_no_fool():
    """The judge of these tests notices a wrong checksum."""
    good = bytearray(frames.icmp(b"x" * 40))
    good[-1] ^= 1
    with pytest.raises(AssertionError):
        decode(0, bytes(good))
