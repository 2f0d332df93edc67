"""ethtool on a host: what an option shows is what the card does, and what it sets, the card does from then on.

That text and exit codes are the real tool's: test_ethtool_real.py.
"""

import frames
import pytest
from commands import ethtool as ethtool_of
from model import rss as model
from paths import CAPTURES

import vnic
from vnic.capture_wire import CaptureWire
from vnic.linux import ethtool

V4 = {"src": "10.1.2.3", "dst": "10.4.5.6"}
V6 = {"src": "fd00::1:2", "dst": "fd00::3:4"}
INVALID = "netlink error: Invalid argument\n"
UNSUPPORTED = "netlink error: Operation not supported\n"


def shown(h, line):
    """``name: value`` lines, tabs taken off."""
    lines = ethtool_of(h, line).out.splitlines()
    return dict(one.replace("\t", "").replace(": ", ":").split(":", 1) for one in lines if ":" in one)


def arrived(h):
    return [q.packets for q in h.nic.queues()]


# ---- -i -g -G -l -L ----


@pytest.mark.parametrize("capture", [None, *sorted(CAPTURES.glob("*.pcap*"))[:1]])
def test_ethtool_i_shows_the_driver(capture):
    wire = CaptureWire([capture]) if capture else None
    with vnic.Host(wire=wire) as h:
        info = shown(h, "-i vnic0")
        assert (info["driver"], info["version"]) == ("vnic", vnic.__version__)
        assert info["bus-info"] == (capture.name[:31] if capture else "memory")
        assert ethtool_of(h, "--driver vnic0").out == ethtool_of(h, "-i vnic0").out


def test_the_rings_are_shown_as_a_driver_of_hardware_has_them_shown(host):
    """The same lines as ethtool 6.1 on Linux 6.18 prints of a virtio-net card, with this card's numbers."""
    assert ethtool_of(host(rx_ring=512, rx_buf_len=4096), "-g vnic0").out == (
        "Ring parameters for vnic0:\nPre-set maximums:\n"
        "RX:\t\t4096\nRX Mini:\tn/a\nRX Jumbo:\tn/a\nTX:\t\t256\n"
        "Current hardware settings:\n"
        "RX:\t\t512\nRX Mini:\tn/a\nRX Jumbo:\tn/a\nTX:\t\t256\n"
        "RX Buf Len:\t\t4096\nCQE Size:\t\tn/a\nTX Push:\toff\nTCP data split:\tn/a\n"
    )


@pytest.mark.parametrize(("asked", "said"), [
    ("rx 5000", "netlink error: requested ring size exceeds maximum (offset 36)\n" + INVALID),
    ("tx 256 rx 4097", "netlink error: requested ring size exceeds maximum (offset 44)\n" + INVALID),
    ("rx-mini 1", "netlink error: requested ring size exceeds maximum (offset 36)\n" + INVALID),
    ("tx 512", "netlink error: requested ring size exceeds maximum (offset 36)\n" + INVALID),
    ("rx 1000", "netlink error: rx-ring=1000: must be a power of two\n" + INVALID),
    ("rx 8", "netlink error: rx-ring=8: must be between 16 and 4096\n" + INVALID),
    ("tx 128", "netlink error: the sending ring has 256 descriptors, always\n" + INVALID),
    ("tx-push on", "netlink error: setting tx push not supported (offset 36)\n" + UNSUPPORTED),
    ("rx 512 cqe-size 64", "netlink error: setting cqe size not supported (offset 44)\n" + UNSUPPORTED),
    ("rx 512 rx-buf-len 4096", "netlink error: rx-buf-len=4096: cannot be changed now: buffers of that size were laid"
     " out when the card was made\n" + UNSUPPORTED),
])  # fmt: skip
def test_a_ring_that_cannot_be_leaves_all_as_it_was(host, asked, said):
    h = host()
    ethtool_of(h, f"-G vnic0 {asked}", code=81, err=said)
    assert shown(h, "-g vnic0")["RX"] == "256"


def test_what_a_ring_is_already_is_no_change(host):
    h = host()
    for line in (
        "-G vnic0",
        "-G vnic0 rx 256 tx 256 rx-buf-len 2048",
        "-L vnic0",
        "-L vnic0 rx 1 tx 1 other 0",
        "-C vnic0",
    ):
        assert ethtool_of(h, line).out == ""


