/* inet.h - ARP, IP, ICMP, UDP, TCP: in and out
 *
 * Context, where a comment names none: the CPU of @sd, in softirq. "Under the lock of driver_tx": the caller holds
 * host.tx.lock if the host is live.
 */

struct inet_frags;

/* ---- input: packet type handlers, the timers, what a host starts and ends with ---- */

/** arp_rcv() - learn the sender's address; answer a request for one of ours. Consumes @skb. */
void arp_rcv(struct softnet_data *sd, struct sk_buff *skb);

/** ip_rcv() - check an IPv4 header and pass the packet to its protocol. Consumes @skb, data at the IP header. */
void ip_rcv(struct softnet_data *sd, struct sk_buff *skb);

/**
 * ip_list_rcv() - bring the usual datagrams at the front of a list to their sockets: ip_list.c
 * Return: the rest of the list, whose first is not usual; NULL: nothing is left
 */
struct sk_buff *ip_list_rcv(struct softnet_data *sd, struct sk_buff *skb);

/** ipv6_rcv() - check an IPv6 header, walk its extension headers, pass on. Consumes @skb, data at the IP header. */
void ipv6_rcv(struct softnet_data *sd, struct sk_buff *skb);

enum inet_net_flags {
	NET_AUTO = 1,                  /* made of a prefix that a router advertised */
	NET_NOPREFIXROUTE = 2,         /* its network is not on the link */
	NET_TENTATIVE = 4, NET_DADFAILED = 8 /* it is not known yet to be ours alone; another host has it */
};
/**
 * struct inet_net - one of the host's addresses
 * @prefix: length of its network's prefix, bits; of IPv4 addresses 0 to 32
 * @flags:  enum inet_net_flags
 * @valid, @preferred: when its lifetimes end, ns; 0: never
 */
struct inet_net { struct inet_addr addr; u32 prefix, flags; u64 valid, preferred; };

/** inet_frag_expire() - timer: drop the datagrams that this CPU began and that did not become whole in time */
void inet_frag_expire(struct softnet_data *sd);

/** inet_frags_defaults() - set Linux's limits and timeouts for both families. Before inet_frags_init(). */
void inet_frags_defaults(struct host *h);

/** inet_frags_init() - allocate a family's table for its limit. Return: 0, or -ENOMEM; then call inet_frags_exit() */
int inet_frags_init(struct inet_frags *f, u32 ncpus);

/** inet_frags_exit() - free a family's table */
void inet_frags_exit(struct inet_frags *f);

/** inet_frags_in_use() - Return: datagrams that wait for fragments. Context: any thread */
u32 inet_frags_in_use(struct host *h, struct inet_frags *f);

/** inet_frags_flush() - drop all that waits as FRAG_REASM_TIMEOUT, uncounted by snmp. Context: the host is at rest */
void inet_frags_flush(struct host *h);

/**
 * tcp_waits_for_fin() - has the stream's end been announced, while data before it is missing?
 * Context: the host is at rest, or under @sk's lock
 */
int tcp_waits_for_fin(const struct sock *sk);

/**
 * tcp_skip_hole() - give up on the data missing before the out-of-order queue or the FIN; deliver the data after it
 * Counts the hole as a gap. Context: the host is at rest, or under @sk's lock
 */
void tcp_skip_hole(struct softnet_data *sd, struct sock *sk);

/* ---- fragments: inet_fragment.c, ip_fragment.c (IPv4), reassembly.c (IPv6) ---- */

/** struct inet_frag_key - what fragments of one datagram have in common. @proto: IPv4's, else 0 */
struct inet_frag_key { struct inet_addr src, dst; u32 id, proto; };

/** struct inet_frag_peer - a sender of datagrams that wait, @refs of them. @rid: fragments that came from it */
struct inet_frag_peer { struct inet_frag_peer *next; u32 addr, rid, refs, spare; };

enum inet_frag_flags { INET_FRAG_FIRST_IN = 1, INET_FRAG_LAST_IN = 2, INET_FRAG_COMPLETE = 3, INET_FRAG_PAGES = 4 };
#define INET_FRAG_MEM 4194304      /* default of high_thresh, bytes of truesize for each family */

