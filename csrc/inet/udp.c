/* udp.c - UDP: input, and output at the end. Length, checksum, socket. RFC 768; Linux: net/ipv4/udp.c
 *
 *   ip_deliver() -> udp_rcv() -> sock.c. A socket with UDP_GRO gets merged datagrams whole, any other one by one
 *
 * A datagram goes to the connected socket of its 4-tuple, else to the best one bound to its port. A replay makes a sink
 * socket for the port. No socket: NoPorts. Full receive buffer: RcvbufErrors; udp_mem used up: MemErrors.
 */
#include "prelude.h"

#define UDP_MAX_SEGMENTS 128u

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
	cpu_charge_bytes(sd, COST_CSUM_PS, skb->len);
	return csum_fold(skb_checksum(skb, 0, skb->len, pseudo)) != 0;
}

static noinline void udp_error(struct softnet_data *sd, struct sk_buff *skb, enum fate fate)
{
	COUNT(sd->mib[Udp_InErrors], 1);
	kfree_skb_reason(sd, skb, fate);
}

static noinline struct sock *udp_lookup_best(struct softnet_data *sd, const u8 *ip, const u8 *uh)
{
	struct flow_key k = flow_key_of(ip, uh, IPPROTO_UDP);
	struct host *h = sd->host;
	struct sock *sk = NULL;

	if (READ_ONCE(h->socks.flows))
		sk = sock_lookup_flow(&h->socks, SOCK_UDP, &k.dst, k.dport, &k.src, k.sport);
	return sk ? sk : sock_lookup_port(h, SOCK_UDP, &k.dst, k.dport);
}

/* The usual case first: one socket has the port, for any address, so it is not connected. No address is compared. */
static inline struct sock *udp_lookup(struct softnet_data *sd, const struct sk_buff *skb, const u8 *uh)
{
	struct sock_table *t = &sd->host->socks;
	struct sock *sk =
		&t->socks[smp_load_acquire(&t->port[0][be16(uh + UDPH_DEST)])]; /* Pairs with bind_locked(). */

	if (likely(sk->any && !sk->port_next))
		return sk;
	return udp_lookup_best(sd, skb_network_header(skb), uh);
}

static noinline void udp_queue_full(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, int rc)
{
	if (rc == -ENOBUFS) {
		COUNT(sd->mib[Udp_MemErrors], 1);
		udp_error(sd, skb, PROTO_MEM);
	} else if (sk->closed) {
		COUNT(sd->mib[Udp_NoPorts], 1);
		kfree_skb_reason(sd, skb, NO_SOCKET);
	} else {
		COUNT(sd->mib[Udp_RcvbufErrors], 1);
		udp_error(sd, skb, SOCKET_RCVBUFF);
	}
}

static inline void udp_queue_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	int rc = sock_queue_rcv_skb(sd, sk, skb);

	if (likely(rc == 0))
		COUNT(sd->mib[Udp_InDatagrams], 1);
	else
		udp_queue_full(sd, sk, skb, rc);
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

