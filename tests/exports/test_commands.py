"""Knobs as commands for a real machine: each is fed back through vnic's own faces, and tried with the real tools."""

import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from captures import pcap
from commands import VNIC, invoke, vnic_process
from frames import udp
from hypothesis import given
from hypothesis import strategies as st
from knob_values import FRESH, other_value
from real_ethtool import device

import vnic
from vnic.errors import ConfigError
from vnic.exports import toml
from vnic.exports.commands import Shell, of_config
from vnic.knobs.table import KNOBS
from vnic.linux import ethtool, ip_link, procfs, sysctl, sysfs
from vnic.linux.places import place

DEV = "vnic0"
COMMANDS = {"ethtool": ethtool.command, "ip": ip_link.command, "sysctl": sysctl.command}


VALUES = {"netdev-budget-usecs": 16000, "rcvbuf": 425984, "icmp-ratelimit": 500, "icmp6-ratelimit": 500} | {
    f"{neigh}-{name}": ms
    for neigh in ("neigh", "neigh6")
    for name, ms in (("base-reachable-time-ms", 20_000), ("retrans-time-ms", 500))
}
"""Where Linux's sysctl takes less than vnic's knob does: whole jiffies, no half of a page."""
NEWER = ("rss-xfrm", "gro-ipv4-max-size")
"""Knobs with a line that the tools of this test do not know yet, which a comment says."""


def given_value(name):
    return VALUES.get(name, other_value(name))


