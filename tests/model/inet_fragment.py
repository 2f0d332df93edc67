"""Reassembly of IPv4 and IPv6 fragments by Linux's rules, without regard to speed. Bytes are kept, not pointers."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from model.sock import frame_truesize

QUEUE_SIZE = {4: 200, 6: 184}
TIMEOUT_S = {4: 30, 6: 60}
HEADER = {6: 20, 17: 8, 58: 8}
"""Bytes of a transport's header that IPv6's first fragment must have; of others 1."""


@dataclass(frozen=True)
class Fragment:
    """One that has come as far as reassembly."""

    family: int
    src: str
    dst: str
    id: int
    proto: int
    """What the fragment header, or the IPv4 header, says."""
    offset: int
    data: bytes
    more: bool
    ecn: int = 0
    before: int = 20
    """Bytes before the data: IPv4's header; IPv6's, and extension headers up to and with the fragment header."""

    @property
    def key(self) -> tuple:
        """Which datagram it is of."""
        return self.src, self.dst, self.id, self.proto if self.family == 4 else None


@dataclass
class _Queue:
    expires: float
    runs: list[tuple[int, bytes]] = field(default_factory=list)
    fragments: list[Fragment] = field(default_factory=list)
    """What is there; a duplicate is not."""
    end: int = 0
    last: bool = False
    seen_of_peer: int = 0


@dataclass
class Whole:
    """A datagram."""

    first: Fragment
    data: bytes
    ecn: int
    frames: int


class Reassembler:
    """One family's table."""

    def __init__(
        self,
        family: int,
        *,
        high_thresh: int = 4 << 20,
        timeout: float | None = None,
        max_dist: int = 64,
    ) -> None:
        self.family, self.high_thresh = family, high_thresh
        self.timeout = TIMEOUT_S[family] if timeout is None else timeout
        self.max_dist = max_dist if family == 4 else 0
        self.queues: dict[tuple, _Queue] = {}
        self.peers: defaultdict[str, int] = defaultdict(int)
        self.fates: Counter = Counter()
        self.mib: Counter = Counter()

    @property
    def waiting(self) -> int:
        """Fragments that wait."""
        return sum(len(q.fragments) for q in self.queues.values())

    @property
    def memory(self) -> int:
        """Bytes that count for the limit."""
        used = sum(frame_truesize(14 + f.before + len(f.data)) for q in self.queues.values() for f in q.fragments)
        return used + len(self.queues) * QUEUE_SIZE[self.family]

    def tick(self, now: float) -> None:
        """Time passes."""
        for key, q in list(self.queues.items()):
            if q.expires <= now:
                self.mib["ReasmTimeout"] += 1
                self._fail(key, "FRAG_REASM_TIMEOUT")

    def _fail(self, key: tuple, why: str) -> None:
        self.mib["ReasmFails"] += 1
        self.fates[why] += len(self.queues.pop(key).fragments)

    def _drop(self, why: str, *counters: str) -> None:
        self.fates[why] += 1
        self.mib.update(counters)

    def fragment(self, f: Fragment, now: float = 0) -> Whole | None:
        """One comes. Return: the datagram, if this makes it whole."""
        self.tick(now)
        if self.family == 4 and not f.offset and not f.more:
            return Whole(f, f.data, f.ecn, 1)  # it is none
        self.mib["ReasmReqds"] += 1
        if self.family == 6 and not f.offset and not f.more:
            self.mib["ReasmOKs"] += 1
            return Whole(f, f.data, f.ecn, 1)
        if self.family == 6 and not f.offset and len(f.data) < HEADER.get(f.proto, 1):
            return self._drop("IPV6_BAD_EXTHDR", "InHdrErrors")
        if self.memory > self.high_thresh or not self.high_thresh:
            return self._drop("FRAG_HIGH_THRESH", "ReasmFails")
        q = self.queues.setdefault(f.key, _Queue(now + self.timeout))
        end = f.offset + len(f.data)
        if self.family == 6 and end > 65535:
            return self._drop("PKT_TOO_BIG", "InHdrErrors")
        if self.family == 6 and f.more and end % 8:
            return self._drop("FRAG_LENGTH", "InHdrErrors")
        if self.max_dist:
            self.peers[f.src] += 1
            if q.fragments and self.peers[f.src] - q.seen_of_peer > self.max_dist:
                self._fail(f.key, "FRAG_TOO_FAR")
                q = self.queues[f.key] = _Queue(now + self.timeout)
            q.seen_of_peer = self.peers[f.src]
        if f.more:
            end -= end % 8
        why = self._length(q, f, end) or self._place(q, f.offset, f.data[: end - f.offset])
        if why == "DUP_FRAG":
            return self._drop(why)
        if why:
            self.mib["ReasmOverlaps"] += why == "FRAG_OVERLAP"
            self.fates[why] += 1
            self._fail(f.key, why)
            return None
        q.fragments.append(f)
        return self._whole(f.key, q)

    def _length(self, q: _Queue, f: Fragment, end: int) -> str | None:
        if f.more and q.last and end > q.end:
            return "FRAG_LENGTH"
        if not f.more and (end < q.end or (q.last and end != q.end)):
            return "FRAG_LENGTH"
        q.last = q.last or not f.more
        q.end = max(q.end, end)
        return "FRAG_LENGTH" if end == f.offset else None

    def _place(self, q: _Queue, start: int, data: bytes) -> str | None:
        end = start + len(data)
        for a, run in q.runs:
            if start < a + len(run) and a < end:
                return "DUP_FRAG" if a <= start and end <= a + len(run) else "FRAG_OVERLAP"
        a, run = q.runs[-1] if q.runs else (0, b"")
        if q.runs and a + len(run) == start:
            q.runs[-1] = a, run + data
        else:
            q.runs = sorted([*q.runs, (start, data)])
        return None

    def _whole(self, key: tuple, q: _Queue) -> Whole | None:
        data = b"".join(run for _, run in q.runs)
        if not q.last or q.runs[0][0] or len(data) != q.end:
            return None
        first = next(f for f in q.fragments if not f.offset)
        ecns = {f.ecn for f in q.fragments}
        if 0 in ecns and len(ecns) > 1:
            self._fail(key, "FRAG_ECN")
            return None
        if first.before - (0 if self.family == 4 else 48) + len(data) > 65535:
            self._fail(key, "PKT_TOO_BIG")
            return None
        del self.queues[key]
        self.mib["ReasmOKs"] += 1
        return Whole(first, data, first.ecn | (3 if 3 in ecns else 0), len(q.fragments))
