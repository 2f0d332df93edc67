/* flow_dissector.c - compute a flow's hash if the card gave none. Called by rps.c. Linux: net/core/flow_dissector.c
 *
 * SipHash-2-4 (Aumasson and Bernstein 2012) over EtherType, protocol, VLAN tags, IPv6 flow label, ports and addresses.
 * The dissector looks through tags, extension headers and IP-in-IP tunnels; the inner addresses count. It sorts the
 * addresses, and the ports, so both directions of a conversation get the same hash. Fragments count no ports, nor do
 * IPv6 packets with a flow label. 0 means "none", so 0 becomes 1. The key comes from the seed, so runs repeat; the
 * kernel's key is random.
 */
#include "prelude.h"

#define HEADERS_MAX 15 /* MAX_FLOW_DISSECT_HDRS */

struct flow_keys {
	u16 n_proto;
	u8 ip_proto, pad;
	u32 flow_label;
	u16 vlan[2][2]; /* TPID and TCI of the outer and the inner tag */
	u16 port[2];
	u8 addr[2][16];
};

struct dissector {
	const struct sk_buff *skb;
	struct flow_keys *k;
	u32 off;
	u8 ip_proto;
	bool ports; /* the transport header is at off */
};

static void store_addresses(struct flow_keys *k, const u8 *src, u32 len)
{
	bool swap = memcmp(src, src + len, len) > 0;

	memset(k->addr, 0, sizeof(k->addr));
	memcpy(k->addr[0], swap ? src + len : src, len);
	memcpy(k->addr[1], swap ? src : src + len, len);
}

/* Return: the EtherType inside a tunnel, or 0: done */
static u16 dissect_transport(struct dissector *d)
{
	if (d->ip_proto == IPPROTO_IPIP)
		return ETH_P_IP;
	if (d->ip_proto == IPPROTO_IPV6)
		return ETH_P_IPV6;
	d->ports = true;
	return 0;
}

static u16 dissect_ipv4(struct dissector *d)
{
	u8 copy[IP_HLEN];
	const u8 *ip = skb_header_pointer(d->skb, d->off, IP_HLEN, copy);

	if (!ip || ip_hdrlen(ip) < IP_HLEN)
		return 0;
	d->ip_proto = ip[IPH_PROTOCOL];
	store_addresses(d->k, ip + IPH_SADDR, 4);
	d->off += ip_hdrlen(ip);
	/* All fragments hash alike, so the first one's ports do not count either. */
	return be16(ip + IPH_FRAG_OFF) & (IP_MF | IP_OFFSET) ? 0 : dissect_transport(d);
}

static u16 dissect_ipv6(struct dissector *d)
{
	u8 copy[IPV6_HLEN];
	const u8 *h = skb_header_pointer(d->skb, d->off, IPV6_HLEN, copy);

	if (!h)
		return 0;
	d->ip_proto = h[IPV6H_NEXTHDR];
	store_addresses(d->k, h + IPV6H_SADDR, 16);
	d->k->flow_label = be32(h) & IPV6_FLOWLABEL_MASK;
	d->off += IPV6_HLEN;
	if (d->k->flow_label) /* FLOW_DISSECTOR_F_STOP_AT_FLOW_LABEL: the label stands for the ports */
		return 0;
	for (u32 n = 0; n < HEADERS_MAX; n++) {
		bool fragment = d->ip_proto == IPPROTO_FRAGMENT;

		if (d->ip_proto != IPPROTO_HOPOPTS && d->ip_proto != IPPROTO_ROUTING &&
		    d->ip_proto != IPPROTO_DSTOPTS && !fragment)
			return dissect_transport(d);
		h = skb_header_pointer(d->skb, d->off, EXTH_UNIT, copy);
		if (!h)
			return 0;
		d->ip_proto = h[EXTH_NEXTHDR];
		if (fragment)
			return 0;
		d->off += (h[EXTH_LEN] + 1u) * EXTH_UNIT;
	}
	return 0;
}

static u16 dissect_vlan(struct dissector *d, u32 n, u16 tpid)
{
	u8 copy[VLAN_HLEN];
	const u8 *tag = skb_header_pointer(d->skb, d->off, VLAN_HLEN, copy);

	if (!tag)
		return 0;
	if (n < 2) {
		d->k->vlan[n][0] = tpid;
		d->k->vlan[n][1] = be16(tag + VLANH_TCI);
	}
	d->off += VLAN_HLEN;
	return be16(tag + VLANH_PROTO);
}

static u32 ports_offset(u8 ip_proto) /* proto_ports_offset(); 1: no ports */
{
	switch (ip_proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_DCCP:
	case IPPROTO_ESP: /* the SPI */
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
		return 0;
	case IPPROTO_AH: /* the SPI */
		return 4;
	default:
		return 1;
	}
}

static void dissect_ports(struct dissector *d)
{
	u32 at = ports_offset(d->ip_proto);
	u8 copy[4];
	const u8 *ports = at == 1 ? NULL : skb_header_pointer(d->skb, d->off + at, 4, copy);
	u16 a, b;

	if (!ports)
		return;
	a = be16(ports);
	b = be16(ports + 2);
	d->k->port[0] = a < b ? a : b;
	d->k->port[1] = a < b ? b : a;
}

static void dissect(struct dissector *d)
{
	u16 proto = be16(&d->skb->protocol);
	u32 tags = 0;

	for (u32 n = 0; proto && n < HEADERS_MAX; n++) {
		d->k->n_proto = proto;
		if (proto == ETH_P_IP)
			proto = dissect_ipv4(d);
		else if (proto == ETH_P_IPV6)
			proto = dissect_ipv6(d);
		else if (proto == ETH_P_8021Q || proto == ETH_P_8021AD)
			proto = dissect_vlan(d, tags++, proto);
		else
			break;
	}
	d->k->ip_proto = d->ip_proto;
	if (d->ports)
		dissect_ports(d);
}

/* Hash the packet; never 0. Packets that are not IP hash by EtherType alone, so RPS moves them all to one CPU. */
u32 skb_get_hash(const struct host *h, struct sk_buff *skb)
{
	struct flow_keys k = { 0 };
	struct dissector d = { .skb = skb, .k = &k };

	if (skb->hash_report != HASH_NONE || skb->flags & SKB_SW_HASH)
		return skb->hash;
	dissect(&d);
	skb->flags |= SKB_SW_HASH;
	skb->hash = (u32)siphash(&k, sizeof(k), h->hash_key[0], h->hash_key[1]);
	if (!skb->hash)
		skb->hash = 1;
	return skb->hash;
}
