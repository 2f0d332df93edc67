"""Read ``--config FILE``: options and knobs of ``vnic run`` and ``vnic replay``, by their usual names.

The file is TOML, as below, or another tool's (vnic/cli/foreign_config.py).

    cpus = 4
    rx-usecs = 50
    ip = ["10.0.0.2/24"]

    [net.core]                 # or net.core.netdev_budget = 600
    netdev_budget = 600

    [queue.0]                  # knobs of one queue
    rps-cpus = "c"

    [fault]                    # as --fault has it: kind = when; docs/faults.md
    irq-lost = "nth=5"

    [run]                      # only for vnic run; [replay] likewise
    tap = "vt0"

The command line overrides the file, and ``[run]`` overrides the keys outside of it. A sysctl that vnic has not got
stops nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.cli.sysctl_names import knob_of, value_of
from vnic.errors import ConfigError, said
from vnic.knobs.table import KNOBS, read
from vnic.own_paths import read as read_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vnic.cli.foreign_config import Foreign

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
    without_effect: list[str] = field(default_factory=list)
    """Sysctls that vnic has not got."""
    notes: list[str] = field(default_factory=list)
    """What is otherwise here than another tool's text has it."""

    def update(self, later: Config) -> None:
        """Let a later file override this one."""
        self.options |= later.options
        self.knobs |= later.knobs
        for queue, own in later.each_queue.items():
            self.each_queue.setdefault(queue, {}).update(own)
        self.without_effect += later.without_effect
        self.notes += later.notes


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

    from vnic.cli import foreign_config  # the parsers of other tools' texts, which a TAB does not need

    config = Config()
    try:
        text = read_file(path, _MOST).decode()
        if foreign_config.is_foreign(text):
            return _foreign(foreign_config.read(text))
        tree = tomllib.loads(text)
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


def _foreign(found: Foreign) -> Config:
    own, cpus = found.config.pop("each_queue", {}), found.config.pop("cpus", None)
    options = {} if cpus is None else {"cpus": cpus}
    return Config(options, found.config, own, found.without_effect, found.notes)


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
        elif name == "fault" and isinstance(value, dict) and name in options:
            config.options[name] = _read_faults(value, f"{at}{name}")
        elif option in options:
            config.options[option] = _checked(options[option], value, f"{at}{name}")
        else:
            for key, v, where in _leaves(name, value, at):
                if (knob := _known(key, where)) is None:
                    config.without_effect.append(key)
                    continue
                config.knobs[knob] = value_of(knob, v)
                _checked(partial(read, knob), config.knobs[knob], where)


def _leaves(name: str, value: Any, at: str) -> list[tuple[str, Any, str]]:
    """Return the names under a key. The key is a knob, or a table whose name is their prefix: ``[net.core]``."""
    if isinstance(value, dict):
        return [leaf for key, v in value.items() for leaf in _leaves(f"{name}.{key}", v, at)]
    return [(name, value, f"{at}{name}")]


def _known(name: str, where: str) -> str | None:
    """Return the knob; None: a sysctl without effect. ConfigError: there is no such knob."""
    try:
        return knob_of(name)
    except ConfigError as e:
        raise ConfigError(f"{where}: {e}") from None


def _read_queue(number: str, knobs: Any, at: str, config: Config) -> None:
    if not (number.isascii() and number.isdecimal() and len(number) <= len(str(lib.NIC_QUEUES_MAX))):
        raise ConfigError(f"{said(at)}: must be a queue's number, as in [queue.0]")
    for name, value in _table(knobs, at).items():
        key = _known(name, f"{at}.{name}")
        if key is None or not KNOBS[key].place.each_queue:
            raise ConfigError(f"{at}.{name}: is a knob of the whole card, not of a queue")
        _checked(partial(read, key), value, f"{at}.{name}")
        config.each_queue.setdefault(int(number), {})[key] = value


def _read_faults(table: dict[str, Any], at: str) -> list[str]:
    """Return the rules of ``[fault]``, as --fault has them. A kind has one time or a list of them; true: always."""
    from vnic.fault import parse

    rules = []
    for kind, given in table.items():
        for when in given if isinstance(given, list) else [given]:
            if when is not True and not isinstance(when, str):
                raise ConfigError(f"{at}.{kind}={said(when)}: must be text, as in nth=5, or true for always")
            rule = kind if when is True else f"{kind}:{when}"
            _checked(parse, rule, f"{at}.{kind}")
            rules.append(rule)
    return rules


def _checked(check: Callable[[Any], Any], value: Any, where: str) -> Any:
    """Check a value. ConfigError: it is wrong; the text has the key's path and the reason."""
    try:
        return check(value)
    except ConfigError as e:
        raise ConfigError(f"{where}: {e}") from None
    except ValueError as e:
        raise ConfigError(f"{where}={said(value)}: {e}") from None