/**
 * struct inet_frag_queue - a datagram that is not whole yet
 * @next:    in its bucket, or on the free list
 * @older, @newer: neighbours among the datagrams that CPU @cpu began, by age
 * @runs:    the fragments so far, a treap by offset. A run is one skb: a fragment and those that followed it in order
 * @last:    the run with the highest offset
 * @peer:    the sender; IPv4 only, and only if max_dist is set
 * @expires: when the datagram is dropped, ns
 * @len:     known length of the datagram, bytes; @meat: bytes received
 * @rid:     the sender's count when the datagram's last fragment came
 * @hdr:     bytes before the data in the first fragment
 * @nhoff, @proto: IPv6: offset of the byte that announces the fragment header; what the fragment header announces
 * @flags:   enum inet_frag_flags
 * @ecn:     1 << the ECN field of each fragment's IP header
 */
struct inet_frag_queue {
	struct inet_frag_key key;
	struct inet_frag_queue *next;
	struct inet_frag_queue *older, *newer;
	struct sk_buff *runs, *last;
	struct inet_frag_peer *peer;
	u64 expires;
	u32 len, meat, rid, hdr;
	u16 nhoff;
	u8 proto, flags, ecn, spare;
	u16 cpu;
};

/**
 * struct inet_frag - where a fragment belongs: bytes @offset to @end of its datagram
 * @hdr: bytes of headers before them; the other members are as in the queue
 */
struct inet_frag { u32 offset, end, hdr; u16 nhoff; u8 proto, more, ecn; };

/**
 * struct inet_frags - all datagrams of one family that wait (struct fqdir)
 * @lock:       live: guards the members below and the queues
 * @max_dist:   IPv4: most fragments of one sender between two of a datagram; 0: no limit
 * @mib:        the family's first counter; enum frag_mib counts from it
 * @queue_size: what a queue adds to @mem, bytes
 * @mem:        truesize of the fragments that wait, and of their queues
 * @frames:     fragments that wait
 * @refused:    fragments that high_thresh kept out; @max_mem: the highest @mem at which it did
 */
struct inet_frags {
	u32 lock;
	u32 max_dist;
	u32 mib;
	u32 queue_size;
	u64 high_thresh, timeout_ns;
	u64 mem;
	u64 frames;
	u64 refused, max_mem;
	u32 size, used, mask;
	u32 peers_used;
	struct inet_frag_queue *queues, *free, **hash;
	struct inet_frag_peer *peers, *peers_free, **peers_hash;
	struct inet_frag_queue **oldest, **newest; /* by CPU */
};

enum frag_mib { FRAG_TIMEOUT, FRAG_REQDS, FRAG_OKS, FRAG_FAILS, FRAG_OVERLAPS };

/* ---- output: udp.c icmp.c arp.c ndisc.c -> ip_output.c -> neigh.c -> driver_tx.c ---- */

#define NEIGH_TABLE_SIZE 2048      /* gc_thresh3 for each family */
enum nud_state {
	NUD_NONE = 0, NUD_INCOMPLETE = 1, NUD_REACHABLE = 2, NUD_STALE = 4, NUD_DELAY = 8, NUD_PROBE = 16, NUD_FAILED = 32,
	NUD_VALID = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE
};
enum neigh_flags { NTF_ROUTER = 128 };

/**
 * struct neighbour - what the host knows of a next hop
 * @state:     enum nud_state; @probes: requests sent since it changed; @flags: enum neigh_flags
 * @in_use:    0: the entry is free
 * @hash_next: 1 + index of the next entry in the bucket or on the free list, 0: none
 * @older, @newer: 1 + index of the family's entries created before and after it, 0: none
 * @queue, @queue_tail, @queue_bytes: packets that wait for the address; TX_NONE: none
 * @confirmed, @used, @updated: when the neighbour last answered, was sent to in doubt, changed its state or address, ns
 */
struct neighbour {
	struct inet_addr addr;
	u8 mac[6];
	u8 state, probes, flags, in_use, spare[2];
	u32 hash_next, older, newer;
	u32 queue, queue_tail, queue_bytes;
	u64 confirmed, used, updated, timer_ns;
};

/**
 * struct neigh_gc - the entries of one family
 * @count:  entries; @oldest, @newest: 1 + index of the first and last created
 * @flushed, @swept: when entries were last removed for lack of room, and for their age, ns
 * @futile: before which instant nothing can be removed to make room, ns
 */
struct neigh_gc { u32 count, oldest, newest, spare; u64 flushed, swept, futile; };

/** struct neigh_times - of one family: base_reachable_time, retrans_time, gc_stale_time */
struct neigh_times { u64 reachable_ns, retrans_ns, stale_ns; };

/**
 * struct neigh_table - the neighbours of both families; all under the lock of driver_tx
 * @used:      entries handed out so far; @entries: of them in use now; @free: 1 + index of one given back, 0: none
 * @gc, @times: IPv4, IPv6
 * The counters are those of /proc/net/stat/arp_cache and ndisc_cache together.
 */
