"""Read options, lay out JSON, colour text and end a command early, as all of iproute2's commands do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vnic.control.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_OPTIONS = (
    *("loops", "family", "4", "6", "0", "human-readable", "iec", "statistics", "details", "resolve", "oneline"),
    *(
        "timestamp",
        "tshort",
        "Version",
        "force",
        "batch",
        "brief",
        "json",
        "pretty",
        "rcvbuf",
        "color",
        "help",
        "netns",
    ),
    *("Numeric", "all", "echo"),
)
"""In the order in which iproute2 compares the beginning of the word."""
_ABSENT = frozenset({"human-readable", "iec", "resolve", "batch", "netns", "Numeric"})
_WITH_VALUE = ("loops", "family", "rcvbuf")
_FAMILIES = {"inet": "4", "inet6": "6", "link": "0"}
_VERSION = "ip utility, vnic, as iproute2-6.1.0\n"
HELP = """Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { address | link | maddress | neighbour | route }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -j[son] | -p[retty] |
                    -f[amily] { inet | inet6 | link } | -4 | -6 | -0 |
                    -br[ief] | -o[neline] | -c[olor] }
"""
INCOMPLETE = 'Command line is not complete. Try option "help"\n'


class StopError(Exception):
    """The command ends here, with this reply."""

    def __init__(self, err: str, code: int, *, out: str = "") -> None:
        super().__init__(err)
        self.reply = Reply(out, err, code)


def refused(reason: str, why: str = "Operation not supported") -> StopError:
    """Return the kernel's refusal; ``reason``: vnic's own explanation."""
    return StopError(f"RTNETLINK answers: {why}\n" + (f"vnic: {reason}\n" if reason else ""), 2)


def begins_like(word: str, name: str) -> bool:
    """Return whether a word abbreviates a name, as iproute2 allows."""
    return bool(word) and name.startswith(word)


def read_options(argv: list[str]) -> tuple[list[str], list[str]]:
    """Return the options by their full names, and the remaining words."""
    options = []
    while argv and argv[0].startswith("-"):
        word = argv.pop(0)
        if word == "--":
            break
        name, equals, when = word.removeprefix("-").removeprefix("-").partition("=")
        known = next((o for o in _OPTIONS if begins_like(name, o)), "statistics" if name == "stats" else "")
        if known == "help" or (known == "human-readable" and not argv):
            raise StopError(HELP, 255)
        if not known or known in _ABSENT or (equals and (known != "color" or when not in ("always", "auto", "never"))):
            raise StopError(f'Option "{word}" is unknown, try "ip -help".\n', 255)
        if known in _WITH_VALUE and not argv:
            raise StopError(HELP, 255)
        given = argv.pop(0) if known in _WITH_VALUE else ""
        if known == "Version":
            raise StopError("", 0, out=_VERSION)
        if known == "family" and given not in _FAMILIES:
            raise StopError(f'Error: argument "{given}" is wrong: invalid protocol family\n\n', 255)
        if known != "color" or when in ("", "always"):  # auto: an instance has no terminal
            options.append(_FAMILIES.get(given, known))
    return options, argv


_MANY = {"address": "addresses", "neigh": "neighbours", "route": "routes", "maddr": "groups"}
_SHOW = ("show", "list", "lst")
_USAGES = {
    "address": "Usage: ip address [ show [ [ dev ] DEVICE ] [ up ] ]\n",
    "neigh": "Usage: ip neigh [ show [ [ to ] PREFIX ] [ dev DEVICE ] [ nud STATE ] ]\n"
    "STATE := { delay | failed | incomplete | noarp | none | permanent | probe | reachable | stale | all }\n",
    "route": "Usage: ip route [ show [ PREFIX ] [ dev DEVICE ] ]\n       ip route get ADDRESS\n",
    "maddr": "Usage: ip maddr [ show [ dev DEVICE ] ]\n",
}


def verb(words: list[str], what: str, others: Iterable[str]) -> None:
    """Accept ``show`` and its synonyms, or nothing; refuse other commands."""
    if not words:
        return
    if any(name.startswith(words[0]) for name in _SHOW):
        del words[0]
    elif any(name.startswith(words[0]) for name in others):
        many = _MANY[what]
        raise refused(f"{many} of this host are given when it is made, or learnt: they can only be shown")
    elif "help".startswith(words[0]):
        raise StopError(_USAGES[what], 255)
    else:
        raise StopError(f'Command "{words[0]}" is unknown, try "ip {what} help".\n', 255)


def value(words: list[str]) -> str:
    """Take the next word. StopError: the words end."""
    if not words:
        raise StopError(INCOMPLETE, 255)
    return words.pop(0)


# ---- colours ----

_COLOURS = {"ifname": "36", "mac": "33", "inet": "35", "inet6": "34", "UP": "32", "DOWN": "31"}
_MARKS = {name: chr(0xFDD0 + i) for i, name in enumerate(_COLOURS)}
_END = chr(0xFDEF)
"""Characters that no text has (noncharacters of Unicode) mark what has a colour, until it is shown or not."""
_SHOWN = {ord(_MARKS[name]): f"\x1b[{number}m" for name, number in _COLOURS.items()} | {ord(_END): "\x1b[0m"}
_HIDDEN = dict.fromkeys(_SHOWN)


def paint(what: str, text: str) -> str:
    """Mark a text with the colour of an ifname, mac, inet, inet6 or a state; another word has none."""
    return f"{_MARKS[what]}{text}{_END}" if what in _MARKS else text


def printed(options: Sequence[str], text: str, data: list[dict[str, Any]]) -> Reply:
    """Return the text, with colours or without, or the JSON."""
    if "json" in options:
        return Reply((pretty(data) if "pretty" in options else compact(data)) + "\n", data=data)
    return Reply(text.translate(_SHOWN if "color" in options else _HIDDEN), data=data)


def family(options: Sequence[str]) -> int | None:
    """Return 4, 6 or 0 (the link alone) for the last of -4, -6, -0 and -f; None without them."""
    return next((int(o) for o in reversed(options) if o in ("4", "6", "0")), None)


def compact(shown: list[dict[str, Any]]) -> str:
    """Format JSON as ``-j`` does."""
    return json.dumps(shown, separators=(",", ":"))


def pretty(shown: list[dict[str, Any]]) -> str:
    """Format JSON as ``-j -p`` does."""

    def members(value: Mapping[str, Any], indent: int) -> str:
        pad = " " * (indent + 4)
        rows = []
        for key, v in value.items():
            if isinstance(v, dict):
                text = "{\n" + members(v, indent + 4) + "\n" + pad + "}"
            elif isinstance(v, list) and v and isinstance(v[0], dict):
                text = "[ " + ",".join("{\n" + members(x, indent + 8) + "\n" + pad + "    }" for x in v) + " ]"
            elif isinstance(v, list):
                text = f"[ {','.join(map(json.dumps, v))} ]" if v else "[ ]"
            else:
                text = json.dumps(v)
            rows.append(f"{pad}{json.dumps(key)}: {text}")
        return ",\n".join(rows)

    return "[ " + ",".join("{\n" + members(s, 4) + "\n    }" if s else "{}" for s in shown) + " ]"
