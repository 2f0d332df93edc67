/* tcp_ecn.c - explicit congestion notification: a router marks a packet instead of dropping it. RFC 3168; Linux: tcp_ecn_*()
 *
 *   SYN and SYN-ACK agree on it -> new data carries ECT(0) -> a router makes it CE -> the receiver says ECE until it sees CWR
 *   tcp_receive.c -> tcp_ecn_check();  tcp_ack.c -> tcp_ecn_accept_cwr(); ECE -> tcp_fastretrans.c: CWR, cwnd goes down
 *   tcp_output.c -> tcp_ecn_send()
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define SYN_ECN (TCPHDR_ECE | TCPHDR_CWR)
#define QUICK_ECN 2u

/* tcp_ecn_of_syn() - does a SYN ask for ECN, and may it have it? A marked one was sent by something that is no RFC 3168 host. */
bool tcp_ecn_of_syn(const struct host *h, const struct sk_buff *skb, u8 flags)
{
	return h->tcp.ecn && (flags & SYN_ECN) == SYN_ECN && !(ip_dsfield(skb_network_header(skb)) & INET_ECN_MASK);
}

/* tcp_ecn_syn_flags() - what our SYN asks for, or our SYN-ACK agrees to. After a timeout the SYN asks no more. */
u8 tcp_ecn_syn_flags(const struct host *h, struct tcp_sock *tp, bool ack)
{
	if (ack)
		return tp->ecn & TCP_ECN_OK ? TCPHDR_ECE : 0;
	if (h->tcp.ecn != 1 || (tp->syn_retries && h->tcp.ecn_fallback))
		return 0;
	tp->ecn = TCP_ECN_OK;
	return SYN_ECN;
}

/* tcp_ecn_rcv_syn() - the peer's answer to our SYN, or its own SYN at the same time */
void tcp_ecn_rcv_syn(struct tcp_sock *tp, u8 flags)
{
	if ((flags & SYN_ECN) != (flags & TCPHDR_ACK ? TCPHDR_ECE : SYN_ECN))
		tp->ecn = 0;
}

/* tcp_ecn_check() - data has arrived: is it marked? tcp_data_ecn_check() */
void tcp_ecn_check(struct tcp_sock *tp, const struct sk_buff *skb)
{
	u8 mark = ip_dsfield(skb_network_header(skb)) & INET_ECN_MASK;

	if (!(tp->ecn & TCP_ECN_OK))
		return;
	if (mark == INET_ECN_NOT_ECT) {
		if (tp->ecn & TCP_ECN_SEEN) /* others were capable: this one is probably sent again */
			tcp_enter_quickack(tp, QUICK_ECN);
		return;
	}
	if (mark == INET_ECN_CE && !(tp->ecn & TCP_ECN_DEMAND_CWR)) {
		tcp_enter_quickack(tp, QUICK_ECN); /* the sender's cwnd may be small */
		tp->ecn |= TCP_ECN_DEMAND_CWR;
	}
	tp->ecn |= TCP_ECN_SEEN;
}

/* tcp_ecn_accept_cwr() - the peer has slowed down: it need not be told again. Linux believes an acknowledgement without data too */
void tcp_ecn_accept_cwr(struct tcp_sock *tp, const struct tcp_in *s)
{
	if (!(s->flags & TCPHDR_CWR))
		return;
	tp->ecn &= (u8)~TCP_ECN_DEMAND_CWR;
	if (s->seq != s->end)
		tp->ack_now = 1; /* its cwnd may be one segment */
}

/* tcp_ecn_send() - flags of a segment that leaves, and its mark: only data that is sent the first time has one */
void tcp_ecn_send(struct tcp_sock *tp, struct tcp_out *s, u8 *tos)
{
	if (!(tp->ecn & TCP_ECN_OK))
		return;
	if (s->len && !before(s->seq, tp->snd_nxt)) {
		*tos |= INET_ECN_ECT_0;
		if (tp->ecn & TCP_ECN_QUEUE_CWR)
			s->flags |= TCPHDR_CWR;
	}
	if (tp->ecn & TCP_ECN_DEMAND_CWR)
		s->flags |= TCPHDR_ECE;
}

/* tcp_ecn_queue_cwr() - cwnd goes down: the next new data tells the peer */
void tcp_ecn_queue_cwr(struct tcp_sock *tp)
{
	if (tp->ecn & TCP_ECN_OK)
		tp->ecn |= TCP_ECN_QUEUE_CWR;
}
