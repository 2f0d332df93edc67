"""The twins compared: the same frames to the running kernel and to vnic, and what differs in what came of them.

What may differ is in FREEDOMS; nothing else.

tests/golden/twin.xz is what a 6.18 kernel did: it stands in where the kernel cannot be asked.

Usage: python tests/support/twin.py [--seed N] [--inputs N] [--only REGEX] [--show REGEX] [--batch N]
       --only: inputs whose label matches; --show: examples of each kind of difference that matches
       python tests/support/twin.py --case REGEX      the named cases that match
       python tests/support/twin.py --record          ask the kernel for tests/golden/twin.xz anew
"""

import argparse
import ast
import functools
import importlib
import lzma
import os
import pkgutil
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random

import frames
import needs
import peer
import twin_cases
import twin_inputs
from paths import TESTS
from twin_hosts import Outcome, Sock, Step, Twin

GOLDEN = TESTS / "golden/twin.xz"
RULES_OF = "6.18"
"""The kernels whose rules vnic follows."""

SOCKS = {
    "any": Sock(5000),
    "own4": Sock(5001, "10.0.0.2"),
    "own6": Sock(5001, "fd00::2"),
    "conn4": Sock(6000, "10.0.0.2", ("10.0.0.1", 7000)),
    "conn6": Sock(6000, "fd00::2", ("fd00::1", 7000)),
    "listener": Sock(5555, proto=6),
    "lite": Sock(5000, proto=136),
    "lite4": Sock(6000, "10.0.0.2", ("10.0.0.1", 7000), 136),
}

FREEDOMS = {
    "the id of an IPv4 header": "Linux draws it, from a hash of the addresses; vnic counts",
    "times in timestamp replies and timestamp options": "vnic's day begins with the host; only they are set aside",
    "the id of an IPv6 fragment header": "Linux draws it, vnic counts",
    "padding of short frames": "a TAP has none",
    "802.2 frames": "a kernel with the LLC module has a handler, llc_rcv(), which drops them uncounted",
    "counters and drops of a step with a broadcast of our own": "Linux hears it once more; vnic has no loopback",
    "FRAG_ECN": "Linux gives no reason for the fragments of a datagram that failed when it was complete",
    "UdpLite6_IgnoredMulti": "no file of Linux has it",
    "drops while time passes": "the trace is of the twin's own thread, and timers run in any",
    "QDISC_DROP": "what a host sends to itself: vnic has no loopback device, and the kernel's is down",
}

NO_HANDLER = (["llc_rcv"], ["snap_rcv"], ["stp_pdu_rcv"])
"""Where an 802.2 frame ends that no protocol wants."""


def _without_id(frame: bytes) -> bytes:
    """The frame with id and checksum of its IPv4 header 0; with the id of an IPv6 fragment header 0."""
    if frame[12:14] == b"\x86\xdd" and frame[20] == 44:
        return frame[:58] + bytes(4) + frame[62:]
    if frame[12:14] != b"\x08\x00" or frames.csum(frame[14 : 14 + (frame[14] & 15) * 4]) != 0:
        return frame
    return frame[:18] + b"\0\0" + frame[20:24] + b"\0\0" + frame[26:]


def _stamps(frame: bytes, ip: int) -> list[int]:
    """Offsets of the times that a host may just have put into the timestamp option of the IPv4 header at ``ip``."""
    at, end, found = ip + 20, min(ip + (frame[ip] & 15) * 4, len(frame)), []
    while at + 4 <= end and frame[at]:
        length = 1 if frame[at] == 1 else frame[at + 1]
        flag, pointer = frame[at + 3] & 15, frame[at + 2]
        if frame[at] == 68 and flag in (0, 1, 3) and pointer - 1 <= length:
            entry = 4 if flag == 0 else 8
            begins = [begin for n in (1, 2) if (begin := pointer - 1 - n * entry) >= 4]
            found += [at + begin + entry - 4 for begin in begins]
        if not length:
            break
        at += length
    return [t for t in found if t + 4 <= len(frame)]


