/* tcp_input.c - a segment of a connection: what does it do to the state? RFC 9293 section 3.10.7
 *
 *   tcp_endpoint_rcv(): the connection, or a handshake, or what is left of one, or a listener
 *   -> tcp_rcv_state_process(): tcp_validate.c -> tcp_ack.c -> tcp_receive.c -> answers
 *
 * Linux: net/ipv4/tcp_ipv4.c (tcp_v4_rcv), tcp_input.c. The order of the checks is Linux's.
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define RCV_SHUTDOWN 1

static struct tcp_in read_segment(const struct sk_buff *skb, const u8 *th)
{
	u32 hlen = tcp_hdrlen(th);
	u8 flags = th[TCPH_FLAGS];

	return (struct tcp_in){
		.seq = be32(th + TCPH_SEQ),
		.end = be32(th + TCPH_SEQ) + skb->len - hlen + !!(flags & TCPHDR_SYN) + !!(flags & TCPHDR_FIN),
		.ack = be32(th + TCPH_ACK_SEQ),
		.len = skb->len - hlen,
		.window = be16(th + TCPH_WINDOW),
		.hlen = hlen,
		.flags = flags,
	};
}

/* tcp_reset_sock() - the peer has reset the connection */
void tcp_reset_sock(struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u32 err = tp->state == TCPS_SYN_SENT ? ECONNREFUSED : tp->state == TCPS_CLOSE_WAIT ? EPIPE : ECONNRESET;

	if (tp->state != TCPS_CLOSE)
		tcp_done(sd->host, sd, sk, err);
}

/* ---- SYN_SENT ---- */

static void take_syn(struct softnet_data *sd, struct sock *sk, const struct tcp_in *s, const struct tcp_options *o)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);

	sk->rcv_nxt = tp->rcv_wup = tp->copied_seq = tp->rcvq_seq = s->seq + 1;
	tp->snd_wnd = s->window;
	tp->snd_wl1 = s->seq;
	tp->max_window = s->window;
	tp->wscale_ok = o->wscale_ok && h->tcp.window_scaling;
	tp->snd_wscale = tp->wscale_ok ? o->wscale : 0;
	if (!tp->wscale_ok) {
		tp->rcv_wscale = 0;
		tp->window_clamp = min_u32(tp->window_clamp, 65535);
	}
	tp->tstamp_ok = o->saw_tstamp && h->tcp.timestamps;
	if (tp->tstamp_ok) {
		tp->ts_recent = o->tsval;
		tp->ts_recent_ns = sd->now;
	}
	if (tp->tstamp_ok)
		tp->advmss -= 12;
	tp->sack_ok = o->sack_ok && h->tcp.sack;
	tcp_ecn_rcv_syn(tp, s->flags);
	tp->peer_mss = o->mss ? max_u32(o->mss, h->tcp.min_snd_mss) : TCP_MSS_DEFAULT;
	tcp_sync_mss(h, sk);
	tp->rcv_mss = max_u32(min_u32(min_u32(tp->mss_cache, TCP_MSS_DEFAULT), tp->rcv_wnd / 2), TCP_MIN_MSS);
}

static enum fate syn_sent(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, const u8 *th,
			  const struct tcp_in *s, const struct tcp_options *o)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	bool ack = s->flags & TCPHDR_ACK, ts_bad;

	ts_bad = ack && o->saw_tstamp && o->tsecr && h->tcp.timestamps &&
		 !between(o->tsecr, tcp_ts_now(tp->born, tp->ts_offset), tcp_ts_now(sd->now, tp->ts_offset));
	if (ack && (!after(s->ack, tp->snd_una) || after(s->ack, tp->snd_nxt) || ts_bad)) {
		if (ts_bad)
			COUNT(sd->mib[TcpExt_PAWSActive], 1);
		else if (!tp->syn_retries) /* our SYN again, soon: the reset makes room for it */
			tp->rtx_at = sd->now + 2 * h->jiffy_ns;
		tcp_send_reset(sd, skb, th); /* of an earlier connection, says RFC 9293 */
		return TCP_INVALID_ACK_SEQUENCE;
	}
	if (s->flags & TCPHDR_RST) {
		if (ack)
			tcp_reset_sock(sd, sk);
		return TCP_RESET;
	}
	if (!(s->flags & TCPHDR_SYN))
		return TCP_FLAGS;
	take_syn(sd, sk, s, o);
	if (!ack) { /* both sides open at once */
		tcp_state(h, sk, TCPS_SYN_RECV);
		tcp_send_syn(h, sd, sk, TCPHDR_SYN | TCPHDR_ACK);
		return DELIVERED_TCP;
	}
	tp->snd_una = s->ack;
	tcp_established(h, sk, sd->now);
	tcp_handshake_rtt(h, tp, o, sd->now, tp->syn_retries ? 0 : tp->born);
	tcp_handshake_cwnd(tp, o, tcp_ts_now(tp->born, tp->ts_offset));
	if (tp->write_seq != tp->snd_nxt) { /* what waits carries the acknowledgement */
		tp->ack_pending = 1;
		tp->ato_ns = TCP_ATO_MIN_NS;
		tp->delack_at = tcp_jiffies_later(h, sd->now, TCP_DELACK_MAX_NS);
		tcp_write_xmit(h, sd, sk, sd->now);
	} else {
		tcp_send_ack(h, sd, sk);
	}
	return DELIVERED_TCP;
}

