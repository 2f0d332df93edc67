/* icmp.c - ICMP. RFC 792, 1122, 1812; Linux: net/ipv4/icmp.c
 *
 *   ip_deliver() -> icmp_rcv(): check checksum, length and type; answer echo and timestamp requests; pass errors about our
 *                   packets to udp.c and route.c
 *   udp.c, ip.c, ... -> icmp_send(): an error to the sender, if RFC 1122 and icmp_limit.c allow one
 *
 * An answer and an error carry the options of the packet they are about (ip_options.c).
 */
#include "prelude.h"

#define QUOTE_MAX 576u /* RFC 1812: longest error packet, bytes */
#define QUOTED_MIN 8u /* of the protocol's header, behind the quoted IP header */

#define ICMPMSG_OUT 256u /* where the types of what was sent begin in softnet_data.icmpmsg */

/* Count a message by its type. */
static void count_in(struct softnet_data *sd, u8 type)
{
	static const u16 mib[NR_ICMP_TYPES + 1] = {
		[ICMP_ECHOREPLY] = Icmp_InEchoReps,
		[ICMP_DEST_UNREACH] = Icmp_InDestUnreachs,
		[ICMP_SOURCE_QUENCH] = Icmp_InSrcQuenchs,
		[ICMP_REDIRECT] = Icmp_InRedirects,
		[ICMP_ECHO] = Icmp_InEchos,
		[ICMP_TIME_EXCEEDED] = Icmp_InTimeExcds,
		[ICMP_PARAMETERPROB] = Icmp_InParmProbs,
		[ICMP_TIMESTAMP] = Icmp_InTimestamps,
		[ICMP_TIMESTAMPREPLY] = Icmp_InTimestampReps,
		[ICMP_ADDRESS] = Icmp_InAddrMasks,
		[ICMP_ADDRESSREPLY] = Icmp_InAddrMaskReps,
	};

	COUNT(sd->icmpmsg[type], 1);
	if (type <= NR_ICMP_TYPES && mib[type])
		COUNT(sd->mib[mib[type]], 1);
}

/* Linux counts each answer as an echo reply: its route does not know the type yet. */
static void count_out(struct softnet_data *sd, u8 type)
{
	if (type == ICMP_TIMESTAMPREPLY)
		type = ICMP_ECHOREPLY;
	COUNT(sd->icmpmsg[ICMPMSG_OUT + type], 1);
	COUNT(sd->mib[Icmp_OutMsgs], 1);
	COUNT(sd->mib[Icmp_OutEchoReps], type == ICMP_ECHOREPLY);
	COUNT(sd->mib[Icmp_OutDestUnreachs], type == ICMP_DEST_UNREACH);
	COUNT(sd->mib[Icmp_OutTimeExcds], type == ICMP_TIME_EXCEEDED);
	COUNT(sd->mib[Icmp_OutParmProbs], type == ICMP_PARAMETERPROB);
}

/* ---- answers ---- */

/* Send the answer o, which has its head, data and destination, to a packet with this header. */
static void icmp_reply(struct softnet_data *sd, const u8 *ip, struct outgoing *o)
{
	u8 options[MAX_IPOPTLEN];
	int len = 0;

	o->src = ip_spec_dst(sd->host, ip);
	o->dst = inet_addr4(ip + IPH_SADDR);
	o->proto = IPPROTO_ICMP;
	o->ttl = IPDEFTTL;
	o->tos = ip[IPH_TOS];
	o->csum_offset = ICMPH_CHECKSUM;
	store16(o->head + ICMPH_CHECKSUM, 0);
	if (unlikely(ip[IPH_VERSION_IHL] != IP_VERSION_IHL))
		len = ip_options_echo(sd, ip, 0, &o->src, options, &o->dst);
	if (len < 0 || !ip_reachable(sd->host, &o->dst))
		return;
	o->opt = options;
	o->opt_len = (u32)len;
	count_out(sd, o->head[ICMPH_TYPE]);
	ip_output(sd->host, sd, o);
}

/* Answer an echo request with its own data. Only a large ping lies in several buffers: copy it into one first. */
static void icmp_echo(struct softnet_data *sd, struct sk_buff *skb)
{
	struct outgoing o = {
		.head_len = ICMP_HLEN,
		.len = skb->len - ICMP_HLEN,
		.data = skb->data + ICMP_HLEN,
	};

	if (!sd->host->answers)
		return;
	skb_copy_bits(skb, 0, o.head, ICMP_HLEN);
	o.head[ICMPH_TYPE] = ICMP_ECHOREPLY;
	if (skb->len != skb->head_len) {
		skb_copy_bits(skb, ICMP_HLEN, sd->scratch, o.len);
		o.data = sd->scratch;
	}
	icmp_reply(sd, skb_network_header(skb), &o);
}

/* Tell when the request came and when the answer leaves: at the same time. */
static enum fate icmp_timestamp(struct softnet_data *sd, struct sk_buff *skb)
{
	u32 now = htonl(inet_current_timestamp(sd));
	struct outgoing o = { .head_len = ICMP_TIMESTAMP_HLEN };

