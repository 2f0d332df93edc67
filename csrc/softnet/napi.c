/* napi.c - the right to poll a queue, and its owner. Linux: net/core/dev.c
 *
 *   interrupt, watchdog -> napi_schedule() -> the poll list (net_rx_action.c), or with "threaded" its own task:
 *                                             napi_thread.c
 *   a reader about to sleep may take it instead: busy_poll.c
 *
 * SCHED means that the NAPI has an owner that will poll it; a request meanwhile leaves MISSED. Completion clears SCHED.
 * If MISSED is set, it schedules the NAPI once more instead, and the interrupt stays off. gro_flush_timeout and
 * napi_defer_hard_irqs replace the interrupt by a timer. A new NAPI has no owner and cannot be scheduled (SCHED and
 * NPSVC) until napi_enable(); napi_disable() brings it back there: a state, not a wait. The state has one writer, the
 * CPU that the NAPI lives on: interrupt handler, watchdog, tasks and poll all run there.
 */
#include "prelude.h"

void napi_list_add(struct softnet_data *sd, struct napi_struct *n)
{
	n->sd = sd;
	n->slot = (u8)sd->nnapis;
	sd->napis[sd->nnapis++] = n;
}

/* The last NAPI takes the free place. */
void napi_list_del(struct napi_struct *n)
{
	struct softnet_data *sd = n->sd;
	struct napi_struct *last = sd->napis[--sd->nnapis];

	if (last != n) {
		last->slot = n->slot;
		sd->napis[n->slot] = last;
	}
	sd->napi_threads -= n->thread.awake;
	n->thread.runnable = n->thread.awake = n->thread.queued = 0;
	for (u32 i = 0; i < sd->nnapis; i++)
		sd->napis[i]->thread.queued = 0;
	if (sd->last_task >= TASK_NAPI) /* tasks are numbered by slot */
		sd->last_task = TASK_NONE;
	sd->nr_waiting = 0; /* pick_task() lines them up anew */
	sd->on_rq = 0;
}

static const struct napi_config no_config; /* of a backlog */

void netif_napi_add(struct softnet_data *sd, struct napi_struct *n, int (*poll)(struct napi_struct *, int), u32 weight)
{
	n->poll = poll;
	n->host = sd->host;
	n->config = &no_config;
	n->weight = weight;
	n->timer_ns = NEVER;
	n->state = NAPI_STATE_SCHED | NAPI_STATE_NPSVC;
	napi_list_add(sd, n);
}

/* Take the mode from the settings. The task sees it before its next poll. */
void napi_set_threaded(struct napi_struct *n)
{
	n->state &= ~(u32)(NAPI_STATE_THREADED | NAPI_STATE_THREADED_BUSY_POLL);
	if (n->config->threaded != NAPI_THREADED_DISABLED)
		n->state |= NAPI_STATE_THREADED;
	if (n->config->threaded == NAPI_THREADED_BUSY_POLL)
		n->state |= NAPI_STATE_THREADED_BUSY_POLL;
}

void napi_enable(struct napi_struct *n)
{
	n->state &= ~(u32)(NAPI_STATE_SCHED | NAPI_STATE_NPSVC);
	napi_set_threaded(n);
}

int napi_schedule_prep(struct napi_struct *n)
{
	if (n->state & NAPI_STATE_DISABLE)
		return 0;
	if (n->state & NAPI_STATE_SCHED) {
		n->state |= NAPI_STATE_MISSED;
		return 0;
	}
	n->state |= NAPI_STATE_SCHED;
	return 1;
}

/* Append to the CPU's poll list. Also for a backlog, whose state other CPUs write under its lock. */
void napi_poll_list_add(struct napi_struct *n)
{
	struct softnet_data *sd = n->sd;

	n->next = NULL;
	if (sd->poll_list)
		sd->poll_tail->next = n;
	else
		sd->poll_list = n;
	sd->poll_tail = n;
	if (!sd->in_net_rx_action) /* the running loop finds it */
		sd->softirq_pending = 1;
}

void __napi_schedule(struct napi_struct *n)
{
	struct softnet_data *sd = n->sd;

	if (likely(!(n->state & NAPI_STATE_THREADED))) {
		napi_poll_list_add(n);
		return;
	}
	n->state |= NAPI_STATE_SCHED_THREADED;
	if (n->thread.runnable)
		return; /* the task is awake, or another wake-up is being paid for */
	n->thread.runnable = 1;
	COUNT(n->thread.wakeups, 1);
	cpu_charge(sd, COST_WAKE);
	n->thread.awake = 1;
	sd->napi_threads++;
	task_enqueue(sd, TASK_NAPI + n->slot);
}

