"""scripts/mutate --random: small mistakes in random places of the C, and whether a test notices.

A mutant meets the tests that reach its line (reached.py): first those of its stage, then others, the most to the
point first (they reach the fewest lines), until SECONDS of them have passed; then the C stress programs that reach it,
with ThreadSanitizer: those with threads only if its function is about threads by its words, or no test reaches it. A
line that all tests reach is often seen by few, so what survives meets WIDE_S more of the tests, the files taking
turns. The first that fails, hangs or crashes kills it, if it passes again without the mutant.

A mutant that gcc -O2 makes the same code of is none and counts as little as one that does not compile. Those that
change nothing but speed, or nothing that can be seen, are in tests/support/equivalent_mutants.py, each with its reason.
"""

import fnmatch
import itertools
import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from c_sources import PATHS, texts
from equivalent_mutants import reason_of, stale
from mutant_build import ROOT, Build, BuildError, Site
from mutations import Mutation, functions, mutations, sample, tokens
from reached import Reached, Warm, record

SECONDS, FILES = 15.0, 15
WIDE_S = 60.0
PROGRAM_S = 60
THREAD_SANITIZER = "thread-sanitizer"
CONCERNS_THREADS = re.compile(
    r"lock|atomic|smp_|_ONCE|live|wake|stop|pause|park|idle|lend|walk|event_|spin|busy|stress"
)


@dataclass
class Verdict:
    """of: killed, SURVIVED, equivalent, or none: not a mutant."""

    of: str
    why: str = ""


def body_around(text: str, at: int) -> str:
    """The function's body that a place of a file is in."""
    toks = tokens(text)
    return next(
        (text[toks[a].start : toks[b].end] for _, a, b in functions(toks) if toks[a].start <= at <= toks[b].end), ""
    )


class Bench:
    """One of those that work at the same time: sites, and a warm pytest."""

    def __init__(self, number: int, builds: dict[str, Build], reached: Reached) -> None:
        self.site, self.clean = Site(f"random-{number}", builds["plain"]), Site(f"clean-{number}", builds["plain"])
        self.builds, self.reached, self.warm = builds, reached, Warm()
        self.clean.link()
        self.sound: dict[str, bool] = {}

    def judge(self, m: Mutation) -> Verdict:
        if reason := reason_of(m):
            return Verdict("equivalent", reason)
        text = m.apply(PATHS[m.file].read_text())
        plain = self.builds["plain"]
        try:
            changed = self.site.changed(m.file, text, plain)
        except BuildError:
            return Verdict("none", "it does not compile")
        if changed[m.file].read_bytes() == plain.objects[m.file].read_bytes():
            return Verdict("none", "gcc makes the same of it")
        self.site.link_objects(changed)
        line = self.reached.line(m.file, m.line)
        nodes, programs = self.reached.tests.get(line, []), self.reached.programs.get(line, [])
        if not nodes and not programs:
            return Verdict("SURVIVED", "nothing reaches it")
        chosen = self.order(m.file, nodes)
        for part in chosen:
            if killer := self.run_tests(part):
                return Verdict("killed", killer)
        if "stress_enomem" in programs and (killer := self.run_program("stress_enomem", m.file, text, plain)):
            return Verdict("killed", killer)
        if nodes and not CONCERNS_THREADS.search(f"{m.file} {m.function} {body_around(text, m.start)}"):
            programs = [p for p in programs if p == "stress_enomem"]
        for program in programs:
            if killer := self.run_program(program, m.file, text, self.builds[THREAD_SANITIZER]):
                return Verdict("killed", killer)
        met = set().union(*chosen)
        wide = self.in_turns([n for n in nodes if n not in met])
        if wide and (killer := self.run_tests(wide, patience=WIDE_S)):
            return Verdict("killed", f"wide: {killer}")
        met.update(wide)
        return Verdict("SURVIVED", f"{len(met)} of {len(nodes)} tests, {len(programs)} programs reach it")

    def order(self, file: str, nodes: list[str]) -> list[list[str]]:
        """The stage's own, quickest first, then others: those that reach little besides before those that reach all."""
        seconds, lines, own = self.reached.seconds, self.reached.lines, f"/test_{file.removesuffix('.c')}"
        mine = sorted((n for n in nodes if own in n), key=seconds.__getitem__)
        others = sorted((n for n in nodes if own not in n), key=lambda n: (lines[n], seconds[n]))
        out, files, spent = [[], []], set(), 0.0
        for i, some in enumerate((mine, others)):
            for node in some:
                name = node.split("::")[0]
                if (spent + seconds[node] <= SECONDS or not spent) and (name in files or len(files) <= FILES):
                    files.add(name)
                    spent += seconds[node]
                    out[i].append(node)
        return [part for part in out if part]

    def in_turns(self, nodes: list[str]) -> list[str]:
        """WIDE_S of them: one of each file, those that reach the fewest lines before others, then another of each."""
        seconds, lines = self.reached.seconds, self.reached.lines
        files: dict[str, list[str]] = {}
        for node in sorted(nodes, key=lambda n: (lines[n], seconds[n])):
            files.setdefault(node.split("::")[0], []).append(node)
        turns = [node for turn in itertools.zip_longest(*files.values()) for node in turn if node]
        spent = itertools.accumulate(seconds[n] for n in turns)
        return [node for node, s in zip(turns, spent, strict=True) if s <= WIDE_S]

    def run_tests(self, nodes: list[str], patience: float = 0.0) -> str | None:
        """Return: who noticed. patience: s more for what starts slowly, because it is of many files."""
        left = list(nodes)
        while left:
            said = self.pytest(self.site, left, patience)
            if said["code"] == 0 or said["code"] == 5 or not said["failed"]:
                return None
            killer = said["failed"]
            node = killer.split(" (")[0]
            if node not in self.reached.seconds:  # before the first test
                return killer
            if self.is_sound(node):
                return killer
            left = left[left.index(node) + 1 :]
        return None

    def is_sound(self, node: str) -> bool:
        """Does it pass without a mutant? One that takes long may depend on the load: it is asked each time."""
        if node not in self.sound or self.reached.seconds[node] > 0.3:
            self.sound[node] = self.pytest(self.clean, [node])["code"] == 0
        return self.sound[node]

    def pytest(self, site: Site, nodes: list[str], patience: float = 0.0):
        files = list(dict.fromkeys(n.split("::")[0] for n in nodes))
        seconds = {n: self.reached.seconds[n] for n in nodes}
        return self.warm.run(site=str(site.path), files=files, nodes=nodes, seconds=seconds, patience=patience)

    def run_program(self, name: str, file: str, text: str, build: Build) -> str | None:
        """One of tests/c. Return: its name if it fails or hangs."""
        program = self.site.path / name
        build.link_program(ROOT / f"tests/c/{name}.c", program, self.site.changed(file, text, build))
        try:
            done = subprocess.run([program], capture_output=True, timeout=PROGRAM_S, check=False)
        except subprocess.TimeoutExpired:
            return f"tests/c/{name} (hung)"
        if not done.returncode:
            return None
        return f"tests/c/{name}{' with ThreadSanitizer' if build.path.name == THREAD_SANITIZER else ''}"