	if (skb_copy_bits(skb, 0, o.head, ICMPH_TIMES + 4) < ICMPH_TIMES + 4) {
		COUNT(sd->mib[Icmp_InErrors], 1);
		return PKT_TOO_SMALL;
	}
	o.head[ICMPH_TYPE] = ICMP_TIMESTAMPREPLY;
	o.head[ICMPH_CODE] = 0;
	memcpy(o.head + ICMPH_TIMES + 4, &now, 4);
	memcpy(o.head + ICMPH_TIMES + 8, &now, 4);
	if (sd->host->answers)
		icmp_reply(sd, skb_network_header(skb), &o);
	return DELIVERED_ICMP;
}

/* ---- errors about our packets. m: the message, its header and what it quotes, the part that is there ---- */

/* Of our own messages, only the way of an echo reply is remembered: a ping of ours would have a socket. */
static void icmp_err(struct softnet_data *sd, const u8 *ip, const u8 *m)
{
	const u8 *quote = m + ICMP_HLEN;
	struct inet_addr from = inet_addr4(ip + IPH_SADDR), src = inet_addr4(quote + IPH_SADDR),
			 dst = inet_addr4(quote + IPH_DADDR), gateway = inet_addr4(m + ICMPH_REST);

	if (quote[ip_hdrlen(quote) + ICMPH_TYPE] != ICMP_ECHOREPLY || !ip_local_net(sd->host, &src))
		return;
	if (m[ICMPH_TYPE] == ICMP_DEST_UNREACH && m[ICMPH_CODE] == ICMP_FRAG_NEEDED)
		ip_route_learn_mtu(sd, &dst, be16(m + ICMPH_MTU));
	else if (m[ICMPH_TYPE] == ICMP_REDIRECT && (m[ICMPH_CODE] & 7) <= ICMP_REDIR_HOSTTOS)
		ip_route_redirect(sd, &from, &dst, &gateway);
}

static void icmp_socket_deliver(struct softnet_data *sd, struct sk_buff *skb, const u8 *m, u32 len)
{
	const u8 *quote = m + ICMP_HLEN;

	if (len < ICMP_HLEN + ip_hdrlen(quote) + QUOTED_MIN) {
		COUNT(sd->mib[Icmp_InErrors], 1);
		return;
	}
	switch (quote[IPH_PROTOCOL]) {
	case IPPROTO_ICMP:
		icmp_err(sd, skb_network_header(skb), m);
		return;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		udp_err(sd, skb, ICMP_HLEN, ICMP_HLEN + ip_hdrlen(quote),
			quote[IPH_PROTOCOL] == IPPROTO_UDP ? SOCK_UDP : SOCK_UDPLITE);
		return;
	case IPPROTO_TCP:
		tcp_err(sd, skb, ICMP_HLEN, ICMP_HLEN + ip_hdrlen(quote));
	}
}

static enum fate icmp_unreach(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 m[ICMP_HLEN + IP_HLEN + MAX_IPOPTLEN + QUOTED_MIN];
	u32 len = skb_copy_bits(skb, 0, m, sizeof(m));
	u8 type = m[ICMPH_TYPE], code = m[ICMPH_CODE];

	if (len < ICMP_HLEN + IP_HLEN || (ip_hdrlen(m + ICMP_HLEN) < IP_HLEN && type != ICMP_REDIRECT)) {
		COUNT(sd->mib[Icmp_InErrors], 1);
		return len < ICMP_HLEN + IP_HLEN ? PKT_TOO_SMALL : IP_INHDR;
	}
	if (!(type == ICMP_DEST_UNREACH && code > NR_ICMP_UNREACH) &&
	    !(type == ICMP_TIME_EXCEEDED && code == ICMP_EXC_FRAGTIME))
		icmp_socket_deliver(sd, skb, m, len);
	return DELIVERED_ICMP;
}

/* ---- input ---- */

/* RFC 1122 section 3.2.2: which messages may be for many? Those of 3.2.2.6 and 3.2.2.8 are ignored
 * (icmp_echo_ignore_broadcasts). */
static bool is_for_many(const struct host *h, const u8 *ip)
{
	enum rtn type = inet_addr_type(h, be32(ip + IPH_DADDR));

	return type == RTN_BROADCAST || type == RTN_MULTICAST;
}

static enum fate icmp_handle(struct softnet_data *sd, struct sk_buff *skb, u8 type)
{
	switch (type) {
	case ICMP_ECHO:
		icmp_echo(sd, skb);
		return DELIVERED_ICMP;
	case ICMP_TIMESTAMP:
		return icmp_timestamp(sd, skb);
	case ICMP_DEST_UNREACH:
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		return icmp_unreach(sd, skb);
	case ICMP_ECHOREPLY:
	case ICMP_EXT_ECHOREPLY:
		return sd->host->answers ? NO_SOCKET
					 : DELIVERED_ICMP; /* this host has no pinger; a capture's is not known */
	}
	if (type <= NR_ICMP_TYPES)
		return DELIVERED_ICMP;
	COUNT(sd->mib[Icmp_InErrors], 1);
	return UNHANDLED_PROTO;
}

