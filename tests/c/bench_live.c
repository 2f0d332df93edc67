/* bench_live.c - two threads: the card on one core, the host on the other; a JSON line for interrupts, one for busy-polling
 *
 *   bench_live [--runs N]
 *
 * 64-byte UDP, 1024 flows, live: real interrupts (eventfds), doorbells, and a wire that waits while the card's FIFO is more
 * than half full, so that nothing is lost and the slower side sets the pace. A run is the wall time of half a million frames.
 * The second time the queue's NAPI has "threaded" busy-poll: one interrupt, then the host's thread polls the ring.
 */
#include "threads.h"
#include "timing.h"

#define FRAMES 4096u
#define LOOPS 128u

static int (*read_memory)(struct wire *w, struct frame *f, int max);
static struct nic *card;

static int read_paced(struct wire *w, struct frame *f, int max)
{
	while (card->fifo.bytes > card->fifo.size / 2) {
		u32 before = card->fifo.bytes;

		nic_drain(card, card->now);
#if defined(__x86_64__)
		if (card->fifo.bytes == before)
			__builtin_ia32_pause();
#else
		(void)before;
#endif
	}
	return read_memory(w, f, max);
}

static void *run_nic(void *arg)
{
	require(nic_thread(arg) == EV_DONE, "the wire did not end as it should");
	return NULL;
}

static u64 raised(const struct host *h)
{
	return h->nic.queue[0].irq.raised;
}

/* Return: interrupts */
static u64 once(u32 run, u32 threaded)
{
	struct mem_wire *w = mem_wire_new(FRAMES * 64ull, FRAMES);
	u64 fates[FATE_MAX], irqs;
	pthread_t nic, cpu;
	struct host *h;

	require(w != NULL, "no memory");
	for (u32 i = 0; i < FRAMES; i++) {
		w->frames[w->nframes++] = (struct mem_frame){ .off = i * 64ull, .len = 64, .wire_len = 64 };
		put_udp(w->arena + i * 64ull, i % 1024, 64);
	}
	w->loops = LOOPS - 1;
	w->closed = 1;
	h = path_host(1, &w->wire);
	h->live = w->wire.live = 1;
	h->rcvbuf = 1 << 28;
	h->napi_config[0].threaded = (u8)threaded;
	read_memory = w->wire.read_burst;
	w->wire.read_burst = read_paced;
	card = &h->nic;
	require(host_start(h) == 0, "the host does not start");
	live_fds(h);
	cpu = thread(run_cpu, h->cpu[0]);
	timing_begin();
	start();
	nic = thread(run_nic, &h->nic);
	pthread_join(nic, NULL);
	while (__atomic_load_n(&h->cpu[0]->fates[DELIVERED_UDP], __ATOMIC_RELAXED) < FRAMES * (LOOPS - 1ull))
		sched_yield();
	stop();
	sample(run, (u64)FRAMES * LOOPS);
	usleep(20000);
	stop_cpu(h->cpu[0], cpu);
	live_stop(h);
	path_run(h);
	host_finish(h);
	path_run(h);
	require_laws(h);
	host_fates(h, fates);
	require(fates[DELIVERED_UDP] == (u64)FRAMES * LOOPS, "a frame got lost: what was timed is not the path");
	irqs = raised(h);
	close_fds(h);
	host_free(h);
	mem_wire_free(w);
	return irqs;
}

static void runs(const char *name, const char *what, u32 threaded)
{
	u64 irqs = 0;

	for (u32 run = 0; run < nruns; run++)
		irqs += once(run, threaded);
	report("live", name, what, (u64)FRAMES * LOOPS);
	printf(", \"offered\": %llu, \"interrupts\": %llu}\n", (unsigned long long)nruns * FRAMES * LOOPS,
	       (unsigned long long)irqs);
}

int main(int argc, char **argv)
{
	if (argc == 3)
		nruns = min_u32((u32)atoi(argv[2]), RUNS_MAX);
	alarm(120);
	runs("live64", "two threads, live: 64-byte UDP, 1024 flows", NAPI_THREADED_DISABLED);
	runs("live64_poll", "the same, the NAPI's task busy-polls", NAPI_THREADED_BUSY_POLL);
	return 0;
}
