"""What a frame met in each stage: how full the queue was, beside the knob that bounds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.walk.way import Met

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.events.events import Event
    from vnic.walk.way import Stage


def setting(config: dict[str, Any], knob: str, queue: int | None = None) -> int | None:
    """Return a knob's number in a run's config; None: it is not known."""
    own = (config.get("each_queue") or {}).get(str(queue), {}) or (config.get("each_queue") or {}).get(queue, {})
    value = own.get(knob, own.get(knob.replace("-", "_"), config.get(knob)))
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def tell(stages: Sequence[Stage], records: Sequence[Event], config: dict[str, Any]) -> None:
    """Fill in what the frame met in its stages."""
    by_name = {stage.name: stage for stage in stages}
    for e in records:
        for name, met in _met(e, config):
            # a frame that is lost there has no such stage: its fate tells
            stage = by_name.get(name) or by_name.get("fate")
            if stage is not None:
                stage.met.append(met)


def _met(e: Event, config: dict[str, Any]) -> list[tuple[str, Met]]:
    if e.kind == "fifo":
        fifo = setting(config, "fifo")
        return [("fifo", Met("FIFO", int(e.args["fifo_bytes"]), fifo, "bytes", "fifo"))]
    if e.kind == "dma":
        ring = setting(config, "rx-ring", e.queue)
        return [("dma", Met("ring", int(e.args["ring"]), ring, "", "rx-ring"))]
    if e.kind == "gro_hold":
        return [("gro", Met("GRO bucket", int(e.args["held_in_bucket"]), int(lib.MAX_GRO_SKBS), "", "(gro bucket)"))]
    if e.kind == "backlog":
        most = setting(config, "netdev-max-backlog")
        return [("backlog", Met("backlog", int(e.args["qlen"]), most, "", "netdev-max-backlog"))]
    if e.kind == "socket":
        rcvbuf = setting(config, "rcvbuf")
        return [("socket", Met("socket", int(e.args["rmem"]), rcvbuf, "bytes", "rcvbuf"))]
    return []
