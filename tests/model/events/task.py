"""A thread of one CPU."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.events.cpu import Cpu

Run = Generator[None, None, Any]


class Task:
    """``body`` runs the task until it sleeps (True) or yields (False)."""

    def __init__(self, cpu: "Cpu", name: str, body: Callable[[], Run]) -> None:
        self.cpu, self.name, self.body = cpu, name, body
        self.asleep = True  # and no wake-up is being paid for
        self.wakeups = self.runs = 0
