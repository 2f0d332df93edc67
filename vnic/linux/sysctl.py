"""Answer ``sysctl`` as procps 4 does, for the names of vnic/linux/sysctl_rows.py.

``-p FILE`` and ``--system`` read files, and those are the caller's, not the instance's: sysctl_files.py turns them
into ``--lines``, whose arguments are the lines.
"""

from __future__ import annotations

import getopt
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from vnic.control.reply import Reply
from vnic.errors import said
from vnic.knobs import sysctls
from vnic.linux.pseudofile import WriteError
from vnic.linux.sysctl_rows import SWAP, of_card, path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vnic.host import Host
    from vnic.linux.sysctl_values import Sysctl


def _dotted(name: str) -> str:
    return path(name).removeprefix("/proc/sys/").translate(SWAP)


USAGE = """
Usage: sysctl [-n|-N|-b] [-e] [-q] [-w] NAME[=VALUE] ...
       sysctl [-n|-N|-b] [-e] [-q] [-r REGEX] -p [FILE ...] | --system
       sysctl -a [-n|-N|-b] [--deprecated] [-r REGEX]
"""
_VERSION = "sysctl from vnic, as procps-ng 4.0.2\n"
SHORT = "aAXbeNnqwdhoxVr:pf"
LONG = ["all", "binary", "ignore", "names", "values", "quiet", "write", "help", "pattern=", "version", "load"]
LONG += ["deprecated", "dry-run", "system"]
_SHORT = {"-A": "-a", "-X": "-a", "-d": "-h", "-f": "-p"} | {
    f"--{long.rstrip('=')}": f"-{short}" for long, short in zip(LONG, "abeNnqwhrVp", strict=False)
}
LINES = "--lines"
_NAMED_MAX = 12


def options_of(argv: Sequence[str], *, more: Sequence[str] = ()) -> tuple[dict[str, str], list[str]] | Reply:
    """Return the options by their short names, and the other words; or the answer to a wrong option."""
    try:
        given, words = getopt.gnu_getopt(list(argv), SHORT, [*LONG, *more])
    except getopt.GetoptError as e:
        return Reply(out=USAGE, err=f"sysctl: {_bad_option(e)}\n")
    for option, _ in given:  # procps ends at the first of these
        short = _SHORT.get(option, option)
        if short in ("-h", "-V"):
            return Reply(USAGE if short == "-h" else _VERSION)
    return {_SHORT.get(o, o): v for o, v in given}, words


def command(host: Host, argv: Sequence[str]) -> Reply:
    """Answer ``sysctl`` with the text and exit code of procps 4, for this host's names."""
    read = options_of(argv, more=[LINES.removeprefix("--")])
    if isinstance(read, Reply):
        return read
    options, words = read
    if LINES not in options and "-a" not in options and not words:
        if "-w" in options or "-r" in options:
            return Reply(err="sysctl: no variables specified\nTry `sysctl --help' for more information.\n", code=1)
        return Reply(err=USAGE, code=1)
    if "-p" in options or "--system" in options:
        return Reply(err="sysctl: vnic sysctl reads the files and sends their lines; an instance reads none\n", code=1)
    run = _Run(host, options)
    if "-a" in options:
        run.show(run.names)
    elif LINES in options:
        run.lines(words)
    else:
        for word in words:
            run.one(word)
    return Reply("".join(run.out), "".join([*run.err, *run.without_effect()]), run.code, run.data)


def _bad_option(e: getopt.GetoptError) -> str:
    """Format the error as getopt_long(3) does."""
    long = len(e.opt) > 1
    if "requires" in e.msg:
        return f"option '--{e.opt}' requires an argument" if long else f"option requires an argument -- '{e.opt}'"
    if "must not have" in e.msg:
        return f"option '--{e.opt}' doesn't allow an argument"
    return f"unrecognized option '--{e.opt}'" if long else f"invalid option -- '{e.opt}'"


