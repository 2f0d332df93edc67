"""What became of a script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a script failed. ``expected``, ``actual``: two lines in packetdrill's notation, or empty."""

    line: int
    problem: str
    expected: str = ""
    actual: str = ""

    def __str__(self) -> str:
        lines = [f"line {self.line}: {self.problem}"]
        lines += [f"  script: {self.expected}"] if self.expected else []
        lines += [f"  actual: {self.actual}"] if self.actual else []
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Result:
    """The verdict on a script.

    ``trace``: a line for each event and packet, with its time in seconds: the same at each run.
    ``unread``: packets that the host sent and no line of the script expects; packetdrill ignores them too.
    """

    path: str
    failure: Failure | None = None
    trace: tuple[str, ...] = ()
    unread: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Did all that the script says happen?"""
        return self.failure is None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        failure = self.failure
        return {
            "script": self.path,
            "passed": self.passed,
            "failure": None
            if failure is None
            else {
                "line": failure.line,
                "problem": failure.problem,
                "expected": failure.expected,
                "actual": failure.actual,
            },
            "unread": list(self.unread),
            "trace": list(self.trace),
        }
