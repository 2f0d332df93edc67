/* neigh.c - the neighbour table: next hop to MAC address. RFC 826, RFC 4861 section 7.3; Linux: net/core/neighbour.c
 *
 *   ip_output.c -> neigh_output(): address known: to driver_tx.c. Not known: the packet waits, arp.c or ndisc.c asks
 *   arp.c, ndisc.c -> neigh_update(): learn an address, send the packets that waited for it
 *
 * The states and times are Linux's (docs/linux.md). One table serves both families. An entry stays reachable for 30 s after
 * the last confirmation. neigh_output() checks that on use, so an idle table needs no timer. The lock of driver_tx guards
 * all of it; the timer runs on CPU 0.
 */
#include "prelude.h"

#define SECOND 1000000000ull
#define REACHABLE_NS (30 * SECOND) /* base_reachable_time; Linux draws 0.5 to 1.5 of it */
#define RETRANS_NS SECOND /* retrans_time */
#define DELAY_PROBE_NS (5 * SECOND) /* delay_first_probe_time */
#define STALE_NS (60 * SECOND) /* gc_stale_time */
#define SOLICITS 3u /* ucast_solicit, mcast_solicit */
#define LOCK_NS (SECOND / 10) /* locktime: HZ / 10, with Debian's HZ of 100 */
#define QUEUE_BYTES 212992u /* unres_qlen_bytes, of truesize */
#define GC_THRESH1 128u
#define VALID (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

int neigh_init(struct neigh_table *t)
{
	t->entry = calloc(NEIGH_TABLE_SIZE, sizeof(*t->entry));
	return t->entry ? 0 : -ENOMEM;
}

void neigh_exit(struct neigh_table *t)
{
	free(t->entry);
}

/* ---- the table ---- */

static u32 hash_of(const struct inet_addr *a)
{
	return (u32)((a->hi ^ a->lo) * 0x9e3779b97f4a7c15u >> 56);
}

struct neighbour *neigh_lookup(struct host *h, const struct inet_addr *addr)
{
	struct neigh_table *t = &h->neigh;

	COUNT(t->lookups, 1);
	for (u32 i = t->hash[hash_of(addr)]; i; i = t->entry[i - 1].hash_next)
		if (addr_equal(&t->entry[i - 1].addr, addr)) {
			COUNT(t->hits, 1);
			return &t->entry[i - 1];
		}
	return NULL;
}

/* End NUD_REACHABLE after its time: no timer does it. */
static void refresh(struct neighbour *n, u64 now)
{
	if (n->state == NUD_REACHABLE && now > n->confirmed + REACHABLE_NS)
		n->state = NUD_STALE;
}

static void unlink_entry(struct neigh_table *t, struct neighbour *n)
{
	u32 *link = &t->hash[hash_of(&n->addr)];

	while (&t->entry[*link - 1] != n)
		link = &t->entry[*link - 1].hash_next;
	*link = n->hash_next;
	COUNT(t->destroys, 1);
	t->entries--;
	*n = (struct neighbour){ .queue = TX_NONE };
}

/* Evict a failed entry, or one long unused; if there is neither and the table is full, the least recently used one. */
static struct neighbour *make_room(struct neigh_table *t, u64 now)
{
	struct neighbour *oldest = NULL;

	COUNT(t->forced_gc_runs, 1);
	for (u32 i = 0; i < t->used; i++) {
		struct neighbour *n = &t->entry[i];

		refresh(n, now);
		if (!(n->state & (NUD_STALE | NUD_FAILED)))
			continue;
		if (n->state == NUD_FAILED || now > n->used + STALE_NS) {
			unlink_entry(t, n);
			return n;
		}
		if (!oldest || n->used < oldest->used)
			oldest = n;
	}
	if (oldest && t->used == NEIGH_TABLE_SIZE) {
		unlink_entry(t, oldest);
		return oldest;
	}
	return NULL;
}

static struct neighbour *create(struct host *h, const struct inet_addr *addr, u64 now)
{
	struct neigh_table *t = &h->neigh;
	struct neighbour *n = t->entries >= GC_THRESH1 ? make_room(t, now) : NULL;
	u32 *bucket = &t->hash[hash_of(addr)];

