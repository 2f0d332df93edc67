"""Print the report of a run: the funnel of the path, each loss at its stage, then tables of counters and latency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from vnic._core import ffi, lib
from vnic.capture_select import left_out, pace_words
from vnic.cli.unencodable import stand_in, visible
from vnic.counters.gro import end_text
from vnic.counters.snapshots import FATES, TX_FATES
from vnic.counters.standing import sentences
from vnic.fault import FAULTS
from vnic.linux.pseudofile import cpulist
from vnic.look import tables
from vnic.look.bars import WIDTH as BAR
from vnic.look.bars import bar
from vnic.look.units import count, duration, size
from vnic.runs.funnel import FUNNEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

STAGE_WORDS = {
    "ring": "arrival to the driver's buffer",
    "moderation": "buffer to interrupt handler",
    "poll": "interrupt handler to the driver's poll",
    "gro": "held by GRO",
    "stack": "work on the packet: driver, steering, protocols",
    "backlog": "in the backlog of another CPU (RPS)",
    "reorder": "waiting for missing segments or fragments",
    "socket": "in the socket's queue until read()",
    "total": "last bit on the wire to read()",
}
_CARD_STAGES = 3
"""Stages of the funnel that a card has without a host behind it."""
_FLOWS_SHOWN = 10
_FILES_SHOWN = 4
_ROWS_SHOWN = 8
"""With more queues or CPUs, those that had nothing to do share a line."""
_MUCH = 1 << 30
"""Bytes of rings and buffers that are worth a line."""


def tx_fate_text(name: str) -> str:
    """Return the line of text for a fate of a sent frame."""
    return bytes(ffi.string(lib.tx_fate_text(TX_FATES.index(name)))).decode()


def fate_text(name: str) -> str:
    """Return the line of text for a fate of a received frame."""
    return bytes(ffi.string(lib.fate_text(FATES.index(name)))).decode()


def funnel(console: Console, f: dict[str, Any]) -> None:
    """Print how many frames pass each stage, and the fates of those that end there (of ``f["ledger"]``)."""
    fates, offered = f["ledger"]["fates"], f["ledger"]["offered"]
    rows = list(_stages(fates, offered))
    shown = stand_in if console.options.ascii_only else str
    longest = max(len(row.text) for row in rows)
    taken = [max(len(getattr(row, part)) for row in rows) for part in ("stage", "number", "fate")]
    # the bar becomes shorter before the texts go below the table, and is never narrower than the names of the fates
    width = max(8, taken[2], min(BAR, console.width - taken[0] - taken[1] - longest - 3 * tables.GAP))
    columns = (tables.left(""), tables.Column(""), tables.left(""), tables.words(""))
    beside = console.width >= taken[0] + taken[1] + width + 3 * tables.GAP + min(longest, tables.WORDS_MIN)
    cells = []
    for row in rows:
        middle = f"  {row.fate}" if row.fate else bar(row.left, offered, width)
        line = [row.stage, shown(row.number), shown(middle)]
        colors = ("bold" * (row.stage == "wire"), row.color or "bold" * (row.stage == "wire"), row.color or "green")
        cells.append([Text(part, style=color) for part, color in zip(line, colors, strict=True)] + [Text(row.text)])
    tables.show(console, columns if beside else columns[:3], cells if beside else [line[:3] for line in cells])
    if not beside:
        console.print()
        told = [(row.fate, row.text) for row in rows if row.fate]
        tables.show(console, (tables.left("fate"), tables.words("meaning")), told)
    delivered = sum(n for k, n in fates.items() if k.startswith("DELIVERED_"))
    lost = sum(fates.values()) - delivered
    in_flight = f["ledger"]["in_flight"]
    closed = delivered + lost + in_flight == offered
    verdict = "[green]ledger closed[/]" if closed else "[bold red]LEDGER OPEN: this is a bug in vnic[/]"
    total = f"{in_flight:,} in flight = {offered:,} offered"
    console.print(f"\n[bold]{delivered:,}[/] delivered + [bold]{lost:,}[/] lost + {total}: {verdict}")


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the funnel: a stage with the frames left behind it, or a fate with the frames that end in it."""

    stage: str
    number: str
    text: str
    left: int = 0
    fate: str = ""
    color: str = ""


def _ended(name: str, n: int) -> _Row:
    good = name.startswith("DELIVERED_")
    return _Row("", f"{'→' if good else '✗'} {n:,}", fate_text(name), fate=name, color="cyan" if good else "red")