def number_of(text, host):
    """What the shell puts for $(sed ... /proc/interrupts), on this host."""
    script = text.replace("/proc/interrupts", "-")
    done = subprocess.run(
        ["sh", "-c", f"echo {script}"],
        input=procfs.read(host, "/proc/interrupts"),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def paste(host, line):
    """Run a line on a host of vnic's, as a shell would on a machine."""
    echo = re.fullmatch(r"echo (\S+) > (.*)", line)
    if echo:
        path = re.sub(r"\$\(.*\)", lambda found: number_of(found[0], host), echo[2])
        face = procfs if path.startswith("/proc") else sysfs
        face.write(host, shlex.split(path)[0], f"{echo[1]}\n")
        return
    tool, *argv = shlex.split(line)
    if tool == "ynl":  # the kernel's own tool: vnic has none of that name
        napi_set(host, argv)
        return
    reply = COMMANDS[tool](host, argv)
    assert (reply.code, reply.err) == (0, ""), line


def napi_set(host, argv):
    *words, given = argv
    assert words == ["--family", "netdev", "--do", "napi-set", "--json"]
    own = json.loads(re.sub(r"\$NAPI_(\d+)", r"\1", given))
    queue = own.pop("id")
    names = {"defer-hard-irqs": "napi-defer-hard-irqs"}
    modes = {"disabled": False, "enabled": True}
    host.knobs.queue(queue).update({names.get(name, name): modes.get(value, value) for name, value in own.items()})


def without_comments(lines):
    return [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("name", KNOBS)
def test_every_knob_has_a_command_or_a_reason(name):
    lines = Shell(DEV).lines(
        {name: given_value(name) if name not in ("lro", "rx-gro-hw", "rx-vlan-offload") else False}
    )
    assert lines
    assert all("\n" not in line for line in lines)
    if not place(name) and name != "reader-cpu":
        assert re.fullmatch(rf"# {name}=\S.*: no command sets it: \w.*", lines[0])


_BACK = [
    name
    for name in KNOBS
    if place(name)[:1].islower()
    and not KNOBS[name].fixed
    and name not in ("accept-ra", "ntuple", "ntuple-rules", "mac", "tso")  # tso: fixed without a TAP
] + [name for name in KNOBS if place(name).startswith("/")]


@pytest.mark.parametrize("name", _BACK)
def test_a_command_gives_vnic_the_same_knob_back(name):
    value = given_value(name)
    with vnic.Host(cpus=4, queues=2) as wanted, vnic.Host(cpus=4, queues=2) as host:
        wanted.knobs.update({name: value})
        for line in without_comments(Shell(DEV, 2).lines({name: value})):
            paste(host, line)
        if name == "rss-indir":  # weights: the same shares, in other places
            assert sorted(host.knobs[name]) == sorted(wanted.knobs[name])
        elif KNOBS[name].place.each_queue:
            assert [host.knobs.queue(q)[name] for q in (0, 1)] == [wanted.knobs.queue(q)[name] for q in (0, 1)]
        else:
            assert host.knobs[name] == wanted.knobs[name] != FRESH.get(name)


def test_several_knobs_are_one_command_where_they_belong_together():
    lines = Shell("eth1").lines({"rx-usecs": 20, "rx-frames": 0, "adaptive-rx": False, "queues": 2, "rps-cpus": "6"})
    assert lines == [
        "ethtool -L eth1 combined 2",
        "ethtool -C eth1 rx-usecs 20 rx-frames 0 adaptive-rx off",
        "echo 6 > /sys/class/net/eth1/queues/rx-0/rps_cpus",
        "echo 6 > /sys/class/net/eth1/queues/rx-1/rps_cpus",
    ]


def test_knobs_of_single_queues_come_back():
    own = {1: {"rx-usecs": 7, "rx-frames": 0, "rps-cpus": "c", "rps-flow-cnt": 64, "smp-affinity": "4"}}
    with vnic.Host(cpus=4, queues=2) as host, vnic.Host(cpus=4, queues=2, each_queue=own) as wanted:
        for line in without_comments(Shell(DEV, 2).lines({}, own)):
            paste(host, line)
        for queue in (0, 1):
            assert {n: host.knobs.queue(queue)[n] for n in own[1]} == {n: wanted.knobs.queue(queue)[n] for n in own[1]}


def test_rules_come_back():
    rules = "udp4 dst-port 53 action 1; tcp6 src-ip 2001:db8::1 action -1; udp4 dst-ip 10.0.0.0 m 0.0.0.255 action 0"
    with vnic.Host(queues=2) as host, vnic.Host(queues=2, ntuple_rules=rules) as wanted:
        for line in without_comments(Shell(DEV, 2).lines({"ntuple-rules": rules})):
            if "-K" not in line:
                paste(host, line)
            else:
                assert line == f"ethtool -K {DEV} ntuple on"
        assert host.knobs["ntuple-rules"] == wanted.knobs["ntuple-rules"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([0] * 150 + [1] * 50, "weight 206 50"),  # a table of 256 entries, which begins again behind the 200th
        ([0, 1, 1, 1], "weight 32 96"),
        ([0, 1] * 128, "equal 2"),
    ],
)
def test_the_shares_of_a_table_of_any_size(table, words):
    (line,) = without_comments(Shell(DEV, 2).lines({"rss-indir": table}))
    assert line == f"ethtool -X {DEV} {words}"


def test_the_nearest_is_said():
    lines = Shell("eth0").lines({"rcvbuf": 2097152, "reader-cpu": 3, "cpus": 8, "fifo": 1 << 20, "weight": 128})
    assert lines[:2] == ["sysctl -w net.core.rmem_default=2097152", 'taskset -a -c -p 3 "$READER"']
    text = "\n".join(lines)
    assert "setsockopt(SO_RCVBUF, 1048576)" in text
    assert all(
        f"# {name}" in text for name in ("cpus=8: no command", "fifo=1048576: no command", "weight=128: no command")
    )


@pytest.mark.parametrize("mask, shown", [(1, "1"), (0x1_0000_000C, "1,0000000c"), (1 << 63, "80000000,00000000")])
def test_masks_have_commas(mask, shown):
    assert Shell("eth0").lines({"rps-cpus": mask}) == [f"echo {shown} > /sys/class/net/eth0/queues/rx-0/rps_cpus"]


# ---- hostile ----


@pytest.mark.parametrize(
    "dev",
    [
        "",
        ".",
        "..",
        "-G",
        "a b",
        "a;reboot",
        "$(id)",
        "`id`",
        "a/b",
        "a\nb",
        "x" * 16,
        "é",
        "a'b",
        'a"b',
        "*",
        "a|b",
        "a>b",
        "a&b",
    ],
)
def test_a_name_that_a_shell_would_read_is_refused(dev):
    with pytest.raises(ConfigError, match=r"--dev .*must be 1 to 15 letters"):
        Shell(dev)


@given(st.text(max_size=15), st.sampled_from(sorted(KNOBS)))
def test_a_name_that_is_taken_is_one_word(dev, name):
    try:
        shell = Shell(dev, 2)
    except ConfigError:
        return
    for line in shell.lines({name: given_value(name)} if not KNOBS[name].fixed.startswith("off") else {name: False}):
        if not line.startswith("#"):
            assert re.fullmatch(r"[\w. :=,/\"$'(){}|?*^\[\]@;+><-]+", line)
            assert place(name).startswith("net.") or name == "reader-cpu" or dev in line.replace("[.]", ".")


@pytest.mark.parametrize("value", ["1; reboot", "$(id)", "x\ny", "-1", None])
@pytest.mark.parametrize("name", ["rx-ring", "rps-cpus", "rss-key", "ntuple-rules", "netdev-budget"])
def test_a_value_that_no_knob_takes_is_refused(name, value):
    with pytest.raises((ConfigError, ValueError)):
        Shell("eth0").lines({name: value if value is not None else "no such value"})


# ---- the file ----


def read_back(tmp_path, config):
    path = tmp_path / "x.toml"
    path.write_text("\n".join(toml.lines(config)) + "\n")
    tomllib.loads(path.read_text())
    return invoke("replay", Path(__file__).parents[1] / "captures/demo.pcapng", "--config", path, "--json")


@pytest.mark.slow
def test_the_file_gives_the_run_again(tmp_path):
    capture = Path(__file__).parents[1] / "captures/demo.pcapng"
    options = [
        "--rx-ring",
        "16",
        "--queues",
        "2",
        "--rps-cpus",
        "c",
        "--rx-usecs",
        "50",
        "--ip",
        "10.0.0.1/24",
        "--seed",
        "3",
    ]
    path = tmp_path / "x.toml"
    path.write_text(invoke("replay", capture, *options, "--as", "toml").stdout)
    first = invoke("replay", capture, *options, "--json").stdout
    assert invoke("replay", capture, "--config", path, "--json").stdout == first


@pytest.mark.parametrize("name", [n for n in KNOBS if n not in ("cost", "lro", "rx-gro-hw", "rx-vlan-offload")])
def test_each_knob_goes_through_the_file(name):
    value = given_value(name)
    found = tomllib.loads("\n".join(toml.lines({name: value})))
    assert KNOBS[name].parse(found[name]) == KNOBS[name].parse(value)


def test_what_is_a_default_is_not_in_the_file():
    with vnic.Host() as host:
        assert list(toml.lines(host.config)) == []
        assert list(of_config(host.config)) == []


# ---- the real tools ----


def shell(line, **env):
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, check=False, env=env or None)
    return done.returncode, done.stdout + done.stderr


