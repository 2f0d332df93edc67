/* driver.c - the driver of the card: its interrupt, and its poll
 *
 *   interrupt: driver_irq() masks and schedules NAPI
 *   softirq:   driver_poll() takes at most budget frames, builds skbs, the usual ones by driver_burst.c, refills the
 *              ring once and rings the doorbell;
 *              under budget: napi_complete_done(), unmask, look again
 *
 * In virtual time the card goes on while the driver works: the second look finds what arrived meanwhile, as a real
 * driver's does, without an interrupt. driver_open.c brings a queue up.
 */
#include "prelude.h"
#include "driver/inline.h"

#define REFILL_AGAIN_NS 500000000ull
#define REFILL_TRIES 20u /* then no more: a run in virtual time would not end */

/* Frames in a row that are not usual: then the rest of the poll has no bursts. After a poll without one, the first decides. */
#define BURST_TRIES 4

/* ---- interrupt ---- */

void driver_irq(struct driver_queue *dq)
{
	dq->irq_ns = dq->napi.sd->now;
	COUNT(dq->irqs, 1);
	virtqueue_disable_cb(&dq->vq);
	dq->masked = 1;
	napi_schedule(&dq->napi);
}

/* ---- poll ---- */

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

/* There was no memory, and the ring is empty: no frame will come that would make the driver poll again. Linux: virtio_net's
 * refill_work(), at once, and then every half a second. */
static void refill_later(struct driver_queue *dq)
{
	struct softnet_data *sd = dq->napi.sd;
	u64 at = sd->now + (dq->refill_tries ? REFILL_AGAIN_NS : sd->host->jiffy_ns);

	if (dq->vq.nfree < dq->vq.num || dq->refill_tries == REFILL_TRIES)
		return;
	dq->refill_tries++;
	if (at < sd->timer_ns[TIMER_REFILL])
		mod_timer(sd, TIMER_REFILL, at);
}

void driver_refill_timer(struct softnet_data *sd)
{
	for (u32 i = 0; i < sd->nnapis; i++) {
		const struct driver_queue *dq = container_of(sd->napis[i], const struct driver_queue, napi);

		if (dq->refill_tries && napi_schedule_prep(sd->napis[i]))
			__napi_schedule(sd->napis[i]);
	}
}

