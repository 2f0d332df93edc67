/* tcp_listen.c - a port that is listened at: SYNs, and connections that wait to be accepted. RFC 9293 section 3.5
 *
 *   SYN -> tcp_listen_rcv(): a request (tcp_request.c), SYN-ACK;  tcp_accept(): the oldest connection that waits
 *
 * Both queues are bounded by the backlog: a SYN that finds one full is dropped, and the peer tries again. There are no SYN
 * cookies (tcp_syncookies = 0). Linux: tcp_conn_request(), inet_connection_sock.c
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

/* ---- SYN ---- */

static struct tcp_request request_of(struct softnet_data *sd, const struct sock *listener, const struct flow_key *k,
				     const u8 *th, const struct tcp_options *o, u32 isn)
{
	struct host *h = sd->host;
	bool ts = o->saw_tstamp && h->tcp.timestamps;
	struct tcp_request r = {
		.laddr = k->dst,
		.raddr = k->src,
		.lport = k->dport,
		.rport = k->sport,
		.mss = o->mss ? (u16)max_u32(o->mss, TCP_MIN_SND_MSS) : TCP_MSS_DEFAULT,
		.window = be16(th + TCPH_WINDOW),
		.listener = listener->index,
		.irs = be32(th + TCPH_SEQ),
		.iss = isn ? isn : tcp_secure_seq(h, &k->dst, k->dport, &k->src, k->sport, sd->now),
		.ts_recent = ts ? o->tsval : 0,
		.ts_offset = tcp_ts_offset(h, &k->dst, &k->src),
		.home = sd->cpu,
		.born = sd->now,
		.tstamp_ok = ts,
		.sack_ok = o->sack_ok && h->tcp.sack,
		.wscale_ok = o->wscale_ok && h->tcp.window_scaling,
		.snd_wscale = o->wscale,
	};

	r.tsval_first = r.tsval_last = tcp_ts_now(sd->now, r.ts_offset);
	tcp_initial_window(h, listener->rcvbuf >> 1, tcp_path_mss(h, &k->src) - (ts ? 12 : 0), &r.rcv_wnd,
			   &r.rcv_wscale, r.wscale_ok);
	return r;
}

bool tcp_accept_queue_is_full(const struct host *h, const struct sock *listener)
{
	const struct tcp_sock *tp = tcp_sk(h, listener);

	return tp->accept_qlen > tp->backlog;
}

/* Return: DELIVERED_TCP: the request is *r; else why no request was made */
static enum fate request(struct softnet_data *sd, struct sock *listener, struct tcp_request *r, bool again)
{
	struct host *h = sd->host;
	const struct tcp_sock *tp = tcp_sk(h, listener);
	u32 i;

	if (tp->state != TCPS_LISTEN) /* closed since the look-up */
		return NO_SOCKET;
	if (tp->reqs >= tp->backlog && !again && tp->reqs >= 1) {
		COUNT(sd->mib[TcpExt_TCPReqQFullDrop], 1);
		COUNT(sd->mib[TcpExt_ListenDrops], 1);
		return TCP_REQQFULLDROP;
	}
	if (tcp_accept_queue_is_full(h, listener)) {
		COUNT(sd->mib[TcpExt_ListenOverflows], 1);
		COUNT(sd->mib[TcpExt_ListenDrops], 1);
		return TCP_LISTEN_OVERFLOW;
	}
	i = tcp_request_add(h, r);
	if (!i) {
		COUNT(sd->mib[TcpExt_TCPReqQFullDrop], 1);
		COUNT(sd->mib[TcpExt_ListenDrops], 1);
		return TCP_REQQFULLDROP;
	}
	tcp_request_arm(h, i, sd->now);
	return DELIVERED_TCP;
}

/* tcp_listen_rcv() - a segment to a listener, of no connection. isn: number to begin with, 0: any */
void tcp_listen_rcv(struct softnet_data *sd, struct sock *listener, struct sk_buff *skb, const struct flow_key *k,
		    const u8 *th, struct tcp_options *o, u32 isn)
{
	struct host *h = sd->host;
	u8 flags = th[TCPH_FLAGS];
	struct tcp_request r;
	enum fate fate;

	if (flags & TCPHDR_RST) {
		kfree_skb_reason(sd, skb, TCP_RESET);
		return;
	}
	if (flags & TCPHDR_ACK) {
		tcp_send_reset(sd, skb, th);
		kfree_skb_reason(sd, skb, TCP_FLAGS);
		return;
	}
	if (!(flags & TCPHDR_SYN) || flags & TCPHDR_FIN) {
		kfree_skb_reason(sd, skb, TCP_FLAGS);
		return;
	}
	r = request_of(sd, listener, k, th, o, isn);
	spin_lock(&h->socks.lock);
	fate = tcp_request_find(h, k) ? TCP_OLD_DATA : request(sd, listener, &r, isn != 0);
	spin_unlock(&h->socks.lock);
	if (fate == DELIVERED_TCP)
		tcp_send_synack(h, sd, &r);
	kfree_skb_reason(sd, skb, fate);
}

/* ---- the program's side ---- */

struct sock *tcp_listen(struct host *h, const struct inet_addr *laddr, u16 lport, u32 backlog)
{
	struct sock *sk = sock_bind(h, SOCK_TCP_LISTEN, laddr, lport);

	if (!sk)
		return NULL;
	h->tcp.socks[sk->index] = (struct tcp_sock){ .state = TCPS_LISTEN,
						     .backlog = min_u32(backlog, h->tcp.somaxconn),
						     .armed_at = NEVER };
	sk->rcvbuf = h->tcp.rmem[1];
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
