"""The files that are made from the code, and what makes each. scripts/generate writes them; a test compares them."""

from collections.abc import Callable
from pathlib import Path

import core_stub
import events_page
import files_page
import golden_events
import knobs_files
import tcp_page

MADE: dict[Path, Callable[[], str]] = {
    core_stub.STUB: core_stub.core,
    knobs_files.ATTRIBUTES: knobs_files.attributes,
    knobs_files.PAGE: knobs_files.page,
    events_page.PAGE: events_page.page,
    files_page.PAGE: files_page.page,
    tcp_page.PAGE: tcp_page.page,
    golden_events.GOLDEN: golden_events.golden,
}


def out_of_date() -> dict[Path, str]:
    """The files whose text is not as the code makes it now, and that text."""
    made = {path: make() for path, make in MADE.items()}
    return {path: text for path, text in made.items() if not path.exists() or path.read_text() != text}
