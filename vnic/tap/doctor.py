"""For ``vnic doctor``, check what a live run needs, and name the command that fixes each problem."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vnic.errors import TapError
from vnic.tap import privileges, tun
from vnic.tap.netns import inside
from vnic.tap.rtnetlink import Link, Links, Tap, check_name, ipv6_enabled
from vnic.tap.setup import owner_text

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = "vnic.doctor/1"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a live run needs or benefits from."""

    what: str
    state: Literal["good", "hint", "missing"]
    """``hint``: a run works without it."""
    text: str
    mend: str | None = None
    """The command that fixes it."""


def _check(what: str, text: str, mend: str | None = None, *, good: bool, needed: bool = True) -> Check:
    return Check(what, "good" if good else "missing" if needed else "hint", text, None if good else mend)


def _device() -> Check:
    """Check that the device file opens. This needs the kernel module too."""
    what = tun.DEVICE
    try:
        os.close(os.open(what, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        if (Path("/sys/class/misc/tun")).exists():
            node = "sudo mkdir -p /dev/net && sudo mknod -m 0666 /dev/net/tun c 10 200"
            return _check(what, "the kernel supports TAPs, but the device file is missing", node, good=False)
        return _check(what, "missing: the kernel module tun is not loaded", "sudo modprobe tun", good=False)
    except OSError as e:
        mode = f"mode {Path(what).stat().st_mode & 0o7777:04o}"
        mend = "sudo chmod 0666 /dev/net/tun" if isinstance(e, PermissionError) else "sudo modprobe tun"
        return _check(what, f"{e.strerror} ({mode}): {tun.mend_device(e.errno)}", mend, good=False)
    return _check(what, f"can be opened (mode {Path(what).stat().st_mode & 0o7777:04o})", good=True)


def _privilege(name: str | None, *, may: bool) -> Check:
    if may:
        return _check("CAP_NET_ADMIN", "present: vnic run can create a missing TAP", good=True)
    text = f"{tun.me()} does not have it; a TAP made by vnic setup does not need it"
    return _check("CAP_NET_ADMIN", text, tun.setup_command(name or "vt0"), good=False, needed=False)


def _belongs(tap: Tap) -> bool:
    """Return whether the kernel would let this process attach without CAP_NET_ADMIN."""
    in_group = tap.group is None or tap.group in {os.getegid(), *os.getgroups()}
    return tap.owner in {None, os.geteuid()} and in_group


def _owner(tap: Tap, mend: str, *, may: bool) -> Check:
    whose = owner_text(tap.owner, tap.group)
    if tap.owner is None and tap.group is None:
        return _check("owner", "none: every user of this machine can attach", mend, good=False, needed=False)
    if may or _belongs(tap):
        return _check("owner", f"{whose}" + ("" if _belongs(tap) else ", and CAP_NET_ADMIN is present"), good=True)
    return _check("owner", f"{whose}: {tun.me()} cannot attach", mend, good=False)


def _attached(name: str, link: Link) -> Check:
    if not link.carrier:
        return _check("attached", "no process: no carrier until a run attaches", good=True)
    others = ", ".join(tun.attached_to(name)) or "a process of another user"
    return _check("attached", f"carrier; in use by {others}: a second run cannot attach", good=False, needed=False)


def _queues(tap: Tap, mend: str) -> Check:
    if tap.multi_queue:
        return _check("multi_queue", f"yes, {tap.queues} attached: --tap-queues may exceed 1", good=True)
    return _check("multi_queue", "no: --tap-queues must be 1", mend, good=False, needed=False)


def _interface(name: str, netns: str | None, links: Links, *, may: bool) -> Iterator[Check]:
    link, quoted = links.find(name), shlex.quote(name)
    ip = f"sudo ip {f'-n {shlex.quote(netns)} ' if netns else ''}"
    run = f"sudo {f'ip netns exec {shlex.quote(netns)} ' if netns else ''}"
    setup = tun.setup_command(name, netns)
    if link is None:
        yield _check(name, "does not exist", setup, good=False)
        return
    if link.tap is None or not link.tap.is_tap:
        kind = "is not a TAP" if link.tap is None else "is a TUN (IP packets), not a TAP (Ethernet frames)"
        yield _check(name, f"{kind}: use another name", tun.setup_command("vt0", netns), good=False)
        return
    yield _check(name, "exists and is a TAP", good=True)
    yield _owner(link.tap, setup, may=may)
    text = (
        "yes: it remains when no process is attached" if link.tap.persistent else "no: it disappears with its process"
    )
    yield _check("persistent", text, setup, good=link.tap.persistent, needed=False)
    yield _check("up", "yes" if link.up else "no: the kernel sends nothing", f"{ip}link set {quoted} up", good=link.up)
    yield _check("MTU", f"{link.mtu} bytes", good=True)
    yield _queues(link.tap, f"{tun.delete_command(name, netns)} && {setup}")
    yield _attached(name, link)
    addresses = links.addresses(link)
    text = ", ".join(map(str, addresses)) or "none: without one the kernel sends here only by a route or packet socket"
    mend = f"{ip}addr add 10.0.0.1/24 dev {quoted}"
    yield _check("address of the kernel's side", text, mend, good=bool(addresses), needed=False)
    noisy = ipv6_enabled(name) and not any(a.version == 6 for a in addresses)
    text = "IPv6 is on without an address: the kernel sends unsolicited frames" if noisy else "none"
    mend = f"{run}sysctl -w net.ipv6.conf.{quoted.replace('.', '/')}.disable_ipv6=1"
    yield _check("IPv6 noise", text, mend, good=not noisy, needed=False)


def _install(package: str) -> str | None:
    for tool in ("apt", "dnf", "zypper", "apk"):
        if shutil.which(tool):
            return f"sudo {tool} {'add' if tool == 'apk' else 'install'} {package}"
    return None


def _libpcap() -> bool:
    for name in ("libpcap.so.1", "libpcap.so.0.8"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


def _helpers() -> Iterator[Check]:
    found = _libpcap()
    text = "found" if found else "missing: scapy's BPF filters need it"
    yield _check(
        "libpcap", text, _install("libpcap" if not shutil.which("apt") else "libpcap0.8"), good=found, needed=False
    )
    tshark = shutil.which("tshark")
    text = tshark or "missing: it reads the captures that --write saves"
    yield _check("tshark", text, _install("tshark"), good=tshark is not None, needed=False)


def doctor(name: str | None = None, *, netns: str | None = None) -> list[Check]:
    """Check what a live run needs.

    Args:
        name: a TAP device to check as well.
        netns: its network namespace, by name or path.

    Raises:
        ConfigError: no interface can have this name.
    """
    may = bool(privileges.effective() >> privileges.CAP_NET_ADMIN & 1)
    checks = [_device(), _privilege(name, may=may)]
    try:
        with inside(netns):
            if name is not None:
                check_name(name)
                with Links() as links:
                    checks += _interface(name, netns, links, may=may)
    except TapError as e:
        checks.append(_check("network namespace", str(e), f"sudo ip netns add {shlex.quote(netns or '')}", good=False))
    return [*checks, *_helpers()]


def facts(checks: list[Check]) -> dict[str, Any]:
    """Return the checks as the object for ``--json``."""
    return {"schema": SCHEMA, "ok": is_well(checks), "checks": [asdict(c) for c in checks]}


def is_well(checks: list[Check]) -> bool:
    """Return whether nothing is missing."""
    return all(c.state != "missing" for c in checks)
