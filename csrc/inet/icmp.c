/* icmp.c - ICMP. RFC 792, 1122, 1812; Linux: net/ipv4/icmp.c
 *
 *   ip_deliver() -> icmp_rcv(): check length and checksum; answer an echo request; pass errors about our datagrams to udp.c
 *   udp.c, ip.c, ... -> icmp_port_unreachable() ...: an error to the sender, if RFC 1122 and icmp_limit.c allow one
 */
#include "prelude.h"

#define QUOTE_MAX 576u /* RFC 1812: longest error packet, bytes */

/* ---- input ---- */

static enum fate judge(struct softnet_data *sd, struct sk_buff *skb)
{
	if (skb->len < ICMP_HLEN)
		return PKT_TOO_SMALL;
	return skb_icmp_csum_bad(sd, skb, 0) ? ICMP_CSUM : DELIVERED_ICMP;
}

/* Answer an echo request with its own data. Only a large ping lies in several buffers: copy it into one first. */
static void icmp_echo(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);
	struct outgoing o = {
		.src = inet_addr4(ip + IPH_DADDR),
		.dst = inet_addr4(ip + IPH_SADDR),
		.proto = IPPROTO_ICMP,
		.ttl = IPDEFTTL,
		.tos = ip[IPH_TOS],
		.csum_offset = ICMPH_CHECKSUM,
		.head_len = ICMP_HLEN,
		.len = skb->len - ICMP_HLEN,
		.data = skb->data + ICMP_HLEN,
	};

	if (!ip_local_net(sd->host, &o.src)) /* icmp_echo_ignore_broadcasts */
		return;
	skb_copy_bits(skb, 0, o.head, ICMP_HLEN);
	o.head[ICMPH_TYPE] = ICMP_ECHOREPLY;
	store16(o.head + ICMPH_CHECKSUM, 0);
	if (skb->len != skb->head_len) {
		skb_copy_bits(skb, ICMP_HLEN, sd->scratch, o.len);
		o.data = sd->scratch;
	}
	COUNT(sd->mib[Icmp_OutMsgs], 1);
	COUNT(sd->mib[Icmp_OutEchoReps], 1);
	ip_output(sd->host, sd, &o);
}

/* Pass the error about a datagram of ours to its socket, for the codes that Linux calls fatal (icmp_err_convert[]). */
static void icmp_unreach(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 m[ICMP_HLEN + 60 + 4];
	u32 len = skb_copy_bits(skb, 0, m, sizeof(m));
	u8 code = m[ICMPH_CODE];

	if (len < ICMP_HLEN + IP_HLEN)
		return;
	if (code == ICMP_PORT_UNREACH)
		udp_err(sd, m + ICMP_HLEN, len - ICMP_HLEN, ECONNREFUSED);
	else if (code == ICMP_PROT_UNREACH)
		udp_err(sd, m + ICMP_HLEN, len - ICMP_HLEN, ENOPROTOOPT);
}

void icmp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	enum fate fate = judge(sd, skb);
	u8 type = 0;

	COUNT(sd->mib[Icmp_InMsgs], 1);
	if (fate != DELIVERED_ICMP) {
		COUNT(sd->mib[Icmp_InErrors], 1);
		COUNT(sd->mib[Icmp_InCsumErrors], fate == ICMP_CSUM);
		kfree_skb_reason(sd, skb, fate);
		return;
	}
	skb_copy_bits(skb, 0, &type, 1);
	if (type == ICMP_ECHO) {
		COUNT(sd->mib[Icmp_InEchos], 1);
		if (sd->host->answers)
			icmp_echo(sd, skb);
	} else if (type == ICMP_DEST_UNREACH) {
		icmp_unreach(sd, skb);
	}
	kfree_skb_reason(sd, skb, DELIVERED_ICMP);
}

/* ---- errors ---- */

/* Return: whether RFC 1122 section 3.2.2 forbids an error about this packet */
static bool is_silent(const struct sk_buff *skb, const u8 *ip)
{
	return skb->pkt_type != PACKET_HOST || be32(ip + IPH_SADDR) == 0 || ip[IPH_SADDR] >= 224 ||
	       ip[IPH_DADDR] >= 224 || be16(ip + IPH_FRAG_OFF) & IP_OFFSET; /* not the first fragment */
}

/* Return: whether the packet itself is an ICMP error */
static bool is_error(const u8 *quote, u32 len)
{
	u32 at = ip_hdrlen(quote);

	if (at >= len || quote[IPH_PROTOCOL] != IPPROTO_ICMP)
		return false;
	return quote[at] == ICMP_DEST_UNREACH || quote[at] == ICMP_SOURCE_QUENCH || quote[at] == ICMP_REDIRECT ||
	       quote[at] == ICMP_TIME_EXCEEDED || quote[at] == ICMP_PARAMETERPROB;
}

/* icmp_send() - send an error about skb. info: the header's second word, host byte order */
void icmp_send(struct softnet_data *sd, struct sk_buff *skb, u8 type, u8 code, u32 info)
{
	const u8 *ip = skb_network_header(skb);
	u32 max = QUOTE_MAX - IP_HLEN - ICMP_HLEN, before = (u32)(skb->data - ip), len;
	struct outgoing o = {
		.src = inet_addr4(ip + IPH_DADDR),
		.dst = inet_addr4(ip + IPH_SADDR),
		.proto = IPPROTO_ICMP,
		.ttl = IPDEFTTL,
		.csum_offset = ICMPH_CHECKSUM,
		.head_len = ICMP_HLEN,
		.head = { type, code },
		.tos = (u8)((ip[IPH_TOS] & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL),
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
	COUNT(sd->mib[Icmp_OutMsgs], 1);
	COUNT(sd->mib[Icmp_OutDestUnreachs], type == ICMP_DEST_UNREACH);
	COUNT(sd->mib[Icmp_OutTimeExcds], type == ICMP_TIME_EXCEEDED);
	ip_output(sd->host, sd, &o);
}
