/* tcp_fastretrans.c - Open, Disorder, Recovery, Loss: what an acknowledgement says of losses. RFC 6675, 6582, 6937, 5682
 *
 *   tcp_ack.c -> tcp_alert(): which segments are lost (tcp_recovery.c), the next state; tcp_reduce(): cwnd goes down (PRR)
 *   tcp_timer.c -> tcp_enter_loss(): the timeout is over;  tcp_reo_lost(): the reordering timer is
 *
 * Linux: tcp_fastretrans_alert(), tcp_process_loss(), tcp_cwnd_reduction().
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define DUPTHRESH 3u
#define RENEGING_NS (10 * TCP_MS)

static void begin_reduction(struct tcp_sock *tp)
{
	tp->high_seq = tp->snd_nxt;
	tp->tlp_high_seq = 0;
	tp->cwnd_cnt = 0;
	tp->prior_cwnd = tp->cwnd;
	tp->prr_delivered = tp->prr_out = 0;
	tp->ssthresh = tcp_cong_ssthresh(tp);
	tcp_ecn_queue_cwr(tp);
}

/* Most of cwnd, if it has passed ssthresh: tcp_current_ssthresh() */
static u32 current_ssthresh(const struct tcp_sock *tp)
{
	return tp->cwnd >= tp->ssthresh ? max_u32(tp->ssthresh, (tp->cwnd >> 1) + (tp->cwnd >> 2)) : tp->ssthresh;
}

static void undo_begins(struct tcp_sock *tp)
{
	tp->undo_marker = tp->snd_una ? tp->snd_una : 1;
	tp->undo_retrans = tp->retrans_out ? tp->retrans_out : TCP_NOTHING_TO_UNDO;
}

/* The peer's packets were marked: cwnd goes down as after a loss. RFC 3168 section 6.1.2; tcp_enter_cwr() */
static void enter_cwr(struct tcp_sock *tp)
{
	tp->prior_ssthresh = 0;
	if (tp->ca_state >= TCP_CA_CWR)
		return;
	tp->undo_marker = 0;
	begin_reduction(tp);
	tp->ca_state = TCP_CA_CWR;
}

static void enter_recovery(struct softnet_data *sd, struct tcp_sock *tp, bool ece)
{
	COUNT(sd->mib[tp->sack_ok ? TcpExt_TCPSackRecovery : TcpExt_TCPRenoRecovery], 1);
	tp->prior_ssthresh = 0;
	undo_begins(tp);
	if (tp->ca_state != TCP_CA_Recovery && tp->ca_state != TCP_CA_CWR) {
		if (!ece)
			tp->prior_ssthresh = current_ssthresh(tp);
		begin_reduction(tp);
	}
	tp->ca_state = TCP_CA_Recovery;
}

static void forget_sacks(struct tcp_sock *tp)
{
	for (u32 i = 0; i < tp->seg_n; i++)
		tcp_seg_at(tp, i)->flags &= (u8)~TCP_SEG_SACKED;
	tp->sacked_out = 0;
}

/* tcp_enter_loss() - the timeout is over: all that is out is taken for lost */
void tcp_enter_loss(struct host *h, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	bool fresh = tp->ca_state < TCP_CA_Recovery;

	if (tp->seg_n &&
	    tcp_seg_at(tp, 0)->flags & TCP_SEG_SACKED) /* the peer had it, and has thrown it away: RFC 2018 section 8 */
		forget_sacks(tp);
	for (u32 i = 0; i < tp->seg_n; i++)
		tcp_mark_lost(tp, tcp_seg_at(tp, i));
	if (!tp->sack_ok)
		tp->sacked_out = 0;
	if (tp->ca_state <= TCP_CA_Disorder || !after(tp->high_seq, tp->snd_una) ||
	    (tp->ca_state == TCP_CA_Loss && !tp->retransmits)) {
		tp->prior_ssthresh = current_ssthresh(tp);
		tp->prior_cwnd = tp->cwnd;
		tp->ssthresh = tcp_cong_ssthresh(tp);
		undo_begins(tp);
	}
	tp->cwnd = tcp_in_flight(tp) + 1;
	tp->cwnd_cnt = 0;
	if (tp->ca_state <= TCP_CA_Disorder && tp->sacked_out >= h->tcp.reordering)
		tp->reordering = min_u32(tp->reordering, h->tcp.reordering);
	tp->ca_state = TCP_CA_Loss;
	tp->high_seq = tp->snd_nxt;
	tp->tlp_high_seq = 0;
	tcp_ecn_queue_cwr(tp);
	tp->frto = h->tcp.frto && fresh && after(tp->snd_nxt, tp->snd_una);
	if (tp->retransmits && !fresh)
		tp->frto = 0;
}

