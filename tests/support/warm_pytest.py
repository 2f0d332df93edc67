"""Pytest that has imported all but vnic, and forks for each run: scripts/mutate --random's, which has many short ones.

A line of JSON comes in for each run: site (whose vnic), files, nodes (in their order; none given: all of the files),
seconds (what a node took), trace (the directory of trace_pc.c's files), offsets. A line goes out: code, failed (the
first that failed, hung or crashed), nodes (with trace: what each took and reached).

A run is a session of processes of its own, and nothing of it is left when its answer is given. As root it all
happens in a network namespace of its own.
"""

import ctypes
import json
import os
import select
import signal
import sys
import tempfile
import time
from pathlib import Path

import click  # noqa: F401
import hypothesis.stateful  # noqa: F401
import pyroute2  # noqa: F401
import pytest
import rich.console
import rich.table  # noqa: F401
import scapy.all  # noqa: F401

START_S, NODE_S = 25, 10
CLONE_NEWNET = 0x40000000


class Chosen:
    """A pytest plugin: runs the chosen nodes in their order, and says through a pipe where it is."""

    def __init__(self, nodes, say, trace):
        self.order, self.say, self.trace = {node: i for i, node in enumerate(nodes)}, say, trace
        self.began = 0.0

    def pytest_collection_modifyitems(self, items):
        if self.order:
            items[:] = sorted((i for i in items if i.nodeid in self.order), key=lambda i: self.order[i.nodeid])

    def pytest_runtest_logstart(self, nodeid):
        self.say("start", nodeid)
        self.began = time.monotonic()

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.say("failed", report.nodeid)
        if report.skipped:
            self.say("skipped", report.nodeid)

    def pytest_runtest_logfinish(self, nodeid):
        if self.trace:
            self.say("reached", [nodeid, round(time.monotonic() - self.began, 4), reached(self.trace)])
            clear(self.trace)  # so the first test has what runs at import too


def clear(trace):
    for path in Path(trace).iterdir():
        if path.name == str(os.getpid()):
            with path.open("r+b") as f:
                f.write(bytes(path.stat().st_size))
        else:
            path.unlink()


def reached(trace):
    """Offsets of all bytes that are not 0, of all processes."""
    out = set()
    for path in Path(trace).iterdir():
        data = path.read_bytes()
        at = data.find(1)
        while at >= 0:
            out.add(at)
            at = data.find(1, at + 1)
    return sorted(out)


def child(job, pipe):
    """Run pytest; never returns."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    out = os.fdopen(pipe, "w", buffering=1)
    os.environ["VNIC_SITE"] = job["site"]
    os.environ["XDG_RUNTIME_DIR"] = job["site"]
    os.environ.pop("VNIC_TRACE_DIR", None)
    if job.get("trace"):
        os.environ["VNIC_TRACE_DIR"] = job["trace"]

    def say(*what):
        out.write(json.dumps(what) + "\n")

    plugin = Chosen(job.get("nodes", ()), say, job.get("trace"))
    args = ["-q", "-p", "no:cacheprovider", "--tb=no", "-W", "ignore::pytest.PytestAssertRewriteWarning", *job["files"]]
    code = pytest.main(args if job.get("trace") else ["-x", *args], plugins=[plugin])
    say("end", int(code))
    out.flush()
    os._exit(0)


def serve(job):
    """Fork, listen, and kill what hangs."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(read)
        try:
            child(job, write)
        finally:
            os._exit(3)
    os.close(write)
    answer = {"code": None, "failed": None, "nodes": {}, "skipped": []}
    node, rest, seconds = None, b"", job.get("seconds", {})
    until = time.monotonic() + START_S + job.get("patience", 0)
    while True:
        ready, _, _ = select.select([read], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            answer |= {"code": 1, "failed": f"{node} (hung)"}
            break
        data = os.read(read, 1 << 20)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for what, value in map(json.loads, lines):
            if what == "start":
                node = value
                until = time.monotonic() + NODE_S + job.get("patience", 0) + 10 * seconds.get(node, 0)
            elif what == "failed":
                answer["failed"] = answer["failed"] or value
                answer["nodes"].pop(value, None)
                answer["skipped"].append(value)
            elif what == "skipped":
                answer["skipped"].append(value)
            elif what == "reached" and value[0] not in answer["skipped"]:
                answer["nodes"][value[0]] = value[1:]
            elif what == "end":
                answer["code"] = value
                until = time.monotonic() + START_S
        if answer["code"] is not None:
            break
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(read)
    if answer["code"] is None:
        answer |= {"code": 1, "failed": f"{node} (crashed)"}
    return answer


def main():
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0:
        os.system("ip link set lo up")
    # Its own: pytests that run at the same time trip over each other's old directories
    with tempfile.TemporaryDirectory() as os.environ["PYTEST_DEBUG_TEMPROOT"]:
        for line in sys.stdin:
            print(json.dumps(serve(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
