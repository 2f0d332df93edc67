/* icmp.c - ICMP, ICMPv6 and IGMP. RFC 792, 1122, 4443, 3376; Linux: net/ipv4/icmp.c, net/ipv6/icmp.c, net/ipv4/igmp.c
 *
 *   ip_deliver() -> icmp_rcv(), icmpv6_rcv(): check length and checksum; answer an echo request; pass neighbour
 *                   discovery to ndisc.c, and errors about our datagrams to udp.c
 *   udp.c, ip.c, ... -> icmp_port_unreachable() ...: an error to the sender, if RFC 1122 and the limits allow one
 *
 * Linux's limits: a bucket of tokens for each destination (icmp_ratelimit: one error a second, six at once; IPv6 ten a
 * second), and one for all destinations (icmp_msgs_per_sec, icmp_msgs_burst). Echo replies are not limited.
 */
#include "prelude.h"

#define QUOTE4 576u /* RFC 1812: longest error packet, bytes */
#define QUOTE6 1280u /* RFC 4443 */
#define TOKENS_MAX 6u

/* ---- input ---- */

static bool sum_is_bad(struct softnet_data *sd, struct sk_buff *skb, u32 pseudo)
{
	cpu_charge_bytes(sd, COST_CSUM_PS, skb->len);
	return csum_fold(skb_checksum(skb, 0, skb->len, pseudo)) != 0;
}

/* Check length and checksum. Return: the fate; good: that of an intact message */
static enum fate judge(struct softnet_data *sd, struct sk_buff *skb, u32 pseudo, enum fate good)
{
	if (skb->len < ICMP_HLEN)
		return PKT_TOO_SMALL;
	return sum_is_bad(sd, skb, pseudo) ? ICMP_CSUM : good;
}

/* Drop and count a message that judge() found broken. Return: whether it was intact */
static bool accept_message(struct softnet_data *sd, struct sk_buff *skb, enum fate fate, enum mib errors,
			   enum mib csum_errors)
{
	if (fate != PKT_TOO_SMALL && fate != ICMP_CSUM)
		return true;
	COUNT(sd->mib[errors], 1);
	if (fate == ICMP_CSUM)
		COUNT(sd->mib[csum_errors], 1);
	kfree_skb_reason(sd, skb, fate);
	return false;
}

/* Answer an echo request with its own data. Only a large ping lies in several buffers: copy it into one first. */
static void echo(struct softnet_data *sd, struct sk_buff *skb, bool v6)
{
	const u8 *ip = skb_network_header(skb);
	struct outgoing o = {
		.src = v6 ? inet_addr6(ip + IPV6H_DADDR) : inet_addr4(ip + IPH_DADDR),
		.dst = v6 ? inet_addr6(ip + IPV6H_SADDR) : inet_addr4(ip + IPH_SADDR),
		.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		.ttl = IPDEFTTL,
		.tos = v6 ? 0 : ip[IPH_TOS],
		.csum_offset = ICMPH_CHECKSUM,
		.head_len = ICMP_HLEN,
		.len = skb->len - ICMP_HLEN,
		.data = skb->data + ICMP_HLEN,
	};

	if (!ip_local_net(sd->host, &o.src)) {
		if (!v6) /* icmp_echo_ignore_broadcasts */
			return;
		o.src = (struct inet_addr){ 0 };
	}
	skb_copy_bits(skb, 0, o.head, ICMP_HLEN);
	o.head[ICMPH_TYPE] = v6 ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY;
	store16(o.head + ICMPH_CHECKSUM, 0);
	if (skb->len != skb->head_len) {
		skb_copy_bits(skb, ICMP_HLEN, sd->scratch, o.len);
		o.data = sd->scratch;
	}
	COUNT(sd->mib[v6 ? Icmp6_OutMsgs : Icmp_OutMsgs], 1);
	COUNT(sd->mib[v6 ? Icmp6_OutEchoReplies : Icmp_OutEchoReps], 1);
	ip_output(sd->host, sd, &o);
}

/* Pass the error about a datagram of ours to its socket, for the codes that Linux calls fatal (icmp_err_convert[]). */
static void unreachable(struct softnet_data *sd, struct sk_buff *skb, bool v6)
{
	u8 m[ICMP_HLEN + 60 + 4];
	u32 len = skb_copy_bits(skb, 0, m, sizeof(m));
	u8 code = m[ICMPH_CODE];

	if (len < ICMP_HLEN + (v6 ? IPV6_HLEN : IP_HLEN))
		return;
	if (code == (v6 ? ICMPV6_PORT_UNREACH : ICMP_PORT_UNREACH))
		udp_err(sd, m + ICMP_HLEN, len - ICMP_HLEN, ECONNREFUSED);
	else if (code == (v6 ? ICMPV6_ADM_PROHIBITED : ICMP_PROT_UNREACH))
		udp_err(sd, m + ICMP_HLEN, len - ICMP_HLEN, v6 ? EACCES : ENOPROTOOPT);
}

