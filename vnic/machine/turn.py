"""The calls that use a machine at the moment. This file takes no locks, so an exception leaves no lock taken.

*A turn* is the call that runs the machine in virtual time. It lasts while that call is on its thread's stack: the claim
is the call's frame, and a frame that no longer executes claims nothing. Handlers may use the host freely, because the
turn is below them on their own stack.

*Alone* is the thread that ends or frees the machine. From then on :attr:`Machine.c`, through which every call reaches
the data plane, waits (or raises VnicError while the machine closes). Calls that passed it earlier are on other threads'
stacks; the ending thread finds them there and waits for them, as RCU waits for its readers. So a call pays nothing.

A frame's locals say that it is such a call: its ``self`` is the machine, or an object that holds it as ``_machine``; a
function has it, or the host, as ``machine`` or ``host``. A count of the calls was refused: each call would pay for it,
and a signal handler that raises between the count and its ``try`` would leave it wrong for ever.
"""

from __future__ import annotations

import _thread
import contextlib
import selectors
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vnic.errors import VnicError
from vnic.machine.uninterrupted import Happened, Job, QuietThread, in_main, stack_tops, uninterrupted, wait_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType

T = TypeVar("T")
WAIT_S = 10.0
"""Wait for other calls, which take microseconds."""
_PAUSE_S = 50e-6
_HERE = f"{Path(__file__).parents[1]}/"  # all of vnic/


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _executed(frame: FrameType) -> bool:
    return frame in _stack(sys._getframe()) or any(frame in _stack(top) for top in stack_tops().values())  # noqa: SLF001


