/* frame_parse.c - where the headers of a frame are
 *
 *   a frame came -> nic_receive.c nic_parse() -> frame_parse(): l3_off, l4_off, ip_proto, what can be hashed
 *   sender_offload.c, pcap_gso.c: the same of what is to be filled in or cut
 */
#include "device.h"

/* Return: as frame_parse() */
static int parse_ipv4(struct frame *f, const u8 *ip, u32 off, u32 left)
{
	u32 ihl = (ip[0] & 15u) * 4, total = be16(ip + 2), len = total - ihl;
	u64 middle = load64(ip + 4); /* id, fragment, TTL, protocol, checksum */
	u8 proto = ip[9];

	f->l3 = 4;
	f->ip_proto = proto;
	f->hash_report = HASH_IPV4;
	if (unlikely(ihl < 20 || total < ihl || total > left || (u32)middle & 0xff3f0000)) {
		f->l4_len = 0;
		return !(middle >> 48) || !total; /* bad lengths: the host says what it thinks of them; or a fragment */
	}
	f->l4_off = (u16)(off + ihl);
	f->l4_len = len;
	if (proto == 17 ? len >= 8 : proto == 6 && len >= 20) {
		f->hash_report = proto == 6 ? HASH_TCPV4 : HASH_UDPV4;
		f->flags |= ihl == 20 ? FRAME_L4 | FRAME_PLAIN : FRAME_L4;
	}
	return !(middle >> 48);
}

/* frame_ipv6_transport() - past hop-by-hop, routing and destination options, which lie before end */
u32 frame_ipv6_transport(const u8 *ip, u32 end, u8 *next)
{
	u32 off = 40;

	*next = ip[6];
	for (u32 headers = 0; headers < 8; headers++) {
		if (*next != 0 && *next != 43 && *next != 60)
			break;
		if (off + 8 > end)
			return 0;
		*next = ip[off];
		off += (ip[off + 1] + 1u) * 8;
		if (off > end)
			return 0;
	}
	return off;
}

static int parse_ipv6(struct frame *f, const u8 *ip, u32 left)
{
	u32 off, end = 40 + be16(ip + 4);
	int no_length = end == 40;
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
	if ((next == 6 && f->l4_len >= 20) || (next == 17 && f->l4_len >= 8)) {
		f->hash_report = next == 6 ? HASH_TCPV6 : HASH_UDPV6;
		f->flags |= FRAME_L4;
	}
	return no_length;
}

/* The tags, and what lies behind them */
static noinline int parse_rest(struct frame *f)
{
	u16 type = be16(f->data + 12);
	u32 off = ETH_HLEN;

	for (u32 tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8) && off + 4 <= f->len; tags++) {
		if (!tags) {
			f->vlan_tci = be16(f->data + off);
			f->flags |= FRAME_TAGGED;
		}
		type = be16(f->data + off + 2);
		off += 4;
	}
	f->l3_off = (u16)off;
	if (type == 0x0800 && f->len >= off + 20 && f->data[off] >> 4 == 4)
		return parse_ipv4(f, f->data + off, off, f->len - off);
	if (type == 0x86dd && f->len >= off + 40 && f->data[off] >> 4 == 6)
		return parse_ipv6(f, f->data + off, f->len - off);
	return 0;
}

/* frame_parse() - find the network and transport headers, and what of them a hash may be made of (hash_report). The frame
 * has at least an Ethernet header. Return: 1: IP's checksum or length is 0, as sender_offload.c may want to know */
int frame_parse(struct frame *f)
{
	const u8 *data = f->data;
	u32 len = f->len;

	f->vlan_tci = 0;
	f->l3 = 0;
	f->hash_report = HASH_NONE;
	f->l3_off = ETH_HLEN;
	if (likely(load16(data + 12) == 0x0008 && len >= ETH_HLEN + 20 && data[ETH_HLEN] >> 4 == 4))
		return parse_ipv4(f, data + ETH_HLEN, ETH_HLEN, len - ETH_HLEN);
	return parse_rest(f);
}
