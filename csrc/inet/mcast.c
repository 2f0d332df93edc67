/* mcast.c - MLD, versions 1 and 2: which IPv6 groups this host has joined. RFC 3810; Linux: net/ipv6/mcast.c
 *
 *   icmpv6.c -> mld_query(): a query starts timers; mld_report(): another host's report stops one
 *   mc_groups.c -> igmp6_group_added(), igmp6_group_dropped(): tell the routers
 *   mc_report.c -> mld_expire(): a timer's time has come -> mld_send()
 *
 * The version is that of the oldest querier heard lately. ff02::1 and groups that stay inside the host are never reported.
 * A query counts only if it comes from a link-local address, with hop limit 1 and a router alert.
 */
#include "prelude.h"

#define SECOND 1000000000ull
#define MSEC 1000000ull
#define V1_INTERVAL_NS (10 * SECOND) /* mldv1_unsolicited_report_interval */
#define V2_INTERVAL_NS SECOND /* mldv2_unsolicited_report_interval */
#define V1_LEN 24u
#define V2_QUERY_LEN 28u
#define V1_DELAY_MAX 32767u /* a delay that both versions mean alike, ms */

int ipv6_chk_mcast_addr(const struct host *h, const struct inet_addr *group)
{
	return mc_joined(h, group);
}

static struct mc_family *mld(struct host *h)
{
	return &h->mc.family[1];
}

static bool in_v1_mode(struct host *h, u64 now)
{
	return now < mld(h)->v1_seen;
}

/* ---- output ---- */

static void count_out(struct host *h, struct softnet_data *sd, u8 type, u32 len, bool comes_back)
{
	COUNT(h->out_mib[Ip6_OutRequests], 1);
	COUNT(h->out_mib[Icmp6_OutMsgs], 1);
	COUNT(h->out_mib[Ip6_OutMcastPkts], 1);
	COUNT(h->out_mib[Ip6_OutMcastOctets], len);
	COUNT(h->out_mib[Icmp6_OutMLDv2Reports], type == ICMPV6_MLD2_REPORT);
	COUNT(h->out_mib[Icmp6_OutGroupMembResponses], type == ICMPV6_MGM_REPORT);
	COUNT(h->out_mib[Icmp6_OutGroupMembReductions], type == ICMPV6_MGM_REDUCTION);
	if (!comes_back)
		return;
	COUNT(h->out_mib[Ip6_InReceives], 1);
	COUNT(h->out_mib[Ip6_InDelivers], 1);
	COUNT(h->out_mib[Icmp6_InMsgs], 1);
	if (sd || !h->live) /* live, only a CPU writes its own */
		COUNT((sd ? sd : h->cpu[0])->icmp6msg[type], 1);
	COUNT(h->out_mib[Icmp6_InGroupMembResponses], type == ICMPV6_MGM_REPORT);
	COUNT(h->out_mib[Icmp6_InMLDv2Reports], type == ICMPV6_MLD2_REPORT);
	COUNT(h->out_mib[Icmp6_InGroupMembReductions], type == ICMPV6_MGM_REDUCTION);
}

/* mld_send() - send a message. group NULL: to the routers that understand version 2. A host hears what it sends to its
 * own groups, which its counters show */
