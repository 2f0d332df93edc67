"""TCP's sysctls: what a write returns and what reads back is what the running kernel says, in its own namespace."""

import errno
import os
from pathlib import Path

import pytest

from vnic.knobs.parse import Integer
from vnic.knobs.table import KNOBS
from vnic.linux import procfs, sysctl_tcp
from vnic.linux.pseudofile import WriteError
from vnic.linux.sysctl_rows import path

NUMBERS = [
    "0",
    "1",
    "2",
    "127",
    "128",
    "255",
    "256",
    "1000",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "-1",
    "-2147483648",
]
TEXTS = [
    "",
    "x",
    "1x",
    "+1",
    "08",
    "010",
    "0x10",
    "1.5",
    " 7",
    "7 ",
    "7 8",
    "7\t8\n9",
    "--1",
    "-",
    "99999999999999999999",
]
TRIPLES = [
    "1 2 3", "4096 131072 6291456", "5 6", "5 6 7 8", "3 2 1", "1 2 x", "1 0 3", "0 2 3", "1 2 2147483648", "1,2,3",
    "1 2 2147483647", "4k 5k 6k",
]  # fmt: skip
PAIRS = [
    "1023 2000", "1024 2000", "40000", "40000 30000", "40000 40000", "50000 x", "0 5", "50000 65536", "-1 5",
    "40000 50000 7", "x 5", "1025 1024", "60999", "61000",
]  # fmt: skip
WORDS = ["reno", "Reno", "reno ", " reno", "reno x", "reno\nx", "none", "renorenorenoreno", "reno\0x"]
"""Reno is in every kernel, and a namespace may have it."""
HOST_ONLY = {"net.ipv4.tcp_congestion_control"}
"""Names whose default is a kernel's configuration."""


def edges(name):
    parse = KNOBS[sysctl_tcp.NAMES[name]].parse
    return [str(n) for edge in (parse.low, parse.high) for n in (edge - 1, edge, edge + 1)]


def texts(name):
    if name.endswith("range"):
        return NUMBERS + TEXTS + PAIRS
    if name.endswith("mem"):
        return NUMBERS + TEXTS + TRIPLES
    return WORDS + TEXTS if name in HOST_ONLY else NUMBERS + TEXTS + edges(name)


def put(write, text):
    try:
        write(text)
    except OSError as e:
        return errno.errorcode[e.errno], getattr(e, "reason", "")
    return "taken", ""


def put_kernel(file):
    def write(text):
        fd = os.open(file, os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    return write


@pytest.fixture
def kernel(netns):
    """The files of a namespace of their own; skipped if its jiffies are not 4 ms."""
    limit = Path("/proc/sys/net/ipv4/icmp_ratelimit")
    limit.write_text("7")
    if limit.read_text() != "8\n":
        pytest.skip("the seconds' ranges are those of 250 Hz")


@pytest.mark.root
@pytest.mark.parametrize("name", sysctl_tcp.SYSCTLS)
def test_a_write_is_taken_or_refused_as_the_kernel_does(host, kernel, name):
    """Only what Linux takes and a host cannot has a sentence of vnic's own."""
    h, file = host(hz=250), path(name)
    if not Path(file).exists() or not Path(file).stat().st_mode & 0o200:
        pytest.skip(f"no namespace has a {name} of its own")
    if name in HOST_ONLY:
        put_kernel(file)("reno\n")
        procfs.write(h, file, "reno\n")
    for text in texts(name):
        theirs = put(put_kernel(file), f"{text}\n")
        got = put(lambda t: procfs.write(h, file, t), f"{text}\n")
        if got[1]:
            assert theirs[0] == "taken", text
            assert name in TAKES_LESS, (text, got)
            assert got[0] == "EINVAL"
            put_kernel(file)(procfs.read(h, file))
            continue
        assert got[0] == theirs[0], repr(text)
        assert procfs.read(h, file) == Path(file).read_text(), repr(text)


TAKES_LESS = {f"net.ipv4.tcp_{n}" for n in (
    "challenge_ack_limit", "fin_timeout", "invalid_ratelimit", "keepalive_intvl", "keepalive_time",
    "max_orphans", "max_syn_backlog", "max_tw_buckets",
)}  # fmt: skip
"""Linux takes negative times, negative bounds, and numbers of TIME_WAIT that no table here is for."""


def test_only_these_take_less_than_linux(host):
    """Each of them refuses something, with a reason."""
    h = host()
    for name in TAKES_LESS:
        text = "2147483647" if name.endswith("ratelimit") else "-1"
        with pytest.raises(WriteError) as e:
            procfs.write(h, path(name), text)
        assert "must be between" in e.value.reason


OF_MEMORY = {
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
}
"""Names whose default Linux derives from the machine's memory."""


@pytest.mark.root
@pytest.mark.parametrize("name", sorted(sysctl_tcp.SYSCTLS.keys() - OF_MEMORY - HOST_ONLY))
def test_the_default_is_the_kernels(host, kernel, name):
    if not Path(path(name)).exists():
        pytest.skip(f"this kernel has no {name}")
    assert procfs.read(host(), path(name)) == Path(path(name)).read_text()


SEVERAL = ("ip-local-port-range", "tcp-congestion-control", "tcp-rmem", "tcp-wmem")


def test_each_number_of_the_endpoint_is_a_whole_one_or_has_a_row_of_its_own():
    for name, row in sysctl_tcp.SYSCTLS.items():
        knob = sysctl_tcp.NAMES[name]
        assert row.source == f"knob {knob}"
        assert isinstance(KNOBS[knob].parse, Integer) or knob in SEVERAL
