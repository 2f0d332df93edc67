"""Is the segment that the host sent the one that the script expects? What packetdrill compares, in its order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vnic.packetdrill.text import option_text

if TYPE_CHECKING:
    from vnic.packetdrill.script import Tcp

_ORDER = "FSRPUEW."
_U32 = 0xFFFFFFFF


def joined(pieces: list[Tcp]) -> Tcp:
    """Return one segment for several that follow each other: a script names what the card may cut (TSO)."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    flags = {f for p in pieces for f in p.flags}
    return replace(
        first, flags="".join(f for f in _ORDER if f in flags), length=sum(p.length for p in pieces),
        window=pieces[-1].window, ack=pieces[-1].ack,
    )  # fmt: skip


def follows(piece: Tcp, before: Tcp) -> bool:
    """Does a segment continue another one?"""
    return piece.seq == (before.seq + before.length) & _U32 and piece.length > 0 and "F" not in before.flags


def difference(expected: Tcp, actual: Tcp, pieces: int) -> str | None:
    """Return what differs; None: nothing. ``pieces``: of how many segments ``actual`` was made: then PSH is free."""
    free = {"P"} if pieces > 1 else set()
    want, got = set(expected.flags) - free, set(actual.flags) - free
    checks: list[tuple[str, object, object]] = [
        ("flags", _flags(want), _flags(got)),
        ("sequence number", expected.seq, actual.seq),
        ("length", expected.length, actual.length),
    ]
    if "." in expected.flags:
        checks.append(("acknowledgement", expected.ack, actual.ack))
    if expected.window is not None:
        checks.append(("window", expected.window, actual.window))
    checks.append(("urgent pointer", expected.urg, actual.urg))
    if expected.options is not None:
        checks.append(("options", _options(expected), _options(actual)))
    if expected.ip.ecn == "ect01":
        checks.append(
            ("ECN bits", "ect0 or ect1", actual.ip.ecn if actual.ip.ecn not in ("ect0", "ect1") else "ect0 or ect1")
        )
    elif expected.ip.ecn is not None:
        checks.append(("ECN bits", expected.ip.ecn, actual.ip.ecn))
    if expected.ip.tos is not None:
        checks.append(("type of service", expected.ip.tos, actual.ip.tos))
    if expected.ip.ttl is not None:
        checks.append(("TTL", expected.ip.ttl, actual.ip.ttl))
    wrong = [f"{what} {got} instead of {wanted}" for what, wanted, got in checks if wanted != got]
    return ", ".join(wrong) or None


def _flags(of: set[str]) -> str:
    return "".join(f for f in _ORDER if f in of) or "-"


def _options(p: Tcp) -> str:
    """Return the options as text, without our timestamp, which is the host's clock; padding is none."""
    options = list(p.options or ())
    while options and options[-1].kind == "eol":
        options.pop()
    said = [replace(o, values=(0, o.values[1])) if o.kind == "TS" and len(o.values) == 2 else o for o in options]
    return "<" + ",".join(option_text(o) for o in said) + ">"


def late(expected_us: tuple[int, int], actual_us: int, tolerance_us: int) -> bool:
    """Is a time outside its range?"""
    return not expected_us[0] - tolerance_us <= actual_us <= expected_us[1] + tolerance_us
