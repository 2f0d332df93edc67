"""Print the report of a run: the funnel of the path, each loss at its stage, then tables of counters and latency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.cli.unencodable import stand_in, visible
from vnic.counters.gro import end_text
from vnic.counters.snapshots import FATES, TX_FATES
from vnic.counters.standing import sentences
from vnic.runs.funnel import FUNNEL

if TYPE_CHECKING:
    from rich.console import Console

_STAGE_WORDS = {
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
_BAR = 32
_FLOWS_SHOWN = 10


def tx_fate_text(name: str) -> str:
    """Return the line of text for a fate of a sent frame."""
    return bytes(ffi.string(lib.tx_fate_text(TX_FATES.index(name)))).decode()


def fate_text(name: str) -> str:
    """Return the line of text for a fate of a received frame."""
    return bytes(ffi.string(lib.fate_text(FATES.index(name)))).decode()


def duration(ns: float) -> str:
    """Format a time in ns with three digits and a unit."""
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= 0.9995 * scale:  # 999.9 ms is shown as 1 s
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.3g} ns"


def size(n: float) -> str:
    """Format bytes with a decimal unit."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= scale:
            return f"{n / scale:.1f} {unit}"
    return f"{n:.0f} B"


def _bar(part: int, whole: int) -> str:
    """Draw a bar. It looks full only if no frame is lost, and empty only if no frame is left."""
    eighths = round(part / whole * _BAR * 8) if whole else 0
    if part:
        eighths = min(max(eighths, 1), _BAR * 8 - (part < whole))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def funnel(console: Console, f: dict[str, Any]) -> None:
    """Print how many frames pass each stage, and the fates of those that end there (of ``f["ledger"]``)."""
    from rich.table import Table

    fates, offered = f["ledger"]["fates"], f["ledger"]["offered"]
    shown = stand_in if console.options.ascii_only else str
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for column in ("left", "right", "left", "left"):
        table.add_column(justify=column, no_wrap=column == "right")
    left = offered
    table.add_row(
        "[bold]wire[/]",
        f"[bold]{offered:,}[/]",
        f"[green]{shown(_bar(left, offered))}[/]",
        "[dim]frames offered[/]",
    )
    for stage, words, ends in FUNNEL:
        here = [(name, fates[name]) for name in ends if name in fates]
        for name, n in here:
            good = name.startswith("DELIVERED_")
            color = "cyan" if good else "red"
            sign = shown("→" if good else "✗")
            table.add_row(
                "",
                f"[{color}]{sign} {n:,}[/]",
                f"[{color}]  {name}[/]",
                f"[dim]{fate_text(name)}[/]",
            )
        left -= sum(n for _, n in here)
        table.add_row(stage, f"{left:,}", f"[green]{shown(_bar(left, offered))}[/]", f"[dim]passed: {words}[/]")
    for name in ("DELIVERED_UDP", "DELIVERED_TCP"):
        if name in fates:
            table.add_row(
                "",
                f"[cyan]{shown('→')} {fates[name]:,}[/]",
                f"[cyan]  {name}[/]",
                f"[dim]{fate_text(name)}[/]",
            )
    console.print(table)
    delivered = sum(n for k, n in fates.items() if k.startswith("DELIVERED_"))
    lost = sum(fates.values()) - delivered
    in_flight = f["ledger"]["in_flight"]
    closed = delivered + lost + in_flight == offered
    verdict = "[green]ledger closed[/]" if closed else "[bold red]LEDGER OPEN: this is a bug in vnic[/]"
    total = f"{in_flight:,} in flight = {offered:,} offered"
    console.print(f"\n[bold]{delivered:,}[/] delivered + [bold]{lost:,}[/] lost + {total}: {verdict}")


