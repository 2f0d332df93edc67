/* fuzz_tcp.c - a peer that knows the rules and breaks them: TCP's endpoint in virtual time, and its program
 *
 * Input: 4 bytes of configuration, then operations: a byte that names it, and its arguments. The peer's segments are near
 * what would be right: numbers are offsets to what the host has said last, and its timestamps are echoed. So handshakes
 * succeed, bytes flow, and losses, overlaps, old and wild numbers come in between. After each operation the
 * counters, queues and deadlines of all connections agree; whatever waits for an answer has a deadline; the host
 * sends a bounded number of frames. When all is closed and time has passed, nothing is left.
 */
#include "input.h"
#include "path.h"
#include "tcp/inline.h"

#define PEERS 4u
#define CONNECTIONS 8u
#define OPERATIONS 400u
#define FRAMES_AN_OPERATION 3000u
#define DATA_MAX 1460u
#define SECOND 1000000000ull
#define END_S 4000u /* longer than retries, keepalive and TIME_WAIT take here */
#define PORT 80u
#define MS 1000000ull

static const struct inet_addr peer_addr = { 0, 0xffff0a000001 };
static const u8 host_mac[6] = { 2, 0, 0, 0, 0, 1 }, peer_mac[6] = { 2, 0, 0, 0, 0, 2 };

/* What a peer knows of its talk */
struct peer {
	u32 seq; /* of the next byte that it would send */
	u32 ack; /* of the next byte that it expects */
	u32 tsval, tsecr;
	bool ts;
};

struct world {
	struct host *h;
	struct mem_wire *w;
	struct sock *listener, *conn[CONNECTIONS];
	struct peer peer[PEERS];
	u64 now, sent;
	u8 out[MEM_OUT_BYTES];
	struct mem_frame frame[MEM_OUT_MAX];
};

static struct world the_world;

/* ---- the wire ---- */

static void feed(struct world *x, const u8 *frame, u32 len)
{
	require(mem_wire_feed(x->w, frame, len, len, x->now) == 0, "no memory");
}

static void answer_arp(struct world *x)
{
	u8 f[42] = { [12] = 8, [13] = 6, [15] = 1, [16] = 8, [18] = 6, [19] = 4, [21] = 2 };

	memcpy(f, host_mac, 6);
	memcpy(f + 6, peer_mac, 6);
	memcpy(f + 22, peer_mac, 6);
	store_be32(f + 28, 0x0a000001);
	memcpy(f + 32, host_mac, 6);
	store_be32(f + 38, 0x0a000002);
	feed(x, f, sizeof(f));
}

/* The peer reads a segment. What it learns may be old: it believes the latest. */
static void hear(struct world *x, const u8 *f)
{
	const u8 *th = f + 34, *opt = th + 20;
	u32 at = be16(th + TCPH_DEST) - 1000u, data = be16(f + 14 + IPH_TOT_LEN) - 20u - tcp_hdrlen(th);
	struct peer *p = &x->peer[at % PEERS];
	u8 flags = th[TCPH_FLAGS];

	require(tcp_hdrlen(th) >= 20 && data <= 65535, "a segment that cannot be");
	if (flags & TCPHDR_RST)
		return;
	p->ack = be32(th + TCPH_SEQ) + data + !!(flags & TCPHDR_SYN) + !!(flags & TCPHDR_FIN);
	for (u32 i = 0; i + 10 <= tcp_hdrlen(th) - 20; i++)
		if (opt[i] == 8 && opt[i + 1] == 10) {
			p->tsecr = be32(opt + i + 2);
			break;
		}
}

/* Return: was the host told who the peer is? Then it sends what has waited for that. */
static bool fetch(struct world *x)
{
	u32 n = mem_wire_fetch(x->w, x->out, x->frame);
	bool told = false;

	x->sent += n;
	for (u32 i = 0; i < n; i++) {
		const u8 *f = x->out + x->frame[i].off;

		if (be16(f + ETHH_PROTO) == ETH_P_ARP && be16(f + 20) == 1) {
			answer_arp(x);
			told = true;
		} else if (be16(f + ETHH_PROTO) == ETH_P_IP && f[14 + IPH_PROTOCOL] == IPPROTO_TCP) {
			hear(x, f);
		}
	}
	return told;
}

