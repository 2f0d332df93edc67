/* icmp_limit.c - how many ICMP errors the host may send. Linux: icmpv4_xrlim_allow(), icmpv6_xrlim_allow(), icmp_global_allow()
 *
 *   icmp.c, icmpv6.c -> icmp_allow(): before an error is sent
 *
 * A bucket of tokens for each destination (icmp_ratelimit: one error a second, six at once; IPv6 ten a second), and one for
 * all destinations (icmp_msgs_per_sec, icmp_msgs_burst). Echo replies are not limited.
 */
#include "prelude.h"

#define TOKENS_MAX 6u

static bool global_allow(struct icmp_limits *l, u64 now)
{
	u64 passed = now - l->stamp_ns,
	    more = passed >= 1000000000 ? l->msgs_per_sec : passed * l->msgs_per_sec / 1000000000;

	if (!l->stamp_ns || more) { /* the stamp moves by whole messages only, so fractions are not lost */
		l->credit = l->stamp_ns ? min_u64(l->credit + more, l->msgs_burst) : l->msgs_burst;
		l->stamp_ns = now ? now : 1;
	}
	if (!l->credit)
		return false;
	l->credit--;
	return true;
}

/* Take tokens for one error, as inet_peer_xrlim_allow() does. Tokens are ns; an error costs one interval. */
static bool peer_allow(struct icmp_limits *l, const struct inet_addr *to, u64 interval, u64 now)
{
	struct icmp_peer *p = &l->peer[(to->hi ^ to->lo ^ to->lo >> 8) * 0x9e3779b97f4a7c15u >> 56];

	if (!interval)
		return true;
	if (!addr_equal(&p->addr, to))
		*p = (struct icmp_peer){ *to, TOKENS_MAX * interval, now };
	p->tokens = min_u64(p->tokens + (now - p->last), TOKENS_MAX * interval);
	p->last = now;
	if (p->tokens < interval)
		return false;
	p->tokens -= interval;
	return true;
}

/* icmp_allow() - take a token of both buckets for an error to this destination. Return: 1: send it; 0: counted as limited */
int icmp_allow(struct softnet_data *sd, const struct inet_addr *to)
{
	struct icmp_limits *l = &sd->host->icmp;
	u64 interval = l->ratelimit_ms * 1000000ull;
	bool v6 = !inet_addr_is4(to), host, global = true;

	lock_if(sd->live, &l->lock);
	host = peer_allow(l, to, v6 ? interval / 10 : interval, sd->now);
	if (host)
		global = global_allow(l, sd->now);
	unlock_if(sd->live, &l->lock);
	if (!host)
		COUNT(sd->mib[v6 ? Icmp6_OutRateLimitHost : Icmp_OutRateLimitHost], 1);
	if (!global)
		COUNT(sd->mib[Icmp_OutRateLimitGlobal], 1);
	return host && global;
}
