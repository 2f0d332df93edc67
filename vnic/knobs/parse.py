"""Parsers of knob values. Each raises ValueError with the allowed values. The table is vnic/knobs/table.py."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import Any

from vnic._core import lib
from vnic.errors import ConfigError
from vnic.knobs.cost import costs, text_of
from vnic.knobs.cpus import MASK_WANTED, cpu_mask
from vnic.knobs.units import measured
from vnic.tap.rtnetlink import IPV4_MIN_MTU

_ON = {"on", "yes", "true", "1"}
_OFF = {"off", "no", "false", "0"}
_NUMBER = re.compile(r"\s*[+-]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0|[1-9][0-9]*)\s*", re.ASCII)
_DIGITS_MAX = 100
"""Most digits of a number; more than any knob needs. int() itself refuses more than 4300 decimal digits."""
_SUFFIX = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def flag(value: Any) -> bool:
    """Parse ``on`` or ``off``, ethtool's words."""
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in _ON | _OFF:
        raise ValueError("must be on or off")
    return text in _ON


def fixed_off(value: Any) -> bool:
    """Parse a feature that this card does not have: only off is allowed."""
    if flag(value):
        raise ValueError("off [fixed]: this card cannot")
    return False


TIME_MAX_NS = (1 << 62) - 1
"""The latest time that a caller may ask for in virtual time: 146 years. The data plane's clocks do not wrap by then."""


def is_whole(value: Any) -> bool:
    """Is this a whole number? A bool is not one, nor is text."""
    return hasattr(value, "__index__") and not isinstance(value, bool)


def whole(what: str, value: Any, low: int, high: int) -> int:
    """Check a number on its way into C: an index, a count, a length, a time. ConfigError: none, or out of range.

    Every number that a caller gives passes through here, or through a knob's parser, before the data plane sees it.
    """
    if not is_whole(value):
        raise ConfigError(f"{what}={value!r}: must be a whole number")
    n = operator.index(value)
    if not low <= n <= high:
        shown = n if n.bit_length() <= 128 else f"(a number of {n.bit_length()} bits)"
        raise ConfigError(f"{what}={shown}: must be between {low} and {high}")
    return n


def number(value: Any) -> int:
    """Parse a whole number, or its text: ASCII digits, decimal or with 0x, 0o, 0b. ValueError: all else, also bool."""
    if isinstance(value, str):
        if len(value) > _DIGITS_MAX or not _NUMBER.fullmatch(value):
            raise ValueError("must be a whole number")
        return int(value, 0)
    if not is_whole(value):
        raise ValueError("must be a whole number")
    return operator.index(value)


def _real(value: Any) -> float:
    """Parse a number, or its text. ValueError: a bool, or anything else."""
    given = not isinstance(value, bool) and isinstance(value, (int, float, str))
    try:
        return float(value if given else "")
    except (ValueError, OverflowError):
        raise ValueError("must be a number") from None


@dataclass(frozen=True, slots=True)
class Integer:
    """A parser of whole numbers from ``low`` to ``high``."""

    low: int
    high: int

    def __call__(self, value: Any) -> int:
        """Parse a value. ValueError: not a whole number, or not allowed."""
        n = number(value)
        if not self.low <= n <= self.high:
            raise ValueError(f"must be between {self.low} and {self.high}")
        return n


def integer(low: int, high: int) -> Integer:
    """Return a parser of whole numbers from ``low`` to ``high``."""
    return Integer(low, high)


def parse_mtu(value: Any) -> int:
    """Parse an MTU, bytes; 0: no limit. IPv4 sets the minimum (RFC 791, section 3.2; Linux: ETH_MIN_MTU)."""
    n = integer(0, 65535)(value)
    if 0 < n < IPV4_MIN_MTU:
        raise ValueError(f"must be 0 (no limit), or between {IPV4_MIN_MTU} and 65535")
    return n


