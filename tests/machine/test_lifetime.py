"""Beginning and end: what is closed says so, what is forgotten is given back, and a child process has none of it."""

import asyncio
import copy
import functools
import gc
import inspect
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import types
import warnings
import weakref
from pathlib import Path

import frames
import pcapng_blocks
import pytest
from foreign_driver import Driver
from live_tap import descriptors
from paths import DEMO, TESTS
from stdin import stdin_closed
from tcp_pair import Pair

import vnic
from vnic._core import lib
from vnic.control.client import Connection
from vnic.control.server import Control
from vnic.machine.machine import Machine
from vnic.wire import Wire

READ_SLOWLY = 0.0005


class Quiet:
    """A wire that brings nothing, slowly."""

    def read_burst(self, max_frames):
        threading.Event().wait(READ_SLOWLY)
        return []

    def write_burst(self, burst):
        pass


def take(burst):
    return None


# What may still be asked of a closed host: Python's own, and the end itself.
STAYS = {
    vnic.Host: {"close", "closed", "stop", "config", "name", "live", "is_running"},
    Machine: {"close", "closed", "stop", "is_running", "begin"},
    vnic.Nic: {"captures"},
    vnic.Capture: {"close", "finish", "path", "packets", "drops", "late", "broken", "give_up"},
    vnic.MemoryWire: {"close", "closed"},
    vnic.PythonWire: {"close", "closed"},
    vnic.CaptureWire: {"close", "closed", "paths", "path",
                       "bytes_total", "unread"},
    Control: {"close", "closed", "path"},
}  # fmt: skip
PARTS = {"wire", "machine"}  # they are asked themselves
SOCKET_STAYS = {"close", "closed", "wake_up"}


def _made_file():
    """Return: the descriptor of a file with a byte."""
    fd = os.memfd_create("a file")
    os.write(fd, b"x")
    return fd


A_FILE = types.SimpleNamespace(fileno=functools.cache(_made_file))

ARGUMENTS = {
    "feed": (b"\0" * 60,),
    "packet_type": (0x88B5,),
    "protocol": (5,),
    "filter": (take,),
    "udp": (5000,),
    "tcp": (5000,),
    "listen": (5000,),
    "open_connection": ("10.0.0.1", 9),
    "start_server": (take, 5000),
    "create_connection": (asyncio.Protocol, "10.0.0.1", 9),
    "create_server": (asyncio.Protocol, 5000),
    "recv_into": (bytearray(5),),
    "recv_into_nowait": (bytearray(5),),
    "sendall": (b"x",),
    "send_nowait": (b"x",),
    "sendfile": (A_FILE,),
    "shutdown": (socket.SHUT_WR,),
    "set_base": (1,),
    "sendto": (b"x", ("10.0.0.1", 9)),
    "send": (b"x",),
    "connect": (("10.0.0.1", 9),),
    "join": ("239.1.2.3",),
    "leave": ("239.1.2.3",),
    "recvmsg": (100,),
    "queue": (0,),
    "fault": ("irq-lost",),
    "call_fd": (0,),
    "update": ({"mtu": 1000},),
    "each_queue": ({0: {"rx-usecs": 5}},),
    "getsockopt": (socket.SOL_SOCKET, socket.SO_RCVBUF),
    "setsockopt": (socket.SOL_SOCKET, socket.SO_RCVBUF, 5000),
}


def public(thing):
    """Names of its type's methods and properties."""
    return sorted(name for name in dir(type(thing)) if not name.startswith("_"))


def arguments(name, thing, host):
    if isinstance(thing, Wire):
        return {"feed": (host, b"\0" * 60), "attach": (None,)}.get(name, ())
    if isinstance(thing, Machine):
        return {
            "feed": (b"\0" * 60, None, 0),
            "run": (None, None, None),
            "finish": (None,),
            "start": (None,),
            "wait": (0,),
            "while_stopped": (lambda: None,),
            "handle": (lib.EV_UPCALL,),
        }.get(name, ())
    if isinstance(thing, vnic.Host) and name == "connect":
        return ("10.0.0.1", 9)
    return ARGUMENTS.get(name, ())