static u8 type_of(const struct sk_buff *skb)
{
	u8 type = 0;

	skb_copy_bits(skb, 0, &type, 1);
	return type;
}

void icmp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	COUNT(sd->mib[Icmp_InMsgs], 1);
	if (!accept_message(sd, skb, judge(sd, skb, 0, DELIVERED_ICMP), Icmp_InErrors, Icmp_InCsumErrors))
		return;
	if (type_of(skb) == ICMP_ECHO) {
		COUNT(sd->mib[Icmp_InEchos], 1);
		if (sd->host->answers)
			echo(sd, skb, false);
	} else if (type_of(skb) == ICMP_DEST_UNREACH) {
		unreachable(sd, skb, false);
	}
	kfree_skb_reason(sd, skb, DELIVERED_ICMP);
}

void icmpv6_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	u32 pseudo = csum_pseudo(skb_network_header(skb), 6, skb->len, IPPROTO_ICMPV6);
	u8 type;

	COUNT(sd->mib[Icmp6_InMsgs], 1);
	if (!accept_message(sd, skb, judge(sd, skb, pseudo, DELIVERED_ICMPV6), Icmp6_InErrors, Icmp6_InCsumErrors))
		return;
	type = type_of(skb);
	if (type == ICMPV6_ECHO_REQUEST) {
		COUNT(sd->mib[Icmp6_InEchos], 1);
		if (sd->host->answers)
			echo(sd, skb, true);
	} else if (type == ICMPV6_DEST_UNREACH) {
		unreachable(sd, skb, true);
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

/* snmp has no counters for IGMP. */
void igmp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	enum fate fate = judge(sd, skb, 0, DELIVERED_IGMP);

	kfree_skb_reason(sd, skb, fate);
}

/* ---- errors ---- */

static bool global_allow(struct icmp_limits *l, u64 now)
{
	u64 passed = now - l->stamp_ns,
	    more = passed >= 1000000000 ? l->msgs_per_sec : passed * l->msgs_per_sec / 1000000000;

	if (!l->stamp_ns || more) { /* the stamp moves by whole messages only, so fractions are not lost */
		l->credit = l->stamp_ns ? min_u64(l->credit + more, l->msgs_burst) : l->msgs_burst;
		l->stamp_ns = now ? now : 1;
	}
	if (!l->credit)
		return false;
	l->credit--;
	return true;
}

/* Take tokens for one error, as inet_peer_xrlim_allow() does. Tokens are ns; an error costs one interval. */
static bool peer_allow(struct icmp_limits *l, const struct inet_addr *to, u64 interval, u64 now)
{
	struct icmp_peer *p = &l->peer[(to->hi ^ to->lo ^ to->lo >> 8) * 0x9e3779b97f4a7c15u >> 56];

	if (!interval)
		return true;
	if (!addr_equal(&p->addr, to))
		*p = (struct icmp_peer){ *to, TOKENS_MAX * interval, now };
	p->tokens = min_u64(p->tokens + (now - p->last), TOKENS_MAX * interval);
	p->last = now;
	if (p->tokens < interval)
		return false;
	p->tokens -= interval;
	return true;
}

static bool allowed(struct softnet_data *sd, const struct inet_addr *to, bool v6)
{
	struct icmp_limits *l = &sd->host->icmp;
	u64 interval = l->ratelimit_ms * 1000000ull;
	bool host, global = true;

	lock_if(sd->live, &l->lock);
	host = peer_allow(l, to, v6 ? interval / 10 : interval, sd->now);
	if (host)
		global = global_allow(l, sd->now);
	unlock_if(sd->live, &l->lock);
	if (!host)
		COUNT(sd->mib[v6 ? Icmp6_OutRateLimitHost : Icmp_OutRateLimitHost], 1);
	if (!global)
		COUNT(sd->mib[Icmp_OutRateLimitGlobal], 1);
	return host && global;
}

