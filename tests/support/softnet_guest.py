"""A Linux of its own answers a question of softnet_asked.py: a QEMU guest, whose sysctls are ours, on vnic's card.

The card's moderation holds an interrupt back until all frames of a step are in the ring, so the guest's CPU 0 meets
exactly them. All tasks and interrupts of the guest are CPU 0's. Its tracer says what the CPUs do; a packet is followed
by the address of its sk_buff.
"""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

import frames
import guest
import needs
from paths import ROOT
from qemu import Guest
from softnet_asked import ANY, BUDGET_USECS, CONNECTED, DEFAULTS, IP, PEER_PORT, Answer, Frames, Read, Still
from softnet_trace import EVENTS, Counters, counters, filled, is_over, receiver
from stopped_cpu import Debugger, options
from vhost_checks import until

from vnic.vhost.card import VhostCard

CPUS = 4
PLACES = {
    "rps_cpus": "/sys/class/net/eth0/queues/rx-0",
    "rps_flow_cnt": "/sys/class/net/eth0/queues/rx-0",
} | dict.fromkeys(("gro_flush_timeout", "napi_defer_hard_irqs", "threaded"), "/sys/class/net/eth0")
NAMES = {"flow_limit_cpus": "flow_limit_cpu_bitmap"}
TABLES = ("flow_limit_cpus", "rps_sock_flow_entries", "rps_flow_cnt")
PATIENCE_S = 60.0
INIT = f"""
taskset -p 1 1 >/dev/null; echo 1 >/sys/devices/virtual/workqueue/cpumask; echo 1 >/proc/irq/default_smp_affinity
load
for f in /proc/irq/*/smp_affinity; do echo 1 >$f; done 2>/dev/null
for p in /proc/[0-9]*; do taskset -p 1 ${{p#/proc/}}; done >/dev/null 2>&1
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
for i in 1 2 3 4 5 6 7 8 9 10; do [ -e /sys/class/net/eth0 ] && break; sleep 0.1; done
ip link set eth0 up; ip addr add {IP}/24 dev eth0; ethtool -K eth0 rxhash on
ip neigh add 10.0.0.1 lladdr 02:00:00:00:00:02 dev eth0
for f in /proc/irq/*/virtio*; do echo 1 >${{f%/*}}/smp_affinity; done
echo {BUDGET_USECS} >/proc/sys/net/core/netdev_budget_usecs
mkfifo /tmp/ask /tmp/say; guest_reader {ANY} {PEER_PORT} </tmp/ask >/tmp/say & exec 4>/tmp/ask 5</tmp/say
mount -t tracefs t /sys/kernel/tracing; cd /sys/kernel/tracing
echo vec==3 >events/irq/softirq_entry/filter
for e in {" ".join(EVENTS)}; do echo 1 >events/$e/enable; done
counters() {{ while read -r line; do echo "$line"; done </proc/net/softnet_stat
  while read -r line; do case $line in Udp:*) echo "$line";; esac; done </proc/net/snmp; }}
echo guest: ready; while read -r line; do eval "$line"; done
"""


def _place(knob: str) -> str:
    return f"{PLACES.get(knob, '/proc/sys/net/core')}/{NAMES.get(knob, knob)}"


def reader(folder: Path) -> Path:
    """The program that reads in the guest."""
    made = folder / "guest_reader"
    command = [shutil.which("cc"), "-O2", "-o", made, ROOT / "tests/c/guest_reader.c"]
    subprocess.run(command, check=True, timeout=60, env=needs.others_env())
    return made


