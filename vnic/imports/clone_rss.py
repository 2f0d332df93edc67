"""Clone the spreading of flows: indirection table, key, hashed fields, rules. See vnic/imports/clone.py."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vnic._core import lib
from vnic.knobs.fields import table_entries
from vnic.linux import ntuple

if TYPE_CHECKING:
    from vnic.imports.clone import Clone

_SIZE, _KEY_MAX, _KEY_MIN = int(lib.RSS_INDIR_MAX), int(lib.RSS_KEY_SIZE), 40
_TYPES = ("tcp4", "udp4", "tcp6", "udp6")


def _table(clone: Clone) -> None:
    table, queues = clone.card.indir, clone.queues
    there = len(table)
    if all(queue == i % queues for i, queue in enumerate(table)):
        return  # the default of driver and card: it follows the number of queues
    if max(table) >= queues:
        clone.note("rss-indir", f"names queue {max(table)}: each queue is taken modulo {queues} here")
        table = [queue % queues for queue in table]
    if there > _SIZE and table != [table[i % _SIZE] for i in range(there)]:
        clone.note("rss-indir", f"{there} entries there: {_SIZE} of them here, at equal distances, so shares stay")
        table = [table[i * there // _SIZE] for i in range(_SIZE)]
    elif table_entries(there) % there:
        clone.note("rss-indir", f"{there} entries there: {table_entries(there)} here, which begin again at the end")
    clone.put("rss-indir", table[:_SIZE])


def _key(clone: Clone) -> None:
    key = bytes(clone.card.key)
    if not any(key):
        clone.note("rss-key", f"{len(key)} bytes of zeros there (the key is hidden, or unset): vnic's default here")
        return
    if len(key) not in (_KEY_MIN, _KEY_MAX):
        if len(key) < _KEY_MIN:
            clone.note("rss-key", f"{len(key)} bytes there: zeros fill it up to {_KEY_MIN} here")
        else:
            clone.note("rss-key", f"{len(key)} bytes there: only the first {_KEY_MIN} can matter here")
        key = key[:_KEY_MIN].ljust(_KEY_MIN, b"\0")
    clone.put("rss-key", key.hex(":"))


def _fields(clone: Clone) -> None:
    for name in _TYPES:
        if name not in clone.card.flow_hash:
            continue
        letters = "".join(letter for letter in "sdfn" if letter in clone.card.flow_hash[name])
        if letters:
            clone.put(f"rx-flow-hash-{name}", letters)
        else:
            clone.note(f"rx-flow-hash-{name}", "no field that vnic can hash: its default here")


def _odd(letters: str) -> bool:
    """Does the hash treat the two directions of a flow differently?"""
    return ("s" in letters) != ("d" in letters) or ("f" in letters) != ("n" in letters)


def _functions(clone: Clone) -> None:
    on = [name for name, on in clone.card.hash_functions.items() if on]
    if on and "toeplitz" not in on:
        clone.note("", f"hash function {on[0]}: Toeplitz here, so flows meet other queues")
    transformations = [name for name, on in clone.card.transformations.items() if on and name != "none"]
    if not transformations:
        return
    odd = [name for name in _TYPES if _odd(str(clone.knobs.get(f"rx-flow-hash-{name}", "sdfn")))]
    if transformations != ["symmetric-xor"]:
        clone.note("rss-xfrm", f"{transformations[0]} there, none here")
    elif odd:
        clone.note("rss-xfrm", f"symmetric-xor there, none here: {odd[0]} flows hash one direction's fields")
    else:
        clone.put("rss-xfrm", "symmetric-xor")


def spreading(clone: Clone) -> None:
    """-x, and -n ... rx-flow-hash."""
    if clone.card.indir:
        _table(clone)
    if clone.card.key:
        _key(clone)
    _fields(clone)
    _functions(clone)


def rules(clone: Clone) -> None:
    """-n: the rules, with new locations if theirs are larger than vnic's."""
    kept: list[tuple[int, ntuple.Rule]] = []
    for loc, rule in sorted(clone.card.rules.items()):
        try:
            ntuple.judge(rule)
        except ValueError as e:
            clone.note("ntuple-rules", f"filter {loc} is left out: {e}")
            continue
        if rule.action >= clone.queues:
            clone.note("ntuple-rules", f"filter {loc} is left out: there is no queue {rule.action} here")
        elif len(kept) == ntuple.SIZE:
            clone.note("ntuple-rules", f"filter {loc} is left out: vnic's card has {ntuple.SIZE}")
        else:
            kept.append((loc, rule))
    if kept and kept[-1][0] >= ntuple.SIZE:
        clone.note("ntuple-rules", f"locations up to {kept[-1][0]} there, from 0 in the same order here")
        kept = [(i, rule) for i, (_, rule) in enumerate(kept)]
    if kept:
        clone.put("ntuple-rules", [str(replace(rule, loc=loc)) for loc, rule in kept])
    if clone.card.rules and clone.knobs.get("ntuple") and not clone.is_vnic:
        clone.note("ntuple", "with RFS on, vnic's card also steers flows to their readers (accelerated RFS)")