def current(h):
    return {kind: n for kind, n in ethtool.command(h, ["-l", "vnic0"]).data["current"].items() if n}


@pytest.mark.parametrize(("asked", "then"), [
    ("combined 2", [{"combined": 2}]),
    ("rx 2", [{"rx": 2, "tx": 1}]),
    ("rx 2 tx 1", [{"rx": 2, "tx": 1}]),
    ("combined 0 rx 4 tx 1", [{"rx": 4, "tx": 1}]),
    ("rx 3; combined 3", [{"rx": 3, "tx": 1}, {"combined": 3}]),
    ("rx 3; combined 0; rx 2; combined 4 rx 0 tx 0", [{"rx": 3, "tx": 1}] * 2 + [{"rx": 2, "tx": 1}, {"combined": 4}]),
])  # fmt: skip
def test_channels_are_combined_or_receive_and_one_sends(host, asked, then):
    """As bnxt and ice count them, both ways; those of the other kind are no more."""
    h = host(queues=3, cpus=4)
    assert current(h) == {"combined": 3}
    for line, now in zip(asked.split("; "), then, strict=True):
        ethtool_of(h, f"-L vnic0 {line}")
        assert current(h) == now
        assert h.knobs["queues"] == max(now.values())


NONE = "requested channel counts would result in no RX or TX channel being configured"
BOTH = "channels are combined, or they receive and one sends: not both"


@pytest.mark.parametrize(("before", "asked", "said"), [
    ("", "combined 5", "requested channel count exceeds maximum (offset 36)"),
    ("", "rx 5", "requested channel count exceeds maximum (offset 36)"),
    ("", "tx 2", "requested channel count exceeds maximum (offset 36)"),
    ("", "combined 0", f"{NONE} (offset 36)"),
    ("", "rx 2 combined 0", f"{NONE} (offset 44)"),
    ("rx 2", "rx 0", f"{NONE} (offset 36)"),
    ("rx 2", "tx 0", f"{NONE} (offset 36)"),
    ("", "combined 2 rx 2", BOTH),
    ("", "tx 1", BOTH),
    ("rx 2", "combined 1 tx 1", BOTH),
])  # fmt: skip
def test_channels_that_cannot_be_leave_all_as_it_was(host, before, asked, said):
    h = host(queues=3, cpus=4)
    if before:
        ethtool_of(h, f"-L vnic0 {before}")
    was = current(h)
    ethtool_of(h, f"-L vnic0 {asked}", code=1, err=f"netlink error: {said}\n{INVALID}")
    assert current(h) == was


def test_channels_are_shown_as_a_driver_that_counts_both_ways_has_them_shown(host):
    assert ethtool_of(host(queues=3, cpus=4), "-l vnic0").out == (
        "Channel parameters for vnic0:\nPre-set maximums:\n"
        "RX:\t\t4\nTX:\t\t1\nOther:\t\tn/a\nCombined:\t4\n"
        "Current hardware settings:\n"
        "RX:\t\t0\nTX:\t\t0\nOther:\t\tn/a\nCombined:\t3\n"
    )


def test_the_default_table_follows_the_queues_and_one_of_ones_own_keeps_them(host):
    h = host(queues=4)
    ethtool_of(h, "-L vnic0 rx 2")
    assert set(h.knobs["rss-indir"]) == {0, 1}
    ethtool_of(h, "-X vnic0 equal 2")  # the same numbers, but now they were asked for
    why = "netlink error: requested channel counts are too low for existing indirection table (1)\n" + INVALID
    ethtool_of(h, "-L vnic0 rx 1", code=1, err=why)
    assert h.knobs["queues"] == 2
    ethtool_of(h, "-X vnic0 default")
    ethtool_of(h, "-L vnic0 rx 1")
    assert set(h.knobs["rss-indir"]) == {0}


# ---- -c -C -Q ----


def test_coalescing_round_trip(host):
    h = host(queues=2)
    ethtool_of(h, "-C vnic0 rx-usecs 50 rx-frames 0")
    assert [h.knobs.queue(i)["rx-usecs"] for i in (0, 1)] == [50, 50]
    values = shown(h, "-c vnic0")
    assert (values["rx-usecs"], values["rx-frames"], values["tx-usecs"]) == ("50", "0", "n/a")
    assert values["rx-usecs-irq"] == (str(h.knobs["rx-usecs-irq"]) if "rx-usecs-irq" in h.knobs else "n/a")
    ethtool_of(h, "-C vnic0 adaptive-rx on")
    assert "Adaptive RX: on  TX: n/a\n" in ethtool_of(h, "-c vnic0").out
    ethtool_of(
        h,
        "-Q vnic0 queue_mask 1 -C adaptive-rx off",
        err="Cannot set device per queue parameters: Operation not supported\n",
    )


