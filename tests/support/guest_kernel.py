"""Debian's kernel for clouds, for a guest: fetched once by apt and unpacked below build/, never installed."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import needs
from paths import ROOT

PACKAGE = "linux-image-cloud-amd64"
PLACE = ROOT / "build/guest-kernel"


@dataclass(frozen=True)
class Kernel:
    """A kernel that QEMU boots, and its modules."""

    vmlinuz: Path
    modules: dict[str, Path]
    """Name -> file."""


class _NotHereError(Exception):
    """Why there is none, as the reason of a skip."""


def kernel() -> Kernel:
    """The kernel. Where it cannot be had the test that calls this is skipped, or fails under VNIC_REQUIRE_TOOLS=1."""
    import pytest

    try:
        return _had()
    except (_NotHereError, OSError, subprocess.TimeoutExpired) as e:
        why = f"no kernel for a guest: {e}"
    return (pytest.fail if os.environ.get("VNIC_REQUIRE_TOOLS") else pytest.skip)(why)


def _had() -> Kernel:
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of the workers of pytest-xdist one fetches, and the others wait
        return _unpacked() or _fetched()


def _unpacked() -> Kernel | None:
    for vmlinuz in sorted(PLACE.glob("tree/boot/vmlinuz-*")):
        release = vmlinuz.name.removeprefix("vmlinuz-")
        found = (PLACE / f"tree/lib/modules/{release}").glob("kernel/**/*.ko")
        return Kernel(vmlinuz, {file.stem.replace("-", "_"): file for file in found})
    return None


def _fetched() -> Kernel:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise _NotHereError(f"it is Debian's package {PACKAGE}, and there is no apt here")
    depends = _run("apt-cache", "depends", PACKAGE)
    found = re.search(r"Depends: (linux-image-\d\S+)", depends)
    if not found:
        raise _NotHereError(f"apt knows no package {PACKAGE} (apt-get update brings its lists)")
    with tempfile.TemporaryDirectory(dir=PLACE) as scratch:
        _run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", found[1], cwd=scratch)
        for package in Path(scratch).glob("*.deb"):
            _run("dpkg", "-x", str(package), f"{scratch}/tree")
        (Path(scratch) / "tree").rename(PLACE / "tree")
    unpacked = _unpacked()
    if unpacked is None:
        raise _NotHereError(f"the package {found[1]} has no kernel")
    return unpacked


def _run(*command: str, cwd: str | None = None) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False, env=needs.others_env()
    )
    if done.returncode:
        raise _NotHereError(f"{' '.join(command)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout
