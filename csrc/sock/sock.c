/* sock.c - a socket's receive queue, and its reader. Linux: net/core/sock.c, net/ipv4/udp.c (queueing)
 *
 *   udp.c, tcp.c -> sock_queue_rcv_skb() -> sock_data_ready() -> a reader task of an emulated CPU (reader_run()),
 *                                                               or Python: sock_recv(), sock_read()
 *
 * A queue is charged truesize, not bytes: UDP's by sock_mem.c. TCP takes an skb while rmem_alloc <= rcvbuf, so one may
 * overshoot. In a replay no program binds ports: sink sockets and their readers stand in, because without readers neither
 * "delivered" nor rcvbuf would mean anything.
 */
#include "prelude.h"

/* ---- waking the reader ---- */

/* Compile the code that runs per datagram twice, with locks and without: virtual time has one thread, and a test of live at
 * every step costs 20 instructions. */
#define TWICE static inline __attribute__((always_inline))

/* Write a flag that both sides of a wake-up write. A single thread saves the locked instruction (20 ns a datagram). */
TWICE u8 flag_exchange(bool live, u8 *flag, u8 value)
{
	u8 old;

	if (live)
		return __atomic_exchange_n(flag, value, __ATOMIC_SEQ_CST);
	old = *flag;
	*flag = value;
	return old;
}

/* Wake a reader that sleeps. It is runnable from when the wake-up is paid for. */
static noinline void wake_task(struct softnet_data *sd, struct softnet_data *target)
{
	if (unlikely(!sd->live && target->busy.spins)) { /* it looks by itself */
		cpu_wake(target, sd->now);
		return;
	}
	__atomic_fetch_add(&target->reader.wakeups, 1, __ATOMIC_RELAXED); /* several CPUs write it */
	if (sd->live) {
		if (target != sd)
			cpu_wake(target, sd->now);
		return;
	}
	target->reader_ns = NEVER;
	cpu_charge(sd, target == sd ? COST_WAKE : COST_WAKE_REMOTE);
	if (sd->atomic)
		sd->owed_wake = target; /* cpu_pay() wakes it */
	else
		reader_wake(sd, target);
}

TWICE void wake_reader(struct softnet_data *sd, struct sock *sk, bool live)
{
	struct softnet_data *target = sd->host->cpu[READ_ONCE(sk->reader_cpu)]; /* Python may move it */

	if (flag_exchange(live, &sk->on_ready, 1))
		return;
	lock_if(live, &target->ready_lock);
	sk->ready_next = NULL;
	if (target->ready)
		target->ready_tail->ready_next = sk;
	else
		smp_store_release(&target->ready, sk); /* Pairs with reader_run(). */
	target->ready_tail = sk;
	unlock_if(live, &target->ready_lock);
	if (unlikely(!flag_exchange(live, &target->reader.runnable, 1)))
		wake_task(sd, target);
}

static noinline void wake_python(const struct sock *sk)
{
	if (sk->wake_fd >= 0)
		event_signal(sk->wake_fd);
}

TWICE void data_ready(struct softnet_data *sd, struct sock *sk, bool live)
{
	if (likely(sk->sink))
		wake_reader(sd, sk, live);
	else
		wake_python(sk);
}

void sock_data_ready(struct softnet_data *sd, struct sock *sk)
{
	if (sd->live)
		data_ready(sd, sk, true);
	else
		data_ready(sd, sk, false);
}

/* ---- the queue. TCP calls with sk->lock held ---- */

TWICE int charge(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb, bool tcp)
{
	if (unlikely(sk->closed)) /* since the look-up */
		return -ENOMEM;
	if (!tcp)
		return udp_rmem_schedule(sd->host, sk, skb->truesize);
	if (unlikely(sk->rmem_alloc > sk->rcvbuf))
		return -ENOMEM;
	COUNT(sk->rmem_alloc, skb->truesize);
	return 0;
}

