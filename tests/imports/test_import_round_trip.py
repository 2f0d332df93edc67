"""import(print(host)) == host: what a host shows of itself in Linux's words gives the same knobs again."""

import tempfile
from pathlib import Path

import faces
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vnic
from vnic.cli.config_file import load
from vnic.knobs.table import KNOBS
from vnic.linux.pseudofile import table_size

NOT_SHOWN = {
    "tcp": "a kernel's TCP always answers",
    "rx-pool": "no driver tells how many buffers it has",
    "fifo": "no tool shows a card's packet memory",
    "flow-control": "no tool shows it: a TAP has no pause frames",
    "tso": "a host without a TAP shows off [fixed]",
    "drop-en": "a bit in a register",
    "rx-flow-hash-udp": "the two below it are shown",
    "hz": "the kernel's config file is not one of a host's",
    "weight": "a constant of Linux",
    "gro-ipv4-max-size": "ip shows it since 6.3, and the host's ip is 6.1",
    "gro-cwr": "which kernel",
    "gro-flows": "vnic's own account",
    "busy-poll-budget": "an option of a socket",
    "irq-suspend-timeout": "shown by netlink only",
    "prefer-busy-poll": "an option of a socket",
    "reader-cpu": "where a program runs",
    "sockets": "vnic's own table",
    "speed": "of a capture",
    "strict-csum": "of a capture",
    "capture-mtu": "of a capture",
    "cost": "of virtual time",
    "lro": "off [fixed]",
    "rx-gro-hw": "off [fixed]",
    "rx-vlan-offload": "off [fixed]",
}
"""Knob -> why no text of Linux has it."""

U16 = st.integers(0, 65535)
RULES = st.sampled_from(
    [
        "udp4 dst-port 53",
        "tcp4 src-ip 10.0.0.0 m 0.0.0.255 src-port 1000",
        "ip4 l4proto 17 l4data 0x10002",
        "ip6 dst-ip fd00::1 l4proto 58",
        "tcp6 src-ip fd00:: m ::ffff dst-port 80 tclass 3",
        "ether dst 02:00:00:00:00:09 proto 0x88b5",
        "udp4 vlan 5 m 0xf000 dst-mac 02:00:00:00:00:07",
        "esp4 spi 4294967295",
        "sctp6 dst-port 9 m 0xff",
    ]
)
FIELDS = st.sets(st.sampled_from("sdfn"), min_size=1).map(lambda letters: "".join(sorted(letters, key="sdfn".index)))


