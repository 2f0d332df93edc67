"""A CPU: hardirqs over softirqs over tasks, in one coroutine.

``charge`` is the one place where time passes, and so the one where hardirqs preempt. What a hardirq and the softirqs
behind it take is added to the charge they preempt.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from model.events.machine import NEVER
from model.events.napi import Softnet
from model.events.sock import Reader
from model.events.task import Run, Task

if TYPE_CHECKING:
    from model.events.world import World

SLICE_NS = 3_000_000
RESTARTS = 10
QUEUE, IPI, WATCHDOG, TICK = range(4)
COLD_NS = 300_000
"""Of hardirqs that are due at one instant, the order."""


@dataclass(order=True, slots=True)
class Hardirq:
    at: int
    kind: int
    index: int
    handler: Callable[[], Run] = field(compare=False)


class Cpu(Softnet):
    def __init__(self, world: "World", index: int) -> None:
        super().__init__(world.machine)
        self.world, self.index, self.machine = world, index, world.machine
        self.cost = world.machine.cost
        self.now = 0
        self.idle_ns = self.idled = 0
        self.cold = False
        self.tick: Hardirq | None = None
        self.busy: Counter[str] = Counter()  # context -> ns: hardirq, softirq, switch, and each task
        self.count: Counter[str] = Counter()
        self.hardirqs_due: list[Hardirq] = []
        self.in_hardirq = self.in_softirq = self.idling = self.spinning = self.switching = False
        self.bh_off = 0
        self.context = "idle"
        self.runqueue: deque[Task] = deque()
        self.current: Task | None = None  # None: the idle task
        self.slice_end = 0
        self.ksoftirqd = Task(self, "ksoftirqd", self.run_ksoftirqd)
        self.reader = Reader(self)
        self.end = 0
        self.next = NEVER
        self.life = self.schedule()
        self.act()

    # ---- time ----

    def act(self) -> None:
        """Run to the next charge."""
        next(self.life)

    def pause(self, end: int) -> None:
        """Ask for the next turn at ``end``, or when a hardirq is due, if hardirqs are on."""
        self.end = end
        self.plan()

    def plan(self) -> None:
        self.next = self.end
        if self.hardirqs_due and not self.in_hardirq:
            self.next = min(self.end, max(self.now, self.hardirqs_due[0].at))

    def charge(self, name: str, times: int = 1) -> Run:
        return self.spend(self.machine.cost_of(name) * times)

    def spend(self, ns: int) -> Run:
        """Let ``ns`` of work pass. A hardirq that is due at its very end comes before what stands behind."""
        end = self.now + ns
        while True:
            self.pause(end)
            yield
            self.now = now = self.world.now
            if self.in_hardirq or not self.hardirqs_due or self.hardirqs_due[0].at > now:
                break
            yield from self.interrupt()
            end += self.now - now
        self.busy[self.context] += ns

    def sleep(self) -> Run:
        """Sleep until there is work. A turn that brings none does not end it."""
        if self.tick:
            self.cancel(self.tick)
        self.idling, began = True, self.now
        while not self.runqueue and not (self.hardirqs_due and self.hardirqs_due[0].at <= self.world.now):
            self.pause(NEVER)
            yield
        self.idling = False
        self.now = self.world.now
        self.idled = self.now - began
        self.idle_ns += self.idled

    def idle(self) -> Run:
        """Wait for work. ``wake_up`` ends it, or a hardirq."""
        while not self.runqueue:
            yield from self.sleep()
            self.cold |= self.idled >= COLD_NS
            if self.machine.cost_of("TICK"):
                self.plan_tick((self.now // self.machine.jiffy_ns + 1) * self.machine.jiffy_ns)
            if self.hardirqs_due and self.hardirqs_due[0].at <= self.now:
                yield from self.interrupt()

    def spin(self, end: int) -> Run:
        """Be busy until ``end``, or until something happens: ``stir``, or a hardirq."""
        began, self.spinning = self.now, True
        self.pause(end)
        yield
        self.spinning = False
        self.now = self.world.now
        self.busy[self.context] += self.now - began
        if self.hardirqs_due and self.hardirqs_due[0].at <= self.now:
            yield from self.interrupt()

    def stir(self) -> None:
        """End this CPU's idle time, or its spin."""
        if self.idling or self.spinning:
            self.end = self.world.now
            self.plan()

    def plan_tick(self, at: int) -> None:
        """A tick comes with each jiffy while the CPU is not idle."""
        self.tick = self.raise_hardirq(at, TICK, 0, self.nothing)

    def nothing(self) -> Run:
        yield from ()

    def first_packet(self) -> Run:
        """The first packet after a long time of idleness costs more."""
        if self.cold:
            self.cold = False
            yield from self.charge("FIRST_PACKET")

    def jiffies(self) -> int:
        return self.now // self.machine.jiffy_ns

    # ---- hardirqs ----

    def raise_hardirq(self, at: int, kind: int, index: int, handler: Callable[[], Run]) -> Hardirq:
        due = Hardirq(at, kind, index, handler)
        heappush(self.hardirqs_due, due)
        self.plan()
        return due

    def raise_ipi(self, at: int, source: int) -> None:
        self.raise_hardirq(at + self.machine.cost_of("IPI_DELIVERY"), IPI, source, self.rps_trigger_softirq)

    def cancel(self, due: Hardirq) -> None:
        if due in self.hardirqs_due:
            self.hardirqs_due.remove(due)
            self.hardirqs_due.sort()
            self.plan()

    def interrupt(self) -> Run:
        """Take the hardirqs that are due, and those that become due meanwhile. Then irq_exit."""
        context, self.context, self.in_hardirq = self.context, "hardirq", True
        while self.hardirqs_due and self.hardirqs_due[0].at <= self.now:
            due = heappop(self.hardirqs_due)
            self.count[("hardirqs", "hardirqs", "watchdogs", "ticks")[due.kind]] += 1
            if due.kind == TICK:
                self.plan_tick(due.at + self.machine.jiffy_ns)
            yield from self.charge(("HARDIRQ", "HARDIRQ_IPI", "HARDIRQ", "TICK")[due.kind])
            yield from due.handler()
        self.in_hardirq = False
        self.context = context
        if self.softirq_pending and not self.in_softirq and not self.bh_off:
            yield from self.do_softirq("softirq")

    # ---- softirqs ----

    def do_softirq(self, context: str) -> Run:
        """handle_softirqs(). Its limits count from the end of SOFTIRQ."""
        before, self.context, self.in_softirq = self.context, context, True
        self.count["softirqs"] += 1
        yield from self.charge("SOFTIRQ")
        end = self.jiffies() + self.machine.softirq_jiffies
        restarts = RESTARTS
        while True:
            self.softirq_pending = False
            yield from self.net_rx_action()
            if not self.softirq_pending:
                break
            if self.jiffies() >= end:
                self.wake_ksoftirqd("ksoftirqd_by_time")
                break
            if self.need_resched():
                self.wake_ksoftirqd("ksoftirqd_by_resched")
                break
            restarts -= 1
            if not restarts:
                self.wake_ksoftirqd("ksoftirqd_by_restarts")
                break
        self.context, self.in_softirq = before, False

    def wake_ksoftirqd(self, why: str) -> None:
        """A wake-up on the own CPU by the softirq itself is free."""
        self.count[why] += 1
        if self.ksoftirqd.asleep:
            self.ksoftirqd.asleep = False
            self.enqueue(self.ksoftirqd)

    def run_ksoftirqd(self) -> Run:
        while True:
            self.count["ksoftirqd_runs"] += 1
            if self.softirq_pending:
                yield from self.do_softirq("ksoftirqd")
            if not self.softirq_pending:
                return True
            if self.slice_is_over():
                return False

    # ---- tasks ----

    def schedule(self) -> Run:
        """Run the tasks in turn, and idle when none is awake."""
        last = None
        while True:
            if not self.runqueue:
                last = self.current = None
                yield from self.idle()
            task = self.runqueue.popleft()
            if task is not last:
                self.context, self.switching = "switch", True
                yield from self.charge(self.switch() if last is None else "SWITCH")
                self.switching = False
            last = self.current = task
            self.context = task.name
            self.slice_end = self.now + SLICE_NS
            task.runs += 1
            if (yield from task.body()):
                task.asleep = True
            else:
                self.runqueue.append(task)
            self.context = "idle"

    def switch(self) -> str:
        """The cost of a switch on a CPU that was idle."""
        if self.idled >= 1_000_000:
            return "SWITCH_IDLE_1MS"
        return "SWITCH_IDLE_100US" if self.idled >= 100_000 else "SWITCH_IDLE"

    def slice_is_over(self) -> bool:
        """Has another task's turn come?"""
        return bool(self.runqueue) and self.now >= self.slice_end

    def need_resched(self) -> bool:
        """During a switch the next task is chosen. The idle task yields at once, others when their slice is over."""
        if self.switching:
            return False
        return bool(self.runqueue) if self.current is None else self.slice_is_over()

    def wake_up(self, task: Task) -> Run:
        """Pay for the wake-up of a task, of this CPU or another. Then it is awake."""
        if task.asleep:
            task.asleep = False
            task.wakeups += 1
            yield from self.charge("WAKE" if task.cpu is self else "WAKE_REMOTE")
            task.cpu.enqueue(task)

    def enqueue(self, task: Task) -> None:
        self.runqueue.append(task)
        self.stir()