class _Run:
    """The output of one call. The exit code is procps': it counts failed reads, and only notes failed writes."""

    def __init__(self, host: Host, options: dict[str, str]) -> None:
        self.host, self.options = host, options
        self.names: dict[str, Sysctl] = of_card(host.name)
        self.out: list[str] = []
        self.err: list[str] = []
        self.code = 0
        self.data: dict[str, str] = {}
        self.unused: dict[str, str] = {}
        self.elsewhere: dict[str, str] = {}
        try:
            self.wanted = re.compile(options.get("-r", ""))
        except re.error:
            self.wanted = re.compile(r"(?!)")  # matches no name

    def lines(self, lines: Sequence[str]) -> None:
        """Handle lines of files. ``*``, ``?`` and ``[...]`` stand for all names that no other line has as they are."""
        lines = [line for line in lines if self.wanted.search(line.partition("=")[0].strip())]
        alone = {_dotted(line.partition("=")[0].strip().removeprefix("-")) for line in lines}
        for line in lines:
            name, equals, value = (part.strip() for part in line.partition("="))
            name = name.removeprefix("-")  # procps means to ignore errors, and reports them all the same
            if not equals:
                continue
            if re.search(r"[*?[]", name):
                for found in self._like(name):
                    if found not in alone:
                        self._set(found, value)
            elif sysctls.elsewhere(_dotted(name)):
                self.elsewhere[name] = ""
            else:
                self._assign(name, value)

    def _like(self, pattern: str) -> list[str]:
        """Return the names that a pattern of sysctl.d(5) matches. A star matches within one part of a name."""
        parts = path(pattern).split("/")
        split = ((name, path(name).split("/")) for name in self.names)
        return [
            name
            for name, own in split
            if len(own) == len(parts) and all(fnmatchcase(a, b) for a, b in zip(own, parts, strict=True))
        ]

    def one(self, text: str) -> None:
        """Handle ``NAME`` or ``NAME=VALUE``."""
        name, equals, value = text.partition("=")
        if "-w" in self.options and not equals and not text.startswith("-"):
            self._fail("command line(0): invalid syntax, continuing...")
            self.code = 1
        elif "-w" in self.options and not equals:
            self._assign(name.removeprefix("-"), "")
        elif not equals:
            found = self._find(name)
            if found:
                self.show(found, every=name in self.names)
            elif name and "-e" in self.options:
                return
            else:
                self._absent(name)
                self.code += 1
        else:
            name = name.strip().removeprefix("-")
            if self._find(name) and not self.wanted.search(_dotted(name)):
                self.code |= 1
            else:
                self._assign(name, value.strip())

    def _assign(self, name: str, value: str) -> None:
        """Write to the file that the name means, or say that there is none."""
        if self._find(name):
            self._set(_dotted(name), value)
        elif not (name and "-e" in self.options):
            self._absent(name)
            self.code |= 1

    def _absent(self, name: str) -> None:
        why = (
            f"cannot stat {path(name)}: No such file or directory"
            if name
            else "Path is not under /proc/sys/: /proc/sys/"
        )
        near = sysctls.near(_dotted(name)).removeprefix("; ") if name else ""
        self._fail(why, near)

    def show(self, names: Iterable[str], *, every: bool = False) -> None:
        """Print the names that match ``-r``, without deprecated ones unless ``every``. Some can only be written."""
        for name in filter(self.wanted.search, names):
            if not every and "--deprecated" not in self.options and sysctls.row(name) in sysctls.DEPRECATED:
                continue
            if name not in sysctls.WRITE_ONLY:
                self.data[name] = self.names[name].read(self.host)
                self._print(name, self.data[name], name_only="-N" in self.options)

    def _find(self, name: str) -> list[str]:
        """Return the name itself, or all names below it: ``net.core``."""
        dotted = _dotted(name)
        if dotted in self.names:
            return [dotted]
        return [n for n in self.names if n.startswith(f"{dotted}.")]

    def _set(self, name: str, value: str) -> None:
        sysctl = self.names.get(name)
        if sysctl is None or sysctl.write is None:  # procps checks the file's mode, warns and goes on
            self._fail(f'setting key "{name}": Invalid argument')
            return
        try:
            if "--dry-run" not in self.options:
                sysctl.write(self.host, f"{value}\n")
        except WriteError as e:
            self._fail(f'setting key "{name}": {e.strerror}', e.reason)
            self.code |= 1
            return
        if sysctl.source.startswith("no effect"):
            self.unused[name] = sysctl.source.removeprefix("no effect").removeprefix(": ")
        self.data[name] = value
        if "-q" not in self.options:
            self._print(name, value)

    def without_effect(self) -> list[str]:
        """Say once which of the names that were set change nothing here."""
        lines = [f"vnic: {name} is kept without effect: {why}\n" for name, why in self.unused.items() if why]
        names = [name for name, why in self.unused.items() if not why]
        for these, what in ((names, "kept without effect"), (list(self.elsewhere), "left out: not the network's")):
            if these:
                more = f" and {len(these) - _NAMED_MAX} more" if len(these) > _NAMED_MAX else ""
                said_ = ", ".join(map(said, these[:_NAMED_MAX]))
                lines.append(f"vnic: {said_}{more} {'is' if len(these) == 1 else 'are'} {what}\n")
        return lines

    def _print(self, name: str, value: str, *, name_only: bool = False) -> None:
        if name_only:
            self.out.append(f"{name}\n")
        elif "-b" in self.options:
            self.out.append(value)
        elif "-n" in self.options or "-N" in self.options:
            self.out.append(f"{value}\n")
        else:
            self.out.append(f"{name} = {value}\n")

    def _fail(self, text: str, reason: str = "") -> None:
        self.err.append(f"sysctl: {text}\n")
        if reason:
            self.err.append(f"vnic: {reason}\n")
