"""vnic replay on the shipped capture: the frames and bytes scapy sees, and everything the JSON object promises."""

import json
from collections import Counter

import frames
import pytest
from paths import CAPTURES
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, Ether
from scapy.utils import rdpcap

from vnic.runs.replay import replay

DEMO = CAPTURES / "demo.pcapng"


@pytest.fixture(scope="module")
def facts():
    return replay([DEMO]).facts


def scapys_kind(p):
    if ARP in p:
        return "arp"
    if IPv6ExtHdrFragment in p or (IP in p and (p[IP].flags.MF or p[IP].frag)):
        return {1: "icmp", 58: "icmpv6", 17: "udp"}[p[IPv6ExtHdrFragment].nh if IPv6 in p else p[IP].proto]
    if TCP in p and ICMP not in p:
        return "tcp"
    if ICMP in p:
        return "icmp"
    if IPv6 in p and p[IPv6].nh in (58, 0) and UDP not in p:
        return "icmpv6"
    return "udp" if UDP in p else "other"


def test_frames_bytes_and_protocols_are_what_scapy_counts(facts):
    raw = frames.raw_frames(DEMO)
    kinds = Counter(scapys_kind(Ether(data)) for data in raw)
    fates = facts["ledger"]["fates"]
    assert facts["input"]["frames"] == facts["ledger"]["offered"] == len(raw)
    assert facts["input"]["bytes"] == facts["device"]["rx_bytes"] == sum(map(len, raw))
    assert fates["DELIVERED_ARP"] == kinds["arp"]
    assert fates["DELIVERED_ICMP"] == kinds["icmp"]  # fragments too: as many as became the datagram
    assert fates["DELIVERED_ICMPV6"] == kinds["icmpv6"]
    assert fates["DELIVERED_UDP"] == kinds["udp"]
    assert fates["DELIVERED_TCP"] + fates.get("NO_SOCKET", 0) + fates.get("TCP_CLOSE", 0) == kinds["tcp"]
    assert sum(fates.values()) == len(raw)


def test_the_json_object_has_its_keys(facts):
    assert list(facts)[:9] == [
        "schema",
        "input",
        "config",
        "ledger",
        "device",
        "queues",
        "cpus",
        "gro",
        "irq",
    ]
    assert {"offered", "in_flight", "fates"} <= facts["ledger"].keys()
    assert {
        "rx_packets",
        "rx_bytes",
        "rx_errors",
        "rx_dropped",
        "rx_fifo_errors",
        "rx_missed_errors",
    } <= facts["device"].keys()
    assert {"processed", "dropped", "time_squeeze", "received_rps"} <= facts["cpus"][0].keys()
    assert list(facts["latency_ns"]) == [
        "ring",
        "moderation",
        "poll",
        "gro",
        "backlog",
        "reorder",
        "stack",
        "socket",
        "total",
    ]
    json.dumps(facts)


def test_a_replay_of_the_same_input_has_the_same_output():
    options = {
        "queues": 4,
        "rps_cpus": "f",
        "rx_usecs": 30,
        "rx_frames": 8,
        "speed": 100,
        "seed": 7,
    }
    first, second = (json.dumps(replay([DEMO], **options).facts) for _ in range(2))
    assert first == second


def test_another_seed_steers_other_flows_elsewhere():
    options = {"rxhash": False, "rps_cpus": "f"}
    cpus = {tuple(c["processed"] for c in replay([DEMO], seed=s, **options).facts["cpus"]) for s in range(4)}
    assert len(cpus) > 1


def test_small_buffers_make_frames_span_and_change_no_fate(facts):
    spanned = replay([DEMO], rx_buf_len=256, gro=False).facts
    whole = replay([DEMO], gro=False).facts
    assert spanned["ledger"]["fates"] == whole["ledger"]["fates"]
    assert spanned["queues"][0]["bytes"] == whole["queues"][0]["bytes"]


def test_partial_checksums_are_completed_unless_strict(facts):
    assert facts["input"]["csum_completed"] > 200
    strict = replay([DEMO], strict_csum=True).facts
    fates = strict["ledger"]["fates"]
    assert strict["input"]["csum_completed"] == 0
    assert fates["UDP_CSUM"] + fates["TCP_CSUM"] == facts["input"]["csum_completed"]


def test_write_saves_what_the_tap_saw(tmp_path, facts):
    out = tmp_path / "out.pcapng"
    written = replay([DEMO], write=out, gro=False).facts
    packets = rdpcap(str(out))
    original = sorted(frames.raw_frames(DEMO))
    ours = sorted(bytes(p) for p in packets)
    assert len(ours) == len(original) == written["ledger"]["offered"]
    changed = sum(a not in set(original) for a in ours)
    assert changed == written["input"]["csum_completed"]  # the sum its sender's card would have filled in
    times = [p.time for p in packets]
    assert times == sorted(times)
    assert abs(float(times[0]) - written["input"]["first_ns"] / 1e9) < 0.001


def test_the_same_file_twice_is_one_after_the_other(facts):
    twice = replay([DEMO, DEMO], gro=False).facts
    assert twice["ledger"]["offered"] == 2 * facts["ledger"]["offered"]
    assert twice["ledger"]["in_flight"] == 0
    assert twice["input"]["duration_ns"] >= 2 * facts["input"]["duration_ns"] - 1_000_000
