/* udp.c - UDP input: length, checksum, socket. RFC 768; Linux: net/ipv4/udp.c, net/ipv6/udp.c
 *
 *   ip_deliver() -> udp_rcv() -> sock.c. A socket with UDP_GRO gets merged datagrams whole, any other one by one
 *   udplite.c  ------------> udp_rcv_best(), udp_rcv_bad_sum()
 *
 * A datagram goes to the connected socket of its 4-tuple, else to the best one bound to its port. A replay makes a sink
 * socket for the port. No socket: NoPorts. Full receive buffer: RcvbufErrors; udp_mem used up: MemErrors. A datagram to a
 * group or a broadcast address goes to all sockets that match (skb_copy.c); no socket: IgnoredMulti.
 *
 * Linux sums a datagram of up to 76 bytes at once, and a longer one when it is read, or when no socket wants it. Here all
 * are summed at once, and udp_rcv_bad_sum() counts as if they were not.
 */
#include "prelude.h"

static noinline int csum_bad(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 len)
{
	const u8 *ip = skb_network_header(skb);

	cpu_charge_bytes(sd, COST_CSUM_PS, len);
	return csum_fold(skb_checksum(skb, 0, len, csum_pseudo(ip, (int)ip_version(ip), len, proto))) != 0;
}

/* skb_csum_bad() - check UDP's or TCP's checksum. len: of the transport header and data. Return: 1: wrong */
int skb_csum_bad(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 len)
{
	return likely(skb->ip_summed != CHECKSUM_NONE) ? 0 : csum_bad(sd, skb, proto, len);
}

/* skb_icmp_csum_bad() - check the checksum of ICMP or IGMP. pseudo: that of ICMPv6's pseudo header, else 0. Return: 1: wrong */
int skb_icmp_csum_bad(struct softnet_data *sd, struct sk_buff *skb, u32 pseudo)
{
	if (unlikely(skb->ip_summed !=
		     CHECKSUM_NONE)) /* this card says it of TCP and UDP only; others, and a fault, do not */
		return 0;
	cpu_charge_bytes(sd, COST_CSUM_PS, skb->len);
	return csum_fold(skb_checksum(skb, 0, skb->len, pseudo)) != 0;
}

/* ---- counting ---- */

/* udp_mib() - Return: the first counter of UDP or UDP-Lite of a packet's family. enum udp_mib counts from it */
u32 udp_mib(const struct sk_buff *skb, u8 type)
{
	u32 mib = skb->protocol == htons(ETH_P_IPV6) ? Udp6_InDatagrams : Udp_InDatagrams;

	return unlikely(type == SOCK_UDPLITE) ? mib + UdpLite_InDatagrams - Udp_InDatagrams : mib;
}

static void count(struct softnet_data *sd, const struct sk_buff *skb, u8 type, enum udp_mib what, u32 n)
{
	COUNT(sd->mib[udp_mib(skb, type) + what], n);
}

/* udp_error() - count InErrors and drop */
noinline void udp_error(struct softnet_data *sd, struct sk_buff *skb, u8 type, enum fate fate)
{
	count(sd, skb, type, UDP_MIB_INERRORS, 1);
	kfree_skb_reason(sd, skb, fate);
}

/* ---- one socket's queue ---- */

static noinline enum fate count_full(struct softnet_data *sd, const struct sock *sk, const struct sk_buff *skb, int rc)
{
	if (rc == -ENOBUFS) {
		count(sd, skb, sk->type, UDP_MIB_MEMERRORS, 1);
	} else if (sk->closed) {
		count(sd, skb, sk->type, UDP_MIB_NOPORTS, 1);
		return NO_SOCKET;
	} else {
		count(sd, skb, sk->type, UDP_MIB_RCVBUFERRORS, 1);
	}
	count(sd, skb, sk->type, UDP_MIB_INERRORS, 1);
	return rc == -ENOBUFS ? PROTO_MEM : SOCKET_RCVBUFF;
}

