/* tcp_receive.c - received bytes: old ones, the next, early ones. RFC 9293, RFC 2018, RFC 2883; Linux: tcp_data_queue()
 *
 *   tcp_input.c -> tcp_data_queue(): old: a duplicate, which is said (DSACK) | next: to the program | early: out of order, SACK
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define FIN_SHUTDOWN 1 /* RCV_SHUTDOWN */
#define QUICK_ALL 16u

/* ---- SACK ---- */

static void forget_sack(struct tcp_sock *tp, u32 i)
{
	for (tp->nsacks--; i < tp->nsacks; i++)
		tp->sacks[i] = tp->sacks[i + 1];
}

/* A run has grown, or is new: it goes to the front, and takes in those that it touches. */
static void sack_new(struct tcp_sock *tp, u32 start, u32 end)
{
	for (u32 i = 0; i < tp->nsacks;) {
		struct tcp_sack *s = &tp->sacks[i];

		if (before(end, s->start) || after(start, s->end)) {
			i++;
			continue;
		}
		start = before(s->start, start) ? s->start : start;
		end = after(s->end, end) ? s->end : end;
		forget_sack(tp, i);
	}
	if (tp->nsacks == TCP_SACKS_MAX)
		tp->nsacks--;
	for (u32 i = tp->nsacks++; i > 0; i--)
		tp->sacks[i] = tp->sacks[i - 1];
	tp->sacks[0] = (struct tcp_sack){ start, end };
}

static void sack_remove(struct tcp_sock *tp, const struct sock *sk)
{
	if (!sk->ofo)
		tp->nsacks = 0;
	for (u32 i = 0; i < tp->nsacks;) {
		if (before(sk->rcv_nxt, tp->sacks[i].start))
			i++;
		else
			forget_sack(tp, i);
	}
}

static void dsack_set(struct softnet_data *sd, struct tcp_sock *tp, u32 start, u32 end, bool old)
{
	if (!tp->sack_ok || !sd->host->tcp.dsack)
		return;
	COUNT(sd->mib[old ? TcpExt_TCPDSACKOldSent : TcpExt_TCPDSACKOfoSent], 1);
	tp->dsack = (struct tcp_sack){ start, end };
}

/* More of what was said has come twice, if it touches it. tcp_dsack_extend() */
static void dsack_extend(struct softnet_data *sd, struct tcp_sock *tp, u32 start, u32 end)
{
	struct tcp_sack *d = &tp->dsack;

	if (d->start == d->end) {
		dsack_set(sd, tp, start, end, false);
	} else if (!after(start, d->end) && !after(d->start, end)) {
		d->start = before(start, d->start) ? start : d->start;
		d->end = after(end, d->end) ? end : d->end;
	}
}

/* DSACK: name the bytes of [start, end) that already wait in the out-of-order queue */
static void dsack_overlaps(struct softnet_data *sd, const struct sock *sk, u32 start, u32 end)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	if (!sk->ofo || !before(start, tp->ofo_tail->end_seq)) /* behind all of them, as most are */
		return;
	for (const struct sk_buff *skb = sk->ofo; skb && before(skb->seq, end); skb = skb->next)
		if (before(start, skb->end_seq))
			dsack_extend(sd, tp, before(start, skb->seq) ? skb->seq : start,
				     before(end, skb->end_seq) ? end : skb->end_seq);
}

/* ---- the queue ---- */

/* Is there room for the packet? An empty queue takes any. If not, early segments make room: RFC 2018 section 8 */
static bool has_room(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	if (!sk->head || tcp_rmem_charged(sk) + skb->len <= sk->rcvbuf)
		return true;
	if (sk->ofo) {
		COUNT(sd->mib[TcpExt_OfoPruned], 1);
		tcp_ofo_purge(sd, sk, TCP_OFO_QUEUE_PRUNE);
		tp->ofo_tail = NULL;
		tp->nsacks = 0;
	}
	return tcp_rmem_charged(sk) + skb->len <= sk->rcvbuf;
}

/* The peer has sent all: tcp_fin(). */
static void got_fin(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);

	tp->ack_pending = 1;
	tp->shutdown |= FIN_SHUTDOWN;
	sk->rcv_nxt++;
	tcp_ofo_purge(sd, sk, TCP_CLOSE);
	tp->ofo_tail = NULL;
	switch (tp->state) {
	case TCPS_SYN_RECV:
	case TCPS_ESTABLISHED:
		tcp_state(h, sk, TCPS_CLOSE_WAIT);
		tp->ack_pingpong = (u8)h->tcp.pingpong_thresh;
		break;
	case TCPS_FIN_WAIT1:
		tcp_state(h, sk, TCPS_CLOSING);
		tcp_send_ack(h, sd, sk);
		break;
	case TCPS_FIN_WAIT2:
		tcp_send_ack(h, sd, sk);
		tcp_time_wait(h, sd, sk);
		break;
	}
	tp->nsacks = 0;
	tp->dsack.end = tp->dsack.start;
	sock_wake_python(sk);
}

/* Linux moves a segment's bytes into the packet in front of it, up to 17 of them, and frees its sk_buff. Here it stays one of
 * its own, and is charged less. tcp_try_coalesce() */
static void coalesce(struct softnet_data *sd, const struct sock *sk, struct sk_buff *skb)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	if (!sk->head || skb->frag_list || tp->coalesced == MAX_SKB_FRAGS || skb->truesize <= SKB_HEAD_TRUESIZE) {
		tp->coalesced = skb->frag_list ? MAX_SKB_FRAGS : 0;
		return;
	}
	COUNT(sd->mib[TcpExt_TCPRcvCoalesce], 1);
	skb->truesize -= SKB_HEAD_TRUESIZE;
	tp->coalesced++;
}

