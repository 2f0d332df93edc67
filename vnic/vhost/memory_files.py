"""Which files may be a driver's memory: those whose pages the kernel has by itself.

A page of a file that a program serves (FUSE), or another machine, comes when that likes. The card's thread would
wait for it. stat(2) of the file would wait too, so neither is asked: a file in memory (memfd, tmpfs, hugetlbfs) has
seals, and the kernel knows on which mount another one is.
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from vnic.vhost.messages import ProtocolError

_LOCAL = frozenset({"btrfs", "bcachefs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "vfat", "xfs", "zfs"})


def refuse_served(fd: int) -> None:
    """Raise ProtocolError if this file's pages may never come."""
    try:
        fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError:
        kind = _mounted_as(fd)
        if kind not in _LOCAL:
            raise ProtocolError(
                f"SET_MEM_TABLE with a file of {kind}: the card could wait for its pages for ever; use memfd or tmpfs"
            ) from None


def _mounted_as(fd: int) -> str:
    """Return the type of the file system that a file is on, as this process sees it."""
    info = Path(f"/proc/self/fdinfo/{fd}").read_text()
    mount = next(line.split()[1] for line in info.splitlines() if line.startswith("mnt_id:"))
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[0] == mount:
            return after.split()[0]
    return "a file system that is not mounted here"
