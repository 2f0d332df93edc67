/* host.c - the machine: a card, its driver's queues, the emulated CPUs; making, starting and ending it. Called by Python
 *
 * host_new() sets Linux's defaults (docs/linux.md), Python sets the knobs, host_start() allocates all there will ever be:
 * one sealed memfd for rings and buffers, the pools, the socket table. Nothing is allocated per packet.
 */
#include "prelude.h"

#include <malloc.h>

#include <unistd.h>

#define SECOND 1000000000ull

static struct softnet_data *cpu_new(struct host *h, u32 cpu)
{
	const u32 bytes = align_up((u32)(sizeof(struct softnet_data) + h->ncpus * sizeof(struct rps_burst)), 128);
	struct softnet_data *sd = aligned_alloc(128, bytes);

	if (!sd)
		return NULL;
	memset(sd, 0, bytes);
	sd->host = h;
	sd->cpu = cpu;
	cpu_next_set(sd, NEVER);
	sd->horizon = sd->irq_next = sd->watchdog_next = sd->timer_next = sd->tick_next = NEVER;
	sd->idle = 1;
	sd->account = &sd->idle_ns;
	sd->wake_fd = -1;
	sd->backlog.poll = process_backlog;
	sd->backlog.sd = sd;
	sd->backlog.host = h;
	sd->backlog.queue = EVENT_NO_QUEUE;
	sd->backlog.timer_ns = NEVER;
	for (u32 i = 0; i < TIMERS_MAX; i++)
		sd->timer_ns[i] = sd->timer_asked[i] = NEVER;
	return sd;
}

struct host *host_new(u32 ncpus)
{
	struct host *h;

	if (ncpus < 1 || ncpus > CPUS_MAX)
		return NULL;
	h = aligned_alloc(128, align_up(sizeof(*h), 128));
	if (!h)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->ncpus = ncpus;
	h->hz = 250;
	h->rx_pool_size = 32768;
	h->gro = h->ip_any = h->vlan_any = h->tx.tso = 1;
	h->weight = NAPI_POLL_WEIGHT;
	h->dev_weight = 64;
	h->dev_weight_rx_bias = 1;
	h->netdev_budget = 300;
	h->netdev_max_backlog = 1000;
	h->gro_max_size = h->gro_ipv4_max_size = 65536;
	h->gro_normal_batch = 8;
	h->busy_poll_budget = 8;
	h->flow_limit_table_len = 4096;
	h->rcvbuf = 212992;
	h->rmem_max = 4 << 20;
	h->sock_max = 65536;
	h->udp_mem = 393216; /* as Linux's of a machine with 16 GiB */
	h->udp_mem_rest[0] = 524288;
	h->udp_mem_rest[1] = 786432;
	h->udp_rmem_min = 4096;
	h->neigh.times[0] =
		(struct neigh_times){ .reachable_ns = 30 * SECOND, .retrans_ns = SECOND, .stale_ns = 60 * SECOND };
	h->neigh.times[1] = h->neigh.times[0];
	h->reader_cpu = READER_CPU_BY_PORT;
	h->upcalls.wake_fd = -1;
	h->icmp = (struct icmp_limits){
		.ratelimit_ms = 1000, .ratelimit6_ms = 100, .msgs_per_sec = 1000, .msgs_burst = 50
	};
	nic_init(&h->nic);
	h->nic.cost = h->cost;
	h->nic.spinners = &h->spinners;
	h->nic.add_files = host_files;
	driver_setup(h);
	packet_taps_setup(h);
	h->timer[TIMER_IPFRAG] = inet_frag_expire;
	h->timer[TIMER_NEIGH] = neigh_timer;
	h->timer[TIMER_MC] = mc_timer;
	h->timer[TIMER_ADDRCONF] = addrconf_timer;
	h->timer[TIMER_REFILL] = driver_refill_timer;
	h->timer[TIMER_TCP] = tcp_timer;
	tcp_defaults(h);
	h->upcall = upcall_push;
	inet_frags_defaults(h);
	for (u32 i = 0; i < ncpus; i++) {
		h->cpu[i] = cpu_new(h, i);
		if (!h->cpu[i]) {
			host_free(h);
			return NULL;
		}
	}
	h->ptype[h->nptypes++] = (struct packet_type){ .type = htons(ETH_P_IP), .func = ip_rcv, .list = ip_list_rcv };
	h->ptype[h->nptypes++] = (struct packet_type){ .type = htons(ETH_P_IPV6), .func = ipv6_rcv };
	h->ptype[h->nptypes++] = (struct packet_type){ .type = htons(ETH_P_ARP), .func = arp_rcv };
	return h;
}

/* Return: the most queues that ethtool -L may ask for. A foreign driver keeps those that it began with. */
static u32 most_queues(const struct host *h)
{
	return h->nic.external_driver ? 0 : min_u32(h->ncpus, NIC_QUEUES_MAX);
}

/* A host that sends needs the tables of neighbours and of routes' exceptions, and room to copy a large ping into one buffer. */
static int answers_init(struct host *h)
{
	int rc;

	for (u32 i = 0; i < h->ncpus; i++) {
		h->cpu[i]->scratch = malloc(1 << 16);
		if (!h->cpu[i]->scratch)
			return -ENOMEM;
	}
	rc = neigh_init(&h->neigh);
	return rc ? rc : route_init(&h->routes);
}

