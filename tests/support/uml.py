"""User Mode Linux as a guest: a kernel that is a process. It boots in two seconds, without root."""

from pathlib import Path

import guest
import needs
from guest import number

__all__ = ["Guest", "number"]

MODULES = ("failover", "net_failover", "virtio_net")


class Guest(guest.Guest):
    """A guest that runs these commands, with a network card on this socket."""

    def __init__(self, folder: Path, socket: Path, commands: str) -> None:
        needs.require("linux.uml", "busybox")
        super().__init__(folder, socket)
        found = {p.stem: p for p in Path("/usr/lib/uml/modules").glob("*/kernel/**/*.ko")}
        (folder / "initramfs").write_bytes(guest.initramfs(commands, {m: found[m] for m in MODULES}))

    def command(self) -> list[str]:
        """The kernel."""
        return [
            "linux.uml", "mem=128M", f"initrd={self.folder / 'initramfs'}", f"virtio_uml.device={self.socket}:1",
            f"uml_dir={self.folder}/", "con0=fd:0,fd:1", "con=null", "quiet", "panic=-1",
        ]  # fmt: skip
