/* ip.c - IPv4 input. RFC 791; Linux: net/ipv4/ip_input.c
 *
 *   netif_receive_skb_core() -> ip_rcv(): header, checksum, length -> route.c: addresses -> ip_options.c -> ip_deliver():
 *                               protocol table
 *                               fragments: ip_fragment.c, which returns the whole datagram
 *
 * The checks come in Linux's order, because the first that fails decides which counter a bad packet adds to.
 */
#include "prelude.h"

static noinline void ip_drop(struct softnet_data *sd, struct sk_buff *skb, enum mib mib, enum fate fate)
{
	COUNT(sd->mib[mib], 1);
	kfree_skb_reason(sd, skb, fate);
}

static bool is_known(u8 proto, bool v6)
{
	if (proto == IPPROTO_UDP || proto == IPPROTO_TCP || proto == IPPROTO_UDPLITE)
		return true;
	return v6 ? proto == IPPROTO_ICMPV6 : proto == IPPROTO_ICMP || proto == IPPROTO_IGMP;
}

int ip_has_protocol(const struct host *h, u8 proto, int v6)
{
	return h->protocol_python[proto] || is_known(proto, v6);
}

static inline void deliver(struct softnet_data *sd, struct sk_buff *skb, u8 proto, bool v6, u32 nhoff)
{
	u32 python = sd->host->protocol_python[proto];

	if (unlikely(!python && !is_known(proto, v6))) {
		if (v6) {
			ipv6_no_handler(sd, skb, proto, nhoff);
			return;
		}
		icmp_send(sd, skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
		ip_drop(sd, skb, Ip_InUnknownProtos, IP_NOPROTO);
		return;
	}
	COUNT(sd->mib[v6 ? Ip6_InDelivers : Ip_InDelivers], 1);
	if (unlikely(python))
		sd->host->upcall(sd, skb, python);
	else if (likely(proto == IPPROTO_UDP))
		udp_rcv(sd, skb);
	else if (proto == IPPROTO_TCP)
		tcp_rcv(sd, skb);
	else if (proto == IPPROTO_UDPLITE)
		udplite_rcv(sd, skb);
	else if (v6)
		icmpv6_rcv(sd, skb);
	else if (proto == IPPROTO_ICMP)
		icmp_rcv(sd, skb);
	else
		igmp_rcv(sd, skb);
}

void ip_deliver(struct softnet_data *sd, struct sk_buff *skb, u8 proto, u32 nhoff)
{
	deliver(sd, skb, proto, skb->protocol == htons(ETH_P_IPV6), nhoff);
}

static noinline void rcv_fragment(struct softnet_data *sd, struct sk_buff *skb)
{
	skb = ip_defrag(sd, skb);
	if (skb)
		ip_deliver(sd, skb, skb_network_header(skb)[IPH_PROTOCOL], 0);
}

/* Return: whether the packet may go on. Else it has its fate. */
static noinline bool rcv_options(struct softnet_data *sd, struct sk_buff *skb)
{
	int fault = ip_options_compile(sd, skb->data);

	if (!fault)
		return true;
	if (fault < 0) { /* accept_source_route is 0 */
		kfree_skb_reason(sd, skb, IP_SOURCE_ROUTE);
		return false;
	}
	icmp_send(sd, skb, ICMP_PARAMETERPROB, 0, (u32)fault << 24);
	ip_drop(sd, skb, Ip_InHdrErrors, IP_INHDR);
	return false;
}

void ip_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb->data;
	u32 ihl, total;
	enum fate fate;
	enum rtn type;

	if (unlikely(skb->pkt_type == PACKET_OTHERHOST)) {
		COUNT(sd->rx_otherhost_dropped, 1);
		kfree_skb_reason(sd, skb, OTHERHOST);
		return;
	}
	cpu_charge(sd, COST_IP);
	COUNT(sd->mib[Ip_InReceives], 1);
	if (unlikely(skb->head_len < IP_HLEN))
		goto bad_header;
	ihl = ip_hdrlen(ip);
	if (unlikely(ip[IPH_VERSION_IHL] != IP_VERSION_IHL) &&
	    (ip_version(ip) != 4 || ihl < IP_HLEN || skb->head_len < ihl))
		goto bad_header;
	if (unlikely(ip_fast_csum(ip, ihl) != 0)) {
		COUNT(sd->mib[Ip_InCsumErrors], 1);
		ip_drop(sd, skb, Ip_InHdrErrors, IP_CSUM);
		return;
	}
	total = be16(ip + IPH_TOT_LEN);
	if (unlikely(!total && skb->segs > 1)) /* BIG TCP: too long for the field */
		total = skb->len;
	if (unlikely(total > skb->len)) {
		ip_drop(sd, skb, IpExt_InTruncatedPkts, PKT_TOO_SMALL);
		return;
	}
	if (unlikely(total < ihl))
		goto bad_header;
	if (unlikely(total < skb->len)) /* Ethernet's padding */
		skb_trim(sd, skb, total);
	fate = ip_route_input(sd->host, ip, &type);
	if (unlikely(fate != FATE_MAX)) {
		kfree_skb_reason(sd, skb, fate); /* snmp does not count it; Linux has in_martian_src, in_martian_dst */
		return;
	}
	if (unlikely(ihl > IP_HLEN) && !rcv_options(sd, skb))
		return;
	if (unlikely(type != RTN_LOCAL)) {
		if (type == RTN_UNICAST) {
			ip_drop(sd, skb, Ip_InAddrErrors, IP_INADDRERRORS);
			return;
		}
		COUNT(sd->mib[type == RTN_MULTICAST ? IpExt_InMcastPkts : IpExt_InBcastPkts], 1);
		COUNT(sd->mib[type == RTN_MULTICAST ? IpExt_InMcastOctets : IpExt_InBcastOctets], skb->len);
		if (type == RTN_MULTICAST)
			skb->flags |= SKB_GROUP;
	}
	if (unlikely(load16(ip + IPH_FRAG_OFF) & htons(IP_MF | IP_OFFSET))) {
		rcv_fragment(sd, skb);
		return;
	}
	skb_pull(skb, ihl);
	deliver(sd, skb, ip[IPH_PROTOCOL], false, 0);
	return;
bad_header:
	ip_drop(sd, skb, Ip_InHdrErrors, IP_INHDR);
}
