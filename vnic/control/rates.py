"""Compute the lines of ``vnic stat``: per interval the frames received, the losses by place, and how busy each CPU was.

``vnic stat`` asks an instance for samples of all counters that only grow. A line is the difference of two, per second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.control.reply import Reply
from vnic.counters.standing import as_dicts, sentences
from vnic.look.lines import hanging
from vnic.look.units import narrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.host import Host

_LOSSES = {  # fate -> its column; all others: "other"
    "FIFO_OVERRUN": "fifo",
    "CPU_BACKLOG": "backlog",
    "SOCKET_RCVBUFF": "rcvbuf",
    "NO_SOCKET": "nosock",
}
_WIDE = 7
_EXPENDABLE = ("poll/s", "f/skb", "kB/s", "squeeze", "irq/s")
"""What a narrow terminal goes without, the first one first. --json-lines has all."""
_BUSIEST = "busiest"


def sample(host: Host) -> dict[str, Any]:
    """Read all growing counters and the time in ns.

    While a host runs, the counters are not all of the same moment, but each only grows.
    """
    ledger, queues, cpus = host.ledger(), host.nic.queues(), host.softnet()
    gro = host.gro()
    return {
        "t_ns": int(lib.clock_ns()) if host.live else host.now_ns,
        "live": host.live,
        "offered": ledger.offered,
        "bytes": sum(q.bytes for q in queues),
        "fates": ledger.fates,
        "in_flight_at": ledger.in_flight_at,
        "interrupts": sum(q.interrupts for q in queues),
        "polls": sum(q.polls for q in queues),
        "frames": gro.normal + gro.flushed_segs,
        "skbs": gro.normal + gro.flushed_skbs,
        "time_squeeze": sum(c.time_squeeze for c in cpus),
        "ipis": sum(c.received_rps for c in cpus),
        "queues": [q.packets for q in queues],
        "processed": [c.processed for c in cpus],
        "idle_ns": [c.idle_ns for c in cpus],
        "now_ns": [c.now_ns for c in cpus],
        "standing": [s for s in as_dicts(host) if not s["ended"]],
        "faults": [(str(f.rule), f.hits) for f in host.machine.faults],
    }


def command(host: Host, argv: Sequence[str]) -> Reply:
    """Answer ``sample``: the counters as data."""
    if argv:
        return Reply(err="vnic sample: takes no arguments\n", code=2)
    return Reply(data=sample(host))


@dataclass(frozen=True, slots=True)
class Line:
    """One interval."""

    seconds: float
    per_s: dict[str, float]
    """offered, bytes, delivered, interrupts, polls, ipis; all per second."""
    lost: dict[str, int]
    """Fate -> frames in this interval."""
    frames_per_skb: float
    time_squeeze: int
    busy: list[float]
    """Share of each CPU, 0 to 1."""
    queues: list[float]
    """Frames per second of each receive queue."""
    in_flight_at: dict[str, int] = field(default_factory=dict)
    """Frames in flight at the end of the interval."""
    standing: list[dict[str, Any]] = field(default_factory=list)
    """Queues whose ring held frames without an interrupt at both ends of the interval: moderation waits for more."""
    faults: dict[str, int] = field(default_factory=dict)
    """Rule of ``--fault`` -> its hits in this interval, if there were some."""

    def as_dict(self) -> dict[str, Any]:
        """Return the object for --json-lines."""
        return {name: getattr(self, name) for name in self.__slots__}


def difference(now: dict[str, Any], before: dict[str, Any]) -> Line:
    """Return the line for the interval between two samples."""
    ns = max(1, now["t_ns"] - before["t_ns"])
    seconds = ns / 1e9

    def grown(name: str) -> int:
        return int(now[name] - before[name])

    def each(name: str) -> list[int]:
        old = [*before[name], *[0] * len(now[name])]  # queues come and go
        return [a - b for a, b in zip(now[name], old, strict=False)]

    fates = {k: n - before["fates"].get(k, 0) for k, n in now["fates"].items()}
    delivered = sum(n for k, n in fates.items() if k.startswith("DELIVERED_"))
    # in a live host a sleeping CPU's clock lags, so take the sample's; in virtual time each CPU has its own clock
    passed = [now["t_ns"] - before["t_ns"]] * len(now["idle_ns"]) if now["live"] else each("now_ns")
    skbs = grown("skbs")
    stood = {s["queue"] for s in before["standing"]}
    counts = {name: grown(name) for name in ("offered", "bytes", "interrupts", "polls", "ipis")} | {
        "delivered": delivered
    }
    return Line(
        seconds=round(seconds, 6),
        per_s={name: round(n / seconds, 1) for name, n in counts.items()},
        lost={k: n for k, n in fates.items() if n and not k.startswith("DELIVERED_")},
        frames_per_skb=round(grown("frames") / skbs, 2) if skbs > 0 else 0.0,
        time_squeeze=grown("time_squeeze"),
        busy=[round(min(1.0, max(0.0, (t - i) / ns)), 3) for t, i in zip(passed, each("idle_ns"), strict=True)],
        queues=[round(n / seconds, 1) for n in each("queues")],
        in_flight_at={k: n for k, n in now["in_flight_at"].items() if n},
        standing=[s for s in now["standing"] if s["queue"] in stood],
        faults=_hits(now, before),
    )


def _hits(now: dict[str, Any], before: dict[str, Any]) -> dict[str, int]:
    """Return the rules that hit between two samples. Two rules may have the same text."""
    found: dict[str, int] = {}
    was = [hits for _, hits in before["faults"]] + [0] * len(now["faults"])  # host.nic.fault() adds some
    for (rule, hits), old in zip(now["faults"], was, strict=False):
        if hits > old:
            found[rule] = found.get(rule, 0) + hits - old
    return found


def _cells(line: Line) -> dict[str, str]:
    """Return heading -> value, in the order of the path; losses are frames in the interval."""
    lost = dict.fromkeys((*_LOSSES.values(), "other"), 0)
    for fate, n in line.lost.items():
        lost[_LOSSES.get(fate, "other")] += n
    rate = line.per_s
    return {
        "rx/s": narrow(rate["offered"]),
        "kB/s": narrow(rate["bytes"] / 1000),
        "deliv/s": narrow(rate["delivered"]),
        **{name: narrow(n) for name, n in lost.items()},
        "irq/s": narrow(rate["interrupts"]),
        "poll/s": narrow(rate["polls"]),
        "f/skb": f"{line.frames_per_skb:.2f}",
        "squeeze": narrow(line.time_squeeze),
    }


_NONE = Line(1.0, dict.fromkeys(("offered", "bytes", "delivered", "interrupts", "polls"), 0.0), {}, 0.0, 0, [], [])


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that fit into a terminal: all, with one for each CPU; or fewer, and the busiest CPU."""

    widths: dict[str, int]
    cpus: int | None
    """CPUs with a column; None: only the busiest one is shown."""
    columns: int | None

    @classmethod
    def of(cls, cpus: int, columns: int | None) -> Layout:
        """Return the layout for so many CPUs, and a terminal of so many columns; None: of any width."""
        heads = list(_cells(_NONE))
        if columns is None or len(heads) * (_WIDE + 1) + 1 + 6 * cpus <= columns:
            return cls(dict.fromkeys(heads, _WIDE), cpus, columns)
        widths = {head: max(6, len(head)) for head in heads} | {_BUSIEST: len("cpu") + len(str(cpus - 1)) + 4}
        for head in _EXPENDABLE:
            if sum(widths.values()) + len(widths) - 1 > columns:
                del widths[head]
        return cls(widths, None, columns)

    def head(self) -> str:
        """Return the two lines of headings."""
        names = " ".join(f"{name:>{width}}" for name, width in self.widths.items())
        if self.cpus is not None:
            names += "  " + " ".join(f"cpu{i:<2}" for i in range(self.cpus))
        groups, lost = "", (*_LOSSES.values(), "other")
        for group, of in (("wire", ("rx/s", "kB/s")), ("lost", lost)):
            end = names.index(of[-1] if of[-1] in self.widths else of[0]) + len(of[-1])
            begin = names.index(of[0])
            groups += " " * (begin - len(groups)) + f" {group} ".center(end - begin, "-")
        return f"{groups}\n{names.rstrip()}\n"

    def line(self, line: Line) -> str:
        """Format one interval; CPUs are in percent."""
        cells = _cells(line)
        if self.cpus is None:
            most = max(range(len(line.busy)), key=lambda cpu: line.busy[cpu], default=0)
            cells[_BUSIEST] = f"cpu{most} {100 * line.busy[most]:.0f}%" if line.busy else ""
        text = " ".join(f"{cells[name]:>{width}}" for name, width in self.widths.items())
        if self.cpus is not None:
            text += "  " + " ".join(f"{100 * b:4.0f} " for b in line.busy)
        hit = [f"faults: {', '.join(f'{rule} {n:,}' for rule, n in line.faults.items())}"] * bool(line.faults)
        told = (hanging("", sentence, self.columns) for sentence in [*hit, *sentences(line.standing)])
        return "".join(f"{x}\n" for x in (text.rstrip(), *told))
