/* inet.h - ARP, IP, ICMP, UDP, TCP: in and out */

struct inet_frags;

/* ---- arp.c ip.c ipv6.c icmp.c udp.c tcp.c. All consume skb ---- */

void arp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void ip_rcv(struct softnet_data *sd, struct sk_buff *skb);
void ipv6_rcv(struct softnet_data *sd, struct sk_buff *skb);
void ip_deliver(struct softnet_data *sd, struct sk_buff *skb, u8 proto);  /* the protocol table */
void icmp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void icmpv6_rcv(struct softnet_data *sd, struct sk_buff *skb);
void igmp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void udp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void tcp_rcv(struct softnet_data *sd, struct sk_buff *skb);
int skb_csum_bad(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 len);

struct inet_net { struct inet_addr addr; u32 prefix; };

/* ---- inet_fragment.c, ip_fragment.c (IPv4), reassembly.c (IPv6): fragments wait here for the rest of their datagram ---- */

struct inet_frag_key { struct inet_addr src, dst; u32 id, proto; };   /* proto: IPv4's, else 0 */
struct inet_frag_peer { struct inet_frag_peer *next; u32 addr, rid, refs, spare; };  /* rid: fragments that came from it */

#define INET_FRAG_FIRST_IN 1       /* flags of a queue */
#define INET_FRAG_LAST_IN 2
#define INET_FRAG_MEM 4194304      /* default of the limit, bytes of truesize for each family */

/**
 * struct inet_frag_queue - a datagram that is not whole yet
 * @runs: what is there, a treap by offset. A run is one skb: a fragment, and those that came right behind it in order
 * @last: the run with the highest offset
 * @len:  of the datagram, as far as it is known; @meat: bytes that are there
 * @hdr:  bytes before the data in the first fragment
 * @nhoff, @proto: IPv6: which of those announces the fragment header; what that announces
 * @ecn:  1 << the ECN field of each fragment's IP header
 */
struct inet_frag_queue {
	struct inet_frag_key key;
	struct inet_frag_queue *next;  /* in its bucket, or free */
	struct inet_frag_queue *older, *newer; /* of those that its CPU's timer looks after */
	struct sk_buff *runs, *last;
	struct inet_frag_peer *peer;   /* IPv4, if there is a maximal distance */
	u64 expires;
	u32 len, meat, rid, hdr;
	u16 nhoff;
	u8 proto, flags, ecn, cpu, spare[2];
};

/* where a fragment belongs in its datagram: bytes offset to end; hdr bytes are before them; ecn as in the queue */
struct inet_frag { u32 offset, end, hdr; u16 nhoff; u8 proto, more, ecn; };

/* one family's (struct fqdir) */
struct inet_frags {
	u32 lock;                      /* live: of all that is below, and of the queues */
	u32 max_dist;                  /* IPv4: fragments of one sender between two of a datagram; 0: any number */
	u32 mib;                       /* its first counter */
	u32 queue_size;                /* what a queue counts for in mem */
	u64 high_thresh, timeout_ns;
	u64 mem;                       /* truesize of what waits, and queues */
	u64 frames;                    /* that wait */
	u64 refused, max_mem;          /* fragments that high_thresh kept out; mem when it did, at most */
	u32 size, used, mask;
	u32 peers_used;
	struct inet_frag_queue *queues, *free, **hash;
	struct inet_frag_peer *peers, *peers_free, **peers_hash;
	struct inet_frag_queue *oldest[CPUS_MAX], *newest[CPUS_MAX];
};
enum frag_mib { FRAG_TIMEOUT, FRAG_REQDS, FRAG_OKS, FRAG_FAILS, FRAG_OVERLAPS }; /* from inet_frags.mib on */
void inet_frags_defaults(struct host *h);
int inet_frags_init(struct inet_frags *f);
void inet_frags_exit(struct inet_frags *f);
u32 inet_frags_in_use(struct host *h, struct inet_frags *f);
void inet_frags_flush(struct host *h);       /* what waits ends as FRAG_REASM_TIMEOUT */
void inet_frag_expire(struct softnet_data *sd);
struct inet_frag_queue *inet_frag_find(struct softnet_data *sd, struct inet_frags *f, const struct inet_frag_key *key);
int inet_frag_add(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, struct sk_buff *skb,
		  const struct inet_frag *frag); /* consumes skb. Return: 1 = the datagram is whole */
void inet_frag_fail(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, enum fate why);
struct sk_buff *inet_frag_join(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q);
void inet_frag_count(struct softnet_data *sd, const struct inet_frags *f, enum frag_mib what);
void inet_frag_restart(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, enum fate why);
enum fate frag_runs_insert(struct inet_frag_queue *q, struct sk_buff *skb, u32 end);
void frag_runs_join(struct sk_buff *run, struct sk_buff *skb);
struct sk_buff *frag_runs_take(struct inet_frag_queue *q);
void inet_putpeer(const struct host *h, struct inet_frags *f, struct inet_frag_peer *peer);
int inet_frag_ecn(u8 seen);                  /* what to OR into the whole's ECN field; < 0: they contradict each other */
struct sk_buff *ip_defrag(struct softnet_data *sd, struct sk_buff *skb);    /* the whole, or NULL: skb waits, or has a fate */
struct sk_buff *ipv6_frag_rcv(struct softnet_data *sd, struct sk_buff *skb, u32 off, u32 nhoff, u8 *next);

