"""``host.knobs``: every knob of a host that was made, read and changed while it runs.

    host.knobs.rx_usecs = 50                       one
    host.knobs["net.core.netdev_budget"] = 600     the same by its long name
    host.knobs.update({"rx-ring": 512, "rx-usecs": 50})    several at once: all, or none of them
    host.knobs.queue(1)["rps-cpus"] = "c"          of one queue

Units are the knob's, and its help says which (``rx-usecs``, ``gro-flush-timeout`` in ns, as in sysfs).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, VnicError
from vnic.knobs import KNOBS, canonical, read

if TYPE_CHECKING:
    from vnic.host import Host

START_ONLY = {
    "rx-buf-len": "buffers of that size were laid out when the card was made",
    "rx-pool": "they were laid out when the card was made",
    "hz": "a kernel is built with it",
    "gro-flows": "their memory was taken when the host was made",
    "sockets": "their table was made with the host",
    "link": "it is the wire's",
    "speed": "it is the wire's",
    "strict-csum": "it is the wire's",
    "cost": "it is the machine's",
    "tx": "the driver and the card agreed on it when the driver was loaded",
    "lro": "off [fixed]",
    "rx-gro-hw": "off [fixed]",
    "rx-vlan-offload": "off [fixed]",
}
"""Knob -> why it can't be changed once the host was made."""


def _change(host: Host, key: str, value: Any, queue: int | None) -> None:
    place = KNOBS[key].place
    all_queues = place.each_queue and queue is None
    if not all_queues and place.get(host.c, host.wire.c, queue) == value:
        return
    try:
        rc = (place.change or place.put)(host.c, host.wire.c, value, queue) or 0
    except ValueError as e:
        raise ConfigError(f"{key}={value}: {e}") from None
    if rc < 0:
        raise ConfigError(f"{key}={value}: {os.strerror(-rc)}")


class Settings(Mapping[str, Any]):
    """The knobs of a host, by any of their names. Values are parsed ones: numbers, bool, bytes (mac: None = any)."""

    _host: Host
    _queue: int | None

    def __init__(self, host: Host, queue: int | None = None) -> None:
        object.__setattr__(self, "_host", host)
        object.__setattr__(self, "_queue", queue)

    def queue(self, i: int) -> Settings:
        """The knobs that each queue has of its own: rx-usecs, rx-frames (and -irq), rps-cpus, rps-flow-cnt.

        ConfigError: there is no such queue.
        """
        n = int(self._host.c.nic.nqueues)
        if not 0 <= i < n:
            raise ConfigError(f"there is no queue {i}: the card has {n}")
        return Settings(self._host, i)

    def __getitem__(self, name: str) -> Any:
        """The value now. ConfigError (a KeyError for ``in``): there is no such knob."""
        return KNOBS[self._name(name)].place.get(self._host.c, self._host.wire.c, self._queue)

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def update(self, given: Mapping[str, Any]) -> None:
        """Change several at once, between two polls, on a host that runs too. No frame that was accepted is lost.

        Raises:
            ConfigError: a name, a value, or what can't be changed any more. Then nothing was changed.
        """
        values = {}
        for name, value in given.items():
            key = self._name(name)
            if key in START_ONLY and read(key, value) != self[key]:
                raise ConfigError(f"{name}={value}: can't be changed now: {START_ONLY[key]}")
            values[key] = read(key, value)
        self._check(values)
        values |= self._moderation(values)
        host, before = self._host, {}
        with host.stopped_machine():
            try:
                for key, value in values.items():
                    before[key] = KNOBS[key].place.get(host.c, host.wire.c, self._queue)
                    _change(host, key, value, self._queue)
            except BaseException:
                for key, value in before.items():
                    with contextlib.suppress(VnicError):
                        _change(host, key, value, self._queue)
                raise

    def _moderation(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A time alone means just that, as at the start ("after 1 frame" would win); no time: immediately again."""
        if "rx-usecs" not in values or "rx-frames" in values:
            return {}
        was = self["rx-frames"]
        return {"rx-frames": 0 if values["rx-usecs"] and was == 1 else 1 if not values["rx-usecs"] and not was else was}

    def _check(self, values: Mapping[str, Any]) -> None:
        if values.get("rx-frames") == 0 and not values.get("rx-usecs", self["rx-usecs"]):
            raise ConfigError("rx-usecs=0 and rx-frames=0: there would never be an interrupt")

    def _name(self, name: str) -> str:
        key = canonical(name)
        if self._queue is not None and not KNOBS[key].place.each_queue:
            raise ConfigError(f"{name} is the card's, not a queue's")
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
