"""``ip link``: byte for byte what iproute2 prints of an interface with the same address, MTU and numbers."""

import json
import os
import re
import shutil
import subprocess
from functools import partial

import frames
import kernel_device
import needs
import pytest
from commands import answer
from paths import TESTS

from vnic.linux import ip_link as iplink
from vnic.linux import ip_link_stats as iplink_stats
from vnic.linux import netdevice
from vnic.linux.ip_route_words import HELP

run = partial(answer, iplink.command)

SHIM = TESTS / "c/ip_stats64.c"
IF_OPER_UP = 6


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """A library that gives iproute2 other numbers than the kernel's."""
    cc = shutil.which("cc")
    if cc is None:
        pytest.skip("no C compiler: cc")
    needs.require("ip")
    built = tmp_path_factory.mktemp("shim") / "ip_stats64.so"
    subprocess.run([cc, "-shared", "-fPIC", "-o", built, SHIM, "-ldl"], check=True, timeout=60)
    return built


@pytest.fixture
def ip(netns, shim):
    """ip(argv, stats) -> what iproute2 prints of a TAP ``vnic0`` that is up, if the kernel counted so much.

    The number of the interface, which a TAP can't choose, is the card's.
    """
    if "iproute2-6.1." not in subprocess.check_output(["ip", "-V"], text=True):
        pytest.skip("the layout is iproute2 6.1's")

    def run_ip(argv, stats=None, changes=1):
        env = {
            "LD_PRELOAD": str(shim),
            "STATS64": " ".join(str((stats or {}).get(name, 0)) for name in netdevice.LINK_STATS),
            "CARRIER_CHANGES": str(changes),
            "OPERSTATE": str(IF_OPER_UP),
        }
        done = subprocess.run(
            ["ip", *argv], capture_output=True, text=True, timeout=30, check=False, env=os.environ | env
        )
        out = re.sub(r"^\d+: vnic0", "1: vnic0", done.stdout)
        return re.sub(r'"ifindex":( ?)\d+', r'"ifindex":\g<1>1', out), done.stderr, done.returncode

    with kernel_device.Tap():
        yield run_ip


LEVELS = [["link"], ["-s", "link"], ["-s", "-s", "link"], ["-s", "-s", "-s", "link", "show", "vnic0"]]
LEVELS += [["-j", *argv] for argv in LEVELS] + [["-j", "-p", *argv] for argv in LEVELS] + [["-o", "-s", "link"]]
LEVELS += [
    ["-br", "link"],
    ["-br", "-j", "link"],
    ["-br", "-s", "-j", "-p", "link"],
    ["-stats", "l", "ls", "dev", "vnic0"],
]


@pytest.mark.root
@pytest.mark.parametrize("argv", LEVELS, ids=" ".join)
def test_show_after_traffic(host, ip, argv):
    h = host(mac=kernel_device.MAC, mtu=1500, fifo=1600, ip=["10.0.0.2/24"])
    h.feed([frames.arp(), *[frames.udp(bytes(1200))] * 6, frames.eth(bytes(46), type=0x9999)])
    h.feed([frames.udp(mac={"dst": bytes.fromhex("01005e000001")}), frames.udp(bytes(2000))])
    h.feed([frames.udp(bytes(1400), sport=p) for p in range(40)])
    h.run()
    stats = netdevice.link_stats(h)
    assert stats["rx_packets"] > 10
    assert stats["rx_errors"] == stats["rx_length_errors"] > 0
    shown = [*argv, "show", "vnic0"] if argv[-1] in ("link", "l") else argv
    ours = run(h, *shown)
    assert ours == ip(shown, stats)
    assert iplink.command(h, shown).data == (json.loads(ours[0]) if "-j" in argv else iplink.command(h, shown).data)


NUMBERS = {
    "all different": {name: i + 1 for i, name in enumerate(netdevice.LINK_STATS)},
    "all large": {name: 10**14 + i for i, name in enumerate(netdevice.LINK_STATS)},
    **{name: {name: 12345678901} for name in netdevice.LINK_STATS},
}


@pytest.mark.root
@pytest.mark.parametrize("stats", NUMBERS.values(), ids=NUMBERS)
def test_columns_are_as_wide_as_iproute2_makes_them(ip, stats):
    row = dict.fromkeys(netdevice.LINK_STATS, 0) | stats | {"carrier_changes": 4_000_000_000}
    for level in (1, 2):
        real = ip([*["-s"] * level, "link", "show", "vnic0"], stats, changes=4_000_000_000)[0]
        assert iplink_stats.as_text(row, level) == real.splitlines()[2:]
        real = ip(["-j", *["-s"] * level, "link", "show", "vnic0"], stats, changes=4_000_000_000)[0]
        assert json.dumps(iplink_stats.as_json(row, level)) == json.dumps(json.loads(real)[0]["stats64"])


# ---- set ----

