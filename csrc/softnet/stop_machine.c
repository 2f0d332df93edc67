/* stop_machine.c - stop all work, so that knobs can change. Linux: kernel/stop_machine.c
 *
 *   live:          machine_pause() -> the threads of the card and the CPUs return from threads.c, between two polls
 *   virtual time:  no agent runs, but a poll may be half done: machine_settle() ends it
 *
 * The caller then owns everything, and may run a CPU's work. driver_ethtool.c lets the CPU take every frame that the
 * card has written, so that a ring can go away without losing an accepted frame. Python's threads are not stopped:
 * sockets have locks, and returned buffers go through rx_pool's chain.
 */
#include "prelude.h"

int machine_mid_poll(const struct softnet_data *sd)
{
	for (u32 i = 0; i < sd->nnapis; i++)
		if (sd->napis[i]->in_poll)
			return true;
	return sd->backlog.in_poll || sd->busy.in_poll || sd->bh_task || sd->softirq_active;
}

void machine_turn(struct softnet_data *sd)
{
	u32 pause = sd->pause;
	u64 now = machine_clock(sd);

	sd->pause = 0; /* the caller itself asked for the pause */
	sd->horizon = now + 1;
	if (!sd->runnable)
		cpu_wake(sd, now);
	cpu_run(sd);
	sd->pause = pause;
}

void machine_settle(struct host *h)
{
	for (u32 i = 0; i < h->ncpus; i++) {
		struct softnet_data *sd = h->cpu[i];

		for (u32 turns = 0; machine_mid_poll(sd) && turns < TURNS_MAX; turns++)
			machine_turn(sd);
		net_rps_send_ipi(sd);
		skb_flush_returns(sd);
	}
}
