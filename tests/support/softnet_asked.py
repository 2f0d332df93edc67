"""What two kernels are asked about the way from the ring to the protocols, and how they answer: a question, its answer.

softnet_guest.py asks a Linux of its own, softnet_vnic.py asks vnic. A question is a list of steps: frames that the CPU
meets at one interrupt, a CPU that stands still for a while, a reader that reads.
"""

from dataclasses import dataclass, field

IP, PEER_PORT = "10.0.0.2", 1000
ANY, CONNECTED = 5000, 5001
"""The ports of a socket of any peer, and of one whose peer is 10.0.0.1:1000."""
DEFAULTS: dict[str, int | str] = {
    "netdev_budget": 300,
    "netdev_max_backlog": 1000,
    "dev_weight": 64,
    "dev_weight_rx_bias": 1,
    "gro_normal_batch": 8,
    "flow_limit_cpus": "0",
    "flow_limit_table_len": 4096,
    "rps_sock_flow_entries": 0,
    "rps_cpus": "0",
    "rps_flow_cnt": 0,
    "gro_flush_timeout": 0,
    "napi_defer_hard_irqs": 0,
    "threaded": 0,
}
"""Knobs that a question may set."""
BUDGET_USECS = 10_000_000
"""Time is no limit in any question."""


@dataclass(frozen=True)
class Frames:
    """These frames come. CPU 0 meets all of them at one interrupt."""

    frames: list[bytes]


@dataclass(frozen=True)
class Read:
    """A reader on this CPU reads all that the socket of this port has."""

    cpu: int
    port: int


@dataclass(frozen=True)
class Still:
    """This CPU stands still, idle, through these steps. No interrupt of another CPU reaches it."""

    cpu: int
    steps: tuple[Frames | Read, ...]


@dataclass(frozen=True)
class Softnet:
    """What /proc/net/softnet_stat counted on a CPU meanwhile."""

    processed: int = 0
    dropped: int = 0
    time_squeeze: int = 0
    received_rps: int = 0
    flow_limit_count: int = 0


@dataclass
class Answer:
    """What happened. Frames have their numbers, in the order in which they came.

    Attributes:
        runs: of each CPU: each run of the softirq, as its polls (work, weight). ``threads``: polls by a NAPI's thread.
        received: of each CPU: the packets that went on to the protocols, by their first frame, in order.
        lists: what CPU 0 did in turn, and how often in a row. ``("gro", 8)``: GRO took so many frames; ``("up", 8)``:
            so many packets went up.
        lost: frame -> why.
        joined: frames that GRO has put into another packet.
        read: datagrams that each reader got.
        udp: what UDP's line of /proc/net/snmp counted meanwhile.
    """

    runs: dict[int, list[list[tuple[int, int]]]] = field(default_factory=dict)
    threads: list[tuple[int, int]] = field(default_factory=list)
    received: dict[int, list[int]] = field(default_factory=dict)
    lists: list[tuple[str, int]] = field(default_factory=list)
    lost: dict[int, str] = field(default_factory=dict)
    joined: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    udp: list[int] = field(default_factory=list)
    frames: int = 0
    softnet: list[Softnet] = field(default_factory=list)

    def did(self, what: str) -> None:
        """CPU 0 did it once more."""
        if self.lists and self.lists[-1][0] == what:
            self.lists[-1] = (what, self.lists[-1][1] + 1)
        else:
            self.lists.append((what, 1))

    def polls(self, cpu: int = 0) -> list[tuple[int, int]]:
        """The CPU's polls, in whichever run."""
        return [poll for run in self.runs.get(cpu, []) for poll in run]
