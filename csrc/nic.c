/* nic.c - the card: what happens to a frame from the wire until the driver's interrupt
 *
 *   wire.c -> nic_receive.c: filter.c, rss.c, fifo.c -> nic_drain(): virtqueue.c, dma.c -> irq.c      (sending: nic_tx.c)
 *
 * The card is one agent with a clock of its own. In virtual time nic_run() lets it do everything up to a moment, in
 * this order at one instant: a DMA that ends, a doorbell, a frame that arrives, a moderation timer. Live, its thread
 * (live.c) calls the same stages. The DMA engine takes one frame after the other and needs COST_DMA for it; the frame
 * at the head of the FIFO waits until its queue has buffers, and those behind it wait too (drop_en: it is dropped).
 */
#include "prelude.h"

void nic_fate(struct nic *nic, const struct frame *f, enum fate fate)
{
	COUNT(nic->fates[fate], 1);
	if (nic->wire->release)
		nic->wire->release(nic->wire, f);
}

/* The same for one that was in the FIFO. */
static void nic_fate_behind(struct nic *nic, struct frame *f, enum fate fate)
{
	if (unlikely(READ_ONCE(nic->host->taps[TAP_WIRE]) != NULL)) {
		if (f->head)
			tap_vnet_whole(nic->wire, f);
		packet_taps_lost(nic, f, fate);
	}
	nic_fate(nic, f, fate);
}

/* nic_queue_up() - look at a queue as the driver laid it out: it is empty. Return: 0, or -errno; then it is as it was */
int nic_queue_up(struct nic *nic, u32 i)
{
	struct vnic_queue_config q = nic->config->queue[i]; /* read once */
	struct nic_queue *nq = &nic->queue[i];
	struct frame_shadow *shadow;
	void *desc, *avail, *used;

	if (q.size == 0 || q.size > 32768 || q.size & (q.size - 1) || (q.desc & 15) || (q.avail & 1) || (q.used & 3))
		return -EINVAL;
	desc = dma_map(&nic->dma, q.desc, 16ull * q.size);
	avail = dma_map(&nic->dma, q.avail, 6 + 2ull * q.size);
	used = dma_map(&nic->dma, q.used, 6 + 8ull * q.size);
	if (!desc || !avail || !used)
		return -EINVAL;
	shadow = calloc(q.size, sizeof(*shadow));
	if (!shadow)
		return -ENOMEM;
	free(nq->shadow);
	nq->shadow = shadow;
	nq->vq = (struct virtqueue){ .desc = desc, .avail = avail, .used = used, .size = q.size };
	nq->vq.event_idx = READ_ONCE(nic->config->driver_features) >> VIRTIO_F_EVENT_IDX & 1;
	nq->starved = nq->irq.pending = 0;
	nq->batch = nq->irq.frames = 0;
	return 0;
}

int nic_up(struct nic *nic)
{
	struct vnic_config *c = nic->config;
	struct vnic_queue_config tx;
	int rc;
	u64 driver = READ_ONCE(c->driver_features);
	u64 need = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_HASH_REPORT;

	if (nic->up) { /* a driver that starts anew: what the card had for the old one is gone */
		nic->up = 0;
		nic_purge(nic);
	}
	if (!(READ_ONCE(c->device_status) & VIRTIO_S_DRIVER_OK) || driver & ~c->device_features)
		return -EPROTO;
	if ((driver & need) != need) /* this card has one header, the one of 20 bytes */
		return -EPROTO;
	for (u32 i = 0; i < nic->nqueues; i++)
		if ((rc = nic_queue_up(nic, i)) < 0)
			return rc;
	tx = c->tx; /* read once */
	rc = nic_tx_up(nic, &tx, driver >> VIRTIO_F_EVENT_IDX & 1);
	nic->up = rc == 0;
	return rc;
}

/* A driver that writes impossible indices gets a card that has stopped (virtio 1.2, section 2.1.2). */
void nic_needs_reset(struct nic *nic)
{
	nic->up = 0;
	__atomic_fetch_or(&nic->config->device_status, VIRTIO_S_NEEDS_RESET, __ATOMIC_SEQ_CST);
	nic_purge(nic);
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
	int rc;

	if (unlikely(f->head)) /* it may take several buffers, or be looked at */
		tap_vnet_whole(nic->wire, f);
	do {
		rc = dma_frame(q, f);
	} while (rc == 0 && nic_starved(q, f));
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
	const u32 *cost = nic->host->cost;
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

	while ((f = fifo_peek(&nic->fifo))) {
		u32 queue = f->queue, done;

		queues |= 1u << queue;
		done = dma_burst(&nic->queue[queue], BURST - n % BURST);
		if (unlikely(!done && !(done = (u32)nic_dma_one(nic, f))))
			break;
		n += done;
		if (n % BURST == 0)
			nic_publish(&nic->queue[queue], now);
	}
	for (; queues; queues &= queues - 1)
		nic_publish(&nic->queue[__builtin_ctz(queues)], now);
}

void nic_drain(struct nic *nic, u64 now)
{
	const struct host *h = nic->host;

	if (unlikely(!nic->up))
		return;
	if (!h->live && (h->cost[COST_DMA] | h->cost[COST_DMA_PS]))
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
		} else if (arrival <= t) {
			if (unlikely((nic->python_filter && !nic->burst_asked) || nic->offered >= nic->host->limit))
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
	if (!nic->host->live)
		nic->kick_ns = min_u64(nic->kick_ns, now);
	else
		event_signal(nic->kick_fd);
}
