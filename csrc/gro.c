/* gro.c - generic receive offload: hold packets of a flow back for a moment and merge those that follow. Linux: net/core/gro.c
 *
 *   driver_poll() -> napi_gro_receive() -> gro_inet.c -> gro_tcp.c: merged | held | normal
 *   held ones leave when their flow says so, when a ninth comes to their bucket, when the poll ends (napi.c), by age
 *   -> gro_normal_one(): list of gro_normal_batch segments -> netif_receive_skb_internal()
 *
 * 8 buckets by the low bits of the hardware's hash, 8 skbs each. The outcome of a packet, in this order: the handler
 * names a held skb to complete; merged: done; flush: up at once; else it is held. What is refused before the
 * transport look-up overtakes what is held of its flow, as in Linux. Lost in a merge: the boundaries, all IP ids but
 * the first, which segment carried PSH, later timestamps.
 */
#include "prelude.h"

static void hold_ended(struct softnet_data *sd, struct sk_buff *skb)
{
	if (unlikely(sd->lat != NULL)) {
		latency(sd, LAT_GRO, skb->t_stage, sd->now, 1);
		if (skb->segs > 1)
			for (struct sk_buff *s = skb->frag_list; s; s = s->next)
				if (s->segs)
					latency(sd, LAT_GRO, s->t_stage, sd->now, 1);
	}
	skb->t_stage = skb->tstamp = sd->now;
}

void gro_normal_list(struct napi_struct *n)
{
	struct sk_buff *skb = n->rx_list, *next;

	n->rx_list = NULL;
	n->rx_count = 0;
	WRITE_ONCE(n->rx_frames, 0);
	for (; skb; skb = next) {
		next = skb->next;
		skb->next = NULL;
		netif_receive_skb_internal(n->sd, skb);
	}
}

static void gro_normal_one(struct napi_struct *n, struct sk_buff *skb, u32 segs)
{
	hold_ended(n->sd, skb);
	if (n->rx_list)
		n->rx_list_tail->next = skb;
	else
		n->rx_list = skb;
	n->rx_list_tail = skb;
	COUNT(n->rx_frames, segs);
	n->rx_count += segs;
	if (n->rx_count >= n->host->gro_normal_batch)
		gro_normal_list(n);
}

static void napi_gro_complete(struct napi_struct *n, struct sk_buff *skb)
{
	struct softnet_data *sd = n->sd;

	COUNT(n->gro_held, -(u32)skb->segs);
	if (skb->segs > 1)
		tcp_gro_complete(skb);
	else
		skb->gso_size = 0;
	COUNT(sd->gro_flushed_skbs, 1);
	COUNT(sd->gro_flushed_segs, skb->segs);
	gro_normal_one(n, skb, skb->segs);
}

static void list_del(struct gro_list *l, u32 i)
{
	l->count--;
	memmove(&l->skb[i], &l->skb[i + 1], (l->count - i) * sizeof(l->skb[0]));
}

static void flush_bucket(struct napi_struct *n, u32 b, int flush_old)
{
	struct gro_list *l = &n->gro_hash[b];

	while (l->count) {
		struct sk_buff *skb = l->skb[0];

		if (flush_old && skb->gro_age == (u32)jiffies(n->sd))
			return;
		list_del(l, 0);
		napi_gro_complete(n, skb);
	}
	n->gro_bitmask &= ~(1u << b);
}

/* napi_gro_flush() - buckets in order, the oldest first; flush_old: only those held since an earlier jiffy */
void napi_gro_flush(struct napi_struct *n, int flush_old)
{
	for (u32 mask = n->gro_bitmask; mask; mask &= mask - 1)
		flush_bucket(n, (u32)__builtin_ctz(mask), flush_old);
}

