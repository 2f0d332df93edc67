"""Live: real threads over the same stages. The wire is Python's, so no root is needed."""

import os
import threading
import time
from pathlib import Path

import frames
import pytest
from live_host import Answering
from live_tap import tasks, wait_until

import vnic
from vnic._core import lib
from vnic.tap.pinning import parse_pin, places


def test_datagrams_come_through_threads(live):
    host = live([[frames.udp(b"%d" % i) for i in range(n, n + 32)] for n in range(0, 320, 32)], cpus=2)
    sock = host.udp(5000)
    host.start()
    got = [sock.recv(timeout=20) for _ in range(60)]
    assert got == [b"%d" % i for i in range(60)]
    wait_until(lambda: host.ledger().offered == 320)
    host.stop()
    ledger = host.ledger()
    assert ledger.offered == 320
    assert ledger.in_flight == 0
    assert ledger.fates["DELIVERED_UDP"] + ledger.fates.get("SOCKET_RCVBUFF", 0) == 320
    while sock.recvfrom_nowait():
        pass
    assert host.laws() == 0


@pytest.mark.slow
@pytest.mark.parametrize("knobs", [{"rx_usecs_irq": 50}, {"rx_usecs_irq": 300, "rx_frames_irq": 100}, {"rx_usecs": 20}])
def test_moderated_all_comes_through(live, knobs):
    host = live([[frames.udp(dport=9, sport=i) for i in range(32)] for _ in range(300)], cpus=2, sink=True,
                rcvbuf=1 << 26, fifo=1 << 24, **knobs)  # fmt: skip
    host.start()
    wait_until(lambda: host.ledger().delivered == 300 * 32)
    host.stop()
    assert host.laws() == 0


def test_rps_spreads_over_cpu_threads_and_keeps_flows_in_order(live):
    n_flows, each = 16, 200
    burst = [[frames.udp(b"%d" % i, sport=1000 + f, dport=7000 + f) for f in range(n_flows)] for i in range(each)]
    host = live(burst, cpus=4, rps_cpus="f", rcvbuf=1 << 24)
    socks = [host.udp(7000 + f) for f in range(n_flows)]
    host.start()
    wait_until(lambda: host.ledger().offered == n_flows * each)
    host.stop()
    for sock in socks:
        got = []
        while (d := sock.recvfrom_nowait()) is not None:
            got.append(int(d[0]))
        assert got == sorted(got)
    fates = host.ledger().fates
    assert sum(fates.values()) == n_flows * each
    assert sum(1 for s in host.softnet() if s.processed) > 1
    assert host.laws() == 0


@pytest.mark.parametrize(
    "knobs",
    [{"threaded": True}, {"threaded": "busy-poll"}, {"busy_read": 200}, {"threaded": True, "busy_read": 50}],
)
def test_polled_by_a_task_or_by_the_reader_all_is_read(live, knobs):
    """One sink per port, and each reader on the CPU of its queue."""
    n = 200 * 32
    host = live([[frames.udp(dport=9, sport=i) for i in range(32)] for _ in range(200)], cpus=2, sink=True,
                reader_cpu=0, rcvbuf=1 << 26, fifo=1 << 24, **knobs)  # fmt: skip
    host.start()
    wait_until(lambda: host.ledger().offered == n and host.ledger().in_flight == 0)
    host.stop()
    assert host.ledger().fates == {"DELIVERED_UDP": n}
    assert host.laws() == 0
    if "threaded" in knobs:
        assert host.nic.queues()[0].thread_wakeups > 0
        assert host.softnet()[0].net_rx_runs == 0


def test_a_task_that_busy_polls_sleeps_when_nothing_comes_and_starts_again(live):
    """A millisecond without a frame: then the interrupt is on, and no core is held. Each burst begins with one."""
    burst = [frames.udp(dport=9)] * 32
    host = live([], cpus=2, sink=True, reader_cpu=1, threaded="busy-poll", rcvbuf=1 << 26)
    host.start()
    cpu, queue = host.machine.c.cpu[0], host.machine.c.dq[0]
    for n in (32, 64):
        host.wire.source.bursts.append(burst)
        wait_until(lambda n=n: host.ledger().fates.get("DELIVERED_UDP") == n)
        wait_until(lambda: cpu.sleeping and not queue.napi.state & lib.NAPI_STATE_IN_BUSY_POLL)
    assert 2 <= host.nic.queues()[0].interrupts <= 8
    assert host.nic.queues()[0].thread_wakeups >= 2
    began = time.monotonic()
    host.stop()
    assert time.monotonic() - began < 10
    assert host.laws() == 0


def test_an_idle_instance_sleeps_and_threads_have_names(live):
    host = live([])
    host.start()
    wait_until(lambda: host.machine.c.cpu[3].sleeping)

    wait_until(lambda: {"nic/vnic0", "cpu/0", "cpu/3", "python/0"} <= set(tasks().values()))

    def switches():
        found = {}
        for t, name in tasks().items():
            if name.startswith("cpu/"):
                status = Path(f"/proc/self/task/{t}/status").read_text()
                found[name] = int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])
        return found

    before = switches()
    time.sleep(0.3)
    assert {k: switches()[k] - n for k, n in before.items() if switches()[k] - n > 2} == {}
    host.stop()


