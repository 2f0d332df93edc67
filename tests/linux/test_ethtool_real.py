"""What our ethtool prints, refuses and returns, against the real ethtool on devices in a namespace of the test's own.

A TAP and a veth called vnic0 have some of what the card has; for the rest tests/c/ethtool_card.c is preloaded: the real
tool then talks to a card that answers its ioctls. Needs root, ethtool 6.1, and for that a C compiler.
"""

import json
import re

import pytest
from real_ethtool import DEV, FLOWS, MARKS, QUEUES, TAP, VETH, Card, device, ours, real

from vnic.knobs.fields import FLOW_TYPES
from vnic.linux import ethtool, ethtool_coalesce, ethtool_features
from vnic.linux.ethtool_features import FEATURES, Feature
from vnic.linux.ip_route_words import pretty

pytestmark = MARKS

# ---- what is read from the arguments, and names that are none ----


@pytest.mark.parametrize("line", [
    "", "-Z vnic0", "-i", "-c", "-K", "-X", "-N", "-Q", "-i nodev", "-i vnic0 extra", "-S nodev", "-S vnic0 extra",
    "--driver nodev", "--statistics nodev", "--show-channels nodev", "--show-coalesce nodev", "--show-offload nodev",
    "-g nodev", "-l nodev", "-c nodev", "-k nodev", "-x nodev", "-n nodev", "--json -k nodev", "--json -a vnic0",
    "--json -a nodev", "--json --show-module vnic0", "--json --show-fec vnic0", "--json --cable-test vnic0",
    "--json -k", "-g vnic0 extra", "-l vnic0 extra",
    "-c vnic0 extra", "-k vnic0 extra", "-x vnic0 extra",
    "-C nodev rx-usecs 1", "-G nodev rx 1", "-L nodev rx 1", "-K nodev gro on", "-X nodev equal 1", "-X nodev hkey zz",
    "-N nodev rx-flow-hash tcp4 sd", "-n nodev rx-flow-hash tcp4", "-Q nodev queue_mask 1 -c",
    "-C vnic0", "-C vnic0 bla 5", "-C vnic0 rx-frames", "-C vnic0 rx-frames x", "-C vnic0 rx-frames 5x",
    "-C vnic0 rx-frames 4294967296", "-C vnic0 rx-frames ''", "-C vnic0 rx-frames -1", "-C vnic0 adaptive-rx maybe",
    "-C vnic0 adaptive-rx", "-C vnic0 rx-frames 1 rx-frames 2", "-C vnic0 rx-frame-low 1", "-C vnic0 rx-frames 0x10",
    "-C vnic0 rx-frames 010", "-C vnic0 rx-frames ' 5'", "-C vnic0 rx-frames +5", "-C vnic0 rx-frames 5 bla",
    "-C vnic0 tx-usecs 1", "-C vnic0 rx-frames 3 tx-frames 2", "-C vnic0 sample-interval 1 tx-usecs-irq 2",
    "-C vnic0 adaptive-tx on pkt-rate-low 3", "-C vnic0 cqe-mode-rx on", "-C vnic0 rx-frames-low 1",
    "-G vnic0 foo", "-G vnic0 foo 1", "-G vnic0 rx", "-G vnic0 rx -1", "-G vnic0 rx 1 rx 2", "-G vnic0 tx-push maybe",
    "-L vnic0 foo 1", "-L vnic0 rx", "-L vnic0 rx x", "-L vnic0 rx 1 rx 2", "-L vnic0 rx -1",
    "-K vnic0", "-K vnic0 gro maybe", "-K vnic0 gro", "-K vnic0 gro ON", "-K vnic0 gro on lro", "-K vnic0 foo on",
    "-K vnic0 GRO on", "-K vnic0 rx-checksumming off foo on", "-K vnic0 gro on foo on", "-K vnic0 tso on foo off",
    "-K vnic0 rx-gro on rx-lro off foo off", "-K vnic0 vlan-challenged on", "-K vnic0 ufo on", "-K vnic0 foo",
    "-X vnic0", "-X vnic0 foo", "-X vnic0 equal", "-X vnic0 equal x", "-X vnic0 equal 0", "-X vnic0 equal -1",
    "-X vnic0 weight", "-X vnic0 weight x", "-X vnic0 hkey", "-X vnic0 hfunc", "-X vnic0 start", "-X vnic0 start 1",
    "-X vnic0 start -1 equal 2", "-X vnic0 equal 2 weight 1 2", "-X vnic0 weight 1 equal 2", "-X vnic0 default equal 2",
    "-X vnic0 default weight 1", "-X vnic0 start 2 default", "-X vnic0 delete", "-X vnic0 context 0 delete",
    "-X vnic0 context 1 default", "-X vnic0 equal 2 foo", "-x vnic0 context", "-x vnic0 context x",
    "-x vnic0 context 0", "-N vnic0", "-N vnic0 foo", "-N vnic0 rx-flow-hash", "-N vnic0 rx-flow-hash tcp4",
    "-N vnic0 rx-flow-hash foo sd", "-N vnic0 rx-flow-hash tcp4 zz", "-N vnic0 rx-flow-hash ip4 sd",
    "-N vnic0 rx-flow-hash tcp4 sd extra", "-n vnic0 foo", "-n vnic0 rx-flow-hash", "-n vnic0 rx-flow-hash foo",
    "-n vnic0 rx-flow-hash tcp4 extra", "-Q vnic0", "-Q vnic0 queue_mask", "-Q vnic0 queue_mask 1",
    "-Q vnic0 queue_mask zz -c", "-Q vnic0 queue_mask 1x -c", "-Q vnic0 queue_mask 1 -g", "-Q vnic0 queue_mask 1 -i",
])  # fmt: skip
def test_the_same_answer_to_the_same_arguments(host, line):
    device(TAP)
    assert ours(host(queues=4), line) == real(line)


