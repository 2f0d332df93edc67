"""The interrupt of a driver in another process: its eventfd cannot stop the card."""

import errno
import os
import subprocess
import sys

import pytest
from paths import TESTS

from vnic._core import ffi, lib

FILLS = """
import os, sys, fcntl
import vnic
sys.path.insert(0, sys.argv[2])
from foreign_rings import FRAME, Foreign

class Source:
    def read_burst(self, n):
        return [FRAME]

live = sys.argv[1] == "live"
host = vnic.Host(external_driver=True, cost="zero", live=live, wire=vnic.PythonWire(Source()) if live else None)
call = host.nic.call_fd(0)
driver = Foreign(host)
assert driver.begin() == 0
driver.u16[driver.avail // 2 + 2 + driver.n] = 0
if os.fork() == 0:  # all that belongs to the open file, it may change
    fcntl.fcntl(call, fcntl.F_SETFL, 0)
    os.eventfd_write(call, 2**64 - 2)
    os._exit(0)
os.wait()
if live:
    host.start()
    before = host.ledger().offered
    while host.ledger().offered < before + 1000:  # it would never get there
        pass
    host.stop()
else:
    host.feed([FRAME] * 5)
    host.run()
assert host.nic.queues()[0].interrupts >= 1
assert host.ledger().closed
host.nic.call_fd(0)
print("did not hang")
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["virtual", "live"])
def test_a_full_eventfd_that_blocks_does_not_stop_the_card(how):
    """Bug: O_NONBLOCK belongs to the open file, which the other process has too; write(2) waited for ever."""
    command = [sys.executable, "-c", FILLS, how, str(TESTS / "support")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "did not hang\n", done.stderr


def test_an_interrupt_wakes_whoever_waits_on_the_eventfd(foreign):
    d = foreign()
    call = d.host.nic.call_fd(0)
    assert d.host.nic.call_fd(0) == call
    assert d.begin() == 0
    with pytest.raises(BlockingIOError):
        os.eventfd_read(call)
    for n in range(1, 300):  # more than the kernel keeps of ends that nobody has looked at
        d.interrupt_me_at(d.taken)
        assert d.receives(1) == 1
        d.post((n - 1) % d.n)
        assert os.eventfd_read(call) == 1
    assert d.host.nic.queues()[0].interrupts == 299


def test_a_queue_that_the_card_has_not_has_no_eventfd(host):
    nic = ffi.addressof(host(queues=2).machine.c.nic)
    assert [lib.nic_set_call_fd(nic, i, 100 + i) for i in range(4)] == [0, 0, -errno.EINVAL, -errno.EINVAL]
    assert [nic.queue[i].irq.call_fd for i in range(4)] == [100, 101, -1, -1]
    assert [lib.nic_set_call_fd(nic, i, -1) for i in range(2)] == [0, 0]


def test_an_eventfd_that_the_process_closed_is_nobodys_loss(foreign):
    d = foreign()
    call = d.host.nic.call_fd(0)
    assert d.begin() == 0
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, call)  # so the number is another file's: not an eventfd, not signalled
    assert d.receives() == 3
    os.close(null)


@pytest.mark.parametrize("has_it", [False, True])
def test_an_eventfd_is_signalled_once_whether_the_cards_own_table_has_it_or_not(foreign, has_it):
    """One that it lacks, the process opened later. Number 0 is free in such a table, so the copy may have it."""
    d = foreign()
    call = d.host.nic.call_fd(0)
    nic, files = ffi.addressof(d.host.machine.c.nic), ffi.new("struct file_set *")
    if has_it:
        lib.file_set_add(files, call)

    @ffi.callback("int(void *)")
    def run(_):
        for _ in range(3):
            lib.call_signal(nic, call)
        return 42

    assert lib.run_with_own_files(run, ffi.NULL, files) == 42
    assert os.eventfd_read(call) == 3
