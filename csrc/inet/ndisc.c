/* ndisc.c - neighbour discovery for IPv6. RFC 4861, RFC 4862; Linux: net/ipv6/ndisc.c
 *
 *   icmp.c -> ndisc_rcv(): a solicitation for us is answered and remembered; an advertisement goes to neigh.c
 *   neigh.c -> ndisc_send_ns(): who has it?
 *
 * Router solicitations and advertisements, redirects and the detection of duplicates of our own addresses are not there:
 * addresses and the gateway are given. What is wrong is ignored without a counter of its own, as RFC 4861 wants it.
 */
#include "prelude.h"

enum { SOLICIT = 135, ADVERT = 136, SOURCE_MAC = 1, TARGET_MAC = 2 };
#define NS_LEN 24u
#define MAC_OPTION_LEN 8u
#define LEN_MAX 256u /* of a message we look at: options behind that are nobody's */

/* RFC 4861, 7.1: whoever says this is on our link. */
int ndisc_good(const struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);

	return ip[7] == 255 && skb->len >= NS_LEN;
}

/* The MAC address of an option. *bad: an option's length cannot be */
static const u8 *mac_option(const u8 *m, u32 len, u8 type, bool *bad)
{
	const u8 *found = NULL;

	for (u32 at = NS_LEN; at + 2 <= len; at += m[at + 1] * 8u) {
		if (m[at + 1] == 0 || at + m[at + 1] * 8u > len) {
			*bad = true;
			return NULL;
		}
		if (m[at] == type && m[at + 1] == 1)
			found = m + at + 2;
	}
	return found;
}

static void send_message(struct host *h, struct softnet_data *sd, struct outgoing *o, u8 type, u32 flags,
			 const struct inet_addr *target, u8 option)
{
	o->proto = 58;
	o->ttl = 255;
	o->csum_offset = 2;
	o->head[0] = type;
	o->head[4] = (u8)(flags >> 24);
	inet_addr_put(target, o->head + 8);
	o->head[NS_LEN] = option;
	o->head[NS_LEN + 1] = 1;
	memcpy(o->head + NS_LEN + 2, h->dev.dev_addr, 6);
	o->head_len = NS_LEN + MAC_OPTION_LEN;
	COUNT(h->out_mib[Icmp6_OutMsgs], 1);
	ip_output_locked(h, sd, o);
}

/* ndisc_send_ns() - to target itself, whose MAC address was known, or to all who may have it (RFC 4291, 2.7.1) */
void ndisc_send_ns(struct host *h, struct softnet_data *sd, const struct inet_addr *target, const u8 *mac)
{
	struct outgoing o = { .dst = { 0xff02ull << 48, 0x1ff000000ull | (target->lo & 0xffffff) } };
	struct inet_addr via;
	const struct inet_net *net = ip_route(h, target, &via);

	if (mac)
		o.dst = *target;
	if (net)
		o.src = net->addr;
	send_message(h, sd, &o, SOLICIT, 0, target, SOURCE_MAC);
}

static void solicited(struct softnet_data *sd, const u8 *ip, const u8 *m, u32 len)
{
	struct host *h = sd->host;
	struct inet_addr target = inet_addr6(m + 8), src = inet_addr6(ip + 8), all = { 0xff02ull << 48, 1 };
	bool unspecified = !(src.hi | src.lo), bad = false;
	const u8 *mac = mac_option(m, len, SOURCE_MAC, &bad);
	struct outgoing o = { .src = target, .dst = unspecified ? all : src };

	if (bad || (unspecified && (mac || ip[24] != 0xff)) || !ip_local_net(h, &target))
		return;
	lock_if(sd->live, &h->tx.lock);
	if (mac && !unspecified)
		neigh_update(h, sd, &src, mac, NUD_STALE, 1, 1);
	send_message(h, sd, &o, ADVERT, unspecified ? 1u << 29 : 3u << 29, &target,
		     TARGET_MAC); /* solicited, override */
	unlock_if(sd->live, &h->tx.lock);
}

/* RFC 4861, 7.2.5 */
static void advertised(struct softnet_data *sd, const u8 *ip, const u8 *m, u32 len)
{
	struct host *h = sd->host;
	struct inet_addr target = inet_addr6(m + 8);
	bool bad = false, is_solicited = m[4] >> 6 & 1, override = m[4] >> 5 & 1;
	const u8 *mac = mac_option(m, len, TARGET_MAC, &bad);
	struct neighbour *n;

	if (bad || (is_solicited && ip[24] == 0xff) || ip_local_net(h, &target))
		return;
	lock_if(sd->live, &h->tx.lock);
	n = neigh_lookup(h, &target);
	if (n && !mac && n->state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE))
		mac = n->mac;
	if (mac)
		neigh_update(h, sd, &target, mac, is_solicited ? NUD_REACHABLE : NUD_STALE, 0,
			     override || (n && n->state == NUD_INCOMPLETE));
	unlock_if(sd->live, &h->tx.lock);
}

void ndisc_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);
	u32 len = min_u32(skb->len, LEN_MAX);
	u8 m[LEN_MAX];

	skb_copy_bits(skb, 0, m, len);
	if (m[1] != 0 || m[8] == 0xff) /* code; the target is no group */
		return;
	if (m[0] == SOLICIT)
		solicited(sd, ip, m, len);
	else
		advertised(sd, ip, m, len);
}
