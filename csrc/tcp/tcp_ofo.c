/* tcp_ofo.c - segments that arrived before those in front of them, sorted by sequence number. Linux: tcp_data_queue_ofo()
 *
 *   inet/tcp.c (passive), tcp_receive.c (endpoint) -> tcp_ofo_insert() ... tcp_ofo_take() when the hole is filled
 *
 * Where segments overlap, those that were queued first win. A segment that a new one covers is freed.
 */
#include "prelude.h"
#include "tcp/inline.h"

static void count(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb, int sign)
{
	sk->ofo_truesize += sign > 0 ? skb->truesize : -skb->truesize;
	COUNT(sd->ofo_frames, (u64)(sign * (int)skb->segs));
	COUNT(sd->in_hand, (u64)(-sign * (int)skb->segs));
}

struct sk_buff *tcp_ofo_take(struct softnet_data *sd, struct sock *sk)
{
	struct sk_buff *skb = sk->ofo;

	sk->ofo = skb->next;
	count(sd, sk, skb, -1);
	return skb;
}

void tcp_ofo_purge(struct softnet_data *sd, struct sock *sk, enum fate fate)
{
	while (sk->ofo)
		kfree_skb_reason(sd, tcp_ofo_take(sd, sk), fate);
}

bool tcp_ofo_insert(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, struct sk_buff **tail)
{
	struct sk_buff **link = &sk->ofo;

	if (tail && sk->ofo && !before(skb->seq, (*tail)->end_seq))
		link = &(*tail)->next; /* the usual case: behind all others */
	while (*link && before((*link)->seq, skb->seq)) {
		if (!before((*link)->end_seq, skb->end_seq)) {
			kfree_skb_reason(sd, skb, TCP_OFOMERGE); /* all of it is queued already */
			return false;
		}
		link = &(*link)->next;
	}
	if (*link && (*link)->seq == skb->seq && !before((*link)->end_seq, skb->end_seq)) {
		kfree_skb_reason(sd, skb, TCP_OFOMERGE);
		return false;
	}
	COUNT(sd->mib[TcpExt_TCPOFOQueue], 1);
	COUNT(sk->ofo_segments, skb->segs);
	while (*link && !before(skb->end_seq, (*link)->end_seq)) { /* skb covers it */
		struct sk_buff *covered = *link;

		*link = covered->next;
		count(sd, sk, covered, -1);
		kfree_skb_reason(sd, covered, TCP_OFOMERGE);
	}
	stage_done(sd, LAT_STACK, EVENT_REORDER, skb, sk->index);
	skb->next = *link;
	*link = skb;
	if (tail && !skb->next)
		*tail = skb;
	count(sd, sk, skb, 1);
	return true;
}
