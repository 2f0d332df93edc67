/* vtime.c - virtual time: one thread, on which the card and all CPUs act, each at its instants
 *
 * The agent with the earliest next instant acts. Ties: the card, then the CPU with the lower number. Work advances a CPU's
 * clock by its cost (softnet/cpu_clock.c), so a busy CPU polls later, and rings, FIFO and backlogs really fill. No sleeping,
 * no real clock, no root: same input, same output, however the run is sliced. docs/virtual-time.md has the rules.
 *
 * Each CPU runs on a fiber, a stack of its own (lib/fiber.h). A CPU that has to wait looks for the next agent itself: it
 * runs the card's events right there, and switches to another CPU's fiber without a detour. It switches to the caller's
 * stack when a slice ends, when Python has work, or when no work is left. The next call goes on from there.
 */
#include "prelude.h"

#include "lib/fiber.h"

#define TURNS_A_SLICE 2000000
#define TURNS_OF_A_FOREIGN_DRIVER 4096 /* it may ring forever while time stands still */

static enum event when_idle(struct host *h)
{
	struct nic *nic = &h->nic;

	if (wire_pulled(nic->wire)) {
		int n = nic_pull(nic, vtime_latest(h));

		if (n > 0)
			return nic->python_filter && !nic->burst_asked ? EV_FILTER : EV_SLICE;
	}
	return nic->wire->hungry ? EV_WIRE : EV_DONE;
}

/* Return: the event that has to be handled before time goes on; -1: none */
static int stop_before_turn(struct host *h)
{
	if (unlikely(h->nic.offered >= h->nic.limit))
		return EV_SLICE;
	if (unlikely(h->upcalls.head != h->upcalls.tail))
		return EV_UPCALL;
	return unlikely(!h->turns) ? (int)EV_SLICE : -1;
}

/* Return: what the card cannot go on without; -1: nothing */
static int card_waits(const struct nic *nic)
{
	if (unlikely(nic->wire->hungry))
		return EV_WIRE;
	if (unlikely(nic->python_filter && !nic->burst_asked && nic->burst_pos < nic->burst_len))
		return EV_FILTER;
	return -1;
}

/* Does this CPU busy-poll empty rings, with no timer running but the tick? */
static bool only_polls(struct softnet_data *sd)
{
	return sd->busy.spins == SPINS_NAPI && sd->irq_next == NEVER && sd->watchdog_next == NEVER &&
	       sd->timer_next == NEVER && only_idle_polls(sd);
}

/* Is there nothing to come but ticks of such CPUs? Then nothing happens any more. */
static noinline bool only_ticks(const struct host *h, u64 card)
{
	if (card != NEVER)
		return false;
	for (u32 i = 0; i < h->ncpus; i++)
		if (h->next[i] != NEVER && !only_polls(h->cpu[i]))
			return false;
	return true;
}

/* Is the run over, if the card and the CPUs have nothing before this instant? A run up to an instant takes all ticks. */
static bool is_over(const struct host *h, u64 card, u64 turn)
{
	return turn == NEVER || (unlikely(h->spinners) && h->until == NEVER - 1 && only_ticks(h, card));
}

/* Let the card act until a CPU's turn has come. Return: that CPU; NULL: the caller has to handle h->event */
static struct softnet_data *next_cpu(struct host *h)
{
	struct first_cpu first = cpu_first(h);
	struct nic *nic = &h->nic;

	for (;;) {
		int event = stop_before_turn(h);
		u64 card, turn;

		if (likely(event < 0)) {
			h->turns--;
			card = nic_next(nic);
			turn = min_u64(card, first.at);
			event = card_waits(nic);
			if (event < 0 && unlikely(is_over(h, card, turn))) {
				event = when_idle(h);
				if (event == EV_SLICE) { /* it pulled a burst */
					first = cpu_first(h);
					continue;
				}
			} else if (event < 0 && unlikely(turn > h->until)) {
				event = EV_DONE;
			}
		}
		if (unlikely(event >= 0)) {
			h->event = (u32)event;
			return NULL;
		}
		h->world_ns = max_u64(h->world_ns, turn);
		if (first.at < card) {
			struct softnet_data *sd = h->cpu[first.cpu];

			h->acts = sd;
			h->others_ns = first.then;
			sd->horizon = min_u64(min_u64(first.then, card), h->until + 1);
			return sd;
		}
		h->planned = 0;
		nic_run(nic, min_u64(first.at, h->until));
		if (h->planned)
			first = cpu_first(h);
	}
}

/* The usual case: only the card acts before this CPU's turn. Return: false: it is not the case, next_cpu() has to go on */
static bool only_the_card(struct softnet_data *sd)
{
	struct host *h = sd->host;
	struct nic *nic = &h->nic;
	const u64 *next = &h->next[sd->cpu];

	if (unlikely(h->spinners)) /* is_over() */
		return false;
	while (*next < h->others_ns && *next <= h->until && stop_before_turn(h) < 0) {
		u64 card = nic_next(nic);

		if (unlikely(card_waits(nic) >= 0))
			return false;
		h->turns--;
		if (*next < card) {
			h->world_ns = max_u64(h->world_ns, *next);
			sd->horizon = min_u64(min_u64(h->others_ns, card), h->until + 1);
			return true;
		}
		h->world_ns = max_u64(h->world_ns, card);
		nic_run(nic, *next);
	}
	return false;
}

