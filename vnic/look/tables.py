"""Tables that fit. No number is ever cut or broken, however narrow the terminal and however large the number.

If a table is too wide, its last columns go below it as a table of their own, with the first column again. If not even
that fits, each row becomes a paragraph: its first cell, then pairs of heading and value.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnic.look.terminal import ENDLESS, console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    Cell = str | Text

GAP = 2
WORDS_MIN = 28
"""A column of words is not broken into narrower lines than this: it goes below."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; numbers stand on the right."""

    head: str
    right: bool = True
    words: bool = False
    """Its cells are sentences, which may go on in the next line. Only the last column."""
    style: str = ""


def words(head: str, style: str = "dim") -> Column:
    """Return a column of sentences."""
    return Column(head, right=False, words=True, style=style)


def left(head: str, style: str = "") -> Column:
    """Return a column of names."""
    return Column(head, right=False, style=style)


def show(out: Console, columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, indent: int = 0) -> None:
    """Print a table; text is printed as it is, without rich's markup."""
    from rich.text import Text

    cells = [[c if isinstance(c, Text) else Text(c) for c in row] for row in rows]
    widths = [max([len(column.head), *(row[i].cell_len for row in cells)]) for i, column in enumerate(columns)]
    room = out.width - indent
    needed = sum(min(w, WORDS_MIN) if column.words else w for column, w in zip(columns, widths, strict=True))
    gap = GAP if needed + GAP * (len(columns) - 1) <= room or needed + len(columns) - 1 > room else 1
    blocks = _blocks(columns, widths, room, gap)
    if blocks is None:
        for row in cells:
            for nth, line in enumerate(_paragraph(columns, row, room)):
                before = " " * (indent + GAP * bool(nth))
                for part in _broken(line, out.width - len(before)):
                    out.print(Text(before) + part, soft_wrap=True)
        return
    for nth, block in enumerate(blocks):
        if nth:
            out.print()
        _print(out, _table([columns[i] for i in block], [[row[i] for i in block] for row in cells], gap), indent)


def _print(out: Console, what: RenderableType, indent: int) -> None:
    """Print without blanks at the ends of lines, which rich pads."""
    from rich.segment import Segment, Segments

    for line in out.render_lines(what, out.options.update_width(out.width - indent), pad=False):
        while line and not line[-1].text.rstrip():
            line.pop()
        if line:
            line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
        out.print(Segments([Segment(" " * indent), *line, Segment.line()]), end="", soft_wrap=True)


def text(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], width: int | None = None, *, indent: int = 0
) -> str:
    """Return the table as plain lines. ``width``: None: as wide as it gets."""
    file = io.StringIO()
    show(console(file, width=width or ENDLESS), columns, rows, indent=indent)
    return file.getvalue()


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Text]], gap: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    heads = any(column.head for column in columns)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0), show_header=heads)
    for column in columns:
        table.add_column(
            Text(column.head),
            justify="right" if column.right else "left",
            no_wrap=not column.words,
            overflow="fold",
            style=column.style,
        )
    for row in rows:
        table.add_row(*row)
    return table


def _blocks(columns: Sequence[Column], widths: Sequence[int], room: int, gap: int) -> list[list[int]] | None:
    """Return the columns of each table, by number; None: a column does not fit beside the first."""
    blocks, used = [[0]], widths[0]
    if used > room:
        return None
    for i in range(1, len(columns)):
        least = min(widths[i], WORDS_MIN) if columns[i].words else widths[i]
        if used + gap + least > room:
            if widths[0] + gap + least > room:
                return None
            if blocks[-1] != [0]:
                blocks.append([0])
            used = widths[0]
        blocks[-1].append(i)
        used += gap + least
    return blocks


def _paragraph(columns: Sequence[Column], row: Sequence[Text], room: int) -> Iterator[Text]:
    """Yield the lines of one row: its first cell, then pairs. No word of them is broken."""
    from rich.text import Text

    yield row[0]
    line = Text()
    for column, cell in list(zip(columns, row, strict=True))[1:]:
        pair = Text.assemble(column.head, " " * bool(column.head), cell)
        if line and line.cell_len + GAP + pair.cell_len > room - GAP:
            yield line
            line = Text()
        line = Text.assemble(line, " " * GAP, pair) if line else pair
    if line:
        yield line


def _broken(line: Text, room: int) -> Iterator[Text]:
    """Yield the line in parts, broken between words only, because one may be a path that people copy."""
    from rich.text import Text

    part: Text | None = None
    for word in line.split(" "):
        if part is not None and part.cell_len + 1 + word.cell_len > room:
            yield part
            part = None
        part = word if part is None else Text.assemble(part, " ", word)
    if part is not None:
        yield part
