/* tcp_connect.c - a connection is opened: an address, a free port, the first SYN. Linux: tcp_v4_connect()
 *
 *   vnic.Host.connect() -> tcp_connect() ... tcp_connected()
 */
#include "prelude.h"
#include "tcp/inline.h"
#include "tcp/room.h"

#define EPHEMERAL_FIRST 32768u /* ip_local_port_range */
#define EPHEMERAL_COUNT 28232u

struct sock *tcp_sock_alloc(struct host *h)
{
	struct sock *sk;

	spin_lock(&h->socks.lock);
	sk = sock_take_place(&h->socks);
	spin_unlock(&h->socks.lock);
	return sk;
}

/* Under the lock of the table. Is this pair of addresses and ports free? A connection that ended lately keeps it. */
static bool is_free(struct host *h, const struct inet_addr *l, u16 lport, const struct inet_addr *r, u16 rport)
{
	return !flow_find(&h->socks, SOCK_TCP, l, lport, r, rport) && !tcp_timewait_find(h, l, lport, r, rport);
}

/* Return: a free port, or 0 */
static u16 choose_port(struct host *h, const struct inet_addr *l, const struct inet_addr *r, u16 rport)
{
	u32 start = tcp_bucket(h, l, 0, r, rport) + h->tcp.port_next;

	for (u32 i = 0; i < EPHEMERAL_COUNT; i++) {
		u16 port = (u16)(EPHEMERAL_FIRST + (start + i) % EPHEMERAL_COUNT);

		if (h->socks.port[SOCK_TCP_LISTEN / 2][port] || !is_free(h, l, port, r, rport))
			continue;
		h->tcp.port_next += i + 1;
		return port;
	}
	return 0;
}

static void begin_connection(struct host *h, struct sock *sk, u64 now)
{
	struct tcp_sock *tp = tcp_sk(h, sk);

	tp->advmss = tcp_path_mss(h, &sk->raddr);
	tcp_initial_window(h, sk->rcvbuf >> 1, tp->advmss, &tp->rcv_wnd, &tp->rcv_wscale, h->tcp.window_scaling);
	tp->rcv_ssthresh = tp->rcv_wnd;
	tp->iss = tcp_secure_seq(h, &sk->laddr, sk->lport, &sk->raddr, sk->rport, now);
	tp->snd_una = tp->snd_sml = tp->iss;
	tp->snd_nxt = tp->write_seq = tp->iss + 1;
	tp->ts_offset = tcp_ts_offset(h, &sk->laddr, &sk->raddr);
	tp->rcv_mss = TCP_MSS_DEFAULT;
	tp->connecting = 1;
	tp->state = TCPS_SYN_SENT;
	tp->rtx_at = tcp_jiffies_later(h, now, TCP_TIMEOUT_INIT_NS);
}

int tcp_connect(struct host *h, const struct inet_addr *laddr, u16 lport, const struct inet_addr *raddr, u16 rport,
		struct sock **made)
{
	const struct inet_net *net;
	struct inet_addr via, from;
	struct sock *sk;
	u64 now = host_now(h, NULL);
	bool taken;

	if (!h->answers)
		return -ENETDOWN;
	net = ip_route(h, raddr, &via);
	if (net && !inet_addr_is4(raddr))
		net = ipv6_dev_get_saddr(h, raddr);
	if (!net || inet_addr_is_group(h, raddr)) /* as tcp_v4_connect() */
		return -ENETUNREACH;
	from = laddr ? *laddr : net->addr;
	if (laddr && !ip_local_net(h, laddr))
		return -EADDRNOTAVAIL;
	sk = tcp_sock_alloc(h);
	if (!sk)
		return -ENOBUFS;
	tcp_lock_sock(h, NULL, sk);
	tcp_sock_init(h, sk, now, h->reader_cpu == READER_CPU_BY_PORT ? 0 : h->reader_cpu);
	sk->laddr = from;
	sk->raddr = *raddr;
	sk->rport = rport;
	spin_lock(&h->socks.lock);
	sk->lport = lport ? lport : choose_port(h, &from, raddr, rport);
	taken = !sk->lport || !is_free(h, &from, sk->lport, raddr, rport);
	if (!taken)
		flow_insert(&h->socks, sk);
	spin_unlock(&h->socks.lock);
	if (taken) {
		tcp_sk(h, sk)->orphan = 1;
		__atomic_fetch_add(&h->tcp.orphans, 1, __ATOMIC_RELAXED);
		tcp_release_sock(h, NULL, sk);
		return -EADDRNOTAVAIL;
	}
	sk->reader_cpu = (u16)(h->reader_cpu == READER_CPU_BY_PORT ? sk->lport % h->ncpus : h->reader_cpu);
	sk->accepted = SOCK_ACCEPTED;
	begin_connection(h, sk, now);
	tcp_count(h, NULL, Tcp_ActiveOpens, 1);
	tcp_send_syn(h, NULL, sk, TCPHDR_SYN);
	tcp_release_sock(h, NULL, sk);
	*made = sk;
	return 0;
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
