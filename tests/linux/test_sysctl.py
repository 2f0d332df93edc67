"""``sysctl``: each name is a knob and comes back as it was set; what is printed is procps'."""

import platform
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
from commands import answer

import vnic
from vnic.errors import ConfigError
from vnic.knobs import sysctls
from vnic.knobs.table import KNOBS, read
from vnic.linux import netdevice, procfs, sysctl, sysctl_files, sysctl_rows

run = partial(answer, sysctl.command)

ROUND_TRIPS = [
    # name, what is written, what it reads then, knob, its value
    ("net.core.busy_read", "50", "50", "busy-read", 50),
    ("net.core.dev_weight", "32", "32", "dev-weight", 32),
    ("net.core.dev_weight_rx_bias", "2", "2", "dev-weight-rx-bias", 2),
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
    ("net.ipv6.icmp.ratelimit", "7", "8", "icmp6-ratelimit", 8),
    ("net.ipv4.ipfrag_high_thresh", "8388608", "8388608", "ipfrag-high-thresh", 8388608),
    ("net.ipv4.ipfrag_max_dist", "0", "0", "ipfrag-max-dist", 0),
    ("net.ipv4.ipfrag_time", "10", "10", "ipfrag-time", 10),
    ("net.ipv4.neigh.vnic0.base_reachable_time_ms", "15001", "15004", "neigh-base-reachable-time-ms", 15004),
    ("net.ipv4.neigh.vnic0.gc_stale_time", "7", "7", "neigh-gc-stale-time", 7),
    ("net.ipv4.neigh.vnic0.retrans_time_ms", "500", "500", "neigh-retrans-time-ms", 500),
    ("net.ipv6.neigh.vnic0.base_reachable_time_ms", "15001", "15004", "neigh6-base-reachable-time-ms", 15004),
    ("net.ipv6.neigh.vnic0.gc_stale_time", "7", "7", "neigh6-gc-stale-time", 7),
    ("net.ipv6.neigh.vnic0.retrans_time_ms", "500", "500", "neigh6-retrans-time-ms", 500),
    ("net.core.somaxconn", "128", "128", "somaxconn", 128),
    ("net.core.wmem_max", "425984", "425984", "wmem-max", 425984),
    ("net.ipv4.ip_local_port_range", "40000 49999", "40000\t49999", "ip-local-port-range", (40000, 49999)),
    ("net.ipv4.tcp_abort_on_overflow", "1", "1", "tcp-abort-on-overflow", 1),
    ("net.ipv4.tcp_app_win", "2", "2", "tcp-app-win", 2),
    ("net.ipv4.tcp_challenge_ack_limit", "100", "100", "tcp-challenge-ack-limit", 100),
    ("net.ipv4.tcp_comp_sack_delay_ns", "5000000000", "5000000000", "tcp-comp-sack-delay-ns", 5_000_000_000),
    ("net.ipv4.tcp_comp_sack_nr", "0", "0", "tcp-comp-sack-nr", 0),
    ("net.ipv4.tcp_congestion_control", "reno", "reno", "tcp-congestion-control", "reno"),
    ("net.ipv4.tcp_dsack", "0", "0", "tcp-dsack", 0),
    ("net.ipv4.tcp_early_retrans", "4", "4", "tcp-early-retrans", 4),
    ("net.ipv4.tcp_ecn", "1", "1", "tcp-ecn", 1),
    ("net.ipv4.tcp_ecn_fallback", "0", "0", "tcp-ecn-fallback", 0),
    ("net.ipv4.tcp_fin_timeout", "15", "15", "tcp-fin-timeout", 15),
    ("net.ipv4.tcp_frto", "0", "0", "tcp-frto", 0),
    ("net.ipv4.tcp_invalid_ratelimit", "7", "8", "tcp-invalid-ratelimit", 8),
    ("net.ipv4.tcp_keepalive_intvl", "5", "5", "tcp-keepalive-intvl", 5),
    ("net.ipv4.tcp_keepalive_probes", "3", "3", "tcp-keepalive-probes", 3),
    ("net.ipv4.tcp_keepalive_time", "60", "60", "tcp-keepalive-time", 60),
    ("net.ipv4.tcp_max_orphans", "10", "10", "tcp-max-orphans", 10),
    ("net.ipv4.tcp_max_reordering", "10", "10", "tcp-max-reordering", 10),
    ("net.ipv4.tcp_max_syn_backlog", "128", "128", "tcp-max-syn-backlog", 128),
    ("net.ipv4.tcp_max_tw_buckets", "1048576", "1048576", "tcp-max-tw-buckets", 1_048_576),
    ("net.ipv4.tcp_min_rtt_wlen", "60", "60", "tcp-min-rtt-wlen", 60),
    ("net.ipv4.tcp_min_snd_mss", "500", "500", "tcp-min-snd-mss", 500),
    ("net.ipv4.tcp_moderate_rcvbuf", "0", "0", "tcp-moderate-rcvbuf", 0),
    ("net.ipv4.tcp_notsent_lowat", "131072", "131072", "tcp-notsent-lowat", 131_072),
    ("net.ipv4.tcp_orphan_retries", "1", "1", "tcp-orphan-retries", 1),
    ("net.ipv4.tcp_pingpong_thresh", "3", "3", "tcp-pingpong-thresh", 3),
    ("net.ipv4.tcp_recovery", "5", "5", "tcp-recovery", 5),
    ("net.ipv4.tcp_reordering", "10", "10", "tcp-reordering", 10),
    ("net.ipv4.tcp_retrans_collapse", "0", "0", "tcp-retrans-collapse", 0),
    ("net.ipv4.tcp_retries2", "8", "8", "tcp-retries2", 8),
    ("net.ipv4.tcp_rfc1337", "1", "1", "tcp-rfc1337", 1),
    ("net.ipv4.tcp_rmem", "4096 65536 6291456", "4096\t65536\t6291456", "tcp-rmem", (4096, 65536, 6291456)),
    ("net.ipv4.tcp_rto_max_ms", "1000", "1000", "tcp-rto-max-ms", 1000),
    ("net.ipv4.tcp_rto_min_us", "5001", "5001", "tcp-rto-min-us", 5001),
    ("net.ipv4.tcp_sack", "0", "0", "tcp-sack", 0),
    ("net.ipv4.tcp_shrink_window", "1", "1", "tcp-shrink-window", 1),
    ("net.ipv4.tcp_slow_start_after_idle", "0", "0", "tcp-slow-start-after-idle", 0),
    ("net.ipv4.tcp_syn_linear_timeouts", "0", "0", "tcp-syn-linear-timeouts", 0),
    ("net.ipv4.tcp_syn_retries", "2", "2", "tcp-syn-retries", 2),
    ("net.ipv4.tcp_synack_retries", "0", "0", "tcp-synack-retries", 0),
    ("net.ipv4.tcp_syncookies", "2", "2", "tcp-syncookies", 2),
    ("net.ipv4.tcp_thin_linear_timeouts", "1", "1", "tcp-thin-linear-timeouts", 1),
    ("net.ipv4.tcp_timestamps", "2", "2", "tcp-timestamps", 2),
    ("net.ipv4.tcp_tw_reuse", "1", "1", "tcp-tw-reuse", 1),
    ("net.ipv4.tcp_tw_reuse_delay", "500", "500", "tcp-tw-reuse-delay", 500),
    ("net.ipv4.tcp_window_scaling", "0", "0", "tcp-window-scaling", 0),
    ("net.ipv4.tcp_wmem", "4096 16384 65536", "4096\t16384\t65536", "tcp-wmem", (4096, 16384, 65536)),
    ("net.ipv4.tcp_workaround_signed_windows", "1", "1", "tcp-workaround-signed-windows", 1),
    ("net.ipv4.udp_rmem_min", "5000", "5000", "udp-rmem-min", 5000),
    ("net.ipv6.conf.vnic0.accept_ra", "1", "1", "accept-ra", True),
    ("net.ipv6.ip6frag_high_thresh", "8388608", "8388608", "ip6frag-high-thresh", 8388608),
    ("net.ipv6.ip6frag_time", "20", "20", "ip6frag-time", 20),
]
READ_ONLY = {"net.core.netdev_rss_key"}
SEVERAL = {"net.ipv4.udp_mem"}  # numbers: test_sock_mem.py
FIXED_AT_START = {"net.ipv6.conf.vnic0.dad_transmits"}


