"""One fault on purpose, done to three drivers: vnic's own, Linux's virtio_net, DPDK's virtio-user. What was seen to
happen.

Each run has three parts. Pings come to the driver one after another, and come back: from vnic's host or Linux as
answers, from testpmd as they are. Linux pings too. When the fault is over, pings go through once more; if they do
not, the driver makes its ring anew, and they are tried again.
"""

import contextlib
import re
import signal
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ping_world
from testpmd import LIMIT_S, Testpmd
from uml_shell import Shell

import vnic
from vnic._core import lib
from vnic.vhost.card import VhostCard

PINGS, ASKED, AFTER = 30, 10, 5
GAP_S = 0.01
SIZE = 400
"""Bytes of a ping's payload: half of the frame is more than its headers."""
LASTS_S = 0.8
"""Of faults that last: longer than the pings take."""
LONG_S = 8.0
"""Longer than Linux's watchdog of a sending ring."""
LATE_NS = 300_000_000
MAC, IP = bytes.fromhex("020000000002"), bytes([10, 9, 0, 2])
PLANS: dict[str, dict[str, int]] = {
    "irq-late": {"ns": 500_000_000},
    "irq-spurious": {},
    "kick-ignored": {"nth": 1},
    "stall": {},
    "tx-stall": {},
    "link-down": {},
}
"""When a kind happens, so that it can be seen; others: at the tenth ping."""
LASTING = ("stall", "tx-stall", "link-down")


@dataclass
class Seen:
    """What was seen."""

    chances: int = 0
    hits: int = 0
    good: int = 0
    """Pings that came back; ``wrong``: with other bytes; ``late``: some came that much later, LATE_NS."""
    wrong: int = 0
    late: bool = False
    sending: bool = True
    """Of a fault of sending: did Linux's own pings get answers while it lasted?"""
    after: bool = False
    """Do pings pass when it is over?"""
    mended: bool | None = None
    """If not: do they with a new ring?"""
    errors: list[str] = field(default_factory=list)
    """Counters of errors that grew."""
    said: list[str] = field(default_factory=list)
    """Lines of its log."""
    ended: str = ""
    """The signal that ended its process, if one did."""

    @property
    def lost(self) -> int:
        """Pings that never came back."""
        return PINGS - self.good - self.wrong


