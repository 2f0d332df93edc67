/* nic.c - the card: what happens to a frame from the wire until the driver's interrupt
 *
 *   wire.c -> nic_receive.c: filter.c, rss.c, fifo.c -> nic_drain(): virtqueue.c, dma.c -> irq.c      (sending: nic_tx.c)
 *   nic_up.c: the driver comes, starts anew, breaks a ring
 *
 * The card is one agent with a clock of its own. In virtual time nic_run() lets it do everything up to a moment, in
 * this order at one instant: a DMA that ends, a doorbell, a frame that arrives, a moderation timer. Live, its thread
 * (live.c) calls the same stages. The DMA engine takes one frame after the other and needs COST_DMA for it; the frame
 * at the head of the FIFO waits until its queue has buffers, and those behind it wait too (drop_en: it is dropped).
 *
 * A driver in another process may post bad chains, or single buffers that are too few, as fast as the card takes them. So a
 * turn has an end, and the card rings its own doorbell for the next one: nic_again().
 */
#include "device.h"

#define REFUSED_MAX 1024u /* bad chains in a turn */
#define TRIES_MAX 4u /* a frame that finds more buffers each time, and too few */

void nic_fate(struct nic *nic, const struct frame *f, enum fate fate)
{
	COUNT(nic->fates[fate], 1);
	if (nic->wire->release)
		nic->wire->release(nic->wire, f);
}

/* The same for one that was in the FIFO. */
static void nic_fate_behind(struct nic *nic, struct frame *f, enum fate fate)
{
	if (unlikely(nic_watched(nic, POINT_WIRE))) {
		if (f->head)
			nic->wire->whole(nic->wire, f);
		nic->watch(nic, POINT_WIRE, f, f->t_ns, fate, 1);
	}
	nic_fate(nic, f, fate);
}

/* What the card still holds ends as DEV_READY. */
void nic_purge(struct nic *nic)
{
	struct frame *f;

	for (; (f = fifo_peek(&nic->fifo)); fifo_pop(&nic->fifo))
		nic_fate_behind(nic, f, DEV_READY);
	nic->dma_busy = 0;
	nic_tx_purge(nic);
}

/* ---- FIFO -> ring ---- */

static void nic_publish(struct nic_queue *q, u64 now)
{
	u32 n = q->batch;

	if (!n)
		return;
	q->batch = 0;
	irq_complete(q, n, virtqueue_publish(&q->vq), now);
}

/* The head of the FIFO found no buffer. Ask for a doorbell, then look once more. Return: 1 = there are some now. */
static int nic_starved(struct nic_queue *q, struct frame *f)
{
	int before = (u16)(q->vq.avail_idx - q->vq.last_avail);

	virtqueue_want_kick(&q->vq);
	if (virtqueue_avail(&q->vq, (u32)before + 1) > before)
		return 1;
	q->starved = 1;
	q->starved_at = q->vq.avail_idx;
	if (!(f->flags & FRAME_WAITED)) {
		f->flags |= FRAME_WAITED;
		count_no_buffer(q);
	}
	irq_starved(q, q->nic->now);
	return 0;
}

/* One frame from the FIFO into its queue's buffers. Return: 1 = it left the FIFO, 0 = it must wait */
static int nic_dma_one(struct nic *nic, struct frame *f)
{
	struct nic_queue *q = &nic->queue[f->queue];
	u32 tries = 0;
	int rc;

	if (unlikely(f->head)) /* it may take several buffers, or be looked at */
		nic->wire->whole(nic->wire, f);
	do {
		rc = dma_frame(q, f);
	} while (rc == 0 && nic_starved(q, f) && ++tries < TRIES_MAX);
	if (unlikely(tries == TRIES_MAX))
		nic_again(nic, nic->now);
	if (unlikely(rc == -EIO || q->vq.broken)) {
		nic_needs_reset(nic);
		return 0;
	}
	if (unlikely(rc == 0)) {
		if (!nic->drop_en)
			return 0;
		nic_fate_behind(nic, f, RX_NO_BUFFER);
		COUNT(nic->rx_fifo_errors, 1);
	} else if (unlikely(rc == -EMSGSIZE)) {
		COUNT(nic->rx_over_errors, 1);
		nic_fate_behind(nic, f, RX_OVER);
	} else {
		q->starved = 0;
		if (nic->wire->release)
			nic->wire->release(nic->wire, f);
	}
	fifo_pop(&nic->fifo);
	return 1;
}

/* Start the DMA engine on the head of the FIFO, if its queue has a buffer at all. */
static void nic_dma_start(struct nic *nic, u64 now)
{
	struct frame *f = fifo_peek(&nic->fifo);
	const u32 *cost = nic->cost;
	struct nic_queue *q;

	if (!f || nic->dma_busy)
		return;
	q = &nic->queue[f->queue];
	if (!nic->drop_en) {
		if (q->starved && q->starved_at == smp_load_acquire(&q->vq.avail->idx))
			return; /* nothing was posted since a frame found too little */
		if (virtqueue_avail(&q->vq, 1) == 0 && !nic_starved(q, f))
			return;
	}
	nic->dma_busy = 1;
	nic->dma_done = now + cost[COST_DMA] + (u64)f->len * cost[COST_DMA_PS] / 1000;
}