@pytest.mark.parametrize(("asked", "said"), [
    ("rx-usecs 0 rx-frames 0", "rx-usecs=0 and rx-frames=0: there would never be an interrupt"),
    ("rx-usecs 7 rx-frames 70000", "rx-frames=70000: must be between 0 and 65535"),
    ("rx-frames 7 rx-usecs 100001", "rx-usecs=100001: must be between 0 and 100000"),
])  # fmt: skip
def test_coalescing_that_cannot_be_leaves_all_as_it_was(host, asked, said):
    h = host()
    ethtool_of(h, f"-C vnic0 {asked}", code=1, err=f"netlink error: {said}\n{INVALID}")
    assert (h.knobs["rx-usecs"], h.knobs["rx-frames"]) == (0, 1)


def test_a_queue_of_its_own(host):
    h = host(queues=3)
    ethtool_of(h, "-Q vnic0 queue_mask 6 -C rx-usecs 7 rx-frames 9")
    assert [h.knobs.queue(i)["rx-usecs"] for i in range(3)] == [0, 7, 7]
    reply = ethtool_of(h, "-Q vnic0 queue_mask 2 -c")
    assert reply.data[0]["rx-frames"] == 9
    assert reply.out.startswith("Queue: 1\n")
    said = "Cannot set device per queue parameters: Invalid argument\n"
    ethtool_of(h, "-Q vnic0 -C rx-usecs 200000", err=said)
    ethtool_of(h, "-Q vnic0 queue_mask 7 -C rx-frames 70000 rx-usecs 8", err=said)
    assert [h.knobs.queue(i)["rx-usecs"] for i in range(3)] == [0, 7, 7]


def test_the_interrupts_follow_the_coalescing_that_was_set(host):
    """40 frames, 1 us apart: one interrupt each, or one after 10 of them."""
    counts = []
    for line in ("-C vnic0 rx-frames 1", "-C vnic0 rx-frames 10 rx-usecs 100"):
        h = host(cpus=1)
        ethtool_of(h, line)
        h.feed([frames.udp()] * 40, gap_ns=1000)
        h.run()
        counts.append(ethtool.command(h, ["-S", "vnic0"]).data["rx_queue_0_interrupts"])
    assert counts == [40, 4]


# ---- -k -K ----


@pytest.mark.parametrize(("names", "knob"), [
    (["rx", "rx-checksumming", "rx-checksum"], "rx"),
    (["gro", "generic-receive-offload", "rx-gro"], "gro"),
    (["ntuple", "ntuple-filters", "rx-ntuple-filter"], "ntuple"),
    (["rxhash", "receive-hashing", "rx-hashing"], "rxhash"),
    (["rx-vlan-filter"], "rx-vlan-filter"),
    (["rx-gro-list"], "rx-gro-list"),
    (["rx-udp-gro-forwarding"], "rx-udp-gro-forwarding"),
])  # fmt: skip
def test_a_feature_by_all_of_its_names(host, names, knob):
    h = host()
    listed = names[1] if len(names) > 1 else names[0]
    for name in names:
        for on in ("off", "on", "off"):
            ethtool_of(h, f"-K vnic0 {name} {on}")
            assert h.knobs[knob] == (on == "on")
            assert shown(h, "-k vnic0")[listed] == on


@pytest.mark.parametrize("name", ["lro", "rxvlan", "txvlan", "rx-gro-hw", "tso", "rx-all", "rx-fcs", "loopback"])
def test_what_the_card_has_not_stays_off(host, name):
    reply = ethtool.command(host(), ["-K", "vnic0", name, "on"])
    assert (reply.code, reply.err) == (1, "Could not change any device features\n")
    assert reply.out.startswith("Actual changes:\n")
    assert "off [requested on]\n" in reply.out