struct neigh_table {
	struct neighbour *entry;
	u32 hash[1024], used, entries, free, spare;
	struct neigh_gc gc[2];
	struct neigh_times times[2];
	u64 allocs, destroys, res_failed, lookups, hits, rcv_probes_mcast, rcv_probes_ucast, periodic_gc_runs,
		forced_gc_runs, unresolved_discards, table_fulls;
};

/** neigh_init() - allocate the table. Return: 0, or -ENOMEM */
int neigh_init(struct neigh_table *t);

/** neigh_exit() - free the table */
void neigh_exit(struct neigh_table *t);

/** neigh_timer() - timer of CPU 0: ask neighbours that did not answer again, or fail them. Takes driver_tx's lock. */
void neigh_timer(struct softnet_data *sd);

/** neigh_flush() - fail all requests under way: their packets end as TX_NEIGH_FAILED. Context: the host is at rest */
void neigh_flush(struct host *h);

/* ---- autoconf.c: what routers say (knob accept-ra), and whether an address is ours alone (knob dad-transmits) ---- */

#define RA_ROUTERS 16
#define RA_PREFIXES 32
/** struct ra_router - a default router. @until: ns; @pref: 0 low, 1 medium, 2 high; @mtu: what it said, for ip route; @away: it
 * does not answer */
struct ra_router { struct inet_addr addr; u64 until; u32 pref, mtu; u8 away, hop_limit, spare[6]; };
/** struct ra_prefix - addresses that are on the link. @valid: until when, ns; 0: for ever */
struct ra_prefix { struct inet_addr addr; u64 valid; u32 len, in_use; };
/**
 * struct addrconf - what was learnt; under the lock of driver_tx
 * @learnt:    there is a router or a prefix; 0: there never was
 * @hop_limit, @mtu: of what we send; 0: no router said
 * @dad_left, @rs_left: questions to be sent yet; @dad_at, @rs_at: when the next is due, ns
 */
struct addrconf {
	u32 accept_ra, dad_transmits;
	u32 learnt, hop_limit, mtu;
	u32 dad_left, rs_left, nrouters;
	u64 dad_at, rs_at;
	struct ra_router router[RA_ROUTERS];
	struct ra_prefix prefix[RA_PREFIXES];
};

/** addrconf_start() - ask whether our addresses are ours, and for routers, as the knobs say. Once */
void addrconf_start(struct host *h);

/** addrconf_timer() - timer of CPU 0. Takes driver_tx's lock */
void addrconf_timer(struct softnet_data *sd);

/** addrconf_expire() - remove the addresses whose lifetime is over. Context: under the lock of driver_tx, or at rest */
void addrconf_expire(struct host *h, u64 now);

/**
 * struct outgoing - a packet to be sent: headers above IP, and the payload where it lies
 * @src:         all zero: the address of the network that the route leaves by; with @unspecified it stays so
 * @df:          IPv4: set DF (do not fragment), in a packet that needs no fragments; IP_PMTUDISC_WANT: not if the path MTU
 *               was less than min_pmtu; else IP_PMTUDISC_DO or _PROBE
 * @probe:       ignore what was learned of the path's MTU
 * @opt_len, @opt: IPv4: bytes of options, a multiple of 4; they stay the caller's. NULL: no options
 * @onlink:      @dst is the next hop, whatever the routes say
 * @gso_size:    UDP_SEGMENT, TCP: bytes of payload in a segment, 0: one packet, in fragments if need be. TCP sets it only if
 *               the wire segments
 * @csum_offset: offset of the 16-bit field in @head that gets the checksum; 0xffff: no such field
 * @head_len, @len: bytes of @head, of @data
 * @data:        stays the caller's; NULL if @len is 0. @data2: where it goes on after @data2_at bytes; NULL: it does not
 */
struct outgoing {
	struct inet_addr src, dst;
	u8 proto, ttl, tos, df, probe, onlink, unspecified, spare;
	u16 gso_size, csum_offset;
	u32 head_len, len;
	u8 head[64];
	u32 opt_len;
	const u8 *opt;
	const u8 *data, *data2;
	u32 data2_at;
};

/**
 * ip_output() - send a packet. Takes the lock of driver_tx.
 * @sd: the CPU that sends; NULL: a thread that is none, such as Python's
 * Return: 0, also if the packet waits for a neighbour; -ENETDOWN, -ENETUNREACH, -EMSGSIZE; -ENOBUFS: no room, counted
 */
int ip_output(struct host *h, struct softnet_data *sd, struct outgoing *o);

