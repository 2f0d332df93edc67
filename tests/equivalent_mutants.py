# ruff: noqa: E501 (code on one line)
"""Mutants that no test can kill, each with its reason: they change speed only, or nothing that anybody can see.

An entry is a file, a function, the code and the mutated code as scripts/mutate --random prints them; "*" for both: all
of a function. It is no place for a behaviour that is hard to test.
"""

from mutations import Mutation

EQUIVALENT: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "prefetches only: speed": (("driver.c", "prefetch_ahead", "*", "*"),),
    "which of two ways reads a batch: speed": (
        ("tap_uring.c", "tap_way_begin", "*", "*"),
        ("tap_uring.c", "tap_way_end", "*", "*"),
    ),
    "how long an idle CPU looks for work before it sleeps: speed": (
        ("live.c", "cpu_look", "*", "*"),
        ("live.c", "live_spin_max", "*", "*"),
    ),
    "a file's read_burst never returns 0": (
        ("send.c", "fill", "if (got < 0) {", "if (got < 1) {"),
        ("send.c", "fill", "if (got < 0) {", "if (got <= 0) {"),
    ),
    "one entry more of a table is seen: it is NULL behind the last open queue, and there is nothing to do for it": (
        ("ledger.c", "host_laws", "i < h->nic.nqueues_open;", "i <= h->nic.nqueues_open;"),
    ),
    "a hash is cut to other bits of the same, large enough table: its chains are longer, what they hold is compared": (
        ("inet_fragment.c", "inet_frags_init", "f->mask = round_up_pow2(f->size) - 1;", "f->mask = round_up_pow2(f->size) + 1;"),
    ),
}
REASONS = {entry: why for why, entries in EQUIVALENT.items() for entry in entries}


def reason_of(m: Mutation) -> str | None:
    return REASONS.get(m.key) or REASONS.get((m.file, m.function, "*", "*"))


def stale(all_there_are: list[Mutation]) -> list[tuple[str, str, str, str]]:
    """Entries that fit nothing: the code has changed."""
    fits = {m.key for m in all_there_are} | {(m.file, m.function, "*", "*") for m in all_there_are}
    return [entry for entry in REASONS if entry not in fits]
