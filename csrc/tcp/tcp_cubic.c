/* tcp_cubic.c - CUBIC: cwnd as a cubic function of the time since the last loss. RFC 9438; HyStart: Ha and Rhee 2008
 *
 *   W(t) = C (t - K)^3 + W_max    C = 0.4, beta = 717 / 1024; K: when W is at W_max again
 *
 * Times are in units of 1 / 1024 s, so that all of it is integers. Linux: net/ipv4/tcp_cubic.c, whose constants these are.
 */
#include "prelude.h"
#include "tcp/inline.h"

#define UNIT_SHIFT 10 /* time: 1 / 1024 s */
#define BETA 717u /* of 1024 */
#define BETA_SHIFT 10
#define SCALE 41u /* C: 410 / 1024 = 0.4 */
#define RTT_SCALE (SCALE * 10)
#define CUBE_FACTOR ((1ull << (10 + 3 * UNIT_SHIFT)) / (SCALE * 10))
#define TCP_FRIENDLY (8u * (1024 + BETA) / 3 / (1024 - BETA)) /* segments acknowledged for one more, times 8 */
#define HYSTART_LOW_WINDOW 16u
#define HYSTART_MIN_SAMPLES 8u
#define HYSTART_ACK_DELTA_US 2000u
#define HYSTART_DELAY_MIN 4000u /* us */
#define HYSTART_DELAY_MAX 16000u
#define STILL_NS 31250000ull /* 1 / 32 s: a plan is kept so long if cwnd is what it was */

static u32 cube_root(u64 a)
{
	u64 low = 0, high = 1u << 21; /* of 2^63 at most */

	while (low < high) {
		u64 mid = (low + high + 1) / 2;

		if (mid * mid * mid <= a)
			low = mid;
		else
			high = mid - 1;
	}
	return (u32)low;
}

static void hystart_reset(struct tcp_sock *tp, u64 now)
{
	tp->hy_round = tp->hy_last_ack = now / 1000;
	tp->hy_end_seq = tp->snd_nxt;
	tp->hy_curr_rtt = ~0u;
	tp->hy_sample_cnt = 0;
}

void cubic_reset(struct tcp_sock *tp)
{
	tp->bic_cnt = tp->bic_last_max = tp->bic_last_cwnd = tp->bic_origin = tp->bic_k = 0;
	tp->bic_delay_min_us = tp->bic_ack_cnt = tp->bic_tcp_cwnd = 0;
	tp->bic_epoch = tp->bic_last_time = 0;
	tp->hy_found = 0;
}

/* cubic_idle_end() - data is sent after silence: the curve does not grow in silence */
void cubic_idle_end(struct tcp_sock *tp, u64 now)
{
	if (!tp->bic_epoch || !tp->lsndtime || now <= tp->lsndtime)
		return;
	tp->bic_epoch = min_u64(tp->bic_epoch + (now - tp->lsndtime), now);
}

u32 cubic_ssthresh(struct tcp_sock *tp)
{
	tp->bic_epoch = 0;
	if (tp->cwnd < tp->bic_last_max) /* fast convergence: leave room for others */
		tp->bic_last_max = (tp->cwnd * (1024 + BETA)) / 2048;
	else
		tp->bic_last_max = tp->cwnd;
	return max_u32(tp->cwnd * BETA >> BETA_SHIFT, 2);
}

static void epoch_begins(struct tcp_sock *tp, u32 acked, u64 now)
{
	tp->bic_epoch = now;
	tp->bic_ack_cnt = acked;
	tp->bic_tcp_cwnd = tp->cwnd;
	if (tp->bic_last_max <= tp->cwnd) {
		tp->bic_k = 0;
		tp->bic_origin = tp->cwnd;
	} else {
		tp->bic_k = cube_root(CUBE_FACTOR * (tp->bic_last_max - tp->cwnd));
		tp->bic_origin = tp->bic_last_max;
	}
}

