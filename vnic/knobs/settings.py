"""``host.knobs``: read and change every knob of a host, also while it runs.

    host.knobs.rx_usecs = 50                       one
    host.knobs["net.core.netdev_budget"] = 600     by the long name
    host.knobs.update({"rx-ring": 512, "rx-usecs": 50})    several at once: all or none
    host.knobs.queue(1)["rps-cpus"] = "c"          of one queue

Units are Linux's (``gro_flush_timeout`` is ns, as in sysfs); a name may say them: ``gro_flush_timeout_ns``.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.errors import ConfigError, VnicError, one_line, said
from vnic.knobs.attributes import Attributes
from vnic.knobs.parse import whole
from vnic.knobs.table import KNOBS, START_ONLY, canonical, read, refuse_no_interrupt, shown
from vnic.machine.lifetime import Uncopied

if TYPE_CHECKING:
    from vnic.machine.machine import Machine

_FOLLOW = {
    "mac": ("allmulti",),
    "adaptive-rx": ("rx-usecs", "rx-frames"),
    "gro-max-size": ("gro-ipv4-max-size",),
    "ntuple": ("ntuple-rules",),
}
"""Knob -> knobs that change with it."""


def _change(host: Machine, key: str, value: Any, queue: int | None) -> None:
    place = KNOBS[key].place
    all_queues = place.each_queue and queue is None
    if not all_queues and place.get(host.c, host.wire.c, queue) == value:
        return
    try:
        rc = (place.change or place.put)(host.c, host.wire.c, value, queue) or 0
    except ValueError as e:
        raise ConfigError(f"{key}={said(value)}: {e}") from None
    if rc == -errno.EOPNOTSUPP:
        raise ConfigError(f"{key}={said(value)}: {_no_driver(host)}: {os.strerror(-rc)}")
    if rc < 0:
        raise ConfigError(f"{key}={said(value)}: {os.strerror(-rc)}")


def _no_driver(host: Machine) -> str:
    """Return why no driver of this host can make the change."""
    if host.c.nic.external_driver:
        return "the card's driver is another process"
    return "the wire has ended, and the driver has released the card"


class Settings(Uncopied, Attributes, Mapping[str, Any]):
    """The knobs of a host, by any of their names. Values are parsed: numbers, bool, bytes (mac: None = any)."""

    _machine: Machine
    _queue: int | None

    def __init__(self, machine: Machine, queue: int | None = None) -> None:
        object.__setattr__(self, "_machine", machine)
        object.__setattr__(self, "_queue", queue)

    def __repr__(self) -> str:
        whose = "" if self._queue is None else f"queue {self._queue} of "
        return one_line(f"<vnic: the knobs of {whose}{self._machine.name}>")

    def queue(self, i: int) -> Settings:
        """Return a queue's own knobs: rx-usecs, rx-frames (and -irq), smp-affinity, rps-cpus and so on.

        ConfigError: there is no such queue.
        """
        n = int(self._c.nic.nqueues)
        i = whole("queue", i, -(1 << 63), 1 << 63)
        if not 0 <= i < n:
            raise ConfigError(f"there is no queue {i}: the card has {n}")
        return Settings(self._machine, i)

    def each_queue(self, given: Mapping[int | str, Mapping[str, Any]] | None) -> None:
        """Set knobs of single queues. Queue numbers may be text, as in a file. ConfigError: as :meth:`update`."""
        if given is not None and not isinstance(given, Mapping):
            raise ConfigError(f"each_queue={given!r}: must be queues and their knobs, as {{1: {{'rps-cpus': 'c'}}}}")
        for i, own in (given or {}).items():
            if not isinstance(own, Mapping):
                raise ConfigError(f"queue {i}: {own!r}: must be knobs and their values")
            self.queue(int(i) if isinstance(i, str) and i.isascii() and i.isdigit() else i).update(own)  # type: ignore[arg-type]

    def __getitem__(self, name: str) -> Any:
        """Return the present value. ConfigError: there is no such knob."""
        return KNOBS[self._name(name)].place.get(self._c, self._machine.wire.c, self._queue)

    @property
    def _c(self) -> Any:
        return self._machine.c

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def update(self, given: Mapping[str, Any]) -> None:
        """Change several knobs at once. On a running host this happens between two polls, and loses no accepted frame.

        Raises:
            ConfigError: a name or a value is invalid, or a knob cannot change any more. Then all knobs stay.
        """
        values, written = {}, {}
        for name, value in given.items():
            key = self._name(name)
            written[key] = value
            values[key] = read(key, value)
            if key in START_ONLY and values[key] != self[key]:
                raise ConfigError(f"{name}={said(value)}: cannot be changed now: {START_ONLY[key]}")
        self._check(values)
        values |= self._moderation(values)
        values = dict(
            sorted(values.items(), key=lambda item: item[0] != "adaptive-rx")
        )  # adaptive-rx first: it decides how the others act
        self._machine.while_stopped(lambda: self._put(values, written))

    def _put(self, values: Mapping[str, Any], written: Mapping[str, Any]) -> None:
        host, before = self._machine, []
        flow_cnt = int(host.c.rps_flow_cnt)  # for queues that open later
        try:
            for key, value in values.items():
                before += [was for k in (*_FOLLOW.get(key, ()), key) for was in self._now(k)]
                _change(host, key, value, self._queue)
        except BaseException:
            for was in reversed(before):
                with contextlib.suppress(VnicError):
                    _change(host, *was)
            host.c.rps_flow_cnt = flow_cnt
            raise
        own = (
            host.config if self._queue is None else host.config.setdefault("each_queue", {}).setdefault(self._queue, {})
        )
        own |= {key: shown(key, value, written.get(key, value)) for key, value in values.items()}

    def _now(self, key: str) -> list[tuple[str, Any, int | None]]:
        """Return what restores a knob: name, value and queue, one of these for each queue that has its own value."""
        host, place = self._machine, KNOBS[key].place
        queues = range(lib.NIC_QUEUES_MAX) if place.each_queue and self._queue is None else (self._queue,)
        return [(key, place.get(host.c, host.wire.c, q), q) for q in queues]

    def _moderation(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Set rx-frames to 0 for a time given alone, as at the start (else 1 frame would win); without a time, to 1."""
        if "rx-usecs" not in values or "rx-frames" in values:
            return {}
        was = self["rx-frames"]
        return {"rx-frames": 0 if values["rx-usecs"] and was == 1 else 1 if not values["rx-usecs"] and not was else was}

    def _check(self, values: Mapping[str, Any]) -> None:
        if "rx-frames" in values:
            refuse_no_interrupt(values.get("rx-usecs", self["rx-usecs"]), values["rx-frames"])

    def _name(self, name: str) -> str:
        key = canonical(name)
        if self._queue is not None and not KNOBS[key].place.each_queue:
            raise ConfigError(f"{name} is a knob of the whole card, not of a queue")
        return key

    def __iter__(self) -> Iterator[str]:
        return iter(k for k, knob in KNOBS.items() if self._queue is None or knob.place.each_queue)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        try:
            self._name(str(name))
        except ConfigError:
            return False
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except ConfigError as e:
            raise AttributeError(str(e)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name.replace("-", "_") for name in self)]
