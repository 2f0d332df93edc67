"""vnic: a network card and the Linux receive path in user space.

>>> import vnic
>>> with vnic.Host() as host:
...     sock = host.udp(5000)
...     host.feed(frame)            # bytes or a scapy packet
...     host.run()
...     sock.recv()
"""

from vnic.capture import Capture
from vnic.errors import CaptureError, ConfigError, TapError, VnicError
from vnic.gro import GroFlow, GroStats
from vnic.host import Host
from vnic.nic import Nic
from vnic.packet import Packet, PacketSocket, PacketStatistics
from vnic.seam import Burst
from vnic.sock import Datagrams, TcpListener, TcpStream, UdpSocket
from vnic.stats import ArfsStats, DeviceStats, Latency, Ledger, QueueStats, SoftnetStat
from vnic.wire import BurstWire, CaptureWire, MemoryWire, PythonWire, Wire

__version__ = "0.1.0"

__all__ = [
    "ArfsStats",
    "Burst",
    "BurstWire",
    "Capture",
    "CaptureError",
    "CaptureWire",
    "ConfigError",
    "Datagrams",
    "DeviceStats",
    "GroFlow",
    "GroStats",
    "Host",
    "Latency",
    "Ledger",
    "MemoryWire",
    "Nic",
    "Packet",
    "PacketSocket",
    "PacketStatistics",
    "PythonWire",
    "QueueStats",
    "SoftnetStat",
    "TapError",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "VnicError",
    "Wire",
]
