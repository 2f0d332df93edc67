"""The real ethtool beside ours: on a TAP, on a veth, and before tests/c/ethtool_card.c, a card that answers ioctls.

A test module takes MARKS as its pytestmark.
"""

import os
import shlex
import shutil
import struct
import subprocess
from pathlib import Path

import needs
import pytest
from paths import TESTS

from vnic.linux import ethtool

VERSION = subprocess.getoutput("ethtool --version") if needs.has("ethtool") else ""
MARKS = [
    pytest.mark.root,
    pytest.mark.usefixtures("netns"),
    pytest.mark.needs("ethtool", "ip"),
    pytest.mark.skipif(
        VERSION not in ("", "ethtool version 6.1"), reason=f"the texts are ethtool 6.1's; here is {VERSION}"
    ),
]
DEV = "vnic0"
TAP = f"ip tuntap add {DEV} mode tap"
VETH = f"ip link add {DEV} numrxqueues 4 numtxqueues 1 type veth peer name peer numrxqueues 1 numtxqueues 4"


def run(command, **env):
    done = subprocess.run(
        shlex.split(command) if isinstance(command, str) else command,
        env=os.environ | {"LC_ALL": "C"} | env, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    return done.stdout, done.stderr, done.returncode


def real(line, **env):
    return run(["ethtool", *shlex.split(line)], **env)


def ours(h, line):
    reply = ethtool.command(h, shlex.split(line))
    return reply.out, reply.err, reply.code


def device(command):
    out, err, code = run(command)
    assert code == 0, out + err


QUEUES = 4
RULES = struct.Struct("128I21504s")  # locations in use, struct ethtool_rx_flow_spec of each
CARD = struct.Struct(f"128I256s16I48I{RULES.size}s")
FLOWS = {"tcp4": 1, "udp4": 2, "tcp6": 5, "udp6": 6}  # TCP_V4_FLOW ..
RXH = {"s": 0x10, "d": 0x20, "f": 0x40, "n": 0x80}


class Card:
    """The real ethtool in front of the preloaded card, which begins in the state of a host."""

    def __init__(self, preload: Path, state: Path, h) -> None:
        self.preload, self.state = preload, state
        fields = [0] * 16
        for name, at in FLOWS.items():
            fields[at] = sum(RXH[letter] for letter in h.knobs[f"rx-flow-hash-{name}"])
        queues = []
        for i in range(16):
            knobs = h.knobs.queue(i) if i < QUEUES else {"rx-usecs": 0, "rx-frames": 0}
            queues += [knobs["rx-usecs"], knobs["rx-frames"], 0]
        rules = bytes(RULES.size)
        state.write_bytes(CARD.pack(*h.knobs["rss-indir"], h.knobs["rss-key"], *fields, *queues, rules))

    def ethtool(self, line: str, key_size: int):
        env = {"LD_PRELOAD": self.preload, "ETHTOOL_STATE": self.state, "ETHTOOL_QUEUES": QUEUES,
               "ETHTOOL_KEY_SIZE": key_size, "ETHTOOL_DEVICE": DEV}  # fmt: skip
        return real(line, **{name: str(value) for name, value in env.items()})

    def same_as(self, h) -> None:
        values = CARD.unpack(self.state.read_bytes())
        assert values[:128] == h.knobs["rss-indir"]
        assert values[128][:52] == h.knobs["rss-key"]
        for name, at in FLOWS.items():
            fields = "".join(letter for letter, bit in RXH.items() if values[129 + at] & bit)
            assert fields == h.knobs[f"rx-flow-hash-{name}"]
        for i in range(QUEUES):
            knobs = h.knobs.queue(i)
            assert values[145 + 3 * i :][:2] == (knobs["rx-usecs"], knobs["rx-frames"])


def built_card(at: Path) -> Path:
    """tests/c/ethtool_card.c as a library for LD_PRELOAD, built in a directory."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler: cc")
    library = at / "card.so"
    source = TESTS / "c/ethtool_card.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, timeout=60)
    return library
