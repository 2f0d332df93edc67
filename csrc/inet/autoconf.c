/* autoconf.c - what routers and other hosts say of our own addresses. RFC 4861, 4862, 7527; Linux: net/ipv6/addrconf.c
 *
 *   host.c -> addrconf_start(): with dad-transmits, ask whether another host has our addresses; with accept-ra, ask routers
 *   ndisc.c -> addrconf_router(): a router's advertisement: default router, prefixes, hop limit, times, MTU
 *
 * Lifetimes need no timer: who looks for an address, a prefix or a router sees whether it has expired. The lock of driver_tx
 * guards all of it; the timer runs on CPU 0.
 */
#include "prelude.h"

#define SECOND 1000000000ull
#define INFINITE 0xffffffffu /* a lifetime, s */
#define MIN_VALID_LIFETIME 7200u /* s */
#define RS_INTERVAL_NS (4 * SECOND) /* router_solicitation_interval */
#define RS_COUNT 3u
#define ADDRESSES_MAX 16u /* max_addresses */

/* A time of 0 means for ever. */
static bool is_over(u64 until, u64 now)
{
	return until && now > until;
}

static u64 until(u32 seconds, u64 now)
{
	return seconds == INFINITE ? 0 : max_u64(now + seconds * SECOND, 1);
}

/* ---- addresses ---- */

/* addrconf_expire() - remove the addresses whose lifetime is over */
void addrconf_expire(struct host *h, u64 now)
{
	u32 kept = 0;

	for (u32 i = 0; i < h->nips; i++)
		if (!is_over(h->ip[i].valid, now))
			h->ip[kept++] = h->ip[i];
	h->nips = kept;
}

static struct inet_net *find(struct host *h, const struct inet_addr *a)
{
	for (u32 i = 0; i < h->nips; i++)
		if (addr_equal(&h->ip[i].addr, a))
			return &h->ip[i];
	return NULL;
}

static u32 count6(const struct host *h)
{
	u32 n = 0;

	for (u32 i = 0; i < h->nips; i++)
		n += !inet_addr_is4(&h->ip[i].addr);
	return n;
}

/* Make or refresh the address that a prefix and our interface identifier make. RFC 4862 section 5.5.3 */
static void learn_address(struct host *h, const struct inet_addr *prefix, u32 valid, u32 preferred, u64 now)
{
	const struct inet_addr *own = ipv6_link_local(h);
	struct inet_addr a = { prefix->hi, own ? own->lo : 0 };
	struct inet_net *net;

	if (!own)
		return;
	addrconf_expire(h, now);
	net = find(h, &a);
	if (net && !(net->flags & NET_AUTO)) /* the user's, for ever */
		return;
	if (!net) {
		if (!valid || count6(h) >= ADDRESSES_MAX || h->nips == ARRAY_SIZE(h->ip))
			return;
		net = &h->ip[h->nips];
		*net = (struct inet_net){ .addr = a, .prefix = 64, .flags = NET_AUTO | NET_NOPREFIXROUTE };
		__atomic_store_n(&h->nips, h->nips + 1, __ATOMIC_RELEASE);
	} else { /* two hours at least, or what is left: one forged message takes no address away */
		u64 left = net->valid ? (net->valid - now) / SECOND : INFINITE;

		valid = max_u32(valid, (u32)min_u64(left, MIN_VALID_LIFETIME));
	}
	net->valid = until(valid, now);
	net->preferred = until(preferred, now);
}

/* ---- what a router says ---- */

static void prefix_option(struct host *h, const u8 *opt, u64 now)
{
	struct inet_addr prefix = inet_addr6(opt + PIO_PREFIX);
	u32 valid = be32(opt + PIO_VALID), preferred = be32(opt + PIO_PREFERRED);

	if (opt[ND_OPT_LEN] < PIO_LEN || is_multicast6(opt + PIO_PREFIX) || is_link_local6(&prefix) ||
	    preferred > valid || opt[PIO_PREFIX_LEN] > 128)
		return;
	if (opt[PIO_FLAGS] & PIO_ONLINK)
		ra_learn_prefix(h, &prefix, opt[PIO_PREFIX_LEN], valid != 0, until(valid, now), now);
	if (opt[PIO_FLAGS] & PIO_AUTO && opt[PIO_PREFIX_LEN] == 64)
		learn_address(h, &prefix, valid, preferred, now);
}

static u32 pref_of(u8 flags)
{
	static const u8 order[] = { [0] = 1, [1] = 2, [2] = 1, [3] = 0 }; /* medium, high, reserved, low (RFC 4191) */

	return order[flags >> 3 & 3];
}

/* Return: a time in whole jiffies, at least least */
static u64 in_jiffies(const struct host *h, u32 ms, u32 least)
{
	return max_u64((u64)ms * h->hz / 1000, least) * h->jiffy_ns;
}

