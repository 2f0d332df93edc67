"""Real time: a thread for the card and one for each emulated CPU, parked in C without the interpreter's lock."""

from __future__ import annotations

import atexit
import os
import select
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import VnicError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.host import Host

_JOIN_S = 10.0
_running: weakref.WeakSet[Threads] = weakref.WeakSet()


class Threads:
    """The threads of a live host. They have names (``nic/vnic0``, ``cpu/0``), block all signals and end with stop()."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.error: BaseException | None = None
        self.wire_ended = threading.Event()
        self._nic = ffi.addressof(host.c.nic)
        self._fds = [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(host.c.ncpus + 2)]
        host.c.nic.kick_fd, host.c.upcalls.wake_fd, *cpu_fds = self._fds
        host.wire.c.live = 1
        for i, fd in enumerate(cpu_fds):
            host.c.cpu[i].wake_fd = fd
            host.c.cpu[i].stop = 0
        host.c.nic.stop = 0
        self._stop_python = threading.Event()
        self._device = self._thread("nic/vnic0", self._run_device)
        self._cpus = [self._thread(f"cpu/{i}", self._run_cpu, i) for i in range(host.c.ncpus)]
        self._python = self._thread("python/0", self._run_python)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            for t in [*self._cpus, self._python, self._device]:  # inherit the mask
                t.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        _running.add(self)

    def _thread(self, name: str, target: Callable[..., None], *args: Any) -> threading.Thread:
        def run() -> None:
            _set_name(name)
            try:
                target(*args)
            except BaseException as e:  # noqa: BLE001 - a thread has nobody else to tell
                self.error = self.error or e
                self.wire_ended.set()

        return threading.Thread(target=run, name=name, daemon=True)

    def _run_device(self) -> None:
        while True:
            event = lib.nic_thread(self._nic)
            if event in (lib.EV_STOPPED, lib.EV_DONE) or event < 0:
                self.wire_ended.set()
                return
            self._host.handle(event)

    def _run_cpu(self, i: int) -> None:
        lib.cpu_thread(self._host.c.cpu[i])

    def _run_python(self) -> None:
        fd = int(self._host.c.upcalls.wake_fd)
        while not self._stop_python.is_set():
            if select.select([fd], [], [], 0.5)[0]:
                os.eventfd_read(fd)
            self._host.run_upcalls()

    def stop(self) -> None:
        """The card stops reading, then the CPUs finish what they have; all threads are joined.

        Raises:
            VnicError: a thread had died of an exception (its cause), or did not end.
        """
        c = self._host.c
        c.nic.stop = 1
        os.eventfd_write(int(c.nic.kick_fd), 1)
        self._join(self._device)
        for i, t in enumerate(self._cpus):
            c.cpu[i].stop = 1
            os.eventfd_write(int(c.cpu[i].wake_fd), 1)
            self._join(t)
        self._stop_python.set()
        os.eventfd_write(int(c.upcalls.wake_fd), 1)
        self._join(self._python)
        _running.discard(self)
        lib.live_stop(c)
        c.nic.kick_fd = c.upcalls.wake_fd = -1
        for fd in self._fds:
            os.close(fd)
        if self.error is not None:
            raise VnicError(f"a thread died: {self.error}") from self.error

    def _join(self, t: threading.Thread) -> None:
        t.join(_JOIN_S)
        if t.is_alive():
            raise VnicError(f"thread {t.name} did not stop within {_JOIN_S:.0f} s")


def _set_name(name: str) -> None:
    """Show the name in ps and top too (at most 15 characters; Python 3.11 does not do it by itself)."""
    with open(f"/proc/self/task/{threading.get_native_id()}/comm", "w", encoding="ascii") as f:  # noqa: PTH123
        f.write(name[:15])


@atexit.register
def _stop_all() -> None:
    for threads in list(_running):
        threads.stop()
