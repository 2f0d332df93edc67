"""The options that ``vnic replay``, ``run`` and ``why`` share: knobs by their Linux names, addresses, captures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from vnic._core import lib
from vnic.cli.config_file import COMMANDS, Config
from vnic.cli.config_file import load as load_config
from vnic.cli.exit import Whole, refusals
from vnic.cli.help import Option
from vnic.cli.selection import Time
from vnic.cli.sysctl_names import knob_of, value_of, without_effect
from vnic.errors import ConfigError, one_line, said
from vnic.knobs.cpus import absent
from vnic.knobs.parse import parse_mask
from vnic.knobs.table import KNOBS, read
from vnic.schema import POINTS

if TYPE_CHECKING:
    from collections.abc import Callable

_F = TypeVar("_F", bound="Callable[..., Any]")

# knobs with an option of their own; --set takes all others
_OPTIONS = (
    "queues",
    "rx-ring",
    "rx-buf-len",
    "fifo",
    "mac",
    "mtu",
    "rx-usecs",
    "rx-frames",
    "weight",
    "netdev-budget",
    "netdev-budget-usecs",
    "netdev-max-backlog",
    "gro-flush-timeout",
    "napi-defer-hard-irqs",
    "rps-cpus",
    "rps-flow-cnt",
    "rps-sock-flow-entries",
    "flow-limit-cpus",
    "hz",
    "reader-cpu",
    "rcvbuf",
)
_REPLAY_OPTIONS = ("link", "speed", "cost", "capture-mtu")
_NOT_IN_FILES = frozenset({"config", "sets", "sysctls", "files", "vary"})
_OTHER_NAMES = {"queues": ("--combined",), "rx-ring": ("--ring",), "speed": ("-x", "--multiplier")}


def _knob_option(name: str) -> Callable[[_F], _F]:
    default = KNOBS[name].default
    shown = f" [default: {default}]" if default is not None else ""
    return click.option(
        f"--{name}",
        *_OTHER_NAMES.get(name, ()),
        cls=Option,
        knob=KNOBS[name],
        metavar="VALUE",
        help=KNOBS[name].help + shown,
    )


def _flag_option(name: str, spelled: str, shown: str = "", **how: Any) -> Callable[[_F], _F]:
    knob = KNOBS[name]
    return click.option(spelled, cls=Option, knob=knob, default=None, help=knob.help + shown, **how)


def host_options(*, replay: bool, write: bool = True) -> Callable[[_F], _F]:
    """Decorate a command with the shared options, in the order of the path. ``write``: also those that save packets."""

    def decorate(f: _F) -> _F:
        options = [_knob_option(n) for n in (*_OPTIONS, *(_REPLAY_OPTIONS if replay else ()))]
        options += [
            click.option(
                "--cpus",
                cls=Option,
                group="run",
                type=Whole(1, int(lib.CPUS_MAX)),
                default=4,
                show_default=True,
                help="emulated CPUs",
            ),
            click.option(
                "--ip",
                "--ip6",
                "ip",
                cls=Option,
                group="sockets",
                multiple=True,
                metavar="any|ADDR/PREFIX",
                help="the host's addresses; repeatable; any: all addresses are ours [default: any]",
            ),
            _flag_option("promisc", "--promisc/--no-promisc"),
            _flag_option("gro", "--gro/--no-gro", shown=" [default: on]"),
            _flag_option("strict-csum", "--strict-csum/--no-strict-csum"),
            click.option(
                "--seed",
                cls=Option,
                group="run",
                type=Whole(0, 1 << 63),
                default=0,
                show_default=True,
                help="seed of the software flow hash",
            ),
            click.option(
                "--set",
                "sets",
                cls=Option,
                group="run",
                multiple=True,
                metavar="NAME=VALUE",
                help="set any knob by its Linux name; repeatable",
            ),
            click.option(
                "--fault",
                "faults",
                cls=Option,
                group="run",
                multiple=True,
                metavar="KIND[:WHEN]",
                help="let the card do something wrong: irq-lost:nth=5, dma-flip:p=0.001, stall:from=1s,until=2s; "
                "repeatable; docs/faults.md has all of them",
            ),
            click.option(
                "--sysctl",
                "sysctls",
                cls=Option,
                group="run",
                multiple=True,
                metavar="NAME=VALUE",
                help="as --set, for sysctl's names; vnic says which ones have no effect here; repeatable",
            ),
            click.option(
                "--config",
                cls=Option,
                group="run",
                multiple=True,
                metavar="FILE",
                is_eager=True,
                expose_value=False,
                callback=_config,
                help="read options and knobs from a file: TOML by the same names, a sysctl.conf, or texts of ethtool; "
                "repeatable; the command line overrides the files",
            ),
            click.option("--json", "as_json", is_flag=True, help="one JSON object on stdout"),
        ]
        if write:
            options += [
                click.option(
                    "-w",
                    "--write",
                    metavar="OUT.pcapng|-",
                    help="save the packets that pass the points of --at; -: to stdout, and the report to stderr",
                ),
                click.option(
                    "--at",
                    multiple=True,
                    type=click.Choice(POINTS),
                    default=("gro",),
                    show_default=True,
                    help="wire: all frames as they arrived; nic: frames that the card accepted;"
                    " gro: packets as AF_PACKET sees them; stack: packets with their fates",
                ),
            ]
        for option in reversed(options):
            f = option(f)
        return f

    return decorate


def _config(ctx: click.Context, _param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Make the files' options the command's defaults, and keep their knobs for :func:`host_arguments`."""
    if paths:
        ctx.default_map = read_config(ctx, paths)
    return paths


