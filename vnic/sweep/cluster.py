"""A dask cluster as an executor: ``--executor dask://HOST:PORT`` names its scheduler.

dask's scheduler and workers run any code that they are sent, so they belong into trusted networks only.

A worker that can read the captures by their paths, with the contents that they have here, reads them there. If one of
the workers cannot, the captures are sent once to each worker. A point whose worker dies comes again on another; that is
dask's own doing. Points that run when a sweep is interrupted end on their workers, and their rows are lost.
"""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Any

from vnic.capture_input import most_bytes
from vnic.errors import ConfigError, VnicError, one_line, quoted
from vnic.extras import load
from vnic.machine.memory import text
from vnic.machine.uninterrupted import uninterrupted
from vnic.sweep.captures import Source
from vnic.sweep.points import this_version

if TYPE_CHECKING:
    from concurrent.futures import Future

    from vnic.sweep.replayed import Row, Task

_WHERE = re.compile(r"dask://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})", re.ASCII)
_ANSWER_S = 10
_PIECE = 1 << 24
_QUEUED = 2
"""Points that a worker's thread has or waits for: the way to the scheduler takes time."""


def address(where: str) -> str:
    """Return the scheduler's address as dask has it. ConfigError: there is no host or no port."""
    found = _WHERE.fullmatch(where)
    if found is None or not 0 < int(found[2]) < 65536:
        raise ConfigError(f"--executor {quoted(where)}: must be dask://HOST:PORT, a scheduler's address")
    return f"tcp://{found[1]}:{found[2]}"


class Cluster:
    """The workers of a dask scheduler.

    Raises:
        ConfigError: the name is wrong, or a worker has another version of vnic.
        VnicError: the scheduler does not answer, or has no workers.
    """

    here = False

    def __init__(self, where: str, workers: int | None) -> None:
        to, self._where = address(where), where
        dask = load("distributed", "a dask cluster")
        _quiet()
        try:
            self._client: Any = dask.Client(to, timeout=_ANSWER_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as e:
            raise VnicError(f"{where}: no dask scheduler answers: {one_line(str(e))}") from None
        try:
            threads = self._threads()
            self._executor = self._client.get_executor(pure=False)
            self._sent: Any = None
            self._placed, self._all_read = False, True
            """Were the captures looked for on the workers? May they be read there, or are they sent anyway?"""
            self.workers = workers or _QUEUED * threads
        except BaseException:
            self._client.close()
            raise

    def _threads(self) -> int:
        """Return the workers' threads. VnicError: there is no worker."""
        found = sum(self._client.nthreads().values())
        if not found:
            raise VnicError(f"{self._where}: the scheduler has no workers")
        return int(found)

    def submit(self, task: Task) -> Future[Row]:
        """Hand a task to the scheduler. VnicError: a worker cannot run it."""
        from vnic.sweep.remote import replayed_there

        if not self._placed:
            self._place(task.sources)
        return uninterrupted(lambda: self._executor.submit(replayed_there, task, self._sent))

    def _place(self, sources: tuple[Source, ...]) -> None:
        """See to it that each worker has the captures."""
        from vnic.sweep.remote import has_all

        found = self._client.run(has_all, sources, this_version(), on_error="return")
        for worker, answer in found.items():
            if isinstance(answer, ModuleNotFoundError):
                raise VnicError(f"{self._where}: the worker {worker} has no vnic: install {this_version()} there")
            if isinstance(answer, BaseException):
                raise VnicError(f"{self._where}: the worker {worker} {one_line(str(answer))}")
        if not self._all_read or not all(found.values()):
            self._sent = self._client.scatter([_contents(sources)], broadcast=True, hash=False)[0]
        self._placed = True

    def lost(self, error: BaseException) -> bool:
        """Did the captures get lost with a worker, or did a new worker come that cannot read them?

        VnicError: a new worker came that cannot run a point at all.
        """
        from concurrent.futures import CancelledError

        from vnic.sweep.remote import NoCaptureError

        if isinstance(error, ModuleNotFoundError):
            raise VnicError(f"{self._where}: a worker has no vnic: install {this_version()} there")
        return isinstance(error, (NoCaptureError, CancelledError))

    def kills(self, error: BaseException) -> bool:
        """Did as many workers die with this task as dask allows?"""
        return isinstance(error, load("distributed", "a dask cluster").KilledWorker)

    def renew(self) -> None:
        """Send the captures to the workers that are there now. VnicError: the scheduler is gone."""
        if self._client.status != "running":
            raise VnicError(f"{self._where}: the scheduler is gone")
        self._sent, self._placed, self._all_read = None, False, False

    def close(self, *, now: bool) -> None:
        """Leave the cluster. ``now``: cancel what waits there."""

        def end() -> None:
            if now:
                self._executor.shutdown(wait=False)
            self._client.close()

        uninterrupted(end)


def _quiet() -> None:
    """Let no logger print what the sentences here say. distributed gives some of its loggers levels of their own."""
    names = ("distributed", "tornado", "asyncio")
    for name in (*names, *logging.root.manager.loggerDict):
        if name.partition(".")[0] in names:
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _contents(sources: tuple[Source, ...]) -> list[Any]:
    from vnic.sweep.remote import Contents

    found, most, total = [], most_bytes(), 0
    for source in sources:
        opened = source.open()
        fd = opened.open()
        try:
            size, damage = opened.extent(fd)
            total += size
            if total > most:
                raise ConfigError(
                    f"{source.name}: not every worker can read it, and more than {text(most)} are too much to send: "
                    "put it where all workers can read it by the same path"
                )
            data = bytearray()
            while len(data) < size and (piece := os.pread(fd, min(_PIECE, size - len(data)), len(data))):
                data += piece
        finally:
            os.close(fd)
            opened.release()
            opened.close()
        found.append(Contents(Source(source.path, source.name, damage, sha256=source.sha256), bytes(data)))
    return found
