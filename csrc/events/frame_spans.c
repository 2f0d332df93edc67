/* frame_spans.c - how long each frame was in each part of its way, from the log's records: the latency split by frame
 *
 *   records, rows (frame_table.c) -> spans by enum latency -> frame_diff.c compares those of two runs
 *
 * The parts are the stages' own (softnet/inline.h, stage_done()), so their sums are those of the latency histograms. A frame
 * in a packet has its own spans up to where it joined, and from there on those of the packet's first frame. Where records
 * overlap (live, RPS hands a packet over in two steps), an instant counts for the earlier one.
 */
#include "prelude.h"

#define NO_ROW UINT64_MAX

/* at: the end of the frame's last stage; joined: when it, or the first frame that joined it, became part of a packet */
struct course {
	u64 at, joined;
};

struct spans {
	const struct frame_row *rows;
	u64 nrows;
	struct frame_spans *own, *shared;
	struct course *course;
};

/* Without gaps in the numbers, the first guess is right. */
static u64 row_of(const struct spans *s, u64 id)
{
	u64 guess = id - s->rows[0].id, low = 0, high = s->nrows;

	if (likely(guess < s->nrows && s->rows[guess].id == id))
		return guess;
	while (low < high) {
		u64 mid = (low + high) / 2;

		if (s->rows[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->nrows && s->rows[low].id == id ? low : NO_ROW;
}

static void add(struct frame_spans *s, enum latency part, u64 ns)
{
	s->ns[part] += ns;
	s->seen |= 1u << part;
}

/* Which part does a record end? Return: LAT_MAX: none */
static enum latency part_of(const struct event_record *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_SKB:
	case EVENT_RPS:
	case EVENT_REORDER:
	case EVENT_SOCKET:
		return LAT_STACK;
	case EVENT_GRO_OUT:
		return LAT_GRO;
	case EVENT_BACKLOG_OUT:
		return LAT_BACKLOG;
	case EVENT_ORDERED:
		return LAT_REORDER;
	case EVENT_READ:
		return LAT_SOCKET;
	default:
		return LAT_MAX;
	}
}

static void in_ring(struct frame_spans *s, const struct frame_row *r, const struct event_record *e)
{
	u64 end = e->t_ns + e->dur_ns, seen = min_u64(max_u64(e->arg, e->t_ns), end);

	if (r->t_wire <= e->t_ns)
		add(s, LAT_RING, e->t_ns - r->t_wire);
	add(s, LAT_MODERATION, seen - e->t_ns);
	add(s, LAT_POLL, end - seen);
}

static void note(struct spans *s, u64 row, const struct event_record *e)
{
	struct course *c = &s->course[row];
	u64 end = e->t_ns + e->dur_ns, from = e->t_ns;
	enum latency part = part_of(e);

	if (e->kind == EVENT_RING) {
		in_ring(&s->own[row], &s->rows[row], e);
		c->at = end;
	}
	if (part == LAT_MAX)
		return;
	if (c->at) /* read() takes what has waited in the socket's queue since then */
		from = e->kind == EVENT_READ ? min_u64(c->at, end) : max_u64(min_u64(c->at, end), e->t_ns);
	c->at = end;
	add(&s->own[row], part, end - from);
	if (c->joined != NEVER && e->t_ns >= c->joined)
		add(&s->shared[row], part, end - from);
}

/* When did each packet become one? Its frames join it at one instant: GRO or reassembly gives it up. */
static void find_joins(struct spans *s, const struct event_record *e, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		u64 head;

		if (!e[i].skb || (e[i].kind != EVENT_GRO_OUT && e[i].kind != EVENT_ORDERED))
			continue;
		head = row_of(s, e[i].skb);
		if (head != NO_ROW)
			s->course[head].joined = e[i].t_ns + e[i].dur_ns;
	}
}

static void take_shared(struct spans *s)
{
	for (u64 i = 0; i < s->nrows; i++) {
		u64 head = s->rows[i].skb == s->rows[i].id ? NO_ROW : row_of(s, s->rows[i].skb);

		for (int part = 0; head != NO_ROW && part < LAT_MAX; part++)
			if (s->shared[head].seen >> part & 1)
				add(&s->own[i], (enum latency)part, s->shared[head].ns[part]);
		if (s->rows[i].t_read != NEVER && s->rows[i].t_wire <= s->rows[i].t_read)
			add(&s->own[i], LAT_TOTAL, s->rows[i].t_read - s->rows[i].t_wire);
	}
}

static void run(struct spans *s, const struct event_record *e, u64 n)
{
	memset(s->own, 0, s->nrows * sizeof(*s->own));
	for (u64 i = 0; i < s->nrows; i++)
		s->course[i].joined = NEVER;
	find_joins(s, e, n);
	for (u64 i = 0; i < n; i++) {
		u64 row = e[i].frame ? row_of(s, e[i].frame) : NO_ROW;

		if (row != NO_ROW)
			note(s, row, &e[i]);
	}
	take_shared(s);
}

int frame_spans(const struct event_record *e, u64 n, const struct frame_row *rows, u64 nrows, struct frame_spans *spans)
{
	struct spans s = { .rows = rows, .nrows = nrows, .own = spans };
	int rc = -ENOMEM;

	if (!nrows)
		return 0;
	s.course = calloc(nrows, sizeof(*s.course));
	s.shared = calloc(nrows, sizeof(*s.shared));
	if (s.course && s.shared) {
		run(&s, e, n);
		rc = 0;
	}
	free(s.course);
	free(s.shared);
	return rc;
}
