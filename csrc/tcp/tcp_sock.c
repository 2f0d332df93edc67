/* tcp_sock.c - a connection's life: made, established, over; its lock. Linux: net/ipv4/tcp.c, inet_connection_sock.c
 *
 *   tcp_lock_sock() ... tcp_release_sock(): the deadlines go to the heap; a connection that is over and that no program holds
 *   is freed
 *
 * Live, a place in the table is used again at once. A CPU that finds a connection locks it and then looks whether it is still
 * the same (tcp_input.c): so places keep their lock while they are free.
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define BOTH_SHUTDOWN 3
#define SEND_SHUTDOWN 2

/* ---- the tables ---- */

void tcp_defaults(struct host *h)
{
	h->tcp = (struct tcp_host){
		.somaxconn = 4096,
		.syncookies = 1,
		.ecn = 2,
		.ecn_fallback = 1,
		.max_syn_backlog = 4096,
		.syn_retries = 6,
		.syn_linear_timeouts = 4,
		.synack_retries = 5,
		.rmem = { 4096, 131072, 33554432 },
		.wmem = { 4096, 16384, 4194304 },
		.retries2 = 15,
		.fin_timeout = 60,
		.max_tw_buckets = 65536,
		.keepalive_time = 7200,
		.keepalive_intvl = 75,
		.keepalive_probes = 9,
		.window_scaling = 1,
		.timestamps = 1,
		.sack = 1,
		.dsack = 1,
		.early_retrans = 3,
		.slow_start_after_idle = 1,
		.moderate_rcvbuf = 1,
		.rto_min_us = 200000,
		.rto_max_ms = 120000,
		.invalid_ratelimit_ms = 500,
		.comp_sack_delay_ns = 1000000,
		.comp_sack_nr = 44,
		.min_snd_mss = 48,
		.reordering = 3,
		.max_reordering = 300,
		.frto = 2,
		.recovery = TCP_RACK_LOSS_DETECTION,
		.min_rtt_wlen = 300,
		.tw_reuse = 2,
		.tw_reuse_delay = 1000,
		.max_orphans = 65536,
		.challenge_ack_limit = TCP_NO_LIMIT,
		.pingpong_thresh = 1,
		.app_win = 31,
		.retrans_collapse = 1,
		.notsent_lowat = ~0u,
		.wmem_max = 4194304,
		.local_ports = { 32768, 60999 },
		.port_next = 0,
	};
}

static u64 ids(const struct host *h)
{
	return h->socks.size + 1ull + TCP_REQS_MAX;
}

static u64 heap_bytes(const struct host *h)
{
	return (ids(h) + 1) * sizeof(struct tcp_timer_entry);
}

int tcp_init(struct host *h)
{
	struct tcp_host *t = &h->tcp;

	if (t->mode != TCP_MODE_ENDPOINT)
		return 0;
	t->req_mask = 4095;
	t->tw_mask = 65535;
	t->req_used = t->tw_used = 1;
	t->socks = map_zeroed((h->socks.size + 1ull) * sizeof(*t->socks));
	t->req = map_zeroed((TCP_REQS_MAX + 1ull) * sizeof(*t->req));
	t->tw = map_zeroed((TCP_TW_MAX + 1ull) * sizeof(*t->tw));
	t->req_hash = map_zeroed((t->req_mask + 1ull) * 4);
	t->tw_hash = map_zeroed((t->tw_mask + 1ull) * 4);
	t->heap_at = map_zeroed(ids(h) * 4);
	t->heap = calloc(h->ncpus, sizeof(*t->heap));
	for (u32 i = 0; t->heap && i < h->ncpus; i++) {
		t->heap[i].entry = map_zeroed(heap_bytes(h));
		if (!t->heap[i].entry)
			return -ENOMEM;
	}
	return t->socks && t->req && t->tw && t->req_hash && t->tw_hash && t->heap_at && t->heap ? 0 : -ENOMEM;
}

void tcp_exit(struct host *h)
{
	struct tcp_host *t = &h->tcp;

	for (u32 i = 1; t->socks && i < h->socks.used; i++) {
		free(t->socks[i].ring);
		free(t->socks[i].seg);
	}
	unmap_zeroed(t->socks, (h->socks.size + 1ull) * sizeof(*t->socks));
	unmap_zeroed(t->req, (TCP_REQS_MAX + 1ull) * sizeof(*t->req));
	unmap_zeroed(t->tw, (TCP_TW_MAX + 1ull) * sizeof(*t->tw));
	unmap_zeroed(t->req_hash, (t->req_mask + 1ull) * 4);
	unmap_zeroed(t->tw_hash, (t->tw_mask + 1ull) * 4);
	unmap_zeroed(t->heap_at, ids(h) * 4);
	for (u32 i = 0; t->heap && i < h->ncpus; i++)
		unmap_zeroed(t->heap[i].entry, heap_bytes(h));
	free(t->heap);
	t->socks = NULL;
	t->heap = NULL;
}

