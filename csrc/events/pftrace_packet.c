/* pftrace_packet.c - Perfetto's packets, encoded. The format: protobuf; numbers of fields: perfetto_trace.proto
 *
 *   pftrace.c -> pf_start(), pf_uint(), pf_flow(), ... -> pf_put() -> trace_out.c
 *
 * A trace is a sequence of packets, which are all of one writer (PFT_SEQUENCE): their times ascend. Names are numbers; the
 * packets at the begin of the file, from vnic/trace/perfetto.py, say what they mean.
 */
#include "prelude.h"

#define PFT_SEQUENCE 1
#define NEEDS_NAMES 2 /* SEQ_NEEDS_INCREMENTAL_STATE */

enum wire_type { VARINT, FIXED64, BYTES };

/* Trace */
#define TRACE_PACKET 1
/* TracePacket */
#define PACKET_TIMESTAMP 8
#define PACKET_SEQUENCE 10
#define PACKET_TRACK_EVENT 11
#define PACKET_FLAGS 13
#define PACKET_TRACK_DESCRIPTOR 60
/* TrackEvent */
#define EVENT_ANNOTATION 4
#define EVENT_TYPE 9
#define EVENT_NAME_IID 10
#define EVENT_TRACK_UUID 11
#define EVENT_COUNTER_VALUE 30
#define EVENT_FLOW_IDS 47
#define EVENT_ENDING_FLOW_IDS 48
/* DebugAnnotation */
#define ANNOTATION_NAME_IID 1
#define ANNOTATION_UINT 3
#define ANNOTATION_TEXT_IID 17
/* TrackDescriptor */
#define TRACK_UUID 1
#define TRACK_NAME 2
#define TRACK_PARENT 5
#define TRACK_COUNTER 8
#define TRACK_RANK 12

static u8 *varint(u8 *p, u64 v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (u8)(v | 0x80);
	*p++ = (u8)v;
	return p;
}

static u8 *number(u8 *p, u32 field, u64 v)
{
	return varint(varint(p, field << 3 | VARINT), v);
}

static u8 *bytes(u8 *p, u32 field, const void *data, u32 n)
{
	p = varint(varint(p, field << 3 | BYTES), n);
	memcpy(p, data, n);
	return p + n;
}

void pf_start(struct pf_event *ev, enum pf_type type, u32 track, u32 name)
{
	u8 *p = number(number(ev->bytes, EVENT_TYPE, type), EVENT_TRACK_UUID, track);

	ev->used = (u32)((name ? number(p, EVENT_NAME_IID, name) : p) - ev->bytes);
}

static void annotation(struct pf_event *ev, enum pf_arg arg, u32 field, u64 value)
{
	u8 in[16], *end = number(number(in, ANNOTATION_NAME_IID, arg), field, value);

	ev->used = (u32)(bytes(ev->bytes + ev->used, EVENT_ANNOTATION, in, (u32)(end - in)) - ev->bytes);
}

void pf_uint(struct pf_event *ev, enum pf_arg arg, u64 value)
{
	annotation(ev, arg, ANNOTATION_UINT, value);
}

void pf_text(struct pf_event *ev, enum pf_arg arg, u64 number_of_text)
{
	annotation(ev, arg, ANNOTATION_TEXT_IID, number_of_text);
}

void pf_flow(struct pf_event *ev, u64 id, bool ends)
{
	u8 *p = varint(ev->bytes + ev->used, (ends ? EVENT_ENDING_FLOW_IDS : EVENT_FLOW_IDS) << 3 | FIXED64);

	for (u32 i = 0; i < 8; i++)
		*p++ = (u8)(id >> 8 * i);
	ev->used = (u32)(p - ev->bytes);
}

void pf_value(struct pf_event *ev, u64 value)
{
	ev->used = (u32)(number(ev->bytes + ev->used, EVENT_COUNTER_VALUE, value) - ev->bytes);
}

/* Put a packet around n bytes that are at the end of the room behind a head. */
static void put_packet(struct trace_out *o, const u8 *head, u32 head_n, const u8 *body, u32 field, u32 n)
{
	u8 *to = trace_room(o), *p, tag[8];
	u32 tag_n = (u32)(varint(varint(tag, field << 3 | BYTES), n) - tag);

	p = varint(varint(to, TRACE_PACKET << 3 | BYTES), head_n + tag_n + n);
	memcpy(p, head, head_n);
	memcpy(p + head_n, tag, tag_n);
	memcpy(p + head_n + tag_n, body, n);
	trace_took(o, (u32)(p - to) + head_n + tag_n + n);
}

void pf_put(struct trace_out *o, const struct pf_event *ev, u64 t)
{
	u8 head[24], *p = number(number(head, PACKET_TIMESTAMP, t), PACKET_SEQUENCE, PFT_SEQUENCE);

	p = number(p, PACKET_FLAGS, NEEDS_NAMES);
	put_packet(o, head, (u32)(p - head), ev->bytes, PACKET_TRACK_EVENT, ev->used);
}

void pf_track(struct trace_out *o, u32 track, u32 parent, const char *name, u32 rank, bool counter)
{
	u8 head[8], body[160], *p = number(body, TRACK_UUID, track);
	u32 head_n = (u32)(number(head, PACKET_SEQUENCE, PFT_SEQUENCE) - head);

	p = bytes(p, TRACK_NAME, name, (u32)strnlen(name, 100));
	p = number(number(p, TRACK_PARENT, parent), TRACK_RANK, rank);
	if (counter)
		p = bytes(p, TRACK_COUNTER, "", 0);
	put_packet(o, head, head_n, body, PACKET_TRACK_DESCRIPTOR, (u32)(p - body));
}
