"""Answer ``sysctl`` as procps does, for the names under /proc/sys that are knobs here.

One table: name -> knob, range and unit as Linux has them (net/core/sysctl_net_core.c, net/ipv4/sysctl_net_ipv4.c,
net/ipv4/ip_fragment.c, net/ipv6/reassembly.c).
"""

from __future__ import annotations

import errno
import getopt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vnic.control.reply import Reply
from vnic.linux import pseudofile
from vnic.linux.pseudofile import File, WriteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vnic.host import Host

_INT = (-(1 << 31), (1 << 31) - 1)
_ULONG = (0, (1 << 64) - 1)


def parse_int(text: str, low: int, high: int) -> int:
    """Parse the first number of a write as proc_dointvec_minmax() does. WriteError: EINVAL."""
    found = re.match(r"\s*(-?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)(?=[ \t\n]|$)", text)
    if found is None:
        raise WriteError(errno.EINVAL)
    try:
        n = pseudofile.number(found[2], 64)
    except WriteError:
        raise WriteError(errno.EINVAL) from None
    n = -n if found[1] else n
    if not low <= n <= high:
        raise WriteError(errno.EINVAL)
    return n


@dataclass(frozen=True, slots=True)
class Sysctl:
    """One name: functions that read its text and write it (None: read-only)."""

    read: Callable[[Host], str]
    write: Callable[[Host, str], None] | None
    source: str


def _knob(
    name: str,
    low: int | Callable[[Host], int] = 0,
    high: int = _INT[1],
    shown: Callable[[int], int] = int,
    stored: Callable[[Host, int], int] = lambda _h, n: n,
) -> Sysctl:
    """Make a whole number that is a knob. ``low``, ``high``: Linux's own range; a value outside gets no reason."""

    def write(host: Host, text: str) -> None:
        n = parse_int(text, low(host) if callable(low) else low, high)
        pseudofile.change(host.knobs, {name: stored(host, n)})

    return Sysctl(lambda host: str(shown(host.knobs[name])), write, f"knob {name}")


def _fixed(value: int, low: int, reason: str) -> Sysctl:
    """Make a number with a single possible value here, and the reason."""

    def write(_host: Host, text: str) -> None:
        if parse_int(text, low, _INT[1]) != value:
            raise WriteError(errno.EINVAL, f"it can only be {value}: {reason}")

    return Sysctl(lambda _host: str(value), write, f"{value}: {reason}")


def _flow_limit_cpus(host: Host, text: str) -> None:
    pseudofile.change(host.knobs, {"flow-limit-cpus": pseudofile.parse_cpumap(text, host.machine.c.ncpus)})


def _table_len(host: Host, text: str) -> None:
    n = parse_int(text, 1, _INT[1])
    if n & (n - 1):
        raise WriteError(errno.EINVAL)
    pseudofile.change(host.knobs, {"flow-limit-table-len": n})


def _udp_mem(host: Host, text: str) -> None:
    """As proc_doulongvec_minmax(): those numbers that are given, and no other word."""
    numbers = [parse_int(word, 0, (1 << 32) - 1) for word in text.split()[:3]]
    if not numbers:
        raise WriteError(errno.EINVAL)
    pseudofile.change(host.knobs, {"udp-mem": numbers[0]})
    for i, n in enumerate(numbers[1:]):
        host.machine.c.udp_mem_rest[i] = n


def _two_jiffies(host: Host) -> int:
    return 2_000_000 // int(host.machine.c.hz)


