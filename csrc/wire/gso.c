/* gso.c - one frame for many, cut into segments as a sender's card cuts it (TSO, USO)
 *
 *   tap_vnet.c: a frame with a virtio header, from a TAP        --> gso_next(): a whole segment
 *   pcap_gso.c: a frame captured before its sender's card           gso_put_head(): its headers; the payload stays in place
 *               cut it, or after a receiver merged it
 *
 * The card behind this sees what a real one sees: frames with correct checksums and IP ids that count up, PSH and FIN on
 * the last segment only, CWR on the first only. Linux: net/core/gso.c, net/ipv4/tcp_offload.c, udp_offload.c.
 */
#include "device.h"

u32 gso_ip_offset(const u8 *frame, u32 len)
{
	u32 at = ETHH_PROTO;

	while (at + 2 <= len && is_vlan(load16(frame + at)))
		at += VLAN_HLEN;
	if (at + 2 + IP_HLEN > len)
		return 0;
	return load16(frame + at) == htons(ETH_P_IP) || load16(frame + at) == htons(ETH_P_IPV6) ? at + 2 : 0;
}

int gso_fits(const struct gso *g, u32 room)
{
	return g->head >= g->l4 + (g->tcp ? TCP_HLEN : UDP_HLEN) && g->head < g->len && g->head + g->size <= room;
}

static u32 csum_at(const struct gso *g)
{
	return g->l4 + (g->tcp ? TCPH_CHECK : UDPH_CHECK);
}

static void patch_ip(const struct gso *g, u8 *ip, u32 len)
{
	if (ip_version(ip) == 6) {
		store16(ip + IPV6H_PAYLOAD_LEN, htons((u16)(len - g->ip - IPV6_HLEN)));
		return;
	}
	store16(ip + IPH_TOT_LEN, htons((u16)(len - g->ip)));
	store16(ip + IPH_ID, htons((u16)(be16(ip + IPH_ID) + g->nth)));
	store16(ip + IPH_CHECK, 0);
	store16(ip + IPH_CHECK, ip_fast_csum(ip, ip_hdrlen(ip)));
}

static void patch_tcp(const struct gso *g, u8 *th, bool last)
{
	u32 seq = htonl(be32(th + TCPH_SEQ) + g->nth * g->size);

	memcpy(th + TCPH_SEQ, &seq, sizeof(seq));
	if (!last)
		th[TCPH_FLAGS] &= (u8) ~(TCPHDR_FIN | TCPHDR_PSH);
	if (g->nth)
		th[TCPH_FLAGS] &= (u8)~TCPHDR_CWR; /* RFC 3168: only one packet says it */
}

void gso_put_head(struct gso *g, const u8 *head, u8 *to, u32 len)
{
	memcpy(to, head, g->head);
	patch_ip(g, to + g->ip, len);
	if (g->tcp)
		patch_tcp(g, to + g->l4, g->at + len - g->head == g->len);
	else
		store16(to + g->l4 + UDPH_LEN, htons((u16)(len - g->l4)));
	store16(to + csum_at(g), 0);
	g->at += len - g->head;
	g->nth++;
}

u32 gso_next(struct gso *g, const u8 *head, const u8 *frame, u8 *to)
{
	u32 at = g->at, n = min_u32(g->size, g->len - at), len = g->head + n, sum;

	if (!n)
		return 0;
	gso_put_head(g, head, to, len);
	sum = csum_pseudo(to + g->ip, (int)ip_version(to + g->ip), len - g->l4, g->tcp ? IPPROTO_TCP : IPPROTO_UDP);
	sum = csum_partial(to + g->l4, g->head - g->l4, sum);
	sum = csum_fold(csum_and_copy(to + g->head, frame + at, n, sum));
	store16(to + csum_at(g), (u16)(sum || g->tcp ? sum : 0xffff));
	return len;
}
