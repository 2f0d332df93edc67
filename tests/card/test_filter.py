"""The address and VLAN filter: for us, or not? A miss is counted, never an error."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model import filter as model

from vnic._core import ffi, lib
from vnic.counters.snapshots import FATES

MINE, OTHER = frames.MAC, frames.PEER
GROUP = bytes.fromhex("01005e000001")
GROUP6 = bytes.fromhex("333300000001")
ADDRESSES = [MINE, OTHER, GROUP, GROUP6, model.BROADCAST, b"\xff" * 5 + b"\xfe", MINE[:5] + b"\2"]
addresses = st.sampled_from(ADDRESSES)


def fate_of(raw: bytes, *, addr=MINE, any_unicast=False, uc=(), mc=(), vlans=(), **flags) -> str | None:
    mf = ffi.new(
        "struct mac_filter *",
        {"addr": addr, "any": any_unicast, "nuc": len(uc), "uc": uc, "nmc": len(mc), "mc": mc} | flags,
    )
    for some, n in ((mf.uc, len(uc)), (mf.mc, len(mc))):
        some[n] = raw[:6]  # one that was on the list before
    for vid in vlans:
        mf.vlans[vid // 32] |= 1 << vid % 32
    keep = ffi.from_buffer(raw)
    f = ffi.new("struct frame *", {"data": keep, "len": len(raw)})
    lib.frame_parse(f)
    fate = lib.filter_frame(mf, f)
    return None if fate < 0 else FATES[fate]


@given(
    addresses,
    st.none() | st.sampled_from([0, 1, 31, 32, 100, 4095, 0x2000, 0xE064]),
    st.fixed_dictionaries(
        {name: st.booleans() for name in ("any_unicast", "promisc", "allmulti", "vlan_filter")}
        | {name: st.lists(addresses, max_size=3) for name in ("uc", "mc")}
        | {"vlans": st.sets(st.sampled_from([1, 31, 32, 100, 4095]))}
    ),
)
def test_the_filter_lets_in_what_the_manual_says(dst, vlan, config):
    """0x2000 and 0xE064 are VLAN ids 0 and 100 with a priority."""
    config["uc"] = [a for a in config["uc"] if a[0] % 2 == 0]
    config["mc"] = [a for a in config["mc"] if a[0] % 2 == 1]
    raw = frames.eth(bytes(46), dst=dst, vlan=vlan, type=0x88B5)
    assert fate_of(raw, **config) == model.fate(dst, vlan, addr=MINE, **config)


NOBODYS = bytes.fromhex("01005e7fffff")
SOLICITED = bytes.fromhex("3333ff123456")


@pytest.mark.parametrize(
    "knobs, passes",
    [
        ({}, [MINE, OTHER, GROUP, GROUP6, NOBODYS, SOLICITED, model.BROADCAST]),  # mac=any: a replay
        ({"mac": "02:00:00:00:00:01"}, [MINE, GROUP, GROUP6, model.BROADCAST]),  # the groups of all hosts
        ({"mac": "02:00:00:00:00:01", "ip": "fd00::12:3456/64"}, [MINE, GROUP, GROUP6, SOLICITED, model.BROADCAST]),
        ({"mac": "02:00:00:00:00:01", "allmulti": True}, [MINE, GROUP, GROUP6, NOBODYS, SOLICITED, model.BROADCAST]),
        (
            {"mac": "02:00:00:00:00:01", "promisc": True},
            [MINE, OTHER, GROUP, GROUP6, NOBODYS, SOLICITED, model.BROADCAST],
        ),
    ],
)
def test_the_knobs_reach_the_filter(host, knobs, passes):
    h = host(**knobs)
    sent = [MINE, OTHER, GROUP, GROUP6, NOBODYS, SOLICITED, model.BROADCAST]
    h.feed([frames.eth(bytes(46), dst=dst, type=0x88B5) for dst in sent])
    h.run()
    assert h.ledger().fates.get("MAC_FILTER", 0) == h.machine.c.nic.filtered == len(sent) - len(passes)
    stats = h.nic.stats()
    assert (stats.rx_packets, stats.rx_errors) == (len(passes), 0)
    assert stats.multicast == sum(a[0] % 2 for a in passes)


def test_a_frame_filtered_out_takes_no_room_in_the_fifo(host):
    h = host(mac="02:00:00:00:00:01", fifo=60)
    h.udp(5000)
    h.feed([frames.udp(bytes(900), mac={"dst": OTHER}), frames.udp(bytes(18))])
    h.run()
    assert h.ledger().fates == {"MAC_FILTER": 1, "DELIVERED_UDP": 1}
    assert h.machine.c.nic.fifo.max_bytes == 60


def test_the_vlan_filter_lets_listed_ids_and_untagged_frames_in(host):
    h = host(rx_vlan_filter=True)
    h.machine.c.nic.filter.vlans[5 // 32] |= 1 << 5
    h.feed([frames.eth(bytes(46), vlan=v, type=0x88B5) for v in (None, 0, 5, 6)])
    h.run()
    assert h.ledger().fates["VLAN_FILTER"] == 1
    assert h.nic.stats().rx_packets == 3
