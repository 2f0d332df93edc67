"""The options that choose frames of a capture, passes and pace: the words of tcpdump, tshark, editcap and tcpreplay."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vnic.capture_select import LIMIT_MAX, Selection, moment
from vnic.cli.exit import Whole
from vnic.cli.help import Option
from vnic.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

_F = TypeVar("_F", bound="Callable[..., Any]")

_NAMES = ("expression", "limit", "start", "stop", "loop", "pps", "mbps", "topspeed")


class Time(click.ParamType):  # type: ignore[type-arg]
    """A time of the capture, see :func:`vnic.capture_select.moment`. It stays as written."""

    name = "time"
    toml = ((int, float, str, dt.datetime, dt.date), "seconds, or a date and time")
    """Types that a file may have it in, and their name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the value."""
        try:
            moment(value)
        except ValueError as e:
            self.fail(f"{value!r} {e}", param, ctx)
        return value


def selection_options(*, endless: bool = False) -> Callable[[_F], _F]:
    """Decorate a command with the options. ``endless``: a pass may follow the other until Ctrl-C."""

    def decorate(f: _F) -> _F:
        most = "passes over the file; 0: until Ctrl-C" if endless else "passes over all files; the frames' times go on"
        options = [
            click.option(
                "-f",
                "--filter",
                "expression",
                cls=Option,
                group="input",
                metavar="FILTER",
                help="only frames that match, an expression as for tcpdump",
            ),
            click.option(
                "-c",
                "--limit",
                "--count",
                "-L",
                "limit",
                cls=Option,
                group="input",
                type=Whole(1, LIMIT_MAX),
                help="stop after this many frames",
            ),
            click.option(
                "--from",
                "start",
                cls=Option,
                group="input",
                type=Time(),
                metavar="TIME",
                help="only frames from this time on: seconds after the first frame, or 2026-11-29T20:14:53",
            ),
            click.option(
                "--to",
                "stop",
                cls=Option,
                group="input",
                type=Time(),
                metavar="TIME",
                help="only frames before this time of the capture",
            ),
            click.option(
                "-l",
                "--loop",
                cls=Option,
                group="input",
                type=Whole(0, LIMIT_MAX),
                default=1,
                show_default=True,
                help=most,
            ),
            click.option(
                "-p",
                "--pps",
                cls=Option,
                group="input",
                type=float,
                help="constant rate in frames per second",
            ),
            click.option(
                "-M",
                "--mbps",
                cls=Option,
                group="input",
                type=float,
                help="constant rate in Mb/s of captured frame bytes",
            ),
            click.option(
                "-t", "--topspeed", cls=Option, group="input", is_flag=True, help="as fast as possible: --speed max"
            ),
        ]
        for option in reversed(options):
            f = option(f)
        return f

    return decorate


def selection_of(options: dict[str, Any]) -> Selection:
    """Take the options of :func:`selection_options` out of a command's. A pace of theirs replaces the knob ``speed``.

    ConfigError: two paces, or a value out of range.
    """
    given = {name: options.pop(name) for name in _NAMES}
    topspeed = given.pop("topspeed")
    paces = [name for name in ("pps", "mbps") if given[name] is not None]
    paces += ["topspeed"] * bool(topspeed) + ["speed"] * (options.get("speed") is not None)
    if len(paces) > 1:
        raise ConfigError(f"--{paces[0]} and --{paces[1]}: give only one pace")
    if paces and paces[0] != "speed":
        options["speed"] = "max" if topspeed else "1"  # also instead of a file's
    return Selection(filter=given.pop("expression"), **given)
