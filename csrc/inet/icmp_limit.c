/* icmp_limit.c - how many ICMP errors the host may send. Linux: icmpv4_xrlim_allow(), icmpv6_xrlim_allow(), icmp_global_allow()
 *
 *   icmp.c, icmpv6.c -> icmp_allow(): before an error is sent
 *
 * A bucket of tokens for all destinations (icmp_msgs_per_sec, icmp_msgs_burst), and one for each (icmp_ratelimit: one error
 * a second, six at once; IPv6's icmp.ratelimit: ten a second). The first is filled again only when it is empty, and not before 20 ms have
 * passed since the last time. An error that the second one forbids takes nothing from the first. Other messages than the
 * errors that this host sends have no limit (icmp_ratemask).
 *
 * Destinations that have all their tokens are as good as unknown: they are forgotten first when a row is full.
 */
#include "prelude.h"

#define TOKENS_MAX 6u
#define REFILL_NS 20000000u
#define SECOND_NS 1000000000u

static bool global_allow(struct icmp_limits *l, u64 now)
{
	u64 passed = l->stamp_ns ? min_u64(now - l->stamp_ns, SECOND_NS) : SECOND_NS, more;

	if (l->credit)
		return true;
	more = l->msgs_per_sec * passed / SECOND_NS;
	if (passed < REFILL_NS || !more)
		return false;
	l->credit = min_u64(more, l->msgs_burst);
	l->stamp_ns = now ? now : 1;
	return true;
}

/* The bucket of a destination, filled up to now. */
static struct icmp_peer *peer_of(const struct host *h, struct icmp_limits *l, const struct inet_addr *to, u64 interval,
				 u64 now)
{
	u64 hash = siphash(to, sizeof(*to), h->hash_key[0], h->hash_key[1]), most = 0;
	struct icmp_peer *p = &l->peer[hash % ICMP_PEER_ROWS * ICMP_PEER_DEPTH], *fullest = p;

	for (u32 i = 0; i < ICMP_PEER_DEPTH; i++, p++) {
		bool free = !(p->tokens | p->last);
		u64 has = free ? NEVER : p->tokens + (now - p->last);

		if (!free && addr_equal(&p->addr, to)) {
			p->tokens = min_u64(has, TOKENS_MAX * interval);
			p->last = now;
			return p;
		}
		if (has > most) {
			most = has;
			fullest = p;
		}
	}
	*fullest = (struct icmp_peer){ *to, TOKENS_MAX * interval, now };
	return fullest;
}

/* Take tokens for one error, as inet_peer_xrlim_allow() does. Tokens are ns; an error costs one interval. */
static bool peer_allow(const struct host *h, struct icmp_limits *l, const struct inet_addr *to, u64 interval, u64 now)
{
	struct icmp_peer *p;

	if (!interval)
		return true;
	p = peer_of(h, l, to, interval, now);
	if (p->tokens < interval)
		return false;
	p->tokens -= interval;
	return true;
}

/* Return: ns between two errors to a destination; IPv6: whole jiffies, whatever the route, and 0 to ourselves */
static u64 interval_of(const struct host *h, const struct inet_addr *to)
{
	if (inet_addr_is4(to))
		return h->icmp.ratelimit_ms * 1000000ull;
	return ip_local_net(h, to) ? 0 : h->icmp.ratelimit6_ms * 1000000ull / h->jiffy_ns * h->jiffy_ns;
}

/* icmp_allow() - take a token of both buckets for an error to this destination. Return: 1: send it; 0: counted as limited */
int icmp_allow(struct softnet_data *sd, const struct inet_addr *to)
{
	struct icmp_limits *l = &sd->host->icmp;
	bool v6 = !inet_addr_is4(to), host = true, global;

	lock_if(sd->live, &l->lock);
	global = global_allow(l, sd->now);
	if (global)
		host = peer_allow(sd->host, l, to, interval_of(sd->host, to), sd->now);
	if (global && host && l->credit) /* credit 0: msgs_burst is 0 */
		l->credit--;
	unlock_if(sd->live, &l->lock);
	if (!global)
		COUNT(sd->mib[Icmp_OutRateLimitGlobal], 1);
	if (!host)
		COUNT(sd->mib[v6 ? Icmp6_OutRateLimitHost : Icmp_OutRateLimitHost], 1);
	return host && global;
}
