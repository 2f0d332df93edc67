"""/sys/class/net of a host: the files a real interface has, read and written as the running kernel does it."""

import errno
import os

import frames
import kernel_device
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic.control import show
from vnic.control.reply import Reply
from vnic.linux import netdevice, sysfs
from vnic.linux import pseudofile as files

DEV = "/sys/class/net/vnic0"

NUMBERS = [
    "x",
    "-1",
    " 7",
    "7 \n",
    "7\n",
    "7\n\n",
    "+7",
    "++7",
    "0x10",
    "0X1f",
    "010",
    "08",
    "0b1",
    "0x",
    "1_0",
    "1e3",
    "0",
]
MASKS = [
    "3",
    "ff",
    "g",
    "0-1",
    "1,1",
    "\n",
    "00000000,00000001",
    "00000001",
    "000000001",
    "g00000001",
    "0x1",
    "4",
    " 1",
]
MASKS += ["1 ", "1\n", "1\nff", "-1", "1,", ",1", "0000000g,1", "1;1", "1 1", "0"]
CASES = [
    *(("gro_flush_timeout", n) for n in [*NUMBERS, "99999999999999999999999", "18446744073709551616", "1000000"]),
    *(("napi_defer_hard_irqs", n) for n in [*NUMBERS, "2147483648", "4294967296", "99999999999999999999999", "200"]),
    *(("threaded", n) for n in ["1", "2", "on", "0", "y", "-1", "0x1", "0"]),
    *(("queues/rx-0/rps_cpus", mask) for mask in MASKS),
    *(("queues/rx-0/rps_flow_cnt", n) for n in ["5", "x", "-1", "0x20", "4096", "1\n\n", "0"]),
    *(("mtu", n) for n in ["67", "68", "10", "65535", "65536", "abc", "-1", "4294967296", "4294968796", "1500"]),
    *(("flags", n) for n in ["0x1103", "0x1003", "0x1203", "x", "-1", "0x1043", "0x1001", "0x21003", "0x1303", "4099"]),
    *(("carrier", n) for n in ["0", "1", "x"]),
    *(("tx_queue_len", n) for n in ["-1", "x", "4294967296", "0"]),
    *((f, "1") for f in ["address", "statistics/rx_packets", "ifindex", "speed", "operstate", "type", "broadcast"]),
]


@pytest.mark.root
@pytest.mark.needs("ethtool", "ip")
def test_what_is_written_does_what_it_does_in_the_running_kernel(host):
    """Every case in turn: the same errno, and the same text afterwards."""
    if os.cpu_count() > 64:
        pytest.skip("more than 64 CPUs")
    h = host(cpus=os.cpu_count(), mac=kernel_device.MAC, mtu=1500)
    kernel = kernel_device.sysfs(CASES)
    for (path, text), (number, after) in zip(CASES, kernel["said"], strict=True):
        before = sysfs.read(h, f"{DEV}/{path}")
        ours = 0
        try:
            sysfs.write(h, f"{DEV}/{path}", text)
        except OSError as e:
            ours = e.errno
        assert errno.errorcode.get(ours) == errno.errorcode.get(number), (path, text)
        if path in ("address", "flags", "threaded", "mtu") or not path.startswith(
            ("stat", "if", "sp", "op", "car", "tx")
        ):
            assert sysfs.read(h, f"{DEV}/{path}") == after, (path, text)
        if number:
            assert sysfs.read(h, f"{DEV}/{path}") == before
    ours_there = {path.removeprefix(f"{DEV}/"): file for path, file in sysfs.tree(h).items()}
    assert set(ours_there) <= set(kernel["modes"])
    for path, file in ours_there.items():
        assert bool(file.write) == bool(kernel["modes"][path]), path


def test_statistics_are_the_snapshots(host):
    h = host(fifo=1000)
    h.udp(5000)
    h.feed([frames.udp(bytes(1000))] * 2 + [frames.udp()] * 3 + [frames.eth(bytes(46), type=0x9999)])
    h.run()
    counted = h.nic.stats().as_dict()
    names = {p.removeprefix(f"{DEV}/statistics/") for p in sysfs.tree(h) if "/statistics/" in p}
    assert len(names) == 24
    for name in names:
        assert sysfs.read(h, f"{DEV}/statistics/{name}") == f"{counted.get(name, 0)}\n"
    assert sysfs.read(h, f"{DEV}/statistics/rx_fifo_errors") == "2\n"
    assert sysfs.read(h, f"{DEV}/statistics/rx_dropped") == "1\n"
    assert names - set(counted) == set(netdevice.ALWAYS_0) - set(counted)


