/* link_run.c - two hosts in virtual time and a link between them: both advance in lock step
 *
 *   link_run(): window | host A up to its end | host B up to its end | next window
 *
 * What a host sends arrives at the other no earlier than the link's delay and the shortest frame's serialisation later. So
 * both may act until the earliest next instant of both, and so much longer, before they exchange frames: a conservative
 * parallel simulation. Where neither has anything to do, the window jumps. A program at a socket (link_task.c) acts in the
 * instant at which Linux would wake it: the waker cuts the host's slice.
 */
#include "prelude.h"

#define WINDOWS_A_SLICE 4096

/* Return: how long no frame of one side reaches the other from now on */
static u64 lookahead(const struct link *l)
{
	u64 a = l->way[0].delay_ns + link_serial_ps(&l->way[0], ETH_ZLEN) / 1000;
	u64 b = l->way[1].delay_ns + link_serial_ps(&l->way[1], ETH_ZLEN) / 1000;

	return min_u64(a, b);
}

static void begin_window(struct link *l, u64 until)
{
	u64 next = min_u64(vtime_next(l->end_of[0].h), vtime_next(l->end_of[1].h));

	if (l->end_of[0].ready || l->end_of[1].ready) /* their programs act first of all */
		next = 0;
	next = max_u64(next, l->now);
	l->end = next >= until ? until : min_u64(next + lookahead(l) - 1, until);
	l->open = 1;
	l->side = 0;
	l->windows++;
}

/* Run the host of l->side to the window's end. Return: LINK_DONE: it is there */
static enum link_event run_side(struct link *l)
{
	struct link_end *end = &l->end_of[l->side];

	for (;;) {
		enum event e;

		if (end->ready && link_act(l, end))
			return LINK_WOKE;
		end->cut = 0;
		e = vtime_run_until(end->h, l->end);
		end->h->steps -= end->cut; /* turns that were not taken */
		if (e != EV_DONE && e != EV_SLICE) {
			l->event = e;
			return LINK_HOST;
		}
		if (e == EV_SLICE && !end->cut && !end->ready)
			return LINK_SLICE;
		if (e == EV_DONE && !end->ready)
			return LINK_DONE;
	}
}

enum link_event link_run(struct link *l, u64 until)
{
	for (u32 n = 0; n < WINDOWS_A_SLICE; n++) {
		if (!l->open) {
			if (l->now > until)
				return LINK_DONE;
			begin_window(l, until);
		}
		for (; l->side < 2; l->side++) {
			enum link_event e = run_side(l);

			if (e != LINK_DONE)
				return e;
		}
		l->open = 0;
		l->now = l->end + 1;
	}
	return LINK_SLICE;
}

struct link *link_new(struct host *a, struct host *b, struct wire *wire_a, struct wire *wire_b)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l)
		l->buf = calloc(1, LINK_BUF);
	if (!l || !l->buf) {
		free(l);
		return NULL;
	}
	l->end_of[0].h = a;
	l->end_of[1].h = b;
	l->now = max_u64(host_now(a, NULL), host_now(b, NULL));
	link_way_open(&l->way[0], wire_a, wire_b);
	link_way_open(&l->way[1], wire_b, wire_a);
	return l;
}

void link_free(struct link *l, struct wire *wire_a, struct wire *wire_b)
{
	struct wire *wire[2] = { wire_a, wire_b };

	if (!l)
		return;
	for (u32 i = 0; i < 2; i++) {
		struct link_task *t;

		if (!wire[i])
			l->end_of[i].h = NULL;
		while ((t = l->end_of[i].tasks))
			link_task_free(t);
		link_way_shut(&l->way[i], wire[i]);
	}
	free(l->buf);
	free(l);
}
