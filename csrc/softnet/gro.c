/* gro.c - generic receive offload: hold a packet back for a moment, and merge its successors. Linux: net/core/gro.c
 *
 *   driver_poll() -> napi_gro_receive() -> gro_inet.c -> gro_tcp.c, gro_udp.c: merged | held | normal
 *   a held packet leaves by a packet of its flow, by a ninth flow in its bucket, at the poll's end (napi.c), or by age
 *   -> gro_normal_one(): list of gro_normal_batch segments -> netif_receive_skb_list_internal()
 *
 * 8 buckets by the low bits of the hardware's hash, 8 skbs each. A packet's outcome is decided in this order: the
 * handler names a held skb to complete; merged: done; flush: up at once; else held. A packet refused before the
 * transport look-up overtakes its flow's held packets, as in Linux. A merge loses the boundaries, all IP ids but the
 * first, the segment that carried PSH, and later timestamps. gro_flows.c counts why each hold ended.
 */
#include "prelude.h"

#define HEADERS_MAX 128 /* of a packet that spans buffers: bytes that GRO may read in the first one */

void gro_normal_list(struct napi_struct *n)
{
	struct sk_buff *skb = n->rx_list;

	n->rx_list = NULL;
	frames_taken(n->sd, n->rx_count);
	WRITE_ONCE(n->rx_count, 0);
	netif_receive_skb_list_internal(n->sd, skb);
}

/* Append linked packets to the list, and pass it on when it is full. */
static inline void rx_list_add(struct napi_struct *n, struct sk_buff *first, struct sk_buff *last, u32 segs)
{
	if (n->rx_list)
		n->rx_list_tail->next = first;
	else
		n->rx_list = first;
	n->rx_list_tail = last;
	COUNT(n->rx_count, segs);
	if (n->rx_count >= n->host->gro_normal_batch)
		gro_normal_list(n);
}

static void gro_normal_one(struct napi_struct *n, struct sk_buff *skb, u32 segs)
{
	skb->tstamp = n->sd->now;
	frames_placed(n->sd, segs);
	rx_list_add(n, skb, skb, segs);
}

u32 gro_normal_room(const struct napi_struct *n)
{
	return n->host->gro_normal_batch > n->rx_count ? n->host->gro_normal_batch - n->rx_count : 1;
}

void gro_normal_burst(struct napi_struct *n, struct sk_buff *first, struct sk_buff *last, u32 packets)
{
	COUNT(n->sd->gro_normal, packets);
	rx_list_add(n, first, last, packets);
}

/* Make the first segment's headers describe the merged packet. */
static void gro_complete(struct softnet_data *sd, struct sk_buff *skb)
{
	COUNT(sd->gro_lost_ids, gro_lost_ids(skb));
	COUNT(sd->gro_lost_psh, gro_lost_psh(skb));
	if (unlikely(skb->flags & SKB_UDP))
		udp_gro_complete(skb);
	else
		tcp_gro_complete(skb);
	inet_gro_complete(skb);
}

static void napi_gro_complete(struct napi_struct *n, struct sk_buff *skb, enum gro_end why)
{
	struct softnet_data *sd = n->sd;

	COUNT(n->gro_held, -(u32)skb->segs);
	frames_taken(sd, skb->segs);
	if (skb->segs > 1)
		gro_complete(sd, skb);
	COUNT(sd->gro_flushed_skbs, 1);
	COUNT(sd->gro_flushed_segs, skb->segs);
	COUNT(sd->gro_ended[why], 1);
	if (unlikely(sd->gro_flows != NULL))
		gro_account(sd, skb, why);
	skb_event(sd, EVENT_GRO_RELEASE, skb->t_stage, skb, (u64)skb->segs << 32 | why);
	gro_normal_one(n, skb, skb->segs);
}

static void list_del(struct gro_list *l, u32 i)
{
	l->count--;
	memmove(&l->skb[i], &l->skb[i + 1], (l->count - i) * sizeof(l->skb[0]));
}