COMMANDS = [
    "link set vnic0 promisc on",
    "link show vnic0",
    "link set dev vnic0 promisc off allmulticast on",
    "link show vnic0",
    "link set vnic0 mtu 1400 allmulticast off",
    "link show dev vnic0",
    "link set vnic0 mtu 0x5dc",
    "link set vnic0 address 2:0:0:0:0:7",
    "link show vnic0 up",
    "link set vnic0 address 02:00:00:00:00:01",
    "link set vnic0 up",
    "link set vnic0",
    "link set vnic0 multicast on arp on",
    "link set vnic0 promisc on promisc off",
    "link show vnic0",
    "link set vnic0 gro_max_size 5000",
    "link set vnic0 gro_max_size 0x10000 gro_max_size 0",
    # and what is wrong
    "link set vnic0 gro_max_size 524281",
    "link set vnic0 gro_max_size 99999999999",
    "link set vnic0 gro_max_size -1",
    "link set vnic0 gro_max_size x",
    "link set vnic0 gro_max_size",
    "link set vnic0 mtu 50",
    "link set vnic0 mtu -1",
    "link set vnic0 mtu 70000",
    "link set vnic0 mtu x",
    "link set vnic0 mtu 4294967296",
    "link set vnic0 mtu",
    "link set vnic0 mtu 1500 mtu 1400",
    "link set vnic0 promisc on mtu 1",
    "link show vnic0",
    "link set vnic0 address 1:2",
    "link set vnic0 address 02:00:00:00:00:01:02",
    "link set vnic0 address 02:0:0:0:0:zz",
    "link set vnic0 address 100:0:0:0:0:1",
    "link set vnic0 address 02::1",
    "link set vnic0 address 01:00:5e:00:00:01",
    "link set vnic0 address 00:00:00:00:00:00",
    "link set vnic0 address",
    "link set vnic0 promisc",
    "link set vnic0 promisc x",
    "link set vnic0 allmulti on",
    "link set vnic0 multicast x",
    "link set vnic0 arp x",
    "link set vnic0 bogus x",
    "link set vnic0 u",
    "link set dev vnic0 dev vnic0",
    "link set",
    "link set nosuch up",
    "link set nosuch mtu x",
    "link show nosuch",
    "-j link show nosuch",
    "link show dev",
    "link show vnic0 vnic0",
    "link frob",
    "-z link",
    "frob",
    "link show vnic0",
]


@pytest.mark.root
def test_commands_print_and_return_what_iproute2_does(host, ip):
    """Each in turn, both in the same state."""
    h = host(mac=kernel_device.MAC, mtu=1500)
    for command in COMMANDS:
        assert run(h, *command.split()) == ip(command.split()), command


def test_what_is_set_are_the_knobs(host):
    h = host()
    words = "link set vnic0 address 02:00:00:00:00:07 mtu 1400 promisc on"
    assert run(h, *words.split()) == ("", "", 0)
    assert h.knobs["mac"] == bytes.fromhex("020000000007")
    assert (h.knobs["mtu"], h.knobs["promisc"], h.knobs["allmulti"]) == (1400, True, False)
    h.knobs.update({"promisc": False, "mtu": 9000})
    assert "<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9000" in run(h, "link")[0]


def test_an_address_leaves_allmulticast_as_it_was_set(host):
    h = host(mac=kernel_device.MAC, allmulti=True)
    run(h, *["link", "set", "vnic0", "address", "02:00:00:00:00:07"])
    assert h.knobs["allmulti"]


def test_ip_link_set_does_all_or_nothing(host):
    h = host(mac=kernel_device.MAC, mtu=1500)
    assert run(h, *["link", "set", "vnic0", "mtu", "1400", "promisc", "on", "down"])[2] == 2
    assert (h.knobs["mtu"], h.knobs["promisc"]) == (1500, False)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("link set vnic0 down", "cannot be taken down"),
        ("link set vnic0 multicast off", "cannot turn multicast off"),
        ("link set vnic0 arp off", "cannot turn ARP off"),
        ("link set vnic0 name eth0", "cannot change its name"),
        ("link set vnic0 txqueuelen 100", "cannot change its txqueuelen"),
        ("link add vnic1 type veth", "this host has one card, vnic0"),
        ("link delete vnic0", "this host has one card, vnic0"),
    ],
)
def test_what_ip_can_and_this_card_cannot(host, command, why):
    h = host(mac=kernel_device.MAC)
    before = run(h, "link")
    out, err, code = run(h, *command.split())
    assert (out, code) == ("", 2)
    assert err.startswith("RTNETLINK answers: Operation not supported\nvnic: ")
    assert why in err
    assert err.count("\n") == 2
    assert run(h, "link") == before


def test_an_end_of_the_wire_is_no_carrier(host):
    h = host(mac=kernel_device.MAC)
    h.wire.end()
    h.run()
    out = run(h, "-s", "-s", "link")[0]
    assert "<NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 65535 qdisc noqueue state DOWN" in out
    assert out.splitlines()[-1].split()[-1] == "2"


def test_a_card_without_a_driver_is_not_up(host):
    h = host(external_driver=True)
    assert "<BROADCAST,MULTICAST,ALLMULTI> " in run(h, "link")[0]
    assert run(h, "link", "show", "up") == ("", "", 0)
    assert run(h, "-j", "link", "show", "up") == ("[{}]\n", "", 0)
    assert run(h, "-j", "-p", "link", "show", "up") == ("[ {} ]\n", "", 0)


@pytest.mark.parametrize("argv", [["link", "help"], ["link", "set", "help"], ["l", "h"]])
def test_ip_links_usage(host, argv):
    assert run(host(), *argv) == ("", iplink._USAGE, 255)


@pytest.mark.parametrize("argv", [[], ["-s"], ["help"], ["h"], ["-help"], ["-h"], ["-f"]])
def test_ips_usage(host, argv):
    assert run(host(), *argv) == ("", HELP, 255)


def test_the_sizes_of_merged_packets_are_set_as_the_kernel_does(host):
    h = host()
    for words, both in (("gro_max_size 5000", (5000, 5000)), ("gro_ipv4_max_size 70000", (5000, 70000)),
                        ("gro_max_size 200000", (200000, 70000)), ("gro_max_size 65536", (65536, 65536))):  # fmt: skip
        assert run(h, "link", "set", "vnic0", *words.split()) == ("", "", 0)
        assert (h.knobs["gro-max-size"], h.knobs["gro-ipv4-max-size"]) == both
    assert run(h, "link", "set", "vnic0", "gro_ipv4_max_size", "524281")[1:] == (
        "Error: too big gro_ipv4_max_size.\n",
        2,
    )
