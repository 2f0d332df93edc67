/* tcp_err.c - what ICMP says of segments that we sent. RFC 5461, RFC 5927; Linux: tcp_v4_err(), tcp_v6_err()
 *
 *   icmp.c, icmpv6_notify() -> tcp_err(): the connection by the quoted addresses; the quoted number must be in flight, or a
 *   stranger could have made it up
 *
 * A connection that is being opened ends. An established one remembers the error and goes on: it is what the program hears if
 * the connection times out later. "Too big" makes segments smaller, and those that are out go again.
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

/* What is longer than the path carries is lost, and goes again at once. tcp_simple_retransmit() */
static void resend_long_ones(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 lost = tp->lost_out;

	for (u32 i = 0; i < tp->seg_n; i++) {
		struct tcp_seg *s = tcp_seg_at(tp, i);

		if (s->end_seq - s->seq > tp->mss_cache)
			tcp_mark_lost(tp, s);
	}
	if (tp->lost_out == lost)
		return;
	tcp_limit_reno_sacked(tp);
	if (tp->ca_state != TCP_CA_Loss) { /* not congestion: ssthresh stays */
		tp->high_seq = tp->snd_nxt;
		tp->prior_ssthresh = 0;
		tp->undo_marker = 0;
		tp->frto = 0;
		tp->ca_state = TCP_CA_Loss;
	}
	tcp_retransmit_lost(h, sd, sk, sd->now);
}

static void too_big(struct softnet_data *sd, struct sock *sk, u32 mtu)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u32 mss = tp->mss_cache;

	ip_route_learn_mtu(sd, &sk->raddr, mtu);
	tcp_sync_mss(sd->host, sk);
	if (tp->mss_cache < mss)
		resend_long_ones(sd, sk);
}

static void report(struct softnet_data *sd, struct sock *sk, u32 seq, u32 err, bool is_too_big, u32 mtu)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	if (!between(seq, tp->snd_una, tp->snd_nxt)) {
		COUNT(sd->mib[TcpExt_OutOfWindowIcmps], 1);
		return;
	}
	if (is_too_big) {
		if (tp->state != TCPS_SYN_SENT)
			too_big(sd, sk, mtu);
	} else if (tp->state == TCPS_SYN_SENT || tp->state == TCPS_SYN_RECV) {
		tcp_done(sd->host, sd, sk, err);
	} else {
		tp->soft_error = err;
	}
}

/* tcp_err() - skb's data is the ICMP header; quote, th: offsets of the IP and the TCP header in it, with at least 8 bytes */
void tcp_err(struct softnet_data *sd, struct sk_buff *skb, u32 quote, u32 th)
{
	struct host *h = sd->host;
	bool v6 = skb->protocol == htons(ETH_P_IPV6), is_too_big;
	u8 m[ICMP_HLEN], ip[IPV6_HLEN], head[8];
	struct flow_key sent;
	struct sock *sk;
	u32 err;

	skb_copy_bits(skb, 0, m, sizeof(m));
	skb_copy_bits(skb, quote, ip, v6 ? IPV6_HLEN : IP_HLEN);
	skb_copy_bits(skb, th, head, sizeof(head));
	ip[IPH_VERSION_IHL] = (u8)((v6 ? 0x60 : 0x40) | (ip[IPH_VERSION_IHL] & 15)); /* not checked yet */
	sent = flow_key_of(ip, head, IPPROTO_TCP);
	sk = h->tcp.mode == TCP_MODE_ENDPOINT ? tcp_lock_flow(sd, &sent.src, sent.sport, &sent.dst, sent.dport) : NULL;
	if (!sk) {
		COUNT(sd->mib[v6 ? Icmp6_InErrors : Icmp_InErrors], 1);
		return;
	}
	is_too_big = v6 ? m[ICMPH_TYPE] == ICMPV6_PKT_TOOBIG
			: m[ICMPH_TYPE] == ICMP_DEST_UNREACH && m[ICMPH_CODE] == ICMP_FRAG_NEEDED;
	err = v6 ? icmpv6_errno(m[ICMPH_TYPE], m[ICMPH_CODE]) : icmp_errno(m[ICMPH_TYPE], m[ICMPH_CODE]);
	if (v6 || (m[ICMPH_TYPE] != ICMP_SOURCE_QUENCH && m[ICMPH_TYPE] != ICMP_REDIRECT))
		report(sd, sk, be32(head + TCPH_SEQ), err & ~ICMP_ERR_HARD, is_too_big,
		       v6 ? be32(m + ICMPH_REST) : be16(m + ICMPH_MTU));
	tcp_release_sock(h, sd, sk);
}
