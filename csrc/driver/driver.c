/* driver.c - the driver of the card
 *
 *   probe: read the config page, negotiate, lay the rings and buffers out in the region, netif_napi_add, request_irq,
 *   post the buffers, DRIVER_OK. A card whose driver did not get this far receives nothing.
 *   interrupt: driver_irq() masks and schedules NAPI
 *   softirq:   driver_poll() takes at most budget frames, builds skbs, refills the ring once and rings the doorbell;
 *              under budget: napi_complete_done(), unmask, look again
 *
 * In virtual time a poll stops every host.catch_up packets to let the others' clocks catch up (-EAGAIN: call again),
 * and once more between napi_complete_done() and the unmasking: what arrived meanwhile is found by the second look,
 * as it would be by a real driver, and costs no interrupt.
 */
#include "prelude.h"

#define HDR_LEN ((u32)sizeof(struct virtio_net_hdr_v1_hash))

/* ---- moderation ---- */

void driver_coalesce(struct driver_queue *dq)
{
	const struct dim_profile *p = dim_profile(dq->dim);

	WRITE_ONCE(dq->nicq->irq.rx_usecs, p->usecs);
	WRITE_ONCE(dq->nicq->irq.rx_frames, p->frames);
}

static noinline void rx_dim_update(struct driver_queue *dq)
{
	const struct dim_sample now = {
		.t_ns = dq->napi.sd->now,
		.packets = (u32)dq->rx_packets,
		.bytes = (u32)dq->rx_bytes,
		.events = (u16)dq->irqs,
	};

	if (net_dim(dq->dim, &now))
		driver_coalesce(dq);
}

/* ---- probe and open ---- */

static int driver_probe(struct nic *nic)
{
	struct vnic_config *c = nic->config;
	u64 need = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF;
	u64 want = need | 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_NET_F_GUEST_CSUM |
		   1ull << VIRTIO_NET_F_HASH_REPORT | 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_HOST_USO;

	if (c->magic != VNIC_MAGIC || c->abi != VNIC_ABI)
		return -ENODEV;
	c->device_status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER;
	if ((c->device_features & need) != need)
		return -EPROTO;
	c->driver_features = c->device_features & want;
	c->device_status |= VIRTIO_S_FEATURES_OK;
	return 0;
}

/* driver_dim() - from now on the queue's moderation follows the traffic. Return: 0 or -ENOMEM */
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

