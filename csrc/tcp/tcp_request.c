/* tcp_request.c - half-open connections: SYN-ACKs again, and the third segment. RFC 9293 section 3.5; Linux: tcp_minisocks.c
 *
 *   tcp_listen.c -> tcp_request_add();  the third segment -> tcp_request_rcv(): a connection in the accept queue
 *
 * A request takes 128 bytes, not a connection.
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define RTO_MAX_SHIFT 7 /* 128 s: longer than the largest timeout */

/* ---- the table of requests, under the lock of the table of sockets ---- */

static u32 *bucket(struct host *h, const struct tcp_request *r)
{
	return &h->tcp.req_hash[tcp_bucket(h, &r->laddr, r->lport, &r->raddr, r->rport) & h->tcp.req_mask];
}

u32 tcp_request_find(struct host *h, const struct flow_key *k)
{
	struct tcp_host *t = &h->tcp;
	u32 i = t->req_hash[tcp_bucket(h, &k->dst, k->dport, &k->src, k->sport) & t->req_mask];

	for (; i; i = t->req[i].next)
		if (t->req[i].lport == k->dport && t->req[i].rport == k->sport &&
		    addr_equal(&t->req[i].laddr, &k->dst) && addr_equal(&t->req[i].raddr, &k->src))
			return i;
	return 0;
}

/* The caller has seen that fewer than TCP_REQS_MAX are there. */
u32 tcp_request_add(struct host *h, const struct tcp_request *r)
{
	struct tcp_host *t = &h->tcp;
	u32 i = t->req_free, *link;

	if (i)
		t->req_free = t->req[i].next;
	else
		i = t->req_used++;
	t->req[i] = *r;
	t->req[i].in_use = 1;
	link = bucket(h, r);
	t->req[i].next = *link;
	*link = i;
	WRITE_ONCE(t->reqs, t->reqs + 1);
	t->socks[r->listener].reqs++;
	return i;
}

static void forget(struct host *h, u32 i)
{
	struct tcp_host *t = &h->tcp;
	struct tcp_request *r = &t->req[i];
	u32 *link = bucket(h, r);

	while (*link != i)
		link = &t->req[*link].next;
	*link = r->next;
	tcp_request_timer_del(h, r->home, i);
	t->socks[r->listener].reqs--;
	WRITE_ONCE(t->reqs, t->reqs - 1);
	*r = (struct tcp_request){ .next = t->req_free };
	t->req_free = i;
}

void tcp_forget_requests(struct host *h, u32 listener)
{
	spin_lock(&h->socks.lock);
	for (u32 i = 1; i < h->tcp.req_used && h->tcp.socks[listener].reqs; i++)
		if (h->tcp.req[i].in_use && h->tcp.req[i].listener == listener)
			forget(h, i);
	spin_unlock(&h->socks.lock);
}

void tcp_request_arm(struct host *h, u32 i, u64 now)
{
	struct tcp_request *r = &h->tcp.req[i];
	u64 most = h->tcp.socks[r->listener].rto_max_ms * TCP_MS;

	r->at = tcp_jiffies_later(h, now, min_u64(TCP_TIMEOUT_INIT_NS << min_u32(r->timeouts, RTO_MAX_SHIFT), most));
	r->armed_at = NEVER;
	tcp_timer_set(h, r->home, tcp_request_id(h, i), r->at, &r->armed_at);
}

/* Its SYN-ACK goes again: the third segment may answer this one. */
static void again(struct host *h, u32 i, u64 now)
{
	struct tcp_request *r = &h->tcp.req[i];

	if (r->retrans < 255)
		r->retrans++;
	r->tsval_last = tcp_ts_now(now, r->ts_offset);
	tcp_request_arm(h, i, now);
}

static void send_again(struct softnet_data *sd, const struct tcp_request *r)
{
	COUNT(sd->mib[Tcp_RetransSegs], 1);
	COUNT(sd->mib[TcpExt_TCPSynRetrans], 1);
	tcp_send_synack(sd->host, sd, r);
}

