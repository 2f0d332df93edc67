"""Format the additional details of ``ip -d link`` as iproute2 6 does: limits, queues, promiscuity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vnic.linux import netdevice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vnic.host import Host

_GSO_MAX_SIZE, _GSO_MAX_SEGS = 65536, 65535  # of a device without TSO: TSO_LEGACY_MAX_SIZE, GSO_MAX_SEGS


def facts(host: Host, *, link: bool = True) -> dict[str, Any]:
    """Return the details by iproute2's JSON names. ``link`` False: only those of ``ip addr``."""
    mode = {"inet6_addr_gen_mode": "eui64"} if link else {}
    return {
        "promiscuity": int(host.knobs["promisc"]),
        "allmulti": int(host.knobs["allmulti"]),
        "min_mtu": netdevice.MTU_MIN,
        "max_mtu": netdevice.MTU_MAX,
        **mode,
        "num_tx_queues": 1,
        "num_rx_queues": int(host.machine.c.nic.queues_max),
        "gso_max_size": _GSO_MAX_SIZE,
        "gso_max_segs": _GSO_MAX_SEGS,
        "tso_max_size": _GSO_MAX_SIZE,
        "tso_max_segs": _GSO_MAX_SEGS,
        "gro_max_size": int(host.knobs["gro-max-size"]),
    }


_WORDS = {
    "promiscuity": " promiscuity {} ",  # iproute2 prints a second blank before the next
    "allmulti": " allmulti {}",
    "min_mtu": " minmtu {}",
    "max_mtu": " maxmtu {}",
    "inet6_addr_gen_mode": " addrgenmode {}",
    "num_tx_queues": " numtxqueues {}",
    "num_rx_queues": " numrxqueues {}",
    "gso_max_size": " gso_max_size {}",
    "gso_max_segs": " gso_max_segs {}",
    "tso_max_size": " tso_max_size {}",
    "tso_max_segs": " tso_max_segs {}",
    "gro_max_size": " gro_max_size {} ",
}


def text(facts_: Mapping[str, Any]) -> str:
    """Format the text after the addresses; empty if the facts have no details."""
    return "".join(words.format(facts_[name]) for name, words in _WORDS.items() if name in facts_)
