"""mc_groups.c: who has joined what, and what the card takes."""

import errno
import socket

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peer import quiet
from twin_cases.groups import IP, IPV6, JOIN, mac, mreq6, udp

import vnic

BOTH = ["10.0.0.2/24", "fd00::2/64"]
GROUPS = [f"239.1.2.{n}" for n in range(6)] + [f"ff05::a{n}" for n in range(6)]


def host(**options):
    return quiet(vnic.Host(**({"ip": BOTH, "cost": "zero", "mac": "02:00:00:00:00:01", "link": "inf"} | options)))


def fates(h, frame):
    before = h.ledger().fates
    h.feed([frame], at_ns=h.now_ns)
    h.run(until_ns=h.now_ns + 100_000)
    return {f: n - before.get(f, 0) for f, n in h.ledger().fates.items() if n != before.get(f, 0)}


def listed(h):
    mf = h.machine.c.nic.filter
    return {bytes(mf.mc[i]).hex() for i in range(mf.nmc)}


def test_groups_that_share_an_address_of_ethernet_take_one_place():
    """RFC 2464, RFC 1112: only the last 32 and 23 bits are in it."""
    with host() as h:
        before, sock = h.machine.c.nic.filter.nmc, h.udp(5000)
        for group in ("239.1.2.3", "239.129.2.3", "ff05::a1", "ff08::5:0:a1"):
            sock.join(group)
        assert h.machine.c.nic.filter.nmc == before + 2 == len(listed(h))


def test_a_host_is_in_the_groups_of_all_hosts_and_of_its_addresses():
    with host() as h:
        assert listed(h) == {"01005e000001", "333300000001", "3333ff000001", "3333ff000002"}
        for group in ("224.0.0.1", "ff02::1"):
            assert fates(h, udp(group)) == {"NO_SOCKET": 1}


@pytest.mark.parametrize("group", ["239.1.2.3", "ff05::3"])
def test_a_datagram_comes_while_a_socket_is_in_its_group(group):
    with host() as h:
        sock = h.udp(5000)
        assert fates(h, udp(group)) == {"MAC_FILTER": 1}
        sock.join(group)
        assert fates(h, udp(group)) == {"DELIVERED_UDP": 1}
        sock.leave(group)
        assert fates(h, udp(group)) == {"MAC_FILTER": 1}
        sock.join(group)
        sock.close()
        assert fates(h, udp(group)) == {"MAC_FILTER": 1}


@pytest.mark.parametrize("group", ["239.1.2.3", "ff05::3"])
def test_what_the_card_lets_in_for_another_group_ip_drops_uncounted(group):
    with host(allmulti=True) as h:
        before = h.mib()
        assert fates(h, udp(group)) == {"IP_NOT_JOINED": 1}
        name = "Ip_InReceives" if "." in group else "Ip6_InReceives"
        assert {k for k, v in h.mib().items() if v != before[k] and "Mcast" not in k} == {name}


def test_groups_with_one_ethernet_address_are_told_apart_by_ip():
    with host() as h:
        sock = h.udp(5000)
        sock.join("239.1.2.3")
        assert mac("239.129.2.3") == mac("239.1.2.3")
        assert fates(h, udp("239.129.2.3")) == {"IP_NOT_JOINED": 1}
        sock.join("239.129.2.3")
        sock.leave("239.1.2.3")
        assert fates(h, udp("239.129.2.3")) == {"DELIVERED_UDP": 1}


