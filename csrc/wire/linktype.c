/* linktype.c - frames of captures whose link is not Ethernet: the packet in them gets an Ethernet header
 *
 *   pcap.c, pcapng_read.c: a frame as captured -> link_to_ethernet(): find the packet, its EtherType and addresses -> a slot
 *
 * A card carries Ethernet. A capture of another link (a tunnel's raw IP, Linux's "any" device, PPP, loopback, Wi-Fi) has the
 * packet that a card could have brought, under another header. That header goes, and Ethernet's comes: to the card's address
 * if the packet was for this host, or if the link does not say it; to a group's or all stations' address if it went
 * there; to an address that no station has (STRANGER) if the host sent it, or if it was another host's. The source is the address
 * that the link names, else STRANGER. Cooked captures hold what a host sent, too; as in an Ethernet capture of a host, such
 * frames are offered like the others.
 *
 * A frame without such a packet (a beacon, a PPP control message, netlink) is handed out with FRAME_ALIEN and no bytes, and the
 * card drops it as LINK_TYPE. Formats: www.tcpdump.org/linktypes.html; IEEE 802.11-2020 section 9.2, 9.3.2; radiotap.org.
 */
#include "device.h"

/* what is found in a frame: the packet begins at @off and is of type @proto, 0: no packet. @tail: bytes behind it */
struct found {
	u32 off, tail;
	u16 proto;
	u8 dst[ETH_ALEN], src[ETH_ALEN];
};

#define LLC_LEN 8u /* LLC with SNAP: AA AA 03, organisation, EtherType */

static const u8 STRANGER[ETH_ALEN] = { 2, 0, 0, 0, 0, 0xfe };
static const u8 EVERYBODY[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* Fill in the destination that the packet's own IP destination asks for: a group, all stations, or this host. */
static void address_by_ip(const struct wire *w, struct found *f, const u8 *ip, u32 left)
{
	static const u8 default_mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 1 };

	memcpy(f->dst, w->mac ? w->mac : default_mac, ETH_ALEN);
	memcpy(f->src, STRANGER, ETH_ALEN);
	if (f->proto == ETH_P_IP && left >= IP_HLEN) {
		struct inet_addr to = inet_addr4(ip + IPH_DADDR);

		if ((u32)to.lo == INADDR_BROADCAST)
			memcpy(f->dst, EVERYBODY, ETH_ALEN);
		else if (IN_MULTICAST((u32)to.lo))
			inet_group_mac(&to, f->dst);
	} else if (f->proto == ETH_P_IPV6 && left >= IPV6_HLEN && is_multicast6(ip + IPV6H_DADDR)) {
		struct inet_addr to = inet_addr6(ip + IPV6H_DADDR);

		inet_group_mac(&to, f->dst);
	}
}

/* ---- the links ---- */

/* The version says which IP it is, also where the link type promises IPv4, as tshark reads it. */
static void raw_ip(struct found *f, const u8 *at, u32 len)
{
	if (len)
		f->proto = ip_version(at) == 4 ? ETH_P_IP : ip_version(at) == 6 ? ETH_P_IPV6 : 0;
}

/* BSD loopback: an address family in four bytes, in the order of the machine that wrote it (LOOP: of the network). */
static void bsd_loopback(struct found *f, const u8 *at, u32 len)
{
	u32 family = len >= 4 ? load32(at) : 0;

	if (family > 0xffff)
		family = __builtin_bswap32(family);
	f->off = 4;
	if (family == 2)
		f->proto = ETH_P_IP;
	else if (family == 10 || family == 24 || family == 28 || family == 30) /* Linux, BSDs, macOS */
		f->proto = ETH_P_IPV6;
}

/* Take the destination and source of a cooked frame: its packet type says whether it was for this host. */
static void cooked_addresses(struct found *f, u32 type, u32 addr_len, const u8 *addr)
{
	if (type == SLL_BROADCAST)
		memcpy(f->dst, EVERYBODY, ETH_ALEN);
	else if (type == SLL_OTHERHOST || (type == SLL_OUTGOING && !(f->dst[0] & 1)))
		memcpy(f->dst, STRANGER, ETH_ALEN);
	if (addr_len == ETH_ALEN)
		memcpy(f->src, addr, ETH_ALEN);
}