/* ---- one connection ---- */

struct tcp_sock *tcp_sk(const struct host *h, const struct sock *sk)
{
	return &h->tcp.socks[sk - h->socks.socks];
}

void tcp_state(struct host *h, struct sock *sk, u8 state)
{
	tcp_sk(h, sk)->state = state;
	sk->state = state == TCPS_ESTABLISHED || state == TCPS_CLOSE_WAIT ? TCP_OPEN : TCP_FINISHED; /* CurrEstab */
}

/* tcp_rto_min() - the least timeout of a socket that is made now, us: whole jiffies */
u32 tcp_rto_min(const struct host *h)
{
	u64 unit = h->jiffy_ns;

	return (u32)((h->tcp.rto_min_us * 1000ull + unit - 1) / unit * unit / 1000);
}

/* tcp_sock_init() - a fresh connection; its addresses are the caller's to set */
void tcp_sock_init(struct host *h, struct sock *sk, u64 now, u32 home)
{
	struct tcp_sock *tp = tcp_sk(h, sk);

	*tp = (struct tcp_sock){
		.state = TCPS_CLOSE,
		.rto_ns = TCP_TIMEOUT_INIT_NS,
		.scaling_ratio = 128, /* half of the memory is payload, until packets tell */
		.cwnd = TCP_INIT_CWND,
		.cwnd_clamp = ~0u,
		.ssthresh = TCP_INFINITE_SSTHRESH,
		.reordering = h->tcp.reordering,
		.rack_steps = 1,
		.undo_retrans = ~0u,
		.peer_mss = TCP_MSS_DEFAULT,
		.mss_cache = TCP_MSS_DEFAULT,
		.sndbuf = h->tcp.wmem[1],
		.rto_min_us = tcp_rto_min(h),
		.rto_max_ms = h->tcp.rto_max_ms,
		.cong = (u8)h->tcp.congestion,
		.rtx_at = NEVER,
		.delack_at = NEVER,
		.comp_at = NEVER,
		.keep_at = NEVER,
		.armed_at = NEVER,
		.born = now,
		.home = home,
		.window_clamp = 65535u << 14,
	};
	sk->rcvbuf = h->tcp.rmem[1];
}

/* tcp_inherit() - a connection begins with the options of its listener. Linux: tcp_create_openreq_child() */
void tcp_inherit(struct tcp_sock *tp, const struct tcp_sock *listener)
{
	tp->nodelay = listener->nodelay;
	tp->cork = listener->cork;
	tp->keepalive = listener->keepalive;
	tp->keepidle_s = listener->keepidle_s;
	tp->keepintvl_s = listener->keepintvl_s;
	tp->keepcnt = listener->keepcnt;
	tp->user_timeout_ms = listener->user_timeout_ms;
	tp->user_mss = listener->user_mss;
	tp->linger_on = listener->linger_on;
	tp->linger_s = listener->linger_s;
	tp->cong = listener->cong_set ? listener->cong : tp->cong; /* by TCP_CONGESTION, not by the sysctl */
	tp->cong_set = listener->cong_set;
	tp->sndbuf = listener->sndbuf;
	tp->sndbuf_locked = listener->sndbuf_locked;
	tp->rcvbuf_locked = listener->rcvbuf_locked;
	tp->reordering = listener->reordering; /* as the sysctls were when the listener was made */
	tp->rto_min_us = listener->rto_min_us;
	tp->rto_max_ms = listener->rto_max_ms;
}

/* The sending buffer grows with cwnd: 2 for what is in flight, and what was lost of it. tcp_sndbuf_expand() */
static void expand_sndbuf(struct host *h, struct tcp_sock *tp)
{
	u32 segs = max_u32(max_u32(TCP_INIT_CWND, tp->cwnd), tp->reordering + 1);
	u32 each = round_up_pow2(max_u32(tp->mss_cache, tp->advmss) + 640) + SKB_HEAD_TRUESIZE;
	u64 bytes = min_u64(2ull * segs * each, h->tcp.wmem[2]);

	if (!tp->sndbuf_locked && bytes > tp->sndbuf)
		tp->sndbuf = (u32)bytes;
}

