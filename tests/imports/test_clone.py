"""What becomes of a machine's values here: bounds and roundings are said, and nothing is refused."""

import machine_texts as texts
import pytest

import vnic
from vnic.imports.clone import clone, nearest
from vnic.imports.machine import Card, Interrupt, Machine
from vnic.imports.texts import read
from vnic.knobs.table import KNOBS
from vnic.linux import ntuple


def machine(**changes):
    found = Machine(cpus=changes.pop("cpus", 4))
    for name in ("interrupts", "affinity", "effective", "sysctl", "hz", "softnet"):
        if name in changes:
            setattr(found, name, changes.pop(name))
    found.cards["eth0"] = Card(**({"driver": {"driver": "e"}} | changes))
    return found


def cloned(**changes):
    it = clone(machine(**changes), None)
    return it, {str(note) for note in it.notes if not note.text.startswith("no text of")}


def test_a_whole_sosreport():
    found = Machine()
    for path, text in texts.SOSREPORT.items():
        if not path.startswith("etc") and "namespaces" not in path:
            read(found, path, text)
    it = clone(found, None)
    assert (it.dev, it.cpus, it.queues) == ("eth0", 4, 4)
    knobs = it.knobs
    assert knobs["rx-ring"] == 512
    assert (knobs["rx-usecs"], knobs["rx-frames"], knobs["adaptive-rx"]) == (50, 0, False)
    assert knobs["rss-indir"] == [i // 64 for i in range(256)]
    assert (knobs["mtu"], knobs["capture-mtu"], knobs["link"], knobs["mac"]) == (9000, 9000, "25G", "3c:fd:fe:00:00:01")
    assert (knobs["netdev-budget"], knobs["netdev-max-backlog"], knobs["rcvbuf"]) == (600, 5000, 4194304)
    assert knobs["ntuple-rules"][1] == "tcp4 src-ip 10.9.9.9 action -1 loc 1"
    assert (knobs["hz"], knobs["flow-limit-cpus"], knobs["gro-flush-timeout"]) == (250, "f", 20000)
    assert it.each_queue == {
        0: {"smp-affinity": "4", "rps-cpus": "e", "rps-flow-cnt": 4096},
        1: {"rps-cpus": "0"},
        2: {"smp-affinity": "6"},
    }
    said = {str(note) for note in it.notes}
    assert "smp-affinity: of queue 0: f there; CPU 2 takes it (effective_affinity)" in said
    assert "smp-affinity: of queue 3: no affinity is known; CPU 3 took most of its interrupts" in said
    assert "ipfrag-high-thresh: 1073741824 there, 268435456 here: the most that vnic takes" in said
    assert "the card is a port of bond0: here frames go to IP at once" in said
    assert not any("ethtool_-i_lo" in text for text in said)
    assert it.facts[0] == "ethtool -S counted there: rx_missed_errors 17, rx_no_dma_resources 3"
    assert "dropped 8, time_squeeze 12" in it.facts[1]
    with vnic.Host(**(knobs | {"cpus": it.cpus, "each_queue": it.each_queue, "rx-pool": 4096})) as host:
        assert host.knobs.queue(0)["smp-affinity"] == 4


@pytest.mark.parametrize(("there", "here", "said"), [
    (512, 512, set()), (8160, 8160, set()),
    (32768, 16384, {"rx-ring: 32768 there, 16384 here: the most that vnic takes"}),
    (1, 16, {"rx-ring: 1 there, 16 here: the least that vnic takes"}),
])  # fmt: skip
def test_rings(there, here, said):
    it, notes = cloned(rings={"rx": there})
    assert (it.knobs["rx-ring"], notes) == (here, said)


def test_a_sending_ring():
    it, notes = cloned(rings={"rx": 8160, "tx": 8160}, rings_max={"rx": 8160})
    assert (it.knobs["rx-ring"], it.knobs["tx-ring"], notes) == (8160, 8160, set())
    it, notes = cloned(rings={"rx": 512, "tx": 16})
    assert notes == {"tx-ring: 16 there, 64 here: the least that vnic takes"}


def test_a_machine_of_the_most_queues_and_cpus():
    it, notes = cloned(
        cpus=512, channels={"combined": 128}, rings={"rx": 8160}, indir=[i * 3 % 128 for i in range(2048)],
        rps_cpus=dict.fromkeys(range(128), 1 << 511),
    )  # fmt: skip
    assert (it.cpus, it.queues, notes) == (512, 128, set())
    assert it.knobs["rps-cpus"] == "80000000" + ",00000000" * 15
    with vnic.Host(**(it.knobs | {"cpus": it.cpus, "rx-pool": 8192})) as host:
        assert (host.knobs["queues"], host.knobs["rx-ring"]) == (128, 8160)
        assert host.knobs["rss-indir"] == tuple(i * 3 % 128 for i in range(2048))
        assert host.knobs.queue(127)["rps-cpus"] == 1 << 511


def test_more_queues_and_cpus_than_vnic_has():
    rules = {
        5: ntuple.parse(["udp4", "dst-port", "1", "action", "140"]),
        6: ntuple.parse(["udp4", "dst-port", "2", "action", "127"]),
    }
    it, notes = cloned(
        cpus=1024, channels={"combined": 160}, indir=[i % 160 for i in range(512)], rules=rules,
        rps_cpus=dict.fromkeys(range(160), 1 << 612), queue_coalesce={130: {"rx-usecs": 1}},
    )  # fmt: skip
    assert (it.cpus, it.queues, it.knobs["queues"]) == (512, 128, 128)
    assert it.knobs["rps-cpus"] == "10,00000000,00000000,00000000"
    assert max(it.knobs["rss-indir"]) == 127
    assert it.knobs["ntuple-rules"] == ["udp4 dst-port 2 action 127 loc 6"]
    assert "queues: 160 there, 128 here: the most that vnic takes" in notes
    assert "cpus: 1024 there, 512 here: the most that vnic has. CPU n is CPU n mod 512" in notes
    assert "rss-indir: names queue 159: each queue is taken modulo 128 here" in notes
    assert any("filter 5 is left out" in text for text in notes)
    assert "moderation of queue 130: there is no such queue here" in notes
    with vnic.Host(**(it.knobs | {"cpus": it.cpus, "rx-pool": 1024})) as host:
        assert host.knobs.queues == 128


@pytest.mark.parametrize(("there", "here"), [
    ({"rx-usecs": 0, "rx-frames": 0}, (0, 1)), ({"rx-usecs": 3}, (3, 0)), ({"rx-frames": 16}, (0, 16)),
    ({"rx-usecs": 3, "rx-frames": 7}, (3, 7)), ({"rx-usecs": 10**9, "rx-frames": 0}, (100_000, 0)),
])  # fmt: skip
def test_moderation(there, here):
    it, _ = cloned(coalesce=there)
    assert (it.knobs["rx-usecs"], it.knobs["rx-frames"]) == here


def test_moderation_that_means_something_else_there():
    assert cloned(coalesce={"rx-usecs": 3, "rx-frames": 0}, driver={"driver": "igb"})[1] == {
        "rx-usecs: igb takes 3 as a mode that follows the traffic; here it is a time"
    }
    for driver, said in (("mlx5_core", "the times of its table may differ"), ("i40e", "its own rule is not cloned")):
        it, notes = cloned(coalesce={"adaptive-rx": 1}, driver={"driver": driver})
        assert it.knobs["adaptive-rx"]
        assert notes == {f"adaptive-rx: here it is Linux's DIM; {driver}: {said}"}


def test_single_queues_with_a_moderation_of_their_own():
    same = {"rx-usecs": 5, "rx-frames": 0}
    it, _ = cloned(
        channels={"combined": 2}, coalesce=same, queue_coalesce={0: same, 1: {"rx-usecs": 9, "rx-frames": 0}}
    )
    assert it.each_queue == {1: {"rx-usecs": 9, "rx-frames": 0}}


@pytest.mark.parametrize(("table", "here", "said"), [
    ([0, 1] * 64, None, ""), ([0, 1] * 256, None, ""), ([1, 1, 0, 0], [1, 1, 0, 0], ""),
    ([1] * 256, [1] * 256, ""),
    ([0] * 384 + [1] * 128, [0] * 384 + [1] * 128, ""),
    ([0] * 3072 + [1] * 1024, [0] * 1536 + [1] * 512, "4096 entries there: 2048 of them here"),
    ([1] * 3, [1] * 3, "3 entries there: 128 here"),
])  # fmt: skip
def test_indirection_tables_of_any_size(table, here, said):
    it, notes = cloned(channels={"combined": 2}, indir=table)
    assert it.knobs.get("rss-indir") == here
    assert [text for text in notes if said and said in text] == list(notes)


@pytest.mark.parametrize(("there", "here", "said"), [
    (b"\1" * 40, 40, ""), (b"\1" * 52, 52, ""), (b"\1" * 64, 40, "only the first 40"),
    (b"\1" * 16, 40, "zeros fill it"), (bytes(40), 0, "the key is hidden"),
])  # fmt: skip
def test_keys_of_any_length(there, here, said):
    it, notes = cloned(key=list(there))
    assert len(it.knobs.get("rss-key", "").replace(":", "")) == 2 * here
    assert bool(notes) == bool(said)
    assert all(said in text for text in notes)


def test_hash_functions_and_transformations():
    assert cloned(hash_functions={"toeplitz": False, "xor": True})[1] == {
        "hash function xor: Toeplitz here, so flows meet other queues"
    }
    assert cloned(transformations={"symmetric-xor": True})[0].knobs["rss-xfrm"] == "symmetric-xor"
    it, notes = cloned(transformations={"symmetric-xor": True}, flow_hash={"udp4": "s"})
    assert "rss-xfrm" not in it.knobs
    assert notes == {"rss-xfrm: symmetric-xor there, none here: udp4 flows hash one direction's fields"}


def test_features_that_the_card_lacks_or_that_mean_more_here():
    it, notes = cloned(
        channels={"combined": 2},
        features={
            "rx-lro": True,
            "receive-hashing": False,
            "rx-vlan-filter": True,
            "hw-tc-offload": True,
            "rx-gro": True,
        },
    )
    assert it.knobs == {"queues": 2, "gro": True}
    assert {text.split(":")[0] for text in notes} == {"lro", "rxhash", "rx-vlan-filter", "hw-tc-offload on"}
    assert cloned(features={"receive-hashing": False})[0].knobs == {"rxhash": False}


@pytest.mark.parametrize(("names", "queues"), [
    (["eth0-TxRx-0", "eth0-TxRx-1"], 2), (["eth0", "eth0-rx-1", "eth0-tx-1", "eth0-rx-2"], 2),
    (["i40e-eth0-TxRx-0", "i40e-eth1-TxRx-0"], 1), (["eth0-0", "eth0-1"], 2), (["eth0-Tx-Rx-0"], 1),
    (["mlx5_async@pci:0000:03:00.0", "mlx5_comp0@pci:0000:03:00.0", "mlx5_comp1@pci:0000:03:00.0",
      "mlx5_comp0@pci:0000:04:00.0"], 2),
    (["virtio0-config", "virtio0-input.0", "virtio0-output.0", "virtio0-input.1"], 2),
    (["eth0-q0-tx", "eth0-q0-rx"], 1),
    (["eth0:rx-0", "eth0:tx-0"], 1),
    (["eth0 (queue 0)", "eth0 (queue 1)"], 2), (["usb1, eth0"], 1), (["eth01-TxRx-0"], 0),
])  # fmt: skip
def test_the_names_that_drivers_give_their_interrupts(names, queues):
    it, notes = cloned(
        driver={"driver": "e", "bus-info": "0000:03:00.0"},
        channels={"combined": max(queues, 1)},
        interrupts={i: Interrupt({3: 5}, f"PCI-MSI 1-edge {name}") for i, name in enumerate(names)},
    )
    assert [q for q, own in it.each_queue.items() if own["smp-affinity"] == "8"] == list(range(queues))
    assert any("no line of /proc/interrupts" in text for text in notes) == (queues == 0)


def test_two_virtio_cards_are_told_apart_by_their_bus():
    lines = {i: Interrupt({i: 1}, f"PCI-MSIX-0000:00:0{i}.0 1-edge virtio{i}-input.0") for i in (1, 2)}
    it, notes = cloned(driver={"driver": "virtio_net", "bus-info": "0000:00:02.0"}, interrupts=lines)
    assert it.each_queue == {0: {"smp-affinity": "4"}}
    it, notes = cloned(driver={"driver": "virtio_net"}, interrupts=lines)
    assert it.each_queue == {}
    assert "smp-affinity: which of virtio1, virtio2 is the card's device is not known" in notes


def test_sysctls_without_effect_here():
    it, notes = cloned(
        sysctl={"net.core.busy_poll": "50", "net.core.dev_weight_tx_bias": "1", "net.core.busy_read": "x"}
    )
    assert it.knobs == {}
    assert {text.split(":")[0] for text in notes} == {"net.core.busy_poll = 50", "busy-read"}


def test_several_interfaces_and_one_that_is_not_there():
    found = machine()
    found.cards["eth1"] = Card(driver={"driver": "e"})
    found.cards["br0"] = Card(driver={"driver": "bridge"})
    with pytest.raises(vnic.ConfigError, match=r"choose one with --dev: eth0, eth1$"):
        clone(found, None)
    with pytest.raises(vnic.ConfigError, match="say nothing about 'eth2', but about br0, eth0, eth1"):
        clone(found, "eth2")
    assert clone(found, "br0").dev == "br0"
    del found.cards["eth1"]
    assert clone(found, None).dev == "eth0"


def test_many_notes_about_one_knob_are_counted():
    rules = {i: ntuple.parse(f"udp4 dst-port {i} action 9".split()) for i in range(100)}
    it, _ = cloned(rules=rules)
    about = [note.text for note in it.notes if note.knob == "ntuple-rules"]
    assert len(about) == 25
    assert about[-1] == "and 76 notes more"


@pytest.mark.parametrize("name", [n for n, k in KNOBS.items() if isinstance(k.default, int) and n != "rx-ring"])
def test_the_nearest_number_is_at_the_end_of_the_range(name):
    if isinstance(KNOBS[name].default, bool):
        return
    most = nearest(name, 1 << 600)
    KNOBS[name].parse(most)
    with pytest.raises(ValueError, match="must be"):
        KNOBS[name].parse(most + 1)
    assert nearest(name, most) == most


def test_masks_alone_say_how_many_cpus_there_are():
    it, notes = cloned(cpus=0, rps_cpus={0: 0x30})
    assert (it.cpus, it.knobs["rps-cpus"]) == (6, "30")
    assert notes == {"cpus: no text counts them: 6, as rps_cpus needs"}


@pytest.mark.parametrize(
    ("usecs", "hz"), [("8000", 250), ("2000", 1000), ("20000", 100), ("6666", 300), ("5000", None)]
)
def test_hz_is_inferred_where_no_text_says_it(usecs, hz):
    it, notes = cloned(sysctl={"net.core.netdev_budget_usecs": usecs})
    assert it.knobs.get("hz") == hz
    assert len(notes) == (hz is not None)
    it, notes = cloned(sysctl={"net.core.netdev_budget_usecs": usecs}, hz=250)
    assert (it.knobs["hz"], notes) == (250, set())
