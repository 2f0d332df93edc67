"""Parse the kernel's own texts: sysctl, /proc/interrupts, /proc/irq, softnet_stat, and files of /sys/class/net."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from vnic.errors import VnicError
from vnic.imports.machine import Interrupt, hexadecimal, number
from vnic.linux.pseudofile import parse_cpulist

if TYPE_CHECKING:
    from vnic.imports.machine import Machine

_CPUS_MAX = 1 << 13
"""Most CPUs that Linux can be built for."""
_ROWS_MAX = 1 << 16
_QUEUES_MAX = 4096


# ---- /proc/interrupts, /proc/net/softnet_stat, sysctl ----


def _see_cpus(machine: Machine, n: int) -> None:
    if n <= _CPUS_MAX:
        machine.cpus = max(machine.cpus, n)


def interrupts(machine: Machine, _dev: str, _head: re.Match[str], lines: list[str]) -> None:
    """/proc/interrupts. /proc/softirqs has the same heading, and no row with a number."""
    cpus = [int(word[3:]) for word in lines[0].split()]
    _see_cpus(machine, max(cpus) + 1)
    for line in lines[1:]:
        label, colon, rest = line.partition(":")
        irq = number(label)
        if not colon:
            if line.strip():
                machine.unknown("/proc/interrupts", [line])
            continue
        words = rest.split(None, len(cpus))
        counts = [number(word) for word in words[: len(cpus)]]
        if irq is None:
            continue  # NMI, LOC, CAL and the like; softirqs
        if len(counts) < len(cpus) or None in counts:
            machine.unknown("/proc/interrupts", [line])
        elif len(machine.interrupts) < _ROWS_MAX:
            seen = {cpu: n for cpu, n in zip(cpus, counts, strict=True) if n}
            machine.interrupts[irq] = Interrupt(seen, " ".join(words[len(cpus) :]))


def softnet_stat(machine: Machine, _dev: str, _head: re.Match[str], lines: list[str]) -> None:
    """/proc/net/softnet_stat: a line for each CPU that is online. Column 13 is the CPU, in Linux 5.10 and later."""
    rows = [[int(word, 16) for word in line.split()] for line in lines[:_CPUS_MAX] if _COLUMNS.fullmatch(line)]
    machine.unknown("softnet_stat", [line for line in lines if line.strip() and not _COLUMNS.fullmatch(line)])
    machine.softnet = rows
    _see_cpus(machine, max([len(rows), *(row[12] + 1 for row in rows if len(row) > 12)]))


def snmp(machine: Machine, _dev: str, _head: re.Match[str], lines: list[str]) -> None:
    """/proc/net/snmp: two lines for each protocol, the names and the numbers."""
    rows = [words for line in lines[:_ROWS_MAX] if (words := line.split())]
    for names, values in itertools.pairwise(rows):
        if names[0] != values[0] or number(names[-1]) is not None:
            continue
        if len(names) != len(values) or not names[0].endswith(":"):
            machine.unknown("/proc/net/snmp", [" ".join(names)])
            continue
        found = {word: n for word, text in zip(names[1:], values[1:], strict=True) if (n := number(text)) is not None}
        machine.snmp.setdefault(names[0][:-1], {}).update(found)


_COLUMNS = re.compile("[0-9a-f]{8}(?: [0-9a-f]{8})+[ \t]*", re.ASCII)
_SYSCTL = re.compile(r"([a-z][^\s=]*) ?= ?(.*)", re.ASCII)


def sysctl(machine: Machine, _dev: str, _head: re.Match[str], lines: list[str]) -> None:
    """``sysctl -a``: names with dots or slashes."""
    for line in lines:
        found = _SYSCTL.fullmatch(line.rstrip())
        if found:
            machine.sysctl[_dotted(found[1])] = found[2].strip()
        elif line.strip() and not line.startswith("sysctl: "):
            machine.unknown("sysctl", [line])


def _dotted(name: str) -> str:
    """Return a name with dots between its parts. In one with slashes, a dot belongs to a part: conf/eth0.1/mtu."""
    first = re.search("[./]", name)
    return name.translate(str.maketrans("./", "/.")) if first and first[0] == "/" else name


# ---- files, by their path ----


def _list(text: str) -> int | None:
    try:
        return parse_cpulist(text.strip()[:4096], _CPUS_MAX)
    except (VnicError, OSError):
        return None


def _irq(machine: Machine, found: re.Match[str], text: str) -> bool:
    kind = found["file"]
    mask = _list(text) if kind.endswith("_list") else hexadecimal(text)
    if not mask:
        return kind.startswith("effective") and mask == 0  # not started: the kernel has not chosen one
    into = machine.affinity if kind.startswith("smp") else machine.effective
    into[int(found["irq"])] = mask
    return True


def _queue(machine: Machine, found: re.Match[str], text: str) -> bool:
    card, queue = machine.card(found.groupdict().get("dev", "")), int(found["queue"])
    value = hexadecimal(text) if found["file"] == "rps_cpus" else number(text)
    if value is None or value < 0 or queue >= _QUEUES_MAX:
        return False
    into = card.rps_cpus if found["file"] == "rps_cpus" else card.rps_flow_cnt
    into[queue] = value
    return True


_FLAGS = {"promisc": 0x100, "allmulti": 0x200}
_NUMBERS = ("mtu", "speed", "gro_flush_timeout", "napi_defer_hard_irqs", "threaded")


def _device(machine: Machine, found: re.Match[str], text: str) -> bool:
    card, name, text = machine.card(found["dev"]), found["file"], text.strip()
    if name in ("address", "duplex"):
        card.words[name] = text[:64]
        return bool(text)
    n = hexadecimal(text) if name == "flags" else number(text)
    if n is None:
        return False
    if name == "flags":
        card.link |= {word: int(bool(n & bit)) for word, bit in _FLAGS.items()}
    else:
        card.link[name] = n
    return True


def _msi(machine: Machine, found: re.Match[str], _text: str) -> bool:
    machine.card(found["dev"]).irqs.append(int(found["irq"]))
    return True


def _sysctl_file(machine: Machine, found: re.Match[str], text: str) -> bool:
    machine.sysctl[found["name"].translate(str.maketrans("./", "/."))] = " ".join(text.split())
    return True


def _kernel_config(machine: Machine, _found: re.Match[str], text: str) -> bool:
    hz = re.search(r"^CONFIG_HZ=([0-9]{1,6})$", text, re.ASCII | re.MULTILINE)
    machine.hz = int(hz[1]) if hz else machine.hz
    return hz is not None


_DEV = r"(?P<dev>[^/\s]{1,64})"
_FILES = [
    (re.compile(rf"(?:.*/)?{path}", re.ASCII), parse)
    for path, parse in (
        (rf"net/{_DEV}/queues/rx-(?P<queue>[0-9]{{1,9}})/(?P<file>rps_cpus|rps_flow_cnt)", _queue),
        (r"(?:queues/)?rx-(?P<queue>[0-9]{1,9})/(?P<file>rps_cpus|rps_flow_cnt)", _queue),
        (r"irq/(?P<irq>[0-9]{1,9})/(?P<file>(?:smp|effective)_affinity(?:_list)?)", _irq),
        (rf"net/{_DEV}/device/msi_irqs/(?P<irq>[0-9]{{1,9}})", _msi),
        (rf"(?:class|devices/.*)/net/{_DEV}/(?P<file>address|duplex|flags|{'|'.join(_NUMBERS)})", _device),
        (r"proc/sys/(?P<name>net/(?:core|ipv4|ipv6)/[^/\s]+)", _sysctl_file),
        (r"config-[0-9][^/]*", _kernel_config),
    )
]


def file(machine: Machine, path: str, text: str) -> bool:
    """Read a file that its path alone explains. Return: it is such a file."""
    for pattern, parse in _FILES:
        if found := pattern.fullmatch(path):
            if not parse(machine, found, text):
                machine.unknown(path, text.splitlines()[:1] or ["(empty)"])
            return True
    return False


def is_file(path: str) -> bool:
    """Does the path alone explain the file?"""
    return any(pattern.fullmatch(path) for pattern, _ in _FILES)
