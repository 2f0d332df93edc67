/* driver_arfs.c - accelerated RFS, the driver's half: the card steers a flow to the queue of its reader's CPU
 *
 *   rfs.c moves a flow -> rx_flow_steer(): adds a filter to the card (arfs.c), 4-tuple -> queue
 *   driver_poll() -> arfs_expire(): deletes filters whose flow has moved on, or was quiet for long
 *
 * Linux: net/core/dev.c set_rps_cpu(), rps_may_expire_flow(), and a driver's ndo_rx_flow_steer. ethtool -K ntuple.
 * rx_cpu_rmap: the first queue that interrupts the CPU; for a CPU without one, queue (cpu mod queues).
 */
#include "prelude.h"

#define ARFS_FILTERS 8192u
#define PORTS_LEN 4u /* both ports, where TCP and UDP have them */
#define EXPIRE_QUOTA 8 /* filters per poll */

int arfs_set(struct host *h, u32 on)
{
	int rc = on && !h->nic.arfs.filter ? arfs_init(&h->nic.arfs, ARFS_FILTERS) : 0;

	if (rc < 0)
		return rc;
	arfs_clear(h);
	if (!on) /* manual rules go too, as in igb */
		h->nic.rules.count = 0;
	h->nic.ntuple = (u8)on;
	return 0;
}

/* Delete all filters. Context: machine stopped */
void arfs_clear(struct host *h)
{
	arfs_forget(&h->nic.arfs);
	rfs_forget_filters(h);
}

/* Return: the queue whose interrupt the CPU takes */
u32 arfs_queue(const struct host *h, u32 cpu)
{
	for (u32 i = 0; i < h->nic.nqueues; i++)
		if (irq_cpu(h, i) == cpu)
			return i;
	return cpu % h->nic.nqueues;
}

/* Read the flow of an skb that is still whole, as it came from the card. Return: 0, or -EPROTONOSUPPORT */
static int skb_flow_key(const struct sk_buff *skb, struct flow_key *key)
{
	bool v6 = skb->protocol == htons(ETH_P_IPV6);
	u32 l4 = v6 ? IPV6_HLEN : IP_HLEN;
	u8 copy[IPV6_HLEN + PORTS_LEN], proto;
	const u8 *ip = skb_header_pointer(skb, 0, l4 + PORTS_LEN, copy);

	if (!ip || (!v6 && (skb->protocol != htons(ETH_P_IP) || ip[IPH_VERSION_IHL] != IPH_PLAIN ||
			    be16(ip + IPH_FRAG_OFF) & (IP_MF | IP_OFFSET))))
		return -EPROTONOSUPPORT;
	proto = ip[v6 ? IPV6H_NEXTHDR : IPH_PROTOCOL];
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return -EPROTONOSUPPORT;
	*key = flow_key_of(ip, ip + l4, proto);
	return 0;
}

/* Add a filter for the skb's flow. Return: its number, or -errno: the flow stays where it is */
int rx_flow_steer(struct softnet_data *sd, const struct sk_buff *skb, u32 queue, u32 flow)
{
	struct arfs *a = &sd->host->nic.arfs;
	struct flow_key key;
	int rc = skb_flow_key(skb, &key);

	if (rc < 0)
		return rc;
	lock_if(sd->live, &a->lock);
	rc = arfs_add(a, &key, queue, flow);
	unlock_if(sd->live, &a->lock);
	return rc;
}

/* Look at the next few filters, and delete the useless ones. */
void arfs_expire(struct softnet_data *sd)
{
	struct arfs *a = &sd->host->nic.arfs;

	if (likely(!READ_ONCE(a->count)))
		return;
	lock_if(sd->live, &a->lock);
	for (u32 i = 0; i < EXPIRE_QUOTA; i++) {
		u32 id = a->expire_next++ & a->mask;
		struct arfs_filter *f = &a->filter[id];

		if (f->used && rps_may_expire_flow(sd->host, f->queue, f->flow, id)) {
			f->used = 0;
			COUNT(a->expired, 1);
			WRITE_ONCE(a->count, a->count - 1);
		}
	}
	unlock_if(sd->live, &a->lock);
}
