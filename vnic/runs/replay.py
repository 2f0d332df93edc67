"""Replay captures in virtual time (``vnic replay``), and collect the facts of a run as one plain dict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic._core import ffi
from vnic.capture import Capture
from vnic.capture_select import ALL, Selection
from vnic.capture_wire import CaptureWire
from vnic.counters import latency, shown_as
from vnic.counters.limits import limits
from vnic.counters.standing import as_dicts
from vnic.counters.timeline import Timeline
from vnic.errors import ConfigError, said
from vnic.events.log import ALL as ALL_EVENTS
from vnic.events.log import EventChoice, EventLog
from vnic.host import Host
from vnic.machine import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.capture_input import CaptureInput
    from vnic.events.events import Events
    from vnic.events.frames import Frames

SCHEMA = "vnic.replay/2"
_FILES_SHOWN = 3
"""In one line about a result."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run; ``facts`` is the JSON object."""

    facts: dict[str, Any]
    error: str
    """Why the input ended early, one sentence; empty if it did not."""
    events: Events | None = None
    """All that happened, in the order of time, if ``replay(events=...)`` asked for it."""

    @property
    def frames(self) -> Frames | None:
        """A row for each frame: when it passed each stage, and its fate; if ``replay(events=...)`` asked for it."""
        return None if self.events is None else self.events.frames

    def _line(self) -> str:
        files, ledger = self.facts["input"]["files"], self.facts["ledger"]
        names = ", ".join(files[:_FILES_SHOWN]) + f" and {len(files) - _FILES_SHOWN} more" * (len(files) > _FILES_SHOWN)
        line = shown_as.ledger_line(ledger["offered"], ledger["in_flight"], ledger["fates"])
        return said(f"{names}: {line}" + f"; {self.error}" * bool(self.error))

    def __repr__(self) -> str:
        return f"<vnic.Result {self._line()}>"

    def _repr_html_(self) -> str:
        ledger, waits = self.facts["ledger"], self.facts["latency_ns"]
        told = shown_as.ledger_table(self._line(), ledger["fates"], ledger["in_flight_at"])
        return told + (
            latency.Latencies({name: latency.Latency(**wait) for name, wait in waits.items()})._repr_html_()
            if waits
            else ""
        )


def facts(host: Host, *, schema: str, input_facts: dict[str, Any]) -> dict[str, Any]:
    """Collect all counters of a host under stable keys; times in ns."""
    ledger, sent = host.ledger(), host.tx_ledger()
    queues = host.nic.queues()
    cpus = host.softnet()
    gro = host.gro()
    raised = sum(q.interrupts for q in queues)
    delay = sum(q.moderation_delay_ns for q in queues)
    elapsed = max(1, host.now_ns - host.machine.began_ns)
    taken = host.nic.stats().rx_packets
    split = latency.summed(host.machine.histograms) if host.machine.histograms else {}
    return {
        "schema": schema,
        "input": input_facts,
        "config": host.config,
        "ledger": {
            "offered": ledger.offered,
            "in_flight": ledger.in_flight,
            "in_flight_at": {k: v for k, v in ledger.in_flight_at.items() if v},
            "fates": ledger.fates,
        },
        "device": host.nic.stats().as_dict()
        | {
            "rx_no_buffer_count": int(host.machine.c.nic.rx_no_buffer_count),
            "fifo_lost_bytes": int(host.machine.c.nic.fifo.lost_bytes),
        },
        "queues": [{"queue": i} | q.as_dict() for i, q in enumerate(queues)],
        "cpus": [
            {"cpu": i}
            | s.as_dict()
            | {"busy": round(max(0, s.now_ns - host.machine.began_ns - s.idle_ns) / elapsed, 4)}
            for i, s in enumerate(cpus)
        ],
        "gro": gro.as_dict()
        | {"frames_per_skb": round(gro.frames_per_skb, 3), "flows": [asdict(f) for f in host.gro_flows()]},
        "irq": {
            "interrupts": raised,
            "frames_per_interrupt": round(taken / raised, 3) if raised else 0.0,
            "moderation_delay_ns_mean": round(delay / raised, 1) if raised else 0.0,
            "moderation_delay_ns_max": max(q.moderation_delay_ns_max for q in queues),
            "asked": {name: host.config[name] for name in ("adaptive-rx", "rx-usecs", "rx-frames")},
            "ipis": sum(s.received_rps for s in cpus),
        },
        "rfs": {
            **{name: sum(getattr(s, f"rfs_{name}") for s in cpus) for name in ("steered", "moved", "waited")},
            "arfs": host.nic.arfs().as_dict(),
        },
        "tx": {
            "in_flight": sent.in_flight,
            "fates": sent.fates,
            "neighbours": [asdict(n) for n in host.neighbours()],
        },
        "latency_ns": {name: asdict(latency.percentiles(t)) for name, t in split.items()},
        "latency_histograms": {name: latency.buckets(t) for name, t in split.items()},
        "limits": [limit.as_dict() for limit in limits(host)],
        "standing": as_dicts(host),
        "faults": [fault.as_dict() for fault in host.machine.faults],
        "mib": {k: v for k, v in host.mib().items() if v},
        "elapsed_ns": elapsed,
        "memory": memory.stated(host.machine.c, latency=bool(host.machine.histograms)),
    }


