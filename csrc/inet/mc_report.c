/* mc_report.c - what hosts tell routers of their groups, and when: the part that IGMPv3 and MLDv2 have in common
 *
 *   igmp.c, mcast.c: a group was joined or left -> mc_changed() -> timer -> mc_send_changes(): CHANGE_TO_EXCLUDE, _INCLUDE
 *                    a query for all groups     -> timer -> mc_send_state(): MODE_IS_EXCLUDE of each
 *                    a query for one group      -> timer of the group -> mc_send_state() of that group
 *
 * RFC 3376 section 4.2 and RFC 3810 section 5.2 differ in the length of an address only. No socket filters sources, so each
 * group is in mode EXCLUDE, with an empty list. Times are whole jiffies, drawn from the host's seed.
 */
#include "prelude.h"

#define MESSAGE_MAX 4000u /* bytes of a report, IP header included; Linux takes a page less what it needs itself */
#define IP_HDR 24u /* with the router alert option */
#define IP6_HDR 48u

struct report {
	struct host *h;
	struct softnet_data *sd;
	u32 len, records;
	bool v6;
	u8 data[MESSAGE_MAX];
};

/* ---- time ---- */

u32 mc_draw(struct host *h, u32 below)
{
	u64 n = h->mc.drawn++;

	return (u32)(siphash(&n, sizeof(n), h->hash_key[0], h->hash_key[1]) % max_u32(below, 1));
}

u64 mc_later(struct host *h, u64 now, u32 max_jiffies)
{
	return now + (mc_draw(h, max_jiffies) + 2ull) * h->jiffy_ns;
}

u32 mc_jiffies(const struct host *h, u64 ns)
{
	return (u32)((ns + h->jiffy_ns - 1) / h->jiffy_ns);
}

void mc_plan(struct host *h, u64 at)
{
	timer_ask(h->cpu[0], TIMER_MC, at);
}

void mc_group_timer(struct host *h, struct mc_group *g, u64 at)
{
	g->timer_ns = at;
	mc_plan(h, at);
}

/* mc_reset() - the times and the robustness of a querier that has said nothing yet */
void mc_reset(struct mc_family *f)
{
	f->qrv = MC_QRV;
	f->qi_ns = MC_QUERY_INTERVAL_NS;
	f->qri_ns = MC_QUERY_RESPONSE_NS;
}

/* mc_code() - the value of a code of 8 or 16 bits: a number, or from half its range on a mantissa of as many bits with an
 * exponent of 3 (RFC 3376 section 4.1.1, RFC 3810 section 5.1.3) */
u32 mc_code(u32 code, u32 mantissa_bits)
{
	u32 one = 1u << mantissa_bits;

	if (code < one << 3)
		return code;
	return ((code & (one - 1)) | one) << ((code >> mantissa_bits & 7) + 3);
}

/* ---- groups that were left ---- */

void mc_gone_add(struct mc_family *f, const struct inet_addr *a)
{
	if (f->ngone == MC_GONE_MAX)
		memmove(f->gone, f->gone + 1, --f->ngone * sizeof(*f->gone));
	f->gone[f->ngone++] = (struct mc_gone){ .addr = *a, .reports = f->qrv };
}

void mc_gone_forget(struct mc_family *f, const struct inet_addr *a)
{
	u32 n = 0;

	for (u32 i = 0; i < f->ngone; i++)
		if (!addr_equal(&f->gone[i].addr, a))
			f->gone[n++] = f->gone[i];
	f->ngone = n;
}

/* ---- reports ---- */

/* mc_xmit() - send a message with the IP header ip to group, if the MTU allows: IPv6 would need 1280 bytes of it */
void mc_xmit(struct host *h, struct softnet_data *sd, const struct inet_addr *group, const u8 *ip, u32 ip_len,
	     const u8 *message, u32 len)
{
	u8 frame[ETH_HLEN + MESSAGE_MAX];

	if (ip_len + len > ip_mtu(h))
		return;
	inet_group_mac(group, frame + ETHH_DEST);
	memcpy(frame + ETHH_SOURCE, h->dev.dev_addr, ETH_ALEN);
	store16(frame + ETHH_PROTO, inet_addr_is4(group) ? htons(ETH_P_IP) : htons(ETH_P_IPV6));
	memcpy(frame + ETH_HLEN, ip, ip_len);
	memcpy(frame + ETH_HLEN + ip_len, message, len);
	dev_xmit_frame(h, sd, frame, ETH_HLEN + ip_len + len);
}

