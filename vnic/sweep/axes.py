"""The axes of a sweep, as ``--vary`` spells them: a knob, and the values that it takes.

    rx-usecs=0,10us,50us        these
    rx-ring=256..4096x2         256, 512, 1024 and so on: each twice the last, up to 4096
    rx-usecs=0..100+20          0, 20, 40 and so on: each 20 more, up to 100
    netdev-budget=300,600..1000+200         a list of both
    rps-cpus=f;0-3,8            semicolons separate values that have commas

A value is spelled as for the knob itself, so ``64k`` and ``2ms`` work. Each is checked here, before anything runs. A
range never passes its end, but it may stop short of it. ``cpus`` and ``seed`` are axes too, though they are no knobs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.errors import ConfigError, quoted, said
from vnic.knobs.parse import (
    Integer,
    integer,
    parse_capture_mtu,
    parse_link,
    parse_mask,
    parse_mtu,
    parse_reader,
    parse_speed,
)
from vnic.knobs.table import KNOBS, canonical, shown
from vnic.knobs.units import measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

POINTS_MAX = 10_000
"""Most points of a sweep: more than a person looks at, and an hour of a million frames each on one core."""
ARGUMENTS = {"cpus": integer(1, lib.CPUS_MAX), "seed": integer(0, 1 << 63)}
"""Arguments of vnic.Host that may vary like a knob."""
_NUMBER = r"[0-9]{1,40}(?:\.[0-9]{1,20})?\s*[A-WYZa-wyzµμ]{0,8}"  # no x: it separates the factor
_RANGE = re.compile(rf"\s*(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})(?P<how>[x*+])(?P<by>{_NUMBER})\s*", re.ASCII)
_PLAIN = re.compile(r"\s*([0-9]{1,40}(?:\.[0-9]{1,20})?)\s*", re.ASCII)
_NUMBERS = (parse_mtu, parse_capture_mtu, parse_link, parse_speed, parse_reader)
"""Parsers of numbers besides Integer. Masks are none: their digits are hexadecimal."""
_TEXT_MAX = 65536
_SPELLED = "as in rx-usecs=0,10,50 or rx-ring=256..4096x2"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an axis."""

    given: Any
    """As Host() takes it."""
    parsed: Any
    """What the knob's parser makes of it. Two values are the same if these are equal."""
    shown: Any
    """As a report has it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A knob and its values, in the order given."""

    knob: str
    values: tuple[Value, ...]

    @property
    def unit(self) -> str:
        """The knob's unit; empty: it has none."""
        return KNOBS[self.knob].measure if self.knob in KNOBS else ""


def axis(text: str) -> Axis:
    """Parse one ``--vary``.

    Raises:
        ConfigError: one sentence that names the knob, the value, and what is allowed.
    """
    name, eq, values = text.partition("=")
    if not eq or not name.strip():
        raise ConfigError(f"--vary {said(text)}: must be KNOB=VALUES, {_SPELLED}")
    name = name.strip()
    knob = name if name in ARGUMENTS else canonical(name)
    if len(values) > _TEXT_MAX:
        raise ConfigError(f"--vary {knob}: its values are longer than {_TEXT_MAX:,} characters")
    if knob in KNOBS and KNOBS[knob].parse is parse_mask and ";" not in values and {"-", ","} <= set(values):
        raise ConfigError(f"--vary {said(text)}: lists of CPUs have commas, so separate them: rps-cpus=0;f;0-1,3")
    found: dict[str, Value] = {}
    for part in values.split(";" if ";" in values else ","):
        if not part.strip():
            raise ConfigError(f"--vary {said(text)}: a value is missing: name some, {_SPELLED}")
        for given in _range(knob, part) if ".." in part else (part.strip(),):
            value = _value(knob, given)
            found.setdefault(repr(value.parsed), value)
            if len(found) > POINTS_MAX:
                raise ConfigError(f"--vary {knob}: more than {POINTS_MAX:,} values, and a sweep has no more points")
    return Axis(knob, tuple(found.values()))


