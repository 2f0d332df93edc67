"""vnic import --dev: the running kernel's answers, beside what the real ethtool and ip print, parsed."""

import json
import os
import subprocess
import sys
import tomllib

import pytest
from real_ethtool import DEV, MARKS, QUEUES, TAP, VETH, Card, device, real, run

import vnic
from vnic.imports.ethtool_ioctl import rule_of
from vnic.imports.machine import Machine
from vnic.imports.texts import read
from vnic.imports.this_machine import read as read_kernel

pytestmark = MARKS
OPTIONS = ("-i", "-g", "-l", "-c", "-k", "-x", "-n", "-S")


def told():
    """What the tools' texts say."""
    machine = Machine()
    for option in OPTIONS:
        read(machine, f"ethtool_{option}_{DEV}", real(f"{option} {DEV}")[0])
    read(machine, "link", run("ip -d link show dev " + DEV)[0])
    return machine


def asked():
    machine = Machine()
    read_kernel(machine, DEV)
    return machine


@pytest.mark.parametrize("make", [TAP, VETH])
def test_the_kernel_says_what_the_tools_print(make):
    device(make)
    real(f"-K {DEV} gro off")
    run(f"ip link set {DEV} mtu 1300 promisc on allmulticast on gro_max_size 40000")
    texts, kernel = told().card(DEV), asked().card(DEV)
    assert kernel.driver["driver"] == texts.driver["driver"]
    assert kernel.rings == {name: n for name, n in kernel.rings.items() if n == texts.rings.get(name, 0)}
    assert {name: n for name, n in kernel.channels.items() if n} == {n: v for n, v in texts.channels.items() if v}
    assert {name: n for name, n in texts.coalesce.items() if n} == {n: v for n, v in kernel.coalesce.items() if v}
    same = kernel.features.keys() & texts.features.keys()
    assert len(same) > 20
    assert {name: kernel.features[name] for name in same} == {name: texts.features[name] for name in same}
    assert {name: kernel.link[name] for name in texts.link if name in kernel.link} == {
        name: n for name, n in texts.link.items() if name in kernel.link
    }
    assert (kernel.link["mtu"], kernel.link["promisc"], kernel.link["gro_max_size"]) == (1300, 1, 40000)
    assert kernel.words["address"] == texts.words["address"]


@pytest.mark.parametrize("make", [TAP, VETH])
def test_a_device_of_the_kernel_is_imported(make):
    device(make)
    found = vnic.import_config(dev=DEV)
    assert found.config["mtu"] == 1500
    assert found.config["cpus"] >= 1
    assert found.config["ipfrag-time"] > 0  # sysctls of net.core belong to the first namespace alone
    with vnic.Host(**(found.config | {"rx_pool": 1024})):
        pass
    assert "/sys/class/net/vnic0: /sys is another network namespace's" in map(str, found.notes)


RULES = [
    "udp4 dst-port 53 action 1 loc 3",
    "tcp6 src-ip fd00:: m ::ffff dst-port 80 tclass 3 action -1 loc 4",
    "ip4 src-ip 10.0.0.0 m 0.0.0.255 l4proto 17 vlan 5 m 61440 dst-mac 02:00:00:00:00:09 action 0 loc 5",
    "ether dst 02:00:00:00:00:01 proto 34997 action 2 loc 6",
    "esp4 spi 4294967295 action 3 loc 7",
]


def test_a_card_of_hardware(host, preload, tmp_path):
    """The card answers its ioctls only; it has what the host has."""
    device(TAP)
    fields = {"rx_flow_hash_udp4": "sd", "rx_flow_hash_tcp6": "sn"}
    h = host(queues=QUEUES, rx_usecs=50, rx_frames=2, rss_indir=[3, 1, 0], ntuple_rules=RULES, **fields)
    h.knobs.queue(1).update({"rx-usecs": 51, "rx-frames": 1})
    card = Card(preload, tmp_path / "state", h)
    for rule in RULES:
        assert card.ethtool(f"-N {DEV} flow-type {rule}", 52)[2] == 0
    env = {"LD_PRELOAD": preload, "ETHTOOL_STATE": tmp_path / "state", "ETHTOOL_QUEUES": QUEUES, "ETHTOOL_KEY_SIZE": 52}
    done = subprocess.run(
        [sys.executable, "-m", "vnic", "import", "--dev", DEV],
        env=os.environ | {name: str(value) for name, value in env.items()} | {"ETHTOOL_DEVICE": DEV},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = tomllib.loads(done.stdout)
    assert found["queues"] == QUEUES
    assert tuple(found["rss-indir"]) == h.knobs["rss-indir"]
    assert found["rss-key"] == h.knobs["rss-key"].hex(":")
    assert (found["rx-flow-hash-udp4"], found["rx-flow-hash-tcp6"]) == ("sd", "sn")
    with host(queues=QUEUES, ntuple_rules=found["ntuple-rules"]) as again:
        assert again.knobs["ntuple-rules"] == h.knobs["ntuple-rules"]
    assert {q: (own["rx-usecs"], own["rx-frames"]) for q, own in found["queue"].items() if "rx-usecs" in own} == {
        **{str(q): (50, 2) for q in range(QUEUES)},
        "1": (51, 1),
    }


def test_a_rule_of_an_unknown_kind_is_none():
    assert rule_of(bytes(168)) is None


def test_json_of_the_real_ethtool():
    device(VETH)
    machine = Machine()
    out = real(f"--json -k {DEV}")[0]
    assert json.loads(out)
    assert read(machine, "x", out)
    assert len(machine.card(DEV).features) > 40


def test_another_name_of_the_device():
    device(VETH)
    if run(f"ip link property add dev {DEV} altname other0")[2]:
        pytest.skip("this kernel or this ip knows no other names")
    assert vnic.import_config(dev="other0").dev == DEV
