"""/proc of a host: the kernel's headers, widths and names, and numbers that a program which reads them understands."""

import functools
import json
import os
import platform
import re
import subprocess
from pathlib import Path

import frames
import kernel_device
import needs
import pytest
from softnet_steps import LIMIT, Steps

from vnic._core import lib
from vnic.counters import snapshots as stats
from vnic.linux import netdevice, procfs, snmp

LINUX_6_18 = platform.release().startswith("6.18.")
PROC_NET = Path("/proc/net")


COLUMNS = (
    *("bytes_recv", "packets_recv", "errin", "dropin", "fifoin", "framein", "compressedin", "multicastin"),
    *("bytes_sent", "packets_sent", "errout", "dropout", "fifoout", "collisionsout", "carrierout", "compressedout"),
)


def parse_net_dev(text):
    """Interface -> fields, found as psutil finds them: behind two lines, the name up to the last colon."""
    found = {}
    for line in text.splitlines()[2:]:
        colon = line.rfind(":")
        assert colon > 0
        found[line[:colon].strip()] = dict(zip(COLUMNS, map(int, line[colon + 1 :].split()), strict=True))
    return found


def parse_groups(text):
    """``Group_Name`` -> number, of a file that has a line of names and a line of numbers for each group."""
    lines = text.splitlines()
    found = {}
    for heading, row in zip(lines[::2], lines[1::2], strict=True):
        (group, *names), (again, *numbers) = heading.split(), row.split()
        assert group == again
        found |= dict(zip((f"{group[:-1]}_{n}" for n in names), map(int, numbers), strict=True))
    return found


def parse_columns(text):
    """``(heading, {row: [number of each CPU]})`` of /proc/interrupts and /proc/softirqs."""
    heading, *lines = text.splitlines()
    cpus = len(heading.split())
    rows = {}
    for line in lines:
        name, _, rest = line.partition(":")
        rows[name.strip()] = [int(n) for n in rest.split()[:cpus] if n.isdigit()]
    return heading, rows


# ---- /proc/net/dev ----


def test_a_full_fifo_is_in_the_fifo_column_and_in_errs(host):
    h = host(fifo=1000)
    h.udp(5000)
    h.feed([frames.udp(bytes(1000)), frames.udp(b"fits"), frames.udp(bytes(1000))])
    h.run()
    dev = parse_net_dev(procfs.read(h, "/proc/net/dev"))["vnic0"]
    assert (dev["fifoin"], dev["errin"], dev["dropin"], dev["framein"]) == (2, 2, 0, 0)
    assert (dev["packets_recv"], dev["bytes_recv"]) == (1, len(frames.udp(b"fits")))


def test_a_frame_that_is_too_long_is_in_the_frame_column(host):
    h = host(mtu=100)
    h.udp(5000)
    h.feed([frames.udp(bytes(500)), frames.udp(b"fits")])
    h.run()
    dev = parse_net_dev(procfs.read(h, "/proc/net/dev"))["vnic0"]
    assert (dev["framein"], dev["errin"], dev["packets_recv"]) == (1, 1, 1)


def test_backlog_drops_and_unhandled_protocols_are_in_the_drop_column(host):
    steps = Steps(host(netdev_max_backlog=10, **LIMIT))
    steps.arrive(15)
    steps.host.feed([frames.eth(bytes(46), type=0x9999)] * 2)
    steps.host.run()
    assert parse_net_dev(procfs.read(steps.host, "/proc/net/dev"))["vnic0"]["dropin"] == 4 + 2


def test_what_is_sent_is_in_the_right_hand_columns(host):
    h = host(ip=["10.0.0.2/24"], mac="02:00:00:00:00:01")
    h.feed([frames.arp(), *[frames.icmp()] * 3])
    h.run()
    dev = parse_net_dev(procfs.read(h, "/proc/net/dev"))["vnic0"]
    lengths = [len(frame) for _, frame in h.nic.sent()]  # on the wire: padded
    assert dev["packets_sent"] == len(lengths) >= 4
    assert 42 * len(lengths) <= dev["bytes_sent"] <= sum(lengths)