/* A cooked capture's protocol: an EtherType, or a number below 0x600 that says what follows. */
static void cooked(struct found *f, const u8 *at, u32 len, u32 header, u32 proto_at, u32 hatype_at)
{
	u32 proto, hatype;

	if (len < header)
		return;
	proto = be16(at + proto_at);
	hatype = be16(at + hatype_at);
	f->off = header;
	if (hatype == ARPHRD_NETLINK_ || hatype == ARPHRD_80211_ || hatype == ARPHRD_RADIOTAP_)
		return;
	if (proto == SLL_P_802_2) /* an 802.2 frame: its length stands where the EtherType would */
		f->proto = (u16)min_u32(len - header, ETH_DATA_LEN);
	else if (proto >= ETH_P_802_3_MIN)
		f->proto = (u16)proto;
}

static void cisco_hdlc(struct found *f, const u8 *at, u32 len)
{
	if (len < 4)
		return;
	f->off = 4;
	f->proto = be16(at + 2) >= ETH_P_802_3_MIN ? be16(at + 2) : 0;
}

/* A capture of PPP may hold Cisco's HDLC: its address is none of PPP's, and no protocol of PPP begins so. */
static void ppp(struct found *f, const u8 *at, u32 len)
{
	u32 off = len >= 2 && at[0] == 0xff && at[1] == 0x03 ? 2 : 0, proto; /* RFC 1662: address and control */

	if (len >= 2 && (at[0] == CHDLC_UNICAST || at[0] == CHDLC_BROADCAST) && at[1] == 0) {
		cisco_hdlc(f, at, len);
		return;
	}
	if (len < off + 2)
		return;
	proto = at[off] & 1 ? at[off] : be16(at + off); /* RFC 1661 section 2: an odd first byte is all of it */
	f->off = off + (at[off] & 1 ? 1 : 2);
	f->proto = proto == PPP_IP ? ETH_P_IP : proto == PPP_IPV6 ? ETH_P_IPV6 : 0;
}

/* RFC 2516: version and type, code, session, length; then PPP without address and control */
static void pppoe(struct found *f, const u8 *at, u32 len)
{
	if (len < 6 || at[0] != 0x11 || at[1] != 0)
		return;
	ppp(f, at + 6, len - 6);
	f->off += 6;
}

/* IEEE 802.11: a data frame that is not encrypted, with LLC and SNAP in it. Its addresses are known. */
static void wifi(struct found *f, const u8 *at, u32 len)
{
	static const u8 snap[6] = { 0xaa, 0xaa, 0x03, 0, 0, 0 };
	u32 header = 24, subtype;
	bool to_ds, from_ds;

	if (len < header || (at[0] & 0x0f) != 0x08) /* version 0, type data */
		return;
	subtype = at[0] >> 4;
	to_ds = at[1] & 1;
	from_ds = at[1] & 2;
	if (subtype & 4 || at[1] & 0x44) /* no data; more fragments, protected. A later fragment has no SNAP */
		return;
	header += to_ds && from_ds ? ETH_ALEN : 0;
	if (subtype & 8) { /* QoS; the order bit then says that an HT control field follows */
		if (len < header + 2 || at[header] & 0x80) /* several MSDUs in one frame */
			return;
		header += at[1] & 0x80 ? 6 : 2;
	}
	if (len < header + LLC_LEN || memcmp(at + header, snap, sizeof(snap)) != 0)
		return;
	memcpy(f->dst, at + (to_ds ? 16 : 4), ETH_ALEN);
	memcpy(f->src, at + (from_ds ? (to_ds ? 24 : 16) : 10), ETH_ALEN);
	f->off = header + LLC_LEN;
	f->proto = be16(at + header + 6);
}

/* Find radiotap's flags field: behind the bitmaps of fields, and an 8-byte aligned time if there is one. */
static u8 radiotap_flags(const u8 *at, u32 len)
{
	u32 present = load32(at + 4), off = 8;

	for (u32 word = present; word >> 31 && off + 4 <= len; off += 4)
		word = load32(at + off);
	if (!(present & 2))
		return 0;
	if (present & 1)
		off = align_up(off, 8) + 8;
	return off < len ? at[off] : 0;
}

static void radiotap(struct found *f, const u8 *at, u32 len)
{
	u32 header = len >= 8 ? load16(at + 2) : 0;
	u8 flags;

	if (header < 8 || header > len)
		return;
	flags = radiotap_flags(at, header);
	if (flags & 0x60) /* a bad check sequence; padding between header and data */
		return;
	wifi(f, at + header, len - header);
	f->off += header;
	f->tail = flags & 0x10 ? 4 : 0; /* the check sequence is captured */
}

/* ---- the frame ---- */

