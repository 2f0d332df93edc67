"""The control socket: what is asked is answered, and no client can do harm to another, or to the path."""

import array
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import frames
import pytest
from live_host import Bursts
from live_tap import wait_until
from paths import CAPTURES
from pcapng_blocks import read_back

import vnic
from vnic.control import client, sockets
from vnic.control import server as control
from vnic.control.client import Connection
from vnic.control.server import Control


class Gated(Bursts):
    """Bursts that come when they are let through."""

    def __init__(self, bursts):
        super().__init__([])
        self.later = list(bursts)

    def go(self, n=None):
        for _ in range(len(self.later) if n is None else n):
            self.bursts.append(self.later.pop(0))


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "vnic"


@pytest.fixture
def served(runtime):
    """A live host with a control socket, and its wire."""
    with contextlib.ExitStack() as stack:

        def make(bursts=(), **knobs):
            source = Gated(bursts)
            host = stack.enter_context(vnic.Host(wire=vnic.PythonWire(source), live=True, sink=True, cpus=2, **knobs))
            stack.callback(source.end.set)
            host.name = "vt7"
            host.start()
            return host, source, stack.enter_context(Control(host, facts=lambda: {"schema": "x"}))

        yield make


@pytest.fixture
def asked(served):
    host, _, served_by = served()
    with Connection(served_by.path) as c:
        yield host, c


def raw(path):
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(str(path))
    except OSError:
        s.close()
        raise
    s.settimeout(10)
    return s


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def closed(s):
    """Did the other side end it?"""
    try:
        return s.recv(1 << 16) == b""
    except ConnectionResetError:
        return True


def test_what_is_asked_is_answered(asked):
    host, c = asked
    assert c.ask("show", ["/proc/net/dev"]).out.splitlines()[2].startswith("   vt7:")
    assert c.ask("set", ["/sys/class/net/vt7/gro_flush_timeout", "20000"]).code == 0
    assert host.knobs.gro_flush_timeout == 20000
    assert c.ask("sysctl", ["net.core.netdev_budget=77"]).out == "net.core.netdev_budget = 77\n"
    assert host.knobs.netdev_budget == 77
    assert c.ask("sample").data["offered"] == 0
    assert c.ask("facts").data == {"schema": "x"}
    reply = c.ask("rm", ["-rf"])
    assert (reply.code, reply.out) == (2, "")
    assert "there is no command 'rm'; there are" in reply.err
    assert c.ask("sample", ["x"]).code == 2


def test_the_socket_is_its_owners(served, runtime):
    _, _, served_by = served()
    assert served_by.path == runtime / f"vt7-{os.getpid()}"
    assert served_by.path.stat().st_mode & 0o777 == 0o600
    assert runtime.stat().st_mode & 0o777 == 0o700
    assert client.instances() == [client.Instance("vt7", os.getpid(), served_by.path)]
    assert client.find().path == client.find("vt7").path == client.find(str(os.getpid())).path == served_by.path
    with pytest.raises(vnic.ConfigError, match=r"no instance 'vt8'; running are vt7 \(pid"):
        client.find("vt8")
    served_by.close()
    served_by.close()
    assert not served_by.path.exists()
    with pytest.raises(vnic.ConfigError, match="no instance is running"):
        client.find()


def test_an_instance_that_was_killed_has_ended(runtime):
    sockets.directory()
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(runtime / f"vt7-{os.getpid()}"))
    for path in (runtime / f"vt7-{os.getpid()}", runtime / "none-1"):
        with pytest.raises(vnic.VnicError, match="the instance has ended"):
            Connection(path)


def test_one_of_several_has_to_be_named_or_be_meant(served, runtime):
    host, _, first = served()
    with Control(host, path=runtime / f"vt8-{os.getpid()}"):
        with pytest.raises(vnic.ConfigError, match=r"--on NAME.*vt7 .*vt8"):
            client.find()
        assert client.find(among=["-S", "vt8"]).name == "vt8"
        assert client.find("vt7").path == first.path


