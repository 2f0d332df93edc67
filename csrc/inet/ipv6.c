/* ipv6.c - IPv6 input. RFC 8200; Linux: net/ipv6/ip6_input.c, exthdrs.c
 *
 *   netif_receive_skb_core() -> ipv6_rcv(): header, length, address, extension headers -> ip_deliver()
 *
 *                               at a fragment header: reassembly.c; the walk goes on in the whole datagram
 *
 * The type of an unknown option says whether to skip it or to drop the packet.
 */
#include "prelude.h"

static void ipv6_drop(struct softnet_data *sd, struct sk_buff *skb, enum mib mib, enum fate fate)
{
	COUNT(sd->mib[mib], 1);
	kfree_skb_reason(sd, skb, fate);
}

static bool is_local6(const struct host *h, const u8 *dst)
{
	struct inet_addr a = inet_addr6(dst);

	if (h->ip_any || is_multicast6(dst))
		return true;
	for (u32 i = 0; i < h->nips; i++)
		if (addr_equal(&h->ip[i].addr, &a))
			return true;
	return false;
}

static bool is_loopback6(const u8 *addr)
{
	struct inet_addr a = inet_addr6(addr);

	return a.hi == 0 && a.lo == 1;
}

/* Check a jumbo payload option (RFC 2675): the header's length field is 0, and the payload exceeds 65535 bytes. */
static bool jumbo_good(const struct sk_buff *skb, u32 off, u32 *payload)
{
	u8 copy[6];
	const u8 *o = skb_header_pointer(skb, off, 6, copy);
	u32 len;

	if (!o || o[TLVH_LEN] != 4 || (off & 3) != 2 || be16(skb->data + IPV6H_PAYLOAD_LEN) != 0)
		return false;
	len = be32(o + TLV_HLEN);
	if (len <= IP_LEN_MAX || len > skb->len - IPV6_HLEN)
		return false;
	*payload = len;
	return true;
}

/* Check the options of a hop-by-hop or destination options header (RFC 8200 section 4.2). jumbo NULL: none allowed */
static bool options_good(const struct sk_buff *skb, u32 off, u32 end, u32 *jumbo)
{
	while (off < end) {
		u8 copy[TLV_HLEN];
		const u8 *o = skb_header_pointer(skb, off, 1, copy);

		if (!o)
			return false;
		if (o[TLVH_TYPE] == IPV6_TLV_PAD1) {
			off++;
			continue;
		}
		o = skb_header_pointer(skb, off, TLV_HLEN, copy);
		if (!o || off + TLV_HLEN + o[TLVH_LEN] > end)
			return false;
		if (o[TLVH_TYPE] == IPV6_TLV_JUMBO
			    ? !jumbo || !jumbo_good(skb, off, jumbo)
			    : o[TLVH_TYPE] >> 6 && o[TLVH_TYPE] != IPV6_TLV_HAO) /* unknown: discard */
			return false;
		off += TLV_HLEN + o[TLVH_LEN];
	}
	return true;
}

/**
 * struct walk - a position in the chain of headers
 * @off:   offset of the next header from skb->data
 * @nhoff: offset of the byte that names it
 * @n:     headers passed
 * @jumbo: payload length from a jumbo option, 0: none
 */
struct walk {
	u32 off, nhoff, n, jumbo;
};

/* Walk the extension headers. Return: the protocol, IPPROTO_FRAGMENT, or -IPV6_BAD_EXTHDR */
static int walk_headers(const struct sk_buff *skb, u8 next, struct walk *w)
{
	for (; w->n < 16; w->n++) {
		u8 copy[8];
		const u8 *h;
		u32 len;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return next;
		if (next == IPPROTO_HOPOPTS && w->n > 0) /* allowed only right after the IPv6 header */
			return -(int)IPV6_BAD_EXTHDR;
		h = skb_header_pointer(skb, w->off, 8, copy);
		if (!h)
			return -(int)IPV6_BAD_EXTHDR;
		len = ipv6_optlen(h);
		if (w->off + len > skb->len || (next == IPPROTO_ROUTING && h[RTH_SEGMENTS_LEFT] != 0) ||
		    (next != IPPROTO_ROUTING &&
		     !options_good(skb, w->off + 2, w->off + len, next == IPPROTO_HOPOPTS ? &w->jumbo : NULL)))
			return -(int)IPV6_BAD_EXTHDR;
		next = h[EXTH_NEXTHDR];
		w->nhoff = w->off;
		w->off += len;
	}
	return -(int)IPV6_BAD_EXTHDR;
}

