/* virtqueue.c - the split virtqueue, the ring that device and driver share (virtio 1.2, section 2.7)
 *
 *     driver                         shared memory                          device
 *     virtqueue_add_inbuf()    ->    desc[], avail->ring                    virtqueue_avail()
 *     virtqueue_kick_prepare() ->    avail->idx        (release/acquire) -> dma.c takes chains
 *     virtqueue_get_buf()      <-    used->ring         <-                  virtqueue_fill_used()
 *                              <-    used->idx         (release/acquire) <- virtqueue_publish()
 *     virtqueue_enable_cb()    ->    used_event: "interrupt me when you pass this"
 *                                    avail_event: "kick me when you pass this" <- virtqueue_want_kick()
 *
 * Indices are free-running u16; their difference is the length. Each side reads a value of the shared memory once, and
 * checks it before use: the other side may be another, hostile process. What a half decides on (next index, free
 * descriptors, a descriptor's buffer) it keeps in private memory.
 */
#include "device.h"

_Static_assert(CONFIG_QUEUES + sizeof(((struct vnic_config *)0)->queue_more) / sizeof(struct vnic_queue_config) ==
		       NIC_QUEUES_MAX,
	       "a row for each queue");

struct vnic_queue_config *config_queue(struct vnic_config *c, u32 i)
{
	return i < CONFIG_QUEUES ? &c->queue[i] : &c->queue_more[i - CONFIG_QUEUES];
}

u64 virtq_desc_bytes(u32 size)
{
	return (u64)size * sizeof(struct virtq_desc);
}

u64 virtq_avail_bytes(u32 size)
{
	return sizeof(struct virtq_avail) + ((u64)size + 1) * sizeof(u16);
}

u64 virtq_used_bytes(u32 size)
{
	return sizeof(struct virtq_used) + (u64)size * sizeof(struct virtq_used_elem) + sizeof(u16);
}

static u16 *used_event(struct virtq_avail *avail, u32 size)
{
	return &avail->ring[size];
}

static u16 *avail_event(struct virtq_used *used, u32 size)
{
	return (u16 *)&used->ring[size];
}

int vring_need_event(u16 event, u16 new_idx, u16 old_idx)
{
	return (u16)(new_idx - event - 1) < (u16)(new_idx - old_idx);
}

/* ---- the device's half ---- */

int virtqueue_avail(struct virtqueue *vq, u32 want)
{
	u16 n = (u16)(vq->avail_idx - vq->last_avail), idx;

	if (n >= want && likely(!vq->broken)) /* enough: leave the shared cache line with the driver */
		return n;
	idx = smp_load_acquire(&vq->avail->idx); /* Pairs with virtqueue_kick_prepare(). */
	n = (u16)(idx - vq->last_avail);
	if (unlikely(n > vq->size || vq->broken)) { /* do not keep idx: the next call would take it for chains */
		vq->broken = 1;
		return -EIO;
	}
	vq->avail_idx = idx;
	return n;
}

void virtqueue_fill_used(struct virtqueue *vq, u32 id, u32 len)
{
	struct virtq_used_elem *e = &vq->used->ring[vq->used_idx++ & (vq->size - 1)];

	e->id = id;
	e->len = len;
}

int virtqueue_wants_irq(const struct virtqueue *vq, u16 old)
{
	if (vq->event_idx)
		return vring_need_event(__atomic_load_n(used_event(vq->avail, vq->size), __ATOMIC_SEQ_CST),
					vq->published, old);
	return !(__atomic_load_n(&vq->avail->flags, __ATOMIC_SEQ_CST) & VIRTQ_AVAIL_F_NO_INTERRUPT);
}

