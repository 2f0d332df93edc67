"""The card's ring and interrupt and the driver's NAPI as one machine against their models, a step at a time.

Frames come, time passes, the CPU is stalled and let run, in any order. After each step: the same frames in the FIFO, in
the ring, lost and taken, in order; as many interrupts, and nothing waits in the ring for an interrupt that never comes.
"""

import frames
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from model.card import FRAME, Card

import vnic
from vnic._core import ffi, lib

US = 1000
TYPE = 0x88B5


class Together(RuleBasedStateMachine):
    host = None

    @initialize(
        ring=st.sampled_from([16, 32]),
        fifo=st.integers(1, 20),
        moderation=st.sampled_from([(0, 1), (50, 0), (0, 3), (20, 4), (5, 40)]),
        weight=st.sampled_from([1, 7, 16, 64]),
        threaded=st.booleans(),
    )
    def start(self, ring, fifo, moderation, weight, threaded):
        usecs, count = moderation
        self.host = vnic.Host(
            cost="zero", link="inf", cpus=1, rx_pool=256, sockets=16, rx_ring=ring, fifo=fifo * FRAME, rx_usecs=usecs,
            rx_frames=count, weight=weight, threaded=threaded, rxhash=False,
        )  # fmt: skip
        self.got, self.sent, self.now = [], 0, 0
        self.host.packet_type(TYPE)(lambda burst: self.got.extend(int.from_bytes(p[:4]) for p in burst))
        self.model = Card(ring=ring, fifo=fifo * FRAME, usecs=usecs, frames=count)
        self.nic = ffi.addressof(self.host.machine.c.nic)

    @precondition(lambda self: self.host)
    @rule(n=st.integers(1, 40))
    def frames_come_while_the_cpu_is_stalled(self, n):
        for _ in range(n):
            self.host.feed([(self.now, frames.eth(self.sent.to_bytes(4) + bytes(42), type=TYPE))])
            self.model.arrive(self.sent)
            self.sent += 1
        lib.nic_run(self.nic, self.now)

    @precondition(lambda self: self.host)
    @rule(us=st.integers(0, 60))
    def time_passes_while_the_cpu_is_stalled(self, us):
        self.now += us * US
        lib.nic_run(self.nic, self.now)
        self.host.machine.c.cpu[0].now = self.now  # it was busy with something else
        self.model.advance(self.now, stalled=True)

    @precondition(lambda self: self.host)
    @rule(us=st.integers(0, 60))
    def the_cpu_runs(self, us):
        self.now += us * US
        self.host.run(until_ns=self.now)
        self.model.advance(self.now, stalled=False)
        irq = self.host.machine.c.nic.queue[0].irq
        waiting = self.host.ledger().in_flight_at["ring"]
        assert not waiting or irq.pending, "nobody will ever ask for these"

    @invariant()
    def both_are_the_same(self):
        if not self.host:
            return
        ledger, model = self.host.ledger(), self.model
        assert ledger.closed
        assert self.got == model.got
        assert (ledger.in_flight_at["ring"], ledger.in_flight_at["fifo"], ledger.fates.get("FIFO_OVERRUN", 0)) == (
            len(model.vq.used), len(model.fifo), model.lost)  # fmt: skip
        assert self.host.nic.queues()[0].interrupts == model.interrupts

    def teardown(self):
        if self.host:
            self.host.finish()
            assert self.host.laws() == 0
            self.host.close()


Together.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestTogether = Together.TestCase