def use(thing, name, host):
    """Ask for it, and call it."""
    value = getattr(thing, name)
    if callable(value):
        called = value(*arguments(name, thing, host))
        if inspect.iscoroutine(called):
            asyncio.run(called)
    pytest.fail(f"{type(thing).__name__}.{name} went through")


def refused(thing, host, stays, match):
    """Every public name of it, but those that stay, is one VnicError. Return: how many."""
    n = 0
    for name in public(thing):
        if name in stays:
            continue
        static = inspect.getattr_static(type(thing), name)
        if not callable(static) and not isinstance(static, (property, classmethod, staticmethod)):
            continue
        with pytest.raises(vnic.VnicError, match=match):
            use(thing, name, host)
        n += 1
    return n


@pytest.mark.parametrize("live", [False, True])
def test_every_call_of_a_closed_host_is_one_sentence(live):
    wire = vnic.PythonWire(Quiet())
    h = vnic.Host(wire=wire, cpus=2, live=live, ip="10.0.0.2/24")
    h.close()
    assert h.closed
    assert refused(h, h, STAYS[vnic.Host] | PARTS, r"^the host is closed$") > 20
    assert refused(h.machine, h, STAYS[Machine], r"^the host is closed$") > 10
    assert refused(h.nic, h, STAYS[vnic.Nic], r"^the host is closed$") > 8
    for use in (
        lambda: h.knobs.mtu,
        lambda: h.knobs["mtu"],
        lambda: setattr(h.knobs, "mtu", 1500),
        lambda: h.knobs.queue(0),
        lambda: h.knobs.update({"mtu": 1000}),
        lambda: dict(h.knobs),
        lambda: vnic.Capture(h, "/dev/null"),
        lambda: Control(h),
        lambda: h.__enter__().run(),
    ):
        with pytest.raises(vnic.VnicError, match=r"^the host is closed$"):
            use()
    for _ in range(2):
        h.close()
        h.stop()
    assert h.config["cpus"] == 2
    assert not h.is_running
    assert "closed" in repr(h)


def test_what_was_registered_half_before_the_end_is_refused_after_it():
    """The decorator's first call was before close(), its second behind it."""
    h = vnic.Host()
    at_type, at_protocol = h.packet_type(0x88B5), h.protocol(5)
    h.close()
    for register in (at_type, at_protocol):
        with pytest.raises(vnic.VnicError, match=r"^the host is closed$"):
            register(take)


@pytest.mark.parametrize("by", ["itself", "host"])
@pytest.mark.parametrize("live", [False, True])
def test_every_call_of_a_closed_socket_is_one_sentence(live, by):
    wire = vnic.PythonWire(Quiet()) if live else None
    with vnic.Host(wire=wire, cpus=1, live=live, ip="10.0.0.2/24") as h:
        listener = h.tcp(80)
        if not live:
            h.feed(frames.tcp(b"abc", dport=80, flags=frames.SYN))
            h.run()
        socks = [h.udp(5000), listener, h.packet_socket(), *([] if live else [listener.accept()])]
        for sock in socks:
            assert sock.fileno() >= 0
        if by == "host":
            h.close()
        for sock in socks:
            for _ in range(2):
                sock.close()
            assert refused(sock, h, SOCKET_STAYS, r"^the (packet )?(socket|host) is closed$") >= 3
            with pytest.raises(vnic.VnicError, match="is closed"):
                list(sock) if isinstance(sock, vnic.PacketSocket) else sock.cpu
            assert "closed" in repr(sock)
        with pytest.raises(vnic.VnicError, match="is closed"):
            socks[0].rcvbuf = 5


def test_a_closed_capture_keeps_its_counts(tmp_path):
    with vnic.Host(cpus=1) as h:
        capture = vnic.Capture(h, tmp_path / "a.pcapng")
        h.feed([frames.udp()] * 3)
        h.run()
        capture.close()
        assert refused(capture, h, STAYS[vnic.Capture], r"^the capture is closed$") == 2  # start(), set_base()
        for _ in range(2):
            capture.close()
        assert (capture.packets, capture.drops, capture.late, capture.broken) == (3, 0, 0, False)


