/* sock_recv.c - reads of Python's: a datagram, several at once, a stream's bytes. Linux: net/ipv4/udp.c, tcp.c (recvmsg)
 *
 *   vnic.UdpSocket, vnic.TcpStream -> sock_recv(), sock_recvmmsg(), sock_read() -> sock_dequeue() (sock.c)
 *
 * A Python thread reads, and no emulated CPU pays for it. A reader task of a CPU: sock.c.
 */
#include "prelude.h"

static struct sk_buff *take(struct host *h, struct sock *sk)
{
	struct sk_buff *skb;

	lock_if(h->live, &sk->lock);
	skb = sock_dequeue(h, sk);
	unlock_if(h->live, &sk->lock);
	return skb;
}

/* sock_from_header() - note what an IP header says of its packet */
void sock_from_header(struct sock_from *f, const u8 *ip)
{
	f->tos = ip_dsfield(ip);
	if (ip_version(ip) == 4) {
		f->addr = inet_addr4(ip + IPH_SADDR);
		f->dst = inet_addr4(ip + IPH_DADDR);
		f->ttl = ip[IPH_TTL];
	} else {
		f->addr = inet_addr6(ip + IPV6H_SADDR);
		f->dst = inet_addr6(ip + IPV6H_DADDR);
		f->ttl = ip[IPV6H_HOP_LIMIT];
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
	struct sk_buff *skb = err ? NULL : take(h, sk);

	sock_rps_record_flow(h, sk, sk->reader_cpu); /* also of a call that finds nothing: inet_recvmsg() */
	if (unlikely(err))
		return err;
	return skb ? (long)give_datagram(h, sk, skb, buf, len, f) : -EAGAIN;
}

int sock_recvmmsg(struct host *h, struct sock *sk, void *buf, u32 size, u32 *ends, struct sock_from *f, int max)
{
	bool too_big = false;
	u32 used = 0;
	int n = sock_error(sk);

	sock_rps_record_flow(h, sk, sk->reader_cpu);
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
