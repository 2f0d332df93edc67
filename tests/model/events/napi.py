"""NAPI on a CPU as net/core/dev.c has it: net_rx_action, polls, RPS and backlogs, and the stack above."""

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from model.events.machine import Frame, Machine
from model.events.task import Run, Task
from model.rps import cpu_of

if TYPE_CHECKING:
    from model.events.cpu import Cpu
    from model.events.world import World


class Napi:
    """``poll(weight)`` returns the work it did. If that is less than the weight, it has completed."""

    def __init__(self, poll: Any, weight: int) -> None:
        self.poll, self.weight = poll, weight
        self.scheduled = self.missed = False
        self.thread: Task | None = None
        self.polls = self.full_polls = 0

    def schedule_prep(self) -> bool:
        """napi_schedule_prep(). True: the caller owns the NAPI now."""
        self.missed = self.scheduled
        self.scheduled = True
        return not self.missed

    def flush(self) -> Run:
        """Send up what GRO has, after a poll that used its weight. A backlog has no GRO."""
        yield from ()


class Softnet:
    """struct softnet_data, and the code that runs on it. A Cpu is one."""

    world: "World"
    machine: Machine
    index: int
    now: int
    count: Counter[str]
    charge: Any
    spend: Any
    wake_up: Any
    first_packet: Any
    raise_hardirq: Any
    jiffies: Any

    def __init__(self, machine: Machine) -> None:
        self.poll_list: list[Napi] = []
        self.softirq_pending = self.in_net_rx_action = self.in_threaded_poll = False
        self.ipi_list: list[Cpu] = []
        self.input_queue: deque[Frame] = deque()
        self.process_queue: deque[Frame] = deque()
        self.backlog = Napi(self.process_backlog, machine.dev_weight)

    # ---- NAPI ----

    def napi_schedule(self, napi: Napi) -> Run:
        """____napi_schedule(). If net_rx_action runs on this CPU, it finds the NAPI by itself."""
        if napi.thread:
            yield from self.wake_up(napi.thread)
            return
        self.poll_list.append(napi)
        if not self.in_net_rx_action:
            self.softirq_pending = True

    def napi_poll(self, napi: Napi) -> Run:
        """Return the work, and whether the NAPI wants another poll."""
        napi.polls += 1
        work = yield from napi.poll(napi.weight)
        if work < napi.weight:
            return work, False
        napi.full_polls += 1
        yield from napi.flush()
        return work, True

    def net_rx_action(self) -> Run:
        self.count["net_rx_runs"] += 1
        limit = self.jiffies() + self.machine.budget_jiffies
        budget = self.machine.netdev_budget
        self.in_net_rx_action = True
        polls, self.poll_list = self.poll_list, []
        again: list[Napi] = []
        while True:
            if not polls:
                if not again:
                    if self.poll_list:
                        polls, self.poll_list = self.poll_list, []
                        continue
                    self.in_net_rx_action = False
                break
            napi = polls.pop(0)
            work, more = yield from self.napi_poll(napi)
            if more:
                again.append(napi)
            budget -= work
            if budget <= 0 or self.jiffies() >= limit:
                self.count["time_squeeze"] += 1
                self.count["time_squeeze_usecs"] += budget > 0
                break
        self.poll_list = polls + self.poll_list + again
        self.in_net_rx_action = bool(self.poll_list)
        if self.poll_list:
            self.softirq_pending = True
        yield from self.send_ipis()

    # ---- RPS and backlogs ----

    def netif_receive_skb(self, frame: Frame) -> Run:
        """Let RPS choose a CPU, or go on here."""
        frame.stamp["up"] = self.now
        if not self.machine.rps_cpus:
            yield from self.receive_skb_core(frame)
            return
        target = self.world.cpus[cpu_of(frame.hash, list(self.machine.rps_cpus))]
        yield from self.charge("RPS")
        self.enqueue_to_backlog(frame, target)

    def enqueue_to_backlog(self, frame: Frame, target: "Cpu") -> None:
        if len(target.input_queue) > self.machine.netdev_max_backlog:
            target.count["dropped"] += 1
            self.drop(frame, "CPU_BACKLOG")
            return
        if not target.input_queue and not target.backlog.scheduled:
            target.backlog.scheduled = True
            self.schedule_rps(target)
        frame.stamp["backlog"] = self.now
        target.input_queue.append(frame)

    def schedule_rps(self, target: "Cpu") -> None:
        """napi_schedule_rps(). Another CPU gets an IPI later; of several the last one gets its own first."""
        if target is self:
            self.poll_list.append(self.backlog)
            self.softirq_pending |= not self.in_net_rx_action
            return
        self.ipi_list.insert(0, target)
        if not self.in_net_rx_action and not self.in_threaded_poll:
            self.softirq_pending = True

    def send_ipis(self) -> Run:
        targets, self.ipi_list = self.ipi_list, []
        for target in targets:
            target.raise_ipi(self.now, self.index)
            yield from self.charge("IPI")

    def rps_trigger_softirq(self) -> Run:
        """The IPI's handler."""
        self.count["received_rps"] += 1
        yield from self.napi_schedule(self.backlog)

    def process_backlog(self, quota: int) -> Run:
        yield from self.send_ipis()
        work = 0
        while True:
            while self.process_queue:
                frame = self.process_queue.popleft()
                yield from self.first_packet()
                yield from self.charge("BACKLOG")
                frame.stamp["off_backlog"] = self.now
                yield from self.receive_skb_core(frame)
                work += 1
                if work == quota:
                    return work
            if not self.input_queue:
                self.backlog.scheduled = False
                return work
            self.process_queue, self.input_queue = self.input_queue, deque()

    # ---- the stack ----

    def receive_skb_core(self, frame: Frame) -> Run:
        """A packet from netif_receive_skb to its socket. The card has verified the checksum."""
        self.count["processed"] += 1
        yield from self.charge("RECEIVE")
        yield from self.charge("IP")
        yield from self.charge("UDP")
        socket = self.world.socket(frame.port)
        yield from self.charge("SOCK")
        yield from socket.receive(self, frame)

    def drop(self, frame: Frame, fate: str) -> None:
        frame.fate = fate
        self.free(frame)

    def free(self, frame: Frame) -> None:
        """Give the frame's buffers back to the pool of its queue."""
        self.world.queues[frame.queue].free(frame)