@pytest.mark.parametrize(
    "make",
    [vnic.MemoryWire, lambda: vnic.PythonWire(Quiet()), lambda: vnic.CaptureWire([DEMO, DEMO])],
    ids=["memory", "python", "capture"],
)
@pytest.mark.parametrize("by", ["itself", "host"])
def test_every_call_of_a_closed_wire_is_one_sentence(make, by):
    wire, h = make(), vnic.Host(cpus=1)
    if by == "host":
        with vnic.Host(wire=wire):
            pass
    for _ in range(2):
        wire.close()
    assert refused(wire, h, STAYS[type(wire)], r"^the wire is closed$") >= 3
    with pytest.raises(vnic.VnicError, match=r"^the wire is closed$"):
        vnic.Host(wire=wire)
    h.close()


def test_a_wire_is_one_hosts():
    """Two hosts on one wire: the first that was closed took its memory with it."""
    wire = vnic.MemoryWire()
    with vnic.Host(wire=wire) as h:
        with pytest.raises(vnic.VnicError, match="has a host already"):
            vnic.Host(wire=wire)
        with pytest.raises(vnic.VnicError, match="in use: close its host"):
            wire.close()
        h.feed(frames.udp())
        h.run()
        assert h.ledger().offered == 1
    assert wire.closed


def test_a_wire_that_no_host_got_can_have_another():
    wire = vnic.MemoryWire()
    with pytest.raises(vnic.ConfigError, match="cpus"):
        vnic.Host(wire=wire, cpus=lib.CPUS_MAX + 1)
    with vnic.Host(wire=wire):
        pass


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_a_refusal_to_close_does_not_replace_what_ended_the_block(error):
    kept = []
    with pytest.raises(error or vnic.VnicError) as ended, vnic.MemoryWire() as wire:  # noqa: PT012
        kept.append(vnic.Host(wire=wire))  # as an interrupt leaves it, that comes before the host's own with
        if error is not None:
            raise error
    refusal = "the wire is in use: close its host"
    assert getattr(ended.value, "__notes__", []) == ([] if error is None else [refusal])
    assert error is not None or str(ended.value) == refusal
    kept.pop().close()
    assert wire.closed


def test_a_closed_control_socket_is_refused(tmp_path):
    with vnic.Host() as h:
        control = Control(h, path=tmp_path / "vnic0-1")
        for _ in range(2):
            control.close()
        assert refused(control, h, STAYS[Control], "is closed") == 2


# ---- copies ----


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_host_and_what_it_gives_cannot_be_copied(how, tmp_path):
    """A copy of a host freed what the other one used."""
    with vnic.Host(cpus=1) as h, Control(h, path=tmp_path / "vnic0-1") as control:
        capture = vnic.Capture(h, tmp_path / "a.pcapng")
        for thing in (
            h,
            h.machine,
            h.nic,
            h.knobs,
            h.wire,
            h.udp(5000),
            h.tcp(80),
            h.packet_socket(),
            capture,
            control,
        ):
            with pytest.raises(TypeError, match=f"^cannot pickle '{type(thing).__name__}' object$"):
                how(thing)
        before = h.ledger()
        assert how(before) is not None  # snapshots are plain


# ---- dropped ----


def unclosed(drop):
    """The ResourceWarnings of what is dropped there."""
    gc.collect()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        drop()
        gc.collect()
    return [str(w.message) for w in said if w.category is ResourceWarning]


