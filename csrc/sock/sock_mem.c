/* sock_mem.c - what a socket is charged for its queue: UDP's rule. Linux 6.18: net/ipv4/udp.c, net/core/sock.c (sk_mem_*)
 *
 *   queue:  rmem_alloc + truesize <= rcvbuf, or the socket is charged nothing. The socket's pages, bounded by udp_mem, grow
 *   read:   forward_deficit grows; at a quarter of rcvbuf, or when reader_queue is empty, all of it is given back
 *
 * Linux's reader takes packets from a queue of its own, reader_queue, and refills it when it is empty or memory was given
 * back. Here it is the first reader_qlen packets of the one queue. Between refills a read packet stays charged: a full
 * socket takes the next datagram only after a quarter has been read. TCP gives back at once.
 * @mem is what Linux has as sk_forward_alloc and sk_rmem_alloc together: whole pages, and the usual path adds nothing.
 */
#include "prelude.h"

#define PAGE 4096u /* SK_MEM_QUANTUM, and the unit of udp_mem */

/* __sk_mem_raise_allocated(). The first number of udp_mem is UDP's limit: UDP has no state of memory pressure. */
static noinline int raise_allocated(struct host *h, struct sock *sk, u32 missing)
{
	u32 pages = (missing + PAGE - 1) / PAGE;
	u64 allocated = __atomic_add_fetch(&h->udp_mem_allocated, pages, __ATOMIC_RELAXED);

	if (unlikely(allocated > READ_ONCE(h->udp_mem) && sk->rmem_alloc >= READ_ONCE(h->udp_rmem_min))) {
		__atomic_sub_fetch(&h->udp_mem_allocated, pages, __ATOMIC_RELAXED);
		return -ENOBUFS;
	}
	sk->mem += pages * PAGE;
	return 0;
}

/* udp_rmem_schedule() - charge a packet. Return: 0, -ENOMEM: rcvbuf is full, -ENOBUFS: udp_mem is used up */
int udp_rmem_schedule(struct host *h, struct sock *sk, u32 size)
{
	u32 rmem = sk->rmem_alloc + size;

	if (unlikely(rmem > sk->rcvbuf) && sk->rmem_alloc)
		return -ENOMEM;
	if (unlikely(rmem > sk->mem) && raise_allocated(h, sk, rmem - sk->mem) < 0)
		return -ENOBUFS;
	sk->rmem_alloc = rmem;
	return 0;
}

/* Give back the pages that nothing uses; Linux keeps the last byte's. */
static noinline void reduce_allocated(struct host *h, struct sock *sk)
{
	u32 pages = (sk->mem - sk->rmem_alloc - 1) / PAGE;

	sk->mem -= pages * PAGE;
	__atomic_sub_fetch(&h->udp_mem_allocated, pages, __ATOMIC_RELAXED);
}

static noinline void release_some(struct host *h, struct sock *sk, u32 size)
{
	if (sk->type == SOCK_TCP) {
		sk->rmem_alloc -= size;
		return;
	}
	if (!sk->reader_qlen)
		sk->reader_qlen = sk->qlen + 1;
	sk->reader_qlen--;
	sk->forward_deficit += size;
	if (sk->forward_deficit < sk->rcvbuf >> 2 && sk->reader_qlen)
		return;
	sk->rmem_alloc -= sk->forward_deficit;
	sk->forward_deficit = 0;
	sk->reader_qlen = sk->qlen;
	if (sk->mem - sk->rmem_alloc > PAGE)
		reduce_allocated(h, sk);
}

/* sock_rmem_release() - skb has left the queue. Linux: udp_rmem_release(), and TCP's sock_rfree() */
void sock_rmem_release(struct host *h, struct sock *sk, const struct sk_buff *skb)
{
	if (sk->head) {
		release_some(h, sk, skb->truesize);
		return;
	}
	sk->rmem_alloc = sk->reader_qlen = sk->forward_deficit = 0; /* the queue is empty, so reader_queue is too */
	if (unlikely(sk->mem > PAGE))
		reduce_allocated(h, sk);
}

/* udp_rmem_destruct() - give back the last page. The queue is empty. Linux: udp_destruct_sock() */
void udp_rmem_destruct(struct host *h, struct sock *sk)
{
	__atomic_sub_fetch(&h->udp_mem_allocated, sk->mem / PAGE, __ATOMIC_RELAXED);
	sk->mem = 0;
}

static u32 buffers_of(const struct sk_buff *skb)
{
	u32 n = 1;

	for (skb = skb->frag_list; skb; skb = skb->next)
		n++;
	return n;
}

u64 sock_pool_bytes(struct host *h, struct sock *sk)
{
	u64 bytes = 0;

	lock_if(h->live, &sk->lock);
	for (const struct sk_buff *skb = sk->head; skb; skb = skb->next)
		bytes += (u64)buffers_of(skb) * skb->pool->stride;
	unlock_if(h->live, &sk->lock);
	return bytes;
}

/* ---- what found no room ---- */

/* Track an upper bound of a sufficient rcvbuf: upper, because the reader may have emptied the queue meanwhile. Up to a
 * quarter of UDP's may be charged for what was read. */
static noinline void count_refused(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb)
{
	u64 queued = sk->rmem_alloc - sk->forward_deficit;

	COUNT(sk->refused, skb->truesize);
	queued += sk->refused;
	sd->rcvbuf_max = max_u64(sd->rcvbuf_max, sk->type == SOCK_TCP ? queued : (4 * queued + 2) / 3);
}

/* sock_count_refused() - count what the queue had no room for. rc: why */
void sock_count_refused(struct softnet_data *sd, struct sock *sk, const struct sk_buff *skb, int rc)
{
	COUNT(sk->drops, skb->segs);
	if (!sk->closed && rc == -ENOMEM)
		count_refused(sd, sk, skb);
}
