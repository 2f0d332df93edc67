"""/dev/net/tun: a file descriptor for each queue of a TAP. What the kernel refuses becomes a sentence."""

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
"""Of one TAP, in Linux."""
_TUNSETVNETHDRSZ, _TUNSETOFFLOAD = 0x400454D8, 0x400454D0
_TUN_F_CSUM, _TUN_F_TSO4, _TUN_F_TSO6, _TUN_F_TSO_ECN, _TUN_F_USO4, _TUN_F_USO6 = 1, 2, 4, 8, 0x20, 0x40
_VNET_HDR_LEN = 12
_TUNSETIFF, _TUNSETPERSIST, _TUNSETOWNER, _TUNSETGROUP = 0x400454CA, 0x400454CB, 0x400454CC, 0x400454CE


def me() -> str:
    """The user this process runs as, for a command line."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _setup(name: str, netns: str | None) -> str:
    """The beginning of the command, with this program's path: sudo has a PATH of its own."""
    program = Path(sys.argv[0])
    vnic = shlex.quote(str(program.absolute())) if program.name == "vnic" else "vnic"
    return f"sudo {vnic} setup {shlex.quote(name)}" + (f" --netns {shlex.quote(netns)}" if netns else "")


def setup_command(name: str, netns: str | None = None) -> str:
    """What an administrator types once, for the user who runs this, or who called sudo to."""
    user = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    return f"{_setup(name, netns)} --user {shlex.quote(user or me())}"


def delete_command(name: str, netns: str | None = None) -> str:
    """What has to come before, where something cannot be changed."""
    return f"{_setup(name, netns)} --delete"


def open_device() -> int:
    """A file descriptor that is attached to nothing yet. TapError: none can be had."""
    try:
        return os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        raise TapError(f"{DEVICE}: {e.strerror}: {mend_device(e.errno)}") from e


def mend_device(why: int | None) -> str:
    """What helps against this errno of open()."""
    return {
        errno.ENOENT: "'sudo modprobe tun' (in a container: start it with --device /dev/net/tun)",
        errno.ENODEV: "'sudo modprobe tun'",
        errno.ENXIO: "'sudo modprobe tun'",
        errno.EACCES: f"'sudo chmod 0666 {DEVICE}', or run as root",
        errno.EPERM: "the container is not allowed to: start it with --device /dev/net/tun",
    }.get(why or 0, "the kernel does not let us")


def attached_to(name: str) -> list[str]:
    """Processes that hold a queue of a TAP of this name, as far as /proc shows them to us: ``python3 (process 7)``."""
    found = []
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda p: int(p.name)):
        with contextlib.suppress(OSError):  # another user's, or it ended just now
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
    """The sentence for an errno of TUNSETIFF."""
    if why == errno.EPERM and link is None:
        return f"it does not exist, and making it needs CAP_NET_ADMIN. Once: '{setup_command(name)}'"
    sentences = {
        errno.EPERM: f"not permitted: it is somebody else's. Once: '{setup_command(name)}'",
        errno.EBUSY: f"another process is attached to it{_who(name) if why == errno.EBUSY else ''}",
        errno.EINVAL: "it exists with other settings (multi_queue), or is no TAP",
        errno.E2BIG: f"no room for another queue: the kernel has {QUEUES_MAX} for a TAP",
        errno.ENODEV: "it is gone, or the kernel has no TAPs: 'sudo modprobe tun'",
        errno.EBADFD: "it was deleted meanwhile",
    }
    return sentences.get(why or 0, os.strerror(why or 0))


def attach(name: str, flags: int, *, link: Link | None, queues: int = 1) -> list[int]:
    """Attach to so many queues of a TAP; it is made if ``link`` is None and we may. Return: their file descriptors.

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
    """Headers of 12 bytes, and the kernel may leave checksums and cutting to us: TCP's, and UDP's since Linux 6.2."""
    tcp = _TUN_F_CSUM | _TUN_F_TSO4 | _TUN_F_TSO6 | _TUN_F_TSO_ECN
    fcntl.ioctl(fd, _TUNSETVNETHDRSZ, struct.pack("i", _VNET_HDR_LEN))
    try:
        fcntl.ioctl(fd, _TUNSETOFFLOAD, tcp | _TUN_F_USO4 | _TUN_F_USO6)
    except OSError:
        _set(fd, _TUNSETOFFLOAD, tcp, f"offloads of {name}")


def close_all(fds: list[int]) -> None:
    """Detach. The list is empty then."""
    while fds:
        os.close(fds.pop())


def _set(fd: int, request: int, value: int, doing: str) -> None:
    """``value``: 32 bits without a sign. ioctl() takes a C int, of which the kernel has the same bits."""
    try:
        fcntl.ioctl(fd, request, value - (value >> 31 << 32))
    except OSError as e:
        why = "not permitted: needs CAP_NET_ADMIN" if e.errno == errno.EPERM else e.strerror
        if e.errno == errno.EINVAL and request in (_TUNSETOWNER, _TUNSETGROUP):
            why = "there is no such id in our user namespace"
        raise TapError(f"{doing}: {why}") from e


def set_owner(fd: int, name: str, *, user: int | None, group: int | None) -> None:
    """Who may attach without CAP_NET_ADMIN."""
    if user is not None:
        _set(fd, _TUNSETOWNER, user, f"make user {user} the owner of {name}")
    if group is not None:
        _set(fd, _TUNSETGROUP, group, f"give {name} to group {group}")


def set_persistent(fd: int, name: str) -> None:
    """It stays when nobody is attached."""
    _set(fd, _TUNSETPERSIST, 1, f"make {name} persistent")
