"""Run tasks on an executor, as many at a time as there are workers and as fit into the memory.

A task whose worker was killed comes again, alone: if its worker is killed once more, the task is what kills it, and its
row says so. Ctrl-C ends all; what is done was handed out before.
"""

from __future__ import annotations

import queue
from collections import deque
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from vnic.machine import memory
from vnic.sweep.replayed import Row, StoppedError, Task, failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from vnic.sweep.executors import Pool

_KILLED = "its worker was killed twice: the point needs too much memory, or a person ended the worker"
_TRIES = 2


class _Running:
    """Tasks that wait, and tasks that run."""

    def __init__(self, tasks: Sequence[Task], pool: Pool) -> None:
        self._pool = pool
        self._waiting, self._again = deque(tasks), deque[Task]()
        self._tries: dict[int, int] = {}
        self._run: dict[Future[Row], Task] = {}
        self._done: queue.SimpleQueue[Future[Row]] = queue.SimpleQueue()
        self._room = memory.available() if pool.here else None

    def __iter__(self) -> Iterator[tuple[Task, Row]]:
        while self._waiting or self._again or self._run:
            self._begin()
            future = self._done.get()
            task = self._run.pop(future, None)
            if task is None:
                continue  # it ran on workers that are replaced
            error = CancelledError() if future.cancelled() else future.exception()
            if error is None:
                yield task, future.result()
            elif self._pool.lost(error):
                yield from self._come_again(task)
            elif self._pool.kills(error):
                yield task, failed(_KILLED, lasts=False)
            elif not isinstance(error, StoppedError):
                raise error

    def _begin(self) -> None:
        """Begin as many tasks as may run now."""
        while task := self._next():
            try:
                future = self._pool.submit(task)
            except Exception as e:
                if not self._pool.lost(e):
                    raise
                self._again.extend(self._gone())
                continue
            (self._again or self._waiting).popleft()
            self._run[future] = task
            future.add_done_callback(self._done.put)

    def _next(self) -> Task | None:
        """Return the task that may begin now; it stays in its queue."""
        if self._again:
            return None if self._run else self._again[0]
        if not self._waiting or len(self._run) >= self._pool.workers:
            return None
        task = self._waiting[0]
        needed = task.need + sum(running.need for running in self._run.values())
        return None if self._run and self._room is not None and needed > self._room else task

    def _come_again(self, task: Task) -> Iterator[tuple[Task, Row]]:
        """Keep what ran on the lost workers for later, unless this task ran alone and is what ends them."""
        gone = [task, *self._gone()]
        self._tries[task.number] = tries = self._tries.get(task.number, 0) + 1
        if tries >= _TRIES and len(gone) == 1:
            yield task, failed(_KILLED, lasts=False)
        else:
            self._again.extend(gone)

    def _gone(self) -> list[Task]:
        """Renew the workers. Return: the tasks that ran on them."""
        gone = list(self._run.values())
        self._run.clear()
        for task in gone:
            self._tries[task.number] = self._tries.get(task.number, 0) + 1
        self._pool.renew()
        return gone


def run(tasks: Sequence[Task], pool: Pool) -> Iterator[tuple[Task, Row]]:
    """Yield each task with its row, as they end."""
    return iter(_Running(tasks, pool))
