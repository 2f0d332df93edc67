/* gro_inet.c - GRO's VLAN, IPv4 and IPv6 layers. Linux: net/8021q/vlan_core.c, net/ipv4/af_inet.c,
 * net/ipv6/ip6_offload.c
 *
 *   gro.c -> tags in the frame -> IP -> one tunnel at most (IPIP, 6in4, 4in6, 6in6) -> gro_tcp.c, gro_udp.c
 *
 * A packet refused here, before the transport look-up, goes up at once and overtakes its flow's held packets: IP
 * options, fragments, a bad header checksum, other protocols. Padding or the reserved bit (IPv4) only forbid the merge:
 * the transport look-up then flushes the held packets first, so the order stays.
 */
#include "prelude.h"

#define TAGS_MAX 8

/* ---- receive ---- */

static noinline struct sk_buff **vlan_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb,
						  u32 off)
{
	const u8 *tag = gro_mac_header(skb) + off;

	if (!gro_has(skb, off + VLAN_HLEN) || off >= ETH_HLEN + VLAN_HLEN * TAGS_MAX)
		return gro_refuse(skb);
	for (u32 i = 0; i < l->count; i++) {
		struct sk_buff *p = l->skb[i];

		if (p->gro_same_flow)
			p->gro_same_flow = load32(gro_mac_header(p) + off) == load32(tag);
	}
	return gro_receive_by_type(n, l, skb, off + VLAN_HLEN, load16(tag + VLANH_PROTO));
}

static inline struct sk_buff **ip_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off,
					      u8 proto)
{
	if (likely(proto == IPPROTO_TCP))
		return tcp_gro_receive(n, l, skb, off);
	if (proto == IPPROTO_UDP)
		return udp_gro_receive(n, l, skb, off);
	if ((proto != IPPROTO_IPIP && proto != IPPROTO_IPV6) || skb->gro_inner)
		return gro_refuse(skb);
	skb->gro_inner = (u16)off;
	return gro_receive_by_type(n, l, skb, off, proto == IPPROTO_IPIP ? htons(ETH_P_IP) : htons(ETH_P_IPV6));
}

/* Note the IP header at off: the outer one, or the only one. */
static void set_network(struct sk_buff *skb, u32 off)
{
	if (!skb->gro_inner)
		skb->gro_outer = (u8)off;
}

static struct sk_buff **inet_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off)
{
	const u8 *ip = gro_mac_header(skb) + off;
	u32 frag;

	if (!gro_has(skb, off + IP_HLEN) || ip[IPH_VERSION_IHL] != IPH_PLAIN)
		return gro_refuse(skb);
	frag = be16(ip + IPH_FRAG_OFF);
	if (frag & (IP_MF | IP_OFFSET) || ip_fast_csum(ip, IP_HLEN) != 0)
		return gro_refuse(skb);
	skb->gro_flush |= be16(ip + IPH_TOT_LEN) != gro_len(skb, off) || frag & IP_CE;
	set_network(skb, off);
	for (u32 i = 0; i < l->count; i++) {
		struct sk_buff *p = l->skb[i];
		const u8 *ip2 = gro_mac_header(p) + off;

		if (p->gro_same_flow)
			p->gro_same_flow = load64(ip2 + IPH_SADDR) == load64(ip + IPH_SADDR) && /* and daddr */
					   ip2[IPH_PROTOCOL] == ip[IPH_PROTOCOL];
	}
	return ip_gro_receive(n, l, skb, off + IP_HLEN, ip[IPH_PROTOCOL]);
}

/* Does GRO look through this extension header? */
static bool is_skipped(u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;
}

static noinline struct sk_buff **ipv6_gro_receive(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb,
						  u32 off)
{
	const u8 *ip = gro_mac_header(skb) + off;
	u32 len = IPV6_HLEN;
	u8 next;

	if (!gro_has(skb, off + IPV6_HLEN) || ip_version(ip) != 6)
		return gro_refuse(skb);
	next = ip[IPV6H_NEXTHDR];
	skb->gro_flush |= be16(ip + IPV6H_PAYLOAD_LEN) + IPV6_HLEN != gro_len(skb, off);
	while (is_skipped(next)) {
		if (!gro_has(skb, off + len + EXTH_UNIT))
			return gro_refuse(skb);
		next = ip[len + EXTH_NEXTHDR];
		len += (ip[len + EXTH_LEN] + 1u) * EXTH_UNIT;
		if (!gro_has(skb, off + len))
			return gro_refuse(skb);
	}
	set_network(skb, off);
	for (u32 i = 0; i < l->count; i++) {
		struct sk_buff *p = l->skb[i];
		const u8 *ip2 = gro_mac_header(p) + off;

		/* version and flow label; next header; addresses; extension headers byte by byte, all in one buffer */
		if (p->gro_same_flow)
			p->gro_same_flow = !((load32(ip) ^ load32(ip2)) & htonl(~IPV6_TCLASS_MASK)) &&
					   ip[IPV6H_NEXTHDR] == ip2[IPV6H_NEXTHDR] &&
					   memcmp(ip + IPV6H_SADDR, ip2 + IPV6H_SADDR, len - IPV6H_SADDR) == 0;
	}
	return ip_gro_receive(n, l, skb, off + len, next);
}

struct sk_buff **gro_receive_by_type(struct napi_struct *n, struct gro_list *l, struct sk_buff *skb, u32 off,
				     u16 protocol)
{
	if (protocol == htons(ETH_P_IP))
		return inet_gro_receive(n, l, skb, off);
	if (protocol == htons(ETH_P_IPV6))
		return ipv6_gro_receive(n, l, skb, off);
	return is_vlan(protocol) ? vlan_gro_receive(n, l, skb, off) : gro_refuse(skb);
}