static void flush_bucket(struct napi_struct *n, u32 b, int flush_old, enum gro_end why)
{
	struct gro_list *l = &n->gro_hash[b];

	while (l->count) {
		struct sk_buff *skb = l->skb[0];

		if (flush_old && skb->gro_age == (u32)jiffies(n->sd))
			return;
		list_del(l, 0);
		napi_gro_complete(n, skb, flush_old ? GRO_AGED : why);
	}
	n->gro_bitmask &= ~(1u << b);
}

void napi_gro_flush(struct napi_struct *n, int flush_old, enum gro_end why)
{
	for (u32 mask = n->gro_bitmask; mask; mask &= mask - 1)
		flush_bucket(n, (u32)__builtin_ctz(mask), flush_old, why);
}

static inline bool mac_equal(const u8 *a, const u8 *b) /* ETH_HLEN bytes: two overlapping loads of 8 */
{
	return !((load64(a) ^ load64(b)) | (load64(a + 6) ^ load64(b + 6)));
}

/* Mark the packets in the bucket that the link layer does not tell apart from this one. */
static void gro_list_prepare(const struct gro_list *l, const struct sk_buff *skb)
{
	const u8 *mac = gro_mac_header(skb);

	for (u32 i = 0; i < l->count; i++) {
		struct sk_buff *p = l->skb[i];

		p->gro_same_flow = p->hash == skb->hash && p->vlan_tci == skb->vlan_tci &&
				   mac_equal(gro_mac_header(p), mac);
	}
}

/* Find the newest packet in the bucket of the same flow, by the marks and the ports at off. Return: NULL = none */
struct sk_buff **gro_lookup(struct gro_list *l, const struct sk_buff *skb, u32 off)
{
	u32 ports = load32(gro_mac_header(skb) + off);

	for (u32 i = l->count; i-- > 0;)
		if (l->skb[i]->gro_same_flow && load32(gro_mac_header(l->skb[i]) + off) == ports)
			return &l->skb[i];
	return NULL;
}

/* Pass the packet on without GRO. */
struct sk_buff **gro_refuse(struct sk_buff *skb)
{
	skb->gro_flush = 1;
	return NULL;
}

/* ---- joining: skb's payload behind p's. hdr: bytes of headers before it, from skb->data on ---- */

/* Linux frees the sk_buff of a segment that lies in a page fragment, and puts the fragment into p; if p has no slot left,
 * the segment goes to a list whole, and those after it into its slots. */
static u32 freed_truesize(const struct sk_buff *p, const struct sk_buff *skb)
{
	return skb_in_page_frag(skb) && p->segs % (MAX_SKB_FRAGS + 1) ? SKB_HEAD_TRUESIZE : 0;
}

static void append(struct sk_buff *p, struct sk_buff *skb, u32 hdr)
{
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
	p->len += skb->len;
	p->truesize += skb->truesize;
	p->segs++;
	p->end_seq = skb->end_seq;
	skb->gro_same_flow = 1;
}

/* Beyond 64 KB (BIG TCP) only TCP may grow, with room for a jumbo header. Inside an outer IPv6 header Linux 6.18 lets
 * it grow too, but cannot finish the packet: it logs a warning and loses it. vnic refuses the merge instead. */
static bool may_be_big(const struct sk_buff *p)
{
	bool in_ipv6 = p->gro_inner && ip_version(skb_mac_header(p) + p->gro_outer) == 6;

	return !(p->flags & SKB_UDP) && !in_ipv6 && p->mac_header >= JUMBO_HLEN;
}

/* Append skb's payload. Return: GRO_HOLDS, or why it does not fit */
enum gro_end skb_gro_receive(struct napi_struct *n, struct sk_buff *p, struct sk_buff *skb, u32 hdr)
{
	u32 len = p->len + skb->len - hdr;
	u32 limit = p->protocol == htons(ETH_P_IPV6) ? n->host->gro_max_size : n->host->gro_ipv4_max_size;

	if (len >= limit || p->segs == UINT16_MAX || (unlikely(len >= 65536) && !may_be_big(p)))
		return GRO_SIZE;
	if (skb->gro_flush)
		return GRO_PADDED;
	if (unlikely(n->sd->events != NULL))
		skb_event_joins(n->sd, skb, p);
	p->truesize -= freed_truesize(p, skb);
	append(p, skb, hdr);
	return GRO_HOLDS;
}

