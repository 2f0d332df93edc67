"""A reader that polls its queue before it sleeps: napi_busy_loop() and busy_poll_stop()."""

from typing import TYPE_CHECKING

from model.events.task import Run

if TYPE_CHECKING:
    from model.events.driver import Queue
    from model.events.sock import Reader


class BusyPoll:
    """``queue``: that of the socket that was read last (sk_napi_id), if it lives on the reader's CPU.

    A socket without a peer keeps the queue of its first datagram (sk_mark_napi_id_once()).
    """

    def __init__(self, reader: "Reader") -> None:
        self.reader, self.cpu = reader, reader.cpu
        self.queue: Queue | None = None
        self.since: int | None = None

    def read(self, queue: "Queue") -> None:
        """The reader has read a datagram of a socket of this queue: the next time to poll begins anew."""
        self.queue = queue if queue.cpu is self.cpu else None
        self.since = None

    def over(self) -> bool:
        return self.cpu.now - self.since >= self.cpu.machine.busy_read * 1000

    def poll(self) -> Run:
        """Spin until a datagram comes or the time is over (True), or another task's turn comes (False)."""
        if not self.cpu.machine.busy_read or self.queue is None:
            return True
        if self.since is None:
            self.since = self.cpu.now
            if self.cpu.slice_is_over():  # on the way back to user space
                return False
        elif self.over():  # The slice was over before.
            self.since = None
            return True
        if not (yield from self.loop(self.queue)):
            return False
        self.since = None
        return True

    def loop(self, queue: "Queue") -> Run:
        cpu, budget, mine = self.cpu, self.cpu.machine.busy_poll_budget, False
        while True:
            began = cpu.now
            cpu.bh_off += 1
            if not mine and not queue.scheduled:
                mine = queue.scheduled = queue.in_busy_poll = True
            if mine:
                queue.polls += 1
                yield from queue.poll(budget)
                yield from queue.flush()
            yield from self.bh_enable()
            done = bool(self.reader.ready) or self.over()
            if done or cpu.slice_is_over():
                if mine:
                    yield from self.stop(queue, budget)
                return done
            if cpu.now == began:
                yield from cpu.spin(self.next_look())

    def next_look(self) -> int:
        """The instant to which the reader spins where a look is free. What another CPU does ends the spin at once."""
        cpu = self.cpu
        events = [cpu.world.card.next, self.since + cpu.machine.busy_read * 1000]
        events += [due.at for due in cpu.hardirqs_due]
        if cpu.runqueue:
            events.append(cpu.slice_end)
        return max(cpu.now + 1, min(events))

    def stop(self, queue: "Queue", budget: int) -> Run:
        """busy_poll_stop(): let go, and poll once more, so that the driver unmasks its interrupt."""
        cpu = self.cpu
        queue.missed = queue.in_busy_poll = False
        cpu.bh_off += 1
        queue.polls += 1
        if (yield from queue.poll(budget)) == budget:
            yield from queue.flush()
            yield from cpu.napi_schedule(queue)
        yield from self.bh_enable()

    def bh_enable(self) -> Run:
        self.cpu.bh_off -= 1
        if self.cpu.softirq_pending:
            yield from self.cpu.do_softirq("softirq")
