/* irq.c - interrupts: raise and moderation
 *
 *   virtqueue_publish() says the driver wants to know --irq_complete()--> pending --frames or usecs--> raised
 *                                                                     the driver: nic_driver.interrupt, or call_fd.c
 *
 * ethtool -C's rule: fire when rx-usecs passed since the first completion, or rx-frames completed, whichever comes
 * first; usecs 0 and frames 1 is "immediately". There is one mask, the virtqueue's notification suppression: what the
 * driver does not want to hear of (used_event not passed) never becomes pending, and what it took by polling while
 * the timer ran is not worth an interrupt any more. After unmasking the driver looks again, so nothing is lost.
 *
 * rx-usecs-irq and rx-frames-irq are for frames that complete while an interrupt is serviced: from when it was raised until
 * the driver waits for the next one. The driver polls those, but the first of them starts the timer, which runs on beyond
 * the unmasking: what comes next is heard of when that is over. So an idle queue interrupts by one pair, at once perhaps,
 * and a busy one by the other. rx-usecs-irq 0 (the default): what completes meanwhile starts nothing, for rx-frames-irq alone
 * only says how much of it is to be told to a driver that takes it all anyway.
 *
 * rx-usecs 0 and rx-frames n: frames stand until the n-th comes, see irq_standing(). But a queue that has no buffer left
 * gets no more frames: then the interrupt comes, as with a card's own for descriptors that run short (e1000's RXDMT0).
 */
#include "device.h"

static void irq_plan(struct nic *nic)
{
	u64 next = NEVER;

	for (u32 i = 0; i < nic->nqueues; i++)
		if (nic->queue[i].irq.pending)
			next = min_u64(next, nic->queue[i].irq.deadline_ns);
	nic->irq_next = next;
}

static void irq_fire(struct nic_queue *q, u64 now, u64 *by)
{
	struct irq *irq = &q->irq;
	u64 delay = now - irq->first_ns;

	irq->pending = 0;
	irq->frames = 0;
	if (unlikely(!irq->wanted)) /* serviced all the time */
		return;
	if (!virtqueue_wants_irq(&q->vq, irq->since)) {
		COUNT(irq->suppressed, 1);
		return;
	}
	COUNT(irq->raised, 1);
	COUNT(*by, 1);
	COUNT(irq->delay_sum_ns, delay);
	if (delay > irq->delay_max_ns)
		irq->delay_max_ns = delay;
	if (irq->call_fd >= 0)
		call_signal(q->nic, irq->call_fd);
	else if (q->driver) /* a foreign driver without an eventfd polls */
		q->driver->interrupt(q, now);
}

/* irq_complete() - frames were published just now; wanted: used_event was passed by them */
void irq_complete(struct nic_queue *q, u32 frames, int wanted, u64 now)
{
	struct irq *irq = &q->irq;
	u32 usecs = READ_ONCE(irq->rx_usecs), enough = READ_ONCE(irq->rx_frames); /* dim.c may change them */
	bool serviced = irq->pending ? irq->serviced : !wanted;

	/* the interrupt may be off because a reader polls, which is idle until something can have changed */
	if (unlikely(*q->nic->spinners && q->driver))
		q->driver->published(q, now);
	if (serviced) {
		usecs = READ_ONCE(irq->rx_usecs_irq);
		enough = READ_ONCE(irq->rx_frames_irq);
	}
	if (!irq->pending) {
		COUNT(irq->suppressed, serviced);
		if (serviced && !usecs)
			return;
		irq->pending = 1;
		irq->serviced = serviced;
		irq->wanted = 0;
		irq->deadline_ns = usecs ? now + usecs * 1000ull : NEVER;
	}
	if (wanted) {
		irq->since = q->vq.was_published;
		if (!irq->wanted)
			irq->first_ns = now;
		irq->wanted = 1;
	}
	irq->frames += frames;
	if ((enough && irq->frames >= enough) || (!enough && !usecs)) {
		bool planned = q->nic->irq_next == irq->deadline_ns;

		irq_fire(q, now, &irq->by_frames);
		if (planned)
			irq_plan(q->nic);
	} else if (irq->deadline_ns < q->nic->irq_next) {
		q->nic->irq_next = irq->deadline_ns;
	} else if (unlikely(q->starved)) {
		irq_starved(q, now);
	}
}

/* irq_starved() - the queue has no buffer for the next frame: an interrupt that waits for more frames would wait for ever */
void irq_starved(struct nic_queue *q, u64 now)
{
	if (q->irq.pending && q->irq.deadline_ns == NEVER)
		irq_fire(q, now, &q->irq.by_frames);
}

/* irq_standing() - frames in the ring that the driver will not hear of before others come: there is no timer. From any thread */
u32 irq_standing(const struct nic_queue *q)
{
	if (!q->driver || !READ_ONCE(q->irq.pending) || READ_ONCE(q->irq.deadline_ns) != NEVER)
		return 0;
	return (u32)(READ_ONCE(q->frames) - q->driver->taken(q));
}

/* irq_timers() - the moderation timers of all queues that are due, if there is one */
void irq_timers(struct nic *nic, u64 now)
{
	if (nic->irq_next > now)
		return;
	for (u32 i = 0; i < nic->nqueues; i++) {
		struct nic_queue *q = &nic->queue[i];

		if (q->irq.pending && q->irq.deadline_ns <= now)
			irq_fire(q, now, &q->irq.by_usecs);
	}
	irq_plan(nic);
}

/* irq_forget() - the driver that asked for them is gone */
void irq_forget(struct nic *nic)
{
	for (u32 i = 0; i < NIC_QUEUES_MAX; i++) {
		struct irq *irq = &nic->queue[i].irq;

		irq->pending = irq->wanted = 0;
		irq->frames = 0;
	}
	nic->irq_next = NEVER;
}

/* irq_replan() - rx-usecs or rx-frames were changed: an interrupt that is held back is so by the new ones, from now on */
void irq_replan(struct nic_queue *q)
{
	u64 now = q->nic->live ? clock_ns() : q->nic->now;
	struct irq *irq = &q->irq;
	u32 usecs, enough;

	if (irq->serviced && !irq->rx_usecs_irq) { /* there is no such pair any more */
		irq->pending = irq->pending && irq->wanted;
		irq->serviced = 0;
		irq->frames = irq->pending ? irq->frames : 0; /* they were polled */
	}
	usecs = irq->serviced ? irq->rx_usecs_irq : irq->rx_usecs;
	enough = irq->serviced ? irq->rx_frames_irq : irq->rx_frames;
	if (!irq->pending) {
		irq_plan(q->nic);
		return;
	}
	if (enough ? irq->frames >= enough : !usecs)
		irq->deadline_ns = now;
	else
		irq->deadline_ns = usecs ? now + usecs * 1000ull : NEVER;
	irq_plan(q->nic);
}
