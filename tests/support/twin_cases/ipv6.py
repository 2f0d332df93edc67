"""Cases of ipv6."""

CASES: dict[str, list] = {}