/* ---- what IP adds to the reasons against a merge ---- */

static enum gro_end inet_gro_flush(struct sk_buff *p, const u8 *ip, const u8 *ip2, u8 level)
{
	u16 delta = (u16)(be16(ip + IPH_ID) - be16(ip2 + IPH_ID));

	if (ip[IPH_TTL] != ip2[IPH_TTL] || ip[IPH_TOS] != ip2[IPH_TOS] ||
	    (load16(ip + IPH_FRAG_OFF) ^ load16(ip2 + IPH_FRAG_OFF)) & htons(IP_DF))
		return GRO_TTL_TOS;
	if (p->segs == 1 && delta == 0)
		p->gro_fixed_id |= level;
	return delta != (p->gro_fixed_id & level ? 0 : p->segs) ? GRO_IP_ID : GRO_HOLDS;
}

static enum gro_end level_flush(struct sk_buff *p, const struct sk_buff *skb, u32 off, u8 level)
{
	const u8 *ip = gro_mac_header(skb) + off, *ip2 = gro_mac_header(p) + off;

	if (ip_version(ip) == 4)
		return inet_gro_flush(p, ip, ip2, level);
	return (load32(ip) ^ load32(ip2)) & htonl(IPV6_TCLASS_MASK) || ip[IPV6H_HOP_LIMIT] != ip2[IPV6H_HOP_LIMIT]
		       ? GRO_TTL_TOS
		       : GRO_HOLDS;
}

/* Compare both levels in any case: each decides for itself whether its ids are fixed. */
enum gro_end gro_network_flush(struct sk_buff *p, const struct sk_buff *skb)
{
	enum gro_end outer = level_flush(p, skb, skb->gro_outer, 1), inner = GRO_HOLDS;

	if (unlikely(skb->gro_inner))
		inner = level_flush(p, skb, skb->gro_inner, 2);
	return outer ? outer : inner;
}

/* ---- the transport's checksum ---- */

/* Return: the IP header of the transport header, the inner one in a tunnel */
const u8 *gro_ip(const struct sk_buff *skb)
{
	return skb_mac_header(skb) + (skb->gro_inner ? skb->gro_inner : skb->gro_outer);
}

u32 gro_pseudo(const struct sk_buff *skb, u32 l4_len, u8 proto)
{
	const u8 *ip = gro_ip(skb);

	return csum_pseudo(ip, (int)ip_version(ip), l4_len, proto);
}

static noinline int verify_csum(struct napi_struct *n, struct sk_buff *skb, u32 off, u8 proto)
{
	u32 len = gro_len(skb, off);

	cpu_charge_bytes(n->sd, COST_CSUM_PS, len);
	if (csum_fold(skb_checksum(skb, off - ETH_HLEN, len, gro_pseudo(skb, len, proto))) != 0)
		return 1;
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	return 0;
}

int gro_csum_bad(struct napi_struct *n, struct sk_buff *skb, u32 off, u8 proto)
{
	return likely(skb->ip_summed != CHECKSUM_NONE) ? 0 : verify_csum(n, skb, off, proto);
}

/* ---- complete ---- */

static void set_length4(u8 *ip, u32 len)
{
	store16(ip + IPH_TOT_LEN, len > UINT16_MAX ? 0 : htobe16_((u16)len)); /* 0: too long for the field (BIG TCP) */
	store16(ip + IPH_CHECK, 0);
	store16(ip + IPH_CHECK, ip_fast_csum(ip, IP_HLEN));
}

/* Put RFC 2675's jumbo payload option into a hop-by-hop header of its own behind the IPv6 header at off. The headers
 * before it move 8 bytes to the left, into the headroom where the virtio header was. */
static void insert_jumbo(struct sk_buff *skb, u32 off, u32 payload)
{
	u8 *mac = skb_mac_header(skb), *ip = mac - JUMBO_HLEN + off, *hop = ip + IPV6_HLEN;

	memmove(mac - JUMBO_HLEN, mac, off + IPV6_HLEN);
	hop[EXTH_NEXTHDR] = ip[IPV6H_NEXTHDR];
	hop[EXTH_LEN] = 0;
	hop[JUMBOH_TYPE] = IPV6_TLV_JUMBO;
	hop[JUMBOH_OPTLEN] = 4;
	store16(hop + JUMBOH_PAYLOAD, htobe16_((u16)((payload + JUMBO_HLEN) >> 16)));
	store16(hop + JUMBOH_PAYLOAD + 2, htobe16_((u16)(payload + JUMBO_HLEN)));
	store16(ip + IPV6H_PAYLOAD_LEN, 0);
	ip[IPV6H_NEXTHDR] = IPPROTO_HOPOPTS;
	skb->mac_header -= JUMBO_HLEN;
	skb->network_header -= JUMBO_HLEN;
	skb->gro_l4 += JUMBO_HLEN;
	skb->data -= JUMBO_HLEN;
	skb->head_len += JUMBO_HLEN;
	skb->len += JUMBO_HLEN;
}

static void set_length(struct sk_buff *skb, u32 off)
{
	u32 len = gro_len(skb, off);
	u8 *ip = skb_mac_header(skb) + off;

	if (ip_version(ip) == 4)
		set_length4(ip, len);
	else if (likely(len - IPV6_HLEN <= UINT16_MAX))
		store16(ip + IPV6H_PAYLOAD_LEN, htobe16_((u16)(len - IPV6_HLEN)));
	else
		insert_jumbo(skb, off, len - IPV6_HLEN); /* once at most: may_be_big() */
}

void inet_gro_complete(struct sk_buff *skb)
{
	if (unlikely(skb->gro_inner))
		set_length(skb, skb->gro_inner);
	set_length(skb, skb->gro_outer);
}