/* Who in the bucket could be the same flow, as far as the link layer can tell? */
static void gro_list_prepare(const struct gro_list *l, const struct sk_buff *skb)
{
	const u8 *mac = skb_mac_header(skb);

	for (u32 i = 0; i < l->count; i++) {
		struct sk_buff *p = l->skb[i];

		p->gro_same_flow = p->hash == skb->hash && p->vlan_tci == skb->vlan_tci &&
				   memcmp(skb_mac_header(p), mac, ETH_HLEN) == 0;
	}
}

/* Append skb's payload to p. Return: 0, or -E2BIG: p would get too long. -EINVAL: skb must not be merged */
int skb_gro_receive(struct napi_struct *n, struct sk_buff *p, struct sk_buff *skb)
{
	u32 hdr = skb->gro_l4 - ETH_HLEN; /* skb->data is at the network header */
	u32 limit = skb->gro_version == 4 ? n->host->gro_ipv4_max_size : n->host->gro_max_size;
	u32 payload;

	hdr += (skb_mac_header(skb)[skb->gro_l4 + 12] >> 4) * 4u;
	payload = skb->len - hdr;
	if (p->len + payload >= limit || p->segs == UINT16_MAX)
		return -E2BIG;
	if (skb->gro_flush)
		return -EINVAL;
	skb_pull(skb, hdr);
	if (p->frag_list)
		p->frag_tail->next = skb;
	else
		p->frag_list = skb;
	p->frag_tail = skb;
	if (unlikely(skb->frag_list != NULL)) { /* a segment that spans buffers: its pieces join the chain */
		skb->next = skb->frag_list;
		p->frag_tail = skb->frag_tail;
		skb->frag_list = NULL;
	}
	p->len += payload;
	p->truesize += skb->truesize;
	p->segs++;
	p->end_seq = skb->end_seq;
	skb->gro_same_flow = 1;
	return 0;
}

/* dev_gro_receive(). Return: 1 = GRO has it now, 0 = GRO_NORMAL */
static int dev_gro_receive(struct napi_struct *n, struct sk_buff *skb)
{
	u32 b = skb->hash & (GRO_HASH_BUCKETS - 1);
	struct gro_list *l = &n->gro_hash[b];
	struct softnet_data *sd = n->sd;
	struct sk_buff **pp;
	int held = 1;

	gro_list_prepare(l, skb);
	skb->gro_flush = skb->gro_same_flow = skb->gro_fixed_id = 0;
	pp = skb->protocol == 0x0008 ? inet_gro_receive(n, l, skb) : ipv6_gro_receive(n, l, skb);
	if (pp) {
		struct sk_buff *p = *pp;

		COUNT(n->gro_held, skb->gro_same_flow); /* it leaves with p */
		list_del(l, (u32)(pp - l->skb));
		napi_gro_complete(n, p);
	}
	if (skb->gro_same_flow) {
		COUNT(sd->gro_merged, 1);
		COUNT(n->gro_held, !pp);
	} else if (skb->gro_flush) {
		held = 0;
	} else {
		if (l->count == MAX_GRO_SKBS) {
			struct sk_buff *oldest = l->skb[0];

			list_del(l, 0);
			napi_gro_complete(n, oldest);
		}
		skb->gro_age = (u32)jiffies(sd);
		l->skb[l->count++] = skb;
		COUNT(n->gro_held, 1);
		COUNT(sd->gro_held_total, 1);
	}
	if (l->count)
		n->gro_bitmask |= 1u << b;
	else
		n->gro_bitmask &= ~(1u << b);
	return held;
}

/* Only TCP is ever merged. The rest goes up at once, and need not look into a bucket first. */
static bool is_candidate(const struct sk_buff *skb)
{
	if (skb->protocol == 0x0008)
		return skb->head_len >= 20 && skb->data[9] == 6;
	return skb->protocol == 0xdd86;
}

void napi_gro_receive(struct napi_struct *n, struct sk_buff *skb)
{
	cpu_charge(n->sd, COST_GRO);
	if (n->host->gro && is_candidate(skb) && dev_gro_receive(n, skb))
		return;
	COUNT(n->sd->gro_normal, 1);
	gro_normal_one(n, skb, 1);
}
