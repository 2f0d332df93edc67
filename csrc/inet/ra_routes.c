/* ra_routes.c - routes that routers advertised: prefixes on the link, default routers. RFC 4861, 4191; Linux: net/ipv6/route.c
 *
 *   autoconf.c -> ra_learn_prefix(), ra_learn_router()
 *   ip_output.c -> addrconf_onlink(), addrconf_route(): is the destination on the link, else which router takes it?
 *
 * Both tables are bounded, and what is over makes room. A table in use takes nothing new, except for a router that does not
 * answer. All of it is guarded by the lock of driver_tx.
 */
#include "prelude.h"

#define SECOND 1000000000ull

/* A time of 0 means for ever. */
static bool is_over(u64 until, u64 now)
{
	return until && now > until;
}

/* ---- prefixes that are on the link ---- */

static struct inet_addr masked(const struct inet_addr *a, u32 len)
{
	u64 hi = len >= 64 ? ~0ull : len ? ~0ull << (64 - len) : 0;
	u64 lo = len >= 128 ? ~0ull : len > 64 ? ~0ull << (128 - len) : 0;

	return (struct inet_addr){ a->hi & hi, a->lo & lo };
}

static bool in_prefix(const struct ra_prefix *p, const struct inet_addr *a)
{
	struct inet_addr net = masked(a, p->len);

	return addr_equal(&net, &p->addr);
}

/* Return: whether one of the user's addresses has this network */
static bool is_ours(const struct host *h, const struct inet_addr *prefix, u32 len)
{
	for (u32 i = 0; i < h->nips; i++) {
		const struct inet_net *net = &h->ip[i];
		struct inet_addr a = masked(&net->addr, len);

		if (net->prefix == len && !(net->flags & NET_NOPREFIXROUTE) && addr_equal(&a, prefix))
			return true;
	}
	return false;
}

void ra_learn_prefix(struct host *h, const struct inet_addr *said, u32 len, bool valid, u64 until, u64 now)
{
	struct ra_prefix *p = NULL, *free = NULL;
	struct addrconf *c = &h->addrconf;
	struct inet_addr prefix = masked(said, len);

	if (is_ours(h, &prefix, len))
		return;

	for (u32 i = 0; i < RA_PREFIXES && !p; i++) {
		struct ra_prefix *each = &c->prefix[i];

		if (!each->in_use || is_over(each->valid, now))
			free = free ? free : each;
		else if (each->len == len && addr_equal(&each->addr, &prefix))
			p = each;
	}
	p = p	    ? p
	    : valid ? free
		    : NULL; /* all in use: as Linux does, when its table of routes is full, none is learnt */
	if (p)
		*p = (struct ra_prefix){ prefix, until, len, valid };
}

/* ---- routers ---- */

static void remove_router(struct addrconf *c, struct ra_router *r)
{
	struct ra_router *end = c->router + c->nrouters--;

	memmove(r, r + 1,
		(u32)(end - r - 1) * sizeof(*r)); /* in the order in which they came: of equal ones the first serves */
}

/* Make room for another router: those go whose time is over; if all are in use, one that does not answer. */
static void forget_routers(struct addrconf *c, u64 now)
{
	struct ra_router *away = NULL;

	for (u32 i = c->nrouters; i-- > 0;) {
		if (is_over(c->router[i].until, now))
			remove_router(c, &c->router[i]);
		else if (c->router[i].away)
			away = &c->router[i];
	}
	if (c->nrouters == RA_ROUTERS && away)
		remove_router(c, away);
}

struct ra_router *ra_find_router(struct addrconf *c, const struct inet_addr *addr)
{
	for (u32 i = 0; i < c->nrouters; i++)
		if (addr_equal(&c->router[i].addr, addr))
			return &c->router[i];
	return NULL;
}

