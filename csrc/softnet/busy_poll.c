/* busy_poll.c - a reader polls its queue itself instead of sleeping. Linux: net/core/dev.c napi_busy_loop()
 *
 *   reader_run(), nothing to read, busy-read > 0 -> napi_busy_loop(): takes the NAPI (SCHED and IN_BUSY_POLL), polls it
 *   busy-poll-budget packets at a time until data arrives or busy-read us are over
 *   -> busy_poll_stop(): gives the NAPI up, and polls once more so that the driver unmasks its interrupt
 *
 * The reader polls the queue that its last packet came from, if the queue's NAPI lives on the reader's CPU. In Linux
 * any CPU may poll any NAPI. With prefer-busy-poll the softirq does not poll while the timer (gro-flush-timeout,
 * napi-defer-hard-irqs) runs. With irq-suspend-timeout too, the reader is as one that waits in epoll: each packet that it
 * gets puts the timer off for that long, and when it has polled in vain it lets the softirq poll, before it sleeps.
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

/* The reader stops spinning, and looks. */
void busy_poll_looks(struct softnet_data *sd)
{
	sd->reader.runnable = 1;
	sd->busy.spins = SPINS_NOT;
}

/* Look again. In virtual time, a look that cost nothing tells the same until something has changed: the card publishes a
 * frame (irq_complete()), another CPU feeds a socket, an interrupt comes, or the time is over. Spin until then. */
static void spin(struct softnet_data *sd, u64 looked)
{
	struct busy_poll *b = &sd->busy;

	if (sd->live) {
		sd->now = clock_ns();
	} else if (sd->now == looked) {
		sd->host->spinners++;
		b->spins = SPINS_READER;
		sd->reader.runnable = 0; /* so that a CPU that feeds a socket calls wake_task() */
		cpu_wait(sd, min_u64(b->end, slice_end(sd)));
		busy_poll_looks(sd);
		sd->host->spinners--;
	}
}

/* Take the NAPI if it has no owner. */
static bool take(struct softnet_data *sd)
{
	struct busy_poll *b = &sd->busy;
	struct napi_struct *n = b->napi;

	if (n->state & (NAPI_STATE_DISABLE | NAPI_STATE_SCHED | NAPI_STATE_IN_BUSY_POLL)) {
		if (sd->host->prefer_busy_poll)
			n->state |= NAPI_STATE_PREFER_BUSY_POLL;
		return false;
	}
	n->state |= NAPI_STATE_SCHED | NAPI_STATE_IN_BUSY_POLL;
	b->owned = 1;
	return true;
}

/* Softirqs are off: poll_end() switches them on again. Return: packets */
static int poll_once(struct softnet_data *sd)
{
	struct napi_struct *n = sd->busy.napi;
	const u64 began = sd->now;
	int work = n->poll(n, (int)sd->host->busy_poll_budget);

	cpu_event(sd, EVENT_POLL, began, n->queue, (u64)sd->host->busy_poll_budget << 32 | (u32)work);
	COUNT(n->polls, 1);
	COUNT(n->packets, (u64)work);
	return work;
}

static void poll_end(struct softnet_data *sd)
{
	skb_flush_returns(sd);
	local_bh_enable(sd);
}

/* Give the NAPI up. MISSED is not needed: one more poll follows, in which the driver unmasks its interrupt. */
static void busy_poll_stop(struct softnet_data *sd)
{
	struct host *h = sd->host;
	struct busy_poll *b = &sd->busy;
	struct napi_struct *n = b->napi;
	bool skip_schedule = false; /* the timer, not the softirq, polls next */
	int work;

	n->state &= ~(u32)(NAPI_STATE_MISSED | NAPI_STATE_IN_BUSY_POLL);
	if (h->prefer_busy_poll) {
		n->defer_hard_irqs_count = n->config->defer_hard_irqs;
		if (n->defer_hard_irqs_count && n->config->gro_flush_timeout) {
			napi_timer_start(n, n->config->gro_flush_timeout);
			skip_schedule = true;
		}
	}
	local_bh_disable(sd);
	work = poll_once(sd);
	b->owned = 0;
	if (work < (int)h->busy_poll_budget) {
		; /* the driver has completed the NAPI */
	} else if (skip_schedule) {
		napi_full_poll_flush(n);
		n->state &= ~(u32)NAPI_STATE_SCHED;
	} else {
		gro_normal_list(n);
		__napi_schedule(n);
	}
	poll_end(sd);
}

/* Poll once, unless another owner has the NAPI. Either way, softirqs that are pending run at the end. */
static void poll_if_free(struct softnet_data *sd)
{
	struct busy_poll *b = &sd->busy;

	local_bh_disable(sd);
	if (b->owned || take(sd)) {
		COUNT(sd->mib[TcpExt_BusyPollRxPackets], (u64)poll_once(sd));
		gro_normal_list(b->napi);
	}
	poll_end(sd);
}

void napi_suspend_irqs(struct softnet_data *sd)
{
	struct napi_struct *n = sd->host->dev.napi[sd->busy.queue - 1];

	if (sd->host->busy_read && sd->host->prefer_busy_poll && n && n->sd == sd && n->config->irq_suspend_timeout)
		napi_timer_start(n, n->config->irq_suspend_timeout);
}

/* The reader goes to sleep with nothing to read: softirqs, and then interrupts, serve the queue from now on. */
static void napi_resume_irqs(struct softnet_data *sd)
{
	struct napi_struct *n = sd->busy.napi;

	if (!sd->host->prefer_busy_poll || !n->config->irq_suspend_timeout)
		return;
	local_bh_disable(sd);
	napi_schedule(n);
	poll_end(sd);
}

/* Return: 0 */
static int loop_ends(struct softnet_data *sd)
{
	if (sd->busy.owned)
		busy_poll_stop(sd);
	if (!READ_ONCE(sd->ready))
		napi_resume_irqs(sd);
	sd->busy.napi = NULL;
	return 0;
}

int napi_busy_loop(struct softnet_data *sd)
{
	struct busy_poll *b = &sd->busy;
	u64 looked = sd->now;

	if (!b->owned && (looked >= b->end || READ_ONCE(sd->ready))) /* while another task ran */
		return loop_ends(sd);
	poll_if_free(sd);
	if (!READ_ONCE(sd->ready) && sd->now < b->end) {
		spin(sd, looked);
		if (b->owned && need_resched(sd))
			busy_poll_stop(sd); /* another task runs; the reader takes the NAPI again afterwards */
		return 1;
	}
	return loop_ends(sd);
}
