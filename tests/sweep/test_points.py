"""The grid, and the key by which a point is known for ever."""

import pytest
from sweeps import burst_file, sweep_of

from vnic.capture_select import Selection
from vnic.knobs.table import read
from vnic.sweep import points
from vnic.sweep.axes import axes


def test_the_last_axis_changes_first():
    grid = points.grid(axes(["queues=1,2", "rx-usecs=0,10"]))
    assert [list(p.shown.values()) for p in grid] == [[1, 0], [1, 10], [2, 0], [2, 10]]
    assert [p.number for p in grid] == [0, 1, 2, 3]
    assert grid[3].options == {"queues": "2", "rx_usecs": "10"}  # as typed: Host() parses them


def key_of(varied, *, captures="ab", select=None, **options):
    (point,) = points.grid(axes([varied]))
    return points.key(captures, select or Selection(), points.settled(options), point)


def test_all_that_changes_a_result_changes_the_key(monkeypatch, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text("[cost]\nhardirq = 1\n")
    keys = [
        key_of("rx-usecs=50"),
        key_of("rx-usecs=51"),
        key_of("rx-frames=50"),
        key_of("rx-usecs=50", captures="cd"),
        key_of("rx-usecs=50", select=Selection(limit=5)),
        key_of("rx-usecs=50", select=Selection(filter="udp")),
        key_of("rx-usecs=50", rx_ring=512),
        key_of("rx-usecs=50", cpus=8),
        key_of("rx-usecs=50", each_queue={0: {"rps-cpus": "c"}}),
        key_of("rx-usecs=50", cost=str(mine)),
    ]
    mine.write_text("[cost]\nhardirq = 2\n")
    keys.append(key_of("rx-usecs=50", cost=str(mine)))
    monkeypatch.setattr(points, "this_version", lambda: "9.9.9")
    keys.append(key_of("rx-usecs=50"))
    monkeypatch.setattr(points, "SCHEMA", "vnic.sweep/9")
    keys.append(key_of("rx-usecs=50"))
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (key_of("rx-usecs=1000"), key_of("rx-usecs=1ms")),
        (key_of("rx-ring=512"), key_of("ring=512")),
        (key_of("rx-ring=512", rx_usecs="50us"), key_of("rx-ring=512", rx_usecs=50)),
        (key_of("rps-cpus=f"), key_of("rps-cpus=0-3")),
        (key_of("fifo=64k"), key_of("fifo=65536")),
        (key_of("cost=linux"), key_of("cost=linux")),
    ],
)
def test_two_spellings_of_one_point_have_one_key(one, other):
    assert one == other


def test_an_axis_replaces_what_a_file_sets_for_all(tmp_path):
    path = burst_file(tmp_path, frames=5)
    assert sweep_of([path], "rx-usecs=50").keys == sweep_of([path], "rx-usecs=50", rx_usecs=10).keys
    assert sweep_of([path], "rx-usecs=50").keys != sweep_of([path], "rx-usecs=50", rx_ring=64).keys


def test_a_capture_may_be_renamed_but_not_changed(tmp_path):
    path = burst_file(tmp_path, frames=5)
    before = sweep_of([path], "queues=1").keys
    other = path.rename(tmp_path / "other.pcap")
    assert sweep_of([other], "queues=1").keys == before
    other.write_bytes(other.read_bytes()[:-1] + b"\0")
    assert sweep_of([other], "queues=1").keys != before


def test_a_profiles_figures_are_a_value_of_cost():
    text = read("cost", {"based-on": "linux", "hardirq": 6500})
    assert read("cost", text) == text  # another machine has no such file
