"""Answer ethtool -S: the card's counters, under the names that hardware drivers use (igb, e1000e)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnic._core import ffi, lib
from vnic.control.reply import Reply
from vnic.counters import snapshots as stats_
from vnic.linux import ntuple
from vnic.linux.ethtool_args import RefusedError, need_ioctl_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vnic.host import Host


def statistics(host: Host) -> dict[str, int]:
    """Return name -> count. A total covers all queues that ever existed, so -L loses no count."""
    nic, device = host.machine.c.nic, host.nic.stats()
    queues = [stats_.queue(host.machine.c, i) for i in range(nic.nqueues_open)]
    drivers = [host.machine.c.dq[i] for i in range(len(queues))]
    taken = [(0, 0) if d == ffi.NULL else (int(d.rx_packets), int(d.rx_bytes)) for d in drivers]
    arfs = host.nic.arfs()
    stats = {
        "rx_packets": sum(packets for packets, _ in taken),
        "tx_packets": device.tx_packets,
        "rx_bytes": sum(n for _, n in taken),
        "tx_bytes": device.tx_bytes,
        "rx_multicast": device.multicast,
        "rx_errors": device.rx_errors,
        "tx_errors": device.tx_errors,
        "rx_dropped": device.rx_dropped,
        "tx_dropped": device.tx_dropped,
        "rx_length_errors": device.rx_length_errors,
        "rx_over_errors": device.rx_over_errors,
        "rx_fifo_errors": device.rx_fifo_errors,
        "tx_fifo_errors": device.tx_fifo_errors,
        "rx_filtered": int(nic.filtered),
        "rx_no_buffer_count": sum(q.no_buffer for q in queues),
        "rx_csum_offload_good": sum(q.csum_good for q in queues),
        "rx_csum_offload_errors": sum(q.csum_errors for q in queues),
        "alloc_rx_buff_failed": sum(q.alloc_rx_buff_failed for q in queues),
        "rx_dma_failed": sum(q.dma_failed for q in queues),
        "arfs_added": arfs.added,
        "arfs_expired": arfs.expired,
        "arfs_full": arfs.full,
        "arfs_hits": arfs.hits,
        "ntuple_hits": sum(ntuple.hits(host.machine.c).values()),
        "ntuple_drops": int(nic.fates[lib.NTUPLE_FILTER]),
        "tx_queue_0_packets": device.tx_packets,
        "tx_queue_0_bytes": device.tx_bytes,
    }
    for i, (q, (packets, n)) in enumerate(zip(queues, taken, strict=True)):
        stats |= {
            f"rx_queue_{i}_packets": packets,
            f"rx_queue_{i}_bytes": n,
            f"rx_queue_{i}_no_buffer": q.no_buffer,
            f"rx_queue_{i}_csum_good": q.csum_good,
            f"rx_queue_{i}_csum_err": q.csum_errors,
            f"rx_queue_{i}_alloc_failed": q.alloc_rx_buff_failed,
            f"rx_queue_{i}_dma_failed": q.dma_failed,
            f"rx_queue_{i}_interrupts": q.interrupts,
        }
    return stats


def show(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-S."""
    if args:
        raise RefusedError(Reply(err=f"ethtool (-S): unknown parameter '{args[0]}'\n", code=1))
    need_ioctl_device(host, dev, "Cannot get stats strings information", code=96)
    stats = statistics(host)
    return Reply("NIC statistics:\n" + "".join(f"     {name}: {n}\n" for name, n in stats.items()), data=stats)
