/* tap_vnet.c - the virtio header before a TAP's frames (IFF_VNET_HDR): do here what the kernel left to a card
 *
 *   tap.c reads header and frame -> tap_vnet_begin(): complete a partial checksum; a GSO frame (TSO, USO) waits in t->big
 *                                -> tap_vnet_next(): cut it into segments of the MTU, as a sender's card would
 *
 * One read then returns 64 KB instead of 1.5, and the card still sees what a real one sees: frames with correct checksums,
 * IP ids that count up, PSH and FIN on the last segment only. Linux: net/core/gso.c, net/ipv4/tcp_offload.c, udp_offload.c;
 * virtio 1.2 section 5.1.6.2.
 */
#include "device.h"

/* Sum from csum_start to the end, including the pseudo header's sum in the field. Return: 0; -EINVAL: outside the frame */
static int complete(u8 *frame, u32 len, const struct virtio_net_hdr_v1 *h)
{
	u32 at = (u32)h->csum_start + h->csum_offset;
	u16 sum;

	if (h->csum_start >= len || at + 2 > len)
		return -EINVAL;
	sum = csum_fold(csum_partial(frame + h->csum_start, len - h->csum_start, 0));
	store16(frame + at, sum || h->csum_offset != UDPH_CHECK ? sum : 0xffff); /* in UDP 0 means: no checksum */
	return 0;
}

/* Would frame_parse() find the same headers? Assume not after VLAN tags, options or extension headers, or in a fragment. */
static bool is_plain(const struct gso *g, const u8 *frame)
{
	const u8 *ip = frame + ETH_HLEN;
	u32 proto = g->tcp ? IPPROTO_TCP : IPPROTO_UDP;

	if (g->ip != ETH_HLEN)
		return false;
	if (load16(frame + ETHH_PROTO) == htons(ETH_P_IP))
		return ip_version(ip) == 4 && ip_hdrlen(ip) == IP_HLEN && ip[IPH_PROTOCOL] == proto &&
		       !(load16(ip + IPH_FRAG_OFF) & htons(IP_MF | IP_OFFSET)) && g->l4 == g->ip + IP_HLEN;
	return ip_version(ip) == 6 && ip[IPV6H_NEXTHDR] == proto && g->l4 == g->ip + IPV6_HLEN;
}

int tap_vnet_begin(struct tap_wire *t, const struct virtio_net_hdr_v1 *h, u8 *frame, u32 len)
{
	struct gso g;
	u8 type = h->gso_type & (u8)~VIRTIO_NET_HDR_GSO_ECN;
	u32 ip, l4 = h->csum_start;
	bool tcp;

	if (type == 0) {
		if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
			return 0;
		COUNT(t->csum_filled, 1);
		return complete(frame, len, h);
	}
	tcp = type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6;
	ip = gso_ip_offset(frame, len);
	if ((!tcp && type != VIRTIO_NET_HDR_GSO_UDP_L4) || !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !h->gso_size)
		return -EINVAL;
	if (!ip || l4 < ip + (ip_version(frame + ip) == 6 ? IPV6_HLEN : IP_HLEN) ||
	    l4 + (tcp ? TCP_HLEN : UDP_HLEN) > len)
		return -EINVAL;
	g = (struct gso){ .len = len, .ip = ip, .l4 = l4, .size = h->gso_size, .tcp = tcp };
	g.head = l4 + (tcp ? tcp_hdrlen(frame + l4) : UDP_HLEN);
	if (!gso_fits(&g, t->slot_size))
		return -EINVAL;
	g.at = g.head;
	g.plain = is_plain(&g, frame);
	t->gso = g; /* only now: an invalid frame must not be cut */
	COUNT(t->gso_frames, 1);
	return 1;
}

static const u8 *gso_frame(const struct tap_wire *t)
{
	return t->big + sizeof(struct virtio_net_hdr_v1);
}

u32 tap_vnet_next(struct tap_wire *t, u8 *to)
{
	u32 len = gso_next(&t->gso, gso_frame(t), gso_frame(t), to);

	COUNT(t->gso_segments, len != 0);
	return len;
}

/* The payload stays in t->big until dma.c copies it to the driver's buffer: two copies instead of three. Only for a plain
 * frame. */
u32 tap_vnet_head(struct tap_wire *t, u8 *to, struct frame *f)
{
	struct gso *g = &t->gso;
	u32 at = g->at, n = min_u32(g->size, g->len - at), len = g->head + n;

	if (!n)
		return 0;
	gso_put_head(g, gso_frame(t), to, len);
	COUNT(t->gso_segments, 1);
	f->head = (u16)g->head;
	f->rest = (u32)(gso_frame(t) + at - t->bigs);
	f->l3 = (u8)ip_version(to + g->ip);
	f->l3_off = (u16)g->ip;
	f->l4_off = (u16)g->l4;
	f->l4_len = len - g->l4;
	f->ip_proto = g->tcp ? IPPROTO_TCP : IPPROTO_UDP;
	t->big_refs[f->rest / TAP_BIG]++;
	return len;
}

