/* dma_chains.c - a frame that takes more than one buffer, or meets bad chains
 *
 *   dma.c dma_frame() -> dma_chains(): follow chains until the frame fits, copy it into their pieces, return them
 *
 * VIRTIO_NET_F_MRG_RXBUF: num_buffers in the first header says how many chains the frame took. If a chain is bad (outside
 * the region, not writable, indirect, a loop), it is returned with length 0, as are those before it, and the frame starts
 * again after them. An impossible index breaks the queue.
 */
#include "device.h"

#define CHAIN_MAX 64 /* descriptors of a chain, at most */

/* The pieces of buffers that a frame goes to, in order. */
struct piece {
	u8 *at;
	u32 len;
};
struct scatter {
	struct piece piece[256];
	u32 n, room;
};

/* Follow the chain from head. Return: bytes of room that it adds; -EINVAL: it is bad; -EMSGSIZE: the frame would be in too
 * many pieces. */
static int add_chain(struct nic_queue *q, u16 head, struct scatter *s)
{
	struct virtqueue *vq = &q->vq;
	u32 n = s->n, room = 0;
	u16 id = head;

	for (u32 hops = 0; hops < CHAIN_MAX && hops < vq->size; hops++) {
		struct virtq_desc d;
		u8 *at;

		if (n == ARRAY_SIZE(s->piece))
			return -EMSGSIZE;
		if (id >= vq->size)
			return -EINVAL;
		d = dma_desc_once(&vq->desc[id]);
		at = dma_map(&q->nic->dma, d.addr, d.len);
		if (!at || !(d.flags & VIRTQ_DESC_F_WRITE) || d.flags & VIRTQ_DESC_F_INDIRECT || d.len > 1u << 30)
			return -EINVAL;
		if (hops == 0 && d.len < q->nic->hdr_len) /* the header must be in one piece */
			return -EINVAL;
		s->piece[n++] = (struct piece){ at, d.len };
		room = min_u32(room + d.len, 1u << 30); /* a hostile chain's sum must not wrap */
		if (!(d.flags & VIRTQ_DESC_F_NEXT)) {
			s->n = n;
			return (int)room;
		}
		id = d.next;
	}
	return -EINVAL;
}

/* The next byte to write: piece, offset in it, position in the frame; and the sum so far. */
struct cursor {
	struct scatter *s;
	u32 piece, off, pos;
	u32 sum;
};

/* Copy the frame up to end into the pieces, and add the bytes to the sum if asked. */
static void copy_range(struct cursor *c, const u8 *src, u32 end, bool summed, u32 sum_start)
{
	while (c->pos < end) {
		struct piece *p = &c->s->piece[c->piece];
		u32 n = min_u32(end - c->pos, p->len - c->off);

		if (!summed) {
			memcpy(p->at + c->off, src + c->pos, n);
		} else {
			u32 part = csum_and_copy(p->at + c->off, src + c->pos, n, 0);

			if ((c->pos - sum_start) & 1) /* an odd start swaps the bytes of every word */
				part = (part & 0xff00ff) << 8 | (part >> 8 & 0xff00ff);
			c->sum = csum_add(c->sum, part);
		}
		c->pos += n;
		c->off += n;
		if (c->off == p->len && c->piece + 1 < c->s->n) {
			c->piece++;
			c->off = 0;
		}
	}
}

/* Write two bytes at offset pos, counted from the header on. */
static void poke16(struct scatter *s, u32 pos, u16 value)
{
	u8 bytes[2];

	store16(bytes, value);
	for (u32 b = 0; b < 2; b++) {
		u32 off = pos + b, i = 0;

		while (off >= s->piece[i].len)
			off -= s->piece[i++].len;
		s->piece[i].at[off] = bytes[b];
	}
}

