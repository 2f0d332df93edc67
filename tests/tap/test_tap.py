"""The TAP as a wire: what the kernel refuses becomes a sentence, what it takes away ends the run. Needs root."""

import errno
import os
import socket

import frames
import needs
import pytest
from live_tap import live_tap, send_all, sending, settle, wait_until

import vnic
from vnic.tap import tun
from vnic.tap.netns import inside
from vnic.tap.rtnetlink import Links, ipv6_enabled
from vnic.tap.wire import TapWire

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("netns")]


def test_a_second_attach_is_refused_in_a_sentence():
    with (
        live_tap("vt3"),
        pytest.raises(vnic.TapError, match=rf"another process is attached.*\(process {os.getpid()}\)"),
    ):
        TapWire("vt3")


def test_a_second_attach_to_a_tap_with_queues_is_refused_too():
    """The kernel would allow it, and give each process a part of the frames."""
    with live_tap("vt3", lanes=2), pytest.raises(vnic.TapError, match="another process is attached"):
        TapWire("vt3", lanes=2)


def test_a_deleted_tap_ends_the_run():
    from pyroute2 import IPRoute

    with live_tap("vt4") as host:
        with IPRoute() as ipr:
            ipr.link("del", index=ipr.link_lookup(ifname="vt4")[0])
        assert host.wait(20)
        host.stop()
        assert host.laws() == 0


def test_what_exists_and_is_no_tap_is_refused():
    with pytest.raises(vnic.TapError, match="is not a TAP"):
        TapWire("lo")


def test_an_impossible_name_is_refused():
    with pytest.raises(vnic.ConfigError, match="cannot be an interface's name"):
        TapWire("a-name-that-is-too-long")


@pytest.mark.parametrize("options", ["mode tap", "mode tap multi_queue"])
def test_a_wire_attaches_to_a_tap_that_exists_and_leaves_it_there(options):
    needs.run("ip", "tuntap", "add", "dev", "vt5", *options.split())
    needs.run("ip", "link", "set", "vt5", "up", "mtu", "1400")
    with live_tap("vt5") as host:
        assert (host.wire.made, host.wire.mtu) == (False, 1400)
    needs.run("ip", "link", "show", "vt5", capture_output=True)


def test_a_tun_is_refused():
    needs.run("ip", "tuntap", "add", "dev", "vt6", "mode", "tun")
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


def test_lanes_share_the_flows_and_rss_chooses_the_queue():
    with live_tap("vt11", lanes=4, queues=2, cpus=2, rcvbuf=1 << 24, sink=True, gro=False) as host:
        send_all("vt11", [frames.udp(sport=1000 + i, dport=5000 + i) for i in range(400)])
        settle(host, 400)
        host.stop()
        lanes = [lane["frames"] for lane in host.wire.lane_facts()]
        assert sum(lanes) == 400
        assert sum(n > 0 for n in lanes) > 1
        assert all(q.packets > 100 for q in host.nic.queues())
        assert host.wire.kernel_drops() == 0
        assert host.laws() == 0


@pytest.mark.parametrize("lanes", [1, 3])
def test_deleted_under_traffic_it_ends_with_all_it_read(lanes):
    with live_tap("vt12", lanes=lanes, sink=True) as host:
        with sending("vt12"):
            wait_until(lambda: host.ledger().offered > 500)
            needs.run("ip", "link", "del", "vt12")
            assert host.wait(20)
        host.stop()
        assert host.wire.end_text() == "vt12 is gone (it was deleted)"
        assert host.wire.kernel_drops() is None
        assert host.ledger().in_flight == 0
        assert host.laws() == 0


def test_more_lanes_than_the_tap_has_queues():
    needs.run("ip", "tuntap", "add", "dev", "vt13", "mode", "tap")
    with pytest.raises(
        vnic.TapError, match="without multi_queue, so it has one queue, not 2: run 'sudo vnic setup vt13"
    ):
        TapWire("vt13", lanes=2)
    with pytest.raises(vnic.ConfigError, match="between 1 and 16"):
        TapWire("vt13", lanes=17)


