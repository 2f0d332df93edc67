"""``sysctl``: each name is a knob and comes back as it was set; what is printed is procps'."""

import platform
import subprocess
from functools import partial
from pathlib import Path

import pytest
from commands import answer

from vnic.linux import procfs, sysctl

run = partial(answer, sysctl.command)

ROUND_TRIPS = [
    # name, what is written, what it reads then, knob, its value
    ("net.core.busy_read", "50", "50", "busy-read", 50),
    ("net.core.dev_weight", "32", "32", "dev-weight", 32),
    ("net.core.flow_limit_cpu_bitmap", "3", "3", "flow-limit-cpus", 3),
    ("net.core.flow_limit_table_len", "8192", "8192", "flow-limit-table-len", 8192),
    ("net.core.gro_normal_batch", "16", "16", "gro-normal-batch", 16),
    ("net.core.netdev_budget", "0x258", "600", "netdev-budget", 600),
    ("net.core.netdev_budget_usecs", "16000", "16000", "netdev-budget-usecs", 16000),
    ("net.core.netdev_max_backlog", "5000", "5000", "netdev-max-backlog", 5000),
    ("net.core.rmem_default", "425984", "425984", "rcvbuf", 425984),
    ("net.core.rmem_max", "134217728", "134217728", "rmem-max", 134217728),
    ("net.core.rps_sock_flow_entries", "1000", "1024", "rps-sock-flow-entries", 1000),
    ("net.ipv4.icmp_msgs_burst", "5", "5", "icmp-msgs-burst", 5),
    ("net.ipv4.icmp_msgs_per_sec", "100", "100", "icmp-msgs-per-sec", 100),
    ("net.ipv4.icmp_ratelimit", "7", "8", "icmp-ratelimit", 8),
    ("net.ipv4.ipfrag_high_thresh", "8388608", "8388608", "ipfrag-high-thresh", 8388608),
    ("net.ipv4.ipfrag_max_dist", "0", "0", "ipfrag-max-dist", 0),
    ("net.ipv4.ipfrag_time", "10", "10", "ipfrag-time", 10),
    ("net.ipv6.ip6frag_high_thresh", "8388608", "8388608", "ip6frag-high-thresh", 8388608),
    ("net.ipv6.ip6frag_time", "20", "20", "ip6frag-time", 20),
]
FIXED = {
    "net.core.busy_poll": ("0", "1"),
    "net.core.dev_weight_rx_bias": ("1", "2"),
    "net.core.dev_weight_tx_bias": ("1", "2"),
    "net.core.netdev_tstamp_prequeue": ("1", "0"),
}
READ_ONLY = {"net.core.netdev_rss_key"}
SEVERAL = {"net.ipv4.udp_mem"}  # numbers: test_sock_mem.py


def test_every_name_is_in_these_tables():
    names = [row[0] for row in ROUND_TRIPS]
    assert sorted([*names, *FIXED, *READ_ONLY, *SEVERAL]) == list(sysctl.SYSCTLS)


@pytest.mark.parametrize(("name", "written", "read", "knob", "value"), ROUND_TRIPS)
def test_a_name_is_its_knob(host, name, written, read, knob, value):
    h = host(cpus=4, hz=250)
    before = sysctl.command(h, ["-n", name]).out
    assert run(h, "-w", f"{name}={written}") == (f"{name} = {written}\n", "", 0)
    assert h.knobs[knob] == value
    assert run(h, name) == (f"{name} = {read}\n", "", 0)
    assert procfs.read(h, sysctl.path(name)) == f"{read}\n"
    procfs.write(h, sysctl.path(name), before)
    assert sysctl.command(h, ["-n", name]).out == before


@pytest.mark.parametrize(("name", "value", "other"), [(n, *v) for n, v in FIXED.items()])
def test_what_can_only_be_one_thing_says_why(host, name, value, other):
    h = host()
    assert run(h, f"{name}={value}") == (f"{name} = {value}\n", "", 0)
    out, err, code = run(h, f"{name}={other}")
    assert (out, code) == ("", 1)
    assert err.startswith(f'sysctl: setting key "{name}": Invalid argument\nvnic: it can only be {value}: ')
    assert run(h, "-n", name)[0] == f"{value}\n"


