"""Turn what is known about a machine into knobs, with a note for each thing that vnic has otherwise.

No value is refused for its size: one beyond a knob's range becomes the nearest that the knob takes, and a note says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, quoted, said
from vnic.imports import clone_card, clone_cpus, clone_rss, clone_sysctl
from vnic.imports.machine import Card
from vnic.knobs.table import KNOBS

if TYPE_CHECKING:
    from vnic.imports.machine import Machine

_VIRTUAL = frozenset({"bridge", "veth", "tun", "bonding", "team", "dummy", "vxlan", "802.1Q VLAN Support", "macvlan"})
_NAMED_MAX = 8
_NOTES_MAX = 24
_GOOD = {"netdev-budget-usecs": 8000, "flow-limit-table-len": 4096, "gro-ipv4-max-size": 65536, "mtu": 1500}
"""A value that the knob takes, where the table has no default."""


def takes(name: str, value: Any) -> bool:
    """Does the knob take this value?"""
    try:
        KNOBS[name].parse(value)
    except ValueError:
        return False
    return True


def nearest(name: str, n: int) -> int:
    """Return the number nearest to ``n`` that the knob takes. Its range is one interval."""
    if takes(name, n):
        return n
    good, bad = _GOOD.get(name, KNOBS[name].default), n
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if takes(name, middle) else (good, middle)
    return int(good)


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that vnic has otherwise, or that no text says. ``knob``: it is about this one; empty: about none."""

    knob: str
    text: str

    def __str__(self) -> str:
        return f"{self.knob}: {self.text}" if self.knob else self.text


@dataclass(slots=True)
class Clone:
    """The knobs for one card of a machine, as they come together."""

    machine: Machine
    dev: str
    card: Card
    cpus: int = 0
    """Emulated CPUs; 0: no text says how many."""
    queues: int = 1
    knobs: dict[str, Any] = field(default_factory=dict)
    each_queue: dict[int, dict[str, Any]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    """What the machine counted: worth knowing, and no knob."""
    _noted: dict[str, int] = field(default_factory=dict)

    @property
    def driver(self) -> str:
        """The driver's name; empty: unknown."""
        return said(self.card.driver.get("driver", ""))

    @property
    def is_vnic(self) -> bool:
        """Is the card one of vnic's own? Then its knobs are cloned, not interpreted."""
        return self.driver == "vnic"

    def note(self, knob: str, text: str) -> None:
        """Say how vnic differs. After some notes about one knob, the others are counted."""
        n = self._noted[knob] = self._noted.get(knob, 0) + 1
        if n <= _NOTES_MAX:
            self.notes.append(Note(knob, text))

    def say_rest(self) -> None:
        """Count the notes that are left out."""
        for knob, n in self._noted.items():
            if n > _NOTES_MAX:
                self.notes.append(Note(knob, f"and {n - _NOTES_MAX} notes more"))

    def put(self, name: str, value: Any) -> None:
        """Set a knob."""
        self.knobs[name] = value

    def near(self, name: str, n: int) -> int:
        """Set a knob to the nearest number that it takes, and say so if it is another one. Return the number."""
        value = nearest(name, n)
        if value != n:
            self.note(name, f"{n} there, {value} here: {'the most' if value < n else 'the least'} that vnic takes")
        self.put(name, value)
        return value

    def in_queue(self, queue: int, name: str, value: Any) -> None:
        """Set a knob of one queue; a number becomes the nearest that the knob takes, and a note says so."""
        if isinstance(value, int) and (there := value) != (value := nearest(name, value)):
            self.note(name, f"{there} for queue {queue} there, {value} here")
        self.each_queue.setdefault(queue, {})[name] = value

    def nearest(self, name: str, n: int) -> int:
        """Return the number nearest to ``n`` that the knob takes."""
        return nearest(name, n)

    def takes(self, name: str, value: Any) -> bool:
        """Does the knob take this value?"""
        return takes(name, value)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(map(said, names[:_NAMED_MAX])) + more


def choose(machine: Machine, dev: str | None) -> str:
    """Return the interface to clone. ConfigError: the texts are about several, or not about this one."""
    names = sorted(name for name in machine.cards if name)
    if dev:
        if names and dev not in names and "" not in machine.cards:
            raise ConfigError(f"the texts say nothing about {quoted(dev)}, but about {_named(names)}")
        return dev
    asked = [name for name in names if name != "lo" and machine.cards[name].asked]
    hardware = [name for name in asked if machine.cards[name].driver.get("driver", "") not in _VIRTUAL]
    candidates = hardware or asked or [name for name in names if name != "lo"]
    if len(candidates) > 1:
        raise ConfigError(f"the texts are about several interfaces: choose one with --dev: {_named(candidates)}")
    return candidates[0] if candidates else ""


def card_of(machine: Machine, dev: str) -> Card:
    """Return all that is known about an interface, also from texts that do not name theirs."""
    card = Card()
    for name in ("", dev):
        if name in machine.cards:
            card.update(machine.cards[name])
    return card


def _say_missing(clone: Clone) -> None:
    """Name the tools whose output is missing, with the knobs that keep vnic's defaults."""
    card, machine = clone.card, clone.machine
    sources = (
        ("ethtool -l", card.channels, "queues"),
        ("ethtool -g", card.rings, "rx-ring"),
        ("ethtool -c", card.coalesce or card.queue_coalesce, "rx-usecs, rx-frames, adaptive-rx"),
        ("ethtool -k", card.features, "rx, rxhash, gro, ntuple"),
        ("ethtool -x", card.indir or card.key, "rss-indir, rss-key"),
        ("ip -d link", card.link or card.words, "mac, mtu, promisc, gro-max-size"),
        ("sysctl -a", machine.sysctl, "netdev-budget, netdev-max-backlog, rcvbuf and others"),
        ("/proc/interrupts", machine.interrupts, "cpus, smp-affinity"),
        ("queues/rx-*/rps_cpus", card.rps_cpus, "rps-cpus, rps-flow-cnt"),
        ("the kernel's config file (CONFIG_HZ)", "hz" in clone.knobs or clone.is_vnic, "hz"),
    )
    for source, found, knobs in sources:
        if not found:
            clone.note("", f"no text of {source}: vnic's defaults for {knobs}")


def clone(machine: Machine, dev: str | None, *, whole: bool = True) -> Clone:
    """Clone a card of the machine, and the CPUs and sysctls around it. ConfigError: as :func:`choose`.

    ``whole``: all tools were to be asked, so note those whose text is missing, and sysctls without a knob, and take the
    kernel's HZ from its defaults.
    """
    name = choose(machine, dev)
    it = Clone(machine, name, card_of(machine, name))
    clone_cpus.cpus(it)
    clone_card.queues(it)
    clone_card.rings(it)
    clone_card.moderation(it)
    clone_card.features(it)
    clone_card.link(it)
    clone_rss.spreading(it)
    clone_rss.rules(it)
    clone_cpus.interrupts(it)
    clone_cpus.steering(it)
    clone_sysctl.sysctls(it)
    clone_card.counters(it)
    if whole:
        clone_sysctl.hz(it)
        clone_sysctl.without_a_knob(it)
        _say_missing(it)
    refused = [text for about, text in machine.refused if about in ("", name)]
    for text in (*machine.unknown_lines(), *refused, *machine.unread):
        it.note("", text)
    it.say_rest()
    order = list(KNOBS)
    it.knobs = dict(sorted(it.knobs.items(), key=lambda item: order.index(item[0])))
    it.each_queue = {queue: knobs for queue, knobs in sorted(it.each_queue.items()) if knobs}
    return it
