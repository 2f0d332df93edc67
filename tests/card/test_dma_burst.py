"""A burst of frames into a ring: the loop for the usual ones and the way of a single frame write the same."""

import struct

import frames
import pytest
from dma_card import RING, Card
from foreign_driver import HEADER
from hypothesis import given
from hypothesis import strategies as st

V6 = {"src": "fd00::1", "dst": "fd00::2"}
ONE_BY_ONE = ["irq-lost:nth=1000000"]
"""While the card has a rule for a fault, frames go one by one."""


def broken(frame: bytes) -> bytes:
    """Its last byte is wrong."""
    return frame[:-1] + bytes([frame[-1] ^ 1])


def unchecked(frame: bytes) -> bytes:
    """Without a UDP checksum."""
    return frame[:40] + bytes(2) + frame[42:]


def partial(frame: bytes) -> bytes:
    """With the pseudo header's sum only."""
    total = sum(struct.unpack("!4H", frame[26:34])) + 17 + len(frame) - 34
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return frame[:40] + struct.pack("!H", total) + frame[42:]


KINDS = {
    "small": lambda n: frames.udp(bytes(range(n % 140)), sport=n + 1),
    "large": lambda n: frames.udp(bytes(200 + n), sport=n + 1),
    "tcp": lambda n: frames.tcp(b"t" * (n % 150), seq=n),
    "long tcp": lambda n: frames.tcp(b"t" * (1000 + n), seq=n),
    "v6": lambda n: frames.udp(b"6" * n, **V6),
    "tagged": lambda n: frames.udp(b"v" * n, mac={"vlan": 5}),
    "options": lambda n: frames.udp(b"o" * (n % 100), options=b"\x94\4\0\0"),
    "fragment": lambda n: frames.udp(b"f" * (n % 100), frag=0x2000),
    "arp": lambda _: frames.arp(),
    "other": lambda n: frames.eth(bytes(46 + n), type=0x88B5),
    "broken": lambda n: broken(frames.udp(b"b" * (1 + n % 140))),
    "broken, long": lambda n: broken(frames.tcp(b"b" * (300 + n))),
    "unchecked": lambda n: unchecked(frames.udp(b"u" * (n % 140))),
    "partial": lambda n: partial(frames.udp(b"p" * (n % 140))),
    "padded": lambda n: frames.udp(b"q" * (n % 9)) + bytes(18),
    "two buffers": lambda n: frames.udp(bytes(2100 + n)),
}
some_frames = st.lists(st.builds(lambda kind, n: KINDS[kind](n), st.sampled_from(sorted(KINDS)), st.integers(0, 250)))


def written(bursts, lengths, **knobs):
    """What a driver finds that posts buffers of these lengths, turn by turn: headers and bytes, and what is counted."""
    out, at = [], 0
    with Card(**knobs) as card:
        card.start()
        free = list(range(RING))
        for burst in bursts:
            while free:
                card.buffer(free.pop(0), lengths[at % len(lengths)])
                at += 1
            used = card.receive(*burst)
            while used:
                n = HEADER.unpack_from(card.driver.buffer(*used[0]))[6] if used[0][1] else 1
                out.append(card.frame(used[:n]))
                free += [head for head, _ in used[:n]]
                used = used[n:]
        queue = card.host.machine.c.nic.queue[0]
        counted = {name: int(getattr(queue, name)) for name in ("frames", "bytes", "csum_ok", "csum_bad", "dma_failed")}
        return out, counted, card.host.ledger().fates


@given(st.lists(some_frames, min_size=1, max_size=4), st.sampled_from([[2048], [2048, 100], [200], [2048, 2048, 20]]))
def test_a_burst_is_its_frames_one_by_one(bursts, lengths):
    assert written(bursts, lengths) == written(bursts, lengths, faults=ONE_BY_ONE)


@pytest.mark.parametrize("knobs", [{}, {"rx": False}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_in_a_burst_of_its_own(kind, knobs):
    burst = [KINDS[kind](n) for n in range(RING // 2)]
    found, counted, _ = written([burst] * 5, [2048], **knobs)
    assert len(found) == 5 * len(burst)
    right = kind in ("small", "large", "tcp", "long tcp", "v6", "tagged", "options", "unchecked", "partial", "padded")
    right |= kind == "two buffers"
    for n, (head, data) in enumerate(found):
        sent = burst[n % len(burst)]
        assert head[0] == (2 if right and not knobs else 0)
        assert head[6] == (2 if kind == "two buffers" else 1)
        assert data == sent or kind == "partial"
        if kind == "partial" and len(sent) > 42:
            assert data == frames.udp(sent[42:])
    assert counted["csum_ok"] == (len(found) if right and not knobs else 0)
