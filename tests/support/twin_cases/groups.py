"""Cases of groups."""

CASES: dict[str, list] = {}
