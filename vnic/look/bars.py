"""Bars of block characters. Where a terminal has none, vnic/cli/unencodable.py has stand-ins."""

from __future__ import annotations

WIDTH = 32


def bar(part: int, whole: int, width: int = WIDTH) -> str:
    """Draw a bar. It looks full only if the part is the whole, and empty only if the part is 0."""
    eighths = round(part / whole * width * 8) if whole else 0
    if part:
        eighths = min(max(eighths, 1), width * 8 - (part < whole))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
