"""The other side of a card in plain Python: a wire's object that is 10.9.0.1, answers ARP and ping, and pings."""

import struct
import threading
import time

MAC, IP = b"\x02\x00\x00\x00\x00\x01", bytes([10, 9, 0, 1])
BROADCAST = b"\xff" * 6


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(to: bytes, to_ip: bytes, proto: int, payload: bytes) -> bytes:
    """An IPv4 packet of 10.9.0.1, in its frame."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, proto, 0, IP, to_ip)
    return to + MAC + b"\x08\0" + head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def echo(kind: int, rest: bytes) -> bytes:
    """An ICMP echo request (8) or answer (0)."""
    data = struct.pack("!BBH", kind, 0, 0) + rest
    return data[:2] + struct.pack("!H", checksum(data)) + data[4:]


def udp(to: bytes, to_ip: bytes, payload: bytes, sport: int = 1000) -> bytes:
    """A datagram to the discard port, without a checksum."""
    return packet(to, to_ip, 17, struct.pack("!HHHH", sport, 9, 8 + len(payload), 0) + payload)


class World:
    """10.9.0.1.

    ``mac`` and ``ip`` are the guest's, once it has asked for our address. ``answers``: to our pings, by their number.
    ``flood``: frames that come all the time. ``silent``: the guest's pings get no answer.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.out: list[bytes] = []
        self.mac, self.ip = b"", b""
        self.asked, self.taken, self.answers = 0, 0, set()
        self.flood: list[bytes] = []
        self.silent = False

    def read_burst(self, max_frames: int) -> list[bytes]:
        with self.lock:
            out, self.out = self.out[:max_frames], self.out[max_frames:]
            flood = self.flood
        if not out:
            time.sleep(0.0005)
        return out or flood

    def send(self, *frames: bytes) -> None:
        """Put frames on the wire."""
        with self.lock:
            self.out += frames

    def ping(self, number: int) -> None:
        """Ping the guest."""
        self.send(packet(self.mac, self.ip, 1, echo(8, struct.pack("!HH", 77, number) + b"vnic" * 10)))

    def receive(self, burst: list[tuple[int, bytes]]) -> list[bytes]:
        """As the far end of a wire in memory: take frames. Return: the answers."""
        self.write_burst(burst)
        with self.lock:
            out, self.out = self.out, []
        return out

    def cut_off(self) -> None:
        """The wire is gone."""

    def write_burst(self, burst: list[tuple[int, bytes]]) -> None:
        for _, frame in burst:
            self.taken += 1
            if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == IP:
                self.mac, self.ip = frame[6:12], frame[28:32]
                self.send(frame[6:12] + MAC + frame[12:20] + b"\0\2" + MAC + IP + frame[22:32])
            elif frame[12:14] == b"\x08\0" and frame[23] == 1:
                data = frame[34 : 14 + struct.unpack("!H", frame[16:18])[0]]
                if data[0] == 8:
                    self.asked += 1
                    if self.silent:
                        continue
                    self.send(packet(frame[6:12], frame[26:30], 1, echo(0, data[4:])))
                elif data[0] == 0 and data[4:6] == b"\0\x4d":
                    assert checksum(data) == 0
                    self.answers.add(struct.unpack("!H", data[6:8])[0])
