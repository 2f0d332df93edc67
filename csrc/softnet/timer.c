/* timer.c - a CPU's timers: NAPI's watchdogs (in a hardirq), and those of the protocols (in a softirq)
 *
 *   napi_timer_start(), mod_timer() -> sd->timer_next: an idle CPU looks up for it -> run_timers()
 *
 * A protocol has one timer a CPU, for the earliest of its deadlines, and sets it again itself. Linux: hrtimers, and
 * kernel/time/timer.c.
 */
#include "prelude.h"

void timer_plan(struct softnet_data *sd)
{
	sd->timer_next = NEVER;
	for (u32 i = 0; i < sd->nnapis; i++)
		sd->timer_next = min_u64(sd->timer_next, sd->napis[i]->timer_ns);
	for (u32 i = 0; i < TIMERS_MAX; i++)
		sd->timer_next = min_u64(sd->timer_next, sd->timer_ns[i]);
}

/* mod_timer() - run at at_ns, on this CPU; NEVER: not any more */
void mod_timer(struct softnet_data *sd, enum timer which, u64 at_ns)
{
	sd->timer_ns[which] = at_ns;
	timer_plan(sd);
	if (!sd->live)
		sd->horizon = min_u64(sd->horizon, at_ns); /* look up for it */
}

void run_timers(struct softnet_data *sd)
{
	for (u32 i = 0; i < sd->nnapis; i++) {
		if (sd->napis[i]->timer_ns > sd->now)
			continue;
		cpu_charge(sd, COST_HARDIRQ);
		napi_watchdog(sd->napis[i]);
		sd->inline_softirq = 1;
	}
	for (u32 i = 0; i < TIMERS_MAX; i++) {
		if (sd->timer_ns[i] > sd->now)
			continue;
		cpu_charge(sd, COST_SOFTIRQ);
		mod_timer(sd, (enum timer)i, NEVER);
		sd->host->timer[i](sd);
	}
}

/* ---- what time is it? ---- */

/* vtime_latest() - how far the card or a CPU has come in virtual time */
u64 vtime_latest(const struct host *h)
{
	u64 t = h->nic.now;

	for (u32 i = 0; i < h->ncpus; i++)
		t = max_u64(t, h->cpu[i]->now);
	return t;
}

/* host_now() - the clock of a CPU, or of a Python thread (sd NULL) */
u64 host_now(struct host *h, struct softnet_data *sd)
{
	if (h->live)
		return clock_ns();
	return sd ? sd->now : vtime_latest(h);
}
