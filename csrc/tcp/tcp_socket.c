/* tcp_socket.c - the program's calls: send, receive, shut down, close. Linux: net/ipv4/tcp.c
 *
 *   vnic.TcpConnection -> tcp_sendmsg(), tcp_recvmsg() ...: under the connection's lock, no longer than for CHUNK bytes at a
 *   time, so that the CPU that has a segment for it does not wait long
 */
#include "prelude.h"
#include "tcp/inline.h"

#define CHUNK 65536u
#define RING_FIRST 16384u
#define RCV_SHUTDOWN 1
#define SEND_SHUTDOWN 2

/* ---- send ---- */

/* Make the ring hold bytes. Return: 0 or -ENOMEM */
static int ring_room(struct tcp_sock *tp, u32 bytes)
{
	u32 size = max_u32(tp->ring_size ? tp->ring_size : RING_FIRST, round_up_pow2(bytes)), at = tp->snd_una;
	u8 *ring;

	if (size == tp->ring_size)
		return 0;
	ring = malloc(size);
	if (!ring)
		return -ENOMEM;
	while (tp->ring && before(at, tp->write_seq)) {
		u32 from = at & (tp->ring_size - 1), to = at & (size - 1);
		u32 n = min_u32(tp->write_seq - at, min_u32(tp->ring_size - from, size - to));

		memcpy(ring + to, tp->ring + from, n);
		at += n;
	}
	free(tp->ring);
	tp->ring = ring;
	tp->ring_size = size;
	return 0;
}

static void put_bytes(struct tcp_sock *tp, const u8 *data, u32 len)
{
	u32 at = tp->write_seq & (tp->ring_size - 1), first = min_u32(len, tp->ring_size - at);

	memcpy(tp->ring + at, data, first);
	memcpy(tp->ring, data + first, len - first);
	tp->write_seq += len;
}

static u32 room(const struct host *h, const struct tcp_sock *tp)
{
	u32 queued = tp->write_seq - tp->snd_una, unsent = tp->write_seq - tp->snd_nxt, low = h->tcp.notsent_lowat;

	if (tp->state == TCPS_SYN_SENT || tp->state == TCPS_SYN_RECV)
		queued = 0;
	if (queued >= tp->sndbuf || unsent >= low)
		return 0;
	return min_u32(tp->sndbuf - queued, max_u32(low - unsent, tp->mss_cache));
}

static bool may_send(const struct tcp_sock *tp)
{
	return tp->state == TCPS_ESTABLISHED || tp->state == TCPS_CLOSE_WAIT;
}

/* Under the lock. Return: bytes queued, or -errno */
static long send_chunk(struct host *h, struct sock *sk, const u8 *data, u32 len)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	int err = sock_error(sk);
	u32 n;

	if (err)
		return err;
	if (tp->shutdown & SEND_SHUTDOWN)
		return -EPIPE;
	if (tp->state == TCPS_SYN_SENT || tp->state == TCPS_SYN_RECV) {
		tp->writer_waits = 1;
		return -EAGAIN;
	}
	if (!may_send(tp))
		return -EPIPE;
	n = min_u32(len, room(h, tp));
	if (!n) {
		tp->writer_waits = 1;
		return -EAGAIN;
	}
	if (ring_room(tp, tp->write_seq - tp->snd_una + n) < 0)
		return -ENOMEM;
	put_bytes(tp, data, n);
	if (!tp->msg_more)
		tp->psh_seq = tp->write_seq;
	tcp_write_xmit(h, NULL, sk, host_now(h, NULL));
	return n;
}

long tcp_sendmsg(struct host *h, struct sock *sk, const u8 *data, u64 len)
{
	u64 done = 0;

	do {
		long n;

		tcp_lock_sock(h, NULL, sk);
		n = send_chunk(h, sk, data + done, (u32)min_u64(len - done, CHUNK));
		tcp_release_sock(h, NULL, sk);
		if (n < 0)
			return done ? (long)done : n;
		done += (u64)n;
	} while (done < len);
	return (long)done;
}

