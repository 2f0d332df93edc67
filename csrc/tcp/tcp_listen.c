/* tcp_listen.c - a port that is listened at: SYNs, and connections that wait to be accepted. RFC 9293 section 3.5
 *
 *   SYN -> tcp_listen_rcv(): a request (tcp_request.c), SYN-ACK;  tcp_accept(): the oldest connection that waits
 *
 * Both queues are bounded by the backlog. A SYN that finds the accept queue full is dropped, and the peer tries again; one that
 * finds too many requests is answered with a cookie (tcp_syncookies.c). Linux: tcp_conn_request(), inet_connection_sock.c
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

/* ---- SYN ---- */

/* o: what the SYN says; th: of the SYN, or of the third segment, which tells of it */
static struct tcp_request request_of(struct softnet_data *sd, const struct sock *listener, const struct flow_key *k,
				     const u8 *th, const struct tcp_options *o)
{
	struct host *h = sd->host;
	bool ts = o->saw_tstamp && h->tcp.timestamps;
	struct tcp_request r = {
		.laddr = k->dst,
		.raddr = k->src,
		.lport = k->dport,
		.rport = k->sport,
		.mss = o->mss ? (u16)max_u32(o->mss, h->tcp.min_snd_mss) : TCP_MSS_DEFAULT,
		.window = be16(th + TCPH_WINDOW),
		.listener = listener->index,
		.irs = be32(th + TCPH_SEQ),
		.ts_recent = ts ? o->tsval : 0,
		.ts_offset = tcp_ts_offset(h, &k->dst, &k->src),
		.home = sd->cpu,
		.born = sd->now,
		.tstamp_ok = ts,
		.sack_ok = o->sack_ok && h->tcp.sack,
		.wscale_ok = o->wscale_ok && h->tcp.window_scaling,
		.snd_wscale = o->wscale,
		.ecn_ok = o->ecn_ok,
	};

	r.tsval_first = r.tsval_last = tcp_ts_now(sd->now, r.ts_offset);
	tcp_initial_window(h, listener->rcvbuf >> 1, tcp_sk(h, listener)->rcvbuf_locked,
			   tcp_advmss(h, tcp_sk(h, listener), &k->src) - (ts ? 12 : 0), &r.rcv_wnd, &r.rcv_wscale,
			   r.wscale_ok);
	return r;
}

bool tcp_accept_queue_is_full(const struct host *h, const struct sock *listener)
{
	const struct tcp_sock *tp = tcp_sk(h, listener);

	return tp->accept_qlen > tp->backlog;
}

/* The listener has no room for another connection. Return: the segment's fate */
enum fate tcp_listen_overflow(struct softnet_data *sd)
{
	COUNT(sd->mib[TcpExt_ListenOverflows], 1);
	COUNT(sd->mib[TcpExt_ListenDrops], 1);
	return TCP_LISTEN_OVERFLOW;
}

/* Linux: inet_csk_reqsk_queue_is_full(); its table of requests is not bounded, ours is */
static bool requests_are_full(const struct host *h, const struct tcp_sock *tp)
{
	return tp->reqs > tp->backlog || h->tcp.reqs >= TCP_REQS_MAX;
}

/* Without cookies, the last quarter is for peers that are known to be real. We remember none. */
static bool last_quarter(const struct tcp_host *t, const struct tcp_sock *tp)
{
	return !t->syncookies && t->max_syn_backlog < tp->reqs + (t->max_syn_backlog >> 2);
}

/* May a SYN be answered? *cookie: it may, but nothing is remembered of it. again: its peer has proven to be real */
static enum fate admit(struct softnet_data *sd, struct sock *listener, bool again, bool *cookie)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, listener);

	if (tp->state != TCPS_LISTEN) /* closed since the look-up */
		return NO_SOCKET;
	*cookie = (!again && (h->tcp.syncookies == 2 || requests_are_full(h, tp))) || h->tcp.reqs >= TCP_REQS_MAX;
	if (*cookie && !h->tcp.syncookies) {
		COUNT(sd->mib[TcpExt_TCPReqQFullDrop], 1);
		COUNT(sd->mib[TcpExt_ListenDrops], 1);
		return TCP_REQQFULLDROP;
	}
	COUNT(sd->mib[TcpExt_TCPReqQFullDoCookies], *cookie);
	if (tcp_accept_queue_is_full(h, listener))
		return tcp_listen_overflow(sd);
	if (!again && last_quarter(&h->tcp, tp)) {
		COUNT(sd->mib[TcpExt_ListenDrops], 1);
		return TCP_REQQFULLDROP;
	}
	if (*cookie)
		WRITE_ONCE(tp->reqs_full_at, sd->now);
	return DELIVERED_TCP;
}

