"""Runs of one input with other knobs: each combination once, and no more than allowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError
from vnic.why.answer import Try
from vnic.why.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.why.causes import Settings

    Run = Callable[[Settings], dict[str, Any]]


def total(facts: dict[str, Any]) -> int:
    """Return the frames lost by limits."""
    return sum(Facts(facts).lost().values())


@dataclass
class Trials:
    """``run`` is called at most ``left`` times, ``hidden`` settings are not listed in ``tried``."""

    run: Run
    left: int
    hidden: tuple[Settings, ...] = ()
    seen: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    units: list[frozenset[str]] = field(default_factory=list)
    """Knobs that were changed together."""
    tried: list[Try] = field(default_factory=list)

    def __call__(self, settings: Settings) -> dict[str, Any] | None:
        """Return the facts of a run; None: the combination is refused, or no runs are left."""
        key = repr(sorted(settings.items()))
        if key not in self.seen:
            if self.left <= 0:
                return None
            self.left -= 1
            try:
                found = self.run(settings)
            except (ConfigError, MemoryError):
                found = None
            self.seen[key] = found
            if found is not None and settings not in self.hidden:
                self.tried.append(Try(settings, total(found)))
        return self.seen[key]

    def lost(self, settings: Settings) -> int | None:
        """Return the frames lost by limits with these knobs; None: there is no such run."""
        found = self(settings)
        return None if found is None else total(found)