def test_each_column_is_the_sum_that_the_kernel_makes():
    s = {name: 1 << i for i, name in enumerate(netdevice.LINK_STATS)}
    dev = parse_net_dev("\n\n" + procfs.net_dev_line("x", s))["x"]
    assert dev["dropin"] == s["rx_dropped"] + s["rx_missed_errors"]
    assert dev["framein"] == s["rx_length_errors"] + s["rx_over_errors"] + s["rx_crc_errors"] + s["rx_frame_errors"]
    assert dev["fifoin"] == s["rx_fifo_errors"]
    assert dev["carrierout"] == (
        s["tx_carrier_errors"] + s["tx_aborted_errors"] + s["tx_window_errors"] + s["tx_heartbeat_errors"]
    )
    assert (dev["collisionsout"], dev["multicastin"]) == (s["collisions"], s["multicast"])
    assert (dev["compressedin"], dev["compressedout"]) == (s["rx_compressed"], s["tx_compressed"])


def test_the_heading_is_the_running_kernels(host):
    real = (PROC_NET / "dev").read_text().splitlines(keepends=True)[:2]
    assert procfs.read(host(), "/proc/net/dev").splitlines(keepends=True)[:2] == real


@pytest.mark.root
def test_a_line_is_the_running_kernels_byte_for_byte(netns):
    """The kernel's own numbers, laid out here, beside the line it prints of them."""
    from pyroute2 import IPRoute

    with kernel_device.Tap() as tap, IPRoute() as ipr:
        for _ in range(120):
            os.write(tap.fd, frames.udp(bytes(1400)))
        os.write(tap.fd, frames.eth(bytes(46), type=0x9999))
        ipr.link("set", index=1, state="up")
        numbers = {link.get_attr("IFLA_IFNAME"): link.get_attr("IFLA_STATS64") for link in ipr.get_links()}
        lines = (PROC_NET / "dev").read_text().splitlines(keepends=True)[2:]
    assert {line.split(":")[0].strip() for line in lines} == {"lo", "vnic0"}
    assert numbers["vnic0"]["rx_bytes"] > 100_000
    assert numbers["vnic0"]["rx_dropped"] > 0
    for line in lines:
        name = line.split(":")[0].strip()
        assert procfs.net_dev_line(name, numbers[name]) == line


# ---- softnet_stat ----


def test_softnet_stat_has_the_backlogs_drops_with_the_cpu_that_dropped(host):
    steps = Steps(host(netdev_max_backlog=10, **LIMIT))
    steps.arrive(1)  # CPU 1 is in the middle of it
    steps.arrive(15)
    rows = [
        [int(n, 16) for n in line.split()] for line in procfs.read(steps.host, "/proc/net/softnet_stat").splitlines()
    ]
    assert [len(row) for row in rows] == [15, 15]
    processed, dropped, rps, length, cpu, input_, process = ([r[i] for r in rows] for i in (0, 1, 9, 11, 12, 13, 14))
    assert (processed, dropped, rps) == ([0, 0], [0, 4], [0, 1])
    assert (length, cpu, input_, process) == ([0, 11], [0, 1], [0, 11], [0, 0])
    steps.take(1)
    row = procfs.read(steps.host, "/proc/net/softnet_stat").splitlines()[1].split()
    assert (row[0], row[9], row[11], row[13], row[14]) == ("00000001", "00000001", "0000000a", "00000000", "0000000a")


def test_squeezes_and_flow_limits_have_their_columns(host):
    h = host(netdev_budget=1, rx_frames=64, rx_usecs=50, cpus=1, gro=False)
    h.udp(5000)
    h.feed([frames.udp()] * 200)
    h.run()
    columns = procfs.read(h, "/proc/net/softnet_stat").split()
    assert int(columns[2], 16) == h.softnet()[0].time_squeeze > 0
    h.machine.c.cpu[0].flow_limit_count = (1 << 32) + 0xABC  # the kernel's counters are 32 bits wide
    assert procfs.read(h, "/proc/net/softnet_stat").split()[10] == "00000abc"


