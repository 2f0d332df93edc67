/* softirq.c - one emulated CPU: hardirq over softirq over tasks. Linux: kernel/softirq.c, a little of kernel/sched
 *
 *   card --raise_hardirq()-->  do_hardirqs(): driver_irq(), IPIs  --raises NET_RX-->  do_softirq(): net_rx_action()
 *                     more than 10 rounds or 2 ms, or a task's slice is due: ksoftirqd, a task like the readers
 *
 * Tasks (ksoftirqd, the reader, threaded NAPIs) share the CPU in slices of 3 ms. cpu_run() goes on until the CPU is
 * idle or, in virtual time, until its clock has reached the horizon. Then another agent has its turn, and the next call
 * resumes here.
 */
#include "prelude.h"

#define MAX_SOFTIRQ_RESTART 10
#define MAX_SOFTIRQ_MS 2
#define SLICE_NS 3000000u /* EEVDF's base slice on a machine of 8 CPUs or more */

/* ---- waking ---- */

void cpu_wake(struct softnet_data *sd, u64 now)
{
	if (sd->live) {
		/* Pairs with cpu_sleep() in threads.c: it sees the work (a seq_cst store), or we see that it sleeps. */
		if (__atomic_exchange_n(&sd->sleeping, 0, __ATOMIC_SEQ_CST))
			event_signal(sd->wake_fd);
		return;
	}
	if (now < sd->wake_ns)
		sd->wake_ns = now;
	now = max_u64(now, sd->now);
	if (now < sd->host->nic.horizon) /* the card must not run past this CPU's next action */
		sd->host->nic.horizon = now;
}

void raise_hardirq(struct softnet_data *sd, u32 queue, u64 now)
{
	u32 pending = __atomic_fetch_or(&sd->irq_pending, 1u << queue, __ATOMIC_SEQ_CST);

	if (!sd->live) /* a pending one may lie in the future: wake_starved() in skbuff.c */
		sd->irq_ns = pending ? min_u64(sd->irq_ns, now) : now;
	cpu_wake(sd, now);
}

/* Interrupt CPU to, because from has fed its backlog. */
void raise_ipi(struct softnet_data *from, struct softnet_data *to)
{
	bool was_pending = __atomic_exchange_n(&to->ipi_pending, 1, __ATOMIC_SEQ_CST);

	if (!from->live) {
		if (!was_pending)
			to->ipi_ns = from->now;
		from->horizon = min_u64(from->horizon, max_u64(to->now, from->now) + (to->cpu > from->cpu));
	}
	cpu_wake(to, from->now);
}

/* ---- hardirq ---- */

/* Take the interrupts that are due. */
void do_hardirqs(struct softnet_data *sd)
{
	u32 pending;

	if (READ_ONCE(sd->ipi_pending) && (sd->live || sd->ipi_ns <= sd->now)) {
		__atomic_store_n(&sd->ipi_pending, 0, __ATOMIC_SEQ_CST);
		cpu_charge(sd, COST_HARDIRQ);
		COUNT(sd->hardirqs, 1);
		COUNT(sd->received_rps, 1);
		napi_poll_list_add(&sd->backlog); /* the producer has set SCHED */
		sd->inline_softirq = 1;
	}
	if (!READ_ONCE(sd->irq_pending) || (!sd->live && sd->irq_ns > sd->now))
		return;
	pending = __atomic_exchange_n(&sd->irq_pending, 0, __ATOMIC_SEQ_CST);
	for (; pending; pending &= pending - 1) {
		u32 queue = (u32)__builtin_ctz(pending);
		struct napi_struct *n = sd->host->dev.napi[queue];

		cpu_charge(sd, COST_HARDIRQ);
		COUNT(sd->hardirqs, 1);
		if (likely(n->sd == sd))
			sd->host->dev.irq_handler(n);
		else /* the queue moved while the interrupt was on its way */
			raise_hardirq(n->sd, queue, sd->now);
	}
	sd->inline_softirq = 1; /* irq_exit() runs the raised softirqs */
}

