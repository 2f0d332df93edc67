"""The parsers: each tool's text in the layouts of several versions, as JSON, and several tools in one text."""

import json

import machine_texts as texts
import pytest

from vnic.imports.machine import Machine
from vnic.imports.texts import device_of, read


def machine(*given, path="x"):
    found = Machine()
    for text in given:
        assert read(found, path, text)
    return found


def card(*given, dev="eth0"):
    found = machine(*given)
    assert found.unknown_lines() == []
    return found.card(dev)


def test_the_driver():
    found = card(texts.DRIVER, dev="").driver
    assert (found["driver"], found["bus-info"]) == ("ixgbe", "0000:03:00.0")
    assert machine(texts.DRIVER, path="sos/ethtool_-i_eth1").card("eth1").driver == found


@pytest.mark.parametrize(("text", "buffers"), [(texts.RINGS_4, {}), (texts.RINGS_6, {"rx-buf-len": 4096})])
def test_rings_of_two_versions(text, buffers):
    found = card(text)
    assert {n: v for n, v in found.rings.items() if v} == {"rx": 512, "tx": 512} | buffers
    assert (found.rings_max["rx"], found.rings_max["tx"]) == (8192, 8192)


@pytest.mark.parametrize("text", [texts.CHANNELS_4, texts.CHANNELS_6])
def test_channels_of_two_versions(text):
    found = card(text)
    assert {n: v for n, v in found.channels.items() if v} == {"other": 1, "combined": 4}
    assert found.channels_max["combined"] == 63


@pytest.mark.parametrize("text", [texts.COALESCE_4, texts.COALESCE_6])
def test_coalescing_of_two_versions(text):
    found = card(text).coalesce
    assert (found["rx-usecs"], found.get("rx-frames", 0), found["adaptive-rx"], found["tx-frames-irq"]) == (
        *(50, 0, 0),
        256,
    )


def test_coalescing_of_single_queues():
    body = texts.COALESCE_4.split("\n", 1)[1]
    text = f"The sub commands will be applied to all 2 queues\nQueue: 0\n{body}Queue: 1\n{body.replace('50', '7')}"
    found = card(text, dev="").queue_coalesce
    assert [found[q]["rx-usecs"] for q in (0, 1)] == [50, 7]


def test_features():
    found = card(texts.FEATURES).features
    assert found["rx-checksumming"]
    assert not found["rx-gro-list"]
    assert not found["tx-checksum-ipv4"]
    assert card(texts.FEATURES.replace("Features", "Offload parameters")).features == found


