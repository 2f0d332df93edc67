/* driver_ethtool.c - what ethtool changes of a driver that runs: ring size, number of queues, who moderates
 *
 * The machine stands still (stop_machine.c) and the caller owns all. A ring is taken away only when its CPU has taken every
 * frame in it; what waits in the card's FIFO waits a little longer. The region was laid out for the longest ring and
 * queues_max queues, so nothing moves. A queue that is not used any more keeps its buffers, its counters and its NAPI, which
 * may hold merged packets until its timer goes off.
 */
#include "prelude.h"

/* The CPU polls until it has taken all that the card has written. Return: 0, or -EBUSY: it does not get there */
static int ring_settle(struct driver_queue *dq)
{
	struct softnet_data *sd = dq->napi.sd;
	const u16 *used = &dq->vq.used->idx;

	for (u32 turns = 0; READ_ONCE(*used) != dq->vq.last_used || machine_mid_poll(sd); turns++) {
		if (turns == TURNS_MAX || dq->vq.broken)
			return -EBUSY;
		if (!(dq->napi.state & NAPI_STATE_SCHED))
			raise_hardirq(sd, dq->nicq->index, machine_clock(sd));
		machine_turn(sd);
	}
	return 0;
}

/* The buffers of a ring that nobody will fill go home. */
static void unpost(struct driver_queue *dq)
{
	struct virtqueue_driver *vq = &dq->vq;

	rx_pool_reclaim(&dq->pool);
	for (u32 id = 0; id < vq->size; id++) {
		if (vq->desc_buf[id] == UINT32_MAX)
			continue;
		dq->pool.free[dq->pool.nfree++] = vq->desc_buf[id];
		vq->desc_buf[id] = UINT32_MAX;
	}
}

/* Both sides begin with an empty ring of this size. The interrupt stays as it was: on, or off until the poll or timer that is
 * under way is over. */
static int ring_reset(struct host *h, u32 i, u32 size)
{
	struct vnic_queue_config *qc = &h->nic.config->queue[i];
	struct driver_queue *dq = h->dq[i];
	struct virtqueue_driver vq = dq->vq;
	bool masked = dq->napi.state & NAPI_STATE_SCHED || (dq->napi.polls && !dq->unmask);
	int rc = virtqueue_driver_init(&vq, size);

	qc->size = size;
	if (rc == 0)
		rc = nic_queue_up(&h->nic, i);
	if (rc < 0) {
		qc->size = dq->vq.size;
		virtqueue_driver_free(&vq);
		return rc;
	}
	unpost(dq);
	virtqueue_driver_free(&dq->vq);
	vq.avail_idx = vq.kicked = vq.last_used = vq.used_seen = 0;
	dq->vq = vq;
	memset(vq.avail, 0, 6 + 2ull * size);
	memset(vq.used, 0, 6 + 8ull * size);
	if (masked)
		virtqueue_disable_cb(&dq->vq);
	else
		virtqueue_enable_cb(&dq->vq);
	return 0;
}

static int settle_all(struct host *h)
{
	int rc = 0;

	machine_settle(h);
	for (u32 i = 0; i < h->nic.nqueues && rc == 0; i++)
		rc = ring_settle(h->dq[i]);
	return rc;
}

/* driver_set_ringparam() - ethtool -G rx. Return: 0 or -errno; then some queues may have it and others not: call again */
int driver_set_ringparam(struct host *h, u32 size)
{
	int rc;

	if (h->nic.external_driver || !h->nic.up)
		return -EOPNOTSUPP;
	if (size < RX_RING_MIN || size > RX_RING_MAX || size & (size - 1))
		return -EINVAL;
	rc = settle_all(h);
	for (u32 i = 0; i < h->nic.nqueues_open && rc == 0; i++) {
		rc = ring_reset(h, i, size);
		if (rc == 0 && i < h->nic.nqueues)
			driver_refill(h->dq[i]);
	}
	if (rc == 0)
		h->nic.ring_size = size;
	return rc;
}

