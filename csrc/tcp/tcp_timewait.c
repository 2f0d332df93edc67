/* tcp_timewait.c - what is left of a connection for a minute: the peer's last segments are answered. RFC 9293 section 3.6.1
 *
 *   tcp_time_wait() -> tcp_timewait_new() ... tcp_timewait_rcv(): an old segment: acknowledged; a new SYN: to the listener
 *
 * RFC 6191: a SYN may begin anew if its number or its timestamp is newer. An entry takes 128 bytes, a connection 1.2 KB.
 * Linux: net/ipv4/tcp_minisocks.c. All entries wait equally long, so they lie in a row, the oldest first.
 */
#include "prelude.h"
#include "tcp/inline.h"

static u32 *bucket(struct host *h, const struct tcp_timewait *tw)
{
	return &h->tcp.tw_hash[tcp_bucket(h, &tw->laddr, tw->lport, &tw->raddr, tw->rport) & h->tcp.tw_mask];
}

static void append(struct tcp_host *t, u32 i)
{
	t->tw[i].older = t->tw_newest;
	t->tw[i].newer = 0;
	if (t->tw_newest)
		t->tw[t->tw_newest].newer = i;
	else
		t->tw_oldest = i;
	t->tw_newest = i;
}

static void unlink_row(struct tcp_host *t, u32 i)
{
	const struct tcp_timewait *tw = &t->tw[i];

	if (tw->older)
		t->tw[tw->older].newer = tw->newer;
	else
		t->tw_oldest = tw->newer;
	if (tw->newer)
		t->tw[tw->newer].older = tw->older;
	else
		t->tw_newest = tw->older;
}

static void drop(struct host *h, u32 i)
{
	struct tcp_host *t = &h->tcp;
	struct tcp_timewait *tw = &t->tw[i];
	u32 *link = bucket(h, tw);

	while (*link != i)
		link = &t->tw[*link].next;
	*link = tw->next;
	unlink_row(t, i);
	*tw = (struct tcp_timewait){ .next = t->tw_free };
	t->tw_free = i;
	t->tws--;
}

static void ask_timer(struct host *h)
{
	struct tcp_host *t = &h->tcp;

	if (!t->tw_oldest)
		return;
	spin_lock(&t->heap[0].lock); /* it guards all that is asked of this CPU's timer */
	timer_ask(h->cpu[0], TIMER_TCP, t->tw[t->tw_oldest].expires);
	spin_unlock(&t->heap[0].lock);
}

/* tcp_timewait_new() - under the lock of the table of sockets. If too many are kept, it ends at once. */
void tcp_timewait_new(struct host *h, const struct sock *sk, u64 now)
{
	struct tcp_host *t = &h->tcp;
	const struct tcp_sock *tp = tcp_sk(h, sk);
	u32 i = t->tw_free, *link;

	if (t->tws >= t->max_tw_buckets) {
		__atomic_fetch_add(&h->out_mib[TcpExt_TCPTimeWaitOverflow], 1, __ATOMIC_RELAXED);
		return;
	}
	if (i)
		t->tw_free = t->tw[i].next;
	else
		i = t->tw_used++;
	t->tw[i] = (struct tcp_timewait){
		.laddr = sk->laddr,
		.raddr = sk->raddr,
		.lport = sk->lport,
		.rport = sk->rport,
		.in_use = 1,
		.tstamp_ok = tp->tstamp_ok,
		.rcv_wscale = tp->rcv_wscale,
		.rcv_nxt = sk->rcv_nxt,
		.snd_nxt = tp->snd_nxt,
		.rcv_wnd = tcp_receive_window(tp, sk->rcv_nxt),
		.ts_recent = tp->ts_recent,
		.ts_recent_ns = tp->ts_recent_ns,
		.entered = now,
		.ts_offset = tp->ts_offset,
		.expires = tcp_jiffies_later(h, now, TCP_TIMEWAIT_NS),
	};
	link = bucket(h, &t->tw[i]);
	t->tw[i].next = *link;
	*link = i;
	append(t, i);
	t->tws++;
	if (t->tw_oldest == i)
		ask_timer(h);
}

static u32 find(struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport)
{
	struct tcp_host *t = &h->tcp;
	u32 i = t->tw_hash[tcp_bucket(h, l, lport, r, rport) & t->tw_mask];

	for (; i; i = t->tw[i].next)
		if (t->tw[i].lport == lport && t->tw[i].rport == rport && addr_equal(&t->tw[i].laddr, l) &&
		    addr_equal(&t->tw[i].raddr, r))
			return i;
	return 0;
}

struct tcp_timewait *tcp_timewait_find(struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r,
				       u16 rport)
{
	u32 i = find(h, l, lport, r, rport);

	return i ? &h->tcp.tw[i] : NULL;
}

/* tcp_timewait_reuse() - under the lock of the table of sockets. May a new connection of ours take the place of what is left of
 * one? RFC 6191. Return: the number to begin with; 0: no. tcp_twsk_unique() */