/* The same for a list, whose segments keep their headers in their own buffers. Headers count to the limit, as in
 * Linux. */
enum gro_end skb_gro_receive_list(struct napi_struct *n, struct sk_buff *p, struct sk_buff *skb, u32 hdr)
{
	if (p->len + skb->len >= 65536)
		return GRO_SIZE;
	if (unlikely(n->sd->events != NULL))
		skb_event_joins(n->sd, skb, p);
	append(p, skb, hdr);
	return GRO_HOLDS;
}

/* ---- the way in ---- */

/* Return: 1 = GRO owns the packet now, 0 = GRO_NORMAL. Not inlined, so that napi_gro_receive()'s path for most UDP fits
 * into the poll (2 % of its instructions). */
static noinline int dev_gro_receive(struct napi_struct *n, struct sk_buff *skb)
{
	u32 b = skb->hash & (GRO_HASH_BUCKETS - 1);
	struct gro_list *l = &n->gro_hash[b];
	struct softnet_data *sd = n->sd;
	struct sk_buff **pp;
	int held = 1;

	if (unlikely(skb->frag_list != NULL))
		skb_pull_headers(skb, HEADERS_MAX);
	gro_list_prepare(l, skb);
	skb->gro_flush = skb->gro_same_flow = skb->gro_fixed_id = 0;
	skb->gro_inner = 0;
	pp = gro_receive_by_type(n, l, skb, ETH_HLEN, skb->protocol);
	if (pp) {
		struct sk_buff *p = *pp;

		COUNT(n->gro_held, skb->gro_same_flow); /* merged, so it leaves with p */
		frames_placed(sd, skb->gro_same_flow);
		list_del(l, (u32)(pp - l->skb));
		if (!l->count)
			n->gro_bitmask &= ~(1u << b);
		napi_gro_complete(n, p, n->gro_why);
	}
	if (skb->gro_same_flow) {
		COUNT(sd->gro_merged, 1);
		COUNT(n->gro_held, !pp);
		frames_placed(sd, !pp);
	} else if (skb->gro_flush) {
		held = 0;
	} else {
		if (l->count == MAX_GRO_SKBS) {
			struct sk_buff *oldest = l->skb[0];

			list_del(l, 0);
			napi_gro_complete(n, oldest, GRO_EVICTED);
		}
		skb->gro_age = (u32)jiffies(sd);
		l->skb[l->count++] = skb;
		n->gro_bitmask |= 1u << b;
		skb_event(sd, EVENT_GRO_HOLD, sd->now, skb, l->count);
		COUNT(n->gro_held, 1);
		frames_placed(sd, 1);
		COUNT(sd->gro_held_total, 1);
	}
	return held;
}

/* UDP is merged only on request. Without one, datagrams that the card has verified need not look into a bucket. */
void gro_poll_begin(struct napi_struct *n)
{
	const struct host *h = n->host;

	n->udp_passes = !READ_ONCE(h->udp_gro_socks) && !h->gro_udp_fwd && !h->gro_list;
}

static inline bool udp_may_pass(const struct napi_struct *n, const struct sk_buff *skb)
{
	if (!n->udp_passes || skb->ip_summed == CHECKSUM_NONE)
		return false;
	if (likely(skb->protocol == htons(ETH_P_IP)))
		return skb->head_len >= IP_HLEN && skb->data[IPH_PROTOCOL] == IPPROTO_UDP;
	return skb->protocol == htons(ETH_P_IPV6) && skb->head_len >= IPV6_HLEN &&
	       skb->data[IPV6H_NEXTHDR] == IPPROTO_UDP;
}

/* gro_find_receive_by_type(): is there a handler for this EtherType? */
static bool is_merged(u16 protocol)
{
	return protocol == htons(ETH_P_IP) || protocol == htons(ETH_P_IPV6) || is_vlan(protocol);
}

void napi_gro_receive(struct napi_struct *n, struct sk_buff *skb)
{
	cpu_charge(n->sd, COST_GRO);
	if (!udp_may_pass(n, skb) && n->host->gro && is_merged(skb->protocol) && dev_gro_receive(n, skb))
		return;
	COUNT(n->sd->gro_normal, 1);
	gro_normal_one(n, skb, 1);
}
