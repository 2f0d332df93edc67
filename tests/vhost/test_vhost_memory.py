"""The memory table: regions, offsets, tables that change under running rings, files that are cut short."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from front_end import WRITE, FrontEnd, Memory
from fuse_file import FuseFile
from paths import TESTS
from vhost_checks import collect, flows, next_works, receives, sends, until, works

from vnic._core import lib


@pytest.mark.parametrize(("regions", "offset"), [(1, 0), (1, 12288), (1, 2048), (4, 0), (8, 4096)])
def test_all_regions_are_one_memory(vhost, attach, regions, offset):
    card = vhost(queues=2)
    front = attach(card, pairs=2, size=64, regions=regions, offset=offset).start()
    assert lib.vhost_regions(card.vhost) == regions
    works(front, card, 2)


def test_a_buffer_over_the_border_of_two_regions_is_refused(vhost, attach):
    """They lie side by side in the file, and not on the bus."""
    card = vhost()
    front = attach(card, regions=2).start(buffers=0)
    ring, border = front.rings[0], front.memory.size // 2
    ring.describe(0, border - 100, 2048, WRITE)
    ring.describe(1, border, 2048, WRITE)
    ring.post(0, 1)
    card.feed(flows(1))
    assert ring.wait(2) == [(0, 0), (1, 12 + len(flows(1)[0]))]


def test_a_buffer_over_the_border_of_regions_that_touch_on_the_bus_is_refused_too(vhost, attach):
    card = vhost()
    front = attach(card)
    front.negotiate()
    half, (bus, _, user, _) = front.memory.size // 2, front.memory.rows()[0]
    front.set_memory([(bus, half, user, 0), (bus + half, half, user + half, half)])
    for i in (0, 1):
        front.start_ring(i)
        front.enable(i)
    front.rings[0].describe(0, half - 100, 2048, WRITE)
    front.rings[0].post(0)
    card.feed(flows(1))
    assert front.rings[0].wait(1) == [(0, 0)]
    sends(front, card, 0)
    front.post_buffers(front.rings[0], 4)
    assert front.frames(1) == flows(1)


def test_regions_are_looked_up_from_the_largest_on_whatever_their_order(vhost, attach):
    card = vhost()
    front = attach(card)
    front.negotiate()
    (bus, size, user, _), page = front.memory.rows()[0], 4096
    sizes = [page, 3 * page, size - 6 * page, 2 * page]
    begins = [sum(sizes[:i]) for i in range(4)]
    front.set_memory([(bus + at, n, user + at, at) for at, n in zip(begins, sizes, strict=True)])
    dma = card.machine.c.nic.dma
    assert dma.nregions == 4
    assert [int(dma.region[i].size) for i in range(4)] == sorted(sizes, reverse=True)
    assert sorted((int(dma.region[i].bus), int(dma.region[i].size)) for i in range(4)) == [
        (bus + at, n) for at, n in zip(begins, sizes, strict=True)
    ]


def test_the_table_comes_anew_while_frames_flow(vhost, attach):
    """As QEMU and virtio-user do when memory is plugged in: 50 times, with one region more, and without it."""
    card = vhost(fifo=1 << 22)
    front = attach(card).start()
    more = Memory(1 << 20)
    rows = front.memory.rows()
    extra = (1 << 45, more.size, 1 << 46, 0)
    sent, got, out = flows(50), [], 0
    for turn in range(50):
        card.feed(sent)
        front.transmit(*sent[:20])
        if turn % 2:
            assert front.set_memory([extra, *rows], [more.fd, front.memory.fd]) == 0
        else:
            assert front.set_memory() == 0
        got += front.frames(len(sent))
        out += len(front.rings[1].wait(20))
    more.close()
    assert got == sent * 50
    assert [f for _, f in card.wire.sent()] == sent[:20] * 50
    assert out == 1000


def test_a_table_that_moves_the_memory_on_the_bus_is_followed(vhost, attach):
    """The rings stay where they are by the front-end's addresses; the buffers have others."""
    card = vhost()
    front = attach(card).start(buffers=0)
    memory, (bus, size, user, offset) = front.memory, front.memory.rows()[0]
    for move in range(50):
        moved = bus + (move % 7 << 32)
        assert front.set_memory([(moved, size, user, offset)]) == 0
        memory.bus = lambda at, moved=moved: moved + at
        front.post_buffers(front.rings[0], 8)
        sends(front, card, 0)
        card.feed(flows(8))
        assert len(front.rings[0].wait(8)) == 8


