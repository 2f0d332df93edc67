/* tcp.h - TCP's endpoint: connections that answer. RFC 9293; Linux: net/ipv4/tcp*.c, inet_connection_sock.c
 *
 * Context, where a comment names none: the CPU of @sd in softirq, or, with @sd NULL, a Python thread. "Locked": the caller
 * holds tcp_lock_sock(). Order of locks: a connection, its listener, the table of sockets, the lock of driver_tx.
 */

enum tcp_mode {
	TCP_MODE_PASSIVE,              /* it reads both sides of a talk, and answers nothing: inet/tcp.c */
	TCP_MODE_ENDPOINT
};

/* RFC 9293 section 3.3.2; the numbers are Linux's */
enum tcp_conn_state {
	TCPS_ESTABLISHED = 1, TCPS_SYN_SENT, TCPS_SYN_RECV, TCPS_FIN_WAIT1, TCPS_FIN_WAIT2, TCPS_TIME_WAIT, TCPS_CLOSE,
	TCPS_CLOSE_WAIT, TCPS_LAST_ACK, TCPS_LISTEN, TCPS_CLOSING
};

enum tcp_congestion { TCP_CONG_CUBIC, TCP_CONG_RENO };
enum tcp_ca_state { TCP_CA_Open, TCP_CA_Disorder, TCP_CA_CWR, TCP_CA_Recovery, TCP_CA_Loss };

/* of a sent segment */
enum tcp_seg_flags {
	TCP_SEG_SACKED = 1, TCP_SEG_LOST = 2,
	TCP_SEG_RETRANS = 4,           /* its latest copy is a retransmission, and in flight */
	TCP_SEG_EVER_RETRANS = 8,
	TCP_SEG_FIN = 16
};

/**
 * struct tcp_seg - a segment that was sent and is not acknowledged: bytes @seq to @end_seq. A FIN counts as one
 * @sent_ns: when its latest copy was sent
 * @flags:   enum tcp_seg_flags
 */
struct tcp_seg { u32 seq, end_seq; u64 sent_ns; u8 flags, spare[7]; };

/** struct tcp_sack - bytes @start to @end arrived beyond a hole */
struct tcp_sack { u32 start, end; };

#define TCP_SACKS_MAX 4

/**
 * struct tcp_options - what a segment's options say
 * @mss: 0: not there
 * @wscale: valid if @wscale_ok; at most 14
 * @ecn_ok: of a SYN: the peer wants ECN, and may have it
 */
struct tcp_options {
	u32 tsval, tsecr;
	u16 mss;
	u8 saw_tstamp, wscale_ok, wscale, sack_ok, nsacks, ecn_ok;
	struct tcp_sack sack[TCP_SACKS_MAX];
};

/**
 * struct tcp_sock - a connection, beside its struct sock
 * Receiving:
 * @copied_seq:    the next byte that the program reads; @rcv_nxt is in struct sock
 * @rcv_wnd, @rcv_wup: the window last advertised, and rcv_nxt then
 * @rcv_ssthresh:  most that the window may be now; it grows with arrivals
 * @window_clamp:  most that the window may ever be
 * @rcv_mss:       estimate of the peer's segments, bytes
 * @scaling_ratio: of 256 bytes of truesize, so many are payload
 * @lrcvtime, @rcv_tstamp: when data, and when an acknowledgement came last
 * @ack_*:         delayed acknowledgements: Linux's inet_connection_sock.icsk_ack. @ato_ns: the delay
 * @dsack:         bytes that arrived twice, to be said next; @dsack.end == @dsack.start: none
 * @sacks:         runs of the out-of-order queue, the latest first
 * @comp_sack:     SACKs that were held back since the last one
 * @ecn:           enum tcp_ecn
 * @rcvq_*:        autotuning: bytes that were read in the last round trip
 * Sending:
 * @snd_una, @snd_nxt, @write_seq: unacknowledged from here, sent up to here, written up to here
 * @snd_wnd, @snd_wl1, @max_window: the peer's window, the segment that told it, the largest so far
 * @snd_sml:       end of the last short segment: Nagle's rule as Minshall has it
 * @ring:          bytes snd_una to write_seq; byte s lies at s mod @ring_size. NULL: none were written
 * @seg:           a ring of @seg_size segments, @seg_n of them from @seg_head on: what was sent, in order of sequence
 * @psh_seq:       end of the last write without MSG_MORE (@msg_more: during one with it): PSH is set there
 * @packets_out, @sacked_out, @lost_out, @retrans_out: segments, and those among them that are in these states
 * @srtt_us, @mdev_us, @mdev_max_us, @rttvar_us: 8, 4, 4 and 4 times the time
 * @rto_ns:        the retransmission timeout without @backoff
 * Timers, ns, NEVER: off:
 * @rtx_at:        by @pending: enum tcp_pending
 * @delack_at, @comp_at, @keep_at
 * @armed_at:      what the heap has: tcp_timer.c
 * Options:
 * @keepidle_s, @keepintvl_s, @keepcnt: 0: the host's
 * @rto_min_us, @rto_max_ms: the host's when the socket was made
 */
