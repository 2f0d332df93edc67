/* stress_tcp.c - two live hosts on a joint wire, each with two CPUs, and threads that connect, accept, send, read and close
 *
 * A connection's place in the table is another's right after it was freed, while CPUs still look for the first one; its
 * deadlines are in one heap for each CPU, and any thread may move them; the accept queue fills from CPUs and empties into
 * threads. Each client sends bytes that are its own, so bytes of another connection would be seen. A third of the
 * connections end by a reset, a third are closed by another thread than the one that made them. At rest no place is
 * taken, no deadline is in a heap, and both ledgers are closed.
 */
#include "threads.h"

#define CPUS 2u
#define CLIENTS 3u
#define SERVERS 2u
#define TALKS 150u
#define BYTES 20000u
#define HANDS 8u

static struct host *host[2];
static struct sock *listener;
static u32 served, clients_done;
static u64 delivered;

/* ---- from one thread to another: connections to close ---- */

static struct sock *hand[HANDS];

/* Put a connection where the others find it. Return: what lay there */
static struct sock *hand_over(struct sock *sk, u32 at)
{
	return __atomic_exchange_n(&hand[at % HANDS], sk, __ATOMIC_ACQ_REL);
}

static void close_one(struct host *h, struct sock *sk)
{
	if (sk)
		tcp_close(h, sk);
}

/* ---- the two sides ---- */

static struct sock *connect_to(struct host *h)
{
	const struct inet_addr to = { 0, 0xffff0a000002 };
	struct sock *sk = NULL;
	int rc = tcp_connect(h, NULL, 0, &to, 80, &sk);

	require(rc == 0, "connect failed at once");
	for (u32 us = 0; (rc = tcp_connected(h, sk)) == -EINPROGRESS; us += 50) {
		require(us < PATIENCE_MS * 1000u, "no answer came");
		usleep(50);
	}
	require(rc == 0, "connect failed");
	return sk;
}

static void send_all(struct host *h, struct sock *sk, const u8 *data, u32 len)
{
	while (len) {
		long n = tcp_sendmsg(h, sk, data, len);

		require(n > 0 || n == -EAGAIN, "send failed");
		if (n == -EAGAIN)
			usleep(50);
		else
			data += n, len -= (u32)n;
	}
}

