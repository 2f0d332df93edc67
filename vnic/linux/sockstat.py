"""/proc/net/udp, udp6, sockstat and sockstat6: the host's sockets, in the kernel's formats.

Linux: net/ipv4/udp.c udp4_format_sock(), net/ipv6/udp.c, net/ipv4/proc.c sockstat_seq_show(). A socket that is bound to
no address takes both families here. It is listed with those of IPv4, once.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, Any

from vnic._core import ffi, lib
from vnic.address import inet_text
from vnic.sockopt import rmem_alloc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vnic.host import Host

_ESTABLISHED, _CLOSE = 1, 7  # TCP_ESTABLISHED, TCP_CLOSE: what UDP uses of TCP's states
_PAGE = 4096
_COLUMNS = "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops"
_UDP_HEADER = f"   sl  local_address rem_address   {_COLUMNS}"
_UDP6_HEADER = f"  sl  {'local_address':<38}{'remote_address':<38}{_COLUMNS}"


def _sockets(host: Host, *kinds: int) -> Iterator[Any]:
    """Those that are in use: no stream that has ended."""
    table = host.machine.c.socks
    for i in range(1, table.used):
        sk = table.socks[i]
        if sk.type in kinds and not sk.closed and (sk.type != lib.SOCK_TCP or sk.state == lib.TCP_OPEN):
            yield sk


def _v6(sk: Any) -> bool:
    """Is it one of IPv6 only?"""
    return not sk.any and ":" in inet_text(sk.laddr)


def hexadecimal(address: str, port: int) -> str:
    """An address and a port as these files have them: words of 32 bits, as a little-endian machine reads them."""
    packed = ipaddress.ip_address(address).packed
    return "".join(packed[i : i + 4][::-1].hex().upper() for i in range(0, len(packed), 4)) + f":{port:04X}"


def udp_line(*, slot: int, local: str, remote: str, state: int, rx_queue: int, uid: int, inode: int, drops: int) -> str:
    """A socket's line, not padded. Nothing is queued to be sent, nothing is sent again, and pointers are not shown."""
    return (
        f"{slot:5}: {local} {remote} {state:02X} {0:08X}:{rx_queue:08X} {0:02X}:{0:08X} {0:08X} {uid:5} {0:8}"
        f" {inode} 2 {0:016x} {drops}"
    )


def _udp_lines(host: Host, *, v6: bool) -> list[str]:
    uid, nobody = os.getuid(), "::" if v6 else "0.0.0.0"  # noqa: S104 - it is shown
    lines = []
    for sk in sorted((sk for sk in _sockets(host, lib.SOCK_UDP) if _v6(sk) is v6), key=lambda sk: (sk.lport, sk.index)):
        local = nobody if sk.any else inet_text(sk.laddr)
        remote = inet_text(sk.raddr) if sk.rport else nobody
        remote = remote if (":" in remote) is v6 else nobody
        lines.append(
            udp_line(
                slot=sk.lport,
                local=hexadecimal(local, sk.lport),
                remote=hexadecimal(remote, sk.rport),
                state=_ESTABLISHED if sk.rport else _CLOSE,
                rx_queue=_rqueue(sk),
                uid=uid,
                inode=sk.index,
                drops=sk.drops,
            )
        )
    return lines


def udp(host: Host) -> str:
    """/proc/net/udp: lines of 127 columns."""
    return "".join(f"{line:127}\n" for line in [_UDP_HEADER, *_udp_lines(host, v6=False)])


def udp6(host: Host) -> str:
    """/proc/net/udp6."""
    return "".join(f"{line}\n" for line in [_UDP6_HEADER, *_udp_lines(host, v6=True)])


def _rqueue(sk: Any) -> int:
    """What is queued, without what was read and is charged yet. Linux: udp_rqueue_get()."""
    return max(int(sk.rmem_alloc) - int(sk.forward_deficit), 0)


def _pages(sockets: list[Any]) -> int:
    """What a stream holds, by the page."""
    return sum(-(-rmem_alloc(sk) // _PAGE) for sk in sockets)


_TCP = (int(lib.SOCK_TCP), int(lib.SOCK_TCP_LISTEN))


def _frags(host: Host, frags: Any) -> str:
    return f"inuse {lib.inet_frags_in_use(host.machine.c, ffi.addressof(frags))} memory {int(frags.mem)}"


def sockstat(host: Host) -> str:
    """/proc/net/sockstat. TCP has listeners and streams that are open; a host that is passive closes none itself."""
    tcp = list(_sockets(host, *_TCP))
    udp_, lite = (list(_sockets(host, kind)) for kind in (lib.SOCK_UDP, lib.SOCK_UDPLITE))
    return (
        f"sockets: used {len(tcp) + len(udp_) + len(lite)}\n"
        f"TCP: inuse {sum(not _v6(sk) for sk in tcp)} orphan 0 tw 0 alloc {len(tcp)} mem {_pages(tcp)}\n"
        f"UDP: inuse {sum(not _v6(sk) for sk in udp_)} mem {int(host.machine.c.udp_mem_allocated)}\n"
        f"UDPLITE: inuse {sum(not _v6(sk) for sk in lite)}\nRAW: inuse 0\n"
        f"FRAG: {_frags(host, host.machine.c.ip_frags)}\n"
    )


def sockstat6(host: Host) -> str:
    """/proc/net/sockstat6."""
    tcp, udp_, lite = (sum(map(_v6, _sockets(host, *k))) for k in (_TCP, (lib.SOCK_UDP,), (lib.SOCK_UDPLITE,)))
    return (
        f"TCP6: inuse {tcp}\nUDP6: inuse {udp_}\nUDPLITE6: inuse {lite}\nRAW6: inuse 0\n"
        f"FRAG6: {_frags(host, host.machine.c.ip6_frags)}\n"
    )
