"""Linux's virtio_net on the card, in QEMU: pairs of rings, a reset, a reload, the hash, a card that comes back."""

import re
import shutil

import guest as guests
import ping_world
import pytest
from model.rss import rss
from qemu import Guest, number
from vhost_checks import until as until_soon

import vnic
from vnic.vhost.card import VhostCard

pytestmark = [pytest.mark.slow, pytest.mark.needs("qemu-system-x86_64", "busybox")]
SHELL = 'echo guest: ready; while read -r line; do eval "$line"; done'
"""The end of init: a shell that has no prompt."""
PATIENCE_S = 60.0
PINGED = "load; up; until ping -c 1 -W 10 10.9.0.1; do :; done; echo guest: pinged"
"""Under a flood an answer may be lost: the card's memory is full while an emulated CPU is late."""
FLOOD_FRAMES = 1  # twice in a millisecond: an emulated CPU that gets many more does nothing else


@pytest.fixture
def guest(tmp_path):
    """A function: a card whose other side is Python, and a guest on it. At the end the card's ledger is closed."""
    made = []

    def make(commands, knobs=None, **options):
        world = ping_world.World()
        card = VhostCard(tmp_path / "card", wire=vnic.PythonWire(world), **(knobs or {}))
        made.append(card)
        card.start()
        made.append(linux := Guest(tmp_path, card.path, commands, **options))
        linux.boot()
        return world, card, linux

    yield make
    for thing in reversed(made):
        if isinstance(thing, Guest):
            thing.kill()
        else:
            closed(thing)


def until(true):
    """Wait until it is so: an emulated CPU is slow, and may have to share a core."""
    until_soon(true, PATIENCE_S)


def closed(card):
    if card.closed:
        return
    card.stop()
    assert not card.laws(), card.ledger()
    assert not card.ledger().in_flight
    card.close()


def pinged(world, card, linux, numbers):
    """The guest answers these pings of ours."""
    for i in numbers:
        world.ping(i)
    until(lambda: set(numbers) <= world.answers)


def flows(world, n):
    """A datagram of each of so many flows."""
    return [ping_world.udp(world.mac, world.ip, bytes(20), 1000 + i) for i in range(n)]


def received(linux):
    """Frames of each receive queue, by ``ethtool -S``."""
    said = linux.ask("ethtool -S eth0")
    return [int(n) for n in re.findall(r"rx_queue_\d+_packets: (\d+)", said)]


def test_a_guest_pings_and_is_pinged(guest):
    world, card, linux = guest(
        f"load; up; ping -c 5 -i 0.05 -W 5 10.9.0.1 && echo guest: pinged\n{SHELL}\n",
    )
    said = linux.says("guest: ready")
    assert "guest: pinged" in said
    assert "5 packets received, 0% packet loss" in said
    assert world.asked == 5
    pinged(world, card, linux, range(20))
    said = linux.ask("for n in rx_packets tx_packets rx_errors rx_dropped; do echo $n=$(count $n); done")
    assert number(said, "rx_packets") == card.ledger().delivered
    assert number(said, "tx_packets") <= world.taken
    assert (number(said, "rx_errors"), number(said, "rx_dropped")) == (0, 0)
    assert card.ledger().fates.keys() <= {"DELIVERED_DRIVER", "DEV_READY"}


@pytest.mark.needs("ethtool")
def test_two_pairs_are_fed_by_rss_and_the_guest_changes_how_many(guest):
    """A driver takes a pair for each of its CPUs. ``ethtool -L`` in the guest enables and disables the card's rings."""
    world, card, linux = guest(
        f"load; up; ping -c 1 -W 5 10.9.0.1\n{SHELL}\n",
        {"queues": 2},
        cpus=2,
        pairs=2,
        more=guests.program(shutil.which("ethtool")),
    )
    linux.says("guest: ready")
    until(lambda: [r["enabled"] for r in card.rings()] == [1] * 4)
    before, of_card = received(linux), [q.packets for q in card.nic.queues()]
    world.send(*flows(world, 64))
    until(lambda: sum(received(linux)) == sum(before) + 64)
    came = [now - then for now, then in zip(received(linux), before, strict=True)]
    assert came == [q.packets - then for q, then in zip(card.nic.queues(), of_card, strict=True)]
    assert all(came)
    linux.ask("ethtool -L eth0 combined 1")
    until(lambda: [r["enabled"] for r in card.rings()] == [1, 1, 0, 0])
    before = received(linux)
    world.send(*flows(world, 64))
    until(lambda: received(linux)[0] == before[0] + 64)
    linux.ask("ethtool -L eth0 combined 2")
    until(lambda: [r["enabled"] for r in card.rings()] == [1] * 4)
    pinged(world, card, linux, range(5))


