/* ipv6.c - IPv6 input. RFC 8200; Linux: net/ipv6/ip6_input.c, exthdrs.c
 *
 * Header, length, address, then the chain of extension headers up to the protocol. Options we do not know are skipped
 * or kill the packet, as their type says. At a fragment header the packet goes to reassembly.c; what comes back whole is
 * walked on from there.
 */
#include "prelude.h"

#define HOPOPTS 0
#define ROUTING 43
#define FRAGMENT 44
#define NONE 59
#define DSTOPTS 60

static void ipv6_drop(struct softnet_data *sd, struct sk_buff *skb, enum mib mib, enum fate fate)
{
	COUNT(sd->mib[mib], 1);
	kfree_skb_reason(sd, skb, fate);
}

static bool is_local6(const struct host *h, const u8 *dst)
{
	struct inet_addr a = inet_addr6(dst);

	if (h->ip_any || dst[0] == 0xff)
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

/* Jumbo payload (RFC 2675): only in a hop-by-hop header, only if the length field says 0, only beyond 65535. */
static bool jumbo_good(const struct sk_buff *skb, u32 off, u32 *payload)
{
	u8 copy[6];
	const u8 *o = skb_header_pointer(skb, off, 6, copy);
	u32 len;

	if (!o || o[1] != 4 || (off & 3) != 2 || be16(skb->data + 4) != 0)
		return false;
	len = be32(o + 2);
	if (len <= 65535 || len > skb->len - 40)
		return false;
	*payload = len;
	return true;
}

/* TLV options of a hop-by-hop or destination options header (RFC 8200 section 4.2). */
static bool options_good(const struct sk_buff *skb, u32 off, u32 end, u32 *jumbo)
{
	while (off < end) {
		u8 copy[2];
		const u8 *o = skb_header_pointer(skb, off, 1, copy);

		if (!o)
			return false;
		if (o[0] == 0) { /* Pad1 */
			off++;
			continue;
		}
		o = skb_header_pointer(skb, off, 2, copy);
		if (!o || off + 2 + o[1] > end)
			return false;
		if (o[0] == 0xc2
			    ? !jumbo || !jumbo_good(skb, off, jumbo)
			    : o[0] >> 6 && o[0] != 0xc9) /* unknown, and it says: discard. c9, home address, is known */
			return false;
		off += 2 + o[1];
	}
	return true;
}

/**
 * struct walk - where we are in the chain of headers
 * @off:   of the next header, from skb->data
 * @nhoff: of the byte that says which one it is
 * @n:     headers behind us
 * @jumbo: the payload's length if an option says it
 */
struct walk {
	u32 off, nhoff, n, jumbo;
};

/* Walk the extension headers. Return: the protocol, FRAGMENT, or -IPV6_BAD_EXTHDR */
static int walk_headers(const struct sk_buff *skb, u8 next, struct walk *w)
{
	for (; w->n < 16; w->n++) {
		u8 copy[8];
		const u8 *h;
		u32 len;

		if (next != HOPOPTS && next != ROUTING && next != DSTOPTS)
			return next;
		if (next == HOPOPTS && w->n > 0) /* only right behind the IPv6 header */
			return -(int)IPV6_BAD_EXTHDR;
		h = skb_header_pointer(skb, w->off, 8, copy);
		if (!h)
			return -(int)IPV6_BAD_EXTHDR;
		len = (h[1] + 1u) * 8;
		if (w->off + len > skb->len || (next == ROUTING && h[3] != 0) ||
		    (next != ROUTING &&
		     !options_good(skb, w->off + 2, w->off + len, next == HOPOPTS ? &w->jumbo : NULL)))
			return -(int)IPV6_BAD_EXTHDR;
		next = h[0];
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
	if (proto == FRAGMENT) /* fragments of fragments: no */
		proto = -(int)IPV6_BAD_EXTHDR;
	deliver(sd, skb, proto, behind.off);
}

/* ::ffff:a.b.c.d on the wire would pass for an IPv4 address in the socket tables (draft-itojun-v6ops-v4mapped-harmful). */
static bool is_mapped4(const u8 *addr)
{
	struct inet_addr a = inet_addr6(addr);

	return a.hi == 0 && a.lo >> 32 == 0xffff;
}

void ipv6_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb->data;
	struct walk w = { .off = 40, .nhoff = 6 };
	u32 payload;
	int proto;

	if (unlikely(skb->pkt_type == PACKET_OTHERHOST)) {
		COUNT(sd->rx_otherhost_dropped, 1);
		kfree_skb_reason(sd, skb, OTHERHOST);
		return;
	}
	cpu_charge(sd, COST_IP);
	COUNT(sd->mib[Ip6_InReceives], 1);
	if (unlikely(skb->head_len < 40 || ip[0] >> 4 != 6)) {
		ipv6_drop(sd, skb, Ip6_InHdrErrors, IP_INHDR);
		return;
	}
	if (unlikely(ip[8] == 0xff || is_mapped4(ip + 8) ||
		     (!sd->host->ip_any && (is_loopback6(ip + 8) || is_loopback6(ip + 24))))) {
		ipv6_drop(sd, skb, Ip6_InHdrErrors, IP_INVALID_SOURCE);
		return;
	}
	payload = be16(ip + 4);
	if (unlikely(payload + 40 > skb->len)) {
		ipv6_drop(sd, skb, Ip6_InTruncatedPkts, PKT_TOO_SMALL);
		return;
	}
	if (payload || ip[6] != HOPOPTS) /* 0, and hop-by-hop options: one of those may say how long it is */
		skb_trim(sd, skb, payload + 40);
	if (unlikely(!is_local6(sd->host, ip + 24))) {
		ipv6_drop(sd, skb, Ip6_InAddrErrors, IP_INADDRERRORS);
		return;
	}
	proto = walk_headers(skb, ip[6], &w);
	if (unlikely(proto == FRAGMENT)) {
		rcv_fragment(sd, skb, &w);
		return;
	}
	if (unlikely(w.jumbo))
		skb_trim(sd, skb, w.jumbo + 40);
	deliver(sd, skb, proto, w.off);
}