/* Queue bytes in order, without those that are old. Return: false: no room, skb is freed */
static bool queue_in_order(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u32 old = sk->rcv_nxt - skb->seq, segs = skb->segs;

	if (old)
		skb_advance(skb, old);
	skb->seq = sk->rcv_nxt;
	coalesce(sd, sk, skb);
	if (!has_room(sd, sk, skb) || sock_queue_rcv_skb(sd, sk, skb) < 0) {
		COUNT(sd->mib[TcpExt_TCPRcvQDrop], 1);
		tp->ack_pending = tp->ack_now = 1;
		tcp_quickack(tp, QUICK_ALL);
		kfree_skb_reason(sd, skb, SOCKET_RCVBUFF);
		return false;
	}
	sk->rcv_nxt = skb->end_seq;
	tp->bytes_received += skb->len;
	count_fate(sd, DELIVERED_TCP, segs);
	packet_tap_fate(sd, skb, DELIVERED_TCP); /* skb is still queued: the socket is locked */
	return true;
}

static void drain_ofo(struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u32 high = sk->rcv_nxt;

	while (sk->ofo && !before(sk->rcv_nxt, sk->ofo->seq)) {
		struct sk_buff *skb = tcp_ofo_take(sd, sk);

		if (before(skb->seq, high)) /* it came twice up to there */
			dsack_extend(sd, tp, skb->seq, before(skb->end_seq, high) ? skb->end_seq : high);
		stage_done(sd, LAT_REORDER, EVENT_ORDERED, skb, sk->index);
		if (!before(sk->rcv_nxt, skb->end_seq)) {
			kfree_skb_reason(sd, skb, TCP_OFOMERGE);
			continue;
		}
		if (!queue_in_order(sd, sk, skb))
			break;
	}
	if (!sk->ofo) {
		tp->ofo_tail = NULL;
		tp->ack_now = 1; /* the hole is filled: RFC 5681 section 4.2 */
	}
}

/* The next bytes, or the FIN after them. skb NULL: only a FIN */
static void in_order(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u32 bytes = skb ? skb->len : 0; /* also those that are old */

	if (bytes) {
		if (!queue_in_order(sd, sk, skb))
			return;
		tcp_data_arrived(sd, sk, skb, bytes);
	}
	if (sk->ofo && !(sk->fin_seen && sk->rcv_nxt == sk->fin_seq))
		drain_ofo(sd, sk);
	sack_remove(tp, sk);
	if (sk->fin_seen && sk->rcv_nxt == sk->fin_seq)
		got_fin(sd, sk);
}

static void early(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, bool fin)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u32 start = skb->seq, end = skb->end_seq;

	tp->ack_pending = 1;
	tcp_ecn_check(tp, skb);
	if (start != end)
		tcp_measure_rcv_mss(tp, sk, skb, skb->len);
	if (start == end) { /* a FIN alone */
		dsack_overlaps(sd, sk, start, end + fin);
		if (tp->sack_ok)
			sack_new(tp, start, end + fin);
		kfree_skb_reason(sd, skb, DELIVERED_TCP);
		return;
	}
	if (tcp_rmem_charged(sk) + skb->len > sk->rcvbuf) {
		COUNT(sd->mib[TcpExt_TCPOFODrop], 1);
		kfree_skb_reason(sd, skb, TCP_OFO_DROP);
		return;
	}
	dsack_overlaps(sd, sk, start, end + fin);
	if (tcp_ofo_insert(sd, sk, skb, &tp->ofo_tail) && tp->sack_ok)
		tcp_grow_window(sd->host, tp, sk,
				skb); /* without SACK, a changed window would hide a duplicate acknowledgement */
	if (tp->sack_ok)
		sack_new(tp, start, end + fin);
}

static void refuse(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, enum fate why)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	tcp_enter_quickack(tp, QUICK_ALL);
	tp->ack_pending = 1;
	kfree_skb_reason(sd, skb, why);
}

static void note_fin(struct sock *sk, u32 end, bool fin)
{
	if (!fin)
		return;
	sk->fin_seen = 1;
	sk->fin_seq = end;
}

/* tcp_data_queue() - take a segment's bytes, seq to end_seq, and the FIN after them. Consumes skb. */
void tcp_data_queue(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, bool fin)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u32 start = skb->seq, end = skb->end_seq, window = tcp_receive_window(tp, sk->rcv_nxt);
	bool bare = start == end;

	if (!before(sk->rcv_nxt, end + fin)) {
		dsack_set(sd, tp, start, end + fin, true);
		refuse(sd, sk, skb, TCP_OLD_DATA);
	} else if (!before(start, sk->rcv_nxt + window) && !(bare && start == sk->rcv_nxt)) {
		if (start == sk->rcv_nxt)
			COUNT(sd->mib[TcpExt_TCPZeroWindowDrop], 1);
		refuse(sd, sk, skb, start == sk->rcv_nxt ? TCP_ZEROWINDOW : TCP_OVERWINDOW);
	} else if (after(start, sk->rcv_nxt)) {
		note_fin(sk, end, fin && !sk->fin_seen);
		early(sd, sk, skb, fin);
	} else {
		note_fin(sk, end, fin); /* whatever an early one said */
		if (before(start, sk->rcv_nxt))
			dsack_set(sd, tp, start, sk->rcv_nxt, true);
		if (!after(end, sk->rcv_nxt)) {
			in_order(sd, sk, NULL); /* only the FIN is new: nothing is queued */
			kfree_skb_reason(sd, skb, DELIVERED_TCP);
		} else {
			in_order(sd, sk, skb);
		}
	}
}