TWICE int queue_rcv_skb(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, bool tcp, bool live)
{
	u32 segs = skb->segs;
	int rc;

	cpu_charge(sd, COST_SOCK);
	if (!tcp)
		lock_if(live, &sk->lock);
	rc = charge(sd, sk, skb, tcp);
	if (unlikely(rc < 0)) {
		sock_count_refused(sd, sk, skb, rc);
		if (!tcp)
			unlock_if(live, &sk->lock);
		return rc;
	}
	if (!tcp)
		packet_tap_fate(sd, skb, DELIVERED_UDP); /* once queued, the reader may free it */
	if (unlikely(sd->host->rps_sock_flow != NULL)) /* sock_rps_save_rxhash() */
		WRITE_ONCE(sk->rxhash, skb->hash);
	COUNT(sk->packets, segs);
	COUNT(sk->bytes, skb->len);
	skb->next = NULL;
	stage_done(sd, LAT_STACK, skb);
	skb->cpu = (u16)sd->cpu;
	if (sk->head)
		sk->tail->next = skb;
	else
		sk->head = skb;
	sk->tail = skb;
	COUNT(sk->qlen, 1);
	data_ready(sd, sk, live); /* under the lock: sock_close() takes it before the eventfd goes */
	if (!tcp) {
		unlock_if(live, &sk->lock);
		count_fate(sd, DELIVERED_UDP, segs);
	}
	return 0;
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

/* sock_rps_record_flow() - note the reader's CPU for RFS. Only a socket with a peer stands for one flow */
static void sock_rps_record_flow(struct host *h, const struct sock *sk, u32 cpu)
{
	if (unlikely(h->rps_sock_flow != NULL) && (sk->rport || sk->type == SOCK_TCP))
		rps_record_sock_flow(h, READ_ONCE(sk->rxhash), cpu);
}

/* ---- the reader task of an emulated CPU ---- */

static void read_latency(struct softnet_data *sd, const struct sk_buff *skb)
{
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

/* Note the packet's queue for busy polling, and the reader's CPU for RFS. */
static noinline void note_read(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb)
{
	sd->busy.queue = skb->queue + 1u;
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

	cpu_work(sd, cost[own ? COST_RECV : COST_RECV_REMOTE] +
			     (u64)skb->len * cost[own ? COST_COPY_PS : COST_COPY_REMOTE_PS] / 1000);
	if (unlikely(sd->lat != NULL))
		read_latency(sd, skb);
	if (sk->type != SOCK_TCP)
		COUNT(sd->mib[udp_mib(skb, sk->type)], 1);
	sk->reads++;
	if (unlikely(note))
		note_read(sd, sk, skb);
	kfree_skb_list(sd, skb);
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

/* ---- Python reads ---- */

/* sock_from_header() - note what an IP header says of its packet */
void sock_from_header(struct sock_from *f, const u8 *ip)
{
	if (ip_version(ip) == 4) {
		f->addr = inet_addr4(ip + IPH_SADDR);
		f->dst = inet_addr4(ip + IPH_DADDR);
		f->ttl = ip[IPH_TTL];
		f->tos = ip[IPH_TOS];
	} else {
		f->addr = inet_addr6(ip + IPV6H_SADDR);
		f->dst = inet_addr6(ip + IPV6H_DADDR);
		f->ttl = ip[IPV6H_HOP_LIMIT];
		f->tos = (u8)(be16(ip) >> 4);
	}
}

/* Copy a dequeued datagram to buf, as much as fits, and free it. Return: bytes copied */
static u32 give_datagram(struct host *h, struct sock *sk, struct sk_buff *skb, void *buf, u64 len, struct sock_from *f)
{
	const u8 *ip = skb_network_header(skb);
	u32 n = (u32)min_u64(len, skb->len);

	sock_from_header(f, ip);
	f->spec_dst = unlikely(h->socks.inet[sk->index].cmsgs) && ip_version(ip) == 4 ? ip_spec_dst(h, ip) : f->dst;
	f->port = (u16)skb->seq;
	f->truncated = n < skb->len;
	f->gso_size = skb->segs > 1 ? skb->gso_size : 0;
	skb_copy_bits(skb, 0, buf, n);
	__atomic_fetch_add(&h->out_mib[udp_mib(skb, sk->type)], 1, __ATOMIC_RELAXED); /* any Python thread */
	sk->reads++;
	sock_rps_record_flow(h, sk, sk->reader_cpu);
	kfree_skb_list(NULL, skb);
	return n;
}

int sock_error(struct sock *sk)
{
	return READ_ONCE(sk->err) ? -(int)__atomic_exchange_n(&sk->err, 0, __ATOMIC_RELAXED) : 0;
}

void sock_report_error(struct softnet_data *sd, struct sock *sk, u32 err)
{
	__atomic_store_n(&sk->err, err, __ATOMIC_SEQ_CST);
	cpu_lock(sd, &sk->lock); /* sock_close() takes it before the eventfd goes */
	sock_data_ready(sd, sk);
	cpu_unlock(sd, &sk->lock);
}

long sock_recv(struct host *h, struct sock *sk, void *buf, u64 len, struct sock_from *f)
{
	int err = sock_error(sk);
	struct sk_buff *skb = err ? NULL : reader_take(h, h->live, sk);

	if (unlikely(err))
		return err;
	return skb ? (long)give_datagram(h, sk, skb, buf, len, f) : -EAGAIN;
}

int sock_recvmmsg(struct host *h, struct sock *sk, void *buf, u32 size, u32 *ends, struct sock_from *f, int max)
{
	bool too_big = false;
	u32 used = 0;
	int n = sock_error(sk);

	if (unlikely(n))
		return n;
	for (; n < max; n++) {
		struct sk_buff *skb;

		lock_if(h->live, &sk->lock);
		too_big = sk->head && sk->head->len > size - used;
		skb = too_big ? NULL : sock_dequeue(h, sk);
		unlock_if(h->live, &sk->lock);
		if (!skb)
			break;
		used += give_datagram(h, sk, skb, (u8 *)buf + used, size - used, &f[n]);
		ends[n] = used;
	}
	return n || !too_big ? n : -EMSGSIZE; /* judged under the lock: another may have been queued since */
}

long sock_read(struct host *h, struct sock *sk, void *buf, u64 len)
{
	u64 done = 0;
	u8 state;

	lock_if(h->live, &sk->lock);
	while (done < len && sk->head) {
		struct sk_buff *skb = sk->head;
		u32 n = (u32)min_u64(len - done, skb->len);

		skb_copy_bits(skb, 0, (u8 *)buf + done, n);
		skb_advance(skb, n);
		done += n;
		if (!skb->len) {
			sock_dequeue(h, sk);
			kfree_skb_list(NULL, skb);
		}
	}
	state = sk->state;
	sk->reads++;
	sock_rps_record_flow(h, sk, sk->reader_cpu);
	unlock_if(h->live, &sk->lock);
	if (done || !len)
		return (long)done;
	return state == TCP_FINISHED ? 0 : state == TCP_WAS_RESET ? -ECONNRESET : -EAGAIN;
}
