/* mc_groups.c - the multicast groups that this host has joined, of both families. Linux: net/ipv4/igmp.c, net/ipv6/mcast.c
 *
 *   Python: sock_mc_join(), sock_mc_leave(), sock_mc_close() -> mc_inc(), mc_dec() -> the card's filter, and
 *                                                               igmp.c, mcast.c: tell the routers
 *   ip.c, ipv6.c -> mc_joined(): is a datagram to this group for us?
 *   CPU 0's timer -> mc_timer() -> igmp_expire(), mld_expire() -> records of the groups -> igmp_send(), mld_send()
 *
 * A group has as many users as sockets have joined it, and one if the host itself has: 224.0.0.1, ff02::1, the
 * solicited-node groups of its addresses. The lock of driver_tx guards all of it, because every change may send. Readers
 * take no lock: they look again if the table has changed meanwhile.
 */
#include "prelude.h"

#define NONE 0u /* index of no group, no membership: the arrays' first elements are unused */

/* ---- the table ---- */

static u32 bucket_of(const struct inet_addr *a)
{
	return (u32)((a->hi ^ a->lo) * 0x9e3779b97f4a7c15u >> 56);
}

static u32 find(const struct mc_family *f, const struct inet_addr *a)
{
	u32 i = READ_ONCE(f->hash[bucket_of(a)]);

	/* A reader beside a writer may follow a link to another bucket; a table has no more links than groups. */
	for (u32 n = 0; i != NONE && n < MC_GROUPS_MAX; n++, i = READ_ONCE(f->group[i].hash_next))
		if (READ_ONCE(f->group[i].addr.lo) == a->lo && READ_ONCE(f->group[i].addr.hi) == a->hi)
			return i;
	return NONE;
}

int mc_joined(const struct host *h, const struct inet_addr *group)
{
	const struct mc_family *f = &h->mc.family[!inet_addr_is4(group)];
	u32 seq, found;

	do {
		seq = seq_read_begin(&h->mc.seq);
		found = find(f, group);
	} while (seq_read_again(&h->mc.seq, seq));
	return found != NONE;
}

static u32 take_group(struct mc_family *f)
{
	u32 i = f->free;

	if (i != NONE)
		f->free = f->group[i].hash_next;
	else if (f->used < MC_GROUPS_MAX)
		i = ++f->used;
	return i;
}

static struct mc_group *insert(struct mc_state *mc, struct mc_family *f, const struct inet_addr *a)
{
	u32 i = take_group(f);
	u16 *bucket = &f->hash[bucket_of(a)];
	struct mc_group *g = &f->group[i];

	if (i == NONE)
		return NULL;
	seq_write_begin(&mc->seq);
	*g = (struct mc_group){ .addr = *a, .timer_ns = NEVER, .hash_next = *bucket, .older = f->newest };
	if (f->newest != NONE)
		f->group[f->newest].newer = (u16)i;
	f->newest = (u16)i;
	WRITE_ONCE(*bucket, (u16)i);
	seq_write_end(&mc->seq);
	return g;
}

static void take_out(struct mc_state *mc, struct mc_family *f, struct mc_group *g)
{
	u32 i = (u32)(g - f->group);
	u16 *link = &f->hash[bucket_of(&g->addr)];

	seq_write_begin(&mc->seq);
	while (*link != i)
		link = &f->group[*link].hash_next;
	WRITE_ONCE(*link, g->hash_next);
	if (g->newer != NONE)
		f->group[g->newer].older = g->older;
	else
		f->newest = g->older;
	if (g->older != NONE)
		f->group[g->older].newer = g->newer;
	g->hash_next = (u16)f->free;
	f->free = (u16)i;
	seq_write_end(&mc->seq);
}

struct mc_group *mc_find(struct mc_family *f, const struct inet_addr *a)
{
	u32 i = find(f, a);

	return i == NONE ? NULL : &f->group[i];
}

struct mc_group *mc_next(struct mc_family *f, const struct mc_group *g)
{
	u32 i = g ? g->older : f->newest;

	return i == NONE ? NULL : &f->group[i];
}