/* udp_refused() - drop a datagram that its socket has not taken. rc: as sock_queue_rcv_skb() */
noinline void udp_refused(struct softnet_data *sd, const struct sock *sk, struct sk_buff *skb, int rc)
{
	kfree_skb_reason(sd, skb, count_full(sd, sk, skb, rc));
}

static inline void udp_queue_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	int rc = sock_queue_rcv_skb(sd, sk, skb);

	if (unlikely(rc < 0))
		udp_refused(sd, sk, skb, rc);
}

/* Deliver datagram by datagram what GRO merged for forwarding (rx-udp-gro-forwarding, rx-gro-list). */
static noinline void udp_rcv_segments(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	struct sk_buff *segment = skb_segment_list(skb, skb->gso_size), *next;
	u32 sport = skb->seq;

	udp_queue_rcv_skb(sd, sk, skb);
	for (; segment; segment = next) {
		next = segment->next;
		segment->next = NULL;
		segment->seq = sport;
		udp_queue_rcv_skb(sd, sk, segment);
	}
}

static inline void udp_unicast_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, const u8 *uh)
{
	skb->seq = be16(uh + UDPH_SOURCE);
	skb_advance(skb, UDP_HLEN);
	/* gso_size 0: the segments were fragments of one datagram */
	if (unlikely(skb->segs > 1) && skb->gso_size && !sk->udp_gro)
		udp_rcv_segments(sd, sk, skb);
	else
		udp_queue_rcv_skb(sd, sk, skb);
}

/* ---- groups and broadcasts: all sockets that match ---- */

/* In a replay the address says nothing: the sink of the port stands for the sockets that there were. */
static bool is_group(const struct host *h, const struct inet_addr *dst)
{
	return !h->auto_sink && inet_addr_is_group(h, dst);
}

/* May the socket have what is sent to this group or broadcast address? */
static bool mc_allows(const struct host *h, const struct sock *sk, const struct inet_addr *to)
{
	bool group = !inet_addr_is4(to) || IN_MULTICAST((u32)to->lo);

	return !group || h->ip_any || sock_mc_allows(h, sk, to);
}

/* Would the socket get this datagram to a group? */
static bool is_mcast_sock(const struct host *h, const struct sock *sk, const struct flow_key *k)
{
	if (sk->closed || (!sk->any && !addr_equal(&sk->laddr, &k->dst)) || !mc_allows(h, sk, &k->dst))
		return false;
	return !sk->rport || (sk->rport == k->sport && addr_equal(&sk->raddr, &k->src));
}

static u32 *port_of(struct host *h, u8 type, u16 port)
{
	return &h->socks.port[type / 2][port];
}

/* Return: whether the socket has taken a copy */
static bool queue_copy(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb)
{
	struct sk_buff *copy = skb_copy(sd, skb);
	int rc = copy ? sock_queue_rcv_skb(sd, sk, copy) : -ENOMEM;

	if (likely(rc == 0)) {
		COUNT(sk->packets, 1);
		return true;
	}
	COUNT(sk->drops, 1);
	count_full(sd, sk, skb, rc);
	if (copy)
		kfree_skb_list(sd, copy);
	return false;
}

static void mcast_deliver(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *k, u8 type)
{
	struct sock_table *t = &sd->host->socks;
	struct sock *last = NULL;
	bool taken = false;
	int rc;

	for (u32 i = smp_load_acquire(port_of(sd->host, type, k->dport)); i; i = t->socks[i].port_next) {
		struct sock *sk = &t->socks[i];

		if (!is_mcast_sock(sd->host, sk, k) || (type == SOCK_UDPLITE && !udplite_covered(sd, sk, skb)))
			continue;
		if (last)
			taken |= queue_copy(sd, last, skb);
		last = sk;
	}
	if (!last) {
		count(sd, skb, type, UDP_MIB_IGNOREDMULTI, 1);
		kfree_skb_reason(sd, skb, NO_SOCKET);
		return;
	}
	rc = sock_queue_rcv_skb(sd, last, skb);
	if (unlikely(rc < 0)) {
		enum fate fate = count_full(sd, last, skb, rc);

		kfree_skb_reason(sd, skb, taken ? DELIVERED_UDP : fate);
	}
}

