"""RPS beside the running kernel: what goes, what stays, and which packets go together.

The kernel's key is its own, so each question is asked for many addresses: packets that must go together do so each
time, and packets that need not are found apart at least once (but for a chance of 2 ** -32).
"""

import os
import struct

import frames
import kernel_rps
import pytest
from gro_batches import extended
from softnet_steps import flow_hash

import vnic

MANY = 32
V6 = {"dst": "fd00::2"}


def v4(i, **kw):
    return {"src": f"10.1.{i}.1"} | kw


def v6(i, **kw):
    return {"src": f"fd00:{i:x}::1", "dst": "fd00::2"} | kw


def tagged(frame, tci, tpid=0x8100):
    return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]


def with_extension(frame, kind):
    return frame[:14] + extended(frame[14:], kind, b"\1\4\0\0\0\0")


def in_ipv4(frame):
    proto = 4 if frame[14] >> 4 == 4 else 41
    return frames.eth(frames.ipv4(frame[14:], proto, src="10.200.0.1", dst="10.200.0.2"))


def other(i, proto, data):
    return frames.eth(frames.ipv4(data + bytes(20), proto, **v4(i)))


PAIRS = {
    # do these two go together?
    "both directions": lambda i: (
        frames.udp(**v4(i)), frames.udp(src="10.0.0.2", dst=f"10.1.{i}.1", sport=5000, dport=1000)),
    "only the addresses swapped": lambda i: (frames.udp(**v4(i)), frames.udp(src="10.0.0.2", dst=f"10.1.{i}.1")),
    "only the ports swapped": lambda i: (frames.udp(**v4(i)), frames.udp(sport=5000, dport=1000, **v4(i))),
    "both directions, IPv6": lambda i: (
        frames.tcp(**v6(i)), frames.tcp(src="fd00::2", dst=f"fd00:{i:x}::1", sport=80, dport=1000)),
    "another source port": lambda i: (frames.udp(**v4(i)), frames.udp(sport=1001, **v4(i))),
    "another destination port": lambda i: (frames.tcp(**v4(i)), frames.tcp(dport=81, **v4(i))),
    "UDP and TCP": lambda i: (frames.udp(dport=80, **v4(i)), frames.tcp(**v4(i))),
    "another address": lambda i: (frames.udp(**v4(i)), frames.udp(**v4(i, dst="10.0.0.3"))),
    "TTL, id, TOS": lambda i: (frames.udp(**v4(i)), frames.udp(ttl=1, id=9, tos=4, **v4(i))),
    "IP options": lambda i: (frames.udp(**v4(i)), frames.udp(options=b"\1\1\1\0", **v4(i))),
    "the first fragment and a later one": lambda i: (
        frames.udp(b"x" * 40, frag=0x2000, **v4(i)), frames.eth(frames.ipv4(b"y" * 48, 17, frag=5, **v4(i)))),
    "a fragment and a whole datagram": lambda i: (frames.udp(frag=0x2000, **v4(i)), frames.udp(**v4(i))),
    "IPv6 with other ports": lambda i: (frames.udp(**v6(i)), frames.udp(sport=7, **v6(i))),
    "one flow label, other ports": lambda i: (frames.udp(flow=9, **v6(i)), frames.udp(flow=9, sport=7, **v6(i))),
    "another flow label": lambda i: (frames.udp(flow=9, **v6(i)), frames.udp(flow=10, **v6(i))),
    "a flow label or none": lambda i: (frames.udp(flow=9, **v6(i)), frames.udp(**v6(i))),
    "a destination options header": lambda i: (frames.udp(**v6(i)), with_extension(frames.udp(**v6(i)), 60)),
    "a hop-by-hop header, other ports": lambda i: (
        with_extension(frames.udp(**v6(i)), 0), with_extension(frames.udp(sport=7, **v6(i)), 0)),
    "an IPv6 fragment header": lambda i: (frames.udp(**v6(i)), with_extension(frames.udp(**v6(i)), 44)),
    "two IPv6 fragments": lambda i: (
        with_extension(frames.udp(**v6(i)), 44), with_extension(frames.udp(sport=7, **v6(i)), 44)),
    "a VLAN tag or none": lambda i: (frames.udp(**v4(i)), tagged(frames.udp(**v4(i)), 5)),
    "the same VLAN": lambda i: (tagged(frames.udp(**v4(i)), 5), tagged(frames.udp(ttl=9, **v4(i)), 5)),
    "another VLAN": lambda i: (tagged(frames.udp(**v4(i)), 5), tagged(frames.udp(**v4(i)), 6)),
    "another port in a VLAN": lambda i: (tagged(frames.udp(**v4(i)), 5), tagged(frames.udp(sport=7, **v4(i)), 5)),
    "in a tunnel, by the inner flow": lambda i: (frames.udp(**v4(i)), in_ipv4(frames.udp(**v4(i)))),
    "IPv6 in a tunnel, by the inner flow": lambda i: (frames.tcp(**v6(i)), in_ipv4(frames.tcp(**v6(i)))),
    "SCTP ports": lambda i: (other(i, 132, b"\0\1\0\2"), other(i, 132, b"\0\1\0\3")),
    "the SPI of ESP": lambda i: (other(i, 50, b"\0\0\0\2"), other(i, 50, b"\0\0\0\3")),
    "the SPI of AH": lambda i: (other(i, 51, b"\0\0\0\2\0\0\0\1"), other(i, 51, b"\0\0\0\2\0\0\0\2")),
    "no ports in ICMP": lambda i: (frames.icmp(b"one", **v4(i)), frames.icmp(b"two", **v4(i))),
    "no ports in protocol 253": lambda i: (other(i, 253, b"\0\0\0\2"), other(i, 253, b"\0\0\0\3")),
}  # fmt: skip
NOT_IP = {
    "an EtherType nobody knows": frames.eth(bytes(46), type=0x88B5),
    "LLC": frames.eth(b"\xaa\xaa\3" * 20, type=60),
    "half an IPv4 header": frames.eth(b"\x45" + bytes(10)),
    "UDP": frames.udp(),
}


