/* nic_thread.c - real time: the card's thread reads its wire, drains the FIFO, sends, raises interrupts, and sleeps
 *
 *   Python makes the thread, and parks it in nic_thread() -> nic_turn(), again and again; an idle card sleeps in the kernel
 *
 * It sleeps on its wire, the doorbell (an eventfd; a foreign driver's doorbells too), and a timerfd for moderation.
 */
#include "device.h"

#include <limits.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define RUN_OUT_NS 100000000u
#define BUSY INT_MIN
#define SPIN_MIN_NS 2000u
#define SPIN_MAX_NS 50000u
#define LOOK_NS 50000u /* between two looks at rings without a doorbell */

static void timer_set(int fd, u64 at_ns)
{
	struct itimerspec t = { 0 };

	if (at_ns != NEVER) {
		t.it_value.tv_sec = (time_t)(at_ns / 1000000000);
		t.it_value.tv_nsec = (long)(at_ns % 1000000000);
	}
	timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL);
}

/* Frames that the FIFO has room for, whatever their lengths; an empty one takes any. A wire with a pace of its own does not wait. */
static int fifo_frames(const struct nic *nic)
{
	u32 longest, room;

	if (likely(!nic->flow_control) || nic->wire->paced)
		return BURST;
	longest = max_u32(nic->mtu, ETH_DATA_LEN) + ETH_HLEN + 2 * VLAN_HLEN;
	room = nic->fifo.bytes < nic->fifo.size ? (nic->fifo.size - nic->fifo.bytes) / longest : 0;
	return (int)min_u32(max_u32(room, nic->fifo.head == nic->fifo.tail), BURST);
}

