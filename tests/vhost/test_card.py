"""The card and its front-ends over time: they come, go, are killed, come back; on a socket that listens or connects."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import captures
import pytest
from front_end import EVENT_IDX, USUAL, FrontEnd
from paths import TESTS
from vhost_checks import collect, files, flows, next_works, receives, sends, until, works

import vnic
from vnic._core import lib
from vnic.capture_wire import CaptureWire
from vnic.errors import ConfigError
from vnic.vhost.card import VhostCard


class Flood:
    """A wire that always has frames, and takes all."""

    def __init__(self):
        self.burst, self.over = flows(64), False

    def read_burst(self, max_frames):
        time.sleep(0.0005)
        return None if self.over else self.burst

    def write_burst(self, burst):
        pass


@pytest.fixture
def killed():
    """A function: start a front-end in a process of its own and wait until frames go both ways. Return: its number."""
    forker = subprocess.Popen(
        [sys.executable, TESTS / "support/front_end_child.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def attached(path):
        forker.stdin.write(f"{path}\n")
        forker.stdin.flush()
        words = [forker.stdout.readline().strip() for _ in range(2)]
        assert "up" in words
        return int(next(w for w in words if w != "up"))

    with forker:
        yield attached
        forker.stdin.write("\n")


@pytest.mark.parametrize("times", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_a_front_end_is_killed_under_traffic_again_and_again(vhost, killed, times):
    card = vhost(wire=vnic.PythonWire(Flood()))
    pids, before = [], None
    for _ in range(times):
        pid = killed(card.path)
        os.kill(pid, signal.SIGKILL)
        pids.append(pid)
        until(lambda: card.session is None)
        if before is None:
            before = files()
        ledger = card.machine.while_stopped(card.ledger)  # between two bursts: the flood goes on
        assert ledger.offered == ledger.in_flight + sum(ledger.fates.values())
    until(lambda: files() <= before)
    assert card.sessions == times
    assert card.ledger().delivered > times


def test_after_a_hang_up_frames_have_a_fate_and_counters_stay(vhost, attach):
    card = vhost()
    front = attach(card).start(buffers=4)
    card.feed(flows(50))
    assert len(front.rings[0].wait(4)) == 4
    front.close()
    until(lambda: card.session is None)
    card.feed(flows(7))
    until(lambda: card.ledger().offered == 57)
    assert card.ledger().fates == {"DELIVERED_DRIVER": 4, "DEV_READY": 53}


def test_a_front_end_that_comes_back_goes_on_where_its_rings_are(vhost, attach):
    """As QEMU's reconnect: the same memory, BASE = used->idx, and at first only inbound frames."""
    card = vhost()
    front = attach(card).start()
    works(front, card, 1)
    for _ in range(5):
        front.hang_up()
        again = attach(card, memory=front.memory)
        for old, new in zip(front.rings, again.rings, strict=True):
            new.posted, new.taken = old.posted, old.taken
        again.negotiate()
        assert [again.stop(i) for i in (0, 1)] == [0, 0], "a new session knows nothing of the last one"
        again.set_memory()
        for i, ring in enumerate(again.rings):
            again.set_num(i)
            again.set_base(i, ring.used)
            for step in (again.set_addr, again.set_call, again.set_kick, again.enable):
                step(i)
        receives(again, card, [0])
        sends(again, card, 0)
        front.rings, again.rings = again.rings, front.rings
        front.sock, again.sock = again.sock, front.sock


def test_a_virtio_user_that_comes_back_disables_and_stops_first(vhost, attach):
    """Its first messages on the new connection, before GET_FEATURES."""
    card = vhost()
    front = attach(card)
    for i in (0, 1):
        front.enable(i, 0)
        assert front.stop(i) == 0
    works(front.start(), card, 1)


def test_a_second_front_end_waits_until_the_first_has_gone(vhost, attach):
    card = vhost()
    first = attach(card).start()
    second = attach(card)
    second.send(1)
    works(first, card, 1)
    assert card.sessions == 1
    first.close()
    assert second.receive()[0] == 1
    works(second.start(), card, 1)


def test_who_connects_and_says_nothing_is_no_harm(vhost):
    card = vhost()
    for _ in range(50):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.connect(str(card.path))
    next_works(card, 1)


def test_a_socket_on_which_nobody_answers_is_taken_over(tmp_path, vhost):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "card"))
    stale.close()
    next_works(vhost(), 1)