/* DMA that takes no time: as much as there are buffers for. */
static noinline void nic_drain_now(struct nic *nic, u64 now)
{
	struct frame *f;
	u32 n = 0, queues = 0;

	nic->refused = 0;
	while ((f = fifo_peek(&nic->fifo))) {
		u32 queue = f->queue, done;

		queues |= 1u << queue;
		done = dma_burst(&nic->queue[queue], BURST - n % BURST);
		if (unlikely(!done)) {
			if (nic->refused > REFUSED_MAX) {
				nic_again(nic, now);
				break;
			}
			if (!nic_dma_one(nic, f))
				break;
			done = 1;
		}
		n += done;
		if (n % BURST == 0)
			nic_publish(&nic->queue[queue], now);
	}
	for (; queues; queues &= queues - 1)
		nic_publish(&nic->queue[__builtin_ctz(queues)], now);
}

void nic_drain(struct nic *nic, u64 now)
{

	if (unlikely(!nic->up))
		return;
	if (!nic->live && (nic->cost[COST_DMA] | nic->cost[COST_DMA_PS]))
		nic_dma_start(nic, now);
	else
		nic_drain_now(nic, now);
}

/* ---- virtual time ---- */

/* A burst is parsed and hashed at once, 6 % less for a replay; what is to be done with it is seen when it arrives. */
static noinline void look_ahead(struct nic *nic, struct frame *f, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		if (f[i].len >= ETH_HLEN) {
			nic_parse(nic, &f[i]);
		} else {
			f[i].l3 = 0;
			f[i].hash_report = HASH_NONE;
		}
		f[i].flags |= FRAME_HASHED;
	}
	rss_burst(&nic->rss, f, n);
	nic->burst_key = rss_key_id(&nic->rss);
}

static bool burst_fill(struct nic *nic)
{
	int n;

	if (nic->burst_pos < nic->burst_len)
		return !wire_pulled(nic->wire); /* what does not fit in the FIFO yet waits for nic_pull() */
	if (nic->wire->eof || wire_pulled(nic->wire))
		return false;
	n = wire_next(nic->wire, nic->burst, BURST, nic->now);
	nic->burst_pos = 0;
	nic->burst_len = n > 0 ? n : 0;
	nic->burst_asked = 0;
	if (n > 0)
		look_ahead(nic, nic->burst, (u32)n);
	return n > 0;
}

static u64 next_arrival(struct nic *nic)
{
	if (!burst_fill(nic))
		return NEVER;
	return max_u64(nic->burst[nic->burst_pos].t_ns, nic->now);
}

u64 nic_next(struct nic *nic)
{
	u64 t = min_u64(nic->irq_next, nic->kick_ns);

	if (nic->dma_busy)
		t = min_u64(t, nic->dma_done);
	return max_u64(min_u64(t, next_arrival(nic)), nic->now);
}

void nic_run(struct nic *nic, u64 until)
{
	nic->horizon = until;
	for (;;) {
		u64 dma = nic->dma_busy ? nic->dma_done : NEVER;
		u64 arrival = next_arrival(nic);
		u64 t = min_u64(min_u64(dma, nic->kick_ns), min_u64(arrival, nic->irq_next));

		if (t > nic->horizon || t == NEVER || unlikely(nic->wire->hungry))
			break;
		nic->now = max_u64(nic->now, t);
		if (dma <= t) {
			struct frame *f = fifo_peek(&nic->fifo);
			struct nic_queue *q = &nic->queue[f->queue];

			nic->dma_busy = 0;
			nic_dma_one(nic, f);
			nic_publish(q, nic->now);
			nic_drain(nic, nic->now);
		} else if (nic->kick_ns <= t) {
			nic->kick_ns = NEVER;
			nic_drain(nic, nic->now);
			nic_tx_run(nic, nic->now);
			if (unlikely(nic->external_driver)) /* which may ring for ever: Python has a turn in between */
				break;
		} else if (arrival <= t) {
			if (unlikely((nic->python_filter && !nic->burst_asked) || nic->offered >= nic->limit))
				break; /* vtime.c lets Python's filter see the burst first; or a slice is over */
			nic_receive(nic, &nic->burst[nic->burst_pos++], 1);
			nic_drain(nic, nic->now);
		} else {
			irq_timers(nic, nic->now);
		}
	}
}

/* nic_kick() - the driver rang the doorbell */
void nic_kick(struct nic *nic, u32 queue, u64 now)
{
	COUNT(nic->queue[queue].kicks, 1);
	nic_again(nic, now);
}

/* nic_again() - look at the rings once more, now */
void nic_again(struct nic *nic, u64 now)
{
	if (!nic->live)
		nic->kick_ns = min_u64(nic->kick_ns, now);
	else
		event_signal(nic->kick_fd);
}
