"""Read the running kernel's settings of one interface: ethtool's requests, rtnetlink, /proc, /sys. Nothing changes."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vnic.errors import ConfigError, quoted
from vnic.imports import kernel_texts, texts
from vnic.imports.clone_cpus import is_of
from vnic.imports.ethtool_ioctl import Ethtool
from vnic.knobs.sysctls import WHY
from vnic.linux import sysctl_rows
from vnic.own_paths import PathError
from vnic.own_paths import read as read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vnic.imports.machine import Card, Machine

_TEXT_MAX = 1 << 24
_SYSCTL_MAX = 1 << 12
"""The kernel makes a buffer of the size that is asked for."""
_DEVICE = ("flags", "gro_flush_timeout", "napi_defer_hard_irqs", "threaded", "speed", "duplex", "mtu")
_FLOWS = ("tcp4", "udp4", "tcp6", "udp6")
_QUEUES_MAX = 4096
_IFF = {"promisc": 0x100, "allmulti": 0x200}
_LINK = {"IFLA_MTU": "mtu", "IFLA_GRO_MAX_SIZE": "gro_max_size", "IFLA_GRO_IPV4_MAX_SIZE": "gro_ipv4_max_size"}


@contextlib.contextmanager
def _asking(machine: Machine, what: str) -> Iterator[None]:
    """Note a refusal, and go on."""
    try:
        yield
    except OSError as e:
        machine.refused.append(("", f"{what}: {e.strerror or e}"))


def _read(machine: Machine, path: str, most: int = _TEXT_MAX) -> None:
    """Read a file of /proc or /sys, if it is there."""
    try:
        text = read_file(path, most).decode("utf-8", "replace")
    except FileNotFoundError:
        return
    except OSError as e:
        if not isinstance(e, PathError):  # speed of an interface that is down: EINVAL
            machine.unread.append(f"{path}: {e.strerror}")
        return
    texts.read(machine, path, text)


# ---- ethtool ----

_COALESCE = {
    "rx-usecs": "rx_coalesce_usecs",
    "rx-frames": "rx_max_coalesced_frames",
    "rx-usecs-irq": "rx_coalesce_usecs_irq",
    "rx-frames-irq": "rx_max_coalesced_frames_irq",
    "adaptive-rx": "use_adaptive_rx_coalesce",
    "stats-block-usecs": "stats_block_coalesce_usecs",
    "pkt-rate-low": "pkt_rate_low",
    "pkt-rate-high": "pkt_rate_high",
}
_RINGS = {"rx": "rx", "rx-mini": "rx_mini", "rx-jumbo": "rx_jumbo", "tx": "tx"}
_CHANNELS = ("rx", "tx", "other", "combined")


def _of_pyroute2(machine: Machine, dev: str, card: Card) -> None:
    """-g -l -c -k -S, by pyroute2's requests."""
    from pyroute2.ethtool.ioctl import IoctlEthtool, NoSuchDevice, NotSupportedError

    @contextlib.contextmanager
    def asking(what: str) -> Iterator[None]:
        try:
            with _asking(machine, what):
                yield
        except NotSupportedError:
            machine.refused.append(("", f"{what}: {os.strerror(errno.EOPNOTSUPP)}"))
        except (NoSuchDevice, AssertionError):  # it went away, or has other counters than a moment ago
            machine.refused.append(("", f"{what}: the interface changes"))

    asked = IoctlEthtool(dev)
    with contextlib.closing(asked):
        with asking("ethtool -g"):
            ring = asked.get_rings()
            card.rings = {name: int(ring[field]) for name, field in _RINGS.items()}
            card.rings_max = {name: int(ring[f"{field}_max"]) for name, field in _RINGS.items()}
        with asking("ethtool -l"):
            channels = asked.get_channels()
            card.channels = {name: int(channels[f"{name}_count"]) for name in _CHANNELS}
            card.channels_max = {name: int(channels[f"max_{name}"]) for name in _CHANNELS}
        with asking("ethtool -c"):
            coalesce = asked.get_coalesce()
            card.coalesce = {name: int(coalesce[field]) for name, field in _COALESCE.items()}
        with asking("ethtool -k"):
            features = asked.get_features()
            card.features = {name: bool(features[name]) for name in features.keys() if name}  # noqa: SIM118 - no dict
        with asking("ethtool -S"):
            if asked.get_stringset_length(1):  # ETH_SS_STATS
                card.statistics = {name: int(n) for name, n in asked.get_statistics()}


def _of_ethtool(machine: Machine, dev: str, card: Card) -> None:
    """-i -x -n -Q."""
    with Ethtool(dev) as tool:
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("ethtool -i", lambda: tool.driver(card)),
            ("ethtool -n", lambda: tool.queues(card)),
            ("ethtool -x", lambda: tool.indirection(card)),
            ("ethtool -n, rules", lambda: _rules(machine, tool, card)),
        ]
        for what, ask in steps:
            with _asking(machine, what):
                ask()
        for name in _FLOWS:
            with contextlib.suppress(OSError):  # a card that hashes fixed fields
                tool.flow_hash(card, name)
        card.flow_hash = {name: letters for name, letters in card.flow_hash.items() if letters}
        queues = card.channels.get("combined", 0) + card.channels.get("rx", 0)
        with contextlib.suppress(OSError):  # most drivers have one moderation for all queues
            tool.queue_coalesce(card, queues)