INVALID = [
    ("net.core.netdev_budget", ["abc", "", "5x", "0x", "08", "+5", "2147483648", "99999999999999999999"]),
    ("net.core.netdev_budget_usecs", ["0", "-1", "7999"]),
    ("net.core.dev_weight", ["0", "-1"]),
    ("net.core.gro_normal_batch", ["0"]),
    ("net.core.busy_read", ["-1"]),
    ("net.core.rmem_default", ["100", "2303"]),
    ("net.core.rps_sock_flow_entries", ["-1", "x", "536870913"]),
    ("net.core.flow_limit_table_len", ["0", "1000"]),
    ("net.core.flow_limit_cpu_bitmap", ["g"]),
    ("net.ipv4.ipfrag_max_dist", ["-1"]),
    ("net.ipv4.ipfrag_high_thresh", ["-1", "x"]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in INVALID for value in values])
def test_what_linux_refuses_is_refused_without_a_word(host, name, value):
    h = host(hz=250)
    before = run(h, name)
    assert run(h, f"{name}={value}") == ("", f'sysctl: setting key "{name}": Invalid argument\n', 1)
    assert run(h, name) == before


def test_a_cpu_that_is_not_there_overflows(host):
    h = host(cpus=4)
    assert run(h, "net.core.flow_limit_cpu_bitmap=10") == (
        "",
        'sysctl: setting key "net.core.flow_limit_cpu_bitmap": Value too large for defined data type\n',
        1,
    )


def test_what_linux_takes_and_this_host_cannot_gets_a_sentence(host):
    h = host()
    out, err, code = run(h, "net.core.netdev_budget=-1")
    assert (out, code) == ("", 1)
    assert err.splitlines() == [
        'sysctl: setting key "net.core.netdev_budget": Invalid argument',
        "vnic: netdev-budget=-1: must be between 1 and 1048576",
    ]


def test_all_are_in_order_and_can_be_selected(host):
    h = host()
    lines = run(h, "-a")[0].splitlines()
    assert [line.split(" = ")[0] for line in lines] == list(sysctl.SYSCTLS)
    assert run(h, "-a")[0] == run(h, "net")[0]
    assert run(h, "-aN", "-r", "budget")[0] == "net.core.netdev_budget\nnet.core.netdev_budget_usecs\n"
    assert run(h, "-aN", "--pattern=^net.ipv6")[0] == "net.ipv6.ip6frag_high_thresh\nnet.ipv6.ip6frag_time\n"


def test_the_key_of_rss_is_only_read(host):
    h = host(rss_key=bytes(range(52)))
    assert run(h, "-n", "net.core.netdev_rss_key")[0] == f"{bytes(range(52)).hex(':')}\n"
    # as procps: the file's mode says so, no call failed, and it goes on
    assert run(h, "net.core.netdev_rss_key=1") == (
        "",
        'sysctl: setting key "net.core.netdev_rss_key": Invalid argument\n',
        0,
    )


def test_a_dry_run_changes_nothing(host):
    h = host()
    assert run(h, "--dry-run", "net.core.netdev_budget=x")[0] == "net.core.netdev_budget = x\n"
    assert h.knobs["netdev-budget"] == 300


def test_sysctls_usage_names_its_options(host):
    h = host()
    assert run(h)[1:] == (sysctl._USAGE, 1)
    assert run(h, "-h") == (sysctl._USAGE, "", 0)
    assert run(h, "--bogus") == (sysctl._USAGE, "sysctl: unrecognized option '--bogus'\n", 0)
    assert run(h, "-z") == (sysctl._USAGE, "sysctl: invalid option -- 'z'\n", 0)
    assert run(h, "-r") == (sysctl._USAGE, "sysctl: option requires an argument -- 'r'\n", 0)
    assert run(h, "--pattern") == (
        sysctl._USAGE,
        "sysctl: option '--pattern' requires an argument\n",
        0,
    )
    assert run(h, "--all=1") == (
        sysctl._USAGE,
        "sysctl: option '--all' doesn't allow an argument\n",
        0,
    )


# ---- the real one, over the names that a network namespace has of its own ----

