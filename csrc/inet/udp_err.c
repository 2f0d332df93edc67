/* udp_err.c - what ICMP says of datagrams that our sockets sent. Linux: __udp4_lib_err(), __udp6_lib_err(), icmpv6_notify()
 *
 *   icmp.c, icmpv6_notify() -> udp_err(): the socket by the quoted addresses -> its errno, or its error queue (sock_errors.c)
 *
 * Without IP_RECVERR a socket hears only of errors that are fatal, and only if it is connected. With it, of all.
 */
#include "prelude.h"

#define HARD ICMP_ERR_HARD

/* RFC 1122 section 3.2.2.1: what the codes of ICMP_DEST_UNREACH mean to a socket */
static const u16 unreach4[NR_ICMP_UNREACH + 1] = {
	ENETUNREACH,   EHOSTUNREACH,	    ENOPROTOOPT | HARD,	 ECONNREFUSED | HARD,
	EMSGSIZE,      EOPNOTSUPP,	    ENETUNREACH | HARD,	 EHOSTDOWN | HARD,
	ENONET | HARD, ENETUNREACH | HARD,  EHOSTUNREACH | HARD, ENETUNREACH,
	EHOSTUNREACH,  EHOSTUNREACH | HARD, EHOSTUNREACH | HARD, EHOSTUNREACH | HARD,
};

/* RFC 4443 section 3.1 */
static const u16 unreach6[] = {
	ENETUNREACH, EACCES | HARD, EHOSTUNREACH, EHOSTUNREACH, ECONNREFUSED | HARD, EACCES | HARD, EACCES | HARD,
};

u32 icmp_errno(u8 type, u8 code)
{
	switch (type) {
	case ICMP_PARAMETERPROB:
		return EPROTO | HARD;
	case ICMP_DEST_UNREACH:
		return code <= NR_ICMP_UNREACH ? unreach4[code] : EHOSTUNREACH;
	}
	return EHOSTUNREACH;
}

u32 icmpv6_errno(u8 type, u8 code)
{
	switch (type) {
	case ICMPV6_DEST_UNREACH:
		return code < ARRAY_SIZE(unreach6) ? unreach6[code] : EPROTO | HARD;
	case ICMPV6_PKT_TOOBIG:
		return EMSGSIZE;
	case ICMPV6_PARAMPROB:
		return EPROTO | HARD;
	case ICMPV6_TIME_EXCEED:
		return EHOSTUNREACH;
	}
	return EPROTO;
}

static u32 info4(const u8 *m)
{
	if (m[ICMPH_TYPE] == ICMP_PARAMETERPROB)
		return m[ICMPH_REST];
	return m[ICMPH_TYPE] == ICMP_DEST_UNREACH && m[ICMPH_CODE] == ICMP_FRAG_NEEDED ? be16(m + ICMPH_MTU) : 0;
}

/* Learn a path MTU. Return: the error for the socket, 0: none */
static u32 too_big(struct softnet_data *sd, const struct sock_exterr *e, u8 pmtudisc)
{
	if (pmtudisc != IP_PMTUDISC_INTERFACE && pmtudisc != IP_PMTUDISC_OMIT)
		ip_route_learn_mtu(sd, &e->dst, e->info);
	else if (e->origin == SO_EE_ORIGIN_ICMP6)
		return 0;
	if (pmtudisc != IP_PMTUDISC_DONT)
		return EMSGSIZE | HARD;
	return e->origin == SO_EE_ORIGIN_ICMP6 ? EMSGSIZE : 0;
}

/* udp_err() - report an ICMP error. skb: its data is the ICMP header; quote, uh: offsets of the IP and the UDP header in it,
 * with at least 8 bytes. type: SOCK_UDP or SOCK_UDPLITE */
