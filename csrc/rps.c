/* rps.c - receive packet steering: which CPU goes on with this packet? Linux: net/core/dev.c get_rps_cpu()
 *
 * rps_cpus of the queue it came in on is a list of CPUs; the hash picks one: cpus[(hash * n) >> 32]. No map, or no
 * hash: it stays here. (RFS, which asks where the flow's reader runs first, belongs in this file too.)
 */
#include "prelude.h"

int get_rps_cpu(struct host *h, struct sk_buff *skb)
{
	u32 n = h->rps_len[skb->queue], hash;

	if (likely(!n))
		return -1;
	hash = skb_get_hash(h, skb);
	return hash ? h->rps_map[skb->queue][(u64)hash * n >> 32] : -1;
}