def _without_times(frame: bytes) -> bytes:
    """The frame with times 0 that a host puts into it, and the ICMP checksum over them; wrong checksums stay."""
    if frame[12:14] != b"\x08\x00":
        return frame
    out, icmp = bytearray(frame), 14 + (frame[14] & 15) * 4
    for at in _stamps(frame, 14):
        out[at : at + 4] = bytes(4)
    message = frame[icmp : 14 + int.from_bytes(frame[16:18], "big")]
    if frame[23] == 1 and len(message) >= 20 and frames.csum(message) == 0:
        times = [icmp + 12, icmp + 16] if message[0] == 14 else []
        if message[0] in (3, 11, 12):
            times = _stamps(frame, icmp + 8)
        for at in times:
            out[at : at + 4] = bytes(4)
        if times:
            out[icmp + 2 : icmp + 4] = bytes(2)
        if times and message[0] != 14 and frames.csum(message[8 : 8 + (message[8] & 15) * 4]) == 0:
            out[icmp + 18 : icmp + 20] = bytes(2)  # of a quoted header that was put together of fragments
    return bytes(out)


def normal(outcome: Outcome) -> Outcome:
    return replace(outcome, replies=[_without_times(_without_id(r)) for r in outcome.replies])


def differences(kernel: Outcome, vnic: Outcome, counted: set[str]) -> dict[str, str]:
    """kind -> what differs."""
    kernel, vnic = normal(kernel), normal(vnic)
    found: dict[str, str] = {}
    if kernel.places in NO_HANDLER and vnic.drops == ["UNHANDLED_PROTO"]:
        return found
    if kernel.replies != vnic.replies:
        kind = (
            "replies"
            if len(kernel.replies) == len(vnic.replies)
            else f"replies {len(kernel.replies)}/{len(vnic.replies)}"
        )
        found[kind] = f"{[r.hex() for r in kernel.replies]} / {[r.hex() for r in vnic.replies]}"
    if kernel.sockets != vnic.sockets:
        found["sockets"] = f"{kernel.sockets} / {vnic.sockets}"
    if any(r[:6] == b"\xff" * 6 and r[12:14] == b"\x08\x00" for r in kernel.replies):
        return found
    k, v = ({n: x for n, x in moved.items() if n in counted} for moved in (counters(kernel.counters), vnic.counters))
    v = {n: x for n, x in v.items() if n not in FREEDOMS}
    for name in sorted(k.keys() | v.keys()):
        if k.get(name, 0) != v.get(name, 0):
            found[f"{name} {k.get(name, 0)}/{v.get(name, 0)}"] = ""
    if kernel.said != vnic.said:
        found["said"] = f"{kernel.said} / {vnic.said}"
    for name in sorted(kernel.told.keys() | vnic.told.keys()):
        if kernel.told.get(name) != vnic.told.get(name):
            found[f"{name} {kernel.told.get(name)}/{vnic.told.get(name)}"] = ""
    a, b = sorted(set(kernel.drops) - {"QDISC_DROP"}), sorted(set(vnic.drops))
    if a != b and not (a == ["NOT_SPECIFIED"] and b) and not (not a and b == ["FRAG_ECN"]):
        found[f"drop {','.join(a)}/{','.join(b)}"] = str(kernel.places)
    return found


def counters(kernel: dict[str, int]) -> dict[str, int]:
    """The kernel's by vnic's names."""
    return {{"IpExt_InCsumErrors": "Ip_InCsumErrors"}.get(name, name): n for name, n in kernel.items()}


WARM: tuple[Step, ...] = (
    peer.arp(1, "10.0.0.1", "10.0.0.2"),
    peer.arp(1, "10.1.0.9", "10.1.0.2"),
    peer.nd(135, "fd00::2", src="fd00::1", dst="ff02::1:ff00:2"),
    peer.nd(135, twin_inputs.LINK_LOCAL, src="fe80::1", dst="ff02::1:ff00:1"),
)
"""Steps that begin each batch: by them both hosts know the MAC addresses of those who ask."""