/* ---- scheduling ---- */

/* Return: runnable tasks, bit i is task i + 1 */
static u32 runnable_tasks(struct softnet_data *sd)
{
	u32 ksoftirqd = sd->ksoftirqd_task.runnable;
	u32 reader = READ_ONCE(sd->reader.runnable) && (sd->live || sd->reader_ns <= sd->now);

	return ksoftirqd | reader << 1 | sd->napi_threads << 2;
}

/* Must the running task yield to another one? The idle task yields at once, any other at the end of its slice. */
int need_resched(struct softnet_data *sd)
{
	u32 last = sd->last_task, others = runnable_tasks(sd) & ~(last ? 1u << (last - 1) : 0);

	return others && (!last || sd->now - sd->slice_start >= SLICE_NS);
}

/* ---- softirq ---- */

void local_bh_enable(struct softnet_data *sd)
{
	if (sd->softirq_pending)
		sd->inline_softirq = 1;
}

/* Hand the softirqs over to ksoftirqd, and count why. */
static void leave_to_ksoftirqd(struct softnet_data *sd)
{
	sd->ksoftirqd_task.runnable = 1;
	if (jiffies(sd) >= sd->softirq_end)
		COUNT(sd->ksoftirqd_by_time, 1);
	else if (!sd->softirq_restarts)
		COUNT(sd->ksoftirqd_by_restarts, 1);
	else
		COUNT(sd->ksoftirqd_by_resched, 1);
}

/* Return: 1 = done for now, 0 = time passed in the middle, call again */
int do_softirq(struct softnet_data *sd)
{
	if (!sd->softirq_active) {
		sd->softirq_active = 1;
		sd->softirq_restarts = MAX_SOFTIRQ_RESTART;
		sd->softirq_end = jiffies(sd) + (MAX_SOFTIRQ_MS * sd->host->hz + 999) / 1000;
		cpu_charge(sd, COST_SOFTIRQ);
		COUNT(sd->softirqs, 1);
	}
	for (;;) {
		if (!net_rx_action(sd))
			return 0;
		if (!sd->softirq_pending)
			break;
		if (jiffies(sd) >= sd->softirq_end || need_resched(sd) || !--sd->softirq_restarts) {
			leave_to_ksoftirqd(sd);
			break;
		}
		if (cpu_yields(sd))
			return 0;
	}
	sd->softirq_active = 0;
	sd->inline_softirq = 0;
	if (!sd->softirq_pending)
		sd->ksoftirqd_task.runnable = 0; /* nothing left for it */
	return 1;
}

/* do_softirq() for ksoftirqd too. A softirq that ksoftirqd began is charged to it, also over interruptions. */
static int run_softirq(struct softnet_data *sd)
{
	u64 start = sd->now;
	int done = do_softirq(sd);

	if (sd->ksoftirqd) {
		sd->ksoftirqd_task.busy_ns += sd->now - start;
		sd->ksoftirqd = !done;
	}
	return done;
}

/* ---- tasks ---- */

/* Pick a task by round robin: the same until its slice is over, then the next one. */
static u8 pick_task(struct softnet_data *sd)
{
	u32 tasks = runnable_tasks(sd), last = sd->last_task, behind;

	if (!tasks)
		return sd->last_task = TASK_NONE;
	if (last && tasks >> (last - 1) & 1 && sd->now - sd->slice_start < SLICE_NS)
		return (u8)last;
	behind = tasks >> last << last;
	sd->last_task = (u8)(1 + __builtin_ctz(behind ? behind : tasks));
	if (sd->last_task != last) {
		cpu_charge(sd, COST_SWITCH);
		sd->slice_start = sd->now;
	}
	return sd->last_task;
}

