/* route.c - where a received IPv4 packet goes, and what ICMP taught about destinations. Linux: net/ipv4/route.c, fib_frontend.c
 *
 *   ip_rcv() -> ip_route_input(): the kind of its destination, or why it cannot be taken
 *   icmp.c, udp.c -> ip_route_learn_mtu(), ip_route_redirect(): an exception for one destination -> ip_output.c asks for it
 *
 * An exception is a path MTU (RFC 1191) or another gateway (RFC 1122 section 3.2.2.2), and is forgotten when its time is
 * over. Both families share the table: 2048 rows of 5 entries; a row that is full forgets what it learned first.
 */
#include "prelude.h"

#define MIN_PMTU 552u /* ip_rt_min_pmtu */
#define MTU_EXPIRES_NS 600000000000ull /* ip_rt_mtu_expires, ip6_rt_mtu_expires */
#define REDIRECT_EXPIRES_NS 300000000000ull /* ip_rt_gc_timeout */
#define IN_MULTICASTNET 224u

/* ---- input ---- */

/* The rest of 0.0.0.0/8 counts as any hosts' addresses. */
static bool is_zeronet(u32 a)
{
	return a == 0;
}

static bool is_loopback(u32 a)
{
	return a >> 24 == IN_LOOPBACKNET;
}

/* Is it no host's address on any wire? */
static inline bool is_odd(u32 a)
{
	return is_zeronet(a) || is_loopback(a) || a >> 24 >= IN_MULTICASTNET;
}

/* Find the IPv4 addresses s and d among ours and our networks' broadcasts. Return: what d is; ours: is s ours? */
static enum rtn local_table(const struct host *h, u32 s, u32 d, bool *ours)
{
	enum rtn type = RTN_UNICAST;

	*ours = false;
	for (u32 i = 0; i < h->nips; i++) {
		const struct inet_net *net = &h->ip[i];
		u32 addr = (u32)net->addr.lo, mask;

		if (net->addr.hi || net->addr.lo >> 32 != 0xffff) /* IPv6 */
			continue;
		mask = net->prefix ? ~0u << (32 - net->prefix) : 0;
		*ours |= s == addr;
		if (d == addr)
			type = RTN_LOCAL;
		else if (net->prefix < 31 && d == (addr | ~mask) && type == RTN_UNICAST)
			type = RTN_BROADCAST;
	}
	return type;
}

/* inet_addr_type() - what an IPv4 address, host byte order, is to this host. Of a host without addresses: all else is its own */
enum rtn inet_addr_type(const struct host *h, u32 addr)
{
	bool ours;

	if (is_zeronet(addr) || addr == INADDR_BROADCAST)
		return RTN_BROADCAST;
	if (IN_MULTICAST(addr))
		return RTN_MULTICAST;
	return h->ip_any ? RTN_LOCAL : local_table(h, 0, addr, &ours);
}

/* The address of a group, or a broadcast address */
bool inet_addr_is_group(const struct host *h, const struct inet_addr *a)
{
	enum rtn type;

	if (!inet_addr_is4(a))
		return inet_addr_is_multicast(a);
	type = inet_addr_type(h, (u32)a->lo);
	return type == RTN_BROADCAST || type == RTN_MULTICAST;
}

/* The rules for addresses that are no host's. Return: FATE_MAX: the usual rules decide, or type is set */
static noinline enum fate route_odd(const struct host *h, const u8 *ip, u32 s, u32 d, enum rtn *type)
{
	if (IN_MULTICAST(d)) {
		*type = RTN_MULTICAST;
		if (!h->ip_any && !ip_check_mc(h, d))
			return IP_NOT_JOINED;
		if (IN_MULTICAST(s) || s == INADDR_BROADCAST)
			return IP_INVALID_SOURCE;
		if (is_loopback(s) && !h->ip_any)
			return IP_LOCALNET;
		if (is_zeronet(s) && d >> 8 != INADDR_UNSPEC_GROUP >> 8 && ip[IPH_PROTOCOL] != IPPROTO_IGMP)
			return IP_INVALID_SOURCE;
		return FATE_MAX;
	}
	if (IN_MULTICAST(s) || s == INADDR_BROADCAST)
		return IP_INVALID_SOURCE;
	if (d == INADDR_BROADCAST || !(s | d)) { /* DHCP clients send from 0.0.0.0 */
		*type = RTN_BROADCAST;
		return FATE_MAX;
	}
	if (is_zeronet(s))
		return IP_INVALID_SOURCE;
	if (is_zeronet(d))
		return IP_INVALID_DEST;
	return (is_loopback(s) || is_loopback(d)) && !h->ip_any ? IP_LOCALNET : FATE_MAX;
}