def parse_mac(value: Any) -> bytes | None:
    """Parse ``any`` (None), or six hexadecimal bytes with colons or dashes."""
    if value is None or str(value).lower() == "any":
        return None
    parts = str(value).replace("-", ":").split(":")
    try:
        mac = bytes(int(p, 16) for p in parts)
    except ValueError:
        mac = b""
    if len(mac) != 6:
        raise ValueError("must be any, or six hexadecimal bytes as in 02:00:00:00:00:01")
    if mac[0] & 1:
        raise ValueError("is a multicast address")
    return mac


def parse_link(value: Any) -> int:
    """Parse a rate in bits per second: ``10G``, ``2.5G``, ``100M``, or ``inf`` (0)."""
    unit = ""
    if isinstance(value, str):
        value = value.lower().removesuffix("bit/s").removesuffix("bps").strip()
        unit = value[-1:] if value[-1:] in "kmg" else ""
    if value in ("inf", math.inf):
        return 0
    try:
        bps = int(_real(value.removesuffix(unit) if unit else value) * _SUFFIX[unit])
    except (ValueError, OverflowError):
        raise ValueError("must be a rate as in 10G, or inf") from None
    if not 1_000_000 <= bps <= 4_000_000_000_000:
        raise ValueError("must be between 1M and 4000G, or inf")
    return bps


def parse_speed(value: Any) -> float | None:
    """Parse a factor (0.5: half as fast), or ``max`` (None)."""
    if value is None or str(value).lower() == "max":
        return None
    try:
        factor = _real(value)
    except ValueError:
        raise ValueError("must be a factor as in 0.5, or max") from None
    if not 0.000001 <= factor <= 4000:
        raise ValueError("must be between 0.000001 and 4000, or max")
    return factor


def parse_capture_mtu(value: Any) -> int:
    """Parse the bytes of an IP packet, or ``off`` (0)."""
    return 0 if str(value).lower() == "off" else integer(576, 65535)(value)


def parse_mask(value: Any) -> int:
    """Parse CPUs: a mask as in sysfs, or a list as in 0-3,8. An int is the mask itself. See vnic/knobs/cpus.py."""
    try:
        mask = cpu_mask(value, lib.CPUS_MAX) if isinstance(value, str) else number(value)
    except ValueError as e:
        raise ValueError(str(e) if isinstance(value, str) else MASK_WANTED) from None
    if not 0 <= mask < 1 << lib.CPUS_MAX:
        raise ValueError(MASK_WANTED)
    return mask


def mask_text(mask: int) -> str:
    """Format a mask as the kernel takes it: hexadecimal, a comma between groups of 32 bits."""
    first, *groups = reversed([mask >> low & 0xFFFFFFFF for low in range(0, max(mask.bit_length(), 1), 32)])
    return ",".join([f"{first:x}", *(f"{group:08x}" for group in groups)])


def parse_reader(value: Any) -> int:
    """Parse a CPU, or ``any`` (all ones)."""
    if value is None or str(value).lower() == "any":
        return 0xFFFFFFFF
    return integer(0, lib.CPUS_MAX - 1)(value)


TCP_MODES = ("passive", "endpoint")
"""The names of ``enum tcp_mode``."""


def parse_tcp(value: Any) -> str:
    """Parse the mode of TCP."""
    if value not in TCP_MODES:
        raise ValueError(f"must be {' or '.join(TCP_MODES)}")
    return str(value)


CONGESTION = ("cubic", "reno")
"""The names of ``enum tcp_congestion``."""


def parse_congestion(value: Any) -> str:
    """Parse the name of a congestion control."""
    if value not in CONGESTION:
        raise ValueError(f"must be {' or '.join(CONGESTION)}")
    return str(value)


class Numbers(tuple[int, ...]):
    """Several numbers of one knob; as text with blanks between."""

    __slots__ = ()

    def __str__(self) -> str:
        return " ".join(map(str, self))


SIZE_MAX = (1 << 31) - 1


