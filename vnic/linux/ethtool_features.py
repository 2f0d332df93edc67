"""Answer ethtool -k and -K: the offloads of card and driver. Linux: net/ethtool/features.c, netdev_features.h.

The kernel names single features (``rx-gro``, ``tx-checksum-ipv6``). ethtool has older names for some features and for
groups of them, and shows those first. A fixed feature cannot change: the listing says so, and -K leaves it alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from vnic._core import lib
from vnic.control.reply import Reply
from vnic.errors import VnicError
from vnic.linux.ethtool_args import (
    EOPNOTSUPP,
    RefusedError,
    aligned,
    first_offset,
    need_device,
    netlink_error,
    netlink_refusal,
    no_more,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vnic.host import Host

_NAMES = (
    "tx-scatter-gather tx-checksum-ipv4 tx-checksum-ip-generic tx-checksum-ipv6 highdma "
    "tx-scatter-gather-fraglist tx-vlan-hw-insert rx-vlan-hw-parse rx-vlan-filter vlan-challenged "
    "tx-generic-segmentation rx-gro rx-lro tx-tcp-segmentation tx-gso-robust tx-tcp-ecn-segmentation "
    "tx-tcp-mangleid-segmentation tx-tcp6-segmentation tx-fcoe-segmentation tx-gre-segmentation "
    "tx-gre-csum-segmentation tx-ipxip4-segmentation tx-ipxip6-segmentation tx-udp_tnl-segmentation "
    "tx-udp_tnl-csum-segmentation tx-gso-partial tx-tunnel-remcsum-segmentation tx-sctp-segmentation "
    "tx-esp-segmentation tx-udp-segmentation tx-gso-list tx-tcp-accecn-segmentation tx-checksum-fcoe-crc "
    "tx-checksum-sctp rx-ntuple-filter rx-hashing rx-checksum tx-nocache-copy loopback rx-fcs rx-all "
    "tx-vlan-stag-hw-insert rx-vlan-stag-hw-parse rx-vlan-stag-filter l2-fwd-offload hw-tc-offload "
    "esp-hw-offload esp-tx-csum-hw-offload rx-udp_tunnel-port-offload tls-hw-tx-offload tls-hw-rx-offload "
    "rx-gro-hw tls-hw-record rx-gro-list macsec-hw-offload rx-udp-gro-forwarding hsr-tag-ins-offload "
    "hsr-tag-rm-offload hsr-fwd-offload hsr-dup-offload"
)
FEATURES = tuple(_NAMES.split())
"""The kernel's names in the order of its bits, Linux 6.18."""

OLD_NAMES = (
    ("rx", "rx-checksumming", "rx-checksum"),
    ("tx", "tx-checksumming", "tx-checksum-*"),
    ("sg", "scatter-gather", "tx-scatter-gather*"),
    ("tso", "tcp-segmentation-offload", "tx-tcp*-segmentation"),
    ("ufo", "udp-fragmentation-offload", "tx-udp-fragmentation"),
    ("gso", "generic-segmentation-offload", "tx-generic-segmentation"),
    ("gro", "generic-receive-offload", "rx-gro"),
    ("lro", "large-receive-offload", "rx-lro"),
    ("rxvlan", "rx-vlan-offload", "rx-vlan-hw-parse"),
    ("txvlan", "tx-vlan-offload", "tx-vlan-hw-insert"),
    ("ntuple", "ntuple-filters", "rx-ntuple-filter"),
    ("rxhash", "receive-hashing", "rx-hashing"),
)
"""Short name, long name, and the kernel's features behind them."""

_CODE = 92  # exit code of a -K that the kernel refused
_NEVER_CHANGE = {"vlan-challenged"}  # NETIF_F_NEVER_CHANGE: the kernel does not even look
_KNOBS = {
    "rx-checksum": "rx",
    "rx-gro": "gro",
    "rx-ntuple-filter": "ntuple",
    "rx-hashing": "rxhash",
    "rx-vlan-filter": "rx-vlan-filter",
    "rx-gro-list": "rx-gro-list",
    "rx-udp-gro-forwarding": "rx-udp-gro-forwarding",
}
_TSO = {"tx-tcp-segmentation": lib.NETIF_F_TSO, "tx-tcp6-segmentation": lib.NETIF_F_TSO6}
"""The features that can change, and TSO on a wire that can. All others are fixed: off, except some to send."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature's state."""

    active: bool
    fixed: bool
    wanted: bool | None = None
    """The requested state, if it differs from the present one."""

    @property
    def requested(self) -> bool:
        """The requested state."""
        return self.active if self.wanted is None else self.wanted

    @property
    def text(self) -> str:
        """The state as -k shows it."""
        state = "on" if self.active else "off"
        if self.fixed:
            return f"{state} [fixed]"
        if self.requested != self.active:
            return f"{state} [requested {'on' if self.requested else 'off'}]"
        return state


def state(host: Host) -> dict[str, Feature]:
    """Return every feature of the card.

    To send, the card gathers a frame from several buffers anywhere in memory and, unless ``tx`` is off, completes its
    checksum. The wire segments UDP and TCP if it can; else IP does it for UDP when it builds the
    packet, and TCP sends single segments.
    """
    tx = bool(host.knobs["tx"])
    fixed_on = {"tx-scatter-gather", "tx-generic-segmentation", "highdma"}
    if tx:
        fixed_on.add("tx-checksum-ip-generic")
        if host.machine.c.tx.offload & lib.NETIF_F_GSO_UDP_L4:
            fixed_on.add("tx-udp-segmentation")
    knobs = _knobs(host)
    return {
        name: Feature(bool(host.knobs[knobs[name]]), fixed=False)
        if name in knobs
        else Feature(name in fixed_on, fixed=True)
        for name in FEATURES
    }


