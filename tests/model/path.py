"""The receive path as a discrete-event simulation: a heap of (time, rank), exact integer nanoseconds, no batches.

    wire -> FIFO -> DMA -> ring -> moderation -> hardirq -> softirq: polls -> GRO's list -> RPS, backlog
         -> IP, UDP -> socket -> reader task

For UDP without merging, one buffer a frame, buffers never short, no GRO timers. Two rules are the machine's, not the
simulation's: what a CPU does with one packet (up to gro_normal_batch of them when GRO's list goes up) is not
interrupted, so interrupts are taken where a CPU "looks up"; and at one instant the card comes before the CPUs
(a DMA that ends, a doorbell, an arrival, a moderation timer), and a CPU before those with higher numbers.

``fine=True``: every single cost is an event of its own, so whatever a CPU reads of another is as old as its clock.
``fine=False``: the others' clocks catch up only where a CPU looks up, as in csrc/ with catch-up 1. While nothing is
shared between CPUs the two are the same machine; with several CPUs they differ by what fits into one step.
"""

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field

from model.sock import ReceiveQueue, frame_truesize

DMA_ENDS, DOORBELL, ARRIVAL, TIMER, CPU = range(5)
SLICE_NS = 3_000_000


@dataclass
class Config:
    queues: int = 1
    cpus: int = 1
    ring: int = 256
    fifo: int = 65536
    rx_usecs: int = 0
    rx_frames: int = 1
    weight: int = 64
    budget: int = 300
    budget_usecs: int = 8000
    hz: int = 250
    dev_weight: int = 64
    max_backlog: int = 1000
    batch: int = 8
    rcvbuf: int = 212992
    reader_cpu: int | None = None  # None: port mod cpus
    rps: tuple[int, ...] = ()
    ps_per_byte: int = 800
    cost: dict[str, int] = field(default_factory=dict)


@dataclass
class Frame:
    sent: int
    len: int
    port: int
    hash: int
    queue: int
    fate: str | None = None
    waited: bool = False
    at: dict[str, int] = field(default_factory=dict)  # stage -> when

    @property
    def payload(self):
        return self.len - 42


class Queue:
    """A receive queue: its ring and its interrupt; the driver's side of it is a NAPI."""

    def __init__(self, sim, index):
        self.sim, self.index = sim, index
        self.posted = sim.config.ring
        self.used = deque()
        self.wants_doorbell = False
        self.unmasked, self.pending = True, False
        self.frames = self.first = 0
        self.count = Counter()
        self.delay_max = 0

    def complete(self, frame):
        self.used.append(frame)
        config = self.sim.config
        if not self.pending:
            if not self.unmasked:
                return
            self.unmasked, self.pending = False, True
            self.first, self.frames = self.sim.now, 0
            if config.rx_usecs:
                deadline = self.sim.now + config.rx_usecs * 1000
                self.sim.at(deadline, TIMER, self.timer, self.first)
        self.frames += 1
        if config.rx_frames and self.frames >= config.rx_frames:
            self.fire("by_frames")

    def timer(self, first):
        if self.pending and self.first == first:
            self.fire("by_usecs")

    def fire(self, why):
        self.pending = False
        delay = self.sim.now - self.first
        self.count.update({"interrupts": 1, why: 1, "delay": delay})
        self.delay_max = max(self.delay_max, delay)
        cpu = self.napi.cpu
        cpu.irqs.add(self)
        cpu.wake(self.sim.now)

    def post(self, buffers):
        self.posted += buffers
        if buffers and self.wants_doorbell:
            self.wants_doorbell = False
            self.sim.at(self.napi.cpu.now, DOORBELL, self.sim.card.start)