/* tcp_request_timer() - the third segment has not come: the SYN-ACK again, or no more */
void tcp_request_timer(struct softnet_data *sd, u32 i)
{
	struct host *h = sd->host;
	struct tcp_request copy = { .in_use = 0 };
	struct tcp_request *r = &h->tcp.req[i];

	spin_lock(&h->socks.lock);
	if (r->in_use && r->at <= sd->now) {
		if (r->timeouts >= h->tcp.synack_retries) {
			forget(h, i);
		} else {
			r->timeouts++;
			again(h, i, sd->now);
			copy = *r;
		}
	} else if (r->in_use) {
		r->armed_at = NEVER;
		tcp_timer_set(h, r->home, tcp_request_id(h, i), r->at, &r->armed_at);
	}
	spin_unlock(&h->socks.lock);
	if (!copy.in_use)
		return;
	COUNT(sd->mib[TcpExt_TCPTimeouts], 1);
	send_again(sd, &copy);
}

/* ---- the third segment ---- */

/* The connection that a request becomes; its lock is held. NULL: all sockets are taken */
static struct sock *make_child(struct softnet_data *sd, const struct tcp_request *r)
{
	struct host *h = sd->host;
	const struct sock *listener = &h->socks.socks[r->listener];
	const struct tcp_sock *parent = tcp_sk(h, listener);
	struct sock *sk = tcp_sock_alloc(h);
	struct tcp_sock *tp;

	if (!sk)
		return NULL;
	tcp_lock_sock(h, sd, sk);
	tcp_sock_init(h, sk, r->born, r->home);
	tp = tcp_sk(h, sk);
	sk->laddr = r->laddr;
	sk->raddr = r->raddr;
	sk->lport = r->lport;
	sk->rport = r->rport;
	sk->rcvbuf = listener->rcvbuf;
	sk->reader_cpu = listener->reader_cpu;
	sk->listener = r->listener;
	sk->rcv_nxt = tp->rcv_wup = tp->copied_seq = tp->rcvq_seq = r->irs + 1;
	tp->state = TCPS_SYN_RECV;
	tp->iss = r->iss;
	tp->snd_una = tp->snd_nxt = tp->write_seq = tp->snd_sml = r->iss + 1;
	tp->snd_wl1 = r->irs;
	tp->snd_wnd = tp->max_window = r->window;
	tp->rcv_wnd = tp->rcv_ssthresh = r->rcv_wnd;
	tp->tstamp_ok = r->tstamp_ok;
	tp->sack_ok = r->sack_ok;
	tp->wscale_ok = r->wscale_ok;
	tp->ecn = r->ecn_ok ? TCP_ECN_OK : 0;
	tp->snd_wscale = r->wscale_ok ? r->snd_wscale : 0;
	tp->rcv_wscale = r->rcv_wscale;
	tp->window_clamp = r->wscale_ok ? tp->window_clamp : 65535;
	tp->ts_recent = r->ts_recent;
	tp->ts_recent_ns = sd->now;
	tp->ts_offset = r->ts_offset;
	tp->peer_mss = r->mss;
	tp->advmss = tcp_advmss(h, parent, &r->raddr) - (r->tstamp_ok ? 12 : 0);
	tp->high_seq = tp->tlp_high_seq = 0;
	tcp_inherit(tp, parent);
	if (tp->rcvbuf_locked)
		tp->window_clamp = min_u32(tp->window_clamp, listener->rcvbuf >> 1);
	tcp_sync_mss(h, sk);
	tp->rcv_mss = max_u32(min_u32(min_u32(tp->mss_cache, TCP_MSS_DEFAULT), tp->rcv_wnd / 2), TCP_MIN_MSS);
	return sk;
}

/* Under the lock of the table: the request becomes the connection, if both are still as they were. A cookie's has no place to
 * give up: it must not be there twice. */
static enum fate exchange(struct host *h, const struct flow_key *k, const struct tcp_request *r, struct sock *sk)
{
	struct sock *listener = &h->socks.socks[r->listener];
	u32 i = tcp_request_find(h, k);

	if (tcp_sk(h, listener)->state != TCPS_LISTEN)
		return TCP_CLOSE;
	if (r->cookie) {
		if (i || flow_find(&h->socks, SOCK_TCP, &k->dst, k->dport, &k->src, k->sport))
			return TCP_CLOSE;
		if (tcp_accept_queue_is_full(h, listener))
			return TCP_LISTEN_OVERFLOW;
	} else {
		if (!i || h->tcp.req[i].irs != r->irs || h->tcp.req[i].iss != r->iss)
			return TCP_CLOSE;
		forget(h, i);
	}
	flow_insert(&h->socks, sk);
	sock_accept_add(listener, sk);
	tcp_sk(h, listener)->accept_qlen++;
	return DELIVERED_TCP;
}

