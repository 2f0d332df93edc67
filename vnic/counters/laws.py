"""The two laws of a host, see csrc/vnic.h."""

from __future__ import annotations

from enum import IntFlag


class BrokenLaws(IntFlag):
    """The result of :meth:`vnic.Host.laws`; false if both laws hold."""

    NONE = 0
    LEDGER = 1
    """A frame has no fate and is not in flight, or has two fates."""
    POOLS = 2
    """A buffer is neither free, nor posted, nor waiting, nor in an skb."""
