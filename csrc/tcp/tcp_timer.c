/* tcp_timer.c - what is due of connections. RFC 9293 section 3.8, RFC 6298; Linux: net/ipv4/tcp_timer.c
 *
 *   tcp_timer(): a CPU's softirq -> retransmission, probe, delayed acknowledgement, keepalive, handshakes
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define RESOURCE_PROBE_NS (TCP_SECOND / 2)
#define ORPHAN_RETRIES 8u
#define THIN_SEGMENTS 4u
#define THIN_RETRIES 6u
#define MODEL_RTO_NS (TCP_SECOND / 5) /* whatever the least timeout is */

/* ---- giving up ---- */

/* How long n doublings of a timeout take. tcp_model_timeout() */
static u64 time_of_retries(const struct tcp_sock *tp, u64 rto, u32 n)
{
	u64 most = tp->rto_max_ms * TCP_MS, sum = 0;

	for (u32 i = 0; i <= n; i++, rto = min_u64(rto * 2, most))
		sum += rto;
	return sum;
}

static void write_err(struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	COUNT(sd->mib[TcpExt_TCPAbortOnTimeout], 1);
	tcp_done(sd->host, sd, sk, tp->soft_error ? tp->soft_error : ETIMEDOUT);
}

/* How often the rest of a connection that no program holds is tried. alive: its timeout is not the largest yet */
static u32 orphan_retries(const struct host *h, const struct tcp_sock *tp, bool alive)
{
	if (tp->soft_error && !alive)
		return 0;
	return h->tcp.orphan_retries || !alive ? h->tcp.orphan_retries : ORPHAN_RETRIES;
}

static bool is_alive(const struct tcp_sock *tp)
{
	return tcp_rto_backed_off(tp) < tp->rto_max_ms * TCP_MS;
}

/* Is it time to give up? tcp_write_timeout() */
static bool gives_up(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 retries = tp->orphan ? orphan_retries(h, tp, is_alive(tp)) : h->tcp.retries2;
	u64 began = tp->retrans_stamp ? tp->retrans_stamp : tp->seg_n ? tcp_seg_at(tp, 0)->sent_ns : sd->now, limit;

	limit = tp->user_timeout_ms ? tp->user_timeout_ms * TCP_MS : time_of_retries(tp, MODEL_RTO_NS, retries);
	return tp->retransmits && sd->now - began >= limit;
}

/* ---- what is due ---- */

static void syn_timeout(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 retries = h->tcp.syn_retries, linear = h->tcp.syn_linear_timeouts;
	u64 limit = tp->user_timeout_ms ? tp->user_timeout_ms * TCP_MS
					: time_of_retries(tp, TCP_TIMEOUT_INIT_NS, retries);

	if (tp->syn_retries >= retries + linear || (tp->syn_retries && sd->now - tp->born >= limit)) {
		write_err(sd, sk);
		return;
	}
	COUNT(sd->mib[TcpExt_TCPTimeouts], 1);
	COUNT(sd->mib[Tcp_RetransSegs], 1);
	COUNT(sd->mib[TcpExt_TCPSynRetrans], 1);
	tp->total_retrans++;
	tcp_ecn_queue_cwr(tp);
	if (++tp->syn_retries > linear)
		tp->backoff++;
	tcp_send_syn(h, sd, sk, tp->state == TCPS_SYN_RECV ? TCPHDR_SYN | TCPHDR_ACK : TCPHDR_SYN);
	tp->rtx_at = tcp_jiffies_later(
		h, sd->now, min_u64(TCP_TIMEOUT_INIT_NS << min_u32(tp->backoff, 10), tp->rto_max_ms * TCP_MS));
}

/* A thin stream, as of a game: few segments are out, so nothing but the timeout tells of a loss. tcp_retransmit_timer() */
static bool waits_evenly(const struct host *h, const struct tcp_sock *tp)
{
	return h->tcp.thin_linear_timeouts && tp->state == TCPS_ESTABLISHED && tp->packets_out < THIN_SEGMENTS &&
	       tp->ssthresh < TCP_INFINITE_SSTHRESH && tp->retransmits < THIN_RETRIES;
}

static void retransmit_timeout(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);

	if (!tp->packets_out) {
		tp->pending = TCP_PENDING_NONE;
		tp->rtx_at = NEVER;
		return;
	}
	if (gives_up(sd, sk)) {
		write_err(sd, sk);
		return;
	}
	COUNT(sd->mib[TcpExt_TCPTimeouts], 1);
	tcp_enter_loss(h, sk);
	if (tcp_retransmit_seg(h, sd, sk, tcp_seg_at(tp, 0), sd->now) == -EAGAIN && tp->snd_wnd) {
		tp->pending = TCP_PENDING_RTO; /* no room here: that is no reason to back off */
		tp->rtx_at = tcp_jiffies_later(h, sd->now, min_u64(tp->rto_ns, RESOURCE_PROBE_NS));
		return;
	}
	if (waits_evenly(h, tp))
		tp->backoff = 0;
	else if (tp->backoff < 250)
		tp->backoff++;
	if (tp->retransmits < 255)
		tp->retransmits++;
	tp->pending = TCP_PENDING_RTO;
	tp->rtx_at = tcp_jiffies_later(h, sd->now, tcp_rto_backed_off(tp));
	if (tp->user_timeout_ms) { /* it ends in time */
		u64 end = (tp->retrans_stamp ? tp->retrans_stamp : sd->now) + tp->user_timeout_ms * TCP_MS;

		tp->rtx_at = min_u64(tp->rtx_at, max_u64(end, sd->now + h->jiffy_ns));
	}
}