/* Return: 1 = scheduled, 0 = it has an owner, which sees MISSED */
int napi_schedule(struct napi_struct *n)
{
	if (!napi_schedule_prep(n))
		return 0;
	__napi_schedule(n);
	return 1;
}

/* Start the watchdog. */
void napi_timer_start(struct napi_struct *n, u64 timeout_ns)
{
	n->timer_ns = n->sd->now + timeout_ns;
	timer_plan(n->sd);
	if (!n->sd->live)
		cpu_plan(n->sd, n->timer_ns);
}

int napi_disable(struct napi_struct *n)
{
	n->state |= NAPI_STATE_DISABLE;
	if (n->state & (NAPI_STATE_SCHED | NAPI_STATE_NPSVC))
		return 0; /* the owner sees DISABLE, and completes even with packets left */
	n->state = NAPI_STATE_SCHED | NAPI_STATE_NPSVC;
	n->timer_ns = NEVER;
	timer_plan(n->sd);
	return 1;
}

int napi_complete_done(struct napi_struct *n, int work_done)
{
	u64 timeout = 0;
	int unmask = 1;

	if (unlikely(n->state & (NAPI_STATE_NPSVC | NAPI_STATE_IN_BUSY_POLL)))
		return 0; /* the owner polls on, and the interrupt stays off */
	if (work_done > 0) {
		if (n->gro_bitmask)
			timeout = n->config->gro_flush_timeout;
		n->defer_hard_irqs_count = n->config->defer_hard_irqs;
	}
	if (n->defer_hard_irqs_count > 0) {
		n->defer_hard_irqs_count--;
		timeout = n->config->gro_flush_timeout;
		if (timeout)
			unmask = 0;
	}
	if (n->gro_bitmask)
		napi_gro_flush(n, timeout != 0, GRO_COMPLETE);
	gro_normal_list(n);
	COUNT(n->completes, 1);

	n->state &= ~(u32)(NAPI_STATE_SCHED_THREADED | NAPI_STATE_PREFER_BUSY_POLL);
	if (n->state & NAPI_STATE_MISSED) {
		n->state &= ~(u32)NAPI_STATE_MISSED;
		__napi_schedule(n);
		return 0;
	}
	n->state &= ~(u32)NAPI_STATE_SCHED;
	if (timeout)
		napi_timer_start(n, timeout);
	return unmask;
}

/* Flush GRO after a poll that used its whole weight. HZ < 1000: flush all, since a jiffy is too coarse for packets'
 * ages. */
void napi_full_poll_flush(struct napi_struct *n)
{
	napi_gro_flush(n, n->host->hz >= 1000, GRO_FULL_POLL);
	gro_normal_list(n);
}

/* __napi_poll(). *repoll: set if it used its weight and has to be polled again. Return: packets */
int napi_poll(struct napi_struct *n, int *repoll)
{
	const u64 began = n->sd->now;
	int weight = (int)n->weight, work = n->poll(n, weight);

	cpu_event(n->sd, EVENT_POLL, began, n->queue, (u64)weight << 32 | (u32)work);
	COUNT(n->polls, 1);
	COUNT(n->packets, (u64)work);
	if (work < weight)
		return work; /* the driver has completed it */

	COUNT(n->full_polls, 1);
	if (unlikely(n->state & NAPI_STATE_DISABLE)) {
		napi_complete_done(n, 0);
		return work;
	}
	if (unlikely(n->state & NAPI_STATE_PREFER_BUSY_POLL)) {
		if (napi_complete_done(n, work)) /* no timer runs that would poll it */
			napi_schedule(n);
		return work;
	}
	napi_full_poll_flush(n);
	*repoll = 1;
	return work;
}

/* Schedule a poll because the timer fired. If no deferral is left, that poll flushes all of GRO. */
void napi_watchdog(struct napi_struct *n)
{
	n->timer_ns = NEVER;
	timer_plan(n->sd);
	if (!(n->state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED))) {
		n->state |= NAPI_STATE_SCHED;
		n->state &= ~(u32)NAPI_STATE_PREFER_BUSY_POLL; /* the reader did not poll in time */
		__napi_schedule(n);
	}
}
