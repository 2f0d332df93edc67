"""Sentences on a terminal: broken between words, never between a number and its unit. Further lines are indented."""

from __future__ import annotations

import re
import textwrap

_UNIT, _KEPT = re.compile(r"(?<=[0-9]) (?=(?:[kMGTPE]|[kMG]?B|[num]?s|min|h|%)(?:[\s,;:.)/]|$))"), "\0"


def hanging(head: str, sentence: str, width: int | None) -> str:
    """Return ``head`` and the sentence; its further lines begin below its first word. No word is broken."""
    if width is None or len(head) + len(sentence) <= width:
        return f"{head}{sentence}"
    room = max(width - len(head), 16)
    together = _UNIT.sub(_KEPT, sentence)
    parts = textwrap.wrap(together, room, break_long_words=False, break_on_hyphens=False) or [""]
    parts = [part.replace(_KEPT, " ") for part in parts]
    return f"\n{'':{len(head)}}".join([f"{head}{parts[0]}", *parts[1:]])