def _rules(machine: Machine, tool: Ethtool, card: Card) -> None:
    machine.refused += [("", f"ethtool -n, filter {loc}: not a rule that vnic knows") for loc in tool.rules(card)]


# ---- rtnetlink ----


def _of_rtnetlink(machine: Machine, dev: str, card: Card) -> None:
    """Ip -d link."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as ip:
        try:
            link = ip.link("get", ifname=dev)[0]
        except (NetlinkError, LookupError):
            machine.refused.append(("", "rtnetlink: the interface went away"))
            return
        card.link |= {name: int(bool(link["flags"] & bit)) for name, bit in _IFF.items()}
        for attribute, name in _LINK.items():
            if link.get_attr(attribute) is not None:
                card.link[name] = int(link.get_attr(attribute))
        if link.get_attr("IFLA_PROMISCUITY"):
            card.link["promisc"] = 1
        if address := link.get_attr("IFLA_ADDRESS"):
            card.words["address"] = str(address)
        if master := link.get_attr("IFLA_MASTER"):
            card.words["master"] = socket.if_indextoname(master)
        xdp = link.get_attr("IFLA_XDP")
        if xdp is not None and xdp.get_attr("IFLA_XDP_ATTACHED"):
            card.words["xdp"] = "on"


# ---- /proc and /sys ----


def _is_our_sysfs(dev: str, index: int) -> bool:
    """Is this interface the one that /sys shows? A mount of /sys shows the network namespace that it was made in."""
    try:
        return int(Path(f"/sys/class/net/{dev}/ifindex").read_text("ascii")) == index
    except (OSError, ValueError):
        return False


def _of_sysfs(machine: Machine, dev: str) -> None:
    at = f"/sys/class/net/{dev}"
    for name in _DEVICE:
        _read(machine, f"{at}/{name}")
    for queue in range(_QUEUES_MAX):
        if not Path(f"{at}/queues/rx-{queue}").exists():
            break
        for name in ("rps_cpus", "rps_flow_cnt"):
            _read(machine, f"{at}/queues/rx-{queue}/{name}")
    for irqs in (f"{at}/device/msi_irqs", f"{at}/device/../msi_irqs"):  # a virtio device's are its parent's
        with contextlib.suppress(OSError):
            machine.card(dev).irqs = sorted(int(irq.name) for irq in Path(irqs).iterdir() if irq.name.isdecimal())
            break


def _of_procfs(machine: Machine, dev: str) -> None:
    _read(machine, "/proc/interrupts")
    for irq in machine.interrupts:
        if is_of(machine.card(dev), dev, irq, machine.interrupts[irq]):
            for name in ("smp_affinity", "effective_affinity"):
                _read(machine, f"/proc/irq/{irq}/{name}")
    _read(machine, "/proc/net/softnet_stat")
    names = [*(name for name in sysctl_rows.SYSCTLS if ".DEV." not in name), *WHY, "net.ipv4.ip_forward"]
    for path in map(sysctl_rows.path, names):
        _read(machine, path, _SYSCTL_MAX)
    for name in ("all", dev):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/sys/net/ipv4/conf/{name}/rp_filter").read_text("ascii")
            machine.sysctl[f"net.ipv4.conf.{name}.rp_filter"] = text.strip()


def _of_kernel_config(machine: Machine) -> None:
    import gzip

    path = f"/boot/config-{os.uname().release}"
    with contextlib.suppress(OSError):
        kernel_texts.file(machine, path, read_file(path, _TEXT_MAX).decode("utf-8", "replace"))
    if not machine.hz:
        with contextlib.suppress(OSError, EOFError), gzip.open("/proc/config.gz") as config:
            kernel_texts.file(machine, "config-0", config.read(_TEXT_MAX).decode("utf-8", "replace"))


def read(machine: Machine, dev: str) -> str:
    """Read all that the kernel says about an interface and the CPUs. Return: its name, as ``dev`` may be another one.

    ConfigError: there is no such interface.
    """
    try:
        index = socket.if_nametoindex(dev)
        dev = socket.if_indextoname(index)
    except (OSError, ValueError, UnicodeError):
        raise ConfigError(f"there is no interface {quoted(dev)} in this network namespace") from None
    card = machine.card(dev)
    _of_pyroute2(machine, dev, card)
    _of_ethtool(machine, dev, card)
    with _asking(machine, "rtnetlink"):
        _of_rtnetlink(machine, dev, card)
    if _is_our_sysfs(dev, index):
        _of_sysfs(machine, dev)
    else:
        machine.refused.append(("", f"/sys/class/net/{dev}: /sys is another network namespace's"))
    _of_procfs(machine, dev)
    _of_kernel_config(machine)
    return dev
