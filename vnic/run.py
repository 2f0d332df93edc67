"""``vnic run``: live on a TAP until Ctrl-C or for a while, then the same report as a replay's."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from vnic import knobs
from vnic.address import mac_for
from vnic.capture import Capture
from vnic.host import Host
from vnic.replay import facts
from vnic.tap import TapWire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA = "vnic.run/1"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def run(
    tap: str,
    *,
    duration: float | None = None,
    host_ip: str | None = None,
    write: str | Path | None = None,
    ready: Callable[[Host], None] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Be a host on a TAP. Return: the run's facts (as ``vnic replay --json``).

    Args:
        tap: interface, made if it is missing.
        duration: seconds; None: until Ctrl-C, SIGTERM, or the interface is gone.
        host_ip: the kernel's address on an interface that is made.
        write: pcapng file for what an AF_PACKET tap after GRO saw.
        ready: called with the host once its threads run.
        options: :class:`vnic.Host`'s arguments and knobs.
    """
    wire = TapWire(tap, host_ip=host_ip, fifo_bytes=knobs.read("fifo", options.get("fifo")))
    defaults: dict[str, Any] = {"wire": wire, "sink": True, "latency": True, "live": True, "mtu": wire.mtu}
    if (own := mac_for(options.get("ip", "any"))) is not None:
        defaults["mac"] = own
    with Host(**(defaults | options)) as host:
        capture = None
        if write is not None:
            capture = Capture(host, write, base_ns=time.time_ns() - time.monotonic_ns(), name=tap)
        began = time.monotonic_ns()
        previous: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            # SIGINT too: a shell starts its background jobs with it ignored, and Python leaves it so
            previous = {s: signal.signal(s, _interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
        host.start()
        try:
            if ready is not None:
                ready(host)
            with contextlib.suppress(KeyboardInterrupt):
                host.wait(duration)
        finally:
            host.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
        if capture is not None:
            capture.close()
        described = {
            "device": tap,
            "frames": int(wire.c.frames),
            "bytes": int(wire.c.bytes),
            "duration_ns": time.monotonic_ns() - began,
            "kernel_drops": wire.kernel_drops(),
            "error": f"{tap} is gone ({os.strerror(-wire.c.error)})" if wire.c.error else None,
        }
        return facts(host, schema=SCHEMA, input_facts=described)