u32 tcp_timewait_reuse(struct host *h, struct tcp_timewait *tw, u64 now)
{
	u32 iss = tw->snd_nxt + 65537;

	if (!tw->tstamp_ok || h->tcp.tw_reuse != 1 || now <= tw->entered + h->tcp.tw_reuse_delay * TCP_MS)
		return 0;
	drop(h, (u32)(tw - h->tcp.tw));
	return iss ? iss : 1;
}

u64 tcp_timewait_expire(struct softnet_data *sd)
{
	struct host *h = sd->host;
	struct tcp_host *t = &h->tcp;
	u64 next;

	spin_lock(&h->socks.lock);
	while (t->tw_oldest && t->tw[t->tw_oldest].expires <= sd->now) {
		COUNT(sd->mib[TcpExt_TW], 1);
		drop(h, t->tw_oldest);
	}
	next = t->tw_oldest ? t->tw[t->tw_oldest].expires : NEVER;
	spin_unlock(&h->socks.lock);
	return next;
}

enum answer { NOTHING, ACKNOWLEDGE, BEGIN_ANEW };

static void restart(struct host *h, u32 i, u64 now)
{
	unlink_row(&h->tcp, i);
	append(&h->tcp, i);
	h->tcp.tw[i].expires = tcp_jiffies_later(h, now, TCP_TIMEWAIT_NS);
}

/* tcp_timewait_state_process() */
static enum answer process(struct softnet_data *sd, u32 i, const struct sk_buff *skb, const u8 *th,
			   const struct tcp_options *o, u32 *isn)
{
	struct host *h = sd->host;
	struct tcp_timewait *tw = &h->tcp.tw[i];
	u8 flags = th[TCPH_FLAGS];
	u32 seq = be32(th + TCPH_SEQ), len = skb->len - tcp_hdrlen(th);
	bool rst = flags & TCPHDR_RST, syn = flags & TCPHDR_SYN, bare = !len && !syn && !(flags & TCPHDR_FIN);
	bool paws = tw->tstamp_ok && o->saw_tstamp && tw->ts_recent && (int32_t)(tw->ts_recent - o->tsval) > 0 &&
		    sd->now < tw->ts_recent_ns + TCP_PAWS_24DAYS_NS;

	if (!paws && seq == tw->rcv_nxt && (bare || rst)) {
		if (rst && !h->tcp.rfc1337)
			drop(h, i);
		else if (!rst)
			restart(h, i, sd->now);
		return NOTHING;
	}
	if (syn && !rst && !(flags & TCPHDR_ACK) && !paws &&
	    (after(seq, tw->rcv_nxt) || (o->saw_tstamp && tw->tstamp_ok && (int32_t)(tw->ts_recent - o->tsval) < 0))) {
		*isn = tw->snd_nxt + 65537;
		drop(h, i);
		return BEGIN_ANEW;
	}
	if (paws)
		COUNT(sd->mib[TcpExt_PAWSEstab], 1);
	if (rst)
		return NOTHING;
	if (paws || flags & TCPHDR_ACK)
		restart(h, i, sd->now);
	if ((bare || syn) && tw->oow_at && sd->now - tw->oow_at < h->tcp.invalid_ratelimit_ms * TCP_MS) {
		COUNT(sd->mib[TcpExt_TCPACKSkippedTimeWait], 1);
		return NOTHING;
	}
	tw->oow_at = sd->now;
	return ACKNOWLEDGE;
}

static void acknowledge(struct softnet_data *sd, const struct tcp_timewait *tw)
{
	struct tcp_sock tp = { .tstamp_ok = tw->tstamp_ok, .ts_recent = tw->ts_recent };
	u8 opt[TCP_OPTIONS_MAX];
	u32 len = tcp_put_options(&tp, opt, tcp_ts_now(sd->now, tw->ts_offset), TCP_OPTIONS_MAX);

	tcp_send_bare(sd->host, sd, &tw->laddr, tw->lport, &tw->raddr, tw->rport, tw->snd_nxt, tw->rcv_nxt,
		      (u16)min_u32(tw->rcv_wnd >> tw->rcv_wscale, 65535), TCPHDR_ACK, opt, len);
}

/* tcp_timewait_rcv() - Return: false: it is of no connection that ended lately, or begins a new one: *isn is its number */
bool tcp_timewait_rcv(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *k, const u8 *th,
		      struct tcp_options *o, u32 *isn)
{
	struct host *h = sd->host;
	struct tcp_timewait tw;
	enum answer answer = BEGIN_ANEW;
	u32 i;

	*isn = 0;
	spin_lock(&h->socks.lock);
	i = find(h, &k->dst, k->dport, &k->src, k->sport);
	if (i) {
		tw = h->tcp.tw[i];
		answer = process(sd, i, skb, th, o, isn);
	}
	spin_unlock(&h->socks.lock);
	if (answer == BEGIN_ANEW)
		return false;
	if (answer == ACKNOWLEDGE)
		acknowledge(sd, &tw);
	kfree_skb_reason(sd, skb, DELIVERED_TCP);
	return true;
}
