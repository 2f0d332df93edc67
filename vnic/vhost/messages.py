"""vhost-user's messages: numbers, names, exact sizes, and how many files come with each.

Source: QEMU's docs/interop/vhost-user.rst. All numbers are in the machine's byte order.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from vnic.errors import VnicError

HEADER = struct.Struct("=III")
"""request, flags, size of the payload"""
VERSION, VERSION_MASK, REPLY, NEED_REPLY = 1, 3, 4, 8
PAYLOAD_MAX = 4096
FILES_MAX = 8
NO_FILE = 1 << 8
"""In the payload of SET_VRING_KICK, _CALL and _ERR: no file comes with it."""

U64 = struct.Struct("=Q")
RING = struct.Struct("=II")
ADDR = struct.Struct("=IIQQQQ")
"""ring, flags, descriptors, used ring, available ring, log"""
REGION = struct.Struct("=QQQQ")
"""guest physical address, size, the front-end's address, offset in the file"""
REGIONS_MAX = FILES_MAX
CONFIG = struct.Struct("=III")
CONFIG_MAX = 256

PROTOCOL_MQ, PROTOCOL_REPLY_ACK, PROTOCOL_NET_MTU = 1 << 0, 1 << 3, 1 << 4
PROTOCOL_BACKEND_REQ, PROTOCOL_CONFIG = 1 << 5, 1 << 9


class ProtocolError(VnicError):
    """The front-end sent what it may not."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A message: its name; least and most bytes of payload; most files; whether it has a reply of its own."""

    name: str
    least: int = 0
    most: int = 0
    files: int = 0
    replies: bool = False


KINDS: dict[int, Kind] = {
    1: Kind("GET_FEATURES", replies=True),
    2: Kind("SET_FEATURES", 8, 8),
    3: Kind("SET_OWNER"),
    4: Kind("RESET_OWNER"),
    5: Kind("SET_MEM_TABLE", 8, 8 + REGIONS_MAX * REGION.size, REGIONS_MAX),
    8: Kind("SET_VRING_NUM", 8, 8),
    9: Kind("SET_VRING_ADDR", ADDR.size, ADDR.size),
    10: Kind("SET_VRING_BASE", 8, 8),
    11: Kind("GET_VRING_BASE", 8, 8, replies=True),
    12: Kind("SET_VRING_KICK", 8, 8, 1),
    13: Kind("SET_VRING_CALL", 8, 8, 1),
    14: Kind("SET_VRING_ERR", 8, 8, 1),
    15: Kind("GET_PROTOCOL_FEATURES", replies=True),
    16: Kind("SET_PROTOCOL_FEATURES", 8, 8),
    17: Kind("GET_QUEUE_NUM", replies=True),
    18: Kind("SET_VRING_ENABLE", 8, 8),
    20: Kind("NET_SET_MTU", 8, 8),
    21: Kind("SET_BACKEND_REQ_FD", files=1),
    24: Kind("GET_CONFIG", CONFIG.size, CONFIG.size + CONFIG_MAX, replies=True),
    25: Kind("SET_CONFIG", CONFIG.size, CONFIG.size + CONFIG_MAX),
    34: Kind("RESET_DEVICE"),
}


@dataclass(slots=True)
class Message:
    """One message as it came."""

    request: int
    flags: int
    payload: bytes
    files: list[int]

    @property
    def kind(self) -> Kind:
        """What it is."""
        return KINDS[self.request]

    @property
    def need_reply(self) -> bool:
        """Does the front-end want to hear whether it was obeyed?"""
        return bool(self.flags & NEED_REPLY)


def check_header(request: int, flags: int, size: int) -> None:
    """Raise ProtocolError for a header that cannot be."""
    if flags & VERSION_MASK != VERSION:
        raise ProtocolError(f"a message of version {flags & VERSION_MASK}; vhost-user is version {VERSION}")
    if size > PAYLOAD_MAX:
        raise ProtocolError(f"message {request} with {size:,} bytes; none has more than {PAYLOAD_MAX:,}")


def check(message: Message) -> None:
    """Raise ProtocolError for a message that is unknown, or has the wrong size or number of files."""
    kind = KINDS.get(message.request)
    if kind is None:
        raise ProtocolError(f"message {message.request} is not known, or was not offered")
    if not kind.least <= len(message.payload) <= kind.most:
        wants = f"{kind.least}" if kind.least == kind.most else f"{kind.least} to {kind.most}"
        raise ProtocolError(f"{kind.name} with {len(message.payload)} bytes; it has {wants}")
    if len(message.files) > kind.files:
        raise ProtocolError(f"{kind.name} with {len(message.files)} files; it has at most {kind.files}")