def test_more_queues_than_the_kernel_has():
    flags = tun.IFF_TAP | tun.IFF_NO_PI | tun.IFF_MULTI_QUEUE
    with pytest.raises(vnic.TapError, match="no room for another queue: the kernel allows 256"):
        tun.attach("vt14", flags, link=None, queues=257)
    with Links() as links:
        assert links.find("vt14") is None  # nothing is left behind


def test_addresses_of_both_families_and_no_ipv6_unless_wanted():
    wire = TapWire("vt15", host_ip=["10.0.0.1/24", "fd00::1/64"])
    quiet = TapWire("vt16", host_ip="10.0.1.1")
    with Links() as links:
        assert [str(a) for a in links.addresses(links.find("vt15"))] == ["10.0.0.1/24", "fd00::1/64"]
        assert [str(a) for a in links.addresses(links.find("vt16"))] == ["10.0.1.1/24"]
    assert [ipv6_enabled(name) for name in ("vt15", "vt16")] == [True, False]
    wire.close()
    quiet.close()


def test_a_tap_in_another_namespace_is_attached_from_here(other_netns):
    """Its descriptor and the netlink socket go on working after we are back."""
    wire = TapWire("vt17", netns=other_netns)
    with Links() as links:
        assert links.find("vt17") is None
    with vnic.Host(wire=wire, live=True) as host:
        host.start()
        with inside(other_netns):
            send_all("vt17", [frames.udp()] * 10)
        settle(host, 10)
        assert wire.kernel_drops() == 0


def test_a_namespace_that_is_none():
    with pytest.raises(vnic.TapError, match=r"network namespace nowhere: No such file.*ip netns add nowhere"):
        TapWire("vt18", netns="nowhere")
    with pytest.raises(vnic.TapError, match="/dev/null: not a network namespace"):
        TapWire("vt18", netns="/dev/null")


@pytest.mark.parametrize(
    ("why", "sentence"),
    [
        (errno.EPERM, "belongs to another user: once, run 'sudo vnic setup vt19 --user "),
        (errno.EINVAL, "its multi_queue flag differs"),
        (errno.ENODEV, "modprobe tun"),
        (errno.EBADFD, "it was deleted meanwhile"),
        (errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_what_the_kernel_refuses_is_a_sentence(monkeypatch, why, sentence):
    def refuse(*args):
        raise OSError(why, os.strerror(why))

    TapWire("vt19").close()
    needs.run("ip", "tuntap", "add", "dev", "vt19", "mode", "tap")
    monkeypatch.setattr("fcntl.ioctl", refuse)
    with pytest.raises(vnic.TapError, match=f"attach to vt19: .*{sentence}"):
        TapWire("vt19")


@pytest.mark.parametrize(
    ("why", "sentence"),
    [
        (errno.ENOENT, "modprobe tun"),
        (errno.EACCES, "chmod 0666 /dev/net/tun"),
        (errno.EPERM, "--device /dev/net/tun"),
        (errno.EMFILE, "the kernel refused"),
    ],
)
def test_a_device_that_cannot_be_opened_is_a_sentence(monkeypatch, why, sentence):
    def refuse(*args):
        raise OSError(why, os.strerror(why))

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(vnic.TapError, match=f"/dev/net/tun: .*{sentence}"):
        tun.open_device()


def test_attaching_to_a_tap_takes_five_lines():
    """README's example: a host on a TAP, to which the kernel's own sockets talk."""
    wire = vnic.TapWire("vt8", host_ip="10.9.0.1/24")
    with (
        vnic.Host(live=True, wire=wire, ip="10.9.0.2/24") as host,
        host.running(),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kernel,
    ):
        sock = host.udp(5000)
        kernel.settimeout(20)
        kernel.sendto(b"hello", ("10.9.0.2", 5000))
        data, sender = sock.recvfrom(timeout=20)
        sock.sendto(data.upper(), sender)
        assert kernel.recv(100) == b"HELLO"
    assert wire.closed
