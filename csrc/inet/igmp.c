/* igmp.c - IGMP. RFC 3376; Linux: net/ipv4/igmp.c
 *
 *   ip_deliver() -> igmp_rcv(): check length and checksum
 *
 * snmp has no counters for IGMP.
 */
#include "prelude.h"

/* ip_check_mc() - is the host a member of this group, host byte order? Of all hosts' always */
int ip_check_mc(const struct host *h, u32 group)
{
	(void)h;
	return group == INADDR_ALLHOSTS_GROUP;
}

void igmp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	if (skb->len < IGMP_HLEN)
		kfree_skb_reason(sd, skb, PKT_TOO_SMALL);
	else
		kfree_skb_reason(sd, skb, skb_icmp_csum_bad(sd, skb, 0) ? ICMP_CSUM : DELIVERED_IGMP);
}