enum tcp_ecn {
	TCP_ECN_OK = 1,                /* both sides have agreed */
	TCP_ECN_QUEUE_CWR = 2,         /* the next new data says CWR */
	TCP_ECN_DEMAND_CWR = 4,        /* we say ECE until the peer says CWR */
	TCP_ECN_SEEN = 8               /* some data was capable */
};

enum tcp_pending { TCP_PENDING_NONE, TCP_PENDING_RTO, TCP_PENDING_LOSS_PROBE, TCP_PENDING_REO, TCP_PENDING_PROBE0 };

struct tcp_sock {
	/* receiving */
	u32 copied_seq, rcv_wnd, rcv_wup, rcv_ssthresh;
	u32 window_clamp, rcv_mss, advmss, scaling_ratio;
	u32 ts_recent, ts_offset, tsecr_last, last_ack_sent;
	u64 ts_recent_ns;
	u8 state, tstamp_ok, sack_ok, wscale_ok;
	u8 snd_wscale, rcv_wscale, nsacks, comp_sack;
	u8 ack_pending, ack_quick, ack_pingpong, ack_pushed;
	u8 ack_now, orphan, shutdown, nodelay;
	u8 rcv_psh, ecn, spare9[6];
	u64 ato_ns, lrcvtime, lsndtime, rcv_tstamp;
	struct tcp_sack dsack, sacks[TCP_SACKS_MAX];
	u32 rcvq_space, rcvq_seq;
	u64 rcvq_at, rcv_rtt_us;
	struct sk_buff *ofo_tail;
	u32 comp_rcv_nxt, dup_acks_sent, coalesced, spare8;
	/* sending */
	u32 snd_una, snd_nxt, write_seq, snd_wnd;
	u32 snd_wl1, max_window, snd_sml, iss;
	u8 *ring;
	u32 ring_size, sndbuf;
	struct tcp_seg *seg;
	u32 seg_size, seg_head, seg_n, mss_cache;
	u32 packets_out, sacked_out, lost_out, retrans_out;
	u32 peer_mss, high_sacked;
	u32 psh_seq, spare11;
	/* congestion */
	u32 cwnd, ssthresh, cwnd_cnt, cwnd_clamp;
	u32 prior_ssthresh, prior_cwnd, high_seq, undo_marker;
	u32 undo_retrans, prr_delivered, prr_out, reordering;
	u32 max_packets_out, max_packets_seq, tlp_high_seq, retrans_stamp_ts;
	u64 retrans_stamp, delivered, delivered_ce, lost;
	u8 ca_state, cwnd_limited, backoff, retransmits;
	u8 probes_out, tlp_retrans, pending, cong;
	u32 srtt_us, mdev_us, mdev_max_us, rttvar_us;
	u32 rtt_seq, rtt_min_us;
	u64 rtt_min_at, rto_ns;
	/* RACK: RFC 8985 */
	u64 rack_ns;
	u32 rack_end_seq, rack_rtt_us;
	u8 rack_steps, rack_persist, rack_advanced, rack_dsack_seen, reord_seen, frto, spare4[2];
	/* CUBIC: RFC 9438 */
	u32 bic_cnt, bic_last_max, bic_last_cwnd, bic_origin, bic_k, bic_delay_min_us, bic_ack_cnt, bic_tcp_cwnd;
	u64 bic_epoch, bic_last_time;
	u32 hy_end_seq, hy_sample_cnt, hy_curr_rtt, spare5;
	u64 hy_round, hy_last_ack;
	u8 hy_found;
	/* options */
	u8 keepalive, cork, linger_on, connecting;
	u32 linger_s, keepidle_s, keepintvl_s, keepcnt, user_timeout_ms, user_mss;
	u32 rto_min_us, rto_max_ms;
	u32 soft_error, rcvbuf_locked, sndbuf_locked;
	/* timers */
	u64 rtx_at, delack_at, comp_at, keep_at, armed_at;
	u64 probe_began, oow_at, born;
	u32 home, keep_probes, syn_retries;
	u8 want_write, writer_waits, msg_more, cong_set;
	/* a listener's; reqs_full_at: when its requests were too many the last time, NEVER */
	u32 backlog, accept_qlen, reqs, spare10;
	u64 reqs_full_at;
	/* counters, for tcp_info */
	u64 bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	u64 segs_in, segs_out, data_segs_in, data_segs_out;
	u32 total_retrans, dsack_dups, reord_events, spare6;
};

