/* pftrace_tracks.c - slices on their tracks: stacks that nest, and lanes for what overlaps
 *
 *   pftrace.c -> pf_slice(): a CPU's or a queue's track, which has a stack of open slices
 *             -> pf_open_wait(): waits overlap without nesting, so each kind has lanes, and a wait takes the first that is free
 *
 * A begin plans its end, so every begin has one, and ends come in the order that the stack needs.
 */
#include "prelude.h"

static void failed(struct pftrace *p, int rc)
{
	if (rc < 0 && !p->error)
		p->error = rc;
}

static struct pf_stack *stack_of(struct pftrace *p, u32 track)
{
	if (track >= PFT_CPU_TRACKS)
		return &p->stack[(track - PFT_CPU_TRACKS) / 8 * 3 + track % 8 - PFT_HARDIRQ];
	return &p->stack[p->s->ncpus * 3 + (track - PFT_QUEUE_TRACKS) / 4 * 2 + track % 4];
}

/* ---- lanes ---- */

static u32 lane_take(struct pftrace *p, enum pf_wait wait)
{
	struct pf_lanes *l = &p->lanes[wait];
	u32 lane, last, at = 0;

	if (!l->nfree) {
		lane = l->made++;
		pf_track(&p->out, PFT_LANES + ((u32)wait << PFT_LANE_BITS) + lane, PFT_WAITS, p->wait_names[wait], wait,
			 false);
		return lane;
	}
	lane = l->free[0];
	last = l->free[--l->nfree];
	for (u32 child = 1; child < l->nfree; child = at * 2 + 1) {
		child += child + 1 < l->nfree && l->free[child + 1] < l->free[child];
		if (l->free[child] >= last)
			break;
		l->free[at] = l->free[child];
		at = child;
	}
	l->free[at] = last;
	return lane;
}

static void lane_give(struct pftrace *p, enum pf_wait wait, u32 lane)
{
	struct pf_lanes *l = &p->lanes[wait];
	u32 at = l->nfree;

	if (l->nfree == l->room) {
		u32 room = max_u32(l->room * 2, 64), *grown = realloc(l->free, room * sizeof(*grown));

		if (!grown) {
			failed(p, -ENOMEM);
			return;
		}
		l->free = grown;
		l->room = room;
	}
	l->nfree++;
	for (; at && l->free[(at - 1) / 2] > lane; at = (at - 1) / 2)
		l->free[at] = l->free[(at - 1) / 2];
	l->free[at] = lane;
}

/* ---- what all events have ---- */

/* Say which frame it is, and what became of it. */
const struct frame_row *pf_frame(struct pftrace *p, struct pf_event *ev, u64 frame)
{
	u64 at = trace_row(p->s, frame);
	const struct frame_row *r = at == NEVER ? NULL : &p->s->rows[at];

	pf_uint(ev, PFT_FRAME, frame);
	if (!r)
		return NULL;
	if (r->flow && r->flow < p->s->nflows)
		pf_text(ev, PFT_FLOW, PFT_TEXT_FLOW + (u64)r->flow);
	pf_uint(ev, PFT_LEN, r->len);
	if (r->skb != r->id)
		pf_uint(ev, PFT_PACKET, r->skb);
	if (r->segs > 1)
		pf_uint(ev, PFT_SEGS, r->segs);
	if (r->fate != FRAME_NO_FATE)
		pf_text(ev, PFT_FATE, PFT_TEXT_FATE + (u64)r->fate);
	return r;
}

void pf_counter(struct pftrace *p, u32 track, u64 t, u64 value)
{
	struct pf_event ev;

	pf_start(&ev, PFT_COUNTER, track, 0);
	pf_value(&ev, value);
	pf_put(&p->out, &ev, t);
}

/* Write the begin of a slice that ends at end, and plan its end. A live log's slices may cross: the inner one is cut. */
void pf_slice(struct pftrace *p, struct pf_event *ev, u32 track, u64 t, u64 end)
{
	struct pf_stack *st = stack_of(p, track);

	if (st->depth == PFT_DEEP)
		return;
	if (st->depth && st->end[st->depth - 1] < end) {
		pf_uint(ev, PFT_END_NS, end);
		end = max_u64(st->end[st->depth - 1], t);
	}
	pf_put(&p->out, ev, t);
	if (end > t) {
		st->end[st->depth++] = end;
		failed(p, trace_push_end(&p->points, end, PFT_CLOSE, track));
		return;
	}
	pf_start(ev, PFT_END, track, 0);
	pf_put(&p->out, ev, t);
}

void pf_close(struct pftrace *p, u32 track, u64 t)
{
	struct pf_event ev;

	if (track < PFT_LANES)
		stack_of(p, track)->depth--;
	else
		lane_give(p, (track - PFT_LANES) >> PFT_LANE_BITS, track & ((1u << PFT_LANE_BITS) - 1));
	pf_start(&ev, PFT_END, track, 0);
	pf_put(&p->out, &ev, t);
}

void pf_open_wait(struct pftrace *p, enum pf_wait wait, u64 t, u64 end, const struct event_record *e)
{
	u32 track = PFT_LANES + ((u32)wait << PFT_LANE_BITS) + lane_take(p, wait);
	struct pf_event ev;

	pf_start(&ev, PFT_BEGIN, track, PFT_NAME_WAIT + wait);
	pf_frame(p, &ev, e->frame);
	if (wait == PFT_WAIT_GRO)
		pf_text(&ev, PFT_WHY, PFT_TEXT_WHY + (e->arg & 0xff));
	if (wait == PFT_WAIT_SOCKET)
		pf_uint(&ev, PFT_SOCK, (u32)e->arg);
	if (end == NEVER) {
		pf_uint(&ev, PFT_UNFINISHED, 1);
		end = p->s->last_ns;
	}
	pf_put(&p->out, &ev, t);
	if (end > t)
		failed(p, trace_push_end(&p->points, end, PFT_CLOSE, track));
	else
		pf_close(p, track, t);
}
