"""Wire formats have names (csrc/lib/formats.h): no bare EtherType, protocol number or header offset in the rooms below.

Usage: python tests/support/literals.py      Exit code: 1 = a bare number
"""

import re
import sys

from c_sources import CSRC

ROOMS = ("lib", "wire", "ring", "card", "driver", "softnet", "packet", "inet", "sock", "machine")
NAMES = CSRC / "lib/formats.h"

_COMMENT_OR_TEXT = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)
_ETHERTYPES = (0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8)
_HEX = "|".join(f"{n:04x}" for t in _ETHERTYPES for n in (t, (t & 0xFF) << 8 | t >> 8))
ETHERTYPE = re.compile(rf"\b0x(?:{_HEX}|800|806)u?\b(?! *(?:<<|>>))", re.IGNORECASE)
"""In both byte orders."""
_NUMBER = r"(?:0x[0-9a-f]+|\d+)u?\b"
_WORD = r"(?:\w+(?:->|\.))*(?:l4_)?(?:proto|protocol|nexthdr|next_header|next|l4proto|ip_proto)"
_BYTE = r"(?:\w+\[[^][]*(?:IPH_PROTOCOL|NEXTHDR)[^][]*\])"
_WHAT = rf"(?:\b{_WORD}\b|\b{_BYTE})"
PROTOCOL = re.compile(
    rf"{_WHAT}\s*[!=]=\s*{_NUMBER}|(?<![\w.]){_NUMBER}\s*[!=]=\s*{_WHAT}|\.(?:proto|protocol)\s*=\s*{_NUMBER}",
    re.IGNORECASE,
)
"""A protocol or next header that is compared with a bare number, or made one."""
_DECLARATION = re.compile(r"\b(?:struct \w+|u(?:8|16|32|64)) \w+\[[^]\n]*\]")
OFFSET = re.compile(r"\b(?:ip|iph|uh|th|arp|eth|fh|icmp)(?:\[| \+ )(?:0x[0-9a-f]+|\d+)u?\b", re.IGNORECASE)
"""A header's byte by its number."""


def code_of(text: str) -> str:
    """The text without its comments and strings; lines stay where they are."""
    return _COMMENT_OR_TEXT.sub(lambda m: "\n" * m[0].count("\n"), text)


def bare_numbers(name: str, text: str) -> list[str]:
    """A file of C. Return: a line for each bare number of a wire format."""
    return [
        f"{name}:{i}: {what} {found[0]}"
        for i, line in enumerate(_DECLARATION.sub("", code_of(text)).split("\n"), 1)
        for what, pattern in (("EtherType", ETHERTYPE), ("protocol", PROTOCOL), ("offset", OFFSET))
        for found in pattern.finditer(line)
    ]


def main() -> None:
    """Judge the rooms."""
    wrong = [
        line
        for room in ROOMS
        for path in sorted((CSRC / room).glob("*.[ch]"))
        if path != NAMES
        for line in bare_numbers(f"{room}/{path.name}", path.read_text())
    ]
    if wrong:
        sys.exit(
            "\n".join(["a bare number of a wire format (csrc/lib/formats.h has its name):", *(f"  {w}" for w in wrong)])
        )


if __name__ == "__main__":
    main()
