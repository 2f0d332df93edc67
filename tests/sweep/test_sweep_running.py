"""How points run: the same rows on every executor, no more at a time than fit, and those of a killed worker again."""

import gzip
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import connection

import pytest
from sweeps import VARIED, burst_file, rows_of, sweep_of, swept

import vnic
from vnic.cli.selection import Selection
from vnic.machine import memory
from vnic.sweep import executors, replayed, running
from vnic.sweep.replayed import Task
from vnic.sweep.results import as_json


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    return burst_file(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def alone(capture):
    """The rows of points that run one after the other, in this thread."""
    sweep = sweep_of([capture])
    for point in sweep.grid:
        sweep.results.add(point, replayed.replayed(sweep._task(point)))
    return as_json(sweep.results)


def test_the_grid_has_losses_and_points_without(alone):
    lost = [p["lost"] for p in alone["points"]]
    assert len(lost) == 12
    assert min(lost) == 0 < max(lost)
    assert 0 < len(alone["front"]) < 12


@pytest.mark.parametrize(("executor", "workers"), [("threads", 1), ("threads", 3), ("processes", 1), ("processes", 2)])
def test_every_executor_gives_the_same_rows(capture, alone, executor, workers):
    assert swept([capture], executor=executor, workers=workers) == alone


def test_a_row_is_what_a_replay_says(capture, alone):
    for p in alone["points"][::5]:
        facts = vnic_facts(capture, p["knobs"])
        fates = facts["ledger"]["fates"]
        assert p["offered"] == facts["ledger"]["offered"] == p["delivered"] + p["lost"] == 1500
        assert p["fates"] == {k: v for k, v in fates.items() if not k.startswith("DELIVERED_")}
        assert p["lost_by_limits"] == p["lost"] == sum(p["fates"].values())
        assert p["loss_share"] == round(p["lost"] / 1500, 9)
        assert p["latency_ns"] == {k: facts["latency_ns"]["total"][k] for k in ("p50", "p99", "max")}
        assert p["interrupts"] == facts["irq"]["interrupts"]
        assert p["frames_per_interrupt"] == facts["irq"]["frames_per_interrupt"]
        assert p["time_squeeze"] == sum(c["time_squeeze"] for c in facts["cpus"])
        busy = sum(c["busy"] for c in facts["cpus"]) * facts["elapsed_ns"]
        assert p["cpu_ns"] == pytest.approx(busy, abs=4 * 0.0001 * facts["elapsed_ns"])  # busy has four digits
        assert p["limits"] == {x["knob"]: [x["bound"], x["lost"]] for x in facts["limits"] if x["bound"]}


def vnic_facts(capture, knobs):
    from vnic.runs.replay import replay

    return replay([capture], cpus=4, **{k.replace("-", "_"): v for k, v in knobs.items()}).facts


def test_cpus_and_the_selection_are_those_of_replay(capture):
    sweep = sweep_of([capture], "cpus=1,2", "queues=1")
    sweep._select = Selection(limit=700, loop=2)
    sweep.run(workers=2)
    rows = rows_of(sweep)
    assert [row["offered"] for row in rows.values()] == [700, 700]  # the limit counts over all passes
    assert rows[0]["cpu_ns"] != rows[1]["cpu_ns"]


# ---- where captures are ----


def test_streams_packed_files_and_sets_of_them_give_the_same_rows(tmp_path, capture, alone):
    data = capture.read_bytes()
    packed, broken = tmp_path / "a.pcap.gz", tmp_path / "b.pcap.gz"
    packed.write_bytes(gzip.compress(data))
    broken.write_bytes(gzip.compress(data)[:-2000])
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    both = os.open(fifo, os.O_RDWR)  # so that the reader finds a writer
    writer = threading.Thread(target=lambda: (fifo.write_bytes(data), os.close(both)))
    writer.start()
    sweep = sweep_of([fifo])
    writer.join()
    for executor in ("threads", "processes"):
        sweep.results.rows.clear()
        sweep.run(executor, 2)
        assert as_json(sweep.results)["points"] == alone["points"]
        assert swept([packed], executor=executor)["points"] == alone["points"]
    folder = tmp_path / "set"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.pcap.gz").write_bytes(gzip.compress(data))
    found = [swept([folder], "queues=1,2", executor=e) for e in ("threads", "processes")]
    assert found[0] == found[1]
    assert [p["offered"] for p in found[0]["points"]] == [4500, 4500]
    found = [swept([broken], "queues=1,2", executor=e) for e in ("threads", "processes")]
    assert found[0] == found[1]
    assert "its gzip data ends too early" in found[0]["input"]["error"]
    assert str(broken) in found[0]["input"]["error"]


def test_a_capture_that_changes_meanwhile_is_told(tmp_path):
    path = burst_file(tmp_path, frames=50)
    sweep = sweep_of([path], "queues=1,2")
    burst_file(tmp_path, frames=60)
    sweep.run(workers=1)
    row = rows_of(sweep)[0]
    assert row == {"error": f"{path}: it has changed since the sweep began, so begin it again", "lasts": False}
    path.unlink()
    sweep.run(workers=1)
    assert rows_of(sweep)[0]["error"].startswith(str(path))


# ---- failures ----


def test_a_point_that_is_refused_is_a_row_and_the_others_go_on(capture):
    found = swept([capture], "rx-usecs=0,10,50", rx_frames=0)
    assert [p["error"] for p in found["points"]] == [
        "rx-usecs=0 and rx-frames=0: there would never be an interrupt",
        None,
        None,
    ]
    assert set(found["points"][0]) == {"point", "knobs", "front", "rank", "error"}
    assert found["order"][-1] == 0
    assert 0 not in found["front"]


def test_too_little_memory_is_a_row(capture, monkeypatch):
    def no_memory(*_, **__):
        raise MemoryError

    monkeypatch.setattr("vnic.runs.replay.replay", no_memory)
    assert [p["error"] for p in swept([capture], "queues=1")["points"]] == ["there is not enough memory"]


def test_a_bug_is_no_row(capture, monkeypatch):
    def bug(*_, **__):
        raise ZeroDivisionError("bug")

    monkeypatch.setattr("vnic.runs.replay.replay", bug)
    with pytest.raises(ZeroDivisionError):
        sweep_of([capture], "queues=1,2").run(workers=2)


class Killing(executors.Processes):
    """Kills its workers as often as told, each time once a task runs.

    It returns when the pool has noticed: CPython's executor breaks if tasks come while it notices (terminate_broken()
    walks a table of tasks that submit() adds to).
    """

    kills_left = 0

    def submit(self, task):
        future = super().submit(task)
        if self.kills_left:
            self.kills_left -= 1
            for pid in list(self._processes._processes):
                os.kill(pid, signal.SIGKILL)
            self._processes._executor_manager_thread.join(30)
        return future


def test_the_points_of_a_killed_process_come_again(capture, alone, monkeypatch):
    pool = Killing(2)
    pool.kills_left = 1
    monkeypatch.setattr("vnic.sweep.sweep.make_pool", lambda *_: pool)
    sweep = sweep_of([capture])
    sweep.run()
    assert as_json(sweep.results) == alone


def test_a_point_that_kills_its_worker_each_time_is_a_row(capture, alone):
    """A pool whose worker dies whenever it meets point 3."""

    class Mortal:
        workers, here, renewed = 4, True, 0

        def __init__(self):
            self.threads = ThreadPoolExecutor(4)

        def submit(self, task):
            if task.number == 3:
                future = Future()
                future.set_exception(InterruptedError())
                return future
            return self.threads.submit(replayed.replayed, task)

        def lost(self, error):
            return isinstance(error, InterruptedError)

        def kills(self, error):
            return False

        def renew(self):
            self.renewed += 1

    pool, sweep = Mortal(), sweep_of([capture])
    rows = {task.number: row for task, row in running.run([sweep._task(p) for p in sweep.grid], pool)}
    assert rows.pop(3) == {"error": running._KILLED, "lasts": False}
    assert pool.renewed == 2
    assert {n: row["lost"] for n, row in rows.items()} == {
        p["point"]: p["lost"] for p in alone["points"] if p["point"] != 3
    }
    pool.threads.shutdown()


def test_processes_end_with_the_one_that_made_them(capture):
    pool = executors.Processes(2)
    sweep = sweep_of([capture], "queues=1,2,3")
    assert len(list(running.run([sweep._task(p) for p in sweep.grid], pool))) == 3
    workers = list(pool._processes._processes.values())
    assert workers
    pool._writer.close()  # as the kernel does when this process is gone
    for worker in workers:
        # Not join(): the pool's own thread reaps its workers too, and who comes second is told nothing.
        assert connection.wait([worker.sentinel], 30)
    pool.close(now=True)


# ---- memory ----


@pytest.mark.parametrize(
    ("cpus", "knobs"),
    [
        (4, {}),
        (1, {"queues": 16, "rx_ring": 4096}),
        (64, {"rx-pool": 1 << 16, "rx_buf_len": "9k"}),
        (2, {"fifo": "1M", "sockets": 1 << 20, "gro-flows": 100, "tx_ring": 1024}),
    ],
)
def test_what_a_point_needs_is_what_its_host_states(cpus, knobs):
    with vnic.Host(cpus=cpus, latency=True, **knobs) as host:
        assert memory.planned(knobs, cpus) == sum(memory.stated(host.machine.c, latency=True).values())


class Counting:
    """A pool that runs nothing by itself: it counts what runs at a time, and ends the oldest when it is asked."""

    workers, here = 8, True

    def __init__(self):
        self.running, self.most, self.needs = [], 0, []

    def submit(self, task):
        future = Future()
        self.running.append((future, task))
        self.most = max(self.most, len(self.running))
        self.needs.append(sum(t.need for _, t in self.running))
        threading.Timer(0.01, self._end).start()
        return future

    def _end(self):
        future, task = self.running.pop(0)
        future.set_result({"error": None, "number": task.number})

    def lost(self, error):
        return False


def run_counted(needs, monkeypatch, room):
    monkeypatch.setattr(memory, "available", lambda: room)
    pool = Counting()
    done = [row["number"] for _, row in running.run([Task(i, "", (), need=n) for i, n in enumerate(needs)], pool)]
    assert sorted(done) == list(range(len(needs)))
    return pool


def test_no_more_points_at_a_time_than_fit_into_the_memory(monkeypatch):
    pool = run_counted([40] * 9, monkeypatch, 100)
    assert (pool.most, max(pool.needs)) == (2, 80)
    assert run_counted([40] * 20, monkeypatch, 10_000).most == 8
    assert run_counted([40] * 20, monkeypatch, None).most == 8


def test_a_point_that_needs_more_than_there_is_runs_alone(monkeypatch):
    pool = run_counted([10, 500, 10, 10], monkeypatch, 100)
    assert max(pool.needs) == 500
    assert 500 in pool.needs


# ---- the end ----


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_an_interruption_ends_what_runs_and_keeps_what_is_done(capture, executor):
    class StopError(Exception):
        pass

    def stop(done, _all, _note):
        if done == 3:
            raise StopError

    sweep = sweep_of([capture], "rx-usecs=0..2000+1")
    with pytest.raises(StopError):
        sweep.run(executor, 2, progress=stop)
    assert len(sweep.results.rows) == 3
    assert not [t for t in threading.enumerate() if t.name.startswith("vnic-sweep")]
    assert not multiprocessing.active_children()
    assert as_json(sweep.results)["planned"] == 2001


def test_a_replay_that_runs_ends_soon(tmp_path):
    path = burst_file(tmp_path, frames=3000)
    sweep = sweep_of([path], "queues=1")
    sweep._select = Selection(loop=100_000)  # minutes
    task = sweep._task(sweep.grid[0])
    pool = executors.Threads(1)
    future = pool.submit(task)
    while not future.running():
        time.sleep(0.001)
    pool.close(now=True)
    assert isinstance(future.exception(), replayed.StoppedError)


def test_the_default_is_a_worker_a_core():
    for tasks in (1, 1000):
        pool = executors.pool("threads", None, tasks)
        assert pool.workers == min(tasks, len(os.sched_getaffinity(0)))
        pool.close(now=False)


def test_progress_counts_what_is_done_and_what_the_store_had(capture):
    said = []
    sweep = sweep_of([capture], *VARIED)
    sweep.missing = sweep.missing[:5]
    sweep.run(workers=2, progress=lambda *said_now: said.append(said_now))
    assert said[0] == (0, 5, "0 of 5 points, 7 from the store")
    assert said[-1] == (5, 5, "5 of 5 points, 7 from the store")
    assert [done for done, _, _ in said] == list(range(6))
