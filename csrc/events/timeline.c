/* timeline.c - counts and fills over time, in bins, from the log's records
 *
 *   event_write() -> event_log.observe -> here -> vnic/counters/timeline.py -> a report
 *
 *   |0|1|2|3|...|511|   a record behind the last bin: fold them, and go on with bins of twice the width
 *    \_/ \_/              |0|1|...|255| | ... |
 *
 * So the length of a run need not be known, memory is bounded, and at least half of the bins are in use at its end. Counts
 * add up when bins are folded, and of fills the larger one stays: no frame is counted twice or lost.
 *
 * Not here: queues and CPUs that the host opens later; nothing of them has a column.
 */
#include "prelude.h"

struct timeline *timeline_new(u64 bin_ns, u32 nqueues, u32 ncpus)
{
	struct timeline *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->bin_ns = bin_ns;
	t->nqueues = nqueues;
	t->ncpus = ncpus;
	t->ring_max = calloc((u64)nqueues * TIMELINE_BINS, sizeof(*t->ring_max));
	t->backlog_max = calloc((u64)ncpus * TIMELINE_BINS, sizeof(*t->backlog_max));
	if (t->ring_max && t->backlog_max)
		return t;
	timeline_free(t);
	return NULL;
}

void timeline_free(struct timeline *t)
{
	if (!t)
		return;
	free(t->ring_max);
	free(t->backlog_max);
	free(t);
}

static void fold_counts(u64 *bin)
{
	for (u32 i = 0; i < TIMELINE_BINS / 2; i++)
		bin[i] = bin[2 * i] + bin[2 * i + 1];
	memset(bin + TIMELINE_BINS / 2, 0, TIMELINE_BINS / 2 * sizeof(*bin));
}

static void fold_fills(u32 *bin)
{
	for (u32 i = 0; i < TIMELINE_BINS / 2; i++)
		bin[i] = max_u32(bin[2 * i], bin[2 * i + 1]);
	memset(bin + TIMELINE_BINS / 2, 0, TIMELINE_BINS / 2 * sizeof(*bin));
}

static noinline void fold(struct timeline *t)
{
	fold_counts(t->offered);
	fold_counts(t->delivered);
	fold_counts(t->interrupts);
	fold_counts(t->polls);
	for (u32 i = 0; i < FATE_MAX; i++)
		fold_counts(t->lost[i]);
	fold_fills(t->fifo_max);
	fold_fills(t->socket_max);
	for (u32 i = 0; i < t->nqueues; i++)
		fold_fills(t->ring_max + i * TIMELINE_BINS);
	for (u32 i = 0; i < t->ncpus; i++)
		fold_fills(t->backlog_max + i * TIMELINE_BINS);
	t->bin_ns *= 2;
	t->bins = (t->bins + 1) / 2;
}

/* A record is written when it ends, but its turn may come later than one that ended after it: the first may be early. */
static u32 bin_of(struct timeline *t, u64 end)
{
	u64 at;

	if (!t->bins)
		t->begin_ns = end;
	at = end > t->begin_ns ? end - t->begin_ns : 0;
	while (unlikely(at / t->bin_ns >= TIMELINE_BINS))
		fold(t);
	at /= t->bin_ns;
	t->bins = max_u32(t->bins, (u32)at + 1);
	return (u32)at;
}

static void fill(u32 *bin, u64 now)
{
	*bin = max_u32(*bin, (u32)min_u64(now, UINT32_MAX));
}

void timeline_note(void *timeline, const struct event_record *e)
{
	struct timeline *t = timeline;
	u32 bin = bin_of(t, e->t_ns + e->dur_ns);

	switch ((enum event_kind)e->kind) {
	case EVENT_WIRE:
		t->offered[bin]++;
		break;
	case EVENT_FIFO:
	case EVENT_NO_BUFFER:
		fill(&t->fifo_max[bin], e->arg);
		break;
	case EVENT_DMA:
		if (e->queue < t->nqueues)
			fill(&t->ring_max[e->queue * TIMELINE_BINS + bin], e->arg);
		break;
	case EVENT_IRQ:
		t->interrupts[bin]++;
		break;
	case EVENT_POLL:
		t->polls[bin] += e->queue != EVENT_NO_QUEUE;
		break;
	case EVENT_BACKLOG:
		if ((u32)e->arg < t->ncpus)
			fill(&t->backlog_max[(u32)e->arg * TIMELINE_BINS + bin], e->arg >> 32);
		break;
	case EVENT_SOCKET:
		fill(&t->socket_max[bin], e->arg >> 32);
		break;
	case EVENT_FATE:
		if (e->arg <= DELIVERED_DRIVER)
			t->delivered[bin] += 1 + (u64)e->more;
		else if (e->arg < FATE_MAX)
			t->lost[e->arg][bin] += 1 + (u64)e->more;
		break;
	default:
		break;
	}
}
