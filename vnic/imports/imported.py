"""``vnic.import_config()``: a machine's receive path as arguments of Host, and as a file for ``--config``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, one_line, quoted, said
from vnic.imports import this_machine
from vnic.imports.clone import Note, clone
from vnic.imports.machine import Machine
from vnic.imports.tree import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vnic.imports.clone import Clone
    from vnic.imports.tree import Progress

_ROW = 16


@dataclass(frozen=True, slots=True)
class Imported:
    """A cloned receive path. ``str()`` is a file for ``vnic replay --config``."""

    dev: str
    """The interface; empty: the texts do not name it."""
    driver: str
    source: str
    config: dict[str, Any]
    """Arguments of Host: ``cpus``, knobs, ``each_queue``."""
    notes: tuple[Note, ...]
    """What vnic has otherwise, what is beyond it, and what no text says."""
    facts: tuple[str, ...] = ()
    """The losses that the machine counted."""

    def __str__(self) -> str:
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        what = self.dev or "a card"
        driver = f" ({self.driver})" if self.driver else ""
        yield _comment(f"{what}{driver}, from {self.source}: written by vnic import")
        knobs = {name: value for name, value in self.config.items() if name != "each_queue"}
        for note in self.notes:
            if note.knob not in knobs:
                yield _comment(str(note))
        for fact in self.facts:
            yield _comment(fact)
        yield ""
        for name, value in knobs.items():
            for note in self.notes:
                if note.knob == name:
                    yield _comment(note.text)
            yield f"{name} = {_value(value)}"
        for queue, own in self.config.get("each_queue", {}).items():
            yield ""
            yield f"[queue.{queue}]"
            for name, value in own.items():
                yield f"{name} = {_value(value)}"


def _comment(text: str) -> str:
    return f"# {one_line(text)}"


def _value(value: Any) -> str:
    """Format a value in TOML, which has JSON's strings, numbers and booleans."""
    if not isinstance(value, list):
        return json.dumps(value)
    per_line = _ROW if all(isinstance(item, int) for item in value) else 1
    rows = [", ".join(map(json.dumps, value[i : i + per_line])) for i in range(0, len(value), per_line)]
    return "[\n" + "".join(f"    {row},\n" for row in rows) + "]"


def _imported(it: Clone, source: str) -> Imported:
    cpus = {"cpus": it.cpus} if it.cpus else {}
    own = {"each_queue": it.each_queue} if it.each_queue else {}
    return Imported(
        said(it.dev), it.driver, source, cpus | it.knobs | own, tuple(dict.fromkeys(it.notes)), tuple(it.facts)
    )


def import_config(*paths: str | Path, dev: str | None = None, progress: Progress | None = None) -> Imported:
    """Clone a machine's receive path from texts of ethtool, sysctl, ip, /proc and /sys; without texts, this machine's.

    Args:
        paths: directories, tar archives (a sosreport), or files, also compressed; ``-`` is standard input. A text is
            recognized by its first line, a file of /proc and /sys by its path.
        dev: the interface. Without ``paths`` the running kernel is asked about it.
        progress: called now and then with a name and the bytes read.

    Return: arguments of Host, a file for ``--config``, and what cannot be cloned.

    Raises:
        ConfigError: nothing is known about the interface, or the texts are about several and ``dev`` is missing.
        OSError: a path cannot be read.
    """
    machine = Machine()
    if not paths:
        if not dev:
            raise ConfigError("nothing to import: give texts, or an interface of this machine")
        dev = this_machine.read(machine, dev)
        return _imported(clone(machine, dev), "this machine")
    texts = Texts(machine, progress)
    known = sum([texts.read(path) for path in paths])
    source = ", ".join(said(path) for path in paths[:3]) + (" and others" if len(paths) > 3 else "")
    if not known:
        raise ConfigError(f"{quoted(source)}: no text of ethtool, sysctl, ip, /proc or /sys that vnic knows")
    return _imported(clone(machine, dev), source)
