"""Names of sysctls in ``--config``, ``--set`` and ``--sysctl``: a knob here, or one that changes nothing in vnic.

A tuning guide's sysctl.conf names much that vnic has not got. Such a name stops nothing: it is listed once. A name that
Linux has not got either is a mistake. vnic/knobs/sysctls.py has the names.
"""

from __future__ import annotations

import re
from typing import Any

from vnic.errors import ConfigError, said
from vnic.knobs import sysctls
from vnic.knobs.table import canonical

ROOTS = ("abi", "crypto", "debug", "dev", "fs", "kernel", "net", "sunrpc", "user", "vm")
_ROOT = re.compile(rf"(?:{'|'.join(ROOTS)})[./]\S+", re.ASCII)
_SHOWN_MAX = 24


def is_sysctl(name: str) -> bool:
    """Does the name belong to the tree of sysctls?"""
    return _ROOT.fullmatch(name) is not None


def _dotted(name: str) -> str:
    """Return the name with dots between its parts. In one with slashes, a dot belongs to a part: conf/eth0.1/mtu."""
    first = re.search("[./]", name)
    return name.translate(str.maketrans("./", "/.")) if first and first[0] == "/" else name


def knob_of(name: str) -> str | None:
    """Return the knob of a sysctl, or of any name of a knob; None: the sysctl has no effect here.

    ConfigError: the name is neither a knob's nor a sysctl's, and the text has the nearest.
    """
    name = name.strip()
    if not is_sysctl(name.removeprefix("-")):
        return canonical(name)
    name = _dotted(name.removeprefix("-"))
    if sysctls.row(name) is None:
        try:
            return canonical(name)  # a knob's own name behind net.core, as in a table of a file
        except ConfigError:
            pass
    return sysctls.knob(name)


def value_of(knob: str, value: Any) -> Any:
    """Return a sysctl's value as the knob takes it; one that is no text as it is."""
    return sysctls.for_knob(knob, value) if isinstance(value, str) else value


def without_effect(names: list[str]) -> str:
    """Return one sentence that lists these names; empty: no name is given."""
    if not names:
        return ""
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - _SHOWN_MAX} more" if len(unique) > _SHOWN_MAX else ""
    return f"without effect here: {', '.join(_with_guess(name) for name in unique[:_SHOWN_MAX])}{more}"


def _with_guess(name: str) -> str:
    """Return the name; one that Linux has not got with those that are like it."""
    known = sysctls.row(name) is not None or re.match(r"net\.(core|ipv4|ipv6)\.", name) is None
    near = "" if known else sysctls.near(name).removeprefix("; ")
    return f"{said(name)} ({near})" if near else said(name)
