"""``ip -d link``, ``addr``, ``neigh``, ``route``, beside the real iproute2 and a TAP with the same addresses."""

import json
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import frames
import needs
import pytest

from vnic.control import commands

VERSION = subprocess.getoutput("ip -V") if shutil.which("ip") else "no ip"
real_ip = pytest.mark.skipif("iproute2-6.1" not in VERSION, reason=f"the texts are iproute2 6.1's; here is {VERSION}")
ADDRESSES = ["10.0.0.2/24", "10.0.0.3/24", "10.9.0.1/32", "fd01::2/128", "fd00::2/64"]
GATEWAYS = ["10.0.0.254", "fd00::fe"]
MAC = "02:00:00:00:00:05"


def ours(h, line):
    reply = commands.answer(h, "ip", line.split())
    return reply.out, reply.err, reply.code


def real(line):
    done = needs.run("ip", *line.split(), capture_output=True, text=True, check=False)
    return done.stdout, done.stderr, done.returncode


def do(line):
    assert real(line)[2] == 0, line


def same(text):
    """What a TAP has of its own: its index, a kind, a queueing discipline, no link-local address, longer frames."""
    text = re.sub(r" (\n|\\)    tun type tap [^\n]*?(?= addrgenmode| numtxqueues)", "", text)
    text = re.sub(r'"linkinfo":\{"info_kind":"tun","info_data":\{[^}]*\}\},', "", text)
    text = re.sub(r'\n +"linkinfo": \{.*?\n        \},', "", text, flags=re.DOTALL)
    text = re.sub(r"\n    inet6 fe80::[^\n]*\n[^\n]*|[^\n]*inet6 fe80[^\n]*\n|fe80::ff:fe00:5/64 ", "", text)
    text = re.sub(r',?\{"family":"inet6","local":"fe80.*?\}|,\{"local":"fe80.*?\}', "", text)
    text = re.sub(r',\{\n +"(family": "inet6",\n +")?local": "fe80.*?\}', "", text, flags=re.DOTALL)
    text = re.sub(r"^fe80[^\n]*\n|\{\"dst\":\"fe80.*?\},", "", text, flags=re.MULTILINE)
    text = text.replace("maxmtu 65521", "maxmtu 65535").replace('max_mtu":65521', 'max_mtu":65535')
    text = re.sub(r'max_mtu": 65521', 'max_mtu": 65535', text)
    text = re.sub(r"\"txqlen\": ?\d+,\n? *", "", re.sub(r" qlen \d+", " ", text))
    text = re.sub(r"^\d+: ", "1: ", re.sub(r'"ifindex":( ?)\d+', r'"ifindex":\g<1>1', text), flags=re.MULTILINE)
    return re.sub(r"pfifo_fast|fq_codel|noop", "noqueue", text)


def tap():
    do("tuntap add vnic0 mode tap")
    Path("/proc/sys/net/ipv6/conf/vnic0/disable_ipv6").write_text("0")
    do(f"link set vnic0 address {MAC}")
    do("link set vnic0 mtu 1500 up")
    for address in ADDRESSES:
        do(f"addr add {address} dev vnic0 {'nodad' if ':' in address else ''}")
    until = time.monotonic() + 10  # the kernel makes the route to an own IPv6 address a moment later
    while not real("route get fd00::2")[0].startswith("local") and time.monotonic() < until:
        time.sleep(0.05)
    for gateway in GATEWAYS:
        do(f"{'-6' if ':' in gateway else '-4'} route add default via {gateway} dev vnic0")


@pytest.fixture
def h(host):
    newest_first = [*ADDRESSES[:3], *reversed(ADDRESSES[3:])]  # as the kernel lists those of IPv6
    made = host(ip=newest_first, gateway=GATEWAYS, mac=MAC, mtu=1500, cpus=1)
    made.wire.c.eof = 1  # a TAP that nobody has open has no carrier
    yield made
    made.wire.c.eof = 0