/* No program has seen the connection: its place is free as soon as its lock is. */
static void unmake(struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	tp->state = TCPS_CLOSE;
	tp->orphan = 1;
	__atomic_fetch_add(&sd->host->tcp.orphans, 1, __ATOMIC_RELAXED);
	tcp_release_sock(sd->host, sd, sk);
}

/* tcp_become_connection() - the handshake is complete. Return: the segment's fate, if it is not *consumed */
enum fate tcp_become_connection(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *k, const u8 *th,
				struct tcp_options *o, const struct tcp_request *r, bool *consumed)
{
	struct host *h = sd->host;
	struct sock *listener = &h->socks.socks[r->listener], *sk = make_child(sd, r);
	struct tcp_sock *tp;
	enum fate fate;

	if (!sk)
		return SOCKET_TABLE_FULL;
	tp = tcp_sk(h, sk);
	spin_lock(&h->socks.lock);
	fate = exchange(h, k, r, sk);
	spin_unlock(&h->socks.lock);
	if (fate != DELIVERED_TCP) {
		unmake(sd, sk);
		return fate;
	}
	COUNT(sd->mib[Tcp_PassiveOpens], 1);
	tcp_handshake_rtt(h, tp, o, sd->now, r->retrans || r->cookie ? 0 : r->born);
	tp->total_retrans = r->retrans;
	if (r->timeouts)
		tcp_handshake_cwnd(tp, o, r->tsval_first);
	*consumed = true;
	tcp_rcv_state_process(sd, sk, skb, th, o);
	lock_if(h->live, &listener->lock); /* sock_close() takes it before the eventfd goes */
	sock_wake_python(listener);
	unlock_if(h->live, &listener->lock);
	tcp_release_sock(h, sd, sk);
	return DELIVERED_TCP;
}

static void send_ack(struct softnet_data *sd, const struct tcp_request *r)
{
	struct tcp_sock tp = { .tstamp_ok = r->tstamp_ok, .ts_recent = r->ts_recent };
	u8 opt[TCP_OPTIONS_MAX];
	u32 len = tcp_put_options(&tp, opt, tcp_ts_now(sd->now, r->ts_offset), TCP_OPTIONS_MAX);

	tcp_send_bare(sd->host, sd, &r->laddr, r->lport, &r->raddr, r->rport, r->iss + 1, r->irs + 1,
		      (u16)min_u32(r->rcv_wnd >> r->rcv_wscale, 65535), TCPHDR_ACK, opt, len);
}

/* What a segment does to a request. @fate: DELIVERED_TCP: it completes the handshake */
struct req_verdict {
	enum fate fate;
	bool reset, forget, again,
		ack; /* the answer is a reset, our SYN-ACK again, an acknowledgement; the request is over */
};

/* tcp_check_req() */
static struct req_verdict check(struct softnet_data *sd, const struct sk_buff *skb, const u8 *th,
				const struct tcp_options *o, const struct tcp_request *r)
{
	u32 seq = be32(th + TCPH_SEQ), len = skb->len - tcp_hdrlen(th);
	u8 flags = th[TCPH_FLAGS];
	bool rst = flags & TCPHDR_RST;
	u32 end = seq + len + !!(flags & TCPHDR_SYN) + !!(flags & TCPHDR_FIN);
	bool paws = r->tstamp_ok && o->saw_tstamp && r->ts_recent && (int32_t)(r->ts_recent - o->tsval) > 1;
	bool tsecr = r->tstamp_ok && o->saw_tstamp && o->tsecr && !between(o->tsecr, r->tsval_first, r->tsval_last);

	if (seq == r->irs && (flags & (TCPHDR_SYN | TCPHDR_ACK | TCPHDR_RST)) == TCPHDR_SYN && !paws) {
		return (struct req_verdict){ .fate = TCP_OLD_DATA, .again = true };
	}
	if (flags & TCPHDR_ACK && be32(th + TCPH_ACK_SEQ) != r->iss + 1)
		return (struct req_verdict){ .fate = TCP_INVALID_ACK_SEQUENCE, .reset = !rst };
	if (paws || tsecr || before(end, r->irs + 1) || after(seq, r->irs + 1 + r->rcv_wnd)) {
		if (paws)
			COUNT(sd->mib[TcpExt_PAWSEstab], 1);
		else if (tsecr)
			COUNT(sd->mib[TcpExt_TSEcrRejected], 1);
		return (struct req_verdict){ .fate = paws    ? TCP_RFC7323_PAWS
						     : tsecr ? TCP_RFC7323_TSECR
							     : TCP_OVERWINDOW,
					     .ack = !rst };
	}
	if (rst && seq != r->irs + 1) /* RFC 5961 section 3.2 */
		return (struct req_verdict){ .fate = TCP_RESET, .ack = true };
	if (flags & (TCPHDR_RST | (seq == r->irs ? 0 : TCPHDR_SYN))) {
		COUNT(sd->mib[Tcp_AttemptFails], 1);
		return (struct req_verdict){ .fate = TCP_RESET, .forget = true, .reset = !rst };
	}
	return (struct req_verdict){ .fate = flags & TCPHDR_ACK ? DELIVERED_TCP : TCP_FLAGS };
}

