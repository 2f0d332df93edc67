/* rps.c - receive packet steering: choose the CPU that goes on with a packet. Linux: net/core/dev.c get_rps_cpu()
 *
 *   netif_receive_skb_internal() -> get_rps_cpu(): the CPU of the flow's reader (rfs.c), else by rps_cpus
 *   -> enqueue_to_backlog(), also for this CPU; or straight on
 *
 * The receive queue's rps_cpus is a list of CPUs; the hash picks one: cpus[(hash * n) >> 32]. Without a list or a hash
 * the packet stays here.
 */
#include "prelude.h"

/* The list has room for every CPU, so that a packet which has read its length before may use it. */
int rps_set_cpus(struct host *h, u32 queue, const struct cpumask *cpus)
{
	u16 *map = h->rps_map[queue];
	u32 n = 0;

	if (!map && !(map = calloc(h->ncpus, sizeof(*map))))
		return -ENOMEM;
	h->rps_map[queue] = map;
	for (u32 cpu = 0; cpu < h->ncpus; cpu++)
		if (cpumask_has(cpus, cpu))
			map[n++] = (u16)cpu;
	h->rps_len[queue] = n;
	return 0;
}

void rps_exit(struct host *h)
{
	for (u32 q = 0; q < NIC_QUEUES_MAX; q++)
		free(h->rps_map[q]);
}

static noinline int steer(struct softnet_data *sd, struct sk_buff *skb)
{
	struct host *h = sd->host;
	u32 n = h->rps_len[skb->queue], hash = skb_get_hash(h, skb);
	int cpu;

	skb->rflow = 0;
	if (unlikely(!hash))
		return -1;
	if (h->rps_flow_log[skb->queue]) {
		cpu = rfs_get_cpu(sd, skb, hash);
		if (cpu >= 0)
			return cpu;
	}
	return n ? h->rps_map[skb->queue][(u64)hash * n >> 32] : -1;
}

int get_rps_cpu(struct softnet_data *sd, struct sk_buff *skb)
{
	const struct host *h = sd->host;

	return likely(!h->rps_len[skb->queue] && !h->rps_flow_log[skb->queue]) ? -1 : steer(sd, skb);
}
