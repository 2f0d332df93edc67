"""Faults on purpose: each happens when its rule says, is counted, and costs what it should; the laws hold under all."""

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_tap import wait_until

import vnic
from vnic.errors import ConfigError
from vnic.events.log import EventLog
from vnic.fault import FAULTS, FaultRule, parse

SENT = [frames.udp(b"hello%04d" % i, sport=1000 + i) for i in range(60)]
GAP_NS = 3000
ARP = frames.eth(
    bytes.fromhex("0001080006040001" + "020000000002" + "0a000001" + "000000000000" + "0a000002"),
    dst=b"\xff" * 6,
    type=0x0806,
)


def run(*faults, n=60, gap_ns=GAP_NS, **knobs):
    """A host that gets 60 datagrams. Return: the host, closed no more than its ledger shows."""
    host = vnic.Host(sink=True, latency=True, faults=faults, **({"rx_ring": 32} | knobs))
    host.feed(SENT[:n], gap_ns=gap_ns)
    host.finish()
    assert not host.laws()
    return host


def test_without_a_fault_all_is_well():
    with run() as host:
        assert host.ledger().fates == {"DELIVERED_UDP": 60}
        assert host.nic.faults() == {}


@pytest.mark.parametrize(
    ("spec", "fates"),
    [
        ("no-buffer:nth=20", {"DELIVERED_UDP": 59, "RX_NO_BUFFER": 1}),
        ("dma-flip:nth=20", {"DELIVERED_UDP": 59, "UDP_CSUM": 1}),
        ("dma-short:nth=20", {"DELIVERED_UDP": 59, "IP_CSUM": 1}),
        ("dma-wrong-buffer:nth=20", {"DELIVERED_UDP": 59, "UNHANDLED_PROTO": 1}),
        ("csum-lie:nth=20", {"DELIVERED_UDP": 60}),
        ("hash-wrong:nth=20", {"DELIVERED_UDP": 60}),
        ("used-len:nth=20", {"DELIVERED_UDP": 59, "FAULT": 1}),
        ("used-reorder:nth=20", {"DELIVERED_UDP": 60}),
        ("irq-late:nth=20,ns=20us", {"DELIVERED_UDP": 60}),
        ("irq-spurious:nth=20", {"DELIVERED_UDP": 60}),
        ("alloc-fail:nth=3", {"DELIVERED_UDP": 60}),
    ],
)
def test_a_fault_costs_what_it_should(spec, fates):
    with run(spec) as host:
        assert host.ledger().fates == fates
        assert host.nic.faults() == {spec.partition(":")[0]: 1}


def test_an_interrupt_that_is_lost_stops_a_driver_for_ever():
    """Linux has no watchdog for receive: what is in the ring stands there, and so does all behind it."""
    with run("irq-lost:nth=20") as host:
        assert host.ledger().fates["DELIVERED_UDP"] < 60
        assert host.ledger().fates["DEV_READY"] > 0
    with run("irq-lost:nth=20", gro_flush_timeout=20_000, napi_defer_hard_irqs=2) as host:
        assert host.ledger().fates == {"DELIVERED_UDP": 60}, "the watchdog polls"


@pytest.mark.parametrize("spec", ["used-id:nth=20", "used-twice:nth=20"])
def test_a_used_ring_that_cannot_be_stops_the_queue(spec):
    with run(spec) as host:
        fates = host.ledger().fates
        assert fates["DELIVERED_UDP"] in {19, 20}
        assert fates["FAULT"] == 32, "what is in the ring is not found any more"
        assert sum(fates.values()) == 60


def test_a_lie_about_a_checksum_brings_wrong_data_to_a_program(host):
    h = host(faults=["csum-lie:nth=2"])
    sock = h.udp(5000)
    h.feed([frames.udp(b"good", dport=5000)] * 3)
    h.run()
    assert [sock.recv() for _ in range(3)] == [b"good", b"gooe", b"good"]