def test_every_name_with_a_knob_is_in_these_tables():
    names = sorted([*(row[0] for row in ROUND_TRIPS), *READ_ONLY, *SEVERAL, *FIXED_AT_START])
    assert [name.replace(".vnic0.", ".DEV.") for name in names] == list(sysctl_rows.SYSCTLS)


def test_the_table_of_names_and_the_functions_agree_on_knobs():
    of = {name: re.match(r"knob ([\w-]+)", row.source)[1] for name, row in sysctl_rows.SYSCTLS.items()}
    assert of == sysctls.KNOBS
    assert {name: sysctls.knob(name.replace("DEV", "eth0")) for name in of} == sysctls.KNOBS
    assert set(of.values()) <= KNOBS.keys()


def test_the_text_of_a_sysctl_is_one_of_its_knob():
    for name, text, knob in (
        ("net.ipv4.udp_mem", "1\t2\t3\n", "1"),
        ("net.ipv6.conf.eth0.accept_ra", "2", "on"),
        ("net.ipv6.conf.eth0.accept_ra", "0\n", "off"),
        ("net.core.netdev_budget", " 600 ", "600"),
    ):
        assert sysctls.for_knob(sysctls.knob(name), text) == knob
    with vnic.Host(cpus=2) as h:
        for name, own in sysctl_rows.SYSCTLS.items():
            key = sysctls.KNOBS[name]
            assert read(key, sysctls.for_knob(key, own.read(h))) == h.knobs[key]


