/* igmp.c - IGMP, versions 1 to 3: which IPv4 groups this host has joined. RFC 3376; Linux: net/ipv4/igmp.c
 *
 *   ip_deliver() -> igmp_rcv(): check length and checksum; a query starts timers, another host's report stops one
 *   mc_groups.c -> igmp_group_added(), igmp_group_dropped(): tell the routers
 *   mc_report.c -> igmp_expire(): a timer's time has come -> igmp_send()
 *
 * The version is that of the oldest querier heard lately. 224.0.0.1 is never reported. snmp has no counters for IGMP.
 */
#include "prelude.h"

#define SECOND 1000000000ull
#define V12_INTERVAL_NS (10 * SECOND) /* igmpv2_unsolicited_report_interval */
#define V3_INTERVAL_NS SECOND /* igmpv3_unsolicited_report_interval */
#define UNIT_NS (SECOND / 10) /* of a query's code (IGMP_TIMER_SCALE) */
#define V3_QUERY_LEN 12u

int ip_check_mc(const struct host *h, u32 group)
{
	struct inet_addr a = { 0, 0xffffull << 32 | group };

	return mc_joined(h, &a);
}

static struct mc_family *igmp(struct host *h)
{
	return &h->mc.family[0];
}

/* The version to speak: 3, or that of an older querier until it has been silent for long. */
static u32 version(struct host *h, u64 now)
{
	return now < igmp(h)->v1_seen ? 1 : now < igmp(h)->v2_seen ? 2 : 3;
}

static u64 querier_present(const struct mc_family *f)
{
	return f->qrv * f->qi_ns + f->qri_ns; /* RFC 3376 section 8.12 */
}

/* ---- output ---- */

static u32 source_of(const struct host *h)
{
	for (u32 i = 0; i < h->nips; i++)
		if (inet_addr_is4(&h->ip[i].addr))
			return (u32)h->ip[i].addr.lo;
	return 0;
}

void igmp_send(struct host *h, struct softnet_data *sd, u32 group, u8 *message, u32 len)
{
	static const u8 alert[] = { IPOPT_RA, 4, 0, 0 }; /* RFC 2113 */
	struct inet_addr dst = { 0, 0xffffull << 32 | group };
	u32 saddr = htonl(source_of(h)), daddr = htonl(group);
	u8 ip[IP_HLEN + sizeof(alert)] = { 0 };

	store16(message + IGMPH_CSUM, 0);
	store16(message + IGMPH_CSUM, csum_fold(csum_partial(message, len, 0)));
	ip[IPH_VERSION_IHL] = 4 << 4 | sizeof(ip) / 4;
	ip[IPH_TOS] = IPTOS_PREC_INTERNETCONTROL;
	store16(ip + IPH_TOT_LEN, htons((u16)(sizeof(ip) + len)));
	store16(ip + IPH_FRAG_OFF, htons(IP_DF));
	ip[IPH_TTL] = 1;
	ip[IPH_PROTOCOL] = IPPROTO_IGMP;
	memcpy(ip + IPH_SADDR, &saddr, 4);
	memcpy(ip + IPH_DADDR, &daddr, 4);
	memcpy(ip + IP_HLEN, alert, sizeof(alert));
	store16(ip + IPH_CHECK, ip_fast_csum(ip, sizeof(ip)));
	COUNT(h->out_mib[Ip_OutRequests], 1);
	COUNT(h->out_mib[IpExt_OutMcastPkts], 1);
	COUNT(h->out_mib[IpExt_OutMcastOctets], sizeof(ip) + len);
	if (ip_check_mc(h, group)) { /* it comes back: a host hears what it sends to its own groups */
		COUNT(h->out_mib[Ip_InReceives], 1);
		COUNT(h->out_mib[Ip_InDelivers], 1);
		COUNT(h->out_mib[IpExt_InMcastPkts], 1);
		COUNT(h->out_mib[IpExt_InMcastOctets], sizeof(ip) + len);
	}
	mc_xmit(h, sd, &dst, ip, sizeof(ip), message, len);
}

