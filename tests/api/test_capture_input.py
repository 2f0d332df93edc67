"""Captures that are no files: standard input, pipes, FIFOs, process substitution; and what no capture can come from."""

import bz2
import gzip
import json
import os
import pty
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import frames
import pytest
from captures import pcap_each_second
from commands import VNIC, vnic_process
from paths import CAPTURES
from terminal import on_terminal

import vnic
from vnic.capture_input import CaptureInput

DEMO = CAPTURES / "demo.pcapng"
PLAIN = pcap_each_second([frames.udp(b"x" * i) for i in range(100)])


def without_name(facts):
    return facts | {"input": facts["input"] | {"files": None}}


def refused(got, *sentences):
    """One sentence, exit code 2."""
    assert (got.returncode, got.stdout, got.stderr.count(b"\n")) == (2, b"", 1), got.stderr
    assert all(s in got.stderr.decode() for s in sentences), got.stderr


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "f"
    os.mkfifo(path)
    return path


def write_to(fifo, *parts):
    """A writer in the background, that is there when this returns: it waits in open() for a reader."""
    begun = threading.Event()

    def write():
        begun.set()
        with open(fifo, "wb") as file:
            for part in parts:
                file.write(part)
                file.flush()
                time.sleep(0.01)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    begun.wait()
    time.sleep(0.1)
    return thread


# ---- what is read ----


@pytest.mark.slow
def test_a_stream_gives_what_the_file_gives(tmp_path):
    data = DEMO.read_bytes()
    named = without_name(json.loads(vnic_process("replay", str(DEMO), "--json").stdout))
    shell = ["bash", "-c", f'"{sys.executable}" -m vnic replay <(cat {DEMO}) --json']
    with DEMO.open("rb") as file:
        from_file = vnic_process("replay", "-", "--json", stdin=file)
    for got in (
        from_file,
        vnic_process("replay", "-", "--json", input=data),
        vnic_process("replay", "/dev/stdin", "--json", input=data),
        subprocess.run(shell, capture_output=True, timeout=60, check=False),
    ):
        assert (got.returncode, got.stderr) == (0, b"")
        assert without_name(json.loads(got.stdout)) == named


def test_standard_input_is_read_from_where_it_is(tmp_path):
    (tmp_path / "x").write_bytes(b"in front" + PLAIN)
    with open(tmp_path / "x", "rb") as file:
        file.seek(8)
        os.lseek(file.fileno(), 8, os.SEEK_SET)
        got = vnic_process("replay", "-", "--json", stdin=file)
    assert json.loads(got.stdout)["input"]["frames"] == 100


def test_a_fifo_that_somebody_writes_to_is_read_however_it_comes(fifo):
    writer = write_to(fifo, PLAIN[:3], PLAIN[3:30], PLAIN[30:])
    assert CaptureInput(fifo).head(1 << 20) == PLAIN
    writer.join(20)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_fifo_that_nobody_writes_to_is_said_at_once(fifo):
    refused(vnic_process("replay", str(fifo)), f"{fifo}: not a regular file, and no process writes to this FIFO")
    refused(vnic_process("why", str(fifo)), "no process writes to this FIFO")
    refused(vnic_process("replay", str(DEMO), str(fifo)), "no process writes to this FIFO")


@pytest.mark.slow
def test_a_stream_can_be_replayed_again_and_again():
    from_file = vnic_process("why", str(DEMO), "--rx-ring", "64", "--json")
    got = vnic_process("why", "-", "--rx-ring", "64", "--json", input=DEMO.read_bytes())
    assert got.returncode == from_file.returncode == 0
    assert json.loads(got.stdout) == json.loads(from_file.stdout)


@pytest.mark.slow
def test_why_reads_a_report_from_a_pipe():
    report = vnic_process("replay", str(DEMO), "--json").stdout
    got = vnic_process("why", "-", input=report)
    assert (got.returncode, got.stderr) == (0, b"")
    refused(
        vnic_process("why", "-", input=b"{ is no JSON, and longer than a head"), "standard input: begins like a report"
    )
    refused(vnic_process("replay", "-", input=report), "standard input: not a capture file")


@pytest.mark.slow
def test_files_and_a_stream_follow_one_another():
    got = vnic_process("replay", str(DEMO), "-", "--json", input=PLAIN)
    alone = json.loads(vnic_process("replay", str(DEMO), "--json").stdout)
    assert json.loads(got.stdout)["input"]["frames"] == alone["input"]["frames"] + 100


def test_a_socket_is_as_good_as_a_pipe():
    here, there = socket.socketpair()
    with here, there:
        here.sendall(PLAIN)
        here.shutdown(socket.SHUT_WR)
        got = vnic_process("replay", "-", "--json", stdin=there)
    assert json.loads(got.stdout)["input"]["frames"] == 100


def test_a_stream_that_breaks_off_is_reported_as_a_file_is():
    got = vnic_process("replay", "-", input=PLAIN[:-10])
    assert got.returncode == 1
    assert b"the input ended early: -: truncated in frame 100" in got.stderr


