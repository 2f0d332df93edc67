"""vnic validate --from: another machine's counters before and after, beside a replay of what came in between."""

import json

import frames
import pytest
from captures import pcap
from click.testing import CliRunner

from vnic.cli.commands import main
from vnic.errors import ConfigError
from vnic.validate import counters

COMMON = """\
driver: ice
version: 6.18
bus-info: 0000:05:00.0
Ring parameters for eth0:
Pre-set maximums:
RX:             8160
Current hardware settings:
RX:             64
Channel parameters for eth0:
Current hardware settings:
RX:             0
Combined:       1
"""
SOFTNET = "{processed:08x} {dropped:08x} {squeeze:08x}" + " 00000000" * 6 + " {rps:08x}" + " 00000000" * 3 + "\n"


def texts(*, irqs=0, processed=0, dropped=0, squeeze=0, rps=0, missed=0, datagrams=0, errors=0):
    return (
        COMMON
        + f"NIC statistics:\n     rx_packets: 99\n     rx_missed_errors: {missed}\n     tx_errors: 77\n"
        + f"     CPU0       \n 40: {irqs} PCI-MSI 2621440-edge ice-eth0-TxRx-0\nLOC: 99 Local timer\n"
        + SOFTNET.format(processed=processed, dropped=dropped, squeeze=squeeze, rps=rps)
        + "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: RtoMin MaxConn\nTcp: 200 -1\n"
        + f"Udp: InDatagrams RcvbufErrors\nUdp: {datagrams} {errors}\n"
    )


@pytest.fixture
def machine(tmp_path):
    def make(before, after, n=300, gap_ns=20_000):
        (tmp_path / "before").write_text(texts(**before))
        (tmp_path / "after").write_text(texts(**after))
        frame = frames.udp(bytes(60))
        (tmp_path / "x.pcap").write_bytes(pcap([(i * gap_ns, frame, len(frame)) for i in range(n)]))
        return [str(tmp_path / name) for name in ("before", "after", "x.pcap")]

    return make


def test_counters_that_moved_stand_beside_those_of_the_replay(machine):
    paths = machine({"irqs": 5, "datagrams": 7}, {"irqs": 305, "processed": 330, "datagrams": 307})
    found = {c.name: (c.seen, c.predicted) for c in counters.compare(*paths, dev="eth0", promisc=True).counters}
    assert found == {
        "interrupts": (300, 300),
        "card": (0, 0),
        "processed": (330, 300),
        "dropped": (0, 0),
        "time_squeeze": (0, 0),
        "received_rps": (0, 0),
        "UdpInDatagrams": (300, 300),
        "UdpRcvbufErrors": (0, 0),
    }


def test_losses_are_found_on_both_sides(machine):
    paths = machine({}, {"missed": 120, "errors": 3}, n=600, gap_ns=200)
    options = {"promisc": True, "fifo": 4000, "cost": {"poll": 100_000}, "dev": "eth0"}
    found = {c.name: c for c in counters.compare(*paths, **options).counters}
    assert (found["card"].seen, found["card"].predicted > 100) == (120, True)
    assert found["card"].error == found["card"].predicted / 120 - 1
    assert found["dropped"].error is None


def test_a_queue_s_own_losses_count_only_without_those_of_the_card():
    assert counters._losses({"rx_dropped": 5, "rx_queue_0_drops": 3, "tx_dropped": 9}) == 5
    assert counters._losses({"rx_queue_0_drops": 3, "rx_queue_1_drops": 4}) == 7


@pytest.mark.parametrize(
    "before, after, why",
    [
        ({"processed": 9}, {"processed": 3}, "processed: less after than before"),
        ({}, None, "none of its counters is in"),
    ],
)
def test_texts_that_cannot_be_compared_are_one_sentence(machine, tmp_path, before, after, why):
    paths = machine(before, after or {})
    if after is None:
        (tmp_path / "after").write_text(COMMON)
    with pytest.raises(ConfigError, match=why):
        counters.compare(*paths, dev="eth0")


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_prints_them(machine, as_json):
    before, after, capture = machine({}, {"irqs": 300, "processed": 300, "datagrams": 150})
    line = ["validate", "--from", before, after, "--capture", capture, "--dev", "eth0", *["--json"] * as_json]
    got = CliRunner().invoke(main, line)
    assert got.exit_code == 0, got.output
    if as_json:
        rows = {row["name"]: row for row in json.loads(got.stdout)["counters"]}
        assert rows["interrupts"]["seen"] == 300
        return
    assert got.stdout.startswith("eth0: how counters moved there, and in vnic\n")
    assert "interrupts" in got.stdout
    assert "/proc/net/snmp: datagrams read" in got.stdout


def test_a_capture_that_is_none_is_one_sentence(machine, tmp_path):
    before, after, _ = machine({}, {"irqs": 3})
    (tmp_path / "x").write_bytes(b"no capture")
    got = CliRunner().invoke(main, ["validate", "--from", before, after, "--capture", str(tmp_path / "x")])
    assert (got.exit_code, got.stdout, got.stderr.count("\n")) == (2, "", 1)