LIKE_PROCPS = [
    ["net.ipv4.icmp_ratelimit"],
    ["-n", "net.ipv4.icmp_ratelimit"],
    ["-N", "net.ipv4.icmp_ratelimit"],
    ["-b", "net.ipv4.icmp_msgs_burst", "net.ipv4.icmp_msgs_per_sec"],
    ["net/ipv4/icmp_ratelimit"],
    ["net/ipv4.icmp_ratelimit"],
    ["net.ipv4.icmp_ratelimit=7"],
    ["net.ipv4.icmp_ratelimit"],
    ["-w", "net.ipv4.icmp_ratelimit=1000", "net.ipv4.ipfrag_time=31"],
    ["-w", "net.ipv4.icmp_ratelimit"],
    ["-w", "net.x", "net.y"],
    ["-w"],
    ["-q", "net.ipv4.ipfrag_time=30"],
    ["-q", "net.ipv4.ipfrag_time"],
    ["-n", "net.ipv4.ipfrag_time=30"],
    ["-N", "net.ipv4.ipfrag_time=30"],
    ["-b", "net.ipv4.ipfrag_time=30"],
    ["net.ipv4.ipfrag_time = 30 "],
    ["net.ipv4.ipfrag_time =  30  9"],
    ["net.ipv4.ipfrag_time="],
    ["net.ipv4.ipfrag_time=abc"],
    ["net.ipv4.ipfrag_time=30x"],
    ["net.ipv4.ipfrag_time=+30"],
    ["net.ipv4.ipfrag_time=0x1e"],
    ["net.ipv4.ipfrag_time", "=30"],
    ["net.ipv4.ipfrag_max_dist=-1"],
    ["net.ipv4.ipfrag_max_dist=2147483648"],
    ["net.ipv4.ipfrag_high_thresh=-5"],
    ["net.ipv4.ipfrag_high_thresh=x"],
    ["net.ipv4.ipfrag_high_thresh=4194305"],
    ["net.ipv4.ipfrag_high_thresh"],
    ["net.ipv4.icmp_msgs_per_sec=-1"],
    ["net.ipv4.icmp_msgs_burst=08"],
    ["net.ipv4.icmp_msgs_burst=010"],
    ["net.ipv4.icmp_msgs_burst"],
    ["net.ipv6.ip6frag_time"],
    ["net.x"],
    ["net.x", "net.y"],
    ["net.x", "net.y", "net.ipv4.ipfrag_time=x", "net.z=1"],
    ["net.x", "net.ipv4.ipfrag_time"],
    ["net.x=1"],
    ["-e", "net.x"],
    ["-eq", "net.x=1", "=3"],
    ["=3"],
    ["net.ipv4=3"],
    ["-r", "burst", "net.ipv4.icmp_ratelimit"],
    ["-r", "limit", "net.ipv4.icmp_ratelimit"],
    ["-r", "burst", "net.ipv4.icmp_ratelimit=9"],
    ["-r", "[", "net.ipv4.icmp_ratelimit"],
    ["-r", "limit"],
    ["-a", "-r", "^net.ipv4.ipfrag_time"],
    ["-a", "-N", "-r", "ipfrag_time"],
    ["--dry-run", "net.ipv4.icmp_ratelimit=x"],
    ["--values", "net.ipv4.icmp_ratelimit"],
    ["--val", "net.ipv4.icmp_ratelimit"],
    ["-w", "--", "net.ipv4.icmp_ratelimit=8"],
    ["--", "-w"],
]


@pytest.mark.root
@pytest.mark.needs("sysctl")
def test_sysctl_prints_and_returns_what_procps_does(host, netns):
    """Each command in turn, both in the same state."""
    if "procps-ng 4." not in subprocess.check_output(["sysctl", "-V"], text=True):
        pytest.skip("the texts are procps 4's")
    if not Path("/proc/sys/net/ipv6").exists():
        pytest.skip("this kernel has no IPv6")
    h = host(hz=250)
    limit = Path("/proc/sys/net/ipv4/icmp_ratelimit")
    limit.write_text("7")
    hz_250 = limit.read_text() == "8\n"
    limit.write_text("1000")
    for argv in LIKE_PROCPS:
        if not hz_250 and any("ratelimit" in a for a in argv):
            continue
        real = subprocess.run(["sysctl", *argv], capture_output=True, text=True, timeout=30, check=False)
        assert run(h, *argv) == (real.stdout, real.stderr, real.returncode), argv


def test_every_name_is_the_running_kernels():
    if not platform.release().startswith("6.18."):
        pytest.skip("the names are Linux 6.18's")
    for name, row in sysctl.SYSCTLS.items():
        file = Path(sysctl.path(name))
        if not file.exists() and not file.parent.exists():
            continue  # without IPv6
        assert bool(file.stat().st_mode & 0o200) == bool(row.write), name