def read_config(ctx: click.Context, paths: tuple[str, ...]) -> dict[str, Any]:
    """Return the files' options by their Python names, and keep their knobs for :func:`host_arguments`."""
    keys = config_keys(ctx.command)
    whole = Config()
    with refusals():
        for path in paths:
            whole.update(load_config(path, _section(ctx), {key: _checker(ctx, param) for key, param in keys.items()}))
    ctx.meta["vnic.config"] = whole
    return {str(keys[key].name): value for key, value in whole.options.items()}


def config_keys(command: click.Command) -> dict[str, click.Parameter]:
    """Return a command's options by the names that a file may use: those of the command line, with underscores."""
    found: dict[str, click.Parameter] = {}
    for param in command.params:
        name = str(param.name)
        if name in _NOT_IN_FILES or name.replace("_", "-") in KNOBS:
            continue
        long = (opt[2:].replace("-", "_") for opt in param.opts if opt.startswith("--"))
        found |= dict.fromkeys((name, *long), param)
    return found


def _section(ctx: click.Context) -> str:
    """Return the name of the file's table for this command; ``vnic why`` uses replay's."""
    return ctx.command.name if ctx.command.name in COMMANDS else "replay"


def _toml_kinds(param: click.Parameter) -> tuple[tuple[type, ...], str]:
    """Return the TOML types that an option takes, and their name. click alone would take true for 1, and 1 for true."""
    if isinstance(param.type, Time):
        return param.type.toml
    if isinstance(param.type, click.types.BoolParamType):
        return (bool, str), "true or false"
    if isinstance(param.type, click.types.FloatParamType):
        return (int, float, str), "a number"
    return (int, str), "a whole number" if isinstance(param.type, click.types.IntParamType) else "text"


def _checker(ctx: click.Context, param: click.Parameter) -> Callable[[Any], Any]:
    several = param.multiple or param.nargs != 1
    kinds, what = _toml_kinds(param)

    def check(value: Any) -> Any:
        values = value if several and isinstance(value, list) else [value]
        if any(isinstance(v, (list, dict)) for v in values):
            raise ValueError("must be one value")  # click would take the text of the list
        if not all(type(v) in kinds for v in values):
            raise ValueError(f"must be {what}")
        try:
            return param.type_cast_value(ctx, values if several else value)
        except click.BadParameter as e:
            raise ValueError(e.message) from None

    return check


def host_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """Turn a command's values of :func:`host_options` into the arguments of Host(), without those that save packets.

    The options override the knobs of ``--config``, and ``--set`` overrides the options.

    Raises:
        ConfigError: a ``--set`` is not NAME=VALUE, or ``--ip any`` stands beside an address.
    """
    given = {name: value for name, value in options.items() if value is not None}
    sets, sysctls, ip = given.pop("sets"), given.pop("sysctls"), given.pop("ip")
    if faults := given.pop("faults", ()):
        given["faults"] = list(faults)
    config = click.get_current_context().meta.get("vnic.config", Config())
    unused = list(config.without_effect)
    given = {name.replace("-", "_"): value for name, value in config.knobs.items()} | given
    if config.each_queue:
        given["each_queue"] = config.each_queue
    for option, item in [*(("--sysctl", item) for item in sysctls), *(("--set", item) for item in sets)]:
        name, eq, value = item.partition("=")
        if not eq:
            raise ConfigError(f"{option} {item}: must be NAME=VALUE")
        knob = knob_of(name)
        if knob is None:
            unused.append(name.strip())
        else:
            given[knob.replace("-", "_")] = value_of(knob, value.strip())
    _say(unused, config.notes, given)
    return given | {"ip": _addresses(ip)}


def _say(unused: list[str], notes: list[str], given: dict[str, Any]) -> None:
    """Say on stderr, a line each, what has no effect, and which CPUs of a mask are not there."""
    own = [(f"queue {i}: ", knobs) for i, knobs in given.get("each_queue", {}).items()]
    lines = [*notes, *([text] if (text := without_effect(unused)) else [])]
    for where, knobs in [("", given), *own]:
        for name, value in knobs.items():
            if name.replace("_", "-") in KNOBS and KNOBS[name.replace("_", "-")].parse is parse_mask:
                missing = absent(read(name, value), given["cpus"])
                knob = f"{where}{name.replace('_', '-')}={said(value)}"
                lines += [f"{knob}: there is no CPU {missing}: the host has {given['cpus']}"] if missing else []
    for line in lines:
        click.echo(f"vnic: {one_line(line)}", err=True)


def _addresses(ip: tuple[str, ...]) -> str | list[str]:
    if "any" in ip and len(ip) > 1:
        raise ConfigError("--ip any: all addresses are ours already, so remove the other --ip")
    return "any" if not ip or "any" in ip else list(ip)
