"""Cases of transport."""

CASES: dict[str, list] = {}