/**
 * ip_route() - find the way to @dst: longest prefix among our networks, else the gateway
 * @nexthop: filled in: @dst itself or the gateway
 * Return: our network it leaves by, NULL: no route
 */
const struct inet_net *ip_route(const struct host *h, const struct inet_addr *dst, struct inet_addr *nexthop);

/* route.c: the kinds of IPv4 addresses, and exceptions for single destinations of both families */
enum rtn { RTN_UNSPEC = 0, RTN_UNICAST = 1, RTN_LOCAL = 2, RTN_BROADCAST = 3, RTN_MULTICAST = 5 };
#define ROUTE_ROWS 2048
#define ROUTE_DEPTH 5
/**
 * struct route_exception - what ICMP said of the way to @dst
 * @gateway: the next hop instead of the routes'; all zero: none
 * @expires, @stamp: until when it holds, when it was made, ns
 * @mtu:     0: the device's; @locked: what was said was less than min_pmtu, so packets go without DF
 */
struct route_exception { struct inet_addr dst, gateway; u64 expires, stamp; u32 mtu; u8 locked, spare[3]; };
/** struct route_cache - all of them; under the lock of driver_tx. @used: there have been some */
struct route_cache { struct route_exception *entry; u32 used, spare; };

/** route_init() - allocate the table. Return: 0, or -ENOMEM */
int route_init(struct route_cache *c);

/** route_exit() - free the table */
void route_exit(struct route_cache *c);

/**
 * ip_route_mtu() - Return: the path MTU to @dst: the device's, or less if a router said so in the last ten minutes
 * Context: under the lock of driver_tx; without it a value that changes just now may be missed
 */
u32 ip_route_mtu(const struct host *h, const struct inet_addr *dst);

/**
 * ip_route_learn_mtu() - believe a router that packets to @dst (we sent one) may have @mtu bytes
 * Less than 552 bytes count as 552, if the device carries that, and then DF is not set; IPv6: less than 1280 are ignored.
 * Context: the CPU of @sd. Takes the lock of driver_tx
 */
void ip_route_learn_mtu(struct softnet_data *sd, const struct inet_addr *dst, u32 mtu);

/**
 * ip_route_redirect() - believe @from that packets to @dst (we sent one) shall go to @gateway. IPv4
 * Only if @from is the gateway in use, and @gateway a neighbour with a known address.
 * Context: the CPU of @sd. Takes the lock of driver_tx
 */
void ip_route_redirect(struct softnet_data *sd, const struct inet_addr *from, const struct inet_addr *dst,
		       const struct inet_addr *gateway);

/** ip_local_net() - Return: the network of our address @a, NULL: @a is not ours */
const struct inet_net *ip_local_net(const struct host *h, const struct inet_addr *a);

/**
 * udp_sendmsg() - send @len bytes of @data as a datagram, or with @gso_size (UDP_SEGMENT) as several
 * @to:       NULL: the peer that @sk is connected to; then @port is ignored
 * @port:     host byte order
 * Return: 0; -EAGAIN: no room now, try again; another -errno as sendto() has it, or what sock_error() reports
 * Context: a Python thread. Takes the lock of driver_tx.
 */
int udp_sendmsg(struct host *h, struct sock *sk, const u8 *data, u32 len, const struct inet_addr *to, u16 port,
		u32 gso_size);

/* ---- multicast groups: mc_groups.c, mc_report.c, igmp.c (IPv4), mcast.c (IPv6) ---- */

#define MC_GROUPS_MAX 1024         /* of each family */
#define MC_MEMBERS_MAX 8192        /* memberships of all sockets */
#define MC_GONE_MAX 64
#define IGMP_MAX_MEMBERSHIPS 20    /* igmp_max_memberships: IPv4 groups of one socket */
#define MC_QRV 2                   /* igmp_qrv, mld_qrv: robustness, until a querier says otherwise */
#define MC_QUERY_INTERVAL_NS 125000000000ull
#define MC_QUERY_RESPONSE_NS 10000000000ull

/**
 * struct mc_group - a group that this host has joined
 * @timer_ns:    when it is reported; NEVER: not planned
 * @users:       sockets that have joined it, and the host itself
 * @older, @newer: neighbours in the order of joining; @hash_next: in the bucket, or on the free list. 0: none
 * @crcount:     reports of the change that are still to be sent
 * @unsolicited: IGMPv1 and v2: reports of that kind still to be sent
 * @reporter:    we were the last to report it
 * @silent:      it is never reported
 */
struct mc_group {
	struct inet_addr addr;
	u64 timer_ns;
	u32 users;
	u16 older, newer, hash_next;
	u8 crcount, unsolicited, reporter, silent;
};

