/* event_select.c - some of the records: by time, kind, CPU, queue, and by frame
 *
 *   records in the order of time -> here -> fewer of them
 *
 * A frame that joins a packet goes on as the packet's first frame (event_record.skb). So a record that joins a wanted frame
 * to a packet makes that packet's records wanted, if they end when it ends or later. Such a record may begin before: so all
 * joins are found first, in as many turns as packets became part of packets.
 */
#include "prelude.h"

/* Packets that wanted frames have joined: an open hash table of their first frames. */
struct joined {
	u64 mask;
	struct packet {
		u64 frame, since; /* frame 0: free */
	} *slot;
};

static struct packet *packet_of(const struct joined *j, u64 frame)
{
	u64 at = frame * 0x9e3779b97f4a7c15ull >> 20 & j->mask;

	while (j->slot[at].frame && j->slot[at].frame != frame)
		at = (at + 1) & j->mask;
	return &j->slot[at];
}

static bool is_in(const struct event_wanted *w, u64 frame)
{
	u64 low = 0, high = w->nframes;

	while (low < high) {
		u64 mid = (low + high) / 2;

		if (w->frames[mid].last < frame)
			low = mid + 1;
		else
			high = mid;
	}
	return low < w->nframes && w->frames[low].first <= frame;
}

static bool is_about(const struct event_wanted *w, const struct joined *j, const struct event_record *e)
{
	const struct packet *p;

	if (!e->frame)
		return false;
	if (is_in(w, e->frame))
		return true;
	p = packet_of(j, e->frame);
	return p->frame && e->t_ns + e->dur_ns >= p->since;
}

/* Find what the wanted frames have joined. Return: was there something new? */
static bool join(const struct event_wanted *w, const struct joined *j, const struct event_record *e, u64 n)
{
	bool more = false;

	for (u64 i = 0; i < n; i++) {
		u64 end = e[i].t_ns + e[i].dur_ns;
		struct packet *p;

		if (!e[i].skb || !is_about(w, j, &e[i]))
			continue;
		p = packet_of(j, e[i].skb);
		if (p->frame && p->since <= end)
			continue;
		*p = (struct packet){ e[i].skb, end };
		more = true;
	}
	return more;
}

static bool is_wanted(const struct event_wanted *w, const struct event_record *e)
{
	return e->t_ns <= w->until_ns && e->t_ns + e->dur_ns >= w->from_ns && w->kinds >> e->kind & 1 &&
	       (w->cpu == EVENT_ANY || e->cpu == w->cpu) && (w->queue == EVENT_ANY || e->queue == w->queue);
}

static int joined_new(struct joined *j, const struct event_record *e, u64 n)
{
	u64 most = 1;

	for (u64 i = 0; i < n; i++)
		most += e[i].skb != 0;
	j->mask = (1ull << (64 - __builtin_clzll(most * 2))) - 1;
	j->slot = calloc(j->mask + 1, sizeof(*j->slot));
	return j->slot ? 0 : -ENOMEM;
}

long events_select(const struct event_record *e, u64 n, const struct event_wanted *w, struct event_record *to)
{
	struct joined j = { 0 };
	long found = 0;

	if (w->frames && joined_new(&j, e, n) < 0)
		return -ENOMEM;
	for (u32 turn = 0; w->frames && turn < 64 && join(w, &j, e, n); turn++)
		;
	for (u64 i = 0; i < n; i++) {
		if (!is_wanted(w, &e[i]) || (w->frames && !is_about(w, &j, &e[i])))
			continue;
		if (to)
			to[found] = e[i];
		found++;
	}
	free(j.slot);
	return found;
}
