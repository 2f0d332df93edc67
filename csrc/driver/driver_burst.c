/* driver_burst.c - the usual frames of a poll: from the used ring to GRO's list in one loop. Nothing rare is in it
 *
 *   driver_poll() -> driver_burst(): used entries -> sk_buffs -> gro_normal_burst() (gro.c): no bucket is looked at
 *               -> the first frame that is not usual: driver_take(), napi_gro_receive()
 *
 * Usual: UDP in IPv4 that the card has verified, unicast for us, in one buffer, and GRO does not merge UDP; nothing records
 * frames; and the time of the CPU does not reach the turn of another agent meanwhile. Of another frame nothing was taken. An
 * entry of the used ring is read once and checked, as in virtqueue_get_buf().
 */
#include "prelude.h"
#include "driver/inline.h"

#define ALWAYS static inline __attribute__((always_inline)) /* once for each enum way */
#define FEW 4 /* of so few frames none is worth to begin a burst */

/* Constant during a burst, so that it stays in registers. */
struct usual {
	u64 addr; /* the card's, as load64() << 16 */
	u64 rx_ns, gro_ns;
	u32 len_max;
	u16 queue;
	bool any;
};

static struct usual usual_begin(const struct driver_queue *dq)
{
	const struct mac_filter *mf = &dq->nic->filter;
	const u32 *cost = dq->napi.host->cost;
	u8 addr[8] = { 0 };

	memcpy(addr, mf->addr, ETH_ALEN);
	return (struct usual){
		.addr = load64(addr) << 16,
		.rx_ns = cost[COST_RX],
		.gro_ns = cost[COST_GRO],
		.len_max = min_u32(dq->pool.buf_len, HDR_LEN + PAGE_FRAG_MAX),
		.queue = (u16)dq->nicq->index,
		.any = mf->any,
	};
}

int driver_may_burst(const struct driver_queue *dq)
{
	const struct softnet_data *sd = dq->napi.sd;

	return dq->napi.udp_passes && !(sd->live && sd->lat) && !sd->events && !READ_ONCE(dq->pool.frame_id) &&
	       !sd->host->gro_flows && !dq->nic->faults;
}

enum way { PLAIN, SPLIT, LIVE }; /* in virtual time; there with the latency split; in real time, without */

/* Is the frame behind this header usual? */
static inline bool is_usual(const struct virtio_net_hdr_v1_hash *hdr, u32 len, const struct usual *u)
{
	const u8 *frame = (const u8 *)hdr + HDR_LEN;
	u64 dst;

	if (unlikely(len < HDR_LEN + ETH_HLEN + IP_HLEN || len > u->len_max ||
		     !(hdr->flags & VIRTIO_NET_HDR_F_DATA_VALID) || READ_ONCE(hdr->num_buffers) != 1))
		return false;
	dst = load64(frame + ETHH_DEST);
	return likely(!(dst & 1) && (u->any || dst << 16 == u->addr) && load16(frame + ETHH_PROTO) == htons(ETH_P_IP) &&
		      frame[ETH_HLEN + IPH_PROTOCOL] == IPPROTO_UDP);
}

/* Describe it by its sk_buff. */
static inline void build(struct sk_buff *skb, const struct virtio_net_hdr_v1_hash *hdr, u32 len, const struct usual *u)
{
	skb->data = (u8 *)hdr + HDR_LEN + ETH_HLEN;
	skb->len = skb->head_len = len - HDR_LEN - ETH_HLEN;
	skb->hash = hdr->hash_value;
	skb->kind = skb_kind(0, htons(ETH_P_IP));
	skb->hash_report = (u8)hdr->hash_report;
	skb->mac_header = HDR_LEN;
	skb->network_header = HDR_LEN + ETH_HLEN;
	skb->queue = u->queue;
	skb->truesize = skb_frame_truesize(len - HDR_LEN);
	skb->frag_list = NULL;
	skb->vlan_tci = 0;
}