/* ---- an acknowledgement may end a state ---- */

static bool fin_is_acked(const struct tcp_sock *tp)
{
	return tp->snd_una == tp->write_seq + 1;
}

/* Return: false: the connection is over, *why: the segment's fate */
static bool acked(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, const u8 *th, const struct tcp_in *s,
		  enum fate *why)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	bool fin = s->flags & TCPHDR_FIN;

	switch (tp->state) {
	case TCPS_SYN_RECV:
		tp->snd_una = s->ack;
		tp->snd_wnd = s->window << tp->snd_wscale;
		tp->snd_wl1 = s->seq;
		tp->max_window = max_u32(tp->max_window, tp->snd_wnd);
		tcp_established(h, sk, sd->now);
		break;
	case TCPS_FIN_WAIT1:
		if (!fin_is_acked(tp))
			break;
		tcp_state(h, sk, TCPS_FIN_WAIT2);
		if (!tp->orphan) {
			sock_wake_python(sk);
			break;
		}
		if (s->len && after(s->end - fin, sk->rcv_nxt)) { /* no program will read it */
			COUNT(sd->mib[TcpExt_TCPAbortOnData], 1);
			tcp_send_reset(sd, skb, th);
			tcp_done(h, sd, sk, 0);
			*why = TCP_ABORT_ON_DATA;
			return false;
		}
		tp->keep_at = tcp_jiffies_later(h, sd->now, tcp_fin_time(h, tp));
		break;
	case TCPS_CLOSING:
		if (fin_is_acked(tp)) {
			tcp_time_wait(h, sd, sk);
			*why = DELIVERED_TCP;
			return false;
		}
		break;
	case TCPS_LAST_ACK:
		if (fin_is_acked(tp)) {
			tcp_done(h, sd, sk, 0);
			*why = DELIVERED_TCP;
			return false;
		}
		break;
	}
	return true;
}

/* ---- all states ---- */

static enum fate process(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, const u8 *th,
			 const struct tcp_in *s, const struct tcp_options *o, bool *consumed)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	bool fin = s->flags & TCPHDR_FIN;
	enum fate why = DELIVERED_TCP;
	int rc;

	if (tp->state == TCPS_SYN_SENT)
		return syn_sent(sd, sk, skb, th, s, o);
	if (tp->state == TCPS_CLOSE || tp->state == TCPS_TIME_WAIT) {
		tcp_send_reset(sd, skb, th);
		return TCP_CLOSE;
	}
	if (!tcp_validate(sd, sk, s, o, &why))
		return why;
	if (!(s->flags & TCPHDR_ACK))
		return TCP_FLAGS;
	if (tp->state == TCPS_SYN_RECV && (s->ack != tp->snd_nxt)) {
		tcp_send_reset(sd, skb, th);
		return TCP_INVALID_ACK_SEQUENCE;
	}
	rc = tp->state == TCPS_SYN_RECV ? 0 : tcp_ack(sd, sk, s, o, &why);
	if (rc < 0) {
		if (why == TCP_ACK_UNSENT_DATA) /* RFC 5961 section 5.2 */
			tcp_challenge_ack(sd, sk);
		return why;
	}
	if (!acked(sd, sk, skb, th, s, &why))
		return why;
	tp->segs_in += skb->segs;
	if (s->len) {
		tp->data_segs_in += skb->segs;
		tcp_rcv_rtt(tp, o, s->len, sd->now);
	}
	if (s->len || fin) {
		bool ended = tp->state == TCPS_CLOSE_WAIT || tp->state == TCPS_CLOSING || tp->state == TCPS_LAST_ACK;

		if (ended && (!before(s->seq, sk->rcv_nxt) || (fin && s->end - fin == sk->rcv_nxt))) {
			why = TCP_CLOSE; /* behind the peer's FIN */
		} else if (tp->state != TCPS_ESTABLISHED && tp->shutdown & RCV_SHUTDOWN &&
			   after(s->end - fin, sk->rcv_nxt)) { /* no program will read it */
			COUNT(sd->mib[TcpExt_TCPAbortOnData], 1);
			tcp_send_reset(sd, skb, th);
			tcp_reset_sock(sd, sk);
			return TCP_ABORT_ON_DATA;
		} else {
			skb_advance(skb, s->hlen);
			skb->seq = s->seq + !!(s->flags & TCPHDR_SYN);
			skb->end_seq = skb->seq + s->len;
			*consumed = true;
			tp->rcv_psh = !!(s->flags & TCPHDR_PSH);
			tcp_data_queue(sd, sk, skb, fin);
		}
	}
	if (tp->state != TCPS_CLOSE && tp->state != TCPS_TIME_WAIT) {
		tcp_write_xmit(h, sd, sk, sd->now);
		if (tp->want_write && tcp_sk(h, sk)->snd_una == tp->write_seq)
			tp->want_write = 0;
		tcp_ack_snd_check(sd, sk);
		tcp_wake_writer(h, sk);
	}
	return why;
}

