/* stop_machine.c - nobody is in the middle of anything: the moment when knobs change. Linux: kernel/stop_machine.c
 *
 *   live:          machine_pause() -> the card's thread and the CPUs' come home from live.c, between two polls
 *   virtual time:  nobody runs, but a poll may be half done: machine_settle() brings it to its end
 *
 * Who stopped it owns all there is then, and may run a CPU's work: driver_ethtool.c has the CPU take every frame that the
 * card has written, so that a ring can be taken away and nothing that was accepted is lost. Python's threads are
 * not stopped: sockets have locks, and what they give back goes through rx_pool's chain.
 */
#include "prelude.h"

/* machine_mid_poll() - is this CPU in the middle of a poll, or owes others something of one? */
int machine_mid_poll(const struct softnet_data *sd)
{
	for (u32 i = 0; i < sd->nnapis; i++)
		if (sd->napis[i]->in_poll)
			return true;
	return sd->backlog.in_poll || sd->busy.in_poll || sd->bh_task || sd->softirq_active;
}

/* machine_clock() - what time is it for this CPU? One that idles may be far behind the card. */
u64 machine_clock(const struct softnet_data *sd)
{
	return sd->live || sd->runnable ? sd->now : max_u64(sd->now, sd->host->nic.now);
}

/* machine_turn() - one bit of this CPU's work, as little as there is */
void machine_turn(struct softnet_data *sd)
{
	u32 pause = sd->pause;
	u64 now = machine_clock(sd);

	sd->pause = 0; /* it is us who asked for it */
	sd->horizon = now + 1;
	if (!sd->runnable)
		cpu_wake(sd, now);
	cpu_run(sd);
	sd->pause = pause;
}

/* machine_settle() - every CPU ends the poll it is in, and hands over what it has collected for others */
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
