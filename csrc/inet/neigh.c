/* neigh.c - neighbours: next hop to MAC address, states and times. RFC 4861 section 7.3; Linux: net/core/neighbour.c
 *
 *   ip_output.c -> neigh_output(): address known: to driver_tx.c. Not known: the packet waits, arp.c or ndisc.c asks
 *   arp.c, ndisc.c -> neigh_update(): learn an address, send the packets that waited for it
 *
 * neigh_table.c has the table. The states and times are Linux's (docs/linux.md). An entry stays reachable for 30 s after
 * the last confirmation. neigh_output() checks that on use, so an idle table needs no timer. The lock of driver_tx guards
 * all of it; the timer runs on CPU 0.
 */
#include "prelude.h"

#define SECOND 1000000000ull
#define DELAY_PROBE_NS (5 * SECOND) /* delay_first_probe_time */
#define SOLICITS 3u /* ucast_solicit, mcast_solicit */
#define QUEUE_BYTES 212992u /* unres_qlen_bytes, of truesize */
#define ALLOC_MORE 31u /* bytes that __ip_append_data() asks for beyond the packet, on Ethernet */

/* ---- packets that wait for an address ---- */

/* Linux aligns the Ethernet header in front of what is sent, and has some bytes more: hh_len + 15. */
static u32 truesize_of(const struct driver_tx *tx, u32 packet)
{
	return skb_kmalloc_truesize(tx->buf[packet].frame_len - ETH_HLEN + ALLOC_MORE);
}

static u32 dequeue(struct host *h, struct neighbour *n)
{
	u32 packet = n->queue;

	n->queue = h->tx.buf[packet].queue_next;
	n->queue_bytes -= truesize_of(&h->tx, packet);
	COUNT(h->tx.queued, -1);
	return packet;
}

