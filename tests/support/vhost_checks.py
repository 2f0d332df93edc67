"""What the tests of vhost-user ask again and again: frames of many flows, do they pass, is all as before."""

import contextlib
import gc
import time
from pathlib import Path

import frames
from front_end import FrontEnd

from vnic._core import lib

PATIENCE_S = 10.0


def flows(n: int, size: int = 100) -> list[bytes]:
    """Frames of so many flows."""
    return [frames.udp(bytes([i % 251]) * size, sport=1000 + i) for i in range(n)]


def collect(front: FrontEnd, pairs: range | list[int], n: int, seconds: float = PATIENCE_S) -> list[list[bytes]]:
    """Receive until n frames came on these pairs together. Return: those of each pair."""
    got: list[list[bytes]] = [[] for _ in pairs]
    end = time.monotonic() + seconds
    while sum(map(len, got)) < n and time.monotonic() < end:
        for i, pair in enumerate(pairs):
            got[i] += front.frames(64, pair, 0.002)
    return got


def receives(front: FrontEnd, card, pairs: range | list[int]) -> None:
    """Frames of many flows reach these pairs, each once."""
    sent = flows(40)
    card.feed(sent)
    got = collect(front, pairs, len(sent))
    assert sorted(f for of_pair in got for f in of_pair) == sorted(sent)


def sends(front: FrontEnd, card, pair: int) -> None:
    """Frames that this pair sends reach the wire, in order."""
    card.wire.sent()
    sent = flows(5)
    front.transmit(*sent, pair=pair)
    assert len(front.rings[2 * pair + 1].wait(5)) == 5
    assert [f for _, f in card.wire.sent()] == sent


def works(front: FrontEnd, card, pairs: int) -> None:
    """A front-end that has just attached has a whole card."""
    for pair in range(pairs):
        sends(front, card, pair)
    receives(front, card, range(pairs))


def next_works(card, pairs: int, **options) -> None:
    """The next front-end has a whole card."""
    until(lambda: card.session is None)
    with FrontEnd(card.path, pairs=pairs, **options) as front:
        works(front.start(), card, pairs)
    until(lambda: card.session is None and not card.attached)


def ends_well(host) -> None:
    """Stop and close a host, or a card; both laws hold, and nothing is in flight."""
    with contextlib.closing(host):
        host.stop()
        assert not host.laws(), host.ledger()
        assert not host.ledger().in_flight


def until(true, seconds: float = PATIENCE_S) -> None:
    """Wait until it is so; fail if that does not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.001)


def files() -> int:
    """Files that this process has open, without the timer that the card's thread makes anew after each pause.

    Files of other tests' things that wait for the garbage collector are closed first. Their threads may close some
    later, so what leaks nothing has at most as many as before.
    """
    gc.collect()
    names = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(str(fd.readlink()))
    return len(names) - names.count("anon_inode:[timerfd]")


def bad_chains(card) -> int:
    """Chains of sending rings that the card returned unsent."""
    return int(card.nic.c.tx.fates[lib.TX_BAD_CHAIN])
