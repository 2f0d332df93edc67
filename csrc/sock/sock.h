/* sock.h - sockets: the receive queue, and the tables that find one
 *
 * Context, where a comment names none: the CPU of @sd, in softirq. Addresses NULL: any; ports are in host byte order.
 */

/* half of it is the table of ports that it is bound in */
enum sock_type { SOCK_UDP = 1, SOCK_TCP_LISTEN = 2, SOCK_TCP = 3, SOCK_UDPLITE = 4 };
enum tcp_state { TCP_OPEN = 1, TCP_FINISHED = 2, TCP_WAS_RESET = 3 };
enum sock_accepted {
	SOCK_NOT_ACCEPTED = 0,         /* the stream waits for sock_accept() */
	SOCK_ACCEPTED = 1,             /* Python holds it */
	SOCK_GIVEN_UP = 2              /* Python does not need it any more: sock_close() may free it */
};


/** struct sock_waker - called when a socket has news for its program. @wake: under the socket's lock, in its CPU's turn */
struct sock_waker { void (*wake)(struct sock_waker *w); };

/**
 * struct sock - a socket, four cache lines: 0 is what a packet and its reader touch, 1 counters and addresses
 * @head, @tail:   the receive queue; live: under @lock
 * @rmem_alloc:    bytes of truesize that it is charged; @rcvbuf: the most. sock_mem.c, with the next three
 * @reader_qlen:   how many packets at the queue's head are Linux's reader_queue
 * @mem:           bytes of its pages: @rmem_alloc, and Linux's forward_alloc
 * @forward_deficit: truesize that was read and is still charged
 * @type, @state:  enum sock_type; enum tcp_state, of streams only
 * @on_ready:      it is on a reader's list, linked by @ready_next
 * @any:           bound to any address, and not connected
 * @sink:          made for a port that nothing is bound to (auto_sink); a reader task empties it
 * @index:         its place in the table; @port_next: index of the next socket bound to the same port, or free
 * @wake_fd:       eventfd that wakes Python, -1: none
 * @waker:         virtual time: also called when Python would be woken; NULL: none
 * @rcv_nxt:       TCP: sequence number of the next byte in order
 * @ofo:           TCP: segments out of order, sorted by sequence number
 * @listener:      index of the listening socket that made the stream, 0: none
 * @accepted:      enum sock_accepted
 * @udp_gro:       UDP_GRO: takes merged datagrams whole
 * @accept_next, @accept_tail: a listener's queue of streams that wait for sock_accept()
 * @gaps, @gap_bytes: holes in the stream that were given up
 * @rxhash:        hash of its flow, for rfs.c
 * @err:           errno that its next call returns, 0: none
 * @refused:       truesize of what did not fit into rcvbuf
 * @mc_list:       index of its latest membership in host.mc, 0: it is in no group
 * @mc_only:       enum mc_only: it takes datagrams to groups that it has joined itself, and to no others
 */
struct sock {
	struct sk_buff *head, *tail;
	u32 rmem_alloc, reader_qlen, rcvbuf;
	u32 qlen;
	u16 lport, rport;
	u8 type, state, on_ready, closed;
	u8 any, sink;
	u16 reader_cpu;
	u32 lock;
	struct sock *ready_next;
	u32 index, port_next;
	/* line 1 */
	u64 packets, bytes, reads;
	u32 mem, forward_deficit;
	struct inet_addr laddr, raddr;
	/* line 2: TCP, and what Python waits on */
	int wake_fd;
	u32 rcv_nxt;
	struct sk_buff *ofo;
	u32 ofo_truesize;
	u32 fin_seq;
	u32 listener;
	u8 accepted;
	u8 fin_seen;
	u8 udp_gro;
	u8 spare;
	struct sock *accept_next;
	struct sock *accept_tail;
	u64 segments, duplicates;
	/* line 3 */
	u64 ofo_segments, gaps, gap_bytes;
	u32 rxhash;
	u32 err;
	u64 refused, drops;
	u32 mc_list;
	u8 mc_only, spare2[3];
	struct sock_waker *waker;
};

