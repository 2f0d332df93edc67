"""Several threads of Python at one host: each gets its own, or a sentence; never another's bytes, nor freed memory."""

import subprocess
import sys
import textwrap
import threading
import time

import frames
import pytest

import vnic

IP = "10.0.0.2"


class Endless:
    """A wire that has frames of these flows in turn."""

    def __init__(self, burst):
        self.burst = burst

    def read_burst(self, n):
        time.sleep(0.0005)
        return self.burst


@pytest.fixture(autouse=True)
def _often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def at_once(*work):
    """Run them on a thread each; the first exception is raised here."""
    errors = []

    def run(one):
        try:
            one()
        except BaseException as e:  # noqa: BLE001
            errors.append(e)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def test_threads_that_read_two_sockets_get_their_own_bytes():
    """Bug: all reads of a host left what they got in one buffer."""
    payloads = {5001: b"1" * 1000, 5002: b"2" * 1000}
    burst = [frames.udp(payload, dport=port, dst=IP) for port, payload in payloads.items()] * 8
    host = vnic.Host(live=True, wire=vnic.PythonWire(Endless(burst)))
    try:
        socks = {port: host.udp(port) for port in payloads}
        host.start()

        def read(port):
            for _ in range(3000):
                assert socks[port].recv(timeout=30) == payloads[port]

        at_once(*[lambda port=port: read(port) for port in payloads])
    finally:
        host.stop()
        host.close()


@pytest.mark.slow
def test_threads_that_read_one_packet_socket_share_its_packets():
    """Bug: its ring has one reader, and two of them read beyond its end."""
    burst = [frames.udp(bytes([n]) * (17 * n), dport=9, dst=IP) for n in range(40)]
    known = set(burst)
    host = vnic.Host(live=True, wire=vnic.PythonWire(Endless(burst)))
    try:
        packets = host.packet_socket(ring=1 << 20)
        host.start()

        def read():
            seen, end = 0, time.monotonic() + 60
            while seen < 20_000:
                assert time.monotonic() < end
                if seen % 7 == 0:
                    time.sleep(0.005)  # so that there is something to read at once
                for p in packets.recv_nowait(1024):
                    assert bytes(p) in known
                    seen += 1

        at_once(read, read, read)
    finally:
        host.stop()
        host.close()


def test_in_virtual_time_a_host_is_its_runners(host):
    """While one thread runs it, others may look at counters, and are told so of all else."""
    h = host(ip=[f"{IP}/24"])
    sock, packets = h.udp(9), h.packet_socket()
    inside, over = threading.Event(), threading.Event()

    @h.packet_type(0x88B5)
    def wait(_burst):
        inside.set()
        over.wait(30)

    refused = [
        sock.recvfrom_nowait, sock.recvmmsg_nowait, lambda: sock.connect(("10.0.0.1", 9)), sock.close, packets.close,
        lambda: sock.sendto(b"x", ("10.0.0.1", 9)), lambda: setattr(sock, "gro", True), lambda: h.udp(10),
        lambda: h.tcp(10), h.packet_socket, lambda: h.feed(frames.udp()), h.run, h.step, h.finish, h.machine.peek,
        lambda: h.packet_type(5)(print), lambda: h.protocol(5)(print), h.laws,
        h.nic.kick, lambda: h.nic.filter(print), lambda: h.knobs.update({"rx_usecs": 5}), h.close,
    ]  # fmt: skip

    def other():
        assert inside.wait(30)
        try:
            for call in refused:
                with pytest.raises(vnic.VnicError, match="running"):
                    call()
            assert h.ledger().offered == 1
            assert h.nic.stats().rx_packets == 1
        finally:
            over.set()

    h.feed(frames.eth(b"x" * 46, type=0x88B5))
    at_once(h.run, other)
    assert h.ledger().fates == {"DELIVERED_PYTHON": 1}


def test_a_handler_does_not_handle_its_own_burst_again(host):
    """Bug: a handler that let the host go on got the same packets, and they were freed twice."""
    h = host()
    calls = []

    @h.packet_type(0x88B5)
    def again(burst):
        calls.append(len(burst))
        for go_on in (h.run, h.step, h.finish):
            with pytest.raises(vnic.VnicError, match="already"):
                go_on()

    h.feed([frames.eth(b"x" * 46, type=0x88B5)] * 3)
    h.run()
    assert sum(calls) == 3
    assert h.laws() == 0


def test_a_live_host_is_run_by_its_own_threads():
    """Bug: step() and peek() ran the card beside its thread, a second start() made another one."""
    host = vnic.Host(live=True, wire=vnic.PythonWire(Endless([frames.udp()])))
    try:
        host.start()
        for call in (host.run, host.step, host.machine.peek, host.finish, host.start):
            with pytest.raises(vnic.VnicError):
                call()
        assert host.feed(frames.udp()) == 1  # while its threads stand still
        with pytest.raises(vnic.VnicError, match="card's thread reads this wire"):
            host.wire.refill()
    finally:
        host.stop()
    assert host.laws() == 0
    host.close()


def test_handlers_come_while_CPUs_look_them_up():
    """Bug: a CPU could see half of an entry, and call the function NULL."""
    burst = [frames.eth(b"x" * 46, type=0x88B0 + n) for n in range(16)]
    host = vnic.Host(live=True, wire=vnic.PythonWire(Endless(burst)))
    try:
        host.start()
        seen = set()
        for n in range(16):
            host.packet_type(0x88B0 + n)(lambda _, n=n: seen.add(n))
            host.protocol(n)(lambda _: None)
        end = time.monotonic() + 60
        while len(seen) < 16:
            assert time.monotonic() < end
    finally:
        host.stop()
    assert host.laws() == 0
    host.close()


def test_a_wire_has_one_host_and_a_host_one_wire():
    """Bug: two cards on one wire in memory; what one fed moved the bytes that the other's FIFO still had."""
    wire = vnic.MemoryWire()
    with vnic.Host(wire=wire) as host, vnic.Host() as other:
        with pytest.raises(vnic.VnicError, match="has a host already"):
            vnic.Host(wire=wire)
        with pytest.raises(vnic.VnicError, match="not that host's"):
            wire.feed(other, [frames.udp()])
        assert host.feed([frames.udp()]) == 1
        host.run()


@pytest.mark.slow
def test_looking_at_stacks_while_the_locals_of_threads_end_is_no_deadlock():
    """CPython 3.11 holds a lock in sys._current_frames() that the end of a threading.local waits for."""
    code = textwrap.dedent(
        """
        import gc, threading, time
        from vnic.machine.uninterrupted import stack_tops

        class Cycle:
            def __init__(self):
                self.me, self.local = self, threading.local()
                self.local.x = 1

        def fresh():
            time.sleep(0.0005)

        def run():
            while True:
                fresh()  # a frame that no one has looked at: that makes an object, which may collect garbage

        for _ in range(20):
            threading.Thread(target=run, daemon=True).start()
        gc.set_threshold(10)
        for i in range(300):
            litter = [Cycle() for _ in range(i % 17)]
            del litter
            stack_tops()
        print("all")
        """
    )
    p = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (p.stdout, p.stderr, p.returncode) == ("all\n", "", 0)
