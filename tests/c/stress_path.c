/* stress_path.c - the whole path live: the card's thread, four CPUs, readers, and somebody who looks at all counters
 *
 * TCP and UDP flows, and fragments, over four queues, steered on by RPS, so that every hand-over between threads happens: doorbell,
 * interrupt, backlog, sockets and their readers, buffers on their way home. Meanwhile a snapshot is taken again and
 * again. At rest both laws hold, and what Linux would have delivered is delivered. Seven times: plainly; with RFS, the
 * card's filters, the flow limit and readers that move about; with threaded NAPI and busy readers; with packet sockets and
 * captures that come and go; with the event log on; with knobs that change all the time; with 66 CPUs and 128 queues.
 */
#include "machine.h"

#define CPUS_MANY 66u /* more than a word of a mask has bits */
#define FLOWS 64u
#define ROUNDS 400u
#define FRAMES (FLOWS * ROUNDS)

enum variant { PLAIN, RFS, TASKS, TAPS, EVENTS, KNOBS, MANY, VARIANTS };

static const char *const names[VARIANTS] = { "softirqs", "RFS", "tasks", "taps", "events", "knobs", "many" };
static u32 cpus, queues;
static u32 looking;
static enum variant variant;

static int (*read_memory)(struct wire *w, struct frame *f, int max);
static struct nic *card;

/* The wire waits while frames wait in the card, which then sleeps until a doorbell says that there are buffers again. */
static int read_paced(struct wire *w, struct frame *f, int max)
{
	nic_drain(card, card->now);
	return card->fifo.bytes ? -EAGAIN : read_memory(w, f, max < 16 ? max : 16);
}

/* A datagram of 128 bytes in two fragments, one a round: they wait in a table that all CPUs share. */
static u32 put_fragment(u8 *at, u32 flow, u32 round)
{
	const u32 half = 64, len = 34 + half;

	put_udp(at, flow, len);
	store16(at + 18, htobe16_((u16)(round / 2)));
	store16(at + 20, htobe16_(round & 1 ? half / 8 : 0x2000));
	store16(at + 24, 0);
	store16(at + 24, csum_fold(csum_partial(at + 14, 20, 0)));
	store16(at + 38, htobe16_(2 * half));
	store16(at + 40, 0); /* no checksum */
	return len;
}

/* In each round every flow sends: even ones TCP, odd ones UDP, every second of them in fragments. */
static struct mem_wire *make_wire(void)
{
	struct mem_wire *w = mem_wire_new((u64)FRAMES * (HEADERS_TCP + MSS), FRAMES);

	require(w != NULL, "no memory");
	for (u32 i = 0; i < FRAMES; i++) {
		u32 flow = i % FLOWS, len = flow & 1 ? 64 + i % 900 : HEADERS_TCP + MSS;
		u8 *at = w->arena + w->arena_used;

		if ((flow & 3) == 3)
			len = put_fragment(at, flow, i / FLOWS);
		else if (flow & 1)
			put_udp(at, flow, len);
		else
			put_tcp(at, flow, 1 + i / FLOWS * MSS);
		w->frames[w->nframes++] = (struct mem_frame){ .off = w->arena_used, .len = len, .wire_len = len };
		w->arena_used += len;
	}
	w->closed = 1;
	return w;
}

/* A scheduler that moves threads. */
static void move_readers(struct host *h, u32 by)
{
	spin_lock(&h->socks.lock);
	for (u32 i = 1; i < h->socks.used; i++)
		WRITE_ONCE(h->socks.socks[i].reader_cpu, (u16)((by + i) % cpus));
	spin_unlock(&h->socks.lock);
}

/* ---- knobs that change between two polls ---- */

static u32 changing;

static void change(struct host *h, u32 turn)
{
	u32 used = 1 + turn % queues;

	require(driver_set_ringparam(h, 16 + turn * 37 % 240) == 0, "the ring is not changed");
	for (u32 i = 0; i < RSS_INDIR_SIZE; i++)
		h->nic.rss.indir[i] = (u16)(i % used);
	require(driver_set_channels(h, used) == 0, "the queues are not changed");
	require(driver_set_adaptive(h, turn % 3 == 0) == 0 && arfs_set(h, turn & 1) == 0, "no memory");
	require(flow_limit_set(h, &(struct cpumask){ { turn % 16 } }) == 0 &&
			rfs_set_sock_entries(h, turn % 3 * 64) == 0,
		"no memory");
	for (u32 i = 0; i < queues; i++)
		require(rfs_set_flow_cnt(h, i, turn % 4 * 32) == 0, "no memory");
	require(fifo_resize(&h->nic.fifo, 65536 + turn) == 0, "no memory");
	h->weight = h->dev_weight = 1 + turn % 64;
	netif_set_weights(h);
	for (u32 i = 0; i < h->nic.nqueues_open; i++)
		dev_set_threaded(h, i, (turn + i) % 5 < 3 ? (turn + i) % 5 : 0);
	for (u32 i = 0; i < queues; i++) {
		h->nic.queue[i].irq.rx_usecs = turn & 2 ? 20 : 0;
		h->nic.queue[i].irq.rx_frames = turn & 2 ? 8 : 1;
		irq_replan(&h->nic.queue[i]);
	}
}

