"""How much memory a host takes: stated in the facts of a run, and refused before the start where the machine has less.

The region of rings and buffers is laid out for the longest rings, but a page takes memory only when it is first used. A
ring walks through all of its buffers, so after some traffic each of them has been used.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE = 4096
_STACK = 128 << 10
"""Of an emulated CPU in virtual time; most of them use a page of it."""
_STRIDE_MORE, _STRIDE_ALIGN = 128, 64  # buf_stride() of csrc/card/nic_init.c
_SMALL = 64 << 20
"""A host that takes less is not compared with the machine's memory."""
_KNOBS = ("queues", "rx-ring", "tx-ring", "rx-pool", "rx-buf-len", "fifo", "gro-flows", "sockets")
"""What decides how much a host takes, besides its CPUs."""


class NoRoomError(ConfigError):
    """Knobs that another machine could have, or this one at another time."""


def _size(of: str) -> int:
    return int(ffi.sizeof(of))


def stride(buf_len: int) -> int:
    """Return the bytes from one receive buffer to the next."""
    return -(-buf_len // _STRIDE_ALIGN) * _STRIDE_ALIGN + _STRIDE_MORE


def _ring(num: int) -> int:
    """Return the bytes of a ring's tables: the shared parts, the driver's, and the card's."""
    size = int(lib.virtqueue_size(num))
    shared = sum(int(part(size)) for part in (lib.virtq_desc_bytes, lib.virtq_avail_bytes, lib.virtq_used_bytes))
    return shared + size * (4 + 2 + _size("struct frame_shadow")) + 2 * num


def stated(c: Any, *, latency: bool) -> dict[str, int]:
    """Return what a host takes at most, bytes, by what takes it.

    ``buffers`` are those of the rings, which traffic fills; ``pools`` are the driver's further ones, in use only while
    packets wait for a reader, for fragments or in a backlog.
    """
    nic = c.nic
    sizes = {
        "queues": nic.nqueues,
        "rx-ring": nic.ring_size,
        "tx-ring": nic.tx_ring_size,
        "rx-pool": c.rx_pool_size,
        "rx-buf-len": nic.buf_len,
        "fifo": nic.fifo.size,
        "gro-flows": c.gro_flows,
        "sockets": c.sock_max,
    }
    return _parts({name: int(size) for name, size in sizes.items()}, int(c.ncpus), latency=latency)


def planned(knobs: Mapping[str, Any], cpus: int) -> int:
    """Return the bytes that a host with these knobs will take at most, without making one. Defaults stand for others.

    ConfigError: as :func:`vnic.knobs.table.read`.
    """
    from vnic.knobs.table import canonical, read

    given = {canonical(name): value for name, value in knobs.items()}
    return sum(_parts({name: int(read(name, given.get(name))) for name in _KNOBS}, cpus, latency=True).values())


def _parts(sizes: Mapping[str, int], cpus: int, *, latency: bool) -> dict[str, int]:
    queues, num, pool = sizes["queues"], sizes["rx-ring"], sizes["rx-pool"]
    each = stride(sizes["rx-buf-len"])
    cpu = _size("struct softnet_data") + cpus * _size("struct rps_burst") + _STACK
    cpu += _size("struct histogram") * lib.LAT_MAX if latency else 0
    cpu += sizes["gro-flows"] * _size("struct gro_flow")
    return {
        "rings": queues * (_ring(num) + pool * (_size("struct sk_buff") + 4)) + _ring(sizes["tx-ring"]),
        "buffers": queues * min(num, pool) * each,
        "pools": queues * max(0, pool - num) * each,
        "fifo": (1 << (sizes["fifo"] // lib.ETH_ZLEN).bit_length()) * _size("struct frame"),
        "cpus": cpus * cpu,
        "sockets": sizes["sockets"] * _size("struct sock"),
    }


def _filled(c: Any, queues: int, ring: int) -> int:
    """Return what the host takes for sure once every ring has been filled."""
    nic, num = c.nic, min(ring, int(c.rx_pool_size))
    return queues * (_ring(num) + num * (stride(int(nic.buf_len)) + _size("struct sk_buff"))) + int(c.ncpus) * 4 * _PAGE


def _cgroup() -> int | None:
    """Return what the process's control group may still take; None: there is no limit."""
    least = None
    with contextlib.suppress(OSError, ValueError, IndexError):
        own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))[3:]
        at = Path("/sys/fs/cgroup") / own.lstrip("/")
        while at != at.parent and at.is_relative_to("/sys/fs/cgroup"):
            with contextlib.suppress(OSError, ValueError):
                left = int((at / "memory.max").read_text()) - int((at / "memory.current").read_text())
                least = left if least is None else min(least, left)
            at = at.parent
    return least


def available() -> int | None:
    """Return the bytes that this process may still take: MemAvailable and free swap, or its control group's rest."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    found = dict(re.findall(r"^(MemAvailable|SwapFree): +([0-9]+) kB$", text, re.MULTILINE))
    if "MemAvailable" not in found:
        return None
    there = sum(int(kib) for kib in found.values()) << 10
    limit = _cgroup()
    return there if limit is None else min(there, max(limit, 0))


def text(n: int) -> str:
    """Format bytes for a sentence: 4.6 GB, 310 MB."""
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.0f} MB"


def refuse_more_than_there_is(c: Any, *, queues: int = 0, ring: int = 0) -> None:
    """Raise NoRoomError if the rings, once they are filled, would not fit into the machine's memory.

    Args:
        c: the host; one that runs has its present rings already.
        queues: how many it is about to use; 0: those that it has.
        ring: the descriptors that each is about to have; 0: as now.
    """
    nic = c.nic
    queues, ring = queues or int(nic.nqueues), ring or int(nic.ring_size)
    wanted = _filled(c, queues, ring)
    more = wanted - (_filled(c, int(nic.nqueues), int(nic.ring_size)) if nic.up else 0)
    if more <= _SMALL:
        return
    there = available()
    if there is not None and more > there:
        raise NoRoomError(
            f"queues={queues}, rx-ring={ring} and rx-buf-len={nic.buf_len} fill {text(wanted)} of memory, and "
            f"{text(there)} are available: set one of them lower"
        )
