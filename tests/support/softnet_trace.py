"""The text of a guest's tracer, and of its counters, as an answer of softnet_asked.py."""

import re
from dataclasses import dataclass

from softnet_asked import Answer, Softnet

EVENTS = (
    "napi/napi_poll", "net/netif_receive_skb", "irq/softirq_entry", "net/napi_gro_receive_entry",
    "net/napi_gro_receive_exit", "skb/kfree_skb",
)  # fmt: skip
"""Those that are read here; softirq_entry only of NET_RX."""
LINE = re.compile(r" *.{1,16}-\d+ +\[(\d+)\] (\S+) +[\d.]+: (\w+): (.*)")
POLL = re.compile(r"napi struct (\w+) for device (\S+) work (-?\d+) budget (\d+)")
PACKET = re.compile(r"skbaddr=(\w+)")
STAT = re.compile(r"^(?:[0-9a-f]{8} ?){13,}$", re.MULTILINE)
UDP = re.compile(r"^Udp: ([\d ]+)$", re.MULTILINE)
MERGED = ("0", "1")
"""GRO_MERGED, GRO_MERGED_FREE of enum gro_result."""
BACKLOG = "(no_device)"


@dataclass(frozen=True)
class Counters:
    """What the guest has counted so far: softnet_stat, a row for each CPU, and UDP's line of snmp."""

    softnet: list[list[int]]
    udp: list[int]

    def packets(self) -> int:
        """Packets that were processed or dropped, or wait in a backlog."""
        return sum(row[0] + row[1] + row[11] for row in self.softnet)

    def since(self, before: "Counters") -> list[int]:
        """What UDP's line counted meanwhile."""
        return [n - then for n, then in zip(self.udp, before.udp, strict=True)]


def counters(said: str) -> Counters:
    """Those that the guest has said."""
    rows = [[int(word, 16) for word in row.split()] for row in STAT.findall(said)]
    return Counters(rows, [int(word) for word in UDP.search(said)[1].split()])


def receiver(said: str) -> str:
    """The NAPI of the receiving ring, as the tracer names it, where no other of the device's was polled."""
    (name,) = {found[1] for found in POLL.finditer(said) if found[2] != BACKLOG}
    return name


def filled(said: str, before: Counters, napi: str) -> Answer:
    """What the tracer and softnet_stat say together. ``napi``: that of the receiving ring."""
    answer, frame, last = Answer(), {}, ""
    for line in said.splitlines():
        if not (found := LINE.match(line)):
            continue
        cpu, flags, event, text = int(found[1]), found[2], found[3], found[4]
        if event == "softirq_entry":
            answer.runs.setdefault(cpu, []).append([])
        elif event == "napi_poll":
            of, device, work, weight = POLL.search(text).groups()
            if of == napi or device == BACKLOG:
                polls = answer.runs[cpu][-1] if flags[2] == "s" else answer.threads
                polls.append((int(work), int(weight)))
        elif event == "napi_gro_receive_entry":
            last = PACKET.search(text)[1]
            frame[last] = answer.frames
            answer.frames += 1
            answer.did("gro")
        elif event == "napi_gro_receive_exit":
            if text.removeprefix("ret=") in MERGED:
                answer.joined.append(frame.pop(last))
        elif (skb := PACKET.search(text)[1]) in frame:
            if event == "netif_receive_skb":
                answer.received.setdefault(cpu, []).append(frame[skb])
                if cpu == 0:
                    answer.did("up")
            else:
                answer.lost[frame.pop(skb)] = text.rsplit("reason: ", 1)[1]
    now = counters(said)
    for row, then in zip(now.softnet, before.softnet, strict=True):
        answer.softnet.append(Softnet(*(row[i] - then[i] for i in (0, 1, 2, 9, 10))))
    return answer


def is_over(answer: Answer, frames: int) -> bool:
    """Have all that came met their end, and has no NAPI more to poll?"""
    ended = len(answer.joined) + len(answer.lost) + sum(map(len, answer.received.values()))
    last = [poll for cpu in answer.runs for poll in answer.polls(cpu)[-1:]] + answer.threads[-1:]
    return answer.frames == frames <= ended and bool(last) and all(work < weight for work, weight in last)