@pytest.mark.parametrize("rows", [[], [(0, 4096, 0, 0)]], ids=["empty", "elsewhere"])
def test_rings_that_the_new_table_has_not_are_broken_and_come_back(vhost, attach, rows):
    card = vhost()
    front = attach(card).start()
    works(front, card, 1)
    assert front.set_memory(rows) == 0
    assert all(ring.failed() for ring in front.rings)
    assert [r["broken"] for r in card.rings()] == [1, 1]
    assert not card.attached
    card.feed(flows(3))
    until(lambda: card.ledger().fates.get("DEV_READY") == 3)
    bases = [front.stop(i) for i in (0, 1)]
    assert front.set_memory() == 0
    for i, base in enumerate(bases):
        front.set_base(i, base)
        front.set_addr(i)
        front.set_kick(i)
    works(front, card, 1)


def test_the_ring_moves_while_it_is_disabled(vhost, attach):
    """It is used in its new place, and in no place before it is enabled."""
    card = vhost(queues=2)
    front = attach(card, pairs=2).start()
    ring = front.rings[0]
    front.enable(0, 0)
    front.enable(1, 0)
    old = ring.at
    for i in (0, 1):
        front.rings[i].at += 6 << 20
        front.memory.bytes[front.rings[i].at : front.rings[i].at + 0x10000] = bytes(
            front.memory.bytes[i * 0x10000 : (i + 1) * 0x10000]
        )
        assert front.set_addr(i) == 0
    before = bytes(front.memory.bytes[old : old + 0x20000])
    receives(front, card, [1])
    assert ring.used == 0
    for i in (0, 1):
        front.enable(i)
    works(front, card, 2)
    assert bytes(front.memory.bytes[old : old + 0x20000]) == before


# ---- files that are cut short ----


@pytest.mark.parametrize("what", ["buffers", "rings", "all"])
def test_a_file_that_is_cut_short_breaks_the_rings_and_nothing_else(vhost, attach, what):
    """Linux sends SIGBUS to who touches a page that is gone. The card must survive that."""
    card = vhost(queues=2)
    front = attach(card, pairs=2).start()
    works(front, card, 2)
    front.transmit(*flows(1))
    assert front.rings[1].wait(1)
    kicks = [ring.kick for ring in front.rings]
    with card.machine.threads.stopped_machine():
        card.wire._put(card.machine, [(None, f) for f in flows(40)])
        os.ftruncate(front.memory.fd, {"buffers": front.first_slot, "rings": 0x8000, "all": 0}[what])
    for kick in kicks:
        os.eventfd_write(kick, 1)
    assert all(ring.failed() for ring in front.rings)
    assert all(r["broken"] for r in card.rings())
    until(lambda: not card.ledger().in_flight)
    front.close()
    next_works(card, 2)


def test_a_file_that_is_cut_short_under_a_sending_ring_alone(vhost, attach):
    """No receive ring is in use."""
    card = vhost()
    front = attach(card)
    front.negotiate()
    front.set_memory()
    front.start_ring(1)
    front.enable(1)
    front.sync()
    assert not card.attached
    os.ftruncate(front.memory.fd, 0)
    os.eventfd_write(front.rings[1].kick, 1)
    assert front.rings[1].failed()
    front.close()
    next_works(card, 1)


def test_the_other_card_of_the_process_goes_on(vhost, attach):
    one, other = vhost("one"), vhost("other")
    cut, front = attach(one).start(), attach(other).start()
    os.ftruncate(cut.memory.fd, 0)
    os.eventfd_write(cut.rings[1].kick, 1)
    assert cut.rings[1].failed()
    works(front, other, 1)


