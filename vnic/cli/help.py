"""Help texts: options in groups along the path of a frame, and examples of each command.

click has neither. Cloup has both, but with it each start and each TAB imports for 0.12 s of CPU instead of 0.06.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

    from vnic.knobs.knob import Knob

GROUPS = {
    "": "Options",
    "input": "Input",
    "card": "Card",
    "ring": "Ring",
    "interrupts": "Interrupts",
    "NAPI": "NAPI",
    "GRO": "GRO",
    "spreading": "Spreading: RSS, RPS, RFS",
    "sockets": "Addresses and sockets",
    "run": "Run",
    "events": "Event log",
}
"""Group -> its heading, in the order of a help text. Those of knobs are in vnic/knobs/knob.py."""


class Option(click.Option):
    """An option that belongs to a group of :data:`GROUPS`, or sets a knob."""

    def __init__(self, *args: Any, group: str = "", knob: Knob | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group if knob is None else knob.group
        self.knob = knob


def sections(command: click.Command, ctx: click.Context) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return (heading, [(option, help)]) for each group of the command's options that is not empty."""
    found: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for param in command.get_params(ctx):
        if isinstance(param, click.Option) and (record := param.get_help_record(ctx)) is not None:
            found[getattr(param, "group", "")].append(record)
    return [(heading, found[group]) for group, heading in GROUPS.items() if found[group]]


def _offered(param: click.Parameter) -> Any:
    """Return the type of an option whose value a TAB can offer; of any other, its own."""
    from vnic.cli import names

    found = param.type
    if type(found) is not click.types.StringParamType:
        return found
    by_name = {
        "tap": names.Interface,
        "dev": names.Interface,
        "on": names.Instance,
        "sets": names.Setting,
        "vary": names.Setting,
        "base": names.Setting,
    }
    metavar = (param.metavar or param.name or "").upper()
    if param.name in by_name:
        found = by_name[param.name]()
    elif isinstance(param, Option) and param.knob is not None:
        found = names.Value(param.knob)
    elif any(word in metavar for word in ("FILE", "PCAP", "TRACE", "BEFORE")):
        found = names.FileName()
    return found


class Command(click.Command):
    """A command whose help has its options in groups, and examples.

    Args:
        examples: command lines as a user types them; after ``#`` what they do.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        for param in self.params:
            param.type = _offered(param)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the options; of a command that passes its arguments on, those of the other tool."""
        if self.params and self.params[0].type is click.UNPROCESSED:
            return self.params[0].shell_complete(ctx, incomplete)
        return super().shell_complete(ctx, incomplete)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by their groups."""
        for heading, records in sections(self, ctx):
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples. Their lines are never broken, because people copy them."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