/** struct tcp_request - a connection that waits for its handshake's third segment. Linux: struct request_sock */
struct tcp_request {
	struct inet_addr laddr, raddr;
	u16 lport, rport, mss, window;
	u32 next, listener, irs, iss;
	u32 ts_recent, ts_offset, rcv_wnd, home;
	u32 tsval_first, tsval_last;
	u64 born, at, armed_at, oow_at;
	u8 in_use, tstamp_ok, sack_ok, wscale_ok;
	u8 snd_wscale, rcv_wscale, ecn_ok,
		timeouts, /* SYN-ACKs that the timer sent */
		retrans,  /* SYN-ACKs after the first */
		cookie,   /* it stands in no table */
		spare[6];
};

/** struct tcp_timewait - what is left of a connection for 60 s. Linux: struct tcp_timewait_sock */
struct tcp_timewait {
	struct inet_addr laddr, raddr;
	u16 lport, rport;
	u8 in_use, tstamp_ok, rcv_wscale, spare;
	u32 next;                      /* in its bucket, or on the free list */
	u32 older, newer;
	u32 rcv_nxt, snd_nxt, rcv_wnd, ts_recent;
	u32 ts_offset, spare2;
	u64 ts_recent_ns, expires, oow_at, entered;
};

#define TCP_REQS_MAX 16384
#define TCP_TW_MAX 1048576             /* tcp_max_tw_buckets at most: the table is mapped for so many */

/** struct tcp_timer_heap - the deadlines of the connections that live on one CPU */
struct tcp_timer_entry { u64 at; u32 id, spare; };
struct tcp_timer_heap { u32 lock, n; struct tcp_timer_entry *entry; };

/**
 * struct tcp_host - TCP of a host; knobs by Linux's names
 * @socks: beside sock_table.socks; @seg, @ring of each are allocated when something is written
 * @req_hash, @tw_hash: buckets, 1 + index; under the lock of the table of sockets, as their entries
 * @heap_at: place of each timer in its heap, 1 + index: a socket's, then a request's
 */
struct tcp_host {
	struct tcp_sock *socks;
	struct tcp_request *req;
	struct tcp_timewait *tw;
	u32 *req_hash, *tw_hash, *heap_at;
	struct tcp_timer_heap *heap;
	u32 req_used, req_free, req_mask, reqs;
	u32 tw_used, tw_free, tw_mask, tws;
	u32 tw_oldest, tw_newest, port_next, somaxconn;
	u32 mode, syn_retries, synack_retries;
	u32 rmem[3], wmem[3];
	u32 retries2, orphan_retries, fin_timeout;
	u32 max_tw_buckets, keepalive_time, keepalive_intvl;
	u32 keepalive_probes, window_scaling, timestamps, sack;
	u32 dsack, early_retrans;
	u32 slow_start_after_idle, moderate_rcvbuf, abort_on_overflow, congestion;
	u32 rto_min_us, rto_max_ms, invalid_ratelimit_ms;
	u64 comp_sack_delay_ns;
	u32 comp_sack_nr, rfc1337;
	u32 syncookies, max_syn_backlog, ecn, ecn_fallback;
	u32 orphans, syn_linear_timeouts;
	u32 min_snd_mss, reordering, max_reordering, frto;
	u32 recovery, min_rtt_wlen, tw_reuse, tw_reuse_delay;
	u32 max_orphans, challenge_ack_limit, pingpong_thresh, app_win;
	u32 workaround_signed_windows, thin_linear_timeouts, retrans_collapse, wmem_max;
	u32 local_ports[2];
	u64 challenge_second;          /* and how many challenges it has left */
	u32 challenges, notsent_lowat, shrink_window, spare;
};

