/* tcp_validate.c - is a segment acceptable? PAWS, the window, RST, SYN. RFC 9293 section 3.10.7.4, RFC 7323, RFC 5961
 *
 *   tcp_input.c -> tcp_validate(); what is not acceptable is answered, but not too often. Linux: tcp_validate_incoming()
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define PAWS_WINDOW 1

/* ---- answers to what is not acceptable ---- */

/* At most one in invalid_ratelimit to segments that may be part of a loop of two ends which answer each other */
static bool rate_limited(struct softnet_data *sd, u64 *last, u32 mib)
{
	u64 every = sd->host->tcp.invalid_ratelimit_ms * TCP_MS;

	if (*last && sd->now - *last < every) {
		COUNT(sd->mib[mib], 1);
		return true;
	}
	*last = sd->now;
	return false;
}

/* Are there too many challenges this second, of all connections? How many there may be is no secret that an attacker could
 * count with: half of the limit to one and a half. tcp_send_challenge_ack() */
static bool spent(struct host *h, u64 now)
{
	struct tcp_host *t = &h->tcp;
	u32 limit = t->challenge_ack_limit, half = (limit + 1) >> 1, left;

	if (limit == TCP_NO_LIMIT)
		return false;
	if (now / TCP_SECOND != READ_ONCE(t->challenge_second)) {
		u64 second = now / TCP_SECOND;

		WRITE_ONCE(t->challenge_second, second);
		WRITE_ONCE(t->challenges,
			   limit ? half + (u32)(siphash(&second, 8, h->hash_key[0], h->hash_key[1]) % limit) : 0);
	}
	left = READ_ONCE(t->challenges);
	if (left)
		WRITE_ONCE(t->challenges, left - 1);
	return !left;
}

/* tcp_challenge_ack() - RFC 5961: who knows the connection will tell by the right numbers */
void tcp_challenge_ack(struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	if (rate_limited(sd, &tp->oow_at, TcpExt_TCPACKSkippedChallenge) || spent(sd->host, sd->now))
		return;
	COUNT(sd->mib[TcpExt_TCPChallengeACK], 1);
	tcp_send_ack(sd->host, sd, sk);
}

static void send_dupack(struct softnet_data *sd, struct sock *sk, const struct tcp_in *s)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	if (s->seq != s->end && before(s->seq, sk->rcv_nxt)) {
		COUNT(sd->mib[TcpExt_DelayedACKLost], 1);
		tcp_quickack(tp, TCP_MAX_QUICKACKS);
		tp->ack_pingpong = 0;
		if (tp->sack_ok && sd->host->tcp.dsack) {
			COUNT(sd->mib[TcpExt_TCPDSACKOldSent], 1);
			tp->dsack = (struct tcp_sack){ s->seq, after(s->end, sk->rcv_nxt) ? sk->rcv_nxt : s->end };
		}
	}
	tcp_send_ack(sd->host, sd, sk);
}

static void answer_out_of_window(struct softnet_data *sd, struct sock *sk, const struct tcp_in *s, u32 mib)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	if ((s->seq != s->end && !(s->flags & TCPHDR_SYN)) || !rate_limited(sd, &tp->oow_at, mib))
		send_dupack(sd, sk, s);
}

/* ---- is it acceptable? ---- */

static bool paws_rejects(const struct tcp_sock *tp, const struct tcp_options *o, u64 now)
{
	if (!tp->tstamp_ok || !o->saw_tstamp || !tp->ts_recent)
		return false;
	if ((int32_t)(tp->ts_recent - o->tsval) <= PAWS_WINDOW)
		return false;
	return now < tp->ts_recent_ns + TCP_PAWS_24DAYS_NS;
}

