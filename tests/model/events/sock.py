"""UDP sockets and the tasks that read them."""

from collections import deque
from typing import TYPE_CHECKING

from model.events.busy import BusyPoll
from model.events.machine import Frame
from model.events.task import Run, Task
from model.sock import ReceiveQueue, frame_truesize

if TYPE_CHECKING:
    from model.events.cpu import Cpu
    from model.events.driver import Queue


class Rcvbuf:
    """The memory of a socket, by Linux's rules (model/sock.py).

    Another rule is another class with these three methods; ``simulate`` takes it.
    """

    def __init__(self, rcvbuf: int) -> None:
        self.memory = ReceiveQueue(rcvbuf)

    @staticmethod
    def truesize(length: int) -> int:
        """What a frame is charged."""
        return frame_truesize(length)

    def queue(self, truesize: int) -> bool:
        """Charge a datagram to the socket. False: there is no room."""
        return self.memory.put(b"", truesize)

    def read(self) -> None:
        """The reader has dequeued the oldest datagram."""
        self.memory.get()


class Socket:
    def __init__(self, reader: "Reader", memory: Rcvbuf) -> None:
        self.reader, self.memory = reader, memory
        self.queue: deque[Frame] = deque()
        self.delivered = self.rcvbuf_errors = 0
        self.napi: Queue | None = None  # sk_napi_id: the queue of the first datagram

    def receive(self, cpu: "Cpu", frame: Frame) -> Run:
        """SOCK is paid: queue the datagram, or drop it. A reader that sleeps is woken."""
        self.napi = self.napi or cpu.world.queues[frame.queue]
        if not self.memory.queue(self.memory.truesize(frame.length)):
            self.rcvbuf_errors += 1
            cpu.drop(frame, "SOCKET_RCVBUFF")
            return
        frame.stamp["socket"] = cpu.now
        frame.fate = "DELIVERED_UDP"
        frame.queued_by = cpu.index
        self.delivered += 1
        self.queue.append(frame)
        if self not in self.reader.ready:
            self.reader.ready.append(self)
        if self.reader.asleep:
            yield from cpu.wake_up(self.reader)
        else:
            self.reader.cpu.stir()


class Reader(Task):
    """The task of a CPU that reads all sockets of that CPU."""

    def __init__(self, cpu: "Cpu") -> None:
        super().__init__(cpu, "reader", self.read)
        self.ready: deque[Socket] = deque()
        self.reads = 0
        self.busy = BusyPoll(self)

    def read(self) -> Run:
        """Read until all sockets are empty (True), or until another task's turn has come (False)."""
        cpu = self.cpu
        while True:
            while self.ready:
                yield from self.recv()
                if self.ready and cpu.slice_is_over():
                    return False
            outcome = yield from self.busy.poll()
            if not outcome or not self.ready:  # cond_resched() comes first, even if the last poll brought a datagram
                return outcome

    def recv(self) -> Run:
        """Take a datagram: its memory is free. Copy it: its buffer is free."""
        cpu, socket = self.cpu, self.ready[0]
        frame = socket.queue.popleft()
        socket.memory.read()
        frame.stamp["dequeued"] = cpu.now
        self.reads += 1
        kind = "" if frame.queued_by == cpu.index else "_REMOTE"
        recv, copy = cpu.machine.cost_of(f"RECV{kind}"), cpu.machine.cost_of(f"COPY{kind}_PS")
        yield from cpu.spend(recv + frame.payload * copy // 1000)
        frame.stamp["read"] = cpu.now
        cpu.free(frame)
        if not socket.queue:
            self.ready.popleft()
        self.busy.read(socket.napi)