static inline void deliver(struct softnet_data *sd, struct sk_buff *skb, int proto, u32 off)
{
	if (unlikely(proto < 0)) {
		ipv6_drop(sd, skb, Ip6_InHdrErrors, IPV6_BAD_EXTHDR);
		return;
	}
	skb_advance(skb, off);
	ip_deliver(sd, skb, (u8)proto);
}

static noinline void rcv_fragment(struct softnet_data *sd, struct sk_buff *skb, const struct walk *w)
{
	struct walk behind = { .n = w->n + 1 };
	int proto;
	u8 next;

	skb = ipv6_frag_rcv(sd, skb, w->off, w->nhoff, &next);
	if (!skb)
		return;
	proto = walk_headers(skb, next, &behind);
	if (proto == IPPROTO_FRAGMENT) /* fragments of fragments */
		proto = -(int)IPV6_BAD_EXTHDR;
	deliver(sd, skb, proto, behind.off);
}

/* On the wire ::ffff:a.b.c.d would match IPv4 sockets in the tables (draft-itojun-v6ops-v4mapped-harmful). */
static bool is_mapped4(const u8 *addr)
{
	struct inet_addr a = inet_addr6(addr);

	return a.hi == 0 && a.lo >> 32 == 0xffff;
}

void ipv6_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb->data, *src = ip + IPV6H_SADDR, *dst = ip + IPV6H_DADDR;
	struct walk w = { .off = IPV6_HLEN, .nhoff = IPV6H_NEXTHDR };
	u32 payload;
	int proto;

	if (unlikely(skb->pkt_type == PACKET_OTHERHOST)) {
		COUNT(sd->rx_otherhost_dropped, 1);
		kfree_skb_reason(sd, skb, OTHERHOST);
		return;
	}
	cpu_charge(sd, COST_IP);
	COUNT(sd->mib[Ip6_InReceives], 1);
	if (unlikely(skb->head_len < IPV6_HLEN || ip_version(ip) != 6)) {
		ipv6_drop(sd, skb, Ip6_InHdrErrors, IP_INHDR);
		return;
	}
	if (unlikely(is_multicast6(src) || is_mapped4(src) ||
		     (!sd->host->ip_any && (is_loopback6(src) || is_loopback6(dst))))) {
		ipv6_drop(sd, skb, Ip6_InHdrErrors, IP_INVALID_SOURCE);
		return;
	}
	payload = be16(ip + IPV6H_PAYLOAD_LEN);
	if (unlikely(payload + IPV6_HLEN > skb->len)) {
		ipv6_drop(sd, skb, Ip6_InTruncatedPkts, PKT_TOO_SMALL);
		return;
	}
	if (payload || ip[IPV6H_NEXTHDR] != IPPROTO_HOPOPTS) /* else a jumbo option may hold the length */
		skb_trim(sd, skb, payload + IPV6_HLEN);
	if (unlikely(!is_local6(sd->host, dst))) {
		ipv6_drop(sd, skb, Ip6_InAddrErrors, IP_INADDRERRORS);
		return;
	}
	proto = walk_headers(skb, ip[IPV6H_NEXTHDR], &w);
	if (unlikely(proto == IPPROTO_FRAGMENT)) {
		rcv_fragment(sd, skb, &w);
		return;
	}
	if (unlikely(w.jumbo))
		skb_trim(sd, skb, w.jumbo + IPV6_HLEN);
	deliver(sd, skb, proto, w.off);
}