def _input_facts(wire: CaptureWire, error: str) -> dict[str, Any]:
    c, pcap = wire.c, wire.pcap
    paced, selected = c.schedule != ffi.NULL, wire.selected
    return {
        "files": [str(p) for p in wire.paths],
        "frames": int(c.frames) - int(pcap.gso_segments) + int(pcap.gso_frames),
        "bytes": int(c.bytes) - int(pcap.gso_segment_bytes) + int(pcap.gso_bytes),
        "first_ns": int(c.base_ns),
        "duration_ns": int(c.paced_ns if paced else c.last_ts - c.base_ns) if c.frames and c.last_ts else 0,
        "cut": int(c.cut),
        "oversize": int(c.oversize),
        "csum_completed": int(c.csum_completed),
        "ip_csum_completed": int(c.ip_csum_completed),
        "length_completed": int(c.length_completed),
        "gso_frames": int(pcap.gso_frames),
        "gso_segments": int(pcap.gso_segments),
        "fcs_stripped": int(pcap.fcs_stripped),
        "fcs_bytes": int(pcap.fcs_bytes),
        "link_errors": int(pcap.link_errors),
        "time_backwards": int(c.backwards),
        "links": wire.links,
        **({} if selected is None else {"selected": selected}),
        "overlaps": wire.overlaps,
        "left_out": list(wire.left_out),
        "error": error or None,
    }


def _refuse_input(write: Path, inputs: list[CaptureInput]) -> None:
    """Refuse to write into one of the input captures, which are read during the run."""
    if write.exists() and any(i.is_file(write) for i in inputs):
        raise ConfigError(f"{write}: is an input, so it cannot be the output")


def replay(
    files: Sequence[str | Path | CaptureInput],
    *,
    select: Selection = ALL,
    times: int = 1,
    write: str | Path | None = None,
    at: Sequence[str] = ("gro",),
    timeline: bool = False,
    events: EventChoice | bool = False,
    kept: Callable[[Events], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    then: Callable[[Host, dict[str, Any]], None] | None = None,
    **options: Any,
) -> Result:
    """Replay capture files through a host in virtual time.

    Args:
        files: pcap or pcapng files, one after another, also directories and ``-``; see :class:`vnic.CaptureWire`.
        select: which frames, how many passes over all files, and at what rate.
        times: how often all of that comes, one time after another.
        write: pcapng file for the packets that pass the points ``at``, see :class:`vnic.Capture`; "-": standard output.
        at: points of the path.
        timeline: add the time line to the facts: counts and fills in bins of one width.
        events: True, or which ones: log all that happens to each frame, as ``Result.events`` and ``Result.frames``.
        kept: called with the events when the replay is over, before ``then``.
        progress: called now and then with (bytes read, bytes in all files).
        then: called at the end with the host and the facts, while the host is still open.
        options: :class:`vnic.Host`'s arguments and knobs.

    Raises:
        CaptureError: a file is not a capture.
        ConfigError: a knob is unknown or out of range.
    """
    with CaptureWire(files, select=select, times=times) as wire:
        if write is not None and str(write) != "-":
            _refuse_input(Path(write), wire.inputs)
        options = {"wire": wire, "sink": True, "latency": True} | options
        chosen = events if isinstance(events, EventChoice) else ALL_EVENTS if events else None
        asked = _Asked(write, at, timeline, chosen, kept)
        return _replay(wire, asked, progress=progress, then=then, options=options)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a replay keeps besides the facts."""

    write: str | Path | None
    at: Sequence[str]
    timeline: bool
    chosen: EventChoice | None
    kept: Callable[[Events], None] | None


def _replay(
    wire: CaptureWire,
    asked: _Asked,
    *,
    progress: Callable[[int, int], None] | None,
    then: Callable[[Host, dict[str, Any]], None] | None,
    options: dict[str, Any],
) -> Result:
    with Host(**options) as host:
        capture = Capture(host, asked.write, at=asked.at) if asked.write is not None else None
        if capture is not None:
            host.machine.peek()
            capture.set_base(int(wire.c.base_ns))
        line = Timeline(host) if asked.timeline else None
        log = None
        if asked.chosen is not None or line is not None:
            chosen = asked.chosen or EventChoice(records=0)
            log = EventLog(host, chosen, observe=None if line is None else line.observe)
        host.finish(progress=None if progress is None else lambda: progress(wire.bytes_read, wire.bytes_total))
        error = "; ".join(wire.broken)
        found = facts(host, schema=SCHEMA, input_facts=_input_facts(wire, error))
        if line is not None:
            found["timeline"] = line.as_dict()
        if capture is not None:
            found["capture"] = capture.finish()
        events = None if log is None or asked.chosen is None else _logged(log, found)
        if asked.kept is not None and events is not None:
            asked.kept(events)
        if then is not None:
            then(host, found)
        return Result(found, error, events)


def _logged(log: EventLog, found: dict[str, Any]) -> Events:
    """End the log, and note in the facts what it holds."""
    events = log.end(found)
    found["events"] = {"records": len(events), "missed": events.missed}
    if words := log.chosen.words():
        found["events"]["chosen"] = words
    events.facts["events"] = found["events"]
    return events
