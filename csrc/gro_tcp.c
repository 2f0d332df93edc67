/* gro_tcp.c - GRO's TCP half: may this segment be appended to the one that is held? Linux: net/ipv4/tcp_offload.c
 *
 * Same flow: ports. Merged only if it is the very next piece of the stream and says nothing new: flags (FIN and PSH
 * aside), window, ack, options, TTL, TOS, DF equal, IP ids counting up or fixed, not longer than the first segment.
 * A shorter segment, PSH or FIN ends the merge after joining it. The rules of Linux 6.18, where CWR never joins.
 */
#include "prelude.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define URG 0x20
#define CWR 0x80

static bool csum_is_bad(struct napi_struct *n, struct sk_buff *skb, const u8 *ip)
{
	u32 off = skb->gro_l4 - ETH_HLEN, len = skb->len - off;

	if (skb->ip_summed != CHECKSUM_NONE)
		return false;
	cpu_charge_bytes(n->sd, COST_CSUM_PS, len);
	if (csum_fold(skb_checksum(skb, off, len, csum_pseudo(ip, skb->gro_version, len, 6))) != 0)
		return true;
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	return false;
}

/* What IP adds to the reasons against a merge (3.4, 3.5 of docs/linux.md). */
static bool network_differs(struct sk_buff *p, const struct sk_buff *skb)
{
	const u8 *ip = skb_mac_header(skb) + ETH_HLEN, *ip2 = skb_mac_header(p) + ETH_HLEN;
	u16 delta;

	if (skb->gro_version == 6) /* traffic class, hop limit */
		return (load16(ip) ^ load16(ip2)) & 0xf00f || ip[7] != ip2[7];
	if (ip[8] != ip2[8] || ip[1] != ip2[1] || (ip[6] ^ ip2[6]) & 0x40)
		return true;
	delta = (u16)(be16(ip + 4) - be16(ip2 + 4));
	if (p->segs == 1 && delta == 0)
		p->gro_fixed_id = 1;
	return delta != (p->gro_fixed_id ? 0 : p->segs);
}

/* The whole 32-bit word at offset 12 counts (offset, reserved, flags, window), FIN and PSH aside. */
static bool tcp_differs(const u8 *th, const u8 *th2, u32 thlen)
{
	u32 mask = ~((u32)(FIN | PSH) << 8); /* little-endian view: byte 13 holds the flags */

	return (load32(th + 12) ^ load32(th2 + 12)) & mask || load32(th + 8) != load32(th2 + 8) ||
	       memcmp(th + 20, th2 + 20, thlen - 20) != 0;
}

struct sk_buff **tcp_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb)
{
	const u8 *ip = skb_mac_header(skb) + ETH_HLEN, *th = skb_mac_header(skb) + skb->gro_l4;
	u32 off = skb->gro_l4 - ETH_HLEN, thlen, len, mss = 1;
	struct sk_buff **pp = NULL;
	struct sk_buff *p = NULL;
	u8 flags;
	bool force;

	if (off + 20 > skb->head_len || (thlen = (th[12] >> 4) * 4u) < 20 || off + thlen > skb->head_len ||
	    (!skb->gro_flush && csum_is_bad(n, skb, ip))) {
		skb->gro_flush = 1;
		return NULL;
	}
	flags = th[13];
	len = skb->len - off - thlen;
	skb->seq = be32(th + 4);
	skb->end_seq = skb->seq + len;
	skb->gso_size = len;

	for (u32 i = l->count; i-- > 0;) { /* newest first */
		if (l->skb[i]->gro_same_flow && load32(skb_mac_header(l->skb[i]) + l->skb[i]->gro_l4) == load32(th)) {
			pp = &l->skb[i];
			p = *pp;
			break;
		}
	}
	if (p) {
		u8 *th2 = skb_mac_header(p) + p->gro_l4;

		mss = p->gso_size;
		if (flags & CWR || tcp_differs(th, th2, thlen) || network_differs(p, skb) || len - 1 >= mss ||
		    skb->seq != p->end_seq || skb_gro_receive(n, p, skb) < 0)
			mss = 1;
		else
			th2[13] |= flags & (FIN | PSH);
	}
	force = len < mss || flags & (URG | PSH | RST | SYN | FIN);
	skb->gro_flush |= force;
	return p && (!skb->gro_same_flow || force) ? pp : NULL;
}

/* Merged: the headers of the first segment are made to speak for all. The TCP checksum becomes the pseudo-header's
 * sum (CHECKSUM_PARTIAL), which is why captures call it incorrect. */
void tcp_gro_complete(struct sk_buff *skb)
{
	u8 *ip = skb_mac_header(skb) + ETH_HLEN, *th = skb_mac_header(skb) + skb->gro_l4;
	u32 l4_len = skb->len - (skb->gro_l4 - ETH_HLEN);

	if (skb->gro_version == 4) {
		store16(ip + 2, htobe16_((u16)skb->len));
		store16(ip + 10, 0);
		store16(ip + 10, ip_fast_csum(ip, 20));
	} else {
		store16(ip + 4, skb->len - 40 > 65535 ? 0 : htobe16_((u16)(skb->len - 40)));
	}
	store16(th + 16, (u16)~csum_fold(csum_pseudo(ip, skb->gro_version, l4_len, 6)));
	skb->ip_summed = CHECKSUM_PARTIAL;
}
