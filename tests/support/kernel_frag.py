"""The running kernel as an oracle for reassembly: frames into a TAP of this namespace, and what its sockets then have.

The caller's namespace is the test's own (the netns fixture). A write to a TAP without IFF_NAPI goes up to the socket
before it returns, so what a batch did is known when the last frame is written.
"""

import fcntl
import os
import socket
import struct
from pathlib import Path
from random import Random
from typing import Self

import fragments
import frames
from fragments import PORT
from live_tap import wait_until
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

import vnic

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
IFA_F_NODAD, RTN_LOCAL = 2, 2
SO_RCVBUFFORCE = 33
V4, V6 = fragments.ADDRESSES[4][1], fragments.ADDRESSES[6][1]


def until_local(ipr: IPRoute, address: str) -> None:
    """Wait until frames to an IPv6 address that was added are taken.

    Also without duplicate address detection it is a worker of the kernel (addrconf_dad_work()) that adds the local
    route. Before that has had a CPU, a socket can be bound to the address, and frames to it are dropped.
    """

    def is_local() -> bool:
        try:
            return next(iter(ipr.route("get", dst=address)))["type"] == RTN_LOCAL
        except NetlinkError:  # no route at all
            return False

    wait_until(is_local, sleep=0.0005)


class KernelFrag:
    """A TAP with 10.0.0.2/24 and fd00::2/64, and a UDP socket for each at port 5000."""

    def __init__(self, name: str = "kf0") -> None:
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        (Path("/proc/sys/net/ipv6/conf") / name / "disable_ipv6").write_text("0")
        with IPRoute() as ipr:
            index = ipr.link_lookup(ifname=name)[0]
            ipr.link("set", index=index, state="up", mtu=65521, address=frames.MAC.hex(":"))
            ipr.addr("add", index=index, address=V4, prefixlen=24)
            ipr.addr("add", index=index, address=V6, prefixlen=64, flags=IFA_F_NODAD)
            until_local(ipr, V6)
        self.sockets = []
        for family, address in ((socket.AF_INET, V4), (socket.AF_INET6, V6)):
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
            sock.bind((address, PORT))
            self.sockets.append(sock)

    def deliver(self, batch: list[bytes]) -> list[bytes]:
        """Write frames. Return: what the sockets got, IPv4's first."""
        for frame in batch:
            os.write(self.fd, frame)
        got = []
        for sock in self.sockets:
            while True:
                try:
                    got.append(sock.recv(1 << 17))
                except BlockingIOError:
                    break
        return got

    def counters(self) -> dict[str, int]:
        """Reassembly's counters, by vnic's names."""
        out = {}
        for file, prefixes in (("snmp", ("Ip",)), ("netstat", ("IpExt",))):
            lines = Path("/proc/net", file).read_text().splitlines()
            for names, values in zip(lines[::2], lines[1::2], strict=True):
                prefix = names.partition(":")[0]
                if prefix in prefixes:
                    out |= {f"{prefix}_{n}": int(v) for n, v in zip(names.split()[1:], values.split()[1:], strict=True)}
        for line in Path("/proc/net/snmp6").read_text().splitlines():
            name, value = line.split()
            if name.startswith("Ip6"):
                out["Ip6_" + name[3:]] = int(value)
        return out

    def queues(self) -> tuple[int, int]:
        """How many datagrams wait for fragments, IPv4 and IPv6."""
        found = []
        for file, word in (("sockstat", "FRAG:"), ("sockstat6", "FRAG6:")):
            line = next(s for s in Path("/proc/net", file).read_text().splitlines() if s.startswith(word))
            found.append(int(line.split()[2]))
        return found[0], found[1]

    def close(self) -> None:
        """All of it is gone then."""
        for sock in self.sockets:
            sock.close()
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def compare(family: int, seeds) -> None:
    """Random batches into the kernel and into vnic: the same datagrams, counters, and queues that wait, after each."""
    prefixes = ("Ip6_",) if family == 6 else ("Ip_", "IpExt_")
    # the kernel's buffers are as small as the frames, so it has not run out of memory where vnic has
    limits = {"ipfrag_high_thresh": 1 << 26, "ip6frag_high_thresh": 1 << 26}
    with KernelFrag() as kernel, vnic.Host(cost="zero", link="inf", fifo=1 << 26, rcvbuf=1 << 28, **limits) as host:
        sock = host.udp(PORT)
        shared = {n for n in kernel.counters().keys() & host.mib().keys() if "_Out" not in n}
        for seed in seeds:
            batch = [fragments.frame(f) for f in fragments.batch(Random(seed), family, 16 * seed)]
            counted, mine = kernel.counters(), host.mib()
            datagrams = kernel.deliver(batch)
            host.feed(batch, at_ns=host.now_ns)
            host.run(until_ns=host.now_ns + 1_000_000)
            assert fragments.drain(sock) == datagrams, seed
            for name, n in kernel.counters().items():
                if name in shared and name.startswith(prefixes):
                    assert (name, host.mib()[name] - mine[name]) == (name, n - counted[name]), seed
            assert fragments.queues(host, family) == kernel.queues()[family == 6], seed
        assert host.laws() == 0
