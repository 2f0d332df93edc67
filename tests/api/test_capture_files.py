"""Several captures at once: directories, rotating sets, overlaps; members that are none, or that break off."""

import bz2
import gzip
import json
import lzma
import os
import random
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import frames
import pytest
from captures import S, pcap
from commands import VNIC, invoke, vnic_process
from hypothesis import given
from hypothesis import strategies as st

import vnic
from vnic.capture_files import gather

F = frames.udp(b"x" * 50)


def capture(*stamps, t0=1_700_000_000):
    """A capture of frames at these seconds."""
    return pcap([((t0 + s) * S, F, len(F)) for s in stamps])


def put(folder, **files):
    """Write NAME=bytes; __ in a name is a point."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def names(*paths):
    return [i.path.name for i in gather(paths)]


def facts_of(*args):
    done = invoke("replay", *args, "--json")
    return done, json.loads(done.stdout)


def refused(done, *words):
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.output
    assert all(word in done.stderr for word in words), done.stderr


# ---- directories ----


def test_a_directory_is_read_in_the_order_of_time(tmp_path):
    put(
        tmp_path / "d",
        a__pcap=capture(30),
        b__pcap__gz=gzip.compress(capture(10)),
        c__pcapng__xz=lzma.compress(capture(20)),
        d__pcap0__bz2=bz2.compress(capture(5)),
        e__CAP=capture(),
        trace=capture(1),
        trace1=capture(2),
        notes__txt=b"the captures of Tuesday",
    )
    (tmp_path / "d/.hidden.pcap").write_bytes(capture(0))
    put(tmp_path / "d/sub", x__pcap=capture(3))
    expected = ["trace", "trace1", "d.pcap0.bz2", "b.pcap.gz", "c.pcapng.xz", "a.pcap", "e.CAP"]
    assert names(tmp_path / "d") == names(str(tmp_path / "d/")) == expected
    done, facts = facts_of(tmp_path / "d")
    assert (done.exit_code, done.stderr) == (0, "")
    assert [Path(f).name for f in facts["input"]["files"]] == expected
    assert (facts["input"]["frames"], facts["input"]["duration_ns"], facts["input"]["overlaps"]) == (6, 29 * S, 0)


def test_bad_members_are_left_out_with_a_sentence_each(tmp_path):
    d = put(
        tmp_path / "d",
        good__pcap=capture(1, 2),
        empty__pcap=b"",
        text__pcap__txt=b"hello, this is text and no capture",
        usb__pcap=pcap([], linktype=189),
        damaged__pcap__gz=gzip.compress(b"")[:5],
        twice__pcap__gz=gzip.compress(gzip.compress(capture(1))),
        z__pcap=capture(3, 4),
    )
    (d / "gone.pcap").symlink_to("nowhere")
    os.mkfifo(d / "fifo.pcap")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(d / "s.pcap"))
    done, facts = facts_of(d)
    assert (done.exit_code, facts["input"]["frames"]) == (1, 4)
    said = dict(line.removeprefix(f"vnic: {d}/").split(": ", 1) for line in done.stderr.splitlines())
    assert said == {
        "empty.pcap": "an empty file: left out",
        "text.pcap.txt": "not a capture file (pcap or pcapng): left out",
        "usb.pcap": "link type 189: holds no packets that vnic knows how to find: left out",
        "damaged.pcap.gz": "its gzip data ends too early, behind 0 bytes of the capture: left out",
        "twice.pcap.gz": "not a capture file (pcap or pcapng): "
        "it is gzip-compressed twice; unpack it once first: left out",
        "gone.pcap": "No such file or directory: left out",
        "fifo.pcap": "a FIFO, and not a regular file: left out",
        "s.pcap": "a socket, and not a regular file: left out",
    }
    assert facts["input"]["left_out"] == [f"{d}/{name}: {why}" for name, why in sorted(said.items())]
    assert f"{d}/usb.pcap: link type 189" in " ".join(invoke("replay", d).stdout.split())
    why = invoke("why", d)
    assert (why.exit_code, why.stderr) == (1, done.stderr)
    assert why.stdout.startswith("Lost      none of 4 frames")


@pytest.mark.parametrize("files", [{}, {"x__txt": b"hello"}, {"x__pcap": b"hello, world, no capture"}])
def test_a_directory_without_a_capture_is_one_sentence(tmp_path, files):
    d = put(tmp_path / "d", **files)
    for command in ("replay", "why"):
        refused(invoke(command, d), f"{d}: a directory without a capture", "name one that has *.pcap* files in it")


def test_names_of_any_bytes(tmp_path):
    d = tmp_path / "d"
    d.mkdir()
    for i, name in enumerate(
        (b"a\nb.pcap", b"\xff\xfe.pcap", b"-rf.pcap", b" .pcap", b"\x1b[2J.pcap", b"x\rvnic: fake.pcap")
    ):
        with (d / os.fsdecode(name)).open("wb") as file:
            file.write(capture(i) if name != b"a\nb.pcap" else b"no capture, but a name")
    done = vnic_process("replay", str(d), "--json")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"a\\nb.pcap: not a capture file (pcap or pcapng): left out\n" in done.stderr
    assert json.loads(done.stdout)["input"]["frames"] == 5
    shown = vnic_process("replay", str(d)).stdout
    assert b"\x1b[2J" not in shown
    assert b"\r" not in shown
    one = vnic_process("replay", str(d / os.fsdecode(b"\xff\xfe.pcap")))
    assert (one.returncode, one.stderr) == (0, b"")


@pytest.mark.root
def test_a_member_that_may_not_be_read_is_left_out(tmp_path):
    d = put(tmp_path / "d", a__pcap=capture(1), b__pcap=capture(2), c=capture(3))
    (d / "a.pcap").chmod(0)
    (d / "c").chmod(0)  # by its name no capture, and its begin cannot be seen
    home = os.open(".", os.O_RDONLY)
    os.chdir(d)  # the folders above are root's alone
    d.chmod(0o755)
    try:
        os.seteuid(65534)
        found = gather(["."])
        assert ([i.path.name for i in found], found.left_out) == (["b.pcap"], ("a.pcap: Permission denied: left out",))
        d_gone = d / "nothing"
        with pytest.raises(vnic.CaptureError, match="Permission denied"):
            gather([d_gone])
    finally:
        os.seteuid(0)
        os.fchdir(home)
        os.close(home)


# ---- rotating sets, several files ----


@given(st.permutations(list(range(12))), st.sampled_from(["dumpcap", "tcpdump", "tcpdump, packed"]))
def test_a_rotating_set_is_read_in_the_order_of_time(tmp_path_factory, order, kind):
    d = tmp_path_factory.mktemp("set")
    made = {
        "dumpcap": lambda i: f"x_{i + 1:05}_2026010112{i:02}00.pcapng",
        "tcpdump": lambda i: f"x.pcap{i or ''}",
        "tcpdump, packed": lambda i: f"x.pcap{i or ''}.gz",
    }[kind]
    for i in range(12):
        data = capture(i)
        (d / made(i)).write_bytes(gzip.compress(data, 1) if made(i).endswith("gz") else data)
    assert names(*(d / made(i) for i in order)) == [made(i) for i in range(12)]
    assert names(d) == [made(i) for i in range(12)]
    shutil.rmtree(d)


def test_other_files_are_read_as_given(tmp_path):
    put(tmp_path, b__pcap=capture(1), a__pcap=capture(2), day2__pcap=capture(3), day1__pcap=capture(4))
    given_ = [tmp_path / n for n in ("day2.pcap", "b.pcap", "a.pcap", "day1.pcap")]
    assert names(*given_) == [p.name for p in given_]


def test_a_set_between_other_files_stays_there(tmp_path):
    put(tmp_path, a__pcap=capture(9), x__pcap1=capture(2), x__pcap0=capture(1), z__pcap=capture(0))
    put(tmp_path / "d", m__pcap=capture(8))
    paths = [tmp_path / n for n in ("a.pcap", "x.pcap1", "x.pcap0", "d", "z.pcap")]
    assert names(*paths) == ["a.pcap", "x.pcap0", "x.pcap1", "m.pcap", "z.pcap"]


def test_files_that_overlap_follow_one_another_and_it_is_said(tmp_path):
    put(tmp_path, a__pcap=capture(0, 10), b__pcap=capture(5, 6), c__pcap=capture(20))
    done, facts = facts_of(*(tmp_path / f"{n}.pcap" for n in "abc"))
    assert (done.exit_code, facts["input"]["overlaps"], facts["input"]["time_backwards"]) == (0, 1, 0)
    assert facts["input"]["duration_ns"] == 25 * S
    shown = invoke("replay", *(tmp_path / f"{n}.pcap" for n in "abc")).stdout
    assert "1 file begins before the one in front ended: they follow without a gap; mergecap" in " ".join(shown.split())
    assert "begins before" not in invoke("replay", tmp_path / "a.pcap", tmp_path / "c.pcap").stdout


@pytest.mark.slow
def test_a_set_in_a_report_is_explained_as_it_was_replayed(tmp_path):
    put(tmp_path / "d", x__pcap=capture(*range(5)), x__pcap1=capture(*range(5, 9)), x__pcap10=capture(9))
    report = tmp_path / "r.json"
    report.write_text(invoke("replay", tmp_path / "d", "--json").stdout)
    assert json.loads(invoke("why", report, "--json").stdout) == json.loads(
        invoke("why", tmp_path / "d", "--json").stdout
    )


# ---- a file that breaks off ----


def test_files_behind_one_that_breaks_off_are_read(tmp_path):
    put(
        tmp_path,
        a__pcap=capture(1, 2, 3)[:-5],
        b__pcap__gz=gzip.compress(random.Random(1).randbytes(0) + capture(4, 5))[:-12],
    )
    put(tmp_path, c__pcap=capture(6))
    done, facts = facts_of(*(tmp_path / n for n in ("a.pcap", "b.pcap.gz", "c.pcap")))
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert facts["ledger"]["offered"] == facts["input"]["frames"] == sum(facts["ledger"]["fates"].values()) >= 4
    first, second = facts["input"]["error"].split("; ")
    assert first == f"{tmp_path}/a.pcap: truncated in frame 3"
    assert second.startswith(f"{tmp_path}/b.pcap.gz: its gzip data ends too early, behind ")


@pytest.mark.parametrize("last", [False, True])
def test_a_file_that_is_gone_in_its_turn(tmp_path, last):
    put(tmp_path, a__pcap=capture(1), b__pcap=capture(2), c__pcap=capture(3))
    paths = [tmp_path / f"{n}.pcap" for n in ("a", "c" if last else "b", "b" if last else "c")]
    wire = vnic.CaptureWire(paths)
    (tmp_path / "b.pcap").unlink()
    with vnic.Host(wire=wire, sink=True, cost="zero") as host:
        host.finish()
        assert host.ledger().offered == 2
        assert wire.broken == [f"{tmp_path}/b.pcap: No such file or directory"]


def test_a_file_that_shrinks_is_read_as_far_as_it_is_there(tmp_path):
    a = tmp_path / "a.pcap"
    a.write_bytes(capture(*range(20_000)))
    (tmp_path / "b.pcap").write_bytes(capture(30_000))
    wire = vnic.CaptureWire([a, tmp_path / "b.pcap"])
    with vnic.Host(wire=wire, sink=True, cost="zero") as host:
        host.run(until_ns=S)
        os.truncate(a, 5000)
        host.finish()
        assert 0 < host.ledger().offered < 20_001
        assert len(wire.broken) == 1
        assert "a.pcap: shrank while it was read: it ends behind frame " in wire.broken[0]
        assert host.laws() == 0


def test_a_sparse_file_ends_where_its_data_ends(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(capture(1, 2))
    os.truncate(path, 100 << 30)
    done, facts = facts_of(path)
    assert (done.exit_code, facts["input"]["frames"]) == (1, 2 + (facts["input"]["frames"] - 2))
    assert facts["input"]["frames"] < 1000
    assert "x.pcap: a sparse file: no data was written behind byte " in done.stderr
    empty = tmp_path / "y.pcap"
    empty.touch()
    os.truncate(empty, 100 << 30)
    refused(invoke("replay", empty), "y.pcap: a sparse file: no data was written behind byte 0")


# ---- memory ----


def test_packed_members_are_in_memory_one_at_a_time(tmp_path):
    for i in range(5):
        put(tmp_path, **{f"x{i}__pcap__gz": gzip.compress(capture(i))})
    inputs = gather([tmp_path])
    wire = vnic.CaptureWire(inputs)
    seen = []
    with vnic.Host(wire=wire, sink=True, cost="zero") as host:
        host.finish(progress=lambda: None)
        seen.append([i._fd is not None for i in inputs])
        assert host.ledger().offered == 5
    assert seen == [[False] * 4 + [True]]
    assert [i._fd for i in inputs] == [None] * 5


def test_a_bomb_among_others_loses_only_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("vnic.capture_input.most_bytes", lambda: 3 << 20)
    put(tmp_path / "d", a__pcap=capture(1), b__pcap__gz=gzip.compress(capture(2) + bytes(64 << 20)), c__pcap=capture(3))
    done, facts = facts_of(tmp_path / "d")
    assert (done.exit_code, facts["ledger"]["offered"]) == (1, 2)
    assert "b.pcap.gz: more than 3 MiB came, half of the memory that is free: save it first" in done.stderr


# ---- what is no capture ----


@pytest.mark.parametrize("command", ["replay", "why"])
def test_a_url_is_no_file(command):
    for url in ("https://example.com/x.pcap", "ftp://x/y.pcap.gz", "HTTP://example.com"):
        refused(invoke(command, url), f"{url}: vnic reads files, and no URLs: curl -sSL URL | vnic replay -")


def test_a_report_is_for_why(tmp_path):
    (tmp_path / "report.json").write_text(invoke("replay", put(tmp_path / "d", x__pcap=capture(1)), "--json").stdout)
    refused(
        invoke("replay", tmp_path / "report.json"),
        "not a capture file",
        "a report, which vnic why explains: vnic why FILE",
    )
    (tmp_path / "x.html").write_text("\n<!DOCTYPE html><title>404</title>" + "x" * 99)
    refused(invoke("replay", tmp_path / "x.html"), "it is a web page; download the capture itself")


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_descriptors_of_sockets_and_deleted_files(tmp_path, name):
    here, there = socket.socketpair()
    with here, there:
        threading.Thread(target=lambda: (here.sendall(capture(1, 2)), here.shutdown(socket.SHUT_WR))).start()
        assert facts_of(name.format(there.fileno()))[1]["input"]["frames"] == 2
    with (tmp_path / "x.pcap").open("w+b") as file:
        file.write(capture(1, 2, 3))
        file.flush()
        (tmp_path / "x.pcap").unlink()
        assert facts_of(name.format(file.fileno()))[1]["input"]["frames"] == 3
    refused(invoke("replay", name.format(999)), "Bad file descriptor")


def test_standard_input_by_two_of_its_names_is_refused():
    done = vnic_process("replay", "-", "/dev/stdin", input=capture(1))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"standard input (-) can be read only once" in done.stderr


@pytest.mark.slow
def test_process_substitutions_side_by_side(tmp_path):
    put(tmp_path, a__pcap=capture(1), b__pcap=capture(2))
    shell = f"{' '.join(VNIC)} replay <(cat {tmp_path}/a.pcap) <(gzip -c {tmp_path}/b.pcap) --json"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, check=False, timeout=60)
    assert (done.returncode, json.loads(done.stdout)["input"]["frames"]) == (0, 2), done.stderr


# ---- vnic send ----


@pytest.mark.root
@pytest.mark.usefixtures("netns")
def test_send_takes_several_and_passes_over_all(tmp_path):
    put(tmp_path, a__pcap=capture(1, 1, 2)[:-3], x__pcap1__gz=gzip.compress(capture(3)), x__pcap=capture(2, 2))
    paths = [tmp_path / n for n in ("a.pcap", "x.pcap1.gz", "x.pcap")]
    done = vnic_process("send", *map(str, paths), "--tap", "vt7", "--topspeed", "--loop", "3", "--json")
    facts = json.loads(done.stdout)
    assert (facts["sent"]["frames"], facts["input"]["passes"], done.returncode) == (15, 3, 1)
    assert facts["input"]["error"].count("a.pcap: truncated in frame 3") == 1
    assert facts["input"]["file"] == f"{tmp_path}/a.pcap, {tmp_path}/x.pcap, {tmp_path}/x.pcap1.gz"


def test_sent_files_keep_their_distance_or_follow_at_once(tmp_path):
    """By the plan, not by the clock: a later file keeps its time, an earlier one follows."""
    from vnic._core import ffi, lib

    s = ffi.new("struct schedule *", {"pace": lib.PACE_RECORDED, "rate": 1_000_000})
    due = [lib.schedule_next(s, t, 60) for t in (10, 20)]
    s.rebase = 1
    due += [lib.schedule_next(s, t, 60) for t in (50, 60)]
    s.rebase = 1
    due += [lib.schedule_next(s, t, 60) for t in (5, 25)]
    assert due == [0, 10, 40, 50, 50, 70]
    assert s.backwards == 0
