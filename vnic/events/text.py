"""A record as a line of text, and as a line of JSON: what ``vnic events`` prints, and what a .jsonl file has."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from vnic.events.kinds import KINDS, NO_CPU, NO_QUEUE, OF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.events.events import Event, Events

HEAD = f"{'seconds':>14} {'lasted':>10}  {'where':7} {'queue':5} {'frame':>8} {'packet':>8}  {'what':12}  details"
_NS = 10**9


def _arguments(kind: str, arg: int, flows: Sequence[str]) -> dict[str, Any]:
    """Return what ``arg`` holds, by name; a flow in words."""
    args = OF[kind].args(arg)
    if "flow" in args:
        if args["flow"]:
            args["flow"] = flows[args["flow"]]
        else:
            del args["flow"]
    return args


def line(event: Event, flows: Sequence[str]) -> str:
    """Return a record as a line of text, without its end. Of no details: no blanks at the end."""
    where = "card" if event.cpu is None else f"cpu{event.cpu}"
    queue = "" if event.queue is None else f"q{event.queue}"
    lasted = f"{event.dur_ns} ns" if event.dur_ns else ""
    frame, packet = event.frame or "", event.skb or ""
    time = f"{event.t_ns // _NS}.{event.t_ns % _NS:09d}"
    details = " ".join(f"{name}={_word(value)}" for name, value in _arguments(event.kind, event.arg, flows).items())
    text = f"{time:>14} {lasted:>10}  {where:7} {queue:5} {frame:>8} {packet:>8}  {event.kind:12}  {details}"
    return text.rstrip()


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return f"'{text}'" if " " in text else text


def json_lines(events: Events, first: int, last: int) -> list[str]:
    """Return the records ``first`` to ``last`` - 1 as objects of JSON, a line each, without its end."""
    flows, lines = events.flows, []
    known: dict[tuple[int, int], str] = {}
    pick = itemgetter(*([c.name for c in events.columns].index(name) for name in _NAMES))
    for t, dur, frame, skb, cpu, queue, kind, arg in map(pick, events.numbers(first, last)):
        told = known.get((kind, arg))
        if told is None:
            told = known[kind, arg] = _json_arguments(KINDS[kind], arg, flows)
        at, of = "null" if cpu == NO_CPU else cpu, "null" if queue == NO_QUEUE else queue
        what = f'"cpu":{at},"queue":{of},"kind":"{KINDS[kind]}","args":{told}'
        lines.append(f'{{"t_ns":{t},"dur_ns":{dur},"frame":{frame},"skb":{skb},{what}}}')
    return lines


_NAMES = ("t_ns", "dur_ns", "frame", "skb", "cpu", "queue", "kind", "arg")


def _json_arguments(kind: str, arg: int, flows: Sequence[str]) -> str:
    return json.dumps(_arguments(kind, arg, flows), separators=(",", ":"))
