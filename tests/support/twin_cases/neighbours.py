"""Cases of neighbours."""

CASES: dict[str, list] = {}