static enum fate icmp_message(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 type;

	if (skb_icmp_csum_bad(sd, skb, 0)) {
		COUNT(sd->mib[Icmp_InCsumErrors], 1);
		COUNT(sd->mib[Icmp_InErrors], 1);
		return ICMP_CSUM;
	}
	if (skb->len < ICMP_HLEN) {
		COUNT(sd->mib[Icmp_InErrors], 1);
		return PKT_TOO_SMALL;
	}
	skb_copy_bits(skb, 0, &type, 1);
	count_in(sd, type);
	if (type == ICMP_EXT_ECHO) /* icmp_echo_enable_probe is 0 */
		return DELIVERED_ICMP;
	if (type != ICMP_ADDRESS && type != ICMP_ADDRESSREPLY && is_for_many(sd->host, skb_network_header(skb))) {
		COUNT(sd->mib[Icmp_InErrors], 1);
		return INVALID_PROTO;
	}
	return icmp_handle(sd, skb, type);
}

void icmp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	COUNT(sd->mib[Icmp_InMsgs], 1);
	kfree_skb_reason(sd, skb, icmp_message(sd, skb));
}

/* ---- errors ---- */

/* Return: whether RFC 1122 section 3.2.2 forbids an error about this packet */
static bool is_silent(const struct host *h, const struct sk_buff *skb, const u8 *ip)
{
	return skb->pkt_type != PACKET_HOST || is_for_many(h, ip) ||
	       be16(ip + IPH_FRAG_OFF) & IP_OFFSET; /* not the first fragment */
}

/* Return: whether the packet itself is an ICMP error, or of an unknown type */
static bool is_error(const u8 *quote, u32 len)
{
	u32 at = ip_hdrlen(quote);

	if (quote[IPH_PROTOCOL] != IPPROTO_ICMP)
		return false;
	if (at >= len)
		return true;
	switch (quote[at]) {
	case ICMP_ECHOREPLY:
	case ICMP_ECHO:
	case ICMP_TIMESTAMP:
	case ICMP_TIMESTAMPREPLY:
	case ICMP_INFO_REQUEST:
	case ICMP_INFO_REPLY:
	case ICMP_ADDRESS:
	case ICMP_ADDRESSREPLY:
		return false;
	}
	return true;
}

/* The options of an error about a packet with this header. The source of an error about a packet that was not for us is the
 * one of the way back, which a source route changes. */
static int error_options(struct softnet_data *sd, const u8 *ip, u32 fault, struct outgoing *o, u8 *options)
{
	struct inet_addr sender = o->dst, nexthop;
	int len = ip_options_echo(sd, ip, fault, &o->src, options, &o->dst);
	const struct inet_net *from;

	if (len <= 0 || addr_equal(&o->dst, &sender) || inet_addr_type(sd->host, be32(ip + IPH_DADDR)) == RTN_LOCAL)
		return len;
	from = ip_route(sd->host, &o->dst, &nexthop);
	if (from)
		o->src = from->addr;
	return ip_options_echo(sd, ip, fault, &o->src, options, &o->dst);
}

/* icmp_send() - send an error about skb. info: the header's second word, host byte order */
void icmp_send(struct softnet_data *sd, struct sk_buff *skb, u8 type, u8 code, u32 info)
{
	const u8 *ip = skb_network_header(skb);
	u32 before = (u32)(skb->data - ip), len, room, fault = type == ICMP_PARAMETERPROB ? info >> 24 : 0;
	u8 quote[QUOTE_MAX], options[MAX_IPOPTLEN];
	int opt_len = 0;
	struct outgoing o = {
		.dst = inet_addr4(ip + IPH_SADDR),
		.proto = IPPROTO_ICMP,
		.ttl = IPDEFTTL,
		.csum_offset = ICMPH_CHECKSUM,
		.head_len = ICMP_HLEN,
		.head = { type, code },
		.tos = (u8)((ip[IPH_TOS] & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL),
		.data = quote,
		.opt = options,
	};

	if (!sd->host->answers || is_silent(sd->host, skb, ip))
		return;
	len = min_u32(before, QUOTE_MAX);
	memcpy(quote, ip, len);
	len += skb_copy_bits(skb, 0, quote + len, QUOTE_MAX - len);
	if (is_error(quote, len))
		return;
	o.src = ip_spec_dst(sd->host, ip);
	if (unlikely(ip[IPH_VERSION_IHL] != IP_VERSION_IHL))
		opt_len = error_options(sd, ip, fault, &o, options);
	if (opt_len < 0 || !ip_reachable(sd->host, &o.dst) || !icmp_allow(sd, &o.dst))
		return;
	room = min_u32(ip_route_mtu(sd->host, &o.dst), QUOTE_MAX) - IP_HLEN - (u32)opt_len - ICMP_HLEN;
	if ((int)room <= (int)IP_HLEN)
		return;
	info = htonl(info);
	memcpy(o.head + ICMPH_REST, &info, 4);
	o.len = min_u32(len, room);
	o.opt_len = (u32)opt_len;
	count_out(sd, type);
	ip_output(sd->host, sd, &o);
}
