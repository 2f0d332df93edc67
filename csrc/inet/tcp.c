/* tcp.c - TCP input, passive: each flow's segments become one ordered byte stream. RFC 9293; Linux: net/ipv4/tcp_input.c
 *
 *   ip_deliver() -> tcp_rcv(): header, checksum, flow (made at the first segment if a socket listens) -> tcp_data():
 *       old: TCP_OLD_DATA | next: socket queue, then what waited for it | early: out-of-order queue, sorted by seq
 *
 * A stream has no message boundaries: reads are independent of the sender's writes. Where segments overlap, the bytes that
 * were queued first win. FIN ends the stream when all data before it has arrived, RST at once. rcvbuf bounds both queues.
 * TCP sends nothing yet, so a peer never retransmits lost data. If the out-of-order queue is full or the replay ends,
 * tcp_skip_hole() skips the hole and counts its bytes as a gap. Answering belongs in this file.
 */
#include "prelude.h"
#include "tcp/inline.h"

#define WINDOW_MAX (1u << 30) /* RFC 7323: no window is larger */

/* Queue in-order data to the socket, trimmed of bytes that are old. */
static void queue_data(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	u32 old = sk->rcv_nxt - skb->seq, segs = skb->segs;

	if (old)
		skb_advance(skb, old);
	skb->seq = sk->rcv_nxt;
	if (unlikely(sock_queue_rcv_skb(sd, sk, skb) < 0)) {
		COUNT(sd->mib[TcpExt_TCPRcvQDrop], 1);
		kfree_skb_reason(sd, skb, SOCKET_RCVBUFF);
		return; /* rcv_nxt stays: the stream has a hole here */
	}
	sk->rcv_nxt = skb->end_seq;
	count_fate(sd, DELIVERED_TCP, segs);
	packet_tap_fate(sd, skb, DELIVERED_TCP); /* skb is still queued: the socket is locked */
}

static void stream_ends(struct softnet_data *sd, struct sock *sk)
{
	if (sk->fin_seen && sk->rcv_nxt == sk->fin_seq && sk->state == TCP_OPEN) {
		sk->state = TCP_FINISHED;
		sk->rcv_nxt++;
		tcp_ofo_purge(sd, sk, TCP_CLOSE); /* data after a FIN */
		sock_data_ready(sd, sk);
	}
}

static void ofo_drain(struct softnet_data *sd, struct sock *sk)
{
	while (sk->ofo && !before(sk->rcv_nxt, sk->ofo->seq)) {
		struct sk_buff *skb = tcp_ofo_take(sd, sk);
		u32 was = sk->rcv_nxt;

		stage_done(sd, LAT_REORDER, EVENT_ORDERED, skb, sk->index);
		if (!before(sk->rcv_nxt, skb->end_seq)) {
			kfree_skb_reason(sd, skb, TCP_OFOMERGE);
			continue;
		}
		queue_data(sd, sk, skb);
		if (sk->rcv_nxt == was)
			break; /* rcvbuf is full: the rest would leave another hole */
	}
	stream_ends(sd, sk);
}

int tcp_waits_for_fin(const struct sock *sk)
{
	return sk->fin_seen && sk->state == TCP_OPEN && before(sk->rcv_nxt, sk->fin_seq);
}

void tcp_skip_hole(struct softnet_data *sd, struct sock *sk)
{
	u32 next = sk->ofo ? sk->ofo->seq : sk->fin_seen && sk->state == TCP_OPEN ? sk->fin_seq : sk->rcv_nxt;

	if (before(sk->rcv_nxt, next)) {
		COUNT(sk->gaps, 1);
		COUNT(sk->gap_bytes, next - sk->rcv_nxt);
		COUNT(sd->mib[TcpExt_TCPHoles], 1);
		sk->rcv_nxt = next;
	}
	ofo_drain(sd, sk);
}

