"""Knobs as a file for ``vnic replay --config`` and ``vnic run --config``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vnic.errors import one_line
from vnic.knobs.table import KNOBS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROW = 16


def comment(text: str) -> str:
    """Return a comment of one line, in TOML and in a shell."""
    return f"# {one_line(text)}".rstrip()


def value(given: Any) -> str:
    """Format a value in TOML, which has JSON's strings, numbers and booleans."""
    if isinstance(given, bytes):
        return json.dumps(given.hex(":"))
    if not isinstance(given, list):
        return json.dumps(given)
    per_line = _ROW if all(isinstance(item, int) for item in given) else 1
    rows = [", ".join(map(json.dumps, given[i : i + per_line])) for i in range(0, len(given), per_line)]
    return "[\n" + "".join(f"    {row},\n" for row in rows) + "]"


def queues(each_queue: Mapping[Any, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of the tables of single queues."""
    for queue, own in each_queue.items():
        yield ""
        yield f"[queue.{queue}]"
        for name, given in own.items():
            yield f"{name} = {value(given)}"


def changed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a run's config that a new host would not have by itself; ``ip`` and ``seed`` too."""
    found = {n: given for n, given in config.items() if n in KNOBS and not _is_default(n, given, config)}
    own = {"cpus": 4, "ip": "any", "seed": 0}
    found |= {name: config[name] for name, usual in own.items() if config.get(name, usual) != usual}
    return found


def _is_default(name: str, given: Any, config: Mapping[str, Any]) -> bool:
    knob = KNOBS[name]
    if name == "netdev-budget-usecs":
        return bool(given == 2_000_000 // int(config.get("hz", 250)))
    if knob.default is None:
        return False
    return bool(knob.parse(given) == knob.parse(knob.default))


def lines(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a file for ``--config``: the arguments of a host that differ from a new one's, then single queues."""
    own = config.get("each_queue") or {}
    for name, given in changed(config).items():
        yield f"{name.replace('_', '-')} = {value(given)}"
    yield from queues(own)