static void rcv_group(struct softnet_data *sd, struct sk_buff *skb, const struct flow_key *k, u8 type)
{
	struct sk_buff *segment = NULL, *next;

	skb_advance(skb, UDP_HLEN);
	if (skb->segs > 1 && skb->gso_size)
		segment = skb_segment_list(skb, skb->gso_size);
	for (; skb; skb = segment, segment = next) {
		next = segment ? segment->next : NULL;
		skb->next = NULL;
		skb->seq = k->sport;
		mcast_deliver(sd, skb, k, type);
	}
}

/* ---- which socket ---- */

static struct sock *lookup(struct host *h, u8 type, const struct flow_key *k)
{
	struct sock *sk = NULL;

	if (READ_ONCE(h->socks.flows))
		sk = sock_lookup_flow(&h->socks, type, &k->dst, k->dport, &k->src, k->sport);
	return sk;
}

static bool in_group(const struct host *h, const struct sock *sk, const struct sock *first)
{
	return !sk->rport && h->socks.inet[sk->index].reuseport && sk->any == first->any &&
	       (sk->any || addr_equal(&sk->laddr, &first->laddr));
}

/* Sockets with SO_REUSEPORT share their port by flow. Return: the one of sk's group that has this flow */
static struct sock *reuseport_select(struct host *h, struct sock *sk, const struct flow_key *k)
{
	u32 n = 0, first = smp_load_acquire(port_of(h, sk->type, sk->lport));

	for (u32 i = first; i; i = h->socks.socks[i].port_next)
		n += in_group(h, &h->socks.socks[i], sk);
	n = n ? flow_key_hash(k) % n : 0;
	for (u32 i = first; i; i = h->socks.socks[i].port_next)
		if (in_group(h, &h->socks.socks[i], sk) && n-- == 0)
			return &h->socks.socks[i];
	return sk;
}

static struct sock *one_of(struct host *h, struct sock *sk, const struct flow_key *k)
{
	return sk && unlikely(h->socks.inet[sk->index].reuseport) ? reuseport_select(h, sk, k) : sk;
}

/* udp_lookup() - Return: the socket that a datagram of this flow would reach, NULL: none. Makes none */
struct sock *udp_lookup(struct host *h, u8 type, const struct flow_key *k)
{
	struct sock *sk = lookup(h, type, k);

	return sk ? sk : one_of(h, sock_find_bound(&h->socks, type, &k->dst, k->dport), k);
}