@pytest.mark.parametrize("full", [False, True], ids=["listening", "no room for one more"])
def test_a_socket_on_which_somebody_listens_is_left_alone(tmp_path, full):
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(socket.socket(socket.AF_UNIX))
        other.bind(str(tmp_path / "card"))
        other.listen(0)
        for _ in range(3 if full else 0):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(str(tmp_path / "card"))
        with pytest.raises(ConfigError, match="another process listens there already"):
            VhostCard(tmp_path / "card")
        assert (tmp_path / "card").is_socket()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    (tmp_path / "card").write_text("mine")
    with pytest.raises(ConfigError, match="Address already in use"):
        VhostCard(tmp_path / "card")
    assert (tmp_path / "card").read_text() == "mine"


def test_a_path_that_is_too_long_or_nowhere_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        VhostCard(tmp_path / ("x" * 120))
    with pytest.raises(ConfigError, match="No such file or directory"):
        VhostCard(tmp_path / "none/card")


def test_the_card_connects_to_a_front_end_that_starts_later_and_comes_back(vhost, tmp_path):
    card = vhost(connect=True)
    for _ in range(3):
        with FrontEnd(card.path, listen=True) as front:
            works(front.start(), card, 1)
        card.path.unlink()
        until(lambda: card.session is None)
    assert card.sessions == 3


def test_a_front_end_that_never_accepts_does_not_hold_up_the_end(tmp_path):
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(socket.socket(socket.AF_UNIX))
        other.bind(str(tmp_path / "card"))
        other.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(tmp_path / "card"))
        card = stack.enter_context(contextlib.closing(VhostCard(tmp_path / "card", connect=True)))
        card.start()
        time.sleep(0.05)


@pytest.mark.parametrize("end", ["stop", "close"])
def test_the_card_ends_while_a_front_end_is_attached(tmp_path, end):
    with contextlib.closing(VhostCard(tmp_path / "card", link="inf")) as card:
        card.start()
        with FrontEnd(card.path) as front:
            works(front.start(), card, 1)
            card.feed(flows(200))
            if end == "stop":
                card.stop()
                assert not card.laws()
            assert card.path.is_socket()
            card.close()
            assert front.gone()
        assert not card.path.exists()


def test_the_card_ends_while_messages_pour_in(tmp_path):
    with contextlib.closing(VhostCard(tmp_path / "card")) as card:
        card.start()
        with FrontEnd(card.path) as front:
            front.start()

            def pour():
                with contextlib.suppress(OSError, AssertionError):
                    while True:
                        front.set_memory()
                        front.enable(0, 0)
                        front.enable(0, 1)

            thread = threading.Thread(target=pour)
            thread.start()
            time.sleep(0.05)
            card.close()
            thread.join(20)
            assert not thread.is_alive()


def test_captures_see_what_the_driver_sends_and_gets(vhost, attach, tmp_path):
    card = vhost()
    capture = vnic.Capture(card, tmp_path / "out.pcapng", at=["wire", "nic"])
    front = attach(card).start()
    works(front, card, 1)
    assert capture.finish()["packets"] == 40 * 2 + 5


@pytest.mark.parametrize("event_idx", [True, False])
def test_a_busy_card_wants_no_doorbell_and_an_idle_one_sleeps(vhost, attach, event_idx):
    """While frames come often the card polls the rings; when none comes it asks for doorbells, and sleeps."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two cores: on one the card does not poll")
    near, far = vnic.JointWire.pair()
    card = vhost(wire=near)
    front = attach(card, features=USUAL if event_idx else USUAL & ~EVENT_IDX).start()
    ring, nic = front.rings[1], card.nic.c
    for i in range(64):
        ring.describe(i, front.slot(ring, i), 76, 0)
    polled = n = 0
    while polled < 100 and n < 100_000:  # a frame every few us
        ring.post(n % 64)
        n += 1
        while ring.used != ring.posted:
            pass
        polled += nic.polls
    assert polled == 100
    until(lambda: not nic.polls)
    assert event_idx or ring.bell_wanted
    time.sleep(0.1)
    before = int(nic.tx.kicks)
    ring.post(0)
    until(lambda: ring.used == ring.posted and nic.tx.kicks > before)
    until(lambda: not nic.polls)
    assert nic.spin_ns == 0  # the sleep was long
    far.close()


def test_captures_that_are_played_follow_one_another(vhost, attach, tmp_path):
    """The first is over between two bursts."""
    sent = flows(lib.BURST + 20)
    paths = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    for path, packets in zip(paths, (sent[: lib.BURST], sent[lib.BURST :]), strict=True):
        path.write_bytes(captures.pcap([(i, packet, len(packet)) for i, packet in enumerate(packets)]))
    front = attach(vhost(wire=CaptureWire(paths))).start()
    (got,) = collect(front, [0], len(sent))
    assert got == sent
