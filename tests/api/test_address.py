"""Addresses and gateways as a person writes them: one meaning everywhere, and Linux's refusals."""

import ipaddress

import pytest
from click.testing import CliRunner
from paths import CAPTURES

import vnic
from vnic._core import ffi
from vnic.address import inet_text
from vnic.cli.commands import main
from vnic.tap.rtnetlink import parse_address

DEMO = str(CAPTURES / "demo.pcapng")


def of(host):
    """Its own addresses, without the link-local one."""
    nets = [
        (ipaddress.ip_address(inet_text(ffi.addressof(n.addr))), n.prefix)
        for n in host.machine.c.ip[0 : host.machine.c.nips]
    ]
    return [f"{addr}/{prefix}" for addr, prefix in nets if not addr.is_link_local]


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("10.0.0.2", "10.0.0.2/24"),
        ("10.0.0.2/8", "10.0.0.2/8"),
        ("10.0.0.2/32", "10.0.0.2/32"),
        ("10.0.0.2/255.255.0.0", "10.0.0.2/16"),
        ("fd00::2", "fd00::2/64"),
        ("fd00::2/128", "fd00::2/128"),
    ],
)
def test_an_address_means_one_thing_everywhere(text, means):
    """``--ip``, ``--host-ip``, and Host(ip=...): without a prefix it is 24, IPv6: 64."""
    assert str(parse_address(text)) == means
    for ip in (text, [text]):
        with vnic.Host(ip=ip) as host:
            assert of(host) == [means]


@pytest.mark.parametrize(
    "text",
    [
        *["", "any/24", "10.0.0.300", "10.0.0.2/33", "fd00::2/129", "10.0.0.2/" + "9" * 5000, "fe80::1%lo/64"],
        *["::ffff:10.0.0.2/96", "::/64", "::1/128", "ff02::1/64", "\udcff", "10.0.0.2 "],
        *[5, None, b"\x0a\0\0\2", True, 1.5],
    ],
)
def test_what_is_no_address_of_an_interface(text):
    with pytest.raises(
        vnic.ConfigError, match=r"is not an (IP )?address|must not name an interface|is an IPv4 address|cannot be the"
    ):
        vnic.Host(ip=[text])
    with pytest.raises(vnic.ConfigError):
        parse_address(text)


OURS = ["10.0.0.2/24", "10.9.0.2/32", "10.8.0.2/31", "fd00::2/64", "fd09::2/128"]
GATEWAYS = ["10.0.0.1", "10.0.0.255", "10.0.0.0", "10.1.0.1", "10.9.0.1", "10.8.0.3", "224.0.0.1", "127.0.0.1"]
GATEWAYS += [
    "255.255.255.255",
    "fd00::1",
    "fd00::",
    "fd01::1",
    "fd00::2",
    "fd09::2",
    "fd09::1",
    "fe80::1",
    "ff02::1",
    "::1",
    "::",
]


def taken(gateway):
    try:
        with vnic.Host(ip=OURS, gateway=gateway):
            return True
    except vnic.ConfigError as e:
        return f"gateway {gateway}: " not in str(e)


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_a_gateway_is_refused_as_linux_does():
    """Asked of the running kernel: a route by way of it, on an interface with the same addresses."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as ip:
        ip.link("add", ifname="ga0", kind="veth", peer={"ifname": "ga1"})
        index, other = ip.link_lookup(ifname="ga0")[0], ip.link_lookup(ifname="ga1")[0]
        with open("/proc/sys/net/ipv6/conf/ga0/disable_ipv6", "w") as f:
            f.write("0")
        for i in (index, other):
            ip.link("set", index=i, state="up")
        for text in OURS:
            net = ipaddress.ip_interface(text)
            flags = {"flags": 0x02} if net.version == 6 else {}
            ip.addr("add", index=index, address=str(net.ip), prefixlen=net.network.prefixlen, **flags)
        for gateway in GATEWAYS:
            dst = "fc00:1::/64" if ":" in gateway else "172.16.0.0/16"
            try:
                ip.route("add", dst=dst, gateway=gateway, oif=index)
            except NetlinkError:
                linux = False
            else:
                linux = True
                ip.route("del", dst=dst, gateway=gateway, oif=index)
            assert taken(gateway) == linux, gateway


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"ip": "10.0.0.2/24", "gateway": "10.1.0.1"}, "gateway 10.1.0.1: Nexthop has invalid gateway"),
        ({"ip": "10.0.0.2/32", "gateway": "10.0.0.1"}, r"no host on a network of ours \(10.0.0.2/32\)"),
        ({"ip": "10.0.0.2/24", "gateway": "fe80::1"}, "we have no IPv6 address"),
        ({"ip": "10.0.0.2/24", "gateway": "10.0.0.2"}, "is our own address"),
        ({"ip": "10.0.0.2/24", "gateway": "0.0.0.0"}, "invalid gateway"),
        ({"ip": "0.0.0.0/0", "gateway": "0.0.0.0"}, "is our own address"),
        ({"ip": "10.0.0.2/24", "gateway": ["10.0.0.1", "10.0.0.3"]}, "10.0.0.3 is the second"),
        ({"ip": "10.0.0.2/24", "gateway": [5]}, "is not an IP address"),
        ({"gateway": "10.0.0.1"}, "a host whose address is any does not send"),
    ],
)
def test_what_is_no_gateway(options, why):
    with pytest.raises(vnic.ConfigError, match=why):
        vnic.Host(**options)


def test_a_gateway_of_each_family():
    with vnic.Host(ip=["10.0.0.2/24", "fd00::2/64"], gateway=["10.0.0.1", "fe80::1"]) as host:
        assert [inet_text(ffi.addressof(host.machine.c.gateway[i])) for i in range(2)] == ["10.0.0.1", "fe80::1"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"ip": "fd00::2/64", "mtu": 1279}, "mtu=1279: IPv6 needs at least 1280, and this host has an IPv6 address"),
        ({"ip": "10.0.0.2/24", "mtu": 67}, "mtu=67: must be 0"),
        ({"mtu": 1}, "mtu=1: must be 0"),
    ],
)
def test_an_mtu_below_a_protocols_least(options, why):
    with pytest.raises(vnic.ConfigError, match=why):
        vnic.Host(**options)
    argv = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    result = CliRunner().invoke(main, ["replay", DEMO, *argv])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_an_mtu_that_becomes_too_short_is_refused():
    with vnic.Host(ip="fd00::2/64", mtu=1280) as host:
        with pytest.raises(vnic.ConfigError, match="IPv6 needs at least 1280"):
            host.knobs.mtu = 1000
        assert host.knobs.mtu == 1280
        reply = vnic.control.commands.answer(host, "ip", ["link", "set", "vnic0", "mtu", "1000"])
        assert reply.code == 2
        assert "IPv6 needs at least 1280" in reply.err
    with vnic.Host(ip="10.0.0.2/24") as host:
        host.knobs.mtu = 1000
