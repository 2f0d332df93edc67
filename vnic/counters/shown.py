"""What a host shows of itself: frozen snapshots, which stay when it is closed."""

from __future__ import annotations

from typing import Any

from vnic.counters import gro as gro_
from vnic.counters import snapshots


class Shown:
    """What :class:`vnic.Host` does about looking."""

    _histograms: dict[int, Any]

    @property
    def c(self) -> Any:
        """The ``struct host *``."""
        raise NotImplementedError

    def ledger(self) -> snapshots.Ledger:
        """Every frame's fate. ``ledger.closed`` is the first law."""
        return snapshots.ledger(self.c)

    def softnet(self) -> list[snapshots.SoftnetStat]:
        """One snapshot for each CPU."""
        return [snapshots.softnet(self.c, i) for i in range(self.c.ncpus)]

    def gro(self) -> gro_.GroStats:
        """What GRO did."""
        return gro_.stats(self.c)

    def gro_flows(self) -> list[gro_.GroFlow]:
        """What it did to each flow, if the host was made with ``gro_flows=N``; busiest first."""
        return gro_.flows(self.c)

    def tx_ledger(self) -> snapshots.TxLedger:
        """What became of what this host sent."""
        return snapshots.tx_ledger(self.c)

    def neighbours(self) -> list[snapshots.Neighbour]:
        """The neighbour table (``ip neigh``)."""
        return snapshots.neighbours(self.c)

    def mib(self) -> dict[str, int]:
        """Protocol counters by snmp's names."""
        return snapshots.mib(self.c)

    @property
    def split(self) -> bool:
        """Is the latency split by stage?"""
        return bool(self._histograms)

    def latencies(self) -> dict[str, snapshots.Latency]:
        """Stage -> percentiles, if the host was made with ``latency=True``."""
        self.c  # noqa: B018 - is it open?
        return snapshots.latencies(self._histograms)