def no_oracle() -> str | None:
    """Why the kernel here cannot be the twin; None: it can."""
    release = os.uname().release
    if not release.startswith(RULES_OF + "."):
        return f"the kernel is {release}; vnic follows {RULES_OF}"
    return needs.why_no_root()


def cases() -> dict[str, list[Step]]:
    """The named cases: "module: name" -> steps."""
    modules = [importlib.import_module(f"twin_cases.{m.name}") for m in pkgutil.iter_modules(twin_cases.__path__)]
    return {f"{m.__name__.partition('.')[2]}: {name}": list(steps) for m in modules for name, steps in m.CASES.items()}


@dataclass
class Difference:
    """The first step at which the twins differ: what differs, and what each of them said."""

    at: int
    kinds: dict[str, str]
    kernel: Outcome
    vnic: Outcome

    def __str__(self) -> str:
        return f"step {self.at}: {', '.join(self.kinds)}\n  kernel {self.kernel}\n  vnic   {self.vnic}"


def compare(kernel: Twin, vnic: Twin, steps: Sequence[Step]) -> Difference | None:
    """Begin anew, and give both hosts the same steps after WARM. Return: the first difference."""
    for host in kernel, vnic:
        host.open(SOCKS)
    counted = vnic.counted()
    for at, step in enumerate((*WARM, *steps), -len(WARM)):
        k, v = kernel.step(step), vnic.step(step)
        if kinds := differences(k, v, counted):
            return Difference(at, kinds, k, v)
    return None


TRIES = 4
"""How often to compare before a difference counts: one of rules is there each time.

A busy machine's kernel may be late where time passes, and may leave a frame to ksoftirqd: then its end comes a step
later. And a softirq with other tests' packets may run on the twin's thread, so that their drops are in its trace.
"""


def persistent(kernel: Twin, vnic: Twin, steps: Sequence[Step]) -> Difference | None:
    """As compare(), but the difference is there each time."""
    for _ in range(TRIES):
        difference = compare(kernel, vnic, steps)
        if difference is None:
            return None
    return difference


def shrink(kernel: Twin, vnic: Twin, steps: Sequence[Step]) -> list[Step]:
    """The fewest of these steps, in their order, that still make a difference: leave out what is not needed."""
    difference = compare(kernel, vnic, steps)
    if difference is None:
        return []
    left = list(steps[: difference.at + 1])
    chunk = len(left)
    while chunk:
        at = 0
        while at < len(left):
            fewer = left[:at] + left[at + chunk :]
            if fewer and compare(kernel, vnic, fewer):
                left = fewer
            else:
                at += chunk
        chunk //= 2
    return left


def batch(rng: Random, size: int, only: str = "") -> Iterator[tuple[str, Step]]:
    """The inputs between two fresh starts: label, step."""
    twin_inputs.begin()
    made = 0
    while made < size:
        label, step = twin_inputs.frame(rng)
        if re.search(only, label):
            made += 1
            yield label, step
    yield "end", ("neighbours",)


# ---- what a kernel did, written down ----


def _plain(outcome: Outcome) -> dict[str, object]:
    """What an outcome says beyond one in which nothing happened; of places in the kernel those alone that decide."""
    nothing = asdict(Outcome())
    if outcome.places not in NO_HANDLER:
        nothing["places"] = outcome.places
    return {k: v for k, v in asdict(outcome).items() if v != nothing[k]}


def record(kernel: Twin, vnic: Twin, seed: int, batches: int, size: int) -> int:
    """Ask the kernel about all named cases and random batches, and write GOLDEN. Return: steps."""
    rng, told = Random(seed), []
    random_ = {f"random {i}": [step for _, step in batch(rng, size)] for i in range(batches)}
    for name, steps in (cases() | random_).items():
        for _ in range(TRIES):
            kernel.open(SOCKS)
            outcomes = [normal(kernel.step(step)) for step in (*WARM, *steps)]
            if compare(Recorded(outcomes), vnic, steps) is None:
                break
        told.append((name, steps, [_plain(o) for o in outcomes]))
    release = os.uname().release.split("-")[0]
    GOLDEN.write_bytes(lzma.compress(repr({"kernel": release, "told": told}).encode(), preset=9))
    return sum(len(steps) for _, steps, _ in told)