static noinline void no_port(struct softnet_data *sd, struct sk_buff *skb, u8 type)
{
	count(sd, skb, type, UDP_MIB_NOPORTS, 1);
	if (skb->protocol == htons(ETH_P_IPV6))
		icmpv6_send(sd, skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
	else
		icmp_send(sd, skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	kfree_skb_reason(sd, skb, sd->host->auto_sink ? SOCKET_TABLE_FULL : NO_SOCKET);
}

/* udp_rcv_best() - deliver a good datagram to the socket or the sockets that it is for. Consumes skb */
noinline void udp_rcv_best(struct softnet_data *sd, struct sk_buff *skb, const u8 *uh, u8 type)
{
	struct flow_key k = flow_key_of(skb_network_header(skb), uh, IPPROTO_UDP);
	struct sock *sk;

	if (unlikely(is_group(sd->host, &k.dst))) {
		rcv_group(sd, skb, &k, type);
		return;
	}
	sk = lookup(sd->host, type, &k);
	if (!sk)
		sk = one_of(sd->host, sock_lookup_port(sd->host, type, &k.dst, k.dport), &k);
	if (unlikely(!sk))
		no_port(sd, skb, type);
	else if (type == SOCK_UDPLITE && !udplite_covered(sd, sk, skb))
		kfree_skb_reason(sd, skb, UDP_CSUM);
	else
		udp_unicast_rcv_skb(sd, sk, skb, uh);
}

/* Return: how many sockets would read a datagram to a group, and find its checksum wrong */
static u32 receivers(struct host *h, const struct flow_key *k, u8 type)
{
	u32 n = 0;

	for (u32 i = smp_load_acquire(port_of(h, type, k->dport)); i; i = h->socks.socks[i].port_next)
		n += is_mcast_sock(h, &h->socks.socks[i], k);
	return n;
}

/* udp_rcv_bad_sum() - drop a datagram whose checksum is wrong. summed: Linux finds out before it looks for a socket */
noinline void udp_rcv_bad_sum(struct softnet_data *sd, struct sk_buff *skb, const u8 *uh, u8 type, int summed)
{
	struct flow_key k = flow_key_of(skb_network_header(skb), uh, IPPROTO_UDP);
	bool v6 = skb->protocol == htons(ETH_P_IPV6), none = load16(uh + UDPH_CHECK) == 0;
	enum fate fate = UDP_CSUM;
	u32 n = 1;

	if (!summed && is_group(sd->host, &k.dst)) {
		n = none ? 0 : receivers(sd->host, &k, type);
		if (n == 0) {
			count(sd, skb, type, UDP_MIB_IGNOREDMULTI, 1);
			kfree_skb_reason(sd, skb, NO_SOCKET);
			return;
		}
	} else if (!summed && v6 && !sd->host->auto_sink && !udp_lookup(sd->host, type, &k)) {
		fate = NO_SOCKET;
	}
	count(sd, skb, type, UDP_MIB_CSUMERRORS, n);
	count(sd, skb, type, UDP_MIB_INERRORS, n);
	kfree_skb_reason(sd, skb, fate);
}

/* ---- input ---- */

void udp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	struct sock_table *t = &sd->host->socks;
	u8 copy[UDP_HLEN];
	const u8 *uh = skb_header_pointer(skb, 0, UDP_HLEN, copy);
	struct sock *sk;
	u32 len;

	cpu_charge(sd, COST_UDP);
	if (unlikely(!uh)) {
		udp_error(sd, skb, SOCK_UDP, PKT_TOO_SMALL);
		return;
	}
	len = be16(uh + UDPH_LEN);
	if (unlikely(len < UDP_HLEN || len > skb->len)) {
		if (len || skb->protocol != htons(ETH_P_IPV6)) {
			udp_error(sd, skb, SOCK_UDP, PKT_TOO_SMALL);
			return;
		}
		len = skb->len; /* RFC 2675 section 4: too long for the field */
	}
	if (unlikely(len < skb->len)) {
		skb_trim(sd, skb, len);
		skb->ip_summed = CHECKSUM_NONE;
	}
	if (load16(uh + UDPH_CHECK) != 0 ? skb_csum_bad(sd, skb, IPPROTO_UDP, len)
					 : skb->protocol == htons(ETH_P_IPV6)) {
		udp_rcv_bad_sum(sd, skb, uh, SOCK_UDP, load16(uh + UDPH_CHECK) && len <= CHECKSUM_BREAK);
		return;
	}
	sk = &t->socks[smp_load_acquire(&t->port[0][be16(uh + UDPH_DEST)])]; /* Pairs with bind_locked(). */
	/* The usual case: one socket has the port, for any address, so it is not connected. No address is compared. */
	if (likely(sk->any && !sk->port_next && !(skb->flags & SKB_GROUP)))
		udp_unicast_rcv_skb(sd, sk, skb, uh);
	else
		udp_rcv_best(sd, skb, uh, SOCK_UDP);
}
