/* ndisc.c - neighbour discovery for IPv6. RFC 4861, RFC 4862; Linux: net/ipv6/ndisc.c
 *
 *   icmp.c -> ndisc_rcv(): a solicitation for us is answered, its sender remembered; an advertisement goes to neigh.c
 *   neigh.c -> ndisc_send_ns(): a solicitation
 *
 * Left out: router solicitations and advertisements, redirects, detection of duplicate addresses. The user gives addresses
 * and gateway. Bad messages are ignored without a counter of their own, as RFC 4861 demands.
 */
#include "prelude.h"

#define MAC_OPTION_LEN 8u
#define LEN_MAX 256u /* bytes of a message that are examined */

/* RFC 4861 section 7.1: no router has forwarded it. */
int ndisc_good(const struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);

	return ip[IPV6H_HOP_LIMIT] == ND_HOP_LIMIT && skb->len >= ND_HLEN;
}

/* Find the MAC address in an option. *bad: set if an option's length is impossible */
static const u8 *mac_option(const u8 *m, u32 len, u8 type, bool *bad)
{
	const u8 *found = NULL;

	for (u32 at = ND_HLEN; at + 2 <= len; at += m[at + ND_OPT_LEN] * 8u) {
		if (m[at + ND_OPT_LEN] == 0 || at + m[at + ND_OPT_LEN] * 8u > len) {
			*bad = true;
			return NULL;
		}
		if (m[at + ND_OPT_TYPE] == type && m[at + ND_OPT_LEN] == 1)
			found = m + at + ND_OPT_DATA;
	}
	return found;
}

static void send_message(struct host *h, struct softnet_data *sd, struct outgoing *o, u8 type, u8 flags,
			 const struct inet_addr *target, u8 option)
{
	o->proto = IPPROTO_ICMPV6;
	o->ttl = ND_HOP_LIMIT;
	o->csum_offset = ICMPH_CHECKSUM;
	o->head[ICMPH_TYPE] = type;
	o->head[NDH_FLAGS] = flags;
	inet_addr_put(target, o->head + NDH_TARGET);
	o->head[ND_HLEN + ND_OPT_TYPE] = option;
	o->head[ND_HLEN + ND_OPT_LEN] = MAC_OPTION_LEN / 8;
	memcpy(o->head + ND_HLEN + ND_OPT_DATA, h->dev.dev_addr, ETH_ALEN);
	o->head_len = ND_HLEN + MAC_OPTION_LEN;
	COUNT(h->out_mib[Icmp6_OutMsgs], 1);
	ip_output_locked(h, sd, o);
}

/* ndisc_send_ns() - ask for target's MAC address. mac NULL: not known, so ask its group (RFC 4291 section 2.7.1) */
void ndisc_send_ns(struct host *h, struct softnet_data *sd, const struct inet_addr *target, const u8 *mac)
{
	struct outgoing o = { .dst = { 0xff02ull << 48, 0x1ff000000ull | (target->lo & 0xffffff) } };
	struct inet_addr via;
	const struct inet_net *net = ip_route(h, target, &via);

	if (mac)
		o.dst = *target;
	if (net)
		o.src = net->addr;
	send_message(h, sd, &o, NDISC_NEIGHBOUR_SOLICITATION, 0, target, ND_OPT_SOURCE_LL_ADDR);
}

static void solicited(struct softnet_data *sd, const u8 *ip, const u8 *m, u32 len)
{
	struct host *h = sd->host;
	struct inet_addr target = inet_addr6(m + NDH_TARGET), src = inet_addr6(ip + IPV6H_SADDR),
			 all = { 0xff02ull << 48, 1 };
	bool unspecified = !(src.hi | src.lo), bad = false;
	const u8 *mac = mac_option(m, len, ND_OPT_SOURCE_LL_ADDR, &bad);
	struct outgoing o = { .src = target, .dst = unspecified ? all : src };

	if (bad || (unspecified && (mac || !is_multicast6(ip + IPV6H_DADDR))) || !ip_local_net(h, &target))
		return;
	cpu_lock(sd, &h->tx.lock);
	if (mac && !unspecified)
		neigh_update(h, sd, &src, mac, NUD_STALE, 1, 1);
	send_message(h, sd, &o, NDISC_NEIGHBOUR_ADVERTISEMENT,
		     unspecified ? ND_NA_OVERRIDE : ND_NA_SOLICITED | ND_NA_OVERRIDE, &target, ND_OPT_TARGET_LL_ADDR);
	cpu_unlock(sd, &h->tx.lock);
}

/* RFC 4861 section 7.2.5 */
static void advertised(struct softnet_data *sd, const u8 *ip, const u8 *m, u32 len)
{
	struct host *h = sd->host;
	struct inet_addr target = inet_addr6(m + NDH_TARGET);
	bool bad = false, is_solicited = m[NDH_FLAGS] & ND_NA_SOLICITED, override = m[NDH_FLAGS] & ND_NA_OVERRIDE;
	const u8 *mac = mac_option(m, len, ND_OPT_TARGET_LL_ADDR, &bad);
	struct neighbour *n;

	if (bad || (is_solicited && is_multicast6(ip + IPV6H_DADDR)) || ip_local_net(h, &target))
		return;
	cpu_lock(sd, &h->tx.lock);
	n = neigh_lookup(h, &target);
	if (n && !mac && n->state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE))
		mac = n->mac;
	if (mac)
		neigh_update(h, sd, &target, mac, is_solicited ? NUD_REACHABLE : NUD_STALE, 0,
			     override || (n && n->state == NUD_INCOMPLETE));
	cpu_unlock(sd, &h->tx.lock);
}

void ndisc_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);
	u32 len = min_u32(skb->len, LEN_MAX);
	u8 m[LEN_MAX];

	skb_copy_bits(skb, 0, m, len);
	if (m[ICMPH_CODE] != 0 || is_multicast6(m + NDH_TARGET))
		return;
	if (m[ICMPH_TYPE] == NDISC_NEIGHBOUR_SOLICITATION)
		solicited(sd, ip, m, len);
	else
		advertised(sd, ip, m, len);
}
