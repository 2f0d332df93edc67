"""The card's thread has a table of file descriptors of its own (csrc/lib/own_files.c): what is in it, and what not."""

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import frames
import pytest
from live_tap import tasks
from stdin import stdin_closed
from tap_pipes import lanes_of

import vnic
from vnic._core import ffi, lib
from vnic.wire import Wire

# open_process(), leave() and signal_elsewhere() each need one of these
SYSCALLS = {"pidfd_open": 434, "close_range": 436, "pidfd_getfd": 438}

REFUSE = """
import ctypes, os, struct, sys
from vnic._core import ffi, lib

def refuse(*code):
    "seccomp: what these instructions say of a system call"
    filter = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(filter))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0

EPERM, EINVAL, ALLOW = 0x50001, 0x50016, 0x7FFF0000
"""

IN_PLACE = """
refuse((0x20, 0, 0, 0), (0x15, 0, 1, int(sys.argv[1])), (0x06, 0, 0, EPERM), (0x06, 0, 0, ALLOW))

files = ffi.new("struct file_set *")
kept, other = os.eventfd(0), os.eventfd(0)
lib.file_set_add(files, kept)

@ffi.callback("int(void *)")
def run(_):
    lib.event_signal(other)
    return len(os.listdir("/proc/thread-self/fd"))

assert lib.run_with_own_files(run, ffi.NULL, files) == len(os.listdir("/proc/self/fd"))
assert os.eventfd_read(other) == 1
"""

BEFORE_6_9 = """
from pathlib import Path
PIDFD_OPEN, THREAD, FLAGS = 434, os.O_EXCL, 24
refuse((0x20, 0, 0, 0), (0x15, 0, 3, PIDFD_OPEN), (0x20, 0, 0, FLAGS), (0x15, 0, 1, THREAD), (0x06, 0, 0, EINVAL),
       (0x06, 0, 0, ALLOW))

files, kept, other = ffi.new("struct file_set *"), os.eventfd(0), os.eventfd(0, os.EFD_NONBLOCK)
lib.file_set_add(files, kept)

@ffi.callback("int(void *)")
def run(_):
    lib.event_signal(other)
    return sum(f.readlink() != Path("/proc") for f in Path("/proc/thread-self/fd").iterdir() if f.exists())

before = os.listdir("/proc/self/fd")
assert lib.run_with_own_files(run, ffi.NULL, files) == 3  # kept, stderr, the process
assert os.eventfd_read(other) == 1
assert os.listdir("/proc/self/fd") == before
"""

REUSED = """
import os, threading
from vnic._core import ffi, lib

there, reused = threading.Event(), threading.Event()

def reuse():
    there.wait()
    os.close(2)
    assert os.eventfd(0, os.EFD_NONBLOCK) == 2
    reused.set()

@ffi.callback("int(void *)")
def run(_):
    there.set()
    reused.wait()
    lib.event_signal(2)
    return 42

threading.Thread(target=reuse).start()
assert lib.run_with_own_files(run, ffi.NULL, ffi.new("struct file_set *")) == 42
assert os.eventfd_read(2) == 1
lib.event_signal(2)
assert os.eventfd_read(2) == 1
"""

MAIN_ENDS = """
import ctypes, os, threading, time
from pathlib import Path
from vnic._core import ffi, lib

libc, PIDFD_OPEN = ctypes.CDLL(None), 434
thread_fd = libc.syscall(PIDFD_OPEN, threading.get_native_id(), os.O_EXCL)
other = os.eventfd(0, os.EFD_NONBLOCK)

@ffi.callback("int(void *)")
def run(_):
    while Path(f"/proc/self/task/{os.getpid()}/stat").read_text().split()[2] != "Z":
        time.sleep(0.01)
    lib.event_signal(other)
    return 42

def work():
    assert lib.run_with_own_files(run, ffi.NULL, ffi.new("struct file_set *")) == 42
    os._exit(0 if os.eventfd_read(other) == 1 else 1)

if thread_fd < 0:
    os._exit(77)
threading.Thread(target=work).start()
time.sleep(0.2)
libc.pthread_exit(None)
"""


def open_in(task="self"):
    """File descriptor: what it is."""
    at = Path(f"/proc/{'thread-self' if task == 'self' else f'self/task/{task}'}/fd")
    found = {}
    for f in at.iterdir():
        with contextlib.suppress(OSError):  # that of looking
            found[int(f.name)] = f.readlink()
    return found


def run_own(keep, run):
    files = ffi.new("struct file_set *")
    for fd in keep:
        lib.file_set_add(files, fd)
    seen = []

    @ffi.callback("int(void *)")
    def called(_):
        seen.append(run())
        return 42

    ffi.errno = errno.EINVAL  # of something that failed long ago
    assert lib.run_with_own_files(called, ffi.NULL, files) == 42
    return seen.pop()


@pytest.fixture
def pipes():
    made = [fd for _ in range(20) for fd in os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)]
    yield made
    for fd in made:
        with contextlib.suppress(OSError):
            os.close(fd)


def test_a_set_of_files_is_in_order_and_has_an_end():
    files = ffi.new("struct file_set *")
    for fd in (9, -1, 2, 30, -1, 0, 4):
        lib.file_set_add(files, fd)
    assert list(files.fd[0 : files.n]) == [0, 2, 4, 9, 30]
    room = len(files.fd)
    for fd in range(100 + room, 100, -1):
        lib.file_set_add(files, fd)
    assert list(files.fd[0 : files.n]) == [0, 2, 4, 9, 30, *range(106, 101 + room)]
    assert files.n == room