class Card:
    """FIFO and DMA engine, head of line blocking."""

    def __init__(self, sim):
        self.sim = sim
        self.fifo, self.bytes, self.busy = deque(), 0, False
        self.no_buffer = 0

    def arrive(self, frame):
        frame.at["wire"] = self.sim.now
        room = max(frame.len, 60)
        if self.bytes + room > self.sim.config.fifo:
            frame.fate = "FIFO_OVERRUN"
            return
        self.fifo.append(frame)
        self.bytes += room
        self.start()

    def start(self):
        if self.busy or not self.fifo:
            return
        frame = self.fifo[0]
        queue = self.sim.queues[frame.queue]
        if not queue.posted:
            queue.wants_doorbell = True
            queue.count["no_buffer"] += not frame.waited
            frame.waited = True
            return
        self.busy = True
        cost = self.sim.cost
        took = cost["DMA"] + frame.len * cost["DMA_PS"] // 1000
        self.sim.at(self.sim.now + took, DMA_ENDS, self.dma_ends)

    def dma_ends(self):
        frame = self.fifo.popleft()
        self.bytes -= max(frame.len, 60)
        self.busy = False
        frame.at["ring"] = self.sim.now
        queue = self.sim.queues[frame.queue]
        queue.posted -= 1
        queue.complete(frame)
        self.start()


class Socket:
    def __init__(self, reader):
        self.reader = reader
        self.queue, self.memory = deque(), ReceiveQueue(reader.sim.config.rcvbuf)
        self.ready = False
        self.drops = 0


class QueueNapi:
    """The driver's poll."""

    def __init__(self, cpu, queue):
        self.cpu, self.queue = cpu, queue
        self.weight = cpu.sim.config.weight
        self.scheduled = False
        self.irq_ns = 0
        self.list = []
        self.polls = self.full_polls = 0
        queue.napi = self

    def poll(self):
        cpu, ring = self.cpu, self.queue.used
        work = 0
        yield from cpu.spend("POLL")
        yield from cpu.look_up()
        while work < self.weight and ring:
            frame = ring.popleft()
            at = frame.at
            at["seen"] = max(at["ring"], self.irq_ns)
            at["taken"] = cpu.now
            yield from cpu.spend("RX")
            at["skb"] = cpu.now
            yield from cpu.spend("GRO")
            at["gro"] = cpu.now
            self.list.append(frame)
            if len(self.list) >= cpu.sim.config.batch:
                yield from self.hand_up()
            work += 1
            yield from cpu.look_up()
        self.queue.post(work)
        self.polls += 1
        yield from self.hand_up()
        if work == self.weight:
            self.full_polls += 1
            return work
        self.scheduled = False
        yield from cpu.look_up()
        if ring:  # came between the last look and the unmasking
            self.irq_ns = cpu.now
            cpu.schedule(self)
        else:
            self.queue.unmasked = True
        return work

    def hand_up(self):
        frames, self.list = self.list, []
        for frame in frames:
            yield from self.cpu.receive_or_steer(frame)


class BacklogNapi:
    """process_backlog()"""

    def __init__(self, cpu):
        self.cpu, self.weight = cpu, cpu.sim.config.dev_weight
        self.scheduled = False
        self.input, self.process = deque(), deque()

    def poll(self):
        cpu, work = self.cpu, 0
        yield from cpu.send_ipis()
        yield from cpu.look_up()
        while work < self.weight:
            if not self.process:
                self.process, self.input = self.input, deque()
                if not self.process:
                    self.scheduled = False
                    break
            frame = self.process.popleft()
            cpu.now = max(cpu.now, frame.at["backlog"])
            yield from cpu.spend("BACKLOG")
            frame.at["off_backlog"], frame.at["backlog_cpu"] = cpu.now, cpu.id
            yield from cpu.receive(frame)
            work += 1
            yield from cpu.look_up()
        return work


