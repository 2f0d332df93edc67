/* tcp_delack.c - when to acknowledge: at once, after a delay, or several together. RFC 5681 section 4.2; Linux: icsk_ack
 *
 *   tcp_receive.c -> tcp_data_arrived(): the gaps between segments;  tcp_input.c -> tcp_ack_snd_check()
 *   tcp_recvmsg() -> tcp_cleanup_rbuf(): the program has read
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define FIN_SHUTDOWN 1 /* RCV_SHUTDOWN */
#define QUICK_ALL 16u
#define DUPTHRESH 3u

void tcp_quickack(struct tcp_sock *tp, u32 max)
{
	u32 n = tp->rcv_mss ? tp->rcv_wnd / (2 * tp->rcv_mss) : 0;

	n = min_u32(n ? n : 2, max);
	if (n > tp->ack_quick)
		tp->ack_quick = (u8)n;
}

void tcp_enter_quickack(struct tcp_sock *tp, u32 max)
{
	tcp_quickack(tp, max);
	tp->ack_pingpong = 0;
	tp->ato_ns = TCP_ATO_MIN_NS;
}

static void rtt_by_tstamp(struct tcp_sock *tp, const struct tcp_options *o, u32 len, u64 now)
{
	u32 ms;

	if (!o || !o->saw_tstamp || !o->tsecr || o->tsecr == tp->tsecr_last || len < tp->rcv_mss)
		return;
	tp->tsecr_last = o->tsecr;
	ms = tcp_ts_now(now, tp->ts_offset) - o->tsecr;
	if (ms < 0x7fffffff / 1000)
		tp->rcv_rtt_us = tp->rcv_rtt_us ? (tp->rcv_rtt_us * 7 + max_u32(ms, 1) * 1000ull) / 8
						: max_u32(ms, 1) * 1000ull;
}

void tcp_rcv_rtt(struct tcp_sock *tp, const struct tcp_options *o, u32 len, u64 now)
{
	rtt_by_tstamp(tp, o, len, now);
}

/* Data came in order: tcp_event_data_recv(). How soon it is acknowledged follows from the gaps between segments. */
void tcp_data_arrived(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb, u32 bytes)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u64 gap = sd->now - tp->lrcvtime;

	tp->ack_pending = 1;
	tcp_measure_rcv_mss(tp, sk, skb, bytes);
	if (!tp->ato_ns) {
		tcp_quickack(tp, QUICK_ALL);
		tp->ato_ns = TCP_ATO_MIN_NS;
	} else if (gap <= TCP_ATO_MIN_NS / 2) {
		tp->ato_ns = tp->ato_ns / 2 + TCP_ATO_MIN_NS / 2;
	} else if (gap < tp->ato_ns) {
		tp->ato_ns = min_u64(tp->ato_ns / 2 + gap, tp->rto_ns);
	} else if (gap > tp->rto_ns) {
		tcp_quickack(tp, QUICK_ALL); /* too long a gap: the sender may have restarted slow start */
	}
	tp->lrcvtime = sd->now;
	tcp_ecn_check(tp, skb);
	if (skb->len >= 128)
		tcp_grow_window(sd->host, tp, sk, skb);
}

/* An acknowledgement is never as late as the peer's least timeout, which is taken to be like ours. tcp_delack_max() */
static u64 delack_max(const struct host *h, const struct tcp_sock *tp)
{
	return min_u64(TCP_DELACK_MAX_NS, max_u64(tp->rto_min_us * 1000ull, 2 * h->jiffy_ns) - h->jiffy_ns);
}

static void send_delayed_ack(struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u64 ato = tp->ato_ns, at;

	if (ato > TCP_DELACK_MIN_NS) {
		u64 most = tcp_in_pingpong(sd->host, tp) || tp->ack_pushed ? TCP_DELACK_MAX_NS : TCP_SECOND / 2;

		if (tp->srtt_us)
			most = min_u64(most, max_u64((tp->srtt_us >> 3) * 1000ull, TCP_DELACK_MIN_NS));
		ato = min_u64(ato, most);
	}
	ato = min_u64(ato, delack_max(sd->host, tp));
	at = tcp_jiffies_later(sd->host, sd->now, ato);
	if (tp->delack_at != NEVER) {
		if (tp->delack_at <= sd->now + ato / 4) { /* it is about to be sent anyway */
			tcp_send_ack(sd->host, sd, sk);
			return;
		}
		at = min_u64(at, tp->delack_at);
	}
	tp->delack_at = at;
}

/* Segments out of order: the first three at once, later ones together. RFC 5681 section 4.2; Linux: SACK compression */
static bool holds_sack_back(struct softnet_data *sd, struct sock *sk)
{
	const struct tcp_host *t = &sd->host->tcp;
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	u64 rtt_us = tp->rcv_rtt_us, delay;

	if (!tp->sack_ok || tp->comp_sack >= t->comp_sack_nr)
		return false;
	if (tp->comp_rcv_nxt != sk->rcv_nxt) {
		tp->comp_rcv_nxt = sk->rcv_nxt;
		tp->dup_acks_sent = 0;
	}
	if (tp->dup_acks_sent < DUPTHRESH) {
		tp->dup_acks_sent++;
		return false;
	}
	tp->comp_sack++;
	if (tp->comp_at != NEVER)
		return true;
	if (tp->srtt_us && (!rtt_us || (tp->srtt_us >> 3) < rtt_us))
		rtt_us = tp->srtt_us >> 3;
	delay = min_u64(t->comp_sack_delay_ns, rtt_us * 1000 / 20);
	if (!delay)
		return false;
	tp->comp_at = sd->now + delay;
	return true;
}

void tcp_ack_snd_check(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	bool many = sk->rcv_nxt - tp->rcv_wup > tp->rcv_mss && tcp_next_window(h, sk) >= tp->rcv_wnd;

	if (!tp->ack_pending || tp->state == TCPS_CLOSE || tp->state == TCPS_TIME_WAIT)
		return;
	if (many || (tp->ack_quick && !tcp_in_pingpong(h, tp)) || tp->ack_now)
		tcp_send_ack(h, sd, sk);
	else if (!sk->ofo)
		send_delayed_ack(sd, sk);
	else if (!holds_sack_back(sd, sk))
		tcp_send_ack(h, sd, sk);
}

/* tcp_cleanup_rbuf() - tell the peer of a window that became much wider, or acknowledge what waited for an answer */
void tcp_cleanup_rbuf(struct host *h, struct sock *sk, u32 copied)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 left = tcp_receive_window(tp, sk->rcv_nxt), window;
	bool now = false;

	if (tp->ack_pending)
		now = sk->rcv_nxt - tp->rcv_wup > tp->rcv_mss ||
		      (copied && !sk->head && (tp->ack_pushed == 2 || (tp->ack_pushed && !tcp_in_pingpong(h, tp))));
	if (copied && !now && !(tp->shutdown & FIN_SHUTDOWN) && 2 * left <= tp->window_clamp) {
		window = tcp_next_window(h, sk);
		now = window && window >= 2 * left;
	}
	if (now)
		tcp_send_ack(h, NULL, sk);
}
