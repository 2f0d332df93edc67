"""Tables fit: whatever the width, each cell is there in one piece."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from vnic.look import tables, terminal

NUMBERS = st.integers(0, 1 << 64).map(lambda n: f"{n:,}")
NAMES = st.text("abcxyz-[]/:_", min_size=1, max_size=30)


def lines(columns, rows, width, indent=0):
    return tables.text(columns, rows, width, indent=indent).splitlines()


@given(
    names=st.lists(NAMES, min_size=1, max_size=6, unique=True),
    heads=st.lists(NAMES, min_size=0, max_size=10),
    width=st.integers(34, 250),
    indent=st.integers(0, 4),
    data=st.data(),
)
def test_every_cell_is_whole_at_any_width(names, heads, width, indent, data):
    rows = [[name, *(data.draw(NUMBERS) for _ in heads)] for name in names]
    shown = lines([tables.left("name"), *map(tables.Column, heads)], rows, width, indent)
    assert all(line == line.rstrip() for line in shown)
    assert all(line.startswith(" " * indent) for line in shown if line)
    longest = max(len(head) + 28 for head in ["", *heads])
    assert max(map(len, shown)) <= max(width, indent + longest + 2)
    words = sorted(" ".join(shown).split())
    for cell in (cell for row in rows for cell in row):
        assert cell in words, (cell, shown)
    assert all(head in words for head in heads)


@given(width=st.integers(40, 200), rows=st.lists(st.tuples(NUMBERS, st.lists(NAMES, max_size=20).map(" ".join))))
def test_sentences_go_on_in_further_lines_and_lose_no_word(width, rows):
    shown = lines([tables.Column("n"), tables.words("why")], rows, width)
    assert max(map(len, shown)) <= width
    words = " ".join(shown).split()
    assert all(word in words for n, why in rows for word in (n, *why.split()))


def test_what_fits_is_one_line_a_row():
    columns = [tables.left("name"), tables.Column("frames"), tables.words("why")]
    rows = [("rx-0", "1,234", "of the wire"), ("rx-11", "5", "")]
    expected = ["name   frames  why", "rx-0    1,234  of the wire", "rx-11       5"]
    assert lines(columns, rows, 80) == lines(columns, rows, None) == expected
    assert lines(columns, rows, 80, indent=2) == [f"  {line}" for line in expected]


def test_columns_that_do_not_fit_go_below_with_the_first_one_again():
    columns = [tables.left("name"), *map(tables.Column, ("first", "second", "third"))]
    rows = [("rx-0", "1111111111", "2222222222", "3333333333")]
    assert lines(columns, rows, 30) == [
        "name       first      second",
        "rx-0  1111111111  2222222222",
        "",
        "name       third",
        "rx-0  3333333333",
    ]


def test_columns_stand_closer_where_that_makes_them_fit():
    columns = [tables.left("name"), *map(tables.Column, ("first", "second"))]
    rows = [("rx-0", "1111111111", "2222222222")]
    assert lines(columns, rows, 27) == ["name      first     second", "rx-0 1111111111 2222222222"]


def test_a_row_whose_name_is_too_long_becomes_a_paragraph():
    columns = [tables.left("flow"), *map(tables.Column, ("frames", "skbs", "lost"))]
    name = "tcp 2001:db8::1:8080 > 2001:db8::2:54718"
    assert lines(columns, [(name, "18,446,744,073,709,551,615", "7", "8")], 45) == [
        name,
        "  frames 18,446,744,073,709,551,615  skbs 7",
        "  lost 8",
    ]


def test_cells_are_no_markup():
    assert lines([tables.left("[bold]")], [("[/x]",), (Text("[b]"),)], 80) == ["[bold]", "[/x]", "[b]"]


@pytest.mark.parametrize(
    ("environment", "escapes"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_has_styles_unless_it_is_told_otherwise(environment, escapes, monkeypatch):
    for name in ("NO_COLOR", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tty = io.StringIO()
    tty.isatty = lambda: True
    tables.show(terminal.console(tty), [tables.left("name")], [(Text("rx-0", style="green bold"),)])
    assert ("\x1b[" in tty.getvalue()) == escapes
    assert "rx-0" in tty.getvalue()


def test_a_pipe_is_as_wide_as_its_lines_unless_columns_is_set(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal.columns(io.StringIO()) is None
    assert terminal.console(io.StringIO()).width == terminal.ENDLESS
    monkeypatch.setenv("COLUMNS", "72")
    assert terminal.columns(io.StringIO()) == 72
    for nonsense in ("0", "-1", "x", ""):
        monkeypatch.setenv("COLUMNS", nonsense)
        assert terminal.columns(io.StringIO()) is None
