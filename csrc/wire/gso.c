/* gso.c - one frame for many, cut into segments as a sender's card cuts it (TSO, USO)
 *
 *   tap_vnet.c: what a TAP hands over with a virtio header   |   pcap_gso.c: what a capture shows before its sender's card
 *   had it, or after a receiver merged it   -->  gso_next(), or gso_put_head() where the payload stays where it is
 *
 * The card behind this sees what a real one sees: frames with right checksums, IP ids that count up, PSH and FIN on the
 * last only, CWR on the first only. Linux: net/core/gso.c, net/ipv4/tcp_offload.c, udp_offload.c.
 */
#include "device.h"

#define FIN 0x01u
#define PSH 0x08u
#define CWR 0x80u

/* gso_ip_offset() - the IP header is where the EtherType says, behind any VLAN tags. Return: its offset, 0: none there */
u32 gso_ip_offset(const u8 *frame, u32 len)
{
	u32 at = 12;

	while (at + 2 <= len && is_vlan(load16(frame + at)))
		at += 4;
	if (at + 2 + 20 > len)
		return 0;
	return load16(frame + at) == 0x0008 || load16(frame + at) == 0xdd86 ? at + 2 : 0;
}

/* gso_fits() - is there a whole transport header, a payload behind it, and room for a segment? */
int gso_fits(const struct gso *g, u32 room)
{
	return g->head >= g->l4 + (g->tcp ? 20 : 8) && g->head < g->len && g->head + g->size <= room;
}

static void patch_ip(const struct gso *g, u8 *ip, u32 len)
{
	if (ip[0] >> 4 == 6) {
		store16(ip + 4, htobe16_((u16)(len - g->ip - 40)));
		return;
	}
	store16(ip + 2, htobe16_((u16)(len - g->ip)));
	store16(ip + 4, htobe16_((u16)(be16(ip + 4) + g->nth)));
	store16(ip + 10, 0);
	store16(ip + 10, ip_fast_csum(ip, (ip[0] & 15u) * 4));
}

static void patch_tcp(const struct gso *g, u8 *th, bool last)
{
	u32 seq = __builtin_bswap32(be32(th + 4) + g->nth * g->size);

	memcpy(th + 4, &seq, 4);
	if (!last)
		th[13] &= (u8) ~(FIN | PSH);
	if (g->nth)
		th[13] &= (u8)~CWR; /* RFC 3168: said once */
}

/* gso_put_head() - the head of the next segment, of len bytes, without a checksum; then it is the turn of the one behind it */
void gso_put_head(struct gso *g, const u8 *head, u8 *to, u32 len)
{
	memcpy(to, head, g->head);
	patch_ip(g, to + g->ip, len);
	if (g->tcp)
		patch_tcp(g, to + g->l4, g->at + len - g->head == g->len);
	else
		store16(to + g->l4 + 4, htobe16_((u16)(len - g->l4)));
	store16(to + g->l4 + (g->tcp ? 16 : 6), 0);
	g->at += len - g->head;
	g->nth++;
}

/* gso_next() - the next segment: g->head bytes at head, patched, and the payload's at frame + g->at. Return: its length, 0:
 * there are no more */
u32 gso_next(struct gso *g, const u8 *head, const u8 *frame, u8 *to)
{
	u32 at = g->at, n = min_u32(g->size, g->len - at), len = g->head + n, field = g->l4 + (g->tcp ? 16 : 6), sum;

	if (!n)
		return 0;
	gso_put_head(g, head, to, len);
	sum = csum_pseudo(to + g->ip, to[g->ip] >> 4, len - g->l4, g->tcp ? 6 : 17);
	sum = csum_partial(to + g->l4, g->head - g->l4, sum);
	sum = csum_fold(csum_and_copy(to + g->head, frame + at, n, sum));
	store16(to + field, (u16)(sum || g->tcp ? sum : 0xffff));
	return len;
}