/* ip_route_input() - judge the addresses of an IPv4 packet, as Linux does with rp_filter 0 and without forwarding
 * type: set to what the destination is. RTN_UNICAST: not ours
 * Return: FATE_MAX, or why it cannot be taken */
enum fate ip_route_input(const struct host *h, const u8 *ip, enum rtn *type)
{
	u32 s = be32(ip + IPH_SADDR), d = be32(ip + IPH_DADDR);
	bool ours = false, named = false;

	*type = RTN_UNSPEC;
	if (unlikely(is_odd(s) || is_odd(d))) {
		enum fate fate = route_odd(h, ip, s, d, type);

		if (fate != FATE_MAX)
			return fate;
		named = *type != RTN_UNSPEC;
	}
	if (h->ip_any) {
		*type = named ? *type : RTN_LOCAL;
		return FATE_MAX;
	}
	if (named)
		local_table(h, s, d, &ours);
	else
		*type = local_table(h, s, d, &ours);
	return unlikely(ours) && *type != RTN_UNICAST ? IP_LOCAL_SOURCE : FATE_MAX;
}

/* ip_spec_dst() - Return: our address for an answer to an IPv4 packet: the one it was sent to, else that of the way back */
struct inet_addr ip_spec_dst(const struct host *h, const u8 *ip)
{
	struct inet_addr to = inet_addr4(ip + IPH_SADDR), nexthop;
	const struct inet_net *from;

	if (inet_addr_type(h, be32(ip + IPH_DADDR)) == RTN_LOCAL)
		return inet_addr4(ip + IPH_DADDR);
	from = ip_route(h, &to, &nexthop);
	for (u32 i = 0; !from && i < h->nips; i++)
		if (inet_addr_is4(&h->ip[i].addr))
			from = &h->ip[i];
	return from ? from->addr : (struct inet_addr){ 0, (u64)0xffff << 32 };
}

/* ---- exceptions. All under the lock of driver_tx ---- */

int route_init(struct route_cache *c)
{
	c->entry = calloc((u64)ROUTE_ROWS * ROUTE_DEPTH, sizeof(*c->entry));
	return c->entry ? 0 : -ENOMEM;
}

void route_exit(struct route_cache *c)
{
	free(c->entry);
}

static struct route_exception *row_of(const struct host *h, const struct inet_addr *dst)
{
	u64 hash = siphash(dst, sizeof(*dst), h->hash_key[0], h->hash_key[1]);

	return &h->routes.entry[hash % ROUTE_ROWS * ROUTE_DEPTH];
}

/* ip_route_exception() - Return: what was learned about the destination; NULL: nothing, or too long ago */
const struct route_exception *ip_route_exception(const struct host *h, const struct inet_addr *dst, u64 now)
{
	const struct route_exception *e;

	if (likely(!h->routes.used))
		return NULL;
	e = row_of(h, dst);
	for (u32 i = 0; i < ROUTE_DEPTH; i++)
		if (e[i].expires > now && addr_equal(&e[i].dst, dst))
			return &e[i];
	return NULL;
}

/* ip_except() - apply what ICMP taught about the destination. Return: the path MTU */
u32 ip_except(struct host *h, struct softnet_data *sd, struct outgoing *o, struct inet_addr *nexthop)
{
	const struct route_exception *e = ip_route_exception(h, &o->dst, host_now(h, sd));
	u32 mtu = ip_mtu(h);

	if (!e)
		return mtu;
	if (e->gateway.hi | e->gateway.lo)
		*nexthop = e->gateway;
	if (o->probe)
		return mtu;
	if (e->locked && o->df == IP_PMTUDISC_WANT)
		o->df = 0;
	return e->mtu ? min_u32(e->mtu, mtu) : mtu;
}

