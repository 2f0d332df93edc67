/* arp.c - address resolution, the input half. RFC 826; Linux: net/ipv4/arp.c
 *
 * Checks what arp_rcv() checks (Ethernet and IPv4, lengths, request or reply) and takes the packet. The cache and the
 * answers come with the transmit path; they belong here.
 */
#include "prelude.h"

void arp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 copy[28];
	const u8 *arp = skb_header_pointer(skb, 0, 28, copy);
	u16 op;

	if (skb->pkt_type == PACKET_OTHERHOST) {
		kfree_skb_reason(sd, skb, OTHERHOST);
		return;
	}
	if (!arp) {
		kfree_skb_reason(sd, skb, PKT_TOO_SMALL);
		return;
	}
	op = be16(arp + 6);
	if (be16(arp) != 1 || be16(arp + 2) != 0x0800 || arp[4] != 6 || arp[5] != 4 || op == 0 || op > 2)
		kfree_skb_reason(sd, skb, UNHANDLED_PROTO);
	else
		kfree_skb_reason(sd, skb, DELIVERED_ARP);
}