/* Let time pass; what the host sends is heard after each piece of it. */
static void run(struct world *x, u64 ns)
{
	u64 end = x->now + ns;

	for (u32 i = 0; i < 64 && x->now < end; i++) {
		x->now = i == 63 ? end : min_u64(end, x->now + max_u64(ns / 16, MS));
		do {
			while (vtime_run_until(x->h, x->now) == EV_SLICE)
				;
		} while (fetch(x));
	}
}

/* ---- what holds of each connection between two events ---- */

static void check_segments(const struct tcp_sock *tp)
{
	u32 lost = 0, retrans = 0, sacked = 0, at = tp->snd_una;

	require(tp->packets_out == tp->seg_n, "packets_out is not the number of segments");
	for (u32 i = 0; i < tp->seg_n; i++) {
		const struct tcp_seg *s = tcp_seg_at(tp, i);

		lost += !!(s->flags & TCP_SEG_LOST);
		retrans += !!(s->flags & TCP_SEG_RETRANS);
		sacked += !!(s->flags & TCP_SEG_SACKED);
		require(!(s->flags & TCP_SEG_SACKED && s->flags & TCP_SEG_LOST), "a segment that arrived is lost");
		require(s->seq == at || (i == 0 && s->seq == at + 1 && tp->state == TCPS_FIN_WAIT1), "a hole");
		require(before(s->seq, s->end_seq), "an empty segment");
		at = s->end_seq;
	}
	require(!tp->seg_n || at == tp->snd_nxt, "segments do not end at snd_nxt");
	require(lost == tp->lost_out && retrans == tp->retrans_out, "lost_out or retrans_out is wrong");
	require(sacked == tp->sacked_out || !tp->sack_ok, "sacked_out is wrong");
	require(tp->sacked_out + tp->lost_out <= tp->packets_out, "more is lost than was sent");
	require(tp->cwnd < 1u << 24, "cwnd is wild");
}

static void check_receiving(const struct sock *sk, const struct tcp_sock *tp)
{
	const struct sk_buff *last = NULL;

	for (const struct sk_buff *skb = sk->ofo; skb; last = skb, skb = skb->next)
		require(!last || before(last->seq, skb->seq), "early segments are not in order");
	for (u32 i = 0; i < tp->nsacks; i++)
		require(before(tp->sacks[i].start, tp->sacks[i].end), "an empty SACK");
	require(!before(tp->rcv_wup + tp->rcv_wnd, tp->rcv_wup), "the window is negative");
}

static void check_deadlines(const struct host *h, const struct sock *sk, const struct tcp_sock *tp)
{
	u64 at = min_u64(min_u64(tp->rtx_at, tp->delack_at), min_u64(tp->comp_at, tp->keep_at));
	bool waits = tp->packets_out || tp->state == TCPS_SYN_SENT || tp->state == TCPS_SYN_RECV;

	if (tp->state == TCPS_ESTABLISHED || tp->state == TCPS_CLOSE_WAIT)
		waits |= before(tp->snd_nxt, tp->write_seq);
	require(!waits || min_u64(tp->rtx_at, tp->comp_at) != NEVER, "something waits without a deadline");
	require(!tp->orphan || tp->state == TCPS_CLOSE || at != NEVER, "an orphan for ever");
	require(at == NEVER || h->tcp.heap_at[sk->index], "a deadline is not in the heap");
}

static void check(struct world *x)
{
	struct host *h = x->h;
	u32 flows = 0;

	for (u32 i = 1; i < h->socks.used; i++) {
		const struct sock *sk = &h->socks.socks[i];
		const struct tcp_sock *tp = &h->tcp.socks[i];

		if (sk->type != SOCK_TCP)
			continue;
		require(tp->state != TCPS_CLOSE || !tp->orphan, "over, and not freed");
		flows += tp->state != TCPS_CLOSE;
		check_segments(tp);
		check_receiving(sk, tp);
		check_deadlines(h, sk, tp);
	}
	require(flows == h->socks.flows, "the table of flows has another number of connections");
	require(h->tcp.reqs < h->tcp.req_used && h->tcp.tws < h->tcp.tw_used, "more entries than places");
}

