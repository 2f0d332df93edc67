"""What the host sent, as a script would write it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vnic.packetdrill.flow import Flow
from vnic.packetdrill.script import IpInfo, Tcp

if TYPE_CHECKING:
    from vnic.packetdrill.segment import Segment


def named(actual: Tcp, expected: Tcp) -> Tcp:
    """Return a packet with the script's timestamp, and with only those fields that the script names."""
    stamp = next((o.values[0] for o in expected.options or () if o.kind == "TS"), None)
    options = tuple(
        replace(o, values=(stamp, o.values[1])) if o.kind == "TS" and stamp is not None and len(o.values) == 2 else o
        for o in actual.options or ()
    )
    ip = IpInfo(
        actual.ip.ecn if expected.ip.ecn else None,
        actual.ip.tos if expected.ip.tos is not None else None,
        actual.ip.ttl if expected.ip.ttl is not None else None,
    )
    return replace(actual, window=None if expected.window is None else actual.window, options=options, ip=ip)


def unexpected(flows: list[Flow], segment: Segment) -> Tcp:
    """Return a packet that no line names, in the numbers of its connection, without its timestamp."""
    flow = next((f for f in flows if f.owns(segment)), None)
    if flow is None:
        flow = Flow(segment.src, segment.dst, segment.sport, segment.dport)
    options = tuple(replace(o, values=(0, *o.values[1:])) if o.kind == "TS" else o for o in segment.options)
    return replace(flow.outbound(segment), ip=IpInfo(), options=options)
