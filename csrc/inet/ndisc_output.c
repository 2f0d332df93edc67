/* ndisc_output.c - what neighbour discovery sends. RFC 4861, RFC 7527; Linux: net/ipv6/ndisc.c
 *
 *   neigh.c -> ndisc_solicit(): a solicitation; ndisc.c -> ndisc_advertise(): the answer to one
 *   autoconf.c -> ndisc_dad(), ndisc_send_rs(): probes for an address, questions to routers
 */
#include "prelude.h"

#define MAC_OPTION_LEN 8u

static void put_mac(const struct host *h, struct outgoing *o, u8 option)
{
	u8 *opt = o->head + o->head_len;

	opt[ND_OPT_TYPE] = option;
	opt[ND_OPT_LEN] = MAC_OPTION_LEN / EXTH_UNIT;
	memcpy(opt + ND_OPT_DATA, h->dev.dev_addr, ETH_ALEN);
	o->head_len += MAC_OPTION_LEN;
}

static struct outgoing about(const struct inet_addr *target)
{
	struct outgoing o = { .head_len = ND_HLEN };

	inet_addr_put(target, o.head + NDH_TARGET);
	return o;
}

static void send_message(struct host *h, struct softnet_data *sd, struct outgoing *o, u8 type)
{
	o->proto = IPPROTO_ICMPV6;
	o->ttl = ND_HOP_LIMIT;
	o->onlink = 1;
	o->csum_offset = ICMPH_CHECKSUM;
	o->head[ICMPH_TYPE] = type;
	if (ip_output_locked(h, sd, o) < 0)
		return;
	COUNT(h->out_mib[Icmp6_OutMsgs], 1);
	COUNT(h->out_mib[Icmp6_OutRouterSolicits], type == NDISC_ROUTER_SOLICITATION);
	COUNT(h->out_mib[Icmp6_OutNeighborSolicits], type == NDISC_NEIGHBOUR_SOLICITATION);
	COUNT(h->out_mib[Icmp6_OutNeighborAdvertisements], type == NDISC_NEIGHBOUR_ADVERTISEMENT);
}

/* RFC 4291 section 2.7.1 */
static struct inet_addr solicited_group(const struct inet_addr *target)
{
	return (struct inet_addr){ 0xff02ull << 48, 0x1ff000000ull | (target->lo & 0xffffff) };
}

/* ndisc_solicit() - ask for target's MAC address. mac: NULL: not known, so ask its group. src: NULL: our link-local address */
void ndisc_solicit(struct host *h, struct softnet_data *sd, const struct inet_addr *target, const u8 *mac,
		   const struct inet_addr *src)
{
	struct outgoing o = about(target);

	if (!src)
		src = ipv6_link_local(h);
	if (!src)
		return;
	o.src = *src;
	o.dst = mac ? *target : solicited_group(target);
	put_mac(h, &o, ND_OPT_SOURCE_LL_ADDR);
	send_message(h, sd, &o, NDISC_NEIGHBOUR_SOLICITATION);
}

/* ndisc_dad() - ask whether another host has an address that we want */
void ndisc_dad(struct host *h, struct softnet_data *sd, const struct inet_addr *target)
{
	struct outgoing o = about(target);
	u64 nonce = addrconf_nonce(h, target);
	u8 *opt = o.head + ND_HLEN;

	o.dst = solicited_group(target);
	o.unspecified = 1;
	opt[ND_OPT_TYPE] = ND_OPT_NONCE;
	opt[ND_OPT_LEN] = 1;
	memcpy(opt + ND_OPT_DATA, &nonce, NONCE_LEN);
	o.head_len += EXTH_UNIT;
	send_message(h, sd, &o, NDISC_NEIGHBOUR_SOLICITATION);
}

/* ndisc_send_rs() - ask all routers */
void ndisc_send_rs(struct host *h, struct softnet_data *sd, const struct inet_addr *src)
{
	struct outgoing o = { .src = *src, .dst = { 0xff02ull << 48, 2 }, .head_len = ICMP_HLEN };

	put_mac(h, &o, ND_OPT_SOURCE_LL_ADDR);
	send_message(h, sd, &o, NDISC_ROUTER_SOLICITATION);
}

/* ndisc_advertise() - answer a solicitation. Who asks the group does not know our MAC address, or doubts it: tell it. */
void ndisc_advertise(struct host *h, struct softnet_data *sd, const struct inet_addr *target,
		     const struct inet_addr *asker, bool to_group)
{
	static const struct inet_addr all = { 0xff02ull << 48, 1 };
	bool unspecified = !(asker->hi | asker->lo);
	struct outgoing o = about(target);

	o.src = *target;
	o.dst = unspecified ? all : *asker;
	o.head[NDH_FLAGS] = (unspecified ? 0 : ND_NA_SOLICITED) | (to_group ? ND_NA_OVERRIDE : 0);
	if (to_group)
		put_mac(h, &o, ND_OPT_TARGET_LL_ADDR);
	send_message(h, sd, &o, NDISC_NEIGHBOUR_ADVERTISEMENT);
}
