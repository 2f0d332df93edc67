"""Rows as C sees a table: struct table, with each column's type in Arrow's letters, its none, and its words."""

from __future__ import annotations

from array import array
from importlib.metadata import version
from itertools import accumulate
from struct import pack
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.events.rows import Column, Rows

BATCH = 1 << 18
"""Rows in each batch of a stream, so that a consumer that takes one after another needs little memory."""
VERSION = "1"
"""Of the columns' names and meaning."""
_SIGNED = {1: b"c", 2: b"s", 4: b"i", 8: b"l"}
_UNSIGNED = {1: b"C", 2: b"S", 4: b"I", 8: b"L"}
_BITS = frozenset({"arg"})
"""Columns of 8 bytes that are no number to calculate with."""


def metadata(rows: Rows[Any]) -> dict[str, str]:
    """Return what a file or stream says of its rows."""
    return {
        "vnic.table": rows.name,
        "vnic.table_version": VERSION,
        "vnic.version": version("vnic"),
        "vnic.missed": str(rows.missed),
        "vnic.times": "ns of the run",
    }


def arrow_letter(column: Column, *, nullable: bool, words: bool) -> bytes:
    """Return Arrow's letter for a column's numbers. Whatever may be none, is a time or a number of a word has a sign.

    pandas makes floats of integers with nulls and refuses unsigned numbers of words; and polars' difference of two
    unsigned times would wrap.
    """
    width = int(column.typestr[2:])
    signed = nullable or words or (width == 8 and column.name not in _BITS)
    return (_SIGNED if signed else _UNSIGNED)[width]


def _packed(pairs: dict[str, str]) -> bytes:
    """Return metadata in the form of Arrow's C data interface."""
    parts = [pack("=i", len(pairs))]
    for item in pairs.items():
        for text in item:
            data = text.encode()
            parts += [pack("=i", len(data)), data]
    return b"".join(parts)


def _blob(texts: Sequence[str]) -> Any:
    """Return the words of a column as C has them: offsets, then bytes. The result owns the memory."""
    encoded = [text.encode() for text in texts]
    offsets = array("I", accumulate(map(len, encoded), initial=0))
    data = offsets.tobytes() + b"".join(encoded)
    owner = lib.shared_new(len(data))
    if owner == ffi.NULL:
        raise MemoryError("no memory for the words of a table")
    ffi.memmove(owner.at, data, len(data))
    return ffi.gc(owner, lib.shared_drop)


class Table:
    """``c``: the struct, valid as long as this object.

    Args:
        rows: what it is a table of.
        spell: how a word is written; None: as it is.
    """

    def __init__(self, rows: Rows[Any], spell: Callable[[str], str] | None = None) -> None:
        self.c = c = ffi.new("struct table *")
        self._metadata = ffi.new("char[]", _packed(metadata(rows)))
        self._words: list[Any] = []
        self._rows = rows
        c.rows, c.at, c.n, c.row_size = rows.keep, rows.c, len(rows), rows.row_size
        c.batch, c.ncolumns = BATCH, len(rows.columns)
        c.metadata, c.metadata_len = self._metadata, len(self._metadata) - 1
        words = rows.words()
        for i, column in enumerate(rows.columns):
            to = c.column[i]
            to.name, to.offset, to.width = column.name.encode(), column.offset, int(column.typestr[2:])
            to.nullable, to.null = column.name in rows.none, rows.none.get(column.name, 0)
            to.format = arrow_letter(column, nullable=bool(to.nullable), words=column.name in words)
            if column.name in words:
                texts, to.first = words[column.name].texts, words[column.name].first
                self._words.append(_blob(texts if spell is None else [spell(text) for text in texts]))
                to.words, to.nwords = self._words[-1], len(texts)