static void nic_sleep(struct nic *nic, int timer_fd, u64 *armed)
{
	u64 next = nic->irq_next;
	struct pollfd fds[3 + WIRE_FDS_MAX] = {
		{ .fd = nic->kick_fd, .events = POLLIN },
		{ .fd = timer_fd, .events = POLLIN },
		{ .fd = nic->foreign ? nic->foreign->doorbells : -1, .events = POLLIN },
	};
	struct wire *w = nic->wire;
	u32 n = w->poll_set && fifo_frames(nic) ? w->poll_set(w, &fds[3])
						: 0; /* else the driver's doorbell ends the pause */
	int ready;

	if (nic->kick_ns <= nic->now) /* it has been looked at since */
		nic->kick_ns = NEVER;
	if (nic->faults) /* a ring stands still until then */
		next = min_u64(next, nic->kick_ns);
	if (w->paced && nic->burst_pos < nic->burst_len)
		next = min_u64(next, nic->burst[nic->burst_pos].t_ns);
	if (nic->foreign && nic->foreign->silent)
		next = min_u64(next, nic->now + LOOK_NS);
	if (next != *armed) { /* that it went off is forgotten too */
		timer_set(timer_fd, next);
		*armed = next;
	}
	do {
		ready = poll(fds, 3 + n, -1);
		if (ready <= 0)
			return;
	} while (fds[2].revents && !nic->foreign->rang(nic) && ready == 1); /* a fault: the card hears no doorbell */
	if (fds[0].revents)
		event_drain(nic->kick_fd);
	if (n)
		w->polled(w, &fds[3]);
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

/* With flow control the card sends a pause frame (IEEE 802.3 annex 31B), and the wire keeps what comes: its queue fills. */
static int read_with_pauses(struct nic *nic, struct frame **f, u64 now)
{
	int room;

	nic_take_back(nic);
	room = fifo_frames(nic);
	*f = nic->burst;
	return room ? wire_next(nic->wire, *f, room, now) : -EAGAIN;
}

/* Read a burst, then take the card back from the CPU that borrowed it: earlier bursts are done by then.
 * Return: as wire_next(); BUSY: a CPU still has the card, the burst is queued for it */
static int read_and_take_back(struct nic *nic, struct frame **f, u64 now)
{
	int n;

	if (unlikely(nic->flow_control))
		return read_with_pauses(nic, f, now);
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

/* On a wire that keeps a capture's pace, frames are read ahead, and arrive when it is time. Return: as wire_next(); *f: those
 * that have arrived */
static int next_due(struct nic *nic, struct frame **f)
{
	int n, due = 0;

	if (!nic->wire->started && nic->foreign && !nic->up) /* a capture waits for the driver */
		return -EAGAIN;
	if (nic->burst_pos == nic->burst_len) {
		nic->burst_pos = nic->burst_len = 0;
		n = wire_next(nic->wire, nic->burst, BURST, clock_ns());
		if (n <= 0)
			return n;
		nic->burst_len = n;
	}
	nic->now = clock_ns();
	*f = &nic->burst[nic->burst_pos];
	n = nic->burst_len - nic->burst_pos;
	while (due < n && (*f)[due].t_ns <= nic->now)
		due++;
	nic->burst_pos += due;
	return due ? due : -EAGAIN;
}

/* Run one turn of the card. Return: an event for Python; -1: go on. *idle: the wire had nothing */
static int nic_turn(struct nic *nic, bool *idle)
{
	struct frame *f = &nic->burst[nic->burst_pos];
	int n = nic->burst_len - nic->burst_pos, sent;
	bool seen = n > 0, lend; /* seen: Python's filter has judged the burst */

	*idle = false;
	if (nic->wire->paced) {
		seen = false;
		n = next_due(nic, &f);
	} else if (seen) {
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
	if (n == -ENODATA && nic->foreign) /* the driver may send on */
		n = -EAGAIN;
	nic->moved = n > 0 || sent > 0;
	if (n == -EAGAIN)
		*idle = sent < BURST &&
			(nic->polls || !fifo_frames(nic) || !(nic->wire->can_go_on && nic->wire->can_go_on(nic->wire)));
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
					event_drain(fds[i].fd);
	}
}

/* ---- polling a foreign driver's rings while frames come ---- */

/* A sleep costs some microseconds, and the doorbell that ends it costs the driver a system call. So while frames come often the
 * card looks at the rings instead, and asks for no doorbell. A sleep that was short makes it look for longer next time, a long
 * one ends that: an idle card costs nothing. On one core it would only keep the driver from running. */
static void learn_spin(struct nic *nic)
{
	u64 slept;

	if (!nic->foreign || !nic->may_spin)
		return;
	slept = clock_ns() - nic->now;
	nic->spin_ns = slept < SPIN_MAX_NS ? (u32)min_u64(SPIN_MAX_NS, max_u64(SPIN_MIN_NS, 2ull * nic->spin_ns)) : 0;
}

/* The card is idle. Return: true: look again at once. The last look asks for doorbells, and the card sleeps if it finds nothing */
static bool spin_on(struct nic *nic)
{
	if (nic->moved)
		return nic->spin_ns;
	if (!nic->polls)
		return false;
	if (nic->now - nic->quiet_ns < nic->spin_ns)
		cpu_relax();
	else
		nic->polls = 0;
	return true;
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
		if (nic->foreign && nic->moved) { /* any other card may be lent now */
			nic->polls = nic->spin_ns > 0;
			nic->quiet_ns = nic->now;
		}
		if (event < 0 && idle && !spin_on(nic)) {
			nic_sleep(nic, turns->timer_fd, &armed);
			learn_spin(nic);
		}
	}
	nic->polls = 0;
	nic_take_back(nic);
	if (event == EV_STOPPED || event == EV_DONE)
		nic_run_out(nic, turns->timer_fd);
	return event;
}

/* Keep the files that this thread reads, writes and signals; event_signal() fetches any other. */
static int turns_with_own_files(struct turns *turns)
{
	struct nic *nic = turns->nic;
	struct file_set files = { 0 };

	nic->wire->files(nic->wire, &files);
	file_set_add(&files, turns->timer_fd);
	file_set_add(&files, nic->kick_fd);
	if (nic->add_files)
		nic->add_files(nic, &files);
	for (u32 i = 0; i < nic->nqueues; i++)
		file_set_add(&files, nic->queue[i].irq.call_fd);
	return run_with_own_files(nic_turns, turns, &files);
}

static bool several_cores(void)
{
	cpu_set_t set;

	return sched_getaffinity(getpid(), sizeof(set), &set) == 0 && CPU_COUNT(&set) > 1;
}

int nic_thread(struct nic *nic)
{
	struct turns turns = { nic, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC) };
	int event;

	if (turns.timer_fd < 0)
		return -errno;
	nic->may_spin = several_cores();
	if (nic->wire->files && !nic->python_filter &&
	    !nic->foreign) /* a filter needs Python; a driver brings new files */
		event = turns_with_own_files(&turns);
	else
		event = nic_turns(&turns);
	close(turns.timer_fd);
	return event;
}
