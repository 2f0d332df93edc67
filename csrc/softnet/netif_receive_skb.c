/* netif_receive_skb.c - RPS after GRO, then taps, then the protocol handler. Linux: net/core/dev.c
 *
 *   gro.c -> netif_receive_skb_list_internal(): the usual packets of a list: its protocol's packet_type.list
 *         -> netif_receive_skb_internal(): rps.c says another CPU -> backlog.c, else straight on
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

static const struct packet_type *find_ptype(const struct host *h, u16 protocol)
{
	for (u32 i = 0; i < h->nptypes; i++)
		if (h->ptype[i].type == protocol)
			return &h->ptype[i];
	return NULL;
}

/* May packets pass in a list what is here? Not if each is steered or shown to a tap. */
static bool lists_may_pass(const struct host *h, u32 queue)
{
	return !(h->rps_len[queue] | h->rps_flow_log[queue] | h->no_lists) && !READ_ONCE(h->taps[POINT_GRO]) &&
	       !READ_ONCE(h->taps[POINT_STACK]);
}

/* Whatever is not usual takes the long way, in its place in the list. Time may pass there and in packet_type.list, so
 * what is the same for all is asked again. */
void netif_receive_skb_list_internal(struct softnet_data *sd, struct sk_buff *skb)
{
	while (skb) {
		const struct packet_type *pt = lists_may_pass(sd->host, skb->queue)
						       ? find_ptype(sd->host, skb->protocol)
						       : NULL;
		struct sk_buff *rest = likely(pt && pt->list && !pt->python) ? pt->list(sd, skb) : skb;

		if (likely(rest != skb)) {
			skb = rest;
			continue;
		}
		rest = skb->next;
		skb_list_del(sd, skb);
		netif_receive_skb_internal(sd, skb);
		skb = rest;
	}
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
	const struct packet_type *pt = find_ptype(sd->host, skb->protocol);

	if (unlikely(!pt))
		return false;
	if (unlikely(pt->python))
		sd->host->upcall(sd, skb, pt->python);
	else
		pt->func(sd, skb);
	return true;
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