def test_more_groups_than_the_card_can_list_open_it_to_all():
    with host() as h:
        socks = [h.udp(5000 + i) for i in range(4)]
        for i in range(61):
            socks[i // 20].join(f"239.1.2.{i}")
        mf = h.machine.c.nic.filter
        assert (mf.nmc, mf.mc_overflow) == (64, 1)
        assert fates(h, udp("239.7.7.7")) == {"IP_NOT_JOINED": 1}
        socks[0].leave("239.1.2.0")
        assert (mf.nmc, mf.mc_overflow) == (64, 0)
        assert fates(h, udp("239.7.7.7")) == {"MAC_FILTER": 1}


def test_a_socket_joins_20_groups_of_ipv4_and_no_more():
    with host() as h:
        sock = h.udp(5000)
        for i in range(20):
            sock.join(f"239.1.2.{i}")
        with pytest.raises(vnic.HostError) as refusal:
            sock.join("239.1.2.20")
        assert refusal.value.errno == errno.ENOBUFS
        sock.join("ff05::1")
        sock.leave("239.1.2.7")
        sock.join("239.1.2.20")


def test_the_table_is_bounded_and_what_it_held_can_be_joined_again():
    with host() as h:
        sock = h.udp(5000)
        joined = 1024 - 4  # ff01::1, ff02::1, two solicited-node groups
        for i in range(joined):
            sock.join(f"ff05::{i:x}")
        with pytest.raises(vnic.HostError) as refusal:
            sock.join("ff05::ffff")
        assert refusal.value.errno == errno.ENOMEM
        sock.close()
        other = h.udp(5001)
        for i in range(joined):
            other.join(f"ff08::{i:x}")
        assert fates(h, udp("ff08::7", 5001)) == {"DELIVERED_UDP": 1}
        assert fates(h, udp("ff05::7", 5001)) == {"IP_NOT_JOINED": 1}


def test_memberships_are_bounded_too():
    with host(sockets=1024) as h:
        socks = [h.udp(5000 + i) for i in range(9)]
        for n in range(8192):
            socks[n // 1000].join(f"ff05::{n % 1000:x}")
        with pytest.raises(vnic.HostError) as refusal:
            socks[8].join("ff05::3e7")
        assert refusal.value.errno == errno.ENOMEM
        socks[0].close()
        socks[8].join("ff05::3e7")


@given(
    st.lists(
        st.tuples(st.sampled_from(("join", "leave", "close")), st.integers(0, 2), st.sampled_from(GROUPS)), max_size=60
    )
)
def test_joining_and_leaving_at_random_is_as_sets_have_it(steps):
    with host(cpus=1, sockets=64, rx_pool=4096) as h:
        socks, sets = [h.udp(5000 + i) for i in range(3)], [set(), set(), set()]
        for what, i, group in steps:
            wrong = None
            try:
                if what == "close":
                    socks[i].close()
                    socks[i], sets[i] = h.udp(5000 + i), set()
                else:
                    getattr(socks[i], what)(group)
            except vnic.HostError as e:
                wrong = e.errno
            if what == "join":
                assert wrong == (errno.EADDRINUSE if group in sets[i] else None)
                sets[i].add(group)
            elif what == "leave":
                assert wrong == (None if group in sets[i] else errno.EADDRNOTAVAIL)
                sets[i].discard(group)
        joined = set.union(*sets)
        for group in GROUPS:
            found = set(fates(h, udp(group, 9)))
            assert found == ({"NO_SOCKET"} if group in joined else {"MAC_FILTER"})


def test_a_host_that_takes_all_addresses_takes_all_groups():
    with vnic.Host(cost="zero", link="inf") as h:
        sock = h.udp(5000)
        for group in ("239.1.2.3", "ff05::3"):
            assert fates(h, udp(group)) == {"DELIVERED_UDP": 1}
            sock.join(group)
            sock.leave(group)
        assert h.nic.sent() == []


def test_a_new_mac_address_keeps_the_groups():
    with host() as h:
        h.udp(5000).join("239.1.2.3")
        before = listed(h)
        h.knobs["mac"] = "02:00:00:00:00:09"
        assert listed(h) == before


@pytest.mark.parametrize("group", ["10.0.0.9", "fd00::1", "nonsense"])
def test_only_groups_are_joined(group):
    with host() as h, pytest.raises(vnic.ConfigError):
        h.udp(5000).join(group)


def test_a_live_host_joins_and_leaves_while_frames_come():
    with vnic.Host(ip=BOTH, live=True, mac="02:00:00:00:00:01") as h, h.running():
        sock = h.udp(5000)
        for _ in range(200):
            sock.join("239.1.2.3")
            sock.join("ff05::3")
            h.feed([udp("239.1.2.3"), udp("ff05::3")])
            sock.leave("239.1.2.3")
            sock.leave("ff05::3")
            sock.recvmmsg_nowait()
        sock.join("239.1.2.3")
        h.feed([udp("239.1.2.3", payload=b"last")])
        while sock.recv(timeout=5) != b"last":
            pass


def test_options_of_groups_can_be_read_back():
    with host() as h:
        sock = h.udp(5000, "10.0.0.2")
        assert sock.getsockopt(IP, 49) == 1
        sock.setsockopt(IP, 49, 0)
        assert sock.getsockopt(IP, 49) == 0
        for option in (socket.IP_ADD_SOURCE_MEMBERSHIP if hasattr(socket, "IP_ADD_SOURCE_MEMBERSHIP") else 39, 42):
            with pytest.raises(vnic.HostError) as refusal:
                sock.setsockopt(IP, option, bytes(12))
            assert refusal.value.errno == errno.ENOPROTOOPT
        with pytest.raises(vnic.HostError) as refusal:
            sock.setsockopt(IPV6, JOIN, mreq6("ff05::3"))
        assert refusal.value.errno == errno.ENOPROTOOPT


def test_a_frame_for_a_group_that_spans_buffers_is_judged_as_well():
    with host(rx_buf_len=128) as h:
        sock = h.udp(5000)
        sock.join("ff05::3")
        assert fates(h, frames.udp(bytes(900), src="fd00::1", dst="ff05::3", mac={"dst": mac("ff05::3")})) == {
            "DELIVERED_UDP": 1
        }
