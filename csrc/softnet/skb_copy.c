/* skb_copy.c - packets that several sockets get: one has the packet itself, each other a copy. Linux: skb_clone()
 *
 *   udp.c (broadcast and multicast) -> skb_copy() -> the socket's queue -> kfree_skb_list()
 *
 * Linux's clones share the data. Here a buffer belongs to one sk_buff, so a copy takes a buffer of a pool of its own: one pool
 * for each CPU, made when a port gets its second socket, because only then can a packet have two receivers. An empty pool
 * is as if there were no memory: the socket misses the packet. A copy is no frame (segs 0): the packet itself is counted.
 */
#include "prelude.h"

#include <sys/mman.h>

#define COPIES 512u /* for each CPU; only buffers that were used take memory */
#define COPY_LEN (60u + IP_LEN_MAX) /* the longest IPv4 header, and a datagram; a jumbogram is not copied */
#define COPY_STRIDE 65600u

_Static_assert(COPY_LEN <= COPY_STRIDE, "a whole datagram fits");

int skb_copy_init(struct host *h)
{
	for (u32 i = 0; i < h->ncpus; i++) {
		struct softnet_data *sd = h->cpu[i];
		struct rx_pool pool;
		u8 *base;

		if (sd->copies.size)
			continue;
		base = mmap(NULL, (u64)COPIES * COPY_STRIDE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (base == MAP_FAILED)
			return -ENOMEM;
		if (rx_pool_init(&pool, base, 0, COPIES, COPY_LEN, COPY_STRIDE) < 0) {
			munmap(base, (u64)COPIES * COPY_STRIDE);
			rx_pool_exit(&pool);
			return -ENOMEM;
		}
		pool.owner = sd;
		pool.size = 0;
		sd->copies = pool;
		smp_store_release(&sd->copies.size, COPIES); /* Pairs with skb_copy(). */
	}
	return 0;
}

void skb_copy_exit(struct softnet_data *sd)
{
	if (sd->copies.base)
		munmap(sd->copies.base, (u64)COPIES * COPY_STRIDE);
	rx_pool_exit(&sd->copies);
}

/* Copy the IP header and what is unread. */
struct sk_buff *skb_copy(struct softnet_data *sd, const struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);
	u32 ip_len = ip_version(ip) == 6 ? IPV6_HLEN : ip_hdrlen(ip);
	struct rx_pool *p = &sd->copies;
	struct sk_buff *copy;
	u8 *to;
	int id;

	if (ip_len + skb->len > COPY_LEN)
		return NULL;
	id = smp_load_acquire(&p->size) ? rx_pool_get(p) : -ENOBUFS; /* Pairs with skb_copy_init(). */
	if (id < 0)
		return NULL;
	copy = &p->skbs[id];
	to = p->base + (u64)id * p->stride;
	memcpy(to, ip, ip_len);
	*copy = *skb;
	copy->id = (u32)id;
	copy->pool = p;
	copy->next = copy->frag_list = copy->frag_tail = NULL;
	copy->mac_header = copy->network_header = 0;
	copy->segs = 0;
	copy->data = to + ip_len;
	copy->head_len = skb_copy_bits(skb, 0, copy->data, skb->len);
	return copy;
}
