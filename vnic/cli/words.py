"""Words that people type and click does not know: a file as the first word, ``--gro off``, any knob as an option.

vnic a.pcap            vnic replay a.pcap; also vnic -r a.pcap, and vnic -
vnic explain a.pcap    vnic why a.pcap
vnic sweeep            no such command: a guess only if the word is near, or means the same
--gro off              --no-gro; likewise for each flag that has both forms
--adaptive-rx on       --set adaptive-rx=on, for each knob without an option of its own
--rx 512               --rx-ring 512, as ethtool -G rx; --rx off is the knob rx, as ethtool -K rx
"""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.help import Command
from vnic.errors import ConfigError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIASES = {"explain": "why", "drops": "why"}
"""Command that people know from elsewhere -> ours."""
MEANT = {
    "stat": ("top", "htop", "monitor", "watch", "vmstat", "rates", "stats"),
    "sweep": ("grid", "scan", "vary", "tune", "optimize", "optimise", "pareto"),
    "why": ("reason", "reasons", "diagnose", "diag", "losses", "lost", "dropwatch", "dropped"),
    "diff": ("compare", "cmp", "versus", "vs"),
    "walk": ("story", "follow", "step", "frame"),
    "import": ("clone",),
    "capture": ("tcpdump", "tshark", "dump", "sniff", "record"),
    "send": ("tcpreplay", "inject", "transmit", "generate"),
    "replay": ("play", "open", "read", "pcap", "simulate", "load"),
    "ls": ("list", "ps", "instances"),
    "run": ("live", "start", "up", "attach", "listen"),
    "doctor": ("check", "diagnostics"),
    "knobs": ("config", "settings", "options", "sysctls", "parameters", "params", "schema"),
    "show": ("get", "cat", "proc", "limits"),
    "set": ("write", "put", "echo"),
    "costs": ("profile", "profiles"),
    "help": ("man", "usage", "manual"),
}
"""Our command -> words that mean it."""
_SENTENCES = {
    "stop": "Ctrl-C ends an instance, and so does kill PID; vnic ls has the PIDs",
    "kill": "Ctrl-C ends an instance, and so does kill PID; vnic ls has the PIDs",
    "report": "vnic replay FILE prints the report, and --json or -o OUT saves it",
}
_NEAR = 0.75
_WORD_MAX = 64  # characters compared: the search's time grows with them
_ON, _OFF = frozenset({"on", "yes", "true", "1"}), frozenset({"off", "no", "false", "0"})


# ---- the first word ----


def with_command(group: click.Group, ctx: click.Context, args: list[str]) -> list[str]:
    """Return the line with a command in front, if its first word is a file, an alias, or an option of replay."""
    if not args:
        return args
    first = args[0]
    if group.get_command(ctx, first) is not None:
        return args
    if first in ALIASES:
        return [ALIASES[first], *args[1:]]
    if first == "-" or (not first.startswith("-") and os.path.lexists(first)):
        return ["replay", *args]
    if first.startswith("-") and _is_option_of_replay(group, ctx, first):
        return ["replay", *args]
    return args


def _is_option_of_replay(group: click.Group, ctx: click.Context, word: str) -> bool:
    if any(word in param.opts for param in group.get_params(ctx)):
        return False
    replay = group.get_command(ctx, "replay")
    if replay is None:
        return False
    name = word.partition("=")[0]
    mine = {opt for param in replay.params for opt in (*param.opts, *param.secondary_opts)}
    return name in mine or (not name.startswith("--") and name[:2] in mine) or _knob(name) is not None