def test_flags_are_the_knobs_and_the_knobs_the_flags(host):
    h = host(mac=kernel_device.MAC)
    assert sysfs.read(h, f"{DEV}/flags") == "0x1003\n"
    sysfs.write(h, f"{DEV}/flags", "0x1303\n")
    assert (h.knobs["promisc"], h.knobs["allmulti"]) == (True, True)
    h.knobs.update({"promisc": False, "allmulti": False})
    assert sysfs.read(h, f"{DEV}/flags") == "0x1003\n"


@pytest.mark.parametrize(
    ("wanted", "why"), [("0x1002", "taken down"), ("0x0003", "turn multicast off"), ("0x1083", "turn ARP off")]
)
def test_what_this_card_cannot_be_without(host, wanted, why):
    h = host(mac=kernel_device.MAC)
    with pytest.raises(files.WriteError) as e:
        sysfs.write(h, f"{DEV}/flags", wanted)
    assert (e.value.errno, why in e.value.reason) == (errno.EOPNOTSUPP, True)
    assert sysfs.read(h, f"{DEV}/flags") == "0x1003\n"


@pytest.mark.parametrize(
    ("path", "text", "knob", "value"),
    [
        ("gro_flush_timeout", "20000\n", "gro-flush-timeout", 20000),
        ("napi_defer_hard_irqs", "2\n", "napi-defer-hard-irqs", 2),
        ("threaded", "1\n", "threaded", True),
        ("mtu", "1400\n", "mtu", 1400),
    ],
)
def test_a_file_is_its_knob(host, path, text, knob, value):
    h = host()
    sysfs.write(h, f"{DEV}/{path}", text)
    assert h.knobs[knob] == value
    assert sysfs.read(h, f"{DEV}/{path}") == text


def test_each_queue_has_a_mask_of_its_own(host):
    h = host(cpus=4, queues=2)
    sysfs.write(h, f"{DEV}/queues/rx-1/rps_cpus", "c\n")
    assert [sysfs.read(h, f"{DEV}/queues/rx-{i}/rps_cpus") for i in (0, 1)] == ["0\n", "c\n"]
    assert [h.knobs.queue(i)["rps-cpus"] for i in (0, 1)] == [0, 0xC]
    with pytest.raises(FileNotFoundError):
        sysfs.read(h, f"{DEV}/queues/rx-2/rps_cpus")


def test_a_flow_table_has_the_size_it_was_rounded_up_to(host):
    h = host(rps_flow_cnt=100, rps_sock_flow_entries=1000)
    assert sysfs.read(h, f"{DEV}/queues/rx-0/rps_flow_cnt") == "128\n"


def test_what_linux_could_and_this_host_cannot_is_said_in_a_sentence(host):
    h = host()
    with pytest.raises(files.WriteError) as e:
        sysfs.write(h, f"{DEV}/gro_flush_timeout", str(1 << 41))
    assert e.value.errno == errno.EINVAL
    assert e.value.reason.startswith("gro-flush-timeout=")
    with pytest.raises(files.WriteError) as e:
        sysfs.write(h, f"{DEV}/tx_queue_len", "1000")
    assert "there is no queue" in e.value.reason


def test_the_speed_is_the_wires(host):
    assert sysfs.read(host(link="2.5G"), f"{DEV}/speed") == "2500\n"
    assert sysfs.read(host(link="inf"), f"{DEV}/speed") == "-1\n"
    assert sysfs.read(host(link="10G", live=True), f"{DEV}/speed") == "-1\n"


def test_the_carrier_goes_with_the_wires_end(host):
    h = host()
    assert [sysfs.read(h, f"{DEV}/{f}") for f in ("carrier", "operstate", "carrier_changes")] == ["1\n", "up\n", "1\n"]
    h.feed(frames.udp())
    h.wire.end()
    h.run()
    assert [sysfs.read(h, f"{DEV}/{f}") for f in ("carrier", "operstate", "carrier_changes")] == [
        "0\n",
        "down\n",
        "2\n",
    ]


def test_a_card_without_a_driver_is_down(host):
    h = host(external_driver=True)
    assert [sysfs.read(h, f"{DEV}/{f}") for f in ("flags", "operstate", "carrier_up_count")] == [
        "0x1202\n",
        "down\n",
        "0\n",
    ]


# ---- masks ----