class Turn:
    """The turn of one machine."""

    def __init__(self, machine: object) -> None:
        self._machine = machine
        self._claims: list[FrameType] = []
        self.unfinished: list[Job[Any]] = []
        """Jobs with a caller that a signal handler may have interrupted."""
        self.alone = 0
        """The thread that is alone with the machine; 0: none."""
        self.closing = False
        self.hold_sends = 0
        """The thread that holds back all other threads' sends; 0: none."""

    # ---- virtual time: one call at a time runs it ----

    def take(self, frame: FrameType, *, within: int = 0, refusal: str = "") -> None:
        """Claim the machine for this call. VnicError: another call runs it, not on thread ``within``."""
        self._claims.append(frame)  # the first claim that still executes holds
        until = time.monotonic() + WAIT_S
        while (holder := self._holder(frame)) is not None:
            if within and holder in _stack(stack_tops().get(within)):
                return
            if holder.f_code.co_name not in _BRIEF or holder in _stack(frame) or time.monotonic() > until:
                break
            self.look()
            time.sleep(_PAUSE_S)
        else:
            return
        self.leave(frame)
        raise VnicError(refusal or "the host is running already: in another thread, or this is one of its handlers")

    def leave(self, frame: FrameType) -> None:
        """Remove a claim. If an exception skips this, the next caller finds that the frame no longer executes."""
        with contextlib.suppress(ValueError):
            self._claims.remove(frame)

    def _holder(self, before: FrameType | None = None) -> FrameType | None:
        for frame in tuple(self._claims):
            if frame is before:
                break
            if _executed(frame):
                return frame
            self.leave(frame)
        return None

    def refuse_others(self) -> None:
        """Raise VnicError if another thread runs the machine. Its own handlers pass. Wait for a brief holder."""
        until = 0.0
        while self._claims and (holder := self._holder()) is not None and not self._below(holder):
            until = until or time.monotonic() + WAIT_S
            if holder.f_code.co_name not in _BRIEF or time.monotonic() > until:
                raise VnicError("the host is running in another thread: only one thread at a time can use it")
            self.look()
            time.sleep(_PAUSE_S)

    def runs_here(self) -> bool:
        """Is the call that runs the machine below this one, on this thread's stack?"""
        return bool(self._claims) and (holder := self._holder()) is not None and self._below(holder)

    def _below(self, frame: FrameType) -> bool:
        """Is the frame below this call: on this thread's stack, or, in a job, on the waiting main thread's?"""
        if frame in _stack(sys._getframe()):  # noqa: SLF001
            return True
        main = threading.main_thread().ident
        return any(job.mine() for job in self.unfinished) and frame in _stack(stack_tops().get(main or 0))

    # ---- uninterrupted work ----

    def do(self, work: Callable[[], T]) -> T:
        """As :func:`uninterrupted`. If a signal interrupts it, the main thread's next call waits for the work."""
        if not in_main():
            return work()
        self.settle()
        job = Job(work)
        self.unfinished.append(job)
        job.start()
        job.wait()
        self._forget(job)
        try:
            return job.result()
        finally:
            del job

    def _forget(self, job: Job[Any]) -> None:
        with contextlib.suppress(ValueError):
            self.unfinished.remove(job)

    def settle(self) -> None:
        """Wait on the main thread for its interrupted jobs, so that all work happens in order."""
        for job in tuple(self.unfinished):
            if not job.cancel():
                job.wait()
            self._forget(job)

    # ---- alone ----

    def look(self) -> None:
        """Wait for the thread that is alone with the machine. Every use of it calls this. VnicError: it is closed."""
        me = _thread.get_ident()
        if self.unfinished and in_main() and not any(job.mine() for job in self.unfinished):
            self.settle()
        until = time.monotonic() + WAIT_S
        while self.alone and self.alone != me:
            if self.closing:
                raise VnicError("the host is closed")
            if time.monotonic() > until:
                raise VnicError(f"the host is stopping, and has not come to its end within {WAIT_S:.0f} s")
            time.sleep(_PAUSE_S)

    def shut(self, caller: int, *, closing: bool) -> None:
        """Make this thread alone with the machine, until :meth:`open`.

        Raises:
            VnicError: another thread stays in a call of the machine; or, on closing, the caller itself is in one.
        """
        until = time.monotonic() + WAIT_S
        self.closing = closing
        self.alone = _thread.get_ident()
        while (who := self._inside(caller if closing else 0)) is not None:
            if time.monotonic() > until or who == caller:
                self.open()
                raise VnicError(f"a call of the host is not over: it is in {self._call(who)}")
            time.sleep(_PAUSE_S)

    def open(self) -> None:
        """Let all threads use the machine again."""
        self.alone = 0
        self.closing = False

    def held_from_here(self) -> bool:
        """Does another thread hold back this thread's sends?"""
        return self.hold_sends not in (0, _thread.get_ident())

    @contextlib.contextmanager
    def without_sends(self) -> Iterator[None]:
        """Hold back all sends inside the block, and wait for those that run. For a thread without signal handlers."""
        self.hold_sends = _thread.get_ident()
        try:
            while any(
                frame.f_code in _SENDING and self._uses(frame) for top in stack_tops().values() for frame in _stack(top)
            ):
                time.sleep(_PAUSE_S)
            yield
        finally:
            self.hold_sends = 0

    def refuse_within(self, thing: object) -> None:
        """Raise VnicError if a method of this part is below this call, because the method still needs the part."""
        for frame in _stack(sys._getframe()):  # noqa: SLF001
            if self._goes_on(frame, thing):
                raise VnicError(f"a call of it is not over: it is in {frame.f_code.co_qualname}() below this one")

    def others_out_of(self, thing: object) -> None:
        """Wait until no other thread is in a method of this part of the machine. The part is marked as closed already.

        VnicError: a thread stays in one. Then the machine keeps the part's memory until it closes.
        """
        me, until = _thread.get_ident(), time.monotonic() + WAIT_S
        while any(
            self._goes_on(frame, thing)
            for ident, top in stack_tops().items()
            if ident != me and top.f_code not in _WAITS
            for frame in _stack(top)
        ):
            if time.monotonic() > until:
                raise VnicError(f"a call of it has not come to its end within {WAIT_S:.0f} s")
            time.sleep(_PAUSE_S)

    @staticmethod
    def _goes_on(frame: FrameType, thing: object) -> bool:
        code = frame.f_code
        return (
            code.co_filename.startswith(_HERE) and code.co_name not in _ENDING and frame.f_locals.get("self") is thing
        )

    def _inside(self, caller: int) -> int | None:
        """Return a thread whose call of the machine may be in the data plane. The caller counts below its request."""
        me = _thread.get_ident()
        for ident, top in stack_tops().items():
            if ident == me or (top.f_code in _WAITS and ident != caller):
                continue
            own = ident == caller  # there a local "host" is the function that made and closes the host
            names = ("self",) if own else _NAMES
            if any(self._uses(f, names) for f in _stack(top) if not own or _not_ending(f)):
                return ident
        return None

    def _uses(self, frame: FrameType, names: tuple[str, ...] = ("self",)) -> bool:
        if not frame.f_code.co_filename.startswith(_HERE):
            return False
        local = frame.f_locals
        return any(self._leads_here(local.get(name)) for name in names)

    def _leads_here(self, thing: object) -> bool:
        """Is this the machine, or does it hold the machine, or a host that does?"""
        held = getattr(thing, "__dict__", {})
        return thing is self._machine or any(self._leads_here(held[n]) for n in ("_machine", "_host") if n in held)

    def _call(self, ident: int) -> str:
        top = stack_tops().get(ident)
        uses = [f.f_code.co_qualname for f in _stack(top) if self._uses(f, _NAMES) and _not_ending(f)]
        return f"{uses[-1] if uses else 'it'}() in another thread, or below this one"


_NAMES = ("self", "host", "machine")
"""Locals of vnic's functions that are a machine, or lead to one."""
_BRIEF = frozenset(("_give_back", "_come_to_rest", "_while_stopped", "_start"))
"""Calls that hold the machine only briefly: other calls wait for them."""
_ENDING = frozenset(
    (
        "close",
        "stop",
        "__exit__",
        "__del__",
        "_ending",
        "_give_back",
        "do",
        "settle",
        "uninterrupted",
        "wait",
        "at_exit",
    )
)


def _not_ending(frame: FrameType) -> bool:
    return frame.f_code.co_name not in _ENDING


_SENDING: set[CodeType] = set()
_WAITS = {
    f.__code__
    for f in (
        *(Job.wait, QuietThread.finish, Happened.wait, wait_readable, Turn.look, uninterrupted),
        selectors.DefaultSelector.select,
    )
}
"""Calls in which a thread may wait for long. They hold no pointer into the data plane, and take ``c`` anew after."""


def sends(method: Callable[..., T]) -> Callable[..., T]:
    """Decorator: mark a method with a single call into C, which sends."""
    _SENDING.add(method.__code__)
    return method
