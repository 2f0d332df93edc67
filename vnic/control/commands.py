"""Dispatch the commands that an instance answers: ``commands.answer(host, "show", ["/proc/net/dev"])``.

A Python process that has the host calls these functions directly; vnic/control/server.py calls them for its clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, cast

from vnic.cli.exit import reason
from vnic.control import rates, show
from vnic.control.reply import Reply
from vnic.errors import VnicError
from vnic.linux import ethtool, ip_route, sysctl
from vnic.why import answer as why

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vnic.host import Host

    Command = Callable[[Host, Sequence[str]], Reply]

COMMANDS: dict[str, Command] = {
    "ethtool": ethtool.command,
    "ip": ip_route.command,
    "sysctl": sysctl.command,
    "show": show.show,
    "set": show.set_,
    "why": why.show,
    "sample": rates.command,
}
"""Name -> function that answers. ``vnic stat`` requests ``sample`` at each interval and subtracts two of them."""


class _NoHostError(Exception):
    """The command wants to know something about the host, which is missing."""


class _NoHost:
    """Stands where a host would."""

    def __getattr__(self, name: str) -> NoReturn:
        raise _NoHostError(name)


def without_host(name: str, argv: Sequence[str]) -> Reply | None:
    """Return the answer that any host gives: a help text, a wrong option. None: it depends on the host."""
    try:
        return answer(cast("Host", _NoHost()), name, argv)
    except _NoHostError:
        return None


def answer(host: Host, name: str, argv: Sequence[str]) -> Reply:
    """Run one command. If arguments are wrong, do not raise: the reply's code and text name the error."""
    command = COMMANDS.get(name)
    if command is None:
        return Reply(err=f"vnic: there is no command {name!r}; there are {', '.join(COMMANDS)}\n", code=2)
    try:
        return command(host, argv)
    except OSError as e:
        return Reply(err=f"vnic {name}: {reason(e)}\n", code=1)
    except VnicError as e:
        return Reply(err=f"vnic {name}: {e}\n", code=1)
