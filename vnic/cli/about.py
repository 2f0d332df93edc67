"""The commands ``vnic help`` and ``vnic version``, for who types words instead of ``--help`` and ``--version``."""

from __future__ import annotations

import click

from vnic.cli.help import Command


@click.command("help", cls=Command, examples=("vnic help", "vnic help replay"))
@click.argument("words", nargs=-1, metavar="[COMMAND]")
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Print the help text of vnic, or of a command."""
    whole = ctx.find_root()
    group = whole.command
    if not words or not isinstance(group, click.Group):
        click.echo(group.get_help(whole))
        return
    _, command, _ = group.resolve_command(whole, list(words[:1]))
    if command is not None:
        with click.Context(command, info_name=words[0], parent=whole, **command.context_settings) as own:
            click.echo(command.get_help(own))


@click.command("version", cls=Command, examples=("vnic version",))
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as version_of

    click.echo(f"vnic {version_of('vnic')}")