# ---- what is shown ----


def test_the_driver_as_the_real_ethtool_shows_it(host):
    device(VETH)
    out, _, _ = real(f"-i {DEV}")
    mine = ours(host(), f"-i {DEV}")[0]
    assert re.sub(r": .*", ": ", mine) == re.sub(r": .*", ": ", out)


def test_coalescing_of_a_tap():
    device(TAP)
    assert real(f"-C {DEV} rx-frames 16")[2] == 0
    assert ethtool_coalesce.netlink_text(DEV, {"rx-frames": 16}) == real(f"-c {DEV}")[0]


def test_channels():
    device(VETH)
    none = {"other": 0, "combined": 0}
    expected = ethtool.channels_text(DEV, {"rx": 4, "tx": 1} | none, {"rx": 1, "tx": 1} | none)
    assert real(f"-L {DEV} rx 1")[2] == 0
    assert real(f"-l {DEV}")[0] == expected


@pytest.mark.parametrize("line", [
    f"-l {DEV}", f"-L {DEV}", f"-L {DEV} rx 4", f"-L {DEV} rx 4 tx 1", f"-L {DEV} combined 0", f"-L {DEV} rx 999",
    f"-L {DEV} rx 0", f"-L {DEV} tx 0", f"-L {DEV} tx 2",
    f"-L {DEV} other 2", f"-L {DEV} other 1 rx 9", f"-L {DEV} rx 0x4",
])  # fmt: skip
def test_channels_asked_for(host, line):
    device(VETH)
    assert real(f"-L {DEV} rx 4")[2] == 0
    h = host(queues=3, cpus=4)
    ours(h, f"-L {DEV} rx 4")  # counted as a veth's
    mine, said = ours(h, line), real(line)
    if line.startswith("-l"):  # a veth has none that are combined
        mine = (mine[0].replace("Combined:\t4", "Combined:\tn/a").replace("Combined:\t0", "Combined:\tn/a"), *mine[1:])
    assert mine == said


# ---- features ----


def read_features(out):
    """What a listing says, by the kernel's names."""
    long = {name: pattern for _, name, pattern in ethtool_features.OLD_NAMES}
    found = {}
    for line in out.splitlines()[1:]:
        name, state = line.strip().split(": ")
        if "*" in long.get(name, ""):
            continue
        active, *note = state.split(" ", 1)
        wanted = {"[requested on]": True, "[requested off]": False}.get(*note) if note else None
        found[long.get(name, name)] = Feature(active == "on", fixed=note == ["[fixed]"], wanted=wanted)
    return {name: found[name] for name in FEATURES if name in found}