/** struct mc_gone - a group that was left. @reports: of that, still to be sent */
struct mc_gone { struct inet_addr addr; u32 reports; };

/**
 * struct mc_family - a family's groups, and what its querier said
 * @group:      [0] is unused, so that 0 means none. @used: those handed out at least once
 * @v1_seen, @v2_seen: until when an older querier counts as present, ns
 * @gq_ns:      when all groups are reported, for a query; @ifc_ns: when changes are. NEVER: not planned
 * @qi_ns, @qri_ns: the querier's interval, and the time for answers
 * @qrv:        robustness; @ifc_count: how often changes are still reported
 */
struct mc_family {
	struct mc_group *group;
	u32 used, free;
	u16 hash[256];
	u16 newest;
	u8 qrv, ifc_count;
	u32 ngone;
	u64 v1_seen, v2_seen, gq_ns, ifc_ns, qi_ns, qri_ns;
	struct mc_gone gone[MC_GONE_MAX];
};

/** struct mc_member - a socket's membership. @next: the one before it of the same socket, or free; 0: none */
struct mc_member { struct inet_addr group; u32 next, spare; };

enum mc_only { MC_ONLY_IP = 1, MC_ONLY_IPV6 = 2 }; /* IP_MULTICAST_ALL, IPV6_MULTICAST_ALL are off */

/**
 * struct mc_state - the groups of both families, IPv4 first; changed under the lock of driver_tx
 * @seq:       odd while tables change
 * @drawn:     how many random times were drawn
 */
struct mc_state {
	u32 seq, members_used, members_free;
	struct mc_member *member;
	u64 drawn;
	struct mc_family family[2];
};

/** mc_init() - allocate the tables. Return: 0, or -ENOMEM; then call mc_exit() */
int mc_init(struct mc_state *mc);

/** mc_exit() - free the tables */
void mc_exit(struct mc_state *mc);

/** mc_start() - join what every host joins: all hosts, and the solicited-node groups of its addresses. Once */
void mc_start(struct host *h);

/** mc_timer() - timer of CPU 0: send the reports that are due. Takes driver_tx's lock. */
void mc_timer(struct softnet_data *sd);

/** mc_flush() - forget all reports that are planned. Context: the host is at rest */
void mc_flush(struct host *h);

/**
 * sock_mc_join() - join a group. Takes the lock of driver_tx
 * Return: 0; -EADDRINUSE: @sk is in it; -ENOBUFS, -ENOMEM: in too many, as Linux says it of IPv4, of IPv6
 */
int sock_mc_join(struct host *h, struct sock *sk, const struct inet_addr *group);

/** sock_mc_leave() - leave a group. Takes the lock of driver_tx. Return: 0; -EADDRNOTAVAIL: @sk is not in it */
int sock_mc_leave(struct host *h, struct sock *sk, const struct inet_addr *group);

/** sock_mc_close() - leave all groups: the socket closes. Takes the lock of driver_tx. */
void sock_mc_close(struct host *h, struct sock *sk);

/** sock_mc_allows() - does @sk take datagrams to @group? Context: any CPU */
int sock_mc_allows(const struct host *h, const struct sock *sk, const struct inet_addr *group);

/** ip_check_mc(), ipv6_chk_mcast_addr() - has this host joined the group? @group: host byte order. Context: any CPU */
int ip_check_mc(const struct host *h, u32 group);
int ipv6_chk_mcast_addr(const struct host *h, const struct inet_addr *group);

/* icmp_limit.c: limits on errors, a bucket of tokens for each destination and one for all */
#define ICMP_PEER_ROWS 256
#define ICMP_PEER_DEPTH 4
/** struct icmp_peer - a destination of errors. @tokens: ns; @last: when they were counted. Both 0: a free entry */
struct icmp_peer { struct inet_addr addr; u64 tokens, last; };
/**
 * struct icmp_limits - how many errors the host may send
 * @ratelimit_ms: between two errors to one IPv4 destination (icmp_ratelimit); @ratelimit6_ms: IPv6 (icmp.ratelimit)
 * @msgs_per_sec, @msgs_burst: to all together
 * @credit:       errors that may be sent to anyone now; @stamp_ns: when it last grew
 */
struct icmp_limits {
	u32 lock, ratelimit_ms, ratelimit6_ms, msgs_per_sec, msgs_burst;
	u64 credit, stamp_ns;
	struct icmp_peer peer[1024]; /* rows of 4 */
};

/* ---- inside the room ---- */

