/* event_find.c - where the records are that are about a frame, a CPU, a queue, a time; event_select.c copies such ones
 *
 *   vnic/walk: "what did CPU 1 do between these two instants?" -> events_find() -> numbers of records
 *
 * The records are in the order of their begins, so the search ends at the first one that begins too late. It cannot begin
 * later than at the first record, because a record that began early may last long.
 */
#include "prelude.h"

static bool is_between(const struct event_search *w, u64 frame)
{
	return frame >= w->first_frame && frame <= w->last_frame;
}

u64 events_find(const struct event_record *e, u64 n, const struct event_search *w, u64 *at, u64 max)
{
	u64 found = 0;

	for (u64 i = 0; i < n && e[i].t_ns <= w->until_ns; i++) {
		if (!(w->kinds >> e[i].kind & 1) || e[i].t_ns + e[i].dur_ns < w->from_ns)
			continue;
		if ((w->cpu != EVENT_ANY && e[i].cpu != w->cpu) || (w->queue != EVENT_ANY && e[i].queue != w->queue))
			continue;
		if (w->last_frame && !is_between(w, e[i].frame) && !(w->joined && is_between(w, e[i].skb)))
			continue;
		if (found < max)
			at[found] = i;
		found++;
	}
	return found;
}
