/* ip_route_output.c - where a packet that the host sends goes: Linux's net/ipv4/route.c, net/ipv6/route.c
 *
 *   ip_output.c, tcp_connect.c -> ip_route(): from which network, to which next hop
 *
 * A host with one card has these routes: its own networks, and a gateway for the rest.
 */
#include "prelude.h"

#define LINK_LOCAL_NET (0xfe80ull << 48) /* fe80::/64, on every link */

static bool same_net(const struct inet_net *net, const struct inet_addr *a)
{
	bool v4 = inet_addr_is4(a);
	u32 bits = net->prefix + (v4 ? 96 : 0);
	u64 hi = bits >= 64 ? ~0ull : bits ? ~0ull << (64 - bits) : 0;
	u64 lo = bits >= 128 ? ~0ull : bits > 64 ? ~0ull << (128 - bits) : 0;

	return inet_addr_is4(&net->addr) == v4 && !((net->addr.hi ^ a->hi) & hi) && !((net->addr.lo ^ a->lo) & lo);
}

const struct inet_net *ip_local_net(const struct host *h, const struct inet_addr *a)
{
	for (u32 i = 0; i < h->nips; i++)
		if (addr_equal(&h->ip[i].addr, a))
			return unlikely(h->ip[i].valid) && h->ip[i].valid < host_now((struct host *)h, NULL)
				       ? NULL
				       : &h->ip[i];
	return NULL;
}

bool is_link_local6(const struct inet_addr *a)
{
	return !inet_addr_is4(a) && a->hi >> 54 == 0xfe80 >> 6;
}

/* Return: whether this is the broadcast address, of one of our networks or of all */
bool ip_is_broadcast(const struct host *h, const struct inet_addr *a)
{
	if (!inet_addr_is4(a))
		return false;
	if ((u32)a->lo == INADDR_BROADCAST)
		return true;
	for (u32 i = 0; i < h->nips; i++) {
		const struct inet_net *net = &h->ip[i];

		if (inet_addr_is4(&net->addr) && net->prefix < 31 && same_net(net, a) &&
		    ((u32)a->lo | ~0u << (31 - net->prefix) << 1) == ~0u)
			return true;
	}
	return false;
}

/* ip_route() - longest prefix among our networks, else the gateway from the first network of the family */
const struct inet_net *ip_route(const struct host *h, const struct inet_addr *dst, struct inet_addr *nexthop)
{
	const struct inet_net *best = NULL, *first = NULL;
	bool v4 = inet_addr_is4(dst), scoped = inet_addr_is_multicast(dst) || ip_is_broadcast(h, dst);
	const struct inet_addr *gateway = &h->gateway[!v4];

	for (u32 i = 0; i < h->nips; i++) {
		const struct inet_net *net = &h->ip[i];

		if (inet_addr_is4(&net->addr) != v4 || unlikely(net->flags && !inet_net_usable(h, net)))
			continue;
		if (unlikely(addr_equal(&net->addr, dst))) { /* our own */
			*nexthop = *dst;
			return net;
		}
		if (same_net(net, dst) && !(net->flags & NET_NOPREFIXROUTE) && (!best || net->prefix > best->prefix))
			best = net;
		if (!first || (is_link_local6(&first->addr) && !is_link_local6(&net->addr)))
			first = net;
	}
	*nexthop = *dst;
	if (best || (scoped && first) || (first && dst->hi == LINK_LOCAL_NET))
		return best ? best : first;
	if (!first || (inet_addr_is_any(gateway) && (v4 || !h->addrconf.learnt)))
		return NULL;
	if (unlikely(!v4 && h->addrconf.learnt) && !ra_route(h, dst, &gateway))
		return first;
	*nexthop = *gateway;
	return inet_addr_is_any(gateway) ? NULL : first;
}
