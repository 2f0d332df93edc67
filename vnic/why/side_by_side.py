"""Run one input with several settings side by side, on the threads of vnic sweep: vnic/sweep/running.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError
from vnic.knobs.table import KNOBS
from vnic.machine import memory
from vnic.sweep.captures import opened, sources
from vnic.sweep.executors import Threads, cores
from vnic.sweep.replayed import StoppedError, Task
from vnic.sweep.running import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.capture_files import Inputs
    from vnic.capture_select import Selection
    from vnic.why.causes import Settings

    Together = Callable[[Sequence[Settings], int], list[dict[str, Any] | None]]
    """Runs the input with each of these settings, so many times in a row; None: the combination is refused."""


def _facts(task: Task, stopped: Callable[[], bool]) -> dict[str, Any]:
    """Return the facts of a task's run; without any, if its settings are refused."""
    from vnic.runs.replay import replay

    def look(_read: int, _all: int) -> None:
        if stopped():
            raise StoppedError

    try:
        with opened(task.sources) as inputs:
            return replay(inputs, select=task.select, times=task.times, progress=look, **task.options).facts
    except (ConfigError, MemoryError):
        return {}


def side_by_side(
    inputs: Inputs,
    select: Selection,
    config: dict[str, Any],
    said: Callable[[Settings, int], None] = lambda _settings, _times: None,
) -> Together:
    """Return what runs these captures with changes to this configuration.

    Args:
        inputs: the captures.
        select: which of their frames.
        config: arguments of vnic.Host.
        said: called for each run that is over.
    """
    places = sources(inputs)

    def together(wanted: Sequence[Settings], times: int) -> list[dict[str, Any] | None]:
        tasks = [_task(n, config | settings, times) for n, settings in enumerate(wanted)]
        found: list[dict[str, Any] | None] = [None] * len(tasks)
        pool, whole = Threads(min(cores(), len(tasks)), _facts), False
        try:
            for task, facts in run(tasks, pool):
                found[task.number] = facts or None
                said(wanted[task.number], times)
            whole = True
        finally:
            pool.close(now=not whole)
        return found

    def _task(number: int, options: dict[str, Any], times: int) -> Task:
        knobs = {name: value for name, value in options.items() if name in KNOBS}
        need = memory.planned(knobs, int(options.get("cpus", 4)))
        return Task(number, "", places, options, select, times, need)

    return together
