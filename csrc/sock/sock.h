/* sock.h - sockets: the receive queue, and the tables that find one */

/* ---- sock.c, sock_table.c, flow_table.c: the receive queue, and the tables that find a socket ---- */

#define SOCK_UDP 1
#define SOCK_TCP_LISTEN 2
#define SOCK_TCP 3

/* enum accepted - of a stream that a listener took: it waits for accept(), Python holds it, or Python gave it up */
enum accepted { ACCEPT_WAITS, ACCEPT_HELD, ACCEPT_GIVEN_UP };

/**
 * struct sock - four cache lines: 0 is what a packet and its reader touch, 1 counters and addresses
 * @rmem: truesize queued by the softirq side; @rfree: taken off by the reader. Two single-writer counters
 */
struct sock {
	struct sk_buff *head, *tail;   /* receive queue, under lock when live */
	u32 rmem, rfree, rcvbuf;
	u32 qlen;
	u16 lport, rport;              /* host byte order */
	u8 type, state, on_ready, closed;
	u8 any, sink;
	u16 reader_cpu;
	u32 lock;
	struct sock *ready_next;
	u32 index, port_next;          /* next socket bound to the same port */
	/* line 1 */
	u64 packets, bytes, reads, drops;
	struct inet_addr laddr, raddr;
	/* line 2: TCP, and what Python waits on */
	int wake_fd;                   /* eventfd for a Python reader, -1: none */
	u32 rcv_nxt;
	struct sk_buff *ofo;           /* out of order, sorted by seq */
	u32 ofo_truesize;
	u32 fin_seq;
	u32 listener;                  /* index of the listening socket, 0: none */
	u8 accepted;                   /* a stream: enum accepted */
	u8 fin_seen;
	u8 udp_gro;                    /* UDP_GRO: takes merged datagrams as they are */
	u8 spare;
	struct sock *accept_next;      /* listener: queue of new streams */
	struct sock *accept_tail;
	u64 segments, duplicates;
	/* line 3 */
	u64 ofo_segments, gaps, gap_bytes;
	u32 rxhash;                    /* of its flow, for rfs.c */
	u32 err;                       /* errno that its next call returns */
	u64 refused;                   /* truesize that rcvbuf had no room for */
	u64 unused[3];
};

#define TCP_OPEN 1
#define TCP_FINISHED 2
#define TCP_RESET 3

struct sock_table {
	struct sock *socks;            /* [0] is not used: index 0 means none */
	u32 size, used, free_head, clock;
	u32 lock;                      /* live: guards changes */
	u32 *port[2];                  /* UDP, TCP: first socket bound to a port */
	u32 *flow_sig, *flow_idx;      /* open addressing over the 4-tuple */
	u32 flow_mask, flows;
	u64 evicted;
};
int sock_table_init(struct sock_table *t, u32 size);
void sock_table_exit(struct sock_table *t);
struct sock *sock_bind(struct host *h, u8 type, const struct inet_addr *laddr, u16 lport);
int sock_connect(struct host *h, struct sock *sk, const struct inet_addr *raddr, u16 rport);
void sock_close(struct host *h, struct softnet_data *sd, struct sock *sk); /* sd NULL: a Python thread */
void sock_sweep(struct host *h);
int sock_table_live(const struct sock_table *t);
struct sock *flow_find(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport,
		       const struct inet_addr *raddr, u16 rport); /* under the table's lock */
void flow_insert(struct sock_table *t, struct sock *sk);
void flow_remove(struct sock_table *t, const struct sock *sk);
struct sock *sock_lookup_flow(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport,
			      const struct inet_addr *raddr, u16 rport);
struct sock *sock_lookup_port(struct host *h, u8 type, const struct inet_addr *laddr, u16 lport);
struct sock *sock_find_bound(struct sock_table *t, u8 type, const struct inet_addr *laddr, u16 lport);
void sock_set_udp_gro(struct host *h, struct sock *sk, int on);
struct sock *sock_new_flow(struct softnet_data *sd, struct sock *listener, const struct inet_addr *laddr, u16 lport,
			   const struct inet_addr *raddr, u16 rport, u32 rcv_nxt);
int sock_queue_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb); /* 0, or -ENOBUFS: not queued */
void sock_data_ready(struct softnet_data *sd, struct sock *sk);
struct sk_buff *sock_dequeue(struct sock *sk);
struct sock_from { struct inet_addr addr; u16 port; u16 spare; u32 truncated; u32 gso_size; };
int sock_error(struct sock *sk);       /* -errno of what the network said of it, once; 0: nothing */
void sock_report_error(struct softnet_data *sd, struct sock *sk, u32 err);
long sock_recv(struct host *h, struct sock *sk, void *buf, u64 len, struct sock_from *f); /* a datagram; -EAGAIN */
int sock_recvmmsg(struct host *h, struct sock *sk, void *buf, u32 size, u32 *ends, struct sock_from *f, int max);
long sock_read(struct host *h, struct sock *sk, void *buf, u64 len);  /* stream bytes; 0: ended; -EAGAIN; -ECONNRESET */
struct sock *sock_accept(struct host *h, struct sock *listener);
