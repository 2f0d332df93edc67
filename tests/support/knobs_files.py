"""What is made from the table of knobs: vnic/knobs/attributes.py, and the tables of docs/linux/knobs.md.

scripts/generate writes them.
"""

from page_tables import filled, rows
from paths import ROOT

import vnic
from vnic.knobs.knob import Knob
from vnic.knobs.table import KNOBS
from vnic.linux.places import place

PAGE = ROOT / "docs/linux/knobs.md"
ATTRIBUTES = ROOT / "vnic/knobs/attributes.py"

_HEAD = '''"""The knobs as typed attributes, for editors and type checkers. Made by scripts/generate; do not edit.

They come from the table of knobs. At run time Settings.__getattr__() has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vnic.linux.ntuple import Rules


class Attributes:
    """Every knob by its attribute's name; a name with its unit is a name too."""

'''


def attributes() -> str:
    """The text of vnic/knobs/attributes.py."""
    out = _HEAD
    for name, knob in KNOBS.items():
        for attribute in (name, f"{name}-{knob.unit}") if knob.unit else (name,):
            out += f'    {attribute.replace("-", "_")}: {knob.place.typed}\n    """{knob.help}"""\n'
    return out


KINDS = {
    "ethtool and ip": lambda linux: linux.startswith(("ethtool", "ip ")),
    "sysctl": lambda linux: linux.startswith("net."),
    "files": lambda linux: linux.startswith("/"),
    "constants": lambda linux: bool(linux) and linux[0].isupper(),
    "vnic's own": lambda linux: not linux,
}
"""The page's tables, by what a knob is to Linux."""


def _default(name: str, knob: Knob, fresh: vnic.Host) -> str:
    value = fresh.knobs[name] if knob.default is None else knob.default
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if isinstance(value, (int, float, str)) and not (knob.default is None and knob.as_given) else ""


def _changes(knob: Knob) -> str:
    if knob.fixed:
        return f"no: {knob.fixed}"
    return "yes, each queue" if knob.place.each_queue else "yes"


def table(kind: str) -> str:
    """One table of the page."""
    with vnic.Host(cpus=4) as fresh:
        shown = [
            [
                f"`{name}`",
                _default(name, knob, fresh),
                *([f"`{linux}`"] if linux else []),
                _changes(knob),
                knob.help.replace("|", "\\|"),
            ]
            for name, knob in KNOBS.items()
            if KINDS[kind](linux := place(name))
        ]
    columns = ["knob", "default", *(["Linux"] if kind != "vnic's own" else []), "while it runs", "what it is"]
    return rows("|".join(columns), shown)


def page() -> str:
    """The page, with its tables as the code has them."""
    return filled(PAGE.read_text(), {kind: table(kind) for kind in KINDS})