void udp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 copy[UDP_HLEN];
	const u8 *uh = skb_header_pointer(skb, 0, UDP_HLEN, copy);
	struct sock *sk;
	u32 len;

	cpu_charge(sd, COST_UDP);
	if (unlikely(!uh)) {
		udp_error(sd, skb, PKT_TOO_SMALL);
		return;
	}
	len = be16(uh + UDPH_LEN);
	if (unlikely(len < UDP_HLEN || len > skb->len)) {
		udp_error(sd, skb, PKT_TOO_SMALL);
		return;
	}
	if (unlikely(len < skb->len)) {
		skb_trim(sd, skb, len);
		skb->ip_summed = CHECKSUM_NONE;
	}
	if (load16(uh + UDPH_CHECK) != 0 ? skb_csum_bad(sd, skb, IPPROTO_UDP, len)
					 : skb->protocol == htons(ETH_P_IPV6)) {
		COUNT(sd->mib[Udp_InCsumErrors], 1);
		udp_error(sd, skb, UDP_CSUM);
		return;
	}
	sk = udp_lookup(sd, skb, uh);
	if (unlikely(!sk)) {
		COUNT(sd->mib[Udp_NoPorts], 1);
		if (skb->protocol == htons(ETH_P_IPV6))
			icmpv6_send(sd, skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
		else
			icmp_send(sd, skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
		kfree_skb_reason(sd, skb, sd->host->auto_sink ? SOCKET_TABLE_FULL : NO_SOCKET);
		return;
	}
	skb->seq = be16(uh + UDPH_SOURCE);
	skb_advance(skb, UDP_HLEN);
	/* gso_size 0: the segments were fragments of one datagram */
	if (unlikely(skb->segs > 1) && skb->gso_size && !sk->udp_gro)
		udp_rcv_segments(sd, sk, skb);
	else
		udp_queue_rcv_skb(sd, sk, skb);
}

/* udp_err() - report an ICMP error to the connected socket that sent the packet it quotes. As in Linux, to no other */
void udp_err(struct softnet_data *sd, const u8 *ip, u32 len, u32 err)
{
	bool v6 = ip_version(ip) == 6;
	u32 ihl = v6 ? IPV6_HLEN : ip_hdrlen(ip);
	struct flow_key k;
	struct sock *sk;

	if (ihl + UDPH_LEN > len || ip[v6 ? IPV6H_NEXTHDR : IPH_PROTOCOL] != IPPROTO_UDP)
		return;
	k = flow_key_of(ip, ip + ihl, IPPROTO_UDP);
	sk = sock_lookup_flow(&sd->host->socks, SOCK_UDP, &k.src, k.sport, &k.dst, k.dport);
	if (sk && err)
		sock_report_error(sd, sk, err);
}

int udp_sendmsg(struct host *h, struct sock *sk, const u8 *data, u32 len, const struct inet_addr *to, u16 port,
		u32 gso_size)
{
	struct outgoing o = {
		.proto = IPPROTO_UDP,
		.ttl = IPDEFTTL,
		.df = 1,
		.csum_offset = UDPH_CHECK,
		.head_len = UDP_HLEN,
		.data = data,
		.len = len,
	};
	u32 mtu = ip_mtu(h), each = (mtu - IPV6_HLEN - FRAG_HLEN) & ~7u, room; /* each: least data in a fragment */
	u32 frames = gso_size ? len / gso_size + 1 : (UDP_HLEN + len) / each + 1;
	int rc = sock_error(sk);
	bool v4;

	if (unlikely(rc))
		return rc;
	if (!to && !sk->rport)
		return -EDESTADDRREQ;
	o.dst = to ? *to : sk->raddr;
	v4 = inet_addr_is4(&o.dst);
	room = mtu - (v4 ? IP_HLEN : IPV6_HLEN) - UDP_HLEN;
	if (len > IP_LEN_MAX - UDP_HLEN - (v4 ? IP_HLEN : 0) ||
	    frames + (len + frames * 100) / TX_BUF_LEN >= TX_RING_SIZE)
		return -EMSGSIZE; /* or more than the TX ring can ever hold */
	port = to ? port : sk->rport;
	if (!port || gso_size > room || (gso_size && len > gso_size * UDP_MAX_SEGMENTS))
		return -EINVAL;
	if (!sk->any) {
		o.src = sk->laddr;
		if (inet_addr_is4(&o.src) != v4)
			return -EAFNOSUPPORT;
	}
	store16(o.head + UDPH_SOURCE, htons(sk->lport));
	store16(o.head + UDPH_DEST, htons(port));
	store16(o.head + UDPH_LEN, htons((u16)(UDP_HLEN + len)));
	o.gso_size = (u16)gso_size;
	lock_if(h->live, &h->tx.lock);
	if (h->answers && !driver_tx_room(h, frames, len + frames * 100)) {
		rc = -EAGAIN;
	} else {
		rc = ip_output_locked(h, NULL, &o);
		COUNT(h->out_mib[rc == -ENOBUFS ? Udp_SndbufErrors : Udp_OutDatagrams], rc == 0 || rc == -ENOBUFS);
	}
	unlock_if(h->live, &h->tx.lock);
	return rc;
}
