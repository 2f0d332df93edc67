/* tcp_sacktag.c - SACKs of an acknowledgement: which segments have arrived. RFC 2018, RFC 2883; Linux: tcp_sacktag_*()
 *
 *   tcp_ack.c -> tcp_sack_tag(): each run marks its segments; one that names old bytes says that something came twice (DSACK)
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

/* Return: index of the first segment that ends after seq */
static u32 find_seg(const struct tcp_sock *tp, u32 seq)
{
	u32 low = 0, high = tp->seg_n;

	while (low < high) {
		u32 mid = (low + high) / 2;

		if (after(tcp_seg_at(tp, mid)->end_seq, seq))
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

void tcp_clear_lost(struct tcp_sock *tp, struct tcp_seg *s)
{
	if (s->flags & TCP_SEG_LOST)
		tp->lost_out--;
	if (s->flags & TCP_SEG_RETRANS)
		tp->retrans_out--;
	s->flags &= (u8) ~(TCP_SEG_LOST | TCP_SEG_RETRANS);
}

/* Without SACK, sacked_out counts duplicates: never more than may have arrived beside what is lost. tcp_limit_reno_sacked() */
void tcp_limit_reno_sacked(struct tcp_sock *tp)
{
	u32 holes = min_u32(max_u32(tp->lost_out, 1), tp->packets_out);

	if (!tp->sack_ok)
		tp->sacked_out = min_u32(tp->sacked_out, tp->packets_out - holes);
}

void tcp_note_late(struct tcp_acked *a, u32 high, u32 seq)
{
	if (!before(seq, high) || (a->late && !before(seq, a->low)))
		return;
	a->late = true;
	a->low = seq;
}

/* A segment arrived that was sent before one that arrived earlier: the path reorders. tcp_check_sack_reordering() */
void tcp_saw_reordering(struct softnet_data *sd, struct tcp_sock *tp, u32 high, u32 seq)
{
	u32 far = high - seq;

	if (far > tp->reordering * tp->mss_cache)
		tp->reordering = min_u32((far + tp->mss_cache - 1) / tp->mss_cache, sd->host->tcp.max_reordering);
	tp->reord_seen = 1;
	tp->reord_events++;
	COUNT(sd->mib[TcpExt_TCPSACKReorder], 1);
}

static void sack_one(struct tcp_sock *tp, struct tcp_acked *a, struct tcp_seg *s)
{
	if (s->flags & TCP_SEG_SACKED)
		return;
	tcp_rack_advance(tp, s, a->now);
	if (!(s->flags & TCP_SEG_EVER_RETRANS)) {
		tcp_note_late(a, tp->high_sacked, s->seq);
		if (!after(s->end_seq, tp->high_seq))
			a->orig = true;
		if (!a->sack_sent)
			a->sack_sent = s->sent_ns;
		a->sack_last = s->sent_ns;
	}
	tcp_clear_lost(tp, s);
	s->flags |= TCP_SEG_SACKED;
	tp->sacked_out++;
	a->delivered++;
	a->sacked = true;
	if (after(s->end_seq, tp->high_sacked))
		tp->high_sacked = s->end_seq;
}

static bool is_dsack(const struct tcp_options *o, u32 ack)
{
	const struct tcp_sack *d = &o->sack[0];

	return before(d->start, ack) ||
	       (o->nsacks > 1 && !before(d->start, o->sack[1].start) && !after(d->end, o->sack[1].end));
}

static void got_dsack(struct softnet_data *sd, struct tcp_sock *tp, struct tcp_acked *a, const struct tcp_sack *d)
{
	a->dsack = true;
	tp->dsack_dups++;
	COUNT(sd->mib[TcpExt_TCPDSACKRecv], 1);
	tcp_rack_dsack(sd->host, tp);
	if (tp->undo_marker && tp->undo_retrans && tp->undo_retrans != TCP_NOTHING_TO_UNDO &&
	    !after(d->end, a->prior_una) && after(d->end, tp->undo_marker))
		tp->undo_retrans--;
}

/* The latest run comes first in the option. In order of sequence, what is told first was sent first. */
static void sort_sacks(struct tcp_options *o, u32 from)
{
	for (u32 i = from + 1; i < o->nsacks; i++)
		for (u32 j = i; j > from && before(o->sack[j].start, o->sack[j - 1].start); j--) {
			struct tcp_sack s = o->sack[j];

			o->sack[j] = o->sack[j - 1];
			o->sack[j - 1] = s;
		}
}

void tcp_sack_tag(struct softnet_data *sd, struct tcp_sock *tp, struct tcp_acked *a, u32 ack)
{
	struct tcp_options sorted = *a->o;
	const struct tcp_options *o = &sorted;
	u32 i = 0;

	if (!tp->sacked_out)
		tp->high_sacked = ack;
	if (is_dsack(o, ack)) {
		got_dsack(sd, tp, a, &o->sack[0]);
		i = 1;
	}
	sort_sacks(&sorted, i);
	for (; i < o->nsacks; i++) {
		struct tcp_sack s = o->sack[i];

		if (!before(s.start, s.end) || before(s.start, tp->snd_una) || after(s.end, tp->snd_nxt)) {
			COUNT(sd->mib[TcpExt_TCPSACKDiscard], 1);
			continue;
		}
		for (u32 at = find_seg(tp, s.start); at < tp->seg_n; at++) {
			struct tcp_seg *seg = tcp_seg_at(tp, at);

			if (after(seg->end_seq, s.end))
				break;
			if (!before(seg->seq, s.start))
				sack_one(tp, a, seg);
		}
	}
}