/* What stands in no table: the number and the timestamp tell it to us later. Without a timestamp the SYN's options are lost. */
static void make_cookie(struct softnet_data *sd, const struct sock *listener, const struct flow_key *k, const u8 *th,
			const struct tcp_options *o, struct tcp_request *r)
{
	struct tcp_options plain = { .mss = o->mss };

	COUNT(sd->mib[TcpExt_SyncookiesSent], 1);
	if (!r->tstamp_ok)
		*r = request_of(sd, listener, k, th, &plain);
	r->iss = tcp_cookie_seq(sd->host, k, r->irs, &r->mss, sd->now);
	r->tsval_last = tcp_cookie_tsval(r, sd->now);
}

/* isn: number to begin with, 0: any */
static enum fate rcv_syn(struct softnet_data *sd, struct sock *listener, const struct flow_key *k, const u8 *th,
			 const struct tcp_options *o, u32 isn)
{
	struct host *h = sd->host;
	struct tcp_request r = request_of(sd, listener, k, th, o);
	bool cookie = false;
	enum fate fate;

	r.iss = isn ? isn : tcp_secure_seq(h, &k->dst, k->dport, &k->src, k->sport, sd->now);
	spin_lock(&h->socks.lock);
	fate = tcp_request_find(h, k) ? TCP_OLD_DATA : admit(sd, listener, isn != 0, &cookie);
	if (fate == DELIVERED_TCP && !cookie)
		tcp_request_arm(h, tcp_request_add(h, &r), sd->now);
	spin_unlock(&h->socks.lock);
	if (fate != DELIVERED_TCP)
		return fate;
	if (cookie)
		make_cookie(sd, listener, k, th, o, &r);
	tcp_send_synack(h, sd, &r);
	return fate;
}

/* An acknowledgement may be the answer to a cookie. Return: false: it is not; else *consumed, or *fate says why not */
static bool rcv_cookie(struct softnet_data *sd, struct sock *listener, struct sk_buff *skb, const struct flow_key *k,
		       const u8 *th, struct tcp_options *ack, enum fate *fate, bool *consumed)
{
	struct tcp_options o;
	struct tcp_request r;

	if (!tcp_cookie_check(sd, listener, k, th, ack, &o))
		return false;
	r = request_of(sd, listener, k, th, &o);
	tcp_initial_window(sd->host, listener->rcvbuf >> 1, tcp_sk(sd->host, listener)->rcvbuf_locked, r.mss,
			   &r.rcv_wnd, &r.rcv_wscale, r.wscale_ok);
	r.cookie = 1;
	r.irs--;
	r.iss = be32(th + TCPH_ACK_SEQ) - 1;
	*fate = tcp_become_connection(sd, skb, k, th, ack, &r, consumed);
	if (*fate == TCP_LISTEN_OVERFLOW)
		tcp_listen_overflow(sd);
	return true;
}

/* tcp_listen_rcv() - a segment to a listener, of no connection. isn: number to begin with, 0: any */
void tcp_listen_rcv(struct softnet_data *sd, struct sock *listener, struct sk_buff *skb, const struct flow_key *k,
		    const u8 *th, struct tcp_options *o, u32 isn)
{
	u8 flags = th[TCPH_FLAGS];
	enum fate fate = TCP_FLAGS;
	bool consumed = false;

	if (flags & TCPHDR_RST) {
		fate = TCP_RESET;
	} else if (flags & TCPHDR_ACK) {
		if (flags & TCPHDR_SYN || !rcv_cookie(sd, listener, skb, k, th, o, &fate, &consumed))
			tcp_send_reset(sd, skb, th);
	} else if (flags & TCPHDR_SYN && !(flags & TCPHDR_FIN)) {
		fate = rcv_syn(sd, listener, k, th, o, isn);
	}
	if (!consumed)
		kfree_skb_reason(sd, skb, fate);
}

/* ---- the program's side ---- */

struct sock *tcp_listen(struct host *h, const struct inet_addr *laddr, u16 lport, u32 backlog)
{
	struct sock *sk = sock_bind(h, SOCK_TCP_LISTEN, laddr, lport);

	if (!sk)
		return NULL;
	tcp_sock_init(h, sk, host_now(h, NULL), 0);
	tcp_sk(h, sk)->state = TCPS_LISTEN;
	tcp_sk(h, sk)->backlog = min_u32(backlog, h->tcp.somaxconn);
	tcp_sk(h, sk)->reqs_full_at = NEVER;
	return sk;
}

struct sock *tcp_accept(struct host *h, struct sock *listener)
{
	struct sock *sk;

	spin_lock(&h->socks.lock);
	sk = sock_accept_take(listener);
	if (sk)
		tcp_sk(h, listener)->accept_qlen--;
	spin_unlock(&h->socks.lock);
	return sk;
}
