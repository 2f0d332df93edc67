/* sock_errors.c - a socket's error queue: errors that wait with all that is known of them. Linux: sock_queue_err_skb()
 *
 *   udp_err.c, udp_output.c -> sock_queue_err() -> a ring of bytes -> sock_recv_err(): recvmsg() with MSG_ERRQUEUE
 *
 * A socket has a ring from when it asks for errors (IP_RECVERR) until it closes. Errors are charged truesize, as in Linux:
 * when they would reach rcvbuf, or do not fit into the ring, the next one is lost. The socket's errno tells of it anyway.
 */
#include "prelude.h"

#include <sys/mman.h>

#define RING_BYTES 262144u

/**
 * struct sock_errors - the ring. @head, @tail: bytes added and removed, running free; each error begins at a multiple of 8
 * @truesize: of all that wait
 */
struct sock_errors {
	u64 head, tail;
	u64 truesize;
	u8 ring[RING_BYTES];
};

int sock_errors_init(struct host *h, struct sock *sk)
{
	struct inet_sock *inet = &h->socks.inet[sk->index];
	struct sock_errors *q;

	if (inet->errors)
		return 0;
	q = mmap(NULL, sizeof(*q), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q == MAP_FAILED)
		return -ENOMEM;
	smp_store_release(&inet->errors, q);
	return 0;
}

void sock_errors_purge(struct host *h, struct sock *sk)
{
	struct sock_errors *q = h->socks.inet[sk->index].errors;

	if (!q)
		return;
	lock_if(h->live, &sk->lock);
	q->tail = q->head;
	q->truesize = 0;
	unlock_if(h->live, &sk->lock);
}

void sock_errors_exit(struct inet_sock *inet)
{
	if (inet->errors)
		munmap(inet->errors, sizeof(*inet->errors));
	inet->errors = NULL;
}

static void ring_copy(struct sock_errors *q, u64 at, void *data, u32 len, bool in)
{
	u32 off = (u32)(at % RING_BYTES), first = min_u32(len, RING_BYTES - off);
	u8 *to = data;

	memcpy(in ? q->ring + off : to, in ? to : q->ring + off, first);
	memcpy(in ? q->ring : to + first, in ? to + first : q->ring, len - first);
}

static u32 entry_size(u32 len)
{
	return align_up((u32)sizeof(struct sock_exterr) + len, 8);
}

/* Copy the bytes of skb from off on to the ring. */
static void put_payload(struct sock_errors *q, u64 at, const struct sk_buff *skb, u32 off, u32 len)
{
	u8 part[256];

	while (len) {
		u32 n = skb_copy_bits(skb, off, part, min_u32(len, sizeof(part)));

		ring_copy(q, at, part, n, true);
		at += n;
		off += n;
		len -= n;
	}
}

static void queue_err(struct host *h, struct sock *sk, struct sock_exterr *e, const struct sk_buff *skb, u32 off)
{
	struct sock_errors *q = smp_load_acquire(&h->socks.inet[sk->index].errors); /* Pairs with sock_errors_init(). */

	e->len = skb ? skb->len - off : 0;
	e->truesize = skb ? skb->truesize : 256 + SKB_TRUESIZE_OVERHEAD;
	if (!q || sk->closed || sk->rmem_alloc + q->truesize + e->truesize >= sk->rcvbuf ||
	    q->head - q->tail + entry_size(e->len) > RING_BYTES)
		return;
	ring_copy(q, q->head, e, sizeof(*e), true);
	if (skb)
		put_payload(q, q->head + sizeof(*e), skb, off, e->len);
	q->head += entry_size(e->len);
	q->truesize += e->truesize;
}

void sock_queue_err(struct softnet_data *sd, struct sock *sk, struct sock_exterr *e, const struct sk_buff *skb, u32 off)
{
	cpu_lock(sd, &sk->lock);
	queue_err(sd->host, sk, e, skb, off);
	cpu_unlock(sd, &sk->lock);
}

void sock_local_error(struct host *h, struct sock *sk, struct sock_exterr *e)
{
	lock_if(h->live, &sk->lock);
	queue_err(h, sk, e, NULL, 0);
	unlock_if(h->live, &sk->lock);
}

static bool is_icmp(const struct sock_exterr *e)
{
	return e->origin == SO_EE_ORIGIN_ICMP || e->origin == SO_EE_ORIGIN_ICMP6;
}

long sock_recv_err(struct host *h, struct sock *sk, void *buf, u64 len, struct sock_exterr *e)
{
	struct sock_errors *q = h->socks.inet[sk->index].errors;
	struct sock_exterr next = { 0 };
	long n = -EAGAIN;

	if (!q)
		return n;
	lock_if(h->live, &sk->lock);
	if (q->head != q->tail) {
		ring_copy(q, q->tail, e, sizeof(*e), false);
		n = (long)min_u64(len, e->len);
		ring_copy(q, q->tail + sizeof(*e), buf, (u32)n, false);
		q->tail += entry_size(e->len);
		q->truesize -= e->truesize;
		if (q->head != q->tail)
			ring_copy(q, q->tail, &next, sizeof(next), false);
		if (is_icmp(&next))
			__atomic_store_n(&sk->err, next.err, __ATOMIC_RELAXED);
		else if (is_icmp(e))
			__atomic_store_n(&sk->err, 0, __ATOMIC_RELAXED);
	}
	unlock_if(h->live, &sk->lock);
	return n;
}
