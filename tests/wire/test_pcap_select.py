"""Which frames of a capture are offered, how often and when: beside a plain model, libpcap and editcap."""

import subprocess

import frames
import pytest
from captures import T0, S, pcap
from hypothesis import given
from hypothesis import strategies as st
from paths import CAPTURES

from vnic import bpf
from vnic._core import ffi, lib
from vnic.capture_select import LOOP_MAX, Selection, moment
from vnic.capture_wire import CaptureWire
from vnic.errors import ConfigError
from vnic.runs.replay import replay

pytestmark = pytest.mark.needs("libpcap")
DEMO = CAPTURES / "demo.pcapng"
KINDS = {"udp": frames.udp(b"x" * 30), "arp": frames.arp(), "port 53": frames.udp(dport=53)}


def offered(paths, select, times=1, burst=7):
    """[(time, bytes)] as a wire without a rate hands them out, and the wire's own account of it."""
    with CaptureWire(paths, select=select, times=times) as wire:
        wire.c.speed_ppm, wire.c.ps_per_byte = 1_000_000, 0
        f, out = ffi.new("struct frame[]", burst), []
        while (n := lib.wire_next(wire.c, f, burst, 0)) != -61:  # ENODATA
            assert n > 0 or n == -11, bytes(ffi.string(wire.pcap.error_text))  # EAGAIN
            out += [(int(f[i].t_ns), bytes(ffi.buffer(f[i].data, f[i].len))) for i in range(max(n, 0))]
            if wire.c.hungry:
                wire.refill()
        return out, wire.selected


class Model:
    """The same in plain Python. A file is [(stamp, frame)]."""

    def __init__(self, select, times):
        self.select, self.times = select, times
        self.out, self.base, self.last, self.shift = [], None, 0, 0

    def wanted(self, t, data, first):
        start, stop = (None if v is None else moment(v) for v in (self.select.start, self.select.stop))
        if start is not None and t < start.ns + first * start.relative:
            return False
        if stop is not None and t >= stop.ns + first * stop.relative:
            return False
        return self.select.filter is None or bpf.predicate(bpf.compile(self.select.filter))(data)

    def hand_out(self, t, data, rebase, gap):
        if self.base is None:
            self.base = self.last = t
        elif rebase == "pass":
            self.shift = self.last + gap - t
        elif rebase == "file" and t + self.shift < self.last:
            self.shift = self.last - t
        self.last = max(self.last, t + self.shift)
        self.out.append((self.last - self.base, data))
        return self.last

    def run(self, files):
        first = next((t for file in files for t, _ in file), 0)
        for _ in range(self.times):
            left = self.select.limit if self.select.limit is not None else 1 << 62
            gap = 0
            for loop in range(self.select.loop):
                stamps, rebase = [], "pass" if loop else "file"
                for file in files:
                    rebase = rebase or "file"
                    for t, data in file:
                        if left and self.wanted(t, data, first):
                            stamps.append(self.hand_out(t, data, rebase, gap))
                            left, rebase = left - 1, None
                if not left or not stamps:
                    break
                gap = (stamps[-1] - stamps[0]) // (len(stamps) - 1) if len(stamps) > 1 else 0
        return self.out


FILE = st.lists(st.tuples(st.integers(T0, T0 + 3 * S), st.sampled_from(sorted(KINDS.values()))), max_size=6)
TIMES = st.none() | st.sampled_from([0, 0.5, "1s", "1500ms", 2, f"@{T0 // S + 1}", "2023-11-14T22:13:21.5Z", 99])
SELECTIONS = st.builds(
    Selection,
    filter=st.none() | st.sampled_from([*KINDS, "not arp", "greater 1000"]),
    limit=st.none() | st.integers(1, 12),
    start=TIMES,
    stop=TIMES,
    loop=st.integers(1, 4),
)


