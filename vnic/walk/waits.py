"""What a frame waited for in each stage, and what its CPU did meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.look.units import count, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.events.events import Event, Events
    from vnic.events.frames import Frame
    from vnic.walk.way import Stage

_WORK = ("hardirq", "softirq", "poll", "switch", "task")


def _label(e: Event) -> str:
    if e.kind == "poll":
        return "backlog" if e.queue is None else f"poll of queue {e.queue}"
    if e.kind == "softirq":
        return "ksoftirqd" if e.args["ksoftirqd"] else "softirq"
    if e.kind == "hardirq":
        return "interrupts" if e.args["source"] != "ipi" else "IPIs"
    return "switches" if e.kind == "switch" else str(e.args["task"])


def cpu_use(events: Events, cpu: int, from_ns: int, until_ns: int) -> dict[str, int]:
    """Return what a CPU did between two instants: work -> ns, most first. Of nested work the inner one counts."""
    if until_ns <= from_ns:
        return {}
    found = events.find(kinds=_WORK, cpu=cpu, from_ns=from_ns, until_ns=until_ns)
    used: dict[str, int] = {}
    at, stack = from_ns, [("idle", until_ns)]

    def spend(until: int) -> None:
        nonlocal at
        until = min(until, until_ns)
        if until > at:
            used[stack[-1][0]] = used.get(stack[-1][0], 0) + until - at
            at = until

    for e in sorted(found, key=lambda e: (e.t_ns, -e.end_ns)):
        while len(stack) > 1 and stack[-1][1] <= max(e.t_ns, from_ns):
            spend(stack[-1][1])
            stack.pop()
        spend(e.t_ns)
        stack.append((_label(e), e.end_ns))
    while stack:
        spend(stack[-1][1])
        stack.pop()
    return dict(sorted(used.items(), key=lambda item: -item[1]))


def use_text(used: dict[str, int], most: int = 3) -> str:
    """Return the largest parts in words: ``poll of queue 0 12.3 us, idle 1 us``."""
    return ", ".join(f"{what} {duration(ns)}" for what, ns in list(used.items())[:most])


class Waits:
    """Says of each stage what the frame waited for; one frame's."""

    def __init__(self, events: Events, frame: Frame, records: Sequence[Event]) -> None:
        self._events, self._frame = events, frame
        self._of = {e.kind: e for e in records}  # the last of each kind: a frame meets most of them once
        if frame.skb != frame.id:
            for e in events.find(kinds=["gro_release"], frames=(frame.skb, frame.skb)):
                self._of["gro_release"] = e

    def tell(self, stage: Stage) -> None:
        """Fill in ``by``, ``what`` and ``cpu_ns``."""
        stage.context = self._context(stage)
        getattr(self, f"_{stage.name}")(stage)

    def _context(self, stage: Stage) -> str:
        if stage.cpu is None or stage.name == "fate":
            return ""
        if stage.name in ("hardirq", "read"):
            return {"hardirq": "hardirq", "read": "reader"}[stage.name]
        kinds, at = ("softirq", "task"), stage.end_ns
        found = self._events.find(kinds=kinds, cpu=stage.cpu, from_ns=at, until_ns=at)
        inner = next((e for e in found if e.kind == "softirq"), found[0] if found else None)
        if stage.name == "socket" or inner is None:
            return "reader" if stage.name == "socket" else "softirq"
        return _label(inner)

    def _meanwhile(self, stage: Stage) -> None:
        if stage.cpu is not None:
            stage.cpu_ns = cpu_use(self._events, stage.cpu, stage.begin_ns, stage.end_ns)

    # ---- the card ----

    def _wire(self, stage: Stage) -> None:
        stage.by = "the sender"
        stage.what = f"its last bit is here: {count(self._frame.len, 'byte')}" + (
            f", {self._frame.flow}" if self._frame.flow else ""
        )

    def _fifo(self, stage: Stage) -> None:
        if not stage.took_ns:
            stage.what = "the DMA engine is idle and takes it at once"
            return
        ahead = self._events.find(
            kinds=["dma"], frames=(1, max(self._frame.id - 1, 1)), from_ns=stage.begin_ns, until_ns=stage.end_ns
        )
        ahead = [e for e in ahead if e.end_ns > stage.begin_ns]
        stuck = self._events.find(kinds=["no_buffer"], frames=(1, self._frame.id), from_ns=0, until_ns=stage.end_ns)
        alive = {e.frame for e in ahead} | {self._frame.id}
        stuck = [e for e in stuck if e.frame in alive]
        stage.what = f"waits for the DMA of {count(len(ahead), 'frame')} in front of it"
        if stuck:
            last = stuck[-1]
            who = "it" if last.frame == self._frame.id else f"frame {last.frame:,} in front of it"
            stage.what = f"{who} found no buffer in ring {last.queue}: the FIFO stood until the driver posted some"
            stage.by = "the driver's refill"
            self._refill(stage, last)

    def _refill(self, stage: Stage, stuck: Event) -> None:
        """Tell what the CPU did that should have polled the queue."""
        polls = self._events.find(kinds=["poll"], queue=stuck.queue or 0, from_ns=stuck.t_ns, until_ns=stage.end_ns)
        if polls and polls[0].cpu is not None:
            stage.cpu_ns = cpu_use(self._events, polls[0].cpu, stage.begin_ns, stage.end_ns)

    def _dma(self, stage: Stage) -> None:
        stage.by = "the DMA engine"
        stage.what = f"copied into the driver's buffers of ring {stage.queue}"

    # ---- the ring ----

    def _moderation(self, stage: Stage) -> None:
        if self._frame.t_poll is None and stage.record is not None and stage.record.kind == "fate":
            stage.what = "no interrupt told of it, and no poll took it"
            return
        raised = self._events.find(kinds=["irq"], queue=stage.queue or 0, from_ns=stage.begin_ns, until_ns=stage.end_ns)
        raised = [e for e in raised if e.end_ns >= stage.begin_ns]
        if not raised:
            stage.what = "waits in the ring until a poll finds it" if stage.took_ns else "a poll finds it"
            return
        by = raised[-1].args["by"]
        stage.by = f"the interrupt of queue {stage.queue}, by {by}"
        delay = max(raised[-1].end_ns - stage.begin_ns, 0)
        stage.what = f"waits {duration(delay)} for {by} to raise the interrupt" if delay else f"{by} raises it at once"
        if stage.end_ns > raised[-1].end_ns and stage.end_ns - raised[-1].end_ns > delay:
            stage.what += f", then {duration(stage.end_ns - max(raised[-1].end_ns, stage.begin_ns))} until it is served"

    def _hardirq(self, stage: Stage) -> None:
        stage.by = f"the interrupt of queue {stage.queue}"
        stage.what = "the handler masks the interrupt and schedules NAPI"

    def _softirq(self, stage: Stage) -> None:
        stage.by = "NET_RX_SOFTIRQ"
        self._meanwhile(stage)
        stage.what = f"waits for CPU {stage.cpu} to poll queue {stage.queue}"

    def _poll(self, stage: Stage) -> None:
        stage.by = f"the poll of queue {stage.queue}"
        taken = self._events.find(
            kinds=["ring"],
            queue=stage.queue or 0,
            frames=(1, max(self._frame.id - 1, 1)),
            from_ns=stage.begin_ns,
            until_ns=stage.end_ns,
        )
        ahead = [e for e in taken if stage.begin_ns <= e.end_ns <= stage.end_ns]
        self._meanwhile(stage)
        stage.what = (
            f"waits for its turn: {count(len(ahead), 'frame')} before it" if ahead else "is the next to be taken"
        )

    # ---- the packet ----

    def _skb(self, stage: Stage) -> None:
        stage.by = "the driver"
        stage.what = "the driver makes an sk_buff of it, and refills the ring"

    def _gro(self, stage: Stage) -> None:
        release, hold = self._of.get("gro_release"), self._of.get("gro_hold")
        if self._frame.segs > 1 and release is not None:
            stage.what = f"merged: a packet of {release.args['segs']} frames, given up by '{release.args['why']}'"
            stage.by = f"GRO: {release.args['why']}"
        elif hold is not None and release is not None:
            stage.what = f"held, but nothing joined it; given up by '{release.args['why']}'"
            stage.by = f"GRO: {release.args['why']}"
        else:
            stage.what = "GRO does not hold it; it goes up with its batch (gro-normal-batch)"
        if stage.record is not None and stage.record.kind == "fate":
            stage.what = "GRO gave it up with its fate"

    def _rps(self, stage: Stage) -> None:
        rps = self._of.get("rps")
        target = rps.args["target"] if rps is not None else "?"
        stage.by, stage.what = "RPS", f"RPS chooses CPU {target}"

    def _backlog(self, stage: Stage) -> None:
        queued = self._of.get("backlog")
        if queued is None:
            stage.what = "waits in the backlog"
            return
        before = max(int(queued.args["qlen"]) - 1, 0)
        ipis = [
            e
            for e in self._events.find(kinds=["ipi"], from_ns=stage.begin_ns, until_ns=stage.end_ns)
            if e.args["target"] == stage.cpu
        ]
        stage.by = f"the IPI of CPU {ipis[0].cpu}" if ipis else "the backlog's poll, which runs already"
        self._meanwhile(stage)
        stage.what = f"behind {count(before, 'packet')}" if before else "the first one in the backlog"

    def _receive(self, stage: Stage) -> None:
        record = stage.record
        stage.by = "the stack"
        self._preempted(stage)
        if record is not None and record.kind == "fate":
            stage.what = "packet taps, then the protocols, up to its fate"
        elif record is not None and record.kind == "reorder":
            stage.what = "packet taps and IP: other parts must come before it goes on"
        else:
            stage.what = "packet taps, IP and the protocol find its socket"

    def _preempted(self, stage: Stage) -> None:
        if stage.cpu is None or not stage.took_ns:
            return
        used = cpu_use(self._events, stage.cpu, stage.begin_ns, stage.end_ns)
        stage.cpu_ns = {what: ns for what, ns in used.items() if what in ("interrupts", "IPIs")}

    def _reorder(self, stage: Stage) -> None:
        lost = stage.record is not None and stage.record.kind == "fate"
        tcp = self._frame.flow.startswith("tcp")
        stage.what = f"waits for {'earlier segments' if tcp else 'the other fragments of its datagram'}"
        stage.by = "the timer, or a limit" if lost else "the missing part"

    # ---- the socket ----

    def _socket(self, stage: Stage) -> None:
        sock = stage.record.arg if stage.record is not None else -1
        reads = self._events.find(kinds=["read"], cpu=stage.cpu, from_ns=stage.begin_ns, until_ns=stage.end_ns)
        ahead = [e for e in reads if e.frame != self._frame.skb and e.arg == sock and e.end_ns > stage.begin_ns]
        wakes = [
            e
            for e in self._events.find(kinds=["wake"], from_ns=stage.begin_ns, until_ns=stage.end_ns)
            if e.args["target"] == stage.cpu
        ]
        stage.by = f"the reader, woken by CPU {wakes[0].cpu}" if wakes else "the reader, which runs already"
        self._meanwhile(stage)
        stage.what = (
            f"waits for the reader: {count(len(ahead), 'packet')} before it" if ahead else "waits for the reader"
        )

    def _read(self, stage: Stage) -> None:
        stage.by, stage.what = "the reader", "read() copies it to the program"

    def _fate(self, stage: Stage) -> None:
        stage.what = self._frame.fate or ""
