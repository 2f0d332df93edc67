"""Counters as a person sees them at a Python prompt (``repr``) and in a notebook (``_repr_html_``): short, and true."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from vnic.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vnic.counters.latency import Latency

_FATES_SHOWN = 3
_PERCENTILES = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9", "max": "max"}


def html(text: object) -> str:
    """Return a text for HTML, on one line."""
    return escape(one_line(str(text)))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table. Numbers stand right; every text is escaped here."""

    def cell(value: object) -> str:
        if isinstance(value, int):
            return f'<td style="text-align: right">{value:,}</td>'
        return f'<td style="text-align: left">{html(value)}</td>'

    heads = "".join(f"<th>{html(h)}</th>" for h in head)
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><caption>{html(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _some(fates: Mapping[str, int]) -> str:
    """Return the most frequent fates in words."""
    often = sorted(fates.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{name} {n:,}" for name, n in often[:_FATES_SHOWN]]
    return ", ".join(words + [f"and {len(often) - _FATES_SHOWN} more"] * (len(often) > _FATES_SHOWN))


def ledger_line(offered: int, in_flight: int, fates: Mapping[str, int]) -> str:
    """Return a ledger in one line: ``565 offered: 564 delivered, 1 lost (NO_SOCKET 1)``."""
    lost = {name: n for name, n in fates.items() if not name.startswith("DELIVERED_")}
    gone, ended = sum(lost.values()), sum(fates.values())
    text = f"{offered:,} offered: {ended - gone:,} delivered, {gone:,} lost" + (f" ({_some(lost)})" if lost else "")
    if in_flight:
        text += f", {in_flight:,} in flight"
    return text if offered == ended + in_flight else f"{text}: not closed"


def ledger_table(caption: str, fates: Mapping[str, int], in_flight_at: Mapping[str, int]) -> str:
    """Return a ledger as HTML: a row for each fate, and for each place with frames in flight."""
    from vnic.runs.report import fate_text

    rows: list[tuple[object, ...]] = [(name, n, fate_text(name)) for name, n in fates.items()]
    rows += [("in flight", n, f"in {place}") for place, n in in_flight_at.items() if n]
    return table(caption, ("fate", "frames", ""), rows)


def sent_line(in_flight: int, fates: Mapping[str, int]) -> str:
    """Return the ledger of sent frames in one line."""
    lost = {name: n for name, n in fates.items() if name != "TX_SENT"}
    text = f"{fates.get('TX_SENT', 0):,} sent, {sum(lost.values()):,} lost" + (f" ({_some(lost)})" if lost else "")
    return text + (f", {in_flight:,} in flight" if in_flight else "")


def sent_table(caption: str, in_flight: int, fates: Mapping[str, int]) -> str:
    """Return the ledger of sent frames as HTML."""
    from vnic.runs.report import tx_fate_text

    rows: list[tuple[object, ...]] = [(name, n, tx_fate_text(name)) for name, n in fates.items()]
    rows += [("in flight", in_flight, "in the ring, or waiting for a neighbour")] * bool(in_flight)
    return table(caption, ("fate", "frames", ""), rows)


def latency_line(of: Latency) -> str:
    """Return percentiles in one line: ``379 frames: p50 3.97 us, p90 4.8 us, ...``."""
    from vnic.look.units import duration

    if not of.count:
        return "no frames"
    words = ", ".join(f"{title} {duration(getattr(of, name))}" for name, title in _PERCENTILES.items())
    return f"{of.count:,} frame{'s' * (of.count != 1)}: {words}"


def latency_table(of: Mapping[str, Any]) -> str:
    """Return stage -> percentiles as HTML, of the stages that frames passed."""
    from vnic.look.units import duration

    rows = [
        (stage, lat.count, *(duration(getattr(lat, name)) for name in _PERCENTILES))
        for stage, lat in of.items()
        if lat.count
    ]
    return table("latency", ("stage", "frames", *_PERCENTILES.values()), rows)
