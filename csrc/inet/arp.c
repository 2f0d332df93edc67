/* arp.c - address resolution for IPv4. RFC 826, RFC 5227; Linux: net/ipv4/arp.c
 *
 *   netif_receive_skb.c -> arp_rcv(): who asks for us is answered and remembered; an answer goes to neigh.c
 *   neigh.c -> arp_send(): who has it?
 *
 * A host without addresses of its own (a replay of everybody's traffic) only takes what comes.
 */
#include "prelude.h"

#define ARP_LEN 28u
enum { REQUEST = 1, REPLY = 2 };

/* arp_send() - to_mac NULL: to all; sip NULL: the best of ours. Under the lock of driver_tx */
void arp_send(struct host *h, struct softnet_data *sd, u16 op, const struct inet_addr *sip, const struct inet_addr *tip,
	      const u8 *to_mac)
{
	static const u8 fixed[8] = { 0, 1, 8, 0, 6, 4, 0, 0 }; /* Ethernet, IPv4, their lengths, op */
	static const u8 all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	u32 packet = tx_alloc(&h->tx, ETH_HLEN + ARP_LEN);
	const struct inet_net *net = NULL;
	struct inet_addr via;
	u8 *eth, *arp;

	if (packet == TX_NONE) {
		COUNT(h->tx.fates[TX_FULL_RING], 1);
		return;
	}
	if (!sip)
		net = ip_route(h, tip, &via);
	eth = tx_header(&h->tx, packet);
	memcpy(eth, to_mac ? to_mac : all, 6);
	memcpy(eth + 6, h->dev.dev_addr, 6);
	store16(eth + 12, 0x0608);
	arp = eth + ETH_HLEN;
	memcpy(arp, fixed, 8);
	arp[7] = (u8)op;
	memcpy(arp + 8, h->dev.dev_addr, 6);
	memset(arp + 14, 0, 4);
	if (sip || net)
		inet_addr_put(sip ? sip : &net->addr, arp + 14);
	memset(arp + 18, 0, 6);
	if (to_mac)
		memcpy(arp + 18, to_mac, 6);
	inet_addr_put(tip, arp + 24);
	dev_queue_xmit(h, sd, packet);
}

/* RFC 826's algorithm, as arp_process() has it: only who talks to us makes a new entry; others' answers, also those nobody
 * asked for, only update one that is there. */
static void process(struct softnet_data *sd, const struct sk_buff *skb, const u8 *arp, u16 op)
{
	struct host *h = sd->host;
	struct inet_addr sip = inet_addr4(arp + 14), tip = inet_addr4(arp + 24);
	bool ours = ip_local_net(h, &tip);

	if (arp[24] == 127 || arp[24] >> 4 == 0xe || ip_local_net(h, &sip))
		return;
	lock_if(sd->live, &h->tx.lock);
	if (op == REQUEST && ours) {
		if ((u32)sip.lo) /* 0.0.0.0 asks whether the address is free */
			neigh_update(h, sd, &sip, arp + 8, NUD_STALE, 1, 1);
		arp_send(h, sd, REPLY, &tip, &sip, arp + 8);
	} else if ((u32)sip.lo) {
		bool answer = op == REPLY && skb->pkt_type == PACKET_HOST;

		neigh_update(h, sd, &sip, arp + 8, answer ? NUD_REACHABLE : NUD_STALE, 0, 1);
	}
	unlock_if(sd->live, &h->tx.lock);
}

void arp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 copy[ARP_LEN];
	const u8 *arp = skb_header_pointer(skb, 0, ARP_LEN, copy);
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
	if (be16(arp) != 1 || be16(arp + 2) != 0x0800 || arp[4] != 6 || arp[5] != 4 || op == 0 || op > 2) {
		kfree_skb_reason(sd, skb, UNHANDLED_PROTO);
		return;
	}
	if (sd->host->answers)
		process(sd, skb, arp, op);
	kfree_skb_reason(sd, skb, DELIVERED_ARP);
}
