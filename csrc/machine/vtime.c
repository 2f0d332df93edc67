/* vtime.c - virtual time: one thread drives the card and all CPUs, whoever's clock is behind goes next
 *
 * Ties: the card, then the CPU with the lower number. An agent runs until its clock reaches its horizon, the moment
 * from which on it would be somebody else's turn; work moves the clock by its cost (cpu_charge), so a busy CPU polls
 * later and rings, FIFO and backlogs really fill. No sleeping, no real clock, no root: same input, same output.
 * Returns to Python with an event when a slice is over, when Python has something to do, or when nothing is left.
 */
#include "prelude.h"

#define TURNS_A_SLICE 2000000
#define TURNS_OF_A_FOREIGN_DRIVER 4096 /* it may ring for ever while time stands still */

/* The next agent in time: a CPU, or NULL for the card. *turn: when; *horizon: until when it may run. */
static struct softnet_data *next_agent(struct host *h, u64 *turn, u64 *horizon)
{
	u64 best = nic_next(&h->nic), second = NEVER;
	struct softnet_data *who = NULL;

	for (u32 i = 0; i < h->ncpus; i++) {
		struct softnet_data *sd = h->cpu[i];
		u64 t = cpu_next(sd);

		if (t < best) {
			second = best; /* a tie with one before it: that one's turn, so not a moment later */
			best = t;
			who = sd;
		} else if (t != NEVER && t + (who != NULL) < second) {
			second = t + (who != NULL);
		}
	}
	*turn = best;
	*horizon = second;
	return who;
}

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

/* What this CPU itself has to look up for: a watchdog, or an IPI sent from a clock ahead of its own. */
static u64 own_plans(const struct softnet_data *sd)
{
	u64 t = sd->timer_next;

	if (sd->ipi_pending)
		t = min_u64(t, sd->ipi_ns);
	return t > sd->now ? t : NEVER;
}

/* One agent's turn. Return: an event, or -1: go on */
static int next_turn(struct host *h, u64 until)
{
	struct nic *nic = &h->nic;
	struct softnet_data *sd;
	u64 turn, horizon;

	if (unlikely(nic->offered >= h->nic.limit))
		return EV_SLICE;
	if (unlikely(h->upcalls.head != h->upcalls.tail))
		return EV_UPCALL;
	h->steps++;
	sd = next_agent(h, &turn, &horizon);
	if (unlikely(nic->wire->hungry))
		return EV_WIRE;
	if (unlikely(nic->python_filter && !nic->burst_asked && nic->burst_pos < nic->burst_len))
		return EV_FILTER;
	if (turn == NEVER) {
		enum event e = when_idle(h);

		return e == EV_SLICE ? -1 : (int)e;
	}
	if (turn > until)
		return EV_DONE;
	if (!sd) {
		nic_run(nic, min_u64(horizon, until));
	} else {
		sd->horizon = min_u64(min_u64(horizon, own_plans(sd)), until + 1);
		cpu_run(sd);
	}
	return -1;
}

enum event vtime_run_until(struct host *h, u64 until)
{
	const u32 most = h->nic.external_driver ? TURNS_OF_A_FOREIGN_DRIVER : TURNS_A_SLICE;

	for (u32 turns = 0; turns < most; turns++) {
		int event = next_turn(h, until);

		if (unlikely(event >= 0))
			return (enum event)event;
	}
	return EV_SLICE;
}

/* vtime_step() - a single turn. Return: EV_SLICE = it was taken */
enum event vtime_step(struct host *h)
{
	int event = next_turn(h, NEVER - 1);

	return event < 0 ? EV_SLICE : (enum event)event;
}

enum event vtime_run(struct host *h, u64 frames)
{
	enum event e;

	h->nic.limit = h->nic.offered + frames;
	e = vtime_run_until(h, NEVER - 1);
	h->nic.limit = NEVER;
	return e;
}
