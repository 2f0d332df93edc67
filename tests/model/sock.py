"""The memory of Linux's UDP sockets: what they are charged, what they refuse, when a read gives it back.

Linux 6.18: net/ipv4/udp.c __udp_enqueue_schedule_skb(), udp_rmem_schedule(), udp_rmem_release(); net/core/sock.c
__sk_mem_raise_allocated(). The running kernel is asked by tests/sock/test_sock_mem.py.
"""

from collections import deque
from dataclasses import dataclass, field

PAGE = 4096
SK_BUFF, SHARED_INFO, HEADROOM = 256, 320, 64
"""sizeof(struct sk_buff) and struct skb_shared_info, aligned to cache lines; NET_SKB_PAD."""
RMEM_MIN = 4096
"""udp_rmem_min: what a socket gets even if udp_mem is used up."""


def _aligned(n: int, to: int) -> int:
    return -(-n // to) * to


def frame_truesize(length: int) -> int:
    """What a frame of so many bytes is charged if its driver takes it into page fragments (drivers/net/tun.c).

    A short one gets exactly its fragment: head room, bytes, struct skb_shared_info; its sk_buff is beside it. One that
    would not fit into a page with the 256 bytes that XDP may want gets a page, and pages for what is left.
    """
    if _aligned(length + HEADROOM + 256, 64) + SHARED_INFO <= PAGE:
        return _aligned(length + HEADROOM, 64) + SHARED_INFO + SK_BUFF
    in_first = PAGE - HEADROOM - SHARED_INFO
    return SK_BUFF + PAGE + _aligned(max(length - in_first, 0), PAGE)


def merged_truesize(lengths: list[int]) -> int:
    """What a packet is charged that GRO made of such frames: each frame in a fragment saves its sk_buff, 17 in a row.

    net/core/gro.c skb_gro_receive(): 17 fragments fit into an skb, the next frame starts another one on frag_list.
    """
    total, slots = frame_truesize(lengths[0]), 17
    for length in lengths[1:]:
        truesize = frame_truesize(length)
        if truesize <= PAGE and slots:
            total += truesize - SK_BUFF
            slots -= 1
        else:
            total += truesize
            slots = 17
    return total


def reassembled_truesize(lengths: list[int]) -> int:
    """What a datagram is charged that came in such frames: skb_try_coalesce(), and none after one that it refused."""
    sizes = [frame_truesize(n) for n in lengths]
    return sum(sizes) - (min(len(sizes) - 1, 17) * SK_BUFF if max(sizes) <= PAGE else 0)


@dataclass
class UdpMem:
    """The pages that all sockets share; ``limit``: the first number of udp_mem."""

    limit: int = 1 << 40
    allocated: int = 0


@dataclass
class ReceiveQueue:
    """One socket. Packets have a known truesize."""

    rcvbuf: int
    shared: UdpMem = field(default_factory=UdpMem)
    rmem_alloc: int = 0
    forward_alloc: int = 0
    forward_deficit: int = 0
    drops: int = 0
    mem_errors: int = 0
    """Those of ``drops`` that found no page."""
    receive_queue: deque = field(default_factory=deque)
    reader_queue: deque = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.forward_threshold = self.rcvbuf // 4

    def set_rcvbuf(self, rcvbuf: int) -> None:
        """SO_RCVBUF, with the value that the socket then has."""
        self.rcvbuf = rcvbuf
        self.forward_threshold = rcvbuf // 4

    def __len__(self) -> int:
        return len(self.receive_queue) + len(self.reader_queue)

    def put(self, data: bytes, truesize: int) -> bool:
        """Queue a packet. Return: whether there was room."""
        if self.rmem_alloc and self.rmem_alloc + truesize > self.rcvbuf:
            self.drops += 1
            return False
        if not self._schedule(truesize):
            self.drops += 1
            self.mem_errors += 1
            return False
        self.rmem_alloc += truesize
        self.forward_alloc -= truesize
        self.receive_queue.append((data, truesize))
        return True

    def _schedule(self, truesize: int) -> bool:
        missing = truesize - self.forward_alloc
        if missing <= 0:
            return True
        pages = -(-missing // PAGE)
        if self.shared.allocated + pages > self.shared.limit and self.rmem_alloc >= RMEM_MIN:
            return False
        self.shared.allocated += pages
        self.forward_alloc += pages * PAGE
        return True

    def get(self) -> bytes | None:
        """The oldest, or None."""
        if not self.reader_queue:
            self._splice()
        if not self.reader_queue:
            return None
        data, truesize = self.reader_queue.popleft()
        self.forward_deficit += truesize
        if self.forward_deficit >= self.forward_threshold or not self.reader_queue:
            self._release()
        return data

    def _release(self) -> None:
        size, self.forward_deficit = self.forward_deficit, 0
        pages = (size + self.forward_alloc - 1) // PAGE
        self.forward_alloc += size - pages * PAGE
        self.shared.allocated -= pages
        self.rmem_alloc -= size
        self._splice()

    def _splice(self) -> None:
        self.reader_queue += self.receive_queue
        self.receive_queue.clear()
