/* stop_machine.c - stop all work, so that knobs can change. Linux: kernel/stop_machine.c
 *
 *   live:          machine_pause() -> the threads of the card and the CPUs return from threads.c, between two polls
 *   virtual time:  no agent runs, but a CPU may be stopped in the middle of anything: machine_settle() lets it end that,
 *                  without an interrupt and without the others
 *
 * The caller then owns everything, and may run a CPU's work. driver_ethtool.c lets the CPU take every frame that the
 * card has written, so that a ring can go away without losing an accepted frame. Python's threads are not stopped:
 * sockets have locks, and returned buffers go through rx_pool's chain.
 */
#include "prelude.h"

void machine_turn(struct softnet_data *sd)
{
	if (!sd->live)
		sd->now = machine_clock(sd);
	cpu_round(sd);
	cpu_account(sd, &sd->idle_ns);
	cpu_wake(sd, sd->now); /* it may have more to do when the machine runs on */
}

void machine_settle(struct host *h)
{
	for (u32 i = 0; i < h->ncpus; i++) {
		struct softnet_data *sd = h->cpu[i];

		h->settle(sd);
		net_rps_send_ipi(sd);
		skb_flush_returns(sd);
	}
}