@pytest.mark.slow
@given(st.lists(FILE, min_size=1, max_size=3), SELECTIONS, st.integers(1, 3))
def test_frames_and_their_times_are_the_model_s(tmp_path_factory, files, select, times):
    at, paths = tmp_path_factory.mktemp("select"), []
    for i, file in enumerate(files):
        paths.append(at / f"{i}.pcap")
        paths[-1].write_bytes(pcap([(t, data, len(data)) for t, data in file], nano=True))
    found, selected = offered(paths, select, times)
    assert found == Model(select, times).run(files)
    if selected is not None and times == 1:
        assert selected["frames"] == len(found)
        read = sum(map(len, files)) * selected["passes"]
        assert selected["frames"] + selected["filtered"] + selected["outside"] == read or select.limit is not None


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("start, stop", [("18:30:00.5", None), (None, "22:13:21"), ("22:13:20.25", "22:13:22.5")])
def test_dates_are_editcap_s(tmp_path, start, stop):
    """--from is editcap -A, --to is editcap -B: from then on, and before then."""
    source, cut = tmp_path / "in.pcap", tmp_path / "out.pcap"
    source.write_bytes(pcap([(T0 + i * S // 4, frames.udp(bytes([i])), 60) for i in range(16)], nano=True))
    day = "2023-11-14"
    argv = [*(["-A", f"{day} {start}"] if start else []), *(["-B", f"{day} {stop}"] if stop else [])]
    subprocess.run(["editcap", *argv, source, cut], check=True, env={"TZ": "UTC", "PATH": "/usr/bin"})
    whole = (f"{day}T{t}Z" if t else None for t in (start, stop))
    found, _ = offered([source], Selection(None, None, *whole))
    assert [data for _, data in found] == frames.raw_frames(cut)


@pytest.mark.parametrize("expression", ["udp", "tcp port 80 or arp", "ip6", "less 80", "vlan", "not ip"])
def test_the_filter_wants_what_libpcap_wants(expression):
    wants = bpf.predicate(bpf.compile(expression))
    every = frames.raw_frames(DEMO)
    found, selected = offered([DEMO], Selection(expression))
    assert [data for _, data in found] == [f for f in every if wants(f)]
    assert selected["filtered"] == len(every) - len(found)


def test_a_rate_replaces_the_recorded_times():
    found, _ = offered([DEMO], Selection(pps=3, limit=7, loop=2))
    assert [t for t, _ in found] == [i * S * 1000 // 3000 for i in range(7)]
    found, _ = offered([DEMO], Selection(mbps=0.5, limit=9))
    bits = [0]
    for _, data in found:
        bits.append(bits[-1] + 8 * len(data))
    assert [t for t, _ in found] == [n * S // 500_000 for n in bits[:-1]]


def test_a_frame_that_is_left_out_has_no_fate_and_all_others_have_one(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([(T0 + i * S, KINDS["udp" if i % 3 else "arp"], 60) for i in range(9)], nano=True))
    facts = replay([path], select=Selection("arp", loop=4)).facts
    assert facts["ledger"]["offered"] == facts["input"]["frames"] == 12
    assert facts["input"]["selected"] == {
        "filter": "arp", "loop": 4, "frames": 12, "filtered": 24, "outside": 0, "passes": 4
    }  # fmt: skip
    assert facts["input"]["duration_ns"] == 4 * 6 * S + 3 * 3 * S  # passes, and mean gaps between them


def test_a_cut_frame_is_judged_and_counted_once(tmp_path):
    """A GSO frame is one frame to the filter and the limit, and several on the wire."""
    path = tmp_path / "gso.pcap"
    big = frames.tcp(b"a" * 20_000)
    path.write_bytes(pcap([(T0, big, len(big)), (T0 + S, KINDS["udp"], 60), (T0 + 2 * S, big, len(big))]))
    facts = replay([path], select=Selection("tcp", limit=1)).facts
    assert facts["input"]["frames"] == 1
    assert facts["input"]["gso_frames"] == 1
    assert facts["ledger"]["offered"] == facts["input"]["gso_segments"] > 10


def test_many_frames_that_are_skipped_let_signals_in(tmp_path):
    path = tmp_path / "many.pcap"
    skipped = 2 * lib.SELECT_SKIP_MAX + 5
    once = pcap([(T0, KINDS["arp"], 60)])
    path.write_bytes(once[:24] + once[24:] * skipped + pcap([(T0, KINDS["udp"], 60)])[24:])
    pauses = []
    with CaptureWire([path], select=Selection("udp")) as wire:
        f = ffi.new("struct frame[]", 64)
        while (n := lib.wire_next(wire.c, f, 64, 0)) <= 0:
            assert n == -11
            pauses.append(int(wire._course._selecting.c.filtered))
            wire.refill()
        assert pauses == [lib.SELECT_SKIP_MAX, 2 * lib.SELECT_SKIP_MAX]
        assert n == 1
    assert replay([path], select=Selection("udp")).facts["ledger"]["offered"] == 1


def test_a_pass_without_a_frame_is_not_repeated_for_ever():
    _, selected = offered([DEMO], Selection("port 1", loop=LOOP_MAX))
    assert selected["passes"] == 2


def test_the_limit_ends_before_a_file_s_damage(tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(pcap([(T0 + i, KINDS["udp"], 60) for i in range(3)])[:-5])
    assert replay([path], select=Selection(limit=2)).error == ""
    assert "truncated in frame 3" in replay([path], select=Selection(limit=3)).error


@pytest.mark.parametrize(
    ("given", "ns", "relative"),
    [
        (0, 0, True),
        (1.5, 1_500_000_000, True),
        ("1.000000001", 1_000_000_001, True),
        ("200ms", 200_000_000, True),
        ("2min", 120 * S, True),
        ("@1700000000.5", T0 + S // 2, False),
        ("2023-11-14T22:13:20Z", T0, False),
        ("2023-11-14 22:13:20.123456789Z", T0 + 123_456_789, False),
        ("2023-11-15T00:13:20+02:00", T0, False),
        ("2023-11-14t22:13:20,5z", T0 + S // 2, False),
    ],
)
def test_times(given, ns, relative):
    assert (moment(given).ns, moment(given).relative) == (ns, relative)


@pytest.mark.parametrize(
    "given",
    ["", "x", "-1s", -1, True, None, float("nan"), float("inf"), 10**400, "1e9", "2023-13-01", "2023-11-14T25:00:00Z",
     "1969-01-01T00:00:00Z", "0001-01-01T00:00:00", "9999-12-31T00:00:00Z", "12:00", "5 parsecs", "٣", "9" * 5000],
)  # fmt: skip
def test_what_is_no_time(given):
    with pytest.raises(ValueError):
        moment(given)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"limit": 0}, "limit=0: must be between 1"),
        ({"limit": "5"}, "limit=5: must be a whole number"),
        ({"loop": 0}, "there is no endless loop"),
        ({"loop": LOOP_MAX + 1}, f"must be between 1 and {LOOP_MAX}"),
        ({"pps": 0}, "pps=0: must be between"),
        ({"pps": float("nan")}, "pps=nan: must be between"),
        ({"pps": True}, "pps=True: must be a number"),
        ({"mbps": 1e9}, "must be between"),
        ({"pps": 1, "mbps": 1}, "give only one pace"),
        ({"start": "x"}, "from=x: must be seconds"),
        ({"stop": []}, "to="),
        ({"filter": 5}, "filter=5: must be an expression"),
    ],
)
def test_what_is_no_selection(given, why):
    with pytest.raises(ConfigError, match=why):
        Selection(**given)


def test_a_filter_that_libpcap_refuses_is_refused_before_the_file_is_read(tmp_path):
    with pytest.raises(ConfigError, match="filter 'udpp': "):
        CaptureWire([DEMO], select=Selection("udpp"))
