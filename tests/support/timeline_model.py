"""What csrc/events/timeline.c has to say, the plain way: all records first, then bins of the width that holds them."""

from vnic._core import lib
from vnic.counters.snapshots import FATES

BINS = int(lib.TIMELINE_BINS)
DELIVERED = {name for name in FATES if name.startswith("DELIVERED_")}


def bins_of(records, first_bin_ns):
    """records: (end in ns, kind, queue, arg, more). Return: as Timeline.as_dict(), without the places' lists."""
    begin = records[0][0] if records else 0
    last, width = max([0, *(t - begin for t, *_ in records)]), first_bin_ns
    while last // width >= BINS:
        width *= 2
    found = {"offered": {}, "delivered": {}, "interrupts": {}, "polls": {}, "fifo": {}, "socket": {}}
    for t, kind, queue, arg, more in records:
        at = max(0, t - begin) // width
        if kind == lib.EVENT_WIRE:
            _add(found["offered"], at, 1)
        elif kind == lib.EVENT_IRQ:
            _add(found["interrupts"], at, 1)
        elif kind == lib.EVENT_POLL and queue != lib.EVENT_NO_QUEUE:
            _add(found["polls"], at, 1)
        elif kind in (lib.EVENT_FIFO, lib.EVENT_NO_BUFFER):
            _most(found["fifo"], at, arg)
        elif kind == lib.EVENT_SOCKET:
            _most(found["socket"], at, arg >> 32)
        elif kind == lib.EVENT_DMA:
            _most(found.setdefault(("ring", queue), {}), at, arg)
        elif kind == lib.EVENT_BACKLOG:
            _most(found.setdefault(("backlog", arg & 0xFFFFFFFF), {}), at, arg >> 32)
        elif kind == lib.EVENT_FATE:
            name = FATES[arg]
            column = found["delivered"] if name in DELIVERED else found.setdefault(("lost", name), {})
            _add(column, at, 1 + more)
    n = max([0, *(max(0, t - begin) // width + 1 for t, *_ in records)])
    return (
        begin,
        width,
        n,
        {name: [column.get(i, 0) for i in range(n)] for name, column in found.items() if any(column.values())},
    )


def _add(column, at, n):
    column[at] = column.get(at, 0) + n


def _most(column, at, n):
    column[at] = max(column.get(at, 0), min(n, 0xFFFFFFFF))
