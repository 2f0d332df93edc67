"""vnic beside the running kernel: the configurations that are compared, the recording, and where cases are kept.

tests/golden/gro.json.xz is what a 6.18 kernel answered (frames in, full bytes out); tests/golden/found.json has the
batches on which vnic once differed, each shrunk. ``scripts/conformance --record`` makes both anew.
"""

import json
import lzma
import os
import random
import time
from collections.abc import Iterator

from gro_batches import ALL_FLOWS, KINDS, TCP_FLOWS, Batch, Vnic, random_batch, shrink
from kernel_gro import KernelGro, Seen, why_not
from paths import TESTS

GOLDEN = TESTS / "golden/gro.json.xz"
FOUND = TESTS / "golden/found.json"
RULES_OF = "6.18"  # the kernels whose rules vnic follows

_FWD, _LIST = "rx-udp-gro-forwarding", "rx-gro-list"
# In an outer IPv6 header 6.18 merges beyond 64 KB, then cannot finish the packet: it warns in its log, and loses all.
_BIG_FLOWS = ("tcp4", "tcp6", "tcp6 ext", "ipip", "6in4")
_STREAM = ("lost", "again", "overlap", "psh", "fin", "ack", "padding", "csum", "later", "id gap", "fixed id")

# name -> the kernel's configuration, vnic's, the generator's
SESSIONS: dict[str, tuple[dict, dict, dict]] = {
    "default": ({}, {}, {}),
    "tcp only, more of it": ({}, {}, {"flows": TCP_FLOWS}),
    "rx-udp-gro-forwarding": ({"features": [_FWD]}, {_FWD: "on"}, {}),
    "rx-gro-list": ({"features": [_LIST]}, {_LIST: "on"}, {}),
    "rx-gro-list and forwarding": ({"features": [_LIST, _FWD]}, {_LIST: "on", _FWD: "on"}, {}),
    "a socket with UDP_GRO": ({"udp_gro_ports": [8000]}, {"udp_gro_ports": [8000]}, {}),
    "a socket with UDP_GRO, rx-gro-list": (
        {"udp_gro_ports": [8000], "features": [_LIST]},
        {"udp_gro_ports": [8000], _LIST: "on"},
        {},
    ),
    "one socket with UDP_GRO, one without, all features": (
        {"udp_ports": [8000], "udp_gro_ports": [81], "features": [_LIST, _FWD]},
        {"udp_ports": [8000], "udp_gro_ports": [81], _LIST: "on", _FWD: "on"},
        {},
    ),
    "several polls": ({"features": [_FWD]}, {_FWD: "on"}, {"n": 150}),
    "buffers of 128 bytes": ({"features": [_FWD]}, {_FWD: "on", "rx-buf-len": 128}, {}),
    "buffers of 200 bytes, lists": ({"features": [_LIST]}, {_LIST: "on", "rx-buf-len": 200}, {}),
    "gro_max_size 540": (
        {"limits": {"gro_max_size": 540, "gro_ipv4_max_size": 540}, "features": [_FWD]},
        {"gro-max-size": 540, _FWD: "on"},
        {},
    ),
    "64 KB": (
        {"features": [_FWD]},
        {_FWD: "on", "rx-buf-len": 65536},
        {"sizes": (8000, 8000, 8000, 4036, 1448, 100), "flows": (*TCP_FLOWS, "udp4", "udp6"), "kinds": _STREAM},
    ),
    "BIG TCP": (
        {"limits": {"gro_max_size": 200_000, "gro_ipv4_max_size": 150_000}, "features": [_FWD]},
        {"gro-max-size": 200_000, "gro-ipv4-max-size": 150_000, "rx-buf-len": 65536, _FWD: "on"},
        {"sizes": (8000, 8000, 8000, 60_000), "flows": (*_BIG_FLOWS, "udp4", "udp6"), "kinds": _STREAM, "n": 64},
    ),
    "BIG TCP, lists": (
        {"limits": {"gro_max_size": 200_000, "gro_ipv4_max_size": 150_000}, "features": [_LIST]},
        {"gro-max-size": 200_000, "gro-ipv4-max-size": 150_000, "rx-buf-len": 65536, _LIST: "on"},
        {"sizes": (8000, 8000, 4000), "flows": (*_BIG_FLOWS, "udp4", "udp6"), "kinds": _STREAM, "n": 64},
    ),
}


