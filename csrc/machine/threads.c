/* threads.c - real time: a thread for the card (card/nic_thread.c), one for each emulated CPU
 *
 * Python makes the threads (named, daemons, signals blocked) and parks them in nic_thread() and cpu_thread(), without
 * the interpreter's lock. Interrupts and IPIs are eventfds. An idle thread sleeps in the kernel. Before it sleeps it
 * announces that, then looks for work once more (seq_cst on both sides, see cpu_wake()).
 */
#include "prelude.h"

#include <poll.h>
#include <unistd.h>

#define SPIN_MIN_NS 5000u
#define SPIN_MAX_NS 200000u

/* ---- a CPU ---- */

static bool cpu_has_work(struct softnet_data *sd)
{
	return __atomic_load_n(&sd->irq_pending, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&sd->reader.runnable, __ATOMIC_SEQ_CST) || sd->softirq_pending ||
	       __atomic_load_n(&sd->stop, __ATOMIC_SEQ_CST) || __atomic_load_n(&sd->pause, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&sd->timers_asked, __ATOMIC_SEQ_CST);
}

/* Spin for work before sleeping, because a wake-up costs some microseconds, on a virtual machine many. learn_spin() sets the
 * time from the length of recent sleeps, so an idle CPU does not spin. Do not spin with more threads than cores: the
 * spinner would hold the core that the producer needs. Return: true: there is work */
static bool cpu_look(struct softnet_data *sd, u64 start)
{
	while (sd->now - start < sd->spin_ns) {
		if (cpu_has_work(sd))
			return true;
		nic_borrow(&sd->host->nic);
		cpu_relax();
		sd->now = clock_ns();
		if (cpu_next_interrupt(sd) <= sd->now)
			return true;
	}
	return false;
}

static bool cpu_spin(struct softnet_data *sd, u64 start)
{
	u32 *idlers = &sd->host->nic.lend.idlers;
	bool found;

	__atomic_fetch_add(idlers, 1, __ATOMIC_RELAXED);
	found = cpu_look(sd, start);
	__atomic_fetch_sub(idlers, 1, __ATOMIC_RELAXED);
	return found;
}

static void learn_spin(struct softnet_data *sd, u64 slept)
{
	u32 most = sd->host->spin_max_ns;

	sd->spin_ns = slept < most ? (u32)min_u64(most, max_u64(SPIN_MIN_NS, 2 * sd->spin_ns)) : 0;
}

/* live_spin_max() - Return: longest time to spin, ns; 0: more threads than cores, do not spin */
u32 live_spin_max(u32 ncpus)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0 || (u32)CPU_COUNT(&set) < ncpus + 1)
		return 0;
	return SPIN_MAX_NS;
}

/* A reader of idle_ns adds the time since idle_since. */
static void idle_end(struct softnet_data *sd, u64 start)
{
	WRITE_ONCE(sd->idle_since, 0);
	COUNT(sd->idle_ns, clock_ns() - start);
}

static void cpu_sleep(struct softnet_data *sd)
{
	struct pollfd fd = { .fd = sd->wake_fd, .events = POLLIN };
	u64 start = sd->now = clock_ns(), timer = cpu_next_interrupt(sd),
	    wait = timer == NEVER ? NEVER : timer - min_u64(start, timer);
	struct timespec ts = { (time_t)(wait / 1000000000), (long)(wait % 1000000000) };

	WRITE_ONCE(sd->idle_since, start);
	if (sd->spin_ns && cpu_spin(sd, start)) {
		idle_end(sd, start);
		return;
	}
	__atomic_store_n(&sd->sleeping, 1, __ATOMIC_SEQ_CST); /* Pairs with cpu_wake(). */
	if (!cpu_has_work(sd) && ppoll(&fd, 1, wait == NEVER ? NULL : &ts, NULL) > 0)
		event_drain(sd->wake_fd);
	__atomic_store_n(&sd->sleeping, 0, __ATOMIC_SEQ_CST);
	learn_spin(sd, clock_ns() - start);
	idle_end(sd, start);
}

int cpu_thread(struct softnet_data *sd)
{
	for (;;) {
		bool stop = __atomic_load_n(&sd->stop, __ATOMIC_SEQ_CST), more;

		sd->horizon = NEVER;
		more = cpu_run(sd);
		if (__atomic_load_n(&sd->pause, __ATOMIC_SEQ_CST)) /* between two polls */
			return EV_PAUSED;
		if (more)
			continue; /* it stopped with work left */
		if (stop)
			return EV_STOPPED;
		cpu_sleep(sd);
	}
}

/* ---- all of them ---- */

/* nic.add_files: the card's thread wakes CPUs. */
void host_files(const struct nic *nic, struct file_set *files)
{
	const struct host *h = container_of(nic, struct host, nic);

	for (u32 i = 0; i < h->ncpus; i++)
		file_set_add(files, h->cpu[i]->wake_fd);
}

void machine_pause(struct host *h, u32 pause)
{
	__atomic_store_n(&h->nic.pause, pause, __ATOMIC_SEQ_CST);
	for (u32 i = 0; i < h->ncpus; i++)
		__atomic_store_n(&h->cpu[i]->pause, pause, __ATOMIC_SEQ_CST);
}

void live_stop(struct host *h)
{
	u64 now = clock_ns(); /* one time for all: none may act before what another has already sent */

	h->live = h->nic.live = 0;
	h->nic.now = max_u64(h->nic.now, now);
	h->nic.wire->live = 0;
	h->nic.wire->eof = 1;
	h->nic.wire->hungry = 0;
	h->nic.kick_ns = h->nic.now; /* a doorbell may have rung after the card's last look */
	for (u32 i = 0; i < h->ncpus; i++) {
		struct softnet_data *sd = h->cpu[i];

		skb_flush_returns(sd);
		enqueue_flush(sd);
		sd->live = 0;
		sd->now = max_u64(sd->now, now);
		sd->reader_ns = sd->since = sd->now;
		cpu_next_set(sd, sd->now);
		for (u32 irq = 0; irq < IRQS_MAX; irq++)
			sd->irq_ns[irq] = sd->now;
		sd->irq_next = sd->irq_pending ? sd->now : NEVER;
	}
	if (h->card_only)
		return;
	inet_frags_flush(h); /* their timeouts are real time, which no thread awaits any more */
	neigh_flush(h);
	mc_flush(h);
	tcp_flush(h);
	sock_sweep(h);
}
