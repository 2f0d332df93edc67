/* fifo.c - the card's packet memory
 *
 * One per NIC, in order, accounted in bytes (a frame counts at least the 60 it is padded to on a wire). The bytes stay
 * where the wire has them: in the mapped capture, in the memory wire's arena, in the TAP's slots. Full: the frame is
 * lost, rx_fifo_errors. The number of slots follows from the bytes, so it is never the limit.
 */
#include "prelude.h"

static u32 accounted(const struct frame *f)
{
	return f->len < ETH_ZLEN ? ETH_ZLEN : f->len;
}

int fifo_init(struct fifo *q, u32 bytes)
{
	u32 n = round_up_pow2(bytes / ETH_ZLEN + 1);

	q->slot = malloc(n * sizeof(*q->slot));
	q->mask = n - 1;
	q->size = bytes;
	q->head = q->tail = q->bytes = q->max_bytes = 0;
	return q->slot ? 0 : -ENOMEM;
}

int fifo_push(struct fifo *q, const struct frame *f)
{
	u32 bytes = accounted(f);

	if (unlikely(bytes > q->size - q->bytes))
		return -ENOBUFS;
	q->slot[q->head & q->mask] = *f;
	COUNT(q->head, 1);
	q->bytes += bytes;
	if (q->bytes > q->max_bytes)
		q->max_bytes = q->bytes;
	return 0;
}

struct frame *fifo_peek(struct fifo *q)
{
	return q->head == q->tail ? NULL : &q->slot[q->tail & q->mask];
}

void fifo_pop(struct fifo *q)
{
	q->bytes -= accounted(&q->slot[q->tail & q->mask]);
	COUNT(q->tail, 1);
}
