/* tcp_connect.c - a connection is opened: an address, a free port, the first SYN. Linux: tcp_v4_connect()
 *
 *   vnic.Host.connect() -> tcp_connect() ... tcp_connected()
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

struct sock *tcp_sock_alloc(struct host *h)
{
	struct sock *sk;

	spin_lock(&h->socks.lock);
	sk = sock_take_place(&h->socks);
	if (sk)
		sk->type = SOCK_TCP;
	spin_unlock(&h->socks.lock);
	return sk;
}

/* Under the lock of the table. Is this pair of addresses and ports free? A connection that ended lately keeps it, unless the new
 * one may follow it: *iss is its number then. */
static bool is_free(struct host *h, const struct sock *sk, u16 lport, u64 now, u32 *iss)
{
	struct tcp_timewait *tw;

	if (flow_find(&h->socks, SOCK_TCP, &sk->laddr, lport, &sk->raddr, sk->rport))
		return false;
	tw = tcp_timewait_find(h, &sk->laddr, lport, &sk->raddr, sk->rport);
	return !tw || (*iss = tcp_timewait_reuse(h, tw, now));
}

/* Return: a free port, or 0 */
static u16 choose_port(struct host *h, const struct sock *sk, u64 now, u32 *iss)
{
	u32 start = tcp_bucket(h, &sk->laddr, 0, &sk->raddr, sk->rport) + h->tcp.port_next;
	u32 first = READ_ONCE(h->tcp.local_ports[0]), last = READ_ONCE(h->tcp.local_ports[1]);
	u32 count = last >= first ? last - first + 1 : 0; /* the two are written one after the other */

	for (u32 i = 0; i < count; i++) {
		u16 port = (u16)(first + (start + i) % count);

		if (h->socks.port[SOCK_TCP_LISTEN / 2][port] || !is_free(h, sk, port, now, iss))
			continue;
		h->tcp.port_next += i + 1;
		return port;
	}
	return 0;
}

/* iss: the first number, 0: any */
static void begin_connection(struct host *h, struct sock *sk, u64 now, u32 iss)
{
	struct tcp_sock *tp = tcp_sk(h, sk);

	tp->advmss = tcp_advmss(h, tp, &sk->raddr);
	tcp_initial_window(h, sk->rcvbuf >> 1, tp->rcvbuf_locked, tp->advmss, &tp->rcv_wnd, &tp->rcv_wscale,
			   h->tcp.window_scaling);
	if (tp->rcvbuf_locked)
		tp->window_clamp = sk->rcvbuf >> 1;
	tp->rcv_ssthresh = tp->rcv_wnd;
	tp->iss = iss ? iss : tcp_secure_seq(h, &sk->laddr, sk->lport, &sk->raddr, sk->rport, now);
	tp->snd_una = tp->snd_sml = tp->iss;
	tp->snd_nxt = tp->write_seq = tp->iss + 1;
	tp->ts_offset = tcp_ts_offset(h, &sk->laddr, &sk->raddr);
	tp->rcv_mss = TCP_MSS_DEFAULT;
	tp->connecting = 1;
	tp->state = TCPS_SYN_SENT;
	tp->rtx_at = tcp_jiffies_later(h, now, TCP_TIMEOUT_INIT_NS);
}

struct sock *tcp_socket(struct host *h)
{
	struct sock *sk = tcp_sock_alloc(h);

	if (!sk)
		return NULL;
	tcp_lock_sock(h, NULL, sk);
	tcp_sock_init(h, sk, host_now(h, NULL), h->reader_cpu == READER_CPU_BY_PORT ? 0 : h->reader_cpu);
	sk->accepted = SOCK_ACCEPTED;
	tcp_release_sock(h, NULL, sk);
	return sk;
}

int tcp_connect_sock(struct host *h, struct sock *sk, const struct inet_addr *laddr, u16 lport,
		     const struct inet_addr *raddr, u16 rport)
{
	const struct inet_net *net;
	struct inet_addr via;
	u64 now = host_now(h, NULL);
	u32 iss = 0;
	bool taken;

	if (!h->answers)
		return -ENETDOWN;
	net = ip_route(h, raddr, &via);
	if (net && !inet_addr_is4(raddr))
		net = ipv6_dev_get_saddr(h, raddr);
	if (!net || inet_addr_is_group(h, raddr)) /* as tcp_v4_connect() */
		return -ENETUNREACH;
	if (laddr && !ip_local_net(h, laddr))
		return -EADDRNOTAVAIL;
	tcp_lock_sock(h, NULL, sk);
	sk->laddr = laddr ? *laddr : net->addr;
	sk->raddr = *raddr;
	sk->rport = rport;
	spin_lock(&h->socks.lock);
	sk->lport = lport ? lport : choose_port(h, sk, now, &iss);
	taken = lport ? !is_free(h, sk, lport, now, &iss) : !sk->lport;
	if (!taken)
		flow_insert(&h->socks, sk);
	spin_unlock(&h->socks.lock);
	if (!taken) {
		sk->reader_cpu = (u16)(h->reader_cpu == READER_CPU_BY_PORT ? sk->lport % h->ncpus : h->reader_cpu);
		begin_connection(h, sk, now, iss);
		tcp_count(h, NULL, Tcp_ActiveOpens, 1);
		tcp_send_syn(h, NULL, sk, TCPHDR_SYN);
	}
	tcp_release_sock(h, NULL, sk);
	return taken ? -EADDRNOTAVAIL : 0;
}

int tcp_connect(struct host *h, const struct inet_addr *laddr, u16 lport, const struct inet_addr *raddr, u16 rport,
		struct sock **made)
{
	struct sock *sk = tcp_socket(h);
	int rc;

	if (!sk)
		return -ENOBUFS;
	rc = tcp_connect_sock(h, sk, laddr, lport, raddr, rport);
	if (rc < 0)
		tcp_close(h, sk);
	else
		*made = sk;
	return rc;
}

int tcp_connected(struct host *h, struct sock *sk)
{
	int rc;

	tcp_lock_sock(h, NULL, sk);
	rc = sock_error(sk);
	if (!rc && (tcp_sk(h, sk)->state == TCPS_SYN_SENT || tcp_sk(h, sk)->state == TCPS_SYN_RECV))
		rc = -EINPROGRESS;
	tcp_release_sock(h, NULL, sk);
	return rc;
}
