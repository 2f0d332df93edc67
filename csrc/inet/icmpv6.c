/* icmpv6.c - ICMPv6. RFC 4443; Linux: net/ipv6/icmp.c
 *
 *   ip_deliver() -> icmpv6_rcv(): check checksum and length; answer an echo request; pass neighbour discovery to ndisc.c, and
 *                   errors about our packets to their protocols
 *   udp.c, ipv6.c, exthdrs.c, ... -> icmpv6_send(): an error to the sender, if RFC 4443 section 2.4 and icmp_limit.c allow one
 */
#include "prelude.h"

#define QUOTE_MAX (IPV6_MIN_MTU - IPV6_HLEN - ICMP_HLEN) /* bytes of a packet that an error quotes */

/* ---- input ---- */

/* Answer an echo request with its own data. Only a large ping lies in several buffers: copy it into one first. */
static enum fate icmpv6_echo_reply(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);
	struct outgoing o = {
		.src = inet_addr6(ip + IPV6H_DADDR),
		.dst = inet_addr6(ip + IPV6H_SADDR),
		.proto = IPPROTO_ICMPV6,
		.ttl = IPDEFTTL,
		.tos = (u8)(be16(ip) >> 4), /* the traffic class */
		.csum_offset = ICMPH_CHECKSUM,
		.head_len = ICMP_HLEN,
		.len = skb->len - ICMP_HLEN,
		.data = skb->data + ICMP_HLEN,
	};
	const struct inet_net *own = ip_local_net(sd->host, &o.src);
	int rc;

	if (!own) /* a group */
		own = ipv6_dev_get_saddr(sd->host, &o.dst);
	if (!own)
		return IP_OUTNOROUTES;
	o.src = own->addr;
	skb_copy_bits(skb, 0, o.head, ICMP_HLEN);
	o.head[ICMPH_TYPE] = ICMPV6_ECHO_REPLY;
	store16(o.head + ICMPH_CHECKSUM, 0);
	if (skb->len != skb->head_len && skb->len <= IP_LEN_MAX) {
		skb_copy_bits(skb, ICMP_HLEN, sd->scratch, o.len);
		o.data = sd->scratch;
	}
	rc = skb->len > IP_LEN_MAX ? -EMSGSIZE : ip_output(sd->host, sd, &o);
	if (rc == -ENETUNREACH)
		return IP_OUTNOROUTES;
	COUNT(sd->mib[Icmp6_OutErrors], rc == -EMSGSIZE);
	COUNT(sd->mib[Icmp6_OutMsgs], rc != -EMSGSIZE);
	COUNT(sd->mib[Icmp6_OutEchoReplies], rc != -EMSGSIZE);
	return rc == -EMSGSIZE ? PKT_TOO_BIG : DELIVERED_ICMPV6;
}

/* Count the message by its type. enum mib has the types of a family in their order. */
static void count_type(struct softnet_data *sd, u8 type)
{
	COUNT(sd->icmp6msg[type], 1);
	if (type >= ICMPV6_DEST_UNREACH && type <= ICMPV6_PARAMPROB)
		COUNT(sd->mib[Icmp6_InDestUnreachs + type - ICMPV6_DEST_UNREACH], 1);
	else if (type >= ICMPV6_ECHO_REQUEST && type <= NDISC_REDIRECT)
		COUNT(sd->mib[Icmp6_InEchos + type - ICMPV6_ECHO_REQUEST], 1);
	else
		COUNT(sd->mib[Icmp6_InMLDv2Reports], type == ICMPV6_MLD2_REPORT);
}

static enum fate take(struct softnet_data *sd, struct sk_buff *skb, const u8 *m)
{
	bool answers = sd->host->answers;

	switch (m[ICMPH_TYPE]) {
	case ICMPV6_ECHO_REQUEST:
		return answers ? icmpv6_echo_reply(sd, skb) : DELIVERED_ICMPV6;
	case ICMPV6_ECHO_REPLY:
	case ICMPV6_EXT_ECHO_REPLY: /* there are no ping sockets */
		return answers ? NO_SOCKET : DELIVERED_ICMPV6;
	case NDISC_ROUTER_SOLICITATION:
	case NDISC_ROUTER_ADVERTISEMENT:
	case NDISC_NEIGHBOUR_SOLICITATION:
	case NDISC_NEIGHBOUR_ADVERTISEMENT:
	case NDISC_REDIRECT:
		return ndisc_rcv(sd, skb);
	case ICMPV6_MGM_QUERY:
		if (answers)
			mld_query(sd, skb);
		return DELIVERED_ICMPV6;
	case ICMPV6_MGM_REPORT:
		if (answers)
			mld_report(sd, skb);
		return DELIVERED_ICMPV6;
	case ICMPV6_MGM_REDUCTION:
	case ICMPV6_MLD2_REPORT: /* they are for routers */
		return answers ? GROUPS_IGNORED : DELIVERED_ICMPV6;
	default:
		if (!(m[ICMPH_TYPE] & ICMPV6_INFOMSG_MASK)) /* also those that have no name yet */
			return icmpv6_notify(sd, skb, ICMP_HLEN);
		return answers ? UNHANDLED_PROTO : DELIVERED_ICMPV6;
	}
}