void udp_err(struct softnet_data *sd, struct sk_buff *skb, u32 quote, u32 uh, u32 type)
{
	bool v6 = skb->protocol == htons(ETH_P_IPV6), ours_asks;
	const struct inet_sock *inet;
	u8 m[ICMP_HLEN], ip[IPV6_HLEN], ports[UDP_HLEN];
	struct sock_exterr e = { 0 };
	struct flow_key sent, back;
	struct sock *sk;
	u32 err;

	skb_copy_bits(skb, 0, m, sizeof(m));
	skb_copy_bits(skb, quote, ip, v6 ? IPV6_HLEN : IP_HLEN);
	skb_copy_bits(skb, uh, ports, sizeof(ports));
	ip[IPH_VERSION_IHL] = (u8)((v6 ? 0x60 : 0x40) | (ip[IPH_VERSION_IHL] & 15)); /* not checked yet */
	sent = flow_key_of(ip, ports, IPPROTO_UDP);
	back = (struct flow_key){ .src = sent.dst, .dst = sent.src, .sport = sent.dport, .dport = sent.sport };
	if (v6)
		seg6_icmp_daddr(skb, quote, &back.src);
	sk = udp_lookup(sd->host, (u8)type, &back);
	if (!sk) {
		COUNT(sd->mib[v6 ? Icmp6_InErrors : Icmp_InErrors], 1);
		return;
	}
	inet = &sd->host->socks.inet[sk->index];
	e.origin = v6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP;
	e.type = m[ICMPH_TYPE];
	e.code = m[ICMPH_CODE];
	e.info = v6 ? be32(m + ICMPH_REST) : info4(m);
	sock_from_header(&e.header, skb_network_header(skb));
	e.header.spec_dst = v6 ? e.header.dst : inet_addr4((const u8[4]){ 0 }); /* Linux has forgotten it */
	e.dst = sent.dst;
	e.port = sent.dport;
	if (!v6 && (e.type == ICMP_SOURCE_QUENCH || e.type == ICMP_REDIRECT))
		return;
	err = v6 ? icmpv6_errno(e.type, e.code) : icmp_errno(e.type, e.code);
	if (v6 ? e.type == ICMPV6_PKT_TOOBIG : e.type == ICMP_DEST_UNREACH && e.code == ICMP_FRAG_NEEDED)
		err = too_big(sd, &e, v6 ? inet->pmtudisc6 : inet->pmtudisc);
	e.err = err & ~HARD;
	ours_asks = v6 ? inet->recverr6 : inet->recverr;
	if (!err || (!ours_asks && (!(err & HARD) || !sk->rport)))
		return;
	if (ours_asks)
		sock_queue_err(sd, sk, &e, skb, uh + UDP_HLEN);
	sock_report_error(sd, sk, e.err);
}

/* ---- ICMPv6's quotes ---- */

/* A message of our own was too big: no socket waits for it, but it tells the path MTU. */
static void icmpv6_err(struct softnet_data *sd, const struct sk_buff *skb, u32 quote)
{
	u8 m[ICMP_HLEN], to[16];
	struct inet_addr dst;

	skb_copy_bits(skb, 0, m, sizeof(m));
	skb_copy_bits(skb, quote + IPV6H_DADDR, to, sizeof(to));
	dst = inet_addr6(to);
	if (m[ICMPH_TYPE] == ICMPV6_PKT_TOOBIG)
		ip_route_learn_mtu(sd, &dst, be32(m + ICMPH_REST));
}

/* icmpv6_notify() - tell the protocol of the quoted packet, whose IP header begins at quote. Return: the message's fate */
enum fate icmpv6_notify(struct softnet_data *sd, struct sk_buff *skb, u32 quote)
{
	u8 copy[IPV6_HLEN], next;
	const u8 *ip = skb_header_pointer(skb, quote, IPV6_HLEN, copy);
	enum fate fate = PKT_TOO_SMALL;
	u32 frag_off;
	int at;

	if (!ip)
		goto bad;
	next = ip[IPV6H_NEXTHDR];
	at = ipv6_skip_exthdr(skb, (int)(quote + IPV6_HLEN), &next, &frag_off);
	if (at < 0) {
		fate = IPV6_BAD_EXTHDR;
		goto bad;
	}
	if ((u32)at + UDP_HLEN > skb->len) /* 8 bytes of the protocol, whichever it is */
		goto bad;
	if (next == IPPROTO_UDP || next == IPPROTO_UDPLITE)
		udp_err(sd, skb, quote, (u32)at, next == IPPROTO_UDP ? SOCK_UDP : SOCK_UDPLITE);
	else if (next == IPPROTO_ICMPV6)
		icmpv6_err(sd, skb, quote);
	else if (next == IPPROTO_TCP)
		tcp_err(sd, skb, quote, (u32)at);
	return DELIVERED_ICMPV6;
bad:
	COUNT(sd->mib[Icmp6_InErrors], 1);
	return fate;
}