/* host.await_turn: let the world go on until it is this CPU's turn, at host.next[]. On its fiber. */
static void await_turn(struct softnet_data *sd)
{
	struct host *h = sd->host;
	struct softnet_data *next;

	h->running = NULL;
	if (only_the_card(sd)) {
		h->running = sd;
		return;
	}
	next = next_cpu(h);
	h->running = next;
	if (next != sd)
		fiber_switch(sd->fiber, next ? next->fiber : h->caller);
}

/* ---- a CPU's fiber ---- */

static void woken(struct softnet_data *sd)
{
	u64 began = sd->now;

	sd->idle = 0;
	sd->now = max_u64(sd->now, sd->host->next[sd->cpu]);
	cpu_woken(sd, sd->now - began);
	cpu_lower_horizon(sd, cpu_next_interrupt(sd));
}

/* It is the idle CPU's turn. A timer that was stopped meanwhile is no work, and does not move its clock. */
static bool has_work(const struct softnet_data *sd)
{
	return cpu_idle_until(sd) <= sd->host->next[sd->cpu] || sd->ksoftirqd_task.runnable || sd->napi_threads;
}

static void wait_for_work(struct softnet_data *sd)
{
	cpu_account(sd, &sd->idle_ns);
	sd->idle = 1;
	sd->tick_next = NEVER;
	do {
		cpu_next_set(sd, max_u64(cpu_idle_until(sd), sd->now));
		sd->end = sd->now;
		await_turn(sd);
	} while (!has_work(sd));
	woken(sd);
}

/* The machine is stopped (machine_settle()), and this CPU is in the middle of nothing. */
static void park(struct softnet_data *sd)
{
	cpu_next_set(sd, sd->now);
	sd->end = sd->now;
	sd->parked = 1;
	fiber_switch(sd->fiber, sd->host->caller);
	sd->parked = 0;
}

static void cpu_main(void *arg)
{
	struct softnet_data *sd = arg;

	if (has_work(sd))
		woken(sd);
	else
		wait_for_work(sd);
	for (;;) {
		int more = cpu_round(sd);

		if (unlikely(sd->host->settling))
			park(sd);
		else if (!more)
			wait_for_work(sd);
	}
}

static void settle(struct softnet_data *sd)
{
	struct host *h = sd->host;

	if (sd->live || sd->idle || sd->parked)
		return;
	h->settling = 1;
	fiber_switch(h->caller, sd->fiber); /* h->running is NULL: no charge of this CPU waits */
	h->settling = 0;
}

int vtime_init(struct host *h)
{
	h->await_turn = await_turn;
	h->settle = settle;
	h->caller = fiber_new(NULL, NULL);
	if (!h->caller)
		return -ENOMEM;
	for (u32 i = 0; i < h->ncpus; i++) {
		h->cpu[i]->fiber = fiber_new(cpu_main, h->cpu[i]);
		if (!h->cpu[i]->fiber)
			return -ENOMEM;
	}
	return 0;
}

void vtime_exit(struct host *h)
{
	for (u32 i = 0; i < h->ncpus; i++)
		if (h->cpu[i])
			fiber_free(h->cpu[i]->fiber);
	fiber_free(h->caller);
}

/* ---- Python's calls ---- */

/* A CPU that waits has a clock in the past, the instant at which its work began. Show how far the work has got. */
static void show_clocks(struct host *h)
{
	for (u32 i = 0; i < h->ncpus; i++) {
		struct softnet_data *sd = h->cpu[i];

		if (!sd->idle)
			sd->now = max_u64(sd->now, min_u64(sd->end, h->world_ns));
		cpu_account(sd, sd->account);
	}
}

static enum event go_on(struct host *h, u64 until, u32 turns)
{
	struct softnet_data *next;

	h->until = until;
	h->turns = turns;
	next = next_cpu(h);
	h->running = next;
	if (next)
		fiber_switch(h->caller, next->fiber);
	h->steps += turns - h->turns;
	if (h->event == EV_DONE && until < NEVER - 1)
		h->world_ns = max_u64(h->world_ns, until);
	show_clocks(h);
	return (enum event)h->event;
}

enum event vtime_run_until(struct host *h, u64 until)
{
	return go_on(h, until, h->nic.external_driver ? TURNS_OF_A_FOREIGN_DRIVER : TURNS_A_SLICE);
}

u64 vtime_next(struct host *h)
{
	return min_u64(nic_next(&h->nic), cpu_first(h).at);
}

enum event vtime_step(struct host *h)
{
	return go_on(h, NEVER - 1, 1);
}

enum event vtime_run(struct host *h, u64 frames)
{
	enum event e;

	h->nic.limit = h->nic.offered + frames;
	e = vtime_run_until(h, NEVER - 1);
	h->nic.limit = NEVER;
	return e;
}
