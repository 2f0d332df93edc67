"""Read and write cost profiles: TOML files, and mappings of the same shape.

what = "a KVM guest"            # one line
based-on = "linux"              # the figures that are not below: a profile's name, or a file beside this one

[measured]                      # any facts: text, or a list of texts
date = "2026-11-29"

[cost.hardirq]
value = 6537
unit = "ns"                     # the key's own: ns, or ps/byte
spread = [6517, 8501]           # low and high
source = "an IPI, time stolen from a spinning task"

[cost]
recv = 640                      # a figure alone
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vnic.errors import ConfigError, quoted, said
from vnic.knobs.cost import KEYS, MOST, Facts, Figure, Profile, key_of, names, shipped
from vnic.own_paths import read as read_file

_LONGEST = 1 << 20
"""Largest file in bytes."""
_DEEPEST = 8
"""Most profiles that are based on each other."""
_TOP = ("what", "based-on", "measured", "cost")
_OF_A_FIGURE = ("value", "unit", "spread", "source")


def from_given(given: object) -> Profile:
    """Return the profile that a caller or a command line gives. ValueError: what is wrong with it."""
    if isinstance(given, os.PathLike):
        return read(Path(given))
    if isinstance(given, Mapping):
        return _from_mapping(given)
    if not isinstance(given, str):
        raise _bad(_choice())
    if given.lstrip().startswith("{"):
        return _from_mapping(_literal(given))
    if _is_file(given):
        return read(Path(given))
    return _named(given)


def _bad(sentence: str) -> ValueError:
    """Return the error of all refusals: a knob's value is wrong, whatever its type."""
    return ValueError(sentence)


def _choice() -> str:
    return f"must be one of {', '.join(names())}, or a file such as costs.toml"


def _named(name: str) -> Profile:
    try:
        return shipped(name)
    except KeyError:
        raise ValueError(_choice()) from None


def _is_file(text: str) -> bool:
    return text.endswith(".toml") or "/" in text


def _literal(text: str) -> Mapping[Any, Any]:
    """Read a mapping as JSON and Python write it: a report repeats one that a caller gave."""
    found = None
    with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
        found = ast.literal_eval(text.strip()[:_LONGEST])
    if not isinstance(found, dict):
        raise _bad("must be a mapping of costs, as {'hardirq': 6500}")
    return found


def _from_mapping(given: Mapping[Any, Any]) -> Profile:
    """Return the profile of a mapping: figures and ``based-on`` side by side, or shaped as a file."""
    if "cost" in given:
        return _profile(dict(given), "the given costs", None, 0)
    tree = {key: given[key] for key in _TOP if key in given}
    tree["cost"] = {key: value for key, value in given.items() if key not in _TOP}
    return _profile(tree, "the given costs", None, 0)


def read(path: str | Path, *, name: str | None = None) -> Profile:
    """Read a file. ``name``: of the profile; None: the file's. ValueError: what is wrong with it, without its name."""
    return _read(Path(path), name or Path(path).name, 0)