static void reno_dupack(struct tcp_sock *tp, struct tcp_acked *a)
{
	tp->sacked_out++;
	a->delivered++;
	tcp_limit_reno_sacked(tp);
}

static void find_lost(struct host *h, struct sock *sk, struct tcp_acked *a)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 retrans = tp->retrans_out;

	if (!tp->seg_n)
		return;
	if (!tp->sack_ok) {
		if ((tp->ca_state < TCP_CA_Recovery && tp->sacked_out >= tp->reordering) ||
		    (tp->ca_state == TCP_CA_Recovery && a->advanced))
			tcp_mark_lost(tp, tcp_seg_at(tp, 0));
		tcp_limit_reno_sacked(tp);
		return;
	}
	tcp_rack_mark_lost(h, sk, a->now);
	if (tp->pending == TCP_PENDING_REO)
		a->set_timer = false;
	a->lost_retrans = retrans > tp->retrans_out;
}

/* After a timeout. Return: true: the state ends as any other does */
static void process_loss(struct softnet_data *sd, struct tcp_sock *tp, struct tcp_acked *a, bool dupack)
{
	bool recovered = !before(tp->snd_una, tp->high_seq);

	if (a->advanced && tcp_undo_loss(sd, tp, a, false))
		return;
	if (tp->frto) { /* RFC 5682: was the timeout spurious? */
		if (a->orig && tcp_undo_loss(sd, tp, a, true))
			return;
		if (after(tp->snd_nxt, tp->high_seq)) {
			if (a->sacked || dupack)
				tp->frto = 0;
		} else if (a->advanced && !recovered) {
			tp->high_seq = tp->snd_nxt;
			if (before(tp->snd_nxt, tp->write_seq) && after(tp->snd_una + tp->snd_wnd, tp->snd_nxt))
				return; /* new data tells: nothing is sent again yet */
			tp->frto = 0;
		}
	}
	if (recovered) {
		tcp_undo_recovery(sd, tp, a);
		return;
	}
	if (!tp->sack_ok) {
		if (after(tp->snd_nxt, tp->high_seq) && dupack)
			reno_dupack(tp, a);
		else if (a->advanced)
			tp->sacked_out = 0;
	}
	a->retransmit = true;
}