def test_softnet_stat_looks_as_the_running_kernels(host):
    def shape(text):
        return [re.sub("[0-9a-f]", "h", line) for line in text.splitlines(keepends=True)]

    real = shape((PROC_NET / "softnet_stat").read_text())
    if len(real[0].split()) != 15:
        pytest.skip("this kernel has another number of columns")
    assert set(shape(procfs.read(host(cpus=3), "/proc/net/softnet_stat"))) == set(real)


# ---- snmp, netstat, snmp6 ----


@pytest.mark.skipif(not LINUX_6_18, reason="the names are Linux 6.18's")
@pytest.mark.parametrize("name", ["snmp", "netstat"])
def test_groups_and_names_are_the_running_kernels(host, name):
    def names(text):
        return [line for line in text.splitlines()[::2] if not line.startswith(("MPTcpExt", "IcmpMsg"))]

    assert names(procfs.read(host(), f"/proc/net/{name}")) == names((PROC_NET / name).read_text())


@pytest.mark.skipif(not LINUX_6_18, reason="the names are Linux 6.18's")
def test_snmp6s_names_are_the_running_kernels(host):
    if not (PROC_NET / "snmp6").exists():
        pytest.skip("this kernel has no IPv6")

    def names(text):
        lines = (re.sub(r"\d+$", "N", line) for line in text.splitlines())
        return [line for line in lines if not re.match("Udp|Icmp6(In|Out)Type", line)]

    assert names(procfs.read(host(), "/proc/net/snmp6")) == names((PROC_NET / "snmp6").read_text())


WITHOUT_A_NAME = {"TcpExt_TCPHoles", "Ip6_ReasmOverlaps", "UdpLite6_IgnoredMulti"}
"""Counters that Linux's files have not: a hole that was skipped at a replay's end, and what others have a place for."""


def test_every_counter_is_in_a_file_under_its_name(host):
    h = host()
    assert {name for name in stats.MIBS if snmp.counted(name) is None} == WITHOUT_A_NAME
    for i in range(len(stats.MIBS)):
        h.machine.c.cpu[0].mib[i] = 1000 + i
    found = parse_groups(procfs.read(h, "/proc/net/snmp")) | parse_groups(procfs.read(h, "/proc/net/netstat"))
    six = dict(line.split() for line in procfs.read(h, "/proc/net/snmp6").splitlines())
    for i, name in enumerate(stats.MIBS):
        if name in WITHOUT_A_NAME:
            continue
        where = {"Ip_InCsumErrors": "IpExt_InCsumErrors"}.get(name, name)
        value = six[where.replace("_", "")] if "6_" in name else found[where]
        assert int(value) == 1000 + i, name


def test_what_was_received_is_counted_under_linuxs_names(host):
    h = host(rcvbuf=1)
    h.udp(5000)
    h.feed([frames.udp(), frames.udp(), frames.udp(dport=9), frames.udp(dport=5000, check=1)])
    h.run()
    found = parse_groups(procfs.read(h, "/proc/net/snmp"))
    for name in (
        "Udp_InDatagrams",
        "Udp_NoPorts",
        "Udp_InErrors",
        "Udp_RcvbufErrors",
        "Udp_InCsumErrors",
        "Ip_InReceives",
    ):
        assert found[name] == h.mib()[name], name
    assert (found["Ip_InReceives"], found["Udp_NoPorts"], found["Udp_InCsumErrors"]) == (4, 1, 1)


def test_icmp_messages_are_listed_by_type_when_there_are_any(host):
    h = host(ip=["10.0.0.2/24", "fd00::2/64"], mac="02:00:00:00:00:01")
    assert "IcmpMsg" not in procfs.read(h, "/proc/net/snmp")
    assert "Icmp6InType" not in procfs.read(h, "/proc/net/snmp6")
    h.feed([frames.arp(), *[frames.icmp()] * 3, frames.udp(dport=9), *[frames.icmpv6()] * 2])
    h.run()
    assert "IcmpMsg: InType8 OutType0 OutType3\nIcmpMsg: 3 3 1\n" in procfs.read(h, "/proc/net/snmp")
    six = procfs.read(h, "/proc/net/snmp6").splitlines()
    assert "Icmp6InType128                  \t2" in six