def test_a_directory_that_others_write_to_is_refused(runtime):
    runtime.mkdir(mode=0o700)
    runtime.chmod(0o777)
    with pytest.raises(vnic.VnicError, match="must be a directory that only you"):
        sockets.directory()
    runtime.rmdir()
    runtime.symlink_to("/tmp")
    with pytest.raises(vnic.VnicError, match="must be a directory that only you"):
        sockets.directory()


def test_sockets_that_were_left_behind_are_removed(runtime):
    sockets.directory()
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = runtime / f"old-{dead.pid}"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(left))
    (runtime / "else").touch()
    assert client.instances() == []
    assert not left.exists()
    assert (runtime / "else").exists()


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda p: p.symlink_to(p.parent / "gone")])
def test_only_sockets_are_taken_for_what_was_left_behind(runtime, make):
    sockets.directory()
    path = runtime / "backup-99999999"
    make(path)
    assert client.instances() == []
    assert os.path.lexists(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_removes_nothing_in_what_others_made_in_tmp(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    left = tmp_path / "backup-99999999"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(left))
    link = Path("/tmp/vnic-0")
    link.symlink_to(tmp_path)
    try:
        assert not [i for i in client.instances() if i.name == "backup"]
        assert left.exists()
    finally:
        link.unlink()


def test_an_instance_that_is_busy_is_listed_at_once(runtime):
    sockets.directory()
    with socket.socket(socket.AF_UNIX) as s, contextlib.ExitStack() as waiting:
        s.bind(str(runtime / f"busy-{os.getpid()}"))
        s.listen(0)
        waiting.enter_context(raw(runtime / f"busy-{os.getpid()}"))
        assert [i.name for i in client.instances()] == ["busy"]


def test_a_directory_may_have_a_longer_name_than_a_socket(tmp_path, monkeypatch):
    """sun_path holds 107 bytes; a checkout far down, or a CI's directory, has more."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with vnic.Host() as host, Control(host) as served:
        assert [i.path for i in client.instances()] == [served.path]
        with Connection(served.path) as c:
            assert c.ask("show", ["/proc/net/dev"]).code == 0
        path = served.path
    assert not path.exists()
    assert not client.instances()
    with pytest.raises(vnic.VnicError, match="the instance has ended"):
        Connection(path)


def test_arguments_longer_than_a_request_are_refused(asked):
    _, c = asked
    with pytest.raises(vnic.ConfigError, match=r"the arguments are .* bytes long; the most is 65536"):
        c.ask("show", ["x" * control.REQUEST_MAX])
    assert c.ask("sample").code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")
def test_somebody_else_is_not_heard_even_if_the_file_lets_him_in(served, runtime):
    _, _, served_by = served()
    served_by.path.chmod(0o777)
    for path in (runtime, runtime.parent, *runtime.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o011)
    code = f"""
import os, socket
os.setuid(65534)
s = socket.socket(socket.AF_UNIX)
s.connect({str(served_by.path)!r})
try:
    s.sendall(b'{{"vnic": 1, "command": "sample"}}\\n')
    print(s.recv(100))
except (BrokenPipeError, ConnectionResetError):
    print(b"")
"""
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert got.stdout == "b''\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"hello", "not JSON"),
        (b"[" * 60000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"3", "version"),
        (b"[]", "version"),
        (b"{}", "version"),
        (b'{"vnic": 2, "command": "show"}', "speaks version 1"),
        (b'{"vnic": 1}', '"command" must be'),
        (b'{"vnic": 1, "command": "show", "argv": "x"}', '"argv"'),
        (b'{"vnic": 1, "command": "show", "argv": [1]}', '"argv"'),
        (b'{"vnic": 1, "command": "capture"}', "has no descriptor"),
    ],
)
def test_a_bad_request_gets_an_error_and_the_next_is_answered(served, line, why):
    _, _, served_by = served()
    with raw(served_by.path) as s:
        s.sendall(line + b'\n{"vnic": 1, "command": "sample"}\n')
        with s.makefile() as f:
            bad, good = json.loads(f.readline()), json.loads(f.readline())
    assert why in bad["err"]
    assert bad["code"] == 2
    assert good["data"]["offered"] == 0


def test_a_bug_in_an_answer_is_one_clients(asked, monkeypatch):
    monkeypatch.setitem(vnic.control.commands.COMMANDS, "sample", lambda _h, _a: 1 / 0)
    _, c = asked
    assert "ZeroDivisionError" in c.ask("sample").err
    assert c.ask("facts").code == 0


def test_who_says_too_much_or_too_little_or_does_not_listen_is_dropped(served, monkeypatch):
    monkeypatch.setattr(control, "PATIENCE_S", 0.3)
    monkeypatch.setattr(control, "_TICK_S", 0.05)
    host, _, served_by = served()
    with raw(served_by.path) as endless, raw(served_by.path) as half, raw(served_by.path) as deaf:
        with contextlib.suppress(OSError):
            endless.sendall(b"x" * (control.REQUEST_MAX + 2))
        assert closed(endless)
        half.sendall(b'{"vnic": 1,')
        deaf.settimeout(0.2)
        with contextlib.suppress(OSError):
            for _ in range(200):
                deaf.sendall(b'{"vnic": 1, "command": "show", "argv": ["/proc/net/netstat"]}\n' * 100)
        deaf.settimeout(10)
        assert closed(half)
        wait_until(lambda: len(served_by._clients) == 0)
    with Connection(served_by.path) as c:
        assert c.ask("sample").code == 0
    assert host.is_running


def test_descriptors_that_nobody_asked_for_are_closed(served):
    _, _, served_by = served()
    before = open_files()
    with raw(served_by.path) as s:
        fds = array.array("i", [0, 0, 0])
        s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        assert closed(s)
    with raw(served_by.path) as s:
        s.sendmsg([b'{"vnic": 1, "command": "sample"}\n'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds[:1])])
        assert s.recv(1 << 16)
    wait_until(lambda: open_files() <= before)


def test_when_there_are_too_many_the_quietest_goes(served):
    _, _, served_by = served()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(raw(served_by.path))
        wait_until(lambda: len(served_by._clients) == 1)
        for _ in range(control.CLIENTS_MAX):
            stack.enter_context(raw(served_by.path))
        assert closed(first)
        with Connection(served_by.path) as c:
            assert c.ask("sample").code == 0


def test_the_path_runs_on_while_clients_are_hostile(served):
    """And what they turn meanwhile loses nothing."""
    n, room = 200, {"rcvbuf": 1 << 28, "fifo": 1 << 24, "netdev_max_backlog": 1 << 20}
    host, wire, served_by = served([[frames.udp(dport=9)] * 32 for _ in range(n)], **room)
    stop = threading.Event()

    def hostile(seed):
        lines = (b"\0" * 500, b'{"vnic": 1}\n' * 50, b'{"vnic": 1, "command": "set", "argv": ["/proc/x", "1"]}\n')
        while not stop.is_set():
            with contextlib.suppress(OSError), raw(served_by.path) as s:
                s.sendall(lines[seed % 3])
                seed += 1

    attackers = [threading.Thread(target=hostile, args=(i,)) for i in range(3)]
    for t in attackers:
        t.start()
    try:
        wire.go()
        for turn in range(20):
            with Connection(served_by.path) as c:
                assert c.ask("set", ["/sys/class/net/vt7/queues/rx-0/rps_cpus", "03"[turn % 2]]).code == 0
        wait_until(lambda: host.ledger().offered == n * 32 and host.ledger().in_flight == 0)
    finally:
        stop.set()
        for t in attackers:
            t.join()
    host.stop()
    assert host.ledger().fates == {"DELIVERED_UDP": n * 32}
    assert host.laws() == 0


def test_a_capture_lasts_as_long_as_who_asked_for_it(served, tmp_path):
    fed = [frames.udp(b"%d" % i, dport=9) for i in range(20)]
    host, wire, served_by = served([[f] for f in fed])
    with open(tmp_path / "out", "wb") as out, Connection(served_by.path) as c:
        assert c.ask("capture", ["--at", "wire"], fd=out.fileno()).code == 0
        wire.go(10)
        wait_until(lambda: host.ledger().offered == 10)
        counts = c.ask("capture").data
    assert counts == {"packets": 10, "drops": 0, "late": 0, "error": None}
    assert [data for _, data in read_back(tmp_path / "out")] == fed[:10]
    c = Connection(served_by.path)
    with open(tmp_path / "out", "wb") as out:
        assert c.ask("capture", ["--at", "wire"], fd=out.fileno()).code == 0
    wire.go()
    wait_until(lambda: host.ledger().offered == 20)
    c.close()
    wait_until(lambda: not host.nic.captures)
    assert [data for _, data in read_back(tmp_path / "out")] == fed[10:]


def test_captures_are_refused_in_one_sentence(asked):
    host, c = asked
    for argv, why in (
        (["--at", "moon"], "invalid choice"),
        (["-x"], "unrecognized"),
        (["-f", "1,\n0 0 0 0"], "filter"),
    ):
        reply = c.ask("capture", argv, fd=1)
        assert reply.code == 2
        assert why in reply.err
        assert reply.err.count("\n") == 1
    with contextlib.ExitStack() as stack:
        path = client.find().path
        for _ in range(4):
            more = stack.enter_context(Connection(path))
            with open(os.devnull, "wb") as null:
                assert more.ask("capture", fd=null.fileno()).code == 0
        with open(os.devnull, "wb") as null:
            assert "4 captures are running already" in c.ask("capture", fd=null.fileno()).err
    wait_until(lambda: not host.nic.captures)
    host.stop()
    with open(os.devnull, "wb") as null:
        assert "no longer runs" in c.ask("capture", fd=null.fileno()).err


def test_many_requests_at_once_are_answered_in_order_and_others_in_between(served):
    _, _, served_by = served()
    n = 5000  # more bytes than one request may have, cut anywhere
    with raw(served_by.path) as s, Connection(served_by.path) as other:
        lines = b"".join(b'{"vnic": 1, "command": "%d"}\n' % i for i in range(n))
        sender = threading.Thread(target=s.sendall, args=(lines,))
        sender.start()
        with s.makefile() as f:
            first = json.loads(f.readline())
            assert other.ask("sample").code == 0
            answers = [first, *(json.loads(f.readline()) for _ in range(n - 1))]
        sender.join()
    assert [a["err"].split("'")[1] for a in answers] == [str(i) for i in range(n)]


def test_a_descriptor_of_one_request_is_not_anothers(served, tmp_path):
    _, _, served_by = served()
    with open(tmp_path / "out", "wb") as out, Connection(served_by.path) as c:
        assert c.ask("sample", fd=out.fileno()).code == 0
        assert "has no descriptor" in c.ask("capture").err
        assert c.ask("capture", fd=out.fileno()).code == 0


def test_an_answer_that_is_no_json_is_one_clients(asked, monkeypatch):
    monkeypatch.setitem(vnic.control.commands.COMMANDS, "sample", lambda _h, _a: vnic.control.reply.Reply(data={1j}))
    _, c = asked
    assert "a bug in vnic" in c.ask("sample").err
    assert c.ask("facts").code == 0


def slow_capture(served, stack, n=400):
    """A capture with megabytes in it, into a pipe whose reader takes a page now and then, until told otherwise."""
    host, wire, served_by = served([[frames.udp(bytes(1400), dport=9)] * 32 for _ in range(n)], fifo=1 << 26)
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    fast, over = threading.Event(), threading.Event()
    got = bytearray()

    def read():
        while data := os.read(reading, 1 << 20 if fast.is_set() else 4096):
            got.extend(data)
            if not fast.is_set():
                over.wait(0.05)

    reader = threading.Thread(target=read)
    reader.start()
    stack.callback(reader.join)
    stack.callback(over.set)
    stack.callback(fast.set)
    c = stack.enter_context(Connection(served_by.path))
    assert c.ask("capture", ["--at", "wire"], fd=writing).code == 0
    os.close(writing)
    wire.go()
    wait_until(lambda: host.ledger().offered == 32 * n and host.ledger().in_flight == 0)
    return c, served_by, fast, got


@pytest.mark.slow
def test_a_slow_reader_of_a_capture_holds_nobody_up_and_gets_all(served, tmp_path):
    with contextlib.ExitStack() as stack:
        c, served_by, fast, got = slow_capture(served, stack)
        counts = []
        asking = threading.Thread(target=lambda: counts.append(c.ask("capture", seconds=None).data))
        asking.start()
        with Connection(served_by.path) as other:
            for _ in range(5):
                assert other.ask("sample").code == 0
        assert not counts
        fast.set()
        asking.join()
    (tmp_path / "out").write_bytes(got)
    assert counts[0]["error"] is None
    assert counts[0]["packets"] + counts[0]["drops"] == 400 * 32
    assert len(read_back(tmp_path / "out")) == counts[0]["packets"]


def test_a_slow_reader_of_a_capture_does_not_keep_the_instance_from_its_end(served, monkeypatch):
    monkeypatch.setattr(control, "_END_S", 0.1)
    with contextlib.ExitStack() as stack:
        c, served_by, _, _ = slow_capture(served, stack)
        ended = threading.Thread(target=served_by.close)
        ended.start()
        counts = c.answer().data  # unasked
        ended.join(20)
        assert not ended.is_alive()
    assert "the capture: its reader does not read; " in counts["error"]
    assert counts["drops"] > 1000
    assert counts["packets"] + counts["drops"] == 400 * 32


# ---- the command line ----


def vnic_command(*argv, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "vnic", *argv], capture_output=True, text=True, timeout=60, check=False, **kwargs
    )


@pytest.fixture
def held(runtime, tmp_path):
    """A replay that is over and stays."""
    with open(tmp_path / "report", "w") as report:
        process = subprocess.Popen(
            [sys.executable, "-m", "vnic", "replay", "--hold", str(CAPTURES / "demo.pcapng")],
            stdout=report,
            stderr=report,
        )
    try:
        wait_until(lambda: runtime.exists() and client.instances())
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert client.instances() == []
        assert "ledger closed" in (tmp_path / "report").read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_finished_replay_answers_in_linuxs_words(held):
    ls = vnic_command("ls")
    assert ls.stdout.split()[:5] == ["name", "pid", "socket", "vnic0", str(held.pid)]
    assert json.loads(vnic_command("ls", "--json").stdout)[0]["pid"] == held.pid
    dev = vnic_command("show", "/proc/net/dev")
    assert dev.stdout.splitlines()[-1].startswith(" vnic0: ")
    assert vnic_command("show", "/nothing").returncode == 1
    assert json.loads(vnic_command("show", "--json", "/proc/net/dev").stdout) == {"/proc/net/dev": dev.stdout}
    assert vnic_command("set", "/sys/class/net/vnic0/queues/rx-0/rps_cpus", "c").returncode == 0
    for on in (["--on", "vnic0"], ["--on=vnic0"], [f"--on={held.pid}"]):
        assert vnic_command("show", *on, "/sys/class/net/vnic0/queues/rx-0/rps_cpus").stdout == "c\n"
    for on in (["--on"], ["--on="]):
        assert "needs the instance's name or pid" in vnic_command("show", *on).stderr
    assert vnic_command("sysctl", "-n", "net.core.netdev_budget").stdout == "300\n"
    assert "vnic0" in vnic_command("ip", "link", "show", "vnic0").stdout
    stat = vnic_command("stat", "0.05", "2").stdout.splitlines()
    assert len(stat) == 4
    assert stat[1].split()[0] == "rx/s"
    lines = [json.loads(line) for line in vnic_command("stat", "--json-lines", "0.05", "2").stdout.splitlines()]
    assert [line["per_s"]["offered"] for line in lines] == [0, 0]
    assert "no longer runs" in vnic_command("capture", "-w", os.devnull).stderr
    wrong = vnic_command("show", "--on", "nobody")
    assert wrong.returncode == 2
    assert "there is no instance 'nobody'" in wrong.stderr


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (
            "ethtool -G vnic0 rx 1024",
            81,
            "netlink error: rx-ring=1024: the wire has ended, and the driver has released",
        ),
        ("ethtool -L vnic0 rx 2", 1, "netlink error: queues=2: the wire has ended, and the driver has released"),
        ("ip link set vnic0 up", 2, "vnic: vnic0 cannot be brought up: its wire has ended"),
        ("ip link set vnic0 down", 0, ""),
        ("set /sys/class/net/vnic0/flags 0x1003", 1, "vnic: vnic0 cannot be brought up: its wire has ended"),
        ("set /sys/class/net/vnic0/carrier 1", 1, "vnic: the carrier is there until the wire ends"),
        ("ethtool -C vnic0 rx-usecs 50", 0, ""),
    ],
)
def test_a_finished_replay_does_it_or_says_why_not(command, code, said):
    with vnic.Host(wire=vnic.CaptureWire([CAPTURES / "demo.pcapng"]), sink=True) as host:
        host.finish()
        name, *argv = command.split()
        reply = vnic.control.commands.answer(host, name, argv)
        assert reply.code == code
        assert said in reply.err
        if code:
            assert len(reply.err.splitlines()) == 2  # Linux's word, and the reason
        assert host.laws() == 0


def test_a_number_of_thousands_of_digits_is_out_of_range(asked):
    """int() has a limit of its own."""
    _, c = asked
    reply = c.ask("set", ["/proc/sys/net/core/gro_normal_batch", "9" * 4301])
    assert (reply.code, reply.err) == (1, "vnic set: write error: Invalid argument\n")
    reply = c.ask("set", ["/sys/class/net/vt7/mtu", "9" * 4301])
    assert (reply.code, reply.err) == (1, "vnic set: write error: Numerical result out of range\n")


def test_without_a_thread_to_be_had_a_capture_is_refused(asked, tmp_path, monkeypatch):
    host, _ = asked

    def no_thread(_self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(vnic.VnicError, match="cannot start a thread"):
            vnic.Capture(host, tmp_path / "x.pcapng")
    assert host.nic.captures == []
    vnic.Capture(host, tmp_path / "x.pcapng").close()


@pytest.mark.slow
def test_an_exported_copy_is_what_the_files_are(held, tmp_path):
    assert vnic_command("show", "--export", str(tmp_path / "copy")).returncode == 0
    for path in ("/proc/net/dev", "/proc/net/softnet_stat", "/sys/class/net/vnic0/queues/rx-0/rps_cpus"):
        assert (tmp_path / "copy" / path[1:]).read_text() == vnic_command("show", path).stdout
    assert (tmp_path / "copy/proc/self/net/dev").exists()
    for argv in (["--export"], ["--export", str(tmp_path), "/proc/net/dev"]):
        got = vnic_command("show", *argv)
        assert (got.returncode, got.stderr.count("\n")) == (2, 1)
        assert "needs one directory" in got.stderr


@pytest.mark.slow
@pytest.mark.needs("prometheus-node-exporter")
def test_prometheus_node_exporter_reads_an_exported_copy(held, tmp_path):
    vnic_command("show", "--export", str(tmp_path))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{s.getsockname()[1]}"
    argv = ["--collector.disable-defaults", "--no-collector.netdev.netlink", f"--web.listen-address={address}"]
    argv += [f"--collector.{c}" for c in ("netdev", "softnet", "netclass", "netstat", "interrupts")]
    argv += [f"--path.procfs={tmp_path}/proc", f"--path.sysfs={tmp_path}/sys"]
    process = subprocess.Popen(["prometheus-node-exporter", *argv], stderr=subprocess.DEVNULL)
    try:
        got = {}

        def read():
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as f:
                lines = [line.rsplit(" ", 1) for line in f.read().decode().splitlines() if not line.startswith("#")]
                got.update({name: float(value) for name, value in lines})
            return got

        wait_until(read, sleep=0.05)
    finally:
        process.kill()
        process.wait()
    assert {n: v for n, v in got.items() if n.startswith("node_scrape_collector_success")}.keys()
    assert all(v == 1 for n, v in got.items() if n.startswith("node_scrape_collector_success"))
    packets = int((tmp_path / "sys/class/net/vnic0/statistics/rx_packets").read_text())
    assert packets > 500
    assert got['node_network_receive_packets_total{device="vnic0"}'] == packets
    assert got['node_softnet_processed_total{cpu="0"}'] > 100
    assert got['node_interrupts_total{cpu="0",devices="0-edge vnic0-rx-0",info="vnic",type="24"}'] > 100


@pytest.mark.slow
def test_without_an_instance_the_commands_say_so(runtime):
    for argv in (("show",), ("stat", "1", "1"), ("capture", "-w", os.devnull)):
        got = vnic_command(*argv)
        assert (got.returncode, got.stdout) == (2, "")
        assert "no instance is running: start one with" in got.stderr
    assert vnic_command("ls").stdout == ""


def test_capture_on_a_running_instance(served, tmp_path):
    fed = [frames.udp(b"%d" % i, dport=9) for i in range(20)]
    host, wire, _ = served([[f] for f in fed])
    process = subprocess.Popen(
        [sys.executable, "-m", "vnic", "capture", "--at", "nic", "-w", str(tmp_path / "out"), "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: host.nic.captures)
    wire.go()
    wait_until(lambda: host.ledger().offered == 20)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert json.loads(out) == {"packets": 20, "drops": 0, "late": 0, "error": None}
    assert [data for _, data in read_back(tmp_path / "out")] == fed
    assert process.returncode == 0


@pytest.mark.slow
def test_a_capture_that_is_refused_leaves_the_file_as_it_was(served, tmp_path):
    host, _, _ = served()
    path = tmp_path / "good"
    path.write_text("precious")
    for wrong in (["-f", "3\n6 0 0 1"], ["-f", "1\n0 0 0 0"], ["--on", "nobody"]):
        got = vnic_command("capture", "-w", str(path), *wrong)
        assert (got.returncode, got.stderr.count("\n")) == (2, 1)
    host.stop()
    assert "no longer runs" in vnic_command("capture", "-w", str(path)).stderr
    assert path.read_text() == "precious"


def test_a_capture_begins_an_old_file_anew(served, tmp_path):
    served()
    (tmp_path / "old").write_bytes(bytes(1 << 16))
    assert vnic_command("capture", "-w", str(tmp_path / "old"), "--duration", "0.1").returncode == 0
    assert read_back(tmp_path / "old") == []


@pytest.mark.slow
def test_a_capture_ends_when_its_disk_is_full_or_its_reader_had_enough(served):
    served()
    full = vnic_command("capture", "-w", "/dev/full")
    assert (full.returncode, full.stderr.splitlines()[1:]) == (
        1,
        ["vnic: the capture: No space left on device; 0 packets are missing"],
    )
    line = f"{sys.executable} -m vnic capture | head -c 24 | wc -c; exit ${{PIPESTATUS[0]}}"
    piped = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20, check=False)
    assert (piped.returncode, piped.stdout.strip()) == (0, "24")


def test_a_capture_whose_instance_ends_has_its_counts_and_says_so(served, tmp_path):
    host, wire, served_by = served([[frames.udp(dport=9)]])
    process = subprocess.Popen(
        [sys.executable, "-m", "vnic", "capture", "--at", "nic", "-w", str(tmp_path / "out")],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: host.nic.captures)
    wire.go()
    wait_until(lambda: host.ledger().offered == 1)
    served_by.close()
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, "1 packets captured, 0 missing, 0 late\nvnic: the instance has ended\n")
    assert len(read_back(tmp_path / "out")) == 1


def test_without_descriptors_to_be_had_it_waits_and_does_not_spin(served, monkeypatch):
    _, _, served_by = served()
    waited = []
    monkeypatch.setattr(served_by._ended, "wait", lambda s: waited.append(s) or time.sleep(0.01))
    with raw(served_by.path) as s:
        wait_until(lambda: len(served_by._clients) == 1)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = max(int(p.name) for p in Path("/proc/self/fd").iterdir())
        with contextlib.ExitStack() as stack:
            late = stack.enter_context(socket.socket(socket.AF_UNIX))
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(used, limits[0]), limits[1]))
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
            while True:  # use up what is free below
                try:
                    stack.enter_context(socket.socket(socket.AF_UNIX))
                except OSError:
                    break
            late.connect(str(served_by.path))
            s.sendall(b'{"vnic": 1, "command": "sample"}\n')
            assert json.loads(s.makefile().readline())["code"] == 0
            wait_until(lambda: waited)
    wait_until(client.instances)
