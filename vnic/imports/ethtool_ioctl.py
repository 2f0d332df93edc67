"""Ask the kernel what ethtool -i -x -n -Q show: requests of SIOCETHTOOL that pyroute2 has not.

The layouts are those of include/uapi/linux/ethtool.h.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from typing import TYPE_CHECKING

from vnic._core import ffi
from vnic.linux import ntuple
from vnic.linux.ntuple import FLOW_TYPES, Rule

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from vnic.imports.machine import Card

_SIOCETHTOOL = 0x8946
_GDRVINFO, _GRXFH, _GRXRINGS, _GRXCLSRLCNT, _GRXCLSRULE, _GRXCLSRLALL = 0x03, 0x29, 0x2D, 0x2E, 0x2F, 0x30
_GRSSH, _PERQUEUE, _GCOALESCE = 0x46, 0x4B, 0x0E
_DRVINFO = struct.Struct("I32s32s32s32s32s12s5I")
_RXFH = struct.Struct("IIIIBB2xI")
_NFC = struct.Struct("IIQ168sI4x")
_SPEC = struct.Struct("I52s20s52s20s4xQI4x")
_PER_QUEUE = struct.Struct("II128I")
_COALESCE = struct.Struct("23I")
_FUNCTIONS = ("toeplitz", "xor", "crc32")
_TRANSFORMATIONS = {1: "symmetric-xor", 2: "symmetric-or-xor", 3: "symmetric-xor and symmetric-or-xor"}
_RXH = {"s": 0x10, "d": 0x20, "f": 0x40, "n": 0x80}
_TABLE_MAX, _KEY_MAX, _RULES_MAX, _QUEUES_MAX = 1 << 16, 1 << 12, 1 << 14, 64
_EXT, _MAC_EXT, _RSS = 0x80000000, 0x40000000, 0x20000000


class Ethtool:
    """A socket for requests about one interface; a context manager. Each request raises OSError if it is refused."""

    def __init__(self, dev: str) -> None:
        self._dev = dev.encode()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._sock.close()

    def _ask(self, request: bytes, room: int = 0) -> bytes:
        """Send a request with room for the answer behind it. Return: both, as the kernel left them."""
        data = ctypes.create_string_buffer(request, len(request) + room)
        fcntl.ioctl(self._sock, _SIOCETHTOOL, struct.pack("16sP16x", self._dev, ctypes.addressof(data)))
        return data.raw

    def driver(self, card: Card) -> None:
        """-i."""
        _, name, version, _, bus, *_ = _DRVINFO.unpack(self._ask(_DRVINFO.pack(_GDRVINFO, *[b""] * 6, *[0] * 5)))
        for key, value in (("driver", name), ("version", version), ("bus-info", bus)):
            card.driver[key] = value.split(b"\0", 1)[0].decode("utf-8", "replace")

    def _nfc(self, cmd: int, flow_type: int = 0, spec: bytes = b"", count: int = 0) -> bytes:
        return self._ask(_NFC.pack(cmd, flow_type, 0, spec.ljust(_SPEC.size, b"\0"), count), 4 * count)

    def queues(self, card: Card) -> None:
        """Ask for the number of receive queues, as -x and -n do."""
        card.queues = [int(_NFC.unpack(self._nfc(_GRXRINGS)[: _NFC.size])[2])]

    def indirection(self, card: Card) -> None:
        """-x."""
        sizes = _RXFH.unpack(self._ask(_RXFH.pack(_GRSSH, 0, 0, 0, 0, 0, 0)))
        entries, key_size = min(sizes[2], _TABLE_MAX), min(sizes[3], _KEY_MAX)
        answer = self._ask(_RXFH.pack(_GRSSH, 0, entries, key_size, 0, 0, 0), 4 * entries + key_size)
        _, _, _, _, function, xfrm, _ = _RXFH.unpack_from(answer)
        card.indir = list(struct.unpack_from(f"{entries}I", answer, _RXFH.size))
        card.key = list(answer[_RXFH.size + 4 * entries :][:key_size])
        card.hash_functions = {name: bool(function >> i & 1) for i, name in enumerate(_FUNCTIONS)} if function else {}
        card.transformations = {_TRANSFORMATIONS[xfrm]: True} if xfrm in _TRANSFORMATIONS else {}

    def flow_hash(self, card: Card, name: str) -> None:
        """-n DEV rx-flow-hash."""
        bits = _NFC.unpack(self._nfc(_GRXFH, FLOW_TYPES[name].number)[: _NFC.size])[2]
        card.flow_hash[name] = "".join(letter for letter, bit in _RXH.items() if bits & bit)

    def rules(self, card: Card) -> list[int]:
        """-n. Return the locations of rules that vnic does not know."""
        count = min(_NFC.unpack(self._nfc(_GRXCLSRLCNT)[: _NFC.size])[4], _RULES_MAX)
        card.rules_shown = {"rules": count}
        if not count:
            return []
        answer = self._nfc(_GRXCLSRLALL, count=count)
        found = min(struct.unpack_from("I", answer, _NFC.size - 8)[0], count)
        unknown = []
        for loc in struct.unpack_from(f"{found}I", answer, _NFC.size - 4):
            spec = _SPEC.pack(0, b"", b"", b"", b"", 0, loc)
            rule = rule_of(_NFC.unpack(self._nfc(_GRXCLSRULE, spec=spec)[: _NFC.size])[3])
            if rule is None:
                unknown.append(int(loc))
            else:
                card.rules[int(loc)] = rule
        return unknown

    def queue_coalesce(self, card: Card, queues: int) -> None:
        """-Q -c: of the first queues."""
        n = min(queues, _QUEUES_MAX)
        mask = [(1 << n) - 1 >> 32 * i & 0xFFFFFFFF for i in range(128)]
        answer = self._ask(_PER_QUEUE.pack(_PERQUEUE, _GCOALESCE, *mask), n * _COALESCE.size)
        for queue in range(n):
            _, usecs, frames, usecs_irq, frames_irq, *rest = _COALESCE.unpack_from(
                answer, _PER_QUEUE.size + queue * _COALESCE.size
            )
            card.queue_coalesce[queue] = {
                "rx-usecs": usecs,
                "rx-frames": frames,
                "rx-usecs-irq": usecs_irq,
                "rx-frames-irq": frames_irq,
                "adaptive-rx": rest[5],
            }


# ---- struct ethtool_rx_flow_spec ----

_KEY = ffi.sizeof("struct ntuple_key")
_L4 = {"src-port": (8, 2), "dst-port": (10, 2), "spi": (8, 4), "l4data": (8, 4)}
_IP4 = {"src-ip": (0, 4), "dst-ip": (4, 4), "tos": (12, 1), "l4proto": (14, 1)} | _L4
_IP6 = {"src-ip": (0, 16), "dst-ip": (16, 16), "tclass": (36, 1), "l4proto": (37, 1)}
_IP6 |= {name: (at + 24, size) for name, (at, size) in _L4.items()}
_ETHER = {"dst": (0, 6), "src": (6, 6), "proto": (12, 2)}
_EXT_FIELDS = {"vlan-etype": (8, 2), "vlan": (10, 2)}
_NAMES = {flow.number: name for name, flow in FLOW_TYPES.items()}


def rule_of(spec: bytes) -> Rule | None:
    """Return the rule in a struct ethtool_rx_flow_spec; None: vnic does not know its type or its action."""
    kind, head, head_ext, mask, mask_ext, cookie, loc = _SPEC.unpack(spec)
    name = _NAMES.get(kind & ~(_EXT | _MAC_EXT))
    if name is None or kind & _RSS or (kind & _EXT and any(mask_ext[12:20])):
        return None
    flow = FLOW_TYPES[name]
    places = _ETHER if name == "ether" else _IP4 if flow.l3 == 4 else _IP6
    value, matters = bytearray(_KEY), bytearray(_KEY)
    for field in flow.fields:
        parts = [(head, mask, *places[field.name])] if field.name in places else []
        if kind & _EXT and field.name in _EXT_FIELDS:
            parts = [(head_ext, mask_ext, *_EXT_FIELDS[field.name])]
        if kind & _MAC_EXT and field.name == "dst-mac":
            parts = [(head_ext, mask_ext, 2, 6)]
        for given, given_mask, at, size in parts:
            if size != field.size:
                return None
            value[field.at : field.at + size] = given[at : at + size]
            matters[field.at : field.at + size] = given_mask[at : at + size]
    action = ntuple.DROP if cookie == (1 << 64) - 1 else cookie
    if action > 1 << 31:
        return None  # a virtual function's queue, or RX_CLS_FLOW_WAKE
    return Rule(name, bytes(value), bytes(matters), int(action), int(loc), bool(kind & _EXT), bool(kind & _MAC_EXT))