def _stages(fates: dict[str, int], offered: int) -> Iterator[_Row]:
    left = offered
    yield _Row("wire", f"{offered:,}", "frames offered", left)
    for stage, words, ends in FUNNEL[: _CARD_STAGES if "DELIVERED_DRIVER" in fates else None]:
        here = [(name, fates[name]) for name in ends if name in fates]
        for name, n in here:
            yield _ended(name, n)
        left -= sum(n for _, n in here)
        yield _Row(stage, f"{left:,}", f"passed: {words}", left)
    for name in ("DELIVERED_UDP", "DELIVERED_TCP"):
        if name in fates:
            yield _ended(name, fates[name])


QUEUE_COLUMNS = {
    "frames": "packets",
    "bytes": "bytes",
    "no buffer": "no_buffer",
    "csum good": "csum_good",
    "csum bad": "csum_errors",
    "interrupts": "interrupts",
    "polls": "polls",
    "full polls": "full_polls",
}
CPU_COLUMNS = {
    "processed": "processed",
    "dropped": "dropped",
    "time_squeeze": "time_squeeze",
    "received_rps": "received_rps",
    "hardirqs": "hardirqs",
    "softirqs": "softirqs",
    "ksoftirqd": "ksoftirqd_runs",
    "wakeups": "reader_wakeups",
}


def _counters(console: Console, what: str, columns: dict[str, str], rows: dict[str, dict[str, Any]]) -> None:
    """Print a table of counters. ``columns``: heading -> key; ``rows``: name -> facts. Rows of CPUs show the load."""
    heads = [tables.Column(heading) for heading in (what, *columns, *(("busy",) if what == "cpu" else ()))]
    idle = [name for name, facts in rows.items() if not any(facts[key] for key in columns.values())]
    if len(rows) <= _ROWS_SHOWN:
        idle = []
    cells = [
        [name, *(f"{facts[key]:,}" for key in columns.values()), *([f"{facts['busy']:.1%}"] if what == "cpu" else [])]
        for name, facts in rows.items()
        if name not in idle
    ]
    tables.show(console, heads, cells)
    if idle:
        numbers = cpulist(sum(1 << int(name.removeprefix("rx-")) for name in idle))
        console.print(f"[dim]{what} {numbers}: nothing to do[/]")


def _rings(console: Console, i: dict[str, Any]) -> None:
    """Print the rings of a driver in another process, and what its front-ends could not have."""
    console.print()
    heads = ("size", "state", "taken", "doorbells", "interrupts")
    cells = []
    for n, ring in enumerate(i["rings"]):
        state = "broken" if ring["broken"] else "used" if ring["started"] and ring["enabled"] else "idle"
        name = f"{'tx' if n % 2 else 'rx'}-{n // 2}"
        cells.append(
            [
                name,
                *(
                    f"{v:,}" if isinstance(v, int) else v
                    for v in (ring["num"], state, ring["used_idx"], ring["kicks"], ring["calls"])
                ),
            ]
        )
    tables.show(console, [tables.left("ring"), *map(tables.Column, heads)], cells)
    console.print(f"[bold]front-ends[/] {count(i['front_ends'], 'connection')}")
    for text in i["refused"]:
        from rich.markup import escape

        console.print(f"  [yellow]{escape(visible(text))}[/]")


