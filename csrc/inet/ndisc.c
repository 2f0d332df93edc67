/* ndisc.c - neighbour discovery for IPv6. RFC 4861, RFC 4862, RFC 6980; Linux: net/ipv6/ndisc.c
 *
 *   icmpv6.c -> ndisc_rcv(): is the message valid? A solicitation for us is answered, its sender remembered; an
 *                            advertisement goes to neigh.c
 *   neigh.c -> ndisc_solicit(): a solicitation
 *
 * A router's advertisement makes its sender known, and no more. A host without addresses of its own (a replay) checks the
 * messages, and neither learns nor answers.
 */
#include "prelude.h"

#define MAC_OPTION_LEN 8u

/**
 * struct nd_options - the first option of each kind, NULL: none
 */
struct nd_options {
	const u8 *source, *target, *redirected, *nonce;
};

/* Find the options behind the first off bytes of a message. Return: false: they do not end where the message ends */
static bool parse_options(const u8 *m, u32 off, u32 len, struct nd_options *o)
{
	*o = (struct nd_options){ 0 };
	while (off < len) {
		const u8 *opt = m + off, **found = NULL;
		u32 size;

		if (len - off < ND_OPT_DATA)
			return false;
		size = opt[ND_OPT_LEN] * EXTH_UNIT;
		if (!size || size > len - off)
			return false;
		if (opt[ND_OPT_TYPE] == ND_OPT_SOURCE_LL_ADDR)
			found = &o->source;
		else if (opt[ND_OPT_TYPE] == ND_OPT_TARGET_LL_ADDR)
			found = &o->target;
		else if (opt[ND_OPT_TYPE] == ND_OPT_REDIRECT_HDR)
			found = &o->redirected;
		else if (opt[ND_OPT_TYPE] == ND_OPT_NONCE)
			found = &o->nonce;
		if (found && !*found)
			*found = opt;
		off += size;
	}
	return true;
}

/* The MAC address in an option. Return: false: it is no address of Ethernet. No option: *mac is NULL */
static bool mac_of(const u8 *opt, const u8 **mac)
{
	*mac = opt ? opt + ND_OPT_DATA : NULL;
	return !opt || opt[ND_OPT_LEN] == MAC_OPTION_LEN / EXTH_UNIT;
}

/* ff02::1:ff00:0/104 */
static bool is_solicited_group(const u8 *addr)
{
	struct inet_addr a = inet_addr6(addr);

	return a.hi == 0xff02ull << 48 && a.lo >> 24 == 0x1ff;
}

/* Find the address of ours that a message names. ::ffff:a.b.c.d is how the tables keep IPv4. */
static struct inet_net *our_net(struct host *h, const struct inet_addr *a)
{
	const struct inet_net *net = inet_addr_is4(a) ? NULL : ip_local_net(h, a);

	return net ? &h->ip[net - h->ip] : NULL;
}

/* Has the link returned our own probe? */
static bool is_echo(const struct host *h, const struct inet_addr *target, const u8 *nonce)
{
	u64 ours = addrconf_nonce(h, target);

	return nonce && nonce[ND_OPT_LEN] == 1 && memcmp(nonce + ND_OPT_DATA, &ours, NONCE_LEN) == 0;
}

/* RFC 4861 section 7.1.1, 7.2.3 */
static enum fate solicited(struct softnet_data *sd, const u8 *ip, const u8 *m, u32 len)
{
	struct host *h = sd->host;
	struct inet_addr target, src = inet_addr6(ip + IPV6H_SADDR);
	bool unspecified = !(src.hi | src.lo), to_group = is_multicast6(ip + IPV6H_DADDR);
	struct nd_options opts;
	struct inet_net *net;
	struct neighbour *n;
	const u8 *mac;

	if (len < ND_HLEN)
		return PKT_TOO_SMALL;
	target = inet_addr6(m + NDH_TARGET);
	if (is_multicast6(m + NDH_TARGET) || (unspecified && !is_solicited_group(ip + IPV6H_DADDR)))
		return NDISC_NO_NEWS;
	if (!parse_options(m, ND_HLEN, len, &opts))
		return IPV6_NDISC_BAD_OPTIONS;
	if (!mac_of(opts.source, &mac) || (mac && unspecified))
		return NDISC_NO_NEWS;
	if (!h->answers)
		return DELIVERED_ICMPV6;
	net = our_net(h, &target);
	if (!net)
		return IPV6_NDISC_NS_OTHERHOST;
	if (net->flags & NET_TENTATIVE) { /* not ours yet: who asks for it too has it as little as we */
		if (unspecified && !is_echo(h, &target, opts.nonce))
			net->flags |= NET_DADFAILED;
		return NDISC_NO_NEWS;
	}
	if (unspecified) { /* another host wants our address */
		ndisc_advertise(h, sd, &target, &src, true);
		return NDISC_NO_NEWS;
	}
	COUNT(*(to_group ? &h->neigh.rcv_probes_mcast : &h->neigh.rcv_probes_ucast), 1);
	n = !to_group || mac ? neigh_get(h, &src, host_now(h, sd)) : neigh_lookup(h, &src);
	if (!n)
		return NDISC_NO_NEWS;
	neigh_update(h, sd, n, mac, NUD_STALE, NEIGH_WEAK_OVERRIDE | NEIGH_OVERRIDE);
	ndisc_advertise(h, sd, &target, &src, to_group);
	return DELIVERED_ICMPV6;
}

