"""What a run starts from: the knobs by vnic's names, the costs, and the frames with their stamps."""

from dataclasses import dataclass, field

NEVER = 1 << 62


FOLLOWS = {
    "HARDIRQ_IPI": "HARDIRQ",
    "IPI_DELIVERY": "IPI",
    "WAKE_REMOTE": "WAKE",
    "SWITCH_IDLE": "SWITCH",
    "SWITCH_IDLE_100US": "SWITCH_IDLE",
    "SWITCH_IDLE_1MS": "SWITCH_IDLE_100US",
    "RECV_REMOTE": "RECV",
    "COPY_REMOTE_PS": "COPY_PS",
}
"""A kind of a cost -> the general one."""


@dataclass
class Machine:
    """The knobs, with Linux's defaults. ``cost`` has a name of vnic/knobs/cost.py for each charge that is not free."""

    cpus: int = 1
    queues: int = 1
    rx_ring: int = 256
    rx_buf_len: int = 2048
    rx_pool: int = 32768
    fifo: int = 65536
    drop_en: bool = False
    rx_usecs: int = 0
    rx_frames: int = 1
    rx_usecs_irq: int = 0
    rx_frames_irq: int = 0
    hz: int = 250
    weight: int = 64
    dev_weight: int = 64
    netdev_budget: int = 300
    netdev_budget_usecs: int | None = None  # two jiffies
    netdev_max_backlog: int = 1000
    gro_normal_batch: int = 8
    gro_flush_timeout: int = 0
    napi_defer_hard_irqs: int = 0
    threaded: bool | str = False  # "busy-poll": it never ends, so neither does the run
    busy_read: int = 0  # us
    busy_poll_budget: int = 8
    rps_cpus: tuple[int, ...] = ()
    reader_cpu: int | None = None  # None: a socket's port mod cpus
    rcvbuf: int = 212992
    cost: dict[str, int] = field(default_factory=dict)

    def cost_of(self, name: str) -> int:
        """A kind of a cost without a figure of its own costs as the general one."""
        while name not in self.cost and name in FOLLOWS:
            name = FOLLOWS[name]
        return self.cost.get(name, 0)

    @property
    def jiffy_ns(self) -> int:
        return 10**9 // self.hz

    @property
    def budget_jiffies(self) -> int:
        """usecs_to_jiffies(netdev_budget_usecs): a part of a jiffy counts as a whole one."""
        if self.netdev_budget_usecs is None:
            return 2
        return -(-self.netdev_budget_usecs * self.hz // 10**6)

    @property
    def softirq_jiffies(self) -> int:
        """msecs_to_jiffies(2)."""
        return -(-2 * self.hz // 1000)


@dataclass(slots=True, eq=False)
class Frame:
    """A datagram on the wire, and what became of it.

    ``stamp``: the instants, in the order of the way (STAMPS). ``fate``: vnic's word, None while it is on its way.
    """

    at: int
    length: int = 60
    port: int = 5000
    hash: int = 1
    queue: int = 0
    payload: int = 18
    stamp: dict[str, int] = field(default_factory=dict)
    fate: str | None = None
    queued_by: int = 0  # CPU


STAMPS = ("wire", "ring", "seen", "taken", "gro", "up", "backlog", "off_backlog", "socket", "dequeued", "read")
"""Arrival; the DMA's end; the driver knows of it; off the ring; behind RX; out of GRO; in the backlog; off it; in the
socket's queue; the reader took it; the reader has read it."""


def wire(frames: list[Frame], ps_per_byte: int, overhead: int = 24) -> list[Frame]:
    """Put frames that are sent at ``at`` on a link: one after the other. Return: the frames as they arrive.

    A frame has at least 60 bytes there, and ``overhead`` more: preamble, FCS and the gap.
    """
    free_ps = 0
    for frame in frames:
        free_ps = max(free_ps, frame.at * 1000) + (max(frame.length, 60) + overhead) * ps_per_byte
        frame.at = free_ps // 1000
    return frames
