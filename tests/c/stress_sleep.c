/* stress_sleep.c - CPUs go to sleep, and are woken at random moments: no wake-up may get lost
 *
 * Wake-ups: two CPUs (cpu_thread() of threads.c), each with one thread that raises an interrupt, waits a random while, or
 * until it was handled, and raises the next. Only one: with two, each would hide that the other's was lost.
 * Re-arming: a thread is the card and puts two frames on the ring, the second a random while after the first; the next
 * two follow when both were read. So the driver goes through poll, unmask, look again and sleep all the time, and the
 * second frame falls into each gap of that, with none behind it that would help.
 * A watchdog looks whether anything still happens; it ends the program if not.
 */
#include "threads.h"

#define SLEEPERS 2u
#define WAKEUPS 500000u /* of each CPU */
#define FRAMES 60000u
#define LONG 400u /* turns of an empty loop: about what it takes a CPU to look for work and fall asleep */

static struct {
	u64 wakeups[SLEEPERS], frames;
	u32 over;
} progress;

static u64 done(void)
{
	u64 n = READ_ONCE(progress.frames);

	for (u32 i = 0; i < SLEEPERS; i++)
		n += READ_ONCE(progress.wakeups[i]);
	return n;
}

static void *watch(void *arg)
{
	u64 before = 0;

	(void)arg;
	for (u32 ms = 0; !__atomic_load_n(&progress.over, __ATOMIC_RELAXED); ms++) {
		if (done() != before)
			ms = 0;
		before = done();
		require(ms < 5000, "nothing happens any more: a wake-up got lost");
		usleep(1000);
	}
	return NULL;
}

static void idle(u32 turns)
{
	for (volatile u32 i = 0; i < turns; i++)
		;
}

static bool handled(struct softnet_data *sd)
{
	return !__atomic_load_n(&sd->irq_pending, __ATOMIC_SEQ_CST);
}

static void *run_waker(void *arg)
{
	struct softnet_data *sd = arg;
	u32 seed = sd->cpu + 1;

	for (u32 n = 1; n <= WAKEUPS; n++) {
		raise_hardirq(sd, sd->cpu, 0);
		if (random32(&seed) % 16) {
			idle(random32(&seed) % LONG);
		} else {
			for (u32 turn = 0; !handled(sd); turn++)
				if (turn > 100)
					sched_yield();
			idle(random32(&seed) % (4 * LONG)); /* it falls asleep, or is about to */
		}
		WRITE_ONCE(progress.wakeups[sd->cpu], n);
	}
	while (!handled(sd))
		sched_yield();
	return NULL;
}

static u64 delivered(struct host *h)
{
	return READ_ONCE(h->cpu[0]->fates[DELIVERED_UDP]);
}

/* The card's thread, in small: nothing here polls, so what the driver does not hear of stays in the ring for ever. */
static void *run_card(void *arg)
{
	struct host *h = arg;
	struct nic *nic = &h->nic;
	u8 bytes[64];
	u32 seed = 9;

	put_udp(bytes, 0, sizeof(bytes));
	for (u32 n = 1; n <= FRAMES; n++) {
		struct frame f = { .data = bytes, .len = sizeof(bytes), .wire_len = sizeof(bytes), .id = n };

		nic->now = f.t_ns = clock_ns();
		nic_receive(nic, &f, 1);
		nic_drain(nic, nic->now);
		idle(random32(&seed) % (4 * LONG));
		if (n & 1)
			continue;
		for (u32 turn = 0; delivered(h) < n; turn++)
			if (turn > 100)
				sched_yield();
		WRITE_ONCE(progress.frames, n);
	}
	return NULL;
}

static struct host *live_host(struct mem_wire *w, u32 cpus)
{
	struct host *h = path_host(cpus, &w->wire);

	h->live = 1;
	h->nic.nqueues = cpus;
	require(host_start(h) == 0, "the host does not start");
	live_fds(h);
	return h;
}

static void end(struct host *h, pthread_t *cpus)
{
	for (u32 i = 0; i < h->ncpus; i++)
		stop_cpu(h->cpu[i], cpus[i]);
	live_stop(h);
	path_run(h);
	host_finish(h);
	require_laws(h);
	close_fds(h);
	host_free(h);
}

static void stress_wakeups(void)
{
	struct mem_wire *w = mem_wire_new(64, 1);
	struct host *h = live_host(w, SLEEPERS);
	pthread_t cpu[SLEEPERS], waker[SLEEPERS];
	u64 interrupts = 0, slept = 0;

	for (u32 i = 0; i < SLEEPERS; i++)
		cpu[i] = thread(run_cpu, h->cpu[i]);
	for (u32 i = 0; i < SLEEPERS; i++)
		waker[i] = thread(run_waker, h->cpu[i]);
	for (u32 i = 0; i < SLEEPERS; i++)
		pthread_join(waker[i], NULL);
	for (u32 i = 0; i < SLEEPERS; i++) {
		interrupts += READ_ONCE(h->cpu[i]->hardirqs);
		slept += READ_ONCE(h->cpu[i]->idle_ns);
	}
	end(h, cpu);
	mem_wire_free(w);
	require(slept > 0, "no CPU ever slept");
	printf("%u wake-ups: %llu interrupts\n", SLEEPERS * WAKEUPS, (unsigned long long)interrupts);
}

static void stress_rearming(void)
{
	struct mem_wire *w = mem_wire_new(64, 1);
	struct host *h = live_host(w, 1);
	pthread_t cpu, card;

	cpu = thread(run_cpu, h->cpu[0]);
	card = thread(run_card, h);
	pthread_join(card, NULL);
	require(delivered(h) == FRAMES, "a frame got lost");
	printf("%u frames, two at a time: %llu interrupts\n", FRAMES, (unsigned long long)h->nic.queue[0].irq.raised);
	end(h, &cpu);
	mem_wire_free(w);
}

int main(void)
{
	pthread_t watchdog = thread(watch, NULL);

	stress_wakeups();
	stress_rearming();
	__atomic_store_n(&progress.over, 1, __ATOMIC_RELAXED);
	pthread_join(watchdog, NULL);
	return 0;
}
