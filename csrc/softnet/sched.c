/* sched.c - the tasks of an emulated CPU: ksoftirqd, the reader, threaded NAPIs. Linux: a little of kernel/sched
 *
 *   cpu_round(): interrupts and their softirqs -> pick_task(): round robin in slices of 3 ms -> run_task()
 *
 * A task yields between two polls or two datagrams, when its slice is over and another one can run; the idle task yields at
 * once. Interrupts preempt a task anywhere, and a switch too. In virtual time cpu_round() runs on the CPU's fiber
 * (machine/vtime.c), live on the CPU's thread (machine/threads.c).
 */
#include "prelude.h"

#define SLICE_NS 3000000u /* EEVDF's base slice on a machine of 8 CPUs or more */

/* Return: which of ksoftirqd and the reader can run, bit i is task i + 1. NAPIs' tasks say so themselves: task.awake */
static u32 runnable_tasks(struct softnet_data *sd)
{
	u32 ksoftirqd = sd->ksoftirqd_task.runnable;
	u32 reader = READ_ONCE(sd->reader.runnable) && (sd->live || sd->reader_ns <= sd->now);

	return ksoftirqd | reader << 1;
}

_Static_assert(TASK_KSOFTIRQD == 1 && TASK_READER == 2, "their bits are their numbers");

static u32 task_bit(u32 task)
{
	return task < TASK_NAPI ? task : 0;
}

static struct task *napi_task(const struct softnet_data *sd, u32 task)
{
	return &sd->napis[task - TASK_NAPI]->thread;
}

/* Is a NAPI's task awake, other than the one that runs? */
static noinline bool threads_wait(const struct softnet_data *sd)
{
	return sd->napi_threads > (sd->last_task >= TASK_NAPI && napi_task(sd, sd->last_task)->awake);
}

/* Can another task run than the one that does? */
static bool others_wait(struct softnet_data *sd)
{
	return runnable_tasks(sd) & ~task_bit(sd->last_task) || (unlikely(sd->napi_threads) && threads_wait(sd));
}

int need_resched(struct softnet_data *sd)
{
	if (sd->switching || (sd->last_task && sd->now - sd->slice_start < SLICE_NS))
		return 0;
	return others_wait(sd);
}

/* Is all that can run here busy-polling an empty ring? */
bool only_idle_polls(struct softnet_data *sd)
{
	if (runnable_tasks(sd))
		return false;
	for (u32 i = 0; i < sd->nnapis; i++)
		if (sd->napis[i]->thread.awake && !napi_thread_idles(sd->napis[i]))
			return false;
	return true;
}

void task_yield(struct softnet_data *sd)
{
	sd->slice_start = 0;
}

u64 slice_end(struct softnet_data *sd)
{
	return others_wait(sd) ? sd->slice_start + SLICE_NS : NEVER;
}

void task_enqueue(struct softnet_data *sd, u32 task)
{
	u32 bit = task_bit(task);

	if (unlikely(!bit)) {
		if (napi_task(sd, task)->queued)
			return;
		napi_task(sd, task)->queued = 1;
	} else if (sd->on_rq & bit) {
		return;
	}
	sd->on_rq |= bit;
	sd->runqueue[sd->nr_waiting++] = (u8)task;
}

/* Take the first task that can run off the queue. There is one. */
static u8 dequeue(struct softnet_data *sd, u32 runnable)
{
	u8 task;

	do {
		task = sd->runqueue[0];
		memmove(sd->runqueue, sd->runqueue + 1, --sd->nr_waiting);
		sd->on_rq &= ~task_bit(task);
		if (unlikely(task >= TASK_NAPI)) {
			napi_task(sd, task)->queued = 0;
			if (napi_task(sd, task)->awake)
				return task;
		}
	} while (!(runnable & task_bit(task)));
	return task;
}

/* A CPU that was idle switches more slowly, the deeper it slept. */
static enum cost switch_cost(const struct softnet_data *sd, u32 last)
{
	if (last)
		return COST_SWITCH;
	if (sd->idled_ns >= 1000000)
		return COST_SWITCH_IDLE_1MS;
	return sd->idled_ns >= 100000 ? COST_SWITCH_IDLE_100US : COST_SWITCH_IDLE;
}

