/* inline.h - steps of the card, too short for a call */
#ifndef VNIC_CARD_INLINE_H
#define VNIC_CARD_INLINE_H

/* Find the frame's headers, and complete those that its sender left to a card. */
static inline void nic_parse(struct nic *nic, struct frame *f)
{
	if (unlikely(frame_parse(f)))
		sender_complete(nic->wire, f);
}

/* Is there a tap at this point? */
static inline bool nic_watched(const struct nic *nic, enum packet_point point)
{
	return READ_ONCE(nic->watched) >> point & 1;
}

/* Tell the event log something about a queue. began: when it began; it ends now */
static inline void nic_event(const struct nic_queue *q, enum event_kind kind, u64 began, u64 now, u64 frame, u64 arg)
{
	struct event_log *log = q->nic->events;

	if (unlikely(log != NULL))
		event_write(log, &(struct event_record){ .t_ns = began,
							 .dur_ns = now - began,
							 .frame = frame,
							 .arg = arg,
							 .cpu = EVENT_NO_CPU,
							 .queue = (u16)q->index,
							 .kind = (u8)kind });
}

/* Show a tap the frame that went from the FIFO to the ring. */
static inline void nic_watch_dma(struct nic *nic, const struct frame *f)
{
	if (unlikely(nic->lat != NULL))
		lat_record(nic->lat, nic->now - min_u64(f->t_ns, nic->now), 1);
	if (unlikely(nic_watched(nic, POINT_NIC)))
		nic->watch(nic, POINT_NIC, f, nic->now, -1, 0);
}

/* ---- DMA: steps of one frame (dma.c) and of a burst (dma_burst.c) ---- */

#define DMA_SMALL 192u /* bytes: summed while hot; a longer frame is worth a call */

typedef u64 __attribute__((may_alias)) u64_alias;

struct virtio_net_hdr_anywhere { /* the driver chose the address */
	u8 flags, gso_type;
	u16 hdr_len, gso_size, csum_start, csum_offset, num_buffers;
} __attribute__((packed));

/* Is the frame in two parts, or one of many segments? */
static inline bool frame_is_odd(const struct frame *f)
{
	return f->head | f->gso;
}

/* Nothing is added that could wrap. */
static inline void *dma_in_region(const struct dma_region *r, u64 addr, u64 len)
{
	u64 off = addr - r->bus;

	return likely(off <= r->size && len <= r->size - off) ? r->base + off : NULL;
}

/* As dma_map(): nearly all is in the first region. */
static inline void *dma_find(const struct dma *d, u64 addr, u64 len)
{
	void *at = dma_in_region(&d->region[0], addr, len);

	return likely(at != NULL) ? at : dma_map(d, addr, len);
}

/* Read once, check, then use: the driver may be another process, which changes the descriptor meanwhile. */
static inline struct virtq_desc dma_desc_once(const struct virtq_desc *d)
{
	u64 rest = READ_ONCE(*(const u64_alias *)&d->len); /* len, flags and next in one */

	return (struct virtq_desc){ READ_ONCE(d->addr), (u32)rest, (u16)(rest >> 32), (u16)(rest >> 48) };
}

static inline struct dma_channel dma_channel(const struct nic *nic)
{
	bool offload = dma_offload(nic); /* a replay sums anyway, to complete checksums for a sender's card */

	return (struct dma_channel){ nic->dma.region[0], nic->now, offload, offload || !nic->wire->live };
}

/* Write the virtio header of hdr bytes: few wide stores. */
static inline void dma_put_header(const struct frame *f, u8 *at, u32 hdr, u32 num_buffers, bool data_valid)
{
	store64(at, data_valid ? VIRTIO_NET_HDR_F_DATA_VALID : 0);
	if (hdr == HDR_HASH) {
		store64(at + 8, (u64)f->hash << 32 | num_buffers << 16);
		store32(at + 16, f->hash_report);
	} else {
		store32(at + 8, num_buffers << 16);
	}
}

/* One's complement has two zeros. */
static inline bool csum_is_zero(u16 folded)
{
	return folded == 0 || folded == 0xffff;
}

/* Copy a frame with FRAME_L4. Return: is its checksum right? It may have been completed */
static inline bool dma_copy_and_judge(const struct nic_queue *q, const struct frame *f, u8 *to)
{
	const u32 addrs = IP_HLEN -
			  IPH_SADDR; /* both IPv4 addresses: in a FRAME_PLAIN one they lie before the transport part */
	u32 len = f->l4_len, sum;

	if (likely(f->flags & FRAME_PLAIN && f->len < DMA_SMALL)) {
		copy_small(to, f->data, f->len);
		sum = csum_partial(f->data + f->l4_off - addrs, len + addrs, htonl(len) + ((u32)f->ip_proto << 24));
	} else {
		sum = dma_copy_and_sum(to, f);
	}
	if (likely(f->flags & FRAME_PLAIN && csum_is_zero(csum_fold(sum)) &&
		   (f->ip_proto == IPPROTO_TCP || be16(f->data + f->l4_off + UDPH_LEN) == len)))
		return true;
	return dma_odd_sum(q, f, sum, to);
}

#endif