int driver_open_queue(struct host *h, u32 i)
{
	struct nic *nic = &h->nic;
	const struct vnic_queue_config *qc = &nic->layout[i]; /* it may be opened late, when others have the memfd */
	struct driver_queue *dq = calloc(1, sizeof(*dq));
	struct softnet_data *sd = h->cpu[irq_cpu(h, i)];
	int rc;

	if (!dq)
		return -ENOMEM;
	h->dq[i] = dq;
	dq->nic = nic;
	dq->nicq = &nic->queue[i];
	rc = rx_pool_init(&dq->pool, nic->dma.base + qc->buffers, qc->buffers, qc->buf_count, nic->buf_len,
			  qc->buf_stride);
	if (rc < 0)
		return rc;
	dq->pool.owner = sd;
	dq->pool.nicq = dq->nicq;
	rc = virtqueue_driver_init(&dq->vq, nic->ring_size);
	if (rc < 0)
		return rc;
	dq->vq.desc = (void *)(nic->dma.base + qc->desc);
	dq->vq.avail = (void *)(nic->dma.base + qc->avail);
	dq->vq.used = (void *)(nic->dma.base + qc->used);
	dq->vq.event_idx = nic->config->driver_features >> VIRTIO_F_EVENT_IDX & 1;

	rc = nic->adaptive_rx ? driver_dim(dq) : 0;
	if (rc == 0 && h->dq[0]->pool.frame_id) /* a capture is there */
		rc = rx_pool_keep_ids(&dq->pool);
	if (rc < 0)
		return rc;
	netif_napi_add(sd, &dq->napi, driver_poll, h->weight);
	napi_enable(&dq->napi);
	nic->config->queue[i].enabled = 1;
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

/* ---- interrupt ---- */

void driver_irq(struct driver_queue *dq)
{
	if (!napi_schedule_prep(&dq->napi))
		return;
	dq->irq_ns = dq->napi.sd->now;
	COUNT(dq->irqs, 1);
	virtqueue_disable_cb(&dq->vq);
	__napi_schedule(&dq->napi);
}

/* ---- poll ---- */

int driver_refill(struct driver_queue *dq)
{
	struct softnet_data *sd = dq->napi.sd;
	struct rx_pool *p = &dq->pool;
	int n = (int)min_u32(dq->vq.nfree, p->nfree);

	virtqueue_add_inbufs(&dq->vq, p->bus, p->stride, p->buf_len, p->free + p->nfree, (u32)n);
	p->nfree -= (u32)n;
	while (dq->vq.nfree) { /* the pool's stack is empty: what others returned, and what was never used */
		int buf = rx_pool_get(p);

		if (unlikely(buf < 0)) {
			COUNT(dq->alloc_rx_buff_failed, 1);
			__atomic_store_n(&p->starved, 1, __ATOMIC_SEQ_CST);
			if (!READ_ONCE(p->returned)) /* Pairs with push_returned(): one of us sees the other. */
				break;
			WRITE_ONCE(p->starved, 0);
			continue;
		}
		virtqueue_add_inbuf(&dq->vq, p->bus + (u64)buf * p->stride, p->buf_len, (u32)buf);
		n++;
	}
	if (n && virtqueue_kick_prepare(&dq->vq)) {
		nic_kick(dq->nic, dq->nicq->index, sd->now);
		if (!sd->live)
			sd->horizon = min_u64(sd->horizon, sd->now);
	}
	return n;
}

/* One used buffer becomes an sk_buff that describes it. */
static struct sk_buff *take_buffer(struct driver_queue *dq, u32 *desc, u32 *len)
{
	struct virtqueue_driver *vq = &dq->vq;
	int buf = virtqueue_get_buf(vq, desc, len);
	struct sk_buff *skb;

	if (buf < 0) {
		if (unlikely(buf == -EIO))
			COUNT(dq->bad_used, 1);
		return NULL;
	}
	skb = &dq->pool.skbs[buf];
	skb->next = skb->frag_list = NULL;
	return skb;
}

/* The rest of a frame that spans buffers (num_buffers > 1): each further buffer holds nothing but frame. */
static void take_pieces(struct driver_queue *dq, struct sk_buff *skb, u32 buffers)
{
	struct softnet_data *sd = dq->napi.sd;

	for (u32 i = 1; i < buffers; i++) {
		u32 desc, len;
		struct sk_buff *piece = take_buffer(dq, &desc, &len);

		if (unlikely(!piece)) { /* the device promised more than it published */
			COUNT(dq->bad_used, 1);
			return;
		}
		piece->data = skb_buffer(piece);
		piece->head_len = min_u32(len, dq->pool.buf_len);
		piece->segs = 0;
		if (skb->frag_list)
			skb->frag_tail->next = piece;
		else
			skb->frag_list = piece;
		skb->frag_tail = piece;
		skb->len += piece->head_len;
		skb->truesize += dq->pool.buf_len;
		cpu_charge(sd, COST_RX_BUF);
	}
}

static noinline void stamp(struct driver_queue *dq, struct sk_buff *skb, u32 desc)
{
	const struct frame_shadow *s = &dq->nicq->shadow[desc];
	struct softnet_data *sd = dq->napi.sd;
	u64 seen = max_u64(s->t_dma, dq->irq_ns);
	u64 *ids = smp_load_acquire(&dq->pool.frame_id); /* Pairs with rx_pool_keep_ids(). */

	if (ids)
		ids[skb->id] = s->id;
	if (sd->live)
		sd->now = max_u64(sd->now, s->t_dma); /* the clock was read before the poll: perhaps too early */
	skb->t_wire = sd->lat ? s->t_wire : sd->now;
	if (!sd->lat) /* a capture, or gro_flows */
		return;
	latency(sd, LAT_RING, s->t_wire, s->t_dma, 1);
	latency(sd, LAT_MODERATION, s->t_dma, seen, 1);
	latency(sd, LAT_POLL, seen, sd->now, 1);
}

/* What does not change in a poll, so that it is in registers. */
struct take {
	struct softnet_data *sd;
	bool any, stamped;
	u16 queue;
	u32 packets, bytes;
};

static struct take take_begin(struct driver_queue *dq)
{
	struct softnet_data *sd = dq->napi.sd;
	const struct host *h = sd->host;

	return (struct take){
		.sd = sd,
		.any = dq->nic->filter.any,
		.stamped = sd->lat || sd->live || READ_ONCE(dq->pool.frame_id) || h->gro_flows,
		.queue = (u16)dq->nicq->index,
	};
}

static void take_end(struct driver_queue *dq, const struct take *t)
{
	COUNT(dq->rx_packets, t->packets);
	COUNT(dq->rx_bytes, t->bytes);
}

static noinline u8 pkt_type_of(const struct nic *nic, const u8 *frame)
{
	static const u8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (frame[0] & 1)
		return memcmp(frame, broadcast, 6) == 0 ? PACKET_BROADCAST : PACKET_MULTICAST;
	return memcmp(frame, nic->filter.addr, 6) == 0 ? PACKET_HOST : PACKET_OTHERHOST;
}

static inline struct sk_buff *driver_take(struct driver_queue *dq, struct take *t)
{
	struct softnet_data *sd = t->sd;
	const struct virtio_net_hdr_v1_hash *hdr;
	u32 desc, len, buf_len = dq->pool.buf_len;
	struct sk_buff *skb;
	u8 *frame;

again:
	skb = take_buffer(dq, &desc, &len);
	if (!skb)
		return NULL;
	if (unlikely(len < HDR_LEN + ETH_HLEN || len > buf_len)) { /* a chain the device gave back empty */
		kfree_skb_list(sd, skb);
		goto again;
	}
	hdr = (const void *)skb_buffer(skb);
	frame = (u8 *)hdr + HDR_LEN;
	skb->data = frame + ETH_HLEN; /* eth_type_trans() */
	skb->len = skb->head_len = len - HDR_LEN - ETH_HLEN;
	skb->hash = hdr->hash_value;
	skb->mac_header = HDR_LEN;
	skb->network_header = HDR_LEN + ETH_HLEN;
	skb->segs = 1;
	skb->ip_summed = hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID ? CHECKSUM_UNNECESSARY : CHECKSUM_NONE;
	skb->hash_report = (u8)hdr->hash_report;
	skb->pkt_type = likely(t->any && !(frame[0] & 1)) ? PACKET_HOST : pkt_type_of(dq->nic, frame);
	skb->flags = 0;
	skb->protocol = load16(frame + 12);
	skb->queue = t->queue;
	skb->truesize = buf_len + SKB_TRUESIZE_OVERHEAD;
	skb->vlan_tci = 0;
	if (unlikely(READ_ONCE(hdr->num_buffers) > 1))
		take_pieces(dq, skb, READ_ONCE(hdr->num_buffers));
	t->packets++;
	t->bytes += skb->len + ETH_HLEN;
	if (unlikely(t->stamped))
		stamp(dq, skb, desc);
	cpu_charge(sd, COST_RX);
	skb->t_stage = sd->now;
	return skb;
}

/* Live, the frame comes from another core: have the one 4 ahead on its way. On one core it only costs (2 ns a frame). */
static void prefetch_ahead(const struct driver_queue *dq, u16 used_idx)
{
	u16 next = (u16)(dq->vq.last_used + 3);
	u32 id;

	if (next == used_idx || (u16)(used_idx - next) >= dq->vq.size)
		return;
	id = READ_ONCE(dq->vq.used->ring[next & (dq->vq.size - 1)].id);
	if (id < dq->vq.size && dq->vq.desc_buf[id] < dq->pool.size)
		__builtin_prefetch(dq->pool.base + (u64)dq->vq.desc_buf[id] * dq->pool.stride);
}

int driver_poll(struct napi_struct *napi, int budget)
{
	struct driver_queue *dq = container_of(napi, struct driver_queue, napi);
	struct softnet_data *sd = napi->sd;
	int work;

	if (!napi->in_poll) {
		napi->in_poll = 1;
		napi->work = 0;
		cpu_charge(sd, COST_POLL);
		rx_pool_reclaim(&dq->pool);
		gro_poll_begin(napi);
		virtqueue_disable_cb(&dq->vq); /* parked anew, see virtqueue.c */
		if (cpu_yields(sd))
			return -EAGAIN; /* what came while the CPU was on its way here is there to be polled */
	}
	while (napi->in_poll == 1) {
		u32 chunk = min_u32(napi->host->catch_up, (u32)budget - napi->work), n = 0;
		u16 ahead = smp_load_acquire(&dq->vq.used->idx);
		struct take t = take_begin(dq);
		bool live = sd->live;
		struct sk_buff *skb;

		while (n < chunk && (skb = driver_take(dq, &t))) {
			if (live)
				prefetch_ahead(dq, ahead);
			napi_gro_receive(napi, skb);
			n++;
		}
		take_end(dq, &t);
		napi->work += n;
		if (n && cpu_yields(sd))
			return -EAGAIN; /* the device has yet to do what it did meanwhile */
		if (n < chunk || napi->work == (u32)budget)
			napi->in_poll = 2;
	}
	work = (int)napi->work;
	if (napi->in_poll == 2) {
		driver_refill(dq);
		if (work == budget)
			goto out;
		arfs_expire(sd);
		dq->unmask = (u8)napi_complete_done(napi, work);
		if (unlikely(dq->dim != NULL))
			rx_dim_update(dq);
		napi->in_poll = 3;
		if (cpu_yields(sd))
			return -EAGAIN;
	}
	if (dq->unmask && virtqueue_enable_cb(&dq->vq) && napi_schedule_prep(napi)) {
		virtqueue_disable_cb(&dq->vq);
		dq->irq_ns = sd->now;
		__napi_schedule(napi);
	}
out:
	napi->in_poll = 0;
	return work;
}

void driver_close(struct driver_queue *dq)
{
	struct softnet_data *sd = dq->napi.sd;
	struct histogram *lat = sd->lat;
	struct sk_buff *skb;
	struct take t;

	sd->lat = NULL; /* these never got anywhere */
	t = take_begin(dq);
	while ((skb = driver_take(dq, &t)))
		kfree_skb_reason(sd, skb, DEV_READY);
	take_end(dq, &t);
	sd->lat = lat;
}