/* Let the NAPIs' tasks wait for their turn that are awake and were taken off the queue by napi_list_del(). */
static noinline void enqueue_threads(struct softnet_data *sd)
{
	for (u32 i = 0; i < sd->nnapis; i++)
		if (sd->napis[i]->thread.awake && sd->last_task != TASK_NAPI + i)
			task_enqueue(sd, TASK_NAPI + i);
}

/* Can the task that ran last go on, and does it not wait in the queue? */
static bool can_go_on(const struct softnet_data *sd, u32 tasks, u32 last)
{
	if (unlikely(last >= TASK_NAPI))
		return napi_task(sd, last)->awake && !napi_task(sd, last)->queued;
	return tasks & task_bit(last) & ~sd->on_rq;
}

/* Pick the task that runs next: the same until its slice is over, then the one that has waited longest. */
static u8 pick_task(struct softnet_data *sd)
{
	u32 tasks = runnable_tasks(sd), last = sd->last_task, bit = task_bit(last);

	if (!tasks && !sd->napi_threads)
		return sd->last_task = TASK_NONE;
	for (u32 woken = tasks & ~sd->on_rq & ~bit; woken; woken &= woken - 1) /* live, by another thread */
		task_enqueue(sd, 1u + (u32)__builtin_ctz(woken));
	if (unlikely(sd->napi_threads))
		enqueue_threads(sd);
	if (can_go_on(sd, tasks, last)) {
		if (sd->now - sd->slice_start < SLICE_NS || !sd->nr_waiting)
			return (u8)last;
		task_enqueue(sd, last);
	}
	sd->last_task = dequeue(sd, tasks);
	if (sd->last_task != last) {
		const u64 began = sd->now;

		cpu_account(sd, &sd->switch_ns);
		sd->switching = 1;
		cpu_charge(sd, switch_cost(sd, last));
		sd->switching = 0;
		cpu_event(sd, EVENT_SWITCH, began, EVENT_NO_QUEUE, (u64)last << 32 | sd->last_task);
	}
	sd->slice_start = sd->now;
	return sd->last_task;
}

/* An interrupt may have run the softirqs since it was woken: then it has nothing to do. */
static void run_ksoftirqd(struct softnet_data *sd)
{
	COUNT(sd->ksoftirqd_runs, 1);
	sd->ksoftirqd_task.runs++;
	cpu_account(sd, &sd->ksoftirqd_task.busy_ns);
	sd->ksoftirqd = 1;
	if (sd->softirq_pending)
		do_softirq(sd);
	sd->ksoftirqd = 0;
	sd->ksoftirqd_task.runnable = sd->softirq_pending;
}

static void run_task(struct softnet_data *sd, u8 task)
{
	const u64 began = sd->now;

	if (task == TASK_KSOFTIRQD) {
		run_ksoftirqd(sd);
	} else if (task == TASK_READER) {
		sd->reader.runs++;
		cpu_account(sd, &sd->reader.busy_ns);
		reader_run(sd);
	} else {
		struct napi_struct *n = sd->napis[task - TASK_NAPI];

		COUNT(n->thread.runs, 1);
		cpu_account(sd, &n->thread.busy_ns);
		napi_threaded_poll(n);
	}
	cpu_event(sd, EVENT_TASK, began, EVENT_NO_QUEUE, task);
}

/* Live: read the clock, and start the timers that another thread has asked for. */
static void look_up(struct softnet_data *sd)
{
	sd->now = clock_ns();
	if (unlikely(READ_ONCE(sd->timers_asked)))
		timers_take(sd);
}

int cpu_round(struct softnet_data *sd)
{
	u8 task;

	if (sd->live)
		look_up(sd);
	else
		cpu_sync(sd);
	if (cpu_next_interrupt(sd) <= sd->now || (sd->live && READ_ONCE(sd->irq_pending)))
		do_hardirqs(sd);
	task = pick_task(sd);
	if (task == TASK_NONE)
		return 0;
	run_task(sd, task);
	return 1;
}

int cpu_run(struct softnet_data *sd)
{
	if (sd->live)
		sd->since = sd->now = clock_ns(); /* it slept */
	do {
		if (unlikely(READ_ONCE(sd->pause)))
			return 1;
	} while (cpu_round(sd));
	skb_flush_returns(sd);
	cpu_account(sd, &sd->idle_ns);
	return 0;
}