@pytest.mark.slow
def test_a_dropped_host_is_given_back_and_named(tmp_path):
    gc.collect()
    before = descriptors()
    seen = []

    def drop():
        h = vnic.Host(cpus=1)
        h.name = "left"
        sock, ps = h.udp(5000), h.packet_socket()

        @h.packet_type(0x88B5)
        def handle(burst):  # a cycle more
            h.ledger()

        capture = vnic.Capture(h, tmp_path / "a.pcapng")
        h.feed([frames.udp()] * 5)
        h.run()
        sock.fileno(), ps.fileno()
        seen.extend(map(weakref.ref, (h, h.machine, h.wire, sock, ps, capture)))

    (said,) = unclosed(drop)
    assert said.startswith("unclosed <vnic.Host left (virtual time), with ")
    for part in ("<vnic.UdpSocket :5000>", "<vnic.PacketSocket>", "a.pcapng>"):
        assert part in said
    assert [ref() for ref in seen] == [None] * len(seen)
    assert descriptors() == before
    assert len(pcapng_blocks.read(tmp_path / "a.pcapng")) == 5  # the file is whole


def test_a_host_that_was_closed_says_nothing():
    def drop():
        with vnic.Host(wire=vnic.MemoryWire()) as h:
            h.udp(5000)

    assert unclosed(drop) == []


def test_the_warning_says_where_it_was_made():
    def drop():
        vnic.Host(cpus=1)

    tracemalloc.start(10)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", ResourceWarning)
            drop()
            gc.collect()
        (w,) = [w for w in said if w.category is ResourceWarning]
    finally:
        tracemalloc.stop()
    assert isinstance(w.source, Machine)  # by which tracemalloc finds the line


@pytest.mark.slow
def test_a_dropped_wire_is_given_back_and_named():
    assert unclosed(vnic.MemoryWire) == ["unclosed <vnic.MemoryWire>"]
    assert unclosed(lambda: vnic.PythonWire(Quiet())) == ["unclosed <vnic.PythonWire>"]
    assert unclosed(lambda: vnic.CaptureWire([DEMO])) == ["unclosed <vnic.CaptureWire>"]


@pytest.mark.slow
def test_a_host_that_could_not_be_made_leaves_nothing():
    gc.collect()
    before = descriptors()

    def drop():
        for bad in ({"rx_ring": 3}, {"cpus": 0}, {"no_such": 1}, {"ip": "10.0.0.300/24"}):
            with pytest.raises(vnic.ConfigError):
                vnic.Host(**bad)

    assert unclosed(drop) == []
    assert descriptors() == before


@pytest.mark.slow
def test_dropped_hosts_memory_is_given_back(run_python):
    out = run_python("""
        import gc, os, warnings, vnic
        warnings.simplefilter("ignore")
        def now():
            size, rss, *_ = open("/proc/self/statm").read().split()
            return int(size) * 4 // 1024, int(rss) * 4 // 1024, len(os.listdir("/proc/self/fd"))
        def drop(n):
            for _ in range(n):
                vnic.Host(cpus=1)
                gc.collect()
        drop(20)
        before = now()
        drop(200)
        print(*(b - a for a, b in zip(before, now())))
    """)
    size, rss, fds = map(int, out.split())
    assert fds == 0
    assert rss < 40, "MB of 200 hosts"
    assert size < 2000, "MB of 200 hosts: each maps 130 for its ring"


@pytest.mark.slow
def test_a_live_host_that_was_stopped_is_given_back(tmp_path):
    """The thread that writes a capture knows neither it nor its host."""
    seen = []

    def drop():
        h = vnic.Host(wire=vnic.PythonWire(Quiet()), live=True, cpus=1)
        vnic.Capture(h, tmp_path / "a.pcapng")
        h.start()
        h.stop()
        seen.append(weakref.ref(h.machine))

    (said,) = unclosed(drop)
    assert "a.pcapng" in said
    assert seen[0]() is None
    assert not [t for t in threading.enumerate() if t.name == "capture"]


@pytest.mark.slow
def test_a_host_that_runs_is_kept_by_its_threads_until_it_is_stopped():
    kept = []

    def drop():
        h = vnic.Host(wire=vnic.PythonWire(Quiet()), live=True, cpus=1)
        h.start()
        kept.append(weakref.ref(h.machine))

    assert unclosed(drop) == []
    machine = kept[0]()
    assert machine.is_running
    machine.close()


