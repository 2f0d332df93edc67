"""Odd pcapng and pcap files are read as tshark reads them: frames, times, lengths, and whether it complains."""

import random
import struct
import subprocess

import pytest
from captures import S, enhanced, interface, obsolete, option, pad, read, section, simple

pytestmark = [pytest.mark.slow, pytest.mark.needs("tshark")]

F = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + bytes(46)
LATER = (1 << 63) - 1


def block(kind, body, *, order="<", total=None, tail=None):
    """A block as it should be, or with another length in front or behind."""
    n = 12 + len(body)
    return struct.pack(order + "II", kind, total or n) + body + struct.pack(order + "I", n if tail is None else tail)


def described(*options, order="<", link=1, snap=0):
    return block(1, struct.pack(order + "HHI", link, 0, snap) + b"".join(options), order=order)


def packet(*options, order="<", i=0, ticks=1_700_000_000_000_000, data=F, captured=None, length=None):
    head = struct.pack(
        order + "IIIII",
        *(i, ticks >> 32, ticks % 2**32),
        *(len(data) if captured is None else captured, len(data) if length is None else length),
    )
    return block(6, head + pad(data) + b"".join(options), order=order)


def short(data=F, *, length=None, order="<"):
    return block(3, struct.pack(order + "I", len(data) if length is None else length) + pad(data), order=order)


def header(*options, order="<", major=1, minor=0, length=-1):
    return block(
        0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, major, minor, length) + b"".join(options), order=order
    )


def too_long(code, claimed):
    return struct.pack("<HH", code, claimed) + b"abcd"


BEGIN = header() + described()
WHOLE = BEGIN + packet() + packet()
CASES = {
    **{
        f"a clock of {r:#x}": header()
        + described(option("<", 9, bytes([r])))
        + packet(ticks=1000)
        + packet(ticks=123456789)
        for r in (0, 1, 3, 6, 9, 10, 20, 21, 63, 64, 127, 0x80, 0x81, 0x8A, 0x9E, 0xC0, 0xFF)
    },
    **{
        f"an offset of {o} s": header()
        + described(option("<", 14, struct.pack("<q", o)))
        + packet()
        + packet(ticks=3 * 10**15)
        for o in (1, -1, 1000, -1_700_000_000, -2_000_000_000)
    },
    "an offset of 4 bytes": header() + described(option("<", 14, struct.pack("<i", 5))) + packet(),
    "an offset of 12 bytes": header() + described(option("<", 14, struct.pack("<qI", 5, 0))) + packet(),
    **{f"a clock of {n} bytes": header() + described(option("<", 9, b"\x09\0\0\0"[:n])) + packet() for n in (0, 2, 4)},
    "two clocks": header() + described(option("<", 9, b"\x09"), option("<", 9, b"\x03")) + packet(),
    "options without their end": header() + described(option("<", 2, b"eth0")) + packet(),
    "options behind their end": header() + described(option("<", 0), option("<", 9, b"\x09")) + packet(),
    "an option longer than its interface": header() + described(too_long(2, 400)) + packet(),
    "an option longer than its section": header(too_long(2, 400)) + described() + packet(),
    "an option longer than its packet": BEGIN + packet() + packet(too_long(1, 400)) + packet(),
    **{f"snap length {s}": header() + described(snap=s) + packet() + short() for s in (0, 60, 61, 262144, 2**32 - 1)},
    **{f"snap length {s}, a longer short packet": header() + described(snap=s) + short() + packet() for s in (1, 10)},
    **{
        f"snap length {s}, cut": header() + described(snap=s) + short(F[:s], length=1000) + packet()
        for s in (1, 10, 60)
    },
    "short packets without an interface": header() + short() + short(),
    "a short packet in front of its interface": header() + short() + described() + packet(),
    "a packet without an interface": header() + packet(),
    "a packet of a missing interface": BEGIN + packet() + packet(i=5) + packet(),
    "an interface of 4 bytes": BEGIN + packet() + block(1, b"\1\0\0\0") + packet(),
    "the second interface is Ethernet": header() + described(link=147) + packet() + described() + packet(i=1),
    **{
        f"sections in orders {a}{b}": header(order=a)
        + described(order=a)
        + packet(order=a)
        + header(order=b)
        + described(order=b)
        + packet(order=b)
        + short(order=b)
        for a in "<>"
        for b in "<>"
    },
    **{f"a section's length of {n}": header(length=n) + described() + packet() + packet() for n in (0, 4, 5, 1 << 40)},
    **{
        f"version {a}.{b}": header(major=a, minor=b) + described() + packet()
        for a, b in ((1, 1), (1, 2), (1, 3), (2, 0), (0, 0))
    },
    "a later section of version 2": WHOLE + header(major=2) + described() + packet(),
    "a section without an interface": WHOLE + header() + packet(),
    "a frame longer than its block": BEGIN + packet() + packet(captured=500) + packet(),
    "an empty frame": BEGIN + packet(data=b"", length=60) + packet(data=b"") + packet(),
    "a length of 4 GB": BEGIN + packet(length=2**32 - 1) + packet(),
    "262144 bytes": BEGIN + packet(data=bytes(262144)) + packet(),
    "262145 bytes": BEGIN + packet() + packet(data=bytes(262145)) + packet(),
    "bytes between frame and options": BEGIN + packet(captured=20) + packet(),
    **{f"a block of {n} bytes": BEGIN + packet() + block(0x1234, b"", total=n) + packet() for n in (1, 8, 11, 13)},
    "a block of 93 bytes, padded": BEGIN
    + packet()
    + struct.pack("<7I", 6, 93, 0, 0, 5, 61, 61)
    + bytes(64)
    + struct.pack("<I", 93)
    + packet(),
    **{
        f"another length behind {what}": data[:at] + struct.pack("<I", 76) + data[at + 4 :]
        for what, data, at in (
            ("a packet", WHOLE, len(WHOLE) - 4),
            ("the section", WHOLE, 24),
            ("the interface", WHOLE, len(BEGIN) - 4),
            ("an unknown block", BEGIN + packet() + block(0x1234, b"abcd") + packet(), len(BEGIN + packet()) + 12),
        )
    },
    "unknown blocks": BEGIN + block(0x1234, b"abcd" * 10) + packet() + block(0x7FFFFFFF, b"") + packet(),
    "names and counters": BEGIN + block(4, bytes(4)) + packet() + block(5, struct.pack("<III", 0, 0, 5)) + packet(),
    "a packet block without room for its head": BEGIN + packet() + block(6, bytes(16)) + packet(),
    "a short one without": BEGIN + packet() + block(3, b"") + packet(),
    "obsolete packets": BEGIN + obsolete(F, 5) + packet() + obsolete(F, 7),
    "nothing but a section": header(),
    "nothing but an interface": BEGIN,
    "text behind the packets": WHOLE + b"hello world, this is garbage behind",
    "zeros behind the packets": WHOLE + bytes(40),
    "four zeros behind the packets": WHOLE + bytes(4),
    **{f"cut by {n} bytes": WHOLE[:-n] for n in (1, 4, 5, 28, 60, 90, 91, 92, 93, 120, 184, 190)},
}