def _faults(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print what the card did wrong on purpose, a row a rule."""
    columns = (tables.left("fault"), tables.Column("chances"), tables.Column("hits"), tables.words(""))
    cells = [(row["rule"], f"{row['chances']:,}", f"{row['hits']:,}", FAULTS[row["kind"]]) for row in rows]
    console.print()
    tables.show(console, columns, cells)


def _latency(console: Console, f: dict[str, Any]) -> None:
    if not any(lat["count"] for lat in f["latency_ns"].values()):
        return
    names = {"p50": "p50", "p90": "p90", "p99": "p99", "p99.9": "p999", "max": "max"}
    columns = (tables.left("latency"), *map(tables.Column, names), tables.words(""))
    rows = [
        [
            Text(cell, style="bold" if stage == "total" else "")
            for cell in (stage, *(duration(lat[key]) for key in names.values()), STAGE_WORDS[stage])
        ]
        for stage, lat in f["latency_ns"].items()
        if lat["count"]
    ]
    tables.show(console, columns, rows)


def _rfs(console: Console, rfs: dict[str, Any]) -> None:
    """Print how often RFS steered packets to the CPUs of their readers."""
    console.print(
        f"[bold]RFS[/] {rfs['steered']:,} packets steered to their readers' CPUs; flows moved to another CPU "
        f"{count(rfs['moved'], 'time')}; {count(rfs['waited'], 'packet')} stayed on the old CPU to keep the order"
    )
    arfs = rfs["arfs"]
    if arfs["added"]:
        console.print(
            f"  aRFS filters of the card: {arfs['hits']:,} hits; {arfs['added']:,} added, {arfs['expired']:,} expired"
        )


def _memory(console: Console, f: dict[str, Any]) -> None:
    """Print what a large host takes."""
    m = f["memory"]
    if m["rings"] + m["buffers"] < _MUCH:
        return
    console.print(
        f"[bold]memory[/] at most: {size(m['rings'] + m['buffers'])} for {count(len(f['queues']), 'ring')} of "
        f"{f['config']['rx-ring']:,} buffers, {size(m['pools'])} more while packets wait, "
        f"{size(m['cpus'])} for {count(len(f['cpus']), 'CPU')}"
    )


def _limits(console: Console, f: dict[str, Any]) -> None:
    """Print the limits that were reached. The line about interrupts already covers rx-usecs and rx-frames."""
    bound = [x for x in f["limits"] if x["bound"] and x["knob"] not in ("rx-usecs", "rx-frames")]
    if not bound:
        return
    words = ", ".join(f"{x['knob']} {x['bound']:,}" + f" ({x['lost']:,} lost)" * bool(x["lost"]) for x in bound)
    more = ": vnic why names the cause" if any(x["lost"] for x in bound) else ""
    console.print(f"[bold]limits[/] reached, times: {words}{more}")


def _asked(config: dict[str, Any]) -> str:
    """Return the configured moderation in words."""
    if config["adaptive-rx"]:
        return "adaptive"
    usecs, frames = config["rx-usecs"], config["rx-frames"]
    words = [f"{usecs} us"] * bool(usecs) + [f"{frames} frame{'s' * (frames != 1)}"] * bool(frames)
    return " or ".join(words)


def _gro(console: Console, gro: dict[str, Any]) -> None:
    """Print what GRO merged, what merging lost, why the holds ended, and the busiest flows if flows were counted."""
    console.print(
        f"[bold]GRO[/] {gro['frames_per_skb']:.2f} frames per skb: {gro['merged']:,} merged into {gro['held']:,} "
        f"held ones, {gro['normal']:,} passed at once"
    )
    if gro["merged"]:
        console.print(
            f"  lost by merging: {gro['merged']:,} segment boundaries and arrival times, {gro['lost_ids']:,} IP ids, "
            f"{count(gro['lost_psh'], 'PSH position')}"
        )
    for reason, n in sorted(gro["ended"].items(), key=lambda item: -item[1]):
        console.print(f"  {n:>9,} hold{'s' * (n != 1)} ended: [dim]{end_text(reason)}[/]")
    if not gro["flows"]:
        return
    numbers = ("frames", "skbs", "ids lost", "PSH lost", "spread")
    columns = (tables.left("flow"), *map(tables.Column, numbers), tables.words("most holds ended"))
    rows = []
    for f in gro["flows"][:_FLOWS_SHOWN]:
        often = max(f["ended"], key=f["ended"].get) if f["ended"] else ""
        counts = (f"{f[key]:,}" for key in ("frames", "skbs", "lost_ids", "lost_psh"))
        name = f"{f['proto']} {f['src']}:{f['sport']} > {f['dst']}:{f['dport']}"
        rows.append((name, *counts, duration(f["spread_max_ns"]), end_text(often) if often else ""))
    tables.show(console, columns, rows)
    if len(gro["flows"]) > _FLOWS_SHOWN:
        console.print(f"  [dim]and {len(gro['flows']) - _FLOWS_SHOWN:,} more flows: see --json[/]")


def _sent(console: Console, tx: dict[str, Any]) -> None:
    """Print what the host sent, and the fates of the frames that did not reach the wire."""
    fates, known = tx["fates"], len(tx["neighbours"])
    console.print(f"[bold]sent[/] {count(fates.get('TX_SENT', 0), 'frame')} to {count(known, 'neighbour')}")
    for name, n in sorted(fates.items(), key=lambda item: -item[1]):
        if name != "TX_SENT":
            console.print(f"  [yellow]{n:>9,}[/] {name}  [dim]{tx_fate_text(name)}[/]")


def _input(console: Console, f: dict[str, Any]) -> None:
    from rich.markup import escape

    i = f["input"]
    name = escape(visible(_named(i["files"]) if "files" in i else i["device"]))
    times = (
        f"received for {duration(i['duration_ns'])}, host up for {duration(f['elapsed_ns'])}"
        if "device" in i
        else f"captured over {duration(i['duration_ns'])}, replayed in {duration(f['elapsed_ns'])}"
    )
    console.print(f"[bold]{name}[/]  {count(i['frames'], 'frame')}, {size(i['bytes'])}, {times}")
    if len(lanes := i.get("lanes", ())) > 1:
        counts = ", ".join(f"{lane['frames']:,}" for lane in lanes)
        console.print(f"  [dim]frames per queue of the device: {counts}[/]")
    if lent := i.get("lent_bursts"):
        console.print(f"  [dim]bursts of {lib.BURST} that idle CPUs processed for the card: {lent:,}[/]")
    if words := pace_words(i.get("selected", {})):
        console.print(f"  [dim]{escape(visible(words))}[/]")
    for n, text in remarks(i):
        if n:
            console.print(f"  [yellow]{n:,}[/] {'frame' if n == 1 else 'frames'} {escape(visible(text))}")
    if overlaps := i.get("overlaps"):
        begin = "files begin before the ones" if overlaps > 1 else "file begins before the one"
        merge = "mergecap -w - FILES | vnic replay - merges them"
        console.print(f"  [yellow]{overlaps:,}[/] {begin} in front ended: they follow without a gap; {merge}")
    for text in i.get("left_out", ()):
        console.print(f"  [red]{escape(visible(text))}[/]")
    if i.get("error"):
        console.print(f"  [red]the input ended early: {escape(visible(i['error']))}[/]")


def _named(files: list[str]) -> str:
    more = f" and {len(files) - _FILES_SHOWN:,} more files" if len(files) > _FILES_SHOWN else ""
    return ", ".join(files[:_FILES_SHOWN]) + more


def remarks(i: dict[str, Any]) -> list[tuple[int | None, str]]:
    """Return (frames, what is special about them), one for each kind of frame that the reader should know of."""
    return [
        *left_out(i.get("selected")),
        (i.get("cut"), "cut by the capture's snap length: offered as captured"),
        (i.get("csum_completed"), "accepted with the checksum left to the sender's card: completed"),
        (i.get("ip_csum_completed"), "with the IPv4 header checksum left to the sender's card: completed"),
        (i.get("length_completed"), "with the IP length left to the sender's card: completed"),
        (
            i.get("gso_frames"),
            f"longer than the wire carries (TSO, GRO): cut into {i.get('gso_segments', 0):,}, see --capture-mtu",
        ),
        (i.get("fcs_stripped"), "with a frame check sequence, which a card does not deliver: stripped"),
        (i.get("link_errors"), "marked as damaged by the capture: offered as captured"),
        (
            i.get("oversize"),
            "longer than 1518 bytes (jumbo, double-tagged, or never on a wire like this): offered as captured",
        ),
        (i.get("time_backwards"), "with a timestamp before the previous one: clamped to it"),
        (i.get("kernel_drops"), "dropped by the kernel's TAP queue: the card's thread got no processor in time"),
        *((n["carried"], f"of {n['name']}: given an Ethernet header") for n in i.get("links", ())),
        *((n["aliens"], f"of {n['name']} without a packet that Ethernet carries") for n in i.get("links", ())),
    ]


def show(console: Console, f: dict[str, Any]) -> None:
    """Print the report of a run's facts (see :func:`vnic.runs.replay.facts`)."""
    _input(console, f)
    console.print()
    funnel(console, f)
    console.print()
    _counters(console, "queue", QUEUE_COLUMNS, {f"rx-{q['queue']}": q for q in f["queues"]})
    if faults := f["faults"]:
        _faults(console, faults)
    if "rings" in f["input"]:
        _rings(console, f["input"])
    else:
        console.print()
        _counters(console, "cpu", CPU_COLUMNS, {str(c["cpu"]): c for c in f["cpus"]})
    irq, gro = f["irq"], f["gro"]
    if irq["interrupts"]:
        console.print(
            f"\n[bold]interrupts[/] {irq['interrupts']:,}, {irq['frames_per_interrupt']:.1f} frames each, "
            f"moderation delay mean {duration(irq['moderation_delay_ns_mean'])}, max "
            f"{duration(irq['moderation_delay_ns_max'])} (configured: {_asked(f['config'])}), "
            f"IPIs {irq['ipis']:,}"
        )
    else:
        console.print("\n[bold]interrupts[/] none")
    for line in sentences(f["standing"]):
        console.print(f"  [yellow]{line}[/]")
    if gro["frames_per_skb"]:
        _gro(console, gro)
    if f["tx"]["fates"]:
        _sent(console, f["tx"])
    if f["rfs"]["steered"]:
        _rfs(console, f["rfs"])
    if (capture := f.get("capture")) is not None:
        console.print(
            f"[bold]capture[/] {capture['packets']:,} packets, {capture['drops']:,} missing, {capture['late']:,} late"
        )
    if limited := sum(c["flow_limit_count"] for c in f["cpus"]):
        packets = count(limited, "packet")
        console.print(f"[bold]flow limit[/] {packets} dropped: the flow was more than half of a CPU's last 128 packets")
    _memory(console, f)
    _limits(console, f)
    console.print()
    _latency(console, f)
