/* pftrace_marks.c - a record as a slice or an instant: its track, its annotations, its arrows
 *
 *   pftrace.c -> here -> pftrace_tracks.c
 *
 * An arrow has the number of the frame that it follows. Interrupts of the card, IPIs and wake-ups have arrows too, with
 * numbers above: from who asks to who comes.
 */
#include "prelude.h"

#define ARROWS (1ull << 56) /* + a count: arrows that are not a frame's */

/* ---- tracks ---- */

u32 pf_cpu_track(const struct event_record *e, enum pf_cpu_track which)
{
	return PFT_CPU_TRACKS + 8u * e->cpu + which;
}

u32 pf_queue_track(const struct event_record *e, enum pf_queue_track which)
{
	return PFT_QUEUE_TRACKS + 4u * e->queue + which;
}

bool pf_has_queue(const struct pftrace *p, const struct event_record *e)
{
	return e->queue < p->s->nqueues;
}

/* ---- arrows of interrupts and wake-ups ---- */

static u64 arrow_begins(struct pftrace *p, u64 *last)
{
	return *last = ARROWS + ++p->arrows;
}

static void arrow_ends(struct pf_event *ev, u64 *last)
{
	if (*last)
		pf_flow(ev, *last, true);
	*last = 0;
}

/* ---- slices ---- */

void pf_on_cpu(struct pftrace *p, const struct event_record *e, enum pf_cpu_track which, u32 name, u64 end)
{
	u32 track = pf_cpu_track(e, which);
	struct pf_event ev;

	pf_start(&ev, PFT_BEGIN, track, name);
	switch ((enum event_kind)e->kind) {
	case EVENT_HARDIRQ:
		if (e->arg == HARDIRQ_QUEUE && pf_has_queue(p, e))
			arrow_ends(&ev, &p->irqs[e->queue]);
		if (e->arg == HARDIRQ_IPI)
			arrow_ends(&ev, &p->ipis[e->cpu]);
		break;
	case EVENT_SOFTIRQ:
		if (e->arg)
			pf_uint(&ev, PFT_KSOFTIRQD, 1);
		break;
	case EVENT_NET_RX:
		pf_uint(&ev, PFT_WORK, (u32)e->arg);
		pf_uint(&ev, PFT_SQUEEZED, e->arg >> 32);
		break;
	case EVENT_POLL:
		pf_uint(&ev, PFT_WORK, (u32)e->arg);
		pf_uint(&ev, PFT_WEIGHT, e->arg >> 32);
		break;
	case EVENT_WAKE:
		pf_uint(&ev, PFT_TARGET, e->arg);
		if (e->arg < p->s->ncpus)
			pf_flow(&ev, arrow_begins(p, &p->wakes[e->arg]), false);
		break;
	case EVENT_TASK:
		if (e->arg == TASK_READER)
			arrow_ends(&ev, &p->wakes[e->cpu]);
		break;
	case EVENT_READ:
		pf_uint(&ev, PFT_SOCK, (u32)e->arg);
		break;
	default:
		break;
	}
	if (e->queue != EVENT_NO_QUEUE)
		pf_uint(&ev, PFT_QUEUE, e->queue);
	if (e->frame) {
		pf_frame(p, &ev, e->frame);
		pf_flow(&ev, e->frame, e->kind == EVENT_READ);
	}
	pf_slice(p, &ev, track, e->t_ns, end);
}

void pf_on_queue(struct pftrace *p, const struct event_record *e, enum pf_queue_track which)
{
	u32 track = pf_queue_track(e, which);
	struct pf_event ev;

	pf_start(&ev, PFT_BEGIN, track, which == PFT_DMA ? PFT_NAME_KIND + EVENT_DMA : PFT_NAME_MODERATION);
	if (e->frame) {
		pf_frame(p, &ev, e->frame);
		pf_flow(&ev, e->frame, false);
	}
	pf_slice(p, &ev, track, e->t_ns, e->t_ns + e->dur_ns);
}

/* ---- instants ---- */

void pf_instant(struct pftrace *p, const struct event_record *e, u32 track, u32 name, u64 t)
{
	const struct frame_row *r = NULL;
	struct pf_event ev;

	pf_start(&ev, PFT_INSTANT, track, name);
	if (e->queue != EVENT_NO_QUEUE)
		pf_uint(&ev, PFT_QUEUE, e->queue);
	if (e->frame)
		r = pf_frame(p, &ev, e->frame);
	switch ((enum event_kind)e->kind) {
	case EVENT_IRQ_ASKED:
		pf_uint(&ev, PFT_DEADLINE_NS, e->arg);
		break;
	case EVENT_IRQ:
		pf_text(&ev, PFT_BY, PFT_TEXT_BY + (e->arg != 0));
		pf_flow(&ev, arrow_begins(p, &p->irqs[e->queue]), false);
		break;
	case EVENT_IPI:
		pf_uint(&ev, PFT_TARGET, e->arg);
		if (e->arg < p->s->ncpus)
			pf_flow(&ev, arrow_begins(p, &p->ipis[e->arg]), false);
		break;
	case EVENT_RPS:
		pf_uint(&ev, PFT_TARGET, e->arg);
		break;
	case EVENT_NO_BUFFER:
		pf_uint(&ev, PFT_FIFO_BYTES, e->arg);
		break;
	case EVENT_GRO_MERGE:
		pf_flow(&ev, e->skb, false);
		break;
	case EVENT_FATE:
		if (!r)
			pf_text(&ev, PFT_FATE, PFT_TEXT_FATE + e->arg);
		break;
	default:
		break;
	}
	if (e->frame && e->kind != EVENT_SENT)
		pf_flow(&ev, e->frame, e->kind == EVENT_GRO_MERGE || e->kind == EVENT_FATE);
	pf_put(&p->out, &ev, t);
}
