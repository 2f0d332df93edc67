"""``--config`` from other tools: a sysctl.conf, and texts of ethtool (-c -g -l -k -x and others), by vnic/imports."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from vnic.cli.sysctl_names import is_sysctl, knob_of, value_of
from vnic.errors import ConfigError
from vnic.imports import clone as cloning
from vnic.imports import texts
from vnic.imports.machine import Machine

_ASSIGNMENT = re.compile(r"-?\s*([a-z][^\s=]*)\s*=\s*(.*)", re.ASCII)
_COMMENTS = ("#", ";")


@dataclass(slots=True)
class Foreign:
    """What such a file gives: knobs as :class:`vnic.Host` takes them, and what the command says about it."""

    config: dict[str, Any] = field(default_factory=dict)
    without_effect: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_foreign(text: str) -> bool:
    """Is it another tool's text? One of sysctl's names with plain values is, whether or not TOML could read it."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(_COMMENTS)]
    if not lines:
        return False
    found = [_ASSIGNMENT.fullmatch(line) for line in lines]
    if all(m is not None and is_sysctl(m[1]) and not m[2].startswith(('"', "'", "[", "{")) for m in found):
        return True
    return not lines[0].startswith("[") and "=" not in lines[0] and texts.is_known(text)


def read(text: str) -> Foreign:
    """Read the text of a file for which :func:`is_foreign` is true. ConfigError: it is about several interfaces."""
    machine = Machine()
    if not texts.read(machine, "", _plain(text)):
        raise ConfigError("no text of sysctl or ethtool that vnic knows")
    it = cloning.clone(machine, None, whole=False)
    found = Foreign(dict(it.knobs), notes=[str(note) for note in it.notes])
    found.config |= {"each_queue": it.each_queue} if it.each_queue else {}
    found.config |= {"cpus": it.cpus} if it.cpus else {}
    for name, value in machine.sysctl.items():
        try:
            knob = knob_of(name)
        except ConfigError:  # another kernel's
            knob = None
        if knob is None:
            found.without_effect.append(name)
        elif ".conf." in name:  # of a device, and the file is about this card
            found.config[knob] = value_of(knob, value)
    return found


def _plain(text: str) -> str:
    """Return the text without sysctl.conf's comments and minus signs, with a blank on each side of a sysctl's =."""
    lines = []
    for line in text.splitlines():
        if line.lstrip().startswith(_COMMENTS):
            continue
        found = _ASSIGNMENT.fullmatch(line.strip())
        lines.append(f"{found[1]} = {found[2]}" if found and is_sysctl(found[1]) else line)
    return "\n".join(lines)
