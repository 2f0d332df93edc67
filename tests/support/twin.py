"""The twins compared: the same frames to the running kernel and to vnic, and what differs in what came of them.

What may differ is in FREEDOMS; nothing else.

Usage: python tests/support/twin.py [--seed N] [--inputs N] [--only REGEX] [--show REGEX] [--batch N]
       --only: inputs whose label matches; --show: an example of each kind of difference that matches
"""

import argparse
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import frames
import peer
import twin_inputs
from twin_hosts import Outcome, Sock

SOCKS = {
    "any": Sock(5000),
    "own4": Sock(5001, "10.0.0.2"),
    "own6": Sock(5001, "fd00::2"),
    "conn4": Sock(6000, "10.0.0.2", ("10.0.0.1", 7000)),
    "conn6": Sock(6000, "fd00::2", ("fd00::1", 7000)),
}

FREEDOMS = {
    "the id of an IPv4 header": "Linux draws it, from a hash of the addresses; vnic counts",
    "padding of short frames": "a TAP has none",
    "QDISC_DROP": "what a host sends to itself: vnic has no loopback device, and the kernel's is down",
}


def _without_id(frame: bytes) -> bytes:
    """The frame with id and checksum of its IPv4 header 0."""
    if frame[12:14] != b"\x08\x00" or frames.csum(frame[14 : 14 + (frame[14] & 15) * 4]) != 0:
        return frame
    return frame[:18] + b"\0\0" + frame[20:24] + b"\0\0" + frame[26:]


def normal(outcome: Outcome) -> Outcome:
    return replace(outcome, replies=[_without_id(r) for r in outcome.replies])


def differences(kernel: Outcome, vnic: Outcome, counted: set[str]) -> dict[str, str]:
    """kind -> what differs."""
    kernel, vnic = normal(kernel), normal(vnic)
    found = {}
    if kernel.replies != vnic.replies:
        kind = "replies" if len(kernel.replies) == len(vnic.replies) else f"replies {len(kernel.replies)}/{len(vnic.replies)}"
        found[kind] = f"{[r.hex() for r in kernel.replies]} / {[r.hex() for r in vnic.replies]}"
    k, v = {n: x for n, x in counters(kernel.counters).items() if n in counted}, vnic.counters
    for name in sorted(k.keys() | v.keys()):
        if k.get(name, 0) != v.get(name, 0):
            found[f"{name} {k.get(name, 0)}/{v.get(name, 0)}"] = ""
    if kernel.sockets != vnic.sockets:
        found["sockets"] = f"{kernel.sockets} / {vnic.sockets}"
    a, b = sorted(set(kernel.drops) - {"QDISC_DROP"}), sorted(set(vnic.drops))
    if a != b and not (a == ["NOT_SPECIFIED"] and b):
        found[f"drop {','.join(a)}/{','.join(b)}"] = str(kernel.places)
    return found


def counters(kernel: dict[str, int]) -> dict[str, int]:
    """The kernel's by vnic's names: UDP of both families is counted together."""
    out: dict[str, int] = {}
    for name, n in kernel.items():
        mine = {"IpExt_InCsumErrors": "Ip_InCsumErrors"}.get(name, name.replace("Udp6_", "Udp_"))
        out[mine] = out.get(mine, 0) + n
    return out


WARM = (
    ("arp", peer.arp(1, "10.0.0.1", "10.0.0.2")),
    ("arp", peer.arp(1, "10.1.0.9", "10.1.0.2")),
    ("ns", peer.nd(135, "fd00::2", src="fd00::1", dst="ff02::1:ff00:2")),
    ("ns", peer.nd(135, twin_inputs.LINK_LOCAL, src="fe80::1", dst="ff02::1:ff00:1")),
)
"""Frames that begin each batch: by them both hosts know the MAC addresses of those who ask."""


def batch(rng: Random, size: int, only: str = "") -> Iterator[tuple[str, bytes]]:
    """The inputs between two fresh starts: label, frame."""
    yield from WARM
    made = 0
    while made < size:
        label, frame = twin_inputs.frame(rng)
        if re.search(only, label):
            made += 1
            yield label, frame


def main() -> None:
    from twin_kernel import KernelTwin
    from twin_vnic import VnicTwin

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--only", default="")
    parser.add_argument("--show")
    asked = parser.parse_args()
    rng, inputs, found, seen = Random(asked.seed), 0, Counter(), {}
    began = time.monotonic()
    with KernelTwin() as kernel, VnicTwin() as vnic:
        kernel.open(SOCKS)
        time.sleep(2)  # until the kernel has reported its groups
        while inputs < asked.inputs:
            for host in kernel, vnic:
                host.open(SOCKS)
            counted = set(vnic.host.mib())
            for label, frame in batch(rng, asked.batch, asked.only):
                inputs += 1
                k, v = kernel.frame(frame), vnic.frame(frame)
                for kind, what in differences(k, v, counted).items():
                    found[kind, " ".join(dict.fromkeys((label.split()[0], label.split()[-1])))] += 1
                    seen.setdefault(kind, []).append((label, frame, what, k, v))
    kinds = Counter()
    for (kind, _), n in found.items():
        kinds[kind] += n
    for kind, n in kinds.most_common():
        labels = Counter({label: m for (other, label), m in found.items() if other == kind})
        print(f"{n:5} {kind:45} {', '.join(f'{label}: {m}' for label, m in labels.most_common(6))}")
        if asked.show and re.search(asked.show, kind):
            for label, frame, what, k, v in seen[kind][:3]:
                print(f"      {label}\n        frame  {frame.hex()}\n        kernel {k}\n        vnic   {v}\n        {what[:400]}")
    print(f"{inputs} inputs, {len(kinds)} kinds of differences, {sum(kinds.values())} of them, {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
