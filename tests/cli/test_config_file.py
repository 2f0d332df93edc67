"""--config: the same names as elsewhere, and errors with the path of the wrong key."""

import json
import subprocess
import sys

import pytest
from paths import CAPTURES

import vnic
from vnic.cli import config_file

OPTIONS = {"cpus": int, "ip": list, "tap": str}


@pytest.fixture
def load(tmp_path):
    def load(text, command="replay"):
        path = tmp_path / "vnic.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return config_file.load(path, command, OPTIONS)

    return load


def test_what_is_in_a_config_file(load):
    text = """
cpus = 3
ip = ["10.0.0.2/24", "fd00::2/64"]
rx-usecs = 50
gro = false
link = "100M"
net.core.netdev_budget = 600

[net.ipv4]
ipfrag_time = 9

[queue.1]
rps_cpus = "c"
rx-frames = 4

[run]
tap = "vt3"
rx_ring = 512

[replay]
rx_usecs = 7
"""
    c = load(text)
    assert c.options == {"cpus": 3, "ip": ["10.0.0.2/24", "fd00::2/64"]}
    assert c.knobs == {"rx-usecs": 7, "gro": False, "link": "100M", "netdev-budget": 600, "ipfrag-time": 9}
    assert c.each_queue == {1: {"rps-cpus": "c", "rx-frames": 4}}
    c = load(text, "run")
    assert c.options["tap"] == "vt3"
    assert (c.knobs["rx-usecs"], c.knobs["rx-ring"]) == (50, 512)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rx-usec = 5", "rx-usec: there is no knob 'rx-usec'; did you mean rx-usecs"),
        (
            "[net.core]\nnetdev_budgets = 1",
            r"net.core.netdev_budgets: there is no sysctl 'net.core.netdev_budgets'; did",
        ),
        ("rx-ring = 1", "rx-ring=1: must be between"),
        ("[replay]\ngro = 5", "replay.gro: gro=5: must be on or off"),
        ("[queue.0]\nweight = 5", "queue.0.weight: is a knob of the whole card, not of a queue"),
        ("[queue.0]\nrps-cpu = 5", "queue.0.rps-cpu: there is no knob"),
        ('[queue.0]\nrps-cpus = "xyz"', "queue.0.rps-cpus: rps-cpus=xyz"),
        ("[queue.x]\nrx-usecs = 5", "queue.x: must be a queue's number"),
        ("queue.0 = 5", "queue.0: must be a table"),
        ("replay = 5", "replay: must be a table"),
        ('cpus = "many"', "cpus=many: invalid literal"),
        ("cpus = ]", "line 1"),
        ("cpus = " + "[" * 100_000, "nested too deeply"),
        (b"\xff", "vnic.toml: "),
    ],
)
def test_what_is_wrong_is_said_with_its_path(load, text, why):
    with pytest.raises(vnic.ConfigError, match=why) as e:
        load(text)
    assert "vnic.toml: " in str(e.value)
    assert "\n" not in str(e.value)


def test_a_sysctl_that_vnic_has_not_got_stops_nothing(load):
    text = """
rx-usecs = "50us"
vm.swappiness = 10
net.ipv4.udp_mem = "100 200 300"
net.ipv6.conf.eth0.accept_ra = 1
net.ipv6.conf.all.accept_ra = 0

[net.core]
netdev_budget = 600
optmem_max = 4096
rmem_default = "1M"
"""
    c = load(text)
    assert c.knobs == {
        "udp-mem": "100", "accept-ra": 1, "rx-usecs": "50us", "netdev-budget": 600, "rcvbuf": "1M"
    }  # fmt: skip
    assert c.without_effect == [
        "vm.swappiness", "net.ipv6.conf.all.accept_ra", "net.core.optmem_max"
    ]  # fmt: skip
    with pytest.raises(vnic.ConfigError, match=r"net\.core\.netdev_budget: netdev-budget=x: must be a whole number"):
        load('[net.core]\nnetdev_budget = "x"')


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(vnic.ConfigError, match="No such file"):
        config_file.load(tmp_path / "none", "run", {})


def replay(tmp_path, text, *argv):
    path = tmp_path / "vnic.toml"
    path.write_text(text)
    command = [
        sys.executable,
        "-m",
        "vnic",
        "replay",
        "--config",
        str(path),
        "--json",
        *argv,
        str(CAPTURES / "demo.pcapng"),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_the_command_line_goes_before_the_file(tmp_path):
    text = 'cpus = 3\nqueues = 2\nrx-usecs = 50\nreader-cpu = 1\nip = ["10.9.9.9/24"]\n[queue.1]\nrps-cpus = "4"\n'
    facts = json.loads(replay(tmp_path, text, "--rx-usecs", "20", "--set", "reader-cpu=0").stdout)
    config = facts["config"]
    assert (config["cpus"], config["queues"], config["rx-usecs"], config["reader-cpu"]) == (3, 2, 20, "0")
    assert config["ip"] == ["10.9.9.9/24"]
    assert facts["cpus"][2]["processed"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cpus = 9999", "cpus=9999: 9999 is not in the range 1<=x<="),
        ('at = "moon"', "at=moon: "),
        ("[queue.5]\nrx-usecs = 1", "there is no queue 5: the card has 1"),
        ("config = 1", "there is no knob 'config'"),
        ('write = ["x"]', "write=['x']: must be one value"),
        ("seed = {a = 1}", "must be one value"),
    ],
)
def test_options_of_the_command_are_checked_too(tmp_path, text, why):
    got = replay(tmp_path, text)
    assert (got.returncode, got.stdout) == (2, "")
    assert why in got.stderr
    assert got.stderr.count("\n") == 1