/* Derive what follows from the knobs. */
static void derive(struct host *h)
{
	h->jiffy_ns = 1000000000 / h->hz;
	h->nic.live = h->live;
	h->spin_max_ns = h->live ? live_spin_max(h->ncpus) : 0;
	if (!h->netdev_budget_usecs)
		h->netdev_budget_usecs = 2 * 1000000 / h->hz;
	if (h->nic.external_driver) /* the foreign driver owns the TX ring */
		h->answers = 0;
}

static int cpus_init(struct host *h)
{
	for (u32 i = 0; i < h->ncpus; i++) {
		h->cpu[i]->backlog.weight = h->dev_weight * h->dev_weight_rx_bias;
		h->cpu[i]->live = h->live;
		if (h->gro_flows && !(h->cpu[i]->gro_flows = gro_flows_new(h->gro_flows)))
			return -ENOMEM;
	}
	return flow_limit_set(h, &h->flow_limit_cpus);
}

static int fifo_start(struct host *h)
{
	return fifo_init(&h->nic.fifo, h->nic.fifo.size);
}

static int sockets_init(struct host *h)
{
	int rc = sock_table_init(&h->socks, h->sock_max);

	return rc ? rc : tcp_init(h);
}

static int fragments_init(struct host *h)
{
	int rc = inet_frags_init(&h->ip_frags, h->ncpus);

	return rc ? rc : inet_frags_init(&h->ip6_frags, h->ncpus);
}

static int steering_init(struct host *h)
{
	int rc = rfs_init(h, h->rps_flow_cnt, h->rps_sock_flow_entries);

	if (rc)
		return rc;
	return h->nic.ntuple ? arfs_set(h, 1) : 0;
}

static int rings_init(struct host *h)
{
	return nic_memory_init(&h->nic, most_queues(h), h->rx_pool_size);
}

static int driver_start(struct host *h)
{
	int rc = h->answers ? answers_init(h) : 0;

	if (rc || h->nic.external_driver)
		return rc;
	rc = driver_open(h);
	if (rc == 0)
		addrconf_start(h);
	return rc;
}

static int groups_start(struct host *h)
{
	int rc = mc_init(&h->mc);

	if (rc == 0)
		mc_start(h);
	return rc;
}

int host_start(struct host *h)
{
	static int (*const steps[])(struct host *) = { cpus_init,    vtime_init,     fifo_start,
						       sockets_init, fragments_init, steering_init,
						       rings_init,   driver_start,   groups_start };

	int rc;

	for (u32 i = 0; i <= h->nic.rss.indir_mask; i++)
		if (h->nic.rss.indir[i] >= h->nic.nqueues)
			return -EINVAL;
	derive(h);
	if (h->card_only) { /* its CPU does nothing; but the card runs out in virtual time */
		rc = vtime_init(h);
		return rc ? rc : fifo_start(h);
	}
	for (u32 i = 0; i < ARRAY_SIZE(steps); i++) {
		rc = steps[i](h);
		if (rc)
			return rc;
	}
	return 0;
}

void host_free(struct host *h)
{
	if (!h)
		return;
	for (u32 i = 0; i < NIC_QUEUES_MAX; i++)
		driver_free_queue(h, i);
	tcp_exit(h);
	sock_table_exit(&h->socks);
	inet_frags_exit(&h->ip_frags);
	inet_frags_exit(&h->ip6_frags);
	rfs_exit(h);
	rps_exit(h);
	nic_exit(&h->nic);
	driver_tx_free(h);
	neigh_exit(&h->neigh);
	route_exit(&h->routes);
	mc_exit(&h->mc);
	vtime_exit(h);
	for (u32 i = 0; i < h->ncpus; i++) {
		if (h->cpu[i]) {
			free(h->cpu[i]->gro_flows);
			free(h->cpu[i]->flow_limit);
			free(h->cpu[i]->scratch);
			skb_copy_exit(h->cpu[i]);
		}
		free(h->cpu[i]);
	}
	free(h);
}

/* Freed memory stays in the arena of the thread that allocated it: trim them all, or only a next host could reuse it. */
void memory_give_back(void)
{
#ifdef __GLIBC__ /* musl gives it back by itself */
	malloc_trim(0);
#endif
}

void host_finish(struct host *h)
{
	bool holes = false;

	for (u32 i = 1; i < h->socks.used; i++) {
		struct sock *sk = &h->socks.socks[i];

		if (sk->type == SOCK_TCP && h->tcp.mode == TCP_MODE_PASSIVE && (sk->ofo || tcp_waits_for_fin(sk))) {
			/* only a sink's reader still makes room */
			do {
				tcp_skip_hole(h->cpu[sk->reader_cpu], sk);
			} while (sk->ofo && (!sk->sink || sk->rmem_alloc <= sk->rcvbuf));
			cpu_wake(h->cpu[sk->reader_cpu], h->cpu[sk->reader_cpu]->now); /* its reader has work again */
			holes = true;
		}
	}
	if (holes)
		return;
	for (u32 i = 0; i < h->nic.nqueues_open; i++)
		COUNT(h->nic.queue[i].stood, irq_standing(&h->nic.queue[i]));
	nic_purge(&h->nic);
	h->nic.up = 0;
	for (u32 i = 0; i < h->nic.nqueues_open; i++) {
		if (h->dq[i])
			driver_close(h->dq[i]);
	}
}
