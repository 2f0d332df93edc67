"""The command ``vnic replay``: captures through a host in virtual time. Options have Linux's names for the knobs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from vnic.cli.event_options import event_files_of, event_options
from vnic.cli.exit import EXIT_USAGE, Whole, fail, incomplete, interruptible, refusals
from vnic.cli.options import host_arguments, host_options
from vnic.cli.paste import DEV, as_options, pasted
from vnic.cli.progress import Progress
from vnic.cli.selection import selection_of, selection_options
from vnic.cli.shown import show_report
from vnic.cli.words import HostCommand

if TYPE_CHECKING:
    from vnic.events.events import Events
    from vnic.host import Host


def _paste(facts: dict[str, Any], form: str, dev: str | None) -> None:
    from vnic.exports.toml import changed

    own = {name: facts["config"][name] for name in ("each_queue",) if facts["config"].get(name)}
    with refusals():
        text = pasted(form, "", changed(facts["config"]) | own, facts["config"], dev=dev or DEV)
    click.echo(text, nl=False)


@click.command(
    cls=HostCommand,
    examples=(
        "vnic replay your.pcapng  # Linux's defaults: the fate of each frame",
        "vnic replay a.pcap --queues 4 --rx-usecs 50 --rps-cpus f --speed max",
        "vnic replay a.pcap -f 'udp port 53' --from 1.5 --to 3 --loop 10",
        "vnic replay a.pcap --json | jq .ledger.fates",
        "vnic replay a.pcap --html report.html  # a page: path, losses, why",
        "vnic replay a.pcap --frames frames.parquet  # each one's times and fate",
        "vnic replay a.pcap --at stack --write - | tshark -r -  # and its fate",
    ),
)
@click.argument("files", nargs=-1, metavar="FILE|DIR...")
@click.option("-r", "--read", multiple=True, metavar="FILE", help="as FILE, before those; repeatable")
@selection_options()
@click.option("-q", "--quiet", is_flag=True, help="print one line instead of the tables, and no progress")
@click.option("-o", "--output", metavar="OUT", help="write the report, or the JSON, to this file")
@click.option(
    "--hold", is_flag=True, help="after the replay, keep answering vnic show, vnic ethtool and so on until Ctrl-C"
)
@click.option("--html", metavar="OUT.html", help="write the report as a page too; see vnic report (pip: vnic[report])")
@click.option(
    "--why-runs",
    type=Whole(0, 1000),
    default=16,
    show_default=True,
    help="with --html: most replays of each kind to find which setting loses no frame; 0: none",
)
@click.option("--timeline", is_flag=True, help="with --json: add the time line, which --html always has")
@event_options
@as_options("the configuration")
@host_options(replay=True)
def replay(
    files: tuple[str, ...],
    *,
    read: tuple[str, ...],
    quiet: bool,
    output: str | None,
    hold: bool,
    html: str | None,
    why_runs: int,
    timeline: bool,
    form: str | None,
    dev: str | None,
    as_json: bool,
    write: str | None,
    at: tuple[str, ...],
    **options: Any,
) -> None:
    """Replay captures (pcap, pcapng) in virtual time, without root.

    The frames pass the card and the receive path; the report gives the fate of every frame. FILE may be - (standard
    input), a named pipe or a compressed capture; vnic reads those into memory first, up to half of the free memory.
    Of a directory, vnic reads the captures in it by the time of their first packets. Files follow one another.

    Exit codes: 0 success; 1 an input ended early, or a file of a directory was left out; 2 wrong usage, a wrong knob or
    unreadable input.
    """
    from vnic.capture_files import gather
    from vnic.cli.reading import Reading
    from vnic.runs.replay import replay as run_replay

    if form is not None and (as_json or hold or quiet or write is not None or output is not None or html is not None):
        fail(EXIT_USAGE, "--as stands in place of the report: not with --json, --hold, --html, --write, -q or -o")
    if html == "-" == write:
        fail(EXIT_USAGE, "--html - and --write -: only one of them can have standard output")
    bar = Progress("replay", in_bytes=True)
    with interruptible(), refusals(), contextlib.closing(bar) as progress, contextlib.ExitStack() as stack:
        select, files_of_events = selection_of(options), event_files_of(options)
        arguments = host_arguments(options)
        with contextlib.closing(Reading()) as reading:
            opened = gather((*read, *files), reading=reading)
        files_of_events.refuse_inputs(opened)
        page = None
        if html is not None:
            from vnic.cli.html import Page

            page = stack.enter_context(Page(html, opened))

        def show(facts: dict[str, Any]) -> None:
            progress.close()
            if page is not None:
                page.write(facts, select, arguments, runs=why_runs, progress=None if quiet else progress)
            if form is None:
                where = "-" if html == "-" else write
                show_report(facts, as_json=as_json, write=where, quiet=quiet, output=output)

        def stay(host: Host, facts: dict[str, Any]) -> None:
            from vnic.cli.instance import hold as keep_answering
            from vnic.control.server import Control

            show(facts)
            keep_answering(lambda: Control(host, facts=lambda: facts))

        def keep(events: Events) -> None:
            progress.close()
            files_of_events.write(events)

        result = run_replay(
            opened,
            events=files_of_events.chosen or False,
            kept=keep,
            select=select,
            write=write,
            at=at,
            timeline=timeline or html is not None,
            progress=None if quiet else progress,
            then=stay if hold else None,
            **arguments,
        )
        if not hold:
            show(result.facts)
    if form is not None:
        _paste(result.facts, form, dev)
    ended = f"the input ended early: {result.error}; the report covers the frames read until then"
    incomplete(result.facts["input"]["left_out"], ended if result.error else "")
