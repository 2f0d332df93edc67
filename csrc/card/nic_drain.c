/* nic_drain.c - FIFO -> ring: a frame goes to its queue's buffers; without a buffer it waits here, or is dropped
 *
 *   nic_receive.c -> fifo.c -> nic_drain(): virtqueue.c: a buffer? -> dma.c: copy -> irq.c: the used ring has an entry
 *
 * The DMA engine takes one frame after the other, in the FIFO's order. If the head of the FIFO finds its queue's ring without
 * a buffer (rx_no_buffer_count), the card asks for a doorbell, and the frame waits. Those behind it wait too, also if their
 * own queues have buffers. With drop_en the frame is dropped instead, as RX_NO_BUFFER. A frame longer than all buffers that
 * the ring can hold is dropped as RX_OVER. If frames wait until the FIFO is full, later ones are dropped in nic_receive.c.
 *
 * In virtual time a DMA takes COST_DMA, and COST_DMA_PS for each byte. If both are 0, or live, a turn moves all frames that
 * find buffers.
 *
 * A driver in another process may post bad chains, or too few buffers at a time, as fast as the card takes them. So the card
 * ends its turn, and rings its own doorbell for the next one: nic_again().
 */
#include "device.h"

#define REFUSED_MAX 1024u /* bad chains in a turn */
#define TRIES_MAX 4u /* for a frame that finds more buffers each time, but too few */

/* The card loses a frame that is in the FIFO: show it to a tap, and count its fate. */
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
		nic_event(q, EVENT_NO_BUFFER, q->nic->now, q->nic->now, f->id, q->nic->fifo.bytes);
	}
	irq_starved(q, q->nic->now);
	return 0;
}

static void nic_drop_starved(struct nic *nic, struct frame *f)
{
	nic_fate_behind(nic, f, RX_NO_BUFFER);
	COUNT(nic->rx_fifo_errors, 1);
	fifo_pop(&nic->fifo);
}

/* Move one frame from the FIFO to its queue's buffers. Return: 1: it left the FIFO; 0: it must wait */
static int nic_dma_one(struct nic *nic, struct frame *f)
{
	struct nic_queue *q = &nic->queue[f->queue];
	u32 tries = 0;
	int rc;

	if (unlikely(nic->faults != NULL) && nic_fault_hits(nic, FAULT_NO_BUFFER, f->queue, nic->now, f->id, NULL)) {
		count_no_buffer(q);
		nic_drop_starved(nic, f);
		return 1;
	}
	if (unlikely(f->head)) /* it may take several buffers, or a tap may look at it */
		nic->wire->whole(nic->wire, f);
	do {
		rc = dma_frame(q, f);
	} while (rc == 0 && nic_starved(q, f) && ++tries < TRIES_MAX);
	if (unlikely(tries == TRIES_MAX))
		nic_again(nic, nic->now);
	if (unlikely(rc == -EIO || q->vq.broken)) {
		if (nic->foreign)
			nic->foreign->broken(nic, q->index);
		else
			nic_needs_reset(nic);
		return 0;
	}
	if (unlikely(rc == 0)) {
		if (!nic->drop_en)
			return 0;
		nic_drop_starved(nic, f);
		return 1;
	}
	if (unlikely(rc == -EMSGSIZE)) {
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

/* Has the queue a buffer for its frame at the head of the FIFO? Return: 1: at least one; whether it suffices shows later */
static int nic_has_buffer(struct nic_queue *q, struct frame *f)
{
	if (!q->nic->drop_en && q->starved && q->starved_at == smp_load_acquire(&q->vq.avail->idx))
		return 0; /* the driver has posted nothing since a frame found too few */
	return virtqueue_avail(&q->vq, 1) || nic_starved(q, f);
}

/* A stalled ring: its head waits until the rule's time is over. Return: true: the FIFO's head cannot move now */
static noinline bool nic_faulty_head(struct nic *nic, const struct frame *f, u64 now)
{
	u64 until = nic_fault_until(nic, FAULT_STALL, f->queue, now);

	if (!until)
		return false;
	if (until != NEVER)
		nic->kick_ns = min_u64(nic->kick_ns, until);
	return true;
}

/* Start the DMA engine on the head of the FIFO. Without a buffer the head waits; with drop_en it is lost. */
static void dma_engine_start(struct nic *nic, u64 now)
{
	const u32 *cost = nic->cost;
	struct frame *f;

	while (!nic->dma_busy && (f = fifo_peek(&nic->fifo))) {
		if (unlikely(nic->faults != NULL) && nic_faulty_head(nic, f, now))
			break;
		if (likely(nic_has_buffer(&nic->queue[f->queue], f))) {
			nic->dma_busy = 1;
			nic->dma_done = now + cost[COST_DMA] + (u64)f->len * cost[COST_DMA_PS] / 1000;
		} else if (nic->drop_en) {
			nic_drop_starved(nic, f);
		} else {
			break;
		}
	}
}

/* DMA that takes no time: move frames while there are buffers. */
static noinline void drain_untimed(struct nic *nic, u64 now)
{
	u64 queues[NIC_QUEUES_MAX / 64] = { 0 };
	struct frame *f;
	u32 n = 0;

	nic->refused = 0;
	while ((f = fifo_peek(&nic->fifo))) {
		u32 queue = f->queue, done;

		if (unlikely(nic->faults != NULL) && nic_faulty_head(nic, f, now))
			break;

		if (unlikely(!nic->queue[queue]
				      .vq.desc)) { /* a table sends it to a ring that a foreign driver has stopped */
			nic_fate_behind(nic, f, DEV_READY);
			fifo_pop(&nic->fifo);
			continue;
		}
		queues[queue / 64] |= 1ull << queue % 64;
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
	for (u32 w = 0; w < ARRAY_SIZE(queues); w++)
		for (u64 bits = queues[w]; bits; bits &= bits - 1)
			nic_publish(&nic->queue[64 * w + (u32)__builtin_ctzll(bits)], now);
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

void nic_dma_end(struct nic *nic)
{
	struct frame *f = fifo_peek(&nic->fifo);
	struct nic_queue *q = &nic->queue[f->queue];

	nic->dma_busy = 0;
	nic_dma_one(nic, f);
	nic_publish(q, nic->now);
	nic_drain(nic, nic->now);
}