void tcp_push(struct host *h, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u8 cork;

	tcp_lock_sock(h, NULL, sk);
	cork = tp->cork;
	tp->cork = cork && !tp->nodelay; /* TCP_NODELAY sends what TCP_CORK holds: Linux's TCP_NAGLE_PUSH */
	tcp_write_xmit(h, NULL, sk, host_now(h, NULL));
	tp->cork = cork;
	tcp_release_sock(h, NULL, sk);
}

void tcp_options_changed(struct host *h, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);

	tcp_lock_sock(h, NULL, sk);
	if (tp->state != TCPS_CLOSE && tp->state != TCPS_LISTEN) {
		tcp_sync_mss(h, sk);
		if (tp->rcvbuf_locked)
			tp->window_clamp = tcp_win_from_space(tp, sk->rcvbuf);
		tp->keep_at = NEVER;
		if (tp->keepalive)
			tcp_reset_keepalive(h, tp, host_now(h, NULL));
	}
	tcp_release_sock(h, NULL, sk);
}

/* ---- receive ---- */

static u32 copy_queue(struct host *h, struct sock *sk, u8 *buf, u32 len)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	u32 done = 0;

	while (done < len && sk->head) {
		struct sk_buff *skb = sk->head;
		u32 n = min_u32(len - done, skb->len);

		skb_copy_bits(skb, 0, buf + done, n);
		skb_advance(skb, n);
		done += n;
		if (!skb->len) {
			sock_dequeue(h, sk);
			kfree_skb_list(NULL, skb);
		}
	}
	tp->copied_seq += done;
	return done;
}

static u32 peek_queue(const struct sock *sk, u8 *buf, u32 len)
{
	u32 done = 0;

	for (const struct sk_buff *skb = sk->head; skb && done < len; skb = skb->next)
		done += skb_copy_bits(skb, 0, buf + done, min_u32(len - done, skb->len));
	return done;
}

/* Under the lock, nothing is queued. Return: 0: no more will come; or -errno */
static long nothing_queued(struct host *h, struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(h, sk);
	int err = sock_error(sk);

	if (err)
		return err;
	if (tp->shutdown & RCV_SHUTDOWN || tp->state == TCPS_CLOSE)
		return 0;
	return -EAGAIN;
}

long tcp_recvmsg(struct host *h, struct sock *sk, void *buf, u64 len, int peek)
{
	u64 done = 0;
	long rc = 0;

	do {
		u32 most = (u32)min_u64(len - done, CHUNK), n;

		tcp_lock_sock(h, NULL, sk);
		n = peek ? peek_queue(sk, buf, (u32)min_u64(len, 1u << 30)) : copy_queue(h, sk, (u8 *)buf + done, most);
		if (n && !peek) {
			tcp_rcv_space_adjust(h, sk, host_now(h, NULL));
			if (tcp_sk(h, sk)->state != TCPS_CLOSE)
				tcp_cleanup_rbuf(h, sk, n);
		} else if (!n) {
			rc = len ? nothing_queued(h, sk) : 0;
		}
		sk->reads++;
		sock_rps_record_flow(h, sk, sk->reader_cpu);
		tcp_release_sock(h, NULL, sk);
		done += n;
		if (!n || peek || n < most)
			break;
	} while (done < len);
	return done ? (long)done : rc;
}

/* ---- the end ---- */

/* Our side has sent all. Return: whether a FIN has to be sent */
static bool close_state(struct host *h, struct sock *sk)
{
	switch (tcp_sk(h, sk)->state) {
	case TCPS_ESTABLISHED:
	case TCPS_SYN_RECV:
		tcp_state(h, sk, TCPS_FIN_WAIT1);
		return true;
	case TCPS_CLOSE_WAIT:
		tcp_state(h, sk, TCPS_LAST_ACK);
		return true;
	}
	return false;
}

