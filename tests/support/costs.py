"""Costs of a host, set by their names in ``enum cost``."""

from vnic._core import lib
from vnic.knobs.cost import KEYS, key_of


def charge(host, **ns: int) -> None:
    """Set these figures (``RX=1000``), and those that follow one of them, as a profile does."""
    given = {key_of(name): value for name, value in ns.items()}
    for key, about in KEYS.items():
        if key not in given and about.follows in given:
            given[key] = given[about.follows]
    for key, value in given.items():
        host.machine.c.cost[getattr(lib, "COST_" + key.upper().replace("-", "_"))] = value