def _oracle():
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")


@pytest.mark.root
def test_what_goes_together_in_the_running_kernel():
    _oracle()
    asked = [f for make in PAIRS.values() for i in range(MANY) for f in make(i)]
    where = kernel_rps.ask("3", asked)
    same = [a == b for a, b in zip(where[::2], where[1::2], strict=True)]
    kernel = {name: all(same[n * MANY : (n + 1) * MANY]) for n, name in enumerate(PAIRS)}
    with vnic.Host(rx_pool=64, sockets=16, seed=1) as h:
        ours = {
            name: all(len({flow_hash(h, f) for f in make(i)}) == 1 for i in range(MANY)) for name, make in PAIRS.items()
        }
    assert ours == kernel
    assert {False, True} == set(kernel.values())


@pytest.mark.root
def test_what_goes_and_what_stays_in_the_running_kernel(host):
    _oracle()
    for mask, cpu in (("0", 0), ("1", 0), ("2", 1)):
        assert kernel_rps.ask(mask, list(NOT_IP.values())) == [cpu] * len(NOT_IP)
        h = host(cpus=2, rps_cpus=mask, rxhash=False)
        h.feed(list(NOT_IP.values()))
        h.run()
        assert [s.processed for s in h.softnet()] == [len(NOT_IP) * (cpu == 0), len(NOT_IP) * (cpu == 1)]


@pytest.mark.root
def test_flows_are_never_split_and_the_other_cpu_is_called_by_ipi():
    _oracle()
    flows = [frames.udp(sport=i) for i in range(40)]
    before = kernel_rps.received_rps()
    where = kernel_rps.ask("3", flows * 10)
    assert all(len(set(where[i::40])) == 1 for i in range(40))
    assert 2 < sum(where[:40]) < 38
    assert kernel_rps.received_rps()[1] > before[1]