def parse_three_sizes(value: Any) -> Numbers:
    """Parse three sizes in bytes, as numbers or as text with blanks or commas between: ``4096 131072 6M``."""
    words = value.replace(",", " ").split() if isinstance(value, str) else value
    try:
        sizes = Numbers(number(_size(word)) for word in words)
    except (TypeError, ValueError):
        sizes = Numbers()
    if len(sizes) != 3 or not all(1 <= size <= SIZE_MAX for size in sizes):
        raise ValueError(f"must be three sizes in bytes, each between 1 and {SIZE_MAX}, as in 4096 131072 6291456")
    return sizes


def parse_ports(value: Any) -> Numbers:
    """Parse the first and the last port, as numbers or as text with a blank or a comma between: ``32768 60999``."""
    words = value.replace(",", " ").split() if isinstance(value, str) else value
    try:
        ports = Numbers(map(number, words))
    except (TypeError, ValueError):
        ports = Numbers()
    if len(ports) != 2 or not 1 <= ports[0] <= ports[1] <= 65535:
        raise ValueError("must be the first and the last port, between 1 and 65535, as in 32768 60999")
    return ports


def _size(word: Any) -> Any:
    size = measured(word, "bytes") if isinstance(word, str) else None
    return word if size is None else size


def parse_cost(value: Any) -> str:
    """Parse a cost profile: a name, a file, a mapping. Return the shortest text that has the same figures."""
    return text_of(costs(value))


def parse_key(value: Any) -> bytes:
    """Parse an RSS key as ethtool does: bytes in hexadecimal, with colons between."""
    try:
        key = value if isinstance(value, bytes) else bytes.fromhex(str(value).replace(":", ""))
    except ValueError:
        key = b""
    if len(key) not in (40, 52):
        raise ValueError("must be 40 or 52 hexadecimal bytes")
    return key


def parse_flow_hash(value: Any) -> str:
    """Parse the fields that RSS hashes, in ethtool's letters: addresses are s and d, ports f and n."""
    text = str(value)
    if not text or set(text) - set("sdfn"):
        raise ValueError("must be sd (addresses), sdfn (addresses and ports), or another choice of these letters")
    return "".join(letter for letter in "sdfn" if letter in text)


def parse_xfrm(value: Any) -> str:
    """Parse the transformation of the hash's input."""
    if value not in ("none", "symmetric-xor"):
        raise ValueError("must be none or symmetric-xor")
    return str(value)


class Indirection(tuple[int, ...]):  # noqa: SLOT001 (it has an attribute)
    """An RSS indirection table: queues, by the hash's low bits.

    ``default``: the user gave no table, so it follows the number of queues (Linux: netif_is_rxfh_configured() is
    false). Two tables are equal only if their ``default`` is equal too.
    """

    default: bool = False

    def __eq__(self, other: object) -> bool:
        return tuple(self) == other and self.default == getattr(other, "default", self.default)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__


def parse_indir(value: Any) -> Indirection:
    """Parse queues, at most 2048, as numbers or as text with blanks or commas between; ``default``: all in turn."""
    if value == "default" or getattr(value, "default", False):
        table = Indirection()
        table.default = True
        return table
    entries = value.replace(",", " ").split() if isinstance(value, str) else value
    try:
        table = Indirection(map(number, entries))
    except (TypeError, ValueError):
        table = Indirection()
    if not 1 <= len(table) <= lib.RSS_INDIR_MAX or not all(0 <= queue < lib.NIC_QUEUES_MAX for queue in table):
        raise ValueError(
            f"must be default, or 1 to {lib.RSS_INDIR_MAX} queues, each between 0 and {lib.NIC_QUEUES_MAX - 1}"
        )
    return table


def parse_threaded(value: Any) -> bool | str:
    """Parse the mode of a threaded NAPI: on, off, or ``busy-poll``."""
    if str(value).lower() == "busy-poll":
        return "busy-poll"
    try:
        return flag(value)
    except ValueError:
        raise ValueError("must be off, on or busy-poll") from None


def parse_cwr(value: Any) -> int:
    """Parse the version of the rule for CWR. Return: 0 = Linux 6.18's, 1 = 7.0's."""
    if str(value) not in ("6.18", "7.0"):
        raise ValueError("must be 6.18 or 7.0")
    return int(str(value) == "7.0")
