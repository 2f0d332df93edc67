"""A network namespace of this process, TAPs in it, and the frames of the ladder. All is gone when the process ends.

The process must have one thread: it enters new namespaces, and without privileges a new user namespace.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vnic.errors import TapError
from vnic.knobs.parse import mask_text
from vnic.tap import tun
from vnic.tap.rtnetlink import Links, parse_address, set_ipv6

_NEWNS, _NEWNET, _NEWUSER = 0x20000, 0x40000000, 0x10000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_IFF_NAPI = 0x10
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
PORT = 5000
_NO_HANDLER = 0x88B5
"""An EtherType for local experiments, IEEE Std 802: no kernel has a handler."""


def end_with_parent() -> None:
    """Make the kernel kill this process when its parent dies, so that nothing outlives the command."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def enter() -> None:
    """Enter namespaces of our own. TapError: neither privileges nor a user namespace; the text says what helps."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        try:
            _unshare(libc, _NEWNS | _NEWNET)
        except PermissionError:
            _enter_user(libc)
    except OSError as e:
        raise TapError(f"measuring needs a network namespace of its own: {e.strerror}: run it as root") from None
    libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    libc.mount(b"sysfs", b"/sys", b"sysfs", 0, None)  # shows this namespace's devices; refused: no RPS, which is said


def _unshare(libc: Any, flags: int) -> None:
    if libc.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _enter_user(libc: Any) -> None:
    """Become root of a user namespace, which may make devices in its own network namespace."""
    uid, gid = os.geteuid(), os.getegid()
    _unshare(libc, _NEWNS | _NEWNET | _NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def raise_priority() -> str:
    """Run before other tasks, if the kernel permits it: our session is an autogroup of its own. Return: a fact."""
    try:
        Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -20)
        except OSError:
            return "usual priority"
        return "nice -20"
    return "autogroup nice -20"


@dataclass(frozen=True, slots=True)
class Device:
    """A TAP, and our descriptor of it."""

    name: str
    fd: int
    mac: str
    ip: str
    source: str

    def steer(self, mask: int) -> bool:
        """Set ``rps_cpus``. Return: whether the kernel has taken it."""
        file = Path(f"/sys/class/net/{self.name}/queues/rx-0/rps_cpus")
        try:
            file.write_text(mask_text(mask))
            return int(file.read_text().replace(",", ""), 16) == mask
        except (OSError, ValueError):
            return False

    def frame(self, length: int, **fields: Any) -> bytes:
        """Return a UDP frame to this device. ``fields``: of :func:`udp_frame`."""
        return udp_frame(self.mac, self.source, self.ip, length, **fields)

    def unhandled(self, length: int) -> bytes:
        """Return a frame of an EtherType that has no handler."""
        from scapy.layers.l2 import Ether
        from scapy.packet import Raw

        return bytes(Ether(dst=self.mac, src="02:00:00:00:00:99", type=_NO_HANDLER) / Raw(bytes(length - 14)))


def open_tap(number: int, *, napi: bool) -> Device:
    """Make a TAP with an address, up. ``napi``: it receives in a softirq of its own. TapError: the kernel refuses."""
    name, mac, network = f"cal{number}", f"02:00:00:00:01:{number:02x}", f"10.9.{number}"
    fd = tun.attach(name, tun.IFF_TAP | tun.IFF_NO_PI | (_IFF_NAPI if napi else 0), link=None)[0]
    set_ipv6(name, enabled=False)
    with Links() as links:
        link = links.find(name)
        if link is None:
            raise TapError(f"{name}: the kernel has just made it, and does not find it")
        links.set(name, link, address=mac)
        links.add_address(name, link, parse_address(f"{network}.1/24"))
        links.set(name, link, state="up")
    return Device(name, fd, mac, f"{network}.1", f"{network}.2")


def udp_frame(mac: str, source: str, target: str, length: int, *, checksum: str = "none") -> bytes:
    """Return a frame. ``checksum``: ``none`` (UDP over IPv4 may leave it out), ``good`` or ``bad``."""
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw

    def made(chksum: int | None) -> bytes:
        ip, udp = IP(src=source, dst=target, flags="DF", id=1), UDP(sport=4000, dport=PORT, chksum=chksum)
        return bytes(Ether(dst=mac, src="02:00:00:00:00:99") / ip / udp / Raw(bytes(length - 42)))

    if checksum == "none":
        return made(0)
    good = made(None)
    return good if checksum == "good" else made(Ether(good)[UDP].chksum ^ 0x5500 or 1)
