/* stress_backlog.c - many producers feed one CPU's backlog, which gives their buffers back to three pools
 *
 * CPUs 0 to 2 each own a receive queue's pool, fill buffers from it and steer them to CPU 3 (enqueue_to_backlog, IPI at
 * the end of a burst). CPU 3 runs as live ones do, asleep when it has nothing to do. What arrives has to be in each
 * producer's order; nothing may get lost but what the backlog's limit drops, counted; and the second law: at the end
 * every buffer is in its pool again.
 */
#include "threads.h"

#define PRODUCERS 3u
#define PACKETS 60000u
#define TARGET 3u

static u32 last[PRODUCERS];
static u64 arrived;

/* The protocol handler on the target: packets are numbered from 1 by their producer. */
static void take(struct softnet_data *sd, struct sk_buff *skb)
{
	require(sd->cpu == TARGET, "handled on the wrong CPU");
	require(skb->seq > last[skb->queue], "a producer's packets out of order");
	last[skb->queue] = skb->seq;
	COUNT(arrived, 1);
	kfree_skb_reason(sd, skb, DELIVERED_PYTHON);
}

static struct sk_buff *make_packet(struct softnet_data *sd, u32 number)
{
	struct rx_pool *p = &sd->host->dq[sd->cpu]->pool;
	struct sk_buff *skb;
	int buf;

	while ((buf = rx_pool_get(p)) < 0) /* all on their way: the target has to give some back */
		sched_yield();
	skb = &p->skbs[buf];
	*skb = (struct sk_buff){ .id = (u32)buf,
				 .pool = p,
				 .segs = 1,
				 .protocol = 0xb588,
				 .queue = (u16)sd->cpu,
				 .seq = number,
				 .vlan_tci = 0xffff };
	skb->data = skb_buffer(skb);
	return skb;
}

static void *run_producer(void *arg)
{
	struct softnet_data *sd = arg;
	u32 seed = sd->cpu + 1;

	for (u32 n = 1; n <= PACKETS;) {
		for (u32 burst = random32(&seed) % 100 + 1; burst && n <= PACKETS; burst--)
			enqueue_to_backlog(sd, make_packet(sd, n++), TARGET);
		net_rps_send_ipi(sd); /* as net_rx_action() does at its end */
	}
	skb_flush_returns(sd);
	return NULL;
}

static u64 done(struct host *h)
{
	u64 fates[FATE_MAX];

	host_fates(h, fates); /* read while the others write */
	return fates[DELIVERED_PYTHON] + fates[CPU_BACKLOG];
}

int main(void)
{
	struct mem_wire *w = mem_wire_new(64, 1);
	struct host *h = path_host(PRODUCERS + 1, &w->wire);
	pthread_t producer[PRODUCERS], target;
	u64 dropped;

	h->live = 1;
	h->nic.nqueues = PRODUCERS;
	h->rx_pool_size = 512; /* small: pools run dry and buffers come home all the time */
	h->netdev_max_backlog = 300; /* so that the limit is met too */
	require(host_start(h) == 0, "the host does not start");
	h->ptype[h->nptypes++] = (struct packet_type){ .type = 0xb588, .func = take };
	live_fds(h);
	target = thread(run_cpu, h->cpu[TARGET]);
	for (u32 i = 0; i < PRODUCERS; i++)
		producer[i] = thread(run_producer, h->cpu[i]);
	for (u32 i = 0; i < PRODUCERS; i++)
		pthread_join(producer[i], NULL);
	wait_for(done, h, PRODUCERS * PACKETS, "packets are left in the backlog and nobody woke its CPU");
	stop_cpu(h->cpu[TARGET], target);

	dropped = h->cpu[TARGET]->dropped;
	require(arrived + dropped == PRODUCERS * PACKETS, "arrived + dropped is not what was sent");
	require(arrived > PACKETS / 100, "hardly anything arrived");
	live_stop(h);
	require(!(host_laws(h) & 2), "a buffer is missing from its pool");
	printf("%u packets of %u producers: %llu in order, %llu dropped by the limit, %llu IPIs\n", PRODUCERS * PACKETS,
	       PRODUCERS, (unsigned long long)arrived, (unsigned long long)dropped,
	       (unsigned long long)h->cpu[TARGET]->received_rps);
	close_fds(h);
	host_free(h);
	mem_wire_free(w);
	return 0;
}