@pytest.mark.parametrize("nth", [[], [0], [39], [7, 3, 3, 30], list(range(40))])
def test_only_what_is_kept_is_open_and_under_its_number(pipes, nth):
    keep = [pipes[n] for n in nth]
    here = open_in()
    there = run_own(keep, open_in)
    extra = {fd: what for fd, what in there.items() if fd not in {2, *keep}}
    assert {fd: there[fd] for fd in keep} == {fd: here[fd] for fd in keep}
    assert [str(what) for what in extra.values() if "/proc" not in str(what)] == ["anon_inode:[pidfd]"]
    assert open_in() == here


def test_an_eventfd_that_is_not_kept_is_signalled_all_the_same():
    kept, other = os.eventfd(0), os.eventfd(0)
    full = os.eventfd(0, os.EFD_NONBLOCK)
    os.eventfd_write(full, 2**64 - 2)
    closed = os.dup(other)
    os.close(closed)

    def run():
        for fd in kept, other, full, closed, -1:
            lib.event_signal(fd)
        return len(open_in())

    before = run_own([kept], lambda: len(open_in()))
    assert run_own([kept], run) == before  # what was fetched is closed again
    assert [os.eventfd_read(fd) for fd in (kept, other, full)] == [1, 1, 2**64 - 2]
    for fd in kept, other, full:
        os.close(fd)


def test_the_process_itself_may_have_number_0(pipes):
    other = os.eventfd(0, os.EFD_NONBLOCK)

    def run():
        lib.event_signal(other)
        return open_in()

    with stdin_closed():
        there = run_own(pipes[:1], run)
    assert str(there[0]) == "anon_inode:[pidfd]"
    assert os.eventfd_read(other) == 1
    os.close(other)


def test_a_thread_without_a_table_of_its_own_fetches_nothing(pipes):
    """It has all there is; in one that has its own a copy is made."""
    assert lib.own_files_fetch(pipes[0]) == -1
    kinds = run_own([], lambda: (os.fstat(fd := lib.own_files_fetch(pipes[0])).st_ino, os.close(fd)))
    assert kinds[0] == os.fstat(pipes[0]).st_ino
    assert lib.own_files_fetch(pipes[0]) == -1


def test_what_was_kept_is_closed_when_it_returns(pipes):
    """Not some time later: who made the TAP wants to close it, and perhaps to attach again."""
    for r, w in zip(pipes[::2], pipes[1::2], strict=True):
        run_own([w], lambda: None)
        os.close(w)
        assert os.read(r, 1) == b""  # nobody has the other end; EAGAIN: somebody has


def test_the_thread_is_like_the_one_that_waits_for_it():
    def run():
        mask = [
            line for line in Path("/proc/thread-self/status").read_text().splitlines() if line[:3] in {"Sig", "Cpu"}
        ]
        return Path("/proc/thread-self/comm").read_text(), os.sched_getaffinity(0), mask

    here = run()
    there = run_own([], run)
    assert there[:2] == here[:2]
    assert run()[0] == here[0]  # its name, which it lent


def alone(code, *argv):
    """In a process of its own."""
    command = [sys.executable, "-c", code, *argv]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("refused", sorted(SYSCALLS))
def test_where_the_kernel_refuses_all_is_done_in_place(refused):
    done = alone(REFUSE + IN_PLACE, str(SYSCALLS[refused]))
    assert (done.returncode, done.stderr) == (0, b"")


def test_where_the_kernel_knows_processes_but_no_threads_by_descriptor_it_is_the_process():
    done = alone(REFUSE + BEFORE_6_9)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_eventfd_that_has_stderrs_number_now_is_signalled_and_the_old_stderr_gets_no_bytes():
    """A daemon closes it, and the next file that is opened has its number."""
    done = alone(REUSED)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_eventfd_is_signalled_when_the_main_thread_has_ended():
    done = alone(MAIN_ENDS)
    if done.returncode == 77:
        pytest.skip("no pidfd of a thread here (Linux 6.9)")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_card_on_a_tap_has_its_lanes_doorbell_and_timer_and_nothing_else():
    with lanes_of(2, slots=2048) as (tap, writers):
        with vnic.Host(wire=Wire(ffi.addressof(tap.wire)), live=True, cpus=2) as host:
            sock = host.udp(5000)
            host.start()
            os.write(writers[0], frames.udp(b"one"))
            assert sock.recv(timeout=20) == b"one"
            (card,) = [t for t, name in tasks().items() if name == "nic/vnic0"]
            assert "waits for nic" in tasks().values()
            there, c = open_in(card), host.machine.c
            mine = {int(tap.lane[i].fd) for i in range(2)} | {c.nic.kick_fd, c.cpu[0].wake_fd, c.cpu[1].wake_fd, 2}
            assert mine <= set(there)
            others = sorted(str(what) for fd, what in there.items() if fd not in mine)
            assert others in (
                ["anon_inode:[pidfd]", "anon_inode:[timerfd]"],
                ["anon_inode:[io_uring]", "anon_inode:[pidfd]", "anon_inode:[timerfd]"],
            )
            late = host.udp(5001)  # its eventfd is made now
            fcntl.fcntl(late.fileno(), fcntl.F_GETFD)
            os.write(writers[1], frames.udp(b"two", dport=5001))
            assert late.recv(timeout=20) == b"two"
            host.knobs.rx_usecs = 3  # the machine stops, and goes on with another thread
            os.write(writers[1], frames.udp(b"three"))
            assert sock.recv(timeout=20) == b"three"
            host.stop()
        assert "nic/vnic0" not in tasks().values()
