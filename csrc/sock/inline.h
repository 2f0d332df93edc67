/* inline.h - a datagram enters its socket's queue: compiled into each place that queues one
 *
 * And twice there, with locks and without: virtual time has one thread, and a test of live at every step costs 20
 * instructions.
 */
#ifndef VNIC_SOCK_INLINE_H
#define VNIC_SOCK_INLINE_H

#define TWICE static inline __attribute__((always_inline))

/* ---- waking the reader ---- */

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

/* Tell the reader task of this socket. Return: the CPU whose task sleeps, to be woken; NULL: it is awake */
TWICE struct softnet_data *tell_reader(struct softnet_data *sd, struct sock *sk, bool live)
{
	struct softnet_data *target = sd->host->cpu[READ_ONCE(sk->reader_cpu)]; /* Python may move it */

	if (flag_exchange(live, &sk->on_ready, 1))
		return NULL;
	lock_if(live, &target->ready_lock);
	sk->ready_next = NULL;
	if (target->ready)
		target->ready_tail->ready_next = sk;
	else
		smp_store_release(&target->ready, sk); /* Pairs with reader_run(). */
	target->ready_tail = sk;
	unlock_if(live, &target->ready_lock);
	return unlikely(!flag_exchange(live, &target->reader.runnable, 1)) ? target : NULL;
}

TWICE void wake_reader(struct softnet_data *sd, struct sock *sk, bool live)
{
	struct softnet_data *sleeps = tell_reader(sd, sk, live);

	if (unlikely(sleeps != NULL))
		sock_wake_task(sd, sleeps);
}

TWICE void data_ready(struct softnet_data *sd, struct sock *sk, bool live)
{
	if (likely(sk->sink))
		wake_reader(sd, sk, live);
	else
		sock_wake_python(sk);
}

/* ---- the queue ---- */

TWICE int sock_charge(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb, bool tcp)
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

/* Put skb at the end of the queue, whose lock is held if live. The CPU has paid for it; the caller wakes the reader, and
 * counts UDP's fate. Return: as sock_queue_rcv_skb() */
TWICE int sock_enqueue(struct softnet_data *sd, struct sock *sk, struct sk_buff *skb, bool tcp)
{
	int rc = sock_charge(sd, sk, skb, tcp);

	if (unlikely(rc < 0)) {
		sock_count_refused(sd, sk, skb, rc);
		return rc;
	}
	if (!tcp)
		packet_tap_fate(sd, skb, DELIVERED_UDP); /* once queued, the reader may free it */
	if (unlikely(sd->host->rps_sock_flow != NULL)) /* sock_rps_save_rxhash() */
		WRITE_ONCE(sk->rxhash, skb->hash);
	COUNT(sk->packets, skb->segs);
	COUNT(sk->bytes, skb->len);
	skb->next = NULL;
	if (sd->lat)
		sock_stage_ends(sd, sk, skb);
	skb->t_stage = sd->now;
	skb->cpu = (u16)sd->cpu;
	if (sk->head)
		sk->tail->next = skb;
	else
		sk->head = skb;
	sk->tail = skb;
	COUNT(sk->qlen, 1);
	return 0;
}

#endif
