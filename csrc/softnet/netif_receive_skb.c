/* netif_receive_skb.c - RPS after GRO, then taps, then the protocol handler. Linux: net/core/dev.c
 *
 *   gro.c -> netif_receive_skb_internal(): rps.c says another CPU -> backlog.c, else straight on
 *         -> netif_receive_skb_core(): VLAN tag off, taps (packet_taps.c), handler by EtherType, else UNHANDLED_PROTO
 *
 * A packet whose VLAN id has a VLAN device goes round once more, as that device's. Without a device it counts as
 * another host's, as in Linux. A replay with --mac any accepts every VLAN id.
 */
#include "prelude.h"

/* Let RPS choose the CPU that goes on with the packet. Consumes @skb. */
void netif_receive_skb_internal(struct softnet_data *sd, struct sk_buff *skb)
{
	int cpu = get_rps_cpu(sd, skb);

	if (unlikely(cpu >= 0))
		enqueue_to_backlog(sd, skb, (u32)cpu);
	else
		netif_receive_skb_core(sd, skb);
}

/* Move the tag from the bytes to vlan_tci. Return: false = the packet is too short */
static bool vlan_untag(struct sk_buff *skb)
{
	u8 *mac = skb_mac_header(skb);

	if (unlikely(skb->head_len < VLAN_HLEN + 2)) /* Linux looks at 2 bytes behind it, for 802.3 */
		return false;
	skb->vlan_proto = skb->protocol;
	skb->vlan_tci = be16(skb->data + VLANH_TCI);
	skb->flags |= SKB_TAGGED;
	skb->protocol = load16(skb->data + VLANH_PROTO);
	memmove(mac + VLAN_HLEN, mac, ETHH_PROTO); /* both addresses */
	skb->mac_header += VLAN_HLEN;
	skb->network_header += VLAN_HLEN;
	skb_pull(skb, VLAN_HLEN);
	return true;
}

static bool deliver(struct softnet_data *sd, struct sk_buff *skb)
{
	struct host *h = sd->host;

	for (u32 i = 0; i < h->nptypes; i++) {
		struct packet_type *pt = &h->ptype[i];

		if (pt->type != skb->protocol)
			continue;
		if (unlikely(pt->python))
			h->upcall(sd, skb, pt->python);
		else
			pt->func(sd, skb);
		return true;
	}
	return false;
}

void netif_receive_skb_core(struct softnet_data *sd, struct sk_buff *skb)
{
	u32 rounds = 0;

	cpu_charge(sd, COST_RECEIVE);
another_round:
	COUNT(sd->processed, 1);
	if (unlikely(is_vlan(skb->protocol)) && !vlan_untag(skb)) {
		kfree_skb_reason(sd, skb, PKT_TOO_SMALL);
		return;
	}
	if (unlikely(READ_ONCE(sd->host->taps[POINT_GRO]) != NULL) && !rounds)
		packet_taps_skb(sd, POINT_GRO, skb, skb->tstamp, -1);
	if (unlikely(skb->flags & SKB_TAGGED)) {
		bool id = skb->vlan_tci & VLAN_VID_MASK;

		if (rounds++ < 4 && (id ? sd->host->vlan_any : is_vlan(skb->protocol))) {
			skb->flags &= (u8)~SKB_TAGGED; /* received on eth0.N, or a priority tag around a VLAN tag */
			goto another_round;
		}
		if (id)
			skb->pkt_type = PACKET_OTHERHOST;
	}
	if (deliver(sd, skb))
		return;
	COUNT(sd->rx_dropped, 1);
	kfree_skb_reason(sd, skb, UNHANDLED_PROTO);
}