/* Return: whether RFC 1122 section 3.2.2 or RFC 4443 section 2.4 (e) forbids an error about this packet */
static bool is_silent(const struct sk_buff *skb, const u8 *ip, bool v6)
{
	struct inet_addr src = v6 ? inet_addr6(ip + IPV6H_SADDR) : inet_addr4(ip + IPH_SADDR);

	if (skb->pkt_type != PACKET_HOST || !(src.hi | src.lo))
		return true;
	if (v6)
		return is_multicast6(ip + IPV6H_SADDR) || is_multicast6(ip + IPV6H_DADDR);
	return (u32)src.lo == 0 || ip[IPH_SADDR] >= 224 || ip[IPH_DADDR] >= 224 ||
	       be16(ip + IPH_FRAG_OFF) & IP_OFFSET; /* not the first fragment */
}

/* Return: whether the packet itself is an ICMP error. IPv6 extension headers are not walked. */
static bool is_error(const u8 *quote, u32 len, bool v6)
{
	u32 at = v6 ? IPV6_HLEN : ip_hdrlen(quote);

	if (at >= len)
		return false;
	if (v6)
		return quote[IPV6H_NEXTHDR] == IPPROTO_ICMPV6 && !(quote[at] & ICMPV6_INFOMSG_MASK);
	if (quote[IPH_PROTOCOL] != IPPROTO_ICMP)
		return false;
	return quote[at] == ICMP_DEST_UNREACH || quote[at] == ICMP_SOURCE_QUENCH || quote[at] == ICMP_REDIRECT ||
	       quote[at] == ICMP_TIME_EXCEEDED || quote[at] == ICMP_PARAMETERPROB;
}

/* Send an error about skb. info: the header's second word, host byte order. */
static noinline void icmp_send(struct softnet_data *sd, struct sk_buff *skb, u8 type, u8 code, u32 info)
{
	const u8 *ip = skb_network_header(skb);
	bool v6 = ip_version(ip) == 6;
	u32 max = v6 ? QUOTE6 - IPV6_HLEN - ICMP_HLEN : QUOTE4 - IP_HLEN - ICMP_HLEN, before = (u32)(skb->data - ip),
	    len;
	struct outgoing o = {
		.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		.ttl = IPDEFTTL,
		.csum_offset = ICMPH_CHECKSUM,
		.head_len = ICMP_HLEN,
		.head = { type, code },
		.tos = v6 ? 0 : (u8)((ip[IPH_TOS] & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL),
	};
	u8 quote[QUOTE6];

	if (!sd->host->answers || is_silent(skb, ip, v6))
		return;
	len = min_u32(before, max);
	memcpy(quote, ip, len);
	len += skb_copy_bits(skb, 0, quote + len, max - len);
	o.src = v6 ? inet_addr6(ip + IPV6H_DADDR) : inet_addr4(ip + IPH_DADDR);
	o.dst = v6 ? inet_addr6(ip + IPV6H_SADDR) : inet_addr4(ip + IPH_SADDR);
	if (is_error(quote, len, v6) || !ip_local_net(sd->host, &o.src) || !allowed(sd, &o.dst, v6))
		return;
	info = __builtin_bswap32(info);
	memcpy(o.head + ICMPH_REST, &info, 4);
	o.data = quote;
	o.len = len;
	COUNT(sd->mib[v6 ? Icmp6_OutMsgs : Icmp_OutMsgs], 1);
	if (type == (v6 ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH))
		COUNT(sd->mib[v6 ? Icmp6_OutDestUnreachs : Icmp_OutDestUnreachs], 1);
	else if (type == (v6 ? ICMPV6_TIME_EXCEED : ICMP_TIME_EXCEEDED))
		COUNT(sd->mib[v6 ? Icmp6_OutTimeExcds : Icmp_OutTimeExcds], 1);
	else if (v6)
		COUNT(sd->mib[Icmp6_OutParmProblems], 1);
	ip_output(sd->host, sd, &o);
}

void icmp_port_unreachable(struct softnet_data *sd, struct sk_buff *skb)
{
	if (ip_version(skb_network_header(skb)) == 6)
		icmp_send(sd, skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
	else
		icmp_send(sd, skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
}

void icmp_prot_unreachable(struct softnet_data *sd, struct sk_buff *skb)
{
	icmp_send(sd, skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
}

void icmp_frag_time_exceeded(struct softnet_data *sd, struct sk_buff *skb)
{
	if (ip_version(skb_network_header(skb)) == 6)
		icmp_send(sd, skb, ICMPV6_TIME_EXCEED, ICMPV6_EXC_FRAGTIME, 0);
	else
		icmp_send(sd, skb, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
}

void icmpv6_param_prob(struct softnet_data *sd, struct sk_buff *skb, u8 code, u32 pointer)
{
	icmp_send(sd, skb, ICMPV6_PARAMPROB, code, pointer);
}
