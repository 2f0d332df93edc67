"""The agents of a machine, in the order of time."""

from collections import Counter

from model.events.card import Card
from model.events.cpu import Cpu
from model.events.driver import Queue
from model.events.machine import NEVER, Frame, Machine
from model.events.sock import Rcvbuf, Socket


class World:
    """A machine with its clock: ``now`` is the instant of the agent that acts."""

    def __init__(self, machine: Machine, frames: list[Frame], rcvbuf_rule: type[Rcvbuf] = Rcvbuf) -> None:
        self.machine, self.frames, self.rcvbuf_rule = machine, frames, rcvbuf_rule
        self.now = 0
        self.cpus = [Cpu(self, i) for i in range(machine.cpus)]
        self.card: Card | None = None
        self.queues = [Queue(self, i) for i in range(machine.queues)]
        self.card = Card(self, frames)
        self.sockets: dict[int, Socket] = {}

    def socket(self, port: int) -> Socket:
        """The sink of a port. Its reader is a task of one CPU."""
        if port not in self.sockets:
            cpu = self.machine.reader_cpu
            reader = self.cpus[port % len(self.cpus) if cpu is None else cpu].reader
            self.sockets[port] = Socket(reader, self.rcvbuf_rule(self.machine.rcvbuf))
        return self.sockets[port]

    @property
    def due(self) -> int:
        """The instant of the next event; NEVER: nothing is left to do."""
        return min(agent.next for agent in (self.card, *self.cpus))

    def run(self, until: int = NEVER - 1) -> "World":
        """Let the agent with the earliest instant act: the card before CPUs, lower CPUs first."""
        card, cpus = self.card, self.cpus
        while True:
            first, due = card, card.next
            for cpu in cpus:
                if cpu.next < due:
                    first, due = cpu, cpu.next
            if due > until:
                return self
            self.now = due
            first.act()

    def fates(self) -> dict[str, int]:
        return dict(Counter(frame.fate for frame in self.frames if frame.fate))


def simulate(machine: Machine, frames: list[Frame], rcvbuf_rule: type[Rcvbuf] = Rcvbuf) -> World:
    """Run the frames, in the order of ``at``, until nothing is left to do."""
    return World(machine, frames, rcvbuf_rule).run()
