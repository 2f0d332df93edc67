"""A pcapng reader in plain Python, for the options that scapy does not show."""

import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Block:
    point: str
    name: str
    t_ns: int
    data: bytes
    wire_len: int
    id: int | None
    queue: int | None
    comment: str
    sent: bool

    @property
    def fate(self):
        return self.comment.partition(":")[0] if self.comment[:1].isupper() else None

    @property
    def frames(self):
        """How many frames it was made of."""
        text = self.comment.rpartition("; ")[2] if self.fate else self.comment
        return int(text.split()[0]) if " frames: " in text else 1


def _options(data):
    found = {}
    while data:
        code, length = struct.unpack_from("<HH", data)
        if code == 0:
            break
        found[code] = data[4 : 4 + length]
        data = data[4 + (length + 3 & ~3) :]
    return found


def parse(data, *, growing=False):
    """[Block, ...] of a file's bytes. growing: the last block may be there in part."""
    names, blocks, at = [], [], 0
    while at < len(data):
        if growing and len(data) - at < 8:
            break
        kind, length = struct.unpack_from("<II", data, at)
        if growing and len(data) - at < length:
            break
        assert struct.unpack_from("<I", data, at + length - 4) == (length,)
        body = data[at + 8 : at + length - 4]
        at += length
        if kind == 1:
            names.append(_options(body[8:])[2].decode())
        elif kind == 6:
            interface, high, low, kept, wire_len = struct.unpack_from("<IIIII", body)
            options = _options(body[20 + (kept + 3 & ~3) :])
            name = names[interface]
            blocks.append(Block(
                point=name.rpartition(" ")[2],
                name=name,
                t_ns=high << 32 | low,
                data=body[20 : 20 + kept],
                wire_len=wire_len,
                id=int.from_bytes(options[5], "little") if 5 in options else None,
                queue=int.from_bytes(options[6], "little") if 6 in options else None,
                comment=options.get(1, b"").decode(),
                sent=options.get(2, b"\0")[0] & 3 == 2,
            ))  # fmt: skip
    return blocks


def read(path):
    return parse(Path(path).read_bytes())


def read_back(path):
    """[(ns, bytes)], by scapy."""
    from scapy.utils import PcapNgReader

    with PcapNgReader(str(path)) as reader:
        return [(int(p.time * 1_000_000_000), bytes(p)) for p in reader]


def at(blocks, point):
    return [b for b in blocks if b.point == point]


def fates(blocks):
    """Fate -> frames, as the comments have it."""
    found = Counter()
    for b in blocks:
        if b.fate:
            found[b.fate] += b.frames
    return dict(found)
