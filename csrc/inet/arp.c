/* arp.c - address resolution for IPv4. RFC 826, RFC 5227; Linux: net/ipv4/arp.c
 *
 *   netif_receive_skb.c -> arp_rcv(): a request for us is answered, its sender remembered; a reply goes to neigh.c
 *   neigh.c -> arp_send(): a request
 *
 * A host without addresses of its own (a replay) counts the packets, and neither learns nor answers.
 */
#include "prelude.h"

/* arp_send() - send a request or a reply. to_mac NULL: broadcast; sip NULL: the address of the network that tip is in */
void arp_send(struct host *h, struct softnet_data *sd, u16 op, const struct inet_addr *sip, const struct inet_addr *tip,
	      const u8 *to_mac)
{
	static const u8 all[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	u32 packet = tx_alloc(&h->tx, ETH_HLEN + ARP_HLEN);
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
	memcpy(eth + ETHH_DEST, to_mac ? to_mac : all, ETH_ALEN);
	memcpy(eth + ETHH_SOURCE, h->dev.dev_addr, ETH_ALEN);
	store16(eth + ETHH_PROTO, htons(ETH_P_ARP));
	arp = eth + ETH_HLEN;
	memset(arp, 0, ARP_HLEN);
	store16(arp + ARPH_HRD, htons(ARPHRD_ETHER));
	store16(arp + ARPH_PRO, htons(ETH_P_IP));
	arp[ARPH_HLN] = ETH_ALEN;
	arp[ARPH_PLN] = 4;
	store16(arp + ARPH_OP, htons(op));
	memcpy(arp + ARPH_SHA, h->dev.dev_addr, ETH_ALEN);
	if (sip || net)
		inet_addr_put(sip ? sip : &net->addr, arp + ARPH_SIP);
	if (to_mac)
		memcpy(arp + ARPH_THA, to_mac, ETH_ALEN);
	inet_addr_put(tip, arp + ARPH_TIP);
	dev_queue_xmit(h, sd, packet);
}

/* Run RFC 826's algorithm, as arp_process() does: only a request for us makes a new entry. Other packets, also unsolicited
 * replies, update an existing one. */
static void process(struct softnet_data *sd, const struct sk_buff *skb, const u8 *arp, u16 op)
{
	struct host *h = sd->host;
	struct inet_addr sip = inet_addr4(arp + ARPH_SIP), tip = inet_addr4(arp + ARPH_TIP);
	bool ours = ip_local_net(h, &tip);

	if (arp[ARPH_TIP] == IN_LOOPBACKNET || IN_MULTICAST((u32)tip.lo) || ip_local_net(h, &sip))
		return;
	cpu_lock(sd, &h->tx.lock);
	if (op == ARPOP_REQUEST && ours) {
		if ((u32)sip.lo) /* 0.0.0.0: a probe for a free address */
			neigh_update(h, sd, &sip, arp + ARPH_SHA, NUD_STALE, 1, 1);
		arp_send(h, sd, ARPOP_REPLY, &tip, &sip, arp + ARPH_SHA);
	} else if ((u32)sip.lo) {
		bool answer = op == ARPOP_REPLY && skb->pkt_type == PACKET_HOST;

		neigh_update(h, sd, &sip, arp + ARPH_SHA, answer ? NUD_REACHABLE : NUD_STALE, 0, 1);
	}
	cpu_unlock(sd, &h->tx.lock);
}

void arp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 copy[ARP_HLEN];
	const u8 *arp = skb_header_pointer(skb, 0, ARP_HLEN, copy);
	u16 op;

	if (skb->pkt_type == PACKET_OTHERHOST) {
		kfree_skb_reason(sd, skb, OTHERHOST);
		return;
	}
	if (!arp) {
		kfree_skb_reason(sd, skb, PKT_TOO_SMALL);
		return;
	}
	op = be16(arp + ARPH_OP);
	if (be16(arp + ARPH_HRD) != ARPHRD_ETHER || be16(arp + ARPH_PRO) != ETH_P_IP || arp[ARPH_HLN] != ETH_ALEN ||
	    arp[ARPH_PLN] != 4 || (op != ARPOP_REQUEST && op != ARPOP_REPLY)) {
		kfree_skb_reason(sd, skb, UNHANDLED_PROTO);
		return;
	}
	if (sd->host->answers)
		process(sd, skb, arp, op);
	kfree_skb_reason(sd, skb, DELIVERED_ARP);
}