@st.composite
def hosts(draw):
    """Arguments of Host: any values of the knobs that Linux's texts show."""
    cpus, queues = draw(st.sampled_from((1, 2, 5, 33, 64))), draw(st.integers(1, 16))
    mask = st.integers(0, (1 << cpus) - 1).map(lambda n: f"{n:x}")
    paired = draw(st.booleans())
    config = {
        "cpus": cpus,
        "queues": queues,
        "rx-ring": draw(st.sampled_from((16, 64, 512, 4096))),
        "rx-buf-len": draw(st.integers(128, 4096)),
        "mtu": draw(st.one_of(st.just(0), st.integers(1280, 65534))),
        "mac": draw(st.sampled_from(("any", "02:00:00:00:00:0a", "52:54:00:ff:00:01"))),
        "rss-xfrm": "symmetric-xor" if paired else "none",
        "link": draw(st.sampled_from(("10M", "1G", "2.5G", "25G", "100G", "inf"))),
        "netdev-budget-usecs": draw(st.integers(1, 10_000_000)),
        "rss-key": draw(st.binary(min_size=40, max_size=40).filter(any)).hex(":"),
        "rps-sock-flow-entries": draw(st.sampled_from((0, 64, 4096))),
        "rx-pool": 4096,
        "sockets": 64,
    }
    for name in ("promisc", "allmulti", "rx-vlan-filter", "tx", "rx", "rxhash", "gro", "rx-udp-gro-forwarding"):
        config[name] = draw(st.booleans())
    for name in ("rx-gro-list", "ntuple", "threaded", "adaptive-rx"):
        config[name] = draw(st.booleans())
    for name in ("icmp-ratelimit", "icmp-msgs-per-sec", "icmp-msgs-burst", "netdev-max-backlog", "gro-flush-timeout"):
        config[name] = draw(U16)
    for name in ("napi-defer-hard-irqs", "busy-read", "ipfrag-high-thresh", "ipfrag-time", "ipfrag-max-dist"):
        config[name] = draw(U16)
    for name in ("ip6frag-high-thresh", "ip6frag-time", "rcvbuf"):
        config[name] = draw(U16)
    for name in ("dev-weight", "netdev-budget", "gro-normal-batch", "flow-limit-table-len", "rx-usecs", "rx-frames"):
        config[name] = draw(st.integers(1, 1024))
    for name in ("rx-usecs-irq", "rx-frames-irq", "gro-max-size"):
        config[name] = draw(U16)
    config["rmem-max"] = draw(st.integers(2304, (1 << 31) - 1))
    config["flow-limit-cpus"] = draw(mask)
    for name in ("tcp4", "udp4", "tcp6", "udp6"):
        config[f"rx-flow-hash-{name}"] = draw(st.sampled_from(("sd", "fn", "sdfn")) if paired else FIELDS)
    table = draw(st.lists(st.integers(0, queues - 1), min_size=1, max_size=6))
    table = [table[i % len(table)] for i in range(128)]
    if table != [i % queues for i in range(128)]:  # the default, and the same set by hand, look alike
        config["rss-indir"] = table
    actions = st.integers(-1, queues - 1)
    rules = draw(st.lists(st.tuples(RULES, actions, st.integers(0, 127)), max_size=4, unique_by=lambda rule: rule[2]))
    config["ntuple-rules"] = [f"{words} action {action} loc {loc}" for words, action, loc in rules]
    own = st.fixed_dictionaries(
        {},
        optional={
            "rps-cpus": mask,
            "rps-flow-cnt": st.sampled_from((0, 32, 1024)),
            "smp-affinity": st.integers(1, (1 << cpus) - 1).map(lambda n: f"{n:x}"),
            "rx-usecs": st.integers(1, 1000),
            "rx-frames-irq": st.integers(0, 100),
        },
    )
    config["each_queue"] = draw(st.dictionaries(st.integers(0, queues - 1), own, max_size=3))
    return config


def arguments(config):
    return {name.replace("-", "_"): value for name, value in config.items()}


def knobs(host):
    """All knobs that a text shows, of the card and of each queue."""
    shown = {name: value for name, value in host.knobs.items() if name not in NOT_SHOWN}
    shown["rps-sock-flow-entries"] = table_size(shown["rps-sock-flow-entries"])
    return shown, [dict(host.knobs.queue(i)) for i in range(host.knobs.queues)]


def imported(host):
    with tempfile.TemporaryDirectory() as directory:
        return vnic.import_config(faces.write(Path(directory), faces.texts(host)))


def test_each_knob_is_shown_or_has_a_reason():
    """Texts show the others: the host of all defaults and the drawn hosts below have them."""
    with vnic.Host(rx_pool=4096, sockets=64) as host:
        found = set(imported(host).config)
    assert NOT_SHOWN.keys() <= KNOBS.keys()
    left_out = {"mtu", "mac", "rss-indir", "rss-xfrm", "ntuple-rules", "smp-affinity"}  # as they are by default
    assert KNOBS.keys() - NOT_SHOWN.keys() == (found & KNOBS.keys()) | left_out


@pytest.mark.slow
@given(hosts())
@settings(max_examples=25)
def test_a_host_is_imported_as_it_is(config):
    with vnic.Host(**arguments(config)) as host:
        found = imported(host)
        with vnic.Host(**(found.config | {"rx-pool": 4096, "sockets": 64})) as again:
            theirs, ours = knobs(again), knobs(host)
            assert {k: (theirs[0][k], v) for k, v in ours[0].items() if theirs[0][k] != v} == {}
            assert theirs[1] == ours[1]
            assert again.machine.c.ncpus == host.machine.c.ncpus
            assert str(imported(again)).split("\n", 1)[1] == str(found).split("\n", 1)[1]
    assert [str(note) for note in found.notes] == []


@pytest.mark.slow
@given(hosts())
@settings(max_examples=8)
def test_the_file_says_what_the_object_says(config):
    with vnic.Host(**arguments(config)) as host, tempfile.TemporaryDirectory() as directory:
        found = imported(host)
        (path := Path(directory) / "machine.toml").write_text(str(found))
        read = load(path, "replay", {"cpus": int})
    assert read.options | read.knobs == {name: v for name, v in found.config.items() if name != "each_queue"}
    assert read.each_queue == found.config.get("each_queue", {})
