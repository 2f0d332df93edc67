/* sock.h - sockets: the receive queue, and the tables that find one
 *
 * Context, where a comment names none: the CPU of @sd, in softirq. Addresses NULL: any; ports are in host byte order.
 */

enum sock_type { SOCK_UDP = 1, SOCK_TCP_LISTEN = 2, SOCK_TCP = 3 };
enum tcp_state { TCP_OPEN = 1, TCP_FINISHED = 2, TCP_RESET = 3 };
enum sock_accepted {
	SOCK_NOT_ACCEPTED = 0,         /* the stream waits for sock_accept() */
	SOCK_ACCEPTED = 1,             /* Python holds it */
	SOCK_GIVEN_UP = 2              /* Python does not need it any more: sock_close() may free it */
};


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
	u64 unused[2];
};

/**
 * struct sock_table - all sockets of a host
 * @socks:    [0] is unused: index 0 means none. @used: those handed out at least once, and 1
 * @clock:    where sock_evict() goes on
 * @lock:     live: guards changes, and the walk through the flows. Taken before a socket's
 * @port:     [0] UDP, [1] TCP: index of the first socket bound to a port
 * @flow_sig, @flow_idx: streams and connected sockets by 4-tuple; open addressing
 * @evicted:  sink streams that made room for others
 */
struct sock_table {
	struct sock *socks;
	u32 size, used, free_head, clock;
	u32 lock;
	u32 *port[2];
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

/** struct sock_from - where a datagram came from. @truncated: it did not fit; @gso_size: of merged ones, else 0 */
struct sock_from { struct inet_addr addr; u16 port; u16 spare; u32 truncated; u32 gso_size; };

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

/* ---- inside the room ---- */

int sock_table_live(const struct sock_table *t);
/* under the socket's lock if live; sock_dequeue(): the skb is the caller's */
struct sk_buff *sock_dequeue(struct host *h, struct sock *sk);
int udp_rmem_schedule(struct host *h, struct sock *sk, u32 size);
void sock_rmem_release(struct host *h, struct sock *sk, const struct sk_buff *skb);
void udp_rmem_destruct(struct host *h, struct sock *sk);
struct sock *flow_find(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport,
		       const struct inet_addr *raddr, u16 rport); /* these three: under the table's lock if live */
void flow_insert(struct sock_table *t, struct sock *sk);
void flow_remove(struct sock_table *t, const struct sock *sk);
