/* dma.c - the card writes into the driver's buffers
 *
 *   fifo.c --frame--> dma_frame(): virtqueue.c gives descriptors, bytes go to desc.addr, used entries come back
 *
 * The only code that turns a bus address into a pointer, and every one is bounds-checked. Bus address = offset in one
 * sealed memfd. A frame takes as many chains as it needs (VIRTIO_NET_F_MRG_RXBUF): num_buffers in the first header
 * says how many. A chain that is no good (outside the region, not writable, a loop) is given back with length 0 and
 * counted; an index that cannot be breaks the queue (NEEDS_RESET). Nothing is ever written outside.
 *
 * The transport checksum is summed in the same pass as the copy. If it is right, or is just the pseudo-header's sum
 * (the sender had left the rest to its card; then it is completed here, as that card would have), the header says
 * DATA_VALID - as far as the driver negotiated GUEST_CSUM and rx checksumming is on.
 */
#include "prelude.h"

#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#define HDR_LEN ((u32)sizeof(struct virtio_net_hdr_v1_hash))
#define CHAIN_MAX 64 /* descriptors in a chain we follow */

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

/* Where a frame goes: the pieces of the buffers it was given, in order. */
struct piece {
	u8 *at;
	u32 len;
};
struct scatter {
	struct piece piece[256];
	u32 n, room;
};

/* Read once, check, then use: the driver may be another process, and change it under our eyes. */
static struct virtq_desc read_desc(const struct virtqueue *vq, u16 id)
{
	const struct virtq_desc *d = &vq->desc[id];

	return (struct virtq_desc){ READ_ONCE(d->addr), READ_ONCE(d->len), READ_ONCE(d->flags), READ_ONCE(d->next) };
}

/* Follow the chain from head. Return: bytes of room it adds, -EINVAL if it is not to be used, or
 * -EMSGSIZE if the frame is in too many pieces by now. */