static void stop_and_change(struct host *h, u32 turn)
{
	machine_stop(h);
	change(h, turn);
	machine_go_on(h);
}

/* What `vnic run` shows while it runs. No number is of one moment, but each only grows. */
static void *run_observer(void *arg)
{
	struct host *h = arg;
	u64 before = 0, snapshots = 0;

	while (__atomic_load_n(&looking, __ATOMIC_RELAXED)) {
		u64 where[IN_FLIGHT_MAX], now = with_fate(h), packets = 0;

		require(now >= before && host_offered(h) >= now, "more fates than frames, or fewer than before");
		before = now;
		host_in_flight(h, where);
		for (u32 i = 0; i < cpus; i++)
			packets += READ_ONCE(h->cpu[i]->processed) + READ_ONCE(h->cpu[i]->time_squeeze) +
				   READ_ONCE(h->cpu[i]->hardirqs) + READ_ONCE(h->cpu[i]->received_rps) +
				   READ_ONCE(h->cpu[i]->gro_merged);
		for (u32 i = 0; i < queues; i++)
			packets += READ_ONCE(h->dq[i]->rx_packets) + READ_ONCE(h->nic.queue[i].irq.raised) +
				   READ_ONCE(h->nic.queue[i].frames);
		snapshots += packets > 0;
		if (variant == RFS)
			move_readers(h, (u32)snapshots);
		if (variant == TAPS)
			come_and_go(h);
		if (variant == KNOBS) {
			spin_lock(&changing);
			if (!__atomic_load_n(&ended, __ATOMIC_SEQ_CST))
				stop_and_change(h, (u32)snapshots);
			spin_unlock(&changing);
		}
		usleep(100);
	}
	require(snapshots > 0, "nothing was seen while it ran");
	return NULL;
}

static void configure(struct host *h)
{
	struct cpumask all = { { 0 } };

	for (u32 i = 0; i < cpus; i++)
		all.bits[i / 64] |= 1ull << i % 64;
	h->nic.nqueues = queues;
	h->rcvbuf = 1 << 28; /* the readers may be late: nothing is lost for that here */
	h->netdev_max_backlog = FRAMES;
	h->rx_pool_size = 320; /* little more than the ring: it runs dry and waits for the readers */
	for (u32 i = 0; i < RSS_INDIR_SIZE; i++)
		h->nic.rss.indir[i] = (u16)(i % queues);
	for (u32 i = 0; i < queues; i++) {
		h->nic.queue[i].irq.rx_usecs = i & 1 ? 50 : 0; /* with and without moderation */
		h->nic.queue[i].irq.rx_frames = i & 1 ? 32 : 1;
		require(rps_set_cpus(h, i, &all) == 0, "no memory");
	}
	if (variant == RFS) {
		h->rps_flow_cnt = 64;
		h->rps_sock_flow_entries = 1024;
		h->flow_limit_cpus.bits[0] = 15;
		h->nic.ntuple = 1;
	}
	for (u32 i = 0; i < h->nic.nqueues; i++) /* one of each kind */
		h->napi_config[i].threaded = variant != TASKS ? 0
					     : i & 1	      ? NAPI_THREADED_BUSY_POLL
							      : NAPI_THREADED_ENABLED;
	h->busy_read = variant == TASKS ? 20 : 0;
}

/* ---- the event log: one for the card, for each CPU, and for a thread that is none ---- */

#define LOGS 6u /* 4 CPUs and those two */

static struct event_log *logs[LOGS];

static struct event_taps *log_on(struct host *h)
{
	static struct histogram split[LOGS][LAT_MAX];
	struct event_taps *taps;

	for (u32 i = 0; i < cpus; i++)
		h->cpu[i]->lat = split[i];
	for (u32 i = 0; i < LOGS; i++) {
		logs[i] = event_log_new(1 << 20);
		require(logs[i] != NULL, "no memory");
	}
	taps = event_taps_new(h, logs, LOGS, NULL);
	require(taps != NULL, "the log is not switched on");
	return taps;
}