	for (u32 i = 0; !n && t->entries < t->used && i < t->used; i++)
		if (t->entry[i].state == NUD_NONE)
			n = &t->entry[i];
	if (!n && t->used < NEIGH_TABLE_SIZE)
		n = &t->entry[t->used++];
	if (!n) {
		COUNT(t->table_fulls, 1);
		return NULL;
	}
	*n = (struct neighbour){
		.addr = *addr, .queue = TX_NONE, .timer_ns = NEVER, .used = now, .hash_next = *bucket
	};
	*bucket = (u32)(n - t->entry) + 1;
	t->entries++;
	COUNT(t->allocs, 1);
	return n;
}

/* ---- packets that wait for an address ---- */

static u32 truesize_of(const struct driver_tx *tx, u32 packet)
{
	return tx->buf[packet].frame_len / TX_BUF_LEN * TX_BUF_LEN + TX_BUF_LEN + SKB_TRUESIZE_OVERHEAD;
}

static u32 dequeue(struct host *h, struct neighbour *n)
{
	u32 packet = n->queue;

	n->queue = h->tx.buf[packet].queue_next;
	n->queue_bytes -= truesize_of(&h->tx, packet);
	COUNT(h->tx.queued, -1);
	return packet;
}

/* Queue a packet; the oldest ones make room, as in Linux. Half of the buffers stay reserved for neighbours with an address. */
static void enqueue(struct host *h, struct neighbour *n, u32 packet)
{
	struct driver_tx *tx = &h->tx;
	u32 bytes = truesize_of(tx, packet);

	while (n->queue != TX_NONE && (n->queue_bytes + bytes > QUEUE_BYTES || tx->nfree < TX_POOL_SIZE / 2)) {
		COUNT(h->neigh.unresolved_discards, 1);
		tx_drop(h, dequeue(h, n), TX_NEIGH_QUEUEFULL);
	}
	if (tx->nfree < TX_POOL_SIZE / 2) { /* other neighbours' packets hold that half */
		tx_drop(h, packet, TX_NEIGH_QUEUEFULL);
		return;
	}
	tx->buf[packet].queue_next = TX_NONE;
	if (n->queue == TX_NONE)
		n->queue = packet;
	else
		tx->buf[n->queue_tail].queue_next = packet;
	n->queue_tail = packet;
	n->queue_bytes += bytes;
	COUNT(tx->queued, 1);
}

static int xmit_to(struct host *h, struct softnet_data *sd, const u8 *mac, u32 packet)
{
	u8 *eth = tx_header(&h->tx, packet);

	memcpy(eth + ETHH_DEST, mac, ETH_ALEN);
	memcpy(eth + ETHH_SOURCE, h->dev.dev_addr, ETH_ALEN);
	return dev_queue_xmit(h, sd, packet);
}

/* ---- states ---- */

static void plan(struct host *h, struct neighbour *n, u64 at)
{
	struct softnet_data *owner = h->cpu[0];

	n->timer_ns = at;
	if (owner->live) { /* the timer is another thread's: leave the time, and wake it */
		if (at < __atomic_load_n(&h->neigh.timer_ask, __ATOMIC_RELAXED)) {
			__atomic_store_n(&h->neigh.timer_ask, at, __ATOMIC_SEQ_CST);
			cpu_wake(owner, 0);
		}
		return;
	}
	if (at < owner->timer_ns[TIMER_NEIGH])
		mod_timer(owner, TIMER_NEIGH, at);
}

static void solicit(struct host *h, struct softnet_data *sd, struct neighbour *n, u64 now)
{
	const u8 *mac = n->state == NUD_PROBE ? n->mac : NULL;

	n->probes++;
	plan(h, n, now + RETRANS_NS);
	if (inet_addr_is4(&n->addr))
		arp_send(h, sd, ARPOP_REQUEST, NULL, &n->addr, mac);
	else
		ndisc_send_ns(h, sd, &n->addr, mac);
}

static void fail(struct host *h, struct neighbour *n)
{
	n->state = NUD_FAILED;
	n->timer_ns = NEVER;
	COUNT(h->neigh.res_failed, 1);
	while (n->queue != TX_NONE)
		tx_drop(h, dequeue(h, n), TX_NEIGH_FAILED);
}

