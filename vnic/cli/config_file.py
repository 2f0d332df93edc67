"""``--config FILE.toml``: the options and knobs of ``vnic run`` and ``vnic replay``, by the names they have there.

    cpus = 4
    rx-usecs = 50
    ip = ["10.0.0.2/24"]

    [net.core]                 # or net.core.netdev_budget = 600
    netdev_budget = 600

    [queue.0]                  # what each queue has of its own
    rps-cpus = "c"

    [run]                      # for vnic run only; [replay] likewise
    tap = "vt0"

What is given on the command line goes before what is in the file, and ``[run]`` before what is outside.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.errors import ConfigError, said
from vnic.knobs.table import KNOBS, canonical, read
from vnic.own_paths import read as read_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMANDS = ("run", "replay")
_MOST = 1 << 20
"""Bytes of a file."""


@dataclass(slots=True)
class Config:
    """What a file said to one command."""

    options: dict[str, Any] = field(default_factory=dict)
    """Of the command, by their Python names."""
    knobs: dict[str, Any] = field(default_factory=dict)
    """By canonical name, as written."""
    each_queue: dict[int, dict[str, Any]] = field(default_factory=dict)


def load(path: str | Path, command: str, options: dict[str, Callable[[Any], Any]]) -> Config:
    """Read what the file says to ``command``.

    Args:
        path: a TOML file.
        command: ``run`` or ``replay``; what is in the other's table is checked by that one.
        options: the command's own: name -> what checks a value (ValueError says what is wrong).

    Raises:
        ConfigError: the file, or the path of the wrong key in it, and what is wrong.
    """
    config = Config()
    try:
        tree = tomllib.loads(read_file(path, _MOST).decode())
        own = {name: tree.pop(name) for name in COMMANDS if name in tree}
        _read(tree, "", config, options)
        if command in own:
            _read(_table(own[command], command), f"{command}.", config, options)
    except OSError as e:
        raise ConfigError(f"{path}: {e.strerror}") from e
    except RecursionError:
        raise ConfigError(f"{path}: too many tables or lists within each other") from None
    except ValueError as e:  # no UTF-8, no TOML, a number of thousands of digits; or what we say of a key
        raise ConfigError(f"{path}: {e}") from e
    return config


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: must be a table")
    return value


def _read(table: dict[str, Any], at: str, config: Config, options: dict[str, Callable[[Any], Any]]) -> None:
    for name, value in table.items():
        option = name.replace("-", "_")
        if name == "queue" and isinstance(value, dict):
            for i, knobs in value.items():
                _read_queue(i, knobs, f"{at}queue.{i}", config)
        elif option in options:
            config.options[option] = _checked(options[option], value, f"{at}{name}")
        else:
            for key, v, where in _leaves(name, value, at):
                config.knobs[key] = v
                _checked(partial(read, key), v, where)


def _leaves(name: str, value: Any, at: str) -> list[tuple[str, Any, str]]:
    """A knob, or a table of them whose name is the first part of theirs: ``[net.core]``."""
    if isinstance(value, dict):
        return [leaf for key, v in value.items() for leaf in _leaves(f"{name}.{key}", v, at)]
    return [(_known(name, f"{at}{name}"), value, f"{at}{name}")]


def _known(name: str, where: str) -> str:
    try:
        return canonical(name)
    except ConfigError as e:
        raise ConfigError(f"{where}: {e}") from None


def _read_queue(number: str, knobs: Any, at: str, config: Config) -> None:
    if not (number.isascii() and number.isdecimal() and len(number) <= len(str(lib.NIC_QUEUES_MAX))):
        raise ConfigError(f"{said(at)}: a queue has a number: [queue.0]")
    for name, value in _table(knobs, at).items():
        key = _known(name, f"{at}.{name}")
        if not KNOBS[key].place.each_queue:
            raise ConfigError(f"{at}.{name}: is the card's, not a queue's")
        _checked(partial(read, key), value, f"{at}.{name}")
        config.each_queue.setdefault(int(number), {})[key] = value


def _checked(check: Callable[[Any], Any], value: Any, where: str) -> Any:
    """ConfigError with the key's path."""
    try:
        return check(value)
    except ConfigError as e:
        raise ConfigError(f"{where}: {e}") from None
    except ValueError as e:
        raise ConfigError(f"{where}={said(value)}: {e}") from None
