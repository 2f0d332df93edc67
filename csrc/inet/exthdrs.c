/* exthdrs.c - IPv6 extension headers: options, routing. RFC 8200; Linux: net/ipv6/exthdrs.c, exthdrs_core.c
 *
 *   ipv6_rcv() -> ipv6_parse_hopopts(): hop-by-hop options, before the address is looked at
 *              -> ipv6_exthdr_rcv():    a header for the destination: options, routing
 *   icmpv6.c, reassembly.c -> ipv6_skip_exthdr(): where the transport header of a packet lies
 *   udp_err.c -> seg6_icmp_daddr(): where a quoted packet with segments was to go in the end
 *
 * The packet keeps its data at the IPv6 header while its headers are looked at, so an error quotes it whole. The type of an
 * unknown option says whether to skip it, to drop the packet, or to tell the sender as well.
 */
#include "prelude.h"

#define OPTIONS_MAX 8u /* max_hbh_opts_number, max_dst_opts_number */
#define PADDING_MAX 7u /* between two options: more aligns nothing */
#define EXTHDR_LEN_MAX 2048u

/* ---- the chain of headers ---- */

static bool is_exthdr(u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT || next == IPPROTO_AH ||
	       next == IPPROTO_NONE || next == IPPROTO_DSTOPTS;
}

/* Read bytes at an offset from skb->data. A negative one: bytes that were skipped, which lie before it in its buffer. */
static const u8 *header_pointer(const struct sk_buff *skb, int off, u32 len, u8 *copy)
{
	u32 skipped = (u32)-off;

	if (off >= 0)
		return skb_header_pointer(skb, (u32)off, len, copy);
	if (len <= skipped || len - skipped <= skb->head_len)
		return skb->data + off;
	memcpy(copy, skb->data + off, skipped);
	return skb_copy_bits(skb, 0, copy + skipped, len - skipped) == len - skipped ? copy : NULL;
}

/* Walk from *next at offset start over the extension headers, up to one of the kind until, or one that is cut off.
 * frag_off, Return: as ipv6_skip_exthdr() */
static int walk(const struct sk_buff *skb, int start, u8 *next, u32 *frag_off, int until)
{
	*frag_off = 0;
	while (is_exthdr(*next) && *next != until) {
		u8 copy[2], field[2];
		const u8 *h = *next == IPPROTO_NONE ? NULL : header_pointer(skb, start, sizeof(copy), copy);

		if (!h)
			return -1;
		if (*next == IPPROTO_FRAGMENT) {
			const u8 *f = header_pointer(skb, start + FRAGH_FRAG_OFF, sizeof(field), field);

			if (!f)
				return -1;
			*frag_off = be16(f);
			if (*frag_off & IP6_OFFSET)
				break;
			start += (int)FRAG_HLEN;
		} else {
			start += (int)(*next == IPPROTO_AH ? ipv6_authlen(h) : ipv6_optlen(h));
		}
		*next = h[EXTH_NEXTHDR];
	}
	return start;
}

/* ipv6_skip_exthdr() - walk from *next at offset start over all extension headers, up to one that is cut off
 * frag_off: set to the offset field of the last fragment header. The walk stops at one that is not the first fragment's.
 * Return: the offset of what comes then, *next its kind; it may lie behind the packet. -1: no transport header */
int ipv6_skip_exthdr(const struct sk_buff *skb, int start, u8 *next, u32 *frag_off)
{
	return walk(skb, start, next, frag_off, -1);
}

/* ---- segments, RFC 8754; Linux: net/ipv6/seg6.c ---- */

/* Do the segments, and the TLVs behind them, fill the header? */
static bool is_srh(const u8 *h, u32 len)
{
	u32 last = h[SRH_LAST_ENTRY], at = SRH_SEGMENTS + (last + 1) * SRH_SEGMENT_LEN;

	if (h[RTH_TYPE] != IPV6_SRCRT_TYPE_4 || at > len || h[RTH_SEGMENTS_LEFT] > last + 1)
		return false;
	while (at < len) {
		if (len - at < TLV_HLEN)
			return false;
		at += TLV_HLEN + h[at + TLVH_LEN];
	}
	return at == len;
}

/* seg6_icmp_daddr() - find where a quoted packet, whose IPv6 header begins at quote, was to go in the end: its last segment.
 * Return: whether its first routing header has segments */
