"""The card under a driver test's hand."""

from vnic._core import ffi, lib


def card(host):
    return ffi.addressof(host.machine.c.nic)


def arrive(host, *some):
    """Frames come to the card, which does all it can with them."""
    host.feed(some)
    lib.nic_run(card(host), host.machine.c.nic.now)


def work(host):
    """CPU 0 does all it can, and nobody else acts."""
    cpu = host.machine.c.cpu[0]
    cpu.now = max(cpu.now, host.machine.c.nic.now)
    assert lib.cpu_run(cpu) == 0
