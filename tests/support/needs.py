"""What the tests and scripts need beyond Python and a C compiler. scripts/test and .ci/run install from this table.

A test says it with ``@pytest.mark.needs("tshark", "libpcap")``, or with ``needs.require("ping")`` in its body, and is
skipped with the name of the package where that is missing; under VNIC_REQUIRE_TOOLS=1 it fails.

Usage: python tests/support/needs.py install|list|paths GROUP...      GROUP: tests, fuzz, instructions; none: tests
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = {
    "tests": {
        "ab": "apache2-utils",
        "arping": "iputils-arping",
        "busybox": "busybox-static",
        "chromium": "chromium",
        "curl": "curl",
        "dig": "dnsutils",
        "dnsmasq": "dnsmasq-base",
        "dpdk-testpmd": "dpdk-dev",
        "ethtool": "ethtool",
        "fish": "fish",
        "git": "git",
        "groff": "groff-base",
        "hping3": "hping3",
        "ifconfig": "net-tools",
        "ip": "iproute2",
        "linux.uml": "user-mode-linux",
        "nc": "netcat-openbsd",
        "ndisc6": "ndisc6",
        "iperf3": "iperf3",
        "netstat": "net-tools",
        "nmap": "nmap",
        "nstat": "iproute2",
        "openssl": "openssl",
        "perf": "linux-perf",
        "ping": "iputils-ping",
        "prometheus-node-exporter": "prometheus-node-exporter",
        "qemu-system-x86_64": "qemu-system-x86",
        "rdisc6": "ndisc6",
        "redis-benchmark": "redis-tools",
        "redis-cli": "redis-tools",
        "sysctl": "procps",
        "taskset": "util-linux",
        "tracepath": "iputils-tracepath",
        "traceroute": "traceroute",
        "tshark": "tshark",
        "zsh": "zsh",
    },
    "fuzz": {"clang-14": "clang-14 libclang-rt-14-dev"},
    "instructions": {"valgrind": "valgrind libc6-dbg"},
}
"""Group -> program -> the Debian packages that bring it."""

LIBRARIES = {"tests": {"libpcap": "libpcap0.8"}}

_APT = {"DEBIAN_FRONTEND": "noninteractive"}
_NO_SERVICES = "#!/bin/sh\nexit 101\n"
"""A policy-rc.d that starts nothing: an exporter that is installed to be tested is not to serve this machine."""


def _packages(name: str) -> str:
    known = {k: v for table in (PROGRAMS, LIBRARIES) for group in table.values() for k, v in group.items()}
    return known[name]


def has(name: str) -> bool:
    """Is this program or library of the table here? KeyError: it is not in the table."""
    _packages(name)
    if name.startswith("lib"):
        file = ctypes.util.find_library(name.removeprefix("lib"))
        try:
            return file is not None and ctypes.CDLL(file) is not None
        except OSError:
            return False
    return shutil.which(name) is not None or (name == "clang-14" and shutil.which("clang") is not None)


def missing(*names: str) -> str | None:
    """What of it is not here, as the reason of a skip; None: all is."""
    lacks = [n for n in names if not has(n)]
    if not lacks:
        return None
    packages = " ".join(dict.fromkeys(_packages(n) for n in lacks))
    return f"{' and '.join(lacks)} not installed (Debian: apt install {packages})"


@functools.cache
def why_no_uml() -> str | None:
    """Why no guest of User Mode Linux boots here: 6.1 sets FP registers by ptrace, and AMX has more than it knows."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("mem=64M", "rootfstype=hostfs", "ro", "init=/bin/true", "con=null", "con0=null,fd:1", "panic=-1")
        command = ["linux.uml", *words, f"uml_dir={folder}/"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, env=others_env(), check=False
            )
            if b"set fp regs failed" in done.stdout + done.stderr:
                return "User Mode Linux does not run on this CPU: it cannot set the FP registers"
    return None


def require(*names: str) -> None:
    """Skip the test that calls this if one of them is missing; under VNIC_REQUIRE_TOOLS=1 let it fail.

    A program that is here and cannot run on this CPU is a reason to skip in any case.
    """
    import pytest

    if why := missing(*names):
        (pytest.fail if os.environ.get("VNIC_REQUIRE_TOOLS") else pytest.skip)(why)
    if "linux.uml" in names and (why := why_no_uml()):
        pytest.skip(why)


def others_env() -> dict[str, str]:
    """The environment for a program that is not ours: a sanitizer that is preloaded into ours would judge it too."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def run(*command: str, **options: object) -> subprocess.CompletedProcess:
    """Run a program of the table, which has to succeed; skip the test that calls this if it is missing."""
    require(command[0])
    check = options.pop("check", True)
    return subprocess.run(command, check=check, **({"timeout": 30, "env": others_env()} | options))


def _names(groups: list[str]) -> list[str]:
    return [n for table in (PROGRAMS, LIBRARIES) for g in groups for n in table.get(g, {})]


def _apt_get(*argv: str) -> bool:
    command = ["apt-get", "-qq", *argv]
    done = subprocess.run(command, env=os.environ | _APT, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        print(f"{' '.join(command)}: {done.stderr.strip()[-400:]}", file=sys.stderr)
    return done.returncode == 0


def install(groups: list[str]) -> None:
    """Install what is missing, as root where there is apt. Say which tests will be skipped where that cannot be."""
    lacks = [n for n in _names(groups) if not has(n)]
    if not lacks:
        return
    packages = " ".join(dict.fromkeys(_packages(n) for n in lacks)).split()
    hint = f"apt install {' '.join(packages)}"
    if os.geteuid() or not shutil.which("apt-get"):
        print(f"not installed, its tests are skipped: {' '.join(lacks)} (Debian: {hint})", file=sys.stderr)
        return
    print(f"installing for the tests: {' '.join(packages)} (--no-install: do without)", file=sys.stderr)
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    try:
        if ours:
            policy.write_text(_NO_SERVICES)
            policy.chmod(0o755)
        _apt_get("update")
        if not _apt_get("install", "-y", "--no-install-recommends", *packages):
            for package in packages:  # a release that lacks one of them has the others
                _apt_get("install", "-y", "--no-install-recommends", package)
    finally:
        if ours:
            policy.unlink(missing_ok=True)
    if still := [n for n in lacks if not has(n)]:
        print(f"not installed, its tests are skipped: {' '.join(still)}", file=sys.stderr)


def paths(groups: list[str]) -> list[str]:
    """Where all that is here lies: programs, and the files of libraries."""
    found = [w for n in _names(groups) if (w := shutil.which(n))]
    for name in _names(groups):
        if name.startswith("lib"):
            for directory in ("/lib", "/usr/lib", "/usr/local/lib"):
                found += map(str, Path(directory).glob(f"{name}.so*"))
                found += map(str, Path(directory).glob(f"*-linux-*/{name}.so*"))
    return sorted({str(Path(f).resolve()) for f in found})


def why_no_root() -> str | None:
    """Why tests marked root cannot run here."""
    if os.geteuid() != 0:
        return "not root"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun"
    return None


def main() -> None:
    """See the module's text."""
    what, *groups = sys.argv[1:] or ["list"]
    groups = groups or ["tests"]
    if what not in ("install", "list", "paths") or any(g not in PROGRAMS for g in groups):
        sys.exit((__doc__ or "").rsplit("\n\n", 1)[-1])
    if what == "install":
        install(groups)
    elif what == "paths":
        print("\n".join(paths(groups)))
    else:
        for name in _names(groups):
            print(f"{name:25} {'here' if has(name) else 'missing':8} {_packages(name)}")


if __name__ == "__main__":
    main()