int link_is_known(u32 linktype)
{
	switch (linktype) {
	case LINKTYPE_ETHERNET:
	case LINKTYPE_NULL:
	case LINKTYPE_LOOP:
	case LINKTYPE_RAW_BSD:
	case LINKTYPE_RAW_OPENBSD:
	case LINKTYPE_RAW:
	case LINKTYPE_IPV4:
	case LINKTYPE_IPV6:
	case LINKTYPE_PPP:
	case LINKTYPE_PPP_HDLC:
	case LINKTYPE_PPP_ETHER:
	case LINKTYPE_C_HDLC:
	case LINKTYPE_IEEE802_11:
	case LINKTYPE_IEEE802_11_RADIOTAP:
	case LINKTYPE_LINUX_SLL:
	case LINKTYPE_LINUX_SLL2:
		return 1;
	default:
		return 0;
	}
}

static void find(struct found *f, u32 linktype, const u8 *at, u32 len)
{
	switch (linktype) {
	case LINKTYPE_NULL:
	case LINKTYPE_LOOP:
		bsd_loopback(f, at, len);
		break;
	case LINKTYPE_RAW_BSD:
	case LINKTYPE_RAW_OPENBSD:
	case LINKTYPE_RAW:
	case LINKTYPE_IPV4:
		raw_ip(f, at, len);
		break;
	case LINKTYPE_IPV6:
		raw_ip(f, at, len);
		f->proto = f->proto == ETH_P_IPV6 ? ETH_P_IPV6 : 0;
		break;
	case LINKTYPE_PPP:
	case LINKTYPE_PPP_HDLC:
		ppp(f, at, len);
		break;
	case LINKTYPE_PPP_ETHER:
		pppoe(f, at, len);
		break;
	case LINKTYPE_C_HDLC:
		cisco_hdlc(f, at, len);
		break;
	case LINKTYPE_IEEE802_11:
		wifi(f, at, len);
		break;
	case LINKTYPE_IEEE802_11_RADIOTAP:
		radiotap(f, at, len);
		break;
	case LINKTYPE_LINUX_SLL:
		cooked(f, at, len, SLL_HLEN, SLLH_PROTO, SLLH_HATYPE);
		break;
	case LINKTYPE_LINUX_SLL2:
		cooked(f, at, len, SLL2_HLEN, SLL2H_PROTO, SLL2H_HATYPE);
		break;
	default:
		break;
	}
}

static bool is_wifi(u32 linktype)
{
	return linktype == LINKTYPE_IEEE802_11 || linktype == LINKTYPE_IEEE802_11_RADIOTAP;
}

static struct pcap_link *link_count(struct pcap_wire *p, u32 linktype)
{
	for (u32 i = 0; i < p->nlinks; i++)
		if (p->links[i].linktype == linktype)
			return &p->links[i];
	if (p->nlinks < PCAP_LINKS_MAX)
		p->links[p->nlinks++].linktype = linktype;
	return &p->links[p->nlinks - 1]; /* the last one counts those of all further links */
}

static void alien(struct frame *f)
{
	f->len = 0;
	f->flags = FRAME_ALIEN;
}

int link_to_ethernet(struct pcap_wire *p, struct frame *f, u32 linktype)
{
	struct pcap_link *count = link_count(p, linktype);
	const u8 *at = f->data;
	u32 captured = f->len, wire_len = f->wire_len;
	struct found found = { 0 };
	u8 *to;

	find(&found, linktype, at, captured);
	if (!found.proto || found.off > captured) {
		count->aliens++;
		alien(f);
		return 0;
	}
	if (!is_wifi(linktype)) {
		address_by_ip(&p->wire, &found, at + found.off, captured - found.off);
		if (linktype == LINKTYPE_LINUX_SLL)
			cooked_addresses(&found, be16(at + SLLH_PKTTYPE), be16(at + SLLH_HALEN), at + SLLH_ADDR);
		else if (linktype == LINKTYPE_LINUX_SLL2)
			cooked_addresses(&found, at[SLL2H_PKTTYPE], at[SLL2H_HALEN], at + SLL2H_ADDR);
	}
	wire_len -= min_u32(found.tail, wire_len - found.off);
	captured = min_u32(captured, wire_len);
	f->len = ETH_HLEN + captured - found.off;
	f->wire_len = ETH_HLEN + wire_len - found.off;
	f->flags = f->wire_len > f->len ? FRAME_CUT : 0;
	to = pcap_slot(p, f, f->len);
	if (!to) {
		pcap_fail(p, "no memory for frame %llu", (unsigned long long)p->nframe);
		return -ENOMEM;
	}
	memcpy(to + ETHH_DEST, found.dst, ETH_ALEN);
	memcpy(to + ETHH_SOURCE, found.src, ETH_ALEN);
	store16(to + ETHH_PROTO, htons(found.proto));
	memcpy(to + ETH_HLEN, at + found.off, captured - found.off);
	count->carried++;
	return 0;
}
