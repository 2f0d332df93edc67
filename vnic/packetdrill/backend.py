"""What a script runs against: a host in virtual time (virtual.py), or, in vnic's tests, a kernel behind a TAP.

The runner gives packets without an Ethernet header, and times in microseconds since the script's beginning. No call of
a socket waits: what would, returns None, and the runner calls again as time passes.
"""

from __future__ import annotations

from typing import Protocol


class BackendSocket(Protocol):
    """A TCP socket, from socket(2) on. Refusals are OSError with the errno of the system call."""

    def bind(self, port: int) -> None:
        """Do what bind of section 2 does, to the local address."""

    def listen(self, backlog: int) -> None:
        """Do what listen of section 2 does."""

    def accept(self) -> BackendSocket | None:
        """Do what accept of section 2 does."""

    def connect(self, addr: str, port: int) -> bool:
        """Begin an attempt. Return: True: an earlier one has succeeded, and this is the first call since."""

    def connected(self) -> int | None:
        """Return how the attempt ended: 0 or an errno; None: it goes on."""

    def recvmsg(self, n: int, flags: int) -> tuple[int, list[tuple[int, int, int]]] | None:
        """Do what recvmsg of section 2 does. Return: bytes, and control messages: level, type, number."""

    def send(self, n: int, flags: int) -> int | None:
        """Send as many of ``n`` bytes as there is room for."""

    def writable(self) -> bool:
        """Would the kernel wake a writer that waits for room?"""

    def poll(self) -> int:
        """Return the events that poll of section 2 reports."""

    def shutdown(self, how: int) -> None:
        """Do what shutdown of section 2 does."""

    def close(self) -> None:
        """Do what close of section 2 does."""

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        """Do what setsockopt of section 2 does."""

    def getsockopt(self, level: int, name: int, size: int) -> bytes:
        """Do what getsockopt of section 2 does."""

    def queued(self) -> int:
        """SIOCINQ."""

    def unacknowledged(self) -> int:
        """SIOCOUTQ."""

    def info(self) -> dict[str, int]:
        """TCP_INFO: ``tcpi_...`` -> number."""


class Backend(Protocol):
    """One host and its wire."""

    local: str
    remote: str
    largest: int
    """Bytes of the largest IP packet that can arrive; a longer segment arrives in pieces."""

    def now_us(self) -> int:
        """Return the time since the script's beginning."""

    def run(self, until_us: int) -> None:
        """Let time pass, with all that is due until then and at that moment."""

    def put(self, packets: list[bytes]) -> None:
        """Let IP packets arrive now, one right after the other."""

    def sent(self) -> list[tuple[int, bytes]]:
        """Return the IP packets that the host sent since the last call, and when."""

    def socket(self) -> BackendSocket:
        """Do what socket of section 2 does."""

    def sysctl(self, name: str, value: str) -> None:
        """Set a sysctl. ConfigError: the name is not known, or the value is out of its range."""
