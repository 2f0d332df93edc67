"""Which tests, and which C programs, reach a line of csrc/: recorded once, so that a mutant meets those only.

Everything is compiled with gcc's -fsanitize-coverage=trace-pc and linked with tests/c/trace_pc.c. Each test, and the
processes it starts, leaves the addresses it came by; the line table says which lines those are. The record is kept
below build/: an edit of csrc/ makes all of it anew, one of a test file what is that file's.
"""

import bisect
import hashlib
import itertools
import json
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from c_sources import CSRC
from mutant_build import PYTHON, ROOT, SUFFIX, WORK, Build, Site

RECORD = WORK / "reached.json"
TESTS = ROOT / "tests"


class Warm:
    """tests/support/warm_pytest.py, running."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [str(PYTHON), str(TESTS / "support/warm_pytest.py")],
            cwd=ROOT,
            env={**environment(), "PYTHONPATH": f"{TESTS / 'other_build'}:{TESTS}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, **job):
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def lines_of(binary: Path) -> dict[int, set[tuple[str, int]]]:
    """The lines of csrc/ of each piece of code, which is named by the address its call of trace_pc returns to."""
    code = output("objdump", "-d", "--no-show-raw-insn", binary)
    returns, called = [], False
    for found in re.finditer(r"^ *([0-9a-f]+):\t((?:call|bl) .*<__sanitizer_cov_trace_pc[@>])?", code, re.MULTILINE):
        if called:
            returns.append(int(found[1], 16))
        called = bool(found[2])
    table = output("readelf", "-W", "--debug-dump=decodedline", binary)
    rows = sorted(
        (int(found[3], 16), found[1].rsplit("/")[-1], 0 if found[2] == "-" else int(found[2]))
        for found in re.finditer(r"^(\S+\.c) +(\d+|-) +(0x[0-9a-f]+|0)\b", table, re.MULTILINE)
    )
    out: dict[int, set[tuple[str, int]]] = {}
    for (start, file, line), (end, _, _) in itertools.pairwise(rows):
        if not line or start == end:
            continue
        first, last = bisect.bisect_right(returns, start + 8), bisect.bisect_right(returns, end)
        # A row that begins with the call is of the piece that begins there, another goes on with the one before.
        begins = bisect.bisect_right(returns, start) < first
        for r in returns[max(0, bisect.bisect_right(returns, start) - (not begins)) : max(first, last)]:
            out.setdefault(r, set()).add((file, line))
    return out


def output(*command: object) -> str:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True).stdout


def digest(*paths: Path) -> str:
    return hashlib.sha256(b"\0".join(p.read_bytes() for p in paths)).hexdigest()


class Reached:
    """seconds: what each test took; lines: how many it reaches; tests: line -> nodes; programs: line -> stems."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.lines: dict[str, int] = {}
        self.tests: dict[tuple[str, int], list[str]] = {}
        self.programs: dict[tuple[str, int], list[str]] = {}
        self.rows: dict[str, list[int]] = {}

    def line(self, file: str, line: int) -> tuple[str, int]:
        """The line that gcc counts it to: a condition over several lines is often its first."""
        rows = self.rows.get(file, [])
        at = bisect.bisect_right(rows, line)
        return (file, rows[at - 1]) if at and line - rows[at - 1] <= 12 else (file, line)


def record(jobs: int) -> Reached:
    """Read what is still true, run what is missing."""
    csrc = digest(*sorted(CSRC.rglob("*.[ch]")), TESTS / "c/trace_pc.c")
    in_c = digest(*sorted(TESTS.glob("c/*")))
    files = {p.relative_to(ROOT).as_posix(): digest(p) for p in sorted(TESTS.glob("*/test_*.py"))}
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if known.get("csrc") != csrc:
        known = {"csrc": csrc, "files": {}, "programs": {}}
    if known.get("c") != in_c:
        known |= {"c": in_c, "programs": {}}
    missing = [f for f in files if known["files"].get(f, {}).get("digest") != files[f]]
    if not missing and known["programs"]:
        return read(known)
    build = Build("trace", "-O0", "-g", "-fsanitize-coverage=trace-pc").make()
    tracer = WORK / "trace/trace_pc.o"
    Build("trace", "-O2").compile(TESTS / "c/trace_pc.c", tracer)
    site = Site("trace", build)
    site.link(None, "", tracer)
    lines = lines_of(site.path / f"vnic/_core{SUFFIX}")
    known["files"] = {f: known["files"][f] for f in files if f in known["files"] and f not in missing}
    known["lines"] = sorted({line for found in lines.values() for line in found})
    number = {tuple(line): i for i, line in enumerate(known["lines"])}

    def numbers(offsets, table):
        return sorted({number[line] for o in offsets for line in table.get(o, ()) if line in number})

    if not known["programs"]:
        for source in sorted(TESTS.glob("c/stress_*.c")):
            program = WORK / f"trace/{source.stem}"
            build.link_program(source, program, {}, tracer)
            with tempfile.TemporaryDirectory() as trace:
                done = subprocess.run(
                    [program],
                    env={**environment(), "VNIC_TRACE_DIR": trace},
                    timeout=300,
                    capture_output=True,
                    check=False,
                )
                data = b"".join(p.read_bytes() for p in Path(trace).iterdir())
            if done.returncode == 0:
                known["programs"][source.stem] = numbers([i for i, b in enumerate(data) if b], lines_of(program))
    size = len(missing)
    print(f"recording which lines {size} test files reach", flush=True)
    free = [Warm() for _ in range(jobs)]

    def one(file):
        warm = free.pop()
        with tempfile.TemporaryDirectory() as trace:
            answer = warm.run(site=str(site.path), files=[file], trace=trace, patience=300)
        free.append(warm)
        nodes = {node: [seconds, numbers(offsets, lines)] for node, (seconds, offsets) in answer["nodes"].items()}
        known["files"][file] = {"digest": files[file], "nodes": nodes}
        if answer["failed"]:
            print(f"  {answer['failed']} fails without a mutant, and is not used", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, missing))
    for warm in free:
        warm.close()
    RECORD.write_text(json.dumps(known))
    return read(known)


def read(known) -> Reached:
    out = Reached()
    lines = [tuple(line) for line in known["lines"]]
    for file, line in lines:
        out.rows.setdefault(file, []).append(line)
    for file in sorted(known["files"]):
        for node, (seconds, numbers) in known["files"][file]["nodes"].items():
            out.seconds[node], out.lines[node] = seconds, len(numbers)
            for i in numbers:
                out.tests.setdefault(lines[i], []).append(node)
    for program, numbers in known["programs"].items():
        for i in numbers:
            out.programs.setdefault(lines[i], []).append(program)
    return out