def test_a_python_handler_gets_its_packets_live(live):
    host = live(
        [[frames.eth(b"%03d" % i, type=0x88B5) for i in range(n, n + 20)] for n in range(0, 200, 20)],
        cpus=2,
    )
    seen = []

    @host.packet_type(0x88B5)
    def handle(burst):
        seen.extend(int(bytes(p[:3])) for p in burst)

    host.start()
    wait_until(lambda: host.ledger().offered == 200 and host.ledger().in_flight == 0)
    host.stop()
    assert seen == list(range(200))
    assert host.ledger().fates == {"DELIVERED_PYTHON": 200}


def test_a_wire_that_raises_ends_the_run_and_stop_tells(live):
    host = live([])

    def broken(max_frames):
        raise RuntimeError("the wire broke")

    host.wire.source.read_burst = broken
    host.start()
    assert host.wait(20)
    with pytest.raises(vnic.VnicError, match="the wire broke"):
        host.stop()
    assert host.laws() == 0


@pytest.mark.parametrize(
    "knobs, most", [({}, 3200 / 8), ({"rx_usecs": 200, "rx_frames": 1000}, 3199)], ids=["off", "on"]
)
def test_with_and_without_moderation_there_are_fewer_interrupts_than_frames(live, knobs, most):
    """NAPI keeps the interrupt off while it polls, so a burst is one interrupt, also without moderation."""
    host = live([[frames.udp() for _ in range(64)] for _ in range(50)], rcvbuf=1 << 24, **knobs)
    host.start()
    wait_until(lambda: host.ledger().offered == 3200)
    host.stop()
    assert 0 < host.nic.queues()[0].interrupts <= most


def test_nobody_looks_for_work_any_more_when_all_have_come_home(live):
    """A CPU that sleeps for short looks a little longer before it does: the card goes by how many are looking."""

    left = [[frames.udp(dport=9)]] * 2000

    def drip(_):
        time.sleep(0.00002)
        return left.pop() if left else []

    host = live([], cpus=1, sink=True, rcvbuf=1 << 26)
    host.wire.source.read_burst = drip
    host.start()
    wait_until(lambda: host.ledger().delivered == 2000)
    host.stop()
    assert host.machine.c.nic.lend.idlers == 0


def test_a_doorbell_in_the_middle_of_a_poll_does_not_put_the_cpu_to_sleep(live):
    """A starved ring's doorbell once made the poll stop as in virtual time, and nothing woke the CPU again."""
    big = [[frames.udp(bytes(1400), dport=9) for _ in range(64)] for _ in range(32)]
    host = live(big, cpus=1, rx_ring=16, rx_buf_len=256)
    host.start()
    wait_until(lambda: host.ledger().offered == 2048 and host.ledger().in_flight == 0)
    host.stop()
    assert host.ledger().fates.keys() == {"NO_SOCKET", "FIFO_OVERRUN"}
    assert host.laws() == 0


def test_sockets_closed_under_traffic_take_no_buffer_with_them(live):
    burst = [frames.udp(sport=1000 + i, dport=6000 + i % 4) for i in range(64)]
    host = live([burst] * 400, cpus=4, queues=4, rcvbuf=4000)
    host.start()
    while host.ledger().offered < 400 * 64:
        for sock in [host.udp(6000 + i) for i in range(4)]:
            sock.close()
    host.stop()
    assert host.ledger().in_flight == 0
    assert host.laws() == 0


def test_a_live_host_has_no_costs():
    with pytest.raises(vnic.ConfigError, match="for virtual time"):
        vnic.Host(live=True, cost="linux")


def test_a_handler_that_never_returns_does_not_hang_stop(live, monkeypatch):
    monkeypatch.setattr("vnic.machine.threads._JOIN_S", 0.2)
    host = live([[frames.eth(bytes(50), type=0x88B5)]], cpus=2)
    go_on = threading.Event()

    @host.packet_type(0x88B5)
    def handle(burst):
        go_on.wait()

    host.start()
    wait_until(lambda: host.ledger().in_flight_at["python"] == 1)
    threads = host.machine.threads
    with pytest.raises(vnic.VnicError, match=r"thread python/0 did not stop within"):
        host.stop()
    assert threads.alive() == ["thread python/0"]  # all others ended
    go_on.set()
    wait_until(lambda: not threads.alive())
    host.stop()
    assert host.laws() == 0