def test_a_hash_that_is_wrong_is_in_the_driver_s_header(host):
    h = host(faults=["hash-wrong"], queues=2, cpus=2, rps_cpus="3")
    h.feed(SENT)
    h.run()
    assert h.nic.faults()["hash-wrong"] == 60


def test_the_order_changes_once(host):
    h = host(faults=["used-reorder:nth=2"])
    sock = h.udp(5000)
    h.feed([frames.udp(b"%d" % i, dport=5000) for i in range(5)], gap_ns=GAP_NS)
    h.run()
    assert [sock.recv() for _ in range(5)] == [b"0", b"2", b"1", b"3", b"4"]


def test_a_stalled_ring_goes_on_when_its_time_is_over():
    with run("stall:from=30us,until=90us", fifo=1 << 20) as host:
        assert host.ledger().fates == {"DELIVERED_UDP": 60}
        longest = host.latencies()["ring"].max
        assert 55_000 < longest < 65_000


def test_a_stall_fills_the_fifo():
    with run("stall:from=30us,until=150us", fifo=1024) as host:
        assert host.ledger().fates["FIFO_OVERRUN"] > 20


def test_the_link_is_down_for_a_time():
    with run("link-down:from=30us,until=60us") as host:
        assert host.ledger().fates == {"DELIVERED_UDP": 50, "DEV_READY": 10}


def test_an_interrupt_that_is_late_delays_its_frame():
    with run("irq-late:nth=1,ns=50us", n=1) as late, run(n=1) as normal:
        assert late.latencies()["total"].max == normal.latencies()["total"].max + 50_000


def test_frames_do_not_bring_a_late_interrupt_forward():
    """All that come meanwhile wait for it, and the next one is late again."""
    with run("irq-late:ns=50us", n=60, gap_ns=GAP_NS) as host:
        assert host.latencies()["moderation"].max >= 50_000
        assert host.nic.queues()[0].interrupts == pytest.approx(60 * GAP_NS / 50_000, abs=1)
        assert host.ledger().fates == {"DELIVERED_UDP": 60}


def test_a_late_interrupt_is_late_once(host):
    h = host(sink=True, latency=True, faults=["irq-late:times=1,ns=50us"])
    h.feed(SENT, gap_ns=GAP_NS)
    h.run()
    assert h.nic.faults() == {"irq-late": 1}
    assert h.nic.queues()[0].interrupts > 40


def test_a_doorbell_of_the_sending_ring_is_not_heard(host):
    """Nothing is sent until the driver rings again, and with the event index it rings once."""
    h = host(ip="10.0.0.2/24", faults=["kick-ignored:nth=1"])
    h.feed([ARP] * 2, gap_ns=1_000_000)
    h.run()
    assert h.nic.sent() == []
    assert h.tx_ledger().in_flight == 2
    h.knobs.rx_ring = 64
    h.run()
    assert len(h.nic.sent()) == 2


def test_a_lie_about_a_checksum_is_believed_of_icmp_too(host):
    """As Linux: skb_checksum_simple_validate() looks no further at CHECKSUM_UNNECESSARY."""
    request = frames.icmp(b"data")
    h = host(ip="10.0.0.2/24", faults=["csum-lie:nth=2", "dma-flip:nth=3"])
    h.feed([request] * 3, gap_ns=GAP_NS)
    h.run()
    assert h.ledger().fates == {"DELIVERED_ICMP": 2, "ICMP_CSUM": 1}


def test_a_doorbell_that_is_not_heard_leaves_frames_in_the_fifo():
    """The FIFO's head waits for a buffer. The driver posts some, and rings once."""
    with run("kick-ignored", rx_ring=16, gap_ns=0, n=40) as host:
        assert host.ledger().fates["DEV_READY"] > 0
        assert host.nic.faults()["kick-ignored"] > 0


