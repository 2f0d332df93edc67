/* ip.c - IPv4 input. RFC 791; Linux: net/ipv4/ip_input.c
 *
 *   netif_receive_skb_core() -> ip_rcv(): header, length, checksum, options, address -> ip_deliver(): protocol table
 *
 *                                fragments: ip_fragment.c, which returns the whole datagram
 *
 * The checks come in Linux's order, because the first that fails decides which counter a bad packet adds to.
 */
#include "prelude.h"

static noinline void ip_drop(struct softnet_data *sd, struct sk_buff *skb, enum mib mib, enum fate fate)
{
	COUNT(sd->mib[mib], 1);
	kfree_skb_reason(sd, skb, fate);
}

/* Check that each option but NOP and END has a length that counts itself and ends inside the header (RFC 791 section 3.1). */
static bool options_good(const u8 *opt, u32 len)
{
	u32 i = 0;

	while (i < len && opt[i + IPOPT_OPTVAL] != IPOPT_END) {
		if (opt[i + IPOPT_OPTVAL] == IPOPT_NOOP) {
			i++;
			continue;
		}
		if (i + IPOPT_OLEN >= len || opt[i + IPOPT_OLEN] < 2 || i + opt[i + IPOPT_OLEN] > len)
			return false;
		i += opt[i + IPOPT_OLEN];
	}
	return true;
}

static noinline bool is_local4(const struct host *h, const u8 *dst)
{
	u32 d = be32(dst);

	if (IN_MULTICAST(d) || d == INADDR_BROADCAST)
		return true;
	for (u32 i = 0; i < h->nips; i++) {
		const struct inet_net *net = &h->ip[i];
		u32 ours = (u32)net->addr.lo, mask;

		if (net->addr.hi || net->addr.lo >> 32 != 0xffff) /* IPv6 */
			continue;
		mask = net->prefix ? ~0u << (32 - net->prefix) : 0;
		if (d == ours || (net->prefix < 31 && d == (ours | ~mask))) /* ours, or our network's broadcast */
			return true;
	}
	return false;
}

/* Return: whether RFC 1122 section 3.2.1.3 forbids this source address. DHCP clients send from 0.0.0.0. */
static bool is_martian4(const struct host *h, const u8 *src)
{
	u32 s = be32(src);

	if (likely(src[0] < IN_LOOPBACKNET))
		return false;
	return IN_MULTICAST(s) || s == INADDR_BROADCAST || (src[0] == IN_LOOPBACKNET && !h->ip_any);
}

static bool is_known(u8 proto, bool v6)
{
	if (proto == IPPROTO_UDP || proto == IPPROTO_TCP)
		return true;
	return v6 ? proto == IPPROTO_ICMPV6 : proto == IPPROTO_ICMP || proto == IPPROTO_IGMP;
}

static inline void deliver(struct softnet_data *sd, struct sk_buff *skb, u8 proto, bool v6)
{
	u32 python = sd->host->protocol_python[proto];

	if (unlikely(!python && !is_known(proto, v6))) {
		if (!v6)
			icmp_send(sd, skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
		ip_drop(sd, skb, v6 ? Ip6_InUnknownProtos : Ip_InUnknownProtos, IP_NOPROTO);
		return;
	}
	COUNT(sd->mib[v6 ? Ip6_InDelivers : Ip_InDelivers], 1);
	if (unlikely(python))
		sd->host->upcall(sd, skb, python);
	else if (likely(proto == IPPROTO_UDP))
		udp_rcv(sd, skb);
	else if (proto == IPPROTO_TCP)
		tcp_rcv(sd, skb);
	else if (v6)
		icmpv6_rcv(sd, skb);
	else if (proto == IPPROTO_ICMP)
		icmp_rcv(sd, skb);
	else
		igmp_rcv(sd, skb);
}

void ip_deliver(struct softnet_data *sd, struct sk_buff *skb, u8 proto)
{
	deliver(sd, skb, proto, skb->protocol == htons(ETH_P_IPV6));
}

static noinline void rcv_fragment(struct softnet_data *sd, struct sk_buff *skb)
{
	skb = ip_defrag(sd, skb);
	if (skb)
		ip_deliver(sd, skb, skb_network_header(skb)[IPH_PROTOCOL]);
}

void ip_rcv(struct softnet_data *sd, struct sk_buff *skb)
{
	const u8 *ip = skb->data;
	u32 ihl, total;

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
	if (unlikely(total < ihl) || (unlikely(ihl > IP_HLEN) && !options_good(ip + IP_HLEN, ihl - IP_HLEN)))
		goto bad_header;
	if (unlikely(is_martian4(sd->host, ip + IPH_SADDR))) {
		kfree_skb_reason(sd, skb, IP_INVALID_SOURCE); /* snmp does not count it; Linux has in_martian_src */
		return;
	}
	if (!sd->host->ip_any && unlikely(!is_local4(sd->host, ip + IPH_DADDR))) {
		ip_drop(sd, skb, Ip_InAddrErrors, IP_INADDRERRORS);
		return;
	}
	if (unlikely(total < skb->len)) /* Ethernet's padding */
		skb_trim(sd, skb, total);
	if (unlikely(load16(ip + IPH_FRAG_OFF) & htons(IP_MF | IP_OFFSET))) {
		rcv_fragment(sd, skb);
		return;
	}
	skb_pull(skb, ihl);
	deliver(sd, skb, ip[IPH_PROTOCOL], false);
	return;
bad_header:
	ip_drop(sd, skb, Ip_InHdrErrors, IP_INHDR);
}
