/* nic_up.c - the handshake: the card takes the rings that a driver laid out, all of them or none
 *
 *   driver_open.c, or a driver in another process: DRIVER_OK -> nic_up(): read the config once, check, allocate -> the card is up
 *   ... rings a doorbell that is no eventfd of the card -> nic_doorbell()
 *
 * The driver may write the config and the rings at any moment, even between the handshake and the first frame. So the card uses
 * only the addresses, sizes and features that it read here, and keeps its own copy of the features that it offered.
 *
 *   A status without DRIVER_OK, or with FAILED or NEEDS_RESET, is refused. The card is down then, whatever it was before.
 *   Another DRIVER_OK restarts the card for a new driver. Frames that it held for the old one end as DEV_READY.
 */
#include "device.h"

/* Map a ring as the driver laid it out, empty. Return: 0; -EINVAL: not a valid ring, or not inside the region */
static int ring_map(const struct nic *nic, const struct vnic_queue_config *shared, struct virtqueue *vq)
{
	const struct vnic_queue_config q = {
		.size = READ_ONCE(shared->size),
		.desc = READ_ONCE(shared->desc),
		.avail = READ_ONCE(shared->avail),
		.used = READ_ONCE(shared->used),
	};

	if (q.size == 0 || q.size > 32768 || q.size & (q.size - 1) || (q.desc & 15) || (q.avail & 1) || (q.used & 3))
		return -EINVAL;
	*vq = (struct virtqueue){
		.desc = dma_map(&nic->dma, q.desc, virtq_desc_bytes(q.size)),
		.avail = dma_map(&nic->dma, q.avail, virtq_avail_bytes(q.size)),
		.used = dma_map(&nic->dma, q.used, virtq_used_bytes(q.size)),
		.size = q.size,
		.event_idx = nic->features >> VIRTIO_F_EVENT_IDX & 1,
	};
	return vq->desc && vq->avail && vq->used ? 0 : -EINVAL;
}

static void queue_take(struct nic_queue *q, const struct virtqueue *vq, struct frame_shadow *shadow)
{
	free(q->shadow);
	q->shadow = shadow;
	q->vq = *vq;
	q->starved = q->irq.pending = 0;
	q->batch = q->irq.frames = 0;
	nic_faults_forget(q->nic, q->index);
}

int nic_queue_up(struct nic *nic, u32 i)
{
	struct frame_shadow *shadow;
	struct virtqueue vq;
	int rc;

	if (i >= NIC_QUEUES_MAX)
		return -EINVAL;
	rc = ring_map(nic, config_queue(nic->config, i), &vq);
	if (rc < 0)
		return rc;
	shadow = calloc(vq.size, sizeof(*shadow));
	if (!shadow)
		return -ENOMEM;
	queue_take(&nic->queue[i], &vq, shadow);
	return 0;
}

int nic_tx_ring_up(struct nic *nic)
{
	struct virtqueue vq;
	int rc = ring_map(nic, &nic->config->tx, &vq);

	if (rc == 0)
		nic->tx.vq = vq;
	return rc;
}

/* All that the card needs to come up; complete before any of it is used. */
struct layout {
	struct virtqueue rx[NIC_QUEUES_MAX], tx;
	struct frame_shadow *shadow[NIC_QUEUES_MAX];
	u8 *tx_memory;
};

static int layout_read(const struct nic *nic, struct layout *l)
{
	int rc = 0;

	for (u32 i = 0; i < nic->nqueues && rc == 0; i++) {
		rc = ring_map(nic, config_queue(nic->config, i), &l->rx[i]);
		if (rc == 0 && !(l->shadow[i] = calloc(l->rx[i].size, sizeof(*l->shadow[i]))))
			rc = -ENOMEM;
	}
	if (rc == 0 && READ_ONCE(nic->config->tx.enabled)) {
		rc = ring_map(nic, &nic->config->tx, &l->tx);
		if (rc == 0 && !nic->tx.memory && !(l->tx_memory = malloc(TX_MEMORY)))
			rc = -ENOMEM;
	}
	return rc;
}

static void layout_drop(struct layout *l)
{
	for (u32 i = 0; i < NIC_QUEUES_MAX; i++)
		free(l->shadow[i]);
	free(l->tx_memory);
}

static void layout_take(struct nic *nic, const struct layout *l)
{
	for (u32 i = 0; i < nic->nqueues; i++)
		queue_take(&nic->queue[i], &l->rx[i], l->shadow[i]);
	if (l->tx_memory)
		nic->tx.memory = l->tx_memory;
	nic->tx.vq = l->tx;
	nic->tx.len = 0;
	nic->tx.done_ns = NEVER;
}

/* Bring the card to its state before a driver came: drop the last driver's frames and pending interrupts. */
static void nic_down(struct nic *nic)
{
	if (nic->up) {
		nic->up = 0;
		nic_purge(nic);
	}
	irq_forget(nic);
	nic->tx.vq = (struct virtqueue){ 0 };
	nic->tx.done_ns = NEVER;
}

int nic_up(struct nic *nic)
{
	const u64 need = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF |
			 1ull << VIRTIO_NET_F_HASH_REPORT; /* this card writes only the 20-byte header */
	u32 status = READ_ONCE(nic->config->device_status);
	u64 features = READ_ONCE(nic->config->driver_features);
	struct layout l = { 0 };
	int rc;

	nic_down(nic);
	if (!(status & VIRTIO_S_DRIVER_OK) || status & (VIRTIO_S_NEEDS_RESET | VIRTIO_S_FAILED))
		return -EPROTO;
	if (features & ~nic->offers || (features & need) != need)
		return -EPROTO;
	nic->features = features;
	rc = layout_read(nic, &l);
	if (rc < 0) {
		layout_drop(&l);
		return rc;
	}
	layout_take(nic, &l);
	nic->up = 1;
	return 0;
}

void nic_needs_reset(struct nic *nic)
{
	nic->up = 0;
	__atomic_fetch_or(&nic->config->device_status, VIRTIO_S_NEEDS_RESET, __ATOMIC_SEQ_CST);
	nic_purge(nic);
}

int nic_doorbell(struct nic *nic, u32 queue)
{
	if (queue >= nic->nqueues)
		return -EINVAL;
	__atomic_fetch_add(&nic->queue[queue].kicks, 1, __ATOMIC_RELAXED);
	nic_again(nic, nic->live ? 0 : nic->now);
	return 0;
}
