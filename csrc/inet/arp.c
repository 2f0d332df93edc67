/* arp.c - address resolution for IPv4. RFC 826, RFC 5227; Linux: net/ipv4/arp.c
 *
 *   netif_receive_skb.c -> arp_rcv(): a request for us is answered, its sender remembered; a reply goes to neigh.c
 *   neigh.c -> arp_solicit(): a request
 *
 * A host without addresses of its own (a replay) counts the packets, and neither learns nor answers.
 */
#include "prelude.h"

#define LOCK_NS 1000000000ull /* locktime */

/* arp_send() - send a request or a reply. to: NULL: to all; target_mac: what it says of tip's MAC address, NULL: nothing */
void arp_send(struct host *h, struct softnet_data *sd, u16 op, const struct inet_addr *sip, const struct inet_addr *tip,
	      const u8 *to, const u8 *target_mac)
{
	static const u8 all[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	u32 packet = tx_alloc(&h->tx, ETH_HLEN + ARP_HLEN);
	u8 *eth, *arp;

	if (packet == TX_NONE) {
		COUNT(h->tx.fates[TX_FULL_RING], 1);
		return;
	}
	eth = tx_header(&h->tx, packet);
	memcpy(eth + ETHH_DEST, to ? to : all, ETH_ALEN);
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
	inet_addr_put(sip, arp + ARPH_SIP);
	if (target_mac)
		memcpy(arp + ARPH_THA, target_mac, ETH_ALEN);
	inet_addr_put(tip, arp + ARPH_TIP);
	dev_queue_xmit(h, sd, packet);
}

/* arp_solicit() - ask for target's MAC address; mac: only the one who had it. src: NULL: our address in target's network,
 * else the first */
void arp_solicit(struct host *h, struct softnet_data *sd, const struct inet_addr *target, const u8 *mac,
		 const struct inet_addr *src)
{
	struct inet_addr via;
	const struct inet_net *net = src ? NULL : ip_route(h, target, &via);

	for (u32 i = 0; !src && !net && i < h->nips; i++)
		if (inet_addr_is4(&h->ip[i].addr))
			net = &h->ip[i];
	if (src || net)
		arp_send(h, sd, ARPOP_REQUEST, src ? src : &net->addr, target, mac, NULL);
}

/* Return: whether no host can have sent this as its own address */
static bool is_martian(const struct host *h, const u8 *sip)
{
	struct inet_addr a = inet_addr4(sip);

	return sip[0] == IN_LOOPBACKNET || IN_MULTICAST((u32)a.lo) || (u32)a.lo == INADDR_BROADCAST ||
	       ip_local_net(h, &a);
}

/* Does it only announce an address, to all? */
static bool is_gratuitous(const u8 *arp, u16 op)
{
	return memcmp(arp + ARPH_SIP, arp + ARPH_TIP, 4) == 0 &&
	       (op == ARPOP_REQUEST || memcmp(arp + ARPH_SHA, arp + ARPH_THA, ETH_ALEN) == 0);
}

/* A request for us: remember the sender, whatever was known of it, and answer. No answer if there is no room for it. */
static void asked(struct host *h, struct softnet_data *sd, const u8 *arp)
{
	struct inet_addr sip = inet_addr4(arp + ARPH_SIP), tip = inet_addr4(arp + ARPH_TIP);

	if ((u32)sip.lo && !ip_is_broadcast(h, &sip)) { /* 0.0.0.0: a probe for a free address */
		struct neighbour *n = neigh_get(h, &sip, host_now(h, sd));

		if (!n)
			return;
		neigh_update(h, sd, n, arp + ARPH_SHA, NUD_STALE, NEIGH_OVERRIDE);
	}
	arp_send(h, sd, ARPOP_REPLY, &tip, &sip, arp + ARPH_SHA, arp + ARPH_SHA);
}

/* Any other request or reply makes no entry. Of several answers within the lock time the first one counts. */
static void overheard(struct host *h, struct softnet_data *sd, const u8 *arp, u16 op, bool to_us)
{
	struct inet_addr sip = inet_addr4(arp + ARPH_SIP);
	struct neighbour *n = neigh_lookup(h, &sip);
	bool override;

	if (!n)
		return;
	override = host_now(h, sd) > n->updated + LOCK_NS || is_gratuitous(arp, op);
	neigh_update(h, sd, n, arp + ARPH_SHA, op == ARPOP_REPLY && to_us ? NUD_REACHABLE : NUD_STALE,
		     override ? NEIGH_OVERRIDE : 0);
}

/* RFC 826's algorithm, as arp_process() has it. */
static void process(struct softnet_data *sd, const struct sk_buff *skb, const u8 *arp, u16 op)
{
	struct host *h = sd->host;
	struct inet_addr tip = inet_addr4(arp + ARPH_TIP);
	bool for_us = op == ARPOP_REQUEST && ip_local_net(h, &tip), anonymous = be32(arp + ARPH_SIP) == 0;

	cpu_lock(sd, &h->tx.lock);
	if (for_us && (anonymous || !is_martian(h, arp + ARPH_SIP)))
		asked(h, sd, arp);
	else if (!anonymous)
		overheard(h, sd, arp, op, skb->pkt_type == PACKET_HOST);
	cpu_unlock(sd, &h->tx.lock);
}

static bool is_understood(const u8 *arp, u16 op)
{
	u16 hrd = be16(arp + ARPH_HRD);

	return (hrd == ARPHRD_ETHER || hrd == ARPHRD_IEEE802) && be16(arp + ARPH_PRO) == ETH_P_IP &&
	       arp[ARPH_HLN] == ETH_ALEN && arp[ARPH_PLN] == 4 && (op == ARPOP_REQUEST || op == ARPOP_REPLY);
}

void arp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	u8 copy[ARP_HLEN];
	const u8 *arp = skb_header_pointer(skb, 0, ARP_HLEN, copy);
	u16 op;

	if (skb->pkt_type == PACKET_OTHERHOST) { /* Linux gives no reason, unlike IP */
		kfree_skb_reason(sd, skb, DELIVERED_ARP);
		return;
	}
	if (!arp) {
		kfree_skb_reason(sd, skb, PKT_TOO_SMALL);
		return;
	}
	op = be16(arp + ARPH_OP);
	if (!is_understood(arp, op)) {
		kfree_skb_reason(sd, skb, UNHANDLED_PROTO);
		return;
	}
	if (arp[ARPH_TIP] == IN_LOOPBACKNET || IN_MULTICAST(be32(arp + ARPH_TIP))) {
		kfree_skb_reason(sd, skb, ARP_TARGET);
		return;
	}
	if (sd->host->answers)
		process(sd, skb, arp, op);
	kfree_skb_reason(sd, skb, DELIVERED_ARP);
}