/* tcp_wake_writer() - a writer found no room: is there enough by now? */
void tcp_wake_writer(struct host *h, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 queued = tp->write_seq - tp->snd_una;
	u64 unsent = tp->write_seq - tp->snd_nxt;

	if (tp->cwnd_limited && tp->ca_state == TCP_CA_Open)
		expand_sndbuf(h, tp);
	if (tp->writer_waits && tp->sndbuf >= queued && tp->sndbuf - queued >= queued >> 1 &&
	    2 * unsent < h->tcp.notsent_lowat) {
		tp->writer_waits = 0;
		sock_wake_python(sk);
	}
}

void tcp_established(struct host *h, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);

	tcp_state(h, sk, TCPS_ESTABLISHED);
	tp->connecting = 0;
	tp->pending = TCP_PENDING_NONE;
	tp->rtx_at = NEVER;
	tcp_sync_mss(h, sk);
	tcp_cong_init(tp);
	expand_sndbuf(h, tp);
	tcp_init_buffer(h, sk, now);
	tp->lrcvtime = now;
	tp->lsndtime = now;
	tp->backoff = 0;
	if (tp->keepalive)
		tcp_reset_keepalive(h, tp, now);
	sock_wake_python(sk);
}

static void timers_off(struct tcp_sock *tp)
{
	tp->rtx_at = tp->delack_at = tp->comp_at = tp->keep_at = NEVER;
	tp->pending = TCP_PENDING_NONE;
}

/* Forget what was written: no acknowledgement will come. */
static void purge_writes(struct tcp_sock *tp)
{
	free(tp->ring);
	free(tp->seg);
	tp->ring = NULL;
	tp->seg = NULL;
	tp->ring_size = tp->seg_size = tp->seg_n = tp->seg_head = 0;
	tp->packets_out = tp->sacked_out = tp->lost_out = tp->retrans_out = 0;
	tp->write_seq = tp->snd_una = tp->snd_nxt;
}

static void unhash(struct host *h, struct sock *sk)
{
	spin_lock(&h->socks.lock);
	flow_remove(&h->socks, sk);
	spin_unlock(&h->socks.lock);
}

/* tcp_done() - the connection is over. err: what the program's next call returns, 0: none */
void tcp_done(struct host *h, struct softnet_data *sd, struct sock *sk, u32 err)
{
	struct tcp_sock *tp = tcp_sk(h, sk);

	if (tp->state == TCPS_CLOSE)
		return;
	if (tp->state == TCPS_SYN_SENT || tp->state == TCPS_SYN_RECV)
		tcp_count(h, sd, Tcp_AttemptFails, 1);
	else if (err && (tp->state == TCPS_ESTABLISHED || tp->state == TCPS_CLOSE_WAIT))
		tcp_count(h, sd, Tcp_EstabResets, 1);
	unhash(h, sk);
	tcp_state(h, sk, TCPS_CLOSE);
	tp->shutdown = BOTH_SHUTDOWN;
	tp->connecting = 0;
	timers_off(tp);
	purge_writes(tp);
	if (sk->ofo && sd)
		tcp_ofo_purge(sd, sk, TCP_CLOSE);
	if (err)
		__atomic_store_n(&sk->err, err, __ATOMIC_SEQ_CST);
	sock_wake_python(sk);
}

/* tcp_time_wait() - both sides have ended. What is left answers the peer's last segments for a minute. */
void tcp_time_wait(struct host *h, struct softnet_data *sd, struct sock *sk)
{
	spin_lock(&h->socks.lock);
	tcp_timewait_new(h, sk, host_now(h, sd));
	spin_unlock(&h->socks.lock);
	tcp_done(h, sd, sk, 0);
}

/* ---- the lock ---- */

void tcp_lock_sock(struct host *h, struct softnet_data *sd, struct sock *sk)
{
	if (sd)
		cpu_lock(sd, &sk->lock);
	else
		lock_if(h->live, &sk->lock);
}

static bool is_over(const struct host *h, const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(h, sk);

	return sk->type == SOCK_TCP && tp->state == TCPS_CLOSE && tp->orphan;
}

void tcp_release_sock(struct host *h, struct softnet_data *sd, struct sock *sk)
{
	if (sk->type == SOCK_TCP)
		tcp_timers_sync(h, sk);
	if (unlikely(is_over(h, sk))) {
		tcp_timer_del(h, sk);
		__atomic_fetch_sub(&h->tcp.orphans, 1, __ATOMIC_RELAXED);
		sock_drop_queues(h, sd, sk);
		spin_lock(&h->socks.lock);
		sock_put_place(&h->socks, sk);
		spin_unlock(&h->socks.lock);
	}
	if (sd)
		cpu_unlock(sd, &sk->lock);
	else
		unlock_if(h->live, &sk->lock);
}
