"""JSON Schema of ``--config FILE.toml``, for editors and for checks: made from the table of knobs and the commands.

Draft 2020-12. A key that the schema takes is one that ``--config`` takes; a value that is text is judged by its form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.config_file import COMMANDS
from vnic.cli.exit import Seconds
from vnic.cli.options import config_keys
from vnic.cli.selection import Time
from vnic.cli.sysctl_names import ROOTS
from vnic.fault import FAULTS
from vnic.knobs import describe
from vnic.knobs.table import KNOBS, names_of

if TYPE_CHECKING:
    from vnic.knobs.describe import Schema


def _option(param: click.Parameter) -> Schema:
    """Return the schema of an option's value."""
    kind = param.type
    found: Schema
    if isinstance(kind, click.Choice):
        found = {"enum": list(kind.choices)}
    elif isinstance(kind, Time):
        found = {"type": ["string", "number"]}
    elif isinstance(kind, click.types.BoolParamType):
        found = {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false", "on", "off", "yes", "no", "1", "0"]}]}
    elif isinstance(kind, click.IntRange):
        found = {"anyOf": [_range("integer", kind), {"type": "string", "pattern": r"^\s*[+-]?[0-9]{1,40}\s*$"}]}
    elif isinstance(kind, (Seconds, click.types.FloatParamType)):
        found = {"anyOf": [_range("number", kind), {"type": "string", "pattern": "[0-9]"}]}
    else:
        found = {"type": ["string", "integer"]}
    if param.multiple or param.nargs != 1:
        found = {"anyOf": [found, {"type": "array", "items": found}]}
    help_ = getattr(param, "help", None)
    return {"description": help_} | found if help_ else found


def _range(name: str, kind: Any) -> Schema:
    bounds = {"minimum": getattr(kind, "min", None), "maximum": getattr(kind, "max", None)}
    if getattr(kind, "min_open", False):
        bounds["exclusiveMinimum"] = bounds.pop("minimum")
    return {"type": name} | {key: value for key, value in bounds.items() if value is not None}


def _spelled(names: list[str]) -> str:
    """Return a pattern for these names: dashes and underscores are equal."""
    return "|".join(re.escape(name).replace(r"\-", "[-_]") for name in names)


def _knobs(*, each_queue: bool = False) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return properties by the knobs' own names, and patterns for their other names."""
    own = {name: knob for name, knob in KNOBS.items() if knob.place.each_queue or not each_queue}
    schemas = {name: describe.schema(knob) for name, knob in own.items()}
    prefix = r"(?:net\.(?:core|ipv4|ipv6)\.)?"
    return schemas, {f"^{prefix}(?:{_spelled(names_of(name))})$": {"$ref": f"#/$defs/{name}"} for name in own}


def _keys(commands: tuple[str, ...], loaded: dict[str, click.Command]) -> Schema:
    """Return the schema of a table that these commands read."""
    _, patterns = _knobs()
    _, queue = _knobs(each_queue=True)
    options: dict[str, Schema] = {}
    for command in commands:
        for key, param in config_keys(loaded[command]).items():
            options |= {spelled: _option(param) for spelled in {key, key.replace("_", "-")}}
    table: Schema = {"type": "object"}
    net: Schema = {
        "type": "object",
        "properties": {part: table | {"patternProperties": patterns} for part in ("core", "ipv4", "ipv6")},
    }
    each: Schema = {"type": "object", "patternProperties": queue, "additionalProperties": False}
    properties: Schema = {name: {"$ref": f"#/$defs/{name}"} for name in KNOBS} | options | {"net": net}
    properties["queue"] = {"type": "object", "patternProperties": {"^[0-9]{1,3}$": each}, "additionalProperties": False}
    when: Schema = {"anyOf": [{"type": "string"}, {"const": True}]}
    of_kind = {"anyOf": [*when["anyOf"], {"type": "array", "items": when}]}
    faults: Schema = {"type": "object", "properties": dict.fromkeys(FAULTS, of_kind), "additionalProperties": False}
    properties["fault"] = {"anyOf": [properties["fault"], faults]}
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": patterns | {rf"^(?:{'|'.join(ROOTS)})[./]\S+$": {}},
        "additionalProperties": False,
    }


def schema(loaded: dict[str, click.Command]) -> Schema:
    """Return the schema. ``loaded``: the commands that read such a file, by name."""
    whole = _keys(COMMANDS, loaded)
    whole["properties"] |= {root: {"type": "object"} for root in ROOTS if root != "net"}
    whole["properties"] |= {command: _keys((command,), loaded) for command in COMMANDS}
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vnic --config",
        "description": "Options and knobs of vnic run and vnic replay. A sysctl without a knob has no effect.",
    }
    return about | whole | {"$defs": _knobs()[0]}