void tap_vnet_gather(const struct wire *w, const struct frame *f, u8 *to)
{
	u32 sum = csum_pseudo(f->data + f->l3_off, f->l3, f->l4_len, f->ip_proto);

	sum = csum_partial(f->data + f->l4_off, f->head - f->l4_off, sum);
	if (to != f->data)
		copy_small(to, f->data, f->head);
	sum = csum_fold(csum_and_copy(to + f->head, w->rests + f->rest, f->len - f->head, sum));
	store16(to + frame_csum_at(f), (u16)(sum || f->ip_proto == IPPROTO_TCP ? sum : 0xffff));
}

void tap_vnet_whole(struct wire *wire, struct frame *f)
{
	struct tap_wire *t = container_of(wire, struct tap_wire, wire);

	tap_vnet_gather(wire, f, t->slots + (u64)f->slot * t->slot_size);
	tap_put_big(t, f);
	f->head = 0;
}

/* ---- what was read ---- */

static void put_big(struct tap_wire *t)
{
	t->big_refs[(u32)(t->big - t->bigs) / TAP_BIG]--;
}

/* Cut segments off the GSO frame in t->big while there is room. Write only headers to the slots, unless that would leave no
 * read buffer free. Return: segments cut */
static int cut(struct tap_wire *t, struct frame *f, int max)
{
	bool heads = t->gso.plain && tap_bigs_free(t);
	int n = 0;

	while (n < max && t->nfree && t->gso.at < t->gso.len) {
		u8 *to = tap_nth_slot(t, 0);
		struct frame *next = &f[n++];

		tap_fill_next(t, next, 0);
		next->len = next->wire_len = heads ? tap_vnet_head(t, to, next) : tap_vnet_next(t, to);
		if (t->gso.at == t->gso.len)
			put_big(t);
	}
	return n;
}

/* Hand out the GSO frame in t->big as it is, if the card takes its type so, and if another read buffer is free to read on. It
 * holds a slot too, as every frame does. Return: false: cut it */
static bool take_whole(struct tap_wire *t, struct frame *f)
{
	const struct virtio_net_hdr_v1 *h = (const void *)t->big;
	u8 type = h->gso_type & (u8)~VIRTIO_NET_HDR_GSO_ECN;

	if (!(t->wire.gso_whole >> type & 1) || !tap_bigs_free(t))
		return false;
	if (h->gso_type & VIRTIO_NET_HDR_GSO_ECN && !(t->wire.gso_whole & VIRTIO_NET_HDR_GSO_ECN))
		return false;
	tap_fill_next(t, f, t->gso.len);
	f->data = gso_frame(t);
	f->gso = (u16)((u32)(t->big - t->bigs) / TAP_BIG + 1);
	t->gso.at = t->gso.len;
	COUNT(t->gso_taken, 1);
	return true;
}

/* Hand out the frame in t->big, len bytes with its virtio header. Copying an uncut one to its slot costs less than readv(). */
static int take_vnet(struct tap_wire *t, struct frame *f, int max, u32 len)
{
	u8 *frame = t->big + sizeof(struct virtio_net_hdr_v1);
	u32 kept;
	int rc;

	if (len <= sizeof(struct virtio_net_hdr_v1)) {
		put_big(t);
		return 0;
	}
	len -= (u32)sizeof(struct virtio_net_hdr_v1);
	rc = tap_vnet_begin(t, (const void *)t->big, frame, len);
	if (rc == 1)
		return t->wire.gso_whole && take_whole(t, f) ? 1 : cut(t, f, max);
	COUNT(t->bad_vnet, rc < 0); /* the card gets it unchanged */
	kept = min_u32(len, t->slot_size);
	COUNT(t->over, len > kept);
	memcpy(tap_nth_slot(t, 0), frame, kept);
	tap_fill_next(t, f, kept);
	put_big(t);
	return 1;
}

int tap_vnet_unpack(struct tap_wire *t, struct frame *f, int max)
{
	int n = cut(t, f, max);

	while (n < max && t->nfree && t->big_at < t->big_n) {
		t->big = t->bigs + t->big_no[t->big_at] * TAP_BIG;
		n += take_vnet(t, &f[n], max - n, t->big_len[t->big_at++]);
	}
	COUNT(t->from->frames, (u32)n);
	return n;
}