def test_a_sending_ring_stalls(host):
    h = host(ip="10.0.0.2/24", faults=["tx-stall:from=0,until=1ms"])
    h.feed(ARP)
    h.run()
    assert next(t for t, _ in h.nic.sent()) >= 1_000_000


# ---- when ----


@pytest.mark.parametrize(
    ("spec", "hits"),
    [
        ("hash-wrong", 60),
        ("hash-wrong:nth=7", 1),
        ("hash-wrong:every=7", 8),
        ("hash-wrong:every=7,times=3", 3),
        ("hash-wrong:times=5", 5),
        ("hash-wrong:p=1", 60),
        ("hash-wrong:queue=1", 0),
        ("hash-wrong:queue=0", 60),
        ("hash-wrong:from=1", 0),
    ],
)
def test_when(spec, hits):
    with run(spec) as host:
        assert host.nic.faults().get("hash-wrong", 0) == hits


def test_a_time():
    with run("hash-wrong:from=60us,until=90us") as host:
        assert host.nic.faults()["hash-wrong"] == 10


def test_a_probability_follows_the_seed():
    def hits(seed):
        with run("hash-wrong:p=0.5", seed=seed) as host:
            return host.nic.faults()["hash-wrong"]

    assert hits(1) == hits(1)
    assert len({hits(seed) for seed in range(8)}) > 1
    assert all(10 < hits(seed) < 50 for seed in range(8))


def test_from_python_and_in_the_log(host):
    h = host(sink=True)
    fault = h.nic.fault("dma-flip", nth=2)
    log = EventLog(h)
    h.feed(SENT, gap_ns=GAP_NS)
    h.finish()
    assert (fault.hits, fault.chances) == (1, 60)
    assert repr(fault) == "<vnic.Fault dma-flip:nth=2: 1 of 60>"
    [mark] = [e for e in log.end() if e.kind == "fault"]
    assert (mark.frame, mark.args) == (2, {"fault": "dma-flip"})


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_empty_ring_that_got_no_memory_is_filled_later(nth):
    """No frame can come that would make the driver try again: a timer does, as virtio_net's refill_work()."""
    faults = [f"alloc-fail:nth={nth}"]
    with vnic.Host(sink=True, cpus=1, rx_ring=16, fifo=1 << 20, cost="zero", faults=faults) as h:
        h.feed([frames.udp(sport=1000 + i % 60) for i in range(400)])
        h.run()
        assert h.ledger().fates == {"DELIVERED_UDP": 400}


def test_a_driver_that_never_gets_memory_gives_up():
    with vnic.Host(sink=True, cpus=1, rx_ring=16, fifo=1 << 20, cost="zero", faults=["alloc-fail"]) as h:
        h.feed([frames.udp(sport=1000 + i % 60) for i in range(400)])
        h.run()
        assert h.ledger().in_flight_at["fifo"] > 300
        assert h.now_ns > 5_000_000_000


@pytest.mark.parametrize(("spec", "logged"), [("hash-wrong:nth=1", 1), ("alloc-fail:nth=1", 0)])
def test_live_the_log_has_what_the_card_decides_and_not_what_a_cpu_does(live, spec, logged):
    """The card's log has one writer: its own thread."""
    h = live([[frames.udp(b"x") for _ in range(20)]], sink=True, cpus=1, rx_ring=64, faults=[spec])
    log = EventLog(h)
    h.start()
    for n in range(20, 30):  # polls of their own: the later ones find buffers to refill the ring with
        wait_until(lambda n=n: h.ledger().delivered == n and h.machine.c.socks.socks[1].qlen == 0)
        h.wire.source.bursts.append([frames.udp(b"x")])
    wait_until(lambda: h.ledger().delivered == 30)
    h.stop()
    kind = spec.split(":")[0]
    assert h.nic.faults()[kind] == 1
    assert [e.args for e in log.end() if e.kind == "fault"] == [{"fault": kind}] * logged


# ---- a ring that is made anew ----