/* Something is wrong, or was: tcp_fastretrans_alert() */
void tcp_alert(struct softnet_data *sd, struct sock *sk, struct tcp_acked *a, bool dupack)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);

	if (a->ece) /* what the marks asked for is not undone */
		tp->prior_ssthresh = 0;
	if (a->advanced && tp->seg_n &&
	    tcp_seg_at(tp, 0)->flags & TCP_SEG_SACKED) { /* thrown away? tcp_check_sack_reneging() */
		tp->pending = TCP_PENDING_RTO;
		tp->rtx_at = tcp_jiffies_later(h, a->now, max_u64((u64)(tp->srtt_us >> 4) * 1000, RENEGING_NS));
		return;
	}
	if (tp->ca_state == TCP_CA_Open) {
		tp->retrans_stamp = 0;
	} else if (!before(tp->snd_una, tp->high_seq) && tp->ca_state == TCP_CA_Recovery) {
		if (!tp->sack_ok)
			tp->sacked_out = 0;
		if (!tp->sack_ok && tp->snd_una == tp->high_seq && !tcp_may_undo(tp, a)) {
			tp->retrans_stamp = 0; /* RFC 6582: late duplicates of what is acknowledged may still come */
			return;
		}
		tcp_undo_recovery(sd, tp, a);
	} else if (after(tp->snd_una, tp->high_seq) && tp->ca_state == TCP_CA_CWR) {
		tp->cwnd = tp->ssthresh;
		tp->ca_state = TCP_CA_Open;
		tcp_to_open(tp);
	}
	switch (tp->ca_state) {
	case TCP_CA_Recovery:
		if (!tp->sack_ok && dupack)
			reno_dupack(tp, a);
		if (a->advanced && tp->undo_marker && tcp_echo_is_old(tp, a) && !tp->retrans_out) {
			COUNT(sd->mib[TcpExt_TCPPartialUndo], 1);
			tcp_undo(tp, true);
			tcp_to_open(tp);
			return;
		}
		if (tp->undo_marker && !tp->undo_retrans) {
			COUNT(sd->mib[TcpExt_TCPDSACKUndo], 1);
			tcp_undo(tp, false);
			tcp_to_open(tp);
		}
		find_lost(h, sk, a);
		a->retransmit = true;
		return;
	case TCP_CA_Loss:
		process_loss(sd, tp, a, dupack);
		find_lost(h, sk, a);
		if (tp->ca_state == TCP_CA_Loss && !a->lost_retrans)
			return;
		break;
	default:
		if (!tp->sack_ok) {
			if (a->advanced)
				tp->sacked_out = 0;
			if (dupack)
				reno_dupack(tp, a);
		}
		if (tp->ca_state <= TCP_CA_Disorder && tp->undo_marker && !tp->undo_retrans) {
			COUNT(sd->mib[TcpExt_TCPDSACKUndo], 1);
			tcp_undo(tp, false);
		}
		find_lost(h, sk, a);
	}
	if (!tp->lost_out) {
		if (a->ece)
			enter_cwr(tp);
		if (tp->ca_state != TCP_CA_CWR)
			tcp_to_open(tp);
		return;
	}
	enter_recovery(sd, tp, a->ece);
	a->retransmit = true;
}

/* The probe of the tail has come back, or what it repaired: RFC 8985 section 7.4 */
void tcp_tlp_ack(struct softnet_data *sd, struct tcp_sock *tp, const struct tcp_acked *a, u32 ack)
{
	if (before(ack, tp->tlp_high_seq))
		return;
	if (!tp->tlp_retrans || a->dsack) {
		tp->tlp_high_seq = 0;
	} else if (after(ack, tp->tlp_high_seq)) { /* a loss was repaired: cwnd goes down once */
		COUNT(sd->mib[TcpExt_TCPLossProbeRecovery], 1);
		begin_reduction(tp);
		tp->cwnd = tp->ssthresh;
		tp->ca_state = TCP_CA_Open;
		tcp_to_open(tp);
	} else if (!a->advanced && !a->sacked && !a->data && !a->updates) {
		tp->tlp_high_seq = 0; /* both copies have arrived */
	}
}

/* RFC 6937: proportional rate reduction */
void tcp_reduce(struct tcp_sock *tp, const struct tcp_acked *a)
{
	int64_t delta = (int64_t)tp->ssthresh - tcp_in_flight(tp), n;

	if (!a->delivered || !tp->prior_cwnd)
		return;
	tp->prr_delivered += a->delivered;
	if (delta < 0) {
		n = (int64_t)(((u64)tp->ssthresh * tp->prr_delivered + tp->prior_cwnd - 1) / tp->prior_cwnd) -
		    tp->prr_out;
	} else {
		n = (int64_t)tp->prr_delivered - tp->prr_out;
		n = n > (int64_t)a->delivered ? n : (int64_t)a->delivered;
		if (a->advanced && tp->lost == a->prior_lost)
			n++;
		n = n < delta ? n : delta;
	}
	if (n < !tp->prr_out)
		n = !tp->prr_out;
	tp->cwnd = tcp_in_flight(tp) + (u32)n;
}

/* tcp_reo_lost() - the reordering timer is over: what it found lost is sent again */
void tcp_reo_lost(struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	static const struct tcp_options none;
	struct tcp_acked a = { .now = sd->now, .o = &none, .prior_una = tp->snd_una, .prior_lost = tp->lost };

	if (!tp->lost_out)
		return;
	if (tp->ca_state != TCP_CA_Recovery && tp->ca_state != TCP_CA_Loss) {
		enter_recovery(sd, tp, false);
		a.delivered = 1;
		tcp_reduce(tp, &a);
	}
	tcp_retransmit_lost(sd->host, sd, sk, sd->now);
}