/* A segment that does not complete the handshake is answered, but not too often. */
static bool may_answer(struct softnet_data *sd, const struct flow_key *k)
{
	struct host *h = sd->host;
	bool may = false;
	u32 i;

	spin_lock(&h->socks.lock);
	i = tcp_request_find(h, k);
	if (i) {
		u64 *last = &h->tcp.req[i].oow_at;

		may = !*last || sd->now - *last >= h->tcp.invalid_ratelimit_ms * TCP_MS;
		*last = may ? sd->now : *last;
	}
	spin_unlock(&h->socks.lock);
	COUNT(sd->mib[TcpExt_TCPACKSkippedSynRecv], !may);
	return may;
}

/* The peer has sent its SYN again. Return: *r is the request, whose SYN-ACK goes again; false: it is over */
static bool note_synack(struct softnet_data *sd, const struct flow_key *k, struct tcp_request *r)
{
	struct host *h = sd->host;
	u32 i;

	spin_lock(&h->socks.lock);
	i = tcp_request_find(h, k);
	if (i) {
		again(h, i, sd->now);
		*r = h->tcp.req[i];
	}
	spin_unlock(&h->socks.lock);
	return i != 0;
}

/* tcp_request_rcv() - Return: false: the segment is of no handshake */
bool tcp_request_rcv(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *k, const u8 *th,
		     struct tcp_options *o)
{
	struct host *h = sd->host;
	bool full = false, consumed = false;
	struct tcp_request r;
	struct req_verdict v;
	u32 i;

	if (!READ_ONCE(h->tcp.reqs))
		return false;
	spin_lock(&h->socks.lock);
	i = tcp_request_find(h, k);
	if (i) {
		r = h->tcp.req[i];
		full = tcp_accept_queue_is_full(h, &h->socks.socks[r.listener]);
	}
	spin_unlock(&h->socks.lock);
	if (!i)
		return false;
	v = check(sd, skb, th, o, &r);
	if (v.fate == DELIVERED_TCP && r.tstamp_ok && o->saw_tstamp && !after(be32(th + TCPH_SEQ), r.irs + 1))
		r.ts_recent = o->tsval;
	if (v.fate == DELIVERED_TCP && full) {
		v.fate = tcp_listen_overflow(sd); /* the peer believes in the connection: it will be told again */
		if (h->tcp.abort_on_overflow)
			v.reset = v.forget = true;
	}
	if (v.forget) {
		spin_lock(&h->socks.lock);
		i = tcp_request_find(h, k);
		if (i)
			forget(h, i);
		spin_unlock(&h->socks.lock);
	}
	if (v.again && may_answer(sd, k) && note_synack(sd, k, &r))
		send_again(sd, &r);
	if (v.ack && may_answer(sd, k))
		send_ack(sd, &r);
	if (v.reset)
		tcp_send_reset(sd, skb, th);
	if (v.fate == DELIVERED_TCP)
		v.fate = tcp_become_connection(sd, skb, k, th, o, &r, &consumed);
	if (!consumed)
		kfree_skb_reason(sd, skb, v.fate);
	return true;
}