void mld_send(struct host *h, struct softnet_data *sd, const struct inet_addr *group, u8 *message, u32 len)
{
	static const u8 alert[] = { IPPROTO_ICMPV6, 0, IPV6_TLV_ROUTERALERT, 2, 0, 0, IPV6_TLV_PADN, 0 }; /* RFC 2711 */
	struct inet_addr v2_routers = { 0xff02ull << 48, 0x16 }, dst = group ? *group : v2_routers;
	const struct inet_addr *src = ipv6_link_local(h);
	u8 ip[IPV6_HLEN + sizeof(alert)] = { 6 << 4 };

	store16(ip + IPV6H_PAYLOAD_LEN, htons((u16)(sizeof(alert) + len)));
	ip[IPV6H_NEXTHDR] = IPPROTO_HOPOPTS;
	ip[IPV6H_HOP_LIMIT] = 1;
	if (src)
		inet_addr_put(src, ip + IPV6H_SADDR);
	inet_addr_put(&dst, ip + IPV6H_DADDR);
	memcpy(ip + IPV6_HLEN, alert, sizeof(alert));
	store16(message + ICMPH_CHECKSUM, 0);
	store16(message + ICMPH_CHECKSUM,
		csum_fold(csum_partial(message, len, csum_pseudo(ip, 6, len, IPPROTO_ICMPV6))));
	count_out(h, sd, message[ICMPH_TYPE], sizeof(ip) + len, mc_joined(h, &dst));
	mc_xmit(h, sd, &dst, ip, sizeof(ip), message, len);
}

static void send_v1(struct host *h, struct softnet_data *sd, u8 type, const struct inet_addr *group)
{
	struct inet_addr routers = { 0xff02ull << 48, 2 };
	u8 m[V1_LEN] = { type };

	inet_addr_put(group, m + MLDH_GROUP);
	mld_send(h, sd, type == ICMPV6_MGM_REDUCTION ? &routers : group, m, sizeof(m));
}

/* ---- joining and leaving ---- */

static u32 interval(struct host *h, u64 now)
{
	return mc_jiffies(h, in_v1_mode(h, now) ? V1_INTERVAL_NS : V2_INTERVAL_NS);
}

void igmp6_group_added(struct host *h, struct softnet_data *sd, struct mc_group *g)
{
	u64 now = host_now(h, sd);

	if (in_v1_mode(h, now)) {
		send_v1(h, sd, ICMPV6_MGM_REPORT, &g->addr);
		g->reporter = 1;
		mc_group_timer(h, g, now + mc_draw(h, interval(h, now)) * h->jiffy_ns);
		return;
	}
	g->crcount = mld(h)->qrv;
	mc_changed(h, sd, mld(h));
}

void igmp6_group_dropped(struct host *h, struct softnet_data *sd, const struct mc_group *g)
{
	if (in_v1_mode(h, host_now(h, sd))) {
		if (g->reporter)
			send_v1(h, sd, ICMPV6_MGM_REDUCTION, &g->addr);
		return;
	}
	mc_gone_add(mld(h), &g->addr);
	mc_changed(h, sd, mld(h));
}

/* ---- timers ---- */

void mld_expire(struct host *h, struct softnet_data *sd)
{
	struct mc_family *f = mld(h);
	u64 now = sd->now;

	if (f->ifc_ns <= now) {
		f->ifc_ns = NEVER;
		mc_send_changes(h, sd, f);
		if (f->ifc_count && --f->ifc_count)
			f->ifc_ns = mc_later(h, now, interval(h, now));
	}
	if (f->gq_ns <= now) {
		f->gq_ns = NEVER;
		mc_send_state(h, sd, f, NULL);
	}
	for (struct mc_group *g = mc_next(f, NULL); g; g = mc_next(f, g)) {
		if (g->timer_ns > now)
			continue;
		g->timer_ns = NEVER;
		g->reporter = 1;
		if (in_v1_mode(h, now))
			send_v1(h, sd, ICMPV6_MGM_REPORT, &g->addr);
		else
			mc_send_state(h, sd, f, g);
	}
}

/* ---- input ---- */

/* Return: the longest delay, jiffies */
static u32 v1_query(struct host *h, const u8 *m, u32 len, u64 now)
{
	struct mc_family *f = mld(h);
	u32 ms = be16(m + MLDH_MAXDELAY);

	if (len == V1_LEN)
		f->v1_seen = now + f->qrv * f->qi_ns + f->qri_ns; /* RFC 3810 section 9.12 */
	else
		ms = min_u32(ms, V1_DELAY_MAX);
	mc_older_querier(f);
	f->gq_ns = NEVER;
	return max_u32(mc_jiffies(h, ms * MSEC), 1);
}

