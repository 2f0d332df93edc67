"""What a command answers: the text of the tool it stands for, its exit code, and the same as data for --json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """``out`` and ``err`` are printed as they are, byte for byte; ``data`` is what ``--json`` prints."""

    out: str = ""
    err: str = ""
    code: int = 0
    data: Any = None
