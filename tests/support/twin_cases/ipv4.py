"""Cases of ipv4."""

CASES: dict[str, list] = {}
