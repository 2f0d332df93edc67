"""Doorbells, interrupts and error files: every file that a driver may send, and what it may do with it afterwards."""

import contextlib
import os
import select
import socket
import struct
import time

import pytest
from front_end import EVENT_IDX, SET_VRING_CALL, SET_VRING_ERR, SET_VRING_KICK, USUAL
from vhost_checks import flows, next_works, receives, sends, until, works

FULL = 2**64 - 2
FLAGS = USUAL & ~EVENT_IDX


def _nothing(front, ring):
    """All messages are done, and no interrupt has come."""
    front.sync()
    return ring.interrupted() == 0


# ---- when ----


def test_a_sending_ring_interrupts_when_its_index_passes_what_the_driver_asked_for(vhost, attach):
    card = vhost()
    front = attach(card).start()
    ring = front.rings[1]
    ring.interrupt_at(9)
    for _ in range(9):
        sends_one(front)
    assert _nothing(front, ring)
    sends_one(front)
    assert ring.interrupted(10) == 1
    for _ in range(20):
        sends_one(front)
    assert _nothing(front, ring)
    assert card.rings()[1]["calls"] == 1


def sends_one(front):
    front.transmit(*flows(1))
    assert len(front.rings[1].wait(1)) == 1


def test_a_sending_ring_interrupts_unless_the_driver_says_no(vhost, attach):
    card = vhost()
    front = attach(card, features=FLAGS).start()
    ring = front.rings[1]
    ring.interrupts(False)
    for _ in range(5):
        sends_one(front)
    assert _nothing(front, ring)
    ring.interrupts(True)
    sends_one(front)
    assert ring.interrupted(10) == 1
    assert card.rings()[1]["calls"] == 1


@pytest.mark.parametrize("features", [USUAL, FLAGS], ids=["event index", "flags"])
def test_a_receive_ring_interrupts(vhost, attach, features):
    card = vhost()
    front = attach(card, features=features).start()
    for _ in range(20):
        front.rings[0].interrupt_at(front.rings[0].taken) if features == USUAL else front.rings[0].interrupts(True)
        card.feed(flows(1))
        assert front.rings[0].interrupted(10)
        assert front.rings[0].take()


@pytest.mark.parametrize("end", ["disable", "stop", "hang up"])
def test_an_interrupt_that_moderation_holds_back_comes_when_the_ring_goes(vhost, attach, end):
    """The frames are in the ring, and the driver sleeps: a ring that is enabled again would not raise it."""
    card = vhost(rx_usecs=0, rx_frames=1000)
    front = attach(card).start()
    ring = front.rings[0]
    card.feed(flows(3))
    assert len(ring.wait(3)) == 3
    assert _nothing(front, ring)
    if end == "disable":
        front.enable(0, 0)
    elif end == "stop":
        front.stop(0)
    else:
        front.hang_up()
    assert ring.interrupted(10) == 1


def test_no_interrupt_follows_the_answer_of_a_stop(vhost, attach):
    card = vhost(rx_usecs=2000)
    front = attach(card).start()
    ring = front.rings[0]
    card.feed(flows(3))
    front.stop(0)
    ring.interrupted()
    time.sleep(0.01)
    assert ring.interrupted() == 0


# ---- doorbells ----


def test_an_idle_card_asks_for_the_next_doorbell(vhost, attach):
    card = vhost()
    front = attach(card).start()
    for _ in range(10):
        sends(front, card, 0)
        until(lambda: front.rings[1].bell_at == front.rings[1].posted)


def test_an_idle_card_asks_for_the_next_doorbell_by_flags(vhost, attach):
    card = vhost()
    front = attach(card, features=FLAGS).start()
    for _ in range(10):
        front.transmit(*flows(1) * 200)
        assert len(front.rings[1].wait(200)) == 200
        until(lambda: front.rings[1].bell_wanted)


def test_a_ring_without_a_doorbell_is_looked_at_all_the_same(vhost, attach):
    """SET_VRING_KICK without a file: the card polls."""
    card = vhost()
    front = attach(card).start()
    assert front.set_file(SET_VRING_KICK, 1, None) == 0
    for _ in range(20):
        front.transmit(*flows(3), bell=False)
        assert len(front.rings[1].wait(3)) == 3
    assert front.set_kick(1) == 0
    sends(front, card, 0)


def test_one_doorbell_for_all_rings(vhost, attach):
    card = vhost(queues=2)
    front = attach(card, pairs=2).start()
    for i in range(4):
        front.set_file(SET_VRING_KICK, i, front.rings[0].kick)
    for pair in (0, 1):
        front.transmit(*flows(3), pair=pair, bell=False)
    front.rings[0].ring_bell()
    assert len(front.rings[1].wait(3)) == 3
    assert len(front.rings[3].wait(3)) == 3


