# ruff: noqa: E501 (code on one line)
"""Mutants that no test can kill, each with its reason: they change speed only, or nothing that anybody can see.

An entry is a file, a function, the code and the mutated code as scripts/mutate --random prints them; "*" for both: all
of a function. It is no place for a behaviour that is hard to test.
"""

from mutations import Mutation

EQUIVALENT: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "prefetches only: speed": (("driver.c", "prefetch_ahead", "*", "*"),),
}
REASONS = {entry: why for why, entries in EQUIVALENT.items() for entry in entries}


def reason_of(m: Mutation) -> str | None:
    return REASONS.get(m.key) or REASONS.get((m.file, m.function, "*", "*"))


def stale(all_there_are: list[Mutation]) -> list[tuple[str, str, str, str]]:
    """Entries that fit nothing: the code has changed."""
    fits = {m.key for m in all_there_are} | {(m.file, m.function, "*", "*") for m in all_there_are}
    return [entry for entry in REASONS if entry not in fits]
