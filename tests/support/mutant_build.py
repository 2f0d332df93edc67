"""The data plane compiled file by file, so that a changed one is a compile and a link: scripts/mutate's builds.

A build has its flags and its objects below build/mutants; linked with cffi's part it is an extension in a site of its
own (tests/other_build makes Python import it), with a program of tests/c it is a program.
"""

import os
import platform
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from c_sources import CSRC, HEADERS, PATHS, ROOT

WORK = ROOT / "build/mutants"
PYTHON = ROOT / ".venv/bin/python"
FLAGS = ["-std=gnu11", "-fPIC", "-fvisibility=hidden", f"-I{CSRC}", "-w"]
FLAGS += ["-march=x86-64-v2"] if platform.machine() == "x86_64" else []
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
CC = os.environ.get("CC", "cc")
ENOMEM = [f"-Wl,--wrap={name}" for name in ("malloc", "calloc", "realloc", "aligned_alloc", "free", "mmap", "munmap")]


class BuildError(Exception):
    """A step of a build failed: what it said."""


def run(*command: object) -> None:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(map(str, command))}\n{done.stderr}")


class Build:
    """csrc/ as it is, compiled one way; made once, in a directory of its own."""

    def __init__(self, name: str, *flags: str) -> None:
        self.path, self.flags, self.objects = WORK / name, flags, {}

    def make(self, *, glue: bool = True) -> "Build":
        """Compile what is there: csrc/, and cffi's part if it is for Python."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        sources = PATHS | {path.name: path for path in CSRC.glob("*/*.S")}
        self.objects = {name: self.path / f"{path.stem}.o" for name, path in sources.items()}
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = [pool.submit(self.compile, path, self.objects[name]) for name, path in sources.items()]
            if glue:
                jobs.append(pool.submit(self.compile_glue))
            for job in jobs:
                job.result()
        return self

    def compile(self, source: Path, to: Path, *flags: str) -> None:
        run(CC, *FLAGS, *self.flags, *flags, "-c", source, "-o", to)

    def compile_glue(self) -> None:
        core, cdef = self.path / "_core.c", self.path / "cdef.h"
        cdef.write_text("".join(path.read_text() for path in HEADERS))
        run(PYTHON, "-m", "cffi.gen_src", "read-sources", "vnic._core", cdef, CSRC / "cffi_prelude.h", core)
        run(CC, *FLAGS, "-O1", f"-I{sysconfig.get_paths()['include']}", "-c", core, "-o", self.path / "_core.o")

    def link(self, to: Path, changed: dict[str, Path], *more: object) -> None:
        """more: other objects, sources and options."""
        run(CC, *self.flags, "-pthread", *(self.objects | changed).values(), *more, "-o", to)

    def link_program(self, source: Path, to: Path, changed: dict[str, Path], *more: object) -> None:
        """A program of tests/c."""
        wraps = ENOMEM if source.stem == "stress_enomem" else ()
        self.link(to, changed, *FLAGS, *wraps, source, *more)


class Site:
    """A place for an extension under test: vnic's Python, and the extension linked for the mutant at hand."""

    def __init__(self, name: str, build: Build) -> None:
        self.path, self.build = WORK / f"site-{name}", build
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(ROOT / "vnic", self.path / "vnic", ignore=shutil.ignore_patterns("*.so", "__pycache__"))

    def changed(self, file: str, text: str, build: Build) -> dict[str, Path]:
        """A changed file of csrc/, compiled the way of a build."""
        source, to = self.path / PATHS[file].relative_to(ROOT), self.path / f"{build.path.name}.o"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text)
        build.compile(source, to, f"-ffile-prefix-map={self.path}={ROOT}")
        return {file: to}

    def link(self, file: str | None = None, text: str = "", *more: object) -> None:
        """Make the extension; with a file's text changed, if one is given."""
        self.link_objects(self.changed(file, text, self.build) if file else {}, *more)

    def link_objects(self, changed: dict[str, Path], *more: object) -> None:
        self.build.link(self.path / f"vnic/_core{SUFFIX}", changed, self.build.path / "_core.o", "-shared", *more)
