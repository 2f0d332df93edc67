/* tcp_ack.c - what an acknowledgement does. RFC 9293 section 3.10.7.4; Linux: tcp_ack()
 *
 *   numbers and window -> SACKs mark segments (tcp_sacktag.c) -> acknowledged ones leave -> RTT (tcp_rtt.c) -> which are lost
 *   (tcp_fastretrans.c) -> cwnd -> what is lost goes again
 *
 * The states: Open; Disorder: something is SACKed; Recovery: a segment is lost, cwnd goes down to ssthresh (PRR); Loss: after a
 * timeout. What turns out to have been no loss is undone (tcp_undo.c).
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

/* ---- segments that left the queue ---- */

static void acked_one(struct tcp_sock *tp, struct tcp_acked *a, struct tcp_seg *s)
{
	if (s->flags & TCP_SEG_SACKED) {
		tp->sacked_out--;
	} else {
		if (!(s->flags & TCP_SEG_EVER_RETRANS)) {
			if (!a->first_sent)
				a->first_sent = s->sent_ns;
			a->last_sent = s->sent_ns;
			if (!after(s->end_seq, tp->high_seq))
				a->orig = true;
			if (tp->sack_ok)
				tcp_note_late(a, a->prior_high, s->seq);
		}
		if (tp->sack_ok) {
			a->delivered++;
			tcp_rack_advance(tp, s, a->now);
		}
	}
	tcp_clear_lost(tp, s);
	tp->packets_out--;
	a->acked++;
}

/* RFC 6582: without SACK, a duplicate acknowledgement says that something arrived */
static void reno_acked(struct tcp_sock *tp, struct tcp_acked *a)
{
	if (tp->sack_ok || !a->acked)
		return;
	a->delivered += a->acked - min_u32(a->acked - 1, tp->sacked_out);
	tp->sacked_out -= min_u32(a->acked - 1, tp->sacked_out);
}

static void clean_queue(struct tcp_sock *tp, struct tcp_acked *a)
{
	while (tp->seg_n) {
		struct tcp_seg *s = tcp_seg_at(tp, 0);

		if (after(s->end_seq, tp->snd_una)) {
			if (before(s->seq, tp->snd_una))
				s->seq = tp->snd_una;
			break;
		}
		acked_one(tp, a, s);
		tp->seg_head = (tp->seg_head + 1) & (tp->seg_size - 1);
		tp->seg_n--;
	}
	reno_acked(tp, a);
	if (!tp->packets_out)
		tp->sacked_out = 0;
	tcp_limit_reno_sacked(tp);
	if (a->acked)
		a->set_timer = true;
}

static void take_rtt(struct host *h, struct tcp_sock *tp, struct tcp_acked *a)
{
	u64 now = a->now, us = 0, last = a->last_sent ? a->last_sent : a->sack_last;

	if (a->first_sent)
		us = max_u64((now - a->first_sent) / 1000, 1);
	else if (a->sack_sent)
		us = max_u64((now - a->sack_sent) / 1000, 1);
	else if (a->advanced && a->o->saw_tstamp && a->o->tsecr && tp->tstamp_ok)
		us = max_u64((u64)(tcp_ts_now(now, tp->ts_offset) - a->o->tsecr), 1) * 1000;
	if (!us || us > 1ull << 31)
		return;
	tcp_rtt_sample(h, tp, now, us);
	tp->backoff = 0;
	if (last)
		tcp_cong_acked(tp, (u32)min_u64((now - last) / 1000, 1u << 30), now);
	/* the oldest segment was sent after one that has arrived: its timeout begins anew */
	if (!a->acked && a->sack_sent && tp->seg_n && tcp_seg_at(tp, 0)->sent_ns > a->sack_sent)
		a->set_timer = true;
}

/* ---- the peer's window ---- */

static bool updates_window(const struct tcp_sock *tp, u32 seq, u32 ack, u32 window)
{
	return after(ack, tp->snd_una) || after(seq, tp->snd_wl1) ||
	       (seq == tp->snd_wl1 && (window > tp->snd_wnd || !window));
}

static void take_window(struct softnet_data *sd, struct sock *sk, struct tcp_acked *a, u32 seq, u32 ack, u32 window)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	if (!updates_window(tp, seq, ack, window))
		return;
	tp->snd_wl1 = seq;
	if (tp->snd_wnd == window)
		return;
	a->updates = true;
	tp->snd_wnd = window;
	if (window > tp->max_window) {
		tp->max_window = window;
		tcp_sync_mss(sd->host, sk);
	}
}

