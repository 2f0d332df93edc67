"""Clone the sysctls that are knobs, and name others that matter for receiving. See vnic/imports/clone.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vnic.errors import said
from vnic.imports.clone_cpus import folded
from vnic.imports.machine import hexadecimal, number
from vnic.knobs.parse import mask_text
from vnic.linux.sysctl import SYSCTLS

if TYPE_CHECKING:
    from vnic.imports.clone import Clone

_MASKS = frozenset({"flow-limit-cpus"})
_ELSEWHERE = frozenset({"rss-key"})
"""The key for all cards; ethtool -x shows the card's."""
_NAMED_MAX = 12
_HZ = (100, 250, 300, 1000)
"""The values that a kernel can be configured with (kernel/Kconfig.hz)."""


def _knob(clone: Clone, name: str, knob: str, text: str) -> None:
    if knob in _MASKS:
        mask = hexadecimal(text)
        if mask is not None:
            clone.put(knob, mask_text(folded(clone, mask)))
            return
    elif (n := number(text)) is not None:
        clone.near(knob, n)
        return
    elif clone.takes(knob, text):
        clone.put(knob, text)
        return
    clone.note(knob, f"{name} = {said(text[:80])} is not a value of this sysctl")


def _others(clone: Clone) -> None:
    """Name the sysctls that would change what becomes of a packet, and that vnic lacks."""
    given = clone.machine.sysctl
    if any(number(given.get(f"net.ipv4.conf.{dev}.rp_filter", "")) for dev in ("all", clone.dev)):
        clone.note("", "rp_filter is on: here no packet is dropped for the way back to its source")
    if number(given.get("net.ipv4.ip_forward", "")):
        clone.note("", "ip_forward is on: here no packet is forwarded")
    more = sorted(name for name in given if re.fullmatch(r"net\.core\.[a-z_]+", name) and name not in SYSCTLS)
    if more:
        shown = ", ".join(name.removeprefix("net.core.") for name in more[:_NAMED_MAX])
        rest = f" and {len(more) - _NAMED_MAX} more" if len(more) > _NAMED_MAX else ""
        clone.note("", f"sysctls of net.core without a knob: {shown}{rest}")


def _hz(clone: Clone) -> None:
    """Take CONFIG_HZ; without it, infer it from the default of netdev_budget_usecs, which is two jiffies."""
    if clone.machine.hz:
        clone.near("hz", clone.machine.hz)
        return
    usecs = number(clone.machine.sysctl.get("net.core.netdev_budget_usecs", ""))
    hz = next((hz for hz in _HZ if 2_000_000 // hz == usecs), None)
    if hz is not None and not clone.is_vnic:
        clone.put("hz", hz)
        clone.note("hz", f"no text says it; netdev_budget_usecs {usecs} is the default where it is {hz}")


def sysctls(clone: Clone) -> None:
    """``sysctl -a``, and the kernel's HZ."""
    for name, sysctl in SYSCTLS.items():
        if name not in clone.machine.sysctl:
            continue
        text = clone.machine.sysctl[name]
        knob = sysctl.source.removeprefix("knob ").partition(",")[0]
        if knob == sysctl.source:  # it has one possible value here, and the reason
            only, _, why = sysctl.source.partition(": ")
            if text != only:
                clone.note("", f"{name} = {said(text[:80])}: always {only} here: {why}")
        elif knob not in _ELSEWHERE:
            _knob(clone, name, knob, text.split()[0] if knob == "udp-mem" and text.split() else text)
    _others(clone)
    _hz(clone)