def no_oracle() -> str | None:
    """Why the kernel here cannot be compared with; None: it can."""
    release = os.uname().release
    if not release.startswith(RULES_OF + "."):
        return f"the kernel is {release}; vnic follows {RULES_OF}"
    return why_not()


def kernel(session: str) -> KernelGro:
    return KernelGro(**SESSIONS[session][0])


def vnic_(session: str) -> Vnic:
    return Vnic(**SESSIONS[session][1])


def batches(session: str, seed: int) -> Iterator[Batch]:
    """Random ones, the same for a seed."""
    rng = random.Random(f"{session}/{seed}")
    options = {"flows": ALL_FLOWS, "kinds": KINDS} | SESSIONS[session][2]
    while True:
        yield random_batch(rng, **options)


def differ(k: KernelGro, v: Vnic, frames: list[bytes]) -> bool:
    """Do they, every time? A busy machine may split a batch of the kernel's, and then another: so with pauses."""
    for pause_s in (0, 0, 0.05, 0.2, 0.5):
        time.sleep(pause_s)
        if k.deliver(frames) == v.deliver(frames):
            return False
    return True


def compare(session: str, n: int, seed: int) -> tuple[int, int, list[Batch]]:
    """Compare n random batches. Return: batches, frames, those that differ (shrunk; at most three are looked for)."""
    done, frames_total, bad = 0, 0, []
    with kernel(session) as k, vnic_(session) as v:
        for _, batch in zip(range(n), batches(session, seed), strict=False):
            frames = batch.frames()
            done, frames_total = done + 1, frames_total + len(frames)
            if differ(k, v, frames):
                bad.append(shrink(batch, lambda b: differ(k, v, b.frames())))
                keep(session, bad[-1])
                if len(bad) == 3:
                    break
    return done, frames_total, bad


# ---- files ----


def pack(seen: list[Seen]) -> list[list]:
    return [[s.packet.hex(), *s[1:]] for s in seen]


def unpack(rows: list[list]) -> list[Seen]:
    return [Seen(bytes.fromhex(packet), *rest) for packet, *rest in rows]


def found() -> dict[str, dict]:
    return json.loads(FOUND.read_text()) if FOUND.exists() else {}


def keep(session: str, batch: Batch, name: str | None = None) -> None:
    """Keep a case: what vnic once got wrong is asked again for ever."""
    what = " then ".join(" ".join([batch.flows[i.flow], str(i.n), *i.special]) for i in batch.items)
    cases = found() | {name or f"{session}: {what}"[:200]: {"session": session, "batch": batch.plain()}}
    FOUND.parent.mkdir(exist_ok=True)
    FOUND.write_text(json.dumps(cases, indent=1) + "\n")


def record(table: dict[str, list[bytes]], n: int, seed: int) -> dict:
    """Ask the kernel for all: the table's rows, n random batches of each session, and the cases that were kept."""
    sessions, cases = {}, {}
    for session in SESSIONS:
        with kernel(session) as k:
            asked = list(table.values()) if session == "default" else []
            asked += [b.frames() for _, b in zip(range(n), batches(session, seed), strict=False)]
            sessions[session] = [[[f.hex() for f in frames], pack(k.deliver(frames))] for frames in asked]
    for name, case in found().items():
        with kernel(case["session"]) as k:
            cases[name] = pack(k.deliver(Batch.of(case["batch"]).frames()))
    golden = {"kernel": os.uname().release.split("-")[0], "hz": 250, "sessions": sessions, "found": cases}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_bytes(lzma.compress(json.dumps(golden).encode(), preset=9))
    return golden


def golden() -> dict:
    return json.loads(lzma.decompress(GOLDEN.read_bytes()))
