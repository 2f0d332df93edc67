/* busy_poll.c - a reader that polls its queue itself instead of going to sleep. Linux: net/core/dev.c napi_busy_loop()
 *
 *   reader_run(), nothing to read, busy-read > 0 -> napi_busy_loop(): takes the NAPI (SCHED and IN_BUSY_POLL), polls it
 *   busy-poll-budget packets at a time until there is something to read or busy-read us are over
 *   -> busy_poll_stop(): lets go, and polls once more so that the driver switches its interrupt on again
 *
 * The queue is the one that the last packet it read came from. Only NAPIs that live on the reader's CPU are polled: a
 * NAPI has one owner here (Linux's may be polled by any). With prefer-busy-poll the softirq keeps away as long as the
 * timer (gro-flush-timeout, napi-defer-hard-irqs) runs.
 */
#include "prelude.h"

int busy_poll_begin(struct softnet_data *sd)
{
	struct busy_poll *b = &sd->busy;
	u32 queue = b->queue;

	b->queue = 0; /* it slept, or read, before it does this again */
	if (!sd->host->busy_read || !queue || sd->host->dev.napi[queue - 1]->sd != sd)
		return 0;
	b->napi = sd->host->dev.napi[queue - 1];
	b->end = sd->now + sd->host->busy_read * 1000ull;
	return 1;
}

static void set_idle(struct softnet_data *sd, u8 idle)
{
	if (idle == sd->busy.idle) /* live, always */
		return;
	sd->host->spinners += idle ? 1u : -1u;
	sd->busy.idle = idle;
}

/* Spinning takes time: what a poll costs. Where that is nothing, in virtual time, the CPU is idle until something can
 * have changed: the card published a frame (irq_complete()), a socket got one from another CPU, or the time is over. */
static void spin(struct softnet_data *sd)
{
	if (sd->live) {
		sd->now = clock_ns();
	} else if (!sd->host->cost[COST_POLL] && !sd->softirq_pending) {
		set_idle(sd, 1);
		sd->reader.runnable = 0;
	}
}

void busy_poll_resume(struct softnet_data *sd)
{
	set_idle(sd, 0);
	sd->reader.runnable = 1;
}

/* Take the NAPI if nobody has it. */
static bool take(struct softnet_data *sd)
{
	struct busy_poll *b = &sd->busy;
	struct napi_struct *n = b->napi;

	if (n->state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED | NAPI_STATE_IN_BUSY_POLL)) {
		if (sd->host->prefer_busy_poll)
			n->state |= NAPI_STATE_PREFER_BUSY_POLL;
		cpu_charge(sd, COST_POLL);
		return false;
	}
	n->state |= NAPI_STATE_SCHED | NAPI_STATE_IN_BUSY_POLL;
	b->owned = 1;
	return true;
}

/* Return: work, or -EAGAIN: time passed in the middle, call again */
static int poll_once(struct softnet_data *sd)
{
	struct busy_poll *b = &sd->busy;
	struct napi_struct *n = b->napi;
	int work;

	b->in_poll = 1;
	work = n->poll(n, (int)sd->host->busy_poll_budget);
	if (work < 0)
		return work;
	b->in_poll = 0;
	COUNT(n->polls, 1);
	COUNT(n->packets, (u64)work);
	return work;
}

/* Let go: MISSED is worth nothing, as there is one more poll. */
static void stop_begin(struct softnet_data *sd)
{
	struct host *h = sd->host;
	struct napi_struct *n = sd->busy.napi;

	n->state &= ~(u32)(NAPI_STATE_MISSED | NAPI_STATE_IN_BUSY_POLL);
	sd->busy.stopping = 1;
	sd->busy.skip_schedule = 0;
	if (!h->prefer_busy_poll)
		return;
	n->defer_hard_irqs_count = h->napi_defer_hard_irqs;
	if (n->defer_hard_irqs_count && h->gro_flush_timeout) {
		napi_timer_start(n, h->gro_flush_timeout);
		sd->busy.skip_schedule = 1;
	}
}

static void stop_end(struct softnet_data *sd, int work)
{
	struct busy_poll *b = &sd->busy;
	struct napi_struct *n = b->napi;

	b->owned = b->stopping = 0;
	if (work < (int)sd->host->busy_poll_budget)
		return; /* the driver completed it */
	if (!b->skip_schedule) {
		gro_normal_list(n);
		__napi_schedule(n);
		return;
	}
	napi_full_poll_flush(n);
	n->state &= ~(u32)NAPI_STATE_SCHED;
}

/* Return: 1 = in the middle of the last poll */
static int busy_poll_stop(struct softnet_data *sd)
{
	int work;

	if (!sd->busy.stopping)
		stop_begin(sd);
	work = poll_once(sd);
	if (work < 0)
		return 1;
	stop_end(sd, work);
	skb_flush_returns(sd);
	local_bh_enable(sd);
	return 0;
}

/* Return: 1 = in the middle of a poll */
static int poll_if_free(struct softnet_data *sd)
{
	struct busy_poll *b = &sd->busy;
	int work;

	if (!b->owned && !take(sd))
		return 0;
	work = poll_once(sd);
	if (work < 0)
		return 1;
	COUNT(sd->mib[TcpExt_BusyPollRxPackets], (u64)work);
	gro_normal_list(b->napi);
	skb_flush_returns(sd);
	local_bh_enable(sd);
	return 0;
}

int napi_busy_loop(struct softnet_data *sd)
{
	struct busy_poll *b = &sd->busy;

	set_idle(sd, 0);
	if (b->stopping ? busy_poll_stop(sd) : poll_if_free(sd))
		return 1;
	if (!READ_ONCE(sd->ready) && sd->now < b->end) {
		spin(sd);
		if (b->owned && need_resched(sd))
			busy_poll_stop(sd); /* the others have a turn; after that the NAPI is taken anew */
		return 1;
	}
	if (b->owned && busy_poll_stop(sd))
		return 1;
	b->napi = NULL;
	return 0;
}
