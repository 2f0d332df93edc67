/* driver_open.c - bring the driver up, and take it down
 *
 *   read the config page, negotiate features, lay rings and buffers out in the region, netif_napi_add, request_irq,
 *   post the buffers, DRIVER_OK. Until then the card delivers nothing.
 */
#include "prelude.h"

/* ---- moderation ---- */

void driver_coalesce(struct driver_queue *dq)
{
	const struct dim_profile *p = dim_profile(dq->dim);

	WRITE_ONCE(dq->nicq->irq.rx_usecs, p->usecs);
	WRITE_ONCE(dq->nicq->irq.rx_frames, p->frames);
}

/* ---- probe and open ---- */

static int driver_probe(struct nic *nic)
{
	struct vnic_config *c = nic->config;
	u64 need = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF;
	u64 want = need | 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_NET_F_GUEST_CSUM |
		   1ull << VIRTIO_NET_F_HASH_REPORT | 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_USO |
		   1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO6;

	if (c->magic != VNIC_MAGIC || c->abi != VNIC_ABI)
		return -ENODEV;
	c->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER;
	if ((c->device_features & need) != need)
		return -EPROTO;
	c->driver_features = c->device_features & want;
	c->device_status |= VIRTIO_S_FEATURES_OK;
	return 0;
}

/* Let the queue's moderation follow the traffic from now on. Return: 0 or -ENOMEM */
int driver_dim(struct driver_queue *dq)
{
	if (!dq->dim_memory)
		dq->dim_memory = calloc(1, sizeof(*dq->dim));
	if (!dq->dim_memory)
		return -ENOMEM;
	dim_init(dq->dim_memory);
	dq->dim = dq->dim_memory;
	driver_coalesce(dq);
	return 0;
}

/* ---- what the card calls: struct nic_driver ---- */

static struct driver_queue *queue_of(const struct nic_queue *q)
{
	return container_of(q->nic, struct host, nic)->dq[q->index];
}

static void interrupt(struct nic_queue *q, u64 now)
{
	raise_hardirq(queue_of(q)->napi.sd, q->index, now);
}

/* Wake who spins on the queue with its interrupt off: in virtual time it idles until the card publishes. */
static void published(struct nic_queue *q, u64 now)
{
	struct softnet_data *sd = queue_of(q)->napi.sd;

	if (sd->busy.spins)
		cpu_wake(sd, now);
}

static int pool_dry(struct nic_queue *q)
{
	const struct driver_queue *dq = queue_of(q);
	u64 failed = READ_ONCE(dq->alloc_rx_buff_failed);
	int dry = failed != q->refills_failed || READ_ONCE(dq->pool.starved);

	q->refills_failed = failed;
	return dry;
}

static u64 taken(const struct nic_queue *q)
{
	return READ_ONCE(queue_of(q)->rx_packets);
}

static const struct nic_driver driver_asked = { interrupt, published, pool_dry, taken };

/* ---- what the stack knows: struct net_device ---- */

static void irq_handler(struct napi_struct *n)
{
	driver_irq(container_of(n, struct driver_queue, napi));
}

static bool rx_pending(const struct napi_struct *n)
{
	const struct driver_queue *dq = container_of(n, const struct driver_queue, napi);

	return smp_load_acquire(&dq->vq.used->idx) != dq->vq.last_used;
}

void driver_setup(struct host *h)
{
	h->dev = (struct net_device){
		.dev_addr = h->nic.filter.addr,
		.mtu = &h->nic.mtu,
		.real_num_rx_queues = &h->nic.nqueues,
		.ntuple = &h->nic.ntuple,
		.irq_handler = irq_handler,
		.rx_pending = rx_pending,
		.ndo_rx_flow_steer = rx_flow_steer,
		.rx_cpu_rmap = arfs_queue,
	};
}

/* ---- queues ---- */

/* Allocate queue i and post its buffers. Return: 0, or -errno; then the caller calls driver_free_queue() */
int driver_open_queue(struct host *h, u32 i)
{
	struct nic *nic = &h->nic;
	const struct vnic_queue_config *qc =
		&nic->layout[i]; /* ours, not the shared page: others may have the memfd when it is opened late */
	struct driver_queue *dq = calloc(1, sizeof(*dq) + h->ncpus * sizeof(dq->irqs_by[0]));
	struct softnet_data *sd = h->cpu[irq_cpu(h, i)];
	int rc;

	if (!dq)
		return -ENOMEM;
	h->dq[i] = dq;
	dq->nic = nic;
	dq->nicq = &nic->queue[i];
	dq->nicq->chains_max = nic->ring_size;
	rc = rx_pool_init(&dq->pool, nic->dma.base + qc->buffers, qc->buffers, qc->buf_count, nic->buf_len,
			  qc->buf_stride);
	if (rc < 0)
		return rc;
	dq->pool.owner = sd;
	dq->pool.queue = i;
	rc = virtqueue_driver_init(&dq->vq, nic->ring_size);
	if (rc < 0)
		return rc;
	dq->vq.desc = (void *)(nic->dma.base + qc->desc);
	dq->vq.avail = (void *)(nic->dma.base + qc->avail);
	dq->vq.used = (void *)(nic->dma.base + qc->used);
	dq->vq.event_idx = nic->config->driver_features >> VIRTIO_F_EVENT_IDX & 1;

	rc = nic->adaptive_rx ? driver_dim(dq) : 0;
	if (rc == 0 && h->dq[0]->pool.frame_id) /* a capture runs */
		rc = rx_pool_keep_ids(&dq->pool);
	if (rc < 0)
		return rc;
	netif_napi_add(sd, &dq->napi, driver_poll, h->weight);
	dq->napi.queue = (u16)i;
	dq->napi.config = &h->napi_config[i];
	napi_enable(&dq->napi);
	config_queue(nic->config, i)->enabled = 1;
	dq->nicq->driver = &driver_asked;
	h->dev.napi[i] = &dq->napi;
	virtqueue_enable_cb(&dq->vq);
	driver_refill(dq);
	return 0;
}

int driver_open(struct host *h)
{
	int rc = driver_probe(&h->nic);

	for (u32 i = 0; i < h->nic.nqueues && rc == 0; i++)
		rc = driver_open_queue(h, i);
	if (rc == 0 && h->answers)
		rc = driver_tx_open(h);
	if (rc < 0) {
		h->nic.config->device_status |= VIRTIO_S_FAILED;
		return rc;
	}
	__atomic_fetch_or(&h->nic.config->device_status, VIRTIO_S_DRIVER_OK, __ATOMIC_SEQ_CST);
	return nic_up(&h->nic);
}

void driver_free_queue(struct host *h, u32 i)
{
	struct driver_queue *dq = h->dq[i];

	h->nic.queue[i].driver = NULL;
	h->dev.napi[i] = NULL;
	if (dq) {
		rx_pool_exit(&dq->pool);
		virtqueue_driver_free(&dq->vq);
		free(dq->dim_memory);
		free(dq);
		h->dq[i] = NULL;
	}
	free(h->nic.queue[i].shadow);
	h->nic.queue[i].shadow = NULL;
}
