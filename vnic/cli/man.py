"""Man pages from the tree of commands: the texts are those of ``--help``. ``scripts/man`` writes them for a wheel.

click-man writes an option as one line of a list, and knows neither groups nor examples.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from vnic.cli.commands import LazyGroup, main
from vnic.cli.help import Command, sections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EXIT = "Exit codes: "
_EVERY = (
    ("0", "success; also of vnic run, capture, stat without COUNT, and replay --hold, when a signal ends them"),
    ("2", "wrong usage"),
    ("130, 143", "as a shell sees it: Ctrl-C or SIGTERM ended the command before it was done"),
)


def _text(text: str) -> str:
    """Return text that roff prints as it is."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")
    )
    text = text.replace("`", "\\(ga")
    return re.sub(r"^(?=[.])", "\\\\&", text, flags=re.MULTILINE)


def _title(name: str, version: str) -> str:
    return f'.TH "{_text(name.upper())}" 1 "" "vnic {_text(version)}" "vnic"\n.nh\n'


def _list(rows: list[tuple[str, str]]) -> Iterator[str]:
    for head, told in rows:
        yield ".TP\n"
        yield f"\\fB{_text(head)}\\fR\n"
        yield f"{_text(' '.join(told.split()))}\n"


def _paragraphs(command: click.Command) -> list[str]:
    return [" ".join(part.split()) for part in (command.help or "").replace("\b", "").split("\n\n")]


def page(name: str, command: click.Command, ctx: click.Context, version: str) -> str:
    """Return the page of a command."""
    first, *rest = _paragraphs(command)
    codes = [part.partition(_EXIT) for part in rest if _EXIT in part]
    rest = [part.partition(_EXIT)[0].rstrip() for part in rest]
    out = [_title(f"vnic-{name}", version)]
    out += [".SH NAME\n", f"vnic\\-{_text(name)} \\- {_text(first.rstrip('.'))}\n"]
    out += [".SH SYNOPSIS\n", f"\\fBvnic {_text(name)}\\fR {_text(' '.join(command.collect_usage_pieces(ctx)))}\n"]
    out += [".SH DESCRIPTION\n", f"{_text(first)}\n"]
    out += [f".PP\n{_text(part)}\n" for part in rest if part]
    out.append(".SH OPTIONS\n")
    for heading, rows in sections(command, ctx):
        out += [f".SS {_text(heading)}\n", *_list(rows)]
    if codes:
        out.append(".SH EXIT STATUS\n")
        for _, _, told in codes:
            out += _list([tuple(code.strip().split(" ", 1)) for code in told.rstrip(".").split("; ")])  # type: ignore[misc]
    if isinstance(command, Command) and command.examples:
        out += [".SH EXAMPLES\n", ".nf\n", *(f"{_text(line)}\n" for line in command.examples), ".fi\n"]
    out += [".SH SEE ALSO\n", "\\fBvnic\\fR(1)\n"]
    return "".join(out)


def front(group: LazyGroup, ctx: click.Context, version: str) -> str:
    """Return the page ``vnic(1)``: the list of commands."""
    about = _paragraphs(group)[0]
    out = [_title("vnic", version), ".SH NAME\n", f"vnic \\- {_text(about.rstrip('.'))}\n"]
    out += [
        ".SH SYNOPSIS\n",
        "\\fBvnic\\fR \\fICOMMAND\\fR [\\fIARGUMENT\\fR...]\n",
        ".SH DESCRIPTION\n",
        f"{_text(about)}\n",
    ]
    out.append(".SH COMMANDS\n")
    names = []
    for heading, rows in group.listed(ctx):
        out += [f".SS {_text(heading)}\n", *_list([(f"vnic-{name}(1)", line) for name, line in rows])]
        names += [name for name, _ in rows]
    out.append(".SH OPTIONS\n")
    for _, rows in sections(group, ctx):
        out += _list(rows)
    out += [".SH EXIT STATUS\n", *_list(list(_EVERY))]
    out += [".SH ENVIRONMENT\n"]
    out += _list(
        [
            ("VNIC_COMMAND_OPTION", "gives an option of a command, as VNIC_REPLAY_RX_USECS=50"),
            ("NO_COLOR", "if not empty: no colours"),
            ("COLUMNS", "columns of a line, also in a pipe, whose lines are else as long as their content"),
            ("VNIC_TRACEBACK", "if not empty: a bug in vnic prints its traceback"),
        ]
    )
    out += [
        ".SH SEE ALSO\n",
        f"{', '.join(f'{chr(92)}fBvnic{chr(92)}-{_text(name)}{chr(92)}fR(1)' for name in names)}\n",
    ]
    return "".join(out)


def pages(version: str) -> Iterator[tuple[str, str]]:
    """Yield (file name, text) of all pages."""
    top = click.Context(main, info_name="vnic", **main.context_settings)
    assert isinstance(main, LazyGroup)  # noqa: S101 - for mypy: click's decorator returns a plain group
    yield "vnic.1", front(main, top, version)
    for name in main.list_commands(top):
        if (command := main.get_command(top, name)) is not None:
            own = click.Context(command, info_name=name, parent=top, **command.context_settings)
            yield f"vnic-{name}.1", page(name, command, own, version)


def write(directory: Path, version: str) -> None:
    """Write all pages into a directory, which is made if it does not exist."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages(version):
        (directory / name).write_text(text, encoding="utf-8")