void icmpv6_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	u32 pseudo = csum_pseudo(skb_network_header(skb), 6, skb->len, IPPROTO_ICMPV6);
	enum fate fate = FATE_MAX;
	u8 m[ICMP_HLEN];

	COUNT(sd->mib[Icmp6_InMsgs], 1);
	if (skb_icmp_csum_bad(sd, skb, pseudo))
		fate = ICMP_CSUM;
	else if (skb_copy_bits(skb, 0, m, ICMP_HLEN) < ICMP_HLEN)
		fate = PKT_TOO_SMALL;
	if (fate == FATE_MAX) {
		count_type(sd, m[ICMPH_TYPE]);
		fate = take(sd, skb, m);
	} else {
		COUNT(sd->mib[Icmp6_InCsumErrors], fate == ICMP_CSUM);
		COUNT(sd->mib[Icmp6_InErrors], 1);
	}
	kfree_skb_reason(sd, skb, fate);
}

/* ---- errors ---- */

/* Return: whether the option at this offset demands an error about packets to groups too. As in Linux, one that is not there */
static bool opt_unrec(const struct sk_buff *skb, u32 before, u32 off)
{
	const u8 *o = off < before ? skb_network_header(skb) + off : NULL;
	u8 copy;

	if (!o)
		o = skb_header_pointer(skb, off - before, 1, &copy);
	return !o || *o >> 6 == IPV6_TLV_TELL;
}

/* Return: whether the packet is an ICMPv6 error itself, behind any extension headers, or cut off where that is said */
static bool is_ineligible(const struct sk_buff *skb, const u8 *ip, u32 before)
{
	u8 next = ip[IPV6H_NEXTHDR], type = 0;
	u32 frag_off;
	int off = ipv6_skip_exthdr(skb, (int)IPV6_HLEN - (int)before, &next, &frag_off);

	if (off < 0 || next != IPPROTO_ICMPV6)
		return false;
	if (!skb_copy_bits(skb, (u32)off, &type, 1))
		return !frag_off;
	return !(type & ICMPV6_INFOMSG_MASK);
}

/* Return: whether RFC 4443 section 2.4 (e) forbids an error about this packet */
static bool is_silent(const struct sk_buff *skb, const u8 *ip, u32 before, const struct outgoing *o, u32 info)
{
	bool told = o->head[ICMPH_TYPE] == ICMPV6_PKT_TOOBIG ||
		    (o->head[ICMPH_TYPE] == ICMPV6_PARAMPROB && o->head[ICMPH_CODE] == ICMPV6_UNK_OPTION &&
		     opt_unrec(skb, before, info));

	if ((skb->pkt_type != PACKET_HOST || is_multicast6(ip + IPV6H_DADDR)) && !told)
		return true;
	return !(o->dst.hi | o->dst.lo) || is_multicast6(ip + IPV6H_SADDR) || is_ineligible(skb, ip, before);
}

/* Return: whether the address is that of all routers of one of our networks (RFC 4291 section 2.6.1) */
static bool is_anycast(const struct inet_net *net, const struct inet_addr *dst, const struct inet_addr *via)
{
	u32 host = 128 - net->prefix;

	if (net->prefix > 126 || !addr_equal(dst, via))
		return false;
	return host >= 64 ? !dst->lo && (host == 64 || !(dst->hi << (net->prefix))) : !(dst->lo << (64 - host));
}

/* Return: whether there is a way to the destination, it is one host, and the limits allow an error */
static bool allow(struct softnet_data *sd, const struct inet_addr *dst)
{
	const struct inet_net *net = NULL;
	struct inet_addr via;

	if (!inet_addr_is4(dst))
		net = ip_route(sd->host, dst, &via);
	if (net)
		return icmp_allow(sd, dst) && !is_anycast(net, dst, &via);
	COUNT(sd->mib[Ip6_OutNoRoutes], 1);
	COUNT(sd->mib[Icmp6_OutRateLimitHost], 1);
	return false;
}

/* icmpv6_send() - send an error about skb. info: the header's second word, host byte order */
void icmpv6_send(struct softnet_data *sd, struct sk_buff *skb, u8 type, u8 code, u32 info)
{
	const u8 *ip = skb_network_header(skb);
	u32 before = (u32)(skb->data - ip), len = min_u32(before, QUOTE_MAX);
	struct outgoing o = {
		.src = inet_addr6(ip + IPV6H_DADDR),
		.dst = inet_addr6(ip + IPV6H_SADDR),
		.proto = IPPROTO_ICMPV6,
		.ttl = IPDEFTTL,
		.csum_offset = ICMPH_CHECKSUM,
		.head_len = ICMP_HLEN,
		.head = { type, code },
	};
	u8 quote[QUOTE_MAX];

	if (!sd->host->answers || is_silent(skb, ip, before, &o, info))
		return;
	if (!allow(sd, &o.dst))
		return;
	if (inet_addr_is4(&o.src) || !ip_local_net(sd->host, &o.src) || skb->pkt_type != PACKET_HOST)
		o.src = (struct inet_addr){ 0 };
	info = __builtin_bswap32(info);
	memcpy(o.head + ICMPH_REST, &info, 4);
	memcpy(quote, ip, len);
	o.data = quote;
	o.len = len + skb_copy_bits(skb, 0, quote + len, QUOTE_MAX - len);
	COUNT(sd->mib[Icmp6_OutMsgs], 1);
	COUNT(sd->mib[Icmp6_OutDestUnreachs], type == ICMPV6_DEST_UNREACH);
	COUNT(sd->mib[Icmp6_OutTimeExcds], type == ICMPV6_TIME_EXCEED);
	COUNT(sd->mib[Icmp6_OutParmProblems], type == ICMPV6_PARAMPROB);
	ip_output(sd->host, sd, &o);
}