def _knobs(host: Host) -> dict[str, str]:
    """Return the features that can change, and the knob of each: one for TCP of both families."""
    offload = host.machine.c.tx.offload
    return _KNOBS | {name: "tso" for name, bit in _TSO.items() if offload & bit}


def groups(features: Mapping[str, Feature]) -> list[tuple[str, list[str], bool]]:
    """Return the lines of the listing: (name, the kernel's features behind it, whether it is a group)."""
    lines = []
    rest = dict.fromkeys(features)
    for _, long, pattern in OLD_NAMES:
        members = [name for name in features if fnmatchcase(name, pattern)]
        if members:
            lines.append((long, members, "*" in pattern))
            for name in members:
                del rest[name]
    return lines + [(name, [name], False) for name in rest]


def features_text(dev: str, features: Mapping[str, Feature]) -> str:
    """Format the features as -k shows them."""
    out = f"Features for {dev}:\n"
    for name, members, several in groups(features):
        if several:
            out += f"{name}: {'on' if any(features[m].active for m in members) else 'off'}\n"
            out += "".join(f"\t{m}: {features[m].text}\n" for m in members)
        else:
            out += f"{name}: {features[members[0]].text}\n"
    return out


def features_data(dev: str, features: Mapping[str, Feature]) -> dict[str, Any]:
    """Return the object of --json -k."""
    data: dict[str, Any] = {"ifname": dev}
    for name, members, several in groups(features):
        if several:
            data[name] = {"active": any(features[m].active for m in members), "fixed": None, "requested": None}
        for m in members:
            f = features[m]
            data[m if several else name] = {"active": f.active, "fixed": f.fixed, "requested": f.requested}
    return data


def show(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-k."""
    no_more(args)
    need_device(host, dev)
    features = state(host)
    return Reply(features_text(dev, features), data=features_data(dev, features))


def _requests(args: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the kernel's names with on or off, in the order of the request."""
    requests: list[tuple[str, bool]] = []
    for i in range(0, len(args), 2):
        word = args[i + 1] if i + 1 < len(args) else "(null)"
        if word not in ("on", "off"):
            err = f"ethtool (-K): flag '{word}' for parameter '(null)' is not followed by 'on' or 'off'\n"
            raise RefusedError(Reply(err=err, code=1))
        pattern = next((p for short, long, p in OLD_NAMES if args[i] in (short, long)), None)
        names: Iterable[str] = [args[i]] if pattern is None else (n for n in FEATURES if fnmatchcase(n, pattern))
        requests += [(name, word == "on") for name in names]
    return requests


def wanted(args: Sequence[str]) -> dict[str, bool]:
    """Return the requested features by the kernel's names. The request is a set of bits: ``gro on gro off`` is on."""
    asked: dict[str, bool] = {}
    for name, on in _requests(args):
        asked[name] = asked.get(name, False) or on
    return asked


def _refuse_unknown(dev: str, requests: list[tuple[str, bool]]) -> None:
    """Refuse the first unknown name, as the kernel does when it reads the request bit by bit."""
    at = first_offset(dev) + 16  # the flags behind the device's name; the set, and the list in it
    for name, on in requests:
        if name not in FEATURES:
            raise netlink_error("bit name not found", EOPNOTSUPP, code=_CODE, offset=at + 4)
        at += 8 + aligned(len(name) + 1) + (4 if on else 0)
    if any(name in _NEVER_CHANGE for name, _ in requests):
        raise netlink_error("attempt to change non-ethtool features", code=_CODE)


def changes_text(asked: Mapping[str, bool], before: Mapping[str, bool], after: Mapping[str, bool]) -> tuple[str, str]:
    """Return what -K prints to stdout and stderr: nothing if exactly the requested changes happened."""
    missed = {name for name, on in asked.items() if after[name] != on}
    changed = {name for name in after if after[name] != before[name]}
    out = ""
    if missed or changed - asked.keys():
        out = "Actual changes:\n"
        for name in after:
            if name in missed or name in changed:
                now = "on" if after[name] else "off"
                if name in missed:
                    now += f" [requested {'on' if asked[name] else 'off'}]"
                elif name not in asked:
                    now += " [not requested]"
                out += f"{name}: {now}\n"
    return out, "Could not change any device features\n" if missed == asked.keys() else ""


def set_(host: Host, dev: str, args: Sequence[str]) -> Reply:
    """-K."""
    requests = _requests(args)
    need_device(host, dev, code=_CODE)
    _refuse_unknown(dev, requests)
    asked = wanted(args)
    before = {name: f.active for name, f in state(host).items()}
    of = _knobs(host)
    knobs = {of[name]: on for name, on in asked.items() if name in of and on != before[name]}
    try:
        if knobs:
            host.knobs.update(knobs)
    except VnicError as e:
        raise netlink_refusal(e, code=_CODE) from None
    out, err = changes_text(asked, before, {name: f.active for name, f in state(host).items()})
    return Reply(out, err, 1 if err else 0)