static void send_old(struct host *h, struct softnet_data *sd, u32 to, u8 type, const struct inet_addr *group)
{
	u8 m[IGMP_HLEN] = { type };

	inet_addr_put(group, m + IGMPH_GROUP);
	igmp_send(h, sd, to, m, sizeof(m));
}

/* ---- joining and leaving ---- */

void igmp_group_added(struct host *h, struct softnet_data *sd, struct mc_group *g)
{
	u64 now = host_now(h, sd);

	g->unsolicited = MC_QRV;
	if (version(h, now) < 3) {
		mc_group_timer(h, g, mc_later(h, now, 1));
		return;
	}
	g->crcount = igmp(h)->qrv;
	mc_changed(h, sd, igmp(h));
}

void igmp_group_dropped(struct host *h, struct softnet_data *sd, const struct mc_group *g)
{
	u32 v = version(h, host_now(h, sd));

	if (v == 2 && g->reporter)
		send_old(h, sd, INADDR_ALLRTRS_GROUP, IGMP_HOST_LEAVE_MESSAGE, &g->addr);
	if (v < 3)
		return;
	mc_gone_add(igmp(h), &g->addr);
	mc_changed(h, sd, igmp(h));
}

/* ---- timers ---- */

static u32 interval(struct host *h, u64 now)
{
	return mc_jiffies(h, version(h, now) < 3 ? V12_INTERVAL_NS : V3_INTERVAL_NS);
}

static void group_expire(struct host *h, struct softnet_data *sd, struct mc_group *g, u64 now)
{
	u32 v = version(h, now), group = (u32)g->addr.lo;

	g->timer_ns = NEVER;
	if (g->unsolicited && --g->unsolicited)
		g->timer_ns = mc_later(h, now, interval(h, now));
	g->reporter = 1;
	if (v == 3)
		mc_send_state(h, sd, igmp(h), g);
	else
		send_old(h, sd, group, v == 1 ? IGMP_HOST_MEMBERSHIP_REPORT : IGMPV2_HOST_MEMBERSHIP_REPORT, &g->addr);
}

void igmp_expire(struct host *h, struct softnet_data *sd)
{
	struct mc_family *f = igmp(h);
	u64 now = sd->now;

	if (f->ifc_ns <= now) {
		f->ifc_ns = NEVER;
		mc_send_changes(h, sd, f);
		if (f->ifc_count) {
			f->ifc_count--;
			f->ifc_ns = mc_later(h, now, interval(h, now));
		}
	}
	if (f->gq_ns <= now) {
		f->gq_ns = NEVER;
		mc_send_state(h, sd, f, NULL);
	}
	for (struct mc_group *g = mc_next(f, NULL); g; g = mc_next(f, g))
		if (g->timer_ns <= now)
			group_expire(h, sd, g, now);
}

/* ---- input ---- */

/* Report a group within this many jiffies, unless it will be anyway. */
static void mod_group_timer(struct host *h, struct mc_group *g, u64 now, u32 max_jiffies)
{
	g->unsolicited = 0;
	if (g->timer_ns == NEVER || g->timer_ns >= now + max_jiffies * h->jiffy_ns)
		mc_group_timer(h, g, mc_later(h, now, max_jiffies));
}

static void query_all(struct host *h, u64 now, u32 max_jiffies)
{
	struct mc_family *f = igmp(h);
	u64 at = mc_later(h, now, max_jiffies);

	if (at < f->gq_ns) {
		f->gq_ns = at;
		mc_plan(h, at);
	}
}

static u32 tenths(const struct host *h, u32 code)
{
	return code * (u32)(UNIT_NS / h->jiffy_ns);
}

/* What a query of version 1 or 2 says. Return: the longest delay, jiffies */
static u32 old_query(struct host *h, const u8 *m, u64 now, u32 *group)
{
	struct mc_family *f = igmp(h);

	mc_older_querier(f);
	if (m[IGMPH_CODE]) {
		f->v2_seen = now + querier_present(f);
		return tenths(h, m[IGMPH_CODE]);
	}
	f->v1_seen = now + querier_present(f);
	*group = 0;
	return mc_jiffies(h, MC_QUERY_RESPONSE_NS);
}

