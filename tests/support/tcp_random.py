"""Random talks with a TCP side: segments good, early, late and odd, and calls between them (tcp_sides.py)."""

from frames import ACK, FIN, PSH, RST, SYN

OPTIONS = {"mss": 1460, "wscale": 7, "sack": True, "ts": True}


def _options(rng):
    if rng.random() < 0.6:
        return OPTIONS
    return {
        "mss": rng.choice([536, 1200, 1460, 9000]),
        "wscale": rng.choice([None, 0, 2, 7]),
        "sack": rng.random() < 0.5,
        "ts": rng.random() < 0.5,
    }


def script(rng):
    """A talk of up to 16 steps."""
    if rng.random() < 0.8:
        steps = [("syn", _options(rng)), ("seg", {}), ("accept",)]
    else:
        steps = [("connect",), ("synack", _options(rng)), ("seg", {"ack": 1})]
    talk = _Talk(rng)
    return steps + [talk.step() for _ in range(rng.randrange(3, 14))]


class _Talk:
    def __init__(self, rng):
        self.rng = rng
        self.next, self.sent, self.ended, self.una = 1, 0, 0, 1

    @property
    def top(self):
        return 1 + self.sent + self.ended

    def step(self):
        rng = self.rng
        kinds = {
            self.data: 30, self.recv: 10, self.send: 20, self.ack: 20, self.reset: 4, self.syn: 3, self.shutdown: 3,
            self.close: 3, self.nodelay: 3, self.wait: 4,
        }  # fmt: skip
        return rng.choices(list(kinds), list(kinds.values()))[0]()

    def data(self):
        rng = self.rng
        n = rng.choice([0, 1, 10, 100, 536, 1448, 1460])
        off = rng.choice([0, 0, 0, 0, 100, 1448, -50, -1000, 3000, 70000])
        flags = ACK | PSH | (FIN if rng.random() < 0.1 else 0)
        if rng.random() < 0.03:
            flags = rng.choice([0, PSH, FIN, SYN | ACK, RST | ACK, SYN, RST, FIN | PSH])
        segment = {"seq": max(self.next + off, 0), "len": n, "flags": flags, "ack": min(self.una, self.top)}
        if not off:
            self.next += n + bool(flags & FIN)
        return ("seg", segment)

    def recv(self):
        return ("recv", self.rng.choice([1, 100, 5000, 100000]))

    def send(self):
        n = self.rng.choice([1, 10, 100, 1448, 3000, 8000])
        self.sent += 0 if self.ended else n
        return ("send", bytes(n))

    def ack(self):
        rng, top = self.rng, self.top
        odd = [rng.randrange(self.una, top + 1), self.una, top + rng.choice([1, 100]), max(self.una - 100, 1)]
        a = rng.choice([top, top, top, *odd])
        segment = {"seq": self.next, "ack": a}
        if rng.random() < 0.2:
            segment["window"] = rng.choice([0, 1, 10, 500, 65535])
        if rng.random() < 0.3 and top > a + 200:
            b = rng.randrange(a + 1, top)
            segment["sacks"] = [(b, min(top, b + rng.choice([100, 1448, 2896])))]
        if a <= top:
            self.una = max(self.una, a)
        return ("seg", segment)

    def reset(self):
        off = self.rng.choice([0, 0, 1, -1, 500, 100000])
        return ("seg", {"seq": max(self.next + off, 0), "flags": RST, "ack": self.una})

    def syn(self):
        return ("seg", {"seq": max(self.next + self.rng.choice([0, -1, 500]), 0), "flags": SYN, "ack": self.una})

    def shutdown(self):
        self.ended = 1
        return ("shutdown", 1)

    def close(self):
        self.ended = 1
        return ("close",)

    def nodelay(self):
        return ("nodelay",)

    def wait(self):
        return ("wait", self.rng.choice([100, 300, 700]))


def essence(outcomes):
    """What two sides agree on, however they cut what they send: acknowledgements, SACKs, resets, results of calls."""
    essential = []
    for seen, result in outcomes:
        said = []
        for s in seen:
            word = ("reset", s.seq, s.ack) if s.flags & RST else (s.flags & SYN, s.ack, s.sacks)
            if word not in said:
                said.append(word)
        essential.append((said, result))
    return essential