class Cpu:
    """hardirq over softirq over tasks; a generator that yields where the others' clocks may catch up."""

    def __init__(self, sim, number):
        self.sim, self.id, self.now = sim, number, 0
        self.process = self.run()
        self.asleep = True
        self.irqs, self.ipi_at = set(), None
        self.pending = self.inline = self.in_net_rx = self.ksoftirqd = False
        self.poll_list, self.ipis = deque(), []
        self.backlog = BacklogNapi(self)
        self.sockets, self.reader_at = deque(), None
        self.task, self.slice_start = None, 0
        self.idle_ns = self.backlog_drops = 0
        self.count = Counter()

    # ---- time ----

    def spend(self, cost, extra=0):
        self.now += self.sim.cost[cost] + extra
        if self.sim.fine:
            yield

    def look_up(self):
        yield
        while self.irqs or (self.ipi_at is not None and self.ipi_at <= self.now):
            if self.ipi_at is not None and self.ipi_at <= self.now:
                self.ipi_at = None
                yield from self.spend("HARDIRQ")
                self.count.update(hardirqs=1, received_rps=1)
                self.schedule(self.backlog)
            irqs, self.irqs = self.irqs, set()
            for queue in sorted(irqs, key=lambda q: q.index):
                yield from self.spend("HARDIRQ")
                self.count["hardirqs"] += 1
                queue.napi.irq_ns = self.now
                self.schedule(queue.napi)
            self.inline = True
            yield

    def wake(self, when):
        self.sim.at(max(when, self.now), CPU + self.id, self.resume, True)

    def resume(self, from_sleep=False):
        if from_sleep:
            if not self.asleep:
                return
            self.idle_ns += self.sim.now - self.now
            self.now = self.sim.now
        self.asleep = next(self.process) == "sleep"
        if not self.asleep:
            self.sim.at(self.now, CPU + self.id, self.resume)

    def jiffies(self):
        return self.now // (10**9 // self.sim.config.hz)

    def run(self):
        while True:
            yield from self.look_up()
            if self.pending and self.inline:
                yield from self.softirq()
            elif (task := self.choose()) != self.task:
                self.task = task
                if task:
                    yield from self.spend("SWITCH")
                self.slice_start = self.now
            elif task == "ksoftirqd":
                self.count["ksoftirqd_runs"] += 1
                yield from self.softirq()
            elif task == "reader":
                yield from self.read()
            else:
                if self.reader_at is not None:
                    self.wake(self.reader_at)
                yield "sleep"

    def choose(self):
        reader = self.reader_at is not None and self.reader_at <= self.now
        if self.ksoftirqd and reader:
            if self.task and self.now - self.slice_start < SLICE_NS:
                return self.task
            return "reader" if self.task == "ksoftirqd" else "ksoftirqd"
        return "ksoftirqd" if self.ksoftirqd else "reader" if reader else None

    def need_resched(self):
        """Somebody waits, and the CPU was idle when the softirq came, or the slice of its task is over."""
        reader = self.reader_at is not None and self.reader_at <= self.now
        others = {t for t, ready in (("ksoftirqd", self.ksoftirqd), ("reader", reader)) if ready} - {self.task}
        return bool(others) and (self.task is None or self.now - self.slice_start >= SLICE_NS)

    # ---- softirq ----

    def schedule(self, napi):
        napi.scheduled = True
        self.poll_list.append(napi)
        self.pending = self.pending or not self.in_net_rx

    def softirq(self):
        restarts, end = 10, self.jiffies() + -(-2 * self.sim.config.hz // 1000)
        self.count["softirqs"] += 1
        yield from self.spend("SOFTIRQ")
        while True:
            yield from self.net_rx_action()
            restarts -= 1
            if not self.pending:
                self.ksoftirqd = False
                break
            if self.jiffies() >= end or self.need_resched() or not restarts:
                self.ksoftirqd = True
                break
            yield from self.look_up()
        self.inline = False

    def net_rx_action(self):
        jiffy_us = 10**6 // self.sim.config.hz
        budget = self.sim.config.budget
        deadline = self.jiffies() + -(-self.sim.config.budget_usecs // jiffy_us)
        self.count["net_rx_runs"] += 1
        self.pending, self.in_net_rx = False, True
        todo, again = deque(), []
        while True:
            if not todo and not again:
                todo, self.poll_list = self.poll_list, deque()
            if not todo:
                break
            napi = todo.popleft()
            work = yield from napi.poll()
            if work == napi.weight:
                again.append(napi)
            budget -= work
            if budget <= 0 or self.jiffies() >= deadline:
                self.count["time_squeeze"] += 1
                break
        self.poll_list = deque([*todo, *self.poll_list, *again])
        self.in_net_rx = False
        self.pending = bool(self.poll_list)
        yield from self.send_ipis()

    # ---- steering ----

    def receive_or_steer(self, frame):
        rps = self.sim.config.rps
        if not rps or not frame.hash:
            yield from self.receive(frame)
            return
        target = self.sim.cpus[rps[frame.hash * len(rps) >> 32]]
        yield from self.spend("RPS")
        backlog = target.backlog
        if len(backlog.input) > self.sim.config.max_backlog:
            frame.fate = "CPU_BACKLOG"
            target.backlog_drops += 1
            return
        frame.at["backlog"] = self.now
        if not backlog.input and not backlog.scheduled:
            backlog.scheduled = True
            if target is self:
                self.schedule(backlog)
            else:
                self.ipis.append(target)
        backlog.input.append(frame)

    def send_ipis(self):
        while self.ipis:
            target = min(self.ipis, key=lambda cpu: cpu.id)
            self.ipis.remove(target)
            yield from self.spend("IPI")
            target.ipi_at = self.now
            target.wake(self.now)

    # ---- protocols, socket, reader ----

    def receive(self, frame):
        yield from self.spend("RECEIVE")
        self.count["processed"] += 1
        yield from self.spend("IP")
        yield from self.spend("UDP")
        yield from self.spend("SOCK")
        sock = self.sim.socket(frame.port)
        if not sock.memory.put(b"", frame_truesize(frame.len)):
            frame.fate = "SOCKET_RCVBUFF"
            sock.drops += 1
            return
        frame.fate = "DELIVERED_UDP"
        frame.at["socket"] = self.now
        sock.queue.append(frame)
        if sock.ready:
            return
        reader = sock.reader
        sock.ready = True
        reader.sockets.append(sock)
        if reader.reader_at is not None:
            return
        reader.count["reader_wakeups"] += 1
        reader.reader_at = self.now + self.sim.cost["WAKE"]
        yield from self.spend("WAKE")
        if reader is not self:
            reader.wake(self.now)

    def read(self):
        """One datagram of the first socket that has any."""
        while self.sockets and not self.sockets[0].queue:
            self.sockets.popleft().ready = False
        if not self.sockets:
            self.reader_at = None
            return
        sock = self.sockets[0]
        frame = sock.queue.popleft()
        sock.memory.get()
        self.now = max(self.now, frame.at["socket"])
        yield from self.spend("RECV", frame.payload * self.sim.cost["COPY_PS"] // 1000)
        frame.at["read"], frame.at["reader_cpu"] = self.now, self.id


class Path:
    """The machine. ``run(frames)`` to the end of all events."""

    def __init__(self, config, *, fine=True):
        self.config, self.fine, self.now = config, fine, 0
        self.cost = Counter(config.cost)
        self.heap, self.planned = [], 0
        self.card = Card(self)
        self.queues = [Queue(self, i) for i in range(config.queues)]
        self.cpus = [Cpu(self, i) for i in range(config.cpus)]
        for queue in self.queues:
            QueueNapi(self.cpus[queue.index % config.cpus], queue)
        self.sockets = {}
        self.frames = []

    def at(self, when, rank, call, *args):
        self.planned += 1
        heapq.heappush(self.heap, (when, rank, self.planned, call, args))

    def socket(self, port):
        if port not in self.sockets:
            reader = self.config.reader_cpu
            reader = port % self.config.cpus if reader is None else reader
            self.sockets[port] = Socket(self.cpus[reader])
        return self.sockets[port]

    def run(self, frames):
        self.frames, busy_ps = list(frames), 0
        for frame in self.frames:
            wire_ps = (max(frame.len, 60) + 24) * self.config.ps_per_byte
            busy_ps = max(busy_ps, frame.sent * 1000) + wire_ps
            self.at(busy_ps // 1000, ARRIVAL, self.card.arrive, frame)
        while self.heap:
            self.now, _, _, call, args = heapq.heappop(self.heap)
            call(*args)
        return self

    # ---- what came of it ----

    def fates(self):
        return dict(Counter(f.fate for f in self.frames if f.fate))

    def waits(self):
        """(stage, CPU) -> the waits that CPU saw, ns."""
        waits = {}
        for f in self.frames:
            at, poller = f.at, f.queue % self.config.cpus
            for stage, cpu, start, end in (
                ("ring", poller, "wire", "ring"),
                ("moderation", poller, "ring", "seen"),
                ("poll", poller, "seen", "taken"),
                ("gro", poller, "skb", "gro"),
                ("backlog", at.get("backlog_cpu"), "backlog", "off_backlog"),
                ("socket", at.get("reader_cpu"), "socket", "read"),
                ("total", at.get("reader_cpu"), "wire", "read"),
            ):
                if end in at and start in at and (stage != "ring" or "taken" in at):
                    waits.setdefault((stage, cpu), []).append(at[end] - at[start])
        return waits
