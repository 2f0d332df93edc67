"""Whatever a text says, import gives a configuration that a host takes, or one sentence."""

import json
import random
import tarfile
import tempfile
import tomllib
from pathlib import Path

import faces
import machine_texts
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vnic
from vnic.imports import imported
from vnic.imports.clone import clone
from vnic.imports.machine import Machine
from vnic.imports.texts import read

SMALL = {"rx-pool": 4096, "sockets": 64, "rx-buf-len": 256}
BASE = machine_texts.SOSREPORT
WORDS = ("", "n/a", "-1", "0", "1", "9" * 5000, "4294967296", "18446744073709551616", "0x10", "٣", "on", "off",
         "\0", ":", "ffffffff,ffffffff,ffffffff", "65535", "1000000", "CPU99999", "eth0", "\x1b[2J",
         "\x85", "=", "nan")  # fmt: skip


def judge(machine, dev=None):
    """A host takes the configuration, and it reads as a file."""
    try:
        found = imported._imported(clone(machine, dev), "a test")
    except vnic.ConfigError as e:
        one_sentence(e)
        return

    tree = tomllib.loads(str(found))
    assert {str(q): own for q, own in found.config.get("each_queue", {}).items()} == tree.get("queue", {})
    with vnic.Host(**(found.config | SMALL)) as host:
        assert host.laws() == 0


def one_sentence(error):
    assert "\n" not in str(error)


def mutated(text, seed):
    """Change words, lines and characters of a text."""
    r = random.Random(seed)
    lines = text.splitlines(keepends=True)
    for _ in range(r.randrange(1, 6)):
        at = r.randrange(len(lines))
        match r.randrange(6):
            case 0:
                lines[at] = lines[at][: r.randrange(len(lines[at]) + 1)]
            case 1:
                words = lines[at].split(" ")
                words[r.randrange(len(words))] = r.choice(WORDS) + r.choice(("", "\n"))
                lines[at] = " ".join(words)
            case 2:
                lines.insert(at, r.choice(lines))
            case 3:
                lines[at] = "".join(c if r.random() > 0.1 else chr(r.randrange(1, 300)) for c in lines[at])
            case 4:
                number = "".join(r.choice("0123456789") for _ in range(r.choice((1, 3, 9, 10, 20, 30))))
                lines[at] = "".join(number if c.isdigit() and r.random() < 0.3 else c for c in lines[at])
            case 5:
                del lines[at:]
                lines.append("x")
    return "".join(lines)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(sorted(BASE)), st.integers(0, 2**32)), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_mutated_texts(changes):
    machine, seeds = Machine(), dict(changes)
    for path, text in BASE.items():
        if "namespaces" not in path and not path.startswith("etc"):
            read(machine, path, mutated(text, seeds[path]) if path in seeds else text)
    judge(machine)


@given(st.lists(st.text(max_size=300), max_size=5), st.sampled_from(sorted(BASE)))
@settings(max_examples=100, deadline=None)
def test_random_texts_under_any_name(texts, path):
    machine = Machine()
    for text in texts:
        read(machine, path, text)
        read(machine, "x", path + text)
    judge(machine, "eth0")


HEADS = [text.splitlines()[0] for text in BASE.values()] + ["Queue: 3", "RSS hash key:", "[", "{"]


@given(st.lists(st.tuples(st.sampled_from(HEADS), st.lists(st.text(max_size=40), max_size=6)), max_size=8))
@settings(max_examples=100, deadline=None)
def test_first_lines_with_anything_behind_them(parts):
    machine = Machine()
    read(machine, "x", "\n".join("\n".join([head, *lines]) for head, lines in parts))
    judge(machine, "eth0")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(
            st.sampled_from(
                [
                    "ifname",
                    "ifindex",
                    "rx",
                    "rx-max",
                    "combined",
                    "combined-max",
                    "rx-usecs",
                    "adaptive-rx",
                    "queue",
                    "rss-hash-key",
                    "rss-indirection-table",
                    "rx-checksumming",
                    "active",
                    "driver",
                    "mtu",
                    "address",
                    "current",
                    "max",
                    "net.core.netdev_budget",
                    "rss-input-transformation",
                    "flags",
                    "gro_max_size",
                ]
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_json_of_any_shape(value):

    machine = Machine()
    read(machine, "x.json", json.dumps(value))
    judge(machine, "eth0")


@pytest.mark.parametrize("text", [
    "\n" * 1_000_000, " " * 1_000_000, "[" * 100_000, "{" + '"a":{' * 100_000, "Module" + " for " * 200_000,
    " CPU0" * 100_000, "CPU0\n" * 100_000, "00000000 " * 100_000, "net.core." + "a." * 500_000 + "=",
    "driver: x\n" + ":" * 1_000_000, "NIC statistics:\n" + " " * 1_000_000, "1" * 1_000_000 + ": x: <>",
    "RX flow hash indirection table for a with 1 RX ring(s):\n" + "0: " + "1 " * 500_000,
    "1 RX rings available\n" + "Filter: 1\n" * 100_000, "Queue: 1\n" * 100_000, "a mask: " * 100_000,
])  # fmt: skip
def test_long_texts_take_no_long_time(text):
    """pytest-timeout tells: a square of these lengths would take hours."""
    machine = Machine()
    read(machine, "x", text)
    judge(machine, "eth0")


@given(st.binary(max_size=2000), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_damaged_archives(noise, seed):
    r = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory:
        tree = faces.write(Path(directory) / "tree", {"a/proc/interrupts": machine_texts.INTERRUPTS})
        with tarfile.open(archive := Path(directory) / "x.tar", r.choice(("w", "w:gz", "w:bz2", "w:xz"))) as tar:
            tar.add(tree, "sos")
        data = bytearray(archive.read_bytes())
        at = r.randrange(len(data))
        data[at : at + r.randrange(1, 200)] = noise[: r.randrange(1, 200)]
        archive.write_bytes(data)
        try:
            vnic.import_config(archive, dev="eth0")
        except vnic.ConfigError as e:
            one_sentence(e)
