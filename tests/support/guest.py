"""A Linux of its own as a guest: a stock kernel, with busybox and the commands of a test as its init.

uml.py runs it as a process (User Mode Linux), qemu.py on an emulated PC. A guest has helpers that hold its console's
pipe, so it writes to a file; it runs in a session of its own, which is killed at the end.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

import needs

PATIENCE_S = 60.0
PRELUDE = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
load() { for m in $(cat /lib/order); do [ -d /sys/module/$m ] || insmod /lib/$m.ko; done; }
up() { for i in 1 2 3 4 5 6 7 8 9 10; do [ -e /sys/class/net/eth0 ] && break; sleep 0.1; done
  ip link set eth0 up && ip addr add 10.9.0.2/24 dev eth0; }
count() { cat /sys/class/net/eth0/statistics/$1; }
"""
"""What init begins with: ``load`` the card's driver, bring eth0 ``up``, and ``count rx_packets`` and its like."""

Files = dict[str, tuple[int, bytes]]
"""Name -> mode and content."""


def archive(files: Files) -> bytes:
    """A cpio archive (newc) for the kernel."""
    out = []
    for i, (name, (mode, data)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
        fields = (i, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        for piece in (head, data):
            out += [piece, bytes(-len(piece) % 4)]
    return b"".join(out)


def program(path: Path | str) -> Files:
    """A program of this machine's for the guest, in /bin, with the libraries that it is linked with."""
    path = Path(path)
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False, env=needs.others_env()).stdout
    files = {f"bin/{path.name}": (0o100755, path.read_bytes())}
    for library in re.findall(r"(/\S+) \(0x", listed):
        place = Path(library.lstrip("/"))
        files |= {str(folder): (0o040755, b"") for folder in reversed(place.parents) if str(folder) != "."}
        files[str(place)] = (0o100755, Path(library).read_bytes())
    return files


def initramfs(commands: str, modules: dict[str, Path], more: Files | None = None) -> bytes:
    """What the guest boots: these commands after the prelude, then the end. ``modules``: in the order to load them."""
    busybox = Path(shutil.which("busybox") or "")
    files = dict.fromkeys(("bin", "lib", "proc", "sys", "dev", "tmp"), (0o040755, b""))
    files["bin/busybox"] = (0o100755, busybox.read_bytes())
    files |= {f"lib/{name}.ko": (0o100644, file.read_bytes()) for name, file in modules.items()}
    files["lib/order"] = (0o100644, " ".join(modules).encode())
    files["dev/console"] = (0o020600, b"")
    files["init"] = (0o100755, (PRELUDE + commands + "\necho guest: the end\npoweroff -f\n").encode())
    return archive(files | (more or {}))


class Guest:
    """A guest of one kind, with a network card on a vhost-user socket. A context manager.

    ``command()`` is the process that is it. With ``ask()`` a test gives it a command on its console; its init is to end
    in a shell then (``commands="exec sh"``).
    """

    def __init__(self, folder: Path, socket: Path) -> None:
        self.socket, self.folder = socket, folder
        self.console = folder / "console"
        self.process: subprocess.Popen | None = None
        self.read_from = self.asked = 0

    def command(self) -> list[str]:
        """The process to run."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.boot()
        return self

    def boot(self) -> None:
        """Start it; of an earlier run nothing is left."""
        self.read_from = self.console.stat().st_size if self.console.exists() else 0
        with self.console.open("ab") as out:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=needs.others_env(),
            )

    def says(self, text: str, seconds: float = PATIENCE_S) -> str:
        """Wait until this run of the guest has said it. Return: all that it said. AssertionError: it did not."""
        end = time.monotonic() + seconds
        while text not in (said := self.said()):
            assert time.monotonic() < end, f"the guest does not say {text!r}:\n{said}"
            assert self.process.poll() is None or text in self.said(), f"the guest has ended without {text!r}:\n{said}"
            time.sleep(0.005)
        return said

    def said(self) -> str:
        """What this run of the guest has said so far."""
        with self.console.open("rb") as console:
            console.seek(self.read_from)
            return console.read().decode(errors="replace")

    def ask(self, line: str, seconds: float = PATIENCE_S) -> str:
        """Give its shell a line. Return: what was said until it was done."""
        assert "\n" not in line
        assert len(line) < 4000, "a console's line has 4095 characters at most"
        self.asked += 1
        self.read_from = self.console.stat().st_size
        self.process.stdin.write(f"{line}\necho guest: do''ne {self.asked}\n".encode())
        self.process.stdin.flush()
        said = self.says(f"guest: done {self.asked}\r\n", seconds)
        return said.split(f"guest: done {self.asked}\r\n")[0].replace("\r", "")

    def kill(self) -> None:
        """Kill -9: the kernel, its processes and its helpers."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process = None

    def __exit__(self, *_: object) -> None:
        self.kill()


def number(said: str, name: str) -> int:
    """The number behind ``name=`` in what a guest said."""
    return int(said.split(f"{name}=", 1)[1].split(maxsplit=1)[0])