int mc_init(struct mc_state *mc)
{
	for (u32 i = 0; i < ARRAY_SIZE(mc->family); i++) {
		struct mc_family *f = &mc->family[i];

		f->group = calloc(MC_GROUPS_MAX + 1, sizeof(*f->group));
		if (!f->group)
			return -ENOMEM;
		f->gq_ns = f->ifc_ns = NEVER;
	}
	mc->member = calloc(MC_MEMBERS_MAX + 1, sizeof(*mc->member));
	return mc->member ? 0 : -ENOMEM;
}

void mc_exit(struct mc_state *mc)
{
	for (u32 i = 0; i < ARRAY_SIZE(mc->family); i++)
		free(mc->family[i].group);
	free(mc->member);
}

/* ---- the card's filter ---- */

static bool is_listed(const struct mac_filter *mf, const u8 *mac)
{
	for (u32 i = 0; i < mf->nmc; i++)
		if (memcmp(mf->mc[i], mac, ETH_ALEN) == 0)
			return true;
	return false;
}

/* Let the card take what the host has joined. More addresses than it can hold: all groups, as drivers do it. */
static void set_filter(struct host *h)
{
	struct mac_filter *mf = &h->nic.filter;

	seq_write_begin(&mf->mc_seq);
	mf->nmc = 0;
	mf->mc_overflow = 0;
	for (u32 i = 0; i < ARRAY_SIZE(h->mc.family); i++) {
		struct mc_family *f = &h->mc.family[i];

		for (struct mc_group *g = mc_next(f, NULL); g && !mf->mc_overflow; g = mc_next(f, g)) {
			u8 mac[ETH_ALEN];

			inet_group_mac(&g->addr, mac);
			if (mc_scope6(&g->addr) < MC_SCOPE_LINK_LOCAL || is_listed(mf, mac))
				continue;
			mf->mc_overflow = mf->nmc == ARRAY_SIZE(mf->mc);
			if (!mf->mc_overflow)
				memcpy(mf->mc[mf->nmc++], mac, ETH_ALEN);
		}
	}
	seq_write_end(&mf->mc_seq);
}

/* ---- joining and leaving ---- */

/* RFC 4291 section 2.7. An IPv4 group counts as link-local: its packets do go onto the wire. */
u32 mc_scope6(const struct inet_addr *group)
{
	return inet_addr_is4(group) ? MC_SCOPE_LINK_LOCAL : (u32)(group->hi >> 48) & 15;
}

static bool is_all_hosts(const struct inet_addr *a)
{
	return inet_addr_is4(a) ? (u32)a->lo == INADDR_ALLHOSTS_GROUP : a->hi == 0xff02ull << 48 && a->lo == 1;
}

static int mc_inc(struct host *h, struct softnet_data *sd, const struct inet_addr *a)
{
	bool v6 = !inet_addr_is4(a);
	struct mc_family *f = &h->mc.family[v6];
	struct mc_group *g = mc_find(f, a);

	if (g) {
		g->users++;
		return 0;
	}
	g = insert(&h->mc, f, a);
	if (!g)
		return v6 ? -ENOMEM : -ENOBUFS;
	g->users = 1;
	g->silent = !h->answers || is_all_hosts(a) || mc_scope6(a) < MC_SCOPE_LINK_LOCAL;
	mc_gone_forget(f, a);
	set_filter(h);
	if (g->silent)
		return 0;
	if (v6)
		igmp6_group_added(h, sd, g);
	else
		igmp_group_added(h, sd, g);
	return 0;
}

static void mc_dec(struct host *h, struct softnet_data *sd, const struct inet_addr *a)
{
	bool v6 = !inet_addr_is4(a);
	struct mc_family *f = &h->mc.family[v6];
	struct mc_group *g = mc_find(f, a);
	struct mc_group gone;

	if (!g || --g->users)
		return;
	gone = *g;
	take_out(&h->mc, f, g);
	set_filter(h);
	if (gone.silent)
		return;
	if (v6)
		igmp6_group_dropped(h, sd, &gone);
	else
		igmp_group_dropped(h, sd, &gone);
}

static void join_solicited(struct host *h, bool link_local)
{
	for (u32 i = 0; i < h->nips; i++) {
		const struct inet_addr *a = &h->ip[i].addr;
		struct inet_addr group = { 0xff02ull << 48, 0x1ff000000ull | (a->lo & 0xffffff) };

		if (!inet_addr_is4(a) && is_link_local6(a) == link_local)
			mc_inc(h, NULL, &group);
	}
}