int virtqueue_publish(struct virtqueue *vq)
{
	u16 old = vq->published, now = vq->used_idx;

	if (now == old)
		return 0;
	vq->was_published = old;
	vq->published = now;
	/* seq_cst store, then seq_cst load: pairs with the same in virtqueue_enable_cb(). One of the two sides must
	 * see the other's store, or a driver that goes to sleep misses the frame that was published just then. The
	 * store is also the release that lets the driver read the entries. */
	__atomic_store_n(&vq->used->idx, now, __ATOMIC_SEQ_CST);
	return virtqueue_wants_irq(vq, old);
}

/* The next buffer is the one after those that the device has seen, which may be too few for the frame that waits. */
void virtqueue_want_kick(struct virtqueue *vq)
{
	if (vq->event_idx)
		__atomic_store_n(avail_event(vq->used, vq->size), vq->avail_idx, __ATOMIC_SEQ_CST);
	else
		__atomic_store_n(&vq->used->flags, 0, __ATOMIC_SEQ_CST);
}

/* ---- the driver's half ---- */

u32 virtqueue_size(u32 num)
{
	return round_up_pow2(num);
}

/* Any number of descriptors is allowed, and the ring's size is the next power of two. The descriptors behind num are never
 * posted, so a used entry that names one is invalid. */
int virtqueue_driver_init(struct virtqueue_driver *d, u32 num)
{
	const u32 size = virtqueue_size(num);

	d->size = size;
	d->num = num;
	d->nfree = (u16)num;
	d->free_desc = malloc(num * sizeof(*d->free_desc));
	d->desc_buf = malloc(size * sizeof(*d->desc_buf));
	d->chain = malloc(size * sizeof(*d->chain));
	if (!d->free_desc || !d->desc_buf || !d->chain)
		return -ENOMEM;
	for (u32 i = 0; i < num; i++)
		d->free_desc[i] = (u16)(num - 1 - i);
	for (u32 i = 0; i < size; i++)
		d->desc_buf[i] = UINT32_MAX; /* not posted: a used entry that names it is invalid */
	return 0;
}

void virtqueue_driver_free(struct virtqueue_driver *d)
{
	free(d->free_desc);
	free(d->desc_buf);
	free(d->chain);
	d->free_desc = d->chain = NULL;
	d->desc_buf = NULL;
}

/* The loop keeps its pointers in registers: 15 instructions a buffer less than n calls for one. */
void virtqueue_add_inbufs(struct virtqueue_driver *d, u64 bus, u32 stride, u32 len, const u32 *top, u32 n)
{
	const u16 *id_top = d->free_desc + d->nfree;
	const u64 rest = (u64)VIRTQ_DESC_F_WRITE << 32 | len; /* len, flags and next in one */
	struct virtq_desc *desc = d->desc;
	u32 *desc_buf = d->desc_buf;

	d->nfree = (u16)(d->nfree - n);
	while (n) {
		u32 at = d->avail_idx & (d->size - 1), run = min_u32(n, d->size - at);
		u16 *entry = &d->avail->ring[at];

		for (u16 *end = entry + run; entry < end; entry++) {
			u32 buf = *--top;
			u16 id = *--id_top;

			desc[id].addr = bus + (u64)buf * stride;
			store64(&desc[id].len, rest);
			desc_buf[id] = buf;
			*entry = id;
		}
		d->avail_idx = (u16)(d->avail_idx + run);
		n -= run;
	}
}

int virtqueue_add_inbuf(struct virtqueue_driver *d, u64 addr, u32 len, u32 buf)
{
	if (!d->nfree)
		return -ENOSPC;
	virtqueue_add_inbufs(d, addr, 0, len, &buf + 1, 1);
	return 0;
}

/* Remember the chain in private memory too: virtqueue_free_chain() follows it there, not in the shared memory. */
void virtqueue_add_outbuf(struct virtqueue_driver *d, const u64 *addr, const u32 *len, u32 n, u32 buf)
{
	const u16 *ids = d->free_desc + d->nfree - n; /* the last is the head */

	for (u32 i = 0; i < n; i++) {
		u16 id = ids[n - 1 - i], next = i + 1 < n ? ids[n - 2 - i] : 0;

		d->desc[id] = (struct virtq_desc){
			.addr = addr[i], .len = len[i], .flags = i + 1 < n ? VIRTQ_DESC_F_NEXT : 0, .next = next
		};
		d->chain[id] = next;
	}
	d->desc_buf[ids[n - 1]] = buf;
	d->avail->ring[d->avail_idx++ & (d->size - 1)] = ids[n - 1];
	d->nfree = (u16)(d->nfree - n);
}

