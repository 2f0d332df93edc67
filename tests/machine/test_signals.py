"""Exceptions of signal handlers, at any moment: the host goes on, no lock is left behind, and stop() always ends.

A handler's exception comes up in the main thread where CPython looks for signals: as a function begins, behind a call,
at a jump backwards. Here one comes up before bytecodes of the main thread, which are all those points and more, every
seventh of them, or, with HYPOTHESIS_PROFILE=long, each (minutes):
in vnic's Python, in the standard library's below it, in ``finally`` and ``__exit__``; but not in finalizers and weak
references' callbacks, where an exception goes nowhere. Other threads never see one.
"""

import contextlib
import gc
import os
import random
import signal
import sys
import threading
import time

import frames
import peer
import pytest
from live_tap import descriptors, live_tap, sending, wait_until

import vnic
import vnic.machine.threads


class Interrupt(BaseException):
    """As KeyboardInterrupt is, it is no Exception."""


class Source:
    """Frames that nobody ends, a burst each half a millisecond; what is sent is counted."""

    def __init__(self, *burst):
        self.burst = list(burst) or [frames.eth(bytes(50), type=0x88B5)] * 8
        self.reads = self.sent = 0

    def read_burst(self, max_frames):
        self.reads += 1
        time.sleep(0.0005)
        return self.burst

    def write_burst(self, burst):
        self.sent += len(burst)


def live(source=None, **knobs):
    return vnic.Host(wire=vnic.PythonWire(source or Source()), live=True, **({"cpus": 1, "ip": "10.0.0.2/24"} | knobs))


# ---- at every bytecode ----


def interrupted_at(n, operation):
    """Raise before the n-th bytecode that the main thread executes in it. Return: did it come so far?"""
    left = n

    def trace(frame, event, arg):
        nonlocal left
        if frame.f_code.co_name in ("_remove", "__del__"):  # called by the collector: what is raised there goes nowhere
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left < 0:
                raise Interrupt
        return trace

    gc.disable()  # a finalizer's exception would be nobody's
    sys.settrace(trace)
    try:
        operation()
    except Interrupt:
        pass
    finally:
        sys.settrace(None)
        gc.enable()
    return left < 0


EVERY = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 7


def at_every_bytecode(operation, check):
    """operation(), interrupted at one bytecode after the other, and check(), until it comes through. Return: n."""
    n = 0
    while interrupted_at(n, operation):
        check()
        n += EVERY
    check()
    return n


def goes_on(h):
    """Frames are received."""
    before = h.ledger().offered
    wait_until(lambda: h.ledger().offered > before)


def test_knobs_of_a_live_host_change_whole_or_not_at_all_and_it_goes_on():
    with live() as h:
        h.start()
        want = [64, 500]

        def change():
            want[:] = [192 - want[0] if want[0] in (64, 128) else 64, 1000 - want[1] + 1]
            h.knobs.update({"rx-ring": want[0], "rx-usecs": want[1] % 1000, "mtu": 1000 + want[0]})

        def check():
            h.knobs.promisc = not h.knobs.promisc  # waits for the one that was interrupted
            assert h.knobs.mtu in (0, 1000 + h.knobs.rx_ring), "one is of before"

        assert at_every_bytecode(change, check) > 300
        goes_on(h)
        h.stop()
        assert h.laws() == 0


def test_knobs_in_virtual_time_change_whole_or_not_at_all():
    with vnic.Host(cpus=1, sink=True) as h:
        ring = 64

        def change():
            nonlocal ring
            ring = 192 - ring
            h.knobs.update({"rx-ring": ring, "mtu": 1000 + ring})

        def check():
            h.feed(frames.udp(dport=9))
            h.run()
            assert h.knobs.mtu in (0, 1000 + h.knobs.rx_ring)

        assert at_every_bytecode(change, check) > 300
        h.finish()
        assert h.ledger().fates == {"DELIVERED_UDP": h.ledger().offered}
        assert h.laws() == 0


def test_a_run_is_over_when_it_was_interrupted():
    """The host said that it was running, for ever."""
    with vnic.Host(cpus=1) as h:
        handled = []

        @h.packet_type(0x88B5)
        def handle(burst):
            handled.extend(burst)

        def run():
            h.feed(frames.eth(bytes(50), type=0x88B5))
            h.step()
            h.run()

        assert at_every_bytecode(run, lambda: h.knobs.update({"promisc": True})) > 150
        h.finish()
        ledger = h.ledger()
        assert ledger.fates == {"DELIVERED_PYTHON": ledger.offered}
        assert h.laws() == 0


