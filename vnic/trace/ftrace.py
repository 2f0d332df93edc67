"""The head of ftrace's text, and the strings that its lines have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = """\
# tracer: nop
#
# entries-in-buffer/entries-written: {lines}/{lines}   #P:{cpus}
#
{notes}#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
"""
PROTOCOLS = {"tcp": 6, "udp": 17, "udplite": 136}


def head(lines: int, cpus: int, notes: Iterable[str]) -> bytes:
    """Return the kernel's head, with notes, of one line each, as comments."""
    said = "".join(f"# vnic: {note}\n" for note in notes)
    return _HEAD.format(lines=lines, cpus=cpus, notes=said and f"{said}#\n").encode("utf-8", "backslashreplace")


def protocol(flow: str) -> int:
    """Return the protocol of IP that a flow's text begins with; 0: none."""
    return PROTOCOLS.get(flow.partition(" ")[0], 0)
