/* dma_burst.c - the usual frames: each goes to one good buffer. One loop, and nothing rare in it
 *
 *   nic_drain.c -> dma_burst(): a run = frames, available entries and used entries that each lie side by side -> run()
 *               -> the frame that ended a run: in two parts, or its buffer in another region -> one(), else dma_frame()
 *
 * A frame that is not usual ends the run before anything of it counts. What the driver shares is read once and checked, entry by
 * entry: the ring may change at any time.
 */
#include "device.h"

#define ALWAYS static inline __attribute__((always_inline)) /* once for each length of the header */

/* ---- a run ---- */

/* Frames, available entries, used entries from here on; n of each lie side by side. */
struct run {
	const struct frame *f;
	const u16 *avail;
	struct virtq_used_elem *used;
	u32 n;
};

static inline struct run run_at(const struct nic_queue *q, u32 done, u32 max)
{
	const struct virtqueue *vq = &q->vq;
	const struct fifo *fifo = &q->nic->fifo;
	u32 slot = (fifo->tail + done) & fifo->mask, entry = vq->last_avail & (vq->size - 1),
	    used = vq->used_idx & (vq->size - 1);
	u32 n = min_u32(max - done, min_u32(fifo->mask + 1 - slot, vq->size - max_u32(entry, used)));

	return (struct run){ &fifo->slot[slot], &vq->avail->ring[entry], &vq->used->ring[used], n };
}

/* Return: frames written */
ALWAYS u32 run(struct nic_queue *q, const struct run *r, const struct dma_channel *ch, u32 hdr, struct dma_tally *t)
{
	const struct virtq_desc *desc = q->vq.desc;
	struct frame_shadow *shadow = q->shadow;
	const u32 size = q->vq.size, n = r->n;
	const u16 queue = (u16)q->index;
	u32 bytes = 0, l4 = 0, bad = 0, i;

	for (i = 0; i < n; i++) {
		const struct frame *f = &r->f[i];
		u32 need = f->len + hdr;
		u16 head = READ_ONCE(r->avail[i]);
		struct virtq_desc d;
		bool right = false;
		u8 *to;

		if (unlikely(f->queue != queue || frame_is_odd(f) || head >= size))
			break;
		d = dma_desc_once(&desc[head]);
		to = dma_in_region(&ch->hot, d.addr, d.len);
		if (unlikely(!to || d.flags != VIRTQ_DESC_F_WRITE || d.len < need))
			break;
		if (likely(ch->sums && f->flags & FRAME_L4)) {
			right = dma_copy_and_judge(q, f, to + hdr);
			l4++;
			bad += !right;
		} else {
			memcpy(to + hdr, f->data, f->len);
		}
		dma_put_header(f, to, hdr, 1, ch->offload && right);
		r->used[i] = (struct virtq_used_elem){ head, need };
		shadow[head] = (struct frame_shadow){ f->t_ns, f->id, ch->now };
		bytes += f->len;
	}
	q->vq.last_avail = (u16)(q->vq.last_avail + i);
	q->vq.used_idx = (u16)(q->vq.used_idx + i);
	t->frames += i;
	t->bytes += bytes;
	if (ch->offload) {
		t->l4 += l4;
		t->good += l4 - bad;
	}
	return i;
}

/* ---- a burst ---- */

/* Write the frame that ended a run, if one buffer holds it all the same. Return: false: dma_frame() has to look at it */
static noinline bool one(struct nic_queue *q, u32 done, const struct dma_channel *ch, struct dma_tally *t)
{
	const struct fifo *fifo = &q->nic->fifo;
	const struct frame *f = &fifo->slot[(fifo->tail + done) & fifo->mask];

	if (f->queue != q->index || f->gso)
		return false;
	return f->head ? dma_write_two_parts(q, f, ch, t) : dma_write_one(q, f, ch, t);
}

/* They have left the FIFO. Released bytes are still there until the wire reads on. */
static inline void gone(struct nic *nic, u32 n)
{
	struct fifo *fifo = &nic->fifo;

	if (unlikely(nic->wire->release != NULL))
		for (u32 i = 0; i < n; i++)
			nic->wire->release(nic->wire, &fifo->slot[(fifo->tail + i) & fifo->mask]);
	if (unlikely(READ_ONCE(nic->watched) || nic->lat))
		for (u32 i = 0; i < n; i++)
			nic_watch_dma(nic, &fifo->slot[(fifo->tail + i) & fifo->mask]);
	fifo_pop_burst(fifo, n);
}

ALWAYS u32 burst(struct nic_queue *q, u32 max, u32 hdr)
{
	const struct dma_channel ch = dma_channel(q->nic);
	const struct fifo *fifo = &q->nic->fifo;
	struct dma_tally t = { 0 };
	u32 done = 0;
	int avail;

	max = min_u32(max, fifo->head - fifo->tail);
	avail = virtqueue_avail(&q->vq, max);
	if (unlikely(avail <= 0))
		return 0;
	max = min_u32(max, (u32)avail);
	while (done < max) {
		struct run r = run_at(q, done, max);
		u32 n = run(q, &r, &ch, hdr, &t);

		done += n;
		if (n == r.n)
			continue;
		if (!one(q, done, &ch, &t))
			break;
		done++;
	}
	if (unlikely(!done))
		return 0;
	gone(q->nic, done);
	q->starved = 0;
	dma_count(q, &t);
	return done;
}

static noinline u32 burst_short(struct nic_queue *q, u32 max)
{
	return burst(q, max, HDR_SHORT);
}

u32 dma_burst(struct nic_queue *q, u32 max)
{
	if (unlikely(q->nic->faults != NULL)) /* one frame after the other */
		return 0;
	return likely(q->nic->hdr_len == HDR_HASH) ? burst(q, max, HDR_HASH) : burst_short(q, max);
}