@pytest.mark.needs("ethtool")
def test_a_guest_takes_the_cards_hash(guest):
    """With ``hash=on`` the header has 20 bytes, and the kernel takes the card's hash for the packet's."""
    world, card, linux = guest(
        "load; up; ping -c 1 -W 5 10.9.0.1; ethtool -K eth0 rxhash on; mount -t tracefs t /sys/kernel/tracing\n"
        f"{SHELL}\n",
        {"offer": ["HASH_REPORT"]},
        device="hash=on",
        more=guests.program(shutil.which("ethtool")),
    )
    linux.says("guest: ready")
    assert card.nic.c.features >> 57 & 1
    linux.ask("cd /sys/kernel/tracing; echo 1 > events/net/napi_gro_receive_entry/enable")
    world.send(*flows(world, 30))
    until(lambda: len(hashes(linux)) == 30)
    assert hashes(linux) == [rss("10.9.0.1", "10.9.0.2", 17, 1000 + i, 9)[0] for i in range(30)]
    pinged(world, card, linux, range(5))


def hashes(linux):
    return [int(h, 16) for h in re.findall(r"hash=0x([0-9a-f]+) l4_hash=1", linux.ask("cat trace"))]


def test_the_driver_is_loaded_anew(guest):
    world, _, linux = guest(
        "for turn in 1 2 3; do load; up; ping -c 3 -i 0.02 -W 5 10.9.0.1 && echo guest: pinged $turn\n"
        "rmmod virtio_net; done\n"
    )
    linux.says("guest: the end")
    assert all(f"guest: pinged {turn}" in linux.said() for turn in range(1, 4))
    assert world.asked == 9


def test_a_guest_reboots_under_a_flood(guest):
    """QEMU goes on and its kernel begins anew, while frames come all the time."""
    world, card, linux = guest(f"{PINGED}\n{SHELL}\n")
    linux.says("guest: ready")
    world.flood = [ping_world.udp(world.mac, world.ip, bytes(60), i) for i in range(FLOOD_FRAMES)]
    linux.process.stdin.write(b"reboot -f\n")
    linux.process.stdin.flush()
    until(lambda: linux.said().count("guest: pinged") == 2)
    world.flood = []
    linux.says("guest: ready")
    pinged(world, card, linux, range(5))
    assert card.sessions == 1


def test_a_guest_is_killed_and_the_next_one_works(guest):
    world, card, linux = guest(f"{PINGED}\n{SHELL}\n")
    linux.says("guest: ready")
    world.flood = [ping_world.udp(world.mac, world.ip, bytes(60), i) for i in range(FLOOD_FRAMES)]
    linux.kill()
    until(lambda: card.session is None)
    linux.boot()
    linux.says("guest: pinged")
    world.flood = []
    pinged(world, card, linux, range(5))
    assert card.sessions == 2


def test_a_card_that_comes_back_is_found_again(guest, tmp_path):
    """QEMU connects again (reconnect=1). To the guest it was a link that went down and came up."""
    world, card, linux = guest(f"load; up; ping -c 1 -W 5 10.9.0.1\n{SHELL}\n", chardev="reconnect=1")
    linux.says("guest: ready")
    pinged(world, card, linux, range(3))
    closed(card)
    until(lambda: linux.ask("cat /sys/class/net/eth0/carrier").strip() == "0")
    with VhostCard(tmp_path / "card", wire=vnic.PythonWire(world)) as back:
        back.start()
        until(lambda: back.attached and linux.ask("cat /sys/class/net/eth0/carrier").strip() == "1")
        pinged(world, back, linux, range(3, 9))
        assert "1 packets received" in linux.ask("ping -c 1 -W 10 10.9.0.1")
    linux.kill()


@pytest.mark.needs("ethtool")
def test_a_ring_has_the_size_that_qemu_gives_it_and_ethtool_resizes_no_more(guest):
    """virtio_net resizes a ring that can be reset (RING_RESET). QEMU 7.2 passes that feature on, and tells the card of
    no reset, so the card does not offer it: the driver refuses, and its ring goes on."""
    world, card, linux = guest(
        f"load; up; ping -c 1 -W 5 10.9.0.1\n{SHELL}\n",
        device="rx_queue_size=1024",
        more=guests.program(shutil.which("ethtool")),
    )
    linux.says("guest: ready")
    assert [r["num"] for r in card.rings()] == [1024, 256]
    assert "No such file or directory" in linux.ask("ethtool -G eth0 rx 512")
    assert [r["num"] for r in card.rings()] == [1024, 256]
    world.send(*flows(world, 600))
    until(lambda: number(linux.ask("echo rx=$(count rx_packets)"), "rx") >= 601)
    pinged(world, card, linux, range(5))
