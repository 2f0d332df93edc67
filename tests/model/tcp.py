"""A TCP receiver that only reassembles: segments in any order in, one stream of bytes out.

Sequence numbers here do not wrap. Where held segments overlap, the one that begins first has its way, then the longer
one, then the one that came first; what was delivered once stays.
"""

from dataclasses import dataclass, field


@dataclass
class Reassembler:
    """One direction of one flow that never runs out of memory."""

    next: int
    """Sequence number of the next byte that is missing."""
    stream: bytearray = field(default_factory=bytearray)
    gaps: int = 0
    gap_bytes: int = 0
    fin: int | None = None
    ended: bool = False
    held: list[tuple[int, bytes]] = field(default_factory=list)

    def segment(self, seq: int, data: bytes, *, fin: bool = False) -> None:
        """One segment arrives."""
        end = seq + len(data)
        if fin and self.fin is None and end >= self.next:
            self.fin = end
        if not self.ended:
            self.held.append((seq, data))
        self._deliver()

    def _deliver(self) -> None:
        while fits := [s for s in self.held if s[0] <= self.next < s[0] + len(s[1])]:
            seq, data = min(fits, key=lambda s: (s[0], -len(s[1])))
            self.stream += data[self.next - seq :]
            self.next = seq + len(data)
        self.held = [(seq, data) for seq, data in self.held if seq + len(data) > self.next]
        if self.next == self.fin:
            self.ended, self.held = True, []

    def give_up(self) -> None:
        """Nothing more will come: what waits behind holes goes up, the holes are counted."""
        while not self.ended and (self.held or self.fin is not None):
            found = min((seq for seq, _ in self.held), default=self.fin)
            self.gaps += 1
            self.gap_bytes += found - self.next
            self.next = found
            self._deliver()
