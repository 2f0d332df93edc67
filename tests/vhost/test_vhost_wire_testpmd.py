"""vnic's host on a port of DPDK's net_vhost: testpmd is the switch, and counts each frame too."""

import contextlib
import time

import frames
import pytest
from testpmd import Testpmd
from vhost_checks import ends_well, until

import vnic

pytestmark = [pytest.mark.slow, pytest.mark.needs("dpdk-testpmd")]
MAC = "02:00:00:00:00:01"
LIMIT_S = 20


@pytest.fixture
def on_port(tmp_path):
    """A function: a live host, and a testpmd whose port it is on; at the end both laws hold."""
    with contextlib.ExitStack() as stack:

        def make(mode, *, queues=1, device="", **options):
            listens = "client" in device
            wire = vnic.VhostWire(tmp_path / "port", lanes=queues, listen=listens)
            host = vnic.Host(**({"wire": wire, "cpus": 1, "live": True, "sink": True, "fifo": 1 << 22} | options))
            stack.callback(ends_well, host)
            host.start()
            switch = Testpmd(tmp_path, wire.path, queues=queues, mode=mode, back_end=True, device=device)
            stack.callback(switch.close)
            until(lambda: wire.attached, LIMIT_S)
            switch.says("testpmd>")
            return host, switch

        yield make


@pytest.mark.parametrize("device", ["", ",client=1"])
def test_each_frame_comes_back_once(on_port, device):
    """testpmd sends back what the host sends: the same bytes, in the same order."""
    host, switch = on_port("io", device=device, ip=["10.0.0.2/24"], mac=MAC, promisc=True)
    switch.tell("start")
    switch.says("io packet forwarding - ")
    sent = [frames.udp(bytes([i]) * (i + 1), sport=1000 + i, src="10.0.0.9") for i in range(200)]
    with host.packet_socket() as out, host.udp(5000) as reader:
        for i, frame in enumerate(sent):
            out.send(frame)
            assert reader.recv(timeout=10) == bytes([i]) * (i + 1)
    assert host.tx_ledger().fates == {"TX_SENT": 200}
    assert host.ledger().fates == {"DELIVERED_UDP": 200}
    assert switch.counters()[:2] == (200, 200)


def test_a_flood_is_counted_by_both(on_port):
    """What testpmd has sent has arrived; what found no buffer is in its own count of losses."""
    host, switch = on_port("txonly")
    switch.tell("start")
    until(lambda: host.ledger().offered > 50_000)
    switch.tell("stop")
    switch.says("Done.")
    _, sent, _ = switch.counters()
    until(lambda: host.ledger().offered == sent)
    facts = host.wire.facts()
    assert (facts["bad_used"], facts["too_long"], facts["vnet_hdr"]["bad_vnet"]) == (0, 0, 0)


def test_several_lanes(on_port):
    host, switch = on_port("txonly", queues=2)
    switch.tell("start")
    until(lambda: all(lane["frames"] for lane in host.wire.facts()["lanes"]) or host.ledger().offered > 200_000)
    switch.tell("stop")
    switch.says("Done.")
    until(lambda: sum(lane["frames"] for lane in host.wire.facts()["lanes"]) == host.ledger().offered)


def test_the_switch_is_killed_under_traffic_and_comes_back(on_port, tmp_path):
    host, switch = on_port("txonly")
    for turn in range(1, 6):
        before = host.ledger().offered
        switch.tell("start")
        until(lambda before=before: host.ledger().offered > before + 1000)
        switch.close()
        until(lambda: not host.wire.attached)
        (tmp_path / "port").unlink(missing_ok=True)  # net_vhost does not take over a socket that is there
        switch.__init__(tmp_path, host.wire.path, mode="txonly", back_end=True)
        until(lambda turn=turn: host.wire.sessions == turn + 1, LIMIT_S)
        switch.says("testpmd>")
    time.sleep(0.1)
    ledger = host.machine.while_stopped(host.ledger)
    assert ledger.offered == ledger.in_flight + sum(ledger.fates.values())
