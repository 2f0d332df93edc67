"""Replay one point, and return what it comes to: a plain dict, the same wherever and whenever the point runs.

    frames      offered, delivered, lost, loss_share, lost_by_limits, fates (of the lost frames)
    latency_ns  p50, p99 and max of the whole way, of the frames that a reader got; None: it got none
    work        interrupts, frames_per_interrupt, cpu_ns, cpu_ns_per_frame, time_squeeze
    limits      knob -> [how often it bound, frames that it lost]
    error       why the point has no result, one sentence; None: it has one

``cpu_ns`` is the time that the emulated CPUs did not sleep, all together, readers included. Nothing in a row depends on
the clock of the machine that computed it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.capture_select import ALL, Selection
from vnic.errors import CaptureError, ConfigError, VnicError, one_line
from vnic.machine.memory import NoRoomError
from vnic.sweep.captures import Source, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from vnic.host import Host

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A point as a worker gets it; it can be pickled."""

    number: int
    key: str
    sources: tuple[Source, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of vnic.runs.replay.replay()."""
    select: Selection = ALL
    times: int = 1
    need: int = 0
    """Bytes that it takes at most."""


class StoppedError(Exception):
    """The sweep is over before this point is."""


def replayed(task: Task, stopped: Callable[[], bool] = bool) -> Row:
    """Replay a task's captures with its knobs.

    Args:
        task: what to run.
        stopped: asked now and then; once it says True, the replay ends.

    Raises:
        StoppedError: it said so.
    """
    try:
        with opened(task.sources) as inputs:
            return of_inputs(task, inputs, stopped)
    except CaptureError as e:
        return failed(str(e), lasts=False)


def of_inputs(task: Task, inputs: Any, stopped: Callable[[], bool] = bool) -> Row:
    """As :func:`replayed`, of captures that are open. CaptureError: one cannot be read any more."""
    from vnic.runs.replay import replay

    def look(_read: int, _all: int) -> None:
        if stopped():
            raise StoppedError

    cpu_ns = 0

    def ended(host: Host, _facts: dict[str, Any]) -> None:
        nonlocal cpu_ns
        cpu_ns = busy_ns(host)

    try:
        result = replay(inputs, select=task.select, times=task.times, progress=look, then=ended, **task.options)
    except CaptureError:
        raise
    except VnicError as e:
        return failed(str(e), lasts=isinstance(e, ConfigError) and not isinstance(e, NoRoomError))
    except MemoryError as e:
        return failed(str(e) or "there is not enough memory", lasts=False)
    return measured(result.facts, cpu_ns) | {"input_error": result.error or None}


def busy_ns(host: Host) -> int:
    """Return the time that the CPUs of a host did not sleep, all together, ns."""
    began = int(host.machine.began_ns)
    return sum(max(0, cpu.now_ns - began - cpu.idle_ns) for cpu in host.softnet())


def failed(why: str, *, lasts: bool) -> Row:
    """Return the row of a point without a result. ``lasts``: it would fail again; else the next sweep runs it again."""
    return {"error": one_line(why), "lasts": lasts}


_NAMES = frozenset(
    (
        *("error", "offered", "delivered", "lost", "loss_share", "lost_by_limits", "fates", "latency_ns", "limits"),
        *("interrupts", "frames_per_interrupt", "cpu_ns", "cpu_ns_per_frame", "time_squeeze", "input_error"),
    )
)


def is_row(row: Any) -> bool:
    """Does this have the form of a row?"""
    return isinstance(row, dict) and (set(row) == _NAMES or (set(row) == {"error", "lasts"} and bool(row["error"])))


def measured(facts: Mapping[str, Any], cpu_ns: int) -> Row:
    """Return the row of a run's facts (:func:`vnic.runs.replay.facts`)."""
    from vnic.why.facts import Facts

    ledger, irq = facts["ledger"], facts["irq"]
    offered = int(ledger["offered"])
    fates = {name: n for name, n in ledger["fates"].items() if not name.startswith("DELIVERED_")}
    lost = sum(fates.values())
    total = facts["latency_ns"].get("total", {})
    waits = total if total.get("count") else {}
    return {
        "error": None,
        "offered": offered,
        "delivered": sum(ledger["fates"].values()) - lost,
        "lost": lost,
        "loss_share": round(lost / offered, 9) if offered else 0.0,
        "lost_by_limits": sum(Facts(dict(facts)).lost().values()),
        "fates": fates,
        "latency_ns": {name: waits.get(name) for name in ("p50", "p99", "max")},
        "interrupts": irq["interrupts"],
        "frames_per_interrupt": irq["frames_per_interrupt"],
        "cpu_ns": cpu_ns,
        "cpu_ns_per_frame": round(cpu_ns / offered, 1) if offered else 0.0,
        "time_squeeze": sum(cpu["time_squeeze"] for cpu in facts["cpus"]),
        "limits": {x["knob"]: [x["bound"], x["lost"]] for x in facts["limits"] if x["bound"]},
    }
