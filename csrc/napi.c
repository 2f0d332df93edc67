/* napi.c - who owns the right to poll a queue. Linux: net/core/dev.c
 *
 * SCHED set: somebody owns the NAPI and will poll it; a request that comes meanwhile leaves MISSED. completion clears
 * both, unless MISSED was set: then it is scheduled once more, and the interrupt stays off. gro_flush_timeout and
 * napi_defer_hard_irqs put a timer in place of the interrupt. The state has one writer, the CPU the NAPI lives on:
 * the interrupt handler, the watchdog and the poll all run there.
 */
#include "prelude.h"

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

void __napi_schedule(struct napi_struct *n)
{
	struct softnet_data *sd = n->sd;

	n->next = NULL;
	if (sd->poll_list)
		sd->poll_tail->next = n;
	else
		sd->poll_list = n;
	sd->poll_tail = n;
	if (!sd->in_net_rx_action) /* the running loop finds it by itself */
		sd->softirq_pending = 1;
}

int napi_schedule(struct napi_struct *n)
{
	if (!napi_schedule_prep(n))
		return 0;
	__napi_schedule(n);
	return 1;
}

static void napi_timer_plan(struct softnet_data *sd)
{
	sd->timer_next = NEVER;
	for (u32 i = 0; i < sd->nnapis; i++)
		sd->timer_next = min_u64(sd->timer_next, sd->napis[i]->timer_ns);
}

static void napi_timer_start(struct napi_struct *n, u64 timeout_ns)
{
	n->timer_ns = n->sd->now + timeout_ns;
	napi_timer_plan(n->sd);
	if (!n->sd->live)
		n->sd->horizon = min_u64(n->sd->horizon, n->timer_ns); /* look up for it */
}

/* napi_complete_done() - the queue is polled out. Return: 1 = the driver may unmask its interrupt */
int napi_complete_done(struct napi_struct *n, int work_done)
{
	u64 timeout = 0;
	int unmask = 1;

	if (work_done > 0) {
		if (n->gro_bitmask)
			timeout = n->host->gro_flush_timeout;
		n->defer_hard_irqs_count = n->host->napi_defer_hard_irqs;
	}
	if (n->defer_hard_irqs_count > 0) {
		n->defer_hard_irqs_count--;
		timeout = n->host->gro_flush_timeout;
		if (timeout)
			unmask = 0;
	}
	if (n->gro_bitmask)
		napi_gro_flush(n, timeout != 0, GRO_COMPLETE);
	gro_normal_list(n);
	COUNT(n->completes, 1);

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

/* napi_watchdog() - the timer went off: the poll that follows does no work and flushes all, if no deferral is left */
void napi_watchdog(struct napi_struct *n)
{
	n->timer_ns = NEVER;
	napi_timer_plan(n->sd);
	if (!(n->state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED))) {
		n->state |= NAPI_STATE_SCHED;
		__napi_schedule(n);
	}
}