/* Live: the CPU read its clock before the poll, and the card may have written frames since, the last one last. */
static inline u64 live_now(const struct driver_queue *dq, const struct virtq_used_elem *last)
{
	u32 id = READ_ONCE(last->id);
	u64 now = dq->napi.sd->now;

	return likely(id < dq->vq.size) ? max_u64(now, dq->nicq->shadow[id].t_dma) : now;
}

/* Take at most n used entries that lie side by side. *last: set to the last sk_buff. Return: how many; they are linked */
ALWAYS u32 run(struct driver_queue *dq, struct sk_buff **first, struct sk_buff **last, u32 n, const struct usual *u,
	       enum way way)
{
	struct virtqueue_driver *vq = &dq->vq;
	const struct virtq_used_elem *used = &vq->used->ring[vq->last_used & (vq->size - 1)];
	u16 *free_desc = vq->free_desc + vq->nfree;
	struct softnet_data *sd = dq->napi.sd;
	struct sk_buff **link = first;
	const u64 stride = dq->pool.stride;
	u64 now = way == LIVE && n ? live_now(dq, &used[n - 1]) : sd->now, bytes = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		const struct virtio_net_hdr_v1_hash *hdr;
		u32 id = READ_ONCE(used[i].id), len = READ_ONCE(used[i].len), buf;
		struct sk_buff *skb;

		if (unlikely(id >= vq->size || (buf = vq->desc_buf[id]) == UINT32_MAX))
			break;
		hdr = (const void *)(dq->pool.base + buf * stride);
		if (!is_usual(hdr, len, u) || unlikely(now + u->rx_ns + u->gro_ns >= sd->horizon))
			break;
		vq->desc_buf[id] = UINT32_MAX;
		free_desc[i] = (u16)id;
		skb = &dq->pool.skbs[buf];
		build(skb, hdr, len, u);
		if (way == LIVE) {
			prefetch_frame(dq, i + 4);
			skb->t_wire = now;
		}
		if (way == SPLIT) {
			const struct frame_shadow *s = &dq->nicq->shadow[id];

			skb->t_wire = s->t_wire;
			frame_latencies(sd, s, frame_seen(dq, s, now), now);
		}
		skb->t_stage = now + u->rx_ns;
		now = skb->tstamp = skb->t_stage + u->gro_ns;
		bytes += len - HDR_LEN;
		*link = *last = skb;
		link = &skb->next;
	}
	*link = NULL;
	vq->last_used = (u16)(vq->last_used + i);
	vq->nfree = (u16)(vq->nfree + i);
	sd->now = now;
	if (way == SPLIT && i)
		lat_record(&sd->lat[LAT_STACK], u->rx_ns, i); /* the driver's part of it */
	COUNT(dq->rx_packets, i);
	COUNT(dq->rx_bytes, bytes);
	return i;
}

ALWAYS u32 burst(struct driver_queue *dq, u32 max, enum way way)
{
	const struct usual u = usual_begin(dq);
	struct virtqueue_driver *vq = &dq->vq;
	u32 done = 0, n, taken;

	do {
		u32 side_by_side = vq->size - (vq->last_used & (vq->size - 1));
		struct sk_buff *first, *last = NULL;

		n = min_u32(min_u32(max - done, gro_normal_room(&dq->napi)),
			    min_u32((u16)(vq->used_seen - vq->last_used), side_by_side));
		taken = run(dq, &first, &last, n, &u, way);
		if (taken)
			gro_normal_burst(&dq->napi, first, last, taken);
		done += taken;
	} while (taken && taken == n);
	return done;
}

static noinline u32 burst_split(struct driver_queue *dq, u32 max)
{
	return burst(dq, max, SPLIT);
}

static noinline u32 burst_live(struct driver_queue *dq, u32 max)
{
	return burst(dq, max, LIVE);
}

u32 driver_burst(struct driver_queue *dq, u32 max)
{
	const struct softnet_data *sd = dq->napi.sd;
	int used = virtqueue_used(&dq->vq);

	if (used < FEW) {
		COUNT(dq->bad_used, used < 0);
		return 0;
	}
	if (unlikely(sd->live))
		return burst_live(dq, max);
	return unlikely(sd->lat != NULL) ? burst_split(dq, max) : burst(dq, max, PLAIN);
}