void tcp_rcv_state_process(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, const u8 *th,
			   struct tcp_options *o)
{
	struct tcp_in s = read_segment(skb, th);
	bool consumed = false;
	enum fate why;

	COUNT(sk->segments, skb->segs);
	why = process(sd, sk, skb, th, &s, o, &consumed);
	if (!consumed)
		kfree_skb_reason(sd, skb, why);
}

/* ---- whose is it? ---- */

/* tcp_lock_flow() - find the connection and lock it. It may have ended, and its place have been taken by another, between the
 * two. NULL: none */
struct sock *tcp_lock_flow(struct softnet_data *sd, const struct inet_addr *l, u16 lport, const struct inet_addr *r,
			   u16 rport)
{
	struct host *h = sd->host;

	for (u32 tries = 0; tries < 16; tries++) {
		struct sock *sk = sock_lookup_flow(&h->socks, SOCK_TCP, l, lport, r, rport);

		if (!sk)
			return NULL;
		tcp_lock_sock(h, sd, sk);
		if (sk->type == SOCK_TCP && sk->lport == lport && sk->rport == rport && addr_equal(&sk->laddr, l) &&
		    addr_equal(&sk->raddr, r) && tcp_sk(h, sk)->state != TCPS_CLOSE &&
		    tcp_sk(h, sk)->state != TCPS_TIME_WAIT)
			return sk;
		tcp_release_sock(h, sd, sk);
	}
	return NULL;
}

void tcp_endpoint_rcv(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *t)
{
	struct host *h = sd->host;
	u8 copy[TCP_HLEN + TCP_OPTIONS_MAX];
	u32 hlen = tcp_hdrlen(skb_header_pointer(skb, 0, TCP_HLEN, copy));
	const u8 *th = skb_header_pointer(skb, 0, hlen, copy);
	struct tcp_options o;
	struct sock *sk;
	u32 isn;

	tcp_parse_options(th + TCP_HLEN, hlen - TCP_HLEN, th[TCPH_FLAGS] & TCPHDR_SYN, &o);
	if (th[TCPH_FLAGS] & TCPHDR_SYN)
		o.ecn_ok = tcp_ecn_of_syn(h, skb, th[TCPH_FLAGS]);
	sk = tcp_lock_flow(sd, &t->dst, t->dport, &t->src, t->sport);
	if (sk) {
		tcp_rcv_state_process(sd, sk, skb, th, &o);
		tcp_release_sock(h, sd, sk);
		return;
	}
	if (tcp_request_rcv(sd, skb, t, th, &o) || tcp_timewait_rcv(sd, skb, t, th, &o, &isn))
		return;
	sk = sock_find_bound(&h->socks, SOCK_TCP_LISTEN, &t->dst, t->dport);
	if (sk) {
		tcp_listen_rcv(sd, sk, skb, t, th, &o, isn);
		return;
	}
	tcp_send_reset(sd, skb, th);
	kfree_skb_reason(sd, skb, NO_SOCKET);
}