/* Return: whether it has become a default router by this */
bool ra_learn_router(struct addrconf *c, const struct inet_addr *addr, u32 lifetime, u32 pref, u8 hops, u64 now)
{
	struct ra_router *r = ra_find_router(c, addr);
	bool known = r && !is_over(r->until, now);

	if (r && (!known || !lifetime))
		remove_router(c, r);
	if (!lifetime)
		return false;
	if (!known) {
		forget_routers(c, now);
		if (c->nrouters == RA_ROUTERS)
			return false;
		r = &c->router[c->nrouters++];
		*r = (struct ra_router){ .addr = *addr };
	}
	r->until = now + lifetime * SECOND;
	r->pref = pref;
	r->hop_limit = hops ? hops : r->hop_limit;
	return !known;
}

/* addrconf_away() - a router does not answer, or does again */
void addrconf_away(struct host *h, const struct inet_addr *addr, u8 away)
{
	struct ra_router *r = ra_find_router(&h->addrconf, addr);

	if (r)
		r->away = away;
}

/* addrconf_no_router() - a neighbour is no router any more */
void addrconf_no_router(struct host *h, const struct inet_addr *addr)
{
	struct ra_router *r = ra_find_router(&h->addrconf, addr);

	if (r)
		remove_router(&h->addrconf, r);
}

/* addrconf_route() - find a default router: the most preferred, of those one that is not known to be away. NULL: none */
const struct inet_addr *addrconf_route(const struct host *h, u64 now)
{
	const struct addrconf *c = &h->addrconf;
	const struct ra_router *best = NULL;
	u32 best_rank = 0;

	for (u32 i = 0; i < c->nrouters; i++) {
		const struct ra_router *r = &c->router[i];
		u32 rank = (r->away ? 0 : 3) + r->pref + 1;

		if (!is_over(r->until, now) && rank > best_rank) {
			best = r;
			best_rank = rank;
		}
	}
	return best ? &best->addr : NULL;
}

/* addrconf_hop_limit() - the default hop limit of packets to a next hop; 0: no router said one */
u8 addrconf_hop_limit(const struct host *h, const struct inet_addr *nexthop)
{
	const struct addrconf *c = &h->addrconf;

	for (u32 i = 0; i < c->nrouters; i++)
		if (c->router[i].hop_limit && addr_equal(&c->router[i].addr, nexthop))
			return c->router[i].hop_limit;
	return (u8)c->hop_limit;
}

/* addrconf_onlink() - has a router said that this address is on the link? */
bool addrconf_onlink(const struct host *h, const struct inet_addr *a, u64 now)
{
	for (u32 i = 0; i < RA_PREFIXES; i++) {
		const struct ra_prefix *p = &h->addrconf.prefix[i];

		if (p->in_use && !is_over(p->valid, now) && in_prefix(p, a))
			return true;
	}
	return false;
}

/* ra_is_router() - is it a default router now? */
bool ra_is_router(const struct host *h, const struct inet_addr *addr, u64 now)
{
	const struct addrconf *c = &h->addrconf;

	for (u32 i = 0; i < c->nrouters; i++)
		if (addr_equal(&c->router[i].addr, addr))
			return !is_over(c->router[i].until, now);
	return false;
}

/* inet_net_usable() - may packets be sent from this address of ours? */
bool inet_net_usable(const struct host *h, const struct inet_net *net)
{
	return !(net->flags & NET_TENTATIVE) && (!net->valid || net->valid >= host_now((struct host *)h, NULL));
}

/* ra_route() - ask what routers have said of the way to dst. gateway: the one that is in use; set, if there was none. Return:
 * false: dst is on the link */
bool ra_route(const struct host *h, const struct inet_addr *dst, const struct inet_addr **gateway)
{
	u64 now = host_now((struct host *)h, NULL);
	const struct inet_addr *router;

	if (addrconf_onlink(h, dst, now))
		return false;
	router = !((*gateway)->hi | (*gateway)->lo) ? addrconf_route(h, now) : NULL;
	if (router)
		*gateway = router;
	return true;
}