def test_closed_with_a_thread_that_hangs_the_memory_stays(live, monkeypatch):
    monkeypatch.setattr("vnic.machine.threads._JOIN_S", 0.2)
    host = live([[frames.eth(bytes(50), type=0x88B5)]], cpus=1)
    asked, go_on, done = threading.Event(), threading.Event(), threading.Event()

    @host.nic.filter
    def handle(burst):
        asked.set()
        go_on.wait()
        done.set()

    host.start()
    threads = host.machine.threads
    assert asked.wait(20)
    with pytest.raises(vnic.VnicError, match="nic/vnic0 did not stop"):
        host.close()
    go_on.set()
    assert done.wait(20)
    wait_until(lambda: not threads.alive())


def test_no_thread_to_be_had_and_those_that_run_are_ended(live, monkeypatch):
    host = live([], cpus=3)
    begin = threading.Thread.start

    def start(thread):
        if thread.name == "cpu/2":
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(vnic.VnicError, match="cannot start a thread: there are too many"):
        host.start()
    assert not [t for t in threading.enumerate() if t.name.startswith(("cpu/", "nic/", "python/"))]


def test_threads_run_where_they_are_pinned_to(live):
    allowed = sorted(os.sched_getaffinity(0))
    host = live([], cpus=3)
    host.start(pin=allowed)
    card, *cpus = places(allowed, 3)
    want = {"nic/vnic0": {card}} | {f"cpu/{i}": {cpu} for i, cpu in enumerate(cpus)}

    def where():
        threads = [host.machine.threads._device, *host.machine.threads._cpus]
        return {t.name: os.sched_getaffinity(t.native_id) for t in threads}

    wait_until(lambda: where() == want)
    host.stop()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1;2", "must be auto, or CPU numbers"),
        ("4096", "CPU 4096 does not exist or is not allowed"),
        ("", "must be auto"),
    ],
)
def test_cpus_that_cannot_be_had_are_refused(text, sentence):
    with pytest.raises(vnic.ConfigError, match=sentence):
        parse_pin(text)


def test_places_give_the_card_a_cpu_of_its_own():
    assert places([5, 6, 7], 4) == [5, 6, 7, 6, 7]
    assert places([5], 2) == [5, 5, 5]
    assert parse_pin("auto") == sorted(os.sched_getaffinity(0))


@pytest.mark.slow
def test_threads_that_send_while_the_host_stops_are_told_so():
    """From live_stop() on there are no locks in the data plane: who still sends must not come in."""
    told = []

    def send(sock):
        try:
            while True:
                sock.sendto(b"x" * 100, ("224.0.0.9", 9))
        except (OSError, vnic.VnicError) as e:
            told.append(e)

    for _ in range(5):
        host = vnic.Host(wire=vnic.PythonWire(Answering()), live=True, ip="10.0.0.2/24", cpus=2)
        socks = [host.udp(1000 + i) for i in range(3)]
        host.start()
        threads = [threading.Thread(target=send, args=(sock,)) for sock in socks]
        for t in threads:
            t.start()
        wait_until(lambda h=host: h.tx_ledger().fates.get("TX_SENT", 0) > 50)
        host.stop()
        for t in threads:
            t.join(20)
        assert host.tx_ledger().in_flight == 0
        assert host.laws() == 0
        host.close()
    assert len(told) == 15


def test_a_block_in_which_the_host_runs_ends_with_all_run_out(live):
    host = live([[frames.udp(b"x")] * 32])
    sock = host.udp(5000)
    with host.running() as same:
        assert same is host
        assert host.is_running
        assert sock.recv(timeout=20) == b"x"
    assert not host.is_running
    assert host.ledger().in_flight == 0
    assert host.laws() == 0


def breaks_at_its_first_packet(host):
    """Give a live host a handler that raises, and the packet. Return: an event, set when it has."""
    raised = threading.Event()

    @host.packet_type(0x88B5)
    def handle(burst):
        raised.set()
        raise RuntimeError("the handler is broken")

    host.wire.source.bursts.append([frames.eth(bytes(46), type=0x88B5)])
    return raised


def test_what_ended_the_block_is_not_replaced_by_a_refusal_to_stop(live):
    """A handler's exception would be stop()'s; it is a note of the block's own."""
    host = live([])
    raised = breaks_at_its_first_packet(host)

    def fail():
        with host.running():
            assert raised.wait(20)
            raise KeyError("the block's")

    with pytest.raises(KeyError, match="the block's") as e:
        fail()
    assert "the handler is broken" in e.value.__notes__[0]
    assert not host.is_running

    with pytest.raises(vnic.VnicError, match="Host\\(live=True\\)"), host.running():
        pytest.fail("a host that was stopped does not run")


def test_without_another_exception_the_refusal_to_stop_is_raised(live):
    host = live([])
    raised = breaks_at_its_first_packet(host)
    with pytest.raises(vnic.VnicError, match="the handler is broken"), host.running():
        assert raised.wait(20)


def test_a_second_block_is_refused_and_the_first_goes_on(live):
    host = live([])
    sock = host.udp(5000)
    with host.running():
        with pytest.raises(vnic.VnicError, match="started already"), host.running():
            pytest.fail("it runs already")
        assert host.is_running
        host.wire.source.bursts.append([frames.udp(b"still")])
        assert sock.recv(timeout=20) == b"still"