class Softnets:
    """The guest, booted once and asked many times. A context manager."""

    def __init__(self, folder: Path) -> None:
        needs.require("ethtool", "busybox")
        self.card = VhostCard(folder / "card", offer=["HASH_REPORT"], cost="zero", link="inf", fifo=1 << 20)
        more = guest.program(shutil.which("ethtool")) | guest.program(reader(folder))
        self.guest = Guest(
            folder, self.card.path, INIT, cpus=CPUS, device="hash=on,rx_queue_size=1024,mac=02:00:00:00:00:01",
            more=more, options=options(folder / "gdb"),
        )  # fmt: skip
        self.folder, self.set = folder, dict(DEFAULTS)
        self.debugger: Debugger | None = None
        self.napi = ""
        self._stands = False
        """A CPU stands still, so nothing may be asked that needs all of them."""

    def __enter__(self) -> Self:
        try:
            self.card.start()
            self.guest.boot()
            said = self.guest.says("guest: ready")
            assert self.card.nic.c.features >> 57 & 1, said
            self._prime()
            self.napi = receiver(self.guest.ask("cat trace"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.debugger:
            self.debugger.close()
        self.guest.kill()
        self.card.close()

    def ask(self, knobs: dict, *steps: Frames | Still | Read, polls: int = 0) -> Answer:
        """Return the guest's answer with these knobs. ``polls``: wait for so many, the last ones by a timer."""
        for port in (ANY, CONNECTED):
            self._read(Read(0, port))  # of earlier questions nothing is left
        weighed = self._weight
        self.guest.ask("; ".join([*self._knobs(DEFAULTS | knobs), "true"]))
        if self._weight != weighed:  # a backlog learns of it when it is polled
            self._prime()
        before = counters(self.guest.ask("echo >trace; counters"))
        came, read, answer = 0, [], None
        for step in steps:
            came, answer = self._take(step, before, came, read)
        answer = answer or self._over(before, came)
        if polls:
            answer = self._over(before, came, polls)
            time.sleep(0.1)  # for one too many
            answer = self._answer(before)
        answer.udp = counters(self.guest.ask("counters")).since(before)
        answer.read = read
        return answer

    def _prime(self) -> None:
        """A datagram goes through the backlog of CPU 0."""
        place = _place("rps_cpus")
        before = counters(self.guest.ask(f"echo 1 >{place}; echo >trace; counters"))
        self._feed(Frames([frames.udp(dport=ANY)]))
        until(lambda: counters(self.guest.ask("counters")).packets() == before.packets() + 1, PATIENCE_S)
        self.guest.ask(f"echo {self.set['rps_cpus']} >{place}")

    def _over(self, before: Counters, came: int, polls: int = 0) -> Answer:
        """Wait until all that came is over. Return: the answer so far."""
        end = time.monotonic() + PATIENCE_S
        while True:
            answer = self._answer(before)
            if is_over(answer, came) and len(answer.threads or answer.polls()) >= polls:
                return answer
            assert time.monotonic() < end, f"{came} frames came, and of them is known: {answer}"

    @property
    def _weight(self) -> int:
        """Of a backlog."""
        return self.set["dev_weight"] * self.set["dev_weight_rx_bias"]

    def _knobs(self, wanted: dict) -> list[str]:
        """The commands that set these knobs. Tables are made anew, so that they are empty."""
        changed = {n: v for n, v in wanted.items() if v != self.set[n] or (n in TABLES and v not in ("0", 0))}
        lines = [f"echo 0 >{_place(n)}" for n in TABLES if n in changed]
        lines += [f"echo {v} >{_place(n)}" for n, v in sorted(changed.items(), key=lambda knob: knob[0] in TABLES)]
        if "threaded" in changed:
            lines.append("for p in /proc/[0-9]*; do read -r c <$p/comm; case $c in napi/*) taskset -p 1 ${p#/proc/} "
                         ">/dev/null;; esac; done")  # fmt: skip
        self.set = dict(wanted)
        return lines

    def _take(self, step: Frames | Still | Read, before: Counters, came: int, read: list) -> tuple[int, Answer | None]:
        """Take a step. Return: how many frames have come by now, and the answer if it is known already."""
        if isinstance(step, Frames):
            came += len(step.frames)
            self._feed(step)
            if not self._stands:
                return came, self._over(before, came)
            until(lambda: counters(self.guest.ask("counters")).packets() == before.packets() + came, PATIENCE_S)
        elif isinstance(step, Still):
            self.debugger = self.debugger or Debugger(self.folder / "gdb", CPUS, self.card)
            self._stands = True  # the tracer's text needs all CPUs
            with self.debugger.stopped(step.cpu):
                for one in step.steps:
                    came, _ = self._take(one, before, came, read)
            self._stands = False
        else:
            read.append(self._read(step))
        return came, None

    def _read(self, step: Read) -> int:
        said = self.guest.ask(f'echo "{step.cpu} {step.port}" >&4; read -r n <&5; echo read=$n')
        return guest.number(said, "read")

    def _feed(self, step: Frames) -> None:
        self.card.knobs["rx-frames"] = len(step.frames)
        self.card.feed(step.frames)

    def _answer(self, before: Counters) -> Answer:
        return filled(self.guest.ask("cat trace; counters"), before, self.napi)
