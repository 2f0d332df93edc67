/* skbuff.c - receive buffers, and the sk_buffs that describe them
 *
 *   rx_pool_get() -> driver_refill() -> ring -> driver_poll(): skb -> ... -> kfree_skb*() -> the pool
 *
 * skb i describes buffer i for ever, so one free list serves both, without a second allocator. The list is LIFO: the
 * buffer freed last is still in the cache. The pool belongs to the CPU that polls the queue. Another CPU returns
 * buffers in bursts: it pushes a chain with one compare-and-swap, and the owner takes the whole chain with one
 * exchange. So there is no ABA problem and no size limit, and no cache line is written by both sides per packet.
 * Refused: a bounded ring as in DPDK's mempool cache, which needs a size and an answer to "full". The second law: at
 * rest, free == size.
 */
#include "prelude.h"

#include <sys/mman.h>

_Static_assert(sizeof(struct sk_buff) == 128, "two cache lines: per packet, and GRO's");
_Static_assert(offsetof(struct sk_buff, frag_tail) == 64, "line 1 begins here");

int rx_pool_init(struct rx_pool *p, u8 *base, u64 bus, u32 size, u32 buf_len, u32 stride)
{
	*p = (struct rx_pool){ .base = base, .bus = bus, .stride = stride, .buf_len = buf_len, .size = size };
	p->free = malloc(size * sizeof(*p->free));
	p->skbs = mmap(NULL, size * sizeof(*p->skbs), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!p->free || p->skbs == MAP_FAILED)
		return -ENOMEM;
	return 0;
}

