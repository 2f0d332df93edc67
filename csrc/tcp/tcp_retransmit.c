/* tcp_retransmit.c - old data again: what is lost, the oldest first. Linux: tcp_retransmit_skb(), tcp_xmit_retransmit_queue()
 *
 *   tcp_ack.c, tcp_timer.c -> tcp_retransmit_lost(), tcp_retransmit_seg() -> tcp_output.c
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

/* A short segment goes again together with those behind it, as many as fit: tcp_retrans_try_collapse() */
static void collapse(struct tcp_sock *tp, struct tcp_seg *seg)
{
	u32 i = ((u32)(seg - tp->seg) - tp->seg_head) & (tp->seg_size - 1), n = 0;

	while (i + 1 + n < tp->seg_n && !(seg->flags & TCP_SEG_FIN)) {
		struct tcp_seg *next = tcp_seg_at(tp, i + 1 + n);
		u8 states = TCP_SEG_LOST | TCP_SEG_RETRANS;

		if (next->flags & TCP_SEG_SACKED || next->end_seq - seg->seq > tp->mss_cache)
			break;
		tp->packets_out--;
		if (next->flags & TCP_SEG_LOST)
			tp->lost_out--;
		if (next->flags & TCP_SEG_RETRANS)
			tp->retrans_out--;
		seg->end_seq = next->end_seq;
		seg->flags |= next->flags & (u8)~states;
		n++;
	}
	for (u32 at = i + 1; n && at + n < tp->seg_n; at++)
		*tcp_seg_at(tp, at) = *tcp_seg_at(tp, at + n);
	tp->seg_n -= n;
	tcp_limit_reno_sacked(tp);
}

/* tcp_resend() - send a segment again, whatever is thought of the first copy. Return: 0; -EAGAIN: not now */
int tcp_resend(struct host *h, struct softnet_data *sd, struct sock *sk, struct tcp_seg *seg, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	bool fin;
	u32 len, at = 0;
	int rc = 0;

	tcp_sync_mss(h, sk);
	if (before(seg->seq, tp->snd_una)) /* a part of it was acknowledged */
		seg->seq = tp->snd_una;
	if (h->tcp.retrans_collapse && !(seg->flags & TCP_SEG_SACKED))
		collapse(tp, seg);
	fin = seg->flags & TCP_SEG_FIN;
	len = seg->end_seq - seg->seq - fin;
	if (seg->seq != tp->snd_una && after(seg->end_seq, tp->snd_una + tp->snd_wnd))
		return -EAGAIN; /* the peer took its window back */
	while (at < len || (fin && !len)) { /* the path may carry less by now */
		struct tcp_out s = { .seq = seg->seq + at,
				     .len = min_u32(len - at, tcp_current_mss(tp)),
				     .flags = TCPHDR_ACK };

		at += s.len;
		if (at == len && seg->end_seq - fin == tp->write_seq && len)
			s.flags |= TCPHDR_PSH;
		if (at == len && fin)
			s.flags |= TCPHDR_FIN;
		rc = tcp_transmit(h, sd, sk, &s, now);
		if (rc == -EAGAIN)
			return rc;
		tcp_count(h, sd, Tcp_RetransSegs, 1);
		tp->total_retrans++;
		tp->bytes_retrans += s.len;
		if (!len)
			break;
	}
	seg->flags |= TCP_SEG_EVER_RETRANS;
	seg->sent_ns = now;
	return 0;
}

/* tcp_retransmit_seg() - send a segment again, because it is lost. Return: as tcp_resend() */
int tcp_retransmit_seg(struct host *h, struct softnet_data *sd, struct sock *sk, struct tcp_seg *seg, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	int rc = tcp_resend(h, sd, sk, seg, now);

	if (rc < 0)
		return rc;
	if (!(seg->flags & TCP_SEG_RETRANS))
		tp->retrans_out++;
	seg->flags |= TCP_SEG_RETRANS;
	if (!tp->retrans_stamp) {
		tp->retrans_stamp = now;
		tp->retrans_stamp_ts = tcp_ts_now(now, tp->ts_offset);
	}
	if (tp->undo_retrans == ~0u)
		tp->undo_retrans = 0;
	tp->undo_retrans++;
	return 0;
}

/* tcp_retransmit_lost() - as many lost segments as cwnd allows, the oldest first. tcp_xmit_retransmit_queue() */
void tcp_retransmit_lost(struct host *h, struct softnet_data *sd, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	bool any = false;

	for (u32 i = 0; i < tp->seg_n && tp->lost_out > tp->retrans_out; i++) {
		struct tcp_seg *seg = tcp_seg_at(tp, i);
		int rc;

		if (tcp_in_flight(tp) >= tp->cwnd)
			break;
		if ((seg->flags & (TCP_SEG_LOST | TCP_SEG_RETRANS | TCP_SEG_SACKED)) != TCP_SEG_LOST)
			continue;
		rc = tcp_retransmit_seg(h, sd, sk, seg, now);
		if (rc == -EAGAIN) {
			tp->want_write = 1;
			tp->comp_at = min_u64(tp->comp_at, now + TCP_RING_PAUSE_NS);
			break;
		}
		tcp_count(h, sd, tp->ca_state == TCP_CA_Loss ? TcpExt_TCPSlowStartRetrans : TcpExt_TCPFastRetrans, 1);
		tp->prr_out++;
		any |= i == 0;
	}
	if (any && tp->pending != TCP_PENDING_REO)
		tcp_rearm_rto(h, tp, now);
}
