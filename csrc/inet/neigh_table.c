/* neigh_table.c - the neighbour table: look-up, new entries, and which ones go. Linux: net/core/neighbour.c
 *
 *   neigh.c, arp.c, ndisc.c -> neigh_lookup(), neigh_get()
 *
 * One hash table serves both families, but each has limits of its own, so a flood of one leaves the other alone:
 *   gc_thresh1  from so many entries on, those that failed or were not used for a minute go, every 15 s
 *   gc_thresh2  from so many on, a new one makes those go, oldest first, that failed or did not change for 5 s
 *   gc_thresh3  there are never more: without one that can go, there is no new one
 * An entry whose neighbour answers, or is being asked, never goes.
 */
#include "prelude.h"

#define SECOND 1000000000ull
#define GC_THRESH1 128u
#define GC_THRESH2 512u
#define GC_THRESH3 1024u
#define SWEEP_NS (15 * SECOND) /* half of the default base_reachable_time */
#define FRESH_NS (5 * SECOND)
#define HELD (NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE) /* a timer of Linux holds these */

int neigh_init(struct neigh_table *t)
{
	t->entry = calloc(NEIGH_TABLE_SIZE, sizeof(*t->entry));
	return t->entry ? 0 : -ENOMEM;
}

void neigh_exit(struct neigh_table *t)
{
	free(t->entry);
}

static u32 *bucket_of(struct neigh_table *t, const struct inet_addr *a)
{
	return &t->hash[(u32)((a->hi ^ a->lo) * 0x9e3779b97f4a7c15u >> 54)];
}

struct neighbour *neigh_lookup(struct host *h, const struct inet_addr *addr)
{
	struct neigh_table *t = &h->neigh;

	COUNT(t->lookups, 1);
	for (u32 i = *bucket_of(t, addr); i; i = t->entry[i - 1].hash_next)
		if (addr_equal(&t->entry[i - 1].addr, addr)) {
			COUNT(t->hits, 1);
			return &t->entry[i - 1];
		}
	return NULL;
}

/* End NUD_REACHABLE after its time: no timer does it. */
void neigh_expire_reachable(const struct host *h, struct neighbour *n, u64 now)
{
	u64 end = n->confirmed + h->neigh.times[!inet_addr_is4(&n->addr)].reachable_ns;

	if (n->state == NUD_REACHABLE && now > end) {
		n->state = NUD_STALE;
		n->updated = end;
	}
}

static void unlink_entry(struct neigh_table *t, struct neigh_gc *gc, struct neighbour *n)
{
	u32 *link = bucket_of(t, &n->addr), index = (u32)(n - t->entry) + 1;

	while (*link != index)
		link = &t->entry[*link - 1].hash_next;
	*link = n->hash_next;
	*(n->older ? &t->entry[n->older - 1].newer : &gc->oldest) = n->newer;
	*(n->newer ? &t->entry[n->newer - 1].older : &gc->newest) = n->older;
	gc->count--;
	COUNT(t->destroys, 1);
	t->entries--;
	*n = (struct neighbour){ .queue = TX_NONE, .timer_ns = NEVER, .hash_next = t->free };
	t->free = index;
}

/* neigh_periodic_work(), but only when a new entry is wanted: nothing else waits for room. */
static void sweep(struct host *h, u32 family, u64 now)
{
	struct neigh_table *t = &h->neigh;
	struct neigh_gc *gc = &t->gc[family];

	COUNT(t->periodic_gc_runs, 1);
	gc->swept = now;
	for (u32 i = gc->oldest, next; i; i = next) {
		struct neighbour *n = &t->entry[i - 1];

		next = n->newer;
		neigh_expire_reachable(h, n, now);
		if (n->state & HELD)
			continue;
		if (n->state == NUD_FAILED || now >= max_u64(n->used, n->confirmed) + t->times[family].stale_ns)
			unlink_entry(t, gc, n);
	}
}

/* neigh_forced_gc(). Return: entries removed */
static u32 make_room(struct host *h, u32 family, u64 now)
{
	struct neigh_table *t = &h->neigh;
	struct neigh_gc *gc = &t->gc[family];
	u32 most = gc->count + 1 - GC_THRESH2, gone = 0; /* with the new one */
	u64 futile = now + FRESH_NS;

	COUNT(t->forced_gc_runs, 1);
	gc->flushed = now;
	for (u32 i = now < gc->futile ? 0 : gc->oldest, next; i && gone < most; i = next) {
		struct neighbour *n = &t->entry[i - 1];

		next = n->newer;
		neigh_expire_reachable(h, n, now);
		if (n->state == NUD_REACHABLE)
			futile = min_u64(futile, n->confirmed + t->times[family].reachable_ns);
		if (n->state & HELD)
			continue;
		if (n->state == NUD_FAILED || now > n->updated + FRESH_NS) {
			unlink_entry(t, gc, n);
			gone++;
		} else {
			futile = min_u64(futile, n->updated + FRESH_NS);
		}
	}
	if (!gone && now >= gc->futile)
		gc->futile = futile;
	return gone;
}

struct neighbour *neigh_get(struct host *h, const struct inet_addr *addr, u64 now)
{
	struct neigh_table *t = &h->neigh;
	u32 family = !inet_addr_is4(addr);
	struct neigh_gc *gc = &t->gc[family];
	struct neighbour *n = neigh_lookup(h, addr);
	u32 *bucket = bucket_of(t, addr), index;

	if (n)
		return n;
	if (gc->count >= GC_THRESH1 && now >= gc->swept + SWEEP_NS)
		sweep(h, family, now);
	if ((gc->count >= GC_THRESH3 || (gc->count >= GC_THRESH2 && now > gc->flushed + FRESH_NS)) &&
	    !make_room(h, family, now) && gc->count >= GC_THRESH3) {
		COUNT(t->table_fulls, 1);
		return NULL;
	}
	index = t->free ? t->free : ++t->used;
	n = &t->entry[index - 1];
	if (t->free)
		t->free = n->hash_next;
	*n = (struct neighbour){
		.addr = *addr,
		.in_use = 1,
		.queue = TX_NONE,
		.timer_ns = NEVER,
		.used = now,
		.updated = now,
		.hash_next = *bucket,
		.older = gc->newest,
	};
	*bucket = index;
	*(gc->newest ? &t->entry[gc->newest - 1].newer : &gc->oldest) = index;
	gc->newest = index;
	gc->count++;
	t->entries++;
	COUNT(t->allocs, 1);
	return n;
}
