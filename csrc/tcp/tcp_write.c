/* tcp_write.c - new data: as much as Nagle, the peer's window and cwnd allow. RFC 9293 section 3.8; Linux: tcp_write_xmit()
 *
 *   tcp_sendmsg(), tcp_ack(), a timer -> tcp_write_xmit() -> tcp_output.c
 *
 * The program's bytes wait in a ring from when they are written until they are acknowledged; a segment names a part of it.
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define SEGS_FIRST 32u
#define TSO_BYTES_MAX (IP_LEN_MAX - IP_HLEN - TCP_HLEN - TCP_OPTIONS_MAX)

/* ---- segments that were sent ---- */

struct tcp_seg *tcp_seg_at(const struct tcp_sock *tp, u32 i)
{
	return &tp->seg[(tp->seg_head + i) & (tp->seg_size - 1)];
}

/* Make room for n more. Return: 0 or -ENOMEM */
static int seg_room(struct tcp_sock *tp, u32 n)
{
	u32 size = tp->seg_size ? tp->seg_size : SEGS_FIRST;
	struct tcp_seg *seg;

	if (tp->seg_n + n <= tp->seg_size)
		return 0;
	while (size < tp->seg_n + n)
		size *= 2;
	seg = malloc(size * sizeof(*seg));
	if (!seg)
		return -ENOMEM;
	for (u32 i = 0; i < tp->seg_n; i++)
		seg[i] = *tcp_seg_at(tp, i);
	free(tp->seg);
	tp->seg = seg;
	tp->seg_size = size;
	tp->seg_head = 0;
	return 0;
}

/* ---- new data ---- */

/* May a segment of len bytes go, or does Nagle hold it? RFC 896 as Minshall has it: only while another short one is out */
static bool nagle_allows(const struct tcp_sock *tp, u32 len, u32 mss, bool fin)
{
	if (len >= mss || fin)
		return true;
	if (tp->cork || tp->msg_more)
		return false;
	if (tp->nodelay || !tp->packets_out)
		return true;
	return !after(tp->snd_sml, tp->snd_una) || after(tp->snd_sml, tp->snd_nxt);
}

static bool has_fin(const struct tcp_sock *tp)
{
	return tp->state == TCPS_FIN_WAIT1 || tp->state == TCPS_LAST_ACK || tp->state == TCPS_CLOSING;
}

/* tcp_end_of_all() - Return: the sequence number after all that there is to send, with the FIN */
u32 tcp_end_of_all(const struct tcp_sock *tp)
{
	return tp->write_seq + has_fin(tp);
}

static void sent_new(struct host *h, struct sock *sk, const struct tcp_out *s, u64 now, u32 mss)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	bool fin = s->flags & TCPHDR_FIN;
	u32 each = s->gso_size ? s->gso_size : s->len;

	if (!tp->packets_out)
		cubic_idle_end(tp, now);
	for (u32 at = 0; at < s->len + fin; at += each + fin) {
		*tcp_seg_at(tp, tp->seg_n++) = (struct tcp_seg){ .seq = s->seq + at,
								 .end_seq = s->seq + at + each + fin,
								 .sent_ns = now,
								 .flags = fin ? TCP_SEG_FIN : 0 };
		tp->packets_out++;
	}
	tp->snd_nxt = s->seq + s->len + fin;
	tp->bytes_sent += s->len;
	if (s->len && s->len < mss)
		tp->snd_sml = s->seq + s->len;
	tp->lsndtime = now;
	if (now - tp->lrcvtime < tp->ato_ns && tp->ack_pingpong < 255)
		tp->ack_pingpong++;
}

/* How many of the segments that bytes hold go as one frame? If the wire cuts it, 64 KB of them, but at most half of cwnd: so
 * acknowledgements keep coming. tcp_tso_should_defer() is not there: what can go goes. */
static u32 tso_segs(const struct host *h, const struct sock *sk, u32 mss, u32 bytes)
{
	const struct tcp_sock *tp = tcp_sk(h, sk);
	u32 n = min_u32(bytes, TSO_BYTES_MAX) / mss;

	if (!h->tx.tso || !(h->tx.offload & (inet_addr_is4(&sk->raddr) ? NETIF_F_TSO : NETIF_F_TSO6)))
		return 1;
	if (tp->ecn & TCP_ECN_QUEUE_CWR) /* of one segment only */
		return 1;
	n = min_u32(min_u32(n, tp->cwnd >> 1), tp->cwnd - tcp_in_flight(tp));
	return max_u32(n, 1);
}

/* RFC 7661's idea as Linux has it: note whether cwnd is what bounds us */
static void note_cwnd(struct tcp_sock *tp, bool limited)
{
	if (!before(tp->snd_una, tp->max_packets_seq) || tp->packets_out > tp->max_packets_out ||
	    (limited && !tp->cwnd_limited)) {
		tp->cwnd_limited = limited;
		tp->max_packets_out = tp->packets_out;
		tp->max_packets_seq = tp->snd_nxt;
	}
}

/* After a timeout of silence the path is not known any more: cwnd halves for each. RFC 2861, tcp_cwnd_restart() */
static void restart_after_idle(struct host *h, struct tcp_sock *tp, u64 now)
{
	u32 restart = min_u32(TCP_INIT_CWND, tp->cwnd), cwnd = tp->cwnd;
	u64 idle = now - tp->lsndtime;

	if (!h->tcp.slow_start_after_idle || tp->packets_out || !tp->lsndtime || idle <= tp->rto_ns)
		return;
	tp->ssthresh = max_u32(tp->ssthresh, (cwnd >> 1) + (cwnd >> 2));
	for (; idle > tp->rto_ns && cwnd > restart; idle -= tp->rto_ns)
		cwnd >>= 1;
	tp->cwnd = max_u32(cwnd, restart);
}

