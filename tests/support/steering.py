"""Which queue frames come to: rules by hand, and filters of accelerated RFS."""

import commands

ON = {
    "ntuple": True,
    "rps_flow_cnt": 256,
    "rps_sock_flow_entries": 256,
    "queues": 4,
    "cpus": 4,
    "sink": True,
    "gro": False,
}


def by_queue(h):
    return [q.packets for q in h.nic.queues()]


def run(h, line, **ends):
    return commands.ethtool(h, line, **ends).out


def queue_of(h, frame):
    """Which queue a frame comes to; None: it is dropped by a rule."""
    before, dropped = by_queue(h), h.ledger().fates.get("NTUPLE_FILTER", 0)
    h.feed(frame)
    h.run()
    if h.ledger().fates.get("NTUPLE_FILTER", 0) > dropped:
        return None
    (queue,) = (i for i, (a, b) in enumerate(zip(before, by_queue(h), strict=True)) if a != b)
    return queue


def play(h, segments):
    for segment in segments:
        h.feed(segment)
        h.run()
