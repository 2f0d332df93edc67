"""Clone a card: queues, rings, moderation, offloads, link. See vnic/imports/clone.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vnic.errors import said
from vnic.knobs.table import ALIASES, KNOBS

if TYPE_CHECKING:
    from vnic.imports.clone import Clone

_DIM = frozenset(
    {"bcmgenet", "bcmsysport", "bnxt_en", "ena", "enetc", "ice", "idpf", "ionic", "mlx5_core", "virtio_net"}
)
"""Drivers that moderate by Linux's lib/dim, as vnic does; their tables of times may be their own."""
_DYNAMIC = {"e1000": (1, 3), "e1000e": (1, 3), "igb": (1, 3), "igc": (1, 3), "ixgbe": (1,), "ixgbevf": (1,)}
"""Driver -> values of rx-usecs that ask for a moderation which follows the traffic."""
_MODERATION = ("rx-usecs", "rx-frames", "rx-usecs-irq", "rx-frames-irq")
_FEATURES = frozenset(
    {"rx", "tx", "rxhash", "gro", "rx-gro-list", "rx-udp-gro-forwarding", "ntuple", "lro", "rx-gro-hw"}
    | {"rx-vlan-offload", "rx-vlan-filter"}
)
_ABSENT = ("rx-fcs", "rx-all", "loopback", "hw-tc-offload", "tls-hw-rx-offload", "esp-hw-offload", "macsec-hw-offload")
_DEFAULT_MAC = "02:00:00:00:00:01"
"""The address that a card of vnic shows while it takes all unicast frames."""
LOSSES = re.compile(r"drop|miss|err|no_buf|no_desc|no_dma|discard|overflow|out_of|fifo|starv", re.IGNORECASE)
_LOSSES_MAX = 12


# ---- queues, rings ----


def queues(clone: Clone) -> None:
    """-l; without it, what -x and -n count."""
    card = clone.card
    there = card.channels.get("combined", 0) + card.channels.get("rx", 0)
    if not there:
        there = card.queues[0] if card.queues else max(card.rps_cpus, default=-1) + 1
    if there:
        clone.queues = clone.near("queues", there)


def rings(clone: Clone) -> None:
    """-g: there are no mini and jumbo rings, and one sending ring."""
    ring = clone.card.rings
    for kind in ("rx", "tx"):
        if n := ring.get(kind, 0):
            clone.near(f"{kind}-ring", n)
    if n := ring.get("rx-buf-len", 0):
        clone.near("rx-buf-len", n)
    for kind in ("rx-mini", "rx-jumbo"):
        if n := ring.get(kind, 0):
            clone.note("", f"{kind} ring of {n}: not here, long frames span several buffers")
    if clone.card.channels.get("tx", 1) > 1:
        clone.note("", "of the sending rings there is one")


# ---- moderation ----


def _times(given: dict[str, int]) -> dict[str, int]:
    """Return the four parameters that vnic has. Both 0 means immediately, which is one frame here."""
    found = {name: given[name] for name in _MODERATION if name in given}
    if not found.get("rx-usecs") and not found.get("rx-frames") and ("rx-usecs" in found or "rx-frames" in found):
        found["rx-frames"] = 1
    if found.get("rx-usecs") and "rx-frames" not in found:
        found["rx-frames"] = 0
    if found.get("rx-frames") and "rx-usecs" not in found:
        found["rx-usecs"] = 0
    return found


def moderation(clone: Clone) -> None:
    """-c, and -Q -c for each queue."""
    given, own = clone.card.coalesce, clone.card.queue_coalesce
    given = given or own.get(0, {})
    times = _times(given)
    for name, n in times.items():
        clone.near(name, n)
    if times and given.get("rx-usecs") == 0 and given.get("rx-frames") == 0:
        clone.note("rx-frames", "rx-usecs 0 and rx-frames 0 there mean immediately, which is rx-frames 1 here")
    usecs = given.get("rx-usecs", 0)
    if usecs in _DYNAMIC.get(clone.driver, ()):
        clone.note("rx-usecs", f"{clone.driver} takes {usecs} as a mode that follows the traffic; here it is a time")
    if "adaptive-rx" in given:
        clone.put("adaptive-rx", bool(given["adaptive-rx"]))
        if given["adaptive-rx"] and not clone.is_vnic:
            ours = "the times of its table may differ" if clone.driver in _DIM else "its own rule is not cloned"
            clone.note("adaptive-rx", f"here it is Linux's DIM; {clone.driver or 'the driver'}: {ours}")
    for name in ("cqe-mode-rx", "stats-block-usecs", "pkt-rate-low", "pkt-rate-high"):
        if given.get(name):
            clone.note("", f"{name} {given[name]}: not here")
    for queue, theirs in sorted(own.items()):
        if queue >= clone.queues:
            clone.note("", f"moderation of queue {queue}: there is no such queue here")
            continue
        others = {n: v for n, v in _times(theirs).items() if v != times.get(n)}
        if others.keys() & {"rx-usecs", "rx-frames"}:
            others = {n: v for n, v in _times(theirs).items() if n in ("rx-usecs", "rx-frames")} | others
        for name, value in others.items():
            clone.in_queue(queue, name, value)
        if theirs.get("adaptive-rx", 0) != given.get("adaptive-rx", theirs.get("adaptive-rx", 0)):
            clone.note("adaptive-rx", f"otherwise for queue {queue} there; here all queues have the same")


