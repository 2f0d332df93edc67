"""The log of a live host: threads write it, each its own, and no frame's story is lost between them."""

import time
from collections import Counter
from itertools import pairwise

import frames
import pytest

import vnic
from vnic.events.log import EventChoice, EventLog


def bursts(n, at_once=16):
    each = [frames.udp(bytes(20), sport=i % 7 + 1, dport=5000, dst="10.0.0.2") for i in range(n)]
    return [each[i : i + at_once] for i in range(0, n, at_once)]


def logged(host, n, choice=None):
    """Run until all frames have their fates. Return: the events."""
    log = EventLog(host, choice or EventChoice())
    host.start()
    end = time.monotonic() + 30
    while host.ledger().offered < n or host.ledger().in_flight:
        assert time.monotonic() < end
        time.sleep(0.005)
    host.stop()
    assert host.laws() == 0
    return log.end()


@pytest.mark.parametrize("knobs", [{}, {"queues": 2, "cpus": 4, "rps_cpus": 15}, {"threaded": True, "cpus": 2}])
def test_every_frame_has_its_records_and_the_ledgers_fate(live, knobs):
    n = 2000
    host = live(bursts(n), ip="10.0.0.2/24", **({"cpus": 2} | knobs))
    host.udp(5000)
    events = logged(host, n)
    ledger, rows = host.ledger(), list(events.frames)
    assert events.missed == 0
    assert [f.id for f in rows] == list(range(1, n + 1))
    assert Counter(f.fate for f in rows) == {fate: count for fate, count in ledger.fates.items() if count}
    kinds = {(e.frame, e.kind) for e in events}
    for f in rows:
        if f.fate == "DELIVERED_UDP":
            assert {(f.id, k) for k in ("wire", "fifo", "dma", "ring", "skb", "gro_out")} <= kinds
            assert {(f.skb, k) for k in ("receive", "socket", "fate")} <= kinds
            times = (f.t_wire, f.t_ring, f.t_poll, f.t_gro, f.t_socket)
            assert None not in times
    assert all(a.t_ns <= b.t_ns for a, b in pairwise(events))


def test_a_full_log_of_threads_counts_what_is_missing(live):
    n = 1000
    host = live(bursts(n), ip="10.0.0.2/24", cpus=2)
    host.udp(5000)
    events = logged(host, n, EventChoice(records=100))
    assert 100 <= len(events) <= 100 * (2 + 2)  # a log each: the card, two CPUs, Python's threads
    assert events.missed > 1000


def test_the_log_is_switched_while_threads_run(live):
    host = live(bursts(4000), ip="10.0.0.2/24", cpus=2)
    host.udp(5000)
    host.start()
    for _ in range(20):
        with EventLog(host) as log:
            time.sleep(0.002)
            events = log.end()
            assert {e.cpu for e in events} <= {None, 0, 1}
    host.stop()
    assert host.laws() == 0


@pytest.mark.root
def test_frames_from_a_tap_have_their_records(netns):
    import socket

    wire = vnic.TapWire("vt0", host_ip="10.0.0.1/24")
    with vnic.Host(live=True, wire=wire, ip="10.0.0.2/24", cpus=2) as host:
        sock = host.udp(5000)
        log = EventLog(host)
        with host.running(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for i in range(50):
                peer.sendto(b"%d" % i, ("10.0.0.2", 5000))
            got = [sock.recv(timeout=10) for _ in range(50)]
        events = log.end()
        assert host.laws() == 0
    assert got == [b"%d" % i for i in range(50)]
    ours = [f for f in events.frames if f.flow.endswith("10.0.0.2:5000")]
    assert [f.fate for f in ours] == ["DELIVERED_UDP"] * 50
    kinds = {(e.frame, e.kind) for e in events}
    for f in ours:
        assert {(f.id, k) for k in ("wire", "dma", "ring", "skb")} <= kinds
        assert None not in (f.t_wire, f.t_ring, f.t_poll, f.t_socket)
    assert "sent" in {e.kind for e in events}  # an answer to the peer's ARP request
