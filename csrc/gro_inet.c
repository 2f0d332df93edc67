/* gro_inet.c - GRO's IPv4 and IPv6 half. Linux: net/ipv4/af_inet.c, net/ipv6/ip6_offload.c
 *
 * A packet that is refused here, before the transport look-up, goes up at once and overtakes what is held of its
 * flow: IP options, fragments, a bad header checksum, protocols nobody merges. Padding or the reserved bit (v4) only
 * forbid merging: the transport look-up then flushes what is held first, so the order stays.
 */
#include "prelude.h"

#define TCP 6

static struct sk_buff **refuse(struct sk_buff *skb)
{
	skb->gro_flush = 1;
	return NULL;
}

struct sk_buff **inet_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb)
{
	const u8 *ip = skb_mac_header(skb) + ETH_HLEN;
	u32 frag;

	if (skb->head_len < 20 || ip[9] != TCP || ip[0] != 0x45)
		return refuse(skb);
	frag = be16(ip + 6);
	if (frag & 0x3fff || ip_fast_csum(ip, 20) != 0)
		return refuse(skb);
	skb->gro_flush = be16(ip + 2) != skb->len || frag & 0x8000;
	skb->gro_l4 = ETH_HLEN + 20;
	skb->gro_version = 4;
	for (u32 i = 0; i < l->count; i++) {
		struct sk_buff *p = l->skb[i];

		if (p->gro_same_flow)
			p->gro_same_flow = load64(skb_mac_header(p) + ETH_HLEN + 12) == load64(ip + 12);
	}
	return tcp_gro_receive(n, l, skb);
}

/* Extension headers that are looked through: hop-by-hop, routing, destination options. */
static bool is_skipped(u8 next)
{
	return next == 0 || next == 43 || next == 60;
}

struct sk_buff **ipv6_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb)
{
	const u8 *ip = skb_mac_header(skb) + ETH_HLEN;
	u32 off = 40;
	u8 next;

	if (skb->head_len < 40 || ip[0] >> 4 != 6)
		return refuse(skb);
	next = ip[6];
	skb->gro_flush = be16(ip + 4) + 40u != skb->len;
	while (is_skipped(next)) {
		if (off + 8 > skb->head_len)
			return refuse(skb);
		next = ip[off];
		off += (ip[off + 1] + 1u) * 8;
		if (off > skb->head_len)
			return refuse(skb);
	}
	if (next != TCP)
		return refuse(skb);
	skb->gro_l4 = (u16)(ETH_HLEN + off);
	skb->gro_version = 6;
	for (u32 i = 0; i < l->count; i++) {
		struct sk_buff *p = l->skb[i];
		const u8 *ip2 = skb_mac_header(p) + ETH_HLEN;

		/* version and flow label; next header; addresses; extension headers byte by byte */
		if (p->gro_same_flow)
			p->gro_same_flow = p->gro_l4 == skb->gro_l4 && !((load32(ip) ^ load32(ip2)) & 0xffff0ff0) &&
					   ip[6] == ip2[6] && memcmp(ip + 8, ip2 + 8, off - 8) == 0;
	}
	return tcp_gro_receive(n, l, skb);
}
