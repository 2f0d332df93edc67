/* busy_poll.c - a reader polls its queue itself instead of sleeping. Linux: net/core/dev.c napi_busy_loop()
 *
 *   reader_run(), nothing to read, busy-read > 0 -> napi_busy_loop(): takes the NAPI (SCHED and IN_BUSY_POLL), polls it
 *   busy-poll-budget packets at a time until data arrives or busy-read us are over
 *   -> busy_poll_stop(): gives the NAPI up, and polls once more so that the driver unmasks its interrupt
 *
 * The reader polls the queue that its last packet came from, if the queue's NAPI lives on the reader's CPU. In Linux
 * any CPU may poll any NAPI. With prefer-busy-poll the softirq does not poll while the timer (gro-flush-timeout,
 * napi-defer-hard-irqs) runs.
 */
#include "prelude.h"

int busy_poll_begin(struct softnet_data *sd)
{
	struct busy_poll *b = &sd->busy;
	u32 queue = b->queue;

	b->queue = 0; /* the reader sleeps or reads before it busy-polls again */
	if (!sd->host->busy_read || !queue || sd->host->dev.napi[queue - 1]->sd != sd)
		return 0;
	b->napi = sd->host->dev.napi[queue - 1];
	b->end = sd->now + sd->host->busy_read * 1000ull;
	return 1;
}

static void set_idle(struct softnet_data *sd, u8 idle)
{
	if (idle == sd->busy.idle) /* live, a reader never idles */
		return;
	sd->host->spinners += idle ? 1u : -1u;
	sd->busy.idle = idle;
}

/* Spend the time of one look. In virtual time, if a poll costs nothing, idle until something can have changed: the card
 * publishes a frame (irq_complete()), another CPU feeds a socket, or the time is over. */
static void spin(struct softnet_data *sd)
{
	if (sd->live) {
		sd->now = clock_ns();
	} else if (!sd->host->cost[COST_POLL] && !sd->softirq_pending) {
		set_idle(sd, 1);
		sd->reader.runnable = 0;
	}
}

/* End the idling of a reader that spins. */
void busy_poll_resume(struct softnet_data *sd)
{
	set_idle(sd, 0);
	sd->reader.runnable = 1;
}

/* Take the NAPI if it has no owner. */
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

/* Return: packets, or -EAGAIN: time passed in the middle, call again */
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

/* Begin to give the NAPI up. MISSED is not needed: one more poll follows. */
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
		return; /* the driver has completed the NAPI */
	if (!b->skip_schedule) {
		gro_normal_list(n);
		__napi_schedule(n);
		return;
	}
	napi_full_poll_flush(n);
	n->state &= ~(u32)NAPI_STATE_SCHED;
}

/* Give the NAPI up. Return: 1 = in the middle of the last poll */
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

/* Poll once, unless another owner has the NAPI. Return: 1 = in the middle of a poll */
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
			busy_poll_stop(sd); /* another task runs; the reader takes the NAPI again afterwards */
		return 1;
	}
	if (b->owned && busy_poll_stop(sd))
		return 1;
	b->napi = NULL;
	return 0;
}