/* ---- the peer ---- */

static u32 put_options(u8 *to, struct world *x, struct peer *p, struct input *in, bool syn)
{
	u8 which = (u8)take(in, 1), *at = to;

	if (syn && which & 1) {
		u32 mss = which & 2 ? 1460 : (u32)take(in, 2);

		memcpy(at, (u8[]){ 2, 4, (u8)(mss >> 8), (u8)mss }, 4);
		at += 4;
	}
	if (syn && which & 4) {
		memcpy(at, (u8[]){ 1, 3, 3, (u8)(which >> 4) }, 4);
		at += 4;
	}
	if (syn && which & 8) {
		memcpy(at, (u8[]){ 1, 1, 4, 2 }, 4);
		at += 4;
	}
	if (syn)
		p->ts = which & 64;
	if (p->ts && which != 255) {
		p->tsval = (u32)(x->now / MS) + 1000;
		memcpy(at, (u8[]){ 1, 1, 8, 10 }, 4);
		store_be32(at + 4, p->tsval - (which == 254 ? 5000u : 0));
		store_be32(at + 8, which == 253 ? 0 : p->tsecr);
		at += 12;
	}
	if (!syn && which & 128) {
		u32 start = p->ack + (u32)(int8_t)take(in, 1) * 500u;

		memcpy(at, (u8[]){ 1, 1, 5, 10 }, 4);
		store_be32(at + 4, start);
		store_be32(at + 8, start + (u32)take(in, 1) * 100u);
		at += 12;
	}
	return (u32)(at - to);
}

/* A segment, near what would be right. */
static void segment(struct world *x, struct input *in, bool syn)
{
	static const u8 usual[8] = { TCPHDR_ACK,
				     TCPHDR_ACK | TCPHDR_PSH,
				     TCPHDR_ACK | TCPHDR_FIN,
				     TCPHDR_RST,
				     TCPHDR_ACK | TCPHDR_RST,
				     TCPHDR_SYN | TCPHDR_ACK,
				     TCPHDR_ACK | TCPHDR_ECE,
				     TCPHDR_ACK | TCPHDR_CWR };
	u32 at = (u32)take(in, 1), how = (u32)take(in, 1), len = (u32)take(in, 2), opt_len, hlen;
	struct peer *p = &x->peer[at % PEERS];
	u8 f[14 + 20 + 60 + DATA_MAX] = { 0 }, *th = f + 34, flags = syn ? TCPHDR_SYN : usual[how & 7];
	u32 seq = p->seq, ack = p->ack;

	if (at & 4)
		flags ^= (u8)take(in, 1);
	if (at & 8)
		seq += (u32)(int8_t)take(in, 1) * (at & 16 ? 1u << 20 : 100u);
	if (at & 32)
		ack += (u32)(int8_t)take(in, 1) * (at & 16 ? 1u << 20 : 700u);
	put_ipv4(f, 0, IPPROTO_TCP, 40); /* its addresses are replaced below */
	opt_len = put_options(th + 20, x, p, in, syn);
	hlen = 20 + opt_len;
	len = how & 8 && !syn ? len % DATA_MAX : 0;
	store16(f + 14 + IPH_TOT_LEN, htobe16_((u16)(20 + hlen + len)));
	f[14 + IPH_TOS] = (u8)(how >> 6);
	store_be32(f + 14 + IPH_SADDR, 0x0a000001);
	store16(f + 14 + IPH_CHECK, 0);
	store16(f + 14 + IPH_CHECK, csum_fold(csum_partial(f + 14, 20, 0)));
	store16(th + TCPH_SOURCE, htobe16_((u16)(1000 + at % PEERS)));
	store16(th + TCPH_DEST, htobe16_(PORT));
	store_be32(th + TCPH_SEQ, seq);
	store_be32(th + TCPH_ACK_SEQ, flags & TCPHDR_ACK ? ack : 0);
	th[TCPH_DOFF] = (u8)(hlen / 4 << 4);
	th[TCPH_FLAGS] = flags;
	store16(th + TCPH_WINDOW, how & 16 ? (u16)take(in, 2) : 0xffff);
	for (u32 i = 0; i < len; i++)
		th[hlen + i] = (u8)(seq + i);
	put_csum(f, 34 + hlen + len, IPPROTO_TCP, 34 + TCPH_CHECK);
	if (!(at & 8)) /* else it sends this part again, or has left something out */
		p->seq = seq + len + !!(flags & TCPHDR_SYN) + !!(flags & TCPHDR_FIN);
	feed(x, f, 34 + hlen + len);
}