_REFUSED = re.compile(r"not supported|Cannot |netlink error: |Could not change any device features")


@pytest.mark.root
@pytest.mark.usefixtures("netns")
@pytest.mark.needs("ethtool", "ip")
@pytest.mark.parametrize("name", [n for n in KNOBS if place(n).startswith(("ethtool", "ip "))])
def test_the_real_tools_understand_each_line(name):
    """A veth lacks much, and then the kernel refuses; a word that the tool does not know is its own error."""
    device("ip link add vnic0 numrxqueues 4 numtxqueues 4 type veth peer name peer")
    value = given_value(name) if not KNOBS[name].fixed.startswith("off") else False
    for line in without_comments(Shell(DEV).lines({name: value})):
        code, text = shell(line)
        if name in NEWER and code:
            assert re.search("bad command line|garbage", text)
            assert "does not know it yet" in Shell(DEV).lines({name: value})[-1]
            continue
        assert not re.search(r"bad command line|[Uu]sage:|garbage", text), (line, text)
        assert code == 0 or _REFUSED.search(text), (line, text)


@pytest.mark.root
@pytest.mark.usefixtures("netns")
@pytest.mark.needs("ethtool", "ip")
def test_what_a_veth_has_is_set():
    device("ip link add vnic0 numrxqueues 4 numtxqueues 4 type veth peer name peer")
    lines = Shell(DEV).lines(
        {"gro": False, "mtu": 1300, "mac": "02:00:00:00:00:77", "promisc": True, "gro-max-size": 30000}
    )
    assert [shell(line)[0] for line in lines] == [0] * 5
    _, text = shell("ip -d link show vnic0; ethtool -k vnic0")
    assert all(word in text for word in ("mtu 1300", "02:00:00:00:00:77", "PROMISC", "gro_max_size 30000"))
    assert "generic-receive-offload: off" in text