def test_what_is_read_does_not_change_any_more_and_is_let_go(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, PLAIN)
    os.close(writer)
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    opened = CaptureInput(f"/dev/fd/{reader}")
    with pytest.raises(PermissionError):
        os.ftruncate(opened._fd, 0)
    for _ in range(2):
        with vnic.Host(wire=vnic.CaptureWire([opened]), sink=True) as host:
            host.finish()
            assert host.ledger().offered == 100
    opened.close()
    opened.close()
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
    os.close(reader)


# ---- what is refused ----


@pytest.mark.slow
@pytest.mark.parametrize("command", ["replay", "why"])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "standard input: an empty file"),
        (b"\xd4\xc3", "standard input: not a capture file"),
        (b"hello, world, this is text" * 10, "standard input: not a capture file"),
        (pcap_each_second([], linktype=189), "standard input: link type 189: holds no packets"),
        (gzip.compress(b"hello, world, this is text" * 10, mtime=0), "standard input: not a capture file"),
        (gzip.compress(b"", mtime=0), "standard input: an empty file"),
        (b"\x28\xb5\x2f\xfd" + bytes(50), "standard input: its zstd data ends too early, behind 0 bytes"),
    ],
)
def test_what_is_no_capture_is_one_sentence(command, data, sentence):
    refused(vnic_process(command, "-", input=data), sentence)


@pytest.mark.timeout(60)
def test_a_stream_without_end_is_refused_when_it_begins():
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as yes:
        refused(vnic_process("replay", "-", stdin=yes.stdout), "not a capture file")
        yes.stdout.close()
        yes.wait(20)


def test_a_stream_that_is_larger_than_half_of_the_free_memory_is_refused(monkeypatch):
    monkeypatch.setattr("vnic.capture_input.most_bytes", lambda: 1 << 20)
    reader, writer = os.pipe()

    def write():
        os.write(writer, pcap_each_second([]))
        try:
            while True:
                os.write(writer, bytes(1 << 16))
        except BrokenPipeError:
            os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    with pytest.raises(vnic.CaptureError, match="more than 1 MiB came, half of the memory that is free: save it"):
        CaptureInput(f"/dev/fd/{reader}")
    os.close(reader)
    thread.join(20)
    assert not thread.is_alive()


def test_standard_input_is_given_once():
    refused(vnic_process("replay", "-", "-", input=PLAIN), "standard input (-) can be read only once")


@pytest.mark.slow
def test_the_output_is_not_what_standard_input_is(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(PLAIN)
    with path.open("rb") as file:
        refused(
            vnic_process("replay", "-", "--write", str(path), stdin=file), "is an input, so it cannot be the output"
        )
    assert path.read_bytes() == PLAIN
    got = vnic_process("replay", "-", "--write", str(path), input=PLAIN)
    assert got.returncode == 0
    assert path.read_bytes() != PLAIN


def test_a_terminal_is_no_capture():
    ours, theirs = pty.openpty()
    refused(vnic_process("replay", "-", stdin=theirs), "standard input is a terminal")
    os.close(ours)
    os.close(theirs)


def test_without_standard_input():
    shell = ["bash", "-c", f'"{sys.executable}" -m vnic replay - <&-']
    refused(subprocess.run(shell, capture_output=True, timeout=60, check=False), "standard input: an empty file")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/full"])
def test_devices_are_no_captures(path):
    refused(vnic_process("replay", path), f"{path}: a device, and not a regular file")


def test_a_socket_and_a_directory_are_no_captures(tmp_path):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / "s"))
        refused(vnic_process("replay", str(tmp_path / "s")), "a socket, and not a regular file")
    refused(vnic_process("replay", str(tmp_path)), f"{tmp_path}: a directory without a capture: name one that has")


def test_a_file_that_is_replaced_by_none_before_its_turn(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(PLAIN)
    opened = CaptureInput(path)
    path.unlink()
    with pytest.raises(vnic.CaptureError, match="No such file"):
        opened.open()
    os.mkfifo(path)
    with pytest.raises(vnic.CaptureError, match="another file has replaced it"):
        opened.open()


def test_an_interrupt_while_nothing_comes_ends_it():
    with subprocess.Popen(
        [*VNIC, "replay", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as p:
        time.sleep(1.5)
        assert p.poll() is None
        p.send_signal(2)
        assert p.wait(20) == -2
        assert b"Traceback" not in p.stderr.read()


def test_a_terminal_is_told_what_is_waited_for():
    with on_terminal([*VNIC, "replay", "-"], stdout=subprocess.DEVNULL) as (p, screen):
        screen.until(lambda seen: "reading standard input" in seen and "waiting for the first byte" in seen)
        p.communicate(PLAIN, timeout=20)
        assert p.returncode == 0


@pytest.mark.parametrize("sent", [PLAIN[:1000], bz2.compress(os.urandom(5000))[:1000]], ids=["plain", "packed"])
def test_a_stream_that_stops_is_told_of_with_the_bytes_that_came(sent):
    """Of the packed one nothing can be unpacked yet."""
    told, (ours, theirs) = [], os.pipe()
    os.write(theirs, sent)

    def reading(_name, so_far):
        told.append(so_far)
        if len(told) == 3:
            os.close(theirs)

    CaptureInput(f"/dev/fd/{ours}", reading=reading).close()
    os.close(ours)
    assert told == [1000] * 3
