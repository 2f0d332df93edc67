"""Lists of packets above GRO: whatever they hold, all comes out as if each packet had gone up alone."""

import frames
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from outcomes import fates
from watched_run import watched_run

import vnic

ADDRESSES = ("0.0.0.0", "0.0.0.1", "10.0.0.2", "126.255.255.255", "127.0.0.1", "128.0.0.1", "223.255.255.255")
ADDRESSES += ("224.0.0.1", "240.0.0.1", "255.255.255.255", "10.0.0.255", "10.0.0.1")


@given(strategies.configs(), strategies.traffic(), st.integers(1, 64))
def test_lists_change_no_fate_no_counter_and_no_instant(config, traffic, step):
    config |= {"rps_cpus": 0, "rps_flow_cnt": 0} if step % 2 else {}  # steered packets go up alone anyway
    assert watched_run(config, traffic, step) == watched_run(config, traffic, step, lists=False)


@pytest.mark.parametrize("ip", ["any", "10.0.0.2/24"])
@pytest.mark.parametrize("src", ADDRESSES)
@pytest.mark.parametrize("dst", ADDRESSES)
def test_addresses_of_all_kinds_are_judged_alike(host, src, dst, ip):
    """Between two datagrams of an ordinary pair, which the list remembers."""
    usual = frames.udp(b"usual", dst="10.0.0.2")
    found = []
    for no_lists in (0, 1):
        h = host(ip=ip, sink=False)
        h.machine.c.no_lists = no_lists
        h.udp(5000)
        found.append((fates(h, usual, frames.udp(b"odd", src=src, dst=dst), usual), h.mib()))
    assert found[0] == found[1]
    assert found[0][0]["DELIVERED_UDP"] >= 2


@pytest.mark.parametrize("options", [b"", b"\1\1\1\1"])
@pytest.mark.parametrize("frag", [0, 0x4000, 0x2000, 1, 0x1FFF, 0x8000])
@pytest.mark.parametrize("total", [None, 19, 20, 27, 28, 33])
def test_headers_of_all_kinds_are_judged_alike(host, options, frag, total):
    odd = frames.udp(b"fives", options=options, frag=frag, total=total)
    found = []
    for no_lists in (0, 1):
        h = host()
        h.machine.c.no_lists = no_lists
        h.udp(5000)
        found.append((fates(h, frames.udp(), odd, frames.udp()), h.mib()))
    assert found[0] == found[1]


def sliced(no_lists, ports, every_ns, **knobs):
    """What there is to see of a burst while it goes up, at instants so far apart."""
    looks = []
    with vnic.Host(sink=True, cpus=2, cost="linux", link="inf", speed="max", ip="10.0.0.2/24", **knobs) as h:
        h.machine.c.no_lists = no_lists
        h.feed([frames.udp(bytes(20), sport=1000 + i, dport=port) for i, port in enumerate(ports)])
        while sum(h.ledger().fates.values()) < len(ports):
            h.run(until_ns=(len(looks) + 1) * every_ns)
            ledger = h.ledger()
            assert ledger.closed, ledger
            looks.append((ledger, h.mib(), h.softnet()))
    return looks


@pytest.mark.parametrize(
    "ports",
    [[5000] * 8, [5000] * 7 + [5001], [5000, 5001] * 12, [5000] * 63 + [5001]],
    ids=["one socket", "the last", "turns", "the last of many"],
)
@pytest.mark.parametrize("batch", [8, 64])
def test_at_any_instant_the_counters_are_those_of_packets_alone(ports, batch):
    """Also while a reader is woken, of this CPU or of the other one."""
    step = {"every_ns": 150, "gro_normal_batch": batch, "reader_cpu": "any"}
    assert sliced(0, ports, **step) == sliced(1, ports, **step)


def whole_burst(burst):
    return [True] * len(burst)


CHANGES = {
    "a handler of UDP": lambda h: h.protocol(17)(whole_burst),
    "a handler of IPv4": lambda h: h.packet_type(0x0800)(whole_burst),
    "a packet socket": lambda h: h.packet_socket(),
    "a second socket": lambda h: h.udp(5000, reuse_port=True),
    "RPS": lambda h: setattr(h.knobs, "rps_cpus", "2"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_while_a_list_goes_up_holds_from_then_on(change):
    for at_ns in range(2000, 8000, 400):
        found = []
        for no_lists in (0, 1):
            with vnic.Host(cost="linux", link="inf", speed="max", ip="10.0.0.2/24", cpus=2) as h:
                h.machine.c.no_lists = no_lists
                first = h.udp(5000, reuse_port=True)
                h.feed([frames.udp(b"%d" % i, sport=1000 + i) for i in range(16)])
                h.run(until_ns=at_ns)
                made = CHANGES[change](h)
                h.run()
                seen = [p.data for p in made.recv_nowait(64)] if change == "a packet socket" else None
                read = [data for data, _ in iter(first.recvfrom_nowait, None)]
                found.append((h.ledger(), h.mib(), read, seen))
        assert found[0] == found[1], at_ns
