"""Rows of the table of knobs: the card. vnic/knobs/knob.py says what a row has."""

from __future__ import annotations

from vnic._core import lib
from vnic.knobs import fields as places
from vnic.knobs.fields import flow_hash, of_host, of_irq
from vnic.knobs.knob import Knob
from vnic.knobs.parse import (
    fixed_off,
    flag,
    integer,
    parse_flow_hash,
    parse_indir,
    parse_key,
    parse_mac,
    parse_mtu,
    parse_xfrm,
)


def _flow_hash(flow_type: str) -> Knob:
    return Knob(
        parse_flow_hash,
        flow_hash(flow_type),
        None,
        f"fields of {flow_type} flows that RSS hashes (ethtool -N)",
        linux="ethtool -N rx-flow-hash",
        example="sd",
    )


CARD: dict[str, Knob] = {
    # the order matters where one knob depends on another
    "queues": Knob(
        integer(1, lib.NIC_QUEUES_MAX),
        places.QUEUES,
        1,
        "receive queues (ethtool -L combined)",
        linux="ethtool -L combined",
    ),
    "rx-ring": Knob(
        integer(lib.RX_RING_MIN, lib.RX_RING_MAX),
        places.RING,
        256,
        "descriptors per queue (ethtool -G rx)",
        linux="ethtool -G rx",
        unit="descriptors",
    ),
    "tx-ring": Knob(
        integer(lib.TX_RING_MIN, lib.TX_RING_MAX),
        places.TX_RING,
        lib.TX_RING_SIZE,
        "descriptors of the sending ring (ethtool -G tx)",
        linux="ethtool -G tx",
        unit="descriptors",
    ),
    "rx-buf-len": Knob(
        integer(128, 65536),
        of_host("nic.buf_len"),
        2048,
        "bytes of a receive buffer; longer frames span several",
        linux="ethtool -G rx-buf-len",
        unit="bytes",
        fixed="buffers of that size were laid out when the card was made",
    ),
    "rx-pool": Knob(
        integer(64, 1 << 20),
        of_host("rx_pool_size"),
        32768,
        "the driver's buffers per queue",
        fixed="they were laid out when the card was made",
    ),
    "fifo": Knob(integer(60, 1 << 28), places.FIFO, 65536, "bytes of the card's FIFO", unit="bytes"),
    "mtu": Knob(
        parse_mtu,
        places.MTU,
        0,
        "longest payload of a frame; 0: no limit",
        linux="ip link set mtu",
        unit="bytes",
        example=900,
    ),
    "mac": Knob(
        parse_mac,
        places.MAC,
        "any",
        "the card's address; any: the card takes all unicast frames",
        linux="ip link set address",
        example="02:04:06:08:0a:0c",
    ),
    "promisc": Knob(
        flag,
        of_host("nic.filter.promisc", kind=bool),
        False,
        "the address filter passes all frames",
        linux="ip link set promisc",
    ),
    "allmulti": Knob(
        flag,
        of_host("nic.filter.allmulti", kind=bool),
        None,
        "the address filter passes all multicast frames",
        linux="ip link set allmulticast",
    ),
    "rx-vlan-filter": Knob(
        flag,
        of_host("nic.filter.vlan_filter", kind=bool),
        False,
        "the card passes only listed VLAN ids",
        linux="ethtool -K",
    ),
    "tx": Knob(
        flag,
        of_host("nic.tx_csum", kind=bool),
        True,
        "tx checksumming and segmentation in the card",
        linux="ethtool -K",
        fixed="the driver and the card agreed on it when the driver was loaded",
    ),
    # ICMP's limits are the host's; a report shows the knobs in the order of the table, and theirs is here
    "icmp-ratelimit": Knob(
        integer(0, 1_000_000),
        of_host("icmp.ratelimit_ms"),
        1000,
        "shortest time between ICMP errors to one host, ms; 0: no limit",
        unit="ms",
    ),
    "icmp-msgs-per-sec": Knob(integer(0, 1 << 30), of_host("icmp.msgs_per_sec"), 1000, "most ICMP errors per second"),
    "icmp-msgs-burst": Knob(integer(0, 1 << 30), of_host("icmp.msgs_burst"), 50, "most ICMP errors in one burst"),
    "rx": Knob(
        flag,
        of_host("nic.rx_csum", kind=bool),
        True,
        "rx checksumming: the card verifies TCP and UDP",
        linux="ethtool -K",
    ),
    "rxhash": Knob(
        flag,
        of_host("nic.rss.enabled", kind=bool),
        True,
        "the card hashes flows, and spreads them by the hash",
        linux="ethtool -K",
    ),
    "rx-flow-hash-udp": Knob(
        parse_flow_hash,
        flow_hash("udp4", "udp6"),
        "sdfn",
        "fields of UDP flows that RSS hashes",
        linux="ethtool -N rx-flow-hash",
        example="sd",
    ),
    "rx-flow-hash-tcp4": _flow_hash("tcp4"),
    "rx-flow-hash-udp4": _flow_hash("udp4"),
    "rx-flow-hash-tcp6": _flow_hash("tcp6"),
    "rx-flow-hash-udp6": _flow_hash("udp6"),
    "rss-key": Knob(
        parse_key,
        places.KEY,
        None,
        "Toeplitz key (ethtool -X hkey)",
        linux="ethtool -X hkey",
        example=bytes(range(1, 53)),
    ),
    "rss-xfrm": Knob(
        parse_xfrm,
        places.XFRM,
        "none",
        "symmetric-xor: both directions of a flow hash alike",
        linux="ethtool -X xfrm",
        example="symmetric-xor",
    ),
    "rss-indir": Knob(
        parse_indir,
        places.INDIR,
        None,
        "queues by the hash's low bits; a table has 128 entries or 256, 512, 1024, 2048, and fewer repeat (ethtool -X)",
        linux="ethtool -X",
        example="0",
    ),
    "drop-en": Knob(
        flag,
        of_host("nic.drop_en", kind=bool),
        False,
        "drop a frame if its queue has no buffer, instead of blocking the FIFO",
    ),
    "rx-usecs": Knob(
        integer(0, 100_000),
        of_irq("rx_usecs"),
        0,
        "delay from the first frame to the interrupt, us; alone it sets rx-frames to 0",
        linux="ethtool -C, -Q",
    ),
    "rx-frames": Knob(
        integer(0, 65535), of_irq("rx_frames"), 1, "frames that raise the interrupt", linux="ethtool -C, -Q"
    ),
    "rx-usecs-irq": Knob(
        integer(0, 100_000),
        of_irq("rx_usecs_irq"),
        0,
        "rx-usecs for frames that come while an interrupt is serviced; they may delay the next interrupt",
        linux="ethtool -C, -Q",
    ),
    "rx-frames-irq": Knob(
        integer(0, 65535),
        of_irq("rx_frames_irq"),
        0,
        "rx-frames likewise; both 0: no delay by such frames",
        linux="ethtool -C, -Q",
    ),
    "adaptive-rx": Knob(
        flag,
        places.ADAPTIVE,
        False,
        "rx-usecs and rx-frames follow the traffic (DIM); given values are ignored",
        linux="ethtool -C, -Q",
    ),
    "lro": Knob(
        fixed_off,
        places.OFF,
        False,
        "large receive offload, which merges in the card: off [fixed]",
        linux="ethtool -K",
        fixed="off [fixed]",
    ),
    "rx-gro-hw": Knob(
        fixed_off, places.OFF, False, "GRO in the card: off [fixed]", linux="ethtool -K", fixed="off [fixed]"
    ),
    "rx-vlan-offload": Knob(
        fixed_off, places.OFF, False, "the card removes VLAN tags: off [fixed]", linux="ethtool -K", fixed="off [fixed]"
    ),
}