static noinline u32 copy_scattered(struct scatter *s, const struct frame *f, u32 hdr, bool summed)
{
	struct cursor c = { .s = s, .off = hdr };

	if (c.off == s->piece[0].len && s->n > 1)
		c = (struct cursor){ .s = s, .piece = 1 };
	if (summed) {
		copy_range(&c, f->data, f->l4_off, false, 0);
		copy_range(&c, f->data, f->l4_off + f->l4_len, true, f->l4_off);
	}
	copy_range(&c, f->data, f->len, false, 0);
	return c.sum;
}

/* Return a bad chain with length 0. */
static void refuse_chain(struct nic_queue *q, u16 head)
{
	COUNT(q->dma_failed, 1);
	q->nic->refused++;
	virtqueue_fill_used(&q->vq, head, 0);
}

int dma_chains(struct nic_queue *q, struct frame *f, int avail)
{
	struct virtqueue *vq = &q->vq;
	const u32 hdr = q->nic->hdr_len;
	u32 need = f->len + hdr, chains = 0, refused = 0;
	const bool mergeable = q->nic->features >> VIRTIO_NET_F_MRG_RXBUF & 1;
	bool offload = dma_offload(q->nic);
	bool summed = f->flags & FRAME_L4 && !f->gso && (offload || !q->nic->wire->live);
	int csum = 0;
	u16 heads[256], at = vq->last_avail;
	u32 rooms[256];
	struct scatter s;
	u32 sum;

	s.n = s.room = 0;
	while (s.room < need) {
		u16 head;
		int room;

		if ((u16)(at - vq->last_avail) >= avail) {
			avail = virtqueue_avail(vq, chains + 1);
			if (avail < 0)
				return avail;
			if ((u16)(at - vq->last_avail) >= avail)
				/* no chain left: wait for more, unless the whole ring is too small */
				return chains == (q->chains_max ? q->chains_max : vq->size) ? -EMSGSIZE : 0;
		}
		if (chains == ARRAY_SIZE(heads))
			return -EMSGSIZE;
		head = READ_ONCE(vq->avail->ring[at & (vq->size - 1)]);
		if (unlikely(head >= vq->size)) {
			vq->broken = 1;
			return -EIO;
		}
		room = add_chain(q, head, &s);
		if (unlikely(room == -EMSGSIZE))
			return room;
		if (unlikely(room < 0)) { /* return all taken so far, and start again after them */
			for (u32 i = 0; i < chains; i++)
				virtqueue_fill_used(vq, heads[i], 0);
			refuse_chain(q, head);
			q->batch += chains + 1;
			avail -= (int)chains + 1;
			vq->last_avail = ++at;
			chains = s.n = s.room = 0;
			if (++refused > vq->size) { /* the driver posts bad ones as fast as they return */
				vq->broken = 1;
				return -EIO;
			}
			continue;
		}
		if (unlikely(!mergeable && (u32)room < need))
			return -EMSGSIZE; /* cut frames help no driver: drop it, and leave the chain for the next */
		at++;
		heads[chains] = head;
		rooms[chains++] = (u32)room;
		s.room += (u32)room;
	}
	sum = copy_scattered(&s, f, hdr, summed);
	if (summed) {
		u16 whole;

		csum = dma_csum(q->nic, f,
				csum_add(sum, csum_pseudo(f->data + f->l3_off, f->l3, f->l4_len, f->ip_proto)), &whole);
		if (csum == DMA_CSUM_COMPLETED)
			poke16(&s, hdr + frame_csum_at(f), whole);
	}
	dma_header(q->nic, f, s.piece[0].at, chains, offload && csum);
	for (u32 i = 0; i < chains; i++) {
		u32 used = min_u32(need, rooms[i]);

		virtqueue_fill_used(vq, heads[i], used);
		need -= used;
	}
	vq->last_avail = at;
	q->shadow[heads[0]] = (struct frame_shadow){ f->t_ns, f->id, q->nic->now };
	for (u32 i = 1; i < chains; i++)
		q->shadow[heads[i]].id = 0; /* no frame begins there */
	dma_count(q, &(struct dma_tally){ 1, f->len, offload && summed, offload && csum });
	return 1;
}
