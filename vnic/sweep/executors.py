"""Where the points run: threads of this process, which is the default; processes; or a dask cluster.

Threads, because the data plane runs without the interpreter's lock, the capture is mapped once, and nothing is pickled.
Measured on two cores, seconds for all points (27, 27 and 8 of them), best of three:

    capture           one after the other   threads   processes
    20 frames                        0.18      0.16        0.35
    20,000 frames                    0.51      0.30        0.57
    1,000,000 frames                 3.13      1.77        2.03

A process costs 0.15 s before its first point. To make a host and to collect its facts takes 6 ms of Python, in which
threads wait for each other: so processes are for very many points of a small capture, on a machine with many cores.

Each executor is one of concurrent.futures, or has its interface, and says what it has besides: :class:`Pool`.
"""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any, Protocol

from vnic.machine.uninterrupted import uninterrupted
from vnic.sweep.replayed import Row, Task, replayed

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future


class Pool(Protocol):
    """What runs tasks."""

    workers: int
    """Tasks that run at a time."""
    here: bool
    """Do they take this machine's memory?"""

    def submit(self, task: Task) -> Future[Row]:
        """Begin a task, or let it wait for a worker."""

    def lost(self, error: BaseException) -> bool:
        """Does this error of a task mean that its worker is gone, and not that the task is wrong? Then renew."""

    def kills(self, error: BaseException) -> bool:
        """Does this error of a task mean that it ends each worker that it runs on?"""

    def renew(self) -> None:
        """Replace the workers, if they need it."""

    def close(self, *, now: bool) -> None:
        """End the workers. ``now``: those that are busy too."""


def cores() -> int:
    """Return the real cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Threads:
    """Threads of this process.

    Args:
        workers: how many.
        call: what runs a task; it is told how to ask whether the end has come.
    """

    here = True

    def __init__(self, workers: int, call: Callable[[Task, Callable[[], bool]], Row] = replayed) -> None:
        self.workers = workers
        self._stopped, self._call = False, call
        self._threads = ThreadPoolExecutor(workers, "vnic-sweep")

    def submit(self, task: Task) -> Future[Row]:
        """Begin a task."""
        return uninterrupted(lambda: self._threads.submit(self._call, task, lambda: self._stopped))

    def lost(self, error: BaseException) -> bool:  # noqa: ARG002
        """Return False: a thread ends only with the process."""
        return False

    def kills(self, error: BaseException) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def renew(self) -> None:
        """Do nothing."""

    def close(self, *, now: bool) -> None:
        """End the threads; replays end between two slices."""
        self._stopped = now
        uninterrupted(lambda: self._threads.shutdown(wait=True, cancel_futures=now))


class Processes:
    """Processes of this machine. Each ends with this one, however that ends."""

    here = True

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._begin()

    def _begin(self) -> None:
        from multiprocessing import get_context

        context = get_context("spawn")  # a fork would copy locks that other threads hold
        reader, self._writer = context.Pipe(duplex=False)
        self._processes = ProcessPoolExecutor(self.workers, context, _begun, (reader,))
        self._new = True

    def submit(self, task: Task) -> Future[Row]:
        """Begin a task. BrokenProcessPool: a worker was killed; renew."""
        new, self._new = self._new, False
        try:
            return uninterrupted(lambda: self._processes.submit(replayed, task))
        except OSError as e:  # the pool is about to notice, and has closed its pipes
            if new:
                raise
            raise BrokenProcessPool(str(e)) from None

    def lost(self, error: BaseException) -> bool:
        """Was a worker killed? Then no task of this pool ends any more."""
        return isinstance(error, BrokenProcessPool)

    def kills(self, error: BaseException) -> bool:  # noqa: ARG002
        """Return False: a broken pool does not say which task broke it."""
        return False

    def renew(self) -> None:
        """Replace the pool."""
        self.close(now=True)
        self._begin()

    def close(self, *, now: bool) -> None:
        """End the processes."""

        def end() -> None:
            if now:
                self._writer.close()  # ends them all
            self._processes.shutdown(wait=True, cancel_futures=now)
            self._writer.close()

        uninterrupted(end)


def _begun(reader: Any) -> None:
    """Begin a worker: Ctrl-C is its maker's business, and it ends when the pipe to its maker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(reader,), daemon=True).start()


def _end_with(reader: Any) -> None:
    from multiprocessing.connection import wait

    wait([reader])
    os._exit(1)


def pool(where: str, workers: int | None, tasks: int) -> Pool:
    """Return an executor.

    Args:
        where: threads, processes, or dask://HOST:PORT.
        workers: tasks at a time; None: as many as there are cores, or threads of the cluster.
        tasks: how many there will be; more workers than that would have nothing to do.

    Raises:
        ConfigError: the address is wrong.
        MissingExtraError: it needs a package that is not installed.
        VnicError: the cluster does not answer.
    """
    if where.startswith("dask://"):
        from vnic.sweep.cluster import Cluster

        return Cluster(where, workers)
    most = min(workers or cores(), tasks)
    return Processes(most) if where == "processes" else Threads(most)