# ---- offloads ----


def features(clone: Clone) -> None:
    """-k."""
    given = {ALIASES.get(name, name): on for name, on in clone.card.features.items()}
    sums = [on for name, on in given.items() if name.startswith("tx-checksum-")]
    if sums:
        given.setdefault("tx", any(sums))  # ethtool's own name for all of them
    knobs = {name: on for name, on in given.items() if name in _FEATURES}
    for name in ("lro", "rx-gro-hw", "rx-vlan-offload"):
        if knobs.pop(name, False):
            clone.note(name, f"on there, off [fixed] here: {KNOBS[name].help.split(':')[0]}")
    if not clone.is_vnic:
        if "tso" in given:
            knobs["tso"] = given["tso"]
        if knobs.pop("rx-vlan-filter", False):
            clone.note("rx-vlan-filter", "on there, off here: no knob lists the VLAN ids that the card passes")
        if not knobs.get("rxhash", True) and clone.queues > 1:
            del knobs["rxhash"]
            clone.note("rxhash", "off there, on here: without the card's hash one queue would get all frames")
    for name, on in knobs.items():
        clone.put(name, on)
    for name in _ABSENT:
        if given.get(name):
            clone.note("", f"{name} on: not here")


# ---- link ----


def _speed(clone: Clone, mbit: int) -> None:
    if mbit <= 0:
        if clone.is_vnic:
            clone.put("link", "inf")
        else:
            clone.note("link", f"the link's speed is unknown there: {KNOBS['link'].default} here")
        return
    rate = min(mbit, 4_000_000)
    if rate != mbit:
        clone.note("link", f"{mbit} Mbit/s there, {rate} here: the most that vnic takes")
    clone.put("link", f"{rate // 1000}G" if rate % 1000 == 0 else f"{rate}M")


def _mac(clone: Clone, address: str) -> None:
    address = address.lower()
    if clone.is_vnic and address == _DEFAULT_MAC:
        return
    if not re.fullmatch("[0-9a-f]{2}(?::[0-9a-f]{2}){5}", address, re.ASCII) or int(address[:2], 16) & 1:
        clone.note("mac", f"{said(address)}: not an Ethernet station's address")
        return
    clone.put("mac", address)
    if not clone.is_vnic:
        text = "frames to other stations are filtered; remove this line to replay another machine's capture"
        clone.note("mac", f"{text}. Multicast groups that the machine joined are not cloned")


def link(clone: Clone) -> None:
    """Ip link, ethtool DEV, /sys/class/net/DEV."""
    numbers, words = clone.card.link, clone.card.words
    if "speed" in numbers:
        _speed(clone, numbers["speed"])
    if "address" in words:
        _mac(clone, words["address"])
    mtu = numbers.get("mtu", 0)
    if mtu > 0 and not (clone.is_vnic and mtu == 65535):
        mtu = clone.near("mtu", mtu)
        if not clone.is_vnic and mtu != KNOBS["capture-mtu"].default and mtu >= 576:
            clone.put("capture-mtu", mtu)
    for name in ("promisc", "allmulti"):
        if name in numbers and (numbers[name] or clone.is_vnic):
            clone.put(name, bool(numbers[name]))
    for name in ("gro_max_size", "gro_ipv4_max_size", "gro_flush_timeout", "napi_defer_hard_irqs"):
        if numbers.get(name, -1) >= 0:
            clone.near(name.replace("_", "-"), numbers[name])
    if "threaded" in numbers:
        clone.put("threaded", "busy-poll" if numbers["threaded"] == 2 else numbers["threaded"] != 0)
    if words.get("duplex") == "half":
        clone.note("", "the link is half duplex: here it is full duplex")
    if "master" in words:
        clone.note("", f"the card is a port of {said(words['master'])}: here frames go to IP at once")
    if "xdp" in words:
        clone.note("", "an XDP program sees each frame first: not here")


# ---- counters: no knobs, but the reason for the question ----


def counters(clone: Clone) -> None:
    """Repeat the losses that the machine counted since it started: -S, softnet_stat."""
    found = {name: n for name, n in clone.card.statistics.items() if n > 0 and LOSSES.search(name)}
    if found:
        shown = [f"{said(name)} {n}" for name, n in list(found.items())[:_LOSSES_MAX]]
        more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
        clone.facts.append(f"ethtool -S counted there: {', '.join(shown)}{more}")
    rows = clone.machine.softnet
    names = {1: "dropped", 2: "time_squeeze", 9: "received_rps", 10: "flow_limit_count"}
    sums = {name: sum(row[i] for row in rows if len(row) > i) for i, name in names.items()}
    if rows:
        shown = [f"{name} {n}" for name, n in sums.items()]
        clone.facts.append(f"softnet_stat counted there, on all CPUs: {', '.join(shown)}")