def known(out):
    """The listing without features that came after Linux 6.18."""
    lines = out.splitlines(keepends=True)
    old = {long for _, long, _ in ethtool_features.OLD_NAMES}
    return "".join(lines[:1] + [one for one in lines[1:] if one.strip().split(":")[0] in {*FEATURES, *old}])


@pytest.mark.parametrize("make", [TAP, VETH])
def test_the_listing_of_features(make):
    device(make)
    out, _, _ = real(f"-k {DEV}")
    features = read_features(out)
    assert len(features) > 40
    assert ethtool_features.features_text(DEV, features) == known(out)
    data = ethtool_features.features_data(DEV, features)
    text = real(f"--json -k {DEV}")[0]
    assert json.loads(text)[0] == data
    assert pretty([data]) + "\n" == text


CHANGES = [
    "gro off", "gro on", "rx-gro off", "gro on gro off", "lro on", "lro on gro on", "rx-gro-hw on gro off", "tx off",
    "tx on", "sg off", "sg on", "tso off", "tso on", "rxhash on", "receive-hashing off", "rx on", "rx off",
    "tx-checksum-ipv4 on", "gso off", "gso on", "lro off", "lro off gro off", "tso off tx-tcp-segmentation on",
    "ufo on", "tx-udp_tnl-segmentation off gro on", "tx-tcp6-segmentation off rxhash on tx off", "sg off gro on",
    "ntuple on", "rx-gro-list on rx-udp-gro-forwarding on", "rx-gro-list on rx-udp-gro-forwarding off", "highdma off",
    "rxvlan off",
]  # fmt: skip


def test_what_is_said_of_changed_features():
    device(VETH)
    for change in CHANGES:
        before = {name: f.active for name, f in read_features(real(f"-k {DEV}")[0]).items()}
        said = real(f"-K {DEV} {change}")
        after = {name: f.active for name, f in read_features(real(f"-k {DEV}")[0]).items()}
        wanted = ethtool_features.wanted(change.split())
        out, err = ethtool_features.changes_text(wanted, before, after)
        assert (out, err, 1 if err else 0) == said, change


# ---- what only a card of hardware has ----


def key(n: int) -> str:
    return bytes(range(n)).hex(":")


