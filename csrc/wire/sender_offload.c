/* sender_offload.c - complete the headers that a sender left to its card, as that card would have
 *
 *   nic_parse() finds a 0, in virtual time and without strict-csum -> sender_complete(): IPv4 header checksum, IP length
 *   dma.c dma_csum(): the transport checksum, in the pass that copies     pcap_gso.c: segmentation
 *
 * A capture taken at a sender shows frames before its card completed them. Windows leaves the IPv4 header checksum 0, and the
 * IP length too in a large send (LSOv2). Linux writes length 0 if it does not fit in 16 bits (BIG TCP). The length is then
 * taken from the frame, as tshark does, and only for TCP and UDP: no card fills it in for others. A checksum that is 0
 * and correct stays. Headers inside a tunnel stay as they are: no stage reads them, so no fate depends on them.
 */
#include "device.h"

/* Return the IP length of the frame as its sender saw it; 0: it does not fit in 16 bits. */
static u32 length_of(const struct frame *f, u32 ip, u32 not_counted)
{
	u32 len = f->wire_len - ip - not_counted;

	return len <= UINT16_MAX ? len : 0;
}

static u16 header_sum(const u8 *ip, u32 bytes)
{
	return csum_fold(csum_partial(ip, bytes, 0));
}

/* Do cards fill in the length of such a packet? */
static bool is_offloaded(u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

static void complete_ipv4(struct wire *w, struct frame *f, u32 at)
{
	const u8 *ip = f->data + at;
	u32 ihl = ip_hdrlen(ip), len = length_of(f, at, 0);
	bool whole = !(load16(ip + IPH_FRAG_OFF) & htons(IP_MF | IP_OFFSET));
	bool no_length = !load16(ip + IPH_TOT_LEN) && whole && is_offloaded(ip[IPH_PROTOCOL]) && len > ihl;
	bool no_sum = !load16(ip + IPH_CHECK);
	u8 *own;

	if (ip_version(ip) != 4 || ihl < IP_HLEN || at + ihl > f->len)
		return;
	if (!no_length && (!no_sum || !header_sum(ip, ihl)))
		return;
	own = w->own(w, f);
	if (!own)
		return;
	own += at;
	if (no_length)
		store16(own + IPH_TOT_LEN, htons((u16)len));
	store16(own + IPH_CHECK, 0);
	store16(own + IPH_CHECK, header_sum(own, ihl));
	COUNT(w->length_completed, no_length);
	COUNT(w->ip_csum_completed, no_sum);
}

/* Leave length 0 if a hop-by-hop header may hold the length (RFC 2675), or if there is no transport header. */
static void complete_ipv6(struct wire *w, struct frame *f, u32 at)
{
	const u8 *ip = f->data + at;
	u32 len = length_of(f, at, IPV6_HLEN);
	u8 next, *own;

	if (at + IPV6_HLEN > f->len || ip_version(ip) != 6 || load16(ip + IPV6H_PAYLOAD_LEN) ||
	    ip[IPV6H_NEXTHDR] == IPPROTO_HOPOPTS || !len)
		return;
	if (!frame_ipv6_transport(ip, f->len - at, &next) || !is_offloaded(next))
		return;
	own = w->own(w, f);
	if (!own)
		return;
	store16(own + at + IPV6H_PAYLOAD_LEN, htons((u16)len));
	COUNT(w->length_completed, 1);
}

void sender_complete(struct wire *w, struct frame *f)
{
	u32 ip = gso_ip_offset(f->data, f->len);

	if (w->live || w->strict_csum || !ip)
		return;
	if (load16(f->data + ip - 2) == htons(ETH_P_IP))
		complete_ipv4(w, f, ip);
	else
		complete_ipv6(w, f, ip);
	frame_parse(f);
}
