/* upcall.c - packets on their way to a handler written in Python
 *
 *   netif_receive_skb.c, ip.c -> upcall_push(): bounded queue -> handlers.py: upcall_peek(), handler, upcall_done()
 *
 * C never calls Python. In virtual time the loop returns EV_UPCALL before time goes on, so order and time are exact (work
 * without a cost happens at one instant, up to a whole poll). Live, the queue wakes Python's thread, which works beside the
 * path; a packet that does not fit is PYTHON_QUEUE_FULL. A burst goes up as one block of bytes and offsets; the verdicts
 * come back as one block too.
 */
#include "prelude.h"

void upcall_push(struct softnet_data *sd, struct sk_buff *skb, u32 handler)
{
	struct upcall_queue *q = &sd->host->upcalls;
	bool full, first;
	u32 queued;

	spin_lock(&q->lock);
	queued = q->head - q->tail;
	full = queued == UPCALLS_MAX;
	first = queued == 0;
	if (!full) {
		q->slot[q->head % UPCALLS_MAX] = (struct upcall){ skb, handler, sd->cpu };
		smp_store_release(&q->head, q->head + 1); /* Pairs with upcall_peek(). */
	}
	spin_unlock(&q->lock);
	if (full) {
		kfree_skb_reason(sd, skb, PYTHON_QUEUE_FULL);
		return;
	}
	frames_placed(sd, skb->segs);
	if (!sd->live) /* stop before time goes on, and while another flush of GRO's list (at most 1024) still fits */
		cpu_lower_horizon(sd, queued < UPCALLS_MAX / 4 ? sd->now + 1 : 0);
	if (first && sd->live)
		event_signal(q->wake_fd);
}

int upcall_peek(struct host *h, u8 *buf, u64 size, u32 *offsets, u32 *handler, u64 *t_ns)
{
	struct upcall_queue *q = &h->upcalls;
	u32 head = smp_load_acquire(&q->head), used = 0;
	int n = 0;

	offsets[0] = 0;
	while (q->tail + (u32)n != head && n < BURST) {
		struct upcall *u = &q->slot[(q->tail + (u32)n) % UPCALLS_MAX];

		if (n && (u->handler != *handler || used + u->skb->len > size))
			break;
		*handler = u->handler;
		t_ns[n] = u->skb->tstamp;
		used += skb_copy_bits(u->skb, 0, buf + used, (u32)min_u64(u->skb->len, size - used));
		offsets[++n] = used;
	}
	return n;
}

/* The fate counters of a live CPU belong to its thread, so this counts in host.outside_fates. */
void upcall_done(struct host *h, const u8 *verdicts, int n)
{
	struct upcall_queue *q = &h->upcalls;

	for (int i = 0; i < n; i++) {
		struct upcall *u = &q->slot[(q->tail + (u32)i) % UPCALLS_MAX];
		enum fate fate = verdicts[i] != VERDICT_DROP ? DELIVERED_PYTHON : PYTHON_DROP;

		COUNT(h->outside_fates[fate], u->skb->segs);
		if (h->live)
			packet_taps_outside(h, u->skb, fate);
		else
			packet_tap_fate(h->cpu[u->cpu], u->skb, fate);
		kfree_skb_list(h->live ? NULL : h->cpu[u->cpu], u->skb);
	}
	spin_lock(&q->lock);
	WRITE_ONCE(q->tail, q->tail + (u32)n);
	spin_unlock(&q->lock);
}
