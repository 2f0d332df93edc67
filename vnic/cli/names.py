"""What a TAB offers: files, interfaces, knobs and their values, and what a running instance has.

It answers within a moment or not at all: an instance that does not answer, or none, offers nothing.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vnic.knobs.knob import Knob

_ANSWER_S = 0.5
_GO_ON = "nospace"
"""A word that is not complete yet: the shell puts no blank behind it. See vnic/cli/completion.py."""
_SHOWN_BY = {"-C": "-c", "--coalesce": "-c", "-G": "-g", "--set-ring": "-g", "-K": "-k", "--features": "-k",
             "--offload": "-k", "-L": "-l", "--set-channels": "-l"}  # fmt: skip
"""Option of ethtool that sets -> the one that shows the names of the same."""


class FileName(click.types.StringParamType):
    """Text that is the name of a file."""

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Leave it to the shell."""
        return [CompletionItem(incomplete, type="file")]


class Interface(click.types.StringParamType):
    """Text that is the name of a network interface."""

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the interfaces of this network namespace."""
        with contextlib.suppress(OSError):
            return _begin(sorted(path.name for path in Path("/sys/class/net").iterdir()), incomplete)
        return []


class Instance(click.types.StringParamType):
    """Text that is the name or the pid of an instance."""

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the running instances."""
        return _instances(incomplete)


class Setting(click.types.StringParamType):
    """NAME=VALUE of a knob."""

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the knobs, or the values of one."""
        from vnic.knobs.table import KNOBS, canonical

        name, eq, value = incomplete.partition("=")
        if not eq:
            dashed = incomplete.replace("_", "-")
            return [CompletionItem(f"{n}=", type=_GO_ON, help=k.help) for n, k in KNOBS.items() if n.startswith(dashed)]
        with contextlib.suppress(ValueError):
            found = _begin(_values(KNOBS[canonical(name)]), value)
            return [CompletionItem(f"{name}={item.value}") for item in found]
        return []


class Value(click.types.StringParamType):
    """The value of one knob."""

    def __init__(self, knob: Knob) -> None:
        self._knob = knob

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the values that are words."""
        return _begin(_values(self._knob), incomplete)


class Fate(click.types.StringParamType):
    """A number, or a fate that is a loss."""

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the fates."""
        from vnic.counters.snapshots import FATES

        return _begin((name for name in FATES if not name.startswith("DELIVERED_")), incomplete.upper())


class Rule(click.types.StringParamType):
    """A rule of ``vnic diff --fail-on``."""

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return rules; of those with percent, what stands before it."""
        from vnic.diff.worse import GROWING, PLAIN

        grows = [CompletionItem(f"{w}+", type=_GO_ON) for w in GROWING if w.startswith(incomplete)]
        return _begin(PLAIN, incomplete) + grows


def _values(knob: Knob) -> list[str]:
    from vnic.knobs import cost
    from vnic.knobs.parse import flag, parse_cost

    if knob.parse is flag:
        return ["on", "off"]
    if knob.parse is parse_cost:
        return list(cost.names())
    return list(knob.words)