/* RFC 4861 section 7.1.2, 7.2.5 */
static enum fate advertised(struct softnet_data *sd, const u8 *ip, const u8 *m, u32 len)
{
	struct host *h = sd->host;
	struct inet_addr target;
	bool answer = m[NDH_FLAGS] & ND_NA_SOLICITED;
	struct nd_options opts;
	bool was_router;
	struct inet_net *net;
	struct neighbour *n;
	const u8 *mac;

	if (len < ND_HLEN)
		return PKT_TOO_SMALL;
	target = inet_addr6(m + NDH_TARGET);
	if (is_multicast6(m + NDH_TARGET) || (answer && is_multicast6(ip + IPV6H_DADDR)))
		return NDISC_NO_NEWS;
	if (!parse_options(m, ND_HLEN, len, &opts))
		return IPV6_NDISC_BAD_OPTIONS;
	if (!mac_of(opts.target, &mac))
		return NDISC_NO_NEWS;
	if (!h->answers)
		return DELIVERED_ICMPV6;
	net = our_net(h, &target);
	if (net && net->flags & NET_TENTATIVE)
		net->flags |= NET_DADFAILED;
	n = net || inet_addr_is4(&target) ? NULL : neigh_lookup(h, &target);
	if (!n || n->state == NUD_FAILED)
		return NDISC_NO_NEWS;
	was_router = n->flags & NTF_ROUTER;
	neigh_update(h, sd, n, mac, answer ? NUD_REACHABLE : NUD_STALE,
		     NEIGH_WEAK_OVERRIDE | NEIGH_SAYS_ROUTER | (m[NDH_FLAGS] & ND_NA_OVERRIDE ? NEIGH_OVERRIDE : 0) |
			     (m[NDH_FLAGS] & ND_NA_ROUTER ? NEIGH_ROUTER : 0));
	if (was_router && !(n->flags & NTF_ROUTER)) {
		struct inet_addr src = inet_addr6(ip + IPV6H_SADDR);

		addrconf_no_router(h, &src);
	}
	return DELIVERED_ICMPV6;
}

/* RFC 4861 section 6.1.2. The sender of one is a router and a neighbour, also if we do not listen to routers. */
static enum fate router_advertised(struct softnet_data *sd, const u8 *ip, const u8 *m, u32 len)
{
	struct host *h = sd->host;
	struct inet_addr src = inet_addr6(ip + IPV6H_SADDR);
	u64 now = host_now(h, sd);
	struct nd_options opts;
	struct neighbour *n;
	const u8 *mac;

	if (!is_link_local6(&src))
		return NDISC_NO_NEWS;
	if (len < RA_HLEN)
		return PKT_TOO_SMALL;
	if (!parse_options(m, RA_HLEN, len, &opts))
		return IPV6_NDISC_BAD_OPTIONS;
	if (!h->answers)
		return DELIVERED_ICMPV6;
	n = neigh_get(h, &src, now);
	if (n && h->addrconf.accept_ra && addrconf_router(h, &src, m, now))
		n->flags |= NTF_ROUTER;
	if (n && !mac_of(opts.source, &mac))
		return NDISC_NO_NEWS;
	if (n)
		neigh_update(h, sd, n, mac, NUD_STALE,
			     NEIGH_WEAK_OVERRIDE | NEIGH_OVERRIDE | NEIGH_SAYS_ROUTER | NEIGH_ROUTER);
	if (h->addrconf.accept_ra)
		addrconf_options(h, &src, m, len, now);
	return n ? DELIVERED_ICMPV6 : NDISC_NO_NEWS;
}

/* Return: whether packets to dst may go by this router now. RFC 4861 section 8.1: others have no say. As Linux, it does not
 * ask whether dst is on the link anyhow. */
static bool is_first_hop(const struct host *h, const struct inet_addr *router, const struct inet_addr *dst, u64 now)
{
	const struct route_exception *e = ip_route_exception(h, dst, now);

	return (e && addr_equal(&e->gateway, router)) || addr_equal(&h->gateway[1], router) ||
	       ra_is_router(h, router, now);
}

