/* nic.c - the card: a frame's way from the wire to the driver's interrupt
 *
 *   wire.c -> nic_receive.c: filter.c, rss.c, fifo.c -> nic_drain(): virtqueue.c, dma.c -> irq.c      (sending: nic_tx.c)
 *   nic_up.c: the driver comes, starts anew, breaks a ring
 *
 * Four functions drive these stages:
 *   nic_run()      virtual time, here: all events up to a moment       nic_pull()     virtual time, a wire without a pace
 *   nic_turn()     live, the card's thread: machine/threads.c          nic_borrow()   live, a CPU that spins: nic_lend.c
 *
 * The card is one agent with a clock of its own. In virtual time, nic_run() processes events of one instant in this order:
 * a DMA that ends, a doorbell, a frame that arrives, a moderation timer. The DMA engine takes one frame after the other, and
 * needs COST_DMA for each. The frame at the head of the FIFO waits until its queue has buffers, and those behind it wait
 * too (with drop_en it is dropped).
 *
 * A driver in another process may post bad chains, or too few buffers at a time, as fast as the card takes them. So the card
 * ends its turn, and rings its own doorbell for the next one: nic_again().
 */
#include "device.h"

#define REFUSED_MAX 1024u /* bad chains in a turn */
#define TRIES_MAX 4u /* for a frame that finds more buffers each time, but too few */

void nic_fate(struct nic *nic, const struct frame *f, enum fate fate)
{
	COUNT(nic->fates[fate], 1);
	if (nic->wire->release)
		nic->wire->release(nic->wire, f);
}

/* The same for a frame in the FIFO. */
static void nic_fate_behind(struct nic *nic, struct frame *f, enum fate fate)
{
	if (unlikely(nic_watched(nic, POINT_WIRE))) {
		if (f->head)
			nic->wire->whole(nic->wire, f);
		nic->watch(nic, POINT_WIRE, f, f->t_ns, fate, 1);
	}
	nic_fate(nic, f, fate);
}

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

/* The frame at the head of the FIFO found no buffer. Ask for a doorbell, then look once more. Return: 1: there are some now */
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

/* Move one frame from the FIFO to its queue's buffers. Return: 1: it left the FIFO; 0: it must wait */
static int nic_dma_one(struct nic *nic, struct frame *f)
{
	struct nic_queue *q = &nic->queue[f->queue];
	u32 tries = 0;
	int rc;

	if (unlikely(f->head)) /* it may take several buffers, or a tap may look at it */
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
static void dma_engine_start(struct nic *nic, u64 now)
{
	struct frame *f = fifo_peek(&nic->fifo);
	const u32 *cost = nic->cost;
	struct nic_queue *q;

	if (!f || nic->dma_busy)
		return;
	q = &nic->queue[f->queue];
	if (!nic->drop_en) {
		if (q->starved && q->starved_at == smp_load_acquire(&q->vq.avail->idx))
			return; /* the driver has posted nothing since a frame found too few buffers */
		if (virtqueue_avail(&q->vq, 1) == 0 && !nic_starved(q, f))
			return;
	}
	nic->dma_busy = 1;
	nic->dma_done = now + cost[COST_DMA] + (u64)f->len * cost[COST_DMA_PS] / 1000;
}

/* DMA that takes no time: move frames while there are buffers. */
static noinline void drain_untimed(struct nic *nic, u64 now)
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
		dma_engine_start(nic, now);
	else
		drain_untimed(nic, now);
}

/* ---- virtual time ---- */

/* Parse and hash a burst at once, which makes a replay 6 % cheaper. The frames are judged when they arrive. */
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
		return !wire_pulled(nic->wire); /* a pulled wire's frames wait here for nic_pull() */
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
			if (unlikely(nic->external_driver)) /* it may ring forever: return to Python in between */
				break;
		} else if (arrival <= t) {
			if (unlikely((nic->python_filter && !nic->burst_asked) || nic->offered >= nic->limit))
				break; /* Python's filter sees the burst first (vtime.c); or the slice ends */
			nic_receive(nic, &nic->burst[nic->burst_pos++], 1);
			nic_drain(nic, nic->now);
		} else {
			irq_timers(nic, nic->now);
		}
	}
}

void nic_kick(struct nic *nic, u32 queue, u64 now)
{
	COUNT(nic->queue[queue].kicks, 1);
	nic_again(nic, now);
}

void nic_again(struct nic *nic, u64 now)
{
	if (!nic->live)
		nic->kick_ns = min_u64(nic->kick_ns, now);
	else
		event_signal(nic->kick_fd);
}
