"""Names of sysctls in ``--config``, ``--set`` and ``--sysctl``: a knob here, or one that changes nothing in vnic.

A tuning guide's sysctl.conf names much that vnic has not got. Such a name stops nothing: it is listed once.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

from vnic.errors import ConfigError, said
from vnic.knobs.table import canonical

ROOTS = ("abi", "crypto", "debug", "dev", "fs", "kernel", "net", "sunrpc", "user", "vm")
_ROOT = re.compile(rf"(?:{'|'.join(ROOTS)})[./]\S+", re.ASCII)
_OF_DEVICE = re.compile(r"net\.ipv6\.conf\.(?!all\.|lo\.)[^.]+\.(accept_ra|dad_transmits)", re.ASCII)
_SEVERAL = frozenset({"udp-mem"})
"""Knobs that are the first of the sysctl's numbers."""
_NEAR = 0.92
_NAME_MAX = 64
_SHOWN_MAX = 24


def is_sysctl(name: str) -> bool:
    """Does the name belong to the tree of sysctls?"""
    return _ROOT.fullmatch(name) is not None


def dotted(name: str) -> str:
    """Return the name with dots between its parts. In one with slashes, a dot belongs to a part: conf/eth0.1/mtu."""
    first = re.search("[./]", name)
    return name.translate(str.maketrans("./", "/.")) if first and first[0] == "/" else name


def knob_of(name: str) -> str | None:
    """Return the knob of a sysctl, or of any name of a knob; None: the sysctl has no effect here.

    ConfigError: the name is neither, and the text has the nearest.
    """
    name = name.strip().removeprefix("-") if is_sysctl(name.strip().removeprefix("-")) else name.strip()
    if is_sysctl(name):
        name = dotted(name)
        found = _OF_DEVICE.fullmatch(name)
        name = found[1] if found else name
    try:
        return canonical(name)
    except ConfigError:
        if is_sysctl(name):
            return None
        raise


def value_of(knob: str, value: Any) -> Any:
    """Return a sysctl's value as the knob takes it: of several numbers, the first."""
    words = value.split() if isinstance(value, str) and knob in _SEVERAL else []
    return words[0] if words and all(word.isascii() and word.isdecimal() for word in words) else value


def without_effect(names: list[str]) -> str:
    """Return one sentence that lists these names; empty: no name is given."""
    if not names:
        return ""
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - _SHOWN_MAX} more" if len(unique) > _SHOWN_MAX else ""
    return f"without effect here: {', '.join(_with_guess(name) for name in unique[:_SHOWN_MAX])}{more}"


def _with_guess(name: str) -> str:
    from vnic.linux.sysctl import SYSCTLS

    short = {full.rpartition(".")[2]: full for full in SYSCTLS}
    near = difflib.get_close_matches(name.rpartition(".")[2][:_NAME_MAX], short, 1, _NEAR)
    return f"{said(name)} (did you mean {short[near[0]]}?)" if near else said(name)
