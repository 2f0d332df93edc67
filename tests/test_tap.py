"""The TAP as a wire: what the kernel refuses becomes a sentence, what it takes away ends the run. Needs root."""

import subprocess

import frames
import pytest
from live_tap import live_tap, send_all, settle

import vnic
from vnic.tap import TapWire

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]


def test_a_second_attach_is_refused_in_a_sentence():
    with live_tap("vt3"), pytest.raises(vnic.TapError, match="another process is attached"):
        TapWire("vt3")


def test_a_deleted_tap_ends_the_run():
    from pyroute2 import IPRoute

    with live_tap("vt4") as host:
        with IPRoute() as ipr:
            ipr.link("del", index=ipr.link_lookup(ifname="vt4")[0])
        assert host.wait(20)
        host.stop()
        assert host.laws() == 0


def test_what_exists_and_is_no_tap_is_refused():
    with pytest.raises(vnic.TapError, match="is no TAP"):
        TapWire("lo")


def test_an_impossible_name_is_refused():
    with pytest.raises(vnic.ConfigError, match="cannot be an interface's name"):
        TapWire("a-name-that-is-too-long")


@pytest.mark.parametrize("options", ["mode tap", "mode tap multi_queue"])
def test_it_attaches_to_a_tap_that_exists_and_leaves_it_there(options):
    subprocess.run(["ip", "tuntap", "add", "dev", "vt5", *options.split()], check=True)
    subprocess.run(["ip", "link", "set", "vt5", "up", "mtu", "1400"], check=True)
    with live_tap("vt5") as host:
        assert (host.wire.made, host.wire.mtu) == (False, 1400)
    subprocess.run(["ip", "link", "show", "vt5"], check=True, capture_output=True)


def test_a_tun_is_refused():
    subprocess.run(["ip", "tuntap", "add", "dev", "vt6", "mode", "tun"], check=True)
    with pytest.raises(vnic.TapError, match="is a TUN"):
        TapWire("vt6")


def test_every_slot_comes_home():
    """Filtered, overrun or delivered: a frame's slot is free again when the card is done with it."""
    with live_tap("vt7", sink=True, mac="02:00:00:00:00:01") as host:
        tap = host.wire._tap
        mine, other = frames.udp(), frames.udp(mac={"dst": frames.PEER})
        for n in range(1, 6):
            send_all("vt7", [mine, other] * 100)
            settle(host, 200 * n)
        host.stop()
        assert host.ledger().fates["MAC_FILTER"] == 500
        assert tap.nfree == tap.nslots
