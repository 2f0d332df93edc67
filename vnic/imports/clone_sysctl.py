"""Clone the sysctls that are knobs, and name others that matter for receiving. See vnic/imports/clone.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vnic.errors import said
from vnic.imports.clone_cpus import folded
from vnic.imports.machine import hexadecimal, number
from vnic.knobs.parse import mask_text
from vnic.knobs.sysctls import WHY, default, row
from vnic.linux.sysctl_rows import SYSCTLS

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


def _unknown(name: str, text: str) -> bool:
    """Return whether it is a sysctl of net.core that vnic lacks, and not as Linux has it by default."""
    if not re.fullmatch(r"net\.core\.[a-z_]+", name) or name in SYSCTLS or name in WHY:
        return False
    return row(name) is None or text != default(name)


def _others(clone: Clone) -> None:
    """Name the sysctls that would change what becomes of a packet, and that vnic lacks."""
    given = clone.machine.sysctl
    if any(number(given.get(f"net.ipv4.conf.{dev}.rp_filter", "")) for dev in ("all", clone.dev)):
        clone.note("", "rp_filter is on: here no packet is dropped for the way back to its source")
    if number(given.get("net.ipv4.ip_forward", "")):
        clone.note("", "ip_forward is on: here no packet is forwarded")


def without_a_knob(clone: Clone) -> None:
    """Name the sysctls of net.core that vnic lacks."""
    given = clone.machine.sysctl
    more = sorted(name for name, text in given.items() if _unknown(name, text))
    if more:
        shown = ", ".join(name.removeprefix("net.core.") for name in more[:_NAMED_MAX])
        rest = f" and {len(more) - _NAMED_MAX} more" if len(more) > _NAMED_MAX else ""
        clone.note("", f"sysctls of net.core without a knob: {shown}{rest}")


def hz(clone: Clone) -> None:
    """Take CONFIG_HZ; without it, infer it from the default of netdev_budget_usecs, which is two jiffies."""
    if clone.machine.hz:
        clone.near("hz", clone.machine.hz)
        return
    usecs = number(clone.machine.sysctl.get("net.core.netdev_budget_usecs", ""))
    found = next((n for n in _HZ if 2_000_000 // n == usecs), None)
    if found is not None and not clone.is_vnic:
        clone.put("hz", found)
        clone.note("hz", f"no text says it; netdev_budget_usecs {usecs} is the default where it is {found}")


def sysctls(clone: Clone) -> None:
    """``sysctl -a``, and the kernel's HZ."""
    for row_, sysctl in SYSCTLS.items():
        name = row_.replace(".DEV.", f".{clone.dev}.")
        if name not in clone.machine.sysctl or (name != row_ and not clone.is_vnic):
            continue  # Linux's defaults for a device ask for routers and duplicates; in a replay nothing answers
        text = clone.machine.sysctl[name]
        knob = sysctl.source.removeprefix("knob ").partition(",")[0]
        if knob not in _ELSEWHERE:
            _knob(clone, name, knob, text.split()[0] if knob == "udp-mem" and text.split() else text)
    for name, why in WHY.items():
        if (text := clone.machine.sysctl.get(name, default(name))) != default(name):
            clone.note("", f"{name} = {said(text[:80])}: no effect here: {why}")
    _others(clone)
