"""The command line's exit codes, and what vnic refuses as one sentence on stderr."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from vnic.errors import CaptureError, ConfigError, TapError, VnicError

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_PRIVILEGE = 0, 1, 2, 3


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What vnic refuses, as one sentence and an exit code."""
    try:
        yield
    except (CaptureError, ConfigError) as e:
        fail(EXIT_USAGE, str(e))
    except TapError as e:
        fail(EXIT_PRIVILEGE, str(e))
    except (VnicError, OSError, MemoryError) as e:
        fail(EXIT_FAILED, str(e))


def fail(code: int, message: str) -> None:
    """Say it and end."""
    click.echo(f"vnic: {message}", err=True)
    sys.exit(code)