def run(n: int, seed: int, pattern: str, words: list[str], jobs: int, at_most: float, *, only_list: bool) -> int:
    """The first n of a seed's order, one line each. Return: the exit code."""
    sources = {name: text for name, text in texts().items() if fnmatch.fnmatch(name, pattern)}
    order = [m for m in sample(sources, seed) if all(w in str(m) for w in words)]
    if only_list:
        for m in order[:n]:
            print(f"{m.operator:10}  {m}")
        return 0
    for entry in stale(mutations(sources)) if pattern == "*" else ():
        print(f"tests/support/equivalent_mutants.py: fits nowhere any more: {entry}")
    start = time.monotonic()
    reached = record(jobs)
    plain = Build("plain", "-O2").make()
    threads = Build(THREAD_SANITIZER, "-O1", "-fsanitize=thread").make(glue=False)
    builds = {"plain": plain, THREAD_SANITIZER: threads}
    free = [Bench(i, builds, reached) for i in range(jobs)]
    said: list[tuple[Mutation, Verdict]] = []
    lock, places = threading.Lock(), iter(order)

    def work(bench: Bench) -> None:
        while True:
            with lock:
                m = next(places, None) if len(said) + running[0] < n else None
                if m is None:
                    return
                running[0] += 1
            began, verdict = time.monotonic(), bench.judge(m)
            with lock:
                running[0] -= 1
                if verdict.of != "none":
                    said.append((m, verdict))
                    print(
                        f"{verdict.of:10} {m}\n           {verdict.why}, {time.monotonic() - began:.1f} s", flush=True
                    )

    running = [0]
    with ThreadPoolExecutor(jobs) as pool:
        for job in [pool.submit(work, bench) for bench in free]:
            job.result()
    for bench in free:
        bench.warm.close()
    survived = [m for m, verdict in said if verdict.of == "SURVIVED"]
    equivalent = sum(verdict.of == "equivalent" for _, verdict in said)
    real = len(said) - equivalent
    percent = 100 * len(survived) / max(1, real)
    print(
        f"\n{len(said)} mutants: {real - len(survived)} killed, {equivalent} equivalent, {len(survived)} survived, "
        f"{percent:.1f} % of {real}, {time.monotonic() - start:.0f} s"
    )
    for m in survived:
        print(f"survived: {m}")
    return percent > at_most