void virtqueue_free_chain(struct virtqueue_driver *d, u32 desc, u32 n)
{
	while (--n) {
		desc = d->chain[desc];
		d->free_desc[d->nfree++] = (u16)desc;
	}
}

int virtqueue_kick_prepare(struct virtqueue_driver *d)
{
	u16 old = d->kicked, now = d->avail_idx;

	if (now == old)
		return 0;
	d->kicked = now;
	/* Pairs with virtqueue_avail(), and with the device's want_kick-then-look. */
	__atomic_store_n(&d->avail->idx, now, __ATOMIC_SEQ_CST);
	if (d->event_idx)
		return vring_need_event(__atomic_load_n(avail_event(d->used, d->size), __ATOMIC_SEQ_CST), now, old);
	return !(__atomic_load_n(&d->used->flags, __ATOMIC_SEQ_CST) & VIRTQ_USED_F_NO_NOTIFY);
}

/* Look at the device's index, not before it is needed: its cache line stays with the device. Return: as virtqueue_used() */
static int look_for_used(struct virtqueue_driver *d)
{
	u16 n;

	if (d->broken)
		return 0;
	d->used_seen = smp_load_acquire(&d->used->idx); /* Pairs with virtqueue_publish(). */
	n = (u16)(d->used_seen - d->last_used);
	if (likely(n <= d->size))
		return n;
	d->broken = 1; /* more than were ever posted */
	d->used_seen = d->last_used;
	return -EIO;
}

int virtqueue_used(struct virtqueue_driver *d)
{
	u16 n = (u16)(d->used_seen - d->last_used);

	return n ? n : look_for_used(d);
}

int virtqueue_get_buf(struct virtqueue_driver *d, u32 *desc, u32 *len)
{
	struct virtq_used_elem *e;
	u32 id, buf;

	if (unlikely(d->last_used == d->used_seen)) {
		int n = look_for_used(d);

		if (n <= 0)
			return n ? n : -EAGAIN;
	}
	e = &d->used->ring[d->last_used & (d->size - 1)];
	id = READ_ONCE(e->id);
	*len = READ_ONCE(e->len);
	if (unlikely(id >= d->size || (buf = d->desc_buf[id]) == UINT32_MAX)) {
		d->broken = 1;
		d->used_seen = d->last_used;
		return -EIO;
	}
	d->last_used++;
	*desc = id;
	d->desc_buf[id] = UINT32_MAX;
	d->free_desc[d->nfree++] = (u16)id;
	return (int)buf;
}

/* Mask with an index half the space ahead: a ring's worth of entries does not pass it, and the driver sets it anew at every
 * poll. Not with the index just before last_used: a moderation timer judges that range (irq.c), and would take it as wanted. */
void virtqueue_disable_cb(struct virtqueue_driver *d)
{
	if (d->event_idx)
		WRITE_ONCE(*used_event(d->avail, d->size), (u16)(d->last_used + 0x8000));
	else
		WRITE_ONCE(d->avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
}

int virtqueue_enable_cb(struct virtqueue_driver *d)
{
	if (d->event_idx)
		__atomic_store_n(used_event(d->avail, d->size), d->last_used, __ATOMIC_SEQ_CST);
	else
		__atomic_store_n(&d->avail->flags, 0, __ATOMIC_SEQ_CST);
	/* Look again: a frame may have arrived since the last look, before the unmasking. Pairs with virtqueue_publish(). */
	return __atomic_load_n(&d->used->idx, __ATOMIC_SEQ_CST) != d->last_used && !d->broken;
}