def test_a_socket_keeps_what_its_host_had():
    kept = []

    def drop():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kept.append(vnic.Host(cpus=1, ip="10.0.0.2/24").udp(5000))

    assert unclosed(drop) == []
    assert kept[0].local == ("", 5000)
    (said,) = unclosed(kept.pop)
    assert said.startswith("unclosed <vnic.Host vnic0 (virtual time), with <vnic.UdpSocket :5000>: ip ")


def test_what_runs_at_the_end_of_the_interpreter_is_stopped_and_its_files_are_whole(run_python, tmp_path):
    out = run_python(f"""
        import sys, time, warnings, vnic
        sys.path.insert(0, {str(TESTS / "support")!r})
        import frames
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: print(message)
        class Source:
            n = 0
            def read_burst(self, most):
                self.n += 1
                return [frames.udp()] * 10 if self.n <= 10 else time.sleep(0.001) or []
        live = vnic.Host(wire=vnic.PythonWire(Source()), live=True, cpus=1)
        vnic.Capture(live, {str(tmp_path / "live.pcapng")!r})
        live.start()
        virtual = vnic.Host(cpus=1)
        vnic.Capture(virtual, {str(tmp_path / "virtual.pcapng")!r})
        virtual.feed([frames.udp()] * 7)
        virtual.run()
        while live.ledger().offered < 100 or live.ledger().in_flight:
            time.sleep(0.001)
    """)
    assert len(pcapng_blocks.read(tmp_path / "live.pcapng")) == 100
    assert len(pcapng_blocks.read(tmp_path / "virtual.pcapng")) == 7
    said = out.splitlines()
    assert len(said) == 2
    assert "(running)" in "".join(said)


@pytest.fixture
def run_python():
    def run(code):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=100, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


# ---- the end while others use it ----


def test_closing_waits_for_calls_of_other_threads_and_they_are_told():
    """The memory went while another thread was on its way into the data plane."""
    for live in (False, True):
        h = vnic.Host(wire=vnic.PythonWire(Quiet()), live=live, cpus=1)
        sock, ps = h.udp(5000), h.packet_socket()
        if live:
            h.start()
        told, begun = [], threading.Barrier(5)

        def use(call, begun=begun, told=told):
            begun.wait()
            try:
                while True:
                    call()
            except vnic.VnicError as e:
                told.append(str(e))

        calls = (h.ledger, sock.recvfrom_nowait, ps.recv_nowait, lambda h=h: h.knobs.rx_usecs)
        threads = [threading.Thread(target=use, args=(call,), daemon=True) for call in calls]
        for t in threads:
            t.start()
        begun.wait()
        h.close()
        for t in threads:
            t.join(20)
        assert [t for t in threads if t.is_alive()] == []
        assert [text.endswith("is closed") for text in told] == [True] * 4


def test_who_waits_for_data_of_a_live_host_hears_that_it_was_closed():
    h = vnic.Host(wire=vnic.PythonWire(Quiet()), live=True, cpus=1)
    socks = [h.udp(5000), h.packet_socket()]
    told = []

    def receive(sock):
        with pytest.raises(vnic.VnicError, match="is closed"):
            sock.recv()
        told.append(sock)

    threads = [threading.Thread(target=receive, args=(sock,)) for sock in socks]
    h.start()
    for t in threads:
        t.start()
    h.close()
    for t in threads:
        t.join(20)
    assert len(told) == 2


# ---- fork ----


