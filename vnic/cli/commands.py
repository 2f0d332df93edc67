"""The command line's entry point: each command by its name, loaded when it is used, so that vnic starts at once."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.exit import Group

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.shell_completion import CompletionItem

# heading -> command -> (module of vnic.cli, its name there, one line of help). The line is here, so that the list of
# commands loads none of them; a test compares it with the command's own.
COMMANDS: dict[str, dict[str, tuple[str, str, str]]] = {
    "Captures, without root": {
        "replay": ("replay", "replay", "Replay captures (pcap, pcapng) in virtual time, without root."),
        "trace": ("trace", "trace", "Write a time line of a run: for Perfetto, or as the kernel's tracer prints it."),
        "why": ("why", "why", "Explain why frames are lost, and which knob helps."),
        "report": ("report", "report", "Make a page of a report: one HTML file, offline."),
        "sweep": ("sweep", "sweep", "Replay captures with every combination of settings, and compare."),
        "diff": ("diff", "diff", "Compare two runs frame by frame: what would another setting have done."),
        "walk": ("walk", "walk", "Tell the story of a frame: a line a stage, from the wire to its fate."),
        "events": ("events", "events", "Print what happened to each frame, and when."),
        "tcp": ("tcp", "tcp", "Run a workload of TCP between two hosts and a link, in virtual time."),
    },
    "Live, on a TAP device": {
        "run": ("run", "run", "Run a live host on a TAP device, or on a switch's port, until Ctrl-C."),
        "send": ("send", "send", "Send captures' frames (pcap, pcapng) at their times."),
        "vhost": ("vhost", "vhost", "Be the network card of a guest, by vhost-user, until Ctrl-C."),
        "setup": ("tap", "setup", "Create a persistent TAP device, once, as root."),
        "doctor": ("tap", "doctor", "Check what a live run needs."),
    },
    "Ask and tune a running instance": {
        "ls": ("instance", "ls", "List the running instances that you may talk to."),
        "stat": ("instance", "stat", "Print an instance's rates, one line per interval."),
        "show": ("instance", "show", "Print files and knobs of an instance: /proc, /sys, limits."),
        "set": ("instance", "set_", "Change a knob of an instance, or write to a file."),
        "ethtool": ("instance", "ethtool", "Run ethtool on an instance's card."),
        "ip": ("instance", "ip", "Run ip link, addr, neigh, route or maddr on an instance."),
        "sysctl": ("instance", "sysctl", "Run sysctl on an instance."),
        "capture": ("instance", "capture", "Capture packets of a running instance until Ctrl-C."),
    },
    "Real machines, and costs": {
        "knobs": ("knobs", "knobs", "List every knob: place in Linux, unit, default, range."),
        "import": ("import_", "import_", "Clone a machine's receive path as a file for --config."),
        "costs": ("costs", "costs", "Print a cost profile: figures with unit, spread and source."),
        "calibrate": (
            "calibrate",
            "calibrate",
            "Measure what the running kernel's receive path costs, in less than a minute.",
        ),
        "validate": (
            "validate",
            "validate",
            "Send the same packets through the running kernel and through vnic, and compare.",
        ),
        "packetdrill": ("packetdrill", "packetdrill", "Run packetdrill scripts against vnic's TCP."),
    },
    "About vnic": {
        "help": ("about", "help_", "Print the help text of vnic, or of a command."),
        "version": ("about", "version", "Print the version."),
        "completion": ("completion", "completion", "Print a script that completes vnic's commands in a shell."),
    },
}
_PLACE = {name: place for commands in COMMANDS.values() for name, place in commands.items()}


class LazyGroup(Group):
    """A group whose commands are imported when they are used."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run as the group does, and answer a TAB in vnic's own way."""
        if "_VNIC_COMPLETE" in os.environ:
            from vnic.cli.completion import register

            register()
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help text."""
        return [*_PLACE, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command. None: no command has this name."""
        if cmd_name not in _PLACE:
            return super().get_command(ctx, cmd_name)
        module, attribute, _ = _PLACE[cmd_name]
        found: click.Command = getattr(import_module(f"vnic.cli.{module}"), attribute)
        return found

    def listed(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Yield (heading, [(command, its line of help)])."""
        for heading, commands in COMMANDS.items():
            yield heading, [(name, line) for name, (_, _, line) in commands.items()]
        own = [(name, self.commands[name].get_short_help_str(limit=1 << 16)) for name in super().list_commands(ctx)]
        if own:
            yield "Others", own

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin like this, or the options. click would load every command for it."""
        from click.shell_completion import CompletionItem

        lines = [row for _, rows in self.listed(ctx) for row in rows]
        names = [CompletionItem(name, help=line) for name, line in lines if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands by their headings; click would shorten the lines."""
        for heading, rows in self.listed(ctx):
            with formatter.section(heading):
                formatter.write_dl(rows)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "VNIC", "max_content_width": 100},
)
@click.version_option(None, "-V", "--version", package_name="vnic", message="%(prog)s %(version)s")
def main() -> None:
    """A network card and the Linux receive path in user space."""