/* An old acknowledgement alone does no harm: the path has reordered it. tcp_disordered_ack() */
static bool is_disordered_ack(const struct tcp_sock *tp, const struct sock *sk, const struct tcp_in *s,
			      const struct tcp_options *o)
{
	u32 window = s->window << tp->snd_wscale, age = tp->ts_recent - o->tsval;

	if (!(s->flags & TCPHDR_ACK) || s->seq != sk->rcv_nxt || s->seq != s->end || s->ack != tp->snd_una)
		return false;
	if (after(s->seq, tp->snd_wl1) || (s->seq == tp->snd_wl1 && window > tp->snd_wnd))
		return false;
	return age <= tp->rto_ns / TCP_MS * 12 / 10;
}

static bool is_in_window(const struct tcp_sock *tp, const struct sock *sk, const struct tcp_in *s, enum fate *why)
{
	u32 edge = sk->rcv_nxt + tcp_receive_window(tp, sk->rcv_nxt);

	if (before(s->end, tp->rcv_wup)) {
		*why = TCP_OLD_SEQUENCE;
		return false;
	}
	if (after(s->seq, edge)) {
		*why = TCP_INVALID_SEQUENCE;
		return false;
	}
	if (after(s->end, edge) && sk->head &&
	    s->len) { /* since 6.17 only an empty queue takes more than was offered */
		*why = TCP_INVALID_END_SEQUENCE;
		return false;
	}
	return true;
}

/* The number of a RST must be the next, or after a FIN the one before; or end a SACKed run. RFC 5961 section 3.2 */
static bool reset_is_genuine(const struct tcp_sock *tp, const struct sock *sk, u32 seq)
{
	u32 edge = sk->rcv_nxt;

	if (seq == sk->rcv_nxt)
		return true;
	if (seq == sk->rcv_nxt - 1 &&
	    (tp->state == TCPS_CLOSE_WAIT || tp->state == TCPS_LAST_ACK || tp->state == TCPS_CLOSING))
		return true;
	for (u32 i = 0; i < tp->nsacks; i++)
		edge = after(tp->sacks[i].end, edge) ? tp->sacks[i].end : edge;
	return tp->nsacks && seq == edge;
}

/* tcp_validate_incoming(). Return: false: it is dealt with, *why is its fate */
bool tcp_validate(struct softnet_data *sd, struct sock *sk, const struct tcp_in *s, const struct tcp_options *o,
		  enum fate *why)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);
	bool rst = s->flags & TCPHDR_RST, syn = s->flags & TCPHDR_SYN;

	if (paws_rejects(tp, o, sd->now) && !rst && !is_disordered_ack(tp, sk, s, o)) {
		*why = TCP_RFC7323_PAWS;
		if (!syn) {
			COUNT(sd->mib[TcpExt_PAWSEstab], 1);
			answer_out_of_window(sd, sk, s, TcpExt_TCPACKSkippedPAWS);
			return false;
		}
	}
	if (!is_in_window(tp, sk, s, why)) {
		if (rst) {
			if (reset_is_genuine(tp, sk, s->seq))
				tcp_reset_sock(sd, sk);
			return false;
		}
		if (!syn) {
			if (*why == TCP_INVALID_END_SEQUENCE)
				COUNT(sd->mib[TcpExt_BeyondWindow], 1);
			answer_out_of_window(sd, sk, s, TcpExt_TCPACKSkippedSeq);
			return false;
		}
	}
	if (rst) {
		*why = TCP_RESET;
		if (reset_is_genuine(tp, sk, s->seq))
			tcp_reset_sock(sd, sk);
		else
			tcp_challenge_ack(sd, sk);
		return false;
	}
	if (syn) {
		*why = TCP_INVALID_SYN;
		if (tp->state == TCPS_SYN_RECV && s->flags & TCPHDR_ACK && s->seq + 1 == sk->rcv_nxt &&
		    s->ack == tp->snd_nxt)
			return true; /* the SYN-ACK of a simultaneous open */
		COUNT(sd->mib[TcpExt_TCPSYNChallenge], 1);
		tcp_challenge_ack(sd, sk);
		return false;
	}
	return true;
}
