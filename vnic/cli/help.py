"""Help texts: options in groups along the path of a frame, and examples of each command.

click has neither. Cloup has both, but costs another import at each start, and this needs few lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

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
}
"""Group -> its heading, in the order of a help text. Those of knobs are in vnic/knobs/knob.py."""


class Option(click.Option):
    """An option that belongs to a group of :data:`GROUPS`."""

    def __init__(self, *args: Any, group: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


def sections(command: click.Command, ctx: click.Context) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return (heading, [(option, help)]) for each group of the command's options that is not empty."""
    found: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
    for param in command.get_params(ctx):
        if isinstance(param, click.Option) and (record := param.get_help_record(ctx)) is not None:
            found[getattr(param, "group", "")].append(record)
    return [(heading, found[group]) for group, heading in GROUPS.items() if found[group]]


class Command(click.Command):
    """A command whose help has its options in groups, and examples.

    Args:
        examples: command lines as a user types them; after ``#`` what they do.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

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
