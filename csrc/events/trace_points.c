/* trace_points.c - the begins and ends of records, in the order of time: a heap
 *
 *   records, sorted by when they began -> push their begins and ends -> pop all that is before the next record's begin
 *
 * The heap holds what has begun and not ended, so it stays small. Of one instant, what takes no time comes first: it belongs
 * to the work that ends now. Then ends come, the one that began last first; then begins, the longest first. So what is
 * popped nests on each CPU, also where records begin or end together. What has rank 0, a task, begins behind the switch to it
 * although it may take no time.
 */
#include "prelude.h"

#define LONG (UINT64_MAX >> 8)

static bool before(const struct trace_point *a, const struct trace_point *b)
{
	if (a->t != b->t)
		return a->t < b->t;
	return a->tie != b->tie ? a->tie < b->tie : a->seq < b->seq;
}

/* Return: 0 or -ENOMEM */
static int push(struct trace_points *p, struct trace_point point)
{
	u64 at = p->used;

	if (p->used == p->room) {
		u64 room = p->room ? p->room * 2 : 1024;
		struct trace_point *heap = realloc(p->heap, room * sizeof(*heap));

		if (!heap)
			return -ENOMEM;
		p->heap = heap;
		p->room = room;
	}
	point.seq = p->pushed++;
	p->used++;
	for (; at && before(&point, &p->heap[(at - 1) / 2]); at = (at - 1) / 2)
		p->heap[at] = p->heap[(at - 1) / 2];
	p->heap[at] = point;
	return 0;
}

int trace_push_instant(struct trace_points *p, u64 t, u32 what, u64 at)
{
	return push(p, (struct trace_point){ .t = t, .at = at, .what = what });
}

int trace_push_begin(struct trace_points *p, u64 t, u64 dur, u32 rank, u32 what, u64 at)
{
	u64 longest_first = LONG - min_u64(dur, LONG);

	if (!dur && rank)
		return trace_push_instant(p, t, what, at);
	return push(p, (struct trace_point){
			       .t = t, .tie = 2ull << 62 | longest_first << 4 | rank, .at = at, .what = what });
}

int trace_push_end(struct trace_points *p, u64 t, u32 what, u64 at)
{
	u64 last_first = LONG - min_u64(p->pushed, LONG);

	return push(p, (struct trace_point){ .t = t, .tie = 1ull << 62 | last_first, .at = at, .what = what });
}

bool trace_pop(struct trace_points *p, u64 until, struct trace_point *point)
{
	struct trace_point last;
	u64 at = 0;

	if (!p->used || p->heap[0].t >= until)
		return false;
	*point = p->heap[0];
	last = p->heap[--p->used];
	for (;;) {
		u64 child = at * 2 + 1;

		if (child >= p->used)
			break;
		if (child + 1 < p->used && before(&p->heap[child + 1], &p->heap[child]))
			child++;
		if (!before(&p->heap[child], &last))
			break;
		p->heap[at] = p->heap[child];
		at = child;
	}
	if (p->used)
		p->heap[at] = last;
	return true;
}

void trace_points_free(struct trace_points *p)
{
	free(p->heap);
	*p = (struct trace_points){ 0 };
}

u32 trace_rank(const struct event_record *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_TASK:
		return 0;
	case EVENT_SOFTIRQ:
		return 1;
	case EVENT_NET_RX:
		return 2;
	case EVENT_POLL:
		return 3;
	default:
		return 8;
	}
}
