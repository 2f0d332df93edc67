"""The card under a driver test's hand."""

from vnic._core import ffi, lib


def card(host):
    return ffi.addressof(host.machine.c.nic)


def arrive(host, *some):
    """Frames come to the card, which does all it can with them."""
    host.feed(some)
    lib.nic_run(card(host), host.machine.c.nic.now)
