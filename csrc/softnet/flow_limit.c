/* flow_limit.c - a backlog that fills up drops the heaviest flow first. Called by backlog.c. Linux: net/core/dev.c
 *
 * If the target's queue is half full, a producer in flow_limit_cpu_bitmap looks at its own last 128 packets. It drops a
 * packet whose flow made more than half of them. Flows are distinguished by a hash of their hash, so two may count as
 * one. A small flow gets through while a flood fills the backlog.
 */
#include "prelude.h"

#define FLOW_LIMIT_HISTORY 128

struct sd_flow_limit {
	u32 log_buckets, history_head;
	u16 history[FLOW_LIMIT_HISTORY];
	u8 buckets[];
};

struct sd_flow_limit *flow_limit_new(u32 table_len)
{
	u32 size = round_up_pow2(table_len);
	struct sd_flow_limit *fl = calloc(1, sizeof(*fl) + size);

	if (fl)
		fl->log_buckets = (u32)__builtin_ctz(size);
	return fl;
}

/* A table keeps the length that was configured when it was allocated, as in Linux. */
int flow_limit_set(struct host *h, const struct cpumask *cpus)
{
	for (u32 i = 0; i < h->ncpus; i++) {
		struct softnet_data *sd = h->cpu[i];

		if (!cpumask_has(cpus, i)) {
			free(sd->flow_limit);
			sd->flow_limit = NULL;
		} else if (!sd->flow_limit && !(sd->flow_limit = flow_limit_new(h->flow_limit_table_len))) {
			return -ENOMEM;
		}
	}
	h->flow_limit_cpus = *cpus;
	return 0;
}

/* qlen: of the target's input_pkt_queue. Return: 1 = drop the packet */
int skb_flow_limit(struct softnet_data *sd, struct sk_buff *skb, u32 qlen)
{
	struct sd_flow_limit *fl = sd->flow_limit;
	u32 new_flow, old_flow;

	if (likely(!fl) || qlen < sd->host->netdev_max_backlog >> 1)
		return 0;
	new_flow = hash_32(skb_get_hash(sd->host, skb), fl->log_buckets);
	old_flow = fl->history[fl->history_head];
	fl->history[fl->history_head] = (u16)new_flow;
	fl->history_head = (fl->history_head + 1) & (FLOW_LIMIT_HISTORY - 1);
	if (fl->buckets[old_flow])
		fl->buckets[old_flow]--;
	if (++fl->buckets[new_flow] <= FLOW_LIMIT_HISTORY >> 1)
		return 0;
	COUNT(sd->flow_limit_count, 1);
	COUNT(sd->flow_limit_frames, skb->segs);
	return 1;
}
