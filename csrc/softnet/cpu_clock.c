/* cpu_clock.c - virtual time on an emulated CPU: work takes time, interrupts preempt it, other agents act meanwhile
 *
 *   cpu_charge() -> cpu_wait() -> host.await_turn: the world, up to the instant at which this CPU acts next (machine/vtime.c)
 *                              -> do_hardirqs(), if one is due before the work ends: on top of the work, which ends later
 *
 * cpu_wait() is the one place where an agent's time passes, so it is the one where interrupts are taken. A CPU that waits has
 * a next instant: the end of the work that it has begun, or the first interrupt before that. Other agents make it earlier
 * (cpu_plan()), never later. So all charges are lookahead for the others, and no result depends on a step.
 *
 * The horizon of the CPU that acts is the next instant of any other agent, or its own next interrupt. It may be too early:
 * then cpu_wait() finds that nothing has to be done. An agent that plans something for this CPU or another lowers it.
 */
#include "prelude.h"

/* ---- planning ---- */

void cpu_plan(struct softnet_data *sd, u64 at)
{
	struct host *h = sd->host;
	struct softnet_data *acts = h->acts;

	cpu_next_set(sd, min_u64(h->next[sd->cpu], at));
	h->planned = 1;
	h->nic.horizon = min_u64(h->nic.horizon, at);
	if (!acts)
		return;
	at += acts->cpu < sd->cpu; /* on a tie the lower number acts first */
	cpu_lower_horizon(acts, at);
	if (acts != sd)
		h->others_ns = min_u64(h->others_ns, at);
}

void cpu_wake(struct softnet_data *sd, u64 now)
{
	if (sd->live) {
		/* Pairs with cpu_sleep() in machine/threads.c: it sees the work (a seq_cst store), or we see that it sleeps. */
		if (__atomic_exchange_n(&sd->sleeping, 0, __ATOMIC_SEQ_CST))
			event_signal(sd->wake_fd);
	} else if (sd->idle | sd->busy.spins) {
		cpu_plan(sd, max_u64(now, sd->now));
	}
}

void reader_wake(struct softnet_data *sd, struct softnet_data *target)
{
	target->reader_ns = sd->now;
	task_enqueue(target, TASK_READER);
	cpu_wake(target, sd->now);
}

/* cpu_next_hardirq() - Return: when the first hardirq is due, on or off; NEVER: none is planned */
u64 cpu_next_hardirq(const struct softnet_data *sd)
{
	return min_u64(min_u64(sd->irq_next, sd->watchdog_next), sd->tick_next);
}

/* cpu_next_interrupt() - Return: when this CPU interrupts its own work; NEVER: not as things stand */
u64 cpu_next_interrupt(const struct softnet_data *sd)
{
	u64 at;

	if (sd->in_hardirq)
		return NEVER;
	at = cpu_next_hardirq(sd);
	return sd->in_softirq | sd->bh_off ? at : min_u64(at, sd->timer_next);
}

u64 cpu_idle_until(const struct softnet_data *sd)
{
	u64 at = cpu_next_interrupt(sd);

	return sd->reader.runnable ? min_u64(at, sd->reader_ns) : at;
}

#define COLD_NS 300000u /* idle for so long, the caches are another's */

void cpu_woken(struct softnet_data *sd, u64 idled_ns)
{
	const struct host *h = sd->host;

	sd->idled_ns = idled_ns;
	sd->cold |= idled_ns >= COLD_NS;
	if (unlikely(h->cost[COST_TICK]))
		sd->tick_next = (jiffies(sd) + 1) * h->jiffy_ns;
}

/* ---- time passes ---- */

u64 *cpu_account(struct softnet_data *sd, u64 *to)
{
	u64 *before = sd->account;

	COUNT(*before, sd->now - sd->since);
	sd->since = sd->now;
	sd->account = to;
	return before;
}

noinline void cpu_wait(struct softnet_data *sd, u64 end)
{
	const u8 spins = sd->busy.spins;
	struct host *h = sd->host;
	const u64 *next = &h->next[sd->cpu];

	if (unlikely(sd->atomic)) {
		sd->owed += end - sd->now;
		return;
	}
	while (h->running == sd) {
		u64 due = max_u64(cpu_next_interrupt(sd), sd->now);

		sd->end = end;
		cpu_next_set(sd, min_u64(end, due));
		h->await_turn(sd);
		if (unlikely(h->running != sd)) { /* the machine is stopped: stop_machine.c */
			if (spins == SPINS_NAPI)
				end = h->world_ns;
			break;
		}
		due = cpu_next_interrupt(sd);
		if (due > *next) {
			if (likely(*next >= end))
				break;
			if (!spins)
				continue; /* what was planned for it has moved to another CPU */
			end = *next;
			break;
		}
		due = sd->now = max_u64(sd->now, due);
		if (unlikely(spins == SPINS_NAPI)) { /* the poll that is under way takes it: napi_thread.c */
			end = due;
			break;
		}
		if (spins)
			busy_poll_looks(sd);
		do_hardirqs(sd);
		end = spins ? sd->now : end + sd->now - due;
	}
	sd->now = max_u64(sd->now, end);
	cpu_lower_horizon(sd, cpu_next_interrupt(sd));
}

void cpu_pay(struct softnet_data *sd)
{
	struct softnet_data *target = sd->owed_wake;
	u64 owed = sd->owed;

	sd->atomic = 0;
	sd->horizon = sd->free_horizon;
	sd->owed = 0;
	sd->owed_wake = NULL;
	cpu_work(sd, owed);
	if (target)
		reader_wake(sd, target);
}
