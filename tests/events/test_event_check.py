"""Event files: all comes back; what is cut, damaged, edited or another version's is refused in one sentence."""

import errno
import hashlib
import json
import os
import random
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged import load_of, made, play

import vnic
from vnic._core import ffi
from vnic.counters.snapshots import FATES
from vnic.errors import CaptureError
from vnic.events import file as event_file
from vnic.events.file import _DIGEST, _FRONT, _SIZES, MAGIC, is_event_file, load, save
from vnic.events.kinds import FAULTS, KINDS, NEVER


@pytest.fixture(scope="module")
def events():
    return play(load_of(13))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.vnic-events"


def with_checksum(data: bytes) -> bytes:
    """The same with a checksum that fits."""
    return data[:-_DIGEST] + hashlib.blake2b(data[:-_DIGEST], digest_size=_DIGEST).digest()


def refused(path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(CaptureError) as e:
        load(path)
    text = str(e.value)
    assert text.startswith(f"{path}: ")
    assert len(text.splitlines()) == 1
    return text.removeprefix(f"{path}: ")


def test_all_of_a_log_comes_back(events, path):
    events.facts.update({"config": {"cpus": 4}, "é": ["\ud800", None, 1.5]})
    events.save(path)
    back = vnic.Events.load(path)
    assert bytes(back.data) == bytes(events.data)
    assert (back.flows, back.missed, back.facts) == (events.flows, events.missed, events.facts)
    assert bytes(back.frames.data) == bytes(events.frames.data)
    assert is_event_file(path)
    events.facts.clear()


def test_a_file_is_the_same_every_time(events, tmp_path):
    for name in "ab":
        save(events, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("missed", [0, 1 << 40])
def test_an_empty_log_comes_back_and_says_what_is_missing(path, missed):
    made(missed=missed).save(path)
    back = load(path)
    assert (len(back), back.missed, back.flows) == (0, missed, [""])


def test_every_cut_is_refused(path):
    made({"frame": 1, "kind": "wire", "arg": 1 << 32 | 60}, flows=["", "udp 1.2.3.4:5 > 6.7.8.9:10"]).save(path)
    data = path.read_bytes()
    for at in range(len(data)):
        text = refused(path, data[:at])
        assert "cut short" in text if at else text == "is not an event file of vnic"
    assert "sizes" in refused(path, data + b"x")


def test_every_changed_byte_is_refused(path):
    made({"frame": 1, "kind": "wire", "arg": 60}, {"frame": 1, "kind": "fate", "arg": 1}).save(path)
    data = path.read_bytes()
    for at in range(len(data)):
        refused(path, data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])


def test_another_versions_file_is_named(path):
    made().save(path)
    data = bytearray(path.read_bytes())
    data[len(MAGIC)] = 9
    assert refused(path, bytes(data)) == "is an event file of version 9, and this vnic reads version 1"


def changed_header(path, change) -> str:
    """Save a small log, change its header, and load it."""
    made({"frame": 1, "kind": "wire", "arg": 60}).save(path)
    data = path.read_bytes()
    form, header_size, n, flows, _ = _SIZES.unpack_from(data, len(MAGIC))
    head = json.loads(data[_FRONT : _FRONT + header_size])
    new = json.dumps(changed if (changed := change(head)) is not None else head).encode()
    rest = data[_FRONT + header_size :]
    front = MAGIC + _SIZES.pack(form, len(new), n, flows, _FRONT + len(new) + len(rest))
    return refused(path, with_checksum(front + new + rest))


def test_other_kinds_of_records_are_another_vnics(path):
    def older(head):
        head["vnic"] = "0.0.9\n"
        head["names"]["kinds"][3] = "was"

    assert changed_header(path, older) == ("vnic 0.0.9\\n wrote it, with other kinds of records: record the run again")


@pytest.mark.parametrize("missed", [-1, True, 1.5, "1", None, 1 << 70])
def test_a_header_that_is_no_header_is_refused(path, missed):
    edited = "its header is not one that vnic writes: the file was damaged or edited"
    assert changed_header(path, lambda head: head.update(missed=missed)) == edited
    assert changed_header(path, lambda head: head.update(facts=missed)) == edited
    assert changed_header(path, lambda _: [missed]) == edited


def test_a_deep_header_is_refused(path):
    made().save(path)
    header = b"[" * 500_000
    front = MAGIC + _SIZES.pack(1, len(header), 0, 0, _FRONT + len(header) + _DIGEST)
    assert "header" in refused(path, with_checksum(front + header + bytes(_DIGEST)))


BAD = {
    "kind": {"kind": len(KINDS)},
    "cpu": {"cpu": 512},
    "queue": {"queue": 128},
    "time": {"t_ns": 1 << 62},
    "end": {"t_ns": 5, "dur_ns": (1 << 64) - 3},
    "frame": {"frame": 1 << 63},
    "skb": {"skb": 1 << 63},
    "fate": {"kind": KINDS.index("fate"), "arg": len(FATES)},
    "fault": {"kind": KINDS.index("fault"), "arg": len(FAULTS)},
    "hardirq": {"kind": KINDS.index("hardirq"), "arg": 4},
    "why": {"kind": KINDS.index("gro_release"), "arg": 23},
    "flow": {"kind": KINDS.index("wire"), "frame": 1, "arg": 1 << 32},
    "no frame": {"kind": KINDS.index("wire"), "arg": 60},
    "target": {"kind": KINDS.index("rps"), "arg": 512},
    "backlog": {"kind": KINDS.index("backlog"), "arg": 512},
    "task": {"kind": KINDS.index("task"), "arg": 131},
    "switch": {"kind": KINDS.index("switch"), "arg": 131 << 32},
    "irq": {"kind": KINDS.index("ring"), "arg": NEVER - 1},
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD)
def test_a_record_that_vnic_does_not_write_is_refused(path, fields):
    good = made({"kind": "irq"}, {"kind": "irq"})
    for name, value in fields.items():
        setattr(good.c[1], name, value)
    save(good, path)
    assert refused(path, path.read_bytes()) == "record 1 is not one that vnic writes"


def test_records_out_of_order_are_refused(path):
    save(made({"t_ns": 2, "kind": "irq"}, {"t_ns": 1, "kind": "irq"}), path)
    assert refused(path, path.read_bytes()) == "record 1 is not one that vnic writes"


@pytest.mark.parametrize("flow", ["", "x" * 121, "tab\t", "\x1b[31m", "é"])
def test_a_flow_that_vnic_does_not_write_is_refused(path, flow):
    save(made(flows=["", flow]), path)
    assert refused(path, path.read_bytes()) == "its table of flows is not one that vnic writes"


def use(events):
    """All that reads the records, and may leave a table."""
    from vnic.events import text

    frames = events.frames
    for row in frames:
        assert frames.by_id(row.id) == row
    for e in events:
        assert "\n" not in text.line(e, events.flows)
    for line in text.json_lines(events, 0, len(events)):
        json.loads(line)
    for n in {e.frame for e in events[:20]} | {e.skb for e in events[:20]}:
        if n:
            events.of_frame(n)
    events.select(frames=[(1, 100)], kinds=["wire", "read"], cpu=0)


@given(st.integers(0, 2**32))
def test_random_damage_with_a_checksum_that_fits(tmp_path_factory, seed):
    """What passes is used: each number in it is in its bounds. The rest is refused."""
    r = random.Random(seed)
    path = tmp_path_factory.mktemp("f") / "x"
    load_ = load_of(seed % 50)
    load_.frames[:] = load_.frames[:60]
    events = play(load_)
    save(events, path)
    data = bytearray(path.read_bytes())
    _, header, n, _, _ = _SIZES.unpack_from(data, len(MAGIC))
    at = _FRONT + header
    for _ in range(r.randrange(1, 6)):
        kind = r.randrange(6)
        where = at + r.randrange(n) * ffi.sizeof("struct event_record")
        if kind == 0:
            data[r.randrange(len(data))] ^= 1 << r.randrange(8)
        elif kind < 4:  # a field of a record
            field = r.choice((0, 8, 16, 24, 32))
            value = r.choice((0, 1, 77, 1 << 32, 1 << 61, (1 << 64) - 1, r.getrandbits(64), r.randrange(200)))
            data[where + field : where + field + 8] = value.to_bytes(8, "little")
        elif kind == 4:
            data[where + r.randrange(40, 48)] = r.randrange(256)
        else:  # a size
            place = len(MAGIC) + r.choice((4, 8, 16, 24))
            data[place : place + 4] = r.randrange(1 << 32).to_bytes(4, "little")
    cut = len(data) if r.random() < 0.9 else r.randrange(len(data))
    path.write_bytes(with_checksum(bytes(data[:cut])))
    try:
        got = load(path)
    except CaptureError as e:
        got, text = None, str(e)
    if got is None:
        assert len(text.splitlines()) == 1
    else:
        use(got)


@given(st.binary(max_size=200))
def test_noise_is_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("f") / "x"
    for given_ in (data, MAGIC + data, MAGIC + _SIZES.pack(1, len(data), 0, 0, _FRONT + len(data)) + data):
        refused(path, given_)


def test_a_disk_that_fills_leaves_the_old_file(events, path):
    for name in (path, path.with_suffix(".csv"), path.with_suffix(".jsonl")):
        name.write_text("old")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            with pytest.raises(OSError) as e:
                events.save(name)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert (e.value.errno, e.value.filename) == (errno.EFBIG, str(name))
        assert name.read_text() == "old"
    assert len(list(path.parent.iterdir())) == 3


@pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer ends a process whose libraries throw in C++"
)
@pytest.mark.parametrize("end", [".parquet", ".arrow"])
def test_a_disk_that_fills_leaves_no_table(events, path, end):
    pytest.importorskip("pyarrow", reason="pip install pyarrow")
    name = path.with_suffix(end)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            events.save(name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(path.parent.iterdir()) == []


def test_what_is_no_file_is_no_event_file(tmp_path):
    for path in (tmp_path, tmp_path / "none", "/dev/null"):
        assert not is_event_file(path)
    with pytest.raises(OSError):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert not is_event_file(tmp_path / "pipe")


def test_the_file_is_read_once(events, path, monkeypatch):
    """What is checked is what is used: no memory of the file stays mapped."""
    events.save(path)
    got = load(path)
    path.write_bytes(b"\xff" * 100)
    assert bytes(got.data) == bytes(events.data)
    monkeypatch.setattr(event_file, "_PIECE", 1000)
    events.save(path)
    assert bytes(load(path).data) == bytes(events.data)