def _whole_jiffies(host: Host, ms: int) -> int:
    """Round up to jiffies as Linux does: 7 ms become 8 at 250 Hz."""
    hz = int(host.machine.c.hz)
    return -(-ms * hz // 1000) * 1000 // hz


SYSCTLS = {
    "net.core.busy_poll": _fixed(0, 0, "no reader of this host waits in poll(2); busy_read is what they obey"),
    "net.core.busy_read": _knob("busy-read"),
    "net.core.dev_weight": _knob("dev-weight", 1),
    "net.core.dev_weight_rx_bias": _fixed(1, 1, "dev_weight is all there is to a backlog's weight"),
    "net.core.dev_weight_tx_bias": _fixed(1, 1, "there are no queueing disciplines that would be run by weight"),
    "net.core.flow_limit_cpu_bitmap": Sysctl(
        lambda host: pseudofile.cpumap(host.knobs["flow-limit-cpus"], host.machine.c.ncpus),
        _flow_limit_cpus,
        "knob flow-limit-cpus",
    ),
    "net.core.flow_limit_table_len": Sysctl(
        lambda host: str(host.knobs["flow-limit-table-len"]), _table_len, "knob flow-limit-table-len"
    ),
    "net.core.gro_normal_batch": _knob("gro-normal-batch", 1),
    "net.core.netdev_budget": _knob("netdev-budget", _INT[0]),
    "net.core.netdev_budget_usecs": _knob("netdev-budget-usecs", _two_jiffies),
    "net.core.netdev_max_backlog": _knob("netdev-max-backlog", _INT[0]),
    "net.core.netdev_rss_key": Sysctl(lambda host: host.knobs["rss-key"].hex(":"), None, "knob rss-key"),
    "net.core.netdev_tstamp_prequeue": _fixed(1, _INT[0], "packets are stamped before they wait in a backlog"),
    "net.core.rmem_default": _knob("rcvbuf", 2304),  # SOCK_MIN_RCVBUF
    "net.core.rmem_max": _knob("rmem-max", 2304),
    "net.core.rps_sock_flow_entries": _knob("rps-sock-flow-entries", 0, 1 << 29, pseudofile.table_size),
    "net.ipv4.icmp_msgs_burst": _knob("icmp-msgs-burst"),
    "net.ipv4.icmp_msgs_per_sec": _knob("icmp-msgs-per-sec"),
    "net.ipv4.icmp_ratelimit": _knob("icmp-ratelimit", stored=_whole_jiffies),
    "net.ipv4.ipfrag_high_thresh": _knob("ipfrag-high-thresh", *_ULONG),
    "net.ipv4.ipfrag_max_dist": _knob("ipfrag-max-dist"),
    "net.ipv4.ipfrag_time": _knob("ipfrag-time", _INT[0]),
    "net.ipv4.udp_mem": Sysctl(
        lambda host: "\t".join(map(str, (host.knobs["udp-mem"], *host.machine.c.udp_mem_rest))),
        _udp_mem,
        "knob udp-mem, and two numbers that bound nothing",
    ),
    "net.ipv6.ip6frag_high_thresh": _knob("ip6frag-high-thresh", *_ULONG),
    "net.ipv6.ip6frag_time": _knob("ip6frag-time", _INT[0]),
}
"""By name, in the order of ``sysctl -a``."""


_SWAP = str.maketrans("./", "/.")


def path(name: str) -> str:
    """Return the name's file. The first of ``.`` and ``/`` is the separator, the other part of a name (sysctl(8))."""
    first = re.search("[./]", name)
    return f"/proc/sys/{name.translate(_SWAP) if first and first[0] == '.' else name}"


def _dotted(name: str) -> str:
    return path(name).removeprefix("/proc/sys/").translate(_SWAP)


def _file(sysctl: Sysctl) -> File:
    return File(lambda host: f"{sysctl.read(host)}\n", sysctl.source, sysctl.write)


FILES = {path(name): _file(sysctl) for name, sysctl in SYSCTLS.items()}

_USAGE = """
Usage: sysctl [-n|-N|-b] [-e] [-q] [-w] NAME[=VALUE] ...
       sysctl -a [-r REGEX]
"""
_LONG = ["all", "binary", "ignore", "names", "values", "quiet", "write", "help", "pattern=", "deprecated", "dry-run"]
_SHORT = {"-A": "-a", "-X": "-a", "-d": "-h"} | {
    f"--{long.rstrip('=')}": f"-{short}" for long, short in zip(_LONG, "abeNnqwhr", strict=False)
}


def command(host: Host, argv: Sequence[str]) -> Reply:
    """Answer ``sysctl`` with the text and exit code of procps 4, for this host's names."""
    try:
        given, names = getopt.gnu_getopt(list(argv), "aAXbeNnqwdhoxr:", _LONG)
    except getopt.GetoptError as e:
        return Reply(out=_USAGE, err=f"sysctl: {_bad_option(e)}\n")
    options = {_SHORT.get(o, o): v for o, v in given}
    run = _Run(host, options)
    if "-h" in options:
        return Reply(out=_USAGE)
    if "-a" in options:
        run.show(SYSCTLS)
    elif names:
        for text in names:
            run.one(text)
    elif "-w" in options or "-r" in options:
        return Reply(err="sysctl: no variables specified\nTry `sysctl --help' for more information.\n", code=1)
    else:
        return Reply(err=_USAGE, code=1)
    return Reply("".join(run.out), "".join(run.err), run.code, run.data)


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
        self.out: list[str] = []
        self.err: list[str] = []
        self.code = 0
        self.data: dict[str, str] = {}
        try:
            self.wanted = re.compile(options.get("-r", ""))
        except re.error:
            self.wanted = re.compile(r"(?!)")  # matches no name

    def one(self, text: str) -> None:
        """Handle ``NAME`` or ``NAME=VALUE``."""
        name, equals, value = text.partition("=")
        if "-w" in self.options and not equals:
            self._fail("command line(0): invalid syntax, continuing...")
            self.code = 1
            return
        name = name.strip() if equals else name
        found = self._find(name)
        if not found:
            if not name:
                self._fail("Path is not under /proc/sys/: /proc/sys/")
            elif "-e" in self.options:
                return
            else:
                self._fail(f"cannot stat {path(name)}: No such file or directory")
            self.code = self.code | 1 if equals else self.code + 1
        elif equals:
            self._set(_dotted(name), value.strip())
        else:
            self.show(found)

    def show(self, names: Iterable[str]) -> None:
        """Print the names that match ``-r``."""
        for name in filter(self.wanted.search, names):
            self.data[name] = SYSCTLS[name].read(self.host)
            self._print(name, self.data[name], name_only="-N" in self.options)

    def _find(self, name: str) -> list[str]:
        """Return the name itself, or all names below it: ``net.core``."""
        dotted = _dotted(name)
        return [n for n in SYSCTLS if n == dotted or n.startswith(f"{dotted}.")]

    def _set(self, name: str, value: str) -> None:
        if not self.wanted.search(name):
            self.code |= 1
            return
        sysctl = SYSCTLS.get(name)
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
        self.data[name] = value
        if "-q" not in self.options:
            self._print(name, value)

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
