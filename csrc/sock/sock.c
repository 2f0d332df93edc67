/* sock.c - a socket's receive queue, and its reader. Linux: net/core/sock.c, net/ipv4/udp.c (queueing)
 *
 *   udp.c, tcp.c -> sock_queue_rcv_skb() -> sock_data_ready() -> a reader task of an emulated CPU (reader_run()),
 *                                                               or Python: sock_recv.c
 *
 * A queue is charged truesize, not bytes: UDP's by sock_mem.c. TCP takes an skb while rmem_alloc <= rcvbuf, so one may
 * overshoot. In a replay no program binds ports: sink sockets and their readers stand in, because without readers neither
 * "delivered" nor rcvbuf would mean anything.
 */
#include "prelude.h"
#include "sock/inline.h"

/* ---- waking the reader ---- */

/* Wake a reader that sleeps. It is runnable from when the wake-up is paid for. */
noinline void sock_wake_task(struct softnet_data *sd, struct softnet_data *target)
{
	const u64 began = sd->now;

	if (unlikely(!sd->live && target->busy.spins == SPINS_READER)) { /* it looks by itself */
		cpu_wake(target, sd->now);
		return;
	}
	__atomic_fetch_add(&target->reader.wakeups, 1, __ATOMIC_RELAXED); /* several CPUs write it */
	if (sd->live) {
		cpu_event(sd, EVENT_WAKE, began, EVENT_NO_QUEUE, target->cpu);
		if (target != sd)
			cpu_wake(target, sd->now);
		return;
	}
	target->reader_ns = NEVER;
	cpu_charge(sd, target == sd ? COST_WAKE : COST_WAKE_REMOTE);
	cpu_event(sd, EVENT_WAKE, began, EVENT_NO_QUEUE, target->cpu);
	if (sd->atomic)
		sd->owed_wake = target; /* cpu_pay() wakes it */
	else
		reader_wake(sd, target);
}

noinline void sock_wake_python(const struct sock *sk)
{
	if (sk->wake_fd >= 0)
		event_signal(sk->wake_fd);
	if (unlikely(sk->waker != NULL))
		sk->waker->wake(sk->waker);
}

void sock_data_ready(struct softnet_data *sd, struct sock *sk)
{
	if (sd->live)
		data_ready(sd, sk, true);
	else
		data_ready(sd, sk, false);
}

/* ---- the queue. TCP calls with sk->lock held ---- */

/* The stack's work on the packet ends here: stage_done(), out of line, so that queue_rcv_skb() is short enough to be inlined. */
noinline void sock_stage_ends(struct softnet_data *sd, const struct sock *sk, const struct sk_buff *skb)
{
	latency(sd, LAT_STACK, skb->t_stage, sd->now, skb->segs);
	skb_event(sd, EVENT_SOCKET, skb->t_stage, skb, (u64)sk->rmem_alloc << 32 | sk->index);
}

TWICE int queue_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, bool tcp, bool live)
{
	u32 segs = skb->segs;
	int rc;

	cpu_charge(sd, COST_SOCK);
	if (!tcp)
		lock_if(live, &sk->lock);
	rc = sock_enqueue(sd, sk, skb, tcp);
	if (likely(rc == 0))
		data_ready(sd, sk, live); /* under the lock: sock_close() takes it before the eventfd goes */
	if (!tcp) {
		unlock_if(live, &sk->lock);
		if (likely(rc == 0))
			count_fate(sd, DELIVERED_UDP, segs);
	}
	return rc;
}

static noinline int queue_rcv_live(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, bool tcp)
{
	return queue_rcv_skb(sd, sk, skb, tcp, true);
}

int sock_queue_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb)
{
	bool tcp = sk->type == SOCK_TCP;

	return unlikely(sd->live) ? queue_rcv_live(sd, sk, skb, tcp) : queue_rcv_skb(sd, sk, skb, tcp, false);
}

struct sk_buff *sock_dequeue(struct host *h, struct sock *sk)
{
	struct sk_buff *skb = sk->head;

	if (!skb)
		return NULL;
	sk->head = skb->next;
	skb->next = NULL;
	COUNT(sk->qlen, -1);
	sock_rmem_release(h, sk, skb);
	return skb;
}

void sock_rps_record_flow(struct host *h, const struct sock *sk, u32 cpu)
{
	if (unlikely(h->rps_sock_flow != NULL) && (sk->rport || sk->type == SOCK_TCP))
		rps_record_sock_flow(h, READ_ONCE(sk->rxhash), cpu);
}