/* The entry for dst, old or new. If there is no room, the entry that was learned first makes some. */
static struct route_exception *exception_for(struct host *h, const struct inet_addr *dst, u64 now)
{
	struct route_exception *row = row_of(h, dst), *e = row;

	for (u32 i = 0; i < ROUTE_DEPTH; i++) {
		if (row[i].expires > now && addr_equal(&row[i].dst, dst))
			return &row[i];
		if (e->expires > now && (row[i].expires <= now || row[i].stamp < e->stamp))
			e = &row[i];
	}
	*e = (struct route_exception){ .dst = *dst, .stamp = now };
	h->routes.used = 1;
	return e;
}

/* RFC 791: every link carries 68 bytes. */
u32 ip_mtu(const struct host *h)
{
	u32 mtu = *h->dev.mtu;

	return !mtu ? 1500 : mtu < 68 ? 68 : mtu;
}

u32 ip_route_mtu(const struct host *h, const struct inet_addr *dst)
{
	u32 mtu = ip_mtu(h);
	const struct route_exception *e;

	if (likely(!h->routes.used))
		return mtu;
	e = ip_route_exception(h, dst, host_now(h, NULL));
	return e && e->mtu ? min_u32(e->mtu, mtu) : mtu;
}

void ip_route_learn_mtu(struct softnet_data *sd, const struct inet_addr *dst, u32 mtu)
{
	struct host *h = sd->host;
	bool v4 = inet_addr_is4(dst);
	const struct route_exception *known;
	struct route_exception *e;
	bool first;
	u32 old;
	struct inet_addr nexthop;

	if (!h->answers)
		return;
	first = cpu_lock_within(sd, &h->tx.lock); /* TCP holds a connection's lock */
	old = ip_route_mtu(h, dst);
	known = ip_route_exception(h, dst, sd->now);
	if (!(v4 ? mtu <= old : mtu < old && mtu >= IPV6_MIN_MTU) || !ip_route(h, dst, &nexthop))
		goto out;
	if (known && known->mtu == mtu && sd->now + MTU_EXPIRES_NS / 2 < known->expires) /* no news */
		goto out;
	e = exception_for(h, dst, sd->now);
	e->locked = v4 && mtu < MIN_PMTU;
	e->mtu = e->locked ? min_u32(old, MIN_PMTU) : mtu;
	e->expires = sd->now + MTU_EXPIRES_NS;
out:
	cpu_unlock_within(sd, &h->tx.lock, first);
}

/* ip6_route_redirect() - packets to dst go to gateway; dst itself: it is on the link */
void ip6_route_redirect(struct host *h, const struct inet_addr *dst, const struct inet_addr *gateway, u64 now)
{
	struct route_exception *e = exception_for(h, dst, now);

	e->gateway = *gateway;
	e->expires = now + REDIRECT_EXPIRES_NS;
}

void ip_route_redirect(struct softnet_data *sd, const struct inet_addr *from, const struct inet_addr *dst,
		       const struct inet_addr *gateway)
{
	struct host *h = sd->host;
	const struct route_exception *known;
	struct route_exception *e;
	struct inet_addr nexthop;
	struct neighbour *n;

	if (!h->answers)
		return;
	cpu_lock(sd, &h->tx.lock);
	known = ip_route_exception(h, dst, sd->now);
	if (!ip_route(h, dst, &nexthop))
		goto out;
	if (known && (known->gateway.hi | known->gateway.lo))
		nexthop = known->gateway;
	/* Only the gateway in use may name another one. A neighbour counts as its own gateway if there is an exception. */
	if (!addr_equal(&nexthop, from) || (addr_equal(&nexthop, dst) && !known) || addr_equal(gateway, from) ||
	    inet_addr_type(h, (u32)gateway->lo) != RTN_UNICAST)
		goto out;
	n = neigh_get(h, gateway, sd->now);
	if (n && !(n->state & NUD_VALID)) {
		neigh_event_send(h, sd, n, sd->now); /* it may name this one again when its MAC address is known */
	} else if (n) {
		e = exception_for(h, dst, sd->now);
		e->gateway = *gateway;
		e->expires = sd->now + REDIRECT_EXPIRES_NS;
	}
out:
	cpu_unlock(sd, &h->tx.lock);
}
