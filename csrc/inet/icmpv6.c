/* icmpv6.c - ICMPv6. RFC 4443; Linux: net/ipv6/icmp.c
 *
 *   ip_deliver() -> icmpv6_rcv(): check length and checksum; answer an echo request; pass neighbour discovery to ndisc.c, and
 *                   errors about our datagrams to udp.c
 *   udp.c, ipv6.c, ... -> icmpv6_send(): an error to the sender, if RFC 4443 section 2.4 and icmp_limit.c allow one
 */
#include "prelude.h"

#define QUOTE_MAX 1280u /* longest error packet, bytes */

/* ---- input ---- */

static enum fate judge(struct softnet_data *sd, struct sk_buff *skb)
{
	u32 pseudo = csum_pseudo(skb_network_header(skb), 6, skb->len, IPPROTO_ICMPV6);

	if (skb->len < ICMP_HLEN)
		return PKT_TOO_SMALL;
	return skb_icmp_csum_bad(sd, skb, pseudo) ? ICMP_CSUM : DELIVERED_ICMPV6;
}

/* Answer an echo request with its own data. Only a large ping lies in several buffers: copy it into one first. */
static void icmpv6_echo_reply(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);
	struct outgoing o = {
		.src = inet_addr6(ip + IPV6H_DADDR),
		.dst = inet_addr6(ip + IPV6H_SADDR),
		.proto = IPPROTO_ICMPV6,
		.ttl = IPDEFTTL,
		.csum_offset = ICMPH_CHECKSUM,
		.head_len = ICMP_HLEN,
		.len = skb->len - ICMP_HLEN,
		.data = skb->data + ICMP_HLEN,
	};

	if (!ip_local_net(sd->host, &o.src))
		o.src = (struct inet_addr){ 0 };
	skb_copy_bits(skb, 0, o.head, ICMP_HLEN);
	o.head[ICMPH_TYPE] = ICMPV6_ECHO_REPLY;
	store16(o.head + ICMPH_CHECKSUM, 0);
	if (skb->len != skb->head_len) {
		skb_copy_bits(skb, ICMP_HLEN, sd->scratch, o.len);
		o.data = sd->scratch;
	}
	COUNT(sd->mib[Icmp6_OutMsgs], 1);
	COUNT(sd->mib[Icmp6_OutEchoReplies], 1);
	ip_output(sd->host, sd, &o);
}

/* Pass the error about a datagram of ours to its socket, for the codes that Linux calls fatal. */
static void icmpv6_notify(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 m[ICMP_HLEN + 60 + 4];
	u32 len = skb_copy_bits(skb, 0, m, sizeof(m));
	u8 code = m[ICMPH_CODE];

	if (len < ICMP_HLEN + IPV6_HLEN)
		return;
	if (code == ICMPV6_PORT_UNREACH)
		udp_err(sd, m + ICMP_HLEN, len - ICMP_HLEN, ECONNREFUSED);
	else if (code == ICMPV6_ADM_PROHIBITED)
		udp_err(sd, m + ICMP_HLEN, len - ICMP_HLEN, EACCES);
}

void icmpv6_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	enum fate fate = judge(sd, skb);
	u8 type = 0;

	COUNT(sd->mib[Icmp6_InMsgs], 1);
	if (fate != DELIVERED_ICMPV6) {
		COUNT(sd->mib[Icmp6_InErrors], 1);
		COUNT(sd->mib[Icmp6_InCsumErrors], fate == ICMP_CSUM);
		kfree_skb_reason(sd, skb, fate);
		return;
	}
	skb_copy_bits(skb, 0, &type, 1);
	if (type == ICMPV6_ECHO_REQUEST) {
		COUNT(sd->mib[Icmp6_InEchos], 1);
		if (sd->host->answers)
			icmpv6_echo_reply(sd, skb);
	} else if (type == ICMPV6_DEST_UNREACH) {
		icmpv6_notify(sd, skb);
	} else if (type == NDISC_NEIGHBOUR_SOLICITATION && ndisc_good(skb)) {
		COUNT(sd->mib[Icmp6_InNeighborSolicits], 1);
		if (sd->host->answers)
			ndisc_rcv(sd, skb);
	} else if (type == NDISC_NEIGHBOUR_ADVERTISEMENT && ndisc_good(skb)) {
		COUNT(sd->mib[Icmp6_InNeighborAdvertisements], 1);
		if (sd->host->answers)
			ndisc_rcv(sd, skb);
	}
	kfree_skb_reason(sd, skb, DELIVERED_ICMPV6);
}

/* ---- errors ---- */

/* Return: whether RFC 4443 section 2.4 (e) forbids an error about this packet */
static bool is_silent(const struct sk_buff *skb, const u8 *ip)
{
	struct inet_addr src = inet_addr6(ip + IPV6H_SADDR);

	return skb->pkt_type != PACKET_HOST || !(src.hi | src.lo) || is_multicast6(ip + IPV6H_SADDR) ||
	       is_multicast6(ip + IPV6H_DADDR);
}

/* Return: whether the packet itself is an ICMPv6 error. Extension headers are not walked. */
static bool is_error(const u8 *quote, u32 len)
{
	return len > IPV6_HLEN && quote[IPV6H_NEXTHDR] == IPPROTO_ICMPV6 && !(quote[IPV6_HLEN] & ICMPV6_INFOMSG_MASK);
}

/* icmpv6_send() - send an error about skb. info: the header's second word, host byte order */
void icmpv6_send(struct softnet_data *sd, struct sk_buff *skb, u8 type, u8 code, u32 info)
{
	const u8 *ip = skb_network_header(skb);
	u32 max = QUOTE_MAX - IPV6_HLEN - ICMP_HLEN, before = (u32)(skb->data - ip), len;
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

	if (!sd->host->answers || is_silent(skb, ip))
		return;
	len = min_u32(before, max);
	memcpy(quote, ip, len);
	len += skb_copy_bits(skb, 0, quote + len, max - len);
	if (is_error(quote, len) || !ip_local_net(sd->host, &o.src) || !icmp_allow(sd, &o.dst))
		return;
	info = __builtin_bswap32(info);
	memcpy(o.head + ICMPH_REST, &info, 4);
	o.data = quote;
	o.len = len;
	COUNT(sd->mib[Icmp6_OutMsgs], 1);
	COUNT(sd->mib[Icmp6_OutDestUnreachs], type == ICMPV6_DEST_UNREACH);
	COUNT(sd->mib[Icmp6_OutTimeExcds], type == ICMPV6_TIME_EXCEED);
	COUNT(sd->mib[Icmp6_OutParmProblems], type == ICMPV6_PARAMPROB);
	ip_output(sd->host, sd, &o);
}