/* Take a redirect that is valid in itself: know the better first hop, and send to it. */
static void redirect(struct host *h, struct softnet_data *sd, const u8 *ip, const u8 *m, const u8 *mac)
{
	struct inet_addr src = inet_addr6(ip + IPV6H_SADDR), target = inet_addr6(m + NDH_TARGET),
			 dst = inet_addr6(m + RDH_DEST);
	bool on_link = addr_equal(&target, &dst);
	u64 now = host_now(h, sd);
	struct inet_addr nexthop;
	struct neighbour *n;

	if (is_multicast6(m + RDH_DEST) || inet_addr_is4(&dst) || (!on_link && !is_link_local6(&target)) ||
	    !is_first_hop(h, &src, &dst, now))
		return;
	n = neigh_get(h, &target, now);
	if (!n)
		return;
	neigh_update(h, sd, n, mac, NUD_STALE,
		     NEIGH_WEAK_OVERRIDE | NEIGH_OVERRIDE | (on_link ? 0 : NEIGH_SAYS_ROUTER | NEIGH_ROUTER));
	if (!ip_local_net(h, &dst) && ip_route(h, &dst, &nexthop) && !addr_equal(&nexthop, &dst))
		ip6_route_redirect(h, &dst, &target, now);
}

/* A redirect quotes the packet that it is about, or says only where it went. Linux follows one that quotes ICMPv6; a socket
 * that is bound to no device heeds none. */
static enum fate redirected(struct softnet_data *sd, struct sk_buff *skb, const u8 *m)
{
	const u8 *ip = skb_network_header(skb), *mac;
	struct inet_addr src = inet_addr6(ip + IPV6H_SADDR);
	struct host *h = sd->host;
	u32 frag_off;
	struct nd_options opts;
	enum fate fate = NDISC_NO_NEWS;

	if (!is_link_local6(&src))
		return NDISC_NO_NEWS;
	if (skb->len < RD_HLEN || !parse_options(m, RD_HLEN, skb->len, &opts))
		return IPV6_NDISC_BAD_OPTIONS;
	if (!h->answers)
		return DELIVERED_ICMPV6;
	if (opts.redirected) {
		u32 quote = (u32)(opts.redirected - m) + EXTH_UNIT;
		u8 next;

		fate = icmpv6_notify(sd, skb, quote);
		if (fate != DELIVERED_ICMPV6)
			return fate;
		skb_copy_bits(skb, quote + IPV6H_NEXTHDR, &next, 1);
		if (ipv6_skip_exthdr(skb, (int)(quote + IPV6_HLEN), &next, &frag_off) < 0 || next != IPPROTO_ICMPV6)
			return fate;
	}
	if (!mac_of(opts.target, &mac))
		return fate;
	cpu_lock(sd, &h->tx.lock);
	redirect(h, sd, ip, m, mac);
	cpu_unlock(sd, &h->tx.lock);
	return fate;
}

/* ndisc_rcv() - take an ICMPv6 message of types 133 to 137 whose checksum is right, data at its header; skb stays the
 * caller's. Takes the lock of driver_tx. Return: its fate */
enum fate ndisc_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	struct host *h = sd->host;
	const u8 *ip = skb_network_header(skb), *m = skb->data;
	enum fate fate;

	if (unlikely(skb->flags & SKB_FRAGMENTED))
		return IPV6_NDISC_FRAG;
	if (ip[IPV6H_HOP_LIMIT] != ND_HOP_LIMIT) /* a router has forwarded it */
		return IPV6_NDISC_HOP_LIMIT;
	if (unlikely(skb->len > skb->head_len)) { /* in several buffers */
		if (skb->len > IP_LEN_MAX || !sd->scratch)
			return NDISC_NO_NEWS;
		skb_copy_bits(skb, 0, sd->scratch, skb->len);
		m = sd->scratch;
	}
	if (m[ICMPH_CODE] != 0)
		return IPV6_NDISC_BAD_CODE;
	if (m[ICMPH_TYPE] == NDISC_REDIRECT)
		return redirected(sd, skb, m);
	cpu_lock(sd, &h->tx.lock);
	switch (m[ICMPH_TYPE]) {
	case NDISC_NEIGHBOUR_SOLICITATION:
		fate = solicited(sd, ip, m, skb->len);
		break;
	case NDISC_NEIGHBOUR_ADVERTISEMENT:
		fate = advertised(sd, ip, m, skb->len);
		break;
	case NDISC_ROUTER_ADVERTISEMENT:
		fate = router_advertised(sd, ip, m, skb->len);
		break;
	default: /* a router solicitation: we are no router */
		fate = h->answers ? NDISC_NO_NEWS : DELIVERED_ICMPV6;
		break;
	}
	cpu_unlock(sd, &h->tx.lock);
	return fate;
}