/* ---- the reader task of an emulated CPU ---- */

static void read_latency(struct softnet_data *sd, const struct sock *sk, const struct sk_buff *skb, u64 began)
{
	skb_event(sd, EVENT_READ, began, skb, (u64)skb->len << 32 | sk->index);
	latency(sd, LAT_SOCKET, skb->t_stage, sd->now, skb->segs);
	latency(sd, LAT_TOTAL, skb->t_wire, sd->now, 1);
	for (const struct sk_buff *s = skb->frag_list; s; s = s->next)
		if (s->segs)
			latency(sd, LAT_TOTAL, s->t_wire, sd->now, 1);
}

TWICE struct sk_buff *reader_take(struct host *h, bool live, struct sock *sk)
{
	struct sk_buff *skb;

	lock_if(live, &sk->lock);
	skb = sock_dequeue(h, sk);
	unlock_if(live, &sk->lock);
	return skb;
}

/* Take a drained socket off the ready list. A packet that has just arrived puts it back. */
TWICE void reader_leave(struct softnet_data *sd, struct sock *sk, bool live)
{
	lock_if(live, &sd->ready_lock);
	WRITE_ONCE(sd->ready, sk->ready_next);
	unlock_if(live, &sd->ready_lock);
	flag_exchange(live, &sk->on_ready, 0);
	if (live && READ_ONCE(sk->qlen))
		wake_reader(sd, sk, true);
	else if (!live && unlikely(sk->closed) && sk->type == SOCK_TCP) /* live: sock_sweep() */
		sock_close(sd->host, sd, sk);
}

/* Note the packet's queue for busy polling, and the reader's CPU for RFS. Linux: both when the system call begins. */
static noinline void note_read(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb)
{
	sd->busy.queue = skb->queue + 1u;
	napi_suspend_irqs(sd);
	sock_rps_record_flow(sd->host, sk, sd->cpu);
}

/* Return: whether the reader must yield: a burst is read, its slice is over, or the machine stops */
TWICE bool reader_yields(struct softnet_data *sd, u32 n)
{
	return n >= BURST || need_resched(sd) || unlikely(sd->host->settling);
}

/* Read one datagram, or a stream's next segment: a system call. */
TWICE void read_one(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, bool note)
{
	const u32 *cost = sd->host->cost;
	bool own = skb->cpu == sd->cpu;
	const u64 began = sd->now;

	if (unlikely(note))
		note_read(sd, sk, skb);
	cpu_work(sd, cost[own ? COST_RECV : COST_RECV_REMOTE] +
			     (u64)skb->len * cost[own ? COST_COPY_PS : COST_COPY_REMOTE_PS] / 1000);
	if (unlikely(sd->lat != NULL))
		read_latency(sd, sk, skb, began);
	if (sk->type != SOCK_TCP)
		COUNT(sd->mib[udp_mib(skb, sk->type)], 1);
	sk->reads++;
	consume_skb(sd, skb);
}

TWICE void reader_loop(struct softnet_data *sd, bool live)
{
	const bool note = sd->host->busy_read || sd->host->rps_sock_flow;
	u32 n = 0;

	for (;;) {
		struct sock *sk = smp_load_acquire(&sd->ready); /* Pairs with wake_reader(). */
		struct sk_buff *skb;
		bool more;

		if (!sk) {
			if (unlikely(sd->host->busy_read) && busy_poll_begin(sd))
				return;
			flag_exchange(live, &sd->reader.runnable, 0);
			if (!__atomic_load_n(&sd->ready, __ATOMIC_SEQ_CST)) /* Pairs with wake_reader(). */
				return;
			WRITE_ONCE(sd->reader.runnable, 1);
			continue;
		}
		skb = reader_take(sd->host, live, sk);
		if (likely(skb != NULL))
			read_one(sd, sk, skb, note);
		more = READ_ONCE(sk->qlen) != 0;
		if (!more)
			reader_leave(sd, sk, live);
		if ((more || READ_ONCE(sd->ready)) && reader_yields(sd, ++n))
			return;
	}
}

static noinline void reader_run_live(struct softnet_data *sd)
{
	reader_loop(sd, true);
}

void reader_run(struct softnet_data *sd)
{
	if (unlikely(sd->busy.napi != NULL) && napi_busy_loop(sd))
		return;
	if (sd->live)
		reader_run_live(sd);
	else
		reader_loop(sd, false);
}
