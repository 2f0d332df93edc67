"""A stage at each key, on a terminal. The terminal is as it was at the end, also after Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from vnic.errors import ConfigError
from vnic.look.lines import hanging
from vnic.look.units import duration
from vnic.walk.shown import at_text, ending, explained, heading, sentence, stage_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from vnic.walk.story import Story

_QUIT = frozenset("qQ\x04")


def check() -> None:
    """Raise ConfigError unless a key can be waited for."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("--step waits for keys, so it needs a terminal: leave it out in a pipe")


@contextlib.contextmanager
def keys() -> Iterator[None]:
    """Let each key come at once, without a line end. Ctrl-C stays a signal."""
    import termios
    import tty

    fd = sys.stdin.fileno()
    was = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, was)


def _key() -> str:
    key = os.read(sys.stdin.fileno(), 32).decode(errors="replace")
    return key or "q"  # the terminal is gone


def step(out: Console, story: Story, *, explain: bool) -> bool:
    """Print a stage at each key. Return: False if q ended it."""
    heading(out, story)
    stages = stage_rows(story)
    wire = story.stages[0].begin_ns
    with keys():
        for nth, stage in enumerate(stages, 1):
            head = f"{nth:2}/{len(stages)}  {stage.name:10} "
            when = f"+{duration(stage.begin_ns - wire)} ({at_text(stage.begin_ns)}), took {duration(stage.took_ns)}, "
            text = f"{when}{stage.where}: {sentence(stage, story)} [{stage.file}]"
            out.print(hanging(head, text, out.width), soft_wrap=True, markup=False)
            for more in explained(stage, story) if explain else ():
                out.print(hanging("      | ", more, out.width), soft_wrap=True, markup=False)
            if nth < len(stages):
                out.print("-- any key: the next stage, q: leave --", style="dim", end="")
                quits = _key() in _QUIT
                out.file.write("\r\x1b[K")
                out.file.flush()
                if quits:
                    return False
    for line in ending(story, out.width):
        out.print(line, soft_wrap=True, markup=False)
    return True
