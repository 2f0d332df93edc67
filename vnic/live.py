"""Real time: a thread for the card and one for each emulated CPU, parked in C without the interpreter's lock."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import threading
import weakref
from itertools import repeat
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.affinity import check_pin, places
from vnic.errors import NoThreadError, VnicError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vnic.host import Host

_JOIN_S = 10.0
_running: weakref.WeakSet[Threads] = weakref.WeakSet()


class Threads:
    """The threads of a live host. They have names (``nic/vnic0``, ``cpu/0``), block all signals and end with stop().

    Args:
        host: whose.
        pin: real CPUs: the first for the card's thread, the others in turn for the emulated CPUs; None: anywhere.

    Raises:
        ConfigError: a CPU we may not use.
    """

    def __init__(self, host: Host, pin: Sequence[int] | None = None) -> None:
        if pin is not None:
            check_pin(pin)
        device, *cpus = repeat(None, host.c.ncpus + 1) if pin is None else places(pin, host.c.ncpus)
        self._host = host
        self.error: BaseException | None = None
        self.wire_ended = threading.Event()
        self._nic = ffi.addressof(host.c.nic)
        self._fds: list[int] = []
        self._stop_python = threading.Event()
        self._parked = threading.Condition()
        self._paused, self._at_rest, self._ended = False, 0, False
        self._stopper: threading.Thread | None = None
        self._device = self._thread("nic/vnic0", device, self._run_device)
        self._cpus = [self._thread(f"cpu/{i}", cpu, self._run_cpu, i) for i, cpu in enumerate(cpus)]
        self._python = self._thread("python/0", None, self._run_python)

    def start(self) -> None:
        """From here on the host has to know of us: a handler may change knobs with its first packet."""
        try:
            self._open_eventfds()
            start_quietly(*self._cpus, self._python, self._device)
        except BaseException:  # no more threads or files to be had: those that run must not outlive the host
            self._end()
            raise
        _running.add(self)

    def _open_eventfds(self) -> None:
        c = self._host.c
        for _ in range(c.ncpus + 2):
            self._fds.append(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
        c.nic.kick_fd, c.upcalls.wake_fd, *cpu_fds = self._fds
        self._host.wire.c.live = 1
        for i, fd in enumerate(cpu_fds):
            c.cpu[i].wake_fd = fd
            c.cpu[i].stop = 0
        c.nic.stop = 0

    def _thread(self, name: str, cpu: int | None, target: Callable[..., None], *args: Any) -> threading.Thread:
        def run() -> None:
            try:
                set_name(name)
                if cpu is not None:
                    os.sched_setaffinity(0, {cpu})
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
            if event == lib.EV_PAUSED:
                self._park()
            else:
                self._host.handle(event)

    def _run_cpu(self, i: int) -> None:
        while lib.cpu_thread(self._host.c.cpu[i]) == lib.EV_PAUSED:
            self._park()

    def _park(self) -> None:
        with self._parked:
            self._at_rest += 1
            self._parked.notify_all()
            self._parked.wait_for(lambda: not self._paused)
            self._at_rest -= 1

    @contextlib.contextmanager
    def stopped_machine(self) -> Iterator[None]:
        """The card's thread and all CPUs' wait between two polls: who holds this may change what they use.

        Raises:
            VnicError: one of them did not come within 10 s, or the host is stopping. Then nothing was stopped.
        """
        here = threading.current_thread()  # a filter in Python runs on the card's thread: that one is not in C
        machine = [self._device, *self._cpus]
        others = [t for t in machine if t is not here]
        self._take_turn(here, in_machine=here in machine)
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

    def _take_turn(self, here: threading.Thread, *, in_machine: bool) -> None:
        """One after the other. A thread of the machine that waits for it is at rest: whoever has it waits for that."""
        with self._parked:
            self._at_rest += in_machine
            self._parked.notify_all()
            try:
                self._parked.wait_for(lambda: self._stopper is None or self._ended)
            finally:
                self._at_rest -= in_machine
            if self._ended:
                raise VnicError("the host is stopping; nothing was changed")
            self._stopper = here

    def _leave(self) -> None:
        with self._parked:
            self._stopper = None
            self._parked.notify_all()

    def _pause(self, paused: bool) -> None:  # noqa: FBT001
        with self._parked:
            self._paused = paused
            lib.machine_pause(self._host.c, paused)
            self._parked.notify_all()
        for fd in self._fds:
            os.eventfd_write(fd, 1)

    def _run_python(self) -> None:
        fd = int(self._host.c.upcalls.wake_fd)
        while not self._stop_python.is_set():
            if select.select([fd], [], [], 0.5)[0]:
                os.eventfd_read(fd)
            self._host.run_upcalls()

    def stop(self) -> None:
        """The card stops reading, then the CPUs finish what they have; all threads are joined.

        Raises:
            VnicError: a thread had died of an exception (its cause), or did not end: it is in :meth:`alive`.
        """
        self._end()
        if alive := self.alive():
            raise VnicError(f"{', '.join(alive)} did not stop within {_JOIN_S:.0f} s") from self.error
        if self.error is not None:
            raise VnicError(f"a thread died: {self.error}") from self.error

    def alive(self) -> list[str]:
        """Threads that have not ended. What they use has to stay until the process ends."""
        return [f"thread {t.name}" for t in [self._device, *self._cpus, self._python] if t.is_alive()]

    def _end(self) -> None:
        """In the order of the path; one that does not end keeps the next from nothing, nor does an exception here."""
        c = self._host.c
        parts = [(self._device, c.nic, c.nic.kick_fd)]
        parts += [(t, c.cpu[i], c.cpu[i].wake_fd) for i, t in enumerate(self._cpus)]
        try:
            for t, part, fd in parts:
                part.stop = 1
                _wake_and_join(t, fd, _JOIN_S)
        finally:
            for t, part, fd in parts:
                part.stop = 1
                _wake_and_join(t, fd, 0)
            self._stop_python.set()
            _wake_and_join(self._python, c.upcalls.wake_fd, _JOIN_S)
            _running.discard(self)
        if not self.alive():
            with self._parked:  # who changes something is done with it, and nobody begins to
                self._parked.wait_for(lambda: self._stopper is None)
                self._ended = True
            self._host.sending.close()  # from here on there are no locks in the data plane
            lib.live_stop(c)
            c.nic.kick_fd = c.upcalls.wake_fd = -1
            while self._fds:
                os.close(self._fds.pop())


def _wake_and_join(t: threading.Thread, fd: int, seconds: float) -> None:
    if t.is_alive():
        os.eventfd_write(fd, 1)
        t.join(seconds)


def start_quietly(*threads: threading.Thread) -> None:
    """Start threads that get no signals: those are for the main thread. NoThreadError: there is none to be had."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        for t in threads:  # inherit the mask
            t.start()
    except RuntimeError as e:  # of Python's, whatever the system said
        raise NoThreadError from e
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def set_name(name: str) -> None:
    """Show the name in ps and top too (at most 15 characters; Python 3.11 does not do it by itself)."""
    # a process that changed its user may not write there
    with contextlib.suppress(OSError), open("/proc/thread-self/comm", "w", encoding="utf-8") as f:  # noqa: PTH123
        f.write(name[:15])


@atexit.register
def _stop_all() -> None:
    for threads in list(_running):
        threads.stop()