bool seg6_icmp_daddr(const struct sk_buff *skb, u32 quote, struct inet_addr *daddr)
{
	u8 next, copy[EXTHDR_LEN_MAX];
	const u8 *h;
	u32 frag_off, len;
	int at;

	if (skb_copy_bits(skb, quote + IPV6H_NEXTHDR, &next, 1) != 1)
		return false;
	at = walk(skb, (int)(quote + IPV6_HLEN), &next, &frag_off, IPPROTO_ROUTING);
	h = at < 0 || next != IPPROTO_ROUTING ? NULL : skb_header_pointer(skb, (u32)at, EXTH_UNIT, copy);
	if (!h)
		return false;
	len = ipv6_optlen(h);
	h = skb_header_pointer(skb, (u32)at, len, copy);
	if (!h || !is_srh(h, len))
		return false;
	*daddr = inet_addr6(h + SRH_SEGMENTS);
	return true;
}

/* ---- options ---- */

/* Bytes of a header with options, where the packet has them, and what the options say. */
struct options {
	const u8 *h;
	u32 len, where;
	bool hop_by_hop;
};

static enum fate unknown_option(struct softnet_data *sd, struct sk_buff *skb, u8 type, u32 where)
{
	u32 action = type >> 6;

	if (action == IPV6_TLV_SKIP)
		return FATE_MAX;
	if (action == IPV6_TLV_TELL ||
	    (action == IPV6_TLV_TELL_UNICAST && !is_multicast6(skb_network_header(skb) + IPV6H_DADDR)))
		icmpv6_send(sd, skb, ICMPV6_PARAMPROB, ICMPV6_UNK_OPTION, where);
	return UNHANDLED_PROTO;
}

/* RFC 2675: the header's length field is 0, and the payload exceeds 65535 bytes. */
static enum fate jumbo_option(struct softnet_data *sd, struct sk_buff *skb, const u8 *o, u32 where)
{
	u32 len;

	if (o[TLVH_LEN] != 4 || (where & 3) != 2)
		return IP_INHDR;
	len = be32(o + TLV_HLEN);
	if (len <= IP_LEN_MAX || be16(skb->data + IPV6H_PAYLOAD_LEN) != 0) {
		icmpv6_send(sd, skb, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, len <= IP_LEN_MAX ? where + TLV_HLEN : where);
		return IP_INHDR;
	}
	if (len > skb->len - IPV6_HLEN)
		return PKT_TOO_SMALL;
	skb_trim(sd, skb, len + IPV6_HLEN);
	return FATE_MAX;
}

static enum fate hop_by_hop_option(struct softnet_data *sd, struct sk_buff *skb, const u8 *o, u32 where)
{
	switch (o[TLVH_TYPE]) {
	case IPV6_TLV_ROUTERALERT:
		if (o[TLVH_LEN] != 2)
			return IP_INHDR;
		skb->flags &= (u8)~SKB_ROUTERALERT_MLD;
		skb->flags |= be16(o + TLV_HLEN) == 0 ? SKB_ROUTERALERT_MLD : 0; /* the last one counts */
		return FATE_MAX;
	case IPV6_TLV_CALIPSO: /* RFC 5570: a label of a domain that this host is in none of */
		return IP_INHDR;
	case IPV6_TLV_IOAM: /* RFC 9486: this host adds nothing to the trace */
		return where & 3 ? IP_INHDR : FATE_MAX;
	case IPV6_TLV_JUMBO:
		return jumbo_option(sd, skb, o, where);
	default:
		return unknown_option(sd, skb, o[TLVH_TYPE], where);
	}
}

/* Return: whether the padding's data is zero (RFC 4942 section 2.1.9.5) */
static bool is_zero(const u8 *data, u32 len)
{
	for (u32 i = 0; i < len; i++)
		if (data[i])
			return false;
	return true;
}

/* Look at all options of a header (RFC 8200 section 4.2). Return: FATE_MAX: go on; else why the packet is dropped */
static enum fate parse_tlv(struct softnet_data *sd, struct sk_buff *skb, const struct options *all)
{
	u32 i = TLV_HLEN, padding = 0, count = 0, len;

