/* fifo.c - the card's packet memory
 *
 * One per NIC, in order, accounted in bytes: a frame counts at least the 60 that a wire pads it to. The bytes stay
 * where the wire has them: in the mapped capture, in the memory wire's arena, in the TAP's slots. If the FIFO is full, the
 * frame is lost (rx_fifo_errors). The number of slots follows from the bytes, so it is never the limit.
 */
#include "device.h"

static u32 accounted(const struct frame *f)
{
	return f->len < ETH_ZLEN ? ETH_ZLEN : f->len;
}

int fifo_init(struct fifo *q, u32 bytes)
{
	u32 n = round_up_pow2(bytes / ETH_ZLEN + 1);

	*q = (struct fifo){ .slot = malloc(n * sizeof(*q->slot)), .mask = n - 1, .size = bytes };
	return q->slot ? 0 : -ENOMEM;
}

int fifo_resize(struct fifo *q, u32 bytes)
{
	u32 held = q->head - q->tail, n = round_up_pow2(max_u32(bytes / ETH_ZLEN, held) + 1);
	struct frame *slot = malloc(n * sizeof(*slot));

	if (!slot)
		return -ENOMEM;
	for (u32 i = 0; i < held; i++)
		slot[i] = q->slot[(q->tail + i) & q->mask];
	free(q->slot);
	q->slot = slot;
	q->mask = n - 1;
	q->size = bytes;
	q->tail = 0;
	q->head = held;
	return 0;
}

/* An empty FIFO restarts at the front, where its slots are in the cache. */
struct frame *fifo_room(struct fifo *q, u32 n)
{
	u32 at, room = q->mask + 1;

	if (q->head == q->tail)
		q->head = q->tail = 0;
	at = q->head & q->mask;
	return n <= room - (q->head - q->tail) && at + n <= room ? &q->slot[at] : NULL;
}

u32 fifo_push_burst(struct fifo *q, const struct frame *f, u32 n)
{
	u32 head = q->head, bytes = q->bytes, i;

	for (i = 0; i < n; i++) {
		struct frame *slot = &q->slot[head & q->mask];
		u32 more = accounted(&f[i]);

		if (unlikely(bytes + more > q->size)) /* bytes may exceed size: fifo_resize() */
			break;
		if (slot != &f[i])
			*slot = f[i];
		bytes += more;
		head++;
	}
	WRITE_ONCE(q->head, head);
	q->bytes = bytes;
	if (bytes > q->max_bytes)
		q->max_bytes = bytes;
	return i;
}

int fifo_take(struct fifo *q, const struct frame *f, u32 n, u32 bytes)
{
	if (f != &q->slot[q->head & q->mask] || bytes > q->size || q->bytes > q->size - bytes)
		return 0;
	WRITE_ONCE(q->head, q->head + n);
	q->bytes += bytes;
	q->max_bytes = max_u32(q->max_bytes, q->bytes);
	return 1;
}

int fifo_push(struct fifo *q, const struct frame *f)
{
	return fifo_push_burst(q, f, 1) ? 0 : -ENOBUFS;
}

struct frame *fifo_peek(struct fifo *q)
{
	return q->head == q->tail ? NULL : &q->slot[q->tail & q->mask];
}

void fifo_pop_burst(struct fifo *q, u32 n)
{
	for (u32 i = 0; i < n; i++)
		q->bytes -= accounted(&q->slot[(q->tail + i) & q->mask]);
	COUNT(q->tail, n);
}

void fifo_pop(struct fifo *q)
{
	fifo_pop_burst(q, 1);
}

/* ---- which queue blocks it ---- */

void count_no_buffer(struct nic_queue *q)
{
	q->pool_dry = q->driver && q->driver->pool_dry(q);
	COUNT(q->no_buffer, 1);
	COUNT(q->nic->rx_no_buffer_count, 1);
	COUNT(q->no_buffer_moderated, q->irq.pending);
	COUNT(q->no_buffer_pool, q->pool_dry);
}

/* If the oldest frame waits for a buffer, its queue is why the FIFO is full. Count also whether that queue's interrupt is still
 * deferred (irq.c), or its driver's pool is dry. */
void fifo_overrun(struct nic *nic, const struct frame *f)
{
	const struct frame *head = fifo_peek(&nic->fifo);
	struct nic_queue *q;

	COUNT(nic->rx_fifo_errors, 1);
	COUNT(nic->fifo.lost_bytes, accounted(f));
	if (!head || !(head->flags & FRAME_WAITED))
		return;
	q = &nic->queue[head->queue];
	COUNT(q->overruns, 1);
	COUNT(q->overruns_moderated, q->irq.pending);
	COUNT(q->overruns_pool, q->pool_dry);
}
