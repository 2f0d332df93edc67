"""Costs of work in virtual time: the CPU that does the work pays, in nanoseconds (``*_PS``: picoseconds per byte).

There are two profiles: ``zero`` (all work is free: pure logic, and benchmarks) and ``linux`` (a usual server CPU at
about 3 GHz). The figures of ``linux`` are one consistent set: their sums agree with published totals, and single
entries are estimates. The totals:

* driver + skb + early drop in the stack, one core: 4.8 Mpps = 208 ns a packet (Høiland-Jørgensen et al., "The eXpress
  Data Path", CoNEXT 2018, raw-table drop, 3.6 GHz);
* time budgets, locks, system calls: Brouer, "Network stack challenges at increasing speeds", LCA 2015;
* UDP to a socket and through recvmsg, one core: 0.7 to 1 Mpps (kernel loopback measured at 0.76 Mpps).
"""

from __future__ import annotations

from vnic._core import ffi

NAMES: tuple[str, ...] = tuple(
    name.removeprefix("COST_") for value, name in sorted(ffi.typeof("enum cost").elements.items()) if name != "COST_MAX"
)

LINUX: dict[str, int] = {
    # the card: PCIe 3.0 x8 moves about 7 GB/s of payload; a write transaction and its completion entry on top
    "DMA": 20,
    "DMA_PS": 140,
    # entry, handler, EOI and exit of an MSI-X interrupt: about 1 us is the usual figure, NAPI's raison d'etre
    "HARDIRQ": 800,
    "SOFTIRQ": 150,  # do_softirq, net_rx_action's set-up: estimate
    "POLL": 200,  # one poll's fixed part: doorbell write (MMIO), ring look-ups: estimate
    # driver receive, skb allocation and free, eth_type_trans: with GRO and netif_receive_skb the 208 ns above
    "RX": 120,
    "RX_BUF": 30,  # one more page fragment
    "GRO": 35,
    "RECEIVE": 50,
    # get_rps_cpu (flow hash, map) and a remote, contended enqueue: two locked operations of 8-16 ns (LCA 2015), a miss
    "RPS": 60,
    "IPI": 300,  # sending one: write to the APIC, estimate
    "BACKLOG": 40,
    "IP": 60,  # ip_rcv, route look-up by early demux or FIB
    "UDP": 90,
    "TCP": 180,
    "CSUM_PS": 100,  # software checksum: about 10 bytes a cycle cached
    "SOCK": 70,  # queue lock, rmem accounting
    "WAKE": 700,  # try_to_wake_up on another CPU, estimate
    "SWITCH": 1200,  # context switch to the reader (1 to 2 us: lmbench's usual range)
    "RECV": 350,  # recvmsg: system call of 40-75 ns (LCA 2015), dequeue, skb free
    "COPY_PS": 120,  # copy to user: about 8 GB/s out of L3
    "OUTPUT": 300,  # route, header, neighbour, start_xmit without a queueing discipline: estimate
}

PROFILES: dict[str, dict[str, int]] = {"linux": LINUX, "zero": {}}


def costs(profile: str) -> list[int]:
    """Return the profile's figures in the order of ``enum cost``. KeyError: there is no such profile."""
    figures = PROFILES[profile]
    return [figures.get(name, 0) for name in NAMES]
