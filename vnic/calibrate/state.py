"""What the machine is, how busy it was, and which CPUs to measure on. No name of a host or of a user."""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vnic.errors import ConfigError
from vnic.tap.pinning import parse_pin

if TYPE_CHECKING:
    from vnic.knobs.cost import Facts

_LOOK_S, _GLANCE_S = 0.3, 0.2
_QUIET = 0.9
SOFTNET = {"processed": 0, "dropped": 1, "time_squeeze": 2, "received_rps": 9}
"""Columns of /proc/net/softnet_stat."""
_CPU = Path("/sys/devices/system/cpu")


def _read(path: str | Path, missing: str = "") -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return missing


def cpu_times(stat: str) -> dict[int, dict[str, int]]:
    """Parse /proc/stat: for each CPU its ticks in total, idle (with iowait) and stolen by the hypervisor."""
    out = {}
    for number, rest in re.findall(r"^cpu(\d+) (.*)$", stat, re.MULTILINE):
        ticks = [int(n) for n in rest.split()[:8]] + [0] * 8
        out[int(number)] = {"total": sum(ticks[:8]), "idle": ticks[3] + ticks[4], "steal": ticks[7]}
    return out


def softnet(cpus: tuple[int, ...], text: str | None = None) -> dict[str, int]:
    """Return counters of /proc/net/softnet_stat, of these CPUs together."""
    lines = _read("/proc/net/softnet_stat") if text is None else text
    rows = [[int(word, 16) for word in line.split()] for line in lines.splitlines()]
    # column 12 is the CPU's number, since Linux 5.10: offline CPUs have no line
    by_cpu = {row[12] if len(row) > 12 else nth: row for nth, row in enumerate(rows)}
    return {name: sum(by_cpu[cpu][column] for cpu in cpus if cpu in by_cpu) for name, column in SOFTNET.items()}


def choose(pin: str | None) -> tuple[int, int | None]:
    """Return the writer's CPU and the reader's (None: there is no other). ``pin``: ``W,R``, or None: two quiet ones.

    ConfigError: not one or two CPUs that this process may use.
    """
    if pin is not None:
        cpus = parse_pin(pin)
        if pin == "auto" or len(cpus) > 2 or len(set(cpus)) < len(cpus):
            raise ConfigError(f"pin {pin}: must be two CPUs, the writer's and the reader's, such as 2,3")
        return cpus[0], cpus[1] if len(cpus) > 1 else None
    before = cpu_times(_read("/proc/stat"))
    time.sleep(_LOOK_S)
    after = cpu_times(_read("/proc/stat"))
    busy = {
        cpu: sum(after[cpu][k] * sign - before[cpu][k] * sign for k, sign in (("total", 1), ("idle", -1)))
        for cpu in sorted(os.sched_getaffinity(0))
        if cpu in before and cpu in after
    }
    return quietest(busy, {cpu: _siblings(cpu) for cpu in busy})


def quietest(busy: dict[int, int], siblings: dict[int, str]) -> tuple[int, int | None]:
    """Return the two least busy CPUs, on two cores if there are two. Of equal ones the higher: CPU 0 does more."""
    order = sorted(busy, key=lambda cpu: (busy[cpu], -cpu))
    writer, *others = order
    apart = [cpu for cpu in others if siblings[cpu] != siblings[writer] or not siblings[cpu]]
    return writer, next(iter(apart or others), None)


def _siblings(cpu: int) -> str:
    return _read(_CPU / f"cpu{cpu}/topology/thread_siblings_list")


def machine(writer: int, reader: int | None) -> Facts:
    """Return what the machine is: kernel, CPU, a guest or not, clock, frequencies."""
    info = _read("/proc/cpuinfo")
    model = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.*)$", info, re.MULTILINE)
    guest = bool(re.search(r"^flags\s*:.*\bhypervisor\b", info, re.MULTILINE))
    system = platform.uname()
    cpus = f"{os.cpu_count()} CPUs, {'a guest of a hypervisor' if guest else 'no hypervisor seen'}"
    governor = _read(_CPU / f"cpu{writer}/cpufreq/scaling_governor", "no cpufreq")
    idle = _read(_CPU / "cpuidle/current_driver", "none")
    apart = "" if reader is None or _siblings(writer) != _siblings(reader) else ", which are threads of one core"
    return {
        "kernel": f"{system.system} {system.release} {system.machine}",
        "cpu": f"{model[1].strip() if model else 'unknown model'}; {cpus}",
        "power": f"governor {governor}, cpuidle {idle}, clock {_clock()}",
        "where": f"writer on CPU {writer}, reader on CPU {'-' if reader is None else reader}{apart}",
    }


def _clock() -> str:
    return _read("/sys/devices/system/clocksource/clocksource0/current_clocksource", "unknown")


class Patience:
    """Look whether CPUs are idle, as long as there is time left for it."""

    def __init__(self, cpus: list[int], seconds: float) -> None:
        self._cpus, self._left = cpus, seconds

    def left(self) -> bool:
        """Return whether another look is allowed."""
        return self._left > 0

    def quiet(self) -> bool:
        """Look for a fifth of a second. Return: each CPU was idle for nine tenths of it."""
        before = cpu_times(_read("/proc/stat"))
        time.sleep(_GLANCE_S)
        self._left -= _GLANCE_S
        after = cpu_times(_read("/proc/stat"))
        return all(idle_part(before[cpu], after[cpu]) >= _QUIET for cpu in self._cpus)


def idle_part(before: dict[str, int], after: dict[str, int]) -> float:
    """Return the idle part of the time between. A CPU that slept all the time may have no tick at all."""
    total = after["total"] - before["total"]
    return (after["idle"] - before["idle"]) / total if total > 0 else 1.0


class Watch:
    """How busy the machine is between two moments."""

    def __init__(self, cpus: list[int]) -> None:
        self._cpus = cpus
        self._date = dt.datetime.now(dt.UTC)
        self._load, self._times = _read("/proc/loadavg"), cpu_times(_read("/proc/stat"))

    def facts(self, more: list[str]) -> Facts:
        """Return the date and the state. ``more``: lines about the run itself."""
        now = cpu_times(_read("/proc/stat"))
        seconds = (dt.datetime.now(dt.UTC) - self._date).total_seconds()
        return {
            "date": self._date.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "state": [
                f"load {_first(self._load)} before, {_first(_read('/proc/loadavg'))} after {seconds:.0f} s",
                *(f"CPU {cpu}: {steal_text(self._times[cpu], now[cpu])}" for cpu in self._cpus),
                *more,
            ],
        }


def _first(load: str) -> str:
    return " ".join(load.split()[:1]) or "unknown"


def steal_text(before: dict[str, int], after: dict[str, int]) -> str:
    """Return the parts of the time between that the hypervisor stole, and that the CPU was idle."""
    total = after["total"] - before["total"] or 1
    steal, idle = (100 * (after[k] - before[k]) / total for k in ("steal", "idle"))
    return f"steal {steal:.1f} %, idle {idle:.0f} %"