@pytest.mark.parametrize("tx", [True, False])
def test_what_the_sending_half_does_is_fixed(host, tx):
    h = host(tx=tx)
    features = shown(h, "-k vnic0")
    state = "on" if tx else "off"
    assert features["tx-checksumming"] == state
    assert features["tx-checksum-ip-generic"] == f"{state} [fixed]"
    assert features["tx-scatter-gather"] == features["generic-segmentation-offload"] == "on [fixed]"
    assert features["tcp-segmentation-offload"] == "off"
    assert features["large-receive-offload"] == features["rx-vlan-offload"] == features["rx-gro-hw"] == "off [fixed]"


def test_several_features_at_once(host):
    h = host()
    reply = ethtool_of(h, "-K vnic0 gro off lro on rx-gro-list on")
    assert reply.out == "Actual changes:\nrx-gro: off\nrx-lro: off [requested on]\nrx-gro-list: on\n"
    assert (h.knobs["gro"], h.knobs["rx-gro-list"]) == (False, True)
    ethtool_of(
        h, "-K vnic0 gro on foo on", code=92, err=f"netlink error: bit name not found (offset 76)\n{UNSUPPORTED}"
    )
    assert h.knobs["gro"] is False


def test_gro_off_merges_nothing_from_then_on(host):
    h = host()
    h.tcp(80)
    ethtool_of(h, "-K vnic0 gro off")
    h.feed([frames.tcp(b"x" * 100, dport=80, seq=1 + 100 * i) for i in range(8)])
    h.run()
    assert h.softnet()[0].processed == 8
    assert h.gro().merged == 0


# ---- -x -X -n -N ----


def test_the_table_says_where_flows_go(host):
    h = host(queues=4, rx_ring=64, rx_pool=128)
    ethtool_of(h, "-X vnic0 weight 0 0 1")
    h.feed([frames.udp(sport=p) for p in range(20)])
    h.run()
    ethtool_of(h, "-X vnic0 equal 1 start 3")
    h.feed([frames.udp(sport=p) for p in range(20)])
    h.run()
    assert arrived(h) == [0, 0, 20, 20]
    rows = ethtool_of(h, "-x vnic0").out.splitlines()[1:17]
    assert [int(n) for row in rows for n in row.split(":")[1].split()] == [3] * 128


def test_the_rss_key_is_set_and_shown(host):
    h = host(queues=4, rx_ring=64, rx_pool=128)
    key = bytes(range(3, 43))
    ethtool_of(h, f"-X vnic0 hkey {key.hex(':')} hfunc toeplitz")
    assert f"RSS hash key:\n{key.hex(':')}:00:00:00:00:00:00:00:00:00:00:00:00\n" in ethtool_of(h, "-x vnic0").out
    expected = [0] * 4
    for p in range(40):
        expected[model.rss(**V4, proto=17, sport=p, dport=5000, key=key)[0] & 127 & 3] += 1
    h.feed([frames.udp(sport=p, **V4) for p in range(40)])
    h.run()
    assert arrived(h) == expected


@pytest.mark.parametrize("proto", ["tcp", "udp"])
@pytest.mark.parametrize("version", ["4", "6"])
@pytest.mark.parametrize("fields", ["sdfn", "sd", "s", "n", "df"])
def test_what_is_hashed_of_a_type_of_flow(host, proto, version, fields):
    h = host(queues=16, rx_ring=64, rx_pool=128)
    ethtool_of(h, f"-N vnic0 rx-flow-hash {proto}{version} {fields}")
    lines = {"s": "IP SA", "d": "IP DA", "f": "[TCP/UDP src port]", "n": "[TCP/UDP dst port]"}
    text = ethtool_of(h, f"-n vnic0 rx-flow-hash {proto}{version}").out
    assert {letter for letter, line in lines.items() if line in text} == set(fields)
    addresses = V4 if version == "4" else V6
    other = "udp" if proto == "tcp" else "tcp"
    expected = [0] * 16
    for p in range(30):
        for name in (proto, other):
            hashed = fields if name == proto else "sdfn"
            number = {"tcp": 6, "udp": 17}[name]
            expected[model.rss(**addresses, proto=number, sport=p, dport=9, fields=hashed)[0] & 15] += 1
            h.feed(getattr(frames, name)(sport=p, dport=9, **addresses))
    h.run()
    assert arrived(h) == expected


