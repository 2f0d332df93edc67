"""Sentences on a terminal: broken between words, with the lines after the first indented."""

from __future__ import annotations

import textwrap


def hanging(head: str, sentence: str, width: int | None) -> str:
    """Return ``head`` and the sentence; its further lines begin below its first word. No word is broken."""
    if width is None or len(head) + len(sentence) <= width:
        return f"{head}{sentence}"
    room = max(width - len(head), 16)
    parts = textwrap.wrap(sentence, room, break_long_words=False, break_on_hyphens=False) or [""]
    return f"\n{'':{len(head)}}".join([f"{head}{parts[0]}", *parts[1:]])
