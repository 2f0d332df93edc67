"""Read a run's report for :mod:`vnic.why`: the fates that limits caused, and the meaning of all others."""

from __future__ import annotations

from typing import Any

# Every fate that is not a delivery is in one of these. LIMITS: the frame was lost because something was full or short.
LIMITS = (
    "RX_LENGTH",  # only frames longer than the MTU
    "FIFO_OVERRUN",
    "RX_OVER",
    "RX_NO_BUFFER",
    "CPU_BACKLOG",
    "FRAG_HIGH_THRESH",
    "FRAG_TOO_FAR",
    "PYTHON_QUEUE_FULL",
    "SOCKET_TABLE_FULL",
    "SOCKET_RCVBUFF",
    "PROTO_MEM",
    "TCP_OFO_DROP",
    "TCP_OFO_QUEUE_PRUNE",
    "DEV_READY",  # only frames for which no interrupt was raised
)
NEIGHBOURS = ("ARP_TARGET", "NDISC_NO_NEWS", "IPV6_NDISC_NS_OTHERHOST")
INVALID_ND = ("IPV6_NDISC_FRAG", "IPV6_NDISC_HOP_LIMIT", "IPV6_NDISC_BAD_CODE", "IPV6_NDISC_BAD_OPTIONS")
# The keys of NOT_LIMITS are values of the JSON answer, so they stay; ON_SCREEN says them in better words.
NOT_LIMITS = {
    "not for us": (
        "MAC_FILTER",
        "VLAN_FILTER",
        "PYTHON_FILTER",
        "NTUPLE_FILTER",
        "OTHERHOST",
        "IP_INADDRERRORS",
        "IP_INNOROUTES",
        "IP_NOT_JOINED",
        *NEIGHBOURS,
    ),
    "a fault on purpose": ("FAULT",),
    "nobody takes it": (
        "NO_SOCKET",
        "UNHANDLED_PROTO",
        "IP_NOPROTO",
        "GROUPS_IGNORED",
        "PYTHON_DROP",
        "TCP_CLOSE",
        "TCP_ABORT_ON_DATA",
        "TCP_LISTEN_OVERFLOW",
        "TCP_REQQFULLDROP",
    ),
    "sent so": (
        "LINK_TYPE",
        "IP_OUTNOROUTES",
        "TCP_RESET",
        "PKT_TOO_SMALL",
        "IP_INHDR",
        "IP_CSUM",
        "IP_INVALID_SOURCE",
        "IP_LOCAL_SOURCE",
        "IP_LOCALNET",
        "IP_INVALID_DEST",
        "IP_SOURCE_ROUTE",
        "INVALID_PROTO",
        "IPV6_BAD_EXTHDR",
        *INVALID_ND,
        "PKT_TOO_BIG",
        "FRAG_OVERLAP",
        "FRAG_LENGTH",
        "FRAG_ECN",
        "ICMP_CSUM",
        "UDP_CSUM",
        "TCP_CSUM",
        "TCP_FLAGS",
        "TCP_OVERWINDOW",
        "TCP_RFC7323_PAWS",
        "TCP_RFC7323_TSECR",
        "TCP_INVALID_SEQUENCE",
        "TCP_INVALID_END_SEQUENCE",
        "TCP_INVALID_ACK_SEQUENCE",
        "TCP_INVALID_SYN",
        "TCP_TOO_OLD_ACK",
        "TCP_ACK_UNSENT_DATA",
        "TCP_ZEROWINDOW",
    ),
    "sent twice": ("DUP_FRAG", "TCP_OLD_DATA", "TCP_OFOMERGE", "TCP_OLD_SEQUENCE"),
    "the rest never came": ("FRAG_REASM_TIMEOUT",),
    "the card was not up, or had stopped": ("DEV_READY",),
}
ON_SCREEN = {
    "nobody takes it": "no receiver",
    "sent so": "invalid as sent",
    "sent twice": "duplicate",
    "the rest never came": "a fragment never arrived",
}


class Facts:
    """The JSON object of a run, with the questions that :mod:`vnic.why` asks."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.all = facts
        self.config: dict[str, Any] = facts["config"]
        self.fates: dict[str, int] = facts["ledger"]["fates"]
        self.queues: list[dict[str, Any]] = facts["queues"]
        self.cpus: list[dict[str, Any]] = facts["cpus"]
        self.limits = {x["knob"]: x for x in facts["limits"]}

    def lost(self) -> dict[str, int]:
        """Return fate -> frames lost by a limit, in the order of the path."""
        found = {f: self.fates.get(f, 0) for f in LIMITS}
        found["RX_LENGTH"] = self.limits["mtu"]["lost"]
        found["DEV_READY"] = self.stood
        return {f: n for f, n in found.items() if n}

    def besides(self) -> list[tuple[str, int, str]]:
        """Return (fate, frames, why) of the losses that no limit caused, largest first."""
        found = [(f, self.fates[f], why) for why, fates in NOT_LIMITS.items() for f in fates if f in self.fates]
        found = [(f, n - self.stood * (f == "DEV_READY"), why) for f, n, why in found]
        if short := self.fates.get("RX_LENGTH", 0) - self.limits["mtu"]["lost"]:
            found.append(("RX_LENGTH", short, "sent so"))
        return sorted((x for x in found if x[1]), key=lambda x: (-x[1], x[0]))

    @property
    def stood(self) -> int:
        """Frames left in a ring at the end: rx-frames waited for more, and no moderation timer ran."""
        return sum(int(s["frames"]) for s in self.all["standing"] if s["ended"])

    @property
    def stand(self) -> list[dict[str, Any]]:
        """The queues in which frames stand now."""
        return [s for s in self.all["standing"] if not s["ended"]]

    def of(self, name: str) -> int:
        """Return a counter's sum over all queues."""
        return sum(int(q[name]) for q in self.queues)

    def setting(self, knob: str) -> int:
        """Return a knob's number: its value now if it is a limit, else its value at the start of the run."""
        return int(self.limits[knob]["setting"] if knob in self.limits else self.config.get(knob, 0))

    def cpu_of(self, queue: int) -> dict[str, Any]:
        """Return the facts of the CPU that this queue interrupts."""
        return self.cpus[queue % len(self.cpus)]
