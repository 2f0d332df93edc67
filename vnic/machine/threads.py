"""Real time: a thread for the card and one for each emulated CPU. They wait in C, without the interpreter's lock.

The main thread never runs this code (uninterrupted.py), so no signal handler interrupts a holder of its locks.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import threading
import time
from itertools import repeat
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import VnicError
from vnic.machine.uninterrupted import Happened, QuietThread, wait_readable, where
from vnic.tap.pinning import check_pin, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vnic.machine.machine import Machine

_JOIN_S = 10.0
_EACH_S = 1.0
"""Wait for a thread after an earlier one took all the time."""


_CPUS_ANYWHERE = 64


def cpus_max() -> int:
    """Return the most emulated CPUs of a live host: 64, or as many as this process may use. Each is a thread."""
    return min(int(lib.CPUS_MAX), max(_CPUS_ANYWHERE, len(os.sched_getaffinity(0))))


class Threads:
    """The threads of a live machine. They have names (``nic/vnic0``, ``cpu/0``), block all signals and end with stop().

    They keep the machine alive: the garbage collector does not close a running machine without references.

    Args:
        machine: the machine that they run.
        pin: real CPUs: the first for the card's thread, the others in turn for the emulated CPUs; None: any.

    Raises:
        ConfigError: a CPU we may not use.
    """

    def __init__(self, machine: Machine, pin: Sequence[int] | None = None) -> None:
        if pin is not None:
            check_pin(pin)
        self._c = machine.c
        device, *cpus = repeat(None, self._c.ncpus + 1) if pin is None else places(pin, self._c.ncpus)
        self._machine = machine
        self.error: BaseException | None = None
        self.wire_ended = Happened()
        self._nic = ffi.addressof(self._c.nic)
        self._fds: list[int] = []
        self._stop_python = False
        self._parked = threading.Condition()
        self._starting = threading.Lock()
        self._paused, self._at_rest, self._ended = False, 0, False
        self._stopper = 0
        self._device = self._thread("nic/vnic0", device, self._run_device)
        run_cpus = [] if self._c.card_only else cpus
        self._cpus = [self._thread(f"cpu/{i}", cpu, self._run_cpu, i) for i, cpu in enumerate(run_cpus)]
        self._python = self._thread("python/0", None, self._run_python)

    def start(self) -> None:
        """Start the threads. The machine must refer to us before: a handler may change knobs at its first packet."""
        try:
            with self._starting:
                self._open_eventfds()
                for t in (*self._cpus, self._python, self._device):
                    t.start()
        except BaseException:  # out of threads or files: those that run must not outlive the machine
            self._end()
            if not self.alive():
                self._close_files()
            raise

    def _open_eventfds(self) -> None:
        c = self._c
        for _ in range(c.ncpus + 2):
            self._fds.append(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
        c.nic.kick_fd, c.upcalls.wake_fd, *cpu_fds = self._fds
        self._machine.wire.c.live = 1
        for i, fd in enumerate(cpu_fds):
            c.cpu[i].wake_fd = fd
            c.cpu[i].stop = 0
        c.nic.stop = 0

    def _thread(self, name: str, cpu: int | None, target: Callable[..., None], *args: Any) -> QuietThread:
        def run() -> None:
            try:
                if cpu is not None:
                    os.sched_setaffinity(0, {cpu})
                target(*args)
            except BaseException as e:  # noqa: BLE001 - stop() raises it
                self.error = self.error or e
                self.wire_ended.set()

        return QuietThread(name, run)

    def _run_device(self) -> None:
        while True:
            event = lib.nic_thread(self._nic)
            if event in (lib.EV_STOPPED, lib.EV_DONE) or event < 0:
                self.wire_ended.set()
                return
            if event == lib.EV_PAUSED:
                self._park()
            else:
                self._machine.handle(event)

    def _run_cpu(self, i: int) -> None:
        while lib.cpu_thread(self._c.cpu[i]) == lib.EV_PAUSED:
            self._park()

    def _park(self) -> None:
        with self._parked:
            self._at_rest += 1
            self._parked.notify_all()
            self._parked.wait_for(lambda: not self._paused)
            self._at_rest -= 1

    @contextlib.contextmanager
    def stopped_machine(self) -> Iterator[None]:
        """Park the threads of the card and the CPUs between two polls. In the block the caller may change their state.

        Raises:
            VnicError: a thread did not park within 10 s, or the host is stopping. Then all threads run on.
        """
        here = _thread.get_ident()  # if the caller is a filter in Python, it is on the card's thread
        machine = [self._device, *self._cpus]
        others = [t for t in machine if t.ident != here]
        self._take_turn(here, in_machine=len(others) < len(machine))
        try:
            self._pause(True)
            with self._parked:
                for _ in range(round(_JOIN_S / 0.01)):
                    if self._parked.wait_for(lambda: self._at_rest >= sum(t.is_alive() for t in others), 0.01):
                        break
                else:
                    raise VnicError(f"a thread did not come to rest within {_JOIN_S:.0f} s; nothing was changed")
            yield
        finally:
            self._pause(False)
            self._leave()

    def _take_turn(self, here: int, *, in_machine: bool) -> None:
        """Take turns with other stoppers. A thread of the machine counts as parked while it waits for its turn."""
        with self._parked:
            self._at_rest += in_machine
            self._parked.notify_all()
            try:
                self._parked.wait_for(lambda: not self._stopper or self._ended)
            finally:
                self._at_rest -= in_machine
            if self._ended:
                raise VnicError("the host is stopping; nothing was changed")
            self._stopper = here

    def _leave(self) -> None:
        with self._parked:
            self._stopper = 0
            self._parked.notify_all()

    def _pause(self, paused: bool) -> None:  # noqa: FBT001
        with self._parked:
            self._paused = paused
            lib.machine_pause(self._c, paused)
            self._parked.notify_all()
        for fd in self._fds:
            os.eventfd_write(fd, 1)

    def _run_python(self) -> None:
        fd = int(self._c.upcalls.wake_fd)
        while not self._stop_python:
            if wait_readable(fd, 0.5):
                os.eventfd_read(fd)
            self._machine.seam.run_upcalls()

    @property
    def all(self) -> list[QuietThread]:
        """The threads of the card, of the CPUs, and of Python's handlers."""
        return [self._device, *self._cpus, self._python]

    def mine(self) -> bool:
        """Is the caller on one of these threads? A handler or a wire cannot wait for the end of its own thread."""
        return any(t.ident == _thread.get_ident() and t.is_alive() for t in self.all)  # the system reuses numbers

    def is_stopped_here(self) -> bool:
        """Has this thread stopped the machine?"""
        return self._stopper == _thread.get_ident()

    def is_card_here(self) -> bool:
        """Is this the card's thread?"""
        return self._device.ident == _thread.get_ident()

    def alive(self) -> list[str]:
        """Return the names of threads that still run. Their memory must stay."""
        return [f"thread {t.name}" for t in self.all if t.is_alive()]

    def stop(self) -> None:
        """Stop the card's reading, let the CPUs finish their work, and join all threads. The caller may try again.

        Raises:
            VnicError: a thread did not end within 10 s. :meth:`alive` names it, and its memory stays.
        """
        with self._starting:  # wait for a start in progress
            self._end()
        if alive := [t for t in self.all if t.is_alive()]:
            which = ", ".join(f"thread {t.name}" for t in alive)
            at = ", ".join(filter(None, (where(t.ident) for t in alive)))
            raise VnicError(f"{which} did not stop within {_JOIN_S:.0f} s: {at}; stop() can be called again")

    def _end(self) -> None:
        """End the threads in the order of the path. If one does not end, stop the next all the same."""
        c, until = self._c, time.monotonic() + _JOIN_S
        parts = [(self._device, c.nic, c.nic.kick_fd)]
        parts += [(t, c.cpu[i], c.cpu[i].wake_fd) for i, t in enumerate(self._cpus)]
        for t, part, fd in parts:
            part.stop = 1
            _wake_and_join(t, fd, until)
        self._stop_python = True
        _wake_and_join(self._python, int(c.upcalls.wake_fd), until)
        if not self.alive():
            with self._parked:  # let a stopper finish, and let no other begin
                self._parked.wait_for(lambda: not self._stopper)
                self._ended = True

    def come_to_rest(self) -> None:
        """Return to virtual time, to drain the machine. All threads have ended, and the caller is alone with it."""
        lib.live_stop(self._c)
        self._close_files()

    def _close_files(self) -> None:
        self._c.nic.kick_fd = self._c.upcalls.wake_fd = -1
        while self._fds:
            os.close(self._fds.pop())
        self.wire_ended.set()
        self.wire_ended.close()


def _wake_and_join(t: QuietThread, fd: int, until: float) -> None:
    if t.is_alive():
        if fd >= 0:
            os.eventfd_write(fd, 1)
        t.finish(max(min(_EACH_S, _JOIN_S), until - time.monotonic()))
