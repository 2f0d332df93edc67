"""The page of ``--html``: its file, made before the work and named at the end; of a replay, the answer of why too."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from vnic import extras
from vnic.cli.progress import Progress
from vnic.cli.why import Told, counted
from vnic.errors import ConfigError
from vnic.own_paths import instead_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from vnic.capture_files import Inputs
    from vnic.capture_input import CaptureInput
    from vnic.capture_select import Selection
    from vnic.why.causes import Settings

_NO_RUN = "--why-runs 0 allows no replay"


class PageFile:
    """The file of a page, a context manager. It gets its name when it is written; after an error the old file stays.

    Args:
        path: its name; "-": standard output.
        inputs: the captures; it replaces none of them.

    Raises:
        MissingExtraError: jinja2 is not installed.
        ConfigError: the page would replace an input.
    """

    def __init__(self, path: str, inputs: Iterable[CaptureInput]) -> None:
        extras.load("jinja2", "pages")
        if path != "-" and Path(path).exists() and any(i.is_file(Path(path)) for i in inputs):
            raise ConfigError(f"{path}: is an input, so it cannot be the output")
        self._stack = contextlib.ExitStack()
        self._path = path
        self._file: BinaryIO = sys.stdout.buffer

    def __enter__(self) -> Self:
        if self._path != "-":
            self._file = self._stack.enter_context(instead_of(self._path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def put(self, facts: dict[str, Any]) -> None:
        """Write the page of these facts. The file has its name then."""
        from vnic.page.make import page

        self._file.write(page(facts).encode())
        self._file.flush()
        self._stack.close()


class Page(PageFile):
    """The page of a replay, which asks why frames were lost."""

    def __init__(self, path: str, inputs: Inputs) -> None:
        super().__init__(path, inputs)
        self._inputs = inputs

    def write(
        self,
        facts: dict[str, Any],
        select: Selection,
        arguments: dict[str, Any],
        *,
        runs: int,
        progress: Progress | None,
    ) -> None:
        """Ask why frames were lost, add the answer to the facts, and write the page."""
        facts["why"] = self._answer(facts, select, facts["config"] | _only_arguments(arguments), runs, progress)
        self.put(facts)

    def _answer(
        self, facts: dict[str, Any], select: Selection, options: dict[str, Any], runs: int, progress: Progress | None
    ) -> dict[str, Any]:
        from vnic.runs.replay import replay
        from vnic.why.answer import why
        from vnic.why.load import consult
        from vnic.why.side_by_side import side_by_side

        estimate = why(facts)
        if not estimate.frames:
            return estimate.as_dict() | {"unverified": None}
        if not runs:
            return estimate.as_dict() | {"unverified": _NO_RUN}

        def run(settings: Settings, times: int) -> dict[str, Any]:
            return replay(self._inputs, select=select, times=times, **(options | settings)).facts

        with contextlib.closing(Progress("why")) as shown:
            told = Told(runs, None if progress is None else shown)
            together = side_by_side(self._inputs, select, options, told)
            found = consult(facts, counted(run, told), runs=runs, together=together)
            return found.as_dict() | {"unverified": None}


def _only_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of Host that a report's config does not have."""
    return {name: arguments[name] for name in ("each_queue",) if name in arguments}