static void tcp_early(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	while (sk->ofo && sk->ofo_truesize + skb->truesize > sk->rcvbuf) {
		if (sk->rmem_alloc > sk->rcvbuf) { /* the socket is full too */
			COUNT(sd->mib[TcpExt_TCPOFODrop], 1);
			kfree_skb_reason(sd, skb, TCP_OFO_DROP);
			return;
		}
		tcp_skip_hole(sd, sk);
	}
	if (!before(sk->rcv_nxt, skb->end_seq)) {
		COUNT(sk->duplicates, skb->segs);
		kfree_skb_reason(sd, skb, TCP_OLD_DATA);
	} else if (sk->state != TCP_OPEN) { /* the FIN followed that hole */
		kfree_skb_reason(sd, skb, TCP_CLOSE);
	} else if (before(sk->rcv_nxt, skb->seq)) {
		tcp_ofo_insert(sd, sk, skb, NULL);
	} else {
		queue_data(sd, sk, skb);
		ofo_drain(sd, sk);
	}
}

/* ---- a segment of a known flow ---- */

static void tcp_reset(struct softnet_data *sd, struct sock *sk)
{
	sk->state = TCP_WAS_RESET;
	tcp_ofo_purge(sd, sk, TCP_CLOSE);
	sock_data_ready(sd, sk);
}

static void tcp_data(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	if (unlikely(!before(sk->rcv_nxt, skb->end_seq))) {
		COUNT(sk->duplicates, skb->segs);
		kfree_skb_reason(sd, skb, TCP_OLD_DATA);
	} else if (unlikely(sk->state != TCP_OPEN)) {
		kfree_skb_reason(sd, skb, TCP_CLOSE);
	} else if (unlikely(skb->seq - sk->rcv_nxt > WINDOW_MAX && before(sk->rcv_nxt, skb->seq))) {
		kfree_skb_reason(sd, skb, TCP_OVERWINDOW);
	} else if (unlikely(before(sk->rcv_nxt, skb->seq))) {
		tcp_early(sd, sk, skb);
	} else {
		queue_data(sd, sk, skb);
		if (unlikely(sk->ofo != NULL))
			ofo_drain(sd, sk);
	}
}

static void tcp_segment(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, u32 seq, u8 flags)
{
	u32 data = skb->len, end = seq + data + !!(flags & TCPHDR_SYN);

	COUNT(sk->segments, skb->segs);
	if (unlikely(flags & TCPHDR_RST)) {
		if (sk->state == TCP_OPEN && seq - sk->rcv_nxt > WINDOW_MAX && sk->rcv_nxt - seq > WINDOW_MAX) {
			kfree_skb_reason(sd, skb, TCP_OVERWINDOW);
			return;
		}
		if (sk->state == TCP_OPEN)
			tcp_reset(sd, sk);
		kfree_skb_reason(sd, skb, DELIVERED_TCP);
		return;
	}
	if (flags & TCPHDR_FIN && !sk->fin_seen && end - sk->rcv_nxt <= WINDOW_MAX) {
		sk->fin_seen = 1;
		sk->fin_seq = end;
	}
	if (!data) { /* an ACK, SYN or FIN */
		kfree_skb_reason(sd, skb, DELIVERED_TCP);
	} else {
		skb->seq = seq + !!(flags & TCPHDR_SYN);
		skb->end_seq = skb->seq + data;
		tcp_data(sd, sk, skb);
	}
	stream_ends(sd, sk);
}

/* ---- finding the flow ---- */

/* Return: false for a segment that opens and ends a stream at once, or does neither and acknowledges nothing */
static bool flags_good(u8 flags)
{
	const u8 open_and_end = TCPHDR_SYN | TCPHDR_FIN;

	return (flags & open_and_end) != open_and_end && flags & (TCPHDR_SYN | TCPHDR_RST | TCPHDR_ACK | TCPHDR_FIN);
}

