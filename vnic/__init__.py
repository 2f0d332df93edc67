"""vnic: a network card and the Linux receive path in user space.

>>> import vnic
>>> with vnic.Host() as host:
...     sock = host.udp(5000)
...     host.feed(frame)            # bytes or a scapy packet
...     host.run()
...     sock.recv()

The names here, :mod:`vnic.aio` and :mod:`vnic.packetdrill` are public. The other
modules and packages are not: they move without notice.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vnic import aio, packetdrill
    from vnic.capture import Capture
    from vnic.capture_wire import CaptureWire
    from vnic.counters.gro import GroFlow, GroStats
    from vnic.counters.latency import Latency
    from vnic.counters.laws import BrokenLaws
    from vnic.counters.snapshots import ArfsStats, DeviceStats, Ledger, QueueStats, SoftnetStat, TxLedger
    from vnic.errors import (
        CaptureError,
        ConfigError,
        HostError,
        NoThreadError,
        PortTakenError,
        TapError,
        TimedOutError,
        VnicError,
    )
    from vnic.events.events import Events
    from vnic.events.frames import Frames
    from vnic.events.log import EventChoice, EventLog
    from vnic.fault import Fault, FaultRule
    from vnic.handlers import Burst
    from vnic.host import Host
    from vnic.imports.imported import Imported, import_config
    from vnic.joint_wire import JointWire
    from vnic.link import Link, LinkStats
    from vnic.nic import Nic
    from vnic.packet_socket import Packet, PacketSocket, PacketStatistics
    from vnic.runs.replay import replay
    from vnic.runs.tcp_workload import TcpReport, tcp_workload
    from vnic.scapy_wire.supersocket import WireSocket
    from vnic.sock import Datagrams, TcpListener, TcpStream, UdpSocket
    from vnic.tap.wire import TapWire
    from vnic.tcp import TcpConnection, TcpInfo, TcpServer
    from vnic.vhost.card import VhostCard
    from vnic.vhost.wire import VhostWire
    from vnic.wire import BurstWire, MemoryWire, PythonWire, Wire

    __version__: str

_HOME = {
    "capture": ("Capture",),
    "capture_wire": ("CaptureWire",),
    "counters.gro": ("GroFlow", "GroStats"),
    "counters.snapshots": (
        "ArfsStats",
        "DeviceStats",
        "Ledger",
        "QueueStats",
        "SoftnetStat",
        "TxLedger",
    ),
    "counters.latency": ("Latency",),
    "counters.laws": ("BrokenLaws",),
    "errors": (
        "CaptureError",
        "ConfigError",
        "HostError",
        "NoThreadError",
        "PortTakenError",
        "TapError",
        "TimedOutError",
        "VnicError",
    ),
    "events.events": ("Events",),
    "events.frames": ("Frames",),
    "events.log": ("EventChoice", "EventLog"),
    "fault": ("Fault", "FaultRule"),
    "handlers": ("Burst",),
    "host": ("Host",),
    "imports.imported": ("Imported", "import_config"),
    "joint_wire": ("JointWire",),
    "link": ("Link", "LinkStats"),
    "nic": ("Nic",),
    "packet_socket": ("Packet", "PacketSocket", "PacketStatistics"),
    "runs.replay": ("replay",),
    "runs.tcp_workload": ("TcpReport", "tcp_workload"),
    "scapy_wire.supersocket": ("WireSocket",),
    "sock": ("Datagrams", "TcpListener", "TcpStream", "UdpSocket"),
    "tap.wire": ("TapWire",),
    "tcp": ("TcpConnection", "TcpInfo", "TcpServer"),
    "vhost.card": ("VhostCard",),
    "vhost.wire": ("VhostWire",),
    "wire": ("BurstWire", "MemoryWire", "PythonWire", "Wire"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "ArfsStats",
    "BrokenLaws",
    "Burst",
    "BurstWire",
    "Capture",
    "CaptureError",
    "CaptureWire",
    "ConfigError",
    "Datagrams",
    "DeviceStats",
    "EventChoice",
    "EventLog",
    "Events",
    "Fault",
    "FaultRule",
    "Frames",
    "GroFlow",
    "GroStats",
    "Host",
    "HostError",
    "Imported",
    "JointWire",
    "Latency",
    "Ledger",
    "Link",
    "LinkStats",
    "MemoryWire",
    "Nic",
    "NoThreadError",
    "Packet",
    "PacketSocket",
    "PacketStatistics",
    "PortTakenError",
    "PythonWire",
    "QueueStats",
    "SoftnetStat",
    "TapError",
    "TapWire",
    "TcpConnection",
    "TcpInfo",
    "TcpListener",
    "TcpReport",
    "TcpServer",
    "TcpStream",
    "TimedOutError",
    "TxLedger",
    "UdpSocket",
    "VhostCard",
    "VhostWire",
    "VnicError",
    "Wire",
    "WireSocket",
    "aio",
    "import_config",
    "packetdrill",
    "replay",
    "tcp_workload",
]


def __getattr__(name: str) -> Any:
    """Load the module of one name when it is used, so that a command that needs little starts at once (PEP 562)."""
    value: Any
    if name in _MODULE:
        value = getattr(import_module(f"vnic.{_MODULE[name]}"), name)
    elif name in ("aio", "packetdrill"):
        value = import_module(f"vnic.{name}")
    elif name == "__version__":
        from importlib.metadata import version

        value = version("vnic")
    else:
        raise AttributeError(f"module 'vnic' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