def _begin(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _instances(incomplete: str) -> list[CompletionItem]:
    from vnic.control.client import instances
    from vnic.errors import VnicError

    with contextlib.suppress(VnicError, OSError):
        there = instances()
        names = [CompletionItem(i.name, help=f"pid {i.pid}") for i in there if i.name.startswith(incomplete)]
        return names + [
            CompletionItem(str(i.pid), help=i.name) for i in there if str(i.pid).startswith(incomplete or "-")
        ]
    return []


# ---- the arguments of other tools, which an instance answers ----


def passed_on(command: str, words: list[str], incomplete: str) -> list[CompletionItem]:
    """Return what may follow these words of ``vnic COMMAND``: ethtool, ip, sysctl, show or set."""
    from vnic.cli.instance import take

    if words and words[-1] == "--on":
        return _instances(incomplete)
    rest, on, _ = take(tuple(words))
    own = _begin(("--on", "--json"), incomplete) if incomplete.startswith("-") else []
    return own + _FOLLOWS[command](on, rest, incomplete)


def _show(on: str | None, rest: list[str], incomplete: str) -> list[CompletionItem]:
    if rest and rest[-1] == "--export":
        return [CompletionItem(incomplete, type="dir")]
    return _begin(["limits", "--export"], incomplete) + _paths(on, [], incomplete)


def _sysctl(on: str | None, _: list[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(n, type=_GO_ON) for n in _asked(on, "sysctl", ["-a"]) if n.startswith(incomplete)]


def _ip(_on: str | None, rest: list[str], incomplete: str) -> list[CompletionItem]:
    return _begin(["show", "set", "dev"] if rest else ["link", "addr", "neigh", "route", "maddr"], incomplete)


def _paths(on: str | None, rest: list[str], incomplete: str) -> list[CompletionItem]:
    """Return the next parts of the paths that begin like this; a directory ends with a slash."""
    found: dict[str, str] = {}
    if rest or incomplete[:1] not in {"", "/"}:
        return []
    for path in _asked(on, "show", []):
        if path.startswith(incomplete or "/"):
            known = incomplete or "/"
            part, slash, _ = path[len(known) :].partition("/")
            found[f"{known}{part}{slash}"] = _GO_ON if slash else "plain"
    return [CompletionItem(path, type=kind) for path, kind in found.items()]


def _ethtool(on: str | None, rest: list[str], incomplete: str) -> list[CompletionItem]:
    if not rest:
        return _begin(_options(on), incomplete) + ([] if incomplete.startswith("-") else _instances(incomplete))
    if len(rest) == 1:
        return _instances(incomplete) if rest[0].startswith("-") else []
    if (shown := _SHOWN_BY.get(rest[0])) is None:
        return []
    if len(rest) % 2:
        return _begin(["on", "off"], incomplete) if shown == "-k" else []
    return _begin(_parameters(on, shown, rest[1]), incomplete)


def _options(on: str | None) -> list[str]:
    """Return ethtool's options: as the instance knows them, which is quicker than to load them here."""
    reply = _ask(on, "ethtool", ["-h"])
    lines = [] if reply is None else [line.split() for line in str(reply.out).splitlines()]
    if known := [w[2].split("|") for w in lines if w[:2] == ["vnic", "ethtool"] and w[2].startswith("-")]:
        return [spelling for spellings in known for spelling in spellings]
    from vnic.linux.ethtool import COMMANDS

    return [name for name in COMMANDS if name]


def _parameters(on: str | None, shown: str, dev: str) -> list[str]:
    """Return what may be set of all that ethtool shows."""
    reply = _ask(on, "ethtool", [shown, dev])
    data = reply.data if reply is not None and isinstance(reply.data, dict) else {}
    data = data["current"] if isinstance(data.get("current"), dict) else data
    return [
        name
        for name, value in data.items()
        if name != "ifname" and not name.endswith("-max") and not (isinstance(value, dict) and value.get("fixed"))
    ]


def _ask(on: str | None, command: str, argv: list[str]) -> Any:
    from vnic.control.client import Connection, find
    from vnic.errors import VnicError

    with contextlib.suppress(VnicError, OSError), Connection(find(on, among=argv).path) as c:
        return c.ask(command, argv, seconds=_ANSWER_S)
    return None


def _asked(on: str | None, command: str, argv: list[str]) -> list[str]:
    """Return the names in an answer: a list of words, or the keys of an object."""
    reply = _ask(on, command, argv)
    data = reply.data if reply is not None else None
    return [word for word in data if isinstance(word, str)] if isinstance(data, (list, dict)) else []


_FOLLOWS: dict[str, Callable[[str | None, list[str], str], list[CompletionItem]]] = {
    "ethtool": _ethtool,
    "ip": _ip,
    "sysctl": _sysctl,
    "show": _show,
    "set": _paths,
}
"""Command -> function that returns what may follow: of this instance, after these words, what begins like this."""