@functools.cache
def recorded() -> dict[str, tuple[list[Step], list[Outcome]]]:
    """What GOLDEN holds: name -> steps, and the kernel's outcomes of WARM and of these."""
    told = ast.literal_eval(lzma.decompress(GOLDEN.read_bytes()).decode())["told"]
    return {name: (steps, [Outcome(**o) for o in outcomes]) for name, steps, outcomes in told}


class Recorded:
    """A kernel that answers from the record."""

    name = "recorded"

    def __init__(self, outcomes: list[Outcome]) -> None:
        self._left = iter(outcomes)

    def open(self, socks: dict[str, Sock]) -> None:
        """Nothing is to be done."""

    def step(self, step: Step) -> Outcome:
        return next(self._left)


# ---- from the command line ----


def _print(found: Counter, seen: dict, show: str | None) -> Counter:
    kinds: Counter[str] = Counter()
    for (kind, _), n in found.items():
        kinds[kind] += n
    for kind, n in kinds.most_common():
        labels = Counter({label: m for (other, label), m in found.items() if other == kind})
        print(f"{n:5} {kind:45} {', '.join(f'{label}: {m}' for label, m in labels.most_common(6))}")
        if show and re.search(show, kind):
            for label, step, what, k, v in seen[kind][:3]:
                shown = step.hex() if isinstance(step, bytes) else step
                print(f"      {label}\n        step   {shown}\n        kernel {k}\n        vnic   {v}")
                print(f"        {what[:400]}")
    return kinds


def _told_apart(kernel: Twin, vnic: Twin, steps: list) -> Iterator[tuple]:
    """Begin anew, and do labelled steps to their end. Return: label, step, kind, what, outcomes of each difference."""
    for host in kernel, vnic:
        host.open(SOCKS)
    counted = vnic.counted()
    for label, step in steps:
        k, v = kernel.step(step), vnic.step(step)
        for kind, what in differences(k, v, counted).items():
            yield label, step, kind, what, k, v


def random_inputs(kernel: Twin, vnic: Twin, seed: int, inputs: int, size: int, only: str) -> tuple[int, Counter, dict]:
    """Compare random batches to their ends. Return: inputs; (kind, label) -> how often; kind -> examples."""
    rng, done, found, seen = Random(seed), 0, Counter(), {}
    while done < inputs:
        steps = [("warm", step) for step in WARM] + list(batch(rng, size, only))
        done += len(steps)
        for _ in range(TRIES):
            told = list(_told_apart(kernel, vnic, steps))
            if not told:
                break
        for label, step, kind, what, k, v in told:
            found[kind, " ".join(dict.fromkeys((label.split()[0], label.split()[-1])))] += 1
            seen.setdefault(kind, []).append((label, step, what, k, v))
    return done, found, seen


def main() -> None:
    from twin_kernel import KernelTwin
    from twin_vnic import VnicTwin

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--only", default="")
    parser.add_argument("--show")
    parser.add_argument("--case")
    parser.add_argument("--record", action="store_true")
    asked = parser.parse_args()
    began = time.monotonic()
    with KernelTwin() as kernel, VnicTwin() as vnic:
        if asked.record:
            print(f"{record(kernel, vnic, 2026, 40, 50)} steps recorded")
        elif asked.case is not None:
            for name, steps in cases().items():
                if re.search(asked.case, name):
                    print(f"{name}: {compare(kernel, vnic, steps) or 'the same'}")
        else:
            done, found, seen = random_inputs(kernel, vnic, asked.seed, asked.inputs, asked.batch, asked.only)
            kinds = _print(found, seen, asked.show)
            took = time.monotonic() - began
            print(f"{done} inputs, {len(kinds)} kinds of differences, {sum(kinds.values())} of them, {took:.1f} s")


if __name__ == "__main__":
    main()
