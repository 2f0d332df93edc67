/* dma.c - the card writes into the driver's buffers
 *
 *   fifo.c --frames--> dma_burst.c: the usual frames: take descriptors (virtqueue.c), copy bytes to desc.addr, fill in used entries
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
	d->region[0] = (struct dma_region){ 0, size, d->base };
	d->nregions = 1;
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
	d->nregions = 0;
}

void *dma_map(const struct dma *d, u64 addr, u64 len)
{
	void *at = NULL;

	for (u32 i = 0; i < d->nregions && !at; i++)
		at = dma_in_region(&d->region[i], addr, len);
	return at;
}

/* ---- the transport checksum ---- */

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

/* A sum that is not simply right. Out of line, so that the values of its callers' loops stay in registers. */
noinline int dma_odd_sum(const struct nic_queue *q, const struct frame *f, u32 sum, u8 *at)
{
	u16 whole;
	enum dma_csum csum = dma_csum(q->nic, f, sum, &whole);

	if (csum == DMA_CSUM_COMPLETED)
		store16(at + frame_csum_at(f), whole);
	return csum != DMA_CSUM_UNKNOWN;
}

/* ---- one buffer ---- */

int dma_offload(const struct nic *nic)
{
	return nic->rx_csum && (nic->features >> VIRTIO_NET_F_GUEST_CSUM & 1);
}

u32 dma_copy_and_sum(u8 *to, const struct frame *f)
{
	u32 end = f->l4_off + f->l4_len, sum;

	copy_small(to, f->data, f->l4_off);
	sum = csum_and_copy(to + f->l4_off, f->data + f->l4_off, f->l4_len,
			    csum_pseudo(f->data + f->l3_off, f->l3, f->l4_len, f->ip_proto));
	if (unlikely(f->len > end))
		memcpy(to + end, f->data + end, f->len - end);
	return sum;
}

/* The sender's header, which says how to cut the frame and where its checksum belongs. */
static noinline void put_gso(const struct nic *nic, const struct frame *f, u8 *at)
{
	struct virtio_net_hdr_anywhere *to = (void *)at;
	const struct virtio_net_hdr_v1 *h = frame_gso_header(nic->wire, f);

	to->flags = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	to->gso_type = h->gso_type;
	to->hdr_len = h->hdr_len;
	to->gso_size = h->gso_size;
	to->csum_start = h->csum_start;
	to->csum_offset = h->csum_offset;
}

void dma_header(const struct nic *nic, const struct frame *f, u8 *at, u32 num_buffers, int data_valid)
{
	dma_put_header(f, at, nic->hdr_len, num_buffers, data_valid);
	if (unlikely(f->gso))
		put_gso(nic, f, at);
}

/* Take the next chain if it is one good buffer that holds the whole frame, as it nearly always is. Return: where it is; NULL:
 * nothing has happened, and dma_chains() has to look at the chain */
static inline u8 *one_buffer(const struct nic *nic, const struct virtqueue *vq, const struct dma_region *hot, u32 need,
			     u16 *head)
{
	struct virtq_desc d;
	u8 *to;

	*head = READ_ONCE(vq->avail->ring[vq->last_avail & (vq->size - 1)]);
	if (unlikely(*head >= vq->size))
		return NULL;
	d = dma_desc_once(&vq->desc[*head]);
	to = dma_in_region(hot, d.addr, d.len);
	if (unlikely(!to))
		to = dma_map(&nic->dma, d.addr, d.len);
	return unlikely(!to || d.flags != VIRTQ_DESC_F_WRITE || d.len < need) ? NULL : to;
}

static inline void use(struct nic_queue *q, const struct frame *f, u16 head, u32 len, u64 now)
{
	virtqueue_fill_used(&q->vq, head, len);
	q->shadow[head] = (struct frame_shadow){ f->t_ns, f->id, now };
	q->vq.last_avail++;
}

/* Write a frame to one buffer. Return: false: see one_buffer(). Inline in its callers: a call costs 1 % of a replay. */
static inline __attribute__((always_inline)) bool write_frame(struct nic_queue *q, const struct frame *f,
							      const struct dma_channel *ch, struct dma_tally *t)
{
	const u32 hdr = q->nic->hdr_len;
	u32 need = f->len + hdr;
	bool right = false;
	u16 head;
	u8 *to = one_buffer(q->nic, &q->vq, &ch->hot, need, &head);

	if (unlikely(!to))
		return false;
	if (likely(ch->sums && f->flags & FRAME_L4)) {
		right = dma_copy_and_judge(q, f, to + hdr);
		t->l4 += ch->offload;
		t->good += ch->offload && right;
	} else {
		memcpy(to + hdr, f->data, f->len);
	}
	dma_put_header(f, to, hdr, 1, ch->offload && right);
	use(q, f, head, need, ch->now);
	t->frames++;
	t->bytes += f->len;
	return true;
}

noinline int dma_write_one(struct nic_queue *q, const struct frame *f, const struct dma_channel *ch,
			   struct dma_tally *t)
{
	return write_frame(q, f, ch, t);
}

noinline int dma_write_two_parts(struct nic_queue *q, const struct frame *f, const struct dma_channel *ch,
				 struct dma_tally *t)
{
	struct nic *nic = q->nic;
	u32 need = f->len + nic->hdr_len;
	u16 head;
	u8 *to;

	if (unlikely(READ_ONCE(nic->watched))) /* a tap may look at it: nic_drain.c makes it whole */
		return false;
	to = one_buffer(nic, &q->vq, &ch->hot, need, &head);
	if (unlikely(!to))
		return false;
	nic->wire->gather(nic->wire, f, to + nic->hdr_len);
	dma_header(nic, f, to, 1, ch->offload);
	use(q, f, head, need, ch->now);
	t->frames++;
	t->bytes += f->len;
	t->l4 += ch->offload;
	t->good += ch->offload;
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

int dma_frame(struct nic_queue *q, struct frame *f)
{
	int rc;

	if (unlikely(q->nic->faults != NULL))
		return dma_faulty(q, f);
	rc = dma_write(q, f);
	if (rc == 1)
		nic_watch_dma(q->nic, f);
	return rc;
}

int dma_write(struct nic_queue *q, struct frame *f)
{
	const struct dma_channel ch = dma_channel(q->nic);
	struct dma_tally t = { 0 };
	int avail = virtqueue_avail(&q->vq, 1);

	if (avail <= 0)
		return avail;
	if (unlikely(f->gso) || unlikely(!write_frame(q, f, &ch, &t)))
		return dma_chains(q, f, avail);
	dma_count(q, &t);
	return 1;
}
