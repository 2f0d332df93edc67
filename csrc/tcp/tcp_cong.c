/* tcp_cong.c - congestion control that is alike for all: slow start, additive increase, NewReno. RFC 5681
 *
 *   tcp_ack.c -> tcp_cong_avoid(): Reno here, CUBIC in tcp_cubic.c; tcp_cong_ssthresh() when a segment was lost
 *
 * cwnd counts segments. Linux: net/ipv4/tcp_cong.c
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

u32 tcp_in_flight(const struct tcp_sock *tp)
{
	return tp->packets_out + tp->retrans_out - tp->sacked_out - tp->lost_out;
}

u32 tcp_slow_start(struct tcp_sock *tp, u32 acked)
{
	u32 cwnd = min_u32(tp->cwnd + acked, tp->ssthresh);

	acked -= cwnd - tp->cwnd;
	tp->cwnd = min_u32(cwnd, tp->cwnd_clamp);
	return acked;
}

/* tcp_ai() - one segment more for each w acknowledged */
void tcp_ai(struct tcp_sock *tp, u32 w, u32 acked)
{
	if (tp->cwnd_cnt >= w) { /* credit from when w was larger */
		tp->cwnd_cnt = 0;
		tp->cwnd++;
	}
	tp->cwnd_cnt += acked;
	if (tp->cwnd_cnt >= w) {
		u32 more = tp->cwnd_cnt / w;

		tp->cwnd_cnt -= more * w;
		tp->cwnd += more;
	}
	tp->cwnd = min_u32(tp->cwnd, tp->cwnd_clamp);
}

static bool is_cwnd_limited(const struct tcp_sock *tp)
{
	return tp->cwnd_limited || (tp->cwnd < tp->ssthresh && tp->cwnd < 2 * tp->max_packets_out);
}

/* tcp_cong_avoid() - acked segments have arrived, in order or not: cwnd grows, if it is what bounds us */
void tcp_cong_avoid(struct tcp_sock *tp, u32 acked, u64 now)
{
	if (!is_cwnd_limited(tp))
		return;
	if (tp->cong == TCP_CONG_CUBIC) {
		cubic_avoid(tp, acked, now);
		return;
	}
	if (tp->cwnd < tp->ssthresh)
		acked = tcp_slow_start(tp, acked);
	if (acked)
		tcp_ai(tp, tp->cwnd, acked);
}

u32 tcp_cong_ssthresh(struct tcp_sock *tp)
{
	return tp->cong == TCP_CONG_CUBIC ? cubic_ssthresh(tp) : max_u32(tp->cwnd >> 1, 2);
}

void tcp_cong_acked(struct tcp_sock *tp, u32 rtt_us, u64 now)
{
	if (tp->cong == TCP_CONG_CUBIC)
		cubic_acked(tp, rtt_us, now);
}

void tcp_cong_init(struct tcp_sock *tp)
{
	cubic_reset(tp);
}

/* tcp_handshake_cwnd() - the path lost our SYN more than once: begin with one segment. RFC 5681 section 3.1. tsval_first: of the
 * first SYN: if the peer echoes it, nothing was lost */
void tcp_handshake_cwnd(struct tcp_sock *tp, const struct tcp_options *o, u32 tsval_first)
{
	if (tp->total_retrans > 1 && !(tp->tstamp_ok && o->saw_tstamp && o->tsecr == tsval_first))
		tp->cwnd = 1;
}