/* Where should cwnd be a round trip from now? bic_cnt: segments acknowledged until it grows by one */
static void update(struct tcp_sock *tp, u32 acked, u64 now)
{
	u64 t, off, delta;
	u32 target, cwnd = tp->cwnd;

	tp->bic_ack_cnt += acked;
	if (tp->bic_last_cwnd == cwnd && now - tp->bic_last_time <= STILL_NS)
		return;
	if (tp->bic_epoch && now == tp->bic_last_time)
		goto friendly;
	tp->bic_last_cwnd = cwnd;
	tp->bic_last_time = now;
	if (!tp->bic_epoch)
		epoch_begins(tp, acked, now);
	t = ((now - tp->bic_epoch) / 1000 + tp->bic_delay_min_us);
	t = (t << UNIT_SHIFT) / 1000000;
	off = t < tp->bic_k ? tp->bic_k - t : t - tp->bic_k;
	off = min_u64(off, 1u << 20);
	delta = (RTT_SCALE * off * off * off) >> (10 + 3 * UNIT_SHIFT);
	if (t < tp->bic_k)
		target = tp->bic_origin - (u32)min_u64(delta, tp->bic_origin);
	else
		target = (u32)min_u64(tp->bic_origin + delta, 1u << 30);
	tp->bic_cnt = target > cwnd ? cwnd / (target - cwnd) : 100 * cwnd;
	if (!tp->bic_last_max && tp->bic_cnt > 20) /* nothing was lost yet: the path is unknown */
		tp->bic_cnt = 20;
friendly: /* never slower than Reno would be: RFC 9438 section 4.3 */
	delta = (cwnd * TCP_FRIENDLY) >> 3;
	for (; delta && tp->bic_ack_cnt > delta; tp->bic_ack_cnt -= (u32)delta)
		tp->bic_tcp_cwnd++;
	if (tp->bic_tcp_cwnd > cwnd) {
		u32 most = cwnd / (tp->bic_tcp_cwnd - cwnd);

		if (tp->bic_cnt > most)
			tp->bic_cnt = most;
	}
	tp->bic_cnt = max_u32(tp->bic_cnt, 2);
}

void cubic_avoid(struct tcp_sock *tp, u32 acked, u64 now)
{
	if (tp->cwnd < tp->ssthresh) {
		acked = tcp_slow_start(tp, acked);
		if (!acked)
			return;
	}
	update(tp, acked, now);
	tcp_ai(tp, tp->bic_cnt, acked);
}

static u32 delay_threshold(u32 min_us)
{
	u32 t = min_us >> 3;

	return t < HYSTART_DELAY_MIN ? HYSTART_DELAY_MIN : t > HYSTART_DELAY_MAX ? HYSTART_DELAY_MAX : t;
}

/* Slow start ends before segments are lost: when a round's acknowledgements take as long as half the path, or RTT grows. */
static void hystart(struct tcp_sock *tp, u32 rtt_us, u64 now)
{
	u64 us = now / 1000;

	if (after(tp->snd_una, tp->hy_end_seq))
		hystart_reset(tp, now);
	if (us - tp->hy_last_ack <= HYSTART_ACK_DELTA_US) {
		tp->hy_last_ack = us;
		if (us - tp->hy_round > tp->bic_delay_min_us >> 1) {
			tp->hy_found = 1;
			tp->ssthresh = tp->cwnd;
		}
	}
	if (tp->hy_curr_rtt > rtt_us)
		tp->hy_curr_rtt = rtt_us;
	if (tp->hy_sample_cnt < HYSTART_MIN_SAMPLES) {
		tp->hy_sample_cnt++;
	} else if (tp->hy_curr_rtt > tp->bic_delay_min_us + delay_threshold(tp->bic_delay_min_us)) {
		tp->hy_found = 1;
		tp->ssthresh = tp->cwnd;
	}
}

void cubic_acked(struct tcp_sock *tp, u32 rtt_us, u64 now)
{
	if (tp->bic_epoch && now - tp->bic_epoch < TCP_SECOND) /* the RTT is swollen right after a loss */
		return;
	rtt_us = max_u32(rtt_us, 1);
	if (!tp->bic_delay_min_us || tp->bic_delay_min_us > rtt_us)
		tp->bic_delay_min_us = rtt_us;
	if (!tp->hy_found && tp->cwnd < tp->ssthresh && tp->cwnd >= HYSTART_LOW_WINDOW)
		hystart(tp, rtt_us, now);
}