/* the protocol table, and its protocols. They get skb with data at the protocol's header. All consume skb */
void ip_deliver(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 nhoff); /* nhoff: IPv6: of the byte that says proto */
int ip_has_protocol(const struct host *h, u8 proto, int v6);
void ipv6_no_handler(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 nhoff);
void icmp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void icmpv6_rcv(struct softnet_data *sd, struct sk_buff *skb);
void igmp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void udp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void udplite_rcv(struct softnet_data *sd, struct sk_buff *skb);
void tcp_rcv(struct softnet_data *sd, struct sk_buff *skb);
void tcp_send_reset(struct softnet_data *sd, struct sk_buff *skb, const u8 *th); /* skb stays the caller's */
int skb_csum_bad(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 len); /* 1: wrong */
u32 udp_mib(const struct sk_buff *skb, u8 type);
void udp_error(struct softnet_data *sd, struct sk_buff *skb, u8 type, enum fate fate); /* consumes skb, as the next two */
void udp_rcv_best(struct softnet_data *sd, struct sk_buff *skb, const u8 *uh, u8 type);
void udp_rcv_bad_sum(struct softnet_data *sd, struct sk_buff *skb, const u8 *uh, u8 type, int summed);
void udp_refused(struct softnet_data *sd, const struct sock *sk, struct sk_buff *skb, int rc); /* consumes skb */
struct ip_usual { struct sk_buff *skb; u32 total; };    /* ip_list.c: a usual packet, and its total length */
u32 udp_list_rcv(struct softnet_data *sd, const struct ip_usual *usual, u32 n); /* Return: how many it took */
int udp_list_may(const struct softnet_data *sd);        /* is there time for one, before another agent acts? */
struct sock *udp_lookup(struct host *h, u8 type, const struct flow_key *k);
int udplite_covered(struct softnet_data *sd, const struct sock *sk, const struct sk_buff *skb);

int skb_icmp_csum_bad(struct softnet_data *sd, struct sk_buff *skb, u32 pseudo); /* of ICMP, IGMP. 1: wrong */

/* route.c. Addresses in host byte order; ip: an IPv4 header */
enum fate ip_route_input(const struct host *h, const u8 *ip, enum rtn *type); /* FATE_MAX, or why it cannot be taken */
enum rtn inet_addr_type(const struct host *h, u32 addr);
bool inet_addr_is_group(const struct host *h, const struct inet_addr *a);
struct inet_addr ip_spec_dst(const struct host *h, const u8 *ip);
u32 ip_except(struct host *h, struct softnet_data *sd, struct outgoing *o, struct inet_addr *nexthop); /* the path MTU */
const struct route_exception *ip_route_exception(const struct host *h, const struct inet_addr *dst, u64 now);

/* ip_options.c. ip: a whole header with options */
int ip_options_compile(struct softnet_data *sd, u8 *ip); /* 0; <0: source route; else the offset of the fault */
int ip_options_echo(const struct softnet_data *sd, const u8 *ip, u32 fault, const struct inet_addr *src, u8 *to,
		    struct inet_addr *first); /* bytes, <= MAX_IPOPTLEN; <0: no answer */
void ip_options_fragment(u8 *opt, u32 len);
u32 inet_current_timestamp(const struct softnet_data *sd);

/* Errors about skb, whose IP header and the bytes after it are intact; skb stays the caller's. info: the second word of the
 * message, host byte order: a pointer to the fault, an MTU */
void icmp_send(struct softnet_data *sd, struct sk_buff *skb, u8 type, u8 code, u32 info);
void icmpv6_send(struct softnet_data *sd, struct sk_buff *skb, u8 type, u8 code, u32 info);
int icmp_allow(struct softnet_data *sd, const struct inet_addr *to);
void udp_err(struct softnet_data *sd, struct sk_buff *skb, u32 quote, u32 uh, u32 type); /* udp_err.c */
#define ICMP_ERR_HARD 0x100        /* a socket that did not ask for errors gets it too */
u32 icmp_errno(u8 type, u8 code);
u32 icmpv6_errno(u8 type, u8 code);
enum fate icmpv6_notify(struct softnet_data *sd, struct sk_buff *skb, u32 quote);

/* IPv6 extension headers. A walk keeps skb->data where it is, as a rule at the IPv6 header, so that errors quote all of it.
 * next: the kind of the header that the walk is at; at: its offset from skb->data; nhoff: offset of the byte that names it, from
 * the IPv6 header; before: bytes from the IPv6 header to skb->data */