/* Learn the querier's settings. Return: the longest delay, jiffies */
static u32 v2_query(struct host *h, const u8 *m)
{
	struct mc_family *f = mld(h);
	u32 max = mc_jiffies(h, mc_code(be16(m + MLDH_MAXDELAY), 12) * MSEC);

	if (m[MLDH_QRV] & 7)
		f->qrv = m[MLDH_QRV] & 7;
	f->qrv = (u8)max_u32(f->qrv, MC_QRV);
	f->qi_ns = mc_code(m[MLDH_QQIC], 4) * SECOND;
	f->qri_ns = max * h->jiffy_ns;
	return max_u32(max, 1);
}

/* Report a group within this many jiffies, unless it will be anyway. */
static void queried(struct host *h, struct mc_group *g, u64 now, u32 max_jiffies)
{
	if (!g->silent && (g->timer_ns == NEVER || g->timer_ns >= now + max_jiffies * h->jiffy_ns))
		mc_group_timer(h, g, now + mc_draw(h, max_jiffies) * h->jiffy_ns);
}

/* nsrcs counts for the length only: a group without filters answers for all sources. */
static void heard_query(struct softnet_data *sd, const u8 *m, u32 len)
{
	struct host *h = sd->host;
	struct mc_family *f = mld(h);
	struct inet_addr group = inet_addr6(m + MLDH_GROUP);
	bool all = !(group.hi | group.lo);
	u64 now = sd->now;
	u32 max, nsrcs;

	if (len == V1_LEN || in_v1_mode(h, now)) {
		max = v1_query(h, m, len, now);
	} else {
		if (len < V2_QUERY_LEN)
			return;
		max = v2_query(h, m);
		nsrcs = be16(m + MLDH_NSRCS);
		if (all && !nsrcs) {
			f->gq_ns = mc_later(h, now, max);
			mc_plan(h, f->gq_ns);
		}
		if (all || V2_QUERY_LEN + nsrcs * 16 > len)
			return;
	}
	for (struct mc_group *g = mc_next(f, NULL); g; g = mc_next(f, g))
		if (all || addr_equal(&g->addr, &group))
			queried(h, g, now, max);
}

void mld_query(struct softnet_data *sd, const struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);
	struct inet_addr src = inet_addr6(ip + IPV6H_SADDR);
	u8 m[V2_QUERY_LEN];

	if (skb->len < V1_LEN || ip[IPV6H_HOP_LIMIT] != 1 || !is_link_local6(&src) ||
	    !(skb->flags & SKB_ROUTERALERT_MLD))
		return;
	skb_copy_bits(skb, 0, m, min_u32(skb->len, sizeof(m)));
	if (!is_multicast6(m + MLDH_GROUP) && (load64(m + MLDH_GROUP) | load64(m + MLDH_GROUP + 8)))
		return;
	cpu_lock(sd, &sd->host->tx.lock);
	heard_query(sd, m, skb->len);
	cpu_unlock(sd, &sd->host->tx.lock);
}

/* Another host has reported: no more need to. A router may not have heard a report that came to us alone. */
void mld_report(struct softnet_data *sd, const struct sk_buff *skb)
{
	struct inet_addr src = inet_addr6(skb_network_header(skb) + IPV6H_SADDR), group;
	struct mc_group *g;
	u8 m[V1_LEN];

	if ((skb->pkt_type != PACKET_MULTICAST && skb->pkt_type != PACKET_BROADCAST) || skb->len < V1_LEN ||
	    ((src.hi | src.lo) && !is_link_local6(&src)))
		return;
	skb_copy_bits(skb, 0, m, sizeof(m));
	group = inet_addr6(m + MLDH_GROUP);
	cpu_lock(sd, &sd->host->tx.lock);
	g = mc_find(mld(sd->host), &group);
	if (g) {
		g->timer_ns = NEVER;
		g->reporter = 0;
	}
	cpu_unlock(sd, &sd->host->tx.lock);
}
