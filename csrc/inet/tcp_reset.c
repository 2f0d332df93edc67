/* tcp_reset.c - the answer to a segment that no socket wants. RFC 9293 section 3.10.7.1; Linux: tcp_v4_send_reset()
 *
 *   tcp_rcv() -> tcp_send_reset(): a segment with RST from the segment's own numbers -> ip_output.c
 *
 * It needs no state: with an ACK, the sequence number is what the ACK expects; without one, it acknowledges all of it.
 */
#include "prelude.h"

#define OPT_END 0
#define OPT_NOP 1
#define OPT_MD5SIG 19 /* RFC 2385 */
#define OPT_MD5SIG_LEN 18
#define OPT_AO 29 /* RFC 5925 */
#define OPTIONS_MAX 40u

/* Is the segment signed? This host has no keys, and an answer without a signature would be refused. */
static bool is_signed(const u8 *opt, u32 len)
{
	for (u32 i = 0; i + 1 < len && opt[i] != OPT_END; i += opt[i] == OPT_NOP ? 1 : opt[i + 1]) {
		if (opt[i] == OPT_NOP)
			continue;
		if (opt[i + 1] < 2 || i + opt[i + 1] > len)
			return false;
		if ((opt[i] == OPT_MD5SIG && opt[i + 1] == OPT_MD5SIG_LEN) || opt[i] == OPT_AO)
			return true;
	}
	return false;
}

void tcp_send_reset(struct softnet_data *sd, struct sk_buff *skb, const u8 *th)
{
	struct host *h = sd->host;
	const u8 *ip = skb_network_header(skb);
	bool v6 = ip_version(ip) == 6, ack = th[TCPH_FLAGS] & TCPHDR_ACK;
	u32 hlen = tcp_hdrlen(th), number;
	u8 options[OPTIONS_MAX], ip_options[MAX_IPOPTLEN], flags = th[TCPH_FLAGS], *rst;
	int opt_len = 0;
	struct inet_addr nexthop;
	struct outgoing o = {
		.src = v6 ? inet_addr6(ip + IPV6H_DADDR) : inet_addr4(ip + IPH_DADDR),
		.dst = v6 ? inet_addr6(ip + IPV6H_SADDR) : inet_addr4(ip + IPH_SADDR),
		.proto = IPPROTO_TCP,
		.ttl = IPDEFTTL,
		.df = IP_PMTUDISC_DO,
		.csum_offset = TCPH_CHECK,
		.head_len = TCP_HLEN,
	};

	if (flags & TCPHDR_RST || !ip_local_net(h, &o.src))
		return;
	if (is_signed(options, skb_copy_bits(skb, TCP_HLEN, options, hlen - TCP_HLEN)))
		return;
	o.tos = ip_dsfield(ip) & (u8)~INET_ECN_MASK;
	rst = o.head;
	memcpy(rst + TCPH_SOURCE, th + TCPH_DEST, 2);
	memcpy(rst + TCPH_DEST, th + TCPH_SOURCE, 2);
	rst[TCPH_DOFF] = TCP_HLEN / 4 << 4;
	rst[TCPH_FLAGS] = TCPHDR_RST;
	if (ack) {
		memcpy(rst + TCPH_SEQ, th + TCPH_ACK_SEQ, 4);
	} else {
		number = htonl(be32(th + TCPH_SEQ) + !!(flags & TCPHDR_SYN) + !!(flags & TCPHDR_FIN) + skb->len - hlen);
		memcpy(rst + TCPH_ACK_SEQ, &number, 4);
		rst[TCPH_FLAGS] |= TCPHDR_ACK;
	}
	if (v6 && (inet_addr_is4(&o.dst) || !ip_route(h, &o.dst, &nexthop))) {
		COUNT(sd->mib[Ip6_OutNoRoutes], 1);
		return;
	}
	COUNT(sd->mib[Tcp_OutSegs], 1);
	COUNT(sd->mib[Tcp_OutRsts], 1);
	if (!v6 && ip[IPH_VERSION_IHL] != IP_VERSION_IHL)
		opt_len = ip_options_echo(sd, ip, 0, &o.src, ip_options, &o.dst);
	if (opt_len < 0)
		return;
	o.opt = ip_options;
	o.opt_len = (u32)opt_len;
	ip_output(h, sd, &o);
}