@pytest.mark.root
@pytest.mark.usefixtures("netns")
@pytest.mark.needs("ip")
def test_files_of_a_veth_are_written(tmp_path):
    """Below a sysfs of this namespace."""
    device("ip link add vnic0 numrxqueues 2 numtxqueues 2 type veth peer name peer")
    settings = {"rps-cpus": "1", "rps-flow-cnt": 64, "gro-flush-timeout": 20000, "napi-defer-hard-irqs": 2}
    lines = Shell(DEV, 2).lines(settings)
    files = " ".join(shlex.split(line)[-1] for line in lines)
    script = "mount -t sysfs none /sys && " + " && ".join([*lines, f"cat {files}"])
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["1", "1", "64", "64", "20000", "2"]


@pytest.mark.needs("sysctl")
@pytest.mark.parametrize("name", [n for n in KNOBS if place(n).startswith("net.")])
def test_sysctl_parses_each_line(name):
    """Nothing is written: this kernel is everybody's."""
    for line in without_comments(Shell("lo").lines({name: given_value(name)})):
        code, text = shell(line.replace("sysctl -w", "sysctl --dry-run -w"))
        assert code == 0 or "No such file" in text, text
        assert "invalid" not in text.replace("tcp_invalid_ratelimit", ""), text


@pytest.mark.needs("taskset")
def test_taskset_takes_the_line():
    line = Shell("eth0").lines({"reader-cpu": 0})[0]
    code, text = shell(
        f'sleep 5 & READER=$!; {line}; code=$?; kill "$READER"; exit $code', PATH="/usr/bin:/bin:/usr/sbin"
    )
    assert code == 0, text
    assert "new affinity list: 0" in text


def test_the_command_line(tmp_path):
    capture = Path(__file__).parents[1] / "captures/demo.pcapng"
    done = invoke("replay", capture, "--rx-ring", "64", "--as", "commands", "--dev", "ens3")
    assert (done.exit_code, done.stdout) == (0, "ethtool -G ens3 rx 64\n")
    assert invoke("replay", capture, "--as", "commands").stdout == "# nothing to set\n"
    assert invoke("replay", capture, "--as", "toml", "--json").exit_code == 2
    refused = invoke("replay", capture, "--as", "commands", "--dev", "a;b")
    assert (refused.exit_code, refused.stdout) == (2, "")


@pytest.mark.slow
def test_a_running_instance_is_asked(tmp_path):
    """Its name is the interface in the lines; its answer is an estimate from its counters."""
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    capture = tmp_path / "burst.pcap"
    capture.write_bytes(pcap([(i * 100, udp(bytes(100)), 142) for i in range(3000)], nano=True))
    hold = [*VNIC, "replay", str(capture), "--rx-ring", "64", "--queues", "2", "--hold", "--json"]
    with subprocess.Popen(hold, env=environment, stdout=subprocess.PIPE, text=True) as held:
        while held.stdout.readline() != "}\n":
            pass
        for _ in range(100):
            done = vnic_process("why", "--as", "commands", environment={"XDG_RUNTIME_DIR": str(tmp_path)})
            if b"no instance is running" not in done.stderr:
                break
        toml_ = vnic_process("why", "--as", "toml", environment={"XDG_RUNTIME_DIR": str(tmp_path)})
        held.terminate()
    assert (done.returncode, toml_.returncode, done.stderr, toml_.stderr) == (0, 0, b"", b"")
    assert b"# Lost " in done.stdout
    assert re.search(rb"^(ethtool -. vnic0 .*|sysctl -w .*|# nothing to set)$", done.stdout, re.MULTILINE)
    tomllib.loads(toml_.stdout.decode())
