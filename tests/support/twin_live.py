"""A live host of vnic on a TAP as a twin: what `vnic run` does, with its threads and the kernel's TAP between.

The caller's namespace is the test's own (the netns fixture). The kernel's end of the TAP has no address, so it keeps
silent; a packet socket there sends the frames and gets the replies.
"""

import contextlib
import socket
import subprocess
import time

from live_tap import wait_until
from twin_hosts import ADDRESSES, Outcome
from twin_vnic import VnicTwin

import vnic


class LiveTwin(VnicTwin):
    """As VnicTwin, in real time."""

    name = "live"
    _wire_end: socket.socket | None = None

    def _host(self) -> vnic.Host:
        knobs = {k: v for k, v in self._knobs.items() if k not in ("cost", "link")}
        wire = vnic.TapWire("live0")
        host = vnic.Host(wire=wire, live=True, ip=list(ADDRESSES), **knobs)
        subprocess.run(["sysctl", "-qw", "net.ipv6.conf.live0.disable_ipv6=1"], check=True)
        host.start()
        self._wire_end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.ntohs(3))
        self._wire_end.bind(("live0", 3))
        return host

    def frame(self, frame: bytes) -> Outcome:
        """Put a frame on the wire, and wait until all that it did is done."""
        before = self.host.ledger().offered
        self._wire_end.send(frame)
        wait_until(lambda: self._is_done(before + 1), sleep=0.0002)
        return self.outcome()

    def _run(self, ns: int) -> None:
        """Let so much time pass."""
        time.sleep(ns / 1e9)

    def _is_done(self, offered: int) -> bool:
        ledger = self.host.ledger()
        moving = sum(n for place, n in ledger.in_flight_at.items() if place != "frag")
        return ledger.offered >= offered and not moving and not self.host.tx_ledger().in_flight

    def _sent(self) -> list[bytes]:
        sent = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data, (_, _, kind, _, _) = self._wire_end.recvfrom(1 << 16)
                if kind != socket.PACKET_OUTGOING:
                    sent.append(data.ljust(60, b"\0"))
        return sent

    def close(self) -> None:
        if self._wire_end:
            self._wire_end.close()
        super().close()