/* Post all free buffers, and ring the doorbell. Return: buffers posted */
int driver_refill(struct driver_queue *dq)
{
	struct softnet_data *sd = dq->napi.sd;
	struct rx_pool *p = &dq->pool;
	int n = (int)min_u32(dq->vq.nfree, p->nfree);

	if (unlikely(dq->nic->faults != NULL) && n) {
		if (nic_fault_hits(dq->nic, FAULT_ALLOC_FAIL, p->queue, sd->now, 0, NULL)) {
			COUNT(dq->alloc_rx_buff_failed, 1);
			refill_later(dq);
			return 0;
		}
		dq->refill_tries = 0;
	}

	virtqueue_add_inbufs(&dq->vq, p->bus, p->stride, p->buf_len, p->free + p->nfree, (u32)n);
	p->nfree -= (u32)n;
	while (dq->vq.nfree) { /* the stack is empty: take buffers that others returned, or that were never used */
		int buf = rx_pool_get(p);

		if (unlikely(buf < 0)) {
			COUNT(dq->alloc_rx_buff_failed, 1);
			__atomic_store_n(&p->starved, 1, __ATOMIC_SEQ_CST);
			if (!READ_ONCE(p->returned)) /* Pairs with push_returned(): one side sees the other. */
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
			cpu_lower_horizon(sd, sd->now);
	}
	return n;
}

/* Take one used buffer as an sk_buff. Return: NULL = the ring has none */
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

/* The card wrote a frame there, and the driver does not find it: a fault on purpose. */
static noinline void lost_to_fault(struct driver_queue *dq, u32 desc)
{
	struct frame_shadow *s = &dq->nicq->shadow[desc];
	struct softnet_data *sd = dq->napi.sd;

	if (!dq->nic->faults || !s->id)
		return;
	COUNT(dq->lost_to_faults, 1);
	COUNT(sd->fates[FAULT], 1);
	if (unlikely(sd->events != NULL))
		event_write(sd->events, &(struct event_record){ .t_ns = sd->now,
								.frame = s->id,
								.arg = FAULT,
								.cpu = (u16)sd->cpu,
								.queue = (u16)dq->nicq->index,
								.kind = EVENT_FATE });
	s->id = 0;
}

void driver_end_faults(struct driver_queue *dq)
{
	const struct virtqueue *vq = &dq->nicq->vq;

	if (!dq->nic->faults)
		return;
	for (u16 at = vq->last_avail; at != dq->vq.avail_idx; at++) /* posted, and not taken by the card */
		dq->nicq->shadow[dq->vq.avail->ring[at & (vq->size - 1)] & (vq->size - 1)].id = 0;
	for (u32 desc = 0; desc < dq->vq.size; desc++)
		if (dq->vq.desc_buf[desc] != UINT32_MAX)
			lost_to_fault(dq, desc);
}

/* Take the rest of a frame that spans buffers (num_buffers > 1). Further buffers have no virtio header. */
static void take_pieces(struct driver_queue *dq, struct sk_buff *skb, u32 buffers)
{
	struct softnet_data *sd = dq->napi.sd;

	for (u32 i = 1; i < buffers; i++) {
		u32 desc, len;
		struct sk_buff *piece = take_buffer(dq, &desc, &len);

		if (unlikely(!piece)) { /* the card promised more buffers than it published */
			COUNT(dq->bad_used, 1);
			break;
		}
		if (unlikely(dq->nic->faults != NULL)) /* num_buffers lied: another frame begins there */
			lost_to_fault(dq, desc);
		piece->data = skb_buffer(piece);
		piece->head_len = min_u32(len, dq->pool.buf_len);
		piece->segs = 0;
		if (skb->frag_list)
			skb->frag_tail->next = piece;
		else
			skb->frag_list = piece;
		skb->frag_tail = piece;
		skb->len += piece->head_len;
		cpu_charge(sd, COST_RX_BUF);
	}
	skb->truesize = skb_frame_truesize(skb->len + ETH_HLEN);
}

static noinline void stamp(struct driver_queue *dq, struct sk_buff *skb, u32 desc)
{
	const struct frame_shadow *s = &dq->nicq->shadow[desc];
	struct softnet_data *sd = dq->napi.sd;
	u64 seen = frame_seen(dq, s, sd->now);
	u64 *ids = smp_load_acquire(&dq->pool.frame_id); /* Pairs with rx_pool_keep_ids(). */

	if (ids)
		ids[skb->id] = s->id;
	if (sd->live)
		sd->now = max_u64(sd->now, s->t_dma); /* the CPU read the clock before the poll: perhaps too early */
	skb->t_wire = sd->lat ? s->t_wire : sd->now;
	if (!sd->lat) /* a capture or gro_flows wants the stamps */
		return;
	skb_event(sd, EVENT_RING, s->t_dma, skb, seen);
	frame_latencies(sd, s, seen, sd->now);
}

/* Constant during a poll, so that it stays in registers. */
struct take {
	struct softnet_data *sd;
	bool any, stamped;
	u16 queue;
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

static noinline u8 pkt_type_of(const struct nic *nic, const u8 *frame)
{
	static const u8 broadcast[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (frame[ETHH_DEST] & 1)
		return memcmp(frame + ETHH_DEST, broadcast, ETH_ALEN) == 0 ? PACKET_BROADCAST : PACKET_MULTICAST;
	return memcmp(frame + ETHH_DEST, nic->filter.addr, ETH_ALEN) == 0 ? PACKET_HOST : PACKET_OTHERHOST;
}

static inline struct sk_buff *driver_take(struct driver_queue *dq, const struct take *t)
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
	if (unlikely(len < HDR_LEN + ETH_HLEN || len > buf_len)) { /* the card returned the chain empty */
		kfree_skb_list(sd, skb);
		lost_to_fault(dq, desc);
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
	skb->pkt_type = likely(t->any && !(frame[ETHH_DEST] & 1)) ? PACKET_HOST : pkt_type_of(dq->nic, frame);
	skb->flags = 0;
	skb->protocol = load16(frame + ETHH_PROTO);
	skb->queue = t->queue;
	skb->vlan_tci = 0;
	skb->truesize = skb_frame_truesize(len - HDR_LEN);
	skb->t_stage = sd->now;
	if (unlikely(t->stamped))
		stamp(dq, skb, desc);
	COUNT(dq->rx_packets, 1);
	frames_taken(sd, 1);
	if (unlikely(READ_ONCE(hdr->num_buffers) > 1))
		take_pieces(dq, skb, READ_ONCE(hdr->num_buffers));
	COUNT(dq->rx_bytes, skb->len + ETH_HLEN);
	cpu_charge(sd, COST_RX);
	stage_done(sd, LAT_STACK, EVENT_SKB, skb, skb->len + ETH_HLEN);
	return skb;
}

int driver_poll(struct napi_struct *napi, int budget)
{
	struct driver_queue *dq = container_of(napi, struct driver_queue, napi);
	struct softnet_data *sd = napi->sd;
	const bool live = sd->live;
	struct sk_buff *skb;
	bool was_masked;
	struct take t;
	int work = 0, unmask;
	u32 tries;

	cpu_work(sd, sd->host->cost[COST_POLL] - napi->polled_ns);
	napi->polled_ns = 0;
	rx_pool_reclaim(&dq->pool);
	gro_poll_begin(napi);
	if (likely(dq->masked))
		virtqueue_disable_cb(&dq->vq); /* parks used_event again, see virtqueue.c */
	t = take_begin(dq);
	if (unlikely(sd->cold) && smp_load_acquire(&dq->vq.used->idx) != dq->vq.last_used)
		cpu_first_packet(sd);
	tries = !driver_may_burst(dq) ? 0 : dq->bursts ? BURST_TRIES : 1;
	dq->bursts = 0;
	while (work < budget) {
		if (tries) {
			u32 n = driver_burst(dq, (u32)(budget - work));

			work += (int)n;
			tries = n ? BURST_TRIES : tries - 1;
			dq->bursts |= n != 0;
		}
		if (work == budget || !(skb = driver_take(dq, &t)))
			break;
		work++;
		if (live)
			prefetch_frame(dq, 3); /* this one is taken */
		napi_gro_receive(napi, skb);
	}
	driver_refill(dq);
	if (work == budget)
		return work;
	arfs_expire(sd);
	unmask = napi_complete_done(napi, work);
	if (unlikely(dq->dim != NULL))
		rx_dim_update(dq);
	cpu_sync(sd);
	if (!unmask)
		return work;
	was_masked = dq->masked;
	dq->masked = 0;
	if (virtqueue_enable_cb(&dq->vq) && napi_schedule_prep(napi)) {
		virtqueue_disable_cb(&dq->vq);
		dq->masked = 1;
		if (!was_masked) /* frames waited for an interrupt until now */
			dq->irq_ns = sd->now;
		__napi_schedule(napi);
	}
	return work;
}

void driver_close(struct driver_queue *dq)
{
	struct softnet_data *sd = dq->napi.sd;
	struct histogram *lat = sd->lat;
	struct sk_buff *skb;
	struct take t;

	sd->lat = NULL; /* these frames reach nothing: they have no latency */
	t = take_begin(dq);
	while ((skb = driver_take(dq, &t)))
		kfree_skb_reason(sd, skb, DEV_READY);
	sd->lat = lat;
	driver_end_faults(dq);
}
