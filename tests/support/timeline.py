"""Time-stamped tables: at this moment that happens, and then it must look so. Virtual time, nobody sleeps.

A row is (t_us, event, expectation). The host runs until t, the event happens, the host runs on for 10 ns (who spins for
nothing looks up each ns), and what the row expects is compared. Events: ``frames N``, ``udp N``, ``tcp N`` (segments of
one flow), ``irq`` (one more from the card), ``disable``, ``enable``, or "" for none. ``Timeline.look`` has what can be
expected.
"""

import frames
from costs import charge

from vnic._core import ffi, lib

US = 1000
STATES = {
    "S": lib.NAPI_STATE_SCHED, "M": lib.NAPI_STATE_MISSED, "D": lib.NAPI_STATE_DISABLE, "N": lib.NAPI_STATE_NPSVC,
    "B": lib.NAPI_STATE_IN_BUSY_POLL, "P": lib.NAPI_STATE_PREFER_BUSY_POLL, "T": lib.NAPI_STATE_THREADED,
    "t": lib.NAPI_STATE_SCHED_THREADED,
}  # fmt: skip
NEVER = 2**64 - 1


class Timeline:
    """One host, queue 0 of it, and its clock."""

    def __init__(self, host) -> None:
        self.host, self.cpu = host, host.machine.c.cpu[0]
        self.nic, self.napi = ffi.addressof(host.machine.c.nic), ffi.addressof(host.machine.c.dq[0].napi)
        self.sent = 0

    def look(self) -> dict:
        n, cpu, softnet = self.napi, self.cpu, self.host.softnet()
        return {
            "state": "".join(letter for letter, bit in STATES.items() if n.state & bit),
            "irqs": int(self.host.machine.c.nic.queue[0].irq.raised),
            "polls": int(n.polls), "packets": int(n.packets), "full": int(n.full_polls),
            "held": int(n.gro_held), "up": sum(s.processed for s in softnet),
            "timer": None if n.timer_ns == NEVER else n.timer_ns / US,
            "defer": int(n.defer_hard_irqs_count),
            "softirqs": softnet[0].softirqs, "runs": softnet[0].net_rx_runs, "squeezes": softnet[0].time_squeeze,
            "ksoftirqd": softnet[0].ksoftirqd_runs, "thread": int(n.thread.runs), "wakeups": int(n.thread.wakeups),
            "reader": softnet[0].reader_wakeups, "busy": self.host.mib()["TcpExt_BusyPollRxPackets"],
            "ipis": [s.received_rps for s in softnet], "read": self.read(), "now": cpu.now / US,
            "ring": int(self.host.ledger().in_flight_at["ring"]), "dropped": [s.dropped for s in softnet],
        }  # fmt: skip

    def read(self) -> int:
        socks = self.host.machine.c.socks
        return sum(int(socks.socks[i].reads) for i in range(1, socks.used))

    def happen(self, t: int, event: str) -> None:
        what, _, number = event.partition(" ")
        n = int(number or 1)
        if what == "frames":
            self.host.feed([(t, frames.eth(bytes(46), type=0x88B5))] * n)
        elif what == "udp":
            self.host.feed([(t, frames.udp(dport=9, sport=1 + (self.sent + i) % 7)) for i in range(n)])
        elif what == "tcp":
            self.host.feed([(t, frames.tcp(b"x" * 100, seq=100 * (self.sent + i), dport=9)) for i in range(n)])
        elif what == "irq":
            lib.raise_hardirq(self.cpu, 0, t)
        elif what == "disable":
            lib.napi_disable(self.napi)
        elif what == "enable":
            lib.napi_enable(self.napi)
        elif what:
            raise ValueError(event)
        self.sent += n

    def play(self, rows) -> None:
        """Compare all rows; the first that is not as expected is named."""
        for t_us, event, expectation in rows:
            t = int(t_us * US)
            self.host.run(until_ns=t)
            self.happen(t, event)
            self.host.run(until_ns=t + 10)
            seen = self.look()
            got = {name: seen[name] for name in expectation}
            assert (t_us, event, got) == (t_us, event, expectation)


def timelines(host, usual: dict):
    """A function that makes a Timeline: the costs of its host, and knobs that differ from the usual ones."""

    def make(costs=None, **knobs) -> Timeline:
        h = host(**(usual | knobs))
        charge(h, **(costs or {}))
        return Timeline(h)

    return make