/* Nothing is out: does the window let something go by now? */
static void probe_answered(struct host *h, struct tcp_sock *tp, u64 now)
{
	if (!before(tp->snd_nxt, tp->write_seq)) {
		if (tp->pending == TCP_PENDING_PROBE0) {
			tp->pending = TCP_PENDING_NONE;
			tp->rtx_at = NEVER;
		}
		return;
	}
	if (min_u32(tp->write_seq - tp->snd_nxt, tp->mss_cache) <= tp->snd_una + tp->snd_wnd - tp->snd_nxt &&
	    !before(tp->snd_una + tp->snd_wnd, tp->snd_nxt)) {
		tp->backoff = 0;
		tp->probe_began = 0;
		tp->pending = TCP_PENDING_NONE;
		tp->rtx_at = NEVER;
	} else if (tp->pending == TCP_PENDING_PROBE0) {
		tp->rtx_at = tcp_jiffies_later(h, now, tcp_rto_backed_off(tp));
	}
}

/* ---- the whole ---- */

static void control(const struct host *h, struct tcp_sock *tp, const struct tcp_acked *a)
{
	if (tp->ca_state == TCP_CA_Recovery || tp->ca_state == TCP_CA_CWR)
		tcp_reduce(tp, a);
	else if (a->delivered && (a->advanced || tp->reordering > h->tcp.reordering))
		tcp_cong_avoid(tp, a->delivered, a->now);
}

static int judge(struct softnet_data *sd, struct sock *sk, u32 ack, enum fate *why)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	if (before(ack, tp->snd_una)) { /* RFC 5961 section 5.2 */
		if (before(ack, tp->snd_una - (u32)min_u64(tp->max_window, tp->bytes_acked))) {
			tcp_challenge_ack(sd, sk);
			*why = TCP_TOO_OLD_ACK;
			return -1;
		}
		return 0;
	}
	if (after(ack, tp->snd_nxt)) {
		*why = TCP_ACK_UNSENT_DATA;
		return -1;
	}
	return 1;
}

int tcp_ack(struct softnet_data *sd, struct sock *sk, const struct tcp_in *s, const struct tcp_options *o,
	    enum fate *why)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	struct tcp_acked a = {
		.now = sd->now,
		.o = o,
		.prior_una = tp->snd_una,
		.prior_lost = tp->lost,
		.data = s->len != 0,
		.ece = s->flags & TCPHDR_ECE && tp->ecn & TCP_ECN_OK,
	};
	u32 packets = tp->packets_out, ack = s->ack;
	int rc = judge(sd, sk, ack, why);
	bool dupack;

	if (rc < 0)
		return rc;
	if (rc == 0) { /* late, but its SACKs may be news */
		if (o->nsacks && tp->sack_ok && packets) {
			tcp_sack_tag(sd, tp, &a, tp->snd_una);
			if (a.sacked)
				tcp_alert(sd, sk, &a, false);
			if (a.retransmit)
				tcp_retransmit_lost(h, sd, sk, a.now);
		}
		return 0;
	}
	if (o->saw_tstamp && tp->tstamp_ok && !after(s->seq, tp->rcv_wup) && (int32_t)(o->tsval - tp->ts_recent) >= 0) {
		tp->ts_recent = o->tsval;
		tp->ts_recent_ns = a.now;
	}
	a.advanced = after(ack, tp->snd_una);
	take_window(sd, sk, &a, s->seq, ack, s->window << tp->snd_wscale);
	if (a.advanced) {
		tp->bytes_acked += ack - tp->snd_una;
		tp->retransmits = 0;
		tp->snd_una = ack;
	}
	tcp_ecn_accept_cwr(tp, s);
	tp->soft_error = 0;
	tp->probes_out = 0;
	tp->keep_probes = 0;
	tp->rcv_tstamp = a.now;
	if (!packets) {
		probe_answered(h, tp, a.now);
		if (tp->tlp_high_seq)
			tcp_tlp_ack(sd, tp, &a, ack);
		return 0;
	}
	a.prior_high = tp->sacked_out ? tp->high_sacked : a.prior_una;
	if (o->nsacks && tp->sack_ok)
		tcp_sack_tag(sd, tp, &a, ack);
	clean_queue(tp, &a);
	if (a.late && tp->mss_cache)
		tcp_saw_reordering(sd, tp, tp->high_sacked, a.low);
	tp->delivered += a.delivered;
	tp->delivered_ce += a.ece ? a.delivered : 0;
	take_rtt(h, tp, &a);
	if (tp->tlp_high_seq)
		tcp_tlp_ack(sd, tp, &a, ack);
	if (a.set_timer && !tcp_schedule_loss_probe(h, tp, a.now))
		tcp_rearm_rto(h, tp, a.now);
	dupack = !a.advanced && !a.data && !a.updates && !a.sacked;
	if (dupack || a.sacked || a.dsack || a.ece || tp->ca_state != TCP_CA_Open || tp->sacked_out)
		tcp_alert(sd, sk, &a, dupack);
	control(h, tp, &a);
	if (a.retransmit)
		tcp_retransmit_lost(h, sd, sk, a.now);
	return 0;
}
