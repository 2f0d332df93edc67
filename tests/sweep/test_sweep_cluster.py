"""vnic sweep on a dask cluster: two workers on the loopback, which the test starts and ends."""

import gzip
import json
import os
import signal
import subprocess

import pytest
from commands import VNIC
from dask_cluster import cluster
from sweeps import VARIED, burst_file

from vnic.errors import ConfigError
from vnic.sweep.cluster import address

pytest.importorskip("distributed", reason="not installed: pip install 'vnic[cluster]'")
pytestmark = pytest.mark.slow
GRID = [word for text in VARIED for word in ("--vary", text)]


def sweep(*argv, cwd, stdin=subprocess.DEVNULL):
    """A process of its own: distributed's threads are no guests in pytest."""
    done = subprocess.run(
        [*VNIC, "sweep", *map(str, argv)], cwd=cwd, stdin=stdin, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return tmp_path_factory.mktemp("here")


@pytest.fixture(scope="module")
def capture(here):
    return burst_file(here)


@pytest.fixture(scope="module")
def alone(capture, here):
    return sweep(capture, *GRID, "--json", cwd=here)


@pytest.fixture(scope="module")
def two(here):
    """Workers that run where the sweep does, so that they can read what it reads."""
    with cluster(cwd=here) as told:
        yield told


def test_two_workers_give_what_one_thread_gives(capture, alone, two, here):
    assert sweep(capture, *GRID, "--json", "--executor", two[0], cwd=here) == alone
    assert sweep(capture, *GRID, "--json", "--executor", two[0], "--workers", 1, cwd=here) == alone


def test_one_worker_gives_the_same(capture, alone, here):
    with cluster(1, cwd=here) as (where, _):
        assert sweep(capture, *GRID, "--json", "--executor", where, cwd=here) == alone


def test_a_capture_that_the_workers_cannot_read_is_sent(capture, alone, two, here):
    """Standard input; and a relative path that leads elsewhere for the workers, to a file with other contents."""
    with capture.open("rb") as stdin:
        found = sweep("-", *GRID, "--json", "--executor", two[0], cwd=here, stdin=stdin)
    assert found["points"] == alone["points"]
    packed = here / "p.pcap.gz"  # in memory here, and read by its path there
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    assert sweep(packed, *GRID, "--json", "--executor", two[0], cwd=here)["points"] == alone["points"]
    folder = here / "below"
    folder.mkdir(exist_ok=True)
    (folder / "x.pcap").write_bytes(capture.read_bytes())
    burst_file(here, "x.pcap", frames=99)
    found = sweep("x.pcap", *GRID, "--json", "--executor", two[0], cwd=folder)
    assert found["points"] == alone["points"]


def test_a_cost_profile_goes_with_the_points(capture, two, here):
    folder = here / "costs"
    folder.mkdir(exist_ok=True)
    (folder / "c.toml").write_text("[cost]\nhardirq = 9000\n")
    argv = (capture, "--vary", "cost=./c.toml,linux", "--json")
    found = sweep(*argv, cwd=folder)
    assert found["points"][0]["cpu_ns"] != found["points"][1]["cpu_ns"]
    assert sweep(*argv, "--executor", two[0], cwd=folder) == found


def test_the_points_of_a_killed_worker_come_again(capture, here, tmp_path):
    """One of two is killed in the middle: a nanny brings another, and no row is missing."""
    kept = tmp_path / "s.jsonl"
    argv = (capture, "--vary", "rx-usecs=0..199+1", "--json")
    with cluster(cwd=here) as (where, pids), capture.open("rb") as stdin:
        line = [*VNIC, "sweep", "-", *argv[1:], "--executor", where, "--store", kept]
        pipe = subprocess.PIPE
        with subprocess.Popen([*map(str, line)], cwd=here, stdin=stdin, stdout=pipe, stderr=pipe, text=True) as p:
            while not kept.exists() or kept.stat().st_size < 10_000:
                assert p.poll() is None, p.communicate()
            os.kill(pids[0], signal.SIGKILL)
            before = len(kept.read_bytes().splitlines())
            stdout, stderr = p.communicate(timeout=90)
    assert (p.returncode, stderr) == (0, "")
    assert before < 200
    assert json.loads(stdout)["points"] == sweep(*argv, cwd=here)["points"]


def test_a_worker_with_another_version_is_refused(capture, here, tmp_path):
    """A module in front of the workers' path says that vnic is older there."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.metadata as m\nreal = m.version\n"
        "m.version = lambda name: '0.0.9' if name == 'vnic' else real(name)\n"
    )
    with cluster(1, cwd=here, environment=os.environ | {"PYTHONPATH": str(tmp_path)}) as (where, _):
        done = subprocess.run(
            [*VNIC, "sweep", capture, "--vary", "queues=1,2", "--executor", where],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "has vnic 0.0.9, and this is " in done.stderr


def test_a_scheduler_that_goes_is_one_sentence(capture, here, tmp_path):
    kept = tmp_path / "s.jsonl"
    with cluster(1, cwd=here) as (where, _):
        argv = [*VNIC, "sweep", capture, "--vary", "rx-usecs=0..3999+1", "--executor", where, "--store", kept]
        pipe = subprocess.PIPE
        p = subprocess.Popen([*map(str, argv)], cwd=here, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)
        while not kept.exists() or kept.stat().st_size < 10_000:
            assert p.poll() is None, p.communicate()
    stdout, stderr = p.communicate(timeout=90)
    assert p.returncode == 1, stderr
    assert stderr.splitlines()[-1] == f"vnic: {where}: the scheduler is gone"
    assert all(line.startswith("vnic: ") for line in stderr.splitlines())
    assert "Pareto front" in stdout


@pytest.mark.parametrize(
    ("where", "tcp"),
    [
        ("dask://10.0.0.9:8786", "tcp://10.0.0.9:8786"),
        ("dask://a-b.c:1", "tcp://a-b.c:1"),
        ("dask://[::1]:9", "tcp://[::1]:9"),
    ],
)
def test_an_address(where, tcp):
    assert address(where) == tcp


@pytest.mark.parametrize(
    "where", ["dask://", "dask://h", "dask://h:0", "dask://h:65536", "dask://h:1/x", "dask://h h:1"]
)
def test_no_address(where):
    with pytest.raises(ConfigError, match="must be dask://HOST:PORT"):
        address(where)
