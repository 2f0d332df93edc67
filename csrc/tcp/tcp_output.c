/* tcp_output.c - a segment leaves: header, options, checksum. RFC 9293 section 3.1; Linux: __tcp_transmit_skb()
 *
 *   tcp_write.c, tcp_retransmit.c, acknowledgements, SYNs, resets -> tcp_transmit() -> ip_output.c
 *
 * If the card's ring is full, nothing is lost: the connection looks again a little later (TCP_RING_PAUSE_NS).
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define CONTROL_FRAMES 16u

/* tcp_count() - count by Linux's name; softirqs of several CPUs and Python's threads do */
void tcp_count(struct host *h, struct softnet_data *sd, u32 mib, u64 n)
{
	if (sd)
		COUNT(sd->mib[mib], n);
	else
		__atomic_fetch_add(&h->out_mib[mib], n, __ATOMIC_RELAXED);
}

/* ---- numbers that no stranger guesses: RFC 6528, RFC 7323 section 5.4. Functions of the host's seed ---- */

u64 tcp_secret(const struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport,
	       u64 salt)
{
	struct {
		struct inet_addr l, r;
		u64 ports;
	} key = { *l, *r, (u64)lport << 16 | rport };

	return siphash(&key, sizeof(key), h->hash_key[0] ^ salt, h->hash_key[1]);
}

u32 tcp_bucket(const struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport)
{
	return (u32)tcp_secret(h, l, lport, r, rport, 0);
}

u32 tcp_secure_seq(const struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport,
		   u64 now)
{
	return (u32)tcp_secret(h, l, lport, r, rport, 0x697373) + (u32)(now >> 6);
}

u32 tcp_ts_offset(const struct host *h, const struct inet_addr *l, const struct inet_addr *r)
{
	return h->tcp.timestamps == 1 ? (u32)tcp_secret(h, l, 0, r, 0, 0x74736f) : 0;
}

u32 tcp_ts_now(u64 now, u32 offset)
{
	return (u32)(now / TCP_MS) + offset;
}

/* tcp_path_mss() - bytes of a segment, options included, that the path to the peer carries */
u32 tcp_path_mss(struct host *h, const struct inet_addr *peer)
{
	return ip_route_mtu(h, peer) - (inet_addr_is4(peer) ? IP_HLEN : IPV6_HLEN) - TCP_HLEN;
}

/* tcp_advmss() - what a SYN says that we take: of the path, and TCP_MAXSEG. Linux: tcp_mss_clamp() */
u32 tcp_advmss(struct host *h, const struct tcp_sock *tp, const struct inet_addr *peer)
{
	u32 mss = tcp_path_mss(h, peer);

	return tp->user_mss && tp->user_mss < mss ? tp->user_mss : mss;
}

/* ---- one segment ---- */

static void put16(u8 *to, u16 v)
{
	store16(to, htons(v));
}

static void put32(u8 *to, u32 v)
{
	v = htonl(v);
	memcpy(to, &v, 4);
}

/* Data leaves room in the ring for handshakes and acknowledgements, which nothing sends again soon. */
static int send_locked(struct host *h, struct softnet_data *sd, struct outgoing *o)
{
	bool first = ip_tx_lock(h, sd);
	int rc = -EAGAIN;

	if (driver_tx_room(h, o->len ? 1 + CONTROL_FRAMES : 1, o->head_len + o->len + 100))
		rc = ip_output_locked(h, sd, o);
	ip_tx_unlock(h, sd, first);
	return rc;
}

static void begin_outgoing(struct outgoing *o, const struct inet_addr *l, u16 lport, const struct inet_addr *r,
			   u16 rport)
{
	*o = (struct outgoing){
		.src = *l,
		.dst = *r,
		.proto = IPPROTO_TCP,
		.ttl = IPDEFTTL,
		.df = IP_PMTUDISC_DO,
		.csum_offset = TCPH_CHECK,
		.head_len = TCP_HLEN,
	};
	put16(o->head + TCPH_SOURCE, lport);
	put16(o->head + TCPH_DEST, rport);
}