def test_the_knob_of_a_sysctl_by_its_name():
    assert sysctls.knob("net.core.rmem_default") == "rcvbuf"
    assert sysctls.knob("net.ipv6.conf.default.accept_ra") == "accept-ra"
    for name in ("net.ipv4.tcp_mem", "net.ipv6.conf.all.accept_ra", "net.ipv6.conf.lo.accept_ra", "vm.swappiness"):
        assert sysctls.knob(name) is None
    with pytest.raises(ConfigError, match=r"no sysctl 'net.core.netdev_budgt'; did you mean net.core.netdev_budget or"):
        sysctls.knob("net.core.netdev_budgt")
    with pytest.raises(ConfigError, match=r"did you mean net.ipv4.tcp_rmem"):
        sysctls.knob("tcp_rmem")
    with pytest.raises(ConfigError, match=r"no sysctl 'net.core.\S+' \(...\)$|no sysctl"):
        sysctls.knob("net.core." + "x" * 100_000)


@pytest.mark.parametrize(("name", "written", "read", "knob", "value"), ROUND_TRIPS)
def test_a_name_is_its_knob(host, name, written, read, knob, value):
    h = host(cpus=4, hz=250)
    before = sysctl.command(h, ["-n", name]).out
    assert run(h, "-w", f"{name}={written}") == (f"{name} = {written}\n", "", 0)
    assert h.knobs[knob] == value
    assert run(h, name) == (f"{name} = {read}\n", "", 0)
    assert procfs.read(h, sysctl_rows.path(name)) == f"{read}\n"
    procfs.write(h, sysctl_rows.path(name), before)
    assert sysctl.command(h, ["-n", name]).out == before


@pytest.mark.parametrize("name", sysctls.WHY)
def test_a_value_without_effect_is_kept_and_the_reason_is_said(host, name):
    h = host()
    assert run(h, f"{name}=7") == (f"{name} = 7\n", f"vnic: {name} is kept without effect: {sysctls.WHY[name]}\n", 0)
    assert run(h, "-n", name) == ("7\n", "", 0)


def test_names_without_effect_are_said_once(host):
    h = host()
    names = ["net.core.optmem_max", "net.ipv4.tcp_mem", "net.core.message_cost", "net.core.optmem_max"]
    out, err, code = run(h, "-q", *(f"{name}=5000" for name in names))
    assert (out, code) == ("", 0)
    assert err == "vnic: net.core.optmem_max, net.ipv4.tcp_mem, net.core.message_cost are kept without effect\n"
    many = [n for n in sysctls.names("vnic0") if re.match(r"net\.ipv4\.(neigh\.default|conf\.all\.[a-d])", n)]
    many = [n for n in many if sysctls.row(n) not in sysctls.READ_ONLY]
    _, err, _ = run(h, "-q", *(f"{n}=1" for n in many))
    assert err.count("\n") == 1
    assert err.endswith(f" and {len(many) - 12} more are kept without effect\n")