int rx_pool_keep_ids(struct rx_pool *p)
{
	u64 *ids = p->frame_id ? p->frame_id : calloc(p->size, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	smp_store_release(&p->frame_id, ids); /* Pairs with stamp(). */
	return 0;
}

void rx_pool_exit(struct rx_pool *p)
{
	free(p->free);
	free(p->frame_id);
	if (p->skbs)
		munmap(p->skbs, p->size * sizeof(*p->skbs));
	*p = (struct rx_pool){ 0 };
}

void rx_pool_reclaim(struct rx_pool *p)
{
	struct sk_buff *skb;

	if (!READ_ONCE(p->returned))
		return;
	for (skb = __atomic_exchange_n(&p->returned, NULL, __ATOMIC_ACQUIRE); skb; skb = skb->next)
		p->free[p->nfree++] = skb->id; /* Pairs with the release in push_returned(). */
}

static int fresh_buffer(struct rx_pool *p)
{
	u32 id = p->fresh;

	if (id == p->size)
		return -ENOBUFS;
	p->skbs[id].id = id;
	p->skbs[id].pool = p;
	p->fresh++;
	return (int)id;
}

int rx_pool_get(struct rx_pool *p)
{
	if (unlikely(!p->nfree)) {
		rx_pool_reclaim(p);
		if (!p->nfree)
			return fresh_buffer(p);
	}
	return (int)p->free[--p->nfree];
}

u32 rx_pool_free_count(struct rx_pool *p)
{
	rx_pool_reclaim(p);
	return p->nfree + p->size - p->fresh;
}

/* Poll the driver of a ring that ran dry once more, now that it has a buffer. sd returned it; NULL: Python did. */
static void wake_starved(struct rx_pool *p, struct softnet_data *sd)
{
	struct softnet_data *owner = p->owner;

	if (likely(!READ_ONCE(p->starved)) || !__atomic_exchange_n(&p->starved, 0, __ATOMIC_SEQ_CST))
		return;
	raise_hardirq(owner, p->queue, sd ? sd->now : owner->now);
}

static void push_returned(struct softnet_data *sd, struct rx_pool *p, struct sk_buff *head, struct sk_buff *tail)
{
	struct sk_buff *old = READ_ONCE(p->returned);

	do {
		tail->next = old;
	} while (!__atomic_compare_exchange_n(&p->returned, &old, head, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	wake_starved(p, sd);
}

void skb_flush_returns(struct softnet_data *sd)
{
	if (!sd->give_back)
		return;
	push_returned(sd, sd->give_back_pool, sd->give_back, sd->give_back_tail);
	sd->give_back = NULL;
	sd->give_back_len = 0;
}

static void free_piece(struct softnet_data *sd, struct sk_buff *skb)
{
	struct rx_pool *p = skb->pool;

	if (likely(p->owner == sd || !p->owner->live)) {
		p->free[p->nfree++] = skb->id;
		wake_starved(p, sd);
		return;
	}
	if (!sd) { /* a Python thread */
		push_returned(sd, p, skb, skb);
		return;
	}
	if (sd->give_back_pool != p || sd->give_back_len == BURST) {
		skb_flush_returns(sd);
		sd->give_back_pool = p;
	}
	if (!sd->give_back)
		sd->give_back_tail = skb;
	skb->next = sd->give_back;
	sd->give_back = skb;
	sd->give_back_len++;
}

void kfree_skb_list(struct softnet_data *sd, struct sk_buff *skb)
{
	struct sk_buff *piece = skb->frag_list;

	free_piece(sd, skb);
	while (unlikely(piece != NULL)) {
		struct sk_buff *next = piece->next;

		free_piece(sd, piece);
		piece = next;
	}
}

void kfree_skb_reason(struct softnet_data *sd, struct sk_buff *skb, enum fate fate)
{
	count_fate(sd, fate, skb->segs);
	packet_tap_fate(sd, skb, fate);
	kfree_skb_list(sd, skb);
}

/* Record the time that each segment has been in a stage, from its own t_stage on. */
void latency_each(struct softnet_data *sd, enum latency which, const struct sk_buff *skb)
{
	latency(sd, which, skb->t_stage, sd->now, 1);
	for (const struct sk_buff *s = skb->frag_list; s; s = s->next)
		if (s->segs)
			latency(sd, which, s->t_stage, sd->now, 1);
}

u32 skb_copy_bits(const struct sk_buff *skb, u32 off, u8 *to, u32 len)
{
	const struct sk_buff *piece = skb;
	u32 done = 0;

	while (piece && done < len) {
		if (off < piece->head_len) {
			u32 n = min_u32(len - done, piece->head_len - off);

			memcpy(to + done, piece->data + off, n);
			done += n;
			off = 0;
		} else {
			off -= piece->head_len;
		}
		piece = piece == skb ? skb->frag_list : piece->next;
	}
	return done;
}

const u8 *skb_header_pointer(const struct sk_buff *skb, u32 off, u32 len, u8 *copy)
{
	if (likely(off + len <= skb->head_len))
		return skb->data + off;
	return skb_copy_bits(skb, off, copy, len) == len ? copy : NULL;
}

int skb_trim(struct softnet_data *sd, struct sk_buff *skb, u32 len)
{
	struct sk_buff *piece, **link;
	u32 left = len;

	if (len > skb->len)
		return -EINVAL;
	skb->len = len;
	if (likely(!skb->frag_list)) {
		skb->head_len = len;
		return 0;
	}
	skb->head_len = min_u32(skb->head_len, left);
	left -= skb->head_len;
	for (link = &skb->frag_list; (piece = *link) && left; link = &piece->next) {
		piece->head_len = min_u32(piece->head_len, left);
		left -= piece->head_len;
		skb->frag_tail = piece;
	}
	*link = NULL;
	while (piece) { /* wholly behind len */
		struct sk_buff *next = piece->next;

		free_piece(sd, piece);
		piece = next;
	}
	return 0;
}

/* alloc_skb() */
u32 skb_kmalloc_truesize(u32 head)
{
	return head <= 256 ? 256 + SKB_TRUESIZE_OVERHEAD : round_up_pow2(head + 320) + SKB_HEAD_TRUESIZE;
}

/* Charge segment n (the first: 0) of what GRO merged as skb_segment() does: headers are copied, payload is shared. Segments
 * that had no slot (gro.c) are copied whole. */
static u32 segment_truesize(const struct sk_buff *segment, u32 n, u32 hdr, u32 payload)
{
	if (!skb_in_page_frag(segment))
		return segment->truesize;
	return n % (MAX_SKB_FRAGS + 1) ? 256 + SKB_TRUESIZE_OVERHEAD + payload
				       : skb_kmalloc_truesize(hdr + payload + NET_SKB_PAD); /* a copy */
}

struct sk_buff *skb_segment_list(struct sk_buff *skb, u32 own)
{
	struct sk_buff *piece = skb->frag_list, *last = skb, *segments = NULL, **link = &segments, *next;
	u32 hdr = (u32)(skb->data - skb_mac_header(skb)), n = 0;
	bool flist = skb->flags & SKB_FLIST; /* Linux: each segment as it came, and the first stays charged for all */

	if (!flist) {
		skb->truesize = skb_frame_truesize(hdr + own);
		skb->truesize = segment_truesize(skb, 0, hdr, own);
	}
	skb->frag_list = NULL;
	for (; piece; piece = next) {
		next = piece->next;
		piece->next = NULL;
		if (piece->segs) {
			if (!flist)
				piece->truesize = segment_truesize(piece, ++n, hdr, piece->len);
			piece->network_header = skb->network_header; /* behind the same tags */
			piece->pkt_type = skb->pkt_type;
			*link = last = piece;
			link = &piece->next;
		} else { /* the segment before it spans buffers */
			if (last->frag_list)
				last->frag_tail->next = piece;
			else
				last->frag_list = piece;
			last->frag_tail = piece;
		}
	}
	skb->len = own;
	skb->segs = 1;
	return segments;
}

/* Bring up to n further bytes of a packet that spans buffers into the first one. Behind each buffer is room for them:
 * the stride is 128 bytes longer (host.c). */
void skb_pull_headers(struct sk_buff *skb, u32 n)
{
	u8 *end = skb->data + skb->head_len;
	u32 room = (u32)(skb_buffer(skb) + skb->pool->stride - end);

	n = min_u32(n, room);
	for (struct sk_buff *piece = skb->frag_list; piece && n; piece = piece->next) {
		u32 part = min_u32(n, piece->head_len);

		memcpy(end, piece->data, part);
		piece->data += part;
		piece->head_len -= part;
		end += part;
		skb->head_len += part;
		n -= part;
	}
}

void skb_advance(struct sk_buff *skb, u32 n)
{
	u32 part;

	if (likely(n <= skb->head_len)) {
		skb_pull(skb, n);
		return;
	}
	part = skb->head_len;
	skb->len -= n;
	skb->data += part;
	skb->head_len -= part;
	n -= part;
	for (struct sk_buff *piece = skb->frag_list; piece && n; piece = piece->next) {
		part = min_u32(n, piece->head_len);
		piece->data += part;
		piece->head_len -= part;
		n -= part;
	}
}

u32 skb_checksum(const struct sk_buff *skb, u32 off, u32 len, u32 sum)
{
	const struct sk_buff *piece = skb;
	u32 done = 0;

	while (piece && done < len) {
		if (off < piece->head_len) {
			u32 n = min_u32(len - done, piece->head_len - off);
			u32 part = csum_partial(piece->data + off, n, 0);

			if (done & 1) /* an odd offset swaps the bytes of each word */
				part = (part & 0xff00ff) << 8 | (part >> 8 & 0xff00ff);
			sum = csum_add(sum, part);
			done += n;
			off = 0;
		} else {
			off -= piece->head_len;
		}
		piece = piece == skb ? skb->frag_list : piece->next;
	}
	return sum;
}