void mc_start(struct host *h)
{
	struct inet_addr all4 = { 0, 0xffffull << 32 | INADDR_ALLHOSTS_GROUP }, all6 = { 0xff02ull << 48, 1 },
			 own6 = { 0xff01ull << 48, 1 };

	mc_reset(&h->mc.family[0]);
	mc_reset(&h->mc.family[1]);
	mc_inc(h, NULL, &all4);
	mc_inc(h, NULL, &own6);
	mc_inc(h, NULL, &all6);
	join_solicited(h, true); /* Linux makes the link-local address first, when the link comes up */
	join_solicited(h, false);
}

/* ---- sockets ---- */

static u32 *membership(struct mc_state *mc, struct sock *sk, const struct inet_addr *group, u32 *of_family)
{
	bool v4 = inet_addr_is4(group);
	u32 *link = &sk->mc_list;

	for (*of_family = 0; *link != NONE && !addr_equal(&mc->member[*link].group, group);
	     link = &mc->member[*link].next)
		*of_family += inet_addr_is4(&mc->member[*link].group) == v4;
	return link;
}

static int join_locked(struct host *h, struct sock *sk, const struct inet_addr *group)
{
	struct mc_state *mc = &h->mc;
	u32 n, i = mc->members_free;
	int rc;

	if (*membership(mc, sk, group, &n) != NONE)
		return -EADDRINUSE;
	if (inet_addr_is4(group) && n >= IGMP_MAX_MEMBERSHIPS)
		return -ENOBUFS;
	if (i == NONE && mc->members_used == MC_MEMBERS_MAX)
		return inet_addr_is4(group) ? -ENOBUFS : -ENOMEM;
	rc = mc_inc(h, NULL, group);
	if (rc < 0)
		return rc;
	if (i != NONE)
		mc->members_free = mc->member[i].next;
	else
		i = ++mc->members_used;
	seq_write_begin(&mc->seq);
	mc->member[i] = (struct mc_member){ .group = *group, .next = sk->mc_list };
	WRITE_ONCE(sk->mc_list, i);
	seq_write_end(&mc->seq);
	return 0;
}

static void leave_locked(struct host *h, u32 *link)
{
	struct mc_state *mc = &h->mc;
	u32 i = *link;
	struct inet_addr group = mc->member[i].group;

	seq_write_begin(&mc->seq);
	WRITE_ONCE(*link, mc->member[i].next);
	mc->member[i].next = mc->members_free;
	mc->members_free = i;
	seq_write_end(&mc->seq);
	mc_dec(h, NULL, &group);
}

int sock_mc_join(struct host *h, struct sock *sk, const struct inet_addr *group)
{
	int rc;

	lock_if(h->live, &h->tx.lock);
	rc = sk->closed ? -EBADF : join_locked(h, sk, group);
	unlock_if(h->live, &h->tx.lock);
	return rc;
}

int sock_mc_leave(struct host *h, struct sock *sk, const struct inet_addr *group)
{
	u32 n, *link;

	lock_if(h->live, &h->tx.lock);
	link = membership(&h->mc, sk, group, &n);
	n = *link;
	if (n != NONE)
		leave_locked(h, link);
	unlock_if(h->live, &h->tx.lock);
	return n == NONE ? -EADDRNOTAVAIL : 0;
}

void sock_mc_close(struct host *h, struct sock *sk)
{
	lock_if(h->live, &h->tx.lock);
	while (sk->mc_list != NONE)
		leave_locked(h, &sk->mc_list);
	unlock_if(h->live, &h->tx.lock);
}

int sock_mc_allows(const struct host *h, const struct sock *sk, const struct inet_addr *group)
{
	const struct mc_state *mc = &h->mc;
	u32 seq, i;

	if (likely(!(READ_ONCE(sk->mc_only) & (inet_addr_is4(group) ? MC_ONLY_IP : MC_ONLY_IPV6))))
		return 1;
	do {
		seq = seq_read_begin(&mc->seq);
		i = READ_ONCE(sk->mc_list);
		for (u32 n = 0; i != NONE && n < MC_MEMBERS_MAX && !addr_equal(&mc->member[i].group, group); n++)
			i = READ_ONCE(mc->member[i].next);
	} while (seq_read_again(&mc->seq, seq));
	return i != NONE;
}