def test_all_that_linux_has_reads_as_by_default_and_is_written(host):
    h = host()
    rows = sysctl_rows.of_card("vnic0")
    for name, row in rows.items():
        if name in sysctls.WRITE_ONLY:
            with pytest.raises(PermissionError):
                row.read(h)
        elif row.write is None:
            assert row.read(h) is not None
        else:
            was = row.read(h)
            assert run(h, "-q", f"{name}={was}")[2] == 0, name
            assert row.read(h) == was
            assert procfs.read(h, sysctl_rows.path(name)) == f"{was}\n"


def test_a_row_of_numbers_takes_as_many_as_it_has(host):
    h = host()
    assert run(h, "net.ipv4.tcp_rmem=1 2")[2] == 0
    assert run(h, "-n", "net.ipv4.tcp_rmem")[0] == "1\t2\t33554432\n"
    assert run(h, "-q", "net.ipv4.tcp_rmem=4 5 6 7")[2] == 0
    assert run(h, "-n", "net.ipv4.tcp_rmem")[0] == "4\t5\t6\n"
    for wrong in ("", "x", "4 x", "9999999999"):
        assert run(h, f"net.ipv4.tcp_rmem={wrong}")[2] == 1
    assert run(h, "-n", "net.ipv4.tcp_rmem")[0] == "4\t5\t6\n"
    assert run(h, "-n", "net.ipv6.conf.vnic0.mtu")[0] == f"{netdevice.mtu(h)}\n"


