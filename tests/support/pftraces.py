"""A Perfetto trace, read by Perfetto's own package: its tracks, slices, instants, counters and arrows.

Reading checks what every trace must keep: times ascend, a track is described before it is used, every slice that begins
ends, on its own track, the innermost first.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

NEEDS_NAMES = 2


@dataclass
class Mark:
    """A slice or an instant (end is t); nth: its place in the file."""

    track: str
    name: str
    t: int
    end: int
    depth: int
    args: dict[str, Any]
    flows: list[int]
    ending: list[int]
    nth: int


@dataclass
class Read:
    descriptors: dict[int, Any] = field(default_factory=dict)
    slices: list[Mark] = field(default_factory=list)
    instants: list[Mark] = field(default_factory=list)
    counters: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    uuids: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    @cached_property
    def arrows(self):
        """Number of an arrow -> the marks that it passes, in the order of time."""
        found = defaultdict(list)
        for mark in sorted([*self.slices, *self.instants], key=lambda m: m.nth):
            for number in (*mark.flows, *mark.ending):
                found[number].append(mark)
        return found

    def on(self, track):
        """The slices of a track."""
        return [s for s in self.slices if s.track == track]


def title(descriptor):
    return descriptor.name or descriptor.thread.thread_name or descriptor.process.process_name


def read(data: bytes) -> Read:
    trace = Trace.FromString(data)
    out, last, names, labels, texts = Read(), 0, {}, {}, {}
    open_slices = defaultdict(list)
    for nth, packet in enumerate(trace.packet):
        assert packet.trusted_packet_sequence_id == 1
        if packet.HasField("interned_data"):
            assert (packet.sequence_flags & 1) == (nth == 0)  # the first one begins the state, no other forgets it
            for to, rows in (
                (names, packet.interned_data.event_names),
                (labels, packet.interned_data.debug_annotation_names),
            ):
                for row in rows:
                    assert row.iid not in to
                    to[row.iid] = row.name
            for row in packet.interned_data.debug_annotation_string_values:
                assert row.iid not in texts
                texts[row.iid] = row.str.decode()
        if packet.HasField("track_descriptor"):
            d = packet.track_descriptor
            assert d.uuid not in out.descriptors
            assert not d.parent_uuid or d.parent_uuid in out.descriptors
            out.descriptors[d.uuid] = d
            out.uuids[title(d)].add(d.uuid)
        if packet.HasField("track_event"):
            assert packet.timestamp >= last
            last = packet.timestamp
            _event(out, nth, packet, open_slices, (names, labels, texts))
    assert not any(open_slices.values())
    return out


def _event(out, nth, packet, open_slices, interned):
    names, labels, texts = interned
    e, t = packet.track_event, packet.timestamp
    track = title(out.descriptors[e.track_uuid])
    stack = open_slices[e.track_uuid]
    if e.type == TrackEvent.TYPE_SLICE_END:
        stack.pop().end = t
        return
    if e.type == TrackEvent.TYPE_COUNTER:
        assert out.descriptors[e.track_uuid].HasField("counter")
        out.counters[track].append((t, e.counter_value))
        return
    if e.name_iid:
        assert packet.sequence_flags & NEEDS_NAMES
    args = {
        labels[a.name_iid] if a.name_iid else a.name: texts[a.string_value_iid]
        if a.string_value_iid
        else a.string_value or a.uint_value
        for a in e.debug_annotations
    }
    name = names[e.name_iid] if e.name_iid else e.name
    mark = Mark(track, name, t, t, len(stack), args, list(e.flow_ids), list(e.terminating_flow_ids), nth)
    if e.type == TrackEvent.TYPE_SLICE_BEGIN:
        stack.append(mark)
        out.slices.append(mark)
    else:
        assert e.type == TrackEvent.TYPE_INSTANT
        out.instants.append(mark)
