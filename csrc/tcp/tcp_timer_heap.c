/* tcp_timer_heap.c - the deadlines of connections, the earliest first: a heap for each CPU
 *
 *   tcp_release_sock() -> tcp_timers_sync(): the earliest deadline of the connection;  tcp_timer() -> tcp_take_due()
 *
 * A deadline that moves later stays where it is in the heap: when its old time comes, the connection is looked at and put
 * back. So an acknowledgement that gives the oldest segment its whole timeout again costs nothing here.
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define WHEEL_BUCKETS 64u
#define WHEEL_SHIFT_MAX 24u

/* tcp_jiffies_later() - when Linux's timer wheel runs a timer for ns from now: at a tick, and the farther away, the coarser.
 * Up to 63 ticks it is one tick late, up to 504 at a multiple of 8 ticks, and so on: never early, at most an eighth late.
 * kernel/time/timer.c: calc_index() */
u64 tcp_jiffies_later(const struct host *h, u64 now, u64 ns)
{
	u64 ticks = (ns + h->jiffy_ns - 1) / h->jiffy_ns, expires = now / h->jiffy_ns + ticks;
	u32 shift = 0;

	for (u64 end = WHEEL_BUCKETS - 1; ticks >= end && shift < WHEEL_SHIFT_MAX; end <<= 3)
		shift += 3;
	return ((expires + (1ull << shift)) >> shift << shift) * h->jiffy_ns;
}

/* ---- the heap: entry[1] is the earliest ---- */

static void put_at(struct tcp_host *t, struct tcp_timer_heap *heap, u32 i, struct tcp_timer_entry e)
{
	heap->entry[i] = e;
	t->heap_at[e.id] = i;
}

static void sift_up(struct tcp_host *t, struct tcp_timer_heap *heap, u32 i)
{
	struct tcp_timer_entry e = heap->entry[i];

	for (; i > 1 && e.at < heap->entry[i / 2].at; i /= 2)
		put_at(t, heap, i, heap->entry[i / 2]);
	put_at(t, heap, i, e);
}

static void sift_down(struct tcp_host *t, struct tcp_timer_heap *heap, u32 i)
{
	struct tcp_timer_entry e = heap->entry[i];

	for (u32 child = 2 * i; child <= heap->n; i = child, child = 2 * i) {
		if (child < heap->n && heap->entry[child + 1].at < heap->entry[child].at)
			child++;
		if (e.at <= heap->entry[child].at)
			break;
		put_at(t, heap, i, heap->entry[child]);
	}
	put_at(t, heap, i, e);
}

static void remove_at(struct tcp_host *t, struct tcp_timer_heap *heap, u32 i)
{
	struct tcp_timer_entry last = heap->entry[heap->n--];

	t->heap_at[heap->entry[i].id] = 0;
	if (i > heap->n)
		return;
	put_at(t, heap, i, last);
	sift_up(t, heap, i);
	sift_down(t, heap, t->heap_at[last.id]);
}

/* tcp_timer_set() - id is due at the instant at, or earlier, if the heap says so already. *armed: what the heap has */
void tcp_timer_set(struct host *h, u32 home, u32 id, u64 at, u64 *armed)
{
	struct tcp_host *t = &h->tcp;
	struct tcp_timer_heap *heap = &t->heap[home];

	if (at >= *armed)
		return;
	spin_lock(&heap->lock);
	if (t->heap_at[id]) {
		heap->entry[t->heap_at[id]].at = min_u64(at, heap->entry[t->heap_at[id]].at);
	} else {
		heap->entry[++heap->n] = (struct tcp_timer_entry){ .at = at, .id = id };
		t->heap_at[id] = heap->n;
	}
	sift_up(t, heap, t->heap_at[id]);
	*armed = at;
	if (heap->entry[1].id == id)
		timer_ask(h->cpu[home], TIMER_TCP, at);
	spin_unlock(&heap->lock);
}

void tcp_timers_sync(struct host *h, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u64 at = min_u64(min_u64(tp->rtx_at, tp->delack_at), min_u64(tp->comp_at, tp->keep_at));

	if (unlikely(at < tp->armed_at))
		tcp_timer_set(h, tp->home, (u32)(sk - h->socks.socks), at, &tp->armed_at);
}

static void timer_remove(struct host *h, u32 home, u32 id)
{
	struct tcp_timer_heap *heap = &h->tcp.heap[home];

	spin_lock(&heap->lock);
	if (h->tcp.heap_at[id])
		remove_at(&h->tcp, heap, h->tcp.heap_at[id]);
	spin_unlock(&heap->lock);
}

void tcp_timer_del(struct host *h, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);

	/* whatever armed_at says: sock_timer() forgets it, although another thread may have armed the timer meanwhile */
	timer_remove(h, tp->home, (u32)(sk - h->socks.socks));
	tp->armed_at = NEVER;
}

u32 tcp_request_id(const struct host *h, u32 req)
{
	return h->socks.size + req;
}

void tcp_request_timer_del(struct host *h, u32 home, u32 req)
{
	timer_remove(h, home, tcp_request_id(h, req));
}

/* tcp_flush() - forget all deadlines: they are real time, which no thread awaits any more */
void tcp_flush(struct host *h)
{
	struct tcp_host *t = &h->tcp;

	if (t->mode != TCP_MODE_ENDPOINT)
		return;
	for (u32 i = 0; i < h->ncpus; i++) {
		struct tcp_timer_heap *heap = &t->heap[i];

		for (u32 e = 1; e <= heap->n; e++)
			t->heap_at[heap->entry[e].id] = 0;
		heap->n = 0;
		timer_answer(h->cpu[i], TIMER_TCP);
		mod_timer(h->cpu[i], TIMER_TCP, NEVER);
	}
	for (u32 i = 1; i < h->socks.used; i++) {
		struct tcp_sock *tp = &t->socks[i];

		tp->rtx_at = tp->delack_at = tp->comp_at = tp->keep_at = tp->armed_at = NEVER;
		tp->pending = TCP_PENDING_NONE;
	}
}

/* Return: what is due, taken out of the heap; 0: nothing. *next: when something is */
u32 tcp_take_due(struct softnet_data *sd, u64 *next)
{
	struct tcp_host *t = &sd->host->tcp;
	struct tcp_timer_heap *heap = &t->heap[sd->cpu];
	u32 id = 0;

	spin_lock(&heap->lock);
	*next = heap->n ? heap->entry[1].at : NEVER;
	if (*next <= sd->now) {
		id = heap->entry[1].id;
		remove_at(t, heap, 1);
	} else {
		timer_answer(sd, TIMER_TCP);
	}
	spin_unlock(&heap->lock);
	return id;
}
