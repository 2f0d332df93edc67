"""What a knob's value may be: in words for ``vnic knobs``, and as JSON Schema for ``vnic knobs --schema``.

A row of the table has a parser. A whole number's parser knows its bounds; for the others the words are here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.knobs import parse
from vnic.knobs.units import SIZES, TIMES, is_measured
from vnic.linux.ntuple import parse_rules
from vnic.tap.rtnetlink import IPV4_MIN_MTU

if TYPE_CHECKING:
    from vnic.knobs.knob import Knob

Schema = dict[str, Any]

_CPU_LAST, _QUEUE_LAST = int(lib.CPUS_MAX) - 1, int(lib.NIC_QUEUES_MAX) - 1
_FLAG: Schema = {
    "anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, {"enum": ["on", "off", "yes", "no", "true", "false", "1", "0"]}]
}
_OFF: Schema = {"enum": [False, 0, "off", "no", "false", "0"]}
_DIGITS = r"^\s*[+-]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0|[1-9][0-9]*)\s*$"
_WORDS: dict[Any, tuple[str, Schema]] = {
    parse.flag: ("on, off", _FLAG),
    parse.fixed_off: ("off", _OFF),
    parse.parse_mac: ("six hexadecimal bytes, any", {"type": "string"}),
    parse.parse_link: ("1M to 4000G, inf", {"type": ["string", "number"]}),
    parse.parse_speed: ("0.000001 to 4000, max", {"type": ["string", "number"]}),
    parse.parse_mask: ("mask as in f, list as in 0-3,8", {"type": ["string", "integer"]}),
    parse.parse_reader: (f"0 to {_CPU_LAST}, any", {"type": ["string", "integer"]}),
    parse.parse_cost: ("profile of vnic costs, FILE.toml", {"type": ["string", "object"]}),
    parse.parse_key: ("40 or 52 hexadecimal bytes", {"type": "string"}),
    parse.parse_flow_hash: ("letters of sdfn", {"type": "string", "pattern": "^[sdfn]+$"}),
    parse.parse_xfrm: ("none, symmetric-xor", {"enum": ["none", "symmetric-xor"]}),
    parse.parse_tcp: (", ".join(parse.TCP_MODES), {"enum": list(parse.TCP_MODES)}),
    parse.parse_congestion: (", ".join(parse.CONGESTION), {"enum": list(parse.CONGESTION)}),
    parse.parse_three_sizes: (
        f"three sizes, each 1 to {parse.SIZE_MAX}",
        {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 3, "maxItems": 3}]},
    ),
    parse.parse_ports: (
        "two ports, each 1 to 65535",
        {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 2, "maxItems": 2}]},
    ),
    parse.parse_indir: (
        f"1 to {lib.RSS_INDIR_MAX} of the queues 0 to {_QUEUE_LAST}, default",
        {"anyOf": [{"type": "string"}, {"type": "array", "maxItems": int(lib.RSS_INDIR_MAX)}]},
    ),
    parse.parse_threaded: (
        "on, off, busy-poll",
        {"anyOf": [*_FLAG["anyOf"], {"enum": ["busy-poll"]}]},
    ),
    parse.parse_cwr: ("6.18, 7.0", {"enum": ["6.18", "7.0", 6.18, 7.0]}),
    parse_rules: ("rules of ethtool -N, separated by ;", {"type": ["string", "array"]}),
}
_BOUNDS: dict[Any, tuple[int, int, str]] = {
    parse.parse_mtu: (0, 65535, f"0, or {IPV4_MIN_MTU} to 65535"),
    parse.parse_capture_mtu: (576, 65535, "576 to 65535, or off"),
}


def allowed(knob: Knob) -> str:
    """Return the values that a knob takes, in words."""
    if isinstance(knob.parse, parse.Integer):
        return f"{knob.parse.low} to {knob.parse.high}"
    return _BOUNDS[knob.parse][2] if knob.parse in _BOUNDS else _WORDS[knob.parse][0]


def unit(knob: Knob) -> str:
    """Return the unit in which the knob counts; empty: none."""
    return knob.measure or ("CPUs" if knob.parse is parse.parse_mask else "")


def schema(knob: Knob) -> Schema:
    """Return the JSON Schema of the knob's value in a file. A text has to be parsed: the schema has only its form."""
    if isinstance(knob.parse, parse.Integer):
        found = _number(knob.parse.low, knob.parse.high, knob.measure)
    elif knob.parse in _BOUNDS:
        found = _number(*_BOUNDS[knob.parse][:2], knob.measure)
        if knob.parse is parse.parse_capture_mtu:
            found["anyOf"].append({"enum": ["off"]})
    else:
        found = dict(_WORDS[knob.parse][1])
    shown = knob.default if isinstance(knob.default, (bool, int, str)) else None
    return {"description": knob.help} | ({} if shown is None else {"default": shown}) | found


def _number(low: int, high: int, measure: str) -> Schema:
    text = [{"type": "string", "pattern": _DIGITS}]
    if is_measured(measure):
        units = "|".join(TIMES if measure in TIMES else [*SIZES, *(name.upper() for name in SIZES)])
        text.append({"type": "string", "pattern": rf"^\s*\+?[0-9]+(\.[0-9]+)?\s*({units})\s*$"})
    return {"anyOf": [{"type": "integer", "minimum": low, "maximum": high}, *text]}
