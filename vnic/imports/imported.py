"""``vnic.import_config()``: a machine's receive path as arguments of Host, and as a file for ``--config``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, quoted, said
from vnic.exports import toml
from vnic.imports import this_machine
from vnic.imports.clone import Note, clone
from vnic.imports.machine import Machine
from vnic.imports.tree import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vnic.imports.clone import Clone
    from vnic.imports.tree import Progress


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
        yield toml.comment(f"{what}{driver}, from {self.source}: written by vnic import")
        knobs = {name: value for name, value in self.config.items() if name != "each_queue"}
        for note in self.notes:
            if note.knob not in knobs:
                yield toml.comment(str(note))
        for fact in self.facts:
            yield toml.comment(fact)
        yield ""
        for name, value in knobs.items():
            for note in self.notes:
                if note.knob == name:
                    yield toml.comment(note.text)
            yield f"{name} = {toml.value(value)}"
        yield from toml.queues(self.config.get("each_queue", {}))


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
