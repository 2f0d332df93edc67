"""The tables of docs/events.md, made from the code. scripts/generate writes them into the page."""

import ast
import inspect

from page_tables import filled, rows
from paths import ROOT

from vnic.events import table
from vnic.events.events import Event, Events
from vnic.events.frames import Frame, Frames
from vnic.events.kinds import KINDS, OF
from vnic.events.rows import Rows

PAGE = ROOT / "docs/events.md"
_TYPES = {
    "c": "int8", "C": "uint8", "s": "int16", "S": "uint16", "i": "int32", "I": "uint32", "l": "int64", "L": "uint64",
}  # fmt: skip


def kinds() -> str:
    """Each kind of record, the names of what arg holds, and the stage's file."""
    lines = []
    for name in KINDS:
        args = ", ".join(f"`{arg}`" for arg in OF[name].args(0))
        lines.append([f"`{name}`", OF[name].text, args, f"`{OF[name].file}`"])
    return rows("kind | what happened | details | file in csrc/", lines)


def meanings(cls: type) -> dict[str, str]:
    """The text below each field of a class."""
    (of,) = ast.parse(inspect.getsource(cls)).body
    found, field = {}, ""
    for node in of.body:
        if isinstance(node, ast.AnnAssign):
            field = node.target.id
        elif isinstance(node, ast.Expr) and field:
            found[field] = " ".join(ast.literal_eval(node.value).split())
    return found


def columns(of: type[Rows], row: type) -> str:
    """Each column, its type in Arrow's words, and its meaning."""
    meaning, lines = meanings(row), []
    words = of.words(of.__new__(of)) if of is Events else {"flow", "fate"}
    for column in of.columns:
        nullable = column.name in of.none
        letter = table.arrow_letter(column, nullable=nullable, words=column.name in words).decode()
        shown = "string (dictionary)" if column.name in words else _TYPES[letter]
        lines.append([f"`{column.name}`", shown, "yes" if nullable else "no", meaning[column.name].replace("``", "`")])
    return rows("column | type | may be null | meaning", lines)


TABLES = {
    "kinds": kinds,
    "frames": lambda: columns(Frames, Frame),
    "events": lambda: columns(Events, Event),
}


def page() -> str:
    """The page, with its tables as the code has them."""
    return filled(PAGE.read_text(), {name: table() for name, table in TABLES.items()})
