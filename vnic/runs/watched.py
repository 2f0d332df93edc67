"""Hosts that a user's tests make: they check both laws at their end, and keep what became of their frames.

It knows no test runner; vnic/pytest_plugin.py has pytest's words for it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Self

from vnic.counters.laws import BrokenLaws
from vnic.errors import VnicError
from vnic.host import Host
from vnic.runs.last_frames import LastFrames, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vnic.counters.snapshots import Ledger
    from vnic.runs.last_frames import LastFrame

_TURNS_TO_REST = (1, 10, 100, 1_000, 10_000)
"""Of its agents, between two looks at its laws: a look takes longer than a turn."""
WIDTH = 100
"""Columns of a story."""
_LAW_TEXT = {
    BrokenLaws.LEDGER: "a frame has no fate and is not in flight, or has two fates",
    BrokenLaws.POOLS: "a buffer is neither free, nor posted, nor waiting, nor in an skb",
}


class WatchedHost(Host):
    """A host that looks at its laws before it is closed. ``frames``: how many of the last frames it keeps."""

    def __init__(self, *, frames: int, **options: Any) -> None:
        super().__init__(**options)
        self.troubles: list[str] = []
        """What was wrong in the end, a sentence each."""
        self.sent = 0
        """Frames that it sent, or tried to."""
        self._was_live = self.live
        self._seen: Ledger | None = None
        self._last: LastFrames | None = None
        if frames:
            try:
                self._last = LastFrames(self, frames)
            except BaseException:
                super().close()
                raise

    def settle(self) -> Ledger:
        """Come to rest, look at the laws, and keep the ledger. A live host stops. Return: the ledger."""
        if self.closed:
            if self._seen is None:
                raise VnicError("the host was closed behind its test's back")
            return self._seen
        if self.is_running:
            try:
                self.stop()
            except VnicError as e:
                self.troubles.append(f"{self.name}: {e}")
        self._seen, self.sent = self.ledger(), sum(self.tx_ledger().fates.values())
        for law in self._broken():
            text = f"{self.name}: {law.name} is broken: {_LAW_TEXT[law]}; {self._seen}"
            if text not in self.troubles:
                self.troubles.append(text)
        return self._seen

    def _broken(self) -> BrokenLaws:
        """Check both laws. The second one holds at rest: a host that was left in the middle goes on for some turns."""
        broken = self.laws()
        for turns in _TURNS_TO_REST:
            if broken != BrokenLaws.POOLS or self._was_live:
                break
            for _ in range(turns):
                if not self.step():
                    break
            broken = self.laws()
        return broken

    def close(self) -> None:
        """As :meth:`vnic.Host.close`, behind a look at the laws."""
        trouble = self._last_look()
        super().close()  # it may refuse: then nothing was wrong yet
        self.troubles += trouble

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """As :meth:`vnic.Host.__exit__`, behind a look at the laws."""
        self.troubles += self._last_look()
        super().__exit__(kind, error, traceback)

    def _last_look(self) -> list[str]:
        """Settle. Return: why that was not possible."""
        if self.closed:
            return []
        try:
            self.settle()
        except VnicError as e:  # another thread runs it, or a handler raised: the end of the host says more
            return [f"{self.name}: the laws were not checked: {e}"]
        return []

    def story(self) -> str:
        """Return the funnel, and the last frames with their fates, as text of WIDTH columns. The host comes to rest."""
        ledger = self.settle()
        if not ledger.offered and not self.sent:
            return "no frame came, and none was sent"
        return "\n".join([*_funnel(ledger), *self._last_lines()])

    def _last_lines(self) -> list[str]:
        if self._last is None:
            return []
        try:
            frames = self._last.frames()
        except VnicError as e:
            return ["", f"the last frames are not known: {e}"]
        return ["", *_lines(frames, self.machine.began_ns)] if frames else []


class Hosts:
    """A factory of hosts, and a context manager that closes them: ``with Hosts({"cost": "zero"}) as make: make()``.

    Args:
        knobs: as vnic.Host takes them; a call may override them.
        frames: of each host, how many of the last frames are kept.
    """

    def __init__(self, knobs: Mapping[str, Any] | None = None, *, frames: int = 0) -> None:
        self.knobs, self.frames = dict(knobs or {}), frames
        self.made: list[WatchedHost] = []

    def __repr__(self) -> str:
        return f"<vnic: a factory of hosts, {len(self.made)} made>"

    def __call__(self, **knobs: Any) -> WatchedHost:
        """Make a host. ConfigError: a knob is unknown or out of range."""
        host = WatchedHost(frames=self.frames, **(self.knobs | knobs))
        self.made.append(host)
        return host

    def close(self) -> list[str]:
        """Close them all, the latest first. Return: what was wrong, a sentence each."""
        troubles = []
        for host in reversed(self.made):
            try:
                host.close()
            except VnicError as e:
                host.troubles.append(f"{host.name}: {e}")
            troubles += host.troubles
        return troubles

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """AssertionError: a law is broken, and nothing else went wrong."""
        troubles = self.close()
        if troubles and kind is None:
            raise AssertionError("\n".join(troubles))


def _funnel(ledger: Ledger) -> list[str]:
    from rich.console import Console

    from vnic.runs.report import funnel

    out = io.StringIO()
    facts = {"offered": ledger.offered, "in_flight": ledger.in_flight, "fates": ledger.fates}
    funnel(Console(file=out, width=WIDTH, color_system=None, legacy_windows=False), {"ledger": facts})
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    if waiting := ", ".join(f"{n:,} in {place}" for place, n in ledger.in_flight_at.items() if n):
        lines.append(f"in flight: {waiting}")
    return lines


def _lines(frames: list[LastFrame], began_ns: int) -> list[str]:
    from vnic.errors import one_line
    from vnic.look.units import duration

    rows = [
        (
            duration(f.t_ns - began_ns),
            "" if f.id is None else str(f.id),
            f"{f.length:,}",
            f.fate or "merged, or none yet",
            one_line(summary(f.data)),
        )
        for f in frames
    ]
    head = ("time", "frame", "bytes", "fate", "packet")
    wide = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head) - 1)]
    text = [
        f"{t:>{wide[0]}}  {i:>{wide[1]}}  {n:>{wide[2]}}  {fate:{wide[3]}}  {packet}"
        for t, i, n, fate, packet in (head, *rows)
    ]
    title = f"the last {len(frames)} frames" if len(frames) > 1 else "the last frame"
    return [title, *(line[:WIDTH].rstrip() for line in text)]
