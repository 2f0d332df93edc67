/* ipv6.c - IPv6 input. RFC 8200; Linux: net/ipv6/ip6_input.c, ip6_output.c, route.c
 *
 *   netif_receive_skb_core() -> ipv6_rcv(): header, length, hop-by-hop options, address, the chain of headers -> ip_deliver()
 *
 *                               extension headers: exthdrs.c; at a fragment header: reassembly.c
 *
 * The checks come in Linux's order, because the first that fails decides which counter a bad packet adds to.
 */
#include "prelude.h"

enum { SCOPE_RESERVED = 0, SCOPE_INTERFACE = 1 };

static noinline void ipv6_drop(struct softnet_data *sd, struct sk_buff *skb, enum mib mib, enum fate fate)
{
	COUNT(sd->mib[mib], 1);
	kfree_skb_reason(sd, skb, fate);
}

static bool is_loopback6(const u8 *addr)
{
	struct inet_addr a = inet_addr6(addr);

	return a.hi == 0 && a.lo == 1;
}

static bool is_mapped4(const u8 *addr)
{
	struct inet_addr a = inet_addr6(addr);

	return inet_addr_is4(&a);
}

/* Return: whether a packet may not come from a wire with these addresses. A host that takes all addresses may see those of a
 * loopback device, but ::ffff:a.b.c.d would match IPv4's sockets in its tables; other hosts have no such address. */
static noinline bool is_impossible(const struct host *h, const u8 *src, const u8 *dst)
{
	u32 scope = is_multicast6(dst) ? dst[1] & 15u : SCOPE_INTERFACE + 1;

	if (is_multicast6(src) || scope == SCOPE_RESERVED)
		return true;
	return h->ip_any ? is_mapped4(src) : scope == SCOPE_INTERFACE || is_loopback6(src) || is_loopback6(dst);
}

/* Addresses that begin otherwise are neither groups nor the loopback address. */
static inline bool is_suspect(const u8 *addr)
{
	return addr[0] == 0 || addr[0] == 0xff;
}

/* ::ffff:a.b.c.d is no address on a wire. The tables keep our IPv4 addresses in this form. */
static noinline bool is_local6(const struct host *h, const u8 *dst)
{
	struct inet_addr a = inet_addr6(dst);

	if (is_multicast6(dst))
		return ipv6_chk_mcast_addr(h, &a);
	return !inet_addr_is4(&a) && ip_local_net(h, &a);
}

static noinline void count_mcast(struct softnet_data *sd, const struct sk_buff *skb)
{
	COUNT(sd->mib[Ip6_InMcastPkts], 1);
	COUNT(sd->mib[Ip6_InMcastOctets], skb->len);
}

/* Drop what is not for us. A router would send it on; this host says so only if it knows no way (ip6_pkt_discard()). */
static noinline void not_local(struct softnet_data *sd, struct sk_buff *skb)
{
	struct inet_addr dst = inet_addr6(skb->data + IPV6H_DADDR), via;

	if (is_multicast6(skb->data + IPV6H_DADDR)) {
		kfree_skb_reason(sd, skb, IP_NOT_JOINED); /* snmp does not count it */
		return;
	}
	if (!inet_addr_is4(&dst) && ip_route(sd->host, &dst, &via)) {
		ipv6_drop(sd, skb, Ip6_InAddrErrors, IP_INADDRERRORS);
		return;
	}
	icmpv6_send(sd, skb, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, 0);
	if (dst.hi | dst.lo)
		ipv6_drop(sd, skb, Ip6_InNoRoutes, IP_INNOROUTES);
	else
		ipv6_drop(sd, skb, Ip6_InAddrErrors, IP_INADDRERRORS);
}

/* ipv6_no_handler() - drop a packet that no protocol takes. nhoff: offset of the byte that says so, from the IPv6 header */
void ipv6_no_handler(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 nhoff)
{
	if (proto == IPPROTO_NONE || proto == IPPROTO_PIM) { /* Linux takes PIM, for no one */
		ipv6_drop(sd, skb, Ip6_InDelivers, IP_NOPROTO);
		return;
	}
	icmpv6_send(sd, skb, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR, nhoff);
	ipv6_drop(sd, skb, Ip6_InUnknownProtos, IP_NOPROTO);
}

static noinline void rcv_exthdrs(struct softnet_data *sd, struct sk_buff *skb, struct exthdrs *x)
{
	skb = ipv6_exthdr_rcv(sd, skb, x);
	if (!skb)
		return;
	if (!ip_has_protocol(sd->host, x->next, true)) { /* while the headers before it can still be quoted */
		ipv6_no_handler(sd, skb, x->next, x->nhoff);
		return;
	}
	skb_advance(skb, x->at);
	ip_deliver(sd, skb, x->next, x->nhoff);
}

static inline bool has_exthdrs(const struct exthdrs *x)
{
	return x->at != IPV6_HLEN || x->next == IPPROTO_DSTOPTS || x->next == IPPROTO_ROUTING ||
	       x->next == IPPROTO_FRAGMENT;
}

void ipv6_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb->data, *src = ip + IPV6H_SADDR, *dst = ip + IPV6H_DADDR;
	struct exthdrs x = { .at = IPV6_HLEN, .nhoff = IPV6H_NEXTHDR };
	u32 payload;

	if (unlikely(skb->pkt_type == PACKET_OTHERHOST)) {
		COUNT(sd->rx_otherhost_dropped, 1);
		kfree_skb_reason(sd, skb, OTHERHOST);
		return;
	}
	cpu_charge(sd, COST_IP);
	COUNT(sd->mib[Ip6_InReceives], 1);
	if (unlikely(skb->head_len < IPV6_HLEN || ip_version(ip) != 6)) {
		ipv6_drop(sd, skb, Ip6_InHdrErrors, skb->head_len < IPV6_HLEN ? IP_INHDR : UNHANDLED_PROTO);
		return;
	}
	if (unlikely(is_suspect(src) || is_suspect(dst)) && is_impossible(sd->host, src, dst)) {
		ipv6_drop(sd, skb, Ip6_InHdrErrors, IP_INHDR);
		return;
	}
	payload = be16(ip + IPV6H_PAYLOAD_LEN);
	x.next = ip[IPV6H_NEXTHDR];
	if (unlikely(payload + IPV6_HLEN > skb->len)) {
		ipv6_drop(sd, skb, Ip6_InTruncatedPkts, PKT_TOO_SMALL);
		return;
	}
	if (payload || x.next != IPPROTO_HOPOPTS) /* else a jumbo option may hold the length */
		skb_trim(sd, skb, payload + IPV6_HLEN);
	if (unlikely(x.next == IPPROTO_HOPOPTS) && !ipv6_parse_hopopts(sd, skb, &x))
		return;
	if (unlikely(is_multicast6(dst))) {
		count_mcast(sd, skb);
		skb->flags |= SKB_GROUP;
	}
	if (!sd->host->ip_any && unlikely(!is_local6(sd->host, dst))) {
		not_local(sd, skb);
		return;
	}
	if (unlikely(has_exthdrs(&x))) {
		rcv_exthdrs(sd, skb, &x);
		return;
	}
	skb_pull(skb, IPV6_HLEN);
	ip_deliver(sd, skb, x.next, IPV6H_NEXTHDR);
}
