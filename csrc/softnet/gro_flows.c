/* gro_flows.c - account of what merging lost, and why each hold ended: in words, and per flow
 *
 *   gro.c, at the end of each hold -> gro_account(): one row per flow, a table per CPU, gro-flows rows
 *
 * A merged packet has the headers of its first segment. It loses the boundaries, all IP ids but the first, the segment
 * that carried PSH, and the later arrival times. softnet_data always counts the totals over all flows; the rows exist
 * only on request. Linux keeps no such account; "why" is its if statements.
 */
#include "prelude.h"

#define PROBES 8

static const char *const texts[GRO_END_MAX] = {
	[GRO_HOLDS] = "it goes on",
	[GRO_COMPLETE] = "the queue was polled out (napi_complete_done)",
	[GRO_FULL_POLL] = "the poll used its whole weight",
	[GRO_AGED] = "held since an earlier jiffy (gro_flush_timeout)",
	[GRO_EVICTED] = "a ninth flow came to its bucket",
	[GRO_PSH] = "a segment with PSH joined",
	[GRO_FIN] = "a segment with FIN joined",
	[GRO_SHORTER] = "a segment shorter than the first joined",
	[GRO_COUNT] = "64 datagrams, or a list of 64 segments",
	[GRO_FLAGS] = "the next segment's TCP flags differ",
	[GRO_CWR] = "the next segment has CWR",
	[GRO_WINDOW] = "the next segment's window differs",
	[GRO_ACK] = "the next segment acknowledges something else",
	[GRO_OPTIONS] = "the next segment's TCP options differ (a timestamp, usually)",
	[GRO_TTL_TOS] = "the next packet's TTL, TOS, traffic class or DF differs",
	[GRO_IP_ID] = "the next packet's IP id neither counts up nor stays",
	[GRO_EMPTY] = "a segment without data (a pure ACK)",
	[GRO_LONGER] = "the next segment is longer than the first",
	[GRO_SEQ] = "the next segment is not the next in sequence",
	[GRO_SIZE] = "it would have got longer than gro_max_size",
	[GRO_PADDED] = "the next packet is padded, or has the reserved bit",
	[GRO_CSUM_STATE] = "one was verified by the card, the other not",
	[GRO_OTHER_KIND] = "a list and a plain merge do not mix",
};

const char *gro_end_text(enum gro_end why)
{
	return why < GRO_END_MAX ? texts[why] : "?";
}

struct gro_flows *gro_flows_new(u32 flows)
{
	u32 size = round_up_pow2(flows);
	struct gro_flows *t = calloc(1, sizeof(*t) + size * sizeof(t->flow[0]));

	if (t)
		t->mask = size - 1;
	return t;
}

static struct flow_key key_of(const struct sk_buff *skb)
{
	return flow_key_of(gro_ip(skb), skb_mac_header(skb) + skb->gro_l4,
			   skb->flags & SKB_UDP ? IPPROTO_UDP : IPPROTO_TCP);
}

/* Find or take the flow's row. Return: NULL = the rows near its place are taken */
static struct gro_flow *row_of(struct gro_flows *t, const struct flow_key *key)
{
	u32 h = flow_key_hash(key);

	for (u32 i = 0; i < PROBES; i++) {
		struct gro_flow *f = &t->flow[(h + i) & t->mask];

		if (f->used && !flow_key_equal(&f->key, key))
			continue;
		f->key = *key;
		f->used = 1;
		return f;
	}
	return NULL;
}

/* Return: ns from the first segment's arrival to the last one's */
static u64 spread(const struct sk_buff *skb)
{
	u64 last = skb->t_wire;

	for (const struct sk_buff *s = skb->frag_list; s; s = s->next)
		if (s->segs)
			last = max_u64(last, s->t_wire);
	return last - skb->t_wire;
}

/* Return: IP ids that a merged packet has lost */
u32 gro_lost_ids(const struct sk_buff *skb)
{
	return ip_version(skb_mac_header(skb) + skb->gro_outer) == 4 ? skb->segs - 1u : 0;
}

/* Return: 1 = a merged packet has PSH, and no longer tells which segment carried it */
u32 gro_lost_psh(const struct sk_buff *skb)
{
	return skb->flags & SKB_UDP ? 0 : !!(skb_mac_header(skb)[skb->gro_l4 + TCPH_FLAGS] & TCPHDR_PSH);
}

void gro_account(struct softnet_data *sd, const struct sk_buff *skb, enum gro_end why)
{
	struct flow_key key = key_of(skb);
	struct gro_flow *f = row_of(sd->gro_flows, &key);
	u64 ns;

	if (!f) {
		COUNT(sd->gro_flows->missed, 1);
		return;
	}
	COUNT(f->frames, skb->segs);
	COUNT(f->skbs, 1);
	COUNT(f->ended[why], 1);
	if (skb->segs == 1)
		return;
	COUNT(f->lost_ids, gro_lost_ids(skb));
	COUNT(f->lost_psh, gro_lost_psh(skb));
	ns = spread(skb);
	COUNT(f->spread_ns, ns);
	WRITE_ONCE(f->spread_max_ns, (u32)min_u64(max_u64(f->spread_max_ns, ns), UINT32_MAX));
}