/* A router, or the peer, complains of a segment that the host has sent, or may have sent. */
static void icmp(struct world *x, struct input *in)
{
	u32 at = (u32)take(in, 1), mtu = (u32)take(in, 2);
	u8 f[14 + 20 + 8 + 28] = { 0 }, *m = f + 34, *q = m + 8;

	put_ipv4(f, 0, IPPROTO_ICMP, sizeof(f) - 14);
	store_be32(f + 14 + IPH_SADDR, 0x0a000001);
	store16(f + 14 + IPH_CHECK, 0);
	store16(f + 14 + IPH_CHECK, csum_fold(csum_partial(f + 14, 20, 0)));
	memset(m, 0, 8 + 28);
	m[ICMPH_TYPE] = 3;
	m[ICMPH_CODE] = (u8)(at >> 4);
	store16(m + ICMPH_MTU, htobe16_((u16)mtu));
	q[IPH_VERSION_IHL] = 0x45;
	store16(q + IPH_TOT_LEN, htobe16_(1500));
	q[IPH_PROTOCOL] = IPPROTO_TCP;
	store_be32(q + IPH_SADDR, 0x0a000002);
	store_be32(q + IPH_DADDR, 0x0a000001);
	store16(q + 20, htobe16_(PORT));
	store16(q + 22, htobe16_((u16)(1000 + at % PEERS)));
	store_be32(q + 24, x->peer[at % PEERS].ack - (at & 8 ? 1460u : 1u));
	store16(m + ICMPH_CHECKSUM, csum_fold(csum_partial(m, 8 + 28, 0)));
	feed(x, f, sizeof(f));
}

/* ---- the program ---- */

static void keep(struct world *x, struct sock *sk, u32 at)
{
	if (x->conn[at])
		tcp_close(x->h, x->conn[at]);
	x->conn[at] = sk;
}

static void set_option(struct world *x, struct sock *sk, u32 what, u32 value)
{
	struct tcp_sock *tp = tcp_sk(x->h, sk);

	switch (what % 8) {
	case 0:
		tp->nodelay = value & 1;
		break;
	case 1:
		tp->cork = value & 1;
		break;
	case 2:
		tp->keepalive = value & 1;
		break;
	case 3:
		tp->linger_on = value & 1;
		break;
	case 4:
		tp->user_timeout_ms = value * 10;
		break;
	case 5:
		sk->rcvbuf = 2304 + value * 16;
		break;
	case 6:
		tp->user_mss = value % 2000 < 88 ? 0 : value % 2000;
		break;
	default:
		tp->sndbuf = 4608 + value * 16;
		break;
	}
	tcp_options_changed(x->h, sk);
	tcp_push(x->h, sk);
}

/* A call on a connection that the program has. */
static void call(struct world *x, struct input *in)
{
	static u8 buf[1 << 16];
	u32 what = (u32)take(in, 1), at = (u32)take(in, 1) % CONNECTIONS, n = (u32)take(in, 2);
	struct sock *sk = x->conn[at];

	if (what % 8 == 0) {
		struct sock *made = tcp_accept(x->h, x->listener);

		if (made)
			keep(x, made, at);
	} else if (what % 8 == 1) {
		if (tcp_connect(x->h, NULL, (u16)PORT, &peer_addr, (u16)(1000 + n % PEERS), &sk) == 0)
			keep(x, sk, at);
	} else if (sk && what % 8 <= 3) {
		tcp_sendmsg(x->h, sk, buf, n);
	} else if (sk && what % 8 == 4) {
		tcp_recvmsg(x->h, sk, buf, n, what >> 7);
	} else if (sk && what % 8 == 5) {
		tcp_shutdown(x->h, sk, n % 3);
	} else if (sk && what % 8 == 6) {
		set_option(x, sk, what >> 3, n);
	} else if (sk && what % 8 == 7) {
		tcp_close(x->h, sk);
		x->conn[at] = NULL;
	}
}

