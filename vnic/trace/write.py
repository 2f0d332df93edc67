"""Write a run as a Perfetto trace (``.pftrace``) or as ftrace's text (``.ftrace``): a complete file, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.counters.snapshots import FATES
from vnic.errors import ConfigError, one_line, quoted
from vnic.own_paths import instead_of
from vnic.trace import ftrace, perfetto
from vnic.trace.reasons import CARD, location, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from vnic.events.events import Events

FORMS = (".pftrace", ".ftrace")
_PIECE = 200_000
"""Records a call of C: between two, Ctrl-C is noticed."""


def form_of(path: str | Path) -> str:
    """Return the form that a file's name asks for. ConfigError: neither of both."""
    form = Path(path).suffix
    if form not in FORMS:
        raise ConfigError(f"{quoted(path)}: a trace's name ends in .pftrace (Perfetto) or .ftrace (the kernel's text)")
    return form


def write(events: Events, path: str | Path, *, chosen: str = "") -> None:
    """Write the trace.

    Args:
        events: the records of a run.
        path: the file; its end says which form.
        chosen: which of the run's records they are, in words, if not all that its log has kept.

    Raises:
        ConfigError: the name's end is unknown.
        OSError: the file cannot be written; the one of this name, if there is one, is as it was.
    """
    form = form_of(path)
    rows = events.frames
    source = lib.trace_source_new(events.c, len(events), rows.c, len(rows), len(events.flows))
    if source == ffi.NULL:
        raise MemoryError("no memory for a trace")
    source = ffi.gc(source, lib.trace_source_free)
    notes = _notes(events, chosen)
    with instead_of(path) as file:
        (_perfetto if form == ".pftrace" else _ftrace)(events, source, file, notes)


def _notes(events: Events, chosen: str) -> list[str]:
    """Return sentences about what the trace lacks."""
    notes = []
    kept = str(events.facts.get("events", {}).get("chosen", ""))
    if events.missed:
        notes.append(f"the event log was full: {events.missed} later records are missing")
    if choice := "; ".join(text for text in (kept, chosen) if text):
        notes.append(one_line(f"chosen: {choice}; the rest of the run is not here"))
    if not len(events):
        notes.append("there are no events")
    return notes


def _dev(events: Events) -> str:
    return str(events.facts.get("config", {}).get("name", "vnic0"))


def _run(step: Callable[[Any, int], int], trace: Any) -> None:
    """Call C until all records are written. OSError: a write failed."""
    while True:
        rc = step(trace, _PIECE)
        if rc < 0:
            _raise(rc)
        if rc == 0:
            return


def _raise(rc: int) -> None:
    import errno
    import os

    if rc == -errno.ENOMEM:
        raise MemoryError("no memory for a trace")
    raise OSError(-rc, os.strerror(-rc))


def _perfetto(events: Events, source: Any, file: BinaryIO, notes: Sequence[str]) -> None:
    used = bytes(ffi.buffer(source.flow_used, len(events.flows)))
    file.writelines(perfetto.names(source.max_task, events.flows, used))
    file.write(perfetto.tracks(_dev(events), source.ncpus, source.nqueues))
    first = int(events.c[0].t_ns) if len(events) else 0
    facts = {"records": len(events), "frames": len(events.frames)}
    file.writelines(perfetto.note(first, sentence, facts) for sentence in notes or ["all of the run is here"])
    file.flush()
    waits = [ffi.new("char[]", name.encode()) for name in perfetto.WAITS]
    array = ffi.new("char *[]", waits)
    trace = lib.pftrace_new(source, file.fileno(), array)
    if trace == ffi.NULL:
        raise MemoryError("no memory for a trace")
    _run(lib.pftrace_write, ffi.gc(trace, lib.pftrace_free))


def _ftrace(events: Events, source: Any, file: BinaryIO, notes: Sequence[str]) -> None:
    reasons = [ffi.new("char[]", reason(fate).encode()) for fate in FATES]
    places = [ffi.new("char[]", location(fate).encode()) for fate in FATES]
    strings = (ffi.new("char *[]", reasons), ffi.new("char *[]", places), ffi.new("char[]", _dev(events).encode()))
    protocols = ffi.new("uint8_t[]", [ftrace.protocol(flow) for flow in events.flows] or [0])

    def run(fd: int) -> int:
        trace = lib.ftrace_new(source, fd)
        if trace == ffi.NULL:
            raise MemoryError("no memory for a trace")
        trace = ffi.gc(trace, lib.ftrace_free)
        trace.reasons, trace.locations, trace.dev = strings
        trace.flow_proto = protocols
        trace.threaded = bool(events.facts.get("config", {}).get("threaded"))
        _run(lib.ftrace_write, trace)
        return int(trace.lines)

    file.write(ftrace.head(run(-1), source.ncpus, [*notes, *_unseen(source)]))
    file.flush()
    run(file.fileno())


def _unseen(source: Any) -> list[str]:
    """Say which frames the card lost: Linux's tracepoints do not see them."""
    lost = [f"{fate} {source.frames[i]}" for i, fate in enumerate(FATES) if fate in CARD and source.frames[i]]
    said = f"the card lost frames before there was an sk_buff, so no line tells of them: {', '.join(lost)}"
    return [said] if lost else []