@pytest.mark.parametrize("spec", ["used-id:nth=20", "used-twice:nth=20"])
def test_a_new_ring_mends_a_queue_that_a_used_entry_broke(host, spec):
    """As ethtool -G does it. The frames that were in the broken ring end as FAULT at once."""
    h = host(sink=True, faults=[spec], rx_ring=32)
    h.feed(SENT[:30], gap_ns=GAP_NS)
    h.run()
    before = h.ledger().fates
    assert before["DELIVERED_UDP"] in {19, 20}
    h.knobs.rx_ring = 64
    lost = h.ledger().fates["FAULT"]
    assert lost
    h.feed(SENT, gap_ns=GAP_NS)
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 30 + 60 - lost, "FAULT": lost}


def test_an_entry_that_was_held_back_is_not_put_into_the_next_ring(host):
    h = host(sink=True, faults=["used-reorder:nth=5"], rx_ring=32)
    h.feed(SENT[:5], gap_ns=GAP_NS)
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 4}, "the fifth waits for the sixth"
    h.knobs.rx_ring = 64
    h.feed(SENT[:20], gap_ns=GAP_NS)
    h.run()
    assert h.ledger().fates == {"DELIVERED_UDP": 24, "FAULT": 1}


def test_the_config_has_them_for_a_rerun():
    with run("irq-late:nth=3,ns=20us", "dma-flip:p=0.5") as host:
        specs = host.config["faults"]
        assert [str(parse(text)) for text in specs] == specs


@pytest.mark.parametrize(
    "wrong",
    [
        "flip",
        "",
        "dma-flip:nth",
        "dma-flip:nth=0",
        "dma-flip:nth=x",
        "dma-flip:p=0",
        "dma-flip:p=nan",
        "dma-flip:p=2",
        "dma-flip:queue=999",
        "dma-flip:from=2s,until=1s",
        "dma-flip:from=1e9",
        "dma-flip:when=1",
        "stall:nth=3",
        "stall:from=1s,times=1",
        "tx-stall:queue=1",
        "dma-flip:every=99999999999999999999999999",
    ],
)
def test_a_wrong_rule_is_one_sentence(wrong):
    with pytest.raises(ConfigError, match=r"^fault") as refused:
        vnic.Host(faults=[wrong])
    assert "\n" not in str(refused.value)


def test_a_card_has_so_many_and_no_more():
    with pytest.raises(ConfigError, match="at most 32"):
        vnic.Host(faults=["dma-flip"] * 33)


@given(
    st.lists(
        st.builds(
            FaultRule,
            st.sampled_from([k for k in FAULTS if k not in {"stall", "tx-stall", "link-down", "hang-up"}]),
            nth=st.none() | st.integers(1, 40),
            every=st.none() | st.integers(1, 9),
            p=st.none() | st.floats(0.01, 1),
            times=st.none() | st.integers(1, 9),
        ),
        max_size=4,
    ),
    st.booleans(),
    st.integers(0, 3),
)
def test_the_laws_hold_whatever_goes_wrong(rules, drop_en, size):
    sent = [frames.udp(bytes(1 + 300 * size * (i % 3)), sport=1000 + i % 7) for i in range(60)]
    with vnic.Host(sink=True, faults=rules, rx_ring=16, drop_en=drop_en, rx_buf_len=256, queues=2) as host:
        host.feed(sent, gap_ns=700)
        host.finish()
        assert not host.laws()
        ledger = host.ledger()
        assert ledger.offered == sum(ledger.fates.values()) == 60


def test_of_a_short_write_the_rest_of_the_buffer_is_as_if_never_written(host):
    h = host(faults=["dma-short:nth=2"])
    tap = h.packet_socket()
    h.feed(SENT[:3], gap_ns=GAP_NS)
    h.run()
    first, second, third = (p.data for p in tap.recv_nowait(8))
    assert (first, third) == (SENT[0], SENT[2])
    half = len(second) // 2
    assert second == SENT[1][:half] + bytes(len(second) - half)