/* Times of neighbour discovery, ms: 0 says nothing. */
static void learn_times(struct host *h, u32 reachable, u32 retrans)
{
	struct neigh_times *t = &h->neigh.times[1];
	u64 ns = in_jiffies(h, reachable, h->hz / 10);

	if (retrans)
		t->retrans_ns = in_jiffies(h, retrans, h->hz / 100);
	if (reachable && ns != t->reachable_ns) {
		t->reachable_ns = ns;
		t->stale_ns = 3 * ns;
	}
}

/* addrconf_router() - take what a router advertises, before its options. src: the router; m: the message. Return: whether it
 * has become a default router by it */
bool addrconf_router(struct host *h, const struct inet_addr *src, const u8 *m, u64 now)
{
	struct addrconf *c = &h->addrconf;
	bool new_ = false;

	if (!count6(h)) /* a host of IPv4 only */
		return false;

	c->rs_left = 0;
	c->learnt = 1;
	if (!ip_local_net(h, src)) {
		new_ = ra_learn_router(c, src, be16(m + RAH_LIFETIME), pref_of(m[RAH_FLAGS]), m[RAH_HOP_LIMIT], now);
		if (m[RAH_HOP_LIMIT])
			c->hop_limit = m[RAH_HOP_LIMIT];
	}
	learn_times(h, be32(m + RAH_REACHABLE), be32(m + RAH_RETRANS));
	return new_;
}

static void learn_mtu(struct host *h, const struct inet_addr *src, u32 mtu)
{
	struct ra_router *r = ra_find_router(&h->addrconf, src);

	if (mtu < IPV6_MIN_MTU || mtu > ip_mtu(h) || mtu == (h->addrconf.mtu ? h->addrconf.mtu : ip_mtu(h)))
		return;
	h->addrconf.mtu = mtu;
	if (r)
		r->mtu = mtu;
}

/* addrconf_options() - take the options of a router's advertisement, which parse_options() found whole */
void addrconf_options(struct host *h, const struct inet_addr *src, const u8 *m, u32 len, u64 now)
{
	bool has_mtu = false;

	if (!count6(h))
		return;
	for (u32 off = RA_HLEN; off < len; off += m[off + ND_OPT_LEN] * EXTH_UNIT) {
		const u8 *opt = m + off;

		if (opt[ND_OPT_TYPE] == ND_OPT_PREFIX_INFO)
			prefix_option(h, opt, now);
		if (opt[ND_OPT_TYPE] == ND_OPT_MTU && !has_mtu) {
			has_mtu = true; /* the first counts */
			learn_mtu(h, src, be32(opt + MTUO_MTU));
		}
	}
}

/* ---- is an address ours alone? RFC 4862 section 5.4 ---- */

/* addrconf_nonce() - what we put into a probe for an address, to know it when the link returns it (RFC 7527) */
u64 addrconf_nonce(const struct host *h, const struct inet_addr *target)
{
	return (h->hash_key[0] ^ target->hi ^ target->lo) * 0x9e3779b97f4a7c15u >> 16 | 1;
}

static void probe_addresses(struct host *h, struct softnet_data *sd)
{
	for (u32 i = 0; i < h->nips; i++) {
		struct inet_net *net = &h->ip[i];

		if (!(net->flags & NET_TENTATIVE) || net->flags & NET_DADFAILED)
			continue;
		if (h->addrconf.dad_left)
			ndisc_dad(h, sd, &net->addr);
		else
			net->flags &= ~(u32)NET_TENTATIVE;
	}
}

/* addrconf_timer() - timer of CPU 0. Takes driver_tx's lock */
void addrconf_timer(struct softnet_data *sd)
{
	struct host *h = sd->host;
	struct addrconf *c = &h->addrconf;
	u64 next = NEVER;

	cpu_lock(sd, &h->tx.lock);
	if (c->dad_at <= sd->now) {
		probe_addresses(h, sd);
		c->dad_at = c->dad_left ? sd->now + h->neigh.times[1].retrans_ns : NEVER;
		c->dad_left -= c->dad_left > 0;
	}
	if (c->dad_at == NEVER && c->rs_left && c->rs_at <= sd->now && ipv6_link_local(h)) {
		ndisc_send_rs(h, sd, ipv6_link_local(h));
		c->rs_at = sd->now + RS_INTERVAL_NS;
		c->rs_left--;
	}
	next = c->dad_at;
	if (next == NEVER && c->rs_left)
		next = max_u64(c->rs_at, sd->now + 1);
	cpu_unlock(sd, &h->tx.lock);
	if (next != NEVER)
		mod_timer(sd, TIMER_ADDRCONF, next);
}

void addrconf_start(struct host *h)
{
	struct addrconf *c = &h->addrconf;

	c->dad_at = NEVER;
	if (!h->answers || !count6(h))
		return;
	if (c->dad_transmits) {
		c->dad_left = c->dad_transmits;
		c->dad_at = 0;
		for (u32 i = 0; i < h->nips; i++)
			if (!inet_addr_is4(&h->ip[i].addr))
				h->ip[i].flags |= NET_TENTATIVE;
	}
	c->rs_left = c->accept_ra ? RS_COUNT : 0;
	if (c->rs_left || c->dad_left)
		mod_timer(h->cpu[0], TIMER_ADDRCONF, h->cpu[0]->now);
}
