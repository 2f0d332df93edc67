"""Virtual time as an event model, written from Linux's rules and from the rules of the clock alone.

    frames --> Card (wire, FIFO, DMA, moderation) --> ring --> Cpu (hardirq > softirq > task) --> socket --> reader

An agent is the card or a CPU. ``World`` lets the agent with the earliest instant act; of one instant the card acts
first, then the CPU with the lower number. A CPU is one coroutine, and each ``yield from cpu.charge(...)`` is a span of
its time. The code between two charges happens at one instant, as Linux has it in a straight line.

    result = simulate(Machine(cpus=2, cost={"RX": 120}), [Frame(at=0, length=60, port=5000, hash=7)])

All times are whole nanoseconds. The model leaves out TCP, IP's errors, fragments, what GRO merges, RFS, and sending.
"""

from model.events.machine import Frame, Machine
from model.events.world import World, simulate

__all__ = ["Frame", "Machine", "World", "simulate"]
