"""Read ``--config FILE.toml``: options and knobs of ``vnic run`` and ``vnic replay``, by their usual names.

    cpus = 4
    rx-usecs = 50
    ip = ["10.0.0.2/24"]

    [net.core]                 # or net.core.netdev_budget = 600
    netdev_budget = 600

    [queue.0]                  # knobs of one queue
    rps-cpus = "c"

    [run]                      # only for vnic run; [replay] likewise
    tap = "vt0"

The command line overrides the file, and ``[run]`` overrides the keys outside of it.
"""

from __future__ import annotations

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
"""Largest file in bytes."""


@dataclass(slots=True)
class Config:
    """The contents of a file for one command."""

    options: dict[str, Any] = field(default_factory=dict)
    """Options of the command, by their Python names."""
    knobs: dict[str, Any] = field(default_factory=dict)
    """Canonical name -> value as written."""
    each_queue: dict[int, dict[str, Any]] = field(default_factory=dict)


def load(path: str | Path, command: str, options: dict[str, Callable[[Any], Any]]) -> Config:
    """Read the file's contents for ``command``.

    Args:
        path: a TOML file.
        command: ``run`` or ``replay``; the other command's table is not checked.
        options: the command's own options: name -> function that checks a value and raises ValueError.

    Raises:
        ConfigError: the file is wrong, or one of its keys; the text says how, and names the key's path.
    """
    import tomllib

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
        raise ConfigError(f"{path}: tables or lists are nested too deeply") from None
    except ValueError as e:  # not UTF-8, not TOML, a number of thousands of digits; or a ConfigError about a key
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
    """Return the knobs under a key. The key is a knob, or a table whose name is their prefix: ``[net.core]``."""
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
        raise ConfigError(f"{said(at)}: must be a queue's number, as in [queue.0]")
    for name, value in _table(knobs, at).items():
        key = _known(name, f"{at}.{name}")
        if not KNOBS[key].place.each_queue:
            raise ConfigError(f"{at}.{name}: is a knob of the whole card, not of a queue")
        _checked(partial(read, key), value, f"{at}.{name}")
        config.each_queue.setdefault(int(number), {})[key] = value


def _checked(check: Callable[[Any], Any], value: Any, where: str) -> Any:
    """Check a value. ConfigError: it is wrong; the text has the key's path and the reason."""
    try:
        return check(value)
    except ConfigError as e:
        raise ConfigError(f"{where}: {e}") from None
    except ValueError as e:
        raise ConfigError(f"{where}={said(value)}: {e}") from None
