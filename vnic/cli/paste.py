"""Settings to paste: the option ``--as`` of ``vnic why`` and ``vnic replay``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_F = TypeVar("_F", bound="Callable[..., Any]")
COMMANDS, TOML = "commands", "toml"
DEV = "eth0"


def as_options(what: str) -> Callable[[_F], _F]:
    """Decorate a command with ``--as`` and ``--dev``; they are its arguments ``form`` and ``dev``."""

    def decorate(f: _F) -> _F:
        f = click.option("--dev", metavar="DEV", help=f"interface in the lines of --as commands [default: {DEV}]")(f)
        return click.option(
            "--as",
            "form",
            type=click.Choice((COMMANDS, TOML)),
            help=f"instead of the text, print {what}: as lines of ethtool, ip, sysctl and so on for a real machine, or"
            " as a file for --config",
        )(f)

    return decorate


def pasted(form: str, head: str, settings: Mapping[str, Any], config: Mapping[str, Any], *, dev: str) -> str:
    """Return the text to paste.

    Args:
        form: ``commands`` or ``toml``.
        head: lines that become comments in front.
        settings: the knobs for the commands.
        config: all arguments of Host for the file.
        dev: the interface.

    Raises:
        ConfigError: the interface's name cannot stand in a command.
    """
    from vnic.exports import toml
    from vnic.exports.commands import Shell, refuse_name

    refuse_name(dev)
    lines = [toml.comment(line) for line in head.splitlines()]
    if form == TOML:
        lines += toml.lines(config)
    else:
        own = settings.get("each_queue")
        found = Shell(dev, int(config.get("queues", 1))).lines(settings, own)
        lines += found or ["# nothing to set"]
    return "\n".join(lines) + "\n"
