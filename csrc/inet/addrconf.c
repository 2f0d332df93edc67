/* addrconf.c - which of our IPv6 addresses a packet leaves from. RFC 6724; Linux: net/ipv6/addrconf.c, addrlabel.c
 *
 *   ip_output.c, icmpv6.c -> ipv6_dev_get_saddr()
 *
 * Of the eight rules these remain: one card, no address is mobile or temporary.
 */
#include "prelude.h"

enum { SCOPE_LINK = 2, SCOPE_SITE = 5, SCOPE_GLOBAL = 14 };

static u32 scope_of(const struct inet_addr *a)
{
	if (a->hi >> 56 == 0xff)
		return a->hi >> 48 & 15;
	if (is_link_local6(a) || (a->hi == 0 && a->lo == 1))
		return SCOPE_LINK;
	return a->hi >> 54 == 0xfec0 >> 6 ? SCOPE_SITE : SCOPE_GLOBAL;
}

/* Linux's default table of RFC 6724 section 2.1 */
static u32 label_of(const struct inet_addr *a)
{
	static const struct {
		u64 hi, lo;
		u32 bits, label;
	} table[] = { /* longest prefixes first */
		      { 0, 1, 128, 0 },
		      { 0, 0xffffull << 32, 96, 4 },
		      { 0, 0, 96, 3 },
		      { 0x2001001000000000, 0, 28, 7 },
		      { 0x2001000000000000, 0, 32, 6 },
		      { 0x2002000000000000, 0, 16, 2 },
		      { 0x3ffe000000000000, 0, 16, 12 },
		      { 0xfec0000000000000, 0, 10, 11 },
		      { 0xfc00000000000000, 0, 7, 5 }
	};

	for (u32 i = 0; i < ARRAY_SIZE(table); i++) {
		u32 bits = table[i].bits;

		if (bits <= 64 ? !((table[i].hi ^ a->hi) >> (64 - bits))
			       : table[i].hi == a->hi && !((table[i].lo ^ a->lo) >> (128 - bits)))
			return table[i].label;
	}
	return 1;
}

/* Return: leading bits that are the same, at most those of our network */
static u32 common_bits(const struct inet_net *net, const struct inet_addr *a)
{
	u64 hi = net->addr.hi ^ a->hi, lo = net->addr.lo ^ a->lo;
	u32 n = hi ? (u32)__builtin_clzll(hi) : lo ? 64 + (u32)__builtin_clzll(lo) : 128;

	return min_u32(n, net->prefix);
}

static bool is_deprecated(const struct host *h, const struct inet_net *net)
{
	return net->preferred && net->preferred <= host_now((struct host *)h, NULL);
}

/* Return: whether rule 2, 3, 6 or 8 prefers a to b */
static bool is_better(const struct host *h, const struct inet_net *a, const struct inet_net *b,
		      const struct inet_addr *dst)
{
	u32 sa = scope_of(&a->addr), sb = scope_of(&b->addr), sd = scope_of(dst), label = label_of(dst);
	bool la = label_of(&a->addr) == label, lb = label_of(&b->addr) == label;

	if (sa != sb) /* the smallest scope that is large enough */
		return sa < sb ? sa >= sd : sb < sd;
	if (a->preferred != b->preferred && is_deprecated(h, a) != is_deprecated(h, b))
		return is_deprecated(h, b);
	if (la != lb)
		return la;
	return common_bits(a, dst) > common_bits(b, dst);
}

const struct inet_net *ipv6_dev_get_saddr(const struct host *h, const struct inet_addr *dst)
{
	const struct inet_net *best = NULL;

	for (u32 i = h->nips; i-- > 0;) { /* of equals the one that was added last, as in Linux */
		const struct inet_net *net = &h->ip[i];

		if (inet_addr_is4(&net->addr) || unlikely(net->flags && !inet_net_usable(h, net)))
			continue;
		if (addr_equal(&net->addr, dst))
			return net;
		if (!best || is_better(h, net, best, dst))
			best = net;
	}
	return best;
}

/* ipv6_link_local() - Return: the first of our link-local addresses, NULL: none */
const struct inet_addr *ipv6_link_local(const struct host *h)
{
	for (u32 i = 0; i < h->nips; i++)
		if (is_link_local6(&h->ip[i].addr))
			return &h->ip[i].addr;
	return NULL;
}
