"""Costs of work in virtual time: the CPU that does the work pays. Profiles of costs, by name, file or mapping.

    vnic.Host(cost="linux")                           a profile that vnic has: vnic/knobs/costs/NAME.toml
    vnic.Host(cost="mine.toml")                       a file: with .toml at the end, or a slash in its name
    vnic.Host(cost={"hardirq": 6500})                 some figures; the others are those of linux
    vnic.Host(cost={"based-on": "zero", "recv": 9})   the others are those of another profile

A figure that no profile gives is that of the key it follows (``hardirq-ipi`` follows ``hardirq``), or 0. The file's
format is in vnic/knobs/cost_file.py and docs/costs.md. ``zero`` has no file: all work is free, for pure logic and for
benchmarks.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

from vnic._core import ffi

NAMES: tuple[str, ...] = tuple(
    name.removeprefix("COST_") for value, name in sorted(ffi.typeof("enum cost").elements.items()) if name != "COST_MAX"
)
"""Figures in the order of ``enum cost``: ``HARDIRQ_IPI``."""

MOST = 1_000_000_000
"""Largest figure: one second, or 1 ms a byte."""
NS, PS = "ns", "ps/byte"


@dataclass(frozen=True, slots=True)
class Key:
    """What a figure is the cost of, its unit, and the key whose figure it takes if no profile gives its own."""

    what: str
    unit: str = NS
    follows: str | None = None


KEYS: dict[str, Key] = {
    "dma": Key("the card: one frame into the ring"),
    "dma-ps": Key("the card: one byte of it", PS),
    "hardirq": Key("a card's interrupt: entry, handler, exit"),
    "softirq": Key("one softirq's fixed part: do_softirq(), net_rx_action()"),
    "poll": Key("one poll's fixed part: doorbell, ring look-ups"),
    "rx": Key("the driver: one frame, with its skb's allocation and free"),
    "rx-buf": Key("the driver: each further buffer of a frame"),
    "gro": Key("GRO: one packet"),
    "rps": Key("RPS: hash, map, enqueue to a backlog"),
    "ipi": Key("the sender's part of an IPI"),
    "backlog": Key("process_backlog(): one packet"),
    "receive": Key("__netif_receive_skb_core(): one packet"),
    "ip": Key("ip_rcv() or ipv6_rcv(), with the route"),
    "udp": Key("udp_rcv(), with the socket's look-up"),
    "tcp": Key("tcp_v4_rcv(): one segment"),
    "csum-ps": Key("a checksum in software: one byte", PS),
    "sock": Key("a socket's queue: lock, memory accounting"),
    "wake": Key("the waker's part of a wake-up; the reader is on the same CPU"),
    "switch": Key("the context switch to a reader, on a CPU that is not idle"),
    "recv": Key("recvmsg(): one datagram"),
    "copy-ps": Key("the copy to user space: one byte", PS),
    "output": Key("one sent packet: route, header, neighbour, start_xmit"),
    "hardirq-ipi": Key("an IPI's interrupt, on its target", follows="hardirq"),
    "ipi-delivery": Key("from the begin of the sender's part to the IPI's interrupt: no CPU's work", follows="ipi"),
    "wake-remote": Key("the waker's part of a wake-up; the reader is on another CPU", follows="wake"),
    "switch-idle": Key("the switch to a reader, on a CPU that was idle", follows="switch"),
    "switch-idle-100us": Key("the same, idle for 100 us or longer", follows="switch-idle"),
    "switch-idle-1ms": Key("the same, idle for 1 ms or longer", follows="switch-idle-100us"),
    "recv-remote": Key("recvmsg() of a datagram that another CPU queued", follows="recv"),
    "copy-remote-ps": Key("the copy of it: one byte", PS, follows="copy-ps"),
    "first-packet": Key("the first packet after the CPU was idle for 300 us: cold caches, more than the others"),
    "tick": Key("one timer tick, on a CPU that is not idle"),
}
"""Every figure by its name in a profile, in the order of ``enum cost``."""


def key_of(name: str) -> str:
    """Return a name of ``enum cost`` as profiles write it: ``RX_BUF`` is ``rx-buf``."""
    return name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Figure:
    """One cost in its key's unit. ``spread``: low and high of the measurements; ``source``: where it is from."""

    value: int
    source: str = ""
    spread: tuple[int, int] | None = None


Facts = dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of figures. Those that it does not have are its base's."""

    name: str
    what: str = ""
    base: Profile | None = None
    own: dict[str, Figure] = field(default_factory=dict)
    measured: Facts = field(default_factory=dict)
    """When and where: date, kernel, CPU, the machine's state."""

    def given(self) -> dict[str, tuple[Figure, str]]:
        """Return the figures that the profile or one below it has, each with the name of that profile."""
        below = self.base.given() if self.base else {}
        return below | {key: (figure, self.name) for key, figure in self.own.items()}

    def figures(self) -> dict[str, tuple[Figure, str]]:
        """Return all figures, each with the name of its profile; empty: no profile gives it."""
        given, out = self.given(), dict[str, tuple[Figure, str]]()
        for key, about in KEYS.items():
            if key in given:
                out[key] = given[key]
            elif about.follows:
                out[key] = (Figure(out[about.follows][0].value, f"as {about.follows}"), "")
            else:
                out[key] = (Figure(0, "not charged"), "")
        return out

    def values(self) -> list[int]:
        """Return the figures in the order of ``enum cost``."""
        figures = self.figures()
        return [figures[key_of(name)][0].value for name in NAMES]


ZERO = Profile("zero", "all work is free")
DIRECTORY = Path(__file__).parent / "costs"


@functools.cache
def shipped(name: str) -> Profile:
    """Return a profile that vnic has. KeyError: it has none of that name."""
    from vnic.knobs.cost_file import read

    if name == "zero":
        return ZERO
    if name not in names():
        raise KeyError(name)
    return read(DIRECTORY / f"{name}.toml", name=name)


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of the profiles that vnic has: the default one first."""
    found = sorted(path.stem for path in DIRECTORY.iterdir() if path.suffix == ".toml")
    return ("linux", "zero", *(name for name in found if name != "linux"))


def costs(given: object) -> list[int]:
    """Return a profile's figures in the order of ``enum cost``. ``given``: as for :func:`profile`."""
    return profile(given).values()


def profile(given: object) -> Profile:
    """Return a profile by its name, its file, or a mapping of figures. ValueError: what is wrong, without its name."""
    from vnic.knobs.cost_file import from_given

    return from_given(given)


def text_of(values: list[int]) -> str:
    """Return the shortest text that :func:`profile` reads as these figures: a name, or a mapping on top of linux."""
    for name in names():
        if shipped(name).values() == values:
            return name
    linux, own, now = shipped("linux").given(), dict[str, int](), dict[str, int]()
    wanted = {key_of(name): value for name, value in zip(NAMES, values, strict=True)}
    for key, about in KEYS.items():
        usual = linux[key][0].value if key in linux else now[about.follows] if about.follows else 0
        now[key] = wanted[key]
        if now[key] != usual:
            own[key] = now[key]
    return str(own)


def __getattr__(name: str) -> dict[str, int]:
    """Return ``LINUX``: the figures of that profile by their names in ``enum cost``, read when they are wanted."""
    if name != "LINUX":
        raise AttributeError(name)
    return {key.upper().replace("-", "_"): figure.value for key, figure in shipped("linux").own.items()}
