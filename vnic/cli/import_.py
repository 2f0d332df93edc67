"""The command ``vnic import``: write a machine's receive path as a file for ``vnic replay --config``."""

from __future__ import annotations

import contextlib
import os

import click

from vnic.cli.exit import interruptible, refusals
from vnic.cli.help import Command
from vnic.cli.reading import Reading
from vnic.errors import ConfigError, one_line


@click.command(
    name="import",
    cls=Command,
    examples=(
        "vnic import --dev eth0 -o eth0.toml  # of this machine",
        "vnic import sosreport-db1.tar.xz --dev eth0 -o db1.toml",
        "vnic replay db1.pcap --config db1.toml",
    ),
)
@click.argument("paths", nargs=-1, metavar="[DIR|ARCHIVE|FILE...]")
@click.option("--dev", metavar="DEV", help="interface to clone; without texts, one of this machine")
@click.option("-o", "--output", metavar="FILE.toml", help="file to write [default: standard output]")
def import_(paths: tuple[str, ...], *, dev: str | None, output: str | None) -> None:
    """Clone a machine's receive path as a file for --config.

    DIR, ARCHIVE (a sosreport, tar with or without compression) and FILE have texts of ethtool -i -g -l -c -k -x -n -S,
    sysctl -a, ip -d link, and files of /proc and /sys; - is standard input. Without them vnic asks the running kernel
    about --dev. What vnic has otherwise is a comment in the file and a line on stderr.
    """
    from vnic.imports.imported import import_config
    from vnic.own_paths import create

    with interruptible(), refusals():
        if not paths and not dev:
            raise ConfigError("nothing to import: name texts (a directory, an archive, files), or --dev DEV")
        with contextlib.closing(Reading()) as reading:
            found = import_config(*paths, dev=dev, progress=reading)
        if output is not None and output != "-":
            with os.fdopen(create(output), "w", encoding="utf-8") as file:
                file.write(str(found))
    if output is None or output == "-":
        click.echo(str(found), nl=False)
    for line in (*found.notes, *found.facts):
        click.echo(f"vnic: {one_line(str(line))}", err=True)
