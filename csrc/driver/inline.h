/* inline.h - what a poll does with each frame, whether by driver.c or by driver_burst.c */
#ifndef VNIC_DRIVER_INLINE_H
#define VNIC_DRIVER_INLINE_H

#define HDR_LEN ((u32)sizeof(struct virtio_net_hdr_v1_hash))

/* When could the CPU first know of the frame? If no interrupt told of it, the poll found it, now. */
static inline u64 frame_seen(const struct driver_queue *dq, const struct frame_shadow *s, u64 now)
{
	return dq->masked ? max_u64(s->t_dma, dq->irq_ns) : now;
}

/* The frame's latencies until this CPU took it, at now. */
static inline void frame_latencies(struct softnet_data *sd, const struct frame_shadow *s, u64 seen, u64 now)
{
	latency(sd, LAT_RING, s->t_wire, s->t_dma, 1);
	latency(sd, LAT_MODERATION, s->t_dma, seen, 1);
	latency(sd, LAT_POLL, seen, now, 1);
}

/* Prefetch the frame of a used entry so many behind the next one, if the card's index as last read covers it. Live, a frame
 * comes from another core; on one core the prefetch only costs (2 ns a frame). */
static inline void prefetch_frame(const struct driver_queue *dq, u32 ahead)
{
	const struct virtqueue_driver *vq = &dq->vq;
	u32 id;

	if ((u16)(vq->used_seen - vq->last_used) <= ahead)
		return;
	id = READ_ONCE(vq->used->ring[(vq->last_used + ahead) & (vq->size - 1)].id);
	if (id < vq->size && vq->desc_buf[id] < dq->pool.size)
		__builtin_prefetch(dq->pool.base + (u64)vq->desc_buf[id] * dq->pool.stride);
}

#endif
