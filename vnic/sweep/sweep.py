"""Sweep: check the grid, leave out what the store has, run the rest, keep each point when it is done."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from vnic.capture_select import ALL, Selection
from vnic.capture_wire import CaptureWire
from vnic.errors import ConfigError
from vnic.knobs.table import KNOBS, read
from vnic.machine import memory
from vnic.machine.uninterrupted import settle_all, uninterrupted
from vnic.sweep import points as points_
from vnic.sweep.executors import pool as make_pool
from vnic.sweep.replayed import Row, Task
from vnic.sweep.results import Results
from vnic.sweep.running import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from vnic.sweep.axes import Axis
    from vnic.sweep.captures import Captures
    from vnic.sweep.points import Point
    from vnic.sweep.store import Store

    Progress = Callable[[int, int, str], None]


_SETTLE_S = 10.0


class Sweep:
    """One capture and one grid.

    Args:
        captures: what each point replays.
        axes: what varies.
        options: :class:`vnic.Host`'s arguments and knobs that all points share; an axis replaces its knob.
        select: which frames, how many passes, at what rate.
        store: where rows are kept, and taken from; None: nowhere.

    Raises:
        CaptureError: a file is not a capture.
        ConfigError: an option or the selection is wrong.
    """

    def __init__(
        self,
        captures: Captures,
        axes: Sequence[Axis],
        options: Mapping[str, Any],
        *,
        select: Selection = ALL,
        store: Store | None = None,
    ) -> None:
        varied = {axis.knob for axis in axes}
        shared = {name: value for name, value in options.items() if name.replace("_", "-") not in varied}
        base = points_.settled(shared)
        CaptureWire(captures.inputs, select=select).close()  # refuse a wrong filter now
        self._captures, self._select, self._store = captures, select, store
        self._options = {name: _portable(name, value) for name, value in shared.items()}
        self.grid = points_.grid(axes)
        self.keys = [points_.key(captures.sha256, select, base, point) for point in self.grid]
        self.results = Results(
            axes=tuple(axes),
            files=tuple(str(one.path) for one in captures.inputs),
            sha256=captures.sha256,
            size=captures.size,
            select=select,
            left_out=captures.inputs.left_out,
            base={name.replace("_", "-"): value for name, value in shared.items()},
            planned=len(self.grid),
        )
        self.missing: list[Point] = []
        """Points that the store does not have."""
        for point, key in zip(self.grid, self.keys, strict=True):
            row = store.rows.get(key) if store is not None else None
            if row is None:
                self.missing.append(point)
            else:
                self.results.add(point, row)

    def _task(self, point: Point) -> Task:
        options = self._options | {name: _portable(name, value) for name, value in point.options.items()}
        cpus = int(options.get("cpus", 4))
        knobs = {name: value for name, value in options.items() if name.replace("_", "-") in KNOBS}
        need = memory.planned(knobs, cpus) + self._captures.unpacked
        return Task(point.number, self.keys[point.number], self._captures.sources, options, self._select, need=need)

    def run(self, executor: str = "threads", workers: int | None = None, progress: Progress | None = None) -> None:
        """Run the missing points. If it is interrupted, the results have what is done.

        Args:
            executor: threads, processes or dask://HOST:PORT, see :mod:`vnic.sweep.executors`.
            workers: points at a time; None: as many as there are cores.
            progress: called with the points done, those to do, and a few words.

        Raises:
            ConfigError, VnicError: there is no such executor, or its cluster refuses.
            OSError: the store took no more.
        """
        tasks = [self._task(point) for point in self.missing]
        if not tasks:
            return
        with _closing(executor, workers, len(tasks)) as pool:
            said = progress or (lambda _done, _all, _note: None)
            said(0, len(tasks), self._note(0, len(tasks)))
            try:
                for done, (task, row) in enumerate(run(tasks, pool), 1):
                    uninterrupted(functools.partial(self._take, task, row))
                    said(done, len(tasks), self._note(done, len(tasks)))
            except BaseException:
                settle_all(_SETTLE_S)  # the last point may be on its way into the store
                raise

    def _note(self, done: int, todo: int) -> str:
        stored = len(self.grid) - todo
        return f"{done} of {todo} points" + f", {stored} from the store" * bool(stored)

    def _take(self, task: Task, row: Row) -> None:
        point = self.grid[task.number]
        if self._store is not None and row.get("lasts", True):
            self._store.append(task.key, self._captures.sha256, point.shown, row)
        self.results.add(point, row)


@contextlib.contextmanager
def _closing(executor: str, workers: int | None, tasks: int) -> Iterator[Any]:
    pool = make_pool(executor, workers, tasks)
    ended = False
    try:
        yield pool
        ended = True
    finally:
        pool.close(now=not ended)


def _portable(name: str, value: Any) -> Any:
    """Return a value that means the same on another machine: the figures of a cost profile, and not its file."""
    return read("cost", value) if name == "cost" else value


def refuse_both(varied: Sequence[Axis], given: Mapping[str, str]) -> None:
    """Raise ConfigError if a knob that varies is also set once for all. ``given``: knob -> the option that sets it."""
    for axis in varied:
        if axis.knob in given:
            raise ConfigError(f"{given[axis.knob]} and --vary {axis.knob}: a knob that varies has no fixed value")
