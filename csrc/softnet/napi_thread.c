/* napi_thread.c - the task of a threaded NAPI. Linux: net/core/dev.c napi_threaded_poll()
 *
 *   __napi_schedule() wakes it -> it polls until the driver completes the NAPI, and sleeps until the next interrupt
 *   threaded = busy-poll       -> it polls on when the queue is empty, with the interrupt off (Linux 6.19)
 *
 * In Linux a task that busy-polls never sleeps. In virtual time neither does this one: its CPU is busy to the end. Polls of
 * an empty ring are passed over at once, up to the one that finds something, so that they cost nothing here. Live, it gives
 * up after IDLE_NS without a frame, and its first frame then comes by an interrupt: an instance without traffic does not
 * hold a core.
 */
#include "prelude.h"

#define IDLE_NS 1000000u

/* Does it busy-poll a ring that is empty? Then it does the same until the card writes a frame. */
bool napi_thread_idles(const struct napi_struct *n)
{
	return n->state & NAPI_STATE_IN_BUSY_POLL && n->state & NAPI_STATE_SCHED_THREADED && !n->gro_bitmask &&
	       !n->host->dev.rx_pending(n);
}

/* Return: up to when polls find nothing to do, if the card writes nothing */
static u64 nothing_until(const struct napi_struct *n)
{
	struct softnet_data *sd = n->sd;
	u64 end = only_idle_polls(sd) ? NEVER : slice_end(sd);

	if (n->gro_bitmask) /* napi_full_poll_flush() takes what is older than a jiffy */
		end = min_u64(end, (jiffies(sd) + 1) * sd->host->jiffy_ns);
	return end;
}

/* May this poll leave the interrupt off and the task awake? */
static bool wants_busy_poll(const struct napi_struct *n)
{
	const struct softnet_data *sd = n->sd;

	if ((n->state & (NAPI_STATE_THREADED_BUSY_POLL | NAPI_STATE_DISABLE)) != NAPI_STATE_THREADED_BUSY_POLL)
		return false;
	if (!sd->live || !n->idle_ns)
		return true;
	return sd->now - n->idle_ns < IDLE_NS && !READ_ONCE(sd->stop);
}

/* Virtual time: skip the polls that find an empty ring. They follow each other at fixed distances, until the card writes a
 * frame, an interrupt comes or another task wants the CPU; the poll that is under way then is the first that counts. */
static void skip_empty_polls(struct napi_struct *n)
{
	struct softnet_data *sd = n->sd;
	const u64 cost = sd->host->cost[COST_POLL], began = sd->now;
	u64 skipped;

	sd->host->spinners++;
	sd->busy.spins = SPINS_NAPI;
	cpu_wait(sd, max_u64(sd->now, nothing_until(n)));
	sd->busy.spins = SPINS_NOT;
	sd->host->spinners--;
	if (!cost || sd->now == began)
		return;
	skipped = (sd->now - began - 1) / cost;
	n->polled_ns = (u32)(sd->now - began - skipped * cost);
	COUNT(n->polls, skipped);
	COUNT(n->thread.runs, skipped);
}

/* Live: note since when polls find nothing, and let a reader of this CPU have what was found while the caches hold it. */
static void live_poll_ends(struct napi_struct *n, int work)
{
	struct softnet_data *sd = n->sd;

	task_yield(sd);
	if (work) {
		n->idle_ns = 0;
		return;
	}
	if (!n->idle_ns)
		n->idle_ns = sd->now;
	cpu_relax();
}

/* Softirqs are off meanwhile, and run after it. Return: packets */
static int poll_once(struct napi_struct *n, bool busy)
{
	struct softnet_data *sd = n->sd;
	int repoll = 0, work;

	local_bh_disable(sd);
	sd->in_napi_threaded_poll = 1;
	work = napi_poll(n, &repoll);
	sd->in_napi_threaded_poll = 0;
	skb_flush_returns(sd);
	net_rps_send_ipi(sd);
	if (busy && !repoll) /* napi_complete_done() has flushed nothing */
		napi_full_poll_flush(n);
	local_bh_enable(sd);
	return work;
}

/* Poll once: no budget, no time limit, no squeeze, IPIs after each poll. */
void napi_threaded_poll(struct napi_struct *n)
{
	struct softnet_data *sd = n->sd;
	bool busy = wants_busy_poll(n);
	int work;

	if (busy)
		n->state |= NAPI_STATE_IN_BUSY_POLL;
	else
		n->state &= ~(u32)NAPI_STATE_IN_BUSY_POLL;
	if (busy && !sd->live && !n->host->dev.rx_pending(n))
		skip_empty_polls(n);
	work = poll_once(n, busy);
	if (busy && sd->live)
		live_poll_ends(n, work);
	if (n->state & NAPI_STATE_SCHED_THREADED)
		return;
	n->idle_ns = 0;
	n->thread.runnable = n->thread.awake = 0;
	sd->napi_threads--;
}
