"""NAPI's tables of moments: knobs, costs, then rows of (us, what happens, what is true afterwards) for timeline.py."""

US = 1000

TABLES = {
    "by interrupt": ({}, {}, [
        (0, "frames", {"irqs": 1, "polls": 1, "up": 1, "state": "", "softirqs": 1}),
        (9, "frames 3", {"irqs": 2, "polls": 2, "up": 4, "state": ""}),
    ]),
    "a full poll is no end: it is polled again, in the next run": ({}, {}, [
        (0, "frames 64", {"full": 1, "polls": 2, "runs": 2, "irqs": 1, "state": ""}),
        (9, "frames 130", {"full": 3, "polls": 5, "runs": 5, "irqs": 2, "up": 194}),
    ]),
    "gro_flush_timeout alone: the interrupt is on, the timer flushes": ({"gro_flush_timeout": 50 * US}, {}, [
        (0, "tcp", {"irqs": 1, "polls": 1, "held": 1, "up": 0, "timer": 50, "state": ""}),
        (49, "", {"up": 0}),
        (50, "", {"up": 1, "held": 0, "polls": 2, "timer": None, "irqs": 1}),
        (60, "tcp", {"irqs": 2, "held": 1, "timer": 110}),
        (70, "tcp", {"irqs": 3, "held": 2, "timer": 120}),
        (120, "", {"up": 2, "held": 0}),
    ]),
    "nothing is held: no timer, whatever the timeout": ({"gro_flush_timeout": 50 * US}, {}, [
        (0, "frames", {"irqs": 1, "up": 1, "timer": None}),
    ]),
    "deferred: so many empty polls by timer, then the interrupt": (
        {"gro_flush_timeout": 50 * US, "napi_defer_hard_irqs": 2}, {}, [
        (0, "frames", {"irqs": 1, "defer": 1, "timer": 50}),
        (20, "frames", {"irqs": 1, "up": 1}),
        (50, "", {"irqs": 1, "up": 2, "defer": 1, "timer": 100}),
        (100, "", {"irqs": 1, "defer": 0, "timer": 150}),
        (150, "", {"timer": None, "polls": 4}),
        (160, "frames", {"irqs": 2, "up": 3}),
    ]),
    "deferral without a timeout has no effect": ({"napi_defer_hard_irqs": 9}, {}, [
        (0, "frames", {"irqs": 1, "defer": 8, "timer": None}),
        (5, "frames", {"irqs": 2, "up": 2}),
    ]),
    "a request in the middle of a poll is made good by one more": ({}, {"RX": 10 * US}, [
        (0, "frames 3", {"state": "S", "polls": 0}),
        (15, "irq", {}),
        (21, "", {"state": "SM", "polls": 0}),
        (40, "", {"state": "", "polls": 2, "runs": 1, "up": 3}),
    ]),
    "that poll finds nothing: no timeout, all of GRO goes": (
        {"gro_flush_timeout": 1000 * US}, {"RX": 10 * US}, [
        (0, "tcp 2", {"state": "S"}),
        (5, "irq", {}),
        (11, "", {"state": "SM"}),
        (40, "", {"state": "", "polls": 2, "held": 0, "up": 1}),
    ]),
    "disabled in the middle of a poll": ({"weight": 2}, {"RX": 10 * US}, [
        (0, "frames 5", {"state": "S"}),
        (5, "disable", {"state": "SD"}),
        (30, "", {"state": "D", "polls": 1, "up": 2, "ring": 3}),
        (40, "irq", {"state": "D", "polls": 1}),
        (50, "disable", {"state": "SN", "ring": 3}),
        (60, "enable", {"state": ""}),
        (70, "irq", {"state": "S"}),
        (200, "", {"ring": 0, "up": 5, "state": ""}),
    ]),
    "threaded: a task polls, the softirq has nothing to do": ({"threaded": True}, {}, [
        (0, "frames", {"state": "T", "thread": 1, "wakeups": 1, "up": 1, "softirqs": 0, "irqs": 1}),
        (5, "frames 200", {"thread": 5, "wakeups": 2, "up": 201, "softirqs": 0, "squeezes": 0}),
    ]),
    "threaded: no budget and no time limit": ({"threaded": True, "netdev_budget": 1}, {"RX": 100 * US}, [
        (0, "frames 200", {"state": "STt"}),
        (21_000, "", {"up": 200, "squeezes": 0, "ksoftirqd": 0, "runs": 0}),
    ]),
    "threaded: the timer wakes the task": ({"threaded": True, "gro_flush_timeout": 50 * US}, {}, [
        (0, "tcp", {"held": 1, "timer": 50, "wakeups": 1}),
        (50, "", {"up": 1, "wakeups": 2}),
    ]),
    "threaded: an IPI after each poll": ({"threaded": True, "rps_cpus": "2", "cpus": 2}, {"POLL": 50 * US}, [
        (0, "udp 200", {}),
        (300, "", {"polls": 4, "up": 200, "ipis": [0, 4], "runs": 0}),
    ]),
    "in the softirq: an IPI after each run": ({"rps_cpus": "2", "cpus": 2}, {"POLL": 50 * US}, [
        (0, "udp 200", {}),
        (300, "", {"polls": 4, "up": 200, "ipis": [0, 4], "runs": 4}),
    ]),
    "threaded, steered to its own CPU: the backlog is the softirq's": ({"threaded": True, "rps_cpus": "1"}, {}, [
        (0, "udp 9", {"thread": 1, "up": 9, "softirqs": 1, "runs": 1, "ipis": [0, 0, 0, 0]}),
    ]),
    "a request in the middle of a threaded poll": ({"threaded": True}, {"RX": 10 * US}, [
        (0, "frames 2", {"state": "STt", "thread": 1}),
        (5, "irq", {}),
        (11, "", {"state": "SMTt"}),
        (40, "", {"state": "T", "up": 2, "polls": 2}),
    ]),
    "the budget is spent: a squeeze, and the rest in the next run": ({"netdev_budget": 64, "weight": 32}, {}, [
        (0, "frames 32", {"squeezes": 0, "runs": 2}),
        (9, "frames 70", {"squeezes": 0, "runs": 5}),
    ]),
    "a squeeze counts though nothing is left": ({"netdev_budget": 5}, {}, [
        (0, "frames 5", {"squeezes": 1, "polls": 1, "runs": 1, "up": 5, "state": ""}),
    ]),
    "the time limit is two jiffies of 4 ms": ({}, {"RX": 1000 * US}, [
        (0, "frames 9", {}),
        (9_500, "", {"squeezes": 1, "up": 9}),
        (10_000, "frames 3", {}),
        (13_500, "", {"squeezes": 1, "up": 12}),
    ]),
    "ten rounds, then ksoftirqd": ({}, {}, [
        (0, "frames 640", {"ksoftirqd": 1, "full": 10, "polls": 11}),
        (5, "frames 639", {"ksoftirqd": 1, "full": 19}),
    ]),
    "or 2 ms, which is a jiffy at 250 Hz": ({}, {"RX": 100 * US}, [
        (0, "frames 100", {}),
        (20_000, "", {"ksoftirqd": 1, "up": 100}),
    ]),
}  # fmt: skip
