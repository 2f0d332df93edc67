/* threads.c - real time: a thread for the card, one for each emulated CPU
 *
 * Python makes the threads (named, daemons, signals blocked) and parks them in nic_thread() and cpu_thread(), without
 * the interpreter's lock. Interrupts, IPIs and doorbells are eventfds, moderation is a timerfd. An idle thread sleeps in the
 * kernel. Before it sleeps it announces that, then looks for work once more (seq_cst on both sides, see cpu_wake()).
 */
#include "prelude.h"

#include <limits.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SPIN_MIN_NS 5000u
#define SPIN_MAX_NS 200000u
#define RUN_OUT_NS 100000000u
#define BUSY INT_MIN

static void drain_eventfd(int fd)
{
	u64 n;
	ssize_t rc = read(fd, &n, sizeof(n));

	(void)rc; /* empty: another wake-up drained it */
}

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
		drain_eventfd(sd->wake_fd);
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

/* ---- the card ---- */

static void timer_set(int fd, u64 at_ns)
{
	struct itimerspec t = { 0 };

	if (at_ns != NEVER) {
		t.it_value.tv_sec = (time_t)(at_ns / 1000000000);
		t.it_value.tv_nsec = (long)(at_ns % 1000000000);
	}
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void nic_sleep(struct nic *nic, int timer_fd, u64 *armed)
{
	struct pollfd fds[2 + WIRE_FDS_MAX] = {
		{ .fd = nic->kick_fd, .events = POLLIN },
		{ .fd = timer_fd, .events = POLLIN },
	};
	struct wire *w = nic->wire;
	u32 n = w->poll_set ? w->poll_set(w, &fds[2]) : 0;

	if (nic->irq_next != *armed) { /* that it went off is forgotten too */
		timer_set(timer_fd, nic->irq_next);
		*armed = nic->irq_next;
	}
	if (poll(fds, 2 + n, -1) <= 0)
		return;
	if (fds[0].revents)
		drain_eventfd(nic->kick_fd);
	if (n)
		w->polled(w, &fds[2]);
}

/* Put the burst where Python's filter reads it. */
static int ask_python(struct nic *nic, const struct frame *f, int n)
{
	if (f != nic->burst)
		memcpy(nic->burst, f, (u32)n * sizeof(*f));
	nic->burst_pos = 0;
	nic->burst_len = n;
	nic->burst_asked = 0;
	for (int i = 0; i < n; i++)
		if (nic->burst[i].head)
			nic->wire->whole(nic->wire, &nic->burst[i]);
	return EV_FILTER;
}

/* Read a burst, then take the card back from the CPU that borrowed it: earlier bursts are done by then.
 * Return: as wire_next(); BUSY: a CPU still has the card, the burst is queued for it */
static int read_and_take_back(struct nic *nic, struct frame **f, u64 now)
{
	int n;

	if (!nic->wire->ahead) {
		*f = nic->burst;
		return wire_next(nic->wire, *f, BURST, now);
	}
	*f = nic_lend_room(nic);
	n = wire_next(nic->wire, *f, BURST, now);
	if (n > 0 && !nic_try_back(nic)) {
		nic_lend_append(nic, n);
		return BUSY;
	}
	nic_take_back(nic);
	return n;
}

/* Run one turn of the card. Return: an event for Python; -1: go on. *idle: the wire had nothing */
static int nic_turn(struct nic *nic, bool *idle)
{
	struct frame *f = &nic->burst[nic->burst_pos];
	int n = nic->burst_len - nic->burst_pos, sent;
	bool seen = n > 0, lend; /* seen: Python's filter has judged the burst */

	*idle = false;
	if (seen) {
		nic->burst_pos = nic->burst_len;
	} else {
		nic->burst_asked = 0;
		n = read_and_take_back(nic, &f, clock_ns());
		if (n == BUSY)
			return -1;
	}
	nic->now = clock_ns();
	if (n > 0 && unlikely(nic->python_filter && !nic->burst_asked))
		return ask_python(nic, f, n);
	lend = !seen && nic_may_lend(nic, n);
	if (n > 0 && !lend)
		nic_receive(nic, f, n);
	if (!lend)
		nic_drain(nic, nic->now);
	sent = nic_transmit(nic);
	irq_timers(nic, nic->now);
	if (lend)
		nic_lend(nic);
	if (nic->wire->hungry)
		return EV_WIRE;
	if (n == -EAGAIN)
		*idle = sent < BURST && !(nic->wire->can_go_on && nic->wire->can_go_on(nic->wire));
	return n < 0 && n != -EAGAIN ? EV_DONE : -1;
}

/* After the last read: drain the FIFO while the driver has buffers, and fire an interrupt that moderation holds back. Without
 * this a fragment could stay in the card until its datagram's other half had timed out. */
static void nic_run_out(struct nic *nic, int timer_fd)
{
	u64 until = clock_ns() + RUN_OUT_NS;

	for (;;) {
		struct pollfd fds[2] = { { .fd = nic->kick_fd, .events = POLLIN },
					 { .fd = timer_fd, .events = POLLIN } };

		nic->now = clock_ns();
		nic_drain(nic, nic->now);
		irq_timers(nic, nic->now);
		if (nic->now >= until || !nic->up || (!fifo_peek(&nic->fifo) && nic->irq_next == NEVER))
			break;
		timer_set(timer_fd, min_u64(nic->irq_next, until));
		if (poll(fds, 2, -1) > 0)
			for (u32 i = 0; i < 2; i++)
				if (fds[i].revents)
					drain_eventfd(fds[i].fd);
	}
}

struct turns {
	struct nic *nic;
	int timer_fd;
};

static int nic_turns(void *arg)
{
	const struct turns *turns = arg;
	struct nic *nic = turns->nic;
	u64 armed = 0;
	int event = -1;

	while (event < 0) {
		bool idle;

		if (__atomic_load_n(&nic->stop, __ATOMIC_SEQ_CST) &&
		    !(nic->wire->close_reading && nic->wire->close_reading(nic->wire))) {
			event = EV_STOPPED;
			break;
		}
		if (__atomic_load_n(&nic->pause, __ATOMIC_SEQ_CST)) {
			event = EV_PAUSED;
			break;
		}
		event = nic_turn(nic, &idle);
		if (event < 0 && idle)
			nic_sleep(nic, turns->timer_fd, &armed);
	}
	nic_take_back(nic);
	if (event == EV_STOPPED || event == EV_DONE)
		nic_run_out(nic, turns->timer_fd);
	return event;
}

/* Keep the files that this thread reads, writes and signals; event_signal() fetches any other. */
static int turns_with_own_files(struct turns *turns)
{
	struct nic *nic = turns->nic;
	const struct host *h = container_of(nic, struct host, nic);
	struct file_set files = { 0 };

	nic->wire->files(nic->wire, &files);
	file_set_add(&files, turns->timer_fd);
	file_set_add(&files, nic->kick_fd);
	for (u32 i = 0; i < h->ncpus; i++)
		file_set_add(&files, h->cpu[i]->wake_fd);
	for (u32 i = 0; i < nic->nqueues; i++)
		file_set_add(&files, nic->queue[i].irq.call_fd);
	return run_with_own_files(nic_turns, turns, &files);
}

int nic_thread(struct nic *nic)
{
	struct turns turns = { nic, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC) };
	int event;

	if (turns.timer_fd < 0)
		return -errno;
	if (nic->wire->files && !nic->python_filter) /* a filter needs Python for each burst */
		event = turns_with_own_files(&turns);
	else
		event = nic_turns(&turns);
	close(turns.timer_fd);
	return event;
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
		h->next[i] = sd->reader_ns = sd->since = sd->now;
		for (u32 irq = 0; irq < IRQS_MAX; irq++)
			sd->irq_ns[irq] = sd->now;
		sd->irq_next = sd->irq_pending ? sd->now : NEVER;
	}
	inet_frags_flush(h); /* their timeouts are real time, which no thread awaits any more */
	neigh_flush(h);
	mc_flush(h);
	sock_sweep(h);
}
