"""Rows of a C struct in memory: by index, as a memoryview, as numpy's structured array, as an Arrow stream, as a file.

Only the Arrow stream and files copy rows, a piece at a time.
"""

from __future__ import annotations

from operator import index
from struct import iter_unpack
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, overload

from vnic._core import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

R = TypeVar("R", bound=NamedTuple)

_LETTERS = {"<u8": "Q", "<u4": "I", "<u2": "H", "|u1": "B"}
"""numpy's types in the words of struct."""
_TYPES = {"uint64_t": "<u8", "uint32_t": "<u4", "uint16_t": "<u2", "uint8_t": "|u1"}


class Column(NamedTuple):
    """A field of each row. ``typestr``: numpy's, as ``"<u8"``."""

    name: str
    typestr: str
    offset: int


def columns_of(struct: str) -> tuple[Column, ...]:
    """Return the fields of a C struct that are single numbers, in order."""
    fields = ffi.typeof(f"struct {struct}").fields
    return tuple(Column(name, _TYPES[f.type.cname], f.offset) for name, f in fields if f.type.kind == "primitive")


class Words(NamedTuple):
    """Texts for the numbers of a column. ``first``: the number of the first text."""

    texts: Sequence[str]
    first: int = 0


def room(struct: str, n: int) -> tuple[Any, Any]:
    """Return memory for rows: a pointer to the first, and what owns it. MemoryError: there is not enough."""
    owner = lib.shared_new(n * ffi.sizeof(f"struct {struct}"))
    if owner == ffi.NULL:
        raise MemoryError(f"no memory for {n:,} rows")
    owner = ffi.gc(owner, lib.shared_drop)
    return ffi.cast(f"struct {struct} *", owner.at), owner


class Rows(Generic[R]):
    """A sequence of rows. ``numpy.asarray(rows)`` is a structured array of the same memory.

    Args:
        at: the first row, a pointer to the struct.
        n: rows.
        keep: what owns the memory, see :func:`room`.
    """

    _struct: ClassVar[str]
    none: ClassVar[Mapping[str, int]] = {}
    """Columns that may have no value, and the number that says so."""
    name: ClassVar[str]
    """What a file of these rows says that it is."""
    missed: int
    columns: ClassVar[tuple[Column, ...]]
    """The fields, in the order of a row's bytes."""

    def __init__(self, at: Any, n: int, keep: Any) -> None:
        self._at, self._n, self._keep = at, n, keep

    def _row(self, c: Any) -> R:
        raise NotImplementedError

    def words(self) -> dict[str, Words]:
        """Return the columns whose numbers stand for texts, and these."""
        raise NotImplementedError

    def numbers(self, first: int, last: int) -> Iterator[tuple[int, ...]]:
        """Yield the rows ``first`` to ``last`` - 1 as tuples of plain numbers, in the order of :attr:`columns`."""
        form, end = "<", 0
        for column in self.columns:
            form += f"{column.offset - end}x{_LETTERS[column.typestr]}"
            end = column.offset + int(column.typestr[2:])
        form += f"{self.row_size - end}x"
        return iter_unpack(form, self.data[first * self.row_size : last * self.row_size])

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, i: int) -> R: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[R]: ...
    def __getitem__(self, i: int | slice) -> R | Sequence[R]:
        """Return a row, or a list of rows."""
        if isinstance(i, slice):
            return [self._row(self._at[at]) for at in range(*i.indices(self._n))]
        at = index(i)
        at += self._n * (at < 0)
        if not 0 <= at < self._n:
            raise IndexError(f"row {i}: there are {self._n}")
        return self._row(self._at[at])

    def __iter__(self) -> Iterator[R]:
        return (self._row(self._at[at]) for at in range(self._n))

    @property
    def row_size(self) -> int:
        """Bytes a row."""
        return int(ffi.sizeof(f"struct {self._struct}"))

    @property
    def keep(self) -> Any:
        """What owns the memory: struct shared."""
        return self._keep

    @property
    def c(self) -> Any:
        """The first row, a pointer to the C struct; it is valid as long as these rows."""
        return self._at

    @property
    def data(self) -> memoryview:
        """The rows' bytes, read-only."""
        size = self._n * self.row_size
        return memoryview(ffi.buffer(self._at, size)).toreadonly() if size else memoryview(b"")

    @property
    def __array_interface__(self) -> dict[str, Any]:
        descr: list[tuple[str, str]] = []
        end = 0
        for column in (*self.columns, Column("", "|u1", self.row_size)):
            if column.offset > end:
                descr.append(("", f"|V{column.offset - end}"))
            if column.name:
                descr.append((column.name, column.typestr))
                end = column.offset + int(column.typestr[2:])
        return {
            "version": 3,
            "shape": (self._n,),
            "typestr": f"|V{self.row_size}",
            "descr": descr,
            "data": (int(ffi.cast("uintptr_t", self._at)), True),
        }

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return an Arrow C stream of the rows, in batches: for pandas, polars, pyarrow, duckdb.

        ``requested_schema`` is advice in Arrow's protocol; there is one form of these columns.
        """
        from vnic.events.arrow import capsule

        return capsule(self)

    def save(self, path: str | Path) -> None:
        """Write the rows to a file; its name's end says in which form: .parquet, .arrow, .csv or .jsonl.

        Parquet and Arrow need pyarrow: ``pip install 'vnic[tables]'``.

        Raises:
            ConfigError: the name ends in another way.
            MissingExtraError: pyarrow is not installed.
            OSError: the file cannot be written; no part of it has the name.
        """
        from vnic.events.written import save

        save(self, path)