/* Each frame has its story in the logs of several threads, and the one fate that the ledger has. */
static void log_off(struct host *h, struct event_taps *taps, const u64 fates[])
{
	struct event_record *all = event_memory(LOGS << 20);
	struct frame_row *rows = calloc(FRAMES, sizeof(*rows));
	u64 n = 0, met[FATE_MAX] = { 0 };

	require(all && rows, "no memory");
	event_taps_off(taps);
	event_taps_free(taps);
	for (u32 i = 0; i < LOGS; i++) {
		require(!logs[i]->missed, "a log was full");
		memcpy(all + n, logs[i]->slot, logs[i]->head * sizeof(*all));
		n += logs[i]->head;
		event_log_free(logs[i]);
	}
	require(frame_table(all, n, rows, FRAMES) == FRAMES,
		"a frame has no record of its arrival, or two frames one number");
	for (u32 i = 0; i < FRAMES; i++) {
		require(rows[i].fate < FATE_MAX && rows[i].t_ring != NEVER && rows[i].t_poll != NEVER &&
				rows[i].t_stack != NEVER && rows[i].t_socket != NEVER,
			"a frame's story has a hole");
		met[rows[i].fate]++;
	}
	require(!memcmp(met, fates, sizeof(met)), "the log's fates are not the ledger's");
	printf("events: %llu records of %u frames\n", (unsigned long long)n, FRAMES);
	for (u32 i = 0; i < h->ncpus; i++)
		h->cpu[i]->lat = NULL;
	event_memory_free(all, LOGS << 20);
	free(rows);
}

static void run(void)
{
	struct mem_wire *w = make_wire();
	struct event_taps *taps = NULL;
	struct host *h = path_host(cpus, &w->wire);
	pthread_t nic, cpu[CPUS_MANY], observer;
	u64 fates[FATE_MAX], dry = 0, moved = 0, tcp;

	h->live = w->wire.live = 1;
	configure(h);
	read_memory = w->wire.read_burst;
	w->wire.read_burst = read_paced;
	card = &h->nic;
	looking = 1;
	ended = 0;
	require(host_start(h) == 0, "the host does not start");
	if (variant == EVENTS)
		taps = log_on(h);
	live_fds(h);
	alarm(PATIENCE_MS / 1000); /* the card sleeps in C: a lost doorbell would be for ever */
	for (u32 i = 0; i < cpus; i++)
		cpu[i] = thread(run_cpu_parking, h->cpu[i]);
	observer = thread(run_observer, h);
	nic = thread(run_nic_parking, &h->nic);
	pthread_join(nic, NULL);
	h->nic.stop = 0;
	require(host_offered(h) == FRAMES, "the card did not read all of the wire");
	while (with_fate(h) < FRAMES) { /* the CPUs finish, however little time they get; alarm() is the bound */
		spin_lock(&changing);
		spin_unlock(&changing); /* who began before the card ended is done */
		nic_thread(&h->nic); /* it ended after 100 ms, and the FIFO may hold what nobody had room for then */
		usleep(1000);
	}
	for (u32 i = 0; i < cpus; i++)
		stop_cpu(h->cpu[i], cpu[i]);
	__atomic_store_n(&looking, 0, __ATOMIC_RELAXED);
	pthread_join(observer, NULL);
	live_stop(h);
	path_run(h);
	host_finish(h);
	path_run(h);
	host_finish(h);
	require_laws(h);
	host_fates(h, fates);
	require(with_fate(h) == FRAMES, "a frame is still in flight");
	for (u32 f = 0; f < FATE_MAX; f++)
		if (fates[f] && f != DELIVERED_UDP && f != DELIVERED_TCP)
			fprintf(stderr, "%s: %llu of fate %u\n", names[variant], (unsigned long long)fates[f], f);
	if (taps)
		log_off(h, taps, fates);
	tcp = fates[DELIVERED_TCP];
	if (variant ==
	    KNOBS) /* new queues and RFS tables reorder: the endpoint may begin a flow with a segment that is not its first */
		tcp += fates[TCP_OLD_DATA];
	require(fates[DELIVERED_UDP] == FRAMES / 2 && tcp == FRAMES / 2, "a frame got lost");
	for (u32 i = 0; i < cpus; i++)
		moved += h->cpu[i]->rfs_moved;
	for (u32 i = 0; i < queues; i++)
		dry += h->dq[i]->alloc_rx_buff_failed;
	require(variant != RFS || moved > 0, "no flow was moved");
	printf("%s: %u frames, %llu of them UDP, %llu TCP; a pool ran dry %llu times, flows moved %llu times\n",
	       names[variant], FRAMES, (unsigned long long)fates[DELIVERED_UDP],
	       (unsigned long long)fates[DELIVERED_TCP], (unsigned long long)dry, (unsigned long long)moved);
	close_fds(h);
	host_free(h);
	mem_wire_free(w);
}

int main(void)
{
	for (variant = PLAIN; variant < VARIANTS; variant++) {
		cpus = variant == MANY ? CPUS_MANY : 4;
		queues = variant == MANY ? NIC_QUEUES_MAX : 4;
		run();
	}
	return 0;
}