struct exthdrs { u32 at, nhoff, before; u8 next; };
struct sk_buff *ipv6_exthdr_rcv(struct softnet_data *sd, struct sk_buff *skb, struct exthdrs *x); /* NULL: as ip_defrag() */
int ipv6_parse_hopopts(struct softnet_data *sd, struct sk_buff *skb, struct exthdrs *x); /* 0: dropped */
int ipv6_skip_exthdr(const struct sk_buff *skb, int start, u8 *next, u32 *frag_off);
bool seg6_icmp_daddr(const struct sk_buff *skb, u32 quote, struct inet_addr *daddr);
const struct inet_net *ipv6_dev_get_saddr(const struct host *h, const struct inet_addr *dst); /* NULL: we have no address */

/* fragments. From inet_frag_find() on under the family's lock if live. inet_frag_fail() and inet_frag_join() free q */
struct sk_buff *ip_defrag(struct softnet_data *sd, struct sk_buff *skb); /* the whole; NULL: skb waits, or has a fate */
struct sk_buff *ipv6_frag_rcv(struct softnet_data *sd, struct sk_buff *skb, struct exthdrs *x);
struct inet_frag_queue *inet_frag_find(struct softnet_data *sd, struct inet_frags *f, const struct inet_frag_key *key);
int inet_frag_add(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, struct sk_buff *skb,
		  const struct inet_frag *frag); /* consumes skb. Return: 1 = the datagram is whole */
void inet_frag_fail(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, enum fate why);
void inet_frag_restart(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q, enum fate why);
struct sk_buff *inet_frag_join(struct softnet_data *sd, struct inet_frags *f, struct inet_frag_queue *q);
void inet_frag_count(struct softnet_data *sd, const struct inet_frags *f, enum frag_mib what);
int inet_frag_ecn(u8 seen);
void inet_putpeer(const struct host *h, struct inet_frags *f, struct inet_frag_peer *peer);
enum fate frag_runs_insert(struct inet_frag_queue *q, struct sk_buff *skb, u32 end); /* FATE_MAX: skb waits */
void frag_runs_join(struct sk_buff *run, struct sk_buff *skb); /* skb is run's from now on */
struct sk_buff *frag_runs_take(struct inet_frag_queue *q); /* the runs are the caller's */

u32 ip_mtu(const struct host *h);
int ip_reachable(const struct host *h, const struct inet_addr *dst);
void ip6_route_redirect(struct host *h, const struct inet_addr *dst, const struct inet_addr *gateway, u64 now);
bool ra_route(const struct host *h, const struct inet_addr *dst, const struct inet_addr **gateway);
bool inet_net_usable(const struct host *h, const struct inet_net *net);
enum fate ndisc_rcv(struct softnet_data *sd, struct sk_buff *skb); /* takes the lock of driver_tx; skb stays the caller's */
bool ip_is_broadcast(const struct host *h, const struct inet_addr *a);
bool is_link_local6(const struct inet_addr *a);
const struct inet_addr *ipv6_link_local(const struct host *h); /* the first of ours; NULL: none */
#define CHECKSUM_BREAK 76         /* Linux sums a datagram of at most so many bytes when it arrives */

/* output, under the lock of driver_tx. neigh_output() consumes packet */
int ip_output_locked(struct host *h, struct softnet_data *sd, struct outgoing *o);
/* The lock of driver_tx. sd: NULL: a thread that is no CPU. Return: what ip_tx_unlock() wants to know */
bool ip_tx_lock(struct host *h, struct softnet_data *sd);
void ip_tx_unlock(struct host *h, struct softnet_data *sd, bool first);
struct neighbour *neigh_lookup(struct host *h, const struct inet_addr *addr); /* NULL: not known */
struct neighbour *neigh_get(struct host *h, const struct inet_addr *addr, u64 now); /* made if not known. NULL: no room */
void neigh_expire_reachable(const struct host *h, struct neighbour *n, u64 now);
int neigh_output(struct host *h, struct softnet_data *sd, const struct inet_addr *nexthop, u32 packet);
void neigh_event_send(struct host *h, struct softnet_data *sd, struct neighbour *n, u64 now);

/* how far a message is believed (NEIGH_UPDATE_F_*) */
enum neigh_update {
	NEIGH_OVERRIDE = 1,       /* it replaces another address */
	NEIGH_WEAK_OVERRIDE = 2,  /* without NEIGH_OVERRIDE: another address only makes a reachable one doubtful */
	NEIGH_SAYS_ROUTER = 4,    /* it says whether the neighbour is a router: NEIGH_ROUTER, or not */
	NEIGH_ROUTER = 8
};
void neigh_update(struct host *h, struct softnet_data *sd, struct neighbour *n, const u8 *mac, u8 state, u32 flags);