/* tcp_send_bare() - send a segment without data of no connection, or of one that is not whole */
void tcp_send_bare(struct host *h, struct softnet_data *sd, const struct inet_addr *l, u16 lport,
		   const struct inet_addr *r, u16 rport, u32 seq, u32 ack, u16 window, u8 flags, const u8 *opt,
		   u32 opt_len)
{
	struct outgoing o;

	begin_outgoing(&o, l, lport, r, rport);
	put32(o.head + TCPH_SEQ, seq);
	put32(o.head + TCPH_ACK_SEQ, flags & TCPHDR_ACK ? ack : 0);
	put16(o.head + TCPH_WINDOW, window);
	o.head[TCPH_FLAGS] = flags;
	if (opt_len)
		memcpy(o.head + TCP_HLEN, opt, opt_len);
	o.head_len += opt_len;
	o.head[TCPH_DOFF] = (u8)(o.head_len / 4 << 4);
	tcp_count(h, sd, Tcp_OutSegs, 1);
	if (flags & TCPHDR_RST)
		tcp_count(h, sd, Tcp_OutRsts, 1);
	send_locked(h, sd, &o);
}

/* The acknowledgement that a segment carries is sent: no separate one is needed. tcp_event_ack_sent() */
static void ack_sent(struct tcp_sock *tp)
{
	if (tp->ack_quick)
		tp->ack_quick--;
	if (!tp->ack_quick && tp->ato_ns > TCP_ATO_MIN_NS)
		tp->ato_ns = TCP_ATO_MIN_NS;
	tp->ack_pending = tp->ack_now = tp->ack_pushed = 0;
	tp->delack_at = tp->comp_at = NEVER;
	tp->comp_sack = 0;
	tp->dsack.end = tp->dsack.start;
}

/* Return: 0; -EAGAIN: the card's ring is full; another -errno */
int tcp_transmit(struct host *h, struct softnet_data *sd, struct sock *sk, struct tcp_out *s, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	struct outgoing o;
	u32 opt_len, at = s->seq & (tp->ring_size - 1),
		     segs = s->gso_size ? (s->len + s->gso_size - 1) / s->gso_size : 1;
	int rc;

	begin_outgoing(&o, &sk->laddr, sk->lport, &sk->raddr, sk->rport);
	put32(o.head + TCPH_SEQ, s->seq);
	if (s->flags & TCPHDR_ACK)
		put32(o.head + TCPH_ACK_SEQ, sk->rcv_nxt);
	tcp_ecn_send(tp, s, &o.tos);
	o.head[TCPH_FLAGS] = s->flags;
	opt_len = tcp_put_options(tp, o.head + TCP_HLEN, tcp_ts_now(now, tp->ts_offset), TCP_OPTIONS_MAX);
	o.head_len += opt_len;
	o.head[TCPH_DOFF] = (u8)(o.head_len / 4 << 4);
	put16(o.head + TCPH_WINDOW, (u16)(tcp_select_window(h, sd, sk) >> tp->rcv_wscale));
	if (s->len) {
		o.len = s->len;
		o.gso_size = s->gso_size;
		o.data = tp->ring + at;
		if (at + s->len > tp->ring_size) {
			o.data2 = tp->ring;
			o.data2_at = tp->ring_size - at;
		}
	}
	rc = send_locked(h, sd, &o);
	if (rc == -EAGAIN)
		return rc;
	if (s->flags & TCPHDR_CWR)
		tp->ecn &= (u8)~TCP_ECN_QUEUE_CWR;
	tcp_count(h, sd, Tcp_OutSegs, segs);
	tp->segs_out += segs;
	if (s->len)
		tp->data_segs_out += segs;
	if (s->flags & TCPHDR_ACK) {
		tp->last_ack_sent = sk->rcv_nxt;
		ack_sent(tp);
	}
	return rc;
}