/** tcp_defaults() - Linux's values of the knobs. Before tcp_init() */
void tcp_defaults(struct host *h);

/** tcp_init() - allocate the tables, if the mode is TCP_MODE_ENDPOINT. Return: 0, or -ENOMEM; then call tcp_exit() */
int tcp_init(struct host *h);

/** tcp_exit() - free the tables, and what connections hold */
void tcp_exit(struct host *h);

/** tcp_flush() - forget all deadlines of connections. Context: the host is at rest */
void tcp_flush(struct host *h);

/** tcp_timer() - timer of each CPU: what is due of its connections */
void tcp_timer(struct softnet_data *sd);

/** tcp_endpoint_rcv() - take a segment with a valid checksum; data at its header. Consumes @skb. */
void tcp_endpoint_rcv(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *t);

/** tcp_err() - ICMP says something of a segment that we sent. @quote, @th: offsets of its headers from @skb's ICMP header */
void tcp_err(struct softnet_data *sd, struct sk_buff *skb, u32 quote, u32 th);

/* ---- Python's calls: tcp_socket.c, tcp_listen.c. Context: a thread that is no CPU ---- */

/**
 * tcp_listen() - listen at a port. Return: NULL: all sockets are taken
 * @backlog: one less than may wait for tcp_accept(), and than may be half open
 */
struct sock *tcp_listen(struct host *h, const struct inet_addr *laddr, u16 lport, u32 backlog);

/** tcp_accept() - Return: the oldest connection that waits; NULL: none */
struct sock *tcp_accept(struct host *h, struct sock *listener);

/** tcp_socket() - Return: a socket of no connection, whose options can be set; NULL: all are taken. Then tcp_connect_sock() */
struct sock *tcp_socket(struct host *h);

/** tcp_connect_sock() - as tcp_connect(), of a socket that tcp_socket() made. Return: 0 or -errno; then it is as before */
int tcp_connect_sock(struct host *h, struct sock *sk, const struct inet_addr *laddr, u16 lport, const struct inet_addr *raddr,
		     u16 rport);

/**
 * tcp_connect() - begin to connect: the first segment is sent
 * @lport: 0: any free one
 * Return: 0, *@made is the socket; -ENETUNREACH, -ENETDOWN, -EADDRNOTAVAIL, -ENOBUFS: all sockets are taken
 */
int tcp_connect(struct host *h, const struct inet_addr *laddr, u16 lport, const struct inet_addr *raddr, u16 rport,
		struct sock **made);

/** tcp_connected() - Return: 0; -EINPROGRESS; what ended the attempt, once */
int tcp_connected(struct host *h, struct sock *sk);

/** tcp_sendmsg() - queue as much of @data as fits. Return: bytes; -EAGAIN: no room; -EPIPE, -ECONNRESET, ... */
long tcp_sendmsg(struct host *h, struct sock *sk, const u8 *data, u64 len);

/**
 * tcp_recvmsg() - read bytes in order. @peek: they stay
 * Return: bytes; 0: the peer has sent all; -EAGAIN: none now; -ECONNRESET, -ETIMEDOUT, ...: once
 */
long tcp_recvmsg(struct host *h, struct sock *sk, void *buf, u64 len, int peek);

/** tcp_shutdown() - 0: read no more; 1: send no more; 2: both. Return: 0 or -ENOTCONN */
int tcp_shutdown(struct host *h, struct sock *sk, int how);

/** tcp_close() - end the program's side. The connection goes on by itself until the peer knows */
void tcp_close(struct host *h, struct sock *sk);

/** tcp_push() - send what the options that were changed no longer hold back */
void tcp_push(struct host *h, struct sock *sk);

/** tcp_options_changed() - act on options that were set: of the MSS, keepalive, the receive buffer */
void tcp_options_changed(struct host *h, struct sock *sk);

/* ---- inside the room ---- */

