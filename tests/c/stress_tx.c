/* stress_tx.c - everybody sends at once: softirqs of four CPUs that answer pings, or say that nobody has a port, and three
 * threads as Python's would be
 *
 * One ring, one table of neighbours, one lock. The neighbour learns and forgets addresses meanwhile (its answers change),
 * so packets wait, go out, or are given up. At rest the ledger of what was sent is closed: each frame has one fate, the
 * wire has seen those that were sent, and every buffer came home.
 */
#include "threads.h"

#define CPUS 4u
#define SENDERS 3u
#define PINGS 20000u
#define DATAGRAMS 15000u

static struct host *host;
static u64 on_the_wire;
static u32 done;

static int write_nowhere(struct wire *w, u8 *frame, u32 len, const struct virtio_net_hdr_v1_hash *hdr, u64 t_ns)
{
	(void)w;
	(void)hdr;
	(void)t_ns;
	require(len >= ETH_ZLEN && memcmp(frame + 6, host->nic.filter.addr, 6) == 0, "a frame is not ours");
	on_the_wire++;
	return 0;
}

static void put_arp(u8 *at, u32 nth)
{
	static const u8 head[22] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1
	};
	const u8 who[10] = { 2, 0, 0, 0, (u8)(nth >> 8), (u8)nth, 10, 1, 0, (u8)(nth % 64) };

	memcpy(at, head, sizeof(head));
	memcpy(at + 22, who, sizeof(who));
	memset(at + 32, 0, 6);
	store_be32(at + 38, 0x0a000002);
	memset(at + 42, 0, 18);
}

static void put_ping(u8 *at, u32 nth)
{
	put_ipv4(at, nth % 64, 1, 20 + 8 + 18);
	memset(at + 34, 0, 26);
	at[34] = 8;
	store16(at + 36, csum_fold(csum_partial(at + 34, 26, 0)));
}

static struct mem_wire *make_wire(void)
{
	struct mem_wire *w = mem_wire_new(PINGS * 60ull, PINGS);

	require(w != NULL, "no memory");
	for (u32 i = 0; i < PINGS; i++) {
		w->frames[w->nframes++] = (struct mem_frame){ .off = i * 60ull, .len = 60, .wire_len = 60 };
		if (i % 8 == 0)
			put_arp(w->arena + i * 60ull, i / 8);
		else if (i % 8 == 1) /* to a port that nobody has: an error goes back, as far as the limits allow */
			put_udp(w->arena + i * 60ull, i / 8 % 64, 60);
		else
			put_ping(w->arena + i * 60ull, i);
	}
	w->closed = 1;
	w->wire.write = write_nowhere;
	return w;
}

static void *run_nic(void *arg)
{
	int event = nic_thread(arg);

	require(event == EV_DONE || event == EV_STOPPED, "the card's thread ended by itself");
	return NULL;
}

static void *send_datagrams(void *arg)
{
	struct sock *sk = arg;
	u32 state = 1 + sk->lport;
	static const u8 data[4000];

	for (u32 i = 0; i < DATAGRAMS; i++) {
		struct inet_addr to = { 0, 0xffff0a010000 | (random32(&state) % 80) }; /* some of them never answer */
		int rc = udp_sendmsg(host, sk, data, random32(&state) % 4000, &to, 9, i % 5 ? 0 : 1000);

		require(rc == 0 || rc == -EAGAIN || rc == -ENOBUFS, "sendto failed");
		if (rc == -EAGAIN)
			sched_yield();
	}
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(void)
{
	struct mem_wire *w = make_wire();
	pthread_t nic, cpu[CPUS], sender[SENDERS];
	u64 fates[TX_FATE_MAX], sum = 0;
	u32 rounds = 0;

	alarm(110);
	host = path_host(CPUS, &w->wire);
	host->auto_sink = 0;
	host->ip[0] = (struct inet_net){ .addr = { 0, 0xffff0a000002 }, .prefix = 8 };
	host->nips = 1;
	host->ip_any = 0;
	host->answers = 1;
	host->live = w->wire.live = 1;
	host->nic.nqueues = CPUS;
	for (u32 i = 0; i < RSS_INDIR_SIZE; i++)
		host->nic.rss.indir[i] = (u16)(i % CPUS);
	require(host_start(host) == 0, "the host does not start");
	live_fds(host);
	for (u32 i = 0; i < CPUS; i++)
		cpu[i] = thread(run_cpu, host->cpu[i]);
	for (u32 i = 0; i < SENDERS; i++)
		sender[i] = thread(send_datagrams, sock_bind(host, SOCK_UDP, NULL, (u16)(1000 + i)));
	while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < SENDERS) { /* the card stops at the wire's end: begin anew */
		w->pos = 0;
		w->wire.eof = 0;
		nic = thread(run_nic, &host->nic);
		pthread_join(nic, NULL);
		rounds++;
	}
	for (u32 i = 0; i < SENDERS; i++)
		pthread_join(sender[i], NULL);
	for (u32 i = 0; i < CPUS; i++)
		stop_cpu(host->cpu[i], cpu[i]);
	live_stop(host);
	path_run(host); /* whoever was asked and did not answer is given up */
	host_finish(host);
	path_run(host);
	require_laws(host);
	host_tx_fates(host, fates);
	for (u32 f = 0; f < TX_FATE_MAX; f++)
		sum += fates[f];
	driver_tx_reclaim(host);
	require(host_tx_in_flight(host) == 0, "a frame is neither sent nor lost");
	require(fates[TX_SENT] == on_the_wire, "the wire and the ledger disagree");
	require(host->tx.nfree == TX_POOL_SIZE && host->tx.vq.nfree == TX_RING_SIZE, "a buffer did not come home");
	printf("sent %llu of %llu frames in %u rounds, %llu waited in vain, %llu found the ring full\n",
	       (unsigned long long)fates[TX_SENT], (unsigned long long)sum, rounds,
	       (unsigned long long)(fates[TX_NEIGH_FAILED] + fates[TX_NEIGH_QUEUEFULL]),
	       (unsigned long long)fates[TX_FULL_RING]);
	close_fds(host);
	host_free(host);
	mem_wire_free(w);
	return 0;
}
