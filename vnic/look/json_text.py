"""JSON for people and programs: indented, and a list of numbers stays on one line."""

from __future__ import annotations

import json
import re
from typing import Any

# A text of JSON has no line break, so a bracket in front of one always begins a list.
_NUMBERS = re.compile(r"\[\n\s+([-+.eE0-9,\s]+?)\n\s*\]")


def text(value: Any) -> str:
    """Return the value as JSON, without a line break at its end."""
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", json.dumps(value, indent=2))