@pytest.mark.slow
def test_finish_can_be_called_again():
    def finish():
        h.finish()

    n, more = 0, True
    while more:
        with vnic.Host(cpus=1, sink=True, rx_usecs=1000, rx_frames=0) as h:
            h.feed([frames.udp(dport=9)] * 3)
            more = interrupted_at(n, finish)
            h.finish()
            assert h.ledger().fates == {"DELIVERED_UDP": 3}
            assert h.laws() == 0
        n += 1
    assert n > 50


@pytest.mark.slow
def test_a_start_that_was_interrupted_is_whole_or_was_none():
    n, more = 0, True
    while more:
        with live() as h:
            more = interrupted_at(n, h.start)
            assert h.ledger().closed
            if not h.is_running:
                h.start()
            goes_on(h)
            h.stop()
            assert h.laws() == 0
        n += 1
    assert n > 30


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stop", "close"])
def test_stop_and_close_can_be_called_again(how):
    threads = threading.active_count()
    n, more = 0, True
    while more:
        h = live()
        h.udp(5000)
        h.start()
        goes_on(h)
        more = interrupted_at(n, getattr(h, how))
        if how == "stop":
            h.stop()
            assert not h.is_running
            assert h.laws() == 0
        h.close()
        h.close()
        assert h.closed
        n += 1
    assert n > 50
    wait_until(lambda: threading.active_count() <= threads)


@pytest.mark.slow
def test_a_close_in_virtual_time_can_be_called_again(tmp_path):
    n, more = 0, True
    while more:
        h = vnic.Host(cpus=1)
        capture = vnic.Capture(h, tmp_path / "a.pcapng")
        h.feed(frames.udp())
        h.run()
        more = interrupted_at(n, h.close)
        h.close()
        assert h.closed
        assert (capture.packets, h.wire.closed) == (1, True)
        n += 1
    assert n > 50


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_with_block_leaves_nothing_behind_that_cannot_be_closed():
    """Before __enter__, and as __exit__ begins, there is nobody to close it: what does not run is given back."""
    threads = threading.active_count()
    n, more = 0, True
    while more:
        made = []

        def use(made=made):
            with live() as h:
                made.append(h)
                h.start()
                h.stop()

        more = interrupted_at(n, use)
        for h in made:
            h.close()
        n += 7  # there are many
    assert n > 500
    made.clear()
    wait_until(lambda: gc.collect() is not None and threading.active_count() <= threads)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_host_that_was_not_made_is_given_back():
    gc.collect()
    before = descriptors()
    n, more = 0, True
    while more:
        more = interrupted_at(n, lambda: vnic.Host(cpus=1))
        n += 3
    assert n > 200
    wait_until(lambda: gc.collect() is not None and descriptors() <= before)


def test_sending_does_not_keep_a_host_from_its_end():
    """Who was counted in was not counted out: stop() waited for it."""
    with live() as h:
        sock = h.udp(1000)
        h.start()

        def change():
            h.knobs.rx_ring = 192 - h.knobs.rx_ring if h.knobs.rx_ring in (64, 128) else 64

        assert at_every_bytecode(lambda: sock.sendto(b"x", ("224.0.0.9", 9)), change) > 50
        goes_on(h)
        h.stop()
        assert h.tx_ledger().in_flight == 0
        assert h.laws() == 0


@pytest.mark.slow
def test_captures_are_whole_or_were_none(tmp_path):
    with live() as h:
        h.start()

        def capture():
            with vnic.Capture(h, tmp_path / "a.pcapng"):
                pass

        def check():
            h.knobs.promisc = True
            for left in list(h.nic.captures):
                left.close()
            assert h.nic.captures == []

        assert at_every_bytecode(capture, check) > 300
        goes_on(h)
        h.stop()
        assert h.laws() == 0


@pytest.mark.slow
def test_sockets_are_the_hosts_or_were_none():
    with live() as h:
        h.start()

        def use():
            with h.udp(5000) as sock, h.packet_socket() as ps:
                sock.recvmmsg_nowait()
                ps.recv_nowait()

        def check():
            h.knobs.promisc = True
            for left in list(h.machine.bound):
                left.close()
            h.udp(5000).close()
            assert not h.machine.bound

        assert at_every_bytecode(use, check) > 500
        goes_on(h)
        h.stop()
        assert h.laws() == 0


# ---- real signals, at random ----


