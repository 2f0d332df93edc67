"""Read options, lay out JSON and end a command early, as all of iproute2's commands do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vnic.control.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPTIONS = ("statistics", "details", "json", "pretty", "oneline", "brief", "4", "6")
INCOMPLETE = 'Command line is not complete. Try option "help"\n'


class StopError(Exception):
    """The command ends here, with this reply."""

    def __init__(self, err: str, code: int) -> None:
        super().__init__(err)
        self.reply = Reply(err=err, code=code)


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
        name = word.lstrip("-")
        known = [o for o in _OPTIONS if begins_like(name, o) or name == "stats"]
        if not known or name == "b":  # -b is -batch
            raise StopError(f'Option "{word}" is unknown, try "ip -help".\n', 255)
        options.append(known[0])
    return options, argv


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