int tcp_shutdown(struct host *h, struct sock *sk, int how)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	int rc = 0;

	tcp_lock_sock(h, NULL, sk);
	if (tp->state == TCPS_CLOSE || tp->state == TCPS_SYN_SENT) {
		rc = -ENOTCONN;
		if (tp->state == TCPS_SYN_SENT)
			tcp_done(h, NULL, sk, 0);
	} else {
		tp->shutdown |= (u8)(how + 1);
		if (how && close_state(h, sk))
			tcp_write_xmit(h, NULL, sk, host_now(h, NULL));
		sock_wake_python(sk);
	}
	tcp_release_sock(h, NULL, sk);
	return rc;
}

static void close_listener(struct host *h, struct sock *listener)
{
	struct sock *child;

	spin_lock(&h->socks.lock);
	tcp_state(h, listener, TCPS_CLOSE); /* no further request, no further child */
	spin_unlock(&h->socks.lock);
	tcp_forget_requests(h, listener->index);
	while ((child = tcp_accept(h, listener))) {
		tcp_sk(h, child)->linger_on = 1;
		tcp_sk(h, child)->linger_s = 0;
		tcp_close(h, child);
	}
	sock_close(h, NULL, listener);
}

/* Under the lock. The program will read no more: data that it has not read is lost, and the peer is told. */
static void close_connection(struct host *h, struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(h, sk);
	bool unread = sk->head || tp->copied_seq != sk->rcv_nxt - (sk->fin_seen && tp->shutdown & RCV_SHUTDOWN &&
								   sk->rcv_nxt == sk->fin_seq + 1);

	tp->shutdown = RCV_SHUTDOWN | SEND_SHUTDOWN;
	if (tp->state == TCPS_CLOSE || tp->state == TCPS_SYN_SENT) {
		tcp_done(h, NULL, sk, 0);
	} else if (unread) {
		tcp_count(h, NULL, TcpExt_TCPAbortOnClose, 1);
		tcp_send_active_reset(h, NULL, sk);
		tcp_done(h, NULL, sk, 0);
	} else if (tp->linger_on && !tp->linger_s) {
		tcp_count(h, NULL, TcpExt_TCPAbortOnData, 1);
		tcp_send_active_reset(h, NULL, sk);
		tcp_done(h, NULL, sk, 0);
	} else if (close_state(h, sk)) {
		tcp_write_xmit(h, NULL, sk, host_now(h, NULL));
	} else if (tp->state == TCPS_FIN_WAIT2) {
		tp->keep_at = tcp_jiffies_later(h, host_now(h, NULL), tcp_fin_time(h, tp));
	}
}

/* Under the lock. Too many connections have no program: this one ends at once. tcp_check_oom() */
static void bound_orphans(struct host *h, struct sock *sk, u32 orphans)
{
	if (orphans <= h->tcp.max_orphans || tcp_sk(h, sk)->state == TCPS_CLOSE)
		return;
	tcp_count(h, NULL, TcpExt_TCPAbortOnMemory, 1);
	tcp_send_active_reset(h, NULL, sk);
	tcp_done(h, NULL, sk, 0);
}

void tcp_close(struct host *h, struct sock *sk)
{
	if (sk->type == SOCK_TCP_LISTEN) {
		close_listener(h, sk);
		return;
	}
	if (!h->live)
		machine_settle(h); /* a CPU may be stopped with a segment for this connection */
	tcp_lock_sock(h, NULL, sk);
	sk->wake_fd = -1;
	sk->waker = NULL;
	sk->accepted = SOCK_GIVEN_UP;
	close_connection(h, sk);
	tcp_sk(h, sk)->orphan = 1;
	bound_orphans(h, sk, __atomic_add_fetch(&h->tcp.orphans, 1, __ATOMIC_RELAXED));
	sock_drop_queues(h, NULL, sk);
	tcp_release_sock(h, NULL, sk);
}
