/* inline.h - accessors of wires, too short for a call */
#ifndef VNIC_WIRE_INLINE_H
#define VNIC_WIRE_INLINE_H

/* Read a field of a capture file, in the file's byte order. */
static inline u16 pcap_get16(const struct pcap_wire *p, u64 at)
{
	u16 v = load16(p->map + at);

	return p->swapped ? __builtin_bswap16(v) : v;
}

static inline u32 pcap_get32(const struct pcap_wire *p, u64 at)
{
	u32 v = load32(p->map + at);

	return p->swapped ? __builtin_bswap32(v) : v;
}

/* Bytes of a read buffer: a virtio header and the longest frame */
#define TAP_BIG ((u32)sizeof(struct virtio_net_hdr_v1) + TX_FRAME_MAX)

/* Return the offset of the transport checksum in a frame with FRAME_L4. */
static inline u32 frame_csum_at(const struct frame *f)
{
	return f->l4_off + (f->ip_proto == IPPROTO_TCP ? TCPH_CHECK : UDPH_CHECK);
}

#endif
