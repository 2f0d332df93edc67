/* arfs.c - accelerated RFS, the card's half: filters that send a flow to a queue. The driver's half: driver_arfs.c
 *
 *   a frame arrives -> nic_steer.c -> arfs_lookup(): the filter's queue overrides the indirection table's
 *
 * Modelled on no chip. Filters match TCP and UDP over IPv4 and IPv6 exactly; their number is fixed.
 */
#include "device.h"

#define PROBES 8

int arfs_init(struct arfs *a, u32 size)
{
	a->mask = round_up_pow2(size) - 1;
	a->filter = calloc(a->mask + 1ull, sizeof(*a->filter));
	return a->filter ? 0 : -ENOMEM;
}

/* Find the flow's filter. Probe past free slots: deleting a filter moves no other. */
static struct arfs_filter *find(struct arfs *a, const struct flow_key *key)
{
	u32 h = flow_key_hash(key);

	for (u32 i = 0; i < PROBES; i++) {
		struct arfs_filter *f = &a->filter[(h + i) & a->mask];

		if (f->used && flow_key_equal(&f->key, key))
			return f;
	}
	return NULL;
}

int arfs_lookup(struct arfs *a, const struct frame *f)
{
	const struct arfs_filter *found;
	struct flow_key key;

	if (!(f->flags & FRAME_L4))
		return -1;
	key = flow_key_of(f->data + f->l3_off, f->data + f->l4_off, f->ip_proto);
	found = find(a, &key);
	if (!found)
		return -1;
	COUNT(a->hits, 1);
	return found->queue;
}

int arfs_add(struct arfs *a, const struct flow_key *key, u32 queue, u32 flow)
{
	struct arfs_filter *f = find(a, key);
	u32 h = flow_key_hash(key);

	for (u32 i = 0; !f && i < PROBES; i++)
		if (!a->filter[(h + i) & a->mask].used)
			f = &a->filter[(h + i) & a->mask];
	if (!f) {
		COUNT(a->full, 1);
		return -ENOSPC;
	}
	if (!f->used) {
		COUNT(a->added, 1);
		WRITE_ONCE(a->count, a->count + 1);
	}
	*f = (struct arfs_filter){ .key = *key, .queue = (u16)queue, .used = 1, .flow = flow };
	return (int)(f - a->filter);
}

void arfs_forget(struct arfs *a)
{
	if (a->filter)
		memset(a->filter, 0, (a->mask + 1ull) * sizeof(*a->filter));
	COUNT(a->expired, a->count);
	WRITE_ONCE(a->count, 0);
	a->expire_next = 0;
}