_QUEUE_COLUMNS = {
    "frames": "packets",
    "bytes": "bytes",
    "no buffer": "no_buffer",
    "csum good": "csum_good",
    "csum bad": "csum_errors",
    "interrupts": "interrupts",
    "polls": "polls",
    "full polls": "full_polls",
}
_CPU_COLUMNS = {
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
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    for heading in (what, *columns, *(("busy",) if what == "cpu" else ())):
        table.add_column(heading, justify="right")
    for name, facts in rows.items():
        busy = (f"{facts['busy']:.1%}",) if what == "cpu" else ()
        table.add_row(name, *(f"{facts[key]:,}" for key in columns.values()), *busy)
    console.print(table)


def _latency(console: Console, f: dict[str, Any]) -> None:
    from rich.table import Table

    if not any(lat["count"] for lat in f["latency_ns"].values()):
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    table.add_column("latency")
    for name in ("p50", "p90", "p99", "p99.9", "max"):
        table.add_column(name, justify="right")
    table.add_column("")
    for stage, lat in f["latency_ns"].items():
        if lat["count"]:
            values = (duration(lat[k]) for k in ("p50", "p90", "p99", "p999", "max"))
            style = "bold" if stage == "total" else ""
            table.add_row(stage, *values, f"[dim]{_STAGE_WORDS[stage]}[/]", style=style)
    console.print(table)


def _rfs(console: Console, rfs: dict[str, Any]) -> None:
    """Print how often RFS steered packets to the CPUs of their readers."""
    console.print(
        f"[bold]RFS[/] {rfs['steered']:,} packets steered to their readers' CPUs; flows moved to another CPU "
        f"{_count(rfs['moved'], 'time')}; {_count(rfs['waited'], 'packet')} stayed on the old CPU to keep the order"
    )
    arfs = rfs["arfs"]
    if arfs["added"]:
        console.print(
            f"  aRFS filters of the card: {arfs['hits']:,} hits; {arfs['added']:,} added, {arfs['expired']:,} expired"
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
    from rich.table import Table

    console.print(
        f"[bold]GRO[/] {gro['frames_per_skb']:.2f} frames per skb: {gro['merged']:,} merged into {gro['held']:,} "
        f"held ones, {gro['normal']:,} passed at once"
    )
    if gro["merged"]:
        console.print(
            f"  lost by merging: {gro['merged']:,} segment boundaries and arrival times, {gro['lost_ids']:,} IP ids, "
            f"{_count(gro['lost_psh'], 'PSH position')}"
        )
    for reason, n in sorted(gro["ended"].items(), key=lambda item: -item[1]):
        console.print(f"  {n:>9,} hold{'s' * (n != 1)} ended: [dim]{end_text(reason)}[/]")
    if not gro["flows"]:
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2))
    for heading in ("flow", "frames", "skbs", "ids lost", "PSH lost", "spread", "most holds ended"):
        table.add_column(heading, justify="left" if heading in {"flow", "most holds ended"} else "right")
    for f in gro["flows"][:_FLOWS_SHOWN]:
        often = max(f["ended"], key=f["ended"].get) if f["ended"] else ""
        counts = (f"{f[key]:,}" for key in ("frames", "skbs", "lost_ids", "lost_psh"))
        name = f"{f['proto']} {f['src']}:{f['sport']} > {f['dst']}:{f['dport']}"
        table.add_row(name, *counts, duration(f["spread_max_ns"]), f"[dim]{end_text(often) if often else ''}[/]")
    console.print(table)
    if len(gro["flows"]) > _FLOWS_SHOWN:
        console.print(f"  [dim]and {len(gro['flows']) - _FLOWS_SHOWN:,} more flows: see --json[/]")


def _sent(console: Console, tx: dict[str, Any]) -> None:
    """Print what the host sent, and the fates of the frames that did not reach the wire."""
    fates, known = tx["fates"], len(tx["neighbours"])
    console.print(f"[bold]sent[/] {_count(fates.get('TX_SENT', 0), 'frame')} to {_count(known, 'neighbour')}")
    for name, n in sorted(fates.items(), key=lambda item: -item[1]):
        if name != "TX_SENT":
            console.print(f"  [yellow]{n:>9,}[/] {name}  [dim]{tx_fate_text(name)}[/]")


def _input(console: Console, f: dict[str, Any]) -> None:
    from rich.markup import escape

    i = f["input"]
    name = escape(visible(", ".join(i["files"]) if "files" in i else i["device"]))
    times = (
        f"received for {duration(i['duration_ns'])}, host up for {duration(f['elapsed_ns'])}"
        if "device" in i
        else f"captured over {duration(i['duration_ns'])}, replayed in {duration(f['elapsed_ns'])}"
    )
    console.print(f"[bold]{name}[/]  {_count(i['frames'], 'frame')}, {size(i['bytes'])}, {times}")
    if len(lanes := i.get("lanes", ())) > 1:
        counts = ", ".join(f"{lane['frames']:,}" for lane in lanes)
        console.print(f"  [dim]frames per queue of the TAP device: {counts}[/]")
    if lent := i.get("lent_bursts"):
        console.print(f"  [dim]bursts of {lib.BURST} that idle CPUs processed for the card: {lent:,}[/]")
    for n, text in _remarks(i):
        if n:
            console.print(f"  [yellow]{n:,}[/] {'frame' if n == 1 else 'frames'} {text}")
    if i.get("error"):
        console.print(f"  [red]the input ended early: {escape(visible(i['error']))}[/]")


def _count(n: int, noun: str) -> str:
    """Return the number with its noun: 1 frame, 2,000 frames."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def _remarks(i: dict[str, Any]) -> list[tuple[int | None, str]]:
    """Return (frames, what is special about them), one for each kind of frame that the reader should know of."""
    return [
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
    _counters(console, "queue", _QUEUE_COLUMNS, {f"rx-{q['queue']}": q for q in f["queues"]})
    console.print()
    _counters(console, "cpu", _CPU_COLUMNS, {str(c["cpu"]): c for c in f["cpus"]})
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
        packets = _count(limited, "packet")
        console.print(f"[bold]flow limit[/] {packets} dropped: the flow was more than half of a CPU's last 128 packets")
    _limits(console, f)
    console.print()
    _latency(console, f)