def test_a_doorbell_that_is_replaced_is_forgotten(vhost, attach):
    card = vhost()
    front = attach(card).start()
    kick = os.eventfd(0)
    front.set_file(SET_VRING_KICK, 1, kick)
    sends_idle = card.rings()[1]["kicks"]
    for _ in range(100):
        front.rings[1].ring_bell()
    front.sync()
    assert card.rings()[1]["kicks"] == sends_idle
    os.eventfd_write(kick, 1)
    until(lambda: card.rings()[1]["kicks"] == sends_idle + 1)
    os.close(kick)


def test_a_doorbell_outlives_no_front_end(vhost, attach):
    """The driver's process still has the file: writing it wakes nothing of the card's any more."""
    card = vhost()
    front = attach(card).start()
    kick = os.dup(front.rings[1].kick)
    front.close()
    next_works(card, 1)
    front = attach(card).start()
    before = card.rings()[1]["kicks"]
    for _ in range(100):
        os.eventfd_write(kick, 1)
    front.sync()
    time.sleep(0.01)
    assert card.rings()[1]["kicks"] == before
    os.close(kick)


def test_a_doorbell_that_the_driver_has_filled_and_made_blocking_holds_up_nobody(vhost, attach):
    card = vhost()
    front = attach(card).start()
    kick = os.eventfd(0)
    front.set_file(SET_VRING_KICK, 0, kick)
    os.eventfd_write(kick, FULL)
    works(front, card, 1)
    os.close(kick)


# ---- interrupts that cannot be delivered ----


@pytest.mark.parametrize("index", [0, 1], ids=["receive", "send"])
@pytest.mark.parametrize("flags", [0, os.EFD_NONBLOCK, os.EFD_SEMAPHORE], ids=["blocking", "not blocking", "semaphore"])
def test_an_interrupt_file_that_is_full_holds_up_nobody(vhost, attach, flags, index):
    """write(2) would block for ever."""
    card = vhost()
    front = attach(card, features=FLAGS).start()
    call = os.eventfd(0, flags)
    os.eventfd_write(call, FULL)
    assert front.set_file(SET_VRING_CALL, index, call) == 0
    for _ in range(200):
        sends_one(front)
    receives(front, card, [0])
    assert card.rings()[index]["calls"] > 0
    os.close(call)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_a_socket_takes_the_interrupt_as_a_number(vhost, attach, kind):
    """User Mode Linux sends one."""
    card = vhost()
    front = attach(card, features=FLAGS).start()
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        assert front.set_file(SET_VRING_CALL, 1, theirs.fileno()) == 0
        sends_one(front)
        assert select.select([ours], [], [], 10)[0]
        assert ours.recv(8) == struct.pack("=Q", 1)


@pytest.mark.parametrize("state", ["full", "reader gone", "reader shut down", "listening", "not connected"])
def test_a_socket_that_takes_no_interrupt_holds_up_nobody(vhost, attach, state):
    """No SIGPIPE, no waiting."""
    card = vhost()
    front = attach(card, features=FLAGS).start()
    ours, theirs = socket.socketpair()
    if state == "full":
        theirs.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                theirs.send(bytes(4096))
        theirs.setblocking(True)
    elif state == "reader shut down":
        ours.shutdown(socket.SHUT_RDWR)
    elif state in ("listening", "not connected"):
        theirs.close()
        theirs = socket.socket(socket.AF_UNIX)
        if state == "listening":
            theirs.bind(b"\0" + str(card.path).encode() + b"-call")
            theirs.listen()
    if state == "reader gone":
        ours.close()
    with ours, theirs:
        for request in (SET_VRING_CALL, SET_VRING_ERR):
            assert front.set_file(request, 1, theirs.fileno()) == 0
        for _ in range(100):
            sends_one(front)
        front.rings[1].post(60000)
        until(lambda: card.rings()[1]["broken"])
    front.close()
    next_works(card, 1)


def test_an_error_file_that_is_full_holds_up_nobody(vhost, attach):
    card = vhost(queues=2)
    front = attach(card, pairs=2).start()
    err = os.eventfd(0)
    os.eventfd_write(err, FULL)
    front.set_file(SET_VRING_ERR, 1, err)
    front.rings[1].post(60000)
    until(lambda: card.rings()[1]["broken"])
    sends(front, card, 1)
    os.close(err)


def test_a_driver_that_polls_has_no_interrupts(vhost, attach):
    card = vhost()
    front = attach(card, features=FLAGS)
    front.start()
    for i in (0, 1):
        assert front.set_file(SET_VRING_CALL, i, None) == 0
    works(front, card, 1)
    assert [r["calls"] for r in card.rings()] == [0, 0]
    assert [r["polls"] for r in card.rings()] == [1, 1]
    front.set_call(1)
    sends_one(front)
    assert front.rings[1].interrupted(10) == 1
