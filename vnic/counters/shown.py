"""The snapshots of a host: frozen, so they stay valid after it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic.counters import gro as gro_
from vnic.counters import latency, snapshots

if TYPE_CHECKING:
    from vnic.machine.machine import Machine


class Shown:
    """The part of :class:`vnic.Host` that takes snapshots."""

    _machine: Machine

    def ledger(self) -> snapshots.Ledger:
        """Every frame's fate. ``ledger.closed`` is the first law."""
        return snapshots.ledger(self._machine.c)

    def softnet(self) -> list[snapshots.SoftnetStat]:
        """One snapshot for each CPU."""
        return [snapshots.softnet(self._machine.c, i) for i in range(self._machine.c.ncpus)]

    def gro(self) -> gro_.GroStats:
        """The work of GRO."""
        return gro_.stats(self._machine.c)

    def gro_flows(self) -> list[gro_.GroFlow]:
        """The work of GRO on each flow, busiest first, if the host was made with ``gro_flows=N``."""
        return gro_.flows(self._machine.c)

    def tx_ledger(self) -> snapshots.TxLedger:
        """The fates of the frames that this host sent."""
        return snapshots.tx_ledger(self._machine.c)

    def neighbours(self) -> list[snapshots.Neighbour]:
        """The neighbour table (``ip neigh``)."""
        return snapshots.neighbours(self._machine.c)

    def mib(self) -> dict[str, int]:
        """Protocol counters by their names in /proc/net/snmp."""
        return snapshots.mib(self._machine.c)

    def latencies(self) -> latency.Latencies:
        """Stage -> percentiles, if the host was made with ``latency=True``."""
        self._machine.c  # noqa: B018 - is it open?
        return latency.latencies(self._machine.histograms)
