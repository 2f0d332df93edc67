"""The command ``vnic knobs``: every knob with its place in Linux, unit, default and range."""

from __future__ import annotations

import json
from typing import Any

import click

from vnic.cli.exit import refusals
from vnic.cli.help import Command
from vnic.knobs import describe
from vnic.knobs.table import KNOBS, canonical, names_of

_DEFAULT_MAX = 24
"""A longer default is shown only in the details."""


def _rows(names: list[str]) -> list[dict[str, Any]]:
    """Return what is known about these knobs, under stable keys."""
    from vnic.host import Host
    from vnic.linux.places import place

    with Host(cpus=4) as fresh:
        return [
            {
                "knob": name,
                "help": KNOBS[name].help,
                "linux": place(name) or None,
                "names": names_of(name)[1:],
                "unit": describe.unit(KNOBS[name]) or None,
                "default": _default(name, fresh),
                "range": describe.allowed(KNOBS[name]),
                "live": not KNOBS[name].fixed,
                "fixed": KNOBS[name].fixed or None,
                "each_queue": KNOBS[name].place.each_queue,
            }
            for name in names
        ]


def _default(name: str, fresh: Any) -> Any:
    """Return the default as people write it: the table's, or the data plane's own."""
    knob = KNOBS[name]
    value = fresh.knobs[name] if knob.default is None else knob.default
    if isinstance(value, bool):
        return "on" if value else "off"
    if knob.default is None and knob.as_given:
        return "queue i: CPU i mod cpus"
    if isinstance(value, bytes):
        return value.hex(":")
    if isinstance(value, tuple):
        return "default" if getattr(value, "default", False) else "; ".join(map(str, value)) or "none"
    return value


def _live(row: dict[str, Any]) -> str:
    if not row["live"]:
        return "no"
    return "yes, each queue" if row["each_queue"] else "yes"


def _details(row: dict[str, Any]) -> str:
    rows = [
        ("Linux", row["linux"] or "only vnic has it"),
        ("unit", row["unit"]),
        ("default", row["default"]),
        ("range", row["range"]),
        ("live", f"no: {row['fixed']}" if row["fixed"] else _live(row)),
        ("names", ", ".join(row["names"])),
        ("set", f"--set {row['knob']}=VALUE"),
    ]
    lines = [f"  {name:<8} {value}" for name, value in rows if value not in (None, "")]
    return "\n".join([f"{row['knob']}: {row['help']}", *lines])


def _table(rows: list[dict[str, Any]]) -> None:
    from vnic.look import tables
    from vnic.look.terminal import console

    columns = [tables.left(name) for name in ("knob", "default", "unit", "range", "live", "Linux")]
    cells = []
    for row in rows:
        default = str(row["default"])
        shown = default if len(default) < _DEFAULT_MAX else "..."
        cells.append((row["knob"], shown, row["unit"] or "", row["range"], _live(row), row["linux"] or ""))
    tables.show(console(), columns, cells)


@click.command(
    cls=Command,
    examples=(
        "vnic knobs",
        "vnic knobs rx-usecs net.core.rmem_default",
        "vnic knobs --schema > vnic.schema.json  # for editors of a --config file",
    ),
)
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--json", "as_json", is_flag=True, help="one JSON array on stdout")
@click.option("--schema", "as_schema", is_flag=True, help="print the JSON Schema of --config")
def knobs(names: tuple[str, ...], *, as_json: bool, as_schema: bool) -> None:
    """List every knob: place in Linux, unit, default, range.

    With NAMEs (any name of a knob), print all that is known about these. live: it can change on a running host.
    """
    if as_schema:
        from vnic.cli.config_schema import schema
        from vnic.cli.replay import replay
        from vnic.cli.run import run

        click.echo(json.dumps(schema({"run": run, "replay": replay}), indent=2))
        return
    with refusals():
        wanted = list(dict.fromkeys(canonical(name) for name in names)) or list(KNOBS)
    rows = _rows(wanted)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    elif names:
        click.echo("\n\n".join(_details(row) for row in rows))
    else:
        _table(rows)
