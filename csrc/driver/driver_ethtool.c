/* driver_ethtool.c - change a running driver by ethtool: ring size, number of queues, adaptive moderation
 *
 * The machine is stopped (stop_machine.c), and the caller owns everything. Before a ring goes away, its CPU takes every
 * frame in it; frames in the card's FIFO wait a little longer. The region was laid out for the longest ring and for
 * queues_max queues, so nothing moves. A queue that goes out of use keeps its buffers, its counters and its NAPI, in
 * which GRO may hold packets until the timer fires.
 */
#include "prelude.h"

/* Let the CPU poll until it has taken all that the card has written. With fresh, a ring that a fault on purpose has broken is
 * left as it is: a new one mends it. Return: 0, or -EBUSY after TURNS_MAX turns */
static int ring_settle(struct driver_queue *dq, bool fresh)
{
	struct softnet_data *sd = dq->napi.sd;
	const u16 *used = &dq->vq.used->idx;

	for (u32 turns = 0; READ_ONCE(*used) != dq->vq.last_used; turns++) {
		if (dq->vq.broken && dq->nic->faults && fresh)
			return 0;
		if (turns == TURNS_MAX || dq->vq.broken)
			return -EBUSY;
		if (!(dq->napi.state & NAPI_STATE_SCHED))
			raise_hardirq(sd, dq->nicq->index, machine_clock(sd));
		machine_turn(sd);
	}
	return 0;
}

/* Free the buffers that are still posted. */
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

/* Let card and driver begin with an empty ring of so many descriptors. The interrupt stays as it was: on, or off until the poll
 * or timer under way is over. */
static int ring_reset(struct host *h, u32 i, u32 num)
{
	struct vnic_queue_config *qc = config_queue(h->nic.config, i);
	struct driver_queue *dq = h->dq[i];
	struct virtqueue_driver vq = dq->vq;
	int rc = virtqueue_driver_init(&vq, num);

	driver_end_faults(dq);
	qc->size = virtqueue_size(num);
	if (rc == 0)
		rc = nic_queue_up(&h->nic, i);
	if (rc < 0) {
		qc->size = dq->vq.size;
		virtqueue_driver_free(&vq);
		return rc;
	}
	dq->nicq->chains_max = num;
	unpost(dq);
	virtqueue_driver_free(&dq->vq);
	vq.avail_idx = vq.kicked = vq.last_used = vq.used_seen = vq.broken = 0;
	dq->vq = vq;
	memset(vq.avail, 0, virtq_avail_bytes(vq.size)); /* and used_event */
	memset(vq.used, 0, virtq_used_bytes(vq.size)); /* and avail_event */
	if (dq->masked)
		virtqueue_disable_cb(&dq->vq);
	else
		virtqueue_enable_cb(&dq->vq);
	return 0;
}

static int settle_all(struct host *h, bool fresh)
{
	int rc = 0;

	machine_settle(h);
	for (u32 i = 0; i < h->nic.nqueues && rc == 0; i++)
		rc = ring_settle(h->dq[i], fresh);
	return rc;
}

int driver_set_ringparam(struct host *h, u32 num)
{
	int rc;

	if (h->nic.external_driver || !h->nic.up)
		return -EOPNOTSUPP;
	if (num < RX_RING_MIN || num > RX_RING_MAX)
		return -EINVAL;
	rc = settle_all(h, true);
	for (u32 i = 0; i < h->nic.nqueues_open && rc == 0; i++) {
		rc = ring_reset(h, i, num);
		if (rc == 0 && i < h->nic.nqueues)
			driver_refill(h->dq[i]);
	}
	if (rc == 0)
		h->nic.ring_size = num;
	return rc;
}

/* Redirect frames in the FIFO from queues that are gone to those in the table. */
static void redirect(struct nic *nic)
{
	struct fifo *q = &nic->fifo;

	for (u32 i = q->tail; i != q->head; i++) {
		struct frame *f = &q->slot[i & q->mask];

		if (f->queue >= nic->nqueues)
			f->queue = rss_queue(&nic->rss, f->hash);
	}
}

/* All that can fail comes before the queue's CPU knows it. */
static int open_queue(struct host *h, u32 i)
{
	int rc;

	config_queue(h->nic.config, i)->size = virtqueue_size(h->nic.ring_size); /* may have changed since the layout */
	rc = nic_queue_up(&h->nic, i);
	if (rc == 0 && h->rps_flow_cnt)
		rc = rfs_set_flow_cnt(h, i, h->rps_flow_cnt);
	if (rc == 0)
		rc = driver_open_queue(h, i);
	if (rc < 0)
		driver_free_queue(h, i);
	return rc;
}

/* Free the buffers in the rings of queues from .. to - 1, which go out of use. */
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

int driver_set_channels(struct host *h, u32 nqueues)
{
	struct nic *nic = &h->nic;
	int rc;

	if (h->nic.external_driver || !nic->up)
		return -EOPNOTSUPP;
	if (nqueues < 1 || nqueues > nic->queues_max)
		return -EINVAL;
	rc = settle_all(h, false);
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

void netif_set_weights(struct host *h)
{
	machine_settle(h);
	for (u32 i = 0; i < h->nic.nqueues_open; i++)
		if (h->dq[i])
			h->dq[i]->napi.weight = h->weight;
	for (u32 i = 0; i < h->ncpus; i++)
		h->cpu[i]->backlog.weight = h->dev_weight * h->dev_weight_rx_bias;
}

void dev_set_threaded(struct host *h, u32 queue, u32 mode)
{
	h->napi_config[queue].threaded = (u8)mode;
	if (queue >= h->nic.nqueues_open || !h->dq[queue])
		return;
	machine_settle(h);
	napi_set_threaded(&h->dq[queue]->napi);
}