def test_the_indirection_table_and_its_key():
    found = card(texts.INDIRECTION + "RSS input transformation:\n    symmetric-xor: on\n    symmetric-or-xor: off\n")
    assert found.indir == [i // 64 for i in range(256)]
    assert bytes(found.key) == bytes(range(1, 41))
    assert found.hash_functions == {"toeplitz": True, "xor": False, "crc32": False}
    assert found.transformations == {"symmetric-xor": True, "symmetric-or-xor": False}


def test_a_card_without_a_key():
    table = texts.INDIRECTION.split("RSS hash key")[0]
    found = machine(f"{table}RSS hash key:\nOperation not supported\n")
    assert found.card("eth0").key == []
    assert found.refused == [("eth0", "ethtool -x, hash key: Operation not supported")]


def test_rules():
    found = card(texts.RULES, dev="")
    assert {loc: str(rule) for loc, rule in found.rules.items()} == {
        2045: "udp4 dst-ip 10.1.2.0 m 0.0.0.255 dst-port 53 vlan 5 m 61440 action 3",
        2046: "tcp4 src-ip 10.9.9.9 action -1",
    }
    assert found.queues == [4]


@pytest.mark.parametrize("change", [("Direct to queue 3", "Direct to VF 1 queue 3"),
                                    ("UDP over IPv4", "SMTP"), ("Dest port: 53", "Dest port: many"),
                                    ("TOS: 0x0 mask", "Color: 0x0 mask")])  # fmt: skip
def test_a_rule_that_is_none_here_is_named_and_the_others_stay(change):
    found = machine(texts.RULES.replace(*change, 1))
    assert list(found.card("").rules) == [2046]
    assert [text for _, text in found.refused] == ["ethtool -n, filter 2045: not a rule that vnic knows"]


def test_hashed_fields():
    head = "UDP over IPV4 flows use these fields for computing Hash flow key:\n"
    assert card(f"{head}IP SA\nIP DA\n\n", dev="").flow_hash == {"udp4": "sd"}
    assert card(f"{head}None\n", dev="").flow_hash == {"udp4": ""}


def test_link_and_settings():
    found = card(texts.LINK, texts.SETTINGS)
    assert found.link == {
        "mtu": 9000,
        "promisc": 1,
        "allmulti": 0,
        "gro_max_size": 65536,
        "gro_ipv4_max_size": 65536,
        "speed": 25000,
    }
    assert found.words == {"address": "3c:fd:fe:00:00:01", "master": "bond0", "duplex": "full"}
    xdp = "3: e@if2: <UP> mtu 1500 xdpgeneric/id:1 state UP\n    prog/xdp id 1\n    xdp mode"
    assert card(xdp, dev="e").words == {"xdp": "on"}


def test_the_kernels_texts():
    found = machine(texts.INTERRUPTS, texts.SOFTNET, texts.SYSCTL)
    assert found.cpus == 4
    assert found.interrupts[64].counts == {1: 900000}
    assert found.interrupts[64].name.endswith("eth0-TxRx-1")
    assert sorted(found.interrupts) == [0, 63, 64, 65, 66, 67]
    assert [row[0] for row in found.softnet] == [1, 2, 3, 4]
    assert found.sysctl["net.core.netdev_budget"] == "600"
    assert found.sysctl["net.ipv4.tcp_rmem"] == "4096\t131072\t6291456"
    assert found.unknown_lines() == []
    assert machine("net/ipv4/conf/eth0.1/rp_filter = 1\n").sysctl == {"net.ipv4.conf.eth0/1.rp_filter": "1"}


def test_softirqs_are_no_interrupts():
    found = machine("                    CPU0       CPU1\n          HI:          1          2\n      NET_RX:  3 4\n")
    assert (found.cpus, found.interrupts) == (2, {})


@pytest.mark.parametrize(("path", "text", "found"), [
    ("proc/irq/63/smp_affinity", "0000,0000000f\n", lambda m: m.affinity == {63: 15}),
    ("/proc/irq/63/smp_affinity_list", "0-3,8\n", lambda m: m.affinity == {63: 0x10F}),
    ("a/proc/irq/63/effective_affinity_list", "2\n", lambda m: m.effective == {63: 4}),
    ("sys/devices/pci0000:00/0000:00:03.0/net/e/queues/rx-2/rps_cpus", "3\n", lambda m: m.card("e").rps_cpus == {2: 3}),
    ("queues/rx-1/rps_flow_cnt", "64\n", lambda m: m.card("").rps_flow_cnt == {1: 64}),
    ("sys/class/net/e/flags", "0x1103\n", lambda m: m.card("e").link == {"promisc": 1, "allmulti": 0}),
    ("sys/class/net/e/speed", "-1\n", lambda m: m.card("e").link == {"speed": -1}),
    ("sys/class/net/e/address", "02:00:00:00:00:05\n", lambda m: m.card("e").words == {"address": "02:00:00:00:00:05"}),
    ("proc/sys/net/core/netdev_budget", "7\n", lambda m: m.sysctl == {"net.core.netdev_budget": "7"}),
    ("sys/class/net/e/device/msi_irqs/30", "msix\n", lambda m: m.card("e").irqs == [30]),
    ("boot/config-6.1.0", "CONFIG_HZ=1000\n", lambda m: m.hz == 1000),
])  # fmt: skip
def test_files_by_their_path(path, text, found):
    assert found(machine(text, path=path))


def test_several_tools_in_one_text():
    text = "$ show-all\n" + texts.RINGS_6 + texts.COALESCE_4 + texts.RULES + texts.SYSCTL + texts.SOFTNET + texts.LINK
    found = machine(text)
    assert found.card("eth0").rings["rx"] == 512
    assert found.card("eth0").coalesce["rx-usecs"] == 50
    assert len(found.card("").rules) == 2
    assert found.sysctl["vm.swappiness"] == "60"
    assert found.cpus == 4
    assert found.card("eth0").link["mtu"] == 9000


def test_lines_that_no_parser_knows_are_counted_and_named():
    strange = "".join(f"Colour {i}: blue\n" for i in range(5))
    found = machine(texts.RINGS_4 + strange, "driver: x\nwheels: 4\n")
    assert found.unknown_lines() == [
        "ethtool -g: 5 lines not understood: Colour 0: blue; Colour 1: blue; Colour 2: blue and 2 more",
        "ethtool -i: 1 line not understood: wheels: 4",
    ]
    assert found.card("eth0").rings["rx"] == 512


def test_a_refusal_is_repeated():
    found = machine("netlink error: Operation not supported\n", path="ethtool_-l_eth0")
    assert found.refused == [("eth0", "ethtool_-l_eth0: netlink error: Operation not supported")]
    assert not read(Machine(), "x", "hello\n")


@pytest.mark.parametrize(("path", "dev"), [
    ("ethtool_-g_eth0", "eth0"), ("a/ethtool_eth0", "eth0"), ("ethtool_--show-ring_p1p1.txt", "p1p1"),
    ("ethtool_-n_eth0_rx-flow-hash_udp4", "eth0"), ("ethtool_-i_bond0.100", "bond0.100"), ("ethtool -i eno1", "eno1"),
    ("ethtool_-Q_-c_my_dev", "my_dev"), ("rings.txt", ""), ("ethtool_-i", ""), ("xethtool_-i_eth0", ""),
])  # fmt: skip
def test_the_interface_in_a_files_name(path, dev):
    assert device_of(path) == dev


@pytest.mark.parametrize(("given", "field", "value"), [
    ({"rx-max": 8192, "tx-max": 8192, "rx": 512, "tx": 512, "tx-push": False}, "rings", {"rx": 512, "tx": 512}),
    ({"other-max": 1, "combined-max": 63, "other": 1, "combined": 4}, "channels", {"other": 1, "combined": 4}),
    ({"adaptive-rx": False, "rx-usecs": 50, "rx-frame-low": 1}, "coalesce",
     {"adaptive-rx": 0, "rx-usecs": 50, "rx-frames-low": 1}),
    ({"rx-gro": {"active": True, "fixed": False, "requested": True}}, "features", {"rx-gro": True}),
    ({"rss-indirection-table": [0, 1], "rss-hash-key": [1, 2], "rss-hash-function": "toeplitz"}, "indir", [0, 1]),
    ({"ifindex": 2, "flags": ["UP"], "mtu": 9000, "link_type": "ether", "address": "02:00:00:00:00:01"}, "words",
     {"address": "02:00:00:00:00:01"}),
])  # fmt: skip
def test_json(given, field, value):
    assert getattr(card(json.dumps([{"ifname": "eth0"} | given])), field) == value


def test_text_that_is_no_json():
    found = Machine()
    assert not read(found, "x.json", "[1, ")
    assert found.unknown_lines() == ["x.json: 1 line not understood: not JSON: [1,"]