@contextlib.contextmanager
def signals(seed, within):
    """A handler raises Interrupt, at any time while ``armed`` is set. Yield: arm()."""
    rng, over, wanted = random.Random(seed), threading.Event(), threading.Event()
    armed = False

    def handle(number, frame):
        nonlocal armed
        if armed:
            armed = False
            raise Interrupt

    def send():
        while not over.is_set():
            if wanted.wait(0.1):
                wanted.clear()
                time.sleep(rng.random() * within)
                os.kill(os.getpid(), signal.SIGUSR1)

    def attempt(operation):
        """Return: was it interrupted?"""
        nonlocal armed
        try:
            try:
                wanted.set()
                armed = True
                operation()
            finally:
                armed = False
        except Interrupt:
            return True
        return False

    before = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield attempt
    finally:
        armed = False
        over.set()
        sender.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_signals_at_random_leave_a_live_host_whole(seed, tmp_path):
    rng = random.Random(seed)
    with live() as h, signals(seed, 0.004) as attempt:
        sock = h.udp(1000)
        operations = [
            lambda: h.knobs.update({"rx-ring": rng.choice([64, 128, 256])}),
            lambda: sock.sendto(b"x", ("224.0.0.9", 9)),
            lambda: vnic.Capture(h, tmp_path / "a.pcapng").close(),
            lambda: h.packet_socket().close(),
            lambda: h.udp(0).close(),
            lambda: h.wait(0.002),
            lambda: sock.recv(timeout=0.001),
        ]
        h.start()
        interrupted = 0
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                interrupted += attempt(rng.choice(operations))
        assert interrupted > 20
        goes_on(h)
        while attempt(h.stop):
            pass
        assert not h.is_running
        assert h.laws() == 0


def test_signals_at_random_while_it_starts_and_ends():
    with signals(7, 0.01) as attempt:
        for _ in range(60):
            h = live()
            attempt(h.start)
            attempt(h.stop)
            h.stop()
            assert h.laws() == 0
            attempt(h.close)
            h.close()
            assert h.closed


# ---- stop() ends ----


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(vnic.machine.threads, "_JOIN_S", 0.3)


@pytest.fixture
def hosts():
    """live(), closed at the end."""
    made = []

    def make(*args, **kwargs):
        made.append(live(*args, **kwargs))
        return made[-1]

    yield make
    for h in made:
        h.close()


def test_what_is_sent_while_it_runs_out_does_not_open_the_wire_again(hosts):
    source = Source(peer.arp(1, "10.0.0.1", "10.0.0.2"), *[frames.icmp(), frames.udp(dport=9)] * 16)
    h = hosts(source, cpus=2)
    h.start()
    wait_until(lambda: source.sent > 100)
    h.stop()
    reads = source.reads
    assert h.ledger().closed
    assert h.laws() == 0
    with contextlib.suppress(vnic.VnicError):
        h.run()
        h.finish()
    assert source.reads == reads


class Stuck(Source):
    """Calls that do not return until they may."""

    def __init__(self, *where, burst=()):
        super().__init__(*burst)
        self.where, self.go_on, self.inside = where, threading.Event(), threading.Event()

    def pause(self, where):
        if where in self.where:
            self.inside.set()
            self.go_on.wait()

    def read_burst(self, max_frames):
        self.pause("read_burst")
        return super().read_burst(max_frames)

    def write_burst(self, burst):
        super().write_burst(burst)
        self.pause("write_burst")


@pytest.mark.parametrize("where", ["read_burst", "write_burst"])
@pytest.mark.parametrize("how", ["stop", "close"])
@pytest.mark.usefixtures("soon")
def test_a_wire_that_does_not_return_is_named_and_stop_can_be_called_again(hosts, where, how):
    source = Stuck(where, burst=[peer.arp(1, "10.0.0.1", "10.0.0.2")])
    h = hosts(source)
    h.start()
    assert source.inside.wait(20)
    for _ in range(2):
        with pytest.raises(
            vnic.VnicError, match=r"^thread nic/vnic0 did not stop within 0 s: it is in .*wait.* again$"
        ):
            getattr(h, how)()
        assert h.is_running
        assert not h.closed
    source.go_on.set()
    h.stop()
    assert h.laws() == 0


@pytest.mark.usefixtures("soon")
def test_a_wire_that_does_not_return_while_the_rest_runs_out_is_named(hosts):
    source = Source()
    h = hosts(source)
    go_on = threading.Event()
    h.start()
    goes_on(h)
    rest = h.machine.turn.shut

    def shut(caller, *, closing):
        rest(caller, closing=closing)
        h.machine._finish, finish = lambda: go_on.wait() and finish(), h.machine._finish  # as a write_burst() would

    h.machine.turn.shut = shut
    for _ in range(2):
        with pytest.raises(vnic.VnicError, match=r"^the host has not run out within 1 s: it is in .*; stop\(\) can be"):
            h.stop()
    with pytest.raises(vnic.VnicError, match="has not run out"):
        h.close()
    del h.machine.turn.shut
    go_on.set()
    h.stop()
    assert h.laws() == 0


class Raises(Source):
    def write_burst(self, burst):
        raise RuntimeError("the other end is gone")