def in_child(check):
    """Run it in a child process after fork(). Return: what it said."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            text = check()
            os.write(write, str(text).encode())
            code = 0
        except BaseException as e:  # noqa: BLE001
            os.write(write, f"{type(e).__name__}: {e}".encode())
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as f:
        said = f.read()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, said
    return said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("live", [False, True])
def test_in_a_child_process_a_host_says_whose_it_is(live, tmp_path):
    wire = vnic.PythonWire(Quiet()) if live else None
    with (
        vnic.Host(wire=wire, cpus=1, live=live, ip="10.0.0.2/24") as h,
        Control(h, path=tmp_path / "vnic0-1") as control,
    ):
        sock, ps = h.udp(5000), h.packet_socket()
        capture = vnic.Capture(h, tmp_path / "a.pcapng")
        if live:
            h.start()
        mine = f"belongs to process {os.getpid()}: it was made before fork\\(\\)"

        def check():
            n = refused(h, h, STAYS[vnic.Host] | PARTS, f"^this host {mine}$")
            n += refused(h.machine, h, STAYS[Machine], f"^this host {mine}$")
            n += refused(h.nic, h, STAYS[vnic.Nic], f"^this host {mine}$")
            n += refused(sock, h, SOCKET_STAYS, f"^this host {mine}$") + refused(ps, h, SOCKET_STAYS, mine)
            n += refused(capture, h, STAYS[vnic.Capture], mine)
            n += refused(h.wire, h, STAYS[type(h.wire)], f"^this wire {mine}$")
            n += refused(control, h, STAYS[Control], mine)
            for thing in (sock, ps, capture, control, h, h.wire):
                thing.close()
            h.stop()
            gc.collect()
            with vnic.Host(cpus=1) as own:  # it may make its own
                own.feed(frames.udp())
                own.run()
                assert own.ledger().offered == 1
            return n

        assert int(in_child(check)) > 50
        assert control.path.is_socket()
        with Connection(control.path) as c:
            assert c.ask("show", ["/proc/net/dev"]).code == 0
        if live:
            assert h.is_running
            h.stop()
        else:
            h.feed(frames.udp())
            h.run()
            assert h.ledger().offered == 1
        assert h.laws() == 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("leave", ["exit", "raise"])
def test_a_child_that_leaves_by_the_front_door_ends_nothing_of_its_parent(leave, run_python, tmp_path):
    """Its atexit handlers stopped the parent's threads over the eventfds, and took the control socket away."""
    out = run_python(f"""
        import os, sys, time, warnings, vnic
        from pathlib import Path
        from vnic.control.server import Control
        warnings.simplefilter("ignore", DeprecationWarning)
        class Source:
            def read_burst(self, most):
                time.sleep(0.0005)
                return [bytes(60)]
        host = vnic.Host(wire=vnic.PythonWire(Source()), live=True, cpus=1)
        control = Control(host, path=Path({str(tmp_path / "vnic0-1")!r}))
        with host, control:
            host.start()
            pid = os.fork()
            if pid == 0:
                {"sys.exit(0)" if leave == "exit" else "os.close(2); raise RuntimeError"}
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            at = host.ledger().offered
            while host.ledger().offered < at + 20:
                time.sleep(0.001)
            print(code, os.path.exists(control.path))
            host.stop()
            print(host.laws())
    """)
    assert out.splitlines() == [f"{int(leave == 'raise')} True", "0"]


def work(n):
    with vnic.Host(cpus=1) as h:
        h.feed([frames.udp()] * n)
        h.run()
        return h.ledger().offered


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_of_another_thread_does_not_wait_for_what_its_parent_began():
    with vnic.Host(cpus=1) as h:
        forked, said = threading.Event(), []

        def fork():
            said.append(in_child(lambda: outcome(h.ledger)))
            forked.set()

        def change():
            threading.Thread(target=fork).start()
            assert forked.wait(20)

        h.machine.while_stopped(change)
        assert said == [f"this host belongs to process {os.getpid()}: it was made before fork()"]


def outcome(call):
    try:
        return str(call())
    except vnic.VnicError as e:
        return str(e)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_workers_of_multiprocessing_make_their_own():
    with vnic.Host(cpus=1) as h:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(work, [3, 5]) == [3, 5]
        h.feed(frames.udp())
        h.run()
        assert h.ledger().offered == 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_has_no_ring_but_may_map_it(host):
    """What a foreign driver in a child process needs is the memfd; the parent's own mapping is not handed down."""
    h = host(external_driver=True)

    def check():
        import mmap

        lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if "vnic-rings" in line]
        with mmap.mmap(h_memfd, 0) as ring:
            return lines, ring[:4]

    h_memfd = h.nic.memfd
    assert "vnic-rings" in Path("/proc/self/maps").read_text()
    assert in_child(check) == str(([], b"vnic"))


