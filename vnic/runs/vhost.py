"""Run a card for a driver in another process (``vnic vhost``) until Ctrl-C, and return a report's facts."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from vnic.capture import Capture
from vnic.capture_select import ALL
from vnic.capture_wire import CaptureWire
from vnic.joint_wire import JointWire
from vnic.knobs import table as knobs
from vnic.runs.live import Signals, control_of
from vnic.runs.replay import facts
from vnic.tap import privileges
from vnic.tap.wire import TapWire
from vnic.vhost.card import VhostCard
from vnic.wire import MemoryWire

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vnic.capture_select import Selection
    from vnic.wire import Wire

SCHEMA = "vnic.vhost/1"
_LOOK_S = 0.05


def _wire(
    tap: str | None,
    replayed: Sequence[Any],
    *,
    select: Selection,
    host_ip: Sequence[str],
    netns: str | None,
    tap_queues: int,
    fifo: Any,
) -> Wire:
    if tap is not None:
        fifo_bytes = knobs.read("fifo", fifo)
        return TapWire(tap, host_ip=host_ip, netns=netns, lanes=tap_queues, fifo_bytes=fifo_bytes)
    return CaptureWire(replayed, select=select) if replayed else MemoryWire()


def run(
    socket: str | Path,
    *,
    connect: bool = False,
    tap: str | None = None,
    replayed: Sequence[Any] = (),
    peer: str | Path | None = None,
    select: Selection | None = None,
    host_ip: Sequence[str] = (),
    netns: str | None = None,
    tap_queues: int = 1,
    offer: Sequence[str] = (),
    withhold: Sequence[str] = (),
    duration: float | None = None,
    hold: bool = False,
    write: str | Path | None = None,
    at: Sequence[str] = ("wire",),
    command: bool = False,
    quiet: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """Be a vhost-user card. Return the run's facts (as ``vnic vhost --json`` prints them).

    Args:
        socket: the Unix socket.
        connect: the front-end listens there.
        tap: the other side is this TAP device.
        replayed: the other side are these captures, at their pace, from when a driver is there.
        peer: the other side is a second card, on this socket; its knobs are the same.
        select: of the captures' frames, passes and pace.
        host_ip: addresses of the kernel's side of the TAP.
        netns: network namespace of the TAP, by name or path.
        tap_queues: TAP queues to attach to.
        offer: virtio features besides the usual ones, see :class:`vnic.vhost.card.VhostCard`.
        withhold: virtio features that are not offered.
        duration: seconds; None: until Ctrl-C or SIGTERM, or until a capture is over, unless ``hold``.
        hold: go on after the end of a capture.
        write: pcapng file for the packets that pass the points ``at``.
        at: ``wire`` or ``nic``.
        command: the process does nothing else: drop privileges when all is open, and let a second signal end it.
        quiet: do not say where the card is.
        options: the card's knobs.
    """
    for name in ("cpus", "ip", "gateway", "cost"):  # of a host, which this card has not
        options.pop(name, None)
    ends = None if peer is None else JointWire.pair()
    wire = (
        ends[0]
        if ends is not None
        else _wire(
            tap,
            replayed,
            select=select or ALL,
            host_ip=host_ip,
            netns=netns,
            tap_queues=tap_queues,
            fifo=options.get("fifo"),
        )
    )
    signals = Signals(command=command)
    alike: dict[str, Any] = {"connect": connect, "offer": offer, "withhold": withhold, "cost": "zero"} | options
    card = _card(socket, wire, alike)
    with signals.caught(), card, contextlib.ExitStack() as stack:
        second = None if ends is None or peer is None else stack.enter_context(_card(peer, ends[1], alike))
        if tap is not None:
            card.name = tap
        began = time.monotonic_ns()

        def found() -> dict[str, Any]:
            return facts(card, schema=SCHEMA, input_facts=_described(card, time.monotonic_ns() - began))

        capture = None
        serving = control_of(card, found, command=command)
        if serving is not None:
            stack.callback(serving.close)
        if write is not None:
            points = [point for point in at if point in ("wire", "nic")] or ["wire"]
            capture = Capture(card, write, at=points, base_ns=time.time_ns() - time.monotonic_ns(), name=card.name)
        if command:
            privileges.drop()

        def serve() -> None:
            if serving is not None:
                serving.start()
            if not quiet:
                _say(card)
                if second is not None:
                    _say(second)
            _wait(card, duration, ends=bool(replayed) and not hold)

        try:
            card.start()
            if second is not None:
                second.start()
            signals.interruptible(serve)
        finally:
            card.stop()
            if second is not None:
                second.stop()
        report = found()
        if capture is not None:
            report["capture"] = capture.finish()
        return report


def _card(socket: str | Path, wire: Wire, options: dict[str, Any]) -> VhostCard:
    try:
        return VhostCard(socket, wire=wire, **options)
    except BaseException:
        wire.close()
        raise


def _say(card: VhostCard) -> None:
    what = "connects to" if card.connects else "listens on"
    with contextlib.suppress(OSError):  # stderr is closed
        sys.stderr.write(f"vnic: the card {card.name} {what} {card.path}; Ctrl-C ends the run with a report\n")


def _wait(card: VhostCard, duration: float | None, *, ends: bool) -> None:
    """Wait for the end of the capture and of what the FIFO holds, or of the time. The capture waits for a driver."""
    end = None if duration is None else time.monotonic() + duration
    while end is None or time.monotonic() < end:
        c = card.machine.c
        if ends and c.nic.wire.eof and c.nic.fifo.head == c.nic.fifo.tail:
            return
        if card.wait(_LOOK_S):
            return


def _described(card: VhostCard, duration_ns: int) -> dict[str, Any]:
    wire = card.wire
    found: dict[str, Any] = {
        "device": str(card.path),
        "frames": int(wire.c.frames),
        "bytes": int(wire.c.bytes),
        "duration_ns": duration_ns,
        "front_ends": card.sessions,
        "refused": card.refused,
        "rings": card.rings(),
        "error": wire.end_text() if isinstance(wire, TapWire) else None,
    }
    if isinstance(wire, TapWire):
        found |= {"tap": wire.name, "kernel_drops": wire.kernel_drops(), "vnet_hdr": wire.vnet_facts()}
    return found