def test_a_wire_that_raises_while_the_rest_runs_out_is_told_of_and_all_is_stopped(hosts):
    h = hosts(Source(frames.udp(dport=9)))
    sock = h.udp(1000)
    h.start()
    goes_on(h)
    h.wire.source = Raises()
    shut = h.machine.turn.shut

    def before(caller, *, closing):
        shut(caller, closing=closing)
        h.machine.turn.alone, me = 0, h.machine.turn.alone
        h.machine.live = False  # what a thread may have sent last
        sock.sendto(b"x", ("224.0.0.9", 9))
        h.machine.turn.alone, h.machine.live = me, True

    h.machine.turn.shut = before
    with pytest.raises(vnic.VnicError, match="the other end is gone"):
        h.stop()
    del h.machine.turn.shut
    assert not h.is_running
    assert h.laws() == 0
    h.stop()
    assert h.tx_ledger().in_flight == 0


def test_a_handler_that_raises_is_told_of_and_all_is_stopped(hosts):
    h = hosts()

    @h.packet_type(0x88B5)
    def handle(burst):
        raise RuntimeError("not mine")

    h.start()
    assert h.wait(20)
    with pytest.raises(vnic.VnicError, match="a thread died: not mine"):
        h.stop()
    assert not h.is_running
    assert h.laws() == 0
    h.stop()


def test_stop_from_two_threads_at_once_and_twice(hosts):
    for _ in range(5):
        h = hosts()
        h.start()
        goes_on(h)
        errors = []

        def stop(h=h, errors=errors):
            try:
                h.stop()
                assert not h.is_running
                assert h.laws() == 0
            except BaseException as e:  # noqa: BLE001
                errors.append(e)

        threads = [threading.Thread(target=stop) for _ in range(3)]
        for t in threads:
            t.start()
        h.stop()
        for t in threads:
            t.join(30)
        assert errors == []
        h.stop()


@pytest.mark.parametrize("where", ["handler", "filter", "wire"])
@pytest.mark.parametrize("how", ["stop", "close"])
def test_what_runs_on_its_threads_cannot_stop_a_host(hosts, where, how):
    """It waited for itself."""
    said = []

    def try_it():
        if not said:
            with pytest.raises(
                vnic.VnicError, match=rf"^{how}\(\) waits for the thread that this handler or wire"
            ) as e:
                getattr(h, how)()
            said.append(e)

    class Stops(Source):
        def read_burst(self, max_frames):
            if where == "wire" and h.is_running:
                try_it()
            return super().read_burst(max_frames)

    h = hosts(Stops())
    if where == "handler":
        h.packet_type(0x88B5)(lambda _: try_it())
    if where == "filter":
        h.nic.filter(lambda _: try_it())
    h.start()
    wait_until(lambda: said)
    goes_on(h)
    h.stop()
    assert h.laws() == 0


@pytest.mark.usefixtures("soon")
def test_a_stop_that_was_interrupted_while_a_handler_blocks_can_be_called_again(hosts):
    h = hosts()
    go_on, inside = threading.Event(), threading.Event()

    @h.packet_type(0x88B5)
    def handle(burst):
        inside.set()
        go_on.wait()

    h.start()
    assert inside.wait(20)
    with signals(1, 0.01) as attempt:
        while not attempt(lambda: contextlib.suppress(vnic.VnicError).__enter__() or h.stop()):
            pass
    with pytest.raises(vnic.VnicError, match="thread python/0 did not stop"):
        h.stop()
    go_on.set()
    h.stop()
    assert h.laws() == 0


def test_a_knob_that_waits_for_a_thread_and_is_interrupted_leaves_the_host_whole(hosts, monkeypatch):
    monkeypatch.setattr(vnic.machine.threads, "_JOIN_S", 0.5)
    source = Stuck("read_burst")
    h = hosts(source)
    h.start()
    assert source.inside.wait(20)
    with signals(2, 0.05) as attempt:
        assert attempt(lambda: h.knobs.update({"rx-ring": 128}))
    with pytest.raises(vnic.VnicError, match="did not come to rest"):
        h.knobs.rx_ring = 128
    source.go_on.set()
    goes_on(h)
    h.knobs.rx_ring = 128
    assert h.knobs.rx_ring == 128
    h.stop()
    assert h.laws() == 0


def test_a_signal_handler_may_use_the_host_that_it_interrupted(hosts):
    h = hosts()
    h.start()
    done = []

    def handle(number, frame):
        h.knobs.promisc = len(done) % 2 == 0
        done.append(h.ledger().offered)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        for _ in range(50):
            os.kill(os.getpid(), signal.SIGUSR1)
            h.knobs.rx_ring = 64
            h.knobs.rx_ring = 128
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(done) > 10
    h.stop()
    assert h.laws() == 0


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_a_tap_under_flood_is_stopped():
    with live_tap("fl0") as host, sending("fl0"):
        goes_on(host)
        host.stop()
        assert host.laws() == 0
