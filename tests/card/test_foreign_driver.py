"""The ring belongs to whoever holds it: a child process, plain Python, is the driver and receives frames."""

import fcntl
import os
import random
import select
import subprocess
import sys

import frames
import pytest
from paths import TESTS

CHILD = TESTS / "support/foreign_driver.py"


def serve(host, sent: list[bytes], buffer_bytes: int) -> list[bytes]:
    """Start the child, feed the frames, run the card whenever the doorbell rings. What the child received."""
    kick, call = os.eventfd(0, os.EFD_NONBLOCK), host.nic.call_fd(0)
    args = [host.nic.memfd, kick, call, len(sent), buffer_bytes]
    child = subprocess.Popen([sys.executable, CHILD, *map(str, args)], pass_fds=args[:3], stdout=subprocess.PIPE)
    try:
        started = False
        while child.stdout not in (ready := select.select([kick, child.stdout], [], [], 30)[0]):
            assert ready, "neither a kick nor a frame for half a minute"
            os.read(kick, 8)
            if not started:
                host.nic.driver_ok()
                host.feed(sent)
                started = True
            host.nic.kick()
            host.run()
        out = child.stdout.read()
        assert child.wait(30) == 0
    finally:
        child.stdout.close()
        child.kill()
        child.wait()
        os.close(kick)
    got = []
    while out:
        n = int.from_bytes(out[:4], "little")
        got.append(out[4 : 4 + n])
        out = out[4 + n :]
    return got


@pytest.mark.parametrize("buffer_bytes", [2048, 200])
def test_a_driver_in_another_process_receives_the_same_bytes(host, buffer_bytes):
    """More frames than the ring has buffers, short and long; with 200 bytes most span several."""
    rng = random.Random(1)
    sent = [frames.udp(rng.randbytes(rng.choice([0, 18, 170, 600, 1400])), sport=i) for i in range(200)]
    h = host(external_driver=True, rx_ring=16, fifo=1 << 20)
    assert serve(h, sent, buffer_bytes) == sent
    assert h.ledger().fates == {"DELIVERED_DRIVER": 200}
    queue = h.nic.queues()[0]
    assert queue.dma_failed == 0
    assert queue.interrupts >= 1
    assert queue.no_buffer >= 1


def test_the_child_knows_nothing_of_vnic():
    assert "import vnic" not in CHILD.read_text()
    assert "from vnic" not in CHILD.read_text()


def test_the_shared_memory_cannot_be_resized_under_the_card(host):
    fd = host().nic.memfd
    assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) == fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
    with pytest.raises(PermissionError):
        os.ftruncate(fd, 4096)