/* ---- the whole ---- */

static void configure(struct host *h, struct input *in)
{
	struct tcp_host *t = &h->tcp;
	u32 bits = (u32)take(in, 2);

	t->mode = TCP_MODE_ENDPOINT;
	t->window_scaling = bits & 1;
	t->timestamps = bits >> 1 & 1;
	t->sack = bits >> 2 & 1;
	t->dsack = bits >> 3 & 1;
	t->syncookies = (bits >> 4 & 3) % 3;
	t->ecn = (bits >> 6 & 3) % 3;
	t->congestion = bits >> 8 & 1;
	t->abort_on_overflow = bits >> 9 & 1;
	t->rfc1337 = bits >> 10 & 1;
	t->rmem[1] = bits & 1 << 11 ? 8192 : 131072;
	t->keepalive_time = 20;
	t->retries2 = 4;
	h->gro = bits >> 12 & 1;
	h->jiffy_ns = bits & 1 << 13 ? MS : 4 * MS;
}

static void begin(struct world *x, struct input *in)
{
	x->w = mem_wire_new(1 << 16, 64);
	x->w->wire.started = 1; /* stamps are virtual time */
	x->w->wire.speed_ppm = 1000000;
	x->h = path_host(1, &x->w->wire);
	x->h->auto_sink = x->h->ip_any = 0;
	x->h->ip[0] = (struct inet_net){ .addr = { 0, 0xffff0a000002 }, .prefix = 24 };
	x->h->nips = x->h->answers = 1;
	x->h->sock_max = 64;
	x->h->rx_pool_size = 2048;
	x->h->nic.filter.any = 0;
	memcpy(x->h->nic.filter.addr, host_mac, 6);
	require(mem_wire_sends(x->w) == 0, "no memory");
	configure(x->h, in);
	require(host_start(x->h) == 0, "the host does not start");
	x->now = SECOND;
	x->listener = tcp_listen(x->h, NULL, (u16)PORT, (u32)take(in, 1) % 5);
	require(x->listener != NULL, "no listener");
	for (u32 i = 0; i < PEERS; i++)
		x->peer[i] = (struct peer){ .seq = 1000 + i };
	x->peer[0].seq = ~0u - 2000; /* its numbers wrap soon */
}

static void operate(struct world *x, struct input *in)
{
	u64 before_ = x->sent;
	u32 what = (u32)take(in, 1);

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		segment(x, in, false);
		break;
	case 3:
		segment(x, in, true);
		break;
	case 4:
	case 5:
		call(x, in);
		break;
	case 6:
		run(x, (what & 128 ? SECOND / 4 : MS) * (1 + take(in, 1)));
		break;
	default:
		icmp(x, in);
		break;
	}
	run(x, 20000);
	check(x);
	require(x->sent - before_ < FRAMES_AN_OPERATION, "a storm");
}

static void end(struct world *x)
{
	for (u32 i = 0; i < CONNECTIONS; i++)
		keep(x, NULL, i);
	for (struct sock *sk; (sk = tcp_accept(x->h, x->listener));)
		tcp_close(x->h, sk);
	tcp_close(x->h, x->listener);
	for (u32 s = 0; s < END_S; s += 40) {
		run(x, 40 * SECOND);
		check(x);
	}
	require(x->h->socks.flows == 0 && x->h->tcp.orphans == 0, "a connection is left");
	require(x->h->tcp.reqs == 0 && x->h->tcp.tws == 0, "a request or a TIME_WAIT is left");
	require(x->h->tcp.heap[0].n == 0, "a deadline is left");
	x->w->closed = 1;
	host_finish(x->h);
	path_run(x->h);
	require_laws(x->h);
	host_free(x->h);
	mem_wire_free(x->w);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, data + size };
	struct world *x = &the_world;

	memset(x->conn, 0, sizeof(x->conn));
	x->sent = 0;
	begin(x, &in);
	for (u32 i = 0; i < OPERATIONS && in.at < in.end; i++)
		operate(x, &in);
	end(x);
	return 0;
}