/**
 * struct inet_sock - the options of a bound socket, beside struct sock, so that a packet's way is as long as before
 * @uc_ttl, @mc_ttl, @hop_limit, @mcast_hops: IP_TTL, IP_MULTICAST_TTL, IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS; -1: the default
 * @tos, @tclass:  IP_TOS, IPV6_TCLASS
 * @pmtudisc, @pmtudisc6: IP_MTU_DISCOVER, IPV6_MTU_DISCOVER
 * @dontfrag:      IPV6_DONTFRAG
 * @recverr, @recverr6: IP_RECVERR, IPV6_RECVERR: errors wait in @errors
 * @broadcast, @reuse, @reuseport: SO_BROADCAST, SO_REUSEADDR, SO_REUSEPORT
 * @send_cscov, @recv_cscov: UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV were set; @pcslen, @pcrlen: to what
 * @cmsgs:         what recvmsg() tells of a datagram; Python's
 */
struct inet_sock {
	int16_t uc_ttl, mc_ttl, hop_limit, mcast_hops;
	u8 tos, tclass, pmtudisc, pmtudisc6;
	u8 dontfrag, recverr, recverr6, broadcast;
	u8 reuse, reuseport, send_cscov, recv_cscov;
	u16 pcslen, pcrlen;
	u32 cmsgs;
	struct sock_errors *errors;
};

/**
 * struct sock_table - all sockets of a host
 * @socks:    [0] is unused: index 0 means none. @used: those handed out at least once, and 1
 * @inet:     the options of each
 * @clock:    where sock_evict() goes on
 * @lock:     live: guards changes, and the walk through the flows. Taken before a socket's
 * @port:     [0] UDP, [1] TCP, [2] UDP-Lite: index of the first socket bound to a port
 * @flow_sig, @flow_idx: streams and connected sockets by 4-tuple; open addressing
 * @evicted:  sink streams that made room for others
 */
struct sock_table {
	struct sock *socks;
	struct inet_sock *inet;
	u32 size, used, free_head, clock;
	u32 lock;
	u32 *port[3];
	u32 *flow_sig, *flow_idx;
	u32 flow_mask, flows;
	u64 evicted;
};

/** sock_table_init() - allocate @size sockets and the tables. Return: 0, or -ENOMEM; then call sock_table_exit() */
int sock_table_init(struct sock_table *t, u32 size);

/** sock_table_exit() - free the table, but no skb in its queues */
void sock_table_exit(struct sock_table *t);

/** sock_sweep() - free the sockets that were closed in a live run. Context: after its threads have ended */
void sock_sweep(struct host *h);

/* ---- finding one: the protocols. Return: a socket of the table, NULL: none. It may be closed by now if live ---- */

/** sock_lookup_flow() - find the stream, or the connected socket, of a 4-tuple */
struct sock *sock_lookup_flow(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport,
			      const struct inet_addr *raddr, u16 rport);

/** sock_lookup_port() - find the best socket bound to @lport; with auto_sink make a sink if no socket matches */
struct sock *sock_lookup_port(struct host *h, u8 type, const struct inet_addr *laddr, u16 lport);

/** sock_find_bound() - the same, but make none */
struct sock *sock_find_bound(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport);

/** sock_new_flow() - make a stream for a 4-tuple, or find the one another CPU has just made. Wakes the listener. */
struct sock *sock_new_flow(struct softnet_data *sd, struct sock *listener, const struct inet_addr *laddr, u16 lport,
			   const struct inet_addr *raddr, u16 rport, u32 rcv_nxt);

/* ---- sock_errors.c: the error queue ---- */

/**
 * struct sock_from - where a datagram came from, and what else its headers say
 * @truncated: it did not fit; @gso_size: of merged ones, else 0
 * @dst:       where it went; @spec_dst: our address that an answer would have
 * @ttl, @tos: TTL or hop limit; TOS or traffic class
 */
