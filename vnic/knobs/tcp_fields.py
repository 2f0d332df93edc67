"""Places of TCP's knobs that are no single number. As vnic/knobs/fields.py."""

from __future__ import annotations

from typing import Any

from vnic.knobs.fields import Place, follow
from vnic.knobs.parse import CONGESTION as CONGESTIONS
from vnic.knobs.parse import TCP_MODES, Numbers


def _tcp_mode(h: Any, _w: Any, v: str, _q: int | None) -> None:
    h.tcp.mode = TCP_MODES.index(v)


TCP_MODE = Place(_tcp_mode, lambda h, _w, _q: TCP_MODES[int(h.tcp.mode)], typed="str")
"""How the host speaks TCP."""


def _congestion(h: Any, _w: Any, v: str, _q: int | None) -> None:
    h.tcp.congestion = CONGESTIONS.index(v)


CONGESTION = Place(_congestion, lambda h, _w, _q: CONGESTIONS[int(h.tcp.congestion)], typed="str")
"""Congestion control of new connections."""


def of_numbers(path: str) -> Place:
    """Return the place of an array of numbers in ``struct host``."""
    to, last = follow(path)

    def put(h: Any, _w: Any, v: Numbers, _q: int | None) -> None:
        for i, n in enumerate(v):
            getattr(to(h), last)[i] = n

    return Place(put, lambda h, _w, _q: Numbers(getattr(to(h), last)), typed="tuple[int, ...]")