void tcp_send_ack(struct host *h, struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u64 now = host_now(h, sd);
	struct tcp_out s = { .seq = tp->snd_nxt, .flags = TCPHDR_ACK };

	if (tp->state == TCPS_CLOSE || tp->state == TCPS_SYN_SENT)
		return;
	if (tcp_transmit(h, sd, sk, &s, now) == -EAGAIN) {
		tp->ack_pending = 1;
		tp->delack_at = now + TCP_RING_PAUSE_NS;
	}
}

/* tcp_send_syn() - send our SYN, or the SYN-ACK of a simultaneous open */
void tcp_send_syn(struct host *h, struct softnet_data *sd, struct sock *sk, u8 flags)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u64 now = host_now(h, sd);
	bool ack = flags & TCPHDR_ACK;
	struct tcp_options o = {
		.saw_tstamp = ack ? tp->tstamp_ok : (u8)h->tcp.timestamps,
		.sack_ok = ack ? tp->sack_ok : (u8)h->tcp.sack,
		.wscale_ok = ack ? tp->wscale_ok : (u8)h->tcp.window_scaling,
		.wscale = tp->rcv_wscale,
		.tsval = tcp_ts_now(now, tp->ts_offset),
		.tsecr = ack ? tp->ts_recent : 0,
	};
	u8 opt[TCP_OPTIONS_MAX];
	u32 len = tcp_syn_options(h, opt, (u16)tcp_advmss(h, tp, &sk->raddr), &o);

	tp->segs_out++;
	tcp_send_bare(h, sd, &sk->laddr, sk->lport, &sk->raddr, sk->rport, tp->iss, sk->rcv_nxt,
		      (u16)min_u32(tp->rcv_wnd, 65535), flags | tcp_ecn_syn_flags(h, tp, ack), opt, len);
}

int tcp_send_synack(struct host *h, struct softnet_data *sd, const struct tcp_request *r)
{
	struct tcp_options o = {
		.saw_tstamp = r->tstamp_ok,
		.sack_ok = r->sack_ok,
		.wscale_ok = r->wscale_ok,
		.wscale = r->rcv_wscale,
		.tsval = r->tsval_last,
		.tsecr = r->ts_recent,
	};
	u8 opt[TCP_OPTIONS_MAX];
	u32 len = tcp_syn_options(h, opt, (u16)tcp_advmss(h, &h->tcp.socks[r->listener], &r->raddr), &o);

	tcp_send_bare(h, sd, &r->laddr, r->lport, &r->raddr, r->rport, r->iss, r->irs + 1,
		      (u16)min_u32(r->rcv_wnd, 65535), TCPHDR_SYN | TCPHDR_ACK | (r->ecn_ok ? TCPHDR_ECE : 0), opt,
		      len);
	return 0;
}

void tcp_send_active_reset(struct host *h, struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	struct tcp_out s = { .seq = tp->snd_nxt, .flags = TCPHDR_ACK | TCPHDR_RST };

	tcp_count(h, sd, Tcp_OutRsts, 1);
	tcp_transmit(h, sd, sk, &s, host_now(h, sd));
}

/* A keepalive, or a probe of a closed window: an old number that the peer has to answer. tcp_xmit_probe_skb() */
void tcp_send_keepalive(struct host *h, struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	struct tcp_out s = { .seq = tp->snd_una - 1, .flags = TCPHDR_ACK };

	tcp_transmit(h, sd, sk, &s, host_now(h, sd));
}

/* tcp_sync_mss() - the path's MTU, or the peer's options, have changed */
void tcp_sync_mss(struct host *h, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 mss = min_u32(tcp_path_mss(h, &sk->raddr), tp->peer_mss), least;

	if (tp->user_mss)
		mss = min_u32(mss, tp->user_mss);
	least = TCP_MIN_SND_MSS - (tp->tstamp_ok ? 12 : 0); /* more than the SACKs take that a segment may carry */
	mss = max_u32(mss, h->tcp.min_snd_mss) - (tp->tstamp_ok ? 12 : 0);
	if (tp->max_window && mss > tp->max_window >> 1) /* a peer with a tiny window still gets two segments into it */
		mss = max_u32(tp->max_window >> 1, least);
	tp->mss_cache = mss;
}
