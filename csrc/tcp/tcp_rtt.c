/* tcp_rtt.c - how long an acknowledgement takes, and how long to wait for one. RFC 6298; Linux: tcp_rtt_estimator()
 *
 *   tcp_ack.c -> tcp_rtt_sample() -> rto_ns;  tcp_rearm_rto(): the oldest segment has its whole timeout again
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

static void set_rto(struct host *h, struct tcp_sock *tp)
{
	u64 us = (tp->srtt_us >> 3) + (u64)tp->rttvar_us, unit = h->jiffy_ns;

	tp->rto_ns = min_u64((us * 1000 + unit - 1) / unit * unit, tp->rto_max_ms * TCP_MS);
}

void tcp_rtt_sample(struct host *h, struct tcp_sock *tp, u64 now, u64 rtt_us)
{
	u32 least = tp->rto_min_us;
	int64_t m = (int64_t)max_u64(min_u64(rtt_us, 1u << 28), 1), d;

	if (!tp->rtt_min_us || (u64)m <= tp->rtt_min_us || now - tp->rtt_min_at > h->tcp.min_rtt_wlen * TCP_SECOND) {
		tp->rtt_min_us = (u32)m;
		tp->rtt_min_at = now;
	}
	if (!tp->srtt_us) {
		tp->srtt_us = (u32)m << 3;
		tp->mdev_us = (u32)m << 1;
		tp->mdev_max_us = tp->rttvar_us = max_u32(tp->mdev_us, least);
		tp->rtt_seq = tp->snd_nxt;
	} else {
		m -= tp->srtt_us >> 3;
		tp->srtt_us = (u32)max_u64((u64)((int64_t)tp->srtt_us + m), 1);
		d = (m < 0 ? -m : m) - (int64_t)(tp->mdev_us >> 2);
		if (m < 0 && d > 0)
			d >>= 3; /* a quicker answer is no reason to wait longer */
		tp->mdev_us = (u32)((int64_t)tp->mdev_us + d);
		if (tp->mdev_us > tp->mdev_max_us) {
			tp->mdev_max_us = tp->mdev_us;
			tp->rttvar_us = max_u32(tp->rttvar_us, tp->mdev_max_us);
		}
		if (after(tp->snd_una, tp->rtt_seq)) {
			if (tp->mdev_max_us < tp->rttvar_us)
				tp->rttvar_us -= (tp->rttvar_us - tp->mdev_max_us) >> 2;
			tp->rtt_seq = tp->snd_nxt;
			tp->mdev_max_us = least;
		}
	}
	set_rto(h, tp);
}

/* tcp_handshake_rtt() - the peer has answered our SYN. sent: when it was; 0: it was sent more than once, or its time is unknown.
 * Then the timestamp tells, and without one the first timeout is longer: RFC 6298 section 5.7 */
void tcp_handshake_rtt(struct host *h, struct tcp_sock *tp, const struct tcp_options *o, u64 now, u64 sent)
{
	if (sent) {
		tcp_rtt_sample(h, tp, now, max_u64((now - sent) / 1000, 1));
	} else if (tp->tstamp_ok && o->saw_tstamp && o->tsecr) {
		tcp_rtt_sample(h, tp, now, max_u64(tcp_ts_now(now, tp->ts_offset) - o->tsecr, 1) * 1000);
	} else {
		tp->rto_ns = TCP_TIMEOUT_FALLBACK_NS;
		tp->mdev_us = tp->mdev_max_us = tp->rttvar_us = (u32)(TCP_TIMEOUT_FALLBACK_NS / 1000);
	}
}

/* tcp_rto_backed_off() - the timeout, ns, doubled for each one in a row, up to the largest */
u64 tcp_rto_backed_off(const struct tcp_sock *tp)
{
	return min_u64(tp->rto_ns << min_u32(tp->backoff, 16), tp->rto_max_ms * TCP_MS);
}

/* tcp_rearm_rto() - the oldest segment has its whole timeout again */
void tcp_rearm_rto(struct host *h, struct tcp_sock *tp, u64 now)
{
	u64 rto = tcp_rto_backed_off(tp), at;

	if (!tp->packets_out) {
		tp->pending = TCP_PENDING_NONE;
		tp->rtx_at = NEVER;
		return;
	}
	at = tcp_jiffies_later(h, now, rto);
	if (tp->pending == TCP_PENDING_REO ||
	    tp->pending == TCP_PENDING_LOSS_PROBE) { /* counted from when it was sent */
		u64 sent = tcp_seg_at(tp, 0)->sent_ns;

		at = max_u64(tcp_jiffies_later(h, sent, rto), now + 1);
	}
	tp->pending = TCP_PENDING_RTO;
	tp->rtx_at = at;
}