/* ---- ip_output.c, neigh.c: udp.c icmp.c arp.c ndisc.c -> ip_output.c -> neigh.c -> driver_tx.c ---- */

#define NEIGH_TABLE_SIZE 1024      /* gc_thresh3 */
#define NUD_NONE 0
#define NUD_INCOMPLETE 1
#define NUD_REACHABLE 2
#define NUD_STALE 4
#define NUD_DELAY 8
#define NUD_PROBE 16
#define NUD_FAILED 32
struct neighbour {
	struct inet_addr addr;
	u8 mac[6];
	u8 state, probes;
	u32 hash_next;                 /* 1 + index */
	u32 queue, queue_tail, queue_bytes; /* packets that wait for the address */
	u64 confirmed, used, updated, timer_ns;
};
struct neigh_table {
	struct neighbour *entry;
	u32 hash[256], used, entries;
	u64 timer_ask;                 /* live: CPU 0 is to look at this moment; NEVER: as it knows */
	/* counters, as /proc/net/stat/arp_cache */
	u64 allocs, destroys, res_failed, lookups, hits, rcv_probes_mcast, rcv_probes_ucast, forced_gc_runs, unresolved_discards,
		table_fulls;
};
int neigh_init(struct neigh_table *t);
void neigh_exit(struct neigh_table *t);
/* all under the lock of driver_tx */
struct neighbour *neigh_lookup(struct host *h, const struct inet_addr *addr);
int neigh_output(struct host *h, struct softnet_data *sd, const struct inet_addr *nexthop, u32 packet);
void neigh_update(struct host *h, struct softnet_data *sd, const struct inet_addr *addr, const u8 *mac, u8 state, int create,
		  int override);
void neigh_timer(struct softnet_data *sd);
void neigh_flush(struct host *h);
void arp_send(struct host *h, struct softnet_data *sd, u16 op, const struct inet_addr *sip, const struct inet_addr *tip,
	      const u8 *to_mac);      /* to_mac NULL: broadcast, a request */
void ndisc_send_ns(struct host *h, struct softnet_data *sd, const struct inet_addr *target, const u8 *mac);
void ndisc_rcv(struct softnet_data *sd, struct sk_buff *skb);
int ndisc_good(const struct sk_buff *skb);

/**
 * struct outgoing - a packet to be sent: what is in front of the payload, and the payload where it lies
 * @src:         all zero: the best of ours
 * @gso_size:    UDP_SEGMENT: bytes of payload in a segment, 0: one packet, in fragments if need be
 * @csum_offset: of the 16-bit field in head to put the checksum into; 0xffff: there is none to fill
 */
struct outgoing {
	struct inet_addr src, dst;
	u8 proto, ttl, tos, df;
	u16 gso_size, csum_offset;
	u32 head_len, len;
	u8 head[64];
	const u8 *data;
};
int ip_output(struct host *h, struct softnet_data *sd, struct outgoing *o);        /* 0 or -errno; takes the lock */
int ip_output_locked(struct host *h, struct softnet_data *sd, struct outgoing *o);
u32 ip_mtu(const struct host *h);
const struct inet_net *ip_route(const struct host *h, const struct inet_addr *dst, struct inet_addr *nexthop);
const struct inet_net *ip_local_net(const struct host *h, const struct inet_addr *a); /* ours: the network, else NULL */
/* errors about skb, whose IP header and what follows are still there; it stays the caller's */
void icmp_port_unreachable(struct softnet_data *sd, struct sk_buff *skb);
void icmp_prot_unreachable(struct softnet_data *sd, struct sk_buff *skb);
void icmp_frag_time_exceeded(struct softnet_data *sd, struct sk_buff *skb);
void icmpv6_param_prob(struct softnet_data *sd, struct sk_buff *skb, u8 code, u32 pointer);
void udp_err(struct softnet_data *sd, const u8 *ip, u32 len, u32 err); /* ip: of the packet that an ICMP error quotes */
int udp_sendmsg(struct host *h, struct sock *sk, const u8 *data, u32 len, const struct inet_addr *to, u16 port, u32 gso_size);

/* icmp.c: how many errors a destination, and the world, may get */
#define ICMP_PEERS 256
struct icmp_peer { struct inet_addr addr; u64 tokens, last; };
struct icmp_limits {
	u32 lock, ratelimit_ms, msgs_per_sec, msgs_burst;
	u64 credit, stamp_ns;
	struct icmp_peer peer[ICMP_PEERS];
};
int tcp_waits_for_fin(const struct sock *sk);  /* an end that is announced, and not reached yet */
void tcp_skip_hole(struct softnet_data *sd, struct sock *sk);  /* deliver what waits behind a hole that never fills */
