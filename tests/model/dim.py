"""Dynamic interrupt moderation in plain Python, from the description of the machine."""

PROFILES = [(1, 256), (8, 256), (64, 256), (128, 256), (256, 256)]
EVENTS, TIRED = 64, 10
LEFT, RIGHT, TOP, RESTING = "going_left", "going_right", "parking_on_top", "parking_tired"


def significantly(now, before):
    return before and 100 * abs(now - before) // before > 10


class Dim:
    def __init__(self):
        self.ix, self.tune = 1, RIGHT
        self.right = self.left = self.tired = 0
        self.start = None
        self.before = (0, 0, 0)  # packets, bytes, events a millisecond
        self.log = []

    def better(self, now):
        """1, 0 or -1."""
        packets, data, events = now
        was_packets, was_data, was_events = self.before
        if not was_data:
            return int(data > 0)
        if significantly(data, was_data):
            return 1 if data > was_data else -1
        if not was_packets:
            return int(packets > 0)
        if significantly(packets, was_packets):
            return 1 if packets > was_packets else -1
        if significantly(events, was_events):
            return 1 if events < was_events else -1
        return 0

    def step(self):
        if self.tired == TIRED:
            return "tired"
        to = self.ix + (1 if self.tune == RIGHT else -1)
        if not 0 <= to < len(PROFILES):
            return "edge"
        self.ix = to
        if self.tune == RIGHT:
            self.right += 1
        else:
            self.left += 1
        self.tired += 1
        return None

    def leave_parking(self):
        self.tune = LEFT if self.ix else RIGHT
        self.step()

    def decide(self, now):
        was, how = self.tune, self.better(now)
        if was == TOP:
            if how:
                self.leave_parking()
        elif was == RESTING:
            self.tired -= 1
            if not self.tired:
                self.leave_parking()
        else:
            if how != 1:
                self.tune = LEFT if was == RIGHT else RIGHT
                if self.tune == LEFT:
                    self.left = 0
                else:
                    self.right = 0
            there, back = (self.left, self.right) if self.tune == RIGHT else (self.right, self.left)
            end = "edge" if there > 1 and back == 1 else self.step()
            if end:
                self.right = self.left = 0
                self.tune = TOP if end == "edge" else RESTING
                if end == "edge":
                    self.tired = 0
        if (was, self.tune) != (TOP, TOP):
            self.before = now

    def sample(self, t_ns, packets, data, events):
        """Counters so far. True: another profile."""
        if self.start is None:
            self.start = (t_ns, packets, data, events)
            return False
        t0, packets0, data0, events0 = self.start
        us = (t_ns - t0) // 1000
        if (events - events0) % 65536 < EVENTS or not us:
            return False
        now = tuple(
            min(-(-n * 1000 // us), 2**32 - 1) for n in ((packets - packets0) % 2**32, (data - data0) % 2**32, EVENTS)
        )
        was = self.ix
        self.decide(now)
        self.log.append((t_ns, *now, self.ix, *PROFILES[self.ix], self.tune))
        self.start = None if self.ix != was else (t_ns, packets, data, events)
        return self.ix != was