@given(st.integers(1, 64), st.data())
def test_a_mask_that_is_printed_can_be_written(cpus, data):
    mask = data.draw(st.integers(0, (1 << cpus) - 1))
    text = files.cpumap(mask, cpus)
    assert files.parse_cpumap(text + "\n", cpus) == mask
    assert [len(group) for group in text.split(",")] == [
        (min(32, cpus - low) + 3) // 4 for low in reversed(range(0, cpus, 32))
    ]
    with pytest.raises(files.WriteError) as e:
        files.parse_cpumap(files.cpumap(mask | 1 << cpus, cpus + 1), cpus)
    assert e.value.errno == errno.EOVERFLOW


@pytest.mark.parametrize(
    ("cpus", "text"), [(1, "1"), (4, "1"), (5, "01"), (32, "00000001"), (33, "0,00000001"), (64, "00000000,00000001")]
)
def test_a_mask_is_as_wide_as_there_are_cpus(cpus, text):
    assert files.cpumap(1, cpus) == text


# ---- vnic show, vnic set ----


def test_show_is_cat_and_ls(host):
    h = host(queues=2)
    assert show.show(h, [f"{DEV}/mtu", "proc/sys/net/core/netdev_budget"]).out == "65535\n300\n"
    assert show.show(h, [f"{DEV}/queues/"]).out == "rx-0\nrx-1\n"
    assert show.show(h, ["/"]).out == "proc\nsys\n"
    every = show.show(h, [])
    assert every.data == every.out.split()
    assert {p for p in every.data if p.startswith("/")} == set(show.tree(h))
    for path in set(show.tree(h)) - {f"/proc/sys/net/ipv{v}/route/flush" for v in (4, 6)}:
        assert show.show(h, [path]).data == {path: show.tree(h)[path].read(h)}


def test_show_says_what_is_not_there_and_shows_the_rest(host):
    reply = show.show(host(), ["/proc/nothing", f"{DEV}/type", f"{DEV}/type/x"])
    assert (reply.out, reply.code) == ("1\n", 1)
    assert reply.err == (
        f"vnic show: /proc/nothing: No such file or directory\nvnic show: {DEV}/type/x: No such file or directory\n"
    )


def test_a_file_that_can_only_be_written(host):
    h = host()
    flush = "/proc/sys/net/ipv4/route/flush"
    assert show.show(h, [flush, f"{DEV}/type"]) == Reply(
        "1\n", f"vnic show: {flush}: Permission denied\n", 1, {f"{DEV}/type": "1\n"}
    )
    assert show.set_(h, [flush, "1"]) == Reply()


def test_what_else_can_be_shown(host, monkeypatch):
    monkeypatch.setitem(show.EXTRA, "limits", lambda h: Reply(f"{h.name} has none\n", data=[]))
    h = host()
    assert show.show(h, ["limits"]).out == "vnic0 has none\n"
    assert "limits" in show.show(h, []).data


@pytest.mark.parametrize(
    ("argv", "err", "code"),
    [
        ([f"{DEV}/mtu", "1400"], "", 0),
        ([f"{DEV}/mtu", "14"], "vnic set: write error: Invalid argument\n", 1),
        ([f"{DEV}/queues/rx-0/rps_cpus", "ff"], "vnic set: write error: Value too large for defined data type\n", 1),
        ([f"{DEV}/address", "1"], f"vnic set: {DEV}/address: Permission denied\n", 1),
        ([f"{DEV}/nothing", "1"], f"vnic set: {DEV}/nothing: No such file or directory\n", 1),
        ([f"{DEV}/queues", "1"], f"vnic set: {DEV}/queues: Is a directory\n", 1),
        (["/proc/sys/net/core/netdev_budget", "12", "13"], "", 0),
        (
            ["/proc/sys/net/core/netdev_budget", "-3"],
            "vnic set: write error: Invalid argument\nvnic: netdev-budget=-3: must be between 1 and 1048576\n",
            1,
        ),
        ([f"{DEV}/mtu"], "vnic set: needs a path and a value: vnic set PATH VALUE\n", 2),
    ],
)
def test_set_is_echo(host, argv, err, code):
    h = host(cpus=2)
    reply = show.set_(h, argv)
    assert (reply.out, reply.err, reply.code) == ("", err, code)
    if not code:
        assert show.show(h, argv[:1]).out == f"{argv[1]}\n"


def test_a_running_host_can_be_written_to(host):
    with vnic.Host(live=True, cpus=2) as h:
        h.start()
        sysfs.write(h, f"{DEV}/gro_flush_timeout", "20000\n")
        assert h.knobs["gro-flush-timeout"] == 20000
        h.stop()
