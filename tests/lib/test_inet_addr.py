"""Addresses of both families in one form: what goes in comes out, and IPv4 is ::ffff:a.b.c.d."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vnic._core import ffi, lib


def put(addr):
    """The bytes that it writes, and whether it takes itself for IPv4."""
    a, to = ffi.new("struct inet_addr *", addr), ffi.new("uint8_t[32]", b"\xa5" * 32)
    lib.inet_addr_put(a, to)
    four = bool(lib.inet_addr_is4(a))
    n = 4 if four else 16
    assert bytes(to)[n:] == b"\xa5" * (32 - n)
    return bytes(to)[:n], four


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_comes_out_as_it_went_in(addr):
    made = lib.inet_addr4(addr.packed)
    assert put(made) == (addr.packed, True)
    assert made.hi << 64 | made.lo == int(ipaddress.IPv6Address(f"::ffff:{addr}"))


@given(st.ip_addresses(v=6))
@example(ipaddress.IPv6Address("::"))
@example(ipaddress.IPv6Address("::1"))
@example(ipaddress.IPv6Address("::fffe:a00:1"))
@example(ipaddress.IPv6Address("1::ffff:a00:1"))
def test_an_ipv6_address_comes_out_as_it_went_in(addr):
    made = lib.inet_addr6(addr.packed)
    assert made.hi << 64 | made.lo == int(addr)
    mapped = addr.ipv4_mapped
    assert put(made) == ((mapped.packed, True) if mapped else (addr.packed, False))


@pytest.mark.parametrize("text", ["0.0.0.0", "10.0.0.2", "255.255.255.255"])
def test_an_ipv4_address_and_its_mapped_ipv6_address_are_one(text):
    four, six = ipaddress.IPv4Address(text), ipaddress.IPv6Address(f"::ffff:{text}")
    a, b = lib.inet_addr4(four.packed), lib.inet_addr6(six.packed)
    assert (a.hi, a.lo) == (b.hi, b.lo)
