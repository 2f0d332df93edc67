/* icmp.c - ICMP, ICMPv6 and IGMP input. RFC 792, 4443, 3376; Linux: net/ipv4/icmp.c, net/ipv6/icmp.c, net/ipv4/igmp.c
 *
 * The checksum and the shortest length decide; then the message is taken. Answers (echo, errors, neighbour discovery)
 * come with the transmit path; they belong here.
 */
#include "prelude.h"

static bool sum_is_bad(struct softnet_data *sd, struct sk_buff *skb, u32 pseudo)
{
	cpu_charge_bytes(sd, COST_CSUM_PS, skb->len);
	return csum_fold(skb_checksum(skb, 0, skb->len, pseudo)) != 0;
}

/* Return: the fate; good: the one of a message that is right. */
static enum fate judge(struct softnet_data *sd, struct sk_buff *skb, u32 pseudo, enum fate good)
{
	if (skb->len < 8)
		return PKT_TOO_SMALL;
	return sum_is_bad(sd, skb, pseudo) ? ICMP_CSUM : good;
}

static void take(struct softnet_data *sd, struct sk_buff *skb, enum fate fate, enum mib errors, enum mib csum_errors)
{
	if (fate == PKT_TOO_SMALL || fate == ICMP_CSUM)
		COUNT(sd->mib[errors], 1);
	if (fate == ICMP_CSUM)
		COUNT(sd->mib[csum_errors], 1);
	kfree_skb_reason(sd, skb, fate);
}

void icmp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	COUNT(sd->mib[Icmp_InMsgs], 1);
	take(sd, skb, judge(sd, skb, 0, DELIVERED_ICMP), Icmp_InErrors, Icmp_InCsumErrors);
}

void icmpv6_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	u32 pseudo = csum_pseudo(skb_network_header(skb), 6, skb->len, 58);

	COUNT(sd->mib[Icmp6_InMsgs], 1);
	take(sd, skb, judge(sd, skb, pseudo, DELIVERED_ICMPV6), Icmp6_InErrors, Icmp6_InCsumErrors);
}

/* snmp has no counters for IGMP */
void igmp_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	kfree_skb_reason(sd, skb, judge(sd, skb, 0, DELIVERED_IGMP));
}
