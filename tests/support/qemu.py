"""QEMU as a guest: an emulated PC (TCG: no KVM, no root) that boots Debian's kernel in three seconds."""

from pathlib import Path

import guest
import guest_kernel
import needs
from guest import number

__all__ = ["Guest", "number"]

MODULES = (
    "virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "failover", "net_failover",
    "virtio_net",
)  # fmt: skip
"""Those that a card needs, in the order to load them."""
MEMORY_MB = 256


class Guest(guest.Guest):
    """A guest that runs these commands, with a network card on this socket.

    Args:
        cpus: of the guest. A driver takes a pair of rings for each, at most.
        pairs: of rings that QEMU gives the card.
        device: more properties of the device, as ``hash=on``.
        chardev: more of the socket, as ``reconnect=1``.
        kernel: more of the kernel's command line.
        more: files of the guest besides.
        options: more of QEMU's.
    """

    def __init__(
        self,
        folder: Path,
        socket: Path,
        commands: str,
        *,
        cpus: int = 1,
        pairs: int = 1,
        device: str = "",
        chardev: str = "",
        kernel: str = "",
        more: guest.Files | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        needs.require("qemu-system-x86_64", "busybox")
        super().__init__(folder, socket)
        self.kernel = guest_kernel.kernel()
        self.cpus, self.pairs, self.device, self.chardev, self.line = cpus, pairs, device, chardev, kernel
        self.options = options
        modules = {name: self.kernel.modules[name] for name in MODULES}
        (folder / "initramfs").write_bytes(guest.initramfs("stty -echo\n" + commands, modules, more))

    def command(self) -> list[str]:
        """QEMU. vectors=0: QEMU 7.2 crashes with vhost-user and MSI-X without KVM, so all rings share one interrupt."""
        chardev = ",".join(filter(None, (f"socket,id=vu,path={self.socket}", self.chardev)))
        device = ",".join(
            filter(None, ("virtio-net-pci,netdev=net,romfile=,mac=02:00:00:00:00:02,mq=on,vectors=0", self.device))
        )
        return [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-nographic", "-machine",
            "q35,accel=tcg,memory-backend=mem", "-cpu", "max", "-smp", str(self.cpus), "-m", str(MEMORY_MB), "-object",
            f"memory-backend-memfd,id=mem,size={MEMORY_MB}M,share=on", "-chardev", chardev, "-netdev",
            f"vhost-user,id=net,chardev=vu,queues={self.pairs}", "-device", device, "-serial", "stdio", "-kernel",
            str(self.kernel.vmlinuz), "-initrd", str(self.folder / "initramfs"), "-append",
            f"console=ttyS0 quiet panic=-1 no_timer_check tsc=reliable mitigations=off {self.line}", *self.options,
        ]  # fmt: skip