/* Find the flow's socket, or make one if this segment may begin a flow. Return: NULL: *fate says why; unwanted: answer RST */
static struct sock *tcp_lookup(struct softnet_data *sd, const struct flow_key *t, u32 seq, u8 flags, enum fate *fate,
			       bool *unwanted)
{
	struct host *h = sd->host;
	bool answers = h->answers && !h->auto_sink; /* a replay's sinks begin in mid-stream */
	struct sock *sk = sock_lookup_flow(&h->socks, SOCK_TCP, &t->dst, t->dport, &t->src, t->sport), *listener;

	*fate = NO_SOCKET;
	*unwanted = answers;
	/* a SYN with another sequence number: the ports are reused, so the old stream has ended */
	if (sk && (flags & (TCPHDR_SYN | TCPHDR_RST)) == TCPHDR_SYN && seq + 1 != sk->rcv_nxt &&
	    (sk->state != TCP_OPEN || before(sk->rcv_nxt, seq) || sk->rcv_nxt - seq > WINDOW_MAX)) {
		cpu_lock(sd, &sk->lock);
		if (sk->state == TCP_OPEN)
			tcp_reset(sd, sk);
		cpu_unlock(sd, &sk->lock);
		sock_close(h, sd, sk);
		sk = NULL;
	}
	if (sk && flags_good(flags))
		return sk;
	if (sk || (!flags_good(flags) && !answers)) {
		*fate = TCP_FLAGS;
		*unwanted = false;
		return NULL;
	}
	if (flags & TCPHDR_RST && !answers)
		return NULL;
	listener = sock_lookup_port(h, SOCK_TCP_LISTEN, &t->dst, t->dport);
	if (!listener) {
		if (h->auto_sink)
			*fate = SOCKET_TABLE_FULL;
		return NULL;
	}
	if (answers && (!flags_good(flags) || (flags & (TCPHDR_SYN | TCPHDR_ACK | TCPHDR_RST)) != TCPHDR_SYN)) {
		*fate = (flags & (TCPHDR_ACK | TCPHDR_RST)) == TCPHDR_RST ? TCP_RESET : TCP_FLAGS;
		*unwanted = flags & TCPHDR_ACK; /* of no connection that there is */
		return NULL;
	}
	*fate = SOCKET_TABLE_FULL;
	*unwanted = false;
	/* no SYN: the capture begins in mid-stream */
	return sock_new_flow(sd, listener, &t->dst, t->dport, &t->src, t->sport, flags & TCPHDR_SYN ? seq + 1 : seq);
}

void tcp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb_network_header(skb);
	struct flow_key t;
	u8 copy[TCP_HLEN];
	const u8 *th = skb_header_pointer(skb, 0, TCP_HLEN, copy);
	enum fate fate;
	struct sock *sk;
	u32 doff, seq;
	bool unwanted;
	u8 flags;

	cpu_charge(sd, COST_TCP);
	if (unlikely(skb->pkt_type != PACKET_HOST) && sd->host->answers) { /* TCP has no groups */
		kfree_skb_reason(sd, skb, NO_SOCKET);
		return;
	}
	COUNT(sd->mib[Tcp_InSegs], 1);
	doff = th ? tcp_hdrlen(th) : 0;
	if (unlikely(doff < TCP_HLEN || doff > skb->len)) {
		COUNT(sd->mib[Tcp_InErrs], th && doff < TCP_HLEN);
		kfree_skb_reason(sd, skb, PKT_TOO_SMALL);
		return;
	}
	if (unlikely(skb_csum_bad(sd, skb, IPPROTO_TCP, skb->len))) {
		COUNT(sd->mib[Tcp_InErrs], 1);
		COUNT(sd->mib[Tcp_InCsumErrors], 1);
		kfree_skb_reason(sd, skb, TCP_CSUM);
		return;
	}
	flags = th[TCPH_FLAGS];
	seq = be32(th + TCPH_SEQ);
	t = flow_key_of(ip, th, IPPROTO_TCP);
	if (sd->host->tcp.mode == TCP_MODE_ENDPOINT) {
		tcp_endpoint_rcv(sd, skb, &t);
		return;
	}
	sk = tcp_lookup(sd, &t, seq, flags, &fate, &unwanted);
	if (unlikely(!sk)) {
		if (unwanted)
			tcp_send_reset(sd, skb, th);
		kfree_skb_reason(sd, skb, fate);
		return;
	}
	skb_advance(skb, doff);
	cpu_lock(sd, &sk->lock);
	if (unlikely(sk->closed))
		kfree_skb_reason(sd, skb, TCP_CLOSE); /* live: closed since the look-up */
	else
		tcp_segment(sd, sk, skb, seq, flags);
	cpu_unlock(sd, &sk->lock);
}
