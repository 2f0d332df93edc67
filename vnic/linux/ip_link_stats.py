"""Format the tables of ``ip -s link`` as iproute2 6 does. Level 1 is ``-s``, level 2 ``-s -s``.

Both functions take the fields of rtnl_link_stats64 by name, and ``carrier_changes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PLAIN = ("bytes", "packets", "errors", "dropped")


def as_json(s: Mapping[str, int], level: int) -> dict[str, dict[str, int]]:
    """Return ``stats64`` of ``ip -s -j``."""
    rx = {name: s[f"rx_{name}"] for name in _PLAIN}
    rx |= {"over_errors": s["rx_over_errors"], "multicast": s["multicast"]}
    tx = {name: s[f"tx_{name}"] for name in _PLAIN}
    tx |= {"carrier_errors": s["tx_carrier_errors"], "collisions": s["collisions"]}
    for way, row in (("rx", rx), ("tx", tx)):
        if s[f"{way}_compressed"]:
            row["compressed"] = s[f"{way}_compressed"]
    if level > 1:
        rx |= {f"{n}_errors": s[f"rx_{n}_errors"] for n in ("length", "crc", "frame", "fifo", "missed")}
        rx |= {n: s[key] for n, key in (("nohandler", "rx_nohandler"), ("otherhost", "rx_otherhost_dropped")) if s[key]}
        tx |= {f"{n}_errors": s[f"tx_{n}_errors"] for n in ("aborted", "fifo", "window", "heartbeat")}
        tx["carrier_changes"] = s["carrier_changes"]
    return {"rx": rx, "tx": tx}


class _Table:
    """Columns that are as wide as the longest number in them."""

    def __init__(self) -> None:
        self.widths = [10, 7, 6, 7, 7, 7, 10, 9]

    def make_room(self, row: Iterable[int]) -> None:
        """Widen the columns for the numbers of a row, from the first column on."""
        for i, n in enumerate(row):
            self.widths[i] = max(self.widths[i], len(str(n)))

    def heading(self, begin: str, first: str, cells: Iterable[tuple[int, str]]) -> str:
        """Format a line of words; the cells are (column, word)."""
        return (
            begin + first.rjust(self.widths[0] + 4 - len(begin)) + "".join(f" {w:>{self.widths[i]}}" for i, w in cells)
        )

    def numbers(self, first: int | str, cells: Iterable[tuple[int, int]]) -> str:
        """Format a line of numbers."""
        return f"{first:>{self.widths[0] + 4}} " + "".join(f"{n:>{self.widths[i]}} " for i, n in cells)


def as_text(s: Mapping[str, int], level: int) -> list[str]:
    """Return the lines of ``ip -s``. Like iproute2, it reserves the width of TX's errors one column too far right."""
    table = _Table()
    rx = [*(s[f"rx_{n}"] for n in (*_PLAIN, "missed_errors")), s["multicast"], s["rx_compressed"]]
    tx = [*(s[f"tx_{n}"] for n in (*_PLAIN, "carrier_errors")), s["collisions"], s["tx_compressed"]]
    rx_errors = [s[f"rx_{n}_errors"] for n in ("length", "crc", "frame", "fifo", "over")]
    rx_errors += [s["rx_nohandler"], s["rx_otherhost_dropped"]]
    tx_errors = [*(s[f"tx_{n}_errors"] for n in ("aborted", "fifo", "window", "heartbeat")), s["carrier_changes"]]
    for row in ([rx, [0, *rx_errors], tx, [0, 0, *tx_errors]]) if level > 1 else (rx, tx):
        table.make_room(row)

    def main(way: str, names: list[str], row: list[int]) -> list[str]:
        names = [*names, "compressed" if row[6] else ""]
        cells = list(enumerate(row))[1 : 7 if row[6] else 6]
        return [table.heading(f"    {way}:", "bytes", enumerate(names, 1)), table.numbers(row[0], cells)]

    def errors(way: str, names: list[str], row: list[int]) -> list[str]:
        shown = [i for i in range(len(row)) if i < 5 or row[i]]
        return [
            table.heading(f"    {way} errors:", "", [(i + 1, names[i]) for i in shown]),
            table.numbers("", [(i + 1, row[i]) for i in shown]),
        ]

    lines = main("RX", ["packets", "errors", "dropped", "missed", "mcast"], rx)
    if level > 1:
        lines += errors("RX", ["length", "crc", "frame", "fifo", "overrun", "nohandler", "otherhost"], rx_errors)
    lines += main("TX", ["packets", "errors", "dropped", "carrier", "collsns"], tx)
    if level > 1:
        lines += errors("TX", ["aborted", "fifo", "window", "heartbt", "transns"], tx_errors)
    return lines