void arp_send(struct host *h, struct softnet_data *sd, u16 op, const struct inet_addr *sip, const struct inet_addr *tip,
	      const u8 *to, const u8 *target_mac); /* to: NULL: broadcast; target_mac: NULL: zeros */
void arp_solicit(struct host *h, struct softnet_data *sd, const struct inet_addr *target, const u8 *mac,
		 const struct inet_addr *src);
void ndisc_solicit(struct host *h, struct softnet_data *sd, const struct inet_addr *target, const u8 *mac,
		   const struct inet_addr *src);
void ndisc_advertise(struct host *h, struct softnet_data *sd, const struct inet_addr *target,
		     const struct inet_addr *asker, bool to_group);
void ndisc_dad(struct host *h, struct softnet_data *sd, const struct inet_addr *target);
void ndisc_send_rs(struct host *h, struct softnet_data *sd, const struct inet_addr *src);

/* autoconf.c, ra_routes.c, also under the lock of driver_tx */
bool addrconf_router(struct host *h, const struct inet_addr *src, const u8 *m, u64 now);
void addrconf_options(struct host *h, const struct inet_addr *src, const u8 *m, u32 len, u64 now);
void addrconf_no_router(struct host *h, const struct inet_addr *addr);
void addrconf_away(struct host *h, const struct inet_addr *addr, u8 away);
u8 addrconf_hop_limit(const struct host *h, const struct inet_addr *nexthop);
const struct inet_addr *addrconf_route(const struct host *h, u64 now);
bool addrconf_onlink(const struct host *h, const struct inet_addr *a, u64 now);
void ra_learn_prefix(struct host *h, const struct inet_addr *said, u32 len, bool valid, u64 until, u64 now);
bool ra_learn_router(struct addrconf *c, const struct inet_addr *addr, u32 lifetime, u32 pref, u8 hops, u64 now);
bool ra_is_router(const struct host *h, const struct inet_addr *addr, u64 now);
struct ra_router *ra_find_router(struct addrconf *c, const struct inet_addr *addr);
u64 addrconf_nonce(const struct host *h, const struct inet_addr *target);

/* groups, all under the lock of driver_tx but mc_joined(), mld_query() and mld_report() */
int mc_joined(const struct host *h, const struct inet_addr *group);
struct mc_group *mc_find(struct mc_family *f, const struct inet_addr *a);
struct mc_group *mc_next(struct mc_family *f, const struct mc_group *g); /* from the latest on; g NULL: that */
u32 mc_scope6(const struct inet_addr *group);
void mc_reset(struct mc_family *f);
u32 mc_code(u32 code, u32 mantissa_bits);
u32 mc_draw(struct host *h, u32 below);
u64 mc_later(struct host *h, u64 now, u32 max_jiffies);
u32 mc_jiffies(const struct host *h, u64 ns);
void mc_plan(struct host *h, u64 at);
void mc_group_timer(struct host *h, struct mc_group *g, u64 at);
void mc_gone_add(struct mc_family *f, const struct inet_addr *a);
void mc_gone_forget(struct mc_family *f, const struct inet_addr *a);
void mc_changed(struct host *h, struct softnet_data *sd, struct mc_family *f);
void mc_older_querier(struct mc_family *f);
void mc_send_state(struct host *h, struct softnet_data *sd, struct mc_family *f, const struct mc_group *only);
void mc_send_changes(struct host *h, struct softnet_data *sd, struct mc_family *f);
void mc_xmit(struct host *h, struct softnet_data *sd, const struct inet_addr *group, const u8 *ip, u32 ip_len,
	     const u8 *message, u32 len);
void igmp_group_added(struct host *h, struct softnet_data *sd, struct mc_group *g);
void igmp_group_dropped(struct host *h, struct softnet_data *sd, const struct mc_group *g);
void igmp_expire(struct host *h, struct softnet_data *sd);
void igmp_send(struct host *h, struct softnet_data *sd, u32 group, u8 *message, u32 len);
void igmp6_group_added(struct host *h, struct softnet_data *sd, struct mc_group *g);
void igmp6_group_dropped(struct host *h, struct softnet_data *sd, const struct mc_group *g);
void mld_expire(struct host *h, struct softnet_data *sd);
void mld_send(struct host *h, struct softnet_data *sd, const struct inet_addr *group, u8 *message, u32 len);
void mld_query(struct softnet_data *sd, const struct sk_buff *skb); /* these two take the lock of driver_tx */
void mld_report(struct softnet_data *sd, const struct sk_buff *skb);
