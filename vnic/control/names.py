"""Short names for ``vnic show`` and ``vnic set``: a knob, a sysctl, or the last part of a file's path.

``rx-usecs``, ``queue.1.rps-cpus``, ``net.core.netdev_budget``, ``softnet_stat``. A knob comes first, because it takes
more than its file does (``threaded=on``).
"""

from __future__ import annotations

import difflib
import json
import math
import posixpath
import re
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, quoted
from vnic.knobs import sysctls
from vnic.knobs.parse import parse_mask
from vnic.knobs.table import KNOBS, canonical
from vnic.linux import sysctl_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vnic.host import Host
    from vnic.knobs.settings import Settings
    from vnic.linux.pseudofile import File

_WORDS: dict[tuple[str, Any], str] = {
    ("reader-cpu", 0xFFFFFFFF): "any",
    ("link", 0): "inf",
    ("speed", math.inf): "max",
    ("gro-cwr", 0): "6.18",
    ("gro-cwr", 1): "7.0",
}
"""(Knob, value) -> the word for it."""
_NEAR_MAX = 100
_SEVERAL_MAX = 8


def normal(path: str) -> str:
    """Return the path absolute, and without ``.``, ``..`` and double slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))


def knob(host: Host, word: str) -> tuple[Settings, str] | None:
    """Return the settings and the knob that a word names: the host's, or with ``queue.N.`` a queue's; None: neither.

    ConfigError: there is no such queue.
    """
    of_queue = re.fullmatch(r"queue\.([0-9]{1,9})\.(.+)", word)
    name = of_queue[2] if of_queue else word
    if "/" in name or name.startswith("net."):
        return None
    try:
        key = canonical(name)
    except ConfigError:
        return None
    return (host.knobs.queue(int(of_queue[1])) if of_queue else host.knobs), key


def path(host: Host, tree: Mapping[str, File], word: str) -> str | None:
    """Return the file that a word means: its path, a sysctl, the last part of the path. None: no file.

    ConfigError: several files have this last part.
    """
    if (own := normal(word)) in tree:
        return own
    if "/" in word:
        return None
    if word in sysctl_rows.of_card(host.name):
        return sysctl_rows.path(word)
    found = [p for p in tree if p.endswith(f"/{word}")]
    if len(found) > 1:
        found = [p for p in found if not tree[p].source.startswith("no effect")] or found
    if len(found) > 1:
        more = f" and {len(found) - _SEVERAL_MAX} more" if len(found) > _SEVERAL_MAX else ""
        raise ConfigError(f"{quoted(word)} is the name of several files: {', '.join(found[:_SEVERAL_MAX])}{more}")
    return found[0] if found else None


def near(word: str, tree: Iterable[str], others: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown word: which words are like it; or nothing."""
    key = word[:_NEAR_MAX]
    if "/" in key:
        directory, _, last = normal(key).rpartition("/")
        beside = {p.rpartition("/")[2]: p for p in tree if p.rpartition("/")[0] == directory}
        found = [beside[name] for name in difflib.get_close_matches(last, beside, 2, 0.7)]
    else:
        short = {p.rpartition("/")[2] for p in tree}
        spelled = {name.replace("_", "-"): name for name in sorted({*others, *KNOBS} | short)}
        like = difflib.get_close_matches(key.lower().replace("_", "-"), spelled, 2, 0.7)
        found = [spelled[name] for name in like]
    if not found:
        return sysctls.near(key) if key.startswith("net.") else ""
    return f"; did you mean {' or '.join(found)}?"


def text(name: str, value: Any) -> str:
    """Return a knob's value as a person writes it: the knob's parser reads the same value again."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, bytes) or value is None:
        return "any" if value is None else value.hex(":")
    if KNOBS[name].parse is parse_mask:
        return f"{value:x}"
    if (word := _WORDS.get((name, value))) is not None:
        return word
    if name == "rss-indir":
        return "default" if value.default else " ".join(map(str, value))
    return f"{value:g}" if name == "speed" else str(value)


def knobs(settings: Settings) -> dict[str, str]:
    """Return all knobs and their values as texts."""
    return {name: text(name, value) for name, value in settings.items()}


def config(host: Host) -> tuple[str, dict[str, Any]]:
    """Return what is in effect as a file for ``--config``, and as an object."""
    cpus = int(host.machine.c.ncpus)
    own = dict(host.config.get("each_queue", {}))
    given = {"cpus": cpus} | {name: value for name, value in host.config.items() if name != "each_queue"}
    lines = [f"{name} = {json.dumps(value, default=str)}" for name, value in given.items() if value is not None]
    for queue, values in own.items():
        lines += ["", f"[queue.{queue}]", *(f"{name} = {json.dumps(v, default=str)}" for name, v in values.items())]
    return "".join(f"{line}\n" for line in lines), given | ({"each_queue": own} if own else {})
