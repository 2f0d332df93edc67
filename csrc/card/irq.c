/* irq.c - interrupts: when to raise one, and moderation
 *
 *   virtqueue_publish(): the driver asked for one --irq_complete()--> pending --rx-frames or rx-usecs--> raised:
 *                                                                     nic_driver.interrupt, or call_fd.c
 *
 * ethtool -C's rule: raise when rx-usecs have passed since the first completion, or rx-frames have completed, whichever is
 * first; usecs 0 and frames 1 mean "immediately". The only mask is the virtqueue's notification suppression. If the driver
 * did not ask for a frame (used_event not passed), its interrupt never becomes pending. If the driver has polled the frames
 * while the timer ran, the interrupt is suppressed. After unmasking the driver looks again, so no frame is missed.
 *
 * rx-usecs-irq and rx-frames-irq apply to frames that complete while an interrupt is serviced: from when it is raised until
 * the driver unmasks. The driver polls those frames, but the first of them starts the timer. It keeps running after the
 * driver unmasks, so the next frame's interrupt is deferred until it expires. An idle queue thus interrupts by one pair,
 * perhaps at once, and a busy one by the other. With rx-usecs-irq 0 (the default) frames completing meanwhile start nothing:
 * rx-frames-irq alone would only count frames that the driver polls anyway.
 *
 * With rx-usecs 0 and rx-frames n, frames stand in the ring until the n-th completes, see irq_standing(). But a queue without
 * a buffer gets no more frames: then the interrupt is raised at once, like a card's for low descriptors (e1000's RXDMT0).
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

static void irq_signal(struct nic_queue *q, u64 now)
{
	if (unlikely(q->nic->foreign != NULL))
		q->nic->foreign->interrupt(q->nic, q->index);
	else if (q->irq.call_fd >= 0)
		call_signal(q->nic, q->irq.call_fd);
	else if (q->driver) /* a foreign driver without an eventfd polls */
		q->driver->interrupt(q, now);
}

/* Return: true: the interrupt is lost, or comes later */
static noinline bool irq_faulty(struct nic_queue *q, u64 now)
{
	struct irq *irq = &q->irq;
	u64 late;

	if (nic_fault_hits(q->nic, FAULT_IRQ_LOST, q->index, now, 0, NULL))
		return true;
	if (!nic_fault_hits(q->nic, FAULT_IRQ_LATE, q->index, now, 0, &late))
		return false;
	irq->pending = irq->wanted = irq->late = 1;
	irq->deadline_ns = now + late;
	q->nic->irq_next = min_u64(q->nic->irq_next, irq->deadline_ns);
	return true;
}

static void irq_fire(struct nic_queue *q, u64 now, u64 *by)
{
	struct irq *irq = &q->irq;
	u64 delay = now - irq->first_ns;
	bool late = irq->late;

	if (unlikely(late && now < irq->deadline_ns)) /* put off by a fault: no frame and no count brings it forward */
		return;
	irq->pending = irq->late = 0;
	irq->frames = 0;
	if (unlikely(!irq->wanted)) /* the driver has polled all of it */
		return;
	if (!virtqueue_wants_irq(&q->vq, irq->since)) {
		COUNT(irq->suppressed, 1);
		return;
	}
	if (unlikely(q->nic->faults != NULL) && !late && irq_faulty(q, now))
		return;
	COUNT(irq->raised, 1);
	COUNT(*by, 1);
	nic_event(q, EVENT_IRQ, irq->first_ns, now, 0, by == &irq->by_usecs);
	COUNT(irq->delay_sum_ns, delay);
	if (delay > irq->delay_max_ns)
		irq->delay_max_ns = delay;
	irq_signal(q, now);
}

void irq_complete(struct nic_queue *q, u32 frames, int wanted, u64 now)
{
	struct irq *irq = &q->irq;
	u32 usecs = READ_ONCE(irq->rx_usecs), enough = READ_ONCE(irq->rx_frames); /* dim.c may change them meanwhile */
	bool serviced = irq->pending ? irq->serviced : !wanted;

	/* the interrupt may be off because a reader polls: it sleeps until frames are published */
	if (unlikely(*q->nic->spinners && q->driver))
		q->driver->published(q, now);
	if (unlikely(q->nic->faults != NULL) && nic_fault_hits(q->nic, FAULT_IRQ_SPURIOUS, q->index, now, 0, NULL))
		irq_signal(q, now);
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
		irq->wanted = irq->late = 0;
		irq->deadline_ns = usecs ? now + usecs * 1000ull : NEVER;
	}
	if (wanted) {
		irq->since = q->vq.was_published;
		if (!irq->wanted) {
			irq->first_ns = now;
			nic_event(q, EVENT_IRQ_ASKED, now, now, 0, irq->deadline_ns);
		}
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

/* Without a buffer for the next frame, an interrupt that waits for more frames would wait forever. */
void irq_starved(struct nic_queue *q, u64 now)
{
	if (q->irq.pending && q->irq.deadline_ns == NEVER)
		irq_fire(q, now, &q->irq.by_frames);
}

u32 irq_standing(const struct nic_queue *q)
{
	if (!q->driver || !READ_ONCE(q->irq.pending) || READ_ONCE(q->irq.deadline_ns) != NEVER)
		return 0;
	return (u32)(READ_ONCE(q->frames) - q->driver->taken(q));
}

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

void irq_forget(struct nic *nic)
{
	for (u32 i = 0; i < NIC_QUEUES_MAX; i++) {
		struct irq *irq = &nic->queue[i].irq;

		irq->pending = irq->wanted = irq->late = 0;
		irq->frames = 0;
	}
	nic->irq_next = NEVER;
}

/* A new rx-usecs counts from now, not from the first completion. */
void irq_replan(struct nic_queue *q)
{
	u64 now = q->nic->live ? clock_ns() : q->nic->now;
	struct irq *irq = &q->irq;
	u32 usecs, enough;

	if (irq->serviced && !irq->rx_usecs_irq) { /* the -irq pair is off now */
		irq->pending = irq->pending && irq->wanted;
		irq->serviced = 0;
		irq->frames = irq->pending ? irq->frames : 0; /* the driver has polled them */
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
