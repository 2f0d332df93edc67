/* tcp_recovery.c - which segments are lost: RACK, and the probe of a silent tail. RFC 8985; Linux: net/ipv4/tcp_recovery.c
 *
 *   a segment is lost if one that was sent reo_wnd later has arrived; reo_wnd: a quarter of the least RTT, more after
 *   duplicates told that the guess was wrong, none while the path was never seen to reorder
 *
 * Segments lie in order of sequence, not of sending. So a walk looks at all that are not acknowledged.
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define RACK_RECOVERIES 16

static bool sent_after(u64 t1, u32 seq1, u64 t2, u32 seq2)
{
	return t1 > t2 || (t1 == t2 && after(seq1, seq2));
}

/* tcp_rack_advance() - a segment has arrived. One that was sent again counts only if the RTT is believable */
void tcp_rack_advance(struct tcp_sock *tp, const struct tcp_seg *s, u64 now)
{
	u32 rtt_us = (u32)min_u64((now - s->sent_ns) / 1000, 0xffffffff);

	if (s->flags & TCP_SEG_EVER_RETRANS && rtt_us < tp->rtt_min_us) /* it acknowledges an earlier copy */
		return;
	tp->rack_advanced = 1;
	tp->rack_rtt_us = rtt_us;
	if (sent_after(s->sent_ns, s->end_seq, tp->rack_ns, tp->rack_end_seq)) {
		tp->rack_ns = s->sent_ns;
		tp->rack_end_seq = s->end_seq;
	}
}

/* tcp_rack_dsack() - the peer got something twice: we were too quick */
void tcp_rack_dsack(const struct host *h, struct tcp_sock *tp)
{
	if (tp->rack_dsack_seen || h->tcp.recovery & TCP_RACK_STATIC_REO_WND)
		return;
	tp->rack_dsack_seen = 1;
	if (tp->rack_steps < 255)
		tp->rack_steps++;
	tp->rack_persist = RACK_RECOVERIES;
}

static u64 reo_wnd_us(const struct host *h, const struct tcp_sock *tp)
{
	if (!tp->reord_seen && (tp->ca_state >= TCP_CA_Recovery ||
				(tp->sacked_out >= tp->reordering && !(h->tcp.recovery & TCP_RACK_NO_DUPTHRESH))))
		return 0;
	return min_u64((u64)(tp->rtt_min_us >> 2) * tp->rack_steps, tp->srtt_us >> 3);
}

void tcp_mark_lost(struct tcp_sock *tp, struct tcp_seg *s)
{
	if (s->flags & TCP_SEG_SACKED)
		return;
	if (s->flags & TCP_SEG_LOST) {
		if (s->flags & TCP_SEG_RETRANS) { /* the copy is lost too */
			s->flags &= (u8)~TCP_SEG_RETRANS;
			tp->retrans_out--;
		}
		return;
	}
	if (s->flags & TCP_SEG_RETRANS) {
		s->flags &= (u8)~TCP_SEG_RETRANS;
		tp->retrans_out--;
	}
	s->flags |= TCP_SEG_LOST;
	tp->lost_out++;
	tp->lost++;
}

/* tcp_rack_mark_lost() - mark what is lost by now; for what may be lost soon, start a timer */
void tcp_rack_mark_lost(struct host *h, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u64 limit, wait = 0;

	if (!tp->rack_advanced)
		return;
	tp->rack_advanced = 0;
	limit = (tp->rack_rtt_us + reo_wnd_us(h, tp)) * 1000;
	for (u32 i = 0; i < tp->seg_n; i++) {
		struct tcp_seg *s = tcp_seg_at(tp, i);

		if (s->flags & TCP_SEG_SACKED || ((s->flags & (TCP_SEG_LOST | TCP_SEG_RETRANS)) == TCP_SEG_LOST) ||
		    !sent_after(tp->rack_ns, tp->rack_end_seq, s->sent_ns, s->end_seq))
			continue;
		if (s->sent_ns + limit <= now)
			tcp_mark_lost(tp, s);
		else
			wait = max_u64(wait, s->sent_ns + limit - now);
	}
	if (wait) {
		tp->pending = TCP_PENDING_REO;
		tp->rtx_at = now + wait + 2 * h->jiffy_ns; /* TCP_TIMEOUT_MIN */
	}
}

/* tcp_schedule_loss_probe() - the tail may be lost, and nothing would tell: probe it before the timeout. RFC 8985 section 7.2 */
bool tcp_schedule_loss_probe(struct host *h, struct tcp_sock *tp, u64 now)
{
	u64 wait = TCP_TIMEOUT_INIT_NS, rto = tp->rto_ns;

	if ((h->tcp.early_retrans != 3 && h->tcp.early_retrans != 4) || !tp->packets_out || !tp->sack_ok ||
	    (tp->ca_state != TCP_CA_Open && tp->ca_state != TCP_CA_CWR) || tp->sacked_out || tp->tlp_high_seq)
		return false;
	if (tp->srtt_us) {
		wait = (tp->srtt_us >> 2) * 1000ull;
		wait += tp->packets_out == 1 ? tp->rto_min_us * 1000ull : 2 * h->jiffy_ns;
	}
	if (tp->seg_n) {
		u64 head = tcp_seg_at(tp, 0)->sent_ns;

		rto = head + tp->rto_ns > now ? head + tp->rto_ns - now : 1;
	}
	tp->pending = TCP_PENDING_LOSS_PROBE;
	tp->rtx_at = now + min_u64(wait, rto);
	return true;
}