def payload(n: int) -> bytes:
    """What the n-th ping carries."""
    return (b"%04d " % n) * (SIZE // 5)


def request(n: int) -> bytes:
    """The n-th ping."""
    return ping_world.packet(MAC, IP, 1, ping_world.echo(8, struct.pack("!HH", 77, n) + payload(n)))


class World(ping_world.World):
    """10.9.0.1, which keeps what came back, and when.

    ``mirror``: the driver sends frames back as they are, and gets no answers.
    """

    def __init__(self, *, mirror: bool = False) -> None:
        super().__init__()
        self.mirror = mirror
        self.came: dict[int, tuple[int, bytes]] = {}

    def write_burst(self, burst: list[tuple[int, bytes]]) -> None:
        for t_ns, frame in burst:
            if frame[12:14] == b"\x08\0" and frame[23] == 1 and frame[38:40] == b"\0\x4d":
                self.came.setdefault(struct.unpack("!H", frame[40:42])[0], (t_ns, frame[42 : 42 + SIZE]))
        super().write_burst([] if self.mirror else burst)

    def passed(self, first: int) -> bool:
        """Are AFTER pings back, those from this number on?"""
        return all(self.came.get(n, (0, b""))[1] == payload(n) for n in range(first, first + AFTER))

    def judge(self, seen: Seen, sent_ns: dict[int, int]) -> None:
        """Say of the first part what came back."""
        back = {n: came for n, came in self.came.items() if n < PINGS}
        seen.good = sum(data == payload(n) for n, (_, data) in back.items())
        seen.wrong = len(back) - seen.good
        seen.late = any(t - sent_ns[n] >= LATE_NS for n, (t, _) in back.items())


# ---- vnic's own host, in virtual time: exact ----


def own(kind: str, _: Path | None = None) -> Seen:
    """What vnic's own driver and host do."""
    world, seen, ns, lasts_ns = World(), Seen(), round(GAP_S * 1e9), round(LASTS_S * 1e9)
    with vnic.Host(ip="10.9.0.2/24", mac="02:00:00:00:00:02", queues=1) as host:
        host.machine.wire.attach(world)
        host.nic.feed(request(1000))  # it asks for our address
        host.run(until_ns=lasts_ns)
        lasts = {"from_ns": lasts_ns, "until_ns": 2 * lasts_ns} if kind in LASTING else {}
        fault = host.nic.fault(kind, **(PLANS.get(kind, {"nth": 10}) | lasts))

        def passes(first: int, at_ns: int) -> bool:
            host.nic.feed([request(n) for n in range(first, first + AFTER)], at_ns=at_ns, gap_ns=ns)
            host.run(until_ns=at_ns + lasts_ns)
            return world.passed(first)

        host.nic.feed([request(n) for n in range(PINGS)], at_ns=lasts_ns, gap_ns=ns)
        host.run(until_ns=3 * lasts_ns)
        seen.after = passes(100, 3 * lasts_ns)
        if not seen.after:
            host.knobs.rx_ring = 128
            seen.mended = passes(200, 5 * lasts_ns)
        assert not host.laws()
        world.judge(seen, {n: lasts_ns + n * ns for n in range(PINGS)})
        host.finish()
        assert not host.laws()
        seen.errors = [fate for fate in host.ledger().fates if not fate.startswith("DELIVERED_")]
        seen.chances, seen.hits = fault.chances, fault.hits
    return seen


# ---- a card and its driver, in real time ----


@contextlib.contextmanager
def card(folder: Path, world: World) -> Iterator[VhostCard]:
    """A card that sleeps until a doorbell rings or a frame comes. At its end the laws hold."""
    with VhostCard(folder / "card", mac="02:00:00:00:00:02", fifo=1 << 20, withhold=["IN_ORDER"]) as made:
        made.wire.attach(world)
        made.start()
        yield made
        made.stop()
        assert not made.laws(), made.ledger()
        assert not made.ledger().in_flight


def arm(made: VhostCard, kind: str) -> vnic.Fault:
    """Let it happen from now on."""
    rules: dict[str, Any] = PLANS.get(kind, {"nth": 10})
    if kind in LASTING:
        now = int(lib.clock_ns()) - made.machine.began_ns
        rules = {"from_ns": now, "until_ns": now + round((LONG_S if kind == "tx-stall" else LASTS_S) * 1e9)}
    return made.nic.fault(kind, **rules)


def send(made: VhostCard, numbers: range) -> dict[int, int]:
    """Send pings one after another. Return: when, by number."""
    sent = {}
    for n in numbers:
        sent[n] = int(lib.clock_ns())
        made.feed(request(n))
        time.sleep(GAP_S)
    return sent


def comes(true: Callable[[], bool], seconds: float = 1.5) -> bool:
    """Does it come true in this time?"""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()


def passes(made: VhostCard, world: World, first: int) -> bool:
    """Do pings from this number on come back?"""
    send(made, range(first, first + AFTER))
    return comes(lambda: world.passed(first))


def wait_until_over(made: VhostCard, fault: vnic.Fault) -> None:
    """Of a fault that lasts: until its time is over."""
    until = fault.rule.until_ns
    while until is not None and int(lib.clock_ns()) - made.machine.began_ns < until:
        time.sleep(0.02)


COUNTERS = "grep -H . /sys/class/net/eth0/statistics/*; grep Icmp: /proc/net/snmp"
_USUAL = {"rx_packets", "rx_bytes", "tx_packets", "tx_bytes"}


def counters(text: str) -> dict[str, int]:
    """What COUNTERS printed: those of errors."""
    found = {name: int(n) for name, n in re.findall(r"statistics/(\w+):(\d+)", text) if name not in _USUAL}
    heads, numbers = (line.split()[1:] for line in text.splitlines() if line.startswith("Icmp:"))
    return found | {"InCsumErrors": dict(zip(heads, map(int, numbers), strict=True))["InCsumErrors"]}


def log(text: str) -> list[str]:
    """What the kernel's log says, each line once: without stacks and registers."""
    lines = dict.fromkeys(line.strip() for line in text.splitlines() if line[:1].strip())
    return [line for line in lines if not re.match(r"[-=*]|CPU:|Modules linked|Stack|Call Trace|Workqueue", line)]


def linux(kind: str, folder: Path) -> Seen:
    """What Linux's virtio_net does, in User Mode Linux."""
    world, seen, flood = World(), Seen(), kind == "tx-stall"
    with card(folder, world) as made, Shell(folder, made.path) as guest:
        guest.ask("ping -c 2 -i 0.05 -W 2 10.9.0.1; dmesg -c >/dev/null")
        before, later = counters(guest.ask(COUNTERS)), kind in ("kick-ignored", "tx-stall")
        fault = None if later else arm(made, kind)
        sent = send(made, range(PINGS))
        fault = fault or arm(made, kind)
        said = guest.ask(f"ping -W 2 -c {'400 -i 0.002' if flood else f'{ASKED} -i 0.05'} 10.9.0.1")
        seen.sending = not later or bool(re.search(r"\b[1-9]\d* packets received", said))
        wait_until_over(made, fault)
        seen.after = passes(made, world, 100)
        after = counters(guest.ask(COUNTERS))
        seen.said = log(guest.ask("dmesg -c"))
        if not seen.after:
            guest.ask("rmmod virtio_net; load; up; ping -c 1 -W 1 10.9.0.1")
            seen.mended = passes(made, world, 200)
        seen.chances, seen.hits = fault.chances, fault.hits
        world.judge(seen, sent)
    seen.errors = [name for name, n in after.items() if n != before[name]]
    return seen


def testpmd(kind: str, folder: Path) -> Seen:
    """What DPDK's testpmd does with virtio-user: it sends back what it got."""
    world, seen = World(mirror=True), Seen()
    with card(folder, world) as made:
        driver = Testpmd(folder, made.path)
        try:
            assert made.wait_for_driver(LIMIT_S), driver.text()
            driver.tell("start")
            driver.says("io packet forwarding - ")
            fault = arm(made, kind)
            sent = send(made, range(PINGS))
            wait_until_over(made, fault)
            seen.after = driver.process.poll() is None and passes(made, world, 100)
            if not seen.after and driver.process.poll() is None:
                for command in ("stop", "port stop 0", "port start 0", "start"):
                    driver.tell(command)
                driver.says("io packet forwarding - ", 2)
                seen.mended = passes(made, world, 200)
            if (code := driver.process.poll()) is not None and code < 0:
                seen.ended = signal.Signals(-code).name
        finally:
            driver.close()
        seen.chances, seen.hits = fault.chances, fault.hits
        world.judge(seen, sent)
    return seen


SIDES: dict[str, Callable[[str, Path], Seen]] = {"linux": linux, "testpmd": testpmd, "own": own}
