"""Run a script: each event at its time, what the host sends compared with what the script expects.

    Script -> Runner: Calls (system calls), Flow (numbers), check (packets), Backend (the host and its clock) -> Result

A line that does not hold ends the script. Packets that no line asks for are ignored, as packetdrill does.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vnic.errors import ConfigError
from vnic.packetdrill import check, code
from vnic.packetdrill import script as s
from vnic.packetdrill.calls import Calls, Mismatch
from vnic.packetdrill.commands import settings
from vnic.packetdrill.flow import Flow
from vnic.packetdrill.named import named, unexpected
from vnic.packetdrill.options import Options, options_of
from vnic.packetdrill.parse_packet import option_bytes
from vnic.packetdrill.result import Failure, Result
from vnic.packetdrill.segment import build, icmp_packet, read, sums_are_right
from vnic.packetdrill.text import action_text, packet_text, syscall_text, time_text
from vnic.packetdrill.values import number as number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vnic.packetdrill.backend import Backend
    from vnic.packetdrill.segment import Segment

_SLICE_US = 1000
_LOOK_US = 2_000_000
_ANY_US = 300_000_000
_FIRST_PORT = 40000
_HEADERS = 40
_PIECES_MAX = 200
_SHOWN_MAX = 100


class _Failed(Exception):  # noqa: N818 - the verdict
    def __init__(self, problem: str, expected: str = "", actual: str = "") -> None:
        super().__init__(problem)
        self.problem, self.expected, self.actual = problem, expected, actual


@dataclass
class _Blocked:
    """A system call that waits."""

    event: s.Event
    call: s.Syscall
    attempt: Callable[[], int | None]
    end_us: int
    tolerance_us: int


class Runner:
    """One run of one script. ``slack_us``: what real time needs beside the script's own tolerance."""

    def __init__(self, path: str, script: s.Script, backend: Backend, slack_us: int = 0) -> None:
        self.path, self.script, self.backend, self.slack_us = path, script, backend, slack_us
        self.options: Options = options_of(script)
        self.calls = Calls(backend, self.options.bind_port, self.options.connect_port)
        self.flows: list[Flow] = []
        self.current: Flow | None = None
        self.listens_seen = 0
        self.unread: list[tuple[int, Segment]] = []
        self.trace: list[str] = []
        self.names: dict[str, object] = {}
        self.blocked: _Blocked | None = None
        self.last_us: int | None = None
        self.last_anchored = True
        self.line = 0

    def run(self) -> Result:
        """Run all events, and close what they opened."""
        failure = None
        try:
            self._events()
        except _Failed as e:
            failure = Failure(self.line, e.problem, e.expected, e.actual)
        except s.ScriptError as e:
            failure = Failure(e.line or self.line, str(e).partition(": ")[2] if e.line else str(e))
        except ConfigError as e:
            failure = Failure(self.line, str(e))
        self._pull()
        unread = [f"{_seconds(t)} {packet_text(unexpected(self.flows, p))}" for t, p in self.unread]
        more = [f"and {len(unread) - _SHOWN_MAX} more"] * (len(unread) > _SHOWN_MAX)
        self.calls.close()
        return Result(self.path, failure, tuple(self.trace), tuple(unread[:_SHOWN_MAX] + more))

    def _events(self) -> None:
        if self.script.before is not None:
            self._command(self.script.before)
        for event in self.script.events:
            self.line = event.line
            self._event(event)
        self._finish_blocked()
        if self.script.after is not None:
            self._command(self.script.after)

    # ---- time ----

    def _range(self, event: s.Event) -> tuple[int, int]:
        """Return when an event may happen, from and to."""
        time = event.time
        anchored = time.kind != "any" and time.end_us is None
        base = 0
        if time.kind != "absolute":
            known = self.last_us is not None and self.last_anchored and anchored
            base = self.last_us if known and self.last_us is not None else self.backend.now_us()
        start = base + time.start_us
        end = start if time.end_us is None else base + time.end_us
        if time.kind == "any":
            end = start + _ANY_US
        if end > s.TIME_US_MAX:
            raise _Failed("the script lasts longer than a day")
        return start, end

    def _tolerance(self, at_us: int) -> int:
        since = max(at_us - (self.last_us or 0), 0)
        return max(self.options.tolerance_usecs, int(self.options.tolerance_percent * since / 100)) + self.slack_us

    def _advance(self, until_us: int) -> None:
        """Let time pass; while a system call waits, in slices."""
        while self.backend.now_us() < until_us:
            self._slice(until_us if self.blocked is None else min(until_us, self._next_slice()))

    def _next_slice(self) -> int:
        return (self.backend.now_us() // _SLICE_US + 1) * _SLICE_US

    def _slice(self, until_us: int) -> None:
        self.backend.run(until_us)
        self._pull()
        self._retry()

    def _pull(self) -> None:
        for t, packet in self.backend.sent():
            segment = read(packet)
            if segment is None or segment.src != self.backend.local:
                continue
            if not sums_are_right(packet):
                raise _Failed("the host sent a packet with a wrong checksum")
            self.unread.append((t, segment))

    # ---- events ----

    def _event(self, event: s.Event) -> None:
        action = event.action
        start, end = self._range(event)
        if isinstance(action, s.Tcp) and not action.inbound:
            at = self._outbound(event, action, start, end)
        else:
            self._advance(start)
            at = start
            if isinstance(action, s.Tcp):
                self._inbound(action, at)
            elif isinstance(action, s.Icmp):
                self._icmp(action, at)
            elif isinstance(action, s.Syscall):
                self._syscall(event, action, start)
            elif isinstance(action, s.Command):
                self._command(action)
            else:
                self._code(action)
        self.last_anchored = event.time.kind != "any" and event.time.end_us is None
        self.last_us = start if self.last_anchored else at

    def _say(self, at_us: int, text: str) -> None:
        self.trace.append(f"{_seconds(at_us)} {text}")

    def _command(self, command: s.Command) -> None:
        for name, value in settings(command, self.line):
            self.backend.sysctl(name, value)
        self._say(self.backend.now_us(), f"`{command.text}`")

    def _code(self, block: s.Code) -> None:
        if self.calls.current is not None:
            try:
                self.names.update(self.calls.current.info())
            except (OSError, ConfigError) as e:
                raise _Failed(f"there is no TCP_INFO for the code: {e}") from None
        self.names.update(code.CONSTANTS)
        try:
            code.run(block, self.line, self.names)
        except code.CodeFailed as e:
            raise _Failed(str(e), f"%{{ {block.text} }}%") from None
        self._say(self.backend.now_us(), f"%{{ {block.text} }}%")

    # ---- packets ----

    def _flow(self, p: s.Tcp | s.Icmp) -> Flow:
        ports = p.ports if isinstance(p, s.Tcp) else None
        if self.calls.connecting is not None:
            addr, port = self.calls.connecting
            self.calls.connecting = None
            self._begin(Flow(self.backend.local, addr, self.calls.bound, port))
        if ports is not None:
            rport, lport = ports if p.inbound else ports[::-1]
            found = [f for f in self.flows if (f.lport, f.rport) == (lport, rport)]
            self.current = (
                found[0] if found else self._begin(Flow(self.backend.local, self.backend.remote, lport, rport))
            )
            return self.current
        begins = isinstance(p, s.Tcp) and "S" in p.flags and "." not in p.flags and p.inbound
        if self.current is None or (begins and self.listens_seen != self.calls.listening):
            self.listens_seen = self.calls.listening
            rport = _FIRST_PORT + len(self.flows)
            lport = self.calls.bound or self.options.bind_port
            return self._begin(Flow(self.backend.local, self.backend.remote, lport, rport))
        return self.current

    def _begin(self, flow: Flow) -> Flow:
        self.flows.append(flow)
        self.current = flow
        return flow

    def _inbound(self, p: s.Tcp, at_us: int) -> None:
        flow = self._flow(p)
        self._say(at_us, packet_text(p))
        room = self.backend.largest - _HEADERS - (sum(option_bytes(o) for o in p.options or ()) + 3) // 4 * 4
        most = min(self.options.mss or room, room)
        packets, at, left = [], p.seq, p.length
        while True:
            size = min(left, most)
            flags = p.flags if size == left else "".join(f for f in p.flags if f not in "FP")
            packets.append(build(flow.inbound(replace(p, seq=at & 0xFFFFFFFF, length=size, flags=flags))))
            at, left = at + size, left - size
            if not left:
                break
        self.backend.put(packets)
        self._pull()
        self._retry()

    def _icmp(self, p: s.Icmp, at_us: int) -> None:
        if not p.inbound:
            raise _Failed("vnic checks no outbound ICMP")
        flow = self._flow(p)
        self._say(at_us, action_text(p))
        self.backend.put([icmp_packet(p.type, p.code, p.mtu, flow.remote, flow.quoted(*p.echoed))])
        self._pull()
        self._retry()

    def _take(self, flow: Flow) -> tuple[int, Segment] | None:
        for i, (_, segment) in enumerate(self.unread):
            if flow.owns(segment):
                return self.unread.pop(i)
        return None

    def _await(self, flow: Flow, start_us: int, until_us: int) -> tuple[int, Segment] | None:
        """Return the flow's next packet, and let time pass until it comes. None: none came in time."""
        self._pull()
        if (found := self._take(flow)) is not None:
            return found
        self._advance(min(start_us - _SLICE_US, until_us))
        while (found := self._take(flow)) is None and self.backend.now_us() < until_us:
            self._slice(min(until_us, self._next_slice()))
        return found

    def _outbound(self, event: s.Event, p: s.Tcp, start: int, end: int) -> int:
        """Compare the next packet. Return: when it was sent."""
        flow = self._flow(p)
        tolerance, said = self._tolerance(start), f"{time_text(event.time)} {packet_text(p)}"
        until = end if event.time.kind == "any" else end + tolerance + _LOOK_US
        found = self._await(flow, start - tolerance, until)
        if found is None:
            raise _Failed("the host sent no packet", said)
        at, wire = found
        flow.learn(p, wire)
        pieces = [flow.outbound(wire)]
        while sum(x.length for x in pieces) < p.length and len(pieces) < _PIECES_MAX:
            more = self._await(flow, start, min(at + tolerance, end + tolerance))
            if more is None:
                break
            piece = flow.outbound(more[1])
            if not check.follows(piece, pieces[-1]):
                self.unread.insert(0, more)
                break
            pieces.append(piece)
        actual = check.joined(pieces)
        shown = f"+{_seconds(at - (self.last_us or 0))} {packet_text(named(actual, p))}"
        wrong = check.difference(p, actual, len(pieces)) or self._stamps(flow, p, wire, at)
        if wrong:
            raise _Failed(f"{wrong}", said, shown)
        if event.time.kind != "any" and check.late((start, end), at, tolerance):
            early = "early" if at < start else "late"
            off = start - at if at < start else at - end
            raise _Failed(
                f"the packet came {_seconds(off)} s too {early} (tolerance {_seconds(tolerance)} s)", said, shown
            )
        self._say(at, packet_text(named(actual, p)))
        return at

    def _stamps(self, flow: Flow, p: s.Tcp, wire: Segment, at: int) -> str | None:
        """Compare our timestamp, if the script says how long a tick is."""
        tick = self.options.tcp_ts_tick_usecs
        ours = next((o.values[0] for o in wire.options if o.kind == "TS" and len(o.values) == 2), None)
        theirs = next((o.values[0] for o in p.options or () if o.kind == "TS"), None)
        if not tick or ours is None or theirs is None or (elapsed := flow.elapsed(theirs, ours)) is None:
            return None
        tolerance = max(self.options.tolerance_usecs, int(self.options.tolerance_percent * at / 100)) + self.slack_us
        if abs(elapsed[0] * tick - elapsed[1] * 1000) <= tolerance:
            return None
        return f"timestamp {elapsed[1]} ms after the first instead of {elapsed[0] * tick / 1000:g} ms"

    # ---- system calls ----

    def _syscall(self, event: s.Event, call: s.Syscall, start: int) -> None:
        self._finish_blocked()
        attempt = self.calls.prepare(call, event.line)
        tolerance = self._tolerance(start)
        if call.end_us is None:
            got, number = self._try(attempt)
            if got is None:
                if not self.calls.is_nonblocking(call):
                    raise _Failed("the call waits, and the script says no end time (a...b)", syscall_text(call))
                got, number = -1, errno.EAGAIN
            self._returned(call, got, number)
            return
        base = start - (event.time.start_us if event.time.kind == "relative" else 0)
        end = call.end_us + (base if event.time.kind == "relative" else 0)
        self._say(start, f"{call.name}(...) begins")
        self.blocked = _Blocked(event, call, attempt, end, max(tolerance, self._tolerance(end)))
        self._retry()

    def _try(self, attempt: Callable[[], int | None]) -> tuple[int | None, int]:
        try:
            return attempt(), 0
        except OSError as e:
            return -1, e.errno or errno.EIO
        except Mismatch as e:
            raise _Failed(str(e)) from None
        finally:
            self._pull()

    def _retry(self) -> None:
        """Try the call that waits again, and check when it ends."""
        blocked = self.blocked
        if blocked is None:
            return
        line, self.line = self.line, blocked.event.line
        got, number = self._try(blocked.attempt)
        if got is not None:
            self.blocked = None
            now = self.backend.now_us()
            self._returned(blocked.call, got, number)
            if check.late((blocked.end_us, blocked.end_us), now, blocked.tolerance_us):
                raise _Failed(
                    f"the call ended at {_seconds(now)} s instead of {_seconds(blocked.end_us)} s",
                    syscall_text(blocked.call),
                )
        self.line = line

    def _finish_blocked(self) -> None:
        """Wait for the call that waits, at most until it should have ended."""
        blocked = self.blocked
        if blocked is None:
            return
        self._advance_blocked(blocked.end_us + blocked.tolerance_us)
        if self.blocked is not None:
            self.line = blocked.event.line
            raise _Failed("the call did not end in time", syscall_text(blocked.call))

    def _advance_blocked(self, until_us: int) -> None:
        while self.blocked is not None and self.backend.now_us() < until_us:
            self._slice(min(until_us, self._next_slice()))

    def _returned(self, call: s.Syscall, got: int, number: int) -> None:
        name = errno.errorcode.get(number, str(number)) if got == -1 else None
        actual = syscall_text(replace(call, result=s.Number(got), errno=name, note=None, end_us=None))
        self._say(self.backend.now_us(), actual)
        if isinstance(call.result, s.Any_):
            return
        wanted = number_of(call.result, self.line)
        same_errno = call.errno is None or errno.errorcode.get(number) == call.errno or number == _alias(call.errno)
        if wanted != got or (got != -1 and call.errno is not None) or not same_errno:
            raise _Failed("the call returned another result", syscall_text(replace(call, end_us=None)), actual)


def _alias(name: str) -> int:
    return int(getattr(errno, name, -1))


def _seconds(us: int) -> str:
    sign = "-" if us < 0 else ""
    return f"{sign}{abs(us) // 1_000_000}.{abs(us) % 1_000_000:06d}"
