"""The end of a machine: stop() always returns, close() frees, and the garbage collector closes a forgotten one.

A job (uninterrupted.py) does the work, so Ctrl-C ends only the waiting: the next stop() or close() waits for the same
job. vnic's own threads end in milliseconds. The caller's Python may not: a handler, a filter, a wire. Then stop() names
the running call after 10 s (each later thread gets one more second), or after 20 s while the machine drains. The
caller can call stop() again.
"""

from __future__ import annotations

import _thread
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.counters import shown_as
from vnic.counters.snapshots import ledger
from vnic.errors import VnicError, one_line
from vnic.machine import threads as threads_
from vnic.machine.lifetime import Living
from vnic.machine.turn import Turn
from vnic.machine.uninterrupted import Job, in_main

if TYPE_CHECKING:
    from vnic.capture import Capture
    from vnic.events.log import EventLog
    from vnic.handlers import Seam
    from vnic.host_socket import HostSocket
    from vnic.wire import Wire


_SHOWN = 3


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


class Ending(Living):
    """The part of a machine that ends it. Its texts call it the host, which is the caller's word for it."""

    _noun = "host"
    name: str
    config: dict[str, Any]
    wire: Wire
    bound: dict[HostSocket, None]
    captures: list[Capture]
    event_log: EventLog | None
    vhost: Any
    turn: Turn
    threads: threads_.Threads | None
    seam: Seam
    live: bool

    def _finish(self) -> None:
        raise NotImplementedError

    def __repr__(self) -> str:
        state = "closed" if self.closed else "running" if self.threads else "live" if self.live else "virtual time"
        told = "" if self.closed else self._told()
        return one_line(f"<vnic.Host {self.name} ({state}){told}>")

    def _told(self) -> str:
        """Return what the host has, and what became of its frames. A machine that is being ended tells nothing."""
        if self.turn.alone or self.turn.unfinished or "ip" not in self.config:
            return ""
        try:
            at = self.c
        except VnicError:
            return ""
        ip, own = self.config["ip"], [*self.bound, *self.captures]
        has = f", with {', '.join(map(repr, own[:_SHOWN]))}" if own else ""
        has += f" and {len(own) - _SHOWN} more" if len(own) > _SHOWN else ""
        addresses = [ip] if isinstance(ip, str) else list(ip)
        parts = [f"ip {', '.join(addresses[:_SHOWN])}" + " ..." * (len(addresses) > _SHOWN)]
        parts += [_count(int(at.nic.nqueues), "queue"), _count(int(at.ncpus), "CPU")]
        seen = ledger(at)
        return f"{has}: {', '.join(parts)}; {shown_as.ledger_line(seen.offered, seen.in_flight, seen.fates)}"

    def stop(self) -> None:
        """As :meth:`vnic.Host.stop`."""
        if in_main():
            self.turn.settle()
        if self.threads is not None or self._ends:
            self._refuse_own("stop")
            self._ending(run_out=True)

    @property
    def _ends(self) -> bool:
        return "_end_job" in self.__dict__

    def _refuse_own(self, what: str) -> None:
        job: Job[None] | None = self.__dict__.get("_end_job")
        if (self.threads is not None and self.threads.mine()) or (job and job.mine()):
            raise VnicError(
                f"{what}() waits for the thread that this handler or wire runs on: call it on another thread"
            )

    def _ending(self, *, run_out: bool) -> None:
        job: Job[None] = self.__dict__.setdefault("_end_job", Job(partial(self._wind_down, run_out=run_out)))
        job.start()
        most_s = 2 * threads_._JOIN_S  # noqa: SLF001
        if not job.wait(most_s):
            raise VnicError(
                f"the host has not run out within {most_s:.0f} s: {job.where()}; stop() can be called again"
            )
        job.result()

    def _wind_down(self, *, run_out: bool) -> None:
        """Stop the machine, or change nothing and leave the threads running. The job runs this."""
        try:
            threads = self.threads
            if threads is None:
                return
            self.wire._host_stops()  # noqa: SLF001 - the machine owns it
            threads.stop()
            self.turn.shut(0, closing=False)
            try:
                why = self._come_to_rest(threads, run_out=run_out)
            finally:
                self.turn.open()
            if why is not None:
                raise VnicError(why[0]) from why[1]
        finally:
            self.__dict__.pop("_end_job", None)

    def _come_to_rest(self, threads: threads_.Threads, *, run_out: bool) -> tuple[str, BaseException] | None:
        self.wire._stop_reading()  # noqa: SLF001 - the machine owns it
        threads.come_to_rest()
        self.threads = None
        why: tuple[str, BaseException] | None = None
        self.turn.take(sys._getframe())  # noqa: SLF001 - a handler called from here may not run the machine
        try:
            if threads.error is not None:
                why = f"a thread died: {threads.error}", threads.error
                self.seam.give_up()  # a handler that raised would raise again
            if run_out:
                try:
                    self._finish()
                except Exception as e:  # noqa: BLE001 - from a handler or the wire: drain the rest without them
                    why = why or (f"while the host ran out: {type(e).__name__}: {e}", e)
                    self.seam.give_up()
                    self.wire._give_up()  # noqa: SLF001 - the machine owns it
                    self._finish()
        finally:
            self.live = False
            self.turn.leave(sys._getframe())  # noqa: SLF001
        return why

    def close(self) -> None:
        """As :meth:`vnic.Host.close`."""
        if self._at is None:
            return
        if in_main():
            self.turn.settle()
        self._refuse_own("close")
        trouble: VnicError | None = None
        try:
            if self.threads is not None or self._ends:
                self._ending(run_out=False)
        except VnicError as e:
            if self.threads is not None or self._ends:
                raise
            trouble = e
        caller = _thread.get_ident()
        self.turn.do(lambda: self._give_back(caller))
        if trouble is not None:
            try:
                raise trouble
            finally:
                del trouble

    def _give_back(self, caller: int = 0) -> None:
        if self._at is None:
            return
        refusal = "the host is running: close it when run() has returned"
        self.turn.take(sys._getframe(), refusal=refusal)  # noqa: SLF001 - documented, but for its name
        try:
            for sock in list(self.bound):
                sock.wake_up()
            self.turn.shut(caller, closing=True)
            self._free()
        finally:
            self.turn.leave(sys._getframe())  # noqa: SLF001

    def _free(self) -> None:
        errors: list[Any] = []
        parts: tuple[Any, ...] = (
            *reversed(list(self.bound)),
            *self.captures,
            *([self.event_log] if self.event_log else ()),
        )
        for part in parts:
            try:
                part._give_back()  # noqa: SLF001 - the machine owns it
            except VnicError as e:
                errors.append(e)
        self._close_call_fds()
        if self.vhost is not None:
            lib.vhost_free(self.vhost)
        lib.host_free(self._at)
        self._end()
        self.turn.open()
        self.seam.forget()
        self.wire._host_is_gone()  # noqa: SLF001 - the machine owns it
        if errors:
            raise errors[0]

    def _close_call_fds(self) -> None:
        """Close the eventfds that are interrupts of a driver in another process."""
        for i in range(lib.NIC_QUEUES_MAX):
            irq = self.c.nic.queue[i].irq
            if irq.call_fd >= 0:
                os.close(irq.call_fd)
                irq.call_fd = -1

    def _in_child(self) -> None:
        """Forget the threads and their job: they belong to the parent."""
        self.threads = None
        self.__dict__.pop("_end_job", None)
        self.turn = Turn(self)

    def _forgotten(self) -> None:
        try:
            self._wind_down(run_out=False)  # threads that ended by themselves no longer keep the machine
        finally:
            if self.threads is None:
                self._give_back()
                lib.memory_give_back()  # there may have been many forgotten machines