static void flush(struct report *r)
{
	u16 records = htons((u16)r->records);

	if (!r->records)
		return;
	memcpy(r->data + MC_REPORT_NGREC, &records, 2);
	r->data[0] = r->v6 ? ICMPV6_MLD2_REPORT : IGMPV3_HOST_MEMBERSHIP_REPORT;
	if (r->v6)
		mld_send(r->h, r->sd, NULL, r->data, r->len);
	else
		igmp_send(r->h, r->sd, IGMPV3_ALL_MCR, r->data, r->len);
	r->records = 0;
}

static void add_record(struct report *r, u8 type, const struct inet_addr *group)
{
	u32 size = MC_GREC_HLEN + (r->v6 ? 16 : 4),
	    room = min_u32(ip_mtu(r->h), MESSAGE_MAX) - (r->v6 ? IP6_HDR : IP_HDR);
	u8 *at;

	if (r->records && r->len + size + (r->v6 ? 0 : 4) > room) /* IGMP keeps room for one source */
		flush(r);
	if (!r->records) {
		memset(r->data, 0, MC_REPORT_HLEN);
		r->len = MC_REPORT_HLEN;
	}
	at = r->data + r->len;
	memset(at, 0, MC_GREC_HLEN);
	at[0] = type;
	inet_addr_put(group, at + MC_GREC_HLEN);
	r->len += size;
	r->records++;
}

/* mc_send_state() - report one group; NULL: all */
void mc_send_state(struct host *h, struct softnet_data *sd, struct mc_family *f, const struct mc_group *only)
{
	struct report r = { .h = h, .sd = sd, .v6 = f == &h->mc.family[1] };

	for (const struct mc_group *g = only ? only : mc_next(f, NULL); g; g = only ? NULL : mc_next(f, g))
		if (!g->silent)
			add_record(&r, MC_MODE_IS_EXCLUDE, &g->addr);
	flush(&r);
}

/* mc_send_changes() - report the groups that were joined and left, the latest first, each as often as the robustness says */
void mc_send_changes(struct host *h, struct softnet_data *sd, struct mc_family *f)
{
	struct report r = { .h = h, .sd = sd, .v6 = f == &h->mc.family[1] };
	u32 left = 0;

	for (u32 i = f->ngone; i-- > 0;) {
		add_record(&r, MC_CHANGE_TO_INCLUDE, &f->gone[i].addr);
		f->gone[i].reports--;
	}
	for (u32 i = 0; i < f->ngone; i++)
		if (f->gone[i].reports)
			f->gone[left++] = f->gone[i];
	f->ngone = left;
	for (struct mc_group *g = mc_next(f, NULL); g; g = mc_next(f, g)) {
		if (!g->crcount)
			continue;
		add_record(&r, MC_CHANGE_TO_EXCLUDE, &g->addr);
		g->crcount--;
	}
	flush(&r);
}

/* mc_changed() - report changes soon, and again: the filter state of the interface has changed */
void mc_changed(struct host *h, struct softnet_data *sd, struct mc_family *f)
{
	f->ifc_count = f->qrv;
	f->ifc_ns = mc_later(h, host_now(h, sd), 1);
	mc_plan(h, f->ifc_ns);
}

/* mc_older_querier() - a querier of an older version is there: its hosts report no changes */
void mc_older_querier(struct mc_family *f)
{
	f->ifc_count = 0;
	f->ifc_ns = NEVER;
	f->ngone = 0;
}

/* ---- the timer ---- */

static u64 next_of(struct mc_family *f)
{
	u64 next = min_u64(f->gq_ns, f->ifc_ns);

	for (const struct mc_group *g = mc_next(f, NULL); g; g = mc_next(f, g))
		next = min_u64(next, g->timer_ns);
	return next;
}

void mc_timer(struct softnet_data *sd)
{
	struct host *h = sd->host;
	u64 next;

	cpu_lock(sd, &h->tx.lock);
	igmp_expire(h, sd);
	mld_expire(h, sd);
	next = min_u64(next_of(&h->mc.family[0]), next_of(&h->mc.family[1]));
	timer_answer(sd, TIMER_MC);
	cpu_unlock(sd, &h->tx.lock);
	if (next < sd->timer_ns[TIMER_MC])
		mod_timer(sd, TIMER_MC, next);
}

void mc_flush(struct host *h)
{
	for (u32 i = 0; i < ARRAY_SIZE(h->mc.family); i++) {
		struct mc_family *f = &h->mc.family[i];

		mc_older_querier(f);
		f->gq_ns = NEVER;
		for (struct mc_group *g = mc_next(f, NULL); g; g = mc_next(f, g)) {
			g->timer_ns = NEVER;
			g->crcount = g->unsolicited = 0;
		}
	}
	timer_answer(h->cpu[0], TIMER_MC);
	mod_timer(h->cpu[0], TIMER_MC, NEVER);
}
