"""Runs of one input with other knobs: each combination once, and no more than allowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError
from vnic.why.answer import Try
from vnic.why.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.why.causes import Settings

    Run = Callable[[Settings], dict[str, Any]]
    Several = Callable[[Sequence[Settings]], list[dict[str, Any] | None]]


def total(facts: dict[str, Any]) -> int:
    """Return the frames lost by limits."""
    return sum(Facts(facts).lost().values())


def _key(settings: Settings) -> str:
    return repr(sorted(settings.items()))


@dataclass
class Trials:
    """``run`` is called at most ``left`` times, ``hidden`` settings are not listed in ``tried``.

    ``together`` runs several at a time; None: they run one after the other.
    """

    run: Run
    left: int
    hidden: tuple[Settings, ...] = ()
    seen: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    units: list[frozenset[str]] = field(default_factory=list)
    """Knobs that were changed together."""
    tried: list[Try] = field(default_factory=list)
    together: Several | None = None

    def __call__(self, settings: Settings) -> dict[str, Any] | None:
        """Return the facts of a run; None: the combination is refused, or no runs are left."""
        key = _key(settings)
        if key not in self.seen:
            if self.left <= 0:
                return None
            self.left -= 1
            try:
                found = self.run(settings)
            except (ConfigError, MemoryError):
                found = None
            self._note(settings, found)
        return self.seen[key]

    def several(self, wanted: Sequence[Settings]) -> None:
        """Run these, side by side if possible. Without runs left, the last ones stay unknown."""
        new = list({_key(s): s for s in wanted if _key(s) not in self.seen}.values())[: max(0, self.left)]
        if self.together is None or len(new) < 2:
            for settings in new:
                self(settings)
            return
        self.left -= len(new)
        for settings, found in zip(new, self.together(new), strict=True):
            self._note(settings, found)

    def _note(self, settings: Settings, found: dict[str, Any] | None) -> None:
        self.seen[_key(settings)] = found
        if found is not None and settings not in self.hidden:
            self.tried.append(Try(settings, total(found)))

    def lost(self, settings: Settings) -> int | None:
        """Return the frames lost by limits with these knobs; None: there is no such run."""
        found = self(settings)
        return None if found is None else total(found)
