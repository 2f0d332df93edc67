"""One CPU of a QEMU guest stands still while the others go on: by QEMU's gdb server, in six packets of its protocol.

What another CPU sends to it (an IPI) waits until it goes on. Nothing else in the guest must need that CPU meanwhile,
so a guest keeps its tasks and interrupts on CPU 0.
"""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from vhost_checks import until

PATIENCE_S = 30.0


def options(path: Path) -> tuple[str, ...]:
    """QEMU's, for a server that listens here."""
    return ("-chardev", f"socket,path={path},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb")


class Debugger:
    """Its connection. QEMU stops all CPUs when it is made, and its cards with them; so they go on at once."""

    def __init__(self, path: Path, cpus: int, card) -> None:
        self.cpus, self.card = cpus, card
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))
        self.pending = b""
        self._send("qSupported:multiprocess+")
        self._hears("PacketSize")
        self._go(range(cpus))

    def close(self) -> None:
        """All CPUs go on."""
        self.socket.close()

    @contextlib.contextmanager
    def stopped(self, cpu: int) -> Iterator[None]:
        """This CPU stands still."""
        self._stop()
        self._go([c for c in range(self.cpus) if c != cpu])
        yield
        self._stop()
        self._go(range(self.cpus))

    def _stop(self) -> None:
        self.socket.sendall(b"\x03")
        self._hears("T")
        until(lambda: not self.card.rings()[0]["started"], PATIENCE_S)

    def _go(self, cpus: range | list[int]) -> None:
        """These CPUs go on. QEMU stops the card's rings with its CPUs, and starts them anew."""
        self._send("vCont" + "".join(f";c:p1.{cpu + 1}" for cpu in cpus))
        until(lambda: self.card.rings()[0]["started"], PATIENCE_S)

    def _send(self, text: str) -> None:
        self.socket.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) % 256))

    def _hears(self, word: str) -> None:
        """Read answers until one begins so: that the CPUs stand still may also be said unasked."""
        while not self._answer().startswith(word):
            pass

    def _answer(self) -> str:
        while b"#" not in self.pending[:-2]:
            got = self.socket.recv(4096)
            assert got, "the guest's debugger has hung up"
            self.pending += got
        text, self.pending = self.pending.split(b"#", 1)
        self.pending = self.pending[2:]
        self.socket.sendall(b"+")
        return text[text.index(b"$") + 1 :].decode()
