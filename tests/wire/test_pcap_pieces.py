"""pcap_pieces.c: a capture is read in pieces, whatever happens to the file meanwhile."""

import errno
import functools
import os
import random
from pathlib import Path

import frames
import pytest
from captures import enhanced, interface, pcap, section

import vnic
from vnic._core import ffi, lib
from vnic.pace import pace
from vnic.runs import send
from vnic.runs.replay import replay

SLOW = {"fifo": 40_000, "rx-ring": 64, "cost": {"poll": 500_000}, "link": "10G"}
"""The FIFO is always full, so the card holds frames of many pieces."""


@functools.cache
def some(n):
    r = random.Random(1)
    return [frames.udp(r.randbytes(r.randrange(18, 1200))) for _ in range(n)]


def records(n):
    return (some(400) * (n // 400 + 1))[:n]


def in_pcap(data):
    """A frame every microsecond."""
    return pcap([(i * 1000, f, len(f)) for i, f in enumerate(data)])


def in_pcapng(data):
    return section() + interface() + b"".join(enhanced(f, i) for i, f in enumerate(data))


@pytest.fixture
def in_pieces(monkeypatch):
    """Captures are read in pieces of at least so many bytes."""

    def set_to(piece_bytes):
        new = lib.pcap_wire_new

        def wire():
            made = new()
            made.piece_bytes = piece_bytes
            return made

        monkeypatch.setattr("vnic.wire.lib", _With(pcap_wire_new=wire))

    return set_to


class _With:
    """The library, but for some names."""

    def __init__(self, **names):
        self.__dict__.update(names)

    def __getattr__(self, name):
        return getattr(lib, name)


@pytest.mark.parametrize("kind", [in_pcap, in_pcapng])
@pytest.mark.parametrize("piece_bytes", [1, 1000, 5000])
@pytest.mark.parametrize("knobs", [{"cost": "zero"}, SLOW], ids=["quick", "slow"])
def test_a_frame_stays_as_it_is_until_the_card_gives_it_back(tmp_path, in_pieces, kind, piece_bytes, knobs):
    path, out = tmp_path / "x", tmp_path / "out.pcapng"
    path.write_bytes(kind(records(400)))
    found = []
    for size in (lib.PCAP_PIECE, piece_bytes):
        in_pieces(size)
        result = replay([path], write=out, at=("nic",), **knobs)
        found.append((result.facts["ledger"], out.read_bytes()))
    assert found[0] == found[1]
    assert ("FIFO_OVERRUN" in found[0][0]["fates"]) == (knobs is SLOW), found[0][0]


def test_pieces_take_no_more_memory_than_the_fifo_holds(tmp_path):
    path = tmp_path / "x"
    data = in_pcap(records(400))
    path.write_bytes(data + 50 * data[24:])
    with vnic.Host(wire=vnic.CaptureWire([path]), sink=True, **SLOW) as host:
        host.run()
        pcap = host.wire.pcap
        assert path.stat().st_size > 80 * pcap.piece_bytes
        assert pcap.npieces <= 4


def cut(path, size):
    with path.open("r+b") as file:
        file.truncate(size)


@pytest.mark.parametrize("kind", [in_pcap, in_pcapng])
@pytest.mark.parametrize("left", [0, 1, 24, 100_000, -5, -1])
def test_a_file_that_shrinks_while_it_is_read_ends_the_input_with_a_sentence(tmp_path, kind, left):
    """Mapped, it ended the process: SIGBUS."""
    path, data = tmp_path / "x", kind(records(800))
    path.write_bytes(data)
    with vnic.Host(wire=vnic.CaptureWire([path]), sink=True, cost="zero") as host:
        host.run(frames=10)
        cut(path, left % len(data))
        host.finish()
        before = host.ledger().offered
        assert host.wire.error_text == f"shrank while it was read: it ends behind frame {before}"
        assert 10 <= before < 800
        assert host.laws() == 0
        assert host.ledger().fates == {"DELIVERED_UDP": before}


def test_the_report_of_a_file_that_shrank_has_what_was_read(tmp_path, monkeypatch):
    monkeypatch.setattr("vnic.machine.machine._SLICE_FRAMES", 50)
    path = tmp_path / "x"
    path.write_bytes(in_pcap(records(800)))
    result = replay([path], progress=lambda *_: cut(path, 24), cost="zero")
    n = result.facts["ledger"]["offered"]
    assert result.error == f"{path}: shrank while it was read: it ends behind frame {n}"
    assert n > 0


def test_a_file_that_shrinks_between_two_passes_is_sent_as_far_as_it_goes(tmp_path):
    path, out = tmp_path / "x", tmp_path / "out"
    data = records(300)
    path.write_bytes(in_pcap(data))

    class Here:
        mtu, name, fd, to = 1500, "here", os.open(out, os.O_WRONLY | os.O_CREAT), lib.SEND_TAP

        def dropped(self):
            return None

        def close(self):
            os.close(self.fd)

    sender = send.Sender(path, Here(), pace(topspeed=True), loop=0)
    cut(path, 40_000)
    sender.run()
    assert sender.c.error < 0
    assert sender.wire.error_text.startswith("shrank while it was read: it ends behind frame ")
    assert sum(map(len, data)) > out.stat().st_size > 0
    sender.wire.close()
    sender.target.close()


def test_each_file_is_closed_when_the_next_one_begins(tmp_path):
    def files():
        return sum(str(fd.resolve()).startswith(str(tmp_path)) for fd in Path("/proc/self/fd").iterdir())

    paths = [tmp_path / f"{i}" for i in range(5)]
    for path in paths:
        path.write_bytes(in_pcap(records(3)))
    (tmp_path / "none").write_bytes(b"no capture at all")
    with vnic.Host(wire=vnic.CaptureWire(paths), sink=True, cost="zero") as host:
        host.run(frames=7)
        assert files() == 1
    assert files() == 0
    with pytest.raises(vnic.CaptureError):
        vnic.CaptureWire([tmp_path / "none"])
    assert files() == 0


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([(i, frame, len(frame)) for i, frame in enumerate(some(3))]))
    p = ffi.gc(lib.pcap_wire_new(), lib.pcap_wire_free)
    assert lib.pcap_wire_open(p, os.open(path, os.O_WRONLY), path.stat().st_size) == -errno.EINVAL
    assert ffi.string(p.error_text) == b"cannot be read behind frame 0: Bad file descriptor"
