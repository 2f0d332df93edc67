/* udp_output.c - UDP and UDP-Lite: sending. RFC 768, RFC 3828; Linux: net/ipv4/udp.c, net/ipv6/udp.c, net/ipv4/ip_output.c
 *
 *   Python: sock.sendto() -> udp_sendmsg(): checks, the socket's options, header -> ip_output.c
 */
#include "prelude.h"

#define UDP_MAX_SEGMENTS 128u
#define NO_CSUM 0xffff
#define MULTICAST_TTL 1 /* RFC 1112 section 6.1, RFC 3493 section 5.2 */

static u8 ttl_of(int16_t unicast, int16_t multicast, const struct inet_addr *dst)
{
	if (inet_addr_is_multicast(dst))
		return multicast >= 0 ? (u8)multicast : MULTICAST_TTL;
	return unicast >= 0 ? (u8)unicast : IPDEFTTL;
}

/* Does a packet of this socket have to fit into one frame? It is an error then if it does not. */
static bool never_fragments(u8 pmtudisc)
{
	return pmtudisc >= IP_PMTUDISC_DO && pmtudisc != IP_PMTUDISC_OMIT;
}

static void take_options(struct outgoing *o, const struct inet_sock *inet, bool v4)
{
	u8 pmtudisc = v4 ? inet->pmtudisc : inet->pmtudisc6;

	o->ttl = v4 ? ttl_of(inet->uc_ttl, inet->mc_ttl, &o->dst) : ttl_of(inet->hop_limit, inet->mcast_hops, &o->dst);
	o->tos = v4 ? inet->tos : inet->tclass;
	o->df = pmtudisc >= IP_PMTUDISC_WANT && pmtudisc <= IP_PMTUDISC_PROBE ? (u8)pmtudisc : 0;
	o->probe = pmtudisc >= IP_PMTUDISC_PROBE;
}

/* Return: 0, or -EMSGSIZE; the error queue then tells the path MTU */
static int check_mtu(struct host *h, struct sock *sk, const struct outgoing *o, u16 port, bool v4)
{
	const struct inet_sock *inet = &h->socks.inet[sk->index];
	u32 mtu = o->probe ? ip_mtu(h) : ip_route_mtu(h, &o->dst);
	struct sock_exterr e = {
		.err = EMSGSIZE, .origin = SO_EE_ORIGIN_LOCAL, .info = mtu, .dst = o->dst, .port = v4 ? sk->rport : port
	};

	if (o->head_len + o->len + (v4 ? IP_HLEN : IPV6_HLEN) <= mtu)
		return 0;
	if (!never_fragments(v4 ? inet->pmtudisc : inet->pmtudisc6) &&
	    (v4 || !inet->dontfrag || sk->type == SOCK_UDPLITE))
		return 0;
	if (v4 ? inet->recverr : inet->recverr6)
		sock_local_error(h, sk, &e);
	return -EMSGSIZE;
}

/* Sum as much of a UDP-Lite packet as the socket says. o has its addresses. */
static void udplite_sum(struct outgoing *o, const struct inet_sock *inet, bool v4)
{
	u32 total = o->head_len + o->len, cover = total, sum;
	u8 ip[IPV6_HLEN] = { 0 }; /* only the addresses matter */
	u16 folded;

	if (inet->send_cscov && inet->pcslen < total) {
		cover = inet->pcslen ? inet->pcslen : total;
		store16(o->head + UDPH_LEN, htons(inet->pcslen));
	}
	inet_addr_put(&o->src, ip + (v4 ? IPH_SADDR : IPV6H_SADDR));
	inet_addr_put(&o->dst, ip + (v4 ? IPH_DADDR : IPV6H_DADDR));
	sum = csum_pseudo(ip, v4 ? 4 : 6, total, IPPROTO_UDPLITE);
	sum = csum_partial(o->head, UDP_HLEN, sum);
	folded = csum_fold(cover > UDP_HLEN ? csum_partial(o->data, cover - UDP_HLEN, sum) : sum);
	store16(o->head + UDPH_CHECK, folded ? folded : 0xffff);
	o->csum_offset = NO_CSUM;
}

/* Choose the source address. Return: 0 or -errno */
static int route(struct host *h, const struct sock *sk, struct outgoing *o, bool v4)
{
	const struct inet_net *net;
	struct inet_addr nexthop;

	if (!h->answers)
		return -ENETDOWN;
	if (v4 && inet_addr_type(h, (u32)o->dst.lo) == RTN_BROADCAST && !h->socks.inet[sk->index].broadcast)
		return -EACCES;
	if (!sk->any && inet_addr_is4(&sk->laddr) != v4)
		return -EAFNOSUPPORT;
	net = ip_route(h, &o->dst, &nexthop);
	if (net && !v4)
		net = ipv6_dev_get_saddr(h, &o->dst);
	if (!net) {
		COUNT(h->out_mib[v4 ? Ip_OutNoRoutes : Ip6_OutNoRoutes], 1);
		return -ENETUNREACH;
	}
	o->src = !sk->any && ip_local_net(h, &sk->laddr) ? sk->laddr : net->addr; /* no group's */
	return 0;
}

static int send_locked(struct host *h, struct sock *sk, struct outgoing *o, u16 port, bool v4)
{
	const struct inet_sock *inet = &h->socks.inet[sk->index];
	u32 mib = (v4 ? Udp_InDatagrams : Udp6_InDatagrams) +
		  (sk->type == SOCK_UDPLITE ? UdpLite_InDatagrams - Udp_InDatagrams : 0);
	int rc = route(h, sk, o, v4);

	if (!rc && !o->gso_size)
		rc = check_mtu(h, sk, o, port, v4);
	if (rc)
		return rc;
	if (sk->type == SOCK_UDPLITE)
		udplite_sum(o, inet, v4);
	rc = ip_output_locked(h, NULL, o);
	COUNT(h->out_mib[mib + (rc == -ENOBUFS ? UDP_MIB_SNDBUFERRORS : UDP_MIB_OUTDATAGRAMS)],
	      rc == 0 || rc == -ENOBUFS);
	return rc;
}

int udp_sendmsg(struct host *h, struct sock *sk, const u8 *data, u32 len, const struct inet_addr *to, u16 port,
		u32 gso_size)
{
	struct outgoing o = {
		.proto = sk->type == SOCK_UDPLITE ? IPPROTO_UDPLITE : IPPROTO_UDP,
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
	    (h->answers && frames + (len + frames * 100) / TX_BUF_LEN >= h->tx.vq.num))
		return -EMSGSIZE; /* or more than the TX ring can ever hold */
	port = to ? port : sk->rport;
	if (!port || gso_size > room || (gso_size && len > gso_size * UDP_MAX_SEGMENTS))
		return -EINVAL;
	take_options(&o, &h->socks.inet[sk->index], v4);
	store16(o.head + UDPH_SOURCE, htons(sk->lport));
	store16(o.head + UDPH_DEST, htons(port));
	store16(o.head + UDPH_LEN, htons((u16)(UDP_HLEN + len)));
	o.gso_size = sk->type == SOCK_UDPLITE ? 0 : (u16)gso_size;
	lock_if(h->live, &h->tx.lock);
	if (h->answers && !driver_tx_room(h, frames, len + frames * 100))
		rc = -EAGAIN;
	else
		rc = send_locked(h, sk, &o, port, v4);
	unlock_if(h->live, &h->tx.lock);
	return rc;
}