def axes(texts: Sequence[str]) -> tuple[Axis, ...]:
    """Parse all ``--vary``. ConfigError: also for a knob that is there twice, for none, and for too many points."""
    found = tuple(axis(text) for text in texts)
    if not found:
        raise ConfigError(f"nothing varies: add --vary KNOB=VALUES, {_SPELLED}")
    seen: set[str] = set()
    for one in found:
        if one.knob in seen:
            raise ConfigError(f"--vary {one.knob}: is there twice: write all values behind one --vary")
        seen.add(one.knob)
    points = math.prod(len(one.values) for one in found)
    if points > POINTS_MAX:
        sizes = " x ".join(f"{len(one.values):,}" for one in found)
        raise ConfigError(f"{sizes} values are {points:,} points, and a sweep has at most {POINTS_MAX:,}")
    return found


def _parser(knob: str) -> Callable[[Any], Any]:
    return ARGUMENTS[knob] if knob in ARGUMENTS else KNOBS[knob].value_of


def _value(knob: str, given: Any) -> Value:
    try:
        parsed = _parser(knob)(given)
    except ConfigError:  # a cost profile that is no file
        raise
    except ValueError as e:
        raise ConfigError(f"{knob}={said(given)}: {e}") from None
    return Value(given, parsed, shown(knob, parsed, given)) if knob in KNOBS else Value(parsed, parsed, parsed)


# ---- ranges ----


def _range(knob: str, text: str) -> Iterator[Any]:
    """Yield the numbers of ``low..high+step`` or ``low..high x factor``."""
    parse = ARGUMENTS[knob] if knob in ARGUMENTS else KNOBS[knob].parse
    if not isinstance(parse, Integer) and parse not in _NUMBERS:
        raise ConfigError(f"--vary {knob}: {quoted(text)} is a range, and its values are no numbers: list them")
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"--vary {knob}: {quoted(text)} is no range: write 0..100+10 (each 10 more) or 256..4096x2 (each twice)"
        )
    low, high = (_amount(knob, found[end]) for end in ("low", "high"))
    for end in ("low", "high"):
        _value(knob, found[end])  # its ends are named as they were written
    factor = found["how"] != "+"
    by = _plain(knob, found["by"]) if factor else _amount(knob, found["by"])
    if low > high:
        raise ConfigError(f"--vary {knob}: {quoted(text)} begins above its end")
    if by <= factor or (factor and not low):
        why = "a factor must be more than 1, and its begin more than 0" if factor else "a step must be more than 0"
        raise ConfigError(f"--vary {knob}: {quoted(text)} never reaches its end: {why}")
    exact = parse is parse_speed
    if not exact and not factor and by.denominator != 1:
        raise ConfigError(f"--vary {knob}: {quoted(text)}: the step must be a whole number")
    numbers = _steps(low, high, by, factor=factor)
    if numbers is None:
        raise ConfigError(f"--vary {knob}: {quoted(text)} has more than {POINTS_MAX:,} values, the most of a sweep")
    for at in numbers:
        yield _rate(at) if parse is parse_link else float(at) if exact else int(at)


def _steps(low: Fraction, high: Fraction, by: Fraction, *, factor: bool) -> list[Fraction] | None:
    """Return the numbers of a range; None: there are too many.

    Powers of a factor are rounded to 100 digits, because exact ones of 1.0001 have ten thousand.
    """
    n = math.log(high / low) / math.log(by) if factor else (high - low) / by
    if n >= POINTS_MAX:
        return None
    places = range(POINTS_MAX + 1)
    if not factor:
        found = [low + by * i for i in places[: int(n) + 2]]
    else:
        with localcontext(prec=100):
            start, base = (Decimal(x.numerator) / x.denominator for x in (low, by))
            found = [Fraction(start * base**i) for i in places[: int(n) + 2]]
    return [at for at in found if at <= high]


def _rate(bps: Fraction) -> str:
    """Return bits per second as a link's rate is written: 2.5G."""
    return f"{float(bps / 10**9):.12g}G"


def _amount(knob: str, text: str) -> Fraction:
    """Return a number in the knob's unit."""
    try:
        if knob in KNOBS and KNOBS[knob].parse is parse_link:
            return Fraction(parse_link(text))
        n = measured(text, KNOBS[knob].measure if knob in KNOBS else "")
    except ValueError as e:
        raise ConfigError(f"{knob}={said(text)}: {e}") from None
    return _plain(knob, text) if n is None else Fraction(n)


def _plain(knob: str, text: str) -> Fraction:
    found = _PLAIN.fullmatch(text)
    if found is None:
        raise ConfigError(f"--vary {knob}: {quoted(text)} is not a number")
    return Fraction(found[1])
