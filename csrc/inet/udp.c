/* udp.c - UDP: input, and output at the end. Length, checksum, socket. RFC 768; Linux: net/ipv4/udp.c
 *
 *   ip_deliver() -> udp_rcv() -> sock.c. What GRO merged goes whole only to a socket with UDP_GRO, else in pieces
 *
 * A datagram goes to the connected socket of its 4-tuple, else to the best one bound to its port; in a replay a sink
 * socket is made for the port. No socket: NoPorts. Full receive buffer: RcvbufErrors.
 */
#include "prelude.h"

#define UDP_MAX_SEGMENTS 128u

static noinline int csum_bad(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 len)
{
	const u8 *ip = skb_network_header(skb);

	cpu_charge_bytes(sd, COST_CSUM_PS, len);
	return csum_fold(skb_checksum(skb, 0, len, csum_pseudo(ip, ip[0] >> 4, len, proto))) != 0;
}

/* Also TCP's. Return: 1 = the transport checksum is wrong. len: of the transport header and data. */
int skb_csum_bad(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 len)
{
	return likely(skb->ip_summed != CHECKSUM_NONE) ? 0 : csum_bad(sd, skb, proto, len);
}

static noinline void udp_error(struct softnet_data *sd, struct sk_buff *skb, enum fate fate)
{
	COUNT(sd->mib[Udp_InErrors], 1);
	kfree_skb_reason(sd, skb, fate);
}

static noinline struct sock *udp_lookup_best(struct softnet_data *sd, const u8 *ip, const u8 *uh)
{
	struct flow_key k = flow_key_of(ip, uh, 17);
	struct host *h = sd->host;
	struct sock *sk = NULL;

	if (READ_ONCE(h->socks.flows))
		sk = sock_lookup_flow(&h->socks, SOCK_UDP, &k.dst, k.dport, &k.src, k.sport);
	return sk ? sk : sock_lookup_port(h, SOCK_UDP, &k.dst, k.dport);
}

/* The usual case first: one socket has the port, for any address, so it is not connected. It needs no addresses. */
static inline struct sock *udp_lookup(struct softnet_data *sd, const struct sk_buff *skb, const u8 *uh)
{
	struct sock_table *t = &sd->host->socks;
	struct sock *sk = &t->socks[smp_load_acquire(&t->port[0][be16(uh + 2)])]; /* Pairs with bind_locked(). */

	if (likely(sk->any && !sk->port_next))
		return sk;
	return udp_lookup_best(sd, skb_network_header(skb), uh);
}

static noinline void udp_queue_full(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	if (sk->closed) {
		COUNT(sd->mib[Udp_NoPorts], 1);
		kfree_skb_reason(sd, skb, NO_SOCKET);
	} else {
		COUNT(sd->mib[Udp_RcvbufErrors], 1);
		udp_error(sd, skb, SOCKET_RCVBUFF);
	}
}

static inline void udp_queue_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	if (likely(sock_queue_rcv_skb(sd, sk, skb) == 0))
		COUNT(sd->mib[Udp_InDatagrams], 1);
	else
		udp_queue_full(sd, sk, skb);
}

/* Merged for forwarding (rx-udp-gro-forwarding, rx-gro-list), and yet for us: datagram by datagram. */
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
	u8 copy[8];
	const u8 *uh = skb_header_pointer(skb, 0, 8, copy);
	struct sock *sk;
	u32 len;

	cpu_charge(sd, COST_UDP);
	if (unlikely(!uh)) {
		udp_error(sd, skb, PKT_TOO_SMALL);
		return;
	}
	len = be16(uh + 4);
	if (unlikely(len < 8 || len > skb->len)) {
		udp_error(sd, skb, PKT_TOO_SMALL);
		return;
	}
	if (unlikely(len < skb->len)) {
		skb_trim(sd, skb, len);
		skb->ip_summed = CHECKSUM_NONE;
	}
	if (load16(uh + 6) != 0 ? skb_csum_bad(sd, skb, 17, len) : skb->protocol == 0xdd86) {
		COUNT(sd->mib[Udp_InCsumErrors], 1);
		udp_error(sd, skb, UDP_CSUM);
		return;
	}
	sk = udp_lookup(sd, skb, uh);
	if (unlikely(!sk)) {
		COUNT(sd->mib[Udp_NoPorts], 1);
		icmp_send(sd, skb, skb->protocol == 0xdd86 ? 1 : 3, skb->protocol == 0xdd86 ? 4 : 3,
			  0); /* port unreachable */
		kfree_skb_reason(sd, skb, sd->host->auto_sink ? SOCKET_TABLE_FULL : NO_SOCKET);
		return;
	}
	skb->seq = be16(uh);
	skb_advance(skb, 8);
	/* gso_size 0: the segments were fragments, and this is one datagram */
	if (unlikely(skb->segs > 1) && skb->gso_size && !sk->udp_gro)
		udp_rcv_segments(sd, sk, skb);
	else
		udp_queue_rcv_skb(sd, sk, skb);
}

/* udp_err() - an ICMP error came about a packet of ours: only a connected socket hears of it, as in Linux */
void udp_err(struct softnet_data *sd, const u8 *ip, u32 len, u32 err)
{
	u32 ihl = ip[0] >> 4 == 6 ? 40 : (ip[0] & 15u) * 4;
	struct flow_key k;
	struct sock *sk;

	if (ihl + 4 > len || ip[ip[0] >> 4 == 6 ? 6 : 9] != 17)
		return;
	k = flow_key_of(ip, ip + ihl, 17);
	sk = sock_lookup_flow(&sd->host->socks, SOCK_UDP, &k.src, k.sport, &k.dst, k.dport);
	if (sk)
		sock_report_error(sd, sk, err);
}

/* udp_sendmsg() - a datagram, or with gso_size (UDP_SEGMENT) as many as data makes; to NULL: to whom it is connected. A
 * Python thread calls. Return: 0; -EAGAIN: no room now; or another -errno, as sendto() and Linux have it */
int udp_sendmsg(struct host *h, struct sock *sk, const u8 *data, u32 len, const struct inet_addr *to, u16 port,
		u32 gso_size)
{
	struct outgoing o = {
		.proto = 17, .ttl = 64, .df = 1, .csum_offset = 6, .head_len = 8, .data = data, .len = len
	};
	u32 mtu = ip_mtu(h), each = (mtu - 48) & ~7u, room; /* each: of a fragment, at least */
	u32 frames = gso_size ? len / gso_size + 1 : (8 + len) / each + 1;
	int rc = sock_error(sk);

	if (unlikely(rc))
		return rc;
	if (!to && !sk->rport)
		return -EDESTADDRREQ;
	o.dst = to ? *to : sk->raddr;
	room = mtu - (inet_addr_is4(&o.dst) ? 28 : 48);
	if (len > (inet_addr_is4(&o.dst) ? 65507 : 65527) || frames + (len + frames * 100) / TX_BUF_LEN >= TX_RING_SIZE)
		return -EMSGSIZE; /* or more than the sending ring ever has room for */
	port = to ? port : sk->rport;
	if (!port || gso_size > room || (gso_size && len > gso_size * UDP_MAX_SEGMENTS))
		return -EINVAL;
	if (!sk->any) {
		o.src = sk->laddr;
		if (inet_addr_is4(&o.src) != inet_addr_is4(&o.dst))
			return -EAFNOSUPPORT;
	}
	store16(o.head, htobe16_(sk->lport));
	store16(o.head + 2, htobe16_(port));
	store16(o.head + 4, htobe16_((u16)(8 + len)));
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
