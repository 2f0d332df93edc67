/* timer.c - a CPU's timers: NAPI watchdogs (in a hardirq), and the protocols' timers (in a softirq)
 *
 *   napi_timer_start() -> sd->watchdog_next -> do_hardirqs()
 *   mod_timer() -> sd->timer_next: preempts a task, and waits for a softirq to end -> do_softirq(): run_timers()
 *
 * A protocol has one timer per CPU, for the earliest of its deadlines, and restarts it itself. If one CPU runs the timer for
 * all threads, they leave the time and wake it (timer_ask()). Linux: hrtimers, and kernel/time/timer.c.
 */
#include "prelude.h"

void timer_plan(struct softnet_data *sd)
{
	sd->timer_next = sd->watchdog_next = NEVER;
	for (u32 i = 0; i < sd->nnapis; i++)
		sd->watchdog_next = min_u64(sd->watchdog_next, sd->napis[i]->timer_ns);
	for (u32 i = 0; i < TIMERS_MAX; i++)
		sd->timer_next = min_u64(sd->timer_next, sd->timer_ns[i]);
}

void mod_timer(struct softnet_data *sd, enum timer which, u64 at_ns)
{
	sd->timer_ns[which] = at_ns;
	timer_plan(sd);
	if (!sd->live && at_ns != NEVER)
		cpu_plan(sd, max_u64(at_ns, sd->now));
}

void timer_ask(struct softnet_data *owner, enum timer which, u64 at_ns)
{
	if (!owner->live) {
		if (at_ns < owner->timer_ns[which])
			mod_timer(owner, which, at_ns);
		return;
	}
	if (at_ns >= owner->timer_asked[which]) /* the CPU has an earlier time already, or will look */
		return;
	WRITE_ONCE(owner->timer_asked[which], at_ns);
	__atomic_fetch_or(&owner->timers_asked, 1u << which, __ATOMIC_SEQ_CST);
	cpu_wake(owner, 0);
}

void timer_answer(struct softnet_data *sd, enum timer which)
{
	WRITE_ONCE(sd->timer_asked[which], NEVER);
}

/* Live: start the timers that other threads have asked for. */
void timers_take(struct softnet_data *sd)
{
	u32 asked = __atomic_exchange_n(&sd->timers_asked, 0, __ATOMIC_SEQ_CST);

	for (u32 i = 0; i < TIMERS_MAX; i++) {
		u64 at_ns = READ_ONCE(sd->timer_asked[i]);

		if (asked >> i & 1 && at_ns < sd->timer_ns[i])
			mod_timer(sd, (enum timer)i, at_ns);
	}
}

/* Run the protocols' timers that are due: TIMER_SOFTIRQ. */
void run_timers(struct softnet_data *sd)
{
	for (u32 i = 0; i < TIMERS_MAX; i++) {
		if (sd->timer_ns[i] > sd->now)
			continue;
		cpu_charge(sd, COST_SOFTIRQ);
		mod_timer(sd, (enum timer)i, NEVER);
		sd->host->timer[i](sd);
	}
}

/* ---- clocks ---- */

u64 machine_clock(const struct softnet_data *sd)
{
	return sd->live || !sd->idle ? sd->now : max_u64(sd->now, sd->host->nic.now);
}

u64 vtime_latest(const struct host *h)
{
	u64 t = h->nic.now;

	for (u32 i = 0; i < h->ncpus; i++)
		t = max_u64(t, h->cpu[i]->now);
	return t;
}

u64 host_now(const struct host *h, struct softnet_data *sd)
{
	if (h->live)
		return clock_ns();
	if (sd)
		return sd->now;
	if (h->tcp.mode == TCP_MODE_ENDPOINT) /* a run may have ended in silence, which counts for idle connections */
		return max_u64(vtime_latest(h), h->world_ns);
	return vtime_latest(h);
}
