/* dma.c - the card writes into the driver's buffers
 *
 *   fifo.c --frames--> dma_burst(): take descriptors (virtqueue.c), copy bytes to desc.addr, fill in used entries
 *                      dma_frame(): the same for one frame; the rare cases (several buffers, bad ones) are in dma_chains.c
 *
 * The only code that turns a bus address into a pointer, after a bounds check each time. A bus address is an offset in one
 * sealed memfd. A frame takes as many chains as it needs (VIRTIO_NET_F_MRG_RXBUF): num_buffers in the first header
 * says how many. A bad chain (outside the region, not writable, a loop) is returned with length 0 and counted; an
 * impossible index breaks the queue (NEEDS_RESET). Nothing is ever written outside.
 *
 * The copy sums the transport checksum in the same pass. The sum may be right, or the checksum may be just the pseudo
 * header's sum because the sender left the rest to its card: then it is completed here. In both cases the header says
 * DATA_VALID, if the driver negotiated GUEST_CSUM and rx checksumming is on.
 */
#include "device.h"

#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#define HDR_LEN ((u32)sizeof(struct virtio_net_hdr_v1_hash))
#define ADDRS (IP_HLEN - IPH_SADDR) /* both IPv4 addresses, bytes */

_Static_assert(sizeof(struct virtio_net_hdr_v1_hash) == 20, "virtio 1.2 section 5.1.6");
_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.2 section 2.7.5");
_Static_assert(sizeof(struct frame) == 64, "one cache line");

