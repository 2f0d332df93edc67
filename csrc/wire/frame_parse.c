/* frame_parse.c - where the headers of a frame are
 *
 *   a frame arrives -> card/inline.h nic_parse() -> frame_parse(): l3_off, l4_off, ip_proto, and what can be hashed
 *   sender_offload.c and pcap_gso.c parse the frames that they complete or cut
 */
#include "device.h"

/* Return: as frame_parse() */
static int parse_ipv4(struct frame *f, const u8 *ip, u32 off, u32 left)
{
	u32 ihl = ip_hdrlen(ip), total = be16(ip + IPH_TOT_LEN), len = total - ihl;
	const u32 fragment = (u32)htons(IP_MF | IP_OFFSET) << 16;
	u64 middle = load64(ip + IPH_ID); /* id, fragment, TTL, protocol, checksum */
	u8 proto = ip[IPH_PROTOCOL];

	f->l3 = 4;
	f->ip_proto = proto;
	f->hash_report = HASH_IPV4;
	if (unlikely(ihl < IP_HLEN || total < ihl || total > left || (u32)middle & fragment)) {
		f->l4_len = 0;
		return !(middle >> 48) || !total; /* a fragment, or bad lengths: the host judges those */
	}
	f->l4_off = (u16)(off + ihl);
	f->l4_len = len;
	if (proto == IPPROTO_UDP ? len >= UDP_HLEN : proto == IPPROTO_TCP && len >= TCP_HLEN) {
		f->hash_report = proto == IPPROTO_TCP ? HASH_TCPV4 : HASH_UDPV4;
		f->flags |= ihl == IP_HLEN ? FRAME_L4 | FRAME_PLAIN : FRAME_L4;
	}
	return !(middle >> 48);
}

/* Stop after eight headers: nothing legitimate has more. */
u32 frame_ipv6_transport(const u8 *ip, u32 end, u8 *next)
{
	u32 off = IPV6_HLEN;

	*next = ip[IPV6H_NEXTHDR];
	for (u32 headers = 0; headers < 8; headers++) {
		if (*next != IPPROTO_HOPOPTS && *next != IPPROTO_ROUTING && *next != IPPROTO_DSTOPTS)
			break;
		if (off + EXTH_UNIT > end)
			return 0;
		*next = ip[off + EXTH_NEXTHDR];
		off += (ip[off + EXTH_LEN] + 1u) * EXTH_UNIT;
		if (off > end)
			return 0;
	}
	return off;
}

static int parse_ipv6(struct frame *f, const u8 *ip, u32 left)
{
	u32 off, end = IPV6_HLEN + be16(ip + IPV6H_PAYLOAD_LEN);
	int no_length = end == IPV6_HLEN;
	u8 next;

	f->l3 = 6;
	f->ip_proto = 0;
	f->l4_len = 0;
	f->hash_report = HASH_IPV6;
	if (end > left)
		return no_length;
	off = frame_ipv6_transport(ip, end, &next);
	if (!off)
		return no_length;
	f->ip_proto = next;
	f->l4_off = (u16)(f->l3_off + off);
	f->l4_len = end - off;
	if ((next == IPPROTO_TCP && f->l4_len >= TCP_HLEN) || (next == IPPROTO_UDP && f->l4_len >= UDP_HLEN)) {
		f->hash_report = next == IPPROTO_TCP ? HASH_TCPV6 : HASH_UDPV6;
		f->flags |= FRAME_L4;
	}
	return no_length;
}

/* Skip the VLAN tags, then parse what follows them. */
static noinline int parse_rest(struct frame *f)
{
	u16 type = load16(f->data + ETHH_PROTO);
	u32 off = ETH_HLEN;

	for (u32 tags = 0; tags < 2 && is_vlan(type) && off + VLAN_HLEN <= f->len; tags++) {
		if (!tags) {
			f->vlan_tci = be16(f->data + off);
			f->flags |= FRAME_TAGGED;
		}
		type = load16(f->data + off + 2);
		off += VLAN_HLEN;
	}
	f->l3_off = (u16)off;
	if (type == htons(ETH_P_IP) && f->len >= off + IP_HLEN && ip_version(f->data + off) == 4)
		return parse_ipv4(f, f->data + off, off, f->len - off);
	if (type == htons(ETH_P_IPV6) && f->len >= off + IPV6_HLEN && ip_version(f->data + off) == 6)
		return parse_ipv6(f, f->data + off, f->len - off);
	return 0;
}

int frame_parse(struct frame *f)
{
	const u8 *data = f->data;
	u32 len = f->len;

	f->vlan_tci = 0;
	f->l3 = 0;
	f->hash_report = HASH_NONE;
	f->l3_off = ETH_HLEN;
	if (likely(load16(data + ETHH_PROTO) == htons(ETH_P_IP) && len >= ETH_HLEN + IP_HLEN &&
		   ip_version(data + ETH_HLEN) == 4))
		return parse_ipv4(f, data + ETH_HLEN, ETH_HLEN, len - ETH_HLEN);
	return parse_rest(f);
}