	for (; i < all->len; i += len) {
		const u8 *o = all->h + i;
		bool pad = o[TLVH_TYPE] == IPV6_TLV_PAD1 || o[TLVH_TYPE] == IPV6_TLV_PADN;
		enum fate fate;

		if (o[TLVH_TYPE] == IPV6_TLV_PAD1)
			len = 1;
		else if (i + TLV_HLEN > all->len || i + TLV_HLEN + o[TLVH_LEN] > all->len)
			return IP_INHDR;
		else
			len = TLV_HLEN + o[TLVH_LEN];
		padding = pad ? padding + len : 0;
		if (padding > PADDING_MAX || (pad && len > 1 && !is_zero(o + TLV_HLEN, len - TLV_HLEN)))
			return IP_INHDR;
		if (pad)
			continue;
		if (++count > OPTIONS_MAX)
			return IP_INHDR;
		fate = all->hop_by_hop ? hop_by_hop_option(sd, skb, o, all->where + i)
				       : unknown_option(sd, skb, o[TLVH_TYPE], all->where + i);
		if (fate != FATE_MAX)
			return fate;
	}
	return FATE_MAX;
}

/* ---- headers. All drop what is bad. Return: whether the walk goes on, behind the header ---- */

static bool drop(struct softnet_data *sd, struct sk_buff *skb, enum mib mib, enum fate fate)
{
	COUNT(sd->mib[mib], 1);
	kfree_skb_reason(sd, skb, fate);
	return false;
}

/* Find the header that the walk is at, all of it. NULL: it is cut off */
static const u8 *whole_header(const struct sk_buff *skb, const struct exthdrs *x, u8 *copy, u32 *len)
{
	const u8 *h = skb_header_pointer(skb, x->at, EXTH_UNIT, copy);

	if (!h)
		return NULL;
	*len = ipv6_optlen(h);
	return skb_header_pointer(skb, x->at, *len, copy);
}

static void step(struct exthdrs *x, const u8 *h, u32 len)
{
	x->next = h[EXTH_NEXTHDR];
	x->nhoff = x->before + x->at;
	x->at += len;
}

static bool options_rcv(struct softnet_data *sd, struct sk_buff *skb, struct exthdrs *x, bool hop_by_hop)
{
	u8 copy[EXTHDR_LEN_MAX];
	struct options all = { .where = x->before + x->at, .hop_by_hop = hop_by_hop };
	enum fate fate;

	all.h = whole_header(skb, x, copy, &all.len);
	fate = all.h ? parse_tlv(sd, skb, &all) : IPV6_BAD_EXTHDR;
	if (fate != FATE_MAX)
		return drop(sd, skb, Ip6_InHdrErrors, fate);
	step(x, all.h, all.len);
	return true;
}

int ipv6_parse_hopopts(struct softnet_data *sd, struct sk_buff *skb, struct exthdrs *x)
{
	return options_rcv(sd, skb, x, true);
}

/* A packet whose way ends here goes on. None is sent on: source routes, segment routing and RPL are off, as in Linux. */
static bool routing_rcv(struct softnet_data *sd, struct sk_buff *skb, struct exthdrs *x)
{
	u8 copy[EXTHDR_LEN_MAX];
	u32 len;
	const u8 *h = whole_header(skb, x, copy, &len);

	if (!h)
		return drop(sd, skb, Ip6_InHdrErrors, IPV6_BAD_EXTHDR);
	if (is_multicast6(skb_network_header(skb) + IPV6H_DADDR) || skb->pkt_type != PACKET_HOST)
		return drop(sd, skb, Ip6_InAddrErrors, IPV6_BAD_EXTHDR);
	if (h[RTH_TYPE] == IPV6_SRCRT_TYPE_3 || h[RTH_TYPE] == IPV6_SRCRT_TYPE_4) {
		kfree_skb_reason(sd, skb, IPV6_BAD_EXTHDR);
		return false;
	}
	if (h[RTH_SEGMENTS_LEFT] != 0) {
		icmpv6_send(sd, skb, ICMPV6_PARAMPROB, ICMPV6_HDR_FIELD, x->before + x->at + RTH_TYPE);
		return drop(sd, skb, Ip6_InHdrErrors, IPV6_BAD_EXTHDR);
	}
	step(x, h, len);
	return true;
}

struct sk_buff *ipv6_exthdr_rcv(struct softnet_data *sd, struct sk_buff *skb, struct exthdrs *x)
{
	while (skb) {
		if (x->next == IPPROTO_FRAGMENT)
			skb = ipv6_frag_rcv(sd, skb, x);
		else if (x->next == IPPROTO_DSTOPTS)
			skb = options_rcv(sd, skb, x, false) ? skb : NULL;
		else if (x->next == IPPROTO_ROUTING)
			skb = routing_rcv(sd, skb, x) ? skb : NULL;
		else
			break;
	}
	return skb;
}