static void loss_probe(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 before_ = tp->packets_out;

	if (!tp->packets_out || tp->tlp_high_seq) {
		tp->pending = TCP_PENDING_RTO;
		tcp_rearm_rto(h, tp, sd->now);
		return;
	}
	tp->tlp_retrans = 0;
	if (before(tp->snd_nxt, tcp_end_of_all(tp)) && after(tp->snd_una + tp->snd_wnd, tp->snd_nxt))
		tcp_send_new(h, sd, sk, sd->now);
	if (tp->packets_out == before_) {
		struct tcp_seg *last = tcp_seg_at(tp, tp->seg_n - 1);

		tp->tlp_retrans = 1;
		if (last->flags & TCP_SEG_LOST || tcp_resend(h, sd, sk, last, sd->now) < 0)
			goto rearm;
	}
	tp->tlp_high_seq = tp->snd_nxt;
	COUNT(sd->mib[TcpExt_TCPLossProbes], 1);
rearm:
	tp->pending = TCP_PENDING_RTO;
	tp->rtx_at = tcp_jiffies_later(h, sd->now, tcp_rto_backed_off(tp));
}

static void reorder_timeout(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);

	tp->rack_advanced = 1;
	tp->pending = TCP_PENDING_NONE;
	tcp_rack_mark_lost(h, sk, sd->now);
	tcp_reo_lost(sd, sk);
	if (tp->pending == TCP_PENDING_NONE)
		tcp_rearm_rto(h, tp, sd->now);
}

static bool stops_probing(const struct host *h, const struct tcp_sock *tp, u64 now)
{
	u32 most = h->tcp.retries2;

	if (tp->user_timeout_ms && now - tp->probe_began >= tp->user_timeout_ms * TCP_MS)
		return true;
	if (tp->orphan) {
		most = orphan_retries(h, tp, is_alive(tp));
		if (!is_alive(tp) && tp->backoff >= most)
			return true;
	}
	return tp->probes_out >= most;
}

/* A closed window may have opened, and the news of it have been lost. tcp_probe_timer() */
static void probe_timeout(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);

	tp->pending = TCP_PENDING_NONE;
	if (tp->packets_out || !before(tp->snd_nxt, tcp_end_of_all(tp))) {
		tp->rtx_at = NEVER;
		return;
	}
	if (!tp->probe_began)
		tp->probe_began = sd->now;
	if (stops_probing(h, tp, sd->now)) {
		write_err(sd, sk);
		return;
	}
	if (tcp_send_probe(h, sd, sk, sd->now) == -EAGAIN) {
		tp->pending = TCP_PENDING_PROBE0;
		tp->rtx_at = tcp_jiffies_later(h, sd->now, RESOURCE_PROBE_NS);
		return;
	}
	if (tp->packets_out) /* data went */
		return;
	if (tp->backoff < h->tcp.retries2)
		tp->backoff++;
	tp->probes_out++;
	tp->pending = TCP_PENDING_PROBE0;
	tp->rtx_at = tcp_jiffies_later(h, sd->now, tcp_rto_backed_off(tp));
}

static void delayed_ack(struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	tp->delack_at = NEVER;
	if (!tp->ack_pending)
		return;
	if (tcp_in_pingpong(sd->host, tp)) { /* no answer came that could have carried it */
		tp->ack_pingpong = 0;
		tp->ato_ns = TCP_ATO_MIN_NS;
	} else {
		tp->ato_ns = min_u64(tp->ato_ns << 1, tp->rto_ns);
	}
	COUNT(sd->mib[TcpExt_DelayedACKs], 1);
	tcp_send_ack(sd->host, sd, sk);
}

/* ---- keepalive, and the end of FIN_WAIT2 ---- */

static u64 keepidle_ns(const struct host *h, const struct tcp_sock *tp)
{
	return (tp->keepidle_s ? tp->keepidle_s : h->tcp.keepalive_time) * TCP_SECOND;
}

static u64 keepintvl_ns(const struct host *h, const struct tcp_sock *tp)
{
	return (tp->keepintvl_s ? tp->keepintvl_s : h->tcp.keepalive_intvl) * TCP_SECOND;
}

