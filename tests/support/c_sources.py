"""The C of the data plane: which file is where. A file's name is in one room only, so tests know it by name."""

import re

from paths import ROOT

CSRC = ROOT / "csrc"
PATHS = {path.name: path for path in sorted(CSRC.glob("*/*.c"), key=lambda p: p.name)}
"""name -> path"""
HEADERS = [CSRC / part for part in re.findall(r'^#include "(.*)"', (CSRC / "vnic.h").read_text(), re.MULTILINE)]
"""Of the rooms, in the order in which a frame comes to them. Together they are what cffi reads."""


def texts() -> dict[str, str]:
    """What is in each of them, by name."""
    return {name: path.read_text() for name, path in PATHS.items()}
