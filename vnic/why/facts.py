"""What a report says was lost: which fates a limit is to blame for, and what the others mean. Read by causes.py."""

from __future__ import annotations

from typing import Any

# What each fate that is not a delivery says. Those of LIMITS are lost because something was full or too short.
LIMITS = (
    "RX_LENGTH",  # those longer than the MTU
    "FIFO_OVERRUN",
    "RX_OVER",
    "RX_NO_BUFFER",
    "CPU_BACKLOG",
    "FRAG_HIGH_THRESH",
    "FRAG_TOO_FAR",
    "PYTHON_QUEUE_FULL",
    "SOCKET_TABLE_FULL",
    "SOCKET_RCVBUFF",
    "TCP_OFO_DROP",
    "DEV_READY",  # those that no interrupt came for
)
NOT_LIMITS = {
    "not for us": ("MAC_FILTER", "VLAN_FILTER", "PYTHON_FILTER", "NTUPLE_FILTER", "OTHERHOST", "IP_INADDRERRORS"),
    "nobody takes it": ("NO_SOCKET", "UNHANDLED_PROTO", "IP_NOPROTO", "PYTHON_DROP", "TCP_CLOSE"),
    "sent so": (
        "PKT_TOO_SMALL",
        "IP_INHDR",
        "IP_CSUM",
        "IP_INVALID_SOURCE",
        "IPV6_BAD_EXTHDR",
        "PKT_TOO_BIG",
        "FRAG_OVERLAP",
        "FRAG_LENGTH",
        "FRAG_ECN",
        "ICMP_CSUM",
        "UDP_CSUM",
        "TCP_CSUM",
        "TCP_FLAGS",
        "TCP_OVERWINDOW",
    ),
    "sent twice": ("DUP_FRAG", "TCP_OLD_DATA", "TCP_OFOMERGE"),
    "the rest never came": ("FRAG_REASM_TIMEOUT",),
    "the card was not up, or had stopped": ("DEV_READY",),
}


class Facts:
    """The JSON object of a run, with what is asked of it here."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.all = facts
        self.config: dict[str, Any] = facts["config"]
        self.fates: dict[str, int] = facts["ledger"]["fates"]
        self.queues: list[dict[str, Any]] = facts["queues"]
        self.cpus: list[dict[str, Any]] = facts["cpus"]
        self.limits = {x["knob"]: x for x in facts["limits"]}

    def lost(self) -> dict[str, int]:
        """Fate -> frames lost because of a limit, in the order of the path."""
        found = {f: self.fates.get(f, 0) for f in LIMITS}
        found["RX_LENGTH"] = self.limits["mtu"]["lost"]
        found["DEV_READY"] = self.stood
        return {f: n for f, n in found.items() if n}

    def besides(self) -> list[tuple[str, int, str]]:
        """Fate, frames and why, of what no limit is to blame for."""
        found = [(f, self.fates[f], why) for why, fates in NOT_LIMITS.items() for f in fates if f in self.fates]
        found = [(f, n - self.stood * (f == "DEV_READY"), why) for f, n, why in found]
        if short := self.fates.get("RX_LENGTH", 0) - self.limits["mtu"]["lost"]:
            found.append(("RX_LENGTH", short, "sent so"))
        return sorted((x for x in found if x[1]), key=lambda x: (-x[1], x[0]))

    @property
    def stood(self) -> int:
        """Frames that no interrupt came for, to the end: rx-frames waited for more, and there was no timer."""
        return sum(int(s["frames"]) for s in self.all["standing"] if s["ended"])

    @property
    def stand(self) -> list[dict[str, Any]]:
        """Where frames do so now."""
        return [s for s in self.all["standing"] if not s["ended"]]

    def of(self, name: str) -> int:
        """A counter, over all queues."""
        return sum(int(q[name]) for q in self.queues)

    def setting(self, knob: str) -> int:
        """A number that is set: as the limits have it, which is now; the configuration is of the beginning."""
        return int(self.limits[knob]["setting"] if knob in self.limits else self.config.get(knob, 0))

    def cpu_of(self, queue: int) -> dict[str, Any]:
        """The CPU that a queue interrupts."""
        return self.cpus[queue % len(self.cpus)]
