"""Open queues of a TAP device through /dev/net/tun, and turn the kernel's refusals into sentences."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pwd
import shlex
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vnic.errors import TapError

if TYPE_CHECKING:
    from vnic.tap.rtnetlink import Link

DEVICE = "/dev/net/tun"
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
QUEUES_MAX = 256
"""Most queues of one TAP in Linux."""
_TUNSETVNETHDRSZ, _TUNSETOFFLOAD = 0x400454D8, 0x400454D0
_TUN_F_CSUM, _TUN_F_TSO4, _TUN_F_TSO6, _TUN_F_TSO_ECN, _TUN_F_USO4, _TUN_F_USO6 = 1, 2, 4, 8, 0x20, 0x40
_VNET_HDR_LEN = 12
_TUNSETIFF, _TUNSETPERSIST, _TUNSETOWNER, _TUNSETGROUP = 0x400454CA, 0x400454CB, 0x400454CC, 0x400454CE


def me() -> str:
    """Return the name of the user that this process runs as, or the uid."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _setup(name: str, netns: str | None) -> str:
    """Return the start of the command, with this program's path, because sudo has its own PATH."""
    program = Path(sys.argv[0])
    vnic = shlex.quote(str(program.absolute())) if program.name == "vnic" else "vnic"
    return f"sudo {vnic} setup {shlex.quote(name)}" + (f" --netns {shlex.quote(netns)}" if netns else "")


def setup_command(name: str, netns: str | None = None) -> str:
    """Return the command that an administrator types once, for this user or the one who called sudo."""
    user = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    return f"{_setup(name, netns)} --user {shlex.quote(user or me())}"


def delete_command(name: str, netns: str | None = None) -> str:
    """Return the command that deletes the TAP, for properties that cannot be changed."""
    return f"{_setup(name, netns)} --delete"


def open_device() -> int:
    """Open a file descriptor that is not attached yet. TapError: the kernel refused."""
    try:
        return os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        raise TapError(f"{DEVICE}: {e.strerror}: {mend_device(e.errno)}") from e


def mend_device(why: int | None) -> str:
    """Return the remedy for this errno of open()."""
    return {
        errno.ENOENT: "run 'sudo modprobe tun' (in a container: start it with --device /dev/net/tun)",
        errno.ENODEV: "run 'sudo modprobe tun'",
        errno.ENXIO: "run 'sudo modprobe tun'",
        errno.EACCES: f"run 'sudo chmod 0666 {DEVICE}', or run vnic as root",
        errno.EPERM: "the container has no access: start it with --device /dev/net/tun",
    }.get(why or 0, "the kernel refused")


def attached_to(name: str) -> list[str]:
    """Return the processes attached to a TAP of this name, if /proc shows their files: ``python3 (process 7)``."""
    found = []
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda p: int(p.name)):
        with contextlib.suppress(OSError):  # the process belongs to another user, or has just ended
            if any(_holds(process, fd.name, name) for fd in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} (process {process.name})")
    return found


def _holds(process: Path, fd: str, name: str) -> bool:
    with contextlib.suppress(OSError):
        if str((process / "fd" / fd).readlink()) == DEVICE:
            return f"iff:\t{name}" in (process / "fdinfo" / fd).read_text().splitlines()
    return False


def _who(name: str) -> str:
    others = attached_to(name)
    return f": {', '.join(others)}" if others else ""


def _refusal(name: str, link: Link | None, why: int | None) -> str:
    """Return the sentence for an errno of TUNSETIFF."""
    if why == errno.EPERM and link is None:
        return f"it does not exist, and creating it needs CAP_NET_ADMIN: once, run '{setup_command(name)}'"
    sentences = {
        errno.EPERM: f"not permitted: it belongs to another user: once, run '{setup_command(name)}'",
        errno.EBUSY: f"another process is attached to it{_who(name) if why == errno.EBUSY else ''}",
        errno.EINVAL: "its multi_queue flag differs, or it is not a TAP",
        errno.E2BIG: f"no room for another queue: the kernel allows {QUEUES_MAX} per TAP",
        errno.ENODEV: "it is gone, or the kernel has no TAPs: run 'sudo modprobe tun'",
        errno.EBADFD: "it was deleted meanwhile",
    }
    return sentences.get(why or 0, os.strerror(why or 0))


def attach(name: str, flags: int, *, link: Link | None, queues: int = 1) -> list[int]:
    """Attach to queues of a TAP; create it if ``link`` is None. Return a file descriptor for each queue.

    Raises:
        TapError: the kernel refused.
    """
    fds: list[int] = []
    try:
        for _ in range(queues):
            fds.append(open_device())
            fcntl.ioctl(fds[-1], _TUNSETIFF, struct.pack("16sH22x", os.fsencode(name), flags))
        if flags & IFF_VNET_HDR:
            _offload(fds[0], name)
    except OSError as e:
        close_all(fds)
        if isinstance(e, TapError):
            raise
        raise TapError(f"attach to {name}: {_refusal(name, link, e.errno)}") from e
    return fds


def _offload(fd: int, name: str) -> None:
    """Set virtio headers of 12 bytes, and accept partial checksums and unsegmented TCP, since Linux 6.2 also UDP."""
    tcp = _TUN_F_CSUM | _TUN_F_TSO4 | _TUN_F_TSO6 | _TUN_F_TSO_ECN
    fcntl.ioctl(fd, _TUNSETVNETHDRSZ, struct.pack("i", _VNET_HDR_LEN))
    try:
        fcntl.ioctl(fd, _TUNSETOFFLOAD, tcp | _TUN_F_USO4 | _TUN_F_USO6)
    except OSError:
        _set(fd, _TUNSETOFFLOAD, tcp, f"offloads of {name}")


def close_all(fds: list[int]) -> None:
    """Detach by closing all descriptors; empty the list."""
    while fds:
        os.close(fds.pop())


def _set(fd: int, request: int, value: int, doing: str) -> None:
    """Call ioctl(). ``value`` is an unsigned 32-bit number, passed as the C int with the same bits."""
    try:
        fcntl.ioctl(fd, request, value - (value >> 31 << 32))
    except OSError as e:
        why = "not permitted: needs CAP_NET_ADMIN" if e.errno == errno.EPERM else e.strerror
        if e.errno == errno.EINVAL and request in (_TUNSETOWNER, _TUNSETGROUP):
            why = "the id does not exist in this user namespace"
        raise TapError(f"{doing}: {why}") from e


def set_owner(fd: int, name: str, *, user: int | None, group: int | None) -> None:
    """Set the user and group that may attach without CAP_NET_ADMIN."""
    if user is not None:
        _set(fd, _TUNSETOWNER, user, f"make user {user} the owner of {name}")
    if group is not None:
        _set(fd, _TUNSETGROUP, group, f"give {name} to group {group}")


def set_persistent(fd: int, name: str) -> None:
    """Keep the TAP when no process is attached."""
    _set(fd, _TUNSETPERSIST, 1, f"make {name} persistent")