def test_a_near_name_is_guessed(host):
    h = host()
    assert run(h, "net.core.netdev_budgt") == (
        "",
        (
            "sysctl: cannot stat /proc/sys/net/core/netdev_budgt: No such file or directory\n"
            "vnic: did you mean net.core.netdev_budget or net.core.netdev_budget_usecs?\n"
        ),
        1,
    )


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
    assert [line.split(" = ")[0] for line in lines] == [
        n for n in sysctls.names("vnic0") if not n.endswith((".base_reachable_time", ".retrans_time", ".flush"))
    ]
    assert run(h, "-a")[0] == run(h, "net")[0]
    assert run(h, "-aN", "-r", "budget")[0] == "net.core.netdev_budget\nnet.core.netdev_budget_usecs\n"
    assert run(h, "-aN", "--pattern=^net.ipv6.ip6frag_.i")[0] == "net.ipv6.ip6frag_high_thresh\nnet.ipv6.ip6frag_time\n"


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
    assert run(h)[1:] == (sysctl.USAGE, 1)
    assert run(h, "-h") == (sysctl.USAGE, "", 0)
    assert run(h, "--bogus") == (sysctl.USAGE, "sysctl: unrecognized option '--bogus'\n", 0)
    assert run(h, "-z") == (sysctl.USAGE, "sysctl: invalid option -- 'z'\n", 0)
    assert run(h, "-r") == (sysctl.USAGE, "sysctl: option requires an argument -- 'r'\n", 0)
    assert run(h, "--pattern") == (
        sysctl.USAGE,
        "sysctl: option '--pattern' requires an argument\n",
        0,
    )
    assert run(h, "--all=1") == (
        sysctl.USAGE,
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


def without_vnic(answer):
    """An answer without what vnic itself says: guesses, and what has no effect."""
    out, err, code = answer
    return out, "".join(line for line in err.splitlines(keepends=True) if not line.startswith("vnic: ")), code


FILES = [
    ("net.ipv4.ipfrag_time = 31\n", []),
    ("net.ipv4.ipfrag_time = 30\nnet.ipv4.ipfrag_max_dist=64\n", ["-r", "time"]),
    ("# a\n; b\n\n  net/ipv4/ipfrag_max_dist=64  # c\nnovalue\n= 3\nnet.ipv4=3\n", []),
    ("net.ipv4.nothere = 31\n-net.ipv4.nothere = 31\n-net.ipv4.ipfrag_time = x\n-net.ipv4.x\n-\n", []),
    ("net.ipv4.nothere = 31\n", ["-e"]),
    ("net.ipv4.noth*.x = 31\nnet.ipv4.conf.*.rp_filter = x\n", []),
    ("net.ipv4.conf.all.rp_filter = 2\nnet.ipv4.conf.*.rp_filter = 1\n-net.ipv4.conf.default.rp_filter\n", []),
    ("net/ipv4/conf/*/rp_filter = 0\n", ["-q"]),
    ("net.*.conf.vnic0.forwarding = 0\nnet.ipv?.conf.vnic[01].forwarding = 0\nnet.*.rp_filter=1\n", []),
    ("net.ipv4.conf.*.rp_filter = 1\n", ["-r", "all"]),
    ("net.ipv4.conf.*.rp_filter = 1\n", ["-N"]),
    ("net.ipv4.conf.*.rp_filter = 1\n", ["-b"]),
    ("net.ipv4.ipfrag_time=30=31\n", ["-n"]),
    ("net.ipv4.ipfrag_time=29\r\n", ["--dry-run"]),
    ("net.ipv4.ipfrag_time =\n", []),
    ("net.ipv4.tcp_rmem = 4096 131072\t6291456\n", []),
]


def loaded(h, argv):
    lines = sysctl_files.read_all(argv)
    reply = lines.answered([sysctl.command(h, request) for request in lines.requests()])
    return without_vnic((reply.out, reply.err, reply.code))


def both(h, argv, **options):
    real = subprocess.run(["sysctl", *argv], capture_output=True, text=True, timeout=30, check=False, **options)
    read = sysctl_files.read_all(argv)
    ours = loaded(h, argv) if read else without_vnic(run(h, *argv))
    # here procps also sets lo's, which a host has not
    shown = ["".join(li for li in t.splitlines(keepends=True) if ".lo." not in li) for t in (real.stdout, real.stderr)]
    return ours, (*shown, real.returncode)


@pytest.fixture
def tap(netns):
    subprocess.run(["ip", "link", "delete", "lo"], check=False, capture_output=True)
    subprocess.run(["ip", "tuntap", "add", "vnic0", "mode", "tap"], check=True)


@pytest.mark.root
@pytest.mark.needs("sysctl", "ip")
@pytest.mark.parametrize(("text", "options"), FILES)
def test_a_file_is_read_as_procps_reads_it(host, tap, tmp_path, text, options):
    file = tmp_path / "a.conf"
    file.write_bytes(text.encode())
    h = host(hz=250)
    if "-N" in options or "-b" in options:  # without names lo's value cannot be told from the others
        text = text.replace("conf.*", "conf.[av]*")
        file.write_text(text)
    for argv in ([*options, "-p", str(file)], [*options, f"-p{file}", str(file)], [*options, f"--load={file}"]):
        ours, real = both(h, argv)
        assert ours == real, argv


@pytest.mark.root
@pytest.mark.needs("sysctl", "ip")
def test_the_files_of_a_device_and_those_that_are_not_there(host, tap, tmp_path):
    h = host(hz=250, mtu=1500)
    (tmp_path / "a.conf").write_text("net.ipv4.ipfrag_time=33\n")
    for argv in (
        ["-p", str(tmp_path / "nope")],
        ["-p", str(tmp_path / "z*.conf")],
        ["-p", str(tmp_path / "a*.conf"), str(tmp_path / "nope")],
        [f"-qp{tmp_path}/a.conf"],
        ["net.ipv4.conf.*.rp_filter"],
        ["net.ipv4.conf.*.rp_filter=0"],
        ["net.ipv4.route.flush"],
        ["net.ipv4.route.flush=1"],
        ["-n", "net.ipv4.route.flush"],
        ["net.ipv4.neigh.vnic0"],
        ["--deprecated", "net.ipv4.neigh.vnic0"],
        ["net.ipv4.neigh.vnic0.base_reachable_time"],
        ["net.ipv6.conf.vnic0.mtu"],
        ["net.ipv4.neigh.vnic0.base_reachable_time_ms=20002"],
        ["net.ipv4.neigh.vnic0.base_reachable_time_ms"],
        ["net.ipv6.neigh.vnic0.retrans_time_ms=-1"],
        ["net.ipv6.neigh.vnic0.gc_stale_time=9"],
        ["net.ipv6.neigh.vnic0.gc_stale_time"],
        ["-aN", "-r", "rp_filter"],
        ["-a", "-r", "^net.ipv4.conf.vnic0"],
        ["-w", "--", "-net.ipv4.nothere=1", "net.ipv4.ipfrag_time=30", "-net.ipv4.x"],
        ["net.ipv4.tcp_available_congestion_control=x"],
        ["net.ipv4.tcp_rmem=1 2 3 4"],
        ["net.ipv4.tcp_rmem=4096 9999999999 3"],
        ["net.ipv4.tcp_rmem"],
        ["net.ipv4.tcp_rmem="],
        ["net.ipv4.ip_local_reserved_ports=5,7-9"],
        ["net.ipv4.ip_local_reserved_ports"],
        ["net.core.somaxconn= 5 6"],
        ["net.core.somaxconn"],
    ):
        ours, real = both(h, argv)
        assert ours == real, argv
    assert loaded(h, ["-p", str(tmp_path / "a.conf")])[0] == "net.ipv4.ipfrag_time = 33\n"


@pytest.mark.root
@pytest.mark.needs("sysctl", "ip")
def test_the_kernels_names_are_there(tap):
    real = subprocess.run(["sysctl", "-aN"], capture_output=True, text=True, timeout=30, check=False).stdout.split()
    if not platform.release().startswith("6.18."):
        pytest.skip("the names are Linux 6.18's")
    names = [n for n in real if re.match(r"net\.(core|ipv4|ipv6)\.", n) and not re.search(r"\.lo\.|stable_secret", n)]
    assert set(names) <= set(sysctls.names("vnic0"))
    assert len(names) > 300


def test_the_other_lines_of_a_sysctl_conf_do_not_stop_it(host, tmp_path):
    h = host()
    (file := tmp_path / "a.conf").write_text(
        "vm.swappiness = 1\nnet.core.netdev_budget = 500\nkernel/pid_max=9\nnet.netfilter.nf_conntrack_max = 5\n"
        "net.ipv4.tcp_mem = 1 2 3\n"
    )
    lines = sysctl_files.read_all(["-p", str(file)])
    reply = lines.answered([sysctl.command(h, request) for request in lines.requests()])
    assert (reply.out, reply.code) == ("net.core.netdev_budget = 500\nnet.ipv4.tcp_mem = 1 2 3\n", 0)
    assert reply.err == (
        "vnic: net.ipv4.tcp_mem is kept without effect\n"
        "vnic: vm.swappiness, kernel/pid_max, net.netfilter.nf_conntrack_max are left out: not the network's\n"
    )
    assert run(h, "vm.swappiness")[2] == 1


def test_long_files_are_several_requests_and_one_answer(host, tmp_path):
    h = host()
    file = tmp_path / "a.conf"
    file.write_text("net.core.optmem_max=5\n" * 5000 + "net.core.netdev_budget=400\n")
    lines = sysctl_files.read_all(["-q", "-p", str(file)])
    requests = list(lines.requests())
    assert len(requests) > 2
    reply = lines.answered([sysctl.command(h, request) for request in requests])
    assert (reply.out, reply.code, h.knobs["netdev-budget"]) == ("", 0, 400)
    file.write_bytes(b"x" * (1 << 21))
    lines = sysctl_files.read_all(["-p", str(file)])
    assert (lines.code, lines.lines) == (1, [])
    assert lines.err.startswith("sysctl: ")
    assert "is longer than" in lines.err
    assert sysctl_files.read_all(["-a"]) is None
    assert sysctl.command(h, ["-p", str(file)]).code == 1


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
        assert without_vnic(run(h, *argv)) == (real.stdout, real.stderr, real.returncode), argv


def test_every_name_is_the_running_kernels():
    if not platform.release().startswith("6.18."):
        pytest.skip("the names are Linux 6.18's")
    for name, row in sysctl_rows.of_card("lo").items():
        file = Path(sysctl_rows.path(name))
        if not file.exists() and not file.parent.exists():
            continue  # without IPv6
        mode = file.stat().st_mode
        assert bool(mode & 0o200) == bool(row.write), name
        assert bool(mode & 0o400) == (name not in sysctls.WRITE_ONLY), name