/* tcp_fin_time() - how long the peer may take to end, once no program holds the connection. Linux waits twice for what
 * exceeds a minute: once as a connection, once as what is left of it. */
u64 tcp_fin_time(const struct host *h, const struct tcp_sock *tp)
{
	u64 rto = tcp_rto_backed_off(tp), ns = max_u64(h->tcp.fin_timeout * TCP_SECOND, 4 * rto - rto / 2);

	return ns <= TCP_TIMEWAIT_NS ? ns : 2 * (ns - TCP_TIMEWAIT_NS);
}

/* tcp_reset_keepalive() - silence begins to count now */
void tcp_reset_keepalive(struct host *h, struct tcp_sock *tp, u64 now)
{
	tp->keep_probes = 0;
	tp->keep_at = tcp_jiffies_later(h, now, keepidle_ns(h, tp));
}

static void keepalive(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);
	u64 idle = sd->now - max_u64(tp->lrcvtime, tp->rcv_tstamp), due = keepidle_ns(h, tp);
	u32 most = tp->keepcnt ? tp->keepcnt : h->tcp.keepalive_probes;

	tp->keep_at = NEVER;
	if (tp->orphan && (tp->state == TCPS_FIN_WAIT2 || tp->state == TCPS_CLOSE)) {
		tcp_done(h, sd, sk, 0); /* the peer has not ended in time */
		return;
	}
	if (!tp->keepalive || tp->state == TCPS_CLOSE || tp->state == TCPS_SYN_SENT)
		return;
	if (tp->packets_out || before(tp->snd_nxt, tp->write_seq) || idle < due) {
		tp->keep_at = tcp_jiffies_later(h, sd->now, idle < due ? due - idle : due);
		return;
	}
	if ((tp->user_timeout_ms && idle >= tp->user_timeout_ms * TCP_MS && tp->keep_probes) ||
	    (!tp->user_timeout_ms && tp->keep_probes >= most)) {
		tcp_send_active_reset(h, sd, sk);
		write_err(sd, sk);
		return;
	}
	COUNT(sd->mib[TcpExt_TCPKeepAlive], 1);
	tcp_send_keepalive(h, sd, sk);
	tp->keep_probes++;
	tp->keep_at = tcp_jiffies_later(h, sd->now, keepintvl_ns(h, tp));
}

static void rtx_timeout(struct softnet_data *sd, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sd->host, sk);

	tp->rtx_at = NEVER;
	if (tp->state == TCPS_SYN_SENT || tp->state == TCPS_SYN_RECV) {
		syn_timeout(sd, sk);
		return;
	}
	switch (tp->pending) {
	case TCP_PENDING_RTO:
		retransmit_timeout(sd, sk);
		break;
	case TCP_PENDING_LOSS_PROBE:
		loss_probe(sd, sk);
		break;
	case TCP_PENDING_REO:
		reorder_timeout(sd, sk);
		break;
	case TCP_PENDING_PROBE0:
		probe_timeout(sd, sk);
		break;
	}
}

/* SACKs were held back, or the card's ring had no room. */
static void pause_over(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp = tcp_sk(h, sk);

	tp->comp_at = NEVER;
	if (tp->comp_sack)
		tcp_send_ack(h, sd, sk);
	if (!tp->want_write)
		return;
	tp->want_write = 0;
	if (tp->lost_out > tp->retrans_out)
		tcp_retransmit_lost(h, sd, sk, sd->now);
	tcp_write_xmit(h, sd, sk, sd->now);
}

static void sock_timer(struct softnet_data *sd, struct sock *sk)
{
	struct host *h = sd->host;
	struct tcp_sock *tp;

	tcp_lock_sock(h, sd, sk);
	tp = tcp_sk(h, sk);
	if (sk->type == SOCK_TCP && tp->state != TCPS_CLOSE) {
		u64 now = sd->now;

		tp->armed_at = NEVER;
		if (tp->comp_at <= now)
			pause_over(sd, sk);
		if (tp->delack_at <= now && tp->state != TCPS_CLOSE)
			delayed_ack(sd, sk);
		if (tp->rtx_at <= now && tp->state != TCPS_CLOSE)
			rtx_timeout(sd, sk);
		if (tp->keep_at <= now && tp->state != TCPS_CLOSE)
			keepalive(sd, sk);
	}
	tcp_release_sock(h, sd, sk);
}

void tcp_timer(struct softnet_data *sd)
{
	struct host *h = sd->host;
	u64 next;

	for (u32 id; (id = tcp_take_due(sd, &next));) {
		if (id <= h->socks.size)
			sock_timer(sd, &h->socks.socks[id]);
		else
			tcp_request_timer(sd, id - h->socks.size);
	}
	if (sd->cpu == 0)
		next = min_u64(next, tcp_timewait_expire(sd));
	if (next < sd->timer_ns[TIMER_TCP])
		mod_timer(sd, TIMER_TCP, next);
}