static void arm_probe0(struct host *h, struct tcp_sock *tp, u64 now)
{
	if (tp->pending)
		return;
	tp->pending = TCP_PENDING_PROBE0;
	tp->rtx_at = tcp_jiffies_later(h, now, tcp_rto_backed_off(tp));
}

/* Send what may be sent now; probe: one segment, whatever cwnd and Nagle say */
static void write_xmit(struct host *h, struct softnet_data *sd, struct sock *sk, u64 now, bool probe)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 mss, n, sent = 0;
	bool limited = false, full = false;

	if (tp->state != TCPS_ESTABLISHED && tp->state != TCPS_CLOSE_WAIT && !has_fin(tp))
		return;
	tcp_sync_mss(h, sk); /* another connection may have learnt that the path carries less */
	mss = tcp_current_mss(tp);
	restart_after_idle(h, tp, now);
	while (before(tp->snd_nxt, tcp_end_of_all(tp))) {
		u32 left = tp->write_seq - tp->snd_nxt, len = min_u32(left, mss),
		    window = tp->snd_una + tp->snd_wnd - tp->snd_nxt;
		struct tcp_out s = { .seq = tp->snd_nxt, .flags = TCPHDR_ACK };
		bool fin = has_fin(tp) && len == left;
		int rc;

		if (probe ? sent : tcp_in_flight(tp) >= tp->cwnd) {
			limited = true;
			break;
		}
		if ((int32_t)window <= 0 || len + fin > window) /* a probe may cut it: tcp_send_probe() */
			break;
		if (!probe && !nagle_allows(tp, len, mss, fin))
			break;
		n = probe || len < mss ? 1 : tso_segs(h, sk, mss, min_u32(left - has_fin(tp), window));
		if (n > 1) {
			s.gso_size = (u16)mss;
			len = n * mss;
			fin = false; /* it goes with the last segment, alone */
		}
		if (seg_room(tp, n) < 0)
			break;
		s.len = len;
		if (len && len == left && after(tp->psh_seq, s.seq))
			s.flags |= TCPHDR_PSH;
		if (fin)
			s.flags |= TCPHDR_FIN;
		rc = tcp_transmit(h, sd, sk, &s, now);
		if (rc == -EAGAIN) {
			full = true;
			break;
		}
		mss = tcp_current_mss(tp);
		if (len)
			tcp_count(h, sd, TcpExt_TCPOrigDataSent, n);
		sent_new(h, sk, &s, now, mss);
		sent += n;
	}
	if (sent) {
		note_cwnd(tp, limited || tcp_in_flight(tp) >= tp->cwnd);
		if (!tp->pending || tp->pending == TCP_PENDING_PROBE0 || tp->pending == TCP_PENDING_LOSS_PROBE) {
			if (tp->pending == TCP_PENDING_PROBE0)
				tp->backoff = tp->probes_out = 0;
			tcp_rearm_rto(h, tp, now);
		}
		if (tp->ca_state == TCP_CA_Recovery || tp->ca_state == TCP_CA_CWR)
			tp->prr_out += sent;
		tcp_schedule_loss_probe(h, tp, now);
	}
	if (full) {
		tp->want_write = 1;
		tp->comp_at = min_u64(tp->comp_at, now + TCP_RING_PAUSE_NS);
	} else if (!tp->packets_out && before(tp->snd_nxt, tcp_end_of_all(tp))) {
		arm_probe0(h, tp, now);
	}
}

/* tcp_write_xmit() - send what may be sent now */
void tcp_write_xmit(struct host *h, struct softnet_data *sd, struct sock *sk, u64 now)
{
	write_xmit(h, sd, sk, now, false);
}

/* tcp_send_new() - send one new segment, beyond cwnd: the probe of a tail that may be lost */
void tcp_send_new(struct host *h, struct softnet_data *sd, struct sock *sk, u64 now)
{
	write_xmit(h, sd, sk, now, true);
}

/* tcp_send_probe() - ask a closed window: with data if a little is open. Return: 0 or -errno */
int tcp_send_probe(struct host *h, struct softnet_data *sd, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 window = tp->snd_una + tp->snd_wnd - tp->snd_nxt, left = tp->write_seq - tp->snd_nxt;
	struct tcp_out s = { .seq = tp->snd_nxt, .flags = TCPHDR_ACK };

	if ((int32_t)window <= 0 || !before(tp->snd_nxt, tcp_end_of_all(tp)) || seg_room(tp, 1) < 0) {
		tcp_count(h, sd, TcpExt_TCPWinProbe, 1);
		tcp_send_keepalive(h, sd, sk);
		return 0;
	}
	s.len = min_u32(min_u32(left, window), tcp_current_mss(tp));
	s.flags |= TCPHDR_PSH;
	if (has_fin(tp) && s.len == left)
		s.flags |= TCPHDR_FIN;
	if (tcp_transmit(h, sd, sk, &s, now) == -EAGAIN)
		return -EAGAIN;
	tcp_count(h, sd, TcpExt_TCPOrigDataSent, 1);
	sent_new(h, sk, &s, now, tp->mss_cache);
	tp->pending = TCP_PENDING_NONE;
	tcp_rearm_rto(h, tp, now);
	return 0;
}