def test_a_file_is_cut_and_grows_again_under_traffic(vhost, attach):
    """By another thread, at any moment; the card goes on with the next front-end each time."""
    card = vhost()
    for _ in range(20):
        front = attach(card).start()
        cutter = threading.Thread(
            target=lambda fd=front.memory.fd, n=front.memory.size: [os.ftruncate(fd, k) for k in (0, n) * 20]
        )
        cutter.start()
        card.feed(flows(100))
        cutter.join()
        until(lambda: not card.ledger().in_flight or not card.rings()[0]["broken"])
        front.close()
        until(lambda: card.session is None)
    next_works(card, 1)


SIGBUS = """
import mmap, os, sys
sys.path.insert(0, {support!r})
from front_end import FrontEnd
from vnic.vhost.card import VhostCard
with VhostCard(sys.argv[1]) as card:
    card.start()
    front = FrontEnd(card.path).start()
    if sys.argv[2] == "after":
        front.close()
        card.stop()
        card.close()
    fd = os.memfd_create("other")
    os.ftruncate(fd, 4096)
    other = mmap.mmap(fd, 4096)
    os.ftruncate(fd, 0)
    other[0]
    print("survived")
"""


@pytest.mark.parametrize("when", ["during", "after"])
def test_who_else_touches_a_page_that_is_gone_dies_of_it(tmp_path, when):
    done = subprocess.run(
        [sys.executable, "-c", SIGBUS.format(support=str(TESTS / "support")), tmp_path / "card", when],
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert done.returncode in (-signal.SIGBUS, 1), "1: AddressSanitizer's report"
    assert b"survived" not in done.stdout


# ---- memory that changes between two looks ----


def test_descriptors_that_a_thread_changes_all_the_time_harm_only_their_ring(vhost, attach):
    card = vhost(queues=2)
    front = attach(card, pairs=2).start()
    stop = threading.Event()
    rings = front.rings[:2]

    def flip():
        n = 0
        while not stop.is_set():
            n += 1
            for ring in rings:
                i = n % 64
                at = front.slot(ring, i)
                flags = WRITE if ring.index == 0 else 0
                ring.describe(i, at, (2048, 0xFFFFFFFF, 1)[n % 3], flags | n % 2, (i, 60000)[n % 2])
                ring.describe(i, at, 2048, flags, 0, bus=(1 << 50, 2**64 - 1, 0)[n % 3])
                ring.describe(i, at, 200, flags)

    flipper = threading.Thread(target=flip)
    flipper.start()
    try:
        for _ in range(40):
            card.feed(flows(64))
            front.rings[1].post(*range(64))
            front.rings[1].wait(64, 0.2)
            front.rings[0].post(*(head for head, _ in front.rings[0].take()))
            collect(front, [1], 1, 0.05)
    finally:
        stop.set()
        flipper.join()
    sends(front, card, 1)
    front.close()
    next_works(card, 2)


def test_the_card_needs_no_memory_to_say_what_it_is(vhost):
    card = vhost()
    with FrontEnd(card.path) as front:
        front.negotiate()
        assert [front.stop(i) for i in (0, 1)] == [0, 0]
    assert lib.vhost_regions(card.vhost) == 0


@pytest.mark.root
def test_a_file_that_a_program_serves_is_refused_and_nobody_waits(vhost, attach, tmp_path):
    """Its pages never come (FUSE)."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse")
    card = vhost()
    (tmp_path / "served").mkdir()
    with FuseFile(tmp_path / "served", 8 << 20) as served:
        fd = os.open(served.path, os.O_RDWR)
        front = attach(card)
        front.negotiate()
        assert front.set_memory(fds=[fd]) != 0
        assert "a file of fuse.test: the card could wait for its pages for ever" in card.refused[-1]
        assert front.set_memory() == 0
        os.close(fd)
    front.hang_up()
    next_works(card, 1)


def test_a_file_on_a_disk_is_memory_too(vhost, attach, tmp_path):
    with (tmp_path / "memory").open("w+b") as file:
        front = attach(vhost())
        file.truncate(front.memory.offset + front.memory.size)
        front.negotiate()
        assert front.set_memory(fds=[file.fileno()]) == 0