/* Learn the querier's settings. Return: the longest delay, jiffies */
static u32 learn(struct host *h, const u8 *m)
{
	struct mc_family *f = igmp(h);
	u32 max = max_u32(tenths(h, mc_code(m[IGMPH_CODE], 4)), 1), qqi = mc_code(m[IGMPH_QQIC], 4);

	f->qrv = m[IGMPH_QRV] & 7;
	if (!f->qrv)
		f->qrv = MC_QRV;
	f->qi_ns = qqi ? qqi * SECOND : MC_QUERY_INTERVAL_NS;
	if (f->qri_ns >= f->qi_ns) /* RFC 3376 section 8.3 */
		f->qri_ns = f->qi_ns - SECOND;
	return max;
}

/* Return: whether the query says something. nsrcs counts for the length only: a group without filters answers for all. */
static bool heard_query(struct softnet_data *sd, struct sk_buff *skb)
{
	struct host *h = sd->host;
	u64 now = sd->now;
	u8 m[V3_QUERY_LEN];
	u32 len = skb->len, v = version(h, now), group, max, nsrcs;

	skb_copy_bits(skb, 0, m, min_u32(len, sizeof(m)));
	group = be32(m + IGMPH_GROUP);
	if (len == IGMP_HLEN) {
		max = old_query(h, m, now, &group);
	} else if (len < V3_QUERY_LEN) {
		return false;
	} else if (v == 1) {
		max = mc_jiffies(h, MC_QUERY_RESPONSE_NS);
		group = 0;
	} else if (v == 2) {
		max = max_u32(tenths(h, mc_code(m[IGMPH_CODE], 4)), 1);
	} else {
		nsrcs = be16(m + IGMPH_NSRCS);
		if (V3_QUERY_LEN + nsrcs * 4 > len)
			return false;
		max = learn(h, m);
		if (!group && nsrcs)
			return false;
		if (!group) {
			query_all(h, now, max);
			return true;
		}
	}
	for (struct mc_group *g = mc_next(igmp(h), NULL); g; g = mc_next(igmp(h), g))
		if (!g->silent && (!group || (u32)g->addr.lo == group))
			mod_group_timer(h, g, now, max);
	return true;
}

/* Another host has reported: no more need to. A router may not have heard a report that came to us alone. */
static bool heard_report(struct softnet_data *sd, const struct sk_buff *skb)
{
	struct inet_addr a;
	struct mc_group *g;
	u8 m[IGMP_HLEN];

	if (skb->pkt_type != PACKET_MULTICAST && skb->pkt_type != PACKET_BROADCAST)
		return false;
	skb_copy_bits(skb, 0, m, sizeof(m));
	a = inet_addr4(m + IGMPH_GROUP);
	g = mc_find(igmp(sd->host), &a);
	if (g) {
		g->timer_ns = NEVER;
		g->reporter = g->unsolicited = 0;
	}
	return true;
}

static enum fate judge(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 type = 0;
	bool useful = false;

	if (skb->len < IGMP_HLEN)
		return PKT_TOO_SMALL;
	if (skb_icmp_csum_bad(sd, skb, 0))
		return ICMP_CSUM;
	if (!sd->host->answers)
		return DELIVERED_IGMP;
	skb_copy_bits(skb, 0, &type, 1);
	cpu_lock(sd, &sd->host->tx.lock);
	if (type == IGMP_HOST_MEMBERSHIP_QUERY)
		useful = heard_query(sd, skb);
	else if (type == IGMP_HOST_MEMBERSHIP_REPORT || type == IGMPV2_HOST_MEMBERSHIP_REPORT)
		useful = heard_report(sd, skb);
	cpu_unlock(sd, &sd->host->tx.lock);
	return useful ? DELIVERED_IGMP : GROUPS_IGNORED;
}

void igmp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	kfree_skb_reason(sd, skb, judge(sd, skb));
}
