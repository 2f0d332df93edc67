/* tcp_undo.c - what turned out to be no loss is undone: cwnd and ssthresh are as before. RFC 3522, RFC 3708, RFC 5682
 *
 *   tcp_fastretrans.c -> an echo older than the first retransmission (Eifel), as many duplicates as retransmissions (DSACK)
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

bool tcp_echo_is_old(const struct tcp_sock *tp, const struct tcp_acked *a)
{
	return tp->retrans_stamp && a->o->saw_tstamp && a->o->tsecr && before(a->o->tsecr, tp->retrans_stamp_ts);
}

bool tcp_may_undo(const struct tcp_sock *tp, const struct tcp_acked *a)
{
	return tp->undo_marker && (!tp->undo_retrans || tcp_echo_is_old(tp, a));
}

void tcp_undo(struct tcp_sock *tp, bool unmark)
{
	if (unmark) {
		for (u32 i = 0; i < tp->seg_n; i++)
			tcp_seg_at(tp, i)->flags &= (u8)~TCP_SEG_LOST;
		tp->lost_out = 0;
	}
	if (tp->prior_ssthresh) {
		tp->cwnd = max_u32(tp->cwnd, tp->prior_cwnd);
		if (tp->prior_ssthresh > tp->ssthresh) {
			tp->ssthresh = tp->prior_ssthresh;
			tp->ecn &= (u8)~TCP_ECN_QUEUE_CWR;
		}
	}
	tp->undo_marker = 0;
	tp->rack_advanced = 1;
}

void tcp_to_open(struct tcp_sock *tp)
{
	tp->ca_state = tp->sacked_out || tp->lost_out || tp->retrans_out ? TCP_CA_Disorder : TCP_CA_Open;
}

void tcp_undo_recovery(struct softnet_data *sd, struct tcp_sock *tp, const struct tcp_acked *a)
{
	if (tcp_may_undo(tp, a)) {
		COUNT(sd->mib[tp->ca_state == TCP_CA_Loss ? TcpExt_TCPLossUndo : TcpExt_TCPFullUndo], 1);
		tcp_undo(tp, false);
	} else if (tp->ca_state == TCP_CA_Recovery || tp->ca_state == TCP_CA_CWR) {
		tp->cwnd = tp->ssthresh;
	}
	if (tp->rack_persist)
		tp->rack_persist--;
	else
		tp->rack_steps = 1;
	tp->rack_dsack_seen = 0;
	tp->undo_marker = 0;
	tp->retrans_stamp = 0;
	tp->ca_state = TCP_CA_Open;
	tcp_to_open(tp);
}

bool tcp_undo_loss(struct softnet_data *sd, struct tcp_sock *tp, const struct tcp_acked *a, bool spurious)
{
	if (!spurious && !tcp_may_undo(tp, a))
		return false;
	tcp_undo(tp, true);
	COUNT(sd->mib[TcpExt_TCPLossUndo], 1);
	if (spurious)
		COUNT(sd->mib[TcpExt_TCPSpuriousRTOs], 1);
	tp->retransmits = 0;
	if (spurious || tp->sack_ok)
		tcp_to_open(tp);
	return true;
}
