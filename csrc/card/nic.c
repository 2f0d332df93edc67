/* nic.c - the card: a frame's way from the wire to the driver's interrupt
 *
 *   wire.c -> nic_receive.c: filter.c, rss.c, fifo.c -> nic_drain.c: virtqueue.c, dma.c -> irq.c      (sending: nic_tx.c)
 *   nic_up.c: the driver comes, starts anew, breaks a ring
 *
 * Four functions drive these stages:
 *   nic_run()      virtual time, here: all events up to a moment       nic_pull()     virtual time, a wire without a pace
 *   nic_turn()     live, the card's thread: machine/threads.c          nic_borrow()   live, a CPU that spins: nic_lend.c
 *
 * The card is one agent with a clock of its own. In virtual time, nic_run() processes events of one instant in this order:
 * a DMA that ends, a doorbell, a frame that arrives, a moderation timer.
 */
#include "device.h"

void nic_fate(struct nic *nic, const struct frame *f, enum fate fate)
{
	COUNT(nic->fates[fate], 1);
	if (nic->wire->release)
		nic->wire->release(nic->wire, f);
}

/* Parse and hash a burst at once, which makes a replay 6 % cheaper. The frames are judged when they arrive. */
static noinline void look_ahead(struct nic *nic, struct frame *f, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		if (f[i].len >= ETH_HLEN) {
			nic_parse(nic, &f[i]);
		} else {
			f[i].l3 = 0;
			f[i].hash_report = HASH_NONE;
		}
		f[i].flags |= FRAME_HASHED;
	}
	rss_burst(&nic->rss, f, n);
	nic->burst_key = rss_key_id(&nic->rss);
}

static bool burst_fill(struct nic *nic)
{
	int n;

	if (nic->burst_pos < nic->burst_len)
		return !wire_pulled(nic->wire); /* a pulled wire's frames wait here for nic_pull() */
	if (nic->wire->eof || wire_pulled(nic->wire))
		return false;
	n = wire_next(nic->wire, nic->burst, BURST, nic->now);
	nic->burst_pos = 0;
	nic->burst_len = n > 0 ? n : 0;
	nic->burst_asked = 0;
	if (n > 0)
		look_ahead(nic, nic->burst, (u32)n);
	return n > 0;
}

static u64 next_arrival(struct nic *nic)
{
	if (!burst_fill(nic))
		return NEVER;
	return max_u64(nic->burst[nic->burst_pos].t_ns, nic->now);
}

u64 nic_next(struct nic *nic)
{
	u64 t = min_u64(nic->irq_next, nic->kick_ns);

	if (nic->dma_busy)
		t = min_u64(t, nic->dma_done);
	return max_u64(min_u64(t, next_arrival(nic)), nic->now);
}

noinline void nic_run(struct nic *nic, u64 until)
{
	nic->horizon = until;
	for (;;) {
		u64 dma = nic->dma_busy ? nic->dma_done : NEVER;
		u64 arrival = next_arrival(nic);
		u64 t = min_u64(min_u64(dma, nic->kick_ns), min_u64(arrival, nic->irq_next));

		if (t > nic->horizon || t == NEVER || unlikely(nic->wire->hungry))
			break;
		nic->now = max_u64(nic->now, t);
		if (dma <= t) {
			nic_dma_end(nic);
		} else if (nic->kick_ns <= t) {
			nic->kick_ns = NEVER;
			nic_drain(nic, nic->now);
			nic_tx_run(nic, nic->now);
			if (unlikely(nic->external_driver)) /* it may ring forever: return to Python in between */
				break;
		} else if (arrival <= t) {
			if (unlikely((nic->python_filter && !nic->burst_asked) || nic->offered >= nic->limit))
				break; /* Python's filter sees the burst first (vtime.c); or the slice ends */
			nic_receive(nic, &nic->burst[nic->burst_pos++], 1);
			nic_drain(nic, nic->now);
		} else {
			irq_timers(nic, nic->now);
		}
	}
}

void nic_kick(struct nic *nic, u32 queue, u64 now)
{
	COUNT(nic->queue[queue].kicks, 1);
	if (unlikely(nic->faults != NULL) && nic_fault_hits(nic, FAULT_KICK_IGNORED, queue, now, 0, NULL))
		return;
	nic_again(nic, now);
}

void nic_again(struct nic *nic, u64 now)
{
	if (!nic->live)
		nic->kick_ns = min_u64(nic->kick_ns, now);
	else
		event_signal(nic->kick_fd);
}