void tcp_lock_sock(struct host *h, struct softnet_data *sd, struct sock *sk);
void tcp_release_sock(struct host *h, struct softnet_data *sd, struct sock *sk); /* it may free sk */
struct tcp_sock *tcp_sk(const struct host *h, const struct sock *sk);
void tcp_count(struct host *h, struct softnet_data *sd, u32 mib, u64 n);
u32 tcp_rto_min(const struct host *h);
u64 tcp_fin_time(const struct host *h, const struct tcp_sock *tp);
u64 tcp_jiffies_later(const struct host *h, u64 now, u64 ns);
void tcp_done(struct host *h, struct softnet_data *sd, struct sock *sk, u32 err); /* locked */
void tcp_time_wait(struct host *h, struct softnet_data *sd, struct sock *sk); /* locked */
void tcp_state(struct host *h, struct sock *sk, u8 state);
struct sock *tcp_sock_alloc(struct host *h);
void tcp_sock_init(struct host *h, struct sock *sk, u64 now, u32 home);
void tcp_wake_writer(struct host *h, struct sock *sk);
void tcp_inherit(struct tcp_sock *tp, const struct tcp_sock *listener);
void tcp_established(struct host *h, struct sock *sk, u64 now);
u32 tcp_secure_seq(const struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport, u64 now);
u32 tcp_ts_offset(const struct host *h, const struct inet_addr *l, const struct inet_addr *r);
u32 tcp_ts_now(u64 now, u32 offset);

/* tcp_options.c */
bool tcp_parse_options(const u8 *opt, u32 len, bool syn, struct tcp_options *o);
u32 tcp_syn_options(const struct host *h, u8 *to, u16 mss, const struct tcp_options *o);
u32 tcp_current_mss(const struct tcp_sock *tp);
u32 tcp_put_options(const struct tcp_sock *tp, u8 *to, u32 tsval, u32 room);

/* tcp_input.c */
void tcp_rcv_state_process(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, const u8 *th, struct tcp_options *o);
void tcp_reset_sock(struct softnet_data *sd, struct sock *sk);
void tcp_challenge_ack(struct softnet_data *sd, struct sock *sk);

/* tcp_receive.c, tcp_window.c, tcp_delack.c: the receive queue, the window, when to acknowledge */
void tcp_data_queue(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, bool fin); /* consumes skb */
void tcp_ack_snd_check(struct softnet_data *sd, struct sock *sk);
u32 tcp_receive_window(const struct tcp_sock *tp, u32 rcv_nxt);
u32 tcp_select_window(struct host *h, struct softnet_data *sd, struct sock *sk);
u32 tcp_next_window(const struct host *h, const struct sock *sk);
void tcp_initial_window(const struct host *h, u32 space, bool locked, u32 mss, u32 *rcv_wnd, u8 *wscale, bool wscale_ok);
u32 tcp_win_from_space(const struct tcp_sock *tp, u32 space);
void tcp_rcv_space_adjust(struct host *h, struct sock *sk, u64 now);
void tcp_cleanup_rbuf(struct host *h, struct sock *sk, u32 copied);
void tcp_init_buffer(const struct host *h, struct sock *sk, u64 now);
void tcp_rcv_rtt(struct tcp_sock *tp, const struct tcp_options *o, u32 len, u64 now);
void tcp_quickack(struct tcp_sock *tp, u32 max);

/* tcp_ofo.c, for the passive mode too. tail: NULL, or where the last one is kept. tcp_ofo_insert() consumes skb; false: it is
 * there already */
struct sk_buff *tcp_ofo_take(struct softnet_data *sd, struct sock *sk);
void tcp_ofo_purge(struct softnet_data *sd, struct sock *sk, enum fate fate);
bool tcp_ofo_insert(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, struct sk_buff **tail);

/* tcp_rtt.c: how long acknowledgements take; tcp_ack.c is in room.h */
void tcp_rtt_sample(struct host *h, struct tcp_sock *tp, u64 now, u64 rtt_us);
void tcp_enter_loss(struct host *h, struct sock *sk);
void tcp_reo_lost(struct softnet_data *sd, struct sock *sk);
void tcp_rearm_rto(struct host *h, struct tcp_sock *tp, u64 now);
void tcp_limit_reno_sacked(struct tcp_sock *tp);

/* tcp_recovery.c: RACK (RFC 8985), which segments are lost */
void tcp_rack_advance(struct tcp_sock *tp, const struct tcp_seg *s, u64 now);
void tcp_rack_mark_lost(struct host *h, struct sock *sk, u64 now);
void tcp_mark_lost(struct tcp_sock *tp, struct tcp_seg *s);
void tcp_rack_dsack(const struct host *h, struct tcp_sock *tp);
bool tcp_schedule_loss_probe(struct host *h, struct tcp_sock *tp, u64 now);