def test_a_symmetric_hash_brings_both_directions_to_one_queue(host):
    h = host(queues=16, rx_ring=64, rx_pool=128)
    assert "RSS input transformation" not in ethtool_of(h, "-x vnic0").out
    ethtool_of(h, "-X vnic0 xfrm symmetric-xor")
    assert ethtool_of(h, "-x vnic0").out.endswith("RSS input transformation:\n    symmetric-xor: on\n")
    for p in range(30):
        before = arrived(h)
        h.feed([frames.tcp(sport=p, dport=443, **V4), frames.tcp(sport=443, dport=p, src=V4["dst"], dst=V4["src"])])
        h.run()
        assert max(b - a for a, b in zip(before, arrived(h), strict=True)) == 2
    ethtool_of(h, "-X vnic0 xfrm none")
    assert h.knobs["rss-xfrm"] == "none"


def test_a_symmetric_hash_takes_pairs_of_fields(host):
    h = host()
    ethtool_of(h, "-N vnic0 rx-flow-hash tcp4 sdf")
    key = bytes(range(52)).hex(":")
    said = "Cannot set RX flow hash configuration: Invalid argument\n"
    ethtool_of(h, f"-X vnic0 hkey {key} xfrm symmetric-xor", code=1, err=said)
    assert h.knobs["rss-key"].hex(":") != key
    ethtool_of(h, "-N vnic0 rx-flow-hash tcp4 sd")
    ethtool_of(h, f"-X vnic0 hkey {key} xfrm symmetric-xor")
    assert h.knobs["rss-key"].hex(":") == key
    why = "Cannot change RX network flow hashing options: Invalid argument\n"
    ethtool_of(h, "-N vnic0 rx-flow-hash tcp4 s", err=why)
    assert h.knobs["rx-flow-hash-tcp4"] == "sd"


def test_a_table_of_queues_that_are_not_there_changes_nothing(host):
    h = host(queues=2)
    before = h.knobs["rss-indir"], h.knobs["rss-key"]
    key = bytes(range(40)).hex(":")
    said = "Cannot set RX flow hash configuration: Invalid argument\n"
    ethtool_of(h, f"-X vnic0 hkey {key} equal 3", code=1, err=said)
    assert (h.knobs["rss-indir"], h.knobs["rss-key"]) == before


def test_the_card_hashes_as_the_table_in_it_says_after_a_change_between_two_polls(host):
    """Frames that were read ahead are hashed again."""
    h = host(queues=2, cpus=1)
    h.feed([frames.udp(b"x", sport=1000 + i) for i in range(32)], gap_ns=1000)
    h.run(until_ns=16_500)
    expected = arrived(h)
    there = sum(expected)
    assert 10 < there < 25
    ethtool_of(h, "-X vnic0 xfrm symmetric-xor")
    h.run()
    for sport in range(1000 + there, 1032):
        expected[model.rss("10.0.0.1", "10.0.0.2", 17, sport, 5000, symmetric=True)[0] & 1] += 1
    assert arrived(h) == expected


# ---- -S ----


def test_the_queues_sum_up_to_the_card(host):
    h = host(queues=4, rx_ring=64, rx_pool=256, ntuple=True)
    bad = bytearray(frames.udp(b"y" * 30, sport=7))
    bad[-1] ^= 0xFF
    h.feed([frames.udp(b"x" * i, sport=i) for i in range(100)] + [bytes(bad), frames.eth(b"", dst=b"\x01\0\x5e\0\0\1")])
    h.run()
    stats = ethtool_of(h, "-S vnic0").data
    for total, name in (
        ("rx_packets", "packets"), ("rx_bytes", "bytes"), ("rx_no_buffer_count", "no_buffer"),
        ("rx_csum_offload_good", "csum_good"), ("rx_csum_offload_errors", "csum_err"),
        ("alloc_rx_buff_failed", "alloc_failed"), ("rx_dma_failed", "dma_failed"),
    ):  # fmt: skip
        assert stats[total] == sum(stats[f"rx_queue_{i}_{name}"] for i in range(4)), total
    device = h.nic.stats()
    assert (stats["rx_packets"], stats["rx_bytes"]) == (device.rx_packets, device.rx_bytes) == (102, device.rx_bytes)
    assert (stats["rx_csum_offload_good"], stats["rx_csum_offload_errors"]) == (100, 1)
    assert (stats["rx_multicast"], stats["rx_errors"], stats["rx_no_buffer_count"]) == (1, 0, 0)
    assert sum(stats[f"rx_queue_{i}_packets"] > 0 for i in range(4)) == 4
    text = shown(h, "-S vnic0")
    assert {name.strip(): value for name, value in text.items() if value} == {k: str(v) for k, v in stats.items()}


