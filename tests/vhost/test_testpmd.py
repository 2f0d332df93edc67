"""DPDK's driver on the card: testpmd with virtio-user, which polls, takes no interrupts, and counts each frame."""

import collections
import contextlib
import time

import pytest
from testpmd import LIMIT_S, Testpmd
from vhost_checks import PATIENCE_S, flows, until

import vnic
from vnic.vhost.card import VhostCard

pytestmark = [pytest.mark.slow, pytest.mark.needs("dpdk-testpmd")]


class Counted:
    """A wire that keeps what the card sends, and has the frames that a test gives it."""

    def __init__(self):
        self.frames, self.sent, self.keep = collections.deque(), 0, []

    def read_burst(self, max_frames):
        out = [self.frames.popleft() for _ in range(min(max_frames, len(self.frames)))]
        if not out:
            time.sleep(0.0005)
        return out

    def write_burst(self, burst):
        self.sent += len(burst)
        if len(self.keep) < 10_000:
            self.keep += [f for _, f in burst]


@pytest.fixture
def attached(tmp_path):
    """A function: a card and a testpmd on it; at the end the ledger is closed."""
    with contextlib.ExitStack() as stack:

        def make(queues=1, *, listen=False, **options):
            wire = Counted()
            card = VhostCard(tmp_path / "card", wire=vnic.PythonWire(wire), queues=queues, connect=listen, fifo=1 << 22)
            stack.callback(card.close)
            card.start()
            driver = Testpmd(tmp_path, card.path, queues=queues, **options)
            stack.callback(driver.close)
            assert card.wait_for_driver(LIMIT_S), driver.text()
            return card, wire, driver

        yield make


@pytest.mark.parametrize("device", ["", ",mrg_rxbuf=0", ",mrg_rxbuf=0,in_order=0,vectorized=1", ",server=1"])
def test_each_frame_comes_back_once(attached, device):
    """Frames into testpmd and out of it again: exact counts at both ends, the same bytes in the same order."""
    card, wire, driver = attached(device=device, listen="server" in device)
    driver.tell("start")
    driver.says("io packet forwarding - ")
    sent = flows(100)
    for turn in range(1, 31):  # one after another: testpmd drops what its sending ring has no room for
        wire.frames.extend(sent)
        until(lambda turn=turn: wire.sent == 100 * turn)
    assert wire.keep == sent * 30
    assert driver.counters()[:2] == (3000, 3000)
    assert card.ledger().fates == {"DELIVERED_DRIVER": 3000}


def test_what_it_sends_is_on_the_wire_to_the_last_frame(attached):
    card, wire, driver = attached(mode="txonly")
    driver.tell("start")
    until(lambda: wire.sent > 5000)
    driver.tell("stop")
    driver.says("Done.")
    _, sent, _ = driver.counters()
    until(lambda: sum(int(n) for n in card.nic.c.tx.fates) == sent, PATIENCE_S)
    assert wire.sent == int(card.nic.c.tx.fates[0])
    assert set(map(len, wire.keep)) == {64}


def test_several_queues_each_get_their_flows(attached):
    card, wire, driver = attached(queues=4, mode="rxonly")
    driver.tell("start")
    driver.says("rxonly packet forwarding - ")
    for _ in range(10):
        wire.frames.extend(flows(200))
        until(lambda: not wire.frames)
    until(lambda: card.ledger().delivered == 2000)
    until(lambda: driver.counters()[0] == 2000)
    assert all(int(card.nic.c.queue[i].frames) for i in range(4))
    driver.quit()
    until(lambda: card.session is None)


def test_the_next_testpmd_works_after_one_that_was_killed(attached, tmp_path):
    card, wire, driver = attached()
    for _ in range(3):
        driver.tell("start")
        driver.says("io packet forwarding - ")
        before = wire.sent
        wire.frames.extend(flows(50))
        until(lambda before=before: wire.sent == before + 50)
        driver.close()
        until(lambda: card.session is None)
        driver.__init__(tmp_path, card.path)
        assert card.wait_for_driver(LIMIT_S), driver.text()
