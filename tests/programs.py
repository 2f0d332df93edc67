"""The C programs of tests/c for the scripts that measure: built as the extension is, run on one core."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = max(os.sched_getaffinity(0))
"""The last core: the first ones get more interrupts."""


def build(program: str = "bench_path") -> Path:
    """Build a program with the flags of the extension; return where it is."""
    command = [ROOT / "scripts/build-tests", "bench", program, "-DCMAKE_BUILD_TYPE=Release"]
    return Path(subprocess.check_output(command, text=True).strip(), program)


def pinned() -> list[str]:
    """Prefix that keeps a program on CORE."""
    return ["taskset", "-c", str(CORE)] if shutil.which("taskset") else []