static void *run_client(void *arg)
{
	u32 me = (u32)(uintptr_t)arg, state = me;
	u8 data[BYTES];

	memset(data, (int)me, sizeof(data));
	for (u32 i = 0; i < TALKS; i++) {
		struct sock *sk = connect_to(host[0]);
		u32 how = random32(&state) % 3;

		send_all(host[0], sk, data, 1 + random32(&state) % BYTES);
		if (how == 0)
			tcp_sk(host[0], sk)->linger_on = 1; /* close() resets */
		if (how == 1)
			require(tcp_shutdown(host[0], sk, 1) == 0 || host[0]->tcp.socks != NULL, "shutdown failed");
		close_one(host[0], how == 2 ? hand_over(sk, i) : sk);
	}
	__atomic_fetch_add(&clients_done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Read to the end. All bytes are of one client. */
static void serve(struct sock *sk)
{
	u8 buf[4096], first = 0;

	for (;;) {
		long n = tcp_recvmsg(host[1], sk, buf, sizeof(buf), 0);

		if (n == -EAGAIN) {
			usleep(50);
			continue;
		}
		if (n <= 0)
			break;
		first = first ? first : buf[0];
		for (long i = 0; i < n; i++)
			require(buf[i] == first, "bytes of another connection");
		__atomic_fetch_add(&delivered, (u64)n, __ATOMIC_RELAXED);
	}
	tcp_close(host[1], sk);
	__atomic_fetch_add(&served, 1, __ATOMIC_SEQ_CST);
}

static void *run_server(void *arg)
{
	(void)arg;
	for (u32 idle = 0; idle < 1000;) { /* what comes even later is reset when the listener is closed */
		struct sock *sk = tcp_accept(host[1], listener);

		idle = sk || __atomic_load_n(&clients_done, __ATOMIC_SEQ_CST) < CLIENTS ? 0 : idle + 1;
		if (sk)
			serve(sk);
		else
			usleep(50);
	}
	return NULL;
}

/* ---- the machines ---- */

static void *run_nic(void *arg)
{
	int event = nic_thread(arg);

	require(event == EV_DONE || event == EV_STOPPED, "the card's thread ended by itself");
	return NULL;
}

static struct host *make_host(struct wire *wire, u32 nth)
{
	const u8 mac[6] = { 2, 0, 0, 0, 0, (u8)(1 + nth) };
	struct host *h = path_host(CPUS, wire);

	h->auto_sink = h->ip_any = 0;
	h->ip[0] = (struct inet_net){ .addr = { 0, 0xffff0a000001 + nth }, .prefix = 24 };
	h->nips = h->answers = 1;
	h->tcp.mode = TCP_MODE_ENDPOINT;
	h->nic.filter.any = 0;
	memcpy(h->nic.filter.addr, mac, 6);
	h->live = wire->live = 1;
	h->nic.nqueues = CPUS;
	for (u32 i = 0; i < RSS_INDIR_SIZE; i++)
		h->nic.rss.indir[i] = (u16)(i % CPUS);
	require(host_start(h) == 0, "the host does not start");
	live_fds(h);
	return h;
}

static void at_rest(struct host *h)
{
	live_stop(h);
	path_run(h);
	host_finish(h);
	path_run(h);
	require_laws(h);
	driver_tx_reclaim(h);
	require(host_tx_in_flight(h) == 0, "a frame is neither sent nor lost");
	require(h->socks.flows == 0 && h->tcp.orphans == 0, "a connection is still there");
	for (u32 i = 0; i < CPUS; i++)
		require(h->tcp.heap[i].n == 0, "a deadline is still there");
}

int main(void)
{
	struct joint_wire *wire[2];
	pthread_t nic[2], cpu[2][CPUS], client[CLIENTS], server[SERVERS];

	alarm(110);
	require(joint_wires_new(&wire[0], &wire[1]) == 0, "no memory");
	for (u32 i = 0; i < 2; i++)
		host[i] = make_host(&wire[i]->wire, i);
	for (u32 i = 0; i < 2; i++) {
		for (u32 n = 0; n < CPUS; n++)
			cpu[i][n] = thread(run_cpu, host[i]->cpu[n]);
		nic[i] = thread(run_nic, &host[i]->nic);
	}
	listener = tcp_listen(host[1], NULL, 80, CLIENTS * TALKS);
	require(listener != NULL, "nobody listens");
	for (u32 i = 0; i < SERVERS; i++)
		server[i] = thread(run_server, NULL);
	for (u32 i = 0; i < CLIENTS; i++)
		client[i] = thread(run_client, (void *)(uintptr_t)(i + 1));
	for (u32 i = 0; i < CLIENTS; i++)
		pthread_join(client[i], NULL);
	for (u32 i = 0; i < HANDS; i++)
		close_one(host[0], hand_over(NULL, i));
	for (u32 i = 0; i < SERVERS; i++)
		pthread_join(server[i], NULL);
	tcp_close(host[1], listener);
	for (u32 i = 0; i < 2; i++)
		joint_wire_shut(wire[i]);
	for (u32 i = 0; i < 2; i++) {
		pthread_join(nic[i], NULL);
		for (u32 n = 0; n < CPUS; n++)
			stop_cpu(host[i]->cpu[n], cpu[i][n]);
	}
	for (u32 i = 0; i < 2; i++)
		at_rest(host[i]);
	printf("%u connections, %llu bytes, each its own\n", served, (unsigned long long)delivered);
	for (u32 i = 0; i < 2; i++) {
		close_fds(host[i]);
		host_free(host[i]);
		joint_wire_free(wire[i]);
	}
	return 0;
}
