"""Two hosts in virtual time and a wire between them, in plain Python: delay, loss, order, duplicates by a seeded plan.

Both hosts run for as long as the wire's delay, then exchange what they sent: nothing that one sends can arrive earlier.
"""

import random

import frames

import vnic

A, B = "10.0.0.1", "10.0.0.2"
MS = 1_000_000


class Pair:
    """``loss``, ``duplicate``, ``reorder``: of each frame; ``plan(side, n, frame)``: None: lost, else the delay.

    ``marks(side, n)``: does a router on the way mark it (CE), if it may?
    """

    def __init__(
        self,
        *,
        delay=MS,
        loss=0.0,
        duplicate=0.0,
        reorder=0.0,
        seed=0,
        plan=None,
        marks=None,
        a=None,
        b=None,
        **options,
    ):
        options = {"cost": "zero", "cpus": 1, "tcp": "endpoint", "hz": 1000} | options
        self.a = vnic.Host(ip=[f"{A}/24", "fd00::1/64"], mac="02:00:00:00:00:01", seed=1, **(options | (a or {})))
        self.b = vnic.Host(ip=[f"{B}/24", "fd00::2/64"], mac="02:00:00:00:00:02", seed=2, **(options | (b or {})))
        self.hosts = (self.a, self.b)
        self.delay, self.loss, self.duplicate, self.reorder = delay, loss, duplicate, reorder
        self.rng, self.plan, self.marks = random.Random(seed), plan, marks
        self.now = 0
        self.frames = [[], []]
        self.counts = [0, 0]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.a.close()
        self.b.close()

    def _delays(self, side, n, frame):
        if self.plan is not None:
            at = self.plan(side, n, frame)
            return [] if at is None else [at]
        if self.rng.random() < self.loss:
            return []
        at = self.delay
        if self.rng.random() < self.reorder:
            at += self.rng.randrange(3 * self.delay)
        return [at, at + 1] if self.rng.random() < self.duplicate else [at]

    def _carry(self, side):
        frames, arrivals = self.hosts[side].nic.sent(), []
        for t, frame in frames:
            self.frames[side].append((t, frame))
            self.counts[side] += 1
            congested = self.marks is not None and self.marks(side, self.counts[side])
            arrives = marked(frame) if congested else frame
            arrivals += [(t + at, arrives) for at in self._delays(side, self.counts[side], frame)]
        self._pending[1 - side] += arrivals

    _pending = property(lambda self: self.__dict__.setdefault("waiting", [[], []]))

    def window(self):
        """Let both run for the wire's delay."""
        end = self.now + self.delay
        for side, host in enumerate(self.hosts):
            due = sorted((f for f in self._pending[side] if f[0] < end), key=lambda f: f[0])
            self._pending[side][:] = [f for f in self._pending[side] if f[0] >= end]
            if due:
                host.feed(due)
            host.run(until_ns=end - 1)
        for side in (0, 1):
            self._carry(side)
        self.now = end

    def run(self, seconds):
        """Let so much virtual time pass."""
        end = self.now + int(seconds * 1e9)
        while self.now < end:
            self.window()

    def quiet(self, seconds):
        """As run(), on a wire that is slow meanwhile: quicker, where nobody has much to say."""
        delay, self.delay = self.delay, 200 * MS
        self.run(seconds)
        self.delay = delay

    def until(self, condition, seconds=100.0):
        """Return: the first true result of ``condition``; AssertionError: none in time."""
        end = self.now + int(seconds * 1e9)
        while not (got := condition()):
            assert self.now < end, "gave up waiting"
            self.window()
        return got

    def connected(self, port=80, **listen):
        """Return: a's connection to b, b's, and b's server."""
        server = self.b.listen(port, **listen)
        ours = begin(self.a, B, port)
        theirs = self.until(server.accept_nowait)
        self.until(lambda: ours.state == "ESTABLISHED")
        return ours, theirs, server


def marked(frame):
    """The frame after a router that is congested: ECT becomes CE. RFC 3168 section 5."""
    if frame[12:14] != b"\x08\0" or not frame[15] & 3:
        return frame
    ip = bytearray(frame[14:34])
    ip[1] |= 3
    ip[10:12] = bytes(2)
    ip[10:12] = frames.csum(bytes(ip)).to_bytes(2, "big")
    return frame[:14] + bytes(ip) + frame[34:]


def begin(host, addr, port, source=None):
    """Send a SYN, and do not wait."""
    from vnic import tcp
    from vnic._core import ffi
    from vnic.address import socket_address

    via = (ffi.NULL, 0) if source is None else socket_address(source)
    return tcp.connect(host.machine, socket_address((addr, port)), via, "connect")


def transfer(pair, sender, receiver, data, seconds=300.0, chunk=1 << 20):
    """Send all of data through the pair. Return: what arrived."""
    left, got = memoryview(data), bytearray()

    def step():
        nonlocal left
        while len(left) and (n := sender.send_nowait(left[:chunk])):
            left = left[n:]
        while (piece := receiver.recv_nowait(1 << 20)) is not None:
            got.extend(piece)
            if not piece:
                break
        return len(got) >= len(data)

    pair.until(step, seconds)
    return bytes(got)
