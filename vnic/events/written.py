"""Rows into a file: Parquet and Arrow by pyarrow, CSV and JSON lines by csrc/events/table_text.c; by the name's end.

All that is made from a full log says how many records it could not hold: Parquet and Arrow in their metadata
(vnic.missed), CSV in a comment line before the heading, JSON lines in an object before the rows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vnic._core import ffi, lib
from vnic.errors import ConfigError, said
from vnic.events.events import Events
from vnic.events.table import Table
from vnic.events.text import json_lines as json_lines_of
from vnic.extras import load
from vnic.own_paths import instead_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vnic.events.rows import Rows

_PIECE = 1 << 22
"""Bytes of text that are made at once; a row of the longest words takes less than a tenth of it."""
_AT_ONCE = 1 << 16
"""Records that are written at once."""


def parquet(rows: Rows[Any], file: BinaryIO) -> None:
    """Write Parquet, a row group for each batch. Times and frame numbers hardly differ from a row to the next."""
    pyarrow, writer = load("pyarrow", "Parquet"), load("pyarrow.parquet", "Parquet")
    reader = pyarrow.RecordBatchReader.from_stream(rows)
    wide = [field.name for field in reader.schema if field.type == pyarrow.int64()]
    repeated = [name for name in reader.schema.names if name not in wide]
    encoding = dict.fromkeys(wide, "DELTA_BINARY_PACKED")
    form = {"compression": "zstd", "use_dictionary": repeated, "column_encoding": encoding}
    with writer.ParquetWriter(file, reader.schema, **form) as out:
        for batch in reader:
            out.write_batch(batch)


def arrow(rows: Rows[Any], file: BinaryIO) -> None:
    """Write an Arrow IPC file."""
    pyarrow = load("pyarrow", "Arrow files")
    reader = pyarrow.RecordBatchReader.from_stream(rows)
    with pyarrow.ipc.new_file(file, reader.schema) as out:
        for batch in reader:
            out.write_batch(batch)


def _csv_word(text: str) -> str:
    return text if not set(text) & set('",\r\n') else '"' + text.replace('"', '""') + '"'


def _json_word(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def pieces(table: Table, form: int) -> Iterator[Any]:
    """Yield the rows as text, some megabytes at a time."""
    at, piece = ffi.new("uint64_t *"), ffi.new("char[]", _PIECE)
    while at[0] < table.c.n:
        yield ffi.buffer(piece, lib.table_text(table.c, form, at, piece, _PIECE))


def _records_as_json(events: Events, file: BinaryIO) -> None:
    begins = range(0, len(events), _AT_ONCE)
    file.writelines(("\n".join(json_lines_of(events, at, at + _AT_ONCE)) + "\n").encode() for at in begins)


def csv(rows: Rows[Any], file: BinaryIO) -> None:
    """Write CSV with a heading. A value that is none is an empty field."""
    if rows.missed:
        file.write(f"# {rows.missed} records are missing: the event log was full\n".encode())
    file.write((",".join(column.name for column in rows.columns) + "\n").encode())
    file.writelines(pieces(Table(rows, _csv_word), lib.TEXT_CSV))


def json_lines(rows: Rows[Any], file: BinaryIO) -> None:
    """Write an object a line; null is none. A record has what its ``arg`` says by name."""
    if rows.missed:
        file.write(json.dumps({"missed": rows.missed}).encode() + b"\n")
    if isinstance(rows, Events):
        _records_as_json(rows, file)
        return
    file.writelines(pieces(Table(rows, _json_word), lib.TEXT_JSON))


FORMS: dict[str, Callable[[Rows[Any], BinaryIO], None]] = {
    ".parquet": parquet,
    ".arrow": arrow,
    ".csv": csv,
    ".jsonl": json_lines,
}
"""A name's end -> what writes such a file."""
NEEDED = {".parquet": ("pyarrow.parquet", "Parquet"), ".arrow": ("pyarrow", "Arrow files")}
"""A name's end -> the module of an extra that it needs, and its use in words."""


def form_of(path: str | Path) -> str:
    """Return the name's end. ConfigError: it is none of these. MissingExtraError: its extra is not installed."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMS:
        raise ConfigError(f"{said(path)}: the name must end in {', '.join(FORMS)}")
    if suffix in NEEDED:
        load(*NEEDED[suffix])
    return suffix


def save(rows: Rows[Any], path: str | Path) -> None:
    """Write the file; on any error none of it has the name."""
    write = FORMS[form_of(path)]
    with instead_of(path) as file:
        write(rows, file)


def check_name(path: str | Path) -> str | None:
    """Return the end of a table's name; None: it is an event file's. ConfigError: .json. Else as :func:`form_of`."""
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        raise ConfigError(f"{said(path)}: the file would have an object a line, so name it .jsonl")
    return form_of(path) if suffix in FORMS else None


def save_events(events: Events, path: str | Path) -> None:
    """Write a table if the name ends like one; else an event file, which has all."""
    from vnic.events import file

    if check_name(path) is None:
        file.save(events, path)
    else:
        save(events, path)