@pytest.mark.root
@pytest.mark.usefixtures("netns")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_does_not_keep_the_interface():
    from vnic.tap.wire import TapWire

    with vnic.Host(wire=TapWire("fk0"), live=True, cpus=1) as h:
        go_on, wait = os.pipe()
        h.start()
        pid = os.fork()
        if pid == 0:
            os.close(wait)
            os.read(go_on, 1)
            os._exit(0)
        h.close()
    try:
        until = time.monotonic() + 20  # for the child to have begun
        while "fk0" in Path("/proc/thread-self/net/dev").read_text():
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        os.close(wait)
        os.close(go_on)
        os.waitpid(pid, 0)


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_a_dropped_tap_is_gone_and_named():
    from vnic.tap.wire import TapWire

    def drop():
        wire = TapWire("dr0")
        assert not wire.closed
        assert "dr0" in Path("/proc/thread-self/net/dev").read_text()

    assert unclosed(drop) == ["unclosed <vnic.TapWire dr0>"]
    assert "dr0" not in Path("/proc/thread-self/net/dev").read_text()


@pytest.mark.parametrize("by", ["itself", "host"])
def test_every_call_of_a_closed_connection_is_one_sentence(by):
    with Pair() as pair:
        ours, theirs, server = pair.connected()
        if by == "host":
            pair.a.close()
            pair.b.close()
        for sock, host in ((ours, pair.a), (theirs, pair.b), (server, pair.b)):
            for _ in range(2):
                sock.close()
            assert refused(sock, host, SOCKET_STAYS, r"^the (socket|host) is closed$") >= 5
            assert "closed" in repr(sock)


def test_what_has_an_end_is_known_here():
    """A class that is added with a close() of its own has to say what it does afterwards."""
    known = {vnic.Host, vnic.Capture, vnic.PacketSocket, vnic.UdpSocket, vnic.TcpListener, vnic.TcpStream}
    known |= {vnic.MemoryWire, vnic.PythonWire, vnic.CaptureWire, vnic.Wire, vnic.TapWire}
    known |= {vnic.JointWire, vnic.VhostCard, vnic.VhostWire}  # tests/wire/test_joint.py, tests/vhost
    known |= {vnic.TcpConnection, vnic.TcpServer}
    known |= {vnic.Link}  # tests/wire/test_link.py
    known |= {vnic.WireSocket}  # as scapy has it: test_supersocket.py
    public = {getattr(vnic, name) for name in vnic.__all__}
    assert {c for c in public if isinstance(c, type) and hasattr(c, "close")} == known
    assert issubclass(vnic.MemoryWire, Wire)


@pytest.mark.parametrize("make", [lambda h: h.udp(9), lambda h: h.packet_socket()], ids=["udp", "packet"])
def test_a_socket_may_have_number_0(make):
    with vnic.Host(cpus=1) as h, stdin_closed(), make(h) as sock:
        assert sock.fileno() == 0
        h.feed(frames.udp(dport=9))
        h.run()
        assert os.eventfd_read(0) == 1


def test_a_ring_may_have_number_0():
    with stdin_closed(), vnic.Host(cpus=1) as h:
        assert h.nic.memfd == 0
        sock = h.udp(9)
        h.feed(frames.udp(b"x", dport=9))
        assert sock.recv() == b"x"


def test_a_foreign_drivers_interrupt_may_have_number_0():
    h = vnic.Host(cpus=1, external_driver=True)
    driver = Driver(h.nic.memfd)
    driver.describe(0, driver.buffers, 2048)
    driver.post(0)
    driver.ok()
    with stdin_closed(), h:
        assert h.nic.call_fd(0) == 0
        h.nic.driver_ok()
        h.feed(frames.udp())
        h.run()
        assert os.eventfd_read(0) == 1
        assert h.nic.call_fd(0) == 0
    driver.u16.release()
    driver.mem.close()