LINES = [
    "-d link show vnic0", "-d -j link show vnic0", "-d -j -p link show vnic0", "-d -o link show vnic0",
    "-d -br link show vnic0", "-4 link show vnic0", "-6 link show vnic0", "-details l sh vnic0",
    "addr show vnic0", "a show dev vnic0", "a s dev vnic0", "address list vnic0", "-4 addr show vnic0",
    "-6 addr show vnic0", "-6 addr", "-4 addr", "-o addr show vnic0", "-4 -o addr show vnic0", "-br addr show vnic0",
    "-br -4 addr show vnic0", "-br -j addr show vnic0", "-j addr show vnic0", "-j -p addr show vnic0",
    "-d addr show vnic0", "-d -j addr show vnic0", "addr show up dev vnic0", "addr show nodev", "addr show dev",
    "addr show vnic0 foo", "addr foo",
    "route", "r", "route show", "ro list", "-4 route", "-6 route", "-j route", "-j -6 route", "-j -p route",
    "route show dev vnic0", "-6 route show dev vnic0", "route show dev nodev", "route show default",
    "route show 10.0.0.0/24", "-6 route show fd00::/64", "route show 10.1.0.0/24", "-o route", "-s route", "route foo",
    "route get 10.0.0.5", "route get 10.0.0.2", "route get 8.8.8.8", "route get fd00::5", "route get fd00::2",
    "route get 2001:db8::1", "-j route get 8.8.8.8", "-j route get 2001:db8::1", "-j route get fd00::5",
    "-j route get 10.0.0.5", "route get 999", "route get",
    "neigh", "n", "neigh show dev nodev", "neigh show foo", "neigh show nud foo", "neigh show dev", "neigh foo",
    "foo", "-foo addr",
    "-c link show vnic0", "-c -d link show vnic0", "-c -br link show vnic0", "-c -o link show vnic0",
    "-c -4 addr show vnic0", "-c -4 -o addr show vnic0", "-color -br -4 addr show vnic0", "-c -j -4 addr show vnic0",
    "-c route", "-c -br route", "-c route get 10.0.0.5", "-c route get 8.8.8.8", "-c route get fd00::5",
    "-c route get fd00::2", "-c route get 10.0.0.2", "-c route get 2001:db8::1", "-c route show dev vnic0",
    "-c=never route", "-c=auto route", "-col=always route", "-c=x route", "-colour route", "--color route",
    "-f inet addr", "-family inet6 route", "-f link addr show vnic0", "-0 addr show vnic0", "-0 -4 route",
    "-j -0 route", "-t route", "-tshort route", "-l 3 route", "-a route", "-stats route", "-- route", "--json route",
    "-jso -pre route",
    "maddr show dev nodev", "maddr show dev", "maddr foo", "m show vnic0 dev nodev",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.root
@real_ip
@pytest.mark.parametrize("line", LINES)
def test_the_same_as_of_a_tap_with_these_addresses(h, netns, line):
    tap()
    out, err, code = real(line)
    mine = ours(h, line)
    # ours are listed as they were given, the kernel's newest first; and 4 and 6 are two tables there
    order = (lambda text: sorted(text.splitlines())) if "6" in line and "route" in line else lambda text: text
    assert (order(same(mine[0])), mine[1], mine[2]) == (order(same(out)), err, code)


@pytest.mark.root
@real_ip
@pytest.mark.parametrize("line", [
    "maddr show dev vnic0", "m", "-4 maddr", "-6 maddr show vnic0", "-0 maddr", "-o maddr", "-c maddr show dev vnic0",
    "-j maddr show dev vnic0", "-j -6 maddr",
])  # fmt: skip
def test_memberships_as_the_real_tool_shows_them(h, netns, line):
    tap()
    own_link_local = re.compile(r"33:33:ff:00:00:05|ff02::1:ff00:5")  # of fe80::ff:fe00:5
    several = re.compile(r" users 2|,\"users\":2")  # of two addresses alike

    def rows(text):
        text = re.sub(r"^1:.*?(?=^\d|\Z)", "", text, flags=re.DOTALL | re.MULTILINE) if "1:\tlo" in text else text
        text = re.sub(r'\{"ifindex":\d+,"ifname":"lo".*?\]\},?', "", text)
        text = re.sub(r'"ifindex":\d+', '"ifindex":n', re.sub(r"^\d+:", "n:", text, flags=re.MULTILINE))
        parts = re.split(r"(?<=\n)|(?<=\}),|(?<=maddr\":\[)", several.sub("", text).replace("]}]", ""))
        return sorted(part for part in parts if not own_link_local.search(part))

    until = time.monotonic() + 10  # the kernel joins an address's group a moment after the address is there
    while "33:33:ff:00:00:02" not in real("maddr show dev vnic0")[0] and time.monotonic() < until:
        time.sleep(0.05)
    out, err, code = real(line)
    mine = ours(h, line)
    assert (rows(mine[0]), *mine[1:]) == (rows(out), err, code)


NEIGHBOURS = [    ("10.0.0.9", "02:00:00:00:00:09", "stale"), ("10.0.0.8", "02:00:00:00:00:08", "reachable"),
    ("10.0.0.7", None, "failed"), ("10.0.0.6", None, "incomplete"), ("10.0.0.5", "02:00:00:00:00:08", "delay"),
    ("fd00::9", "02:00:00:00:00:0a", "stale"), ("fe80::8", "02:00:00:00:00:0b", "stale router"),
]  # fmt: skip
NUD = {"incomplete": 1, "reachable": 2, "stale": 4, "delay": 8, "failed": 32}


def learn(h):
    """Entries as the table has them; the test's own, so no timer runs."""
    from vnic.address import inet_addr

    table = h.machine.c.neigh
    for i, (ip, mac, said) in enumerate(NEIGHBOURS):
        state, _, router = said.partition(" ")
        table.entry[i].addr, table.entry[i].state, table.entry[i].in_use = inet_addr(ip)[0], NUD[state], 1
        table.entry[i].flags = 128 if router else 0
        table.entry[i].timer_ns, table.entry[i].queue = 2**64 - 1, 2**32 - 1
        if mac:
            table.entry[i].mac = bytes.fromhex(mac.replace(":", ""))
    table.used = len(NEIGHBOURS)


def forget(h):
    for i in range(h.machine.c.neigh.used):
        h.machine.c.neigh.entry[i].in_use = 0
    h.machine.c.neigh.used = 0


@pytest.mark.root
@real_ip
@pytest.mark.parametrize("line", [
    "neigh", "neigh show dev vnic0", "-4 neigh", "-6 neigh", "-j neigh", "-j -p neigh", "-br neigh", "-o neigh",
    "-d neigh", "neigh show nud permanent",
    "neigh show nud stale", "neigh show nud stale nud failed", "neigh show nud all", "neigh show 10.0.0.9",
    "neigh show to 10.0.0.8/31", "neigh show 10.0.0.0/24 dev vnic0", "-j neigh show dev vnic0",
    "-s neigh", "-s -j neigh", "neigh show proxy", "-c neigh", "-c -s -4 neigh", "-c -br neigh", "-0 neigh",
])  # fmt: skip
def test_neighbours_as_the_real_tool_shows_them(h, netns, line):
    tap()
    learn(h)
    for ip, mac, state in NEIGHBOURS:
        do(f"neigh add {ip} dev vnic0 nud {state} {f'lladdr {mac}' if mac else ''}")

    def rows(text):
        text = re.sub(r"( +ref \d+)? +used \d+/\d+/\d+probes \d+", "  used n/n/nprobes n", text)
        text = re.sub(r'("refcnt":\d+,)?"used":\d+,"confirmed":\d+,"updated":\d+,"probes":\d+', "times", text)
        text = text.replace("PROBE", "DELAY").replace("},{", "}\n{").replace("[{", "{").replace("}]", "}")
        return sorted(line for line in text.splitlines() if "NOARP" not in line)

    out, err, code = real(line)
    mine = ours(h, line)
    forget(h)
    assert (rows(mine[0]), *mine[1:]) == (rows(out), err, code)


# ---- what they are of ----


def test_who_was_learnt_is_shown(host):
    h = host(ip=["10.0.0.2/24"])
    h.feed(frames.arp())
    h.run()
    assert ours(h, "neigh") == ("10.0.0.1 dev vnic0 lladdr 02:00:00:00:00:02 STALE \n", "", 0)
    h.udp(0).sendto(b"x", ("10.0.0.77", 9))
    h.run(until_ns=h.now_ns + 1000)
    assert ours(h, "neigh show nud incomplete")[0] == "10.0.0.77 dev vnic0 INCOMPLETE \n"


def test_a_route_is_the_one_that_is_taken(host):
    h = host(ip=["10.0.0.2/24"], gateway="10.0.0.254")
    assert "8.8.8.8 via 10.0.0.254 dev vnic0 src 10.0.0.2" in ours(h, "route get 8.8.8.8")[0]
    sock = h.udp(0)
    sock.sendto(b"x", ("8.8.8.8", 9))
    h.run(until_ns=1000)
    assert [n.ip for n in h.neighbours()] == ["10.0.0.254"]
    h = host(ip=["10.0.0.2/24"])
    assert ours(h, "route get 8.8.8.8") == ("", "RTNETLINK answers: Network is unreachable\n", 2)


def test_a_host_whose_address_is_any_has_none_to_show(host):
    h = host()
    assert "inet" not in ours(h, "addr")[0]
    assert ours(h, "route") == ours(h, "neigh") == ours(h, "-4 addr") == ("", "", 0)


@pytest.mark.parametrize("line", [
    "addr add 10.0.0.9/24 dev vnic0", "a del 10.0.0.2/24 dev vnic0", "addr flush dev vnic0", "neigh flush all",
    "n del 10.0.0.1 dev vnic0", "route add default via 10.0.0.1", "ro del default", "route flush cache",
])  # fmt: skip
def test_what_is_only_shown_is_refused_with_a_sentence(h, line):
    out, err, code = ours(h, line)
    assert (out, code) == ("", 2)
    assert err.startswith("RTNETLINK answers: Operation not supported\nvnic: ")
    assert "can only be shown" in err


@pytest.mark.parametrize("kind", ["addr", "neigh", "route"])
def test_ip_prints_its_help(h, kind):
    out, err, code = ours(h, f"{kind} help")
    assert (out, code, err[:6]) == ("", 255, "Usage:")


def test_details_are_the_cards(host):
    h = host(queues=2, cpus=4, promisc=True, gro_max_size=40_000)
    (link,) = json.loads(ours(h, "-d -j link")[0])
    assert (link["promiscuity"], link["num_rx_queues"], link["num_tx_queues"], link["gro_max_size"]) == (
        1,
        4,
        1,
        40_000,
    )
    assert commands.answer(h, "ip", ["-d", "-j", "link"]).data == [link]


def test_statistics_stand_behind_the_addresses(host):
    h = host(ip=["10.0.0.2/24"])
    h.feed([frames.udp(dport=9)] * 3)
    h.run()
    address, _lives, rx, received, tx, _sent = ours(h, "-s addr")[0].splitlines()[2:]
    assert address == "    inet 10.0.0.2/24 scope global vnic0"
    assert (rx.split()[0], received.split()[1], tx.split()[0]) == ("RX:", "3", "TX:")


def test_a_group_of_two_sockets_has_two_users(host):
    h = host(ip=["10.0.0.2/24"])
    for port in (7, 8):
        member = socket.inet_aton("239.1.2.3") + socket.inet_aton("10.0.0.2")
        h.udp(port).setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    assert {"\tlink  01:00:5e:01:02:03", "\tinet  239.1.2.3 users 2"} <= set(ours(h, "maddr")[0].splitlines())
    assert {"family": "inet", "address": "239.1.2.3", "users": 2} in json.loads(ours(h, "-j -4 m")[0])[0]["maddr"]
    _, err, code = ours(h, "maddr add 33:33:00:00:00:05 dev vnic0")
    assert (err.splitlines()[0], code) == ("RTNETLINK answers: Operation not supported", 2)
    assert err.splitlines()[1].startswith("vnic: groups of this host are given when it is made")