def test_streams_that_are_open_are_established(host):
    h = host()
    h.tcp(80)
    h.feed([frames.tcp(flags=frames.SYN, sport=p, dport=80) for p in (1, 2)])
    h.feed([frames.tcp(b"x", seq=1, sport=1, dport=80)])
    h.run()
    established = parse_groups(procfs.read(h, "/proc/net/snmp"))["Tcp_CurrEstab"]
    socks = h.machine.c.socks
    assert established == sum(
        sk.type == lib.SOCK_TCP and sk.state == lib.TCP_OPEN for sk in socks.socks[1 : socks.size + 1]
    )
    assert established > 0


def tool(*command, **options):
    needs.require(command[0])
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, **options).stdout


def test_nstat_reads_the_files(host, tmp_path):
    h = host(ip=["10.0.0.2/24"], mac="02:00:00:00:00:01")
    h.feed([frames.arp(), *[frames.icmp()] * 3, *[frames.udp(dport=9)] * 2])
    h.run()
    env = {}
    for name in ("snmp", "netstat", "snmp6"):
        (tmp_path / name).write_text(procfs.read(h, f"/proc/net/{name}"))
        env[f"PROC_NET_{name.upper()}"] = str(tmp_path / name)
    out = tool("nstat", "-a", "-s", "-j", "-z", env=os.environ | env | {"NSTAT_HISTORY": str(tmp_path / "history")})
    found = json.loads(out)["kernel"]
    assert (found["IcmpInEchos"], found["UdpNoPorts"], found["IpInReceives"]) == (3, 2, 5)
    assert found["IcmpOutMsgs"] == h.mib()["Icmp_OutMsgs"]
    assert found["TcpExtBusyPollRxPackets"] == found["IpExtInCsumErrors"] == 0


# ---- interrupts, softirqs ----


def test_each_queues_interrupts_are_counted_where_they_are_taken(host):
    h = host(cpus=2, queues=3)
    h.feed([frames.udp(sport=p) for p in range(60)])
    h.run()
    heading, rows = parse_columns(procfs.read(h, "/proc/interrupts"))
    assert heading.split() == ["CPU0", "CPU1"]
    per_queue = [q.interrupts for q in h.nic.queues()]
    assert all(per_queue)
    assert [rows["24"], rows["25"], rows["26"]] == [[per_queue[0], 0], [0, per_queue[1]], [per_queue[2], 0]]
    assert [line.split()[-1] for line in procfs.read(h, "/proc/interrupts").splitlines()[1:4]] == [
        "vnic0-rx-0",
        "vnic0-rx-1",
        "vnic0-rx-2",
    ]


def test_ipis_of_rps_are_function_calls(host):
    h = host(cpus=2, rps_cpus="2")
    h.feed([frames.udp(sport=p) for p in range(60)])
    h.run()
    ipis = [s.received_rps for s in h.softnet()]
    assert ipis[0] == 0 < ipis[1]
    assert parse_columns(procfs.read(h, "/proc/interrupts"))[1]["CAL"] == ipis


def test_interrupts_look_as_the_running_kernels(host):
    real = Path("/proc/interrupts").read_text()
    cpus = len(parse_columns(real)[0].split())
    h = host(cpus=min(cpus, 64), queues=2)
    if f"CPU{cpus - 1:<8}\n" not in real or cpus > 64:
        pytest.skip("not all of this machine's CPUs are online, or it has more than 64")
    heading, first, _second, calls = procfs.interrupts(h).splitlines(keepends=True)
    assert real.startswith(heading)
    kernels = [line for line in real.splitlines(keepends=True) if re.match(r" *\d+:.*\d-edge", line)]
    if kernels and "CAL:" in real:  # x86
        where = first.index("0-edge      ")
        assert len(kernels[0].split(":")[0]) == len(first.split(":")[0])
        assert any(re.search(r" *\d+-edge      \S", line[4 + 11 * cpus :]) for line in kernels)
        assert first[where:] == "0-edge      vnic0-rx-0\n"
        (call,) = (line for line in real.splitlines(keepends=True) if line.startswith("CAL:"))
        assert re.sub(r"\d", " ", calls) == re.sub(r"\d", " ", call)


