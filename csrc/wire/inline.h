/* inline.h - accessors of wires, too short for a call */
#ifndef VNIC_WIRE_INLINE_H
#define VNIC_WIRE_INLINE_H

/* Return len bytes of a capture file at this offset, at most PCAP_RECORD_MAX. The caller has checked them against p->size.
 * They stay where they are until the next call: a frame in them, until the card gives it back.
 * NULL: the file has no longer so many; error_text says why. */
static inline const u8 *pcap_bytes(struct pcap_wire *p, u64 at, u32 len)
{
	u64 off = at - p->piece_at;

	if (likely(off <= p->piece_len && len <= p->piece_len - off))
		return p->piece_data + off;
	return pcap_next_piece(p, at, len);
}

/* Read a field of a capture file, in the file's byte order. */
static inline u16 pcap_u16(const struct pcap_wire *p, const u8 *at)
{
	return p->swapped ? __builtin_bswap16(load16(at)) : load16(at);
}

static inline u32 pcap_u32(const struct pcap_wire *p, const u8 *at)
{
	return p->swapped ? __builtin_bswap32(load32(at)) : load32(at);
}

/* Bytes of a read buffer: a virtio header and the longest frame */
#define TAP_BIG ((u32)sizeof(struct virtio_net_hdr_v1) + TX_FRAME_MAX)

/* Return the virtio header of a frame with gso. */
static inline const struct virtio_net_hdr_v1 *frame_gso_header(const struct wire *w, const struct frame *f)
{
	return (const void *)(w->rests + (f->gso - 1u) * TAP_BIG);
}

/* Return the offset of the transport checksum in a frame with FRAME_L4. */
static inline u32 frame_csum_at(const struct frame *f)
{
	return f->l4_off + (f->ip_proto == IPPROTO_TCP ? TCPH_CHECK : UDPH_CHECK);
}

#endif