struct sock_from {
	struct inet_addr addr;
	u16 port;
	u8 ttl, tos;
	u32 truncated, gso_size, spare;
	struct inet_addr dst, spec_dst;
};

/**
 * struct sock_exterr - an error that waits (struct sock_extended_err, and the addresses that go with it)
 * @err:      errno; @origin: SO_EE_ORIGIN_LOCAL, _ICMP or _ICMP6; @type, @code: ICMP's
 * @info:     path MTU; ICMP's pointer to the fault; of ICMPv6 the message's second word
 * @header:   of the message: who sent it, and what else its IP header says; @dst, @port: where the datagram went that it is about
 * @len:      bytes of that datagram that the message quotes; @truesize: what the socket is charged
 */
struct sock_exterr {
	u32 err;
	u8 origin, type, code, spare;
	u32 info;
	u16 port, spare2;
	struct inet_addr dst;
	struct sock_from header;
	u32 len, truesize;
};

/** sock_errors_init() - give @sk an error queue, if it has none. Return: 0 or -ENOMEM. Context: a thread that is no CPU */
int sock_errors_init(struct host *h, struct sock *sk);

/** sock_errors_purge() - forget all errors that wait. Context: a thread that is no CPU */
void sock_errors_purge(struct host *h, struct sock *sk);

/** sock_errors_exit() - free the queue */
void sock_errors_exit(struct inet_sock *inet);

/** sock_queue_err() - queue @e, with the bytes of @skb from @off on. Takes @sk's lock. */
void sock_queue_err(struct softnet_data *sd, struct sock *sk, struct sock_exterr *e, const struct sk_buff *skb, u32 off);

/** sock_local_error() - queue an error that no message told of. Context: a thread that is no CPU */
void sock_local_error(struct host *h, struct sock *sk, struct sock_exterr *e);

/**
 * sock_recv_err() - take the oldest error, copy what it quotes to @buf, and let the socket's errno be the next one's
 * Return: bytes copied; -EAGAIN: none waits. Context: a thread that is no CPU
 */
long sock_recv_err(struct host *h, struct sock *sk, void *buf, u64 len, struct sock_exterr *e);

/* ---- receiving ---- */

/**
 * sock_queue_rcv_skb() - queue @skb and wake the reader
 * Return: 0: @skb is the socket's, UDP has counted its fate; else @skb stays the caller's: -ENOMEM: rcvbuf is full, or the
 *         socket is closed; -ENOBUFS: udp_mem is used up
 * Context: TCP holds @sk's lock if live, UDP does not
 */
int sock_queue_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb);

/** sock_data_ready() - wake the reader: data, the end of a stream, an error. Context: @sk's lock held if live */
void sock_data_ready(struct softnet_data *sd, struct sock *sk);

/** sock_report_error() - set the errno that the socket's next call returns, and wake its reader. Takes @sk's lock. */
void sock_report_error(struct softnet_data *sd, struct sock *sk, u32 err);

/* ---- Python's calls. Context: a thread that is no CPU ---- */

/** sock_bind() - make a socket of @type for a local address and port. Return: NULL: all sockets are taken */
struct sock *sock_bind(struct host *h, u8 type, const struct inet_addr *laddr, u16 lport);

/**
 * sock_connect() - accept datagrams from one peer only. A socket bound to any address gets the one the route leaves by.
 * Return: 0; -EISCONN: it has a peer; -EINVAL: port 0; -ENETUNREACH: no route
 */
int sock_connect(struct host *h, struct sock *sk, const struct inet_addr *raddr, u16 rport);

/**
 * sock_close() - take the socket out of the tables, and free it when nothing holds it
 * @sd: the CPU that closes; NULL: a thread that is none. Takes the table's and @sk's lock
 * A stream that Python holds stays until it is SOCK_GIVEN_UP, a sink until its reader has left it. While the host is
 * live, sockets stay until sock_sweep().
 */