static void run_task(struct softnet_data *sd, u8 task)
{
	u64 start = sd->now;

	if (task == TASK_KSOFTIRQD) {
		COUNT(sd->ksoftirqd_runs, 1);
		sd->ksoftirqd_task.runs++;
		sd->ksoftirqd = 1;
		run_softirq(sd);
	} else if (task == TASK_READER) {
		sd->reader.runs++;
		reader_run(sd);
		sd->bh_task = sd->busy.in_poll ? TASK_READER : TASK_NONE;
		sd->reader.busy_ns += sd->now - start;
	} else {
		struct napi_struct *n = sd->napis[task - TASK_NAPI];

		COUNT(n->thread.runs, 1);
		sd->bh_task = napi_threaded_poll(n) ? TASK_NONE : task;
		COUNT(n->thread.busy_ns, sd->now - start);
	}
}

/* Did interrupts or a switch move the clock to the horizon? */
static bool passed_horizon(const struct softnet_data *sd, u64 since)
{
	return sd->now > since && cpu_yields(sd);
}

/* Return: when an idle CPU wakes: work arrives, a timer is due, or an idling reader's time is over */
static u64 cpu_wake_time(const struct softnet_data *sd)
{
	u64 wake = min_u64(sd->wake_ns, sd->timer_next);

	return sd->busy.idle ? min_u64(wake, sd->busy.end) : wake;
}

/* Live: read the clock, and start the neighbours' timer if another thread has asked for it. */
static void look_up(struct softnet_data *sd)
{
	sd->now = clock_ns();
	if (unlikely(READ_ONCE(sd->host->neigh.timer_ask) < sd->timer_ns[TIMER_NEIGH]) && sd->cpu == 0)
		mod_timer(sd, TIMER_NEIGH, READ_ONCE(sd->host->neigh.timer_ask));
}

int cpu_run(struct softnet_data *sd)
{
	if (!sd->runnable) {
		u64 wake = cpu_wake_time(sd);

		if (!sd->live && wake != NEVER && wake > sd->now) {
			sd->idle_ns += wake - sd->now;
			sd->now = wake;
		}
		sd->wake_ns = NEVER;
		if (unlikely(sd->busy.idle))
			busy_poll_resume(sd);
		sd->runnable = 1;
	}
	for (;;) {
		u64 since;
		u8 task;

		if (sd->live) {
			look_up(sd);
			if (unlikely(READ_ONCE(sd->pause)) && !sd->bh_task && !sd->softirq_active)
				return 1;
		}
		since = sd->now;
		if (sd->timer_next <= sd->now)
			run_timers(sd);
		do_hardirqs(sd);
		if (passed_horizon(sd, since))
			return 1;
		if (unlikely(sd->bh_task)) {
			run_task(sd, sd->bh_task); /* its poll goes on, before any softirq or other task */
		} else if (sd->softirq_active || (sd->softirq_pending && sd->inline_softirq)) {
			if (!run_softirq(sd)) {
				COUNT(sd->yields, 1);
				return 1;
			}
		} else if ((task = pick_task(sd)) != TASK_NONE) {
			if (!passed_horizon(sd, since))
				run_task(sd, task);
		} else {
			break;
		}
		if (cpu_yields(sd))
			return 1;
	}
	skb_flush_returns(sd);
	sd->runnable = 0;
	if (!sd->live && READ_ONCE(sd->irq_pending)) /* raised for a moment in the future */
		sd->wake_ns = min_u64(sd->wake_ns, sd->irq_ns);
	if (!sd->live && READ_ONCE(sd->ipi_pending))
		sd->wake_ns = min_u64(sd->wake_ns, sd->ipi_ns);
	if (!sd->live && READ_ONCE(sd->reader.runnable))
		sd->wake_ns = min_u64(sd->wake_ns, sd->reader_ns);
	return 0;
}

u64 cpu_next(struct softnet_data *sd)
{
	u64 wake;

	if (sd->runnable)
		return sd->now;
	wake = cpu_wake_time(sd);
	return wake == NEVER ? NEVER : max_u64(wake, sd->now);
}