def _read(path: Path, name: str, depth: int) -> Profile:
    try:
        tree = tomllib.loads(read_file(path, _LONGEST).decode())
    except OSError as e:
        raise ValueError(e.strerror or str(e)) from None
    except RecursionError:
        raise ValueError("tables or lists are nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("is not text in UTF-8") from None
    if "cost" not in tree and "based-on" not in tree:
        raise ValueError("has no [cost] table, so it is not a cost profile")
    return _profile(tree, name, path.parent, depth)


def _profile(tree: dict[Any, Any], name: str, beside: Path | None, depth: int) -> Profile:
    for key in tree:
        if key not in _TOP:
            raise ValueError(f"{said(key)}: must be one of {', '.join(_TOP)}{_costs_are_below(key)}")
    return Profile(
        name=name,
        what=_text(tree.get("what", ""), "what"),
        base=_base(tree.get("based-on", "linux"), beside, depth),
        own=_figures(tree.get("cost", {})),
        measured=_facts(tree.get("measured", {})),
    )


def _costs_are_below(key: object) -> str:
    return "; a figure belongs into the table [cost]" if key_of(str(key)) in KEYS else ""


def _base(given: object, beside: Path | None, depth: int) -> Profile:
    """Return the profile that gives the missing figures. A file's name is relative to the file that names it."""
    if not isinstance(given, str):
        raise _bad(f"based-on={said(given)}: {_choice()}")
    if depth >= _DEEPEST:
        raise ValueError(f"based-on={said(given)}: more than {_DEEPEST} profiles are based on each other")
    try:
        if not _is_file(given):
            return _named(given)
        path = (beside or Path()) / given
        return _read(path, path.name, depth + 1)
    except ValueError as e:
        raise ValueError(f"based-on={said(given)}: {e}") from None


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise _bad(f"{where}={said(value)}: must be text")
    return value


def _facts(table: object) -> Facts:
    if not isinstance(table, Mapping):
        raise _bad(f"measured={said(table)}: must be a table")
    out: Facts = {}
    for key, value in table.items():
        where = f"measured.{said(key)}"
        _text(key, "measured")
        out[key] = [_text(v, where) for v in value] if isinstance(value, list) else _text(value, where)
    return out


def _figures(table: object) -> dict[str, Figure]:
    if not isinstance(table, Mapping):
        raise _bad(f"cost={said(table)}: must be a table of figures")
    out = {}
    for name, value in table.items():
        key = _known(name)
        if key in out:
            raise ValueError(f"{said(name)}: is given twice")
        out[key] = _figure(key, value)
    return out


def _known(name: object) -> str:
    key = key_of(name) if isinstance(name, str) else ""
    if key not in KEYS:
        near = difflib.get_close_matches(key[:30], KEYS, 3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"there is no cost {quoted(name)}{hint}")
    return key


def _figure(key: str, given: object) -> Figure:
    if not isinstance(given, Mapping):
        return Figure(_number(given, key, KEYS[key].unit))
    for name in given:
        if name not in _OF_A_FIGURE:
            raise ValueError(f"{key}.{said(name)}: must be one of {', '.join(_OF_A_FIGURE)}")
    if "value" not in given:
        raise ValueError(f"{key}: has no value")
    unit = given.get("unit", KEYS[key].unit)
    if unit != KEYS[key].unit:
        raise ValueError(f"{key}.unit={said(unit)}: must be {KEYS[key].unit}")
    value = _number(given["value"], f"{key}.value", unit)
    return Figure(value, _text(given.get("source", ""), f"{key}.source"), _spread(key, given.get("spread"), unit))


def _number(value: object, where: str, unit: str) -> int:
    if type(value) is not int or not 0 <= value <= MOST:
        raise ValueError(f"{where}={said(value)}: must be a whole number of {unit} between 0 and {MOST}")
    return value


def _spread(key: str, given: object, unit: str) -> tuple[int, int] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise ValueError(f"{key}.spread={said(given)}: must be two numbers, low and high")
    low, high = (_number(v, f"{key}.spread", unit) for v in given)
    if low > high:
        raise ValueError(f"{key}.spread={said(given)}: the low one is above the high one")
    return low, high


def write(profile: Profile) -> str:
    """Return a profile as the text of a file, on top of a profile that vnic has: figures of other files are in it."""
    base, own = profile.base, profile.own
    while base and not _is_shipped(base):
        own, base = base.own | own, base.base
    lines = ["# Costs of work in virtual time: vnic replay --cost FILE.toml. vnic costs FILE.toml prints them."]
    lines += [f"what = {_quoted(profile.what)}"] if profile.what else []
    lines += [f"based-on = {_quoted(base.name if base else 'zero')}"]
    if profile.measured:
        lines += ["", "[measured]"]
        lines += [f"{_toml_key(key)} = {_value(value)}" for key, value in profile.measured.items()]
    for key, figure in own.items():
        lines += [
            "",
            f"[cost.{key}] # {KEYS[key].what}",
            f"value = {figure.value}",
            f"unit = {_quoted(KEYS[key].unit)}",
        ]
        lines += [f"spread = [{figure.spread[0]}, {figure.spread[1]}]"] if figure.spread else []
        lines += [f"source = {_quoted(figure.source)}"] if figure.source else []
    return "\n".join(lines) + "\n"


def _is_shipped(profile: Profile) -> bool:
    return profile.name in names() and profile == shipped(profile.name)


def _quoted(text: str) -> str:
    """Return a TOML basic string. JSON's escapes are TOML's, but TOML wants one for DEL too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml_key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _quoted(key)


def _value(value: str | list[str]) -> str:
    if isinstance(value, str):
        return _quoted(value)
    return "[\n" + "".join(f"  {_quoted(v)},\n" for v in value) + "]"


def of_a_command(given: str) -> Profile:
    """Return the profile that a command line names. ConfigError: its name, and what is wrong."""
    try:
        return from_given(given)
    except ValueError as e:
        raise ConfigError(f"{said(given)}: {e}") from None
