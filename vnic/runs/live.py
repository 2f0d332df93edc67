"""Run a live host on a TAP device (``vnic run``) until Ctrl-C or for a given time, and return a replay's report."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import vnic.machine.threads  # noqa: F401 - imported early: without privileges its file may be unreadable
from vnic.address import mac_for
from vnic.capture import Capture
from vnic.cli.exit import ending, reason
from vnic.control.server import Control
from vnic.errors import VnicError
from vnic.host import Host
from vnic.knobs import table as knobs
from vnic.runs.replay import facts
from vnic.tap import privileges
from vnic.tap.pinning import parse_pin
from vnic.tap.wire import TapWire
from vnic.vhost.wire import VhostWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SCHEMA = "vnic.run/2"
_ETH_DATA_LEN = 1500


class Signals:
    """Handles SIGINT, SIGTERM and SIGHUP: the first one ends the run, which drains and reports.

    In the command a second one ends the process at once; in a library it raises KeyboardInterrupt.
    """

    def __init__(self, *, command: bool) -> None:
        self._command = command
        self._interruptible = False
        self._asked = False

    def _handle(self, number: int, _: object) -> None:
        if self._asked and self._command:
            os._exit(128 + number)
        if self._interruptible or self._asked:
            self._interruptible = False
            self._asked = True
            raise KeyboardInterrupt
        self._asked = True

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Handle the signals inside this block; only the main thread can."""
        previous: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            previous = {s: signal.signal(s, self._handle) for s in ending()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def interruptible(self, work: Callable[[], None]) -> None:
        """Do work that the first signal ends; if a signal came earlier, do not begin."""
        with contextlib.suppress(KeyboardInterrupt):
            self._interruptible = True
            if not self._asked:
                work()
            self._interruptible = False


def run(
    tap: str,
    *,
    vhost: str | Path | None = None,
    listen: bool = False,
    vhost_queues: int = 1,
    duration: float | None = None,
    host_ip: Sequence[str] | str | None = None,
    netns: str | None = None,
    tap_queues: int = 1,
    vnet_hdr: bool = True,
    pin: str | None = None,
    write: str | Path | None = None,
    at: Sequence[str] = ("gro",),
    serve: Sequence[str] = (),
    ready: Callable[[Host], None] | None = None,
    command: bool = False,
    control: bool = True,
    **options: Any,
) -> dict[str, Any]:
    """Be a host on a TAP device, or on a port of a vhost-user back-end. Return the run's facts.

    They are what ``vnic run --json`` prints.

    Args:
        tap: interface; created if it does not exist. Not used with ``vhost``.
        vhost: the Unix socket of a back-end, see :class:`vnic.VhostWire`.
        listen: the back-end connects there.
        vhost_queues: pairs of rings.
        duration: seconds; None: until Ctrl-C, SIGTERM, or the interface disappears.
        host_ip: addresses of the kernel's side.
        netns: network namespace of the TAP, by name or path.
        tap_queues: TAP queues to attach to; each is a lane of the card's wire.
        vnet_hdr: use virtio headers: partial checksums, TSO and USO.
        pin: real CPUs for the threads, ``auto`` or ``2,3,4``: first the card's, then the emulated CPUs'.
        write: pcapng file for the packets that pass the points ``at``, see :class:`vnic.Capture`; "-": standard output.
        at: points of the path.
        serve: servers to offer, as ``http:80:/srv``, ``iperf3``; see :mod:`vnic.serve`. They need ``tcp="endpoint"``.
        ready: called with the host once its threads run.
        control: serve a control socket during the run, see :class:`vnic.control.server.Control`.
        command: the process does nothing else: drop privileges when all is open, and let a second signal end it.
        options: :class:`vnic.Host`'s arguments and knobs.
    """
    real_cpus = None if pin is None else parse_pin(pin)
    servers = _servers(serve)
    fifo = knobs.read("fifo", options.get("fifo"))
    wire: TapWire | VhostWire
    if vhost is None:
        wire = TapWire(tap, host_ip=host_ip, netns=netns, lanes=tap_queues, vnet_hdr=vnet_hdr, fifo_bytes=fifo)
    else:
        mtu = knobs.read("mtu", options.get("mtu")) or _ETH_DATA_LEN
        wire = VhostWire(vhost, listen=listen, lanes=vhost_queues, mtu=mtu, fifo_bytes=fifo)
    signals = Signals(command=command)
    with signals.caught(), _host(wire, options) as host, contextlib.ExitStack() as stack:
        host.name = wire.name
        began = time.monotonic_ns()

        def found() -> dict[str, Any]:
            ns = time.monotonic_ns() - began
            described = _described(wire, duration_ns=ns, netns=netns, pin=real_cpus)
            described["lent_bursts"] = int(host.machine.c.nic.lend.bursts)
            return facts(host, schema=SCHEMA, input_facts=described)

        capture = None
        serving = control_of(host, found, command=command) if control else None
        if serving is not None:
            stack.callback(serving.close)
        if write is not None:
            base_ns = time.time_ns() - time.monotonic_ns()
            capture = Capture(host, write, at=at, base_ns=base_ns, name=wire.name)
        if command:
            privileges.drop()

        def receive() -> None:
            if serving is not None:
                serving.start()
            with servers(host):
                if ready is not None:
                    ready(host)
                host.wait(duration)

        began = time.monotonic_ns()
        try:
            host.start(pin=real_cpus)
            signals.interruptible(receive)
        finally:
            host.stop()
        report = found()
        if capture is not None:
            report["capture"] = capture.finish()
        return report


def _servers(texts: Sequence[str]) -> Callable[[Host], contextlib.AbstractContextManager[Any]]:
    """Return what serves on a host; without texts it does nothing. ConfigError: a text is no server."""
    if not texts:
        return contextlib.nullcontext
    from vnic.serve import Servers, parse

    services = [parse(text) for text in texts]
    return lambda host: Servers(host, services)


def control_of(host: Host, found: Callable[[], dict[str, Any]], *, command: bool) -> Control | None:
    """Open the control socket. If that fails, say why and run without one."""
    try:
        return Control(host, facts=found)
    except (VnicError, OSError) as e:
        what = reason(e) if isinstance(e, OSError) else str(e)
        why = f"no control socket, so vnic ls cannot show this instance: {what}"
        if command:
            sys.stderr.write(f"vnic: {why}\n")
        else:
            warnings.warn(why, stacklevel=3)
        return None


def _host(wire: TapWire | VhostWire, options: dict[str, Any]) -> Host:
    defaults: dict[str, Any] = {"wire": wire, "sink": True, "latency": True, "live": True, "mtu": wire.mtu}
    if (own := mac_for(options.get("ip", "any"))) is not None:
        defaults["mac"] = own
    try:
        return Host(**(defaults | options))
    except BaseException:
        wire.close()
        raise


def _described(
    wire: TapWire | VhostWire, *, duration_ns: int, netns: str | None, pin: list[int] | None
) -> dict[str, Any]:
    return {
        "device": wire.name,
        "netns": netns,
        "frames": int(wire.c.frames),
        "bytes": int(wire.c.bytes),
        "pin": pin,
        "duration_ns": duration_ns,
        **wire.facts(),
    }