/* What waits in the FIFO for a queue that is no more goes where the table says now. */
static void redirect(struct nic *nic)
{
	struct fifo *q = &nic->fifo;

	for (u32 i = q->tail; i != q->head; i++) {
		struct frame *f = &q->slot[i & q->mask];

		if (f->queue >= nic->nqueues)
			f->queue = rss_queue(&nic->rss, f->hash);
	}
}

/* What can fail of a new queue comes before it is known to its CPU. */
static int open_queue(struct host *h, u32 i)
{
	int rc;

	h->nic.config->queue[i].size = h->nic.ring_size; /* may have been changed since */
	rc = nic_queue_up(&h->nic, i);
	if (rc == 0 && h->rps_flow_cnt)
		rc = rfs_set_flow_cnt(h, i, h->rps_flow_cnt);
	if (rc == 0)
		rc = driver_open_queue(h, i);
	if (rc < 0)
		driver_free_queue(h, i);
	return rc;
}

/* Queues that are not to be used any more: what is in their rings goes home. */
static int empty_queues(struct host *h, u32 from, u32 to)
{
	for (u32 i = from; i < to; i++) {
		int rc = ring_reset(h, i, h->nic.ring_size);

		if (rc < 0) {
			while (i-- > from)
				driver_refill(h->dq[i]);
			return rc;
		}
	}
	return 0;
}

/* driver_set_channels() - ethtool -L rx. The indirection table is the caller's: it names no queue that will not be there.
 * Return: 0 or -errno; then the card uses the queues that it used, and those that were opened wait for the next time */
int driver_set_channels(struct host *h, u32 nqueues)
{
	struct nic *nic = &h->nic;
	int rc;

	if (h->nic.external_driver || !nic->up)
		return -EOPNOTSUPP;
	if (nqueues < 1 || nqueues > nic->queues_max)
		return -EINVAL;
	rc = settle_all(h);
	for (u32 i = nic->nqueues_open; i < nqueues && rc == 0; i++) {
		rc = open_queue(h, i);
		if (rc == 0)
			nic->nqueues_open = i + 1;
	}
	if (rc == 0)
		rc = empty_queues(h, nqueues, nic->nqueues);
	if (rc < 0)
		return rc;
	for (u32 i = nic->nqueues; i < nqueues; i++)
		driver_refill(h->dq[i]);
	nic->nqueues = nic->config->nqueues = nqueues;
	arfs_clear(h); /* its filters name queues */
	redirect(nic);
	return 0;
}

/* driver_set_adaptive() - ethtool -C adaptive-rx. Off: rx-usecs and rx-frames stay what they were last. */
int driver_set_adaptive(struct host *h, u32 on)
{
	if (h->nic.external_driver)
		return -EOPNOTSUPP;
	for (u32 i = 0; i < h->nic.nqueues_open; i++) {
		struct driver_queue *dq = h->dq[i];
		int rc = on && !dq->dim ? driver_dim(dq) : 0;

		if (rc < 0)
			return rc;
		if (!on)
			dq->dim = NULL;
		irq_replan(dq->nicq);
	}
	h->nic.adaptive_rx = (u8)on;
	return 0;
}

/* netif_set_weights() - of the queues' NAPIs, and of the backlogs' (dev_weight). A poll that was begun ends with the old one. */
void netif_set_weights(struct host *h)
{
	machine_settle(h);
	for (u32 i = 0; i < h->nic.nqueues_open; i++)
		if (h->dq[i])
			h->dq[i]->napi.weight = h->weight;
	for (u32 i = 0; i < h->ncpus; i++)
		h->cpu[i]->backlog.weight = h->dev_weight;
}

/* dev_set_threaded() - a poll that is scheduled ends as it began */
void dev_set_threaded(struct host *h, u32 on)
{
	machine_settle(h);
	h->threaded = (u8)on;
	for (u32 i = 0; i < h->nic.nqueues_open; i++) {
		if (!h->dq[i])
			continue;
		if (on)
			h->dq[i]->napi.state |= NAPI_STATE_THREADED;
		else
			h->dq[i]->napi.state &= ~(u32)NAPI_STATE_THREADED;
	}
}
