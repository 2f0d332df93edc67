"""What the twins have in common: their addresses, their sockets, and what they say of a frame."""

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Protocol

Step = bytes | tuple
"""A frame; or the name of a method of both twins, and its arguments."""

ADDRESSES = ("10.0.0.2/24", "10.1.0.2/16", "fd00::2/64")


def told(address: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    """An address with its network."""
    return ipaddress.ip_interface(address)


MSG_ERRQUEUE = 0x2000
ERROR = (socket.SOL_SOCKET, socket.SO_ERROR)


def told_of(messages: list) -> list:
    """Control messages without the number of the interface."""
    at = {(socket.IPPROTO_IP, 8): 0, (socket.IPPROTO_IPV6, 50): 16}
    shown = []
    for level, kind, data in messages:
        i = at.get((level, kind), len(data))
        shown.append((level, kind, data[:i] + data[i + 4 :]))
    return shown


@dataclass(frozen=True)
class Sock:
    """A datagram socket of both hosts. ``address`` empty: any, of both families."""

    port: int
    address: str = ""
    peer: tuple[str, int] | None = None
    proto: int = 17


@dataclass
class Outcome:
    """What a frame did: frames sent, counters that moved, what sockets read (data or errno), and why it was dropped.

    ``drops`` is empty if the frame reached somebody; the kernel's says for each packet it freed.
    """

    replies: list[bytes] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    sockets: dict[str, list] = field(default_factory=dict)
    drops: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    refused: int = 0
    said: object = None
    told: dict[str, str] = field(default_factory=dict)
    """What the host said of itself, if it was asked."""


class Twin(Protocol):
    """One of the two."""

    name: str

    def open(self, socks: dict[str, Sock]) -> None:
        """Begin anew with these sockets."""

    def step(self, step: Step) -> Outcome:
        """Do it, and tell what came of it."""


class Steps:
    """How a twin takes its steps."""

    report_s = 1.1
    """Until a report of groups is repeated (RFC 3376, 8.11; RFC 3810, 9.11), and some more."""

    def step(self, step: Step) -> Outcome:
        """Do it, and tell what came of it."""
        if isinstance(step, bytes):
            return self.frame(step)  # type: ignore[attr-defined]
        return getattr(self, step[0])(*step[1:])

    def setsockopt(self, name: str, level: int, option: int, value: int | bytes) -> Outcome:
        """Set an option of a socket."""
        return self._call(name, lambda sock: sock.setsockopt(level, option, value))  # type: ignore[attr-defined]

    def getsockopt(self, name: str, level: int, option: int, _value: int = 0) -> Outcome:
        """Read an option of a socket."""
        return self._call(name, lambda sock: sock.getsockopt(level, option))  # type: ignore[attr-defined]

    def later(self, seconds: float, *steps: Step) -> Outcome:
        """Do these, and let time pass. Return: all that came of it; frames are sorted: their order is random."""
        told = [self.step(step) for step in steps]
        told.append(self.wait(seconds))  # type: ignore[attr-defined]
        whole = Outcome(refused=max(o.refused for o in told))
        for o in told:
            whole.replies += o.replies
            whole.drops += o.drops
            whole.places += o.places
            for name, n in o.counters.items():
                whole.counters[name] = whole.counters.get(name, 0) + n
            for name, said in o.sockets.items():
                whole.sockets[name] = whole.sockets.get(name, []) + said
        whole.replies.sort()
        return whole

    def questions(self, seconds: float) -> Outcome:
        """Wait, and tell what was sent alone: a kernel tells itself, on lo, that a neighbour has not answered."""
        return Outcome(replies=self.wait(seconds).replies)  # type: ignore[attr-defined]

    def reported(self, times: int, *steps: Step) -> Outcome:
        """Do these, and wait until a change of groups was reported so often: a kernel's device does it in less time."""
        return self.later(times * self.report_s, *steps)

    def unheard(self, *steps: Step) -> Outcome:
        """As reported(), but tell the errors alone: which report says what depends on when each step is done."""
        errors = [self.step(step).refused for step in steps]
        self.wait(2 * self.report_s)  # type: ignore[attr-defined]
        return Outcome(sockets={"errors": errors})