@pytest.mark.parametrize("line", [
    f"-x {DEV}", f"--show-rxfh-indir {DEV}", f"--show-rxfh {DEV}", f"-x {DEV} context 1", f"-n {DEV}", f"-u {DEV}",
    f"--show-nfc {DEV}", f"--show-ntuple {DEV}",
    *(f"-n {DEV} rx-flow-hash {name}{v}" for name in ("tcp", "udp", "sctp", "ah", "esp") for v in (4, 6)),
    f"-n {DEV} rx-flow-hash ether", f"-n {DEV} rx-flow-hash tcp4 context 1",
    *(f"-N {DEV} rx-flow-hash tcp4 {letters}" for letters in
      ("sdfn", "sd", "s", "''", "r", "sdr", "m", "v", "t", "nf", "ssdd", "sdfnr", "dfn", "sdfn context 1")),
    f"-N {DEV} rx-flow-hash udp6 sd", f"-U {DEV} rx-flow-hash udp4 sdfn", f"--config-nfc {DEV} rx-flow-hash tcp6 fn",
    f"-N {DEV} rx-flow-hash sctp4 sd", f"-N {DEV} rx-flow-hash sctp4 sdfn", f"-N {DEV} rx-flow-hash ah6 s",
    f"-N {DEV} rx-flow-hash ether sd",
    f"-X {DEV} equal 2", f"--set-rxfh-indir {DEV} equal 0x2", f"--rxfh {DEV} equal 3 start 1", f"-X {DEV} equal 4",
    f"-X {DEV} equal 5", f"-X {DEV} equal 200", f"-X {DEV} equal 4 start 1", f"-X {DEV} equal 2 equal 3",
    f"-X {DEV} equal 03", f"-X {DEV} equal 08",
    f"-X {DEV} weight 1 2", f"-X {DEV} weight 0 0", f"-X {DEV} weight 0", f"-X {DEV} weight 1 0 2 start 1",
    f"-X {DEV} weight 100 100", f"-X {DEV} weight 7 5 3 1", f"-X {DEV} weight 1 1 1 1 1", f"-X {DEV} weight 0 0 0 128",
    f"-X {DEV} weight 1 126 1", f"-X {DEV} weight 1 2 foo", f"-X {DEV} weight 3 x", f"-X {DEV} default",
    f"-X {DEV} hfunc toeplitz", f"-X {DEV} hfunc xor", f"-X {DEV} hfunc crc32", f"-X {DEV} hfunc foo",
    f"-X {DEV} hkey aa", f"-X {DEV} hkey zz", f"-X {DEV} hkey 'aa;bb'", f"-X {DEV} hkey {key(40)}",
    f"-X {DEV} hkey {key(41)}", f"-X {DEV} hkey {key(52)}", f"-X {DEV} hkey {key(53)}", f"-X {DEV} hkey {key(52)}:",
    f"-X {DEV} hkey :{key(52)}", f"-X {DEV} hkey {key(40).replace(':', '')}",
    f"-X {DEV} hkey {key(52).replace('0f', 'f')}", f"-X {DEV} hkey {key(52)} equal 2",
    f"-X {DEV} weight 1 2 hkey {key(40)}", f"-X {DEV} hkey {key(52)} hfunc toeplitz default",
    f"-X {DEV} hkey {key(52)} hfunc crc32 equal 2", f"-X {DEV} context new equal 2", f"-X {DEV} context 1 equal 2",
    f"-X {DEV} context 1 delete",
    f"-Q {DEV} queue_mask 3 -c", f"-Q {DEV} -c", f"--per-queue {DEV} queue_mask 0x5 --show-coalesce",
    f"-Q {DEV} queue_mask 0 -c", f"-Q {DEV} queue_mask 10 -c", f"-Q {DEV} queue_mask 1 -c extra",
    f"-Q {DEV} queue_mask 5 -C rx-usecs 9 rx-frames 3", f"-Q {DEV} -C rx-frames 3", f"-Q {DEV} queue_mask 1 -C",
    f"-Q {DEV} queue_mask 3 -C rx-frames 50", f"-Q {DEV} queue_mask 1 -C foo 1", f"-Q {DEV} queue_mask 1 -C rx-usecs",
    f"-Q {DEV} queue_mask 1 -C rx-usecs x", f"-Q {DEV} queue_mask 1 -C rx-usecs 0x10",
    f"-Q {DEV} queue_mask 1 -C rx-usecs -1", f"-Q {DEV} queue_mask 1 -C rx-usecs 4294967296",
    f"-Q {DEV} queue_mask 1 --coalesce rx-usecs 3 rx-usecs 4", f"-Q {DEV} queue_mask 1 -C adaptive-rx on",
    f"-Q {DEV} queue_mask 1 -C adaptive-rx off rx-usecs 50 rx-frames 7", f"-Q {DEV} queue_mask 1 -C adaptive-rx maybe",
    f"-Q {DEV} queue_mask 1 -C rx-frames 2 rx-usecs 50", f"-Q {DEV} queue_mask 1 -C tx-usecs 10",
    f"-Q {DEV} queue_mask 1 -C rx-usecs 0 rx-frames 0", f"-Q {DEV} queue_mask 1 -C cqe-mode-rx on",
    f"-Q {DEV} queue_mask 0 -C rx-usecs 3", f"-Q {DEV} queue_mask 10 -C rx-usecs 3", f"-Q {DEV} foo",
])  # fmt: skip
def test_a_card_of_hardware(host, preload, tmp_path, line):
    """The same text, the same exit code, and the same card afterwards."""
    device(TAP)
    h = host(queues=QUEUES, rx_usecs=50, rx_frames=2)
    h.knobs.queue(1).update({"rx-usecs": 51, "rx-frames": 1})
    card = Card(preload, tmp_path / "state", h)
    short = len(line.split("hkey ")[-1]) < 150 and "hkey" in line and key(41) not in line
    assert ours(h, line) == card.ethtool(line, 40 if short else 52)
    card.same_as(h)


def test_every_type_of_flow_is_in_these_tests():
    assert set(FLOWS) == set(FLOW_TYPES)