def ns(text):
    """tshark's time, in the range that a card has; None: a short packet has none."""
    if not text or text.startswith("-"):
        return 0 if text else None
    whole, _, part = text.partition(".")
    return min(int(whole) * S + int(part.ljust(9, "0")[:9]), LATER)


def tshark(path):
    fields = [a for f in ("frame.time_epoch", "frame.cap_len", "frame.len", "frame.protocols") for a in ("-e", f)]
    done = subprocess.run(
        ["tshark", "-n", "-r", path, "-T", "fields", *fields], capture_output=True, text=True, check=False
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    rows = [row for row in rows if row[0] or row[3] != "data"]  # other records are no packets
    return [(ns(t), int(n), max(int(n), int(length))) for t, n, length, _ in rows], done.returncode != 0


def agree(path, data, known=lambda _frame: True):
    path.write_bytes(data)
    theirs, complained = tshark(path)
    found, why = read(data)
    ours = [
        (t if their[0] is not None else None, len(d), n) for (t, d, n, _), their in zip(found, theirs, strict=False)
    ]
    assert len(found) == len(theirs), why
    assert ours == [frame if known(frame) else our for our, frame in zip(ours, theirs, strict=True)]
    assert bool(why) == complained, why


@pytest.mark.parametrize("name", CASES)
def test_an_odd_file(tmp_path, name):
    """Of a link without packets for a card, the frame comes without bytes."""
    agree(tmp_path / "x", CASES[name], known=lambda frame: name != "the second interface is Ethernet" or frame[1] == 0)


def mixed(r):
    """A file of several sections, with interfaces and packets of all kinds, some of which are odd."""
    data = b""
    for _ in range(r.randint(1, 3)):
        order = r.choice("<>")
        data += section(order)
        interfaces = r.randint(1, 3)
        for _ in range(interfaces):
            data += interface(
                order,
                snaplen=r.choice([0, 0, 64, 262144]),
                tsresol=r.choice([None, 0, 3, 6, 9, 0x8A, 0x94]),
                tsoffset=r.choice([None, 0, 5, -5]),
            )
        for _ in range(r.randint(1, 8)):
            n = r.choice([0, 14, 60, 63, 64])
            kind = r.random()
            if kind < 0.6:
                data += enhanced(
                    bytes(n), r.randrange(1, 1 << 33), order=order, interface=r.randrange(interfaces), length=n + 9
                )
            elif kind < 0.8:
                data += simple(bytes(n), order=order)
            elif kind < 0.9:
                data += obsolete(bytes(n), r.randrange(1, 1 << 33), order=order, interface=r.randrange(interfaces))
            else:
                data += block(r.choice([5, 0xBAD, 0x1234]), bytes(r.choice([12, 16])), order=order)
    return data


@pytest.mark.parametrize("seed", range(16))
def test_a_mixed_file_whole_cut_and_damaged(tmp_path, seed):
    """Damage is one byte of a length or a type: of what a packet holds, no reader can tell."""
    r = random.Random(seed)
    data = bytearray(mixed(r))
    if seed % 4 == 1:
        del data[r.randrange(len(data) // 2, len(data)) :]
    elif seed % 4 == 2:
        at, ends = 0, []
        while at < len(data):
            order = ">" if data[at + 8 : at + 12] == b"\x1a\x2b\x3c\x4d" and data[at : at + 4] == b"\n\r\r\n" else None
            big = order or (ends[-1][1] if ends else "<")
            if data[at : at + 4] == b"\n\r\r\n":
                big = order or "<"
            at += struct.unpack_from(big + "I", data, at + 4)[0]
            ends.append((at, big))
        end, big = r.choice(ends)
        struct.pack_into(big + "I", data, end - 4, r.choice([0, 12, 1 << 20]))
    agree(tmp_path / "x", bytes(data))


def pcap_file(*records, order="<", magic=0xA1B2C3D4, version=(2, 4), snap=65535):
    return struct.pack(order + "IHHiIII", magic, *version, 0, 0, snap, 1) + b"".join(records)


def record(order="<", *, s=1_700_000_000, u=5, captured=None, length=None, data=F):
    sizes = (len(data) if captured is None else captured, len(data) if length is None else length)
    return struct.pack(order + "IIII", s, u, *sizes) + data


MANY = [record(s=1_700_000_000 + i) for i in range(20)]
PCAPS = {
    **{f"snap length {n}": pcap_file(*MANY, snap=n) for n in (0, 1, 10, 262144, 262145, 2**32 - 1)},
    **{
        f"version {a}.{b}": pcap_file(*MANY, version=(a, b))
        for a, b in ((1, 0), (1, 4), (2, 3), (2, 4), (2, 5), (2, 9), (3, 0), (3, 4), (543, 1))
    },
    "the other order": pcap_file(*[record(">")] * 20, order=">"),
    "nanoseconds": pcap_file(*MANY, magic=0xA1B23C4D),
    "a time after 2038": pcap_file(*MANY, record(s=0x80000000), record(s=2**32 - 1)),
    "a length of 4 GB": pcap_file(*MANY, record(length=2**32 - 1)),
    "a captured length of 4 GB": pcap_file(*MANY, record(captured=2**32 - 1), record()),
    "262144 bytes": pcap_file(*MANY, record(data=bytes(262144)), snap=262144),
    "262145 bytes": pcap_file(*MANY, record(data=bytes(262145)), snap=262144),
    "empty frames": pcap_file(*MANY, record(data=b"", length=60), record(data=b"")),
    "zeros behind": pcap_file(*MANY) + bytes(64),
    "zeros behind, cut": pcap_file(*MANY) + bytes(20),
    "text behind": pcap_file(*MANY) + b"garbage",
    **{f"cut by {n} bytes": pcap_file(*MANY)[:-n] for n in (1, 30, 59, 60, 61, 70, 76, 77, 100)},
}


@pytest.mark.parametrize("name", PCAPS)
def test_an_odd_pcap(tmp_path, name):
    """tshark guesses the kind of a pcap by its first records, so there are some good ones in front."""
    agree(tmp_path / "x", PCAPS[name])
