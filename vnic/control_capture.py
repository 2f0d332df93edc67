"""``vnic capture`` on the instance's side: a capture that lasts as long as who asked for it."""

from __future__ import annotations

import argparse
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from vnic.capture import POINTS, Capture
from vnic.errors import ConfigError, VnicError
from vnic.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.host import Host

CAPTURES_MAX = 4  # at once: each has 24 MB to keep packets in
_running = threading.BoundedSemaphore(CAPTURES_MAX)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="capture", add_help=False)
    parser.add_argument("--at", action="append", choices=POINTS)
    parser.add_argument("-f", "--filter")
    return parser.parse_args(argv)


class Running:
    """Begun with what ``vnic capture`` was given: ``--at POINT``, ``-f FILTER``.

    Raises:
        ConfigError: an argument, or the filter.
        VnicError: there are too many captures, or the host does not run.
    """

    def __init__(self, host: Host, fd: int, argv: Sequence[str]) -> None:
        given = _parse(argv)
        if not host.running:
            raise VnicError("the instance does not run any more: nothing would come")
        if not _running.acquire(blocking=False):
            raise VnicError(f"there are {CAPTURES_MAX} captures already")
        try:
            base = time.time_ns() - time.monotonic_ns()
            self._capture = Capture(
                host, fd, at=given.at or ("gro",), filter=given.filter, base_ns=base, name=host.name
            )
        except BaseException:
            _running.release()
            raise

    def stop(self) -> Reply:
        """Write the rest. The reply's data: packets, drops, late, error."""
        facts = self._capture.finish()
        _running.release()
        return Reply(data=facts)