void sock_close(struct host *h, struct softnet_data *sd, struct sock *sk);

/** sock_set_udp_gro() - UDP_GRO: let @sk take merged datagrams whole */
void sock_set_udp_gro(struct host *h, struct sock *sk, int on);

/** sock_accept() - Return: the listener's oldest stream, now SOCK_ACCEPTED; NULL: none waits */
struct sock *sock_accept(struct host *h, struct sock *listener);

/** sock_error() - Return: -errno that the network reported about @sk, once; 0: none */
int sock_error(struct sock *sk);

/** sock_recv() - copy a datagram to @buf. Return: bytes copied; -EAGAIN: none is queued; what sock_error() reports */
long sock_recv(struct host *h, struct sock *sk, void *buf, u64 len, struct sock_from *f);

/**
 * sock_recvmmsg() - copy up to @max datagrams to @buf, as many as fit whole; datagram i ends at @ends[i]
 * Return: how many, 0: none is queued; -EMSGSIZE: the first does not fit; what sock_error() reports
 */
int sock_recvmmsg(struct host *h, struct sock *sk, void *buf, u32 size, u32 *ends, struct sock_from *f, int max);

/**
 * sock_read() - copy bytes of a stream to @buf
 * Return: how many; 0: the stream has ended; -EAGAIN: none yet; -ECONNRESET: the peer has reset it
 */
long sock_read(struct host *h, struct sock *sk, void *buf, u64 len);

/** sock_pool_bytes() - Return: bytes of the receive pools' buffers that its queue holds. Takes @sk's lock if live */
u64 sock_pool_bytes(struct host *h, struct sock *sk);

/* ---- tcp/: places of connections. Under the table's lock, but the last ---- */

/** sock_take_place() - Return: an empty socket that no table has yet; NULL: all are taken */
struct sock *sock_take_place(struct sock_table *t);

/** sock_put_place() - free a socket that no table has any more. Under its lock too, which stays as it is */
void sock_put_place(struct sock_table *t, struct sock *sk);

/** sock_accept_add() - a connection waits to be accepted */
void sock_accept_add(struct sock *listener, struct sock *sk);

/** sock_accept_take() - Return: the oldest connection that waits, accepted; NULL: none */
struct sock *sock_accept_take(struct sock *listener);

/** sock_drop_queues() - free all that is queued, counting it as TCP_CLOSE. @sd: NULL: a thread that is no CPU. Under its lock */
void sock_drop_queues(struct host *h, struct softnet_data *sd, struct sock *sk);

/* ---- inside the room ---- */

int sock_table_live(const struct sock_table *t);
void sock_from_header(struct sock_from *f, const u8 *ip); /* all but port, truncated, gso_size, spec_dst */
/* under the socket's lock if live; sock_dequeue(): the skb is the caller's */
struct sk_buff *sock_dequeue(struct host *h, struct sock *sk);
int udp_rmem_schedule(struct host *h, struct sock *sk, u32 size);
/* note the reader's CPU for RFS; only a socket with a peer stands for one flow */
void sock_rps_record_flow(struct host *h, const struct sock *sk, u32 cpu);
void sock_wake_task(struct softnet_data *sd, struct softnet_data *target); /* whose reader sleeps; it is on its list */
void sock_wake_python(const struct sock *sk);
void sock_stage_ends(struct softnet_data *sd, const struct sock *sk, const struct sk_buff *skb); /* the stack's, on its packet */
void sock_count_refused(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb, int rc);
void sock_rmem_release(struct host *h, struct sock *sk, const struct sk_buff *skb);
void udp_rmem_destruct(struct host *h, struct sock *sk);
struct sock *flow_find(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport,
		       const struct inet_addr *raddr, u16 rport); /* these three: under the table's lock if live */
void flow_insert(struct sock_table *t, struct sock *sk);
void flow_remove(struct sock_table *t, const struct sock *sk);