int dma_init(struct dma *d, u64 size)
{
	d->memfd = memfd_create("vnic-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (d->memfd < 0)
		return -errno;
	if (ftruncate(d->memfd, (off_t)size) < 0 ||
	    fcntl(d->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	d->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, d->memfd, 0);
	if (d->base == MAP_FAILED)
		goto fail;
	d->size = size;
	madvise(d->base, size, MADV_DONTFORK); /* a child process must not share the ring */
	return 0;
fail:
	d->base = NULL;
	close(d->memfd);
	d->memfd = -1;
	return -errno;
}

void dma_exit(struct dma *d)
{
	if (!d->base)
		return;
	munmap(d->base, d->size);
	close(d->memfd);
	d->base = NULL;
}

void *dma_map(const struct dma *d, u64 addr, u64 len)
{
	if (unlikely(addr > d->size || len > d->size - addr))
		return NULL;
	return d->base + addr;
}

typedef u64 __attribute__((may_alias)) u64_alias;

/* Read once, check, then use: the driver may be another process, which changes the descriptor meanwhile. */
struct virtq_desc dma_read_desc(const struct virtqueue *vq, u16 id)
{
	const struct virtq_desc *d = &vq->desc[id];

	u64 rest = READ_ONCE(*(const u64_alias *)&d->len); /* len, flags and next in one */

	return (struct virtq_desc){ READ_ONCE(d->addr), (u32)rest, (u16)(rest >> 32), (u16)(rest >> 48) };
}

/* ---- the transport checksum ---- */

/* One's complement has two zeros. */
static inline bool csum_is_zero(u16 folded)
{
	return folded == 0 || folded == 0xffff;
}

/* The checksum is wrong. If the sender left it to its card, set *whole to what that card would have written. */
static noinline enum dma_csum complete(const struct nic *nic, const struct frame *f, u32 sum, u16 *whole)
{
	u16 have = load16(f->data + frame_csum_at(f));

	if (nic->wire->strict_csum || nic->wire->live ||
	    !csum_is_pseudo(have, f->data + f->l3_off, f->l3, f->l4_len, f->ip_proto))
		return DMA_CSUM_UNKNOWN;
	*whole = csum_fold(csum_add(sum, (u16)~have)); /* the sum without the field */
	if (*whole == 0 && f->ip_proto == IPPROTO_UDP)
		*whole = 0xffff;
	COUNT(nic->wire->csum_completed, 1);
	return DMA_CSUM_COMPLETED;
}

/* RFC 768, RFC 9293, RFC 8200 */
enum dma_csum dma_csum(const struct nic *nic, const struct frame *f, u32 sum, u16 *whole)
{
	if (f->ip_proto == IPPROTO_UDP) {
		if (unlikely(!load16(f->data + frame_csum_at(f)))) /* UDP over IPv4 needs no checksum */
			return f->l3 == 4 ? DMA_CSUM_GOOD : DMA_CSUM_UNKNOWN;
		if (unlikely(be16(f->data + f->l4_off + UDPH_LEN) != f->l4_len))
			return DMA_CSUM_UNKNOWN; /* the UDP length differs from IP's: the host decides */
	}
	return likely(csum_is_zero(csum_fold(sum))) ? DMA_CSUM_GOOD : complete(nic, f, sum, whole);
}

/* A sum that is not simply right. Out of line: inlined, it would keep a dozen values alive across csum_partial(). */
static noinline enum dma_csum not_plainly_right(const struct nic_queue *q, const struct frame *f, u32 sum, u16 *whole)
{
	return dma_csum(q->nic, f, sum, whole);
}

/* Judge a FRAME_PLAIN frame, the common small one: the addresses lie right before the transport part, so one sum covers both. */
static inline enum dma_csum dma_csum_plain(const struct nic_queue *q, const struct frame *f, u16 *whole)
{
	u32 len = f->l4_len, pseudo = htonl(len) + ((u32)f->ip_proto << 24);
	u32 sum = csum_partial(f->data + f->l4_off - ADDRS, len + ADDRS, pseudo);

	if (likely(csum_is_zero(csum_fold(sum)) &&
		   (f->ip_proto == IPPROTO_TCP || be16(f->data + f->l4_off + UDPH_LEN) == f->l4_len)))
		return DMA_CSUM_GOOD;
	return not_plainly_right(q, f, sum, whole);
}

/* ---- one buffer ---- */

int dma_offload(const struct nic *nic)
{
	return nic->rx_csum && (nic->features >> VIRTIO_NET_F_GUEST_CSUM & 1);
}

/* Copy the frame. Return: the sum over the transport part and its pseudo header */
static u32 copy_and_sum(u8 *to, const struct frame *f)
{
	u32 end = f->l4_off + f->l4_len, sum;

	copy_small(to, f->data, f->l4_off);
	sum = csum_and_copy(to + f->l4_off, f->data + f->l4_off, f->l4_len,
			    csum_pseudo(f->data + f->l3_off, f->l3, f->l4_len, f->ip_proto));
	if (unlikely(f->len > end))
		memcpy(to + end, f->data + end, f->len - end);
	return sum;
}

typedef struct virtio_net_hdr_v1_hash __attribute__((aligned(1))) hdr_anywhere; /* the driver chose the address */

void dma_header(const struct frame *f, u8 *at, u32 num_buffers, int data_valid)
{
	*(hdr_anywhere *)at = (struct virtio_net_hdr_v1_hash){
		.flags = data_valid ? VIRTIO_NET_HDR_F_DATA_VALID : 0,
		.num_buffers = (u16)num_buffers,
		.hash_value = f->hash,
		.hash_report = f->hash_report,
	};
}

/* What a burst has in common. */
struct channel {
	struct dma dma;
	u64 now;
	bool offload, sums;
};

static inline struct channel channel_of(const struct nic *nic)
{
	bool offload = dma_offload(nic); /* a replay sums anyway, to complete checksums for a sender's card */

	return (struct channel){ nic->dma, nic->now, offload, offload || !nic->wire->live };
}

/* Take the next chain if it is one good buffer that holds the whole frame, as it nearly always is. Return: where it is; NULL:
 * nothing has happened, and dma_chains() has to look at the chain */
static inline u8 *one_buffer(const struct virtqueue *vq, const struct dma *dma, u16 at, u32 need, u16 *head)
{
	struct virtq_desc d;
	u8 *to;

	*head = READ_ONCE(vq->avail->ring[at & (vq->size - 1)]);
	if (unlikely(*head >= vq->size))
		return NULL;
	d = dma_read_desc(vq, *head);
	to = dma_map(dma, d.addr, d.len);
	return unlikely(!to || d.flags != VIRTQ_DESC_F_WRITE || d.len < need) ? NULL : to;
}

/* Write a frame to one buffer. Return: false: see one_buffer(). Inline in both callers: a call costs 1 % of a replay. */
static inline __attribute__((always_inline)) bool write_frame(struct nic_queue *q, const struct frame *f, u16 at,
							      const struct channel *ch, struct dma_tally *t)
{
	struct virtqueue *vq = &q->vq;
	enum dma_csum csum = DMA_CSUM_UNKNOWN;
	u32 need = f->len + HDR_LEN;
	u16 head, whole;
	u8 *to = one_buffer(vq, &ch->dma, at, need, &head);

	if (unlikely(!to))
		return false;
	if (likely(ch->sums && f->flags & FRAME_L4)) {
		if (f->flags & FRAME_PLAIN && f->len < 192) { /* sum it while hot; a longer one is worth a call */
			copy_small(to + HDR_LEN, f->data, f->len);
			csum = dma_csum_plain(q, f, &whole);
		} else {
			csum = dma_csum(q->nic, f, copy_and_sum(to + HDR_LEN, f), &whole);
		}
		if (unlikely(csum == DMA_CSUM_COMPLETED))
			store16(to + HDR_LEN + frame_csum_at(f), whole);
		t->l4 += ch->offload;
		t->good += ch->offload && csum;
	} else {
		memcpy(to + HDR_LEN, f->data, f->len);
	}
	dma_header(f, to, 1, ch->offload && csum);
	virtqueue_fill_used(vq, head, need);
	q->shadow[head] = (struct frame_shadow){ f->id, f->t_ns, ch->now };
	t->frames++;
	t->bytes += f->len;
	return true;
}

/* Write a frame in two parts. Out of line, so that it costs the others no registers. Its checksum is right: wire.gather()
 * computes it. */
static noinline bool write_two_parts(struct nic_queue *q, const struct frame *f, u16 at)
{
	struct nic *nic = q->nic;
	const struct channel ch = channel_of(nic);
	u32 need = f->len + HDR_LEN;
	u16 head;
	u8 *to;

	if (unlikely(READ_ONCE(nic->watched))) /* a tap may look at it: nic_drain.c makes it whole */
		return false;
	to = one_buffer(&q->vq, &ch.dma, at, need, &head);
	if (unlikely(!to))
		return false;
	nic->wire->gather(nic->wire, f, to + HDR_LEN);
	dma_header(f, to, 1, ch.offload);
	virtqueue_fill_used(&q->vq, head, need);
	q->shadow[head] = (struct frame_shadow){ f->id, f->t_ns, ch.now };
	return true;
}

void dma_count(struct nic_queue *q, const struct dma_tally *t)
{
	q->batch += t->frames;
	COUNT(q->frames, t->frames);
	COUNT(q->bytes, t->bytes);
	COUNT(q->csum_ok, t->good);
	COUNT(q->csum_bad, t->l4 - t->good);
	if (unlikely(q->nic->external_driver))
		COUNT(q->nic->fates[DELIVERED_DRIVER], t->frames);
}

u32 dma_burst(struct nic_queue *q, u32 max)
{
	struct nic *nic = q->nic;
	struct fifo *fifo = &nic->fifo;
	void (*release)(struct wire *, const struct frame *) = nic->wire->release;
	const struct channel ch = channel_of(nic);
	struct frame *const slot = fifo->slot; /* read once: the loop then needs no register for nic */
	const u32 mask = fifo->mask, tail = fifo->tail;
	struct dma_tally t = { 0 }, sum;
	u16 at = q->vq.last_avail;
	int avail;

	max = min_u32(max, fifo->head - tail);
	avail = virtqueue_avail(&q->vq, max);
	if (unlikely(avail <= 0))
		return 0;
	max = min_u32(max, (u32)avail);
	while (t.frames < max) {
		struct frame *f = &slot[(tail + t.frames) & mask];

		if (unlikely(f->queue != q->index))
			break;
		if (unlikely(f->head)) {
			if (!write_two_parts(q, f, (u16)(at + t.frames)))
				break;
			t.frames++;
			t.bytes += f->len;
			t.l4 += ch.offload;
			t.good += ch.offload;
		} else if (unlikely(!write_frame(q, f, (u16)(at + t.frames), &ch, &t))) {
			break;
		}
		if (unlikely(release != NULL))
			release(nic->wire, f);
	}
	if (unlikely(!t.frames))
		return 0;
	if (unlikely(READ_ONCE(nic->watched))) /* released bytes are still there until the wire reads on */
		for (u32 i = 0; i < t.frames; i++)
			nic_watch_dma(nic, &fifo->slot[(fifo->tail + i) & fifo->mask]);
	q->vq.last_avail = (u16)(at + t.frames);
	fifo_pop_burst(fifo, t.frames);
	q->starved = 0;
	sum = t; /* so that t, without an address, stays in registers */
	dma_count(q, &sum);
	return t.frames;
}

int dma_frame(struct nic_queue *q, struct frame *f)
{
	const struct channel ch = channel_of(q->nic);
	struct dma_tally t = { 0 };
	int avail = virtqueue_avail(&q->vq, 1);

	if (avail <= 0)
		return avail;
	if (unlikely(!write_frame(q, f, q->vq.last_avail, &ch, &t)))
		return dma_chains(q, f, avail);
	q->vq.last_avail++;
	nic_watch_dma(q->nic, f);
	dma_count(q, &t);
	return 1;
}
