"""Which of its IPv6 addresses a host sends from: RFC 6724, and the running kernel."""

import socket
from random import Random

import pytest
from kernel_frag import IFA_F_NODAD, KernelFrag, until_local
from pyroute2 import IPRoute

import vnic
from vnic._core import lib
from vnic.address import inet_addr, inet_text

LINK_LOCAL = "fe80::ff:fe00:1"
OURS = ("fd00::2/64", "fd00:1::2/64", "2001:db8::2/64", "2001:db8:0:1::2/48", "2002:a00:1::2/64", "fec0::2/64")
OURS += ("2001:db8::ff:2/112", "3ffe::2/64", "2001::2/64", "fd00::ff:2/120")
THEIRS = ("fd00::1", "fd00:1::9", "fd00:2::1", "2001:db8::1", "2001:db8:0:1::1", "2001:db8:ffff::1", "2002:a00:2::1")
THEIRS += ("fec0::1", "3ffe:1::1", "2001::1", "2001:10::1", "2a00::1", "::10.0.0.1", "fe80::1", "ff02::1", "ff05::2")
THEIRS += ("ff0e::1", "2001:db8::ff:1", "fd00::ff:1")


def chosen(ours, dst):
    """The address that vnic takes."""
    with vnic.Host(ip=list(ours), mac="02:00:00:00:00:01") as host:
        return inet_text(lib.ipv6_dev_get_saddr(host.machine.c, inet_addr(dst)).addr)


@pytest.mark.parametrize(
    ("ours", "dst", "source"),
    [
        (["fd00::2"], "2a00::1", "fd00::2"),
        (["fd00::2"], "fe80::1", LINK_LOCAL),
        (["fd00::2"], "ff02::1", LINK_LOCAL),
        (["fd00::2"], "ff0e::1", "fd00::2"),
        (["fd00::2", "2a00::2"], "2a01::1", "2a00::2"),
        (["2a00::2", "fd00::2"], "fd01::1", "fd00::2"),
        (["2a00::2", "2a00:1::2"], "2a00:1::1", "2a00:1::2"),
        (["2a00::2", "2a00:1::2"], "2a00::2", "2a00::2"),
        (["2002::2", "2a00::2"], "2002:1::1", "2002::2"),
    ],
)
def test_the_source_that_rfc_6724_prefers(ours, dst, source):
    assert chosen(ours, dst) == source


def _add(ipr, index, address):
    ip, bits = address.split("/")
    ipr.addr("add", index=index, address=ip, prefixlen=int(bits), flags=IFA_F_NODAD)
    until_local(ipr, ip)


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_the_running_kernel_prefers_the_same():
    rng = Random(1)
    with KernelFrag(), IPRoute() as ipr:
        index = ipr.link_lookup(ifname="kf0")[0]
        for address in ipr.get_addr(index=index, family=socket.AF_INET6):
            ipr.addr("del", index=index, address=address.get_attr("IFA_ADDRESS"), prefixlen=address["prefixlen"])
        _add(ipr, index, f"{LINK_LOCAL}/64")
        ipr.route("add", dst="::/0", oif=index)
        for _ in range(12):
            ours = rng.sample(OURS, rng.randrange(1, 5))
            for address in ours:
                _add(ipr, index, address)
            for dst in THEIRS:
                with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                    sock.connect((dst, 9, 0, index))
                    kernels = sock.getsockname()[0].partition("%")[0]
                    assert chosen(ours, dst) == kernels, (ours, dst)
            for address in ours:
                ip, bits = address.split("/")
                ipr.addr("del", index=index, address=ip, prefixlen=int(bits))