/* Queue a packet; the oldest ones make room, as in Linux. Some buffers stay reserved for neighbours with an address. */
#define RESERVED (TX_POOL_SIZE / 2)
static void enqueue(struct host *h, struct neighbour *n, u32 packet)
{
	struct driver_tx *tx = &h->tx;
	u32 bytes = truesize_of(tx, packet);

	while (n->queue != TX_NONE && (n->queue_bytes + bytes > QUEUE_BYTES || tx->nfree < RESERVED)) {
		COUNT(h->neigh.unresolved_discards, 1);
		tx_drop(h, dequeue(h, n), TX_NEIGH_QUEUEFULL);
	}
	if (tx->nfree < RESERVED) { /* other neighbours' packets hold the others */
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
	n->timer_ns = at;
	timer_ask(h->cpu[0], TIMER_NEIGH, at);
}

/* Enter a state. Who enters NUD_DELAY or NUD_PROBE plans what follows. */
static void enter(struct neighbour *n, u8 state, u64 now)
{
	n->state = state;
	n->updated = now;
	n->timer_ns = NEVER;
	n->probes = 0;
}

/* The question comes from the address of the packet that waits longest no more than the others: the last. */
static bool asker(struct host *h, const struct neighbour *n, struct inet_addr *src)
{
	const u8 *ip;

	if (n->queue == TX_NONE)
		return false;
	ip = tx_header(&h->tx, n->queue_tail) + ETH_HLEN;
	*src = inet_addr_is4(&n->addr) ? inet_addr4(ip + IPH_SADDR) : inet_addr6(ip + IPV6H_SADDR);
	return ip_local_net(h, src);
}

static void solicit(struct host *h, struct softnet_data *sd, struct neighbour *n, u64 now)
{
	const u8 *mac = n->state == NUD_PROBE ? n->mac : NULL;
	struct inet_addr src;
	const struct inet_addr *from = asker(h, n, &src) ? &src : NULL;

	n->probes++;
	plan(h, n, now + h->neigh.times[!inet_addr_is4(&n->addr)].retrans_ns);
	if (inet_addr_is4(&n->addr))
		arp_solicit(h, sd, &n->addr, mac, from);
	else
		ndisc_solicit(h, sd, &n->addr, mac, from);
}

static void fail(struct host *h, struct neighbour *n, u64 now)
{
	enter(n, NUD_FAILED, now);
	h->neigh.gc[!inet_addr_is4(&n->addr)].futile = 0;
	if (n->flags & NTF_ROUTER)
		addrconf_away(h, &n->addr, 1);
	COUNT(h->neigh.res_failed, 1);
	while (n->queue != TX_NONE)
		tx_drop(h, dequeue(h, n), TX_NEIGH_FAILED);
}

/* Send to a neighbour whose address may be out of date: ask if no confirmation follows soon. */
static void doubt(struct host *h, struct neighbour *n, u64 now)
{
	n->used = now;
	if (n->state == NUD_STALE) {
		enter(n, NUD_DELAY, now);
		plan(h, n, now + DELAY_PROBE_NS);
	}
}

/* neigh_event_send() - ask for the MAC address of n, which is not valid, unless that goes on already */
void neigh_event_send(struct host *h, struct softnet_data *sd, struct neighbour *n, u64 now)
{
	if (n->state == NUD_INCOMPLETE)
		return;
	enter(n, NUD_INCOMPLETE, now);
	solicit(h, sd, n, now);
}

/* neigh_output() - fill in packet's Ethernet addresses and send it, or queue it. Return: 0; -ENOBUFS: dropped */
int neigh_output(struct host *h, struct softnet_data *sd, const struct inet_addr *nexthop, u32 packet)
{
	u64 now = host_now(h, sd);
	struct neighbour *n = neigh_get(h, nexthop, now);

	if (unlikely(!n)) {
		tx_drop(h, packet, TX_NEIGH_CREATEFAIL);
		return -ENOBUFS;
	}
	neigh_expire_reachable(h, n, now);
	if (unlikely(n->state != NUD_REACHABLE))
		doubt(h, n, now);
	if (likely(n->state & NUD_VALID))
		return xmit_to(h, sd, n->mac, packet);
	enqueue(h, n, packet);
	neigh_event_send(h, sd, n, now);
	return 0;
}

/* neigh_update() - a message says that n has mac; NULL: the one that is known. state: NUD_REACHABLE: it answers us;
 * NUD_STALE: seen in passing. flags: enum neigh_update */
void neigh_update(struct host *h, struct softnet_data *sd, struct neighbour *n, const u8 *mac, u8 state, u32 flags)
{
	u64 now = host_now(h, sd);
	bool known, same;
	u8 old;

	neigh_expire_reachable(h, n, now);
	old = n->state;
	known = old & NUD_VALID;
	same = known && (!mac || memcmp(n->mac, mac, ETH_ALEN) == 0);
	if (!mac && !known)
		return;
	if (state == NUD_REACHABLE) /* also if the address is not believed below, as Linux has it */
		n->confirmed = now;
	if (known && !same && !(flags & NEIGH_OVERRIDE)) {
		if (!(flags & NEIGH_WEAK_OVERRIDE) || old != NUD_REACHABLE)
			return;
		flags &= ~(u32)NEIGH_SAYS_ROUTER;
		same = true;
		state = NUD_STALE;
	} else if (same && state == NUD_STALE) {
		state = old; /* no news */
	}
	if (flags & NEIGH_SAYS_ROUTER)
		n->flags = (u8)(flags & NEIGH_ROUTER ? NTF_ROUTER : 0);
	if (!same) {
		memcpy(n->mac, mac, ETH_ALEN);
		n->updated = now;
	}
	if (state != old)
		enter(n, state, now);
	if (unlikely(n->flags & NTF_ROUTER) && !known)
		addrconf_away(h, &n->addr, 0);
	while (n->queue != TX_NONE) {
		u32 packet = dequeue(h, n);

		doubt(h, n, now);
		xmit_to(h, sd, n->mac, packet);
	}
}

static void expire(struct host *h, struct softnet_data *sd, struct neighbour *n)
{
	if (n->state == NUD_DELAY) {
		if (n->confirmed && sd->now <= n->confirmed + DELAY_PROBE_NS) {
			enter(n, NUD_REACHABLE, sd->now);
			return;
		}
		enter(n, NUD_PROBE, sd->now);
	}
	if (n->probes >= SOLICITS)
		fail(h, n, sd->now);
	else
		solicit(h, sd, n, sd->now);
}

void neigh_flush(struct host *h)
{
	for (u32 i = 0; i < h->neigh.used; i++) {
		struct neighbour *n = &h->neigh.entry[i];

		n->timer_ns = NEVER;
		if (n->state == NUD_INCOMPLETE)
			fail(h, n, h->cpu[0]->now);
		else if (n->state & (NUD_DELAY | NUD_PROBE))
			n->state = NUD_STALE;
	}
	timer_answer(h->cpu[0], TIMER_NEIGH);
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
	timer_answer(sd, TIMER_NEIGH);
	cpu_unlock(sd, &h->tx.lock);
	if (next < sd->timer_ns[TIMER_NEIGH])
		mod_timer(sd, TIMER_NEIGH, next);
}
