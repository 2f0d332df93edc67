"""``ethtool -j``: the keys of ethtool 6.14 (of 6.15 for -l), as arrays with one object."""

import json

import pytest
from commands import invoke

from vnic._core import lib
from vnic.control.server import Control
from vnic.linux import ethtool, ethtool_json

RINGS = {"ifname": "vnic0", "rx-max": ethtool.RX_RING_MAX, "tx-max": lib.TX_RING_MAX, "rx": 512, "tx": 256,
         "rx-buf-len": 2048, "tx-push": False, "rx-push": False}  # fmt: skip
COALESCE = {"ifname": "vnic0", "adaptive-rx": False, "rx-usecs": 50, "rx-frames": 0, "rx-usecs-irq": 0,
            "rx-frames-irq": 0}  # fmt: skip


def shown(h, *argv):
    reply = ethtool.command(h, argv)
    assert (reply.err, reply.code) == ("", 0)
    (found,) = json.loads(reply.out)
    assert reply.data == [found]
    assert reply.out.startswith('[ {\n        "')
    assert reply.out.endswith("\n    } ]\n")
    return found


@pytest.mark.parametrize("flag", ["-j", "--json"])
def test_the_keys_of_rings_coalescing_and_channels(host, flag):
    h = host(queues=2, cpus=4, rx_usecs=50, rx_ring=512)
    assert list(shown(h, flag, "-g", "vnic0").items()) == list(RINGS.items())
    assert list(shown(h, flag, "-c", "vnic0").items()) == list(COALESCE.items())
    most = {"rx-max": 4, "tx-max": 1, "combined-max": 4}
    assert shown(h, flag, "-l", "vnic0") == {"ifname": "vnic0"} | most | {"rx": 0, "tx": 0, "combined": 2}
    assert ethtool.command(h, ["-L", "vnic0", "rx", "3"]).code == 0
    assert shown(h, flag, "-l", "vnic0") == {"ifname": "vnic0"} | most | {"rx": 3, "tx": 1, "combined": 0}


def test_combined_is_what_people_type_and_rx_works_too(host):
    h = host(queues=1, cpus=4)
    for argv, queues in ((["combined", "4"], 4), (["rx", "2"], 2), (["combined", "3"], 3), (["rx", "1", "tx", "1"], 1)):
        assert ethtool.command(h, ["-L", "vnic0", *argv]) == ethtool.Reply()
        assert h.knobs["queues"] == queues
        text = ethtool.command(h, ["-l", "vnic0"]).out.rpartition("Current")[2]
        assert f"{'Combined' if argv[0] == 'combined' else 'RX'}:\t" in text
        assert str(queues) in text


def test_the_keys_of_rss(host):
    h = host(queues=2, cpus=4)
    found = shown(h, "-j", "-x", "vnic0")
    assert list(found) == [
        *("ifname", "rss-indirection-table", "rss-hash-key", "rss-hash-function", "rss-input-transformation")
    ]
    assert found["rss-indirection-table"] == list(h.knobs["rss-indir"])
    assert bytes(found["rss-hash-key"]) == h.knobs["rss-key"]
    assert found["rss-hash-function"] == "toeplitz"
    assert found["rss-input-transformation"] == {"symmetric-xor": False}
    h.knobs["rss-xfrm"] = "symmetric-xor"
    assert shown(h, "-j", "-x", "vnic0")["rss-input-transformation"] == {"symmetric-xor": True}


@pytest.mark.parametrize("option", ["-i", "-S", "-T", "-P", "-n", ""])
def test_where_ethtool_has_no_json_the_array_has_what_the_text_says(host, option):
    found = shown(host(), "-j", *([option] if option else []), "vnic0")
    assert found["ifname"] == "vnic0"
    assert len(found) > 1


def test_single_queues_are_several_objects(host):
    h = host(queues=2, cpus=2)
    found = json.loads(ethtool.command(h, ["-j", "-Q", "vnic0", "-c"]).out)
    assert [one["queue"] for one in found] == [0, 1]


@pytest.mark.parametrize("option", sorted(ethtool_json._FORM))
def test_what_netlink_refuses_is_an_empty_array(host, option):
    reply = ethtool.command(host(), ["-j", option, "nodev"])
    if reply.err.startswith("netlink error"):
        assert (reply.out, reply.data, reply.code != 0) == ("[ ]\n", [], True)
    else:
        assert option in ("-x", "--show-rxfh-indir", "--show-rxfh")  # an ioctl here, as in ethtool 6.1


def test_a_command_that_changes_has_no_json(host):
    h = host()
    assert ethtool.command(h, ["-j", "-C", "vnic0", "rx-usecs", "5"]) == ethtool.Reply()
    assert h.knobs["rx-usecs"] == 5
    assert ethtool.command(h, ["-j"]).code == 1


def test_the_flag_may_come_last_on_vnics_command_line(host, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    h = host(rx_ring=512)
    with Control(h):
        for line in ("-j -g vnic0", "-g vnic0 --json", "--json -g vnic0"):
            done = invoke("ethtool", *line.split())
            assert json.loads(done.output) == [RINGS]
        done = invoke("ip", "link", "show", "--json")
        assert json.loads(done.output)[0]["ifname"] == "vnic0"
        assert invoke("ip", "-j", "-p", "link").output == invoke("ip", "-p", "link", "--json").output
        assert "\x1b[36mvnic0: \x1b[0m" in invoke("ip", "-c", "link").output
        assert "\x1b" not in invoke("ip", "-c=auto", "link").output
        (file := tmp_path / "a.conf").write_text("net.core.netdev_budget = 444\nnet.core.optmem_max = 9\n")
        done = invoke("sysctl", "-p", file)
        assert done.output.startswith("net.core.netdev_budget = 444\nnet.core.optmem_max = 9\n")
        assert "net.core.optmem_max is kept without effect" in done.output
        assert h.knobs["netdev-budget"] == 444
        assert invoke("set", "net.core.netdev_budget", "600").output == ""
        assert invoke("show", "netdev_budget").output == "600\n"
        assert json.loads(invoke("show", "--json", "rx-usecs").output) == {"rx-usecs": "0\n"}