/* neigh_output() - fill in packet's Ethernet addresses and send it, or queue it. Return: 0; -ENOBUFS: dropped */
int neigh_output(struct host *h, struct softnet_data *sd, const struct inet_addr *nexthop, u32 packet)
{
	u64 now = host_now(h, sd);
	struct neighbour *n = neigh_lookup(h, nexthop);

	if (!n)
		n = create(h, nexthop, now);
	if (unlikely(!n)) {
		tx_drop(h, packet, TX_NEIGH_CREATEFAIL);
		return -ENOBUFS;
	}
	n->used = now;
	refresh(n, now);
	if (n->state == NUD_STALE) { /* ask if no confirmation follows soon */
		n->state = NUD_DELAY;
		n->probes = 0;
		plan(h, n, now + DELAY_PROBE_NS);
	}
	if (likely(n->state & VALID))
		return xmit_to(h, sd, n->mac, packet);
	enqueue(h, n, packet);
	if (n->state != NUD_INCOMPLETE) {
		n->state = NUD_INCOMPLETE;
		n->probes = 0;
		solicit(h, sd, n, now);
	}
	return 0;
}

/* neigh_update() - learn that addr has mac. state: NUD_REACHABLE: it answered us; NUD_STALE: seen in passing.
 * override: replace another address. create_: make an entry if none exists */
void neigh_update(struct host *h, struct softnet_data *sd, const struct inet_addr *addr, const u8 *mac, u8 state,
		  int create_, int override)
{
	u64 now = host_now(h, sd);
	struct neighbour *n = neigh_lookup(h, addr);
	bool known;

	if (!n && create_)
		n = create(h, addr, now);
	if (!n)
		return;
	refresh(n, now);
	known = n->state & VALID;
	if (known && memcmp(n->mac, mac, ETH_ALEN) != 0) {
		if (!override || now < n->updated + LOCK_NS) /* several answers: keep the first */
			return;
		known = false;
	}
	if (known && state == NUD_STALE)
		return; /* no news */
	memcpy(n->mac, mac, ETH_ALEN);
	n->updated = now;
	if (state == NUD_REACHABLE)
		n->confirmed = now;
	n->state = state;
	n->timer_ns = NEVER;
	while (n->queue != TX_NONE) {
		u32 packet = dequeue(h, n);

		if (n->state == NUD_STALE) {
			n->state = NUD_DELAY;
			n->probes = 0;
			plan(h, n, now + DELAY_PROBE_NS);
		}
		xmit_to(h, sd, n->mac, packet);
	}
}

static void expire(struct host *h, struct softnet_data *sd, struct neighbour *n)
{
	if (n->state == NUD_DELAY) {
		n->state = NUD_PROBE;
		n->probes = 0;
	}
	if (n->probes >= SOLICITS)
		fail(h, n);
	else
		solicit(h, sd, n, sd->now);
}

void neigh_flush(struct host *h)
{
	for (u32 i = 0; i < h->neigh.used; i++) {
		struct neighbour *n = &h->neigh.entry[i];

		n->timer_ns = NEVER;
		if (n->state == NUD_INCOMPLETE)
			fail(h, n);
		else if (n->state & (NUD_DELAY | NUD_PROBE))
			n->state = NUD_STALE;
	}
	h->neigh.timer_ask = NEVER;
	mod_timer(h->cpu[0], TIMER_NEIGH, NEVER);
}

void neigh_timer(struct softnet_data *sd)
{
	struct host *h = sd->host;
	u64 next = NEVER;

	cpu_lock(sd, &h->tx.lock);
	for (u32 i = 0; i < h->neigh.used; i++) {
		struct neighbour *n = &h->neigh.entry[i];

		if (!(n->state & (NUD_INCOMPLETE | NUD_DELAY | NUD_PROBE)))
			continue;
		if (n->timer_ns <= sd->now)
			expire(h, sd, n);
		next = min_u64(next, n->timer_ns);
	}
	__atomic_store_n(&h->neigh.timer_ask, NEVER, __ATOMIC_SEQ_CST);
	cpu_unlock(sd, &h->tx.lock);
	if (next < sd->timer_ns[TIMER_NEIGH])
		mod_timer(sd, TIMER_NEIGH, next);
}
