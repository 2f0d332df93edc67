"""Linux's own virtio_net on the card: User Mode Linux boots, pings and is pinged, reloads its driver, is killed."""

import ping_world
import pytest
from uml import Guest, number
from vhost_checks import until

import vnic
from vnic.vhost.card import VhostCard

pytestmark = [pytest.mark.slow, pytest.mark.needs("linux.uml", "busybox")]
FLOOD_FRAMES = 32


@pytest.fixture
def guest(tmp_path):
    """A function: a card whose other side is Python, and a guest on it. At the end the card's ledger is closed."""
    made = []

    def make(commands, **knobs):
        world = ping_world.World()
        card = VhostCard(tmp_path / "card", wire=vnic.PythonWire(world), mac="02:00:00:00:00:02", **knobs)
        made.append(card)
        card.start()
        made.append(linux := Guest(tmp_path, card.path, commands))
        linux.boot()
        return world, card, linux

    yield make
    for thing in reversed(made):
        if isinstance(thing, Guest):
            thing.kill()
        else:
            thing.stop()
            assert not thing.laws(), thing.ledger()
            assert not thing.ledger().in_flight
            thing.close()


def test_a_guest_pings_and_is_pinged(guest):
    world, card, linux = guest(
        "load; up; echo guest: mac $(cat /sys/class/net/eth0/address)\n"
        "ping -c 5 -i 0.05 -W 2 10.9.0.1 && echo guest: pinged\nping -c 20 -i 0.02 -s 1400 10.9.0.1; sleep 2; "
        "echo rx=$(count rx_packets) tx=$(count tx_packets) errors=$(count rx_errors) drops=$(count rx_dropped)\n"
    )
    said = linux.says("guest: pinged")
    assert "guest: mac 02:00:00:00:00:02" in said
    assert "5 packets received, 0% packet loss" in said
    for i in range(20):
        world.ping(i)
    until(lambda: world.answers == set(range(20)))
    said = linux.says("guest: the end")
    assert world.asked == 25
    assert number(said, "rx") == card.ledger().delivered
    assert number(said, "tx") <= world.taken
    assert (number(said, "errors"), number(said, "drops")) == (0, 0)
    assert card.ledger().fates.keys() <= {"DELIVERED_DRIVER", "DEV_READY"}


def test_a_guest_counts_what_the_card_counts(guest):
    world, card, linux = guest(
        "load; up; ping -c 1 -W 2 10.9.0.1; a=$(count rx_packets); echo guest: ready; sleep 1.5\n"
        "echo came=$(($(count rx_packets) - a)) bytes=$(count rx_bytes)\n"
    )
    linux.says("guest: ready")
    before = card.ledger().delivered
    for size in (18, 100, 1400, 1472):
        world.send(*(ping_world.udp(world.mac, world.ip, bytes(size), 1000 + i) for i in range(25)))
    said = linux.says("guest: the end")
    assert number(said, "came") == 100
    assert card.ledger().delivered == before + 100


def test_the_driver_is_loaded_anew(guest):
    world, _, linux = guest(
        "for turn in 1 2 3 4; do load; up; ping -c 3 -i 0.02 -W 2 10.9.0.1 && echo guest: pinged $turn\n"
        "rmmod virtio_net; done\n"
    )
    linux.says("guest: the end")
    assert all(f"guest: pinged {turn}" in linux.said() for turn in range(1, 5))
    assert world.asked == 12


def test_a_guest_reboots_and_is_killed_under_a_flood(guest):
    """Frames come all the time, also while nobody takes them."""
    world, card, linux = guest("load; up; ping -c 2 -i 0.02 -W 5 10.9.0.1 && echo guest: pinged; sleep 30\n")
    world.flood = [ping_world.udp(b"\x02\0\0\0\0\2", bytes([10, 9, 0, 2]), b"x" * 60, i) for i in range(FLOOD_FRAMES)]
    for turn in range(4):
        if turn:
            linux.boot()
        linux.says("guest: pinged")
        linux.kill()
        until(lambda: card.session is None)
        ledger = card.ledger()
        assert ledger.offered == ledger.in_flight + sum(ledger.fates.values())
    world.flood = []
    assert card.sessions == 4


def test_a_guest_that_only_sends_does_not_stall(guest):
    """Its socket waits for the sending ring's interrupts, and nothing comes in that would do in their place."""
    world, _, linux = guest("load; up; ping -c 600 -i 0.002 -s 1400 -W 1 10.9.0.1; echo tx=$(count tx_packets)\n")
    world.silent = True
    said = linux.says("guest: the end")
    assert "600 packets transmitted, 0 packets received" in said
    assert number(said, "tx") >= 600
    assert world.asked == 600


def test_four_queues_are_one_to_a_guest_that_cannot_ask(guest):
    """Without a control queue Linux takes one pair of a card that has four."""
    _, _, linux = guest(
        "load; up; echo queues=$(ls /sys/class/net/eth0/queues | grep -c rx)\n"
        "ping -c 3 -i 0.05 -W 2 10.9.0.1 && echo guest: pinged\n",
        queues=4,
        withhold=["MQ"],
    )
    said = linux.says("guest: the end")
    assert "guest: pinged" in said
    assert number(said, "queues") == 1