static int add_chain(struct nic_queue *q, u16 head, struct scatter *s)
{
	struct virtqueue *vq = &q->vq;
	u32 n = s->n, room = 0;
	u16 id = head;

	for (u32 hops = 0; hops < CHAIN_MAX; hops++) {
		struct virtq_desc d;
		u8 *at;

		if (n == ARRAY_SIZE(s->piece))
			return -EMSGSIZE;
		if (id >= vq->size)
			return -EINVAL;
		d = read_desc(vq, id);
		at = dma_map(&q->nic->dma, d.addr, d.len);
		if (!at || !(d.flags & VIRTQ_DESC_F_WRITE) || d.flags & VIRTQ_DESC_F_INDIRECT || d.len > 1u << 30)
			return -EINVAL;
		if (hops == 0 && d.len < HDR_LEN) /* the header must not be torn */
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

/* Copy len bytes from src into the pieces from *at on, adding those in [from, to) of the frame to the sum. */
struct cursor {
	struct scatter *s;
	u32 piece, off, pos;
	u32 sum;
};

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

/* Write two bytes at frame offset pos, wherever they lie in the pieces (the header is in the first HDR_LEN bytes). */
static void poke16(struct scatter *s, u32 pos, u16 value)
{
	u8 bytes[2];

	store16(bytes, value);
	for (u32 b = 0; b < 2; b++) {
		u32 off = pos + b + HDR_LEN, i = 0;

		while (off >= s->piece[i].len)
			off -= s->piece[i++].len;
		s->piece[i].at[off] = bytes[b];
	}
}

/* The field holds just the pseudo-header's sum: what the sender's card would have written goes there. */
static noinline void complete_csum(struct nic_queue *q, struct frame *f, struct scatter *s, u32 at, u16 right)
{
	poke16(s, at, right == 0 && f->ip_proto == 17 ? 0xffff : right);
	COUNT(q->nic->wire->csum_completed, 1);
	f->flags |= FRAME_CSUM_OK;
}

/* Judge the transport checksum, given the sum over [l4_off, l4_off + l4_len). RFC 768, RFC 9293, RFC 8200. */
static void check_csum(struct nic_queue *q, struct frame *f, u32 l4_sum, struct scatter *s)
{
	const u8 *ip = f->data + f->l3_off;
	u32 at = f->l4_off + (f->ip_proto == 6 ? 16u : 6u);
	u16 have = load16(f->data + at);
	u32 pseudo, sum;
	u16 whole;

	if (f->ip_proto == 17 && have == 0) {
		if (f->l3 == 4)
			f->flags |= FRAME_CSUM_OK; /* IPv4 UDP without checksum: nothing to get wrong */
		return;
	}
	if (f->ip_proto == 17 && be16(f->data + f->l4_off + 4) != f->l4_len)
		return; /* UDP length differs from IP's: the host decides */
	pseudo = csum_pseudo(ip, f->l3, f->l4_len, f->ip_proto);
	sum = csum_add(pseudo, l4_sum);
	whole = csum_fold(sum);
	if (likely(whole == 0 || whole == 0xffff)) {
		f->flags |= FRAME_CSUM_OK;
	} else if (!q->nic->wire->strict_csum && !q->nic->wire->live && (have ^ csum_fold(pseudo)) == 0xffff) {
		complete_csum(q, f, s, at, csum_fold(csum_add(sum, (u16)~have))); /* the sum without the field */
	}
}

/* A small frame, without the call: 16 bytes at a time, the last 16 once more where they end. */
static void copy_small(u8 *to, const u8 *from, u32 len)
{
	u32 i = 0;

	if (unlikely(len < 16)) {
		memcpy(to, from, len);
		return;
	}
	do {
		memcpy(to + i, from + i, 16);
		i += 16;
	} while (i + 16 <= len);
	memcpy(to + len - 16, from + len - 16, 16);
}

/* All of it into one buffer. Return: the sum over the transport part, if that is wanted */
static u32 copy_whole(u8 *to, const struct frame *f, bool summed)
{
	u32 end = f->l4_off + f->l4_len, sum;

	if (f->len < 256) { /* the sum over lines still hot */
		copy_small(to, f->data, f->len);
		return summed ? csum_partial(f->data + f->l4_off, f->l4_len, 0) : 0;
	}
	if (!summed) {
		memcpy(to, f->data, f->len);
		return 0;
	}
	memcpy(to, f->data, f->l4_off);
	sum = csum_and_copy(to + f->l4_off, f->data + f->l4_off, f->l4_len, 0);
	if (f->len > end)
		memcpy(to + end, f->data + end, f->len - end);
	return sum;
}

static noinline u32 copy_scattered(struct scatter *s, const struct frame *f, bool summed)
{
	struct cursor c = { .s = s, .off = HDR_LEN };

	if (c.off == s->piece[0].len && s->n > 1)
		c = (struct cursor){ .s = s, .piece = 1 };
	if (summed) {
		copy_range(&c, f->data, f->l4_off, false, 0);
		copy_range(&c, f->data, f->l4_off + f->l4_len, true, f->l4_off);
	}
	copy_range(&c, f->data, f->len, false, 0);
	return c.sum;
}

/* Has the driver asked for checksum offload? A replay sums anyway, to complete what a sender's card would have. */
static bool has_offload(const struct nic *nic)
{
	return nic->rx_csum && (nic->config->driver_features >> VIRTIO_NET_F_GUEST_CSUM & 1);
}

typedef struct virtio_net_hdr_v1_hash __attribute__((aligned(1))) hdr_anywhere; /* the driver chose the address */

static void write_header(struct nic_queue *q, const struct frame *f, u8 *at, u32 num_buffers, bool offload)
{
	bool good = f->flags & FRAME_CSUM_OK;

	if (f->flags & FRAME_L4 && offload)
		COUNT(*(good ? &q->csum_ok : &q->csum_bad), 1);
	*(hdr_anywhere *)at = (struct virtio_net_hdr_v1_hash){
		.flags = offload && good ? VIRTIO_NET_HDR_F_DATA_VALID : 0,
		.num_buffers = (u16)num_buffers,
		.hash_value = f->hash,
		.hash_report = f->hash_report,
	};
}

/* A chain the card can't use goes back with length 0. */
static void refuse_chain(struct nic_queue *q, u16 head)
{
	COUNT(q->dma_failed, 1);
	virtqueue_fill_used(&q->vq, head, 0);
}

static int frame_done(struct nic_queue *q, struct frame *f, u16 head)
{
	q->batch++;
	q->shadow[head] = (struct frame_shadow){ f->id, f->t_ns, q->nic->now };
	COUNT(q->frames, 1);
	COUNT(q->bytes, f->len);
	if (unlikely(q->nic->host->external_driver))
		COUNT(q->nic->fates[DELIVERED_DRIVER], 1);
	return 1;
}

/* Nearly always: the next chain is one good buffer that takes all of the frame. Return: 1, or 0: not so, and nothing
 * has happened yet (whatever is wrong with the chain, the long way finds it again and says what) */
static int dma_one_buffer(struct nic_queue *q, struct frame *f)
{
	struct virtqueue *vq = &q->vq;
	u16 head = READ_ONCE(vq->avail->ring[vq->last_avail & (vq->size - 1)]);
	u32 need = f->len + HDR_LEN;
	struct virtq_desc d;
	bool offload = has_offload(q->nic);
	bool summed = f->flags & FRAME_L4 && (offload || !q->nic->wire->live);
	struct scatter s;
	u32 sum;
	u8 *to;

	if (unlikely(head >= vq->size))
		return 0;
	d = read_desc(vq, head);
	to = dma_map(&q->nic->dma, d.addr, d.len);
	if (unlikely(!to || d.flags != VIRTQ_DESC_F_WRITE || d.len < need))
		return 0;
	sum = copy_whole(to + HDR_LEN, f, summed);
	if (likely(summed)) {
		s.piece[0] = (struct piece){ to, d.len };
		check_csum(q, f, sum, &s);
	}
	write_header(q, f, to, 1, offload);
	virtqueue_fill_used(vq, head, need);
	vq->last_avail++;
	return frame_done(q, f, head);
}

static noinline int dma_chains(struct nic_queue *q, struct frame *f, int avail)
{
	struct virtqueue *vq = &q->vq;
	u32 need = f->len + HDR_LEN, chains = 0, refused = 0;
	bool offload = has_offload(q->nic);
	bool summed = f->flags & FRAME_L4 && (offload || !q->nic->wire->live);
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
				/* none left: wait for more, unless the whole ring would not hold it */
				return chains == vq->size ? -EMSGSIZE : 0;
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
		if (unlikely(room < 0)) { /* all taken so far go back, the frame begins again behind them */
			for (u32 i = 0; i < chains; i++)
				virtqueue_fill_used(vq, heads[i], 0);
			refuse_chain(q, head);
			q->batch += chains + 1;
			avail -= (int)chains + 1;
			vq->last_avail = ++at;
			chains = s.n = s.room = 0;
			if (++refused > vq->size) { /* it posts bad ones as fast as we give them back */
				vq->broken = 1;
				return -EIO;
			}
			continue;
		}
		at++;
		heads[chains] = head;
		rooms[chains++] = (u32)room;
		s.room += (u32)room;
	}
	sum = copy_scattered(&s, f, summed);
	if (summed)
		check_csum(q, f, sum, &s);
	write_header(q, f, s.piece[0].at, chains, offload);
	for (u32 i = 0; i < chains; i++) {
		u32 used = min_u32(need, rooms[i]);

		virtqueue_fill_used(vq, heads[i], used);
		need -= used;
	}
	vq->last_avail = at;
	return frame_done(q, f, heads[0]);
}

int dma_frame(struct nic_queue *q, struct frame *f)
{
	int avail = virtqueue_avail(&q->vq, 1);

	if (avail <= 0)
		return avail;
	return likely(dma_one_buffer(q, f)) ? 1 : dma_chains(q, f, avail);
}
