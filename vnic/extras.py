"""What the base install leaves out: the extras of pyproject.toml, and the one sentence for each that is missing."""

from __future__ import annotations

import importlib
from typing import Any

from vnic.errors import VnicError

EXTRAS = {
    "lz4": ("lz4.frame",),
    "report": ("jinja2",),
    "tables": ("pyarrow", "pyarrow.parquet"),
    "cluster": ("distributed",),
}
"""Extra, as in ``pip install 'vnic[lz4]'`` -> the modules that it brings."""


class MissingExtraError(VnicError, ImportError):
    """A package that only some uses of vnic need is not installed; the text has the line that installs it."""


def pip_line(package: str) -> str:
    """Return the command that installs a package, or vnic with an extra (``vnic[lz4]``)."""
    return f"pip install '{package}'"


def load(module: str, purpose: str) -> Any:
    """Import a module of an extra.

    Args:
        module: one of EXTRAS.
        purpose: begins the sentence, as "lz4-compressed captures".

    Raises:
        MissingExtraError: it is not installed.
    """
    extra = next(extra for extra, modules in EXTRAS.items() if module in modules)
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(f"{purpose}: {pip_line(f'vnic[{extra}]')}") from None
