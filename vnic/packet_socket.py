"""Packet sockets: they see what AF_PACKET sockets see, send frames as they are, and have a filter and a ring each."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.counters.snapshots import Snapshot
from vnic.errors import ConfigError, TimedOutError, VnicError, check, refused
from vnic.host_socket import HELD, HostSocket
from vnic.knobs.parse import is_whole, whole
from vnic.machine.read_buffers import ReadBuffers
from vnic.machine.turn import sends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vnic import bpf
    from vnic.machine.machine import Machine

    Buffer = bytes | bytearray | memoryview

_BUFFER_BYTES = 1 << 20
_FRAME_MAX = 1 << 30  # more than any frame has
_RING_MIN, _RING_MAX = 1 << 12, 1 << 30
PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST = range(4)


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet as a packet socket got it. The caller may keep it."""

    data: memoryview
    """Bytes from the Ethernet header on, without a VLAN tag, as on Linux. Shorter than ``len`` if the filter cut it."""
    t_ns: int
    """When it left GRO, by the host's clock."""
    len: int
    """Length of the packet, bytes; of a merged packet: of the whole."""
    pkttype: int
    """PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST."""
    queue: int
    """The receive queue it came in by."""
    hash: int
    """The flow's hash, from the card or the flow dissector; 0: none."""
    vlan_tci: int | None
    """TCI of the removed VLAN tag: id, DEI, priority. None: the frame had no tag."""
    vlan_tpid: int

    def __bytes__(self) -> bytes:
        """The bytes with the tag put back, as in a capture file."""
        if self.vlan_tci is None:
            return bytes(self.data)
        tag = self.vlan_tpid.to_bytes(2, "big") + self.vlan_tci.to_bytes(2, "big")
        return bytes(self.data[:12]) + tag + bytes(self.data[12:])


@dataclass(frozen=True, slots=True)
class PacketStatistics(Snapshot):
    """PACKET_STATISTICS since the socket was made (Linux resets them at each read)."""

    packets: int
    """Packets that the filter wanted, including the dropped ones, as on Linux."""
    drops: int
    """Packets dropped because the ring was full."""


class PacketSocket(HostSocket):
    """Made by :meth:`vnic.Host.packet_socket`; a context manager. Iterating ends with the input (live: the host).

    The host owns and closes it. After that every call except close() raises VnicError. On a live host its eventfd is
    readable while there are packets.
    """

    _noun = "packet socket"

    def __init__(self, machine: Machine, program: bpf.Program | None, ring: int) -> None:
        ring = whole("ring", ring, _RING_MIN, _RING_MAX)
        machine.refuse_others()
        self._buffers = ReadBuffers()  # its own: captures and sockets often have different reader threads
        prog = ffi.NULL if program is None else program.c()
        c = lib.packet_sock_new(machine.c, prog, ring & ~7)
        if c == ffi.NULL:
            lib.bpf_prog_free(prog)
            raise MemoryError("no memory for the packet socket's ring")
        self._begin(machine, c)

    def __repr__(self) -> str:
        return f"<vnic.PacketSocket{' closed' if self.closed else ''}>"

    def recv_nowait(self, n: int = 64) -> list[Packet]:
        """Return up to ``n`` (1 .. 1024) queued packets, at most 1 MiB, by one call into C."""
        if not is_whole(n) or not 1 <= n <= 1024:
            raise ConfigError(f"n is 1 to 1024, not {n!r}")
        infos, got, data = self._read(n)
        packets, at = [], 0
        for i in range(got):
            p = infos[i]
            tci = int(p.vlan_tci) if p.tagged else None
            part = data[at : at + p.snaplen]
            packets.append(Packet(part, p.t_ns, p.len, p.pkt_type, p.queue, p.hash, tci, p.vlan_tpid))
            at += p.snaplen
        return packets

    def _read(self, n: int) -> tuple[Any, int, memoryview]:
        buf = self._buffers.data(_BUFFER_BYTES)
        infos = ffi.new("struct packet_info[]", n)
        got = lib.packet_recv(self._c, buf, _BUFFER_BYTES, infos, n)
        if got < 0:
            raise VnicError("a packet is larger than 1 MiB")
        used = sum(infos[i].snaplen for i in range(got))
        return infos, got, memoryview(ffi.buffer(buf, used)[:])

    def send(self, frame: Buffer, *, timeout: float | None = None) -> int:
        """Send a frame as it is, from its Ethernet header on and without checksum. Return: its bytes.

        Args:
            frame: at least 14 bytes, at most the MTU and a header (18 with a VLAN tag).
            timeout: live: seconds to wait for room in the sending ring (None: for ever); virtual time runs on.

        Raises:
            TimedOutError: there was no room in time.
            HostError: EMSGSIZE, EINVAL, ENETDOWN (this host does not send), as in packet(7).
        """
        view = ffi.from_buffer(frame)
        if len(view) > _FRAME_MAX:
            raise refused(errno.EMSGSIZE, "send")
        check(self._send_when_room(lambda: self._sendmsg(view), timeout), "send")
        return len(view)

    @sends
    def _sendmsg(self, view: Any) -> int:
        """Send in C. A thread that stops the machine or ends the host finds this call on our stack."""
        turn, c = self._machine.turn, self._machine.c
        if self._c is not None and turn.held_from_here():
            return HELD
        turn.refuse_others()
        return int(lib.dev_direct_xmit(c, ffi.cast("uint8_t *", view), len(view)))

    def recv(self, *, timeout: float | None = None) -> Packet:
        """Return the next packet. Live: wait at most ``timeout`` seconds (None: for ever). Virtual time: run the host.

        Raises:
            TimedOutError: no packet came in time (live), or the input is over (virtual time).
        """
        got = self._until(lambda: self.recv_nowait(1) or None, timeout)
        if got is None:
            raise TimedOutError("no packet came")
        return got[0]

    def __iter__(self) -> Iterator[Packet]:
        while True:
            got = self.recv_nowait()
            if not got:
                try:
                    got = [self.recv()]
                except TimedOutError:
                    return
            yield from got

    def _woken(self) -> None:
        """Leave the eventfd as it is: the read that empties the ring clears it."""

    def _run_host(self) -> bool:
        return not self._machine.run(lib.BURST, None, None)

    def statistics(self) -> PacketStatistics:
        """Packets and drops so far."""
        c = self._c
        packets, drops = c.packets, c.drops
        return PacketStatistics(packets=int(packets), drops=int(drops))

    def _free(self, sock: Any) -> None:
        self._machine.turn.others_out_of(self)
        lib.packet_sock_free(self._machine.c, sock)