/* tcp_cong.c, tcp_cubic.c: congestion control */
u32 tcp_in_flight(const struct tcp_sock *tp);
u32 tcp_cong_ssthresh(struct tcp_sock *tp);
void tcp_cong_avoid(struct tcp_sock *tp, u32 acked, u64 now);
void tcp_cong_acked(struct tcp_sock *tp, u32 rtt_us, u64 now);
void tcp_cong_init(struct tcp_sock *tp);
u32 tcp_slow_start(struct tcp_sock *tp, u32 acked);
void tcp_ai(struct tcp_sock *tp, u32 w, u32 acked);
u32 cubic_ssthresh(struct tcp_sock *tp);
void cubic_avoid(struct tcp_sock *tp, u32 acked, u64 now);
void cubic_acked(struct tcp_sock *tp, u32 rtt_us, u64 now);
void cubic_idle_end(struct tcp_sock *tp, u64 now);
void cubic_reset(struct tcp_sock *tp);

/* tcp_output.c, tcp_write.c, tcp_retransmit.c */
void tcp_write_xmit(struct host *h, struct softnet_data *sd, struct sock *sk, u64 now);
void tcp_send_new(struct host *h, struct softnet_data *sd, struct sock *sk, u64 now);
void tcp_retransmit_lost(struct host *h, struct softnet_data *sd, struct sock *sk, u64 now);
int tcp_resend(struct host *h, struct softnet_data *sd, struct sock *sk, struct tcp_seg *s, u64 now);
int tcp_retransmit_seg(struct host *h, struct softnet_data *sd, struct sock *sk, struct tcp_seg *s, u64 now);
int tcp_send_probe(struct host *h, struct softnet_data *sd, struct sock *sk, u64 now);
void tcp_send_ack(struct host *h, struct softnet_data *sd, struct sock *sk);
void tcp_send_syn(struct host *h, struct softnet_data *sd, struct sock *sk, u8 flags);
void tcp_send_active_reset(struct host *h, struct softnet_data *sd, struct sock *sk);
void tcp_send_keepalive(struct host *h, struct softnet_data *sd, struct sock *sk);
u32 tcp_end_of_all(const struct tcp_sock *tp);
void tcp_sync_mss(struct host *h, struct sock *sk);
struct tcp_seg *tcp_seg_at(const struct tcp_sock *tp, u32 i);
int tcp_send_synack(struct host *h, struct softnet_data *sd, const struct tcp_request *r);
void tcp_send_bare(struct host *h, struct softnet_data *sd, const struct inet_addr *l, u16 lport, const struct inet_addr *r,
		   u16 rport, u32 seq, u32 ack, u16 window, u8 flags, const u8 *opt, u32 opt_len);

/* tcp_timer_heap.c; tcp_take_due(): what is due, out of the heap, 0: nothing; *next: when something is */
u32 tcp_take_due(struct softnet_data *sd, u64 *next);
void tcp_timer_set(struct host *h, u32 home, u32 id, u64 at, u64 *armed);
void tcp_timers_sync(struct host *h, struct sock *sk);
u32 tcp_request_id(const struct host *h, u32 req);
void tcp_timer_del(struct host *h, struct sock *sk);
void tcp_request_timer_del(struct host *h, u32 home, u32 req);
void tcp_reset_keepalive(struct host *h, struct tcp_sock *tp, u64 now);

/* tcp_listen.c, tcp_request.c, tcp_timewait.c */
void tcp_listen_rcv(struct softnet_data *sd, struct sock *listener, struct sk_buff *skb, const struct flow_key *t, const u8 *th, struct tcp_options *o, u32 isn);
bool tcp_request_rcv(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *t, const u8 *th, struct tcp_options *o);
void tcp_request_timer(struct softnet_data *sd, u32 req);
void tcp_forget_requests(struct host *h, u32 listener);
bool tcp_timewait_rcv(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *t, const u8 *th, struct tcp_options *o, u32 *isn);
void tcp_timewait_new(struct host *h, const struct sock *sk, u64 now); /* under the lock of the table of sockets */
u64 tcp_timewait_expire(struct softnet_data *sd); /* Return: when the next one is over; NEVER: none */
struct tcp_timewait *tcp_timewait_find(struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport);
u32 tcp_timewait_reuse(struct host *h, struct tcp_timewait *tw, u64 now);
u32 tcp_bucket(const struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport);
