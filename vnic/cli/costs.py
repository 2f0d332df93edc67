"""The command ``vnic costs``: print a cost profile, or the names of those that vnic has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.exit import refusals
from vnic.cli.help import Command
from vnic.knobs.cost import KEYS, Profile, names, shipped
from vnic.look import tables, terminal
from vnic.look.lines import hanging

if TYPE_CHECKING:
    from vnic.knobs.cost import Facts


@click.command(
    cls=Command,
    examples=(
        "vnic costs  # the profiles that vnic has",
        "vnic costs linux",
        "vnic costs linux --toml > mine.toml  # to edit, for --cost mine.toml",
    ),
)
@click.argument("profile", required=False)
@click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout")
@click.option("--toml", "as_toml", is_flag=True, help="as a file to edit: FILE.toml of --cost")
def costs(profile: str | None, *, as_json: bool, as_toml: bool) -> None:
    """Print a cost profile: figures with unit, spread and source.

    PROFILE is a name, or a file such as costs.toml. Without it, vnic lists the profiles that it has. Costs are the
    times that work takes in virtual time: vnic replay --cost PROFILE. vnic calibrate measures them.

    Exit codes: 0 success; 2 there is no such profile, or the file is not one.
    """
    from vnic.knobs.cost_file import of_a_command, write

    with refusals():
        if profile is None:
            _print_names(as_json=as_json)
            return
        found = of_a_command(profile)
    if as_json:
        click.echo(json.dumps(facts(found), indent=2))
    elif as_toml:
        click.echo(write(found), nl=False)
    else:
        show(found)


def _print_names(*, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({name: shipped(name).what for name in names()}, indent=2))
        return
    tables.show(
        terminal.console(), (tables.left(""), tables.words("", "")), ((name, shipped(name).what) for name in names())
    )


def facts(profile: Profile) -> dict[str, Any]:
    """Return the profile as data: every figure with its unit, spread, source and the profile that gives it."""
    return {
        "name": profile.name,
        "what": profile.what,
        "based-on": profile.base.name if profile.base else None,
        "measured": profile.measured,
        "cost": {
            key: {
                "value": figure.value,
                "unit": KEYS[key].unit,
                "spread": figure.spread,
                "source": figure.source,
                "from": origin or None,
            }
            for key, (figure, origin) in profile.figures().items()
        },
    }


def show(profile: Profile) -> None:
    """Print a table for a person."""
    from rich.text import Text

    out = terminal.console()
    columns = (
        tables.left("cost"),
        tables.Column("value"),
        tables.left("unit"),
        tables.left("spread"),
        tables.left("from"),
        tables.words("source", ""),
    )
    rows = []
    for key, (figure, origin) in profile.figures().items():
        spread = f"{figure.spread[0]}-{figure.spread[1]}" if figure.spread else ""
        rows.append((key, str(figure.value), KEYS[key].unit, spread, origin, figure.source))
    out.print(Text(f"{profile.name}: {profile.what}" if profile.what else profile.name))
    tables.show(out, columns, rows)
    for line in lines(profile.measured, terminal.columns()):
        out.print(Text(line), soft_wrap=True)


def lines(measured: Facts, columns: int | None = None) -> list[str]:
    """Return a profile's facts as lines. If a fact has several, only the first has its name."""
    return [
        hanging(f"{name + ':' if not nth else '':<15} ", str(value), columns)
        for name, values in measured.items()
        for nth, value in enumerate([values] if isinstance(values, str) else values)
    ]