def test_queues_that_were_taken_away_keep_their_counts(host):
    h = host(cpus=4, queues=4, rx_ring=64, rx_pool=256)
    for n in (4, 2, 3):
        ethtool_of(h, f"-L vnic0 rx {n}")
        h.feed([frames.udp(sport=p) for p in range(50)])
        h.run()
        stats = ethtool_of(h, "-S vnic0").data
        assert stats["rx_packets"] == sum(stats[f"rx_queue_{i}_packets"] for i in range(4)) == h.nic.stats().rx_packets
    assert stats["rx_packets"] == 150
    assert shown(h, "-l vnic0")["RX"] == "3"
    assert ethtool.command(h, ["-l", "vnic0"]).data["max"]["rx"] == 4


def test_losses_have_names(host):
    h = host(rx_ring=16, rx_pool=64, fifo=2000, mtu=100, link="10G", cost="linux", mac="02:00:00:00:00:05")
    to_us = {"mac": {"dst": b"\x02\0\0\0\0\5"}}
    h.feed([frames.udp(b"z" * 200, **to_us), frames.udp()] + [frames.udp(**to_us)] * 300)
    h.run()
    stats = ethtool_of(h, "-S vnic0").data
    ledger = h.ledger().fates
    assert stats["rx_length_errors"] == ledger["RX_LENGTH"] == 1
    assert stats["rx_filtered"] == ledger["MAC_FILTER"] == 1
    assert stats["rx_fifo_errors"] == ledger["FIFO_OVERRUN"] > 0
    assert stats["rx_errors"] == stats["rx_length_errors"] + stats["rx_over_errors"] + stats["rx_fifo_errors"]


# ---- the rest ----


@pytest.mark.parametrize("line", ["-a vnic0", "--show-eee vnic0", "--show-fec vnic0", "--cable-test vnic0"])
def test_what_the_card_has_not_is_said_as_linux_says_it(host, line):
    ethtool_of(host(), line, code=1, err=UNSUPPORTED)


@pytest.mark.parametrize(("link", "speed"), [("2.5G", "2500Mb/s"), ("100M", "100Mb/s"), ("inf", "Unknown!")])
def test_the_settings_have_the_wires_rate(host, link, speed):
    values = shown(host(link=link, speed="max" if link == "inf" else "1"), "vnic0")
    assert (values["Speed"], values["Duplex"], values["Port"]) == (speed, "Full", "Other")


def test_the_link_is_there_until_the_wire_has_ended(host):
    h = host()
    assert shown(h, "vnic0")["Link detected"] == "yes"
    h.wire.c.eof = 1
    assert shown(h, "vnic0")["Link detected"] == "no"
    h.wire.c.eof = 0


def test_an_instance_does_not_tell_by_itself(host):
    assert ethtool.command(host(), ["--monitor"]).code == 1


def test_help_and_version(host):
    h = host()
    for option in ("-h", "--help"):
        assert all(name in ethtool_of(h, option).out for name in ethtool.COMMANDS)
    assert ethtool_of(h, "--version").out == f"vnic {vnic.__version__}, as ethtool version 6.1\n"


@pytest.mark.parametrize("option", sorted(ethtool.COMMANDS))
def test_no_argument_of_any_option_raises(host, option):
    h = host(queues=2)
    many = "1" * 5000
    for args in ([], ["vnic0"], ["vnic0", ""], ["vnic0", "\0"], ["vnic0", "é" * 300], ["vnic0", "rx", "٣"], ["", "x"],
                 ["vnic0", "queue_mask", "-1", "-c"], ["vnic0", "queue_mask", many, "-c"], ["vnic0", "weight", many],
                 ["vnic0", "equal", "²"], ["vnic0", "rx", many], ["vnic0", "rx-usecs", many]):  # fmt: skip
        for flags in ([], ["--json"], ["-I"], ["--debug"]):
            reply = ethtool.command(h, [*flags, option, *args])
            assert isinstance(reply.out + reply.err, str)
            assert reply.code == 0 or reply.err or reply.out