def unknown_command(group: click.Group, ctx: click.Context, word: str) -> click.UsageError:
    """Return the error for a word that is no command, with a guess if one is near."""
    text = f"No such command {quoted(word)}."
    if "://" in word:
        return click.UsageError(f"{text} vnic reads files: download it, or pipe it: curl -L URL | vnic -", ctx)
    if "/" in word or "." in word:
        return click.UsageError(f"{text} No such file either.", ctx)
    meant = next((ours for ours, theirs in MEANT.items() if word.lower() in theirs), None)
    if word.lower() in _SENTENCES:
        return click.UsageError(f"{text} {_SENTENCES[word.lower()]}.", ctx)
    names = [*group.list_commands(ctx), *ALIASES]
    near = [meant] if meant else difflib.get_close_matches(word.lower()[:_WORD_MAX], names, 2, _NEAR)
    return click.UsageError(f"{text} Did you mean {' or '.join(near)}?" if near else text, ctx)


# ---- options ----


def _knob(option: str) -> str | None:
    """Return the knob that an option names; None: it names none."""
    from vnic.knobs.table import canonical

    if not option.startswith("--"):
        return None
    try:
        return canonical(option[2:])
    except ConfigError:
        return None


class HostCommand(Command):
    """A command whose options are knobs."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, with the words above understood. Of guesses at an option, give only near ones."""
        try:
            return super().parse_args(ctx, list(spelled_out(self, args)))
        except click.NoSuchOption as e:
            known = [opt for param in self.get_params(ctx) for opt in param.opts if opt.startswith("--")]
            near = difflib.get_close_matches(e.option_name[:_WORD_MAX], known, 2, _NEAR)
            raise click.NoSuchOption(e.option_name, possibilities=near, ctx=ctx) from None
        except click.BadOptionUsage as e:  # click's parser does not name the command
            raise click.BadOptionUsage(e.option_name, e.message, ctx) from None


def spelled_out(command: click.Command, args: list[str]) -> Iterator[str]:
    """Yield the words as click takes them."""
    params = {opt: p for p in command.params for opt in (*p.opts, *p.secondary_opts) if isinstance(p, click.Option)}
    at = 0
    while at < len(args):
        word, following = args[at], args[at + 1] if at + 1 < len(args) else None
        at += 1
        if word == "--":
            yield from args[at - 1 :]
            return
        name, eq, value = word.partition("=")
        param = params.get(name)
        if name == "--rx":
            param = None if (value or following or "").lower() in {"on", "off"} else params.get("--rx-ring")
            word = f"--rx-ring{eq}{value}" if param is not None else word
        if not word.startswith("-") or word == "-":
            yield word
        elif param is None:
            words, took = _knob_as_set(params, name, value if eq else None, following)
            yield from words or (word,)
            at += took
        elif not param.is_flag:
            yield word
            if not eq and following is not None:
                yield following
                at += 1
        else:
            given = value if eq else (following or "")
            switched = _switched(param, name, given.lower())
            yield switched or word
            at += switched is not None and not eq


def _switched(param: Any, name: str, value: str) -> str | None:
    """Return the form of a flag for this value; None: the word is no value, or the flag has one form."""
    if not param.secondary_opts or value not in _ON | _OFF:
        return None
    on = (value in _ON) == (name in param.opts)
    return str((param.opts if on else param.secondary_opts)[0])


def _knob_as_set(
    params: dict[str, Any], name: str, value: str | None, following: str | None
) -> tuple[tuple[str, ...], int]:
    """Return an option that names a knob as ``--set NAME=VALUE``, and how many words after it that takes.

    Where ``--set`` is something else, ``--base`` is the option that sets a knob (vnic diff).
    """
    from vnic.knobs.parse import flag
    from vnic.knobs.table import KNOBS

    knob, opposite = _knob(name), _knob(name.replace("--no-", "--", 1)) if name.startswith("--no-") else None
    option = "--base" if "--base" in params else "--set"
    if option not in params or (knob or opposite) is None:
        return (), 0
    if opposite is not None:
        return ((option, f"{opposite}=off"), 0) if KNOBS[opposite].parse is flag and value is None else ((), 0)
    if value is not None:
        return (option, f"{knob}={value}"), 0
    if KNOBS[str(knob)].parse is flag and (following or "").lower() not in _ON | _OFF:
        return (option, f"{knob}=on"), 0
    if following is None:
        return (), 0
    return (option, f"{knob}={following}"), 1
