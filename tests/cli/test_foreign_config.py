"""--config made by other tools: a sysctl.conf, and what ethtool prints."""

import contextlib
import json

import frames
import pytest
from captures import pcap_each_second
from commands import invoke
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic.cli import foreign_config
from vnic.cli.config_file import load
from vnic.errors import ConfigError
from vnic.linux import ethtool
from vnic.linux.sysctl_rows import of_card

GUIDE = """\
# /etc/sysctl.d/90-tuning.conf
; another comment

net.core.rmem_max=16777216
net.core.rmem_default   =  1048576
net.core.netdev_max_backlog = 2000000
net/core/netdev_budget = 600
-net.core.netdev_budget_usecs = 8000
net.ipv4.tcp_rmem = 4096 131072 6291456
net.ipv4.udp_mem = 100000\t200000\t300000
net.core.default_qdisc = fq
vm.swappiness = 10
kernel.pid_max = 4194304
net.ipv6.conf.eth0.accept_ra = 2
net.core.netdev_budgets = 5
"""


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_each_second([frames.udp()] * 3))
    return str(path)


def config_of(capture, *paths, code=0):
    argv = [word for path in paths for word in ("--config", str(path))]
    result = invoke("replay", capture, "--json", *argv)
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)["config"] if code == 0 else None, result.stderr


def test_a_sysctl_conf(capture, tmp_path):
    path = tmp_path / "90-tuning.conf"
    path.write_text(GUIDE)
    config, said = config_of(capture, path)
    assert config["accept-ra"] is True
    names = ("rmem-max", "rcvbuf", "netdev-max-backlog", "netdev-budget", "netdev-budget-usecs", "udp-mem")
    assert [config[name] for name in names] == [16777216, 1048576, 1 << 20, 600, 8000, 100000]
    assert config["tcp-rmem"] == "4096 131072 6291456"
    assert said == (
        "vnic: netdev-max-backlog: 2000000 there, 1048576 here: the most that vnic takes\n"
        "vnic: without effect here: net.core.default_qdisc, vm.swappiness, kernel.pid_max,"
        " net.core.netdev_budgets (did you mean net.core.netdev_budget or net.core.netdev_budget_usecs?)\n"
    )


@pytest.mark.parametrize(
    ("option", "knobs"),
    [
        ("-c", {"rx-usecs": 50, "rx-frames": 0}),
        ("-g", {"rx-ring": 1024}),
        ("-l", {"queues": 2}),
        ("-k", {"gro": False, "rxhash": True}),
    ],
)
def test_a_dump_of_ethtool(capture, tmp_path, option, knobs):
    with vnic.Host(rx_usecs=50, rx_ring=1024, queues=2, gro=False) as host:
        text = ethtool.command(host, [option, "vnic0"]).out
    path = tmp_path / "dump.txt"
    path.write_text(text)
    config, said = config_of(capture, path)
    assert config | knobs == config
    assert "no text of" not in said


def test_several_files_and_the_later_overrides(capture, tmp_path):
    with vnic.Host(rx_usecs=50, rx_ring=1024) as host:
        dumps = "".join(ethtool.command(host, [option, "vnic0"]).out for option in ("-c", "-g"))
    for name, text in {"a": GUIDE, "b": dumps, "c": "rx-usecs = 7\nnet.core.rmem_max = 5000\n"}.items():
        (tmp_path / name).write_text(text)
    config, _ = config_of(capture, tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert (config["rx-ring"], config["rx-usecs"], config["rmem-max"], config["netdev-budget"]) == (1024, 7, 5000, 600)
    config, _ = config_of(capture, tmp_path / "c", tmp_path / "b")
    assert config["rx-usecs"] == 50


def test_sysctl_a_of_a_host_is_its_config(capture, tmp_path):
    with vnic.Host(netdev_budget=123, rcvbuf=50_000, udp_mem=77) as host:
        text = "".join(
            f"{name} = {sysctl.read(host)}\n" for name, sysctl in of_card("vnic0").items() if "flush" not in name
        )
    path = tmp_path / "sysctl-a.txt"
    path.write_text(text)
    config, _ = config_of(capture, path)
    assert (config["netdev-budget"], config["rcvbuf"], config["udp-mem"]) == (123, 50_000, 77)


def test_toml_stays_toml(tmp_path):
    for text in ("net.core.netdev_budget = 600\nrx-usecs = 5\n", "[net.core]\nnetdev_budget = 600\n", "", "# x\n"):
        assert not foreign_config.is_foreign(text)
    path = tmp_path / "x"
    for text in ("net.core.rmem_max 5\n", "Nothing of ethtool\n", "rx-usecs: 5\n"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="line 1"):
            load(path, "replay", {})


LINES = st.sampled_from([
    *GUIDE.splitlines(), "Ring parameters for eth0:", "RX:\t\t512", "net.core.rmem_max = x", "é = 1",
    "Coalesce parameters for eth1:", "rx-usecs: 5", "Ring parameters for eth1:", "=", "[", "net.x",
])  # fmt: skip


@given(st.lists(LINES | st.text(max_size=20), max_size=8))
def test_any_text_is_a_config_or_a_config_error(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "any.conf"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    with contextlib.suppress(ConfigError):
        load(path, "replay", {"cpus": int})