def test_softirqs_look_as_the_running_kernels(host):
    real = Path("/proc/softirqs").read_text()
    cpus = len(parse_columns(real)[0].split())
    h = host(cpus=min(cpus, 64))
    if cpus > 64 or max(map(len, real.split())) > 10:
        pytest.skip("more than 64 CPUs, or numbers wider than their columns")
    assert re.sub(r"(?<=[ \d])\d(?=[\s\d])", " ", procfs.softirqs(h)) == re.sub(r"(?<=[ \d])\d(?=[\s\d])", " ", real)


def test_net_rx_is_how_often_the_softirq_ran(host):
    h = host(cpus=2, rps_cpus="2")
    h.feed([frames.udp(sport=p) for p in range(60)])
    h.run()
    _, rows = parse_columns(procfs.read(h, "/proc/softirqs"))
    assert rows.pop("NET_RX") == [s.net_rx_runs for s in h.softnet()]
    assert len(rows) == 9
    assert not any(map(sum, rows.values()))


# ---- programs that read them ----


@pytest.fixture
def with_proc_net(tmp_path):
    """with_proc_net(host, "ifconfig", ...) -> what it prints when the host's files are in its /proc/net."""

    def run(h, *command):
        for path in procfs.FILES:
            if path.startswith("/proc/net/"):
                (tmp_path / path.rpartition("/")[2]).write_text(procfs.read(h, path))
        return tool(*command, preexec_fn=functools.partial(kernel_device.proc_net_is, tmp_path))

    return run


@pytest.mark.root
def test_ifconfig_reads_the_fifo_as_overruns(host, netns, with_proc_net):
    h = host(fifo=1000)
    h.udp(5000)
    h.feed([frames.udp(bytes(1000))] * 7 + [frames.udp()] * 4 + [frames.eth(bytes(46), type=0x9999)] * 3)
    h.run()
    with kernel_device.Tap():
        out = with_proc_net(h, "ifconfig", "vnic0")
    s = h.nic.stats()
    assert s.rx_packets == 7
    assert f"RX packets 7  bytes {s.rx_bytes} " in out
    assert "RX errors 7  dropped 3  overruns 7  frame 0" in out


@pytest.mark.root
def test_netstat_reads_interfaces_and_protocols(host, netns, with_proc_net):
    h = host(ip=["10.0.0.2/24"], mac="02:00:00:00:00:01", fifo=1000)
    h.feed([frames.arp(), *[frames.icmp()] * 3, *[frames.udp(dport=9)] * 2, frames.udp(bytes(1000))])
    h.run()
    out = with_proc_net(h, "netstat", "-s")
    assert "2 packets to unknown port received" in out
    assert re.search(r"ICMP input histogram:\n\s+echo requests: 3", out)
    with kernel_device.Tap():
        out = with_proc_net(h, "netstat", "-i", "-a")
    assert re.search(r"^vnic0\s+1500\s+6\s+1\s+0\s+1\s", out, re.MULTILINE), out


# ---- all of them ----


def test_a_path_that_is_not_there(host):
    with pytest.raises(FileNotFoundError, match="No such file or directory: '/proc/net/nothing'"):
        procfs.read(host(), "/proc/net/nothing")
    with pytest.raises(FileNotFoundError):
        procfs.write(host(), "/proc/net/nothing", "1\n")
    with pytest.raises(PermissionError, match="Permission denied"):
        procfs.write(host(), "/proc/net/dev", "1\n")


def test_a_host_that_runs_live_can_be_read(host):
    h = host(live=True)
    h.start()
    try:
        for path in procfs.FILES:
            assert procfs.read(h, path).endswith("\n")
    finally:
        h.stop()
