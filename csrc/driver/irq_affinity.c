/* irq_affinity.c - which CPU takes a queue's interrupt, and so polls the queue: /proc/irq/N/smp_affinity
 *
 *   irq_set_affinity(): the machine is stopped (stop_machine.c) -> the queue's NAPI moves from its CPU to another
 *
 * The first CPU in the mask takes the interrupt (effective_affinity). A NAPI lives on one CPU, so it moves with its
 * interrupt, between two polls. GRO's packets go up on the old CPU before the new one takes any. A poll that was
 * scheduled becomes an interrupt on the new CPU, as in drivers that find themselves on a CPU outside the mask (i40e,
 * ice, mlx5). That interrupt fires at the old CPU's time, so the new CPU does nothing earlier. Linux:
 * kernel/irq/manage.c, kernel/irq/proc.c.
 */
#include "prelude.h"

/* Return: the first CPU of the host in the mask; ncpus: it has no such CPU */
static u32 first_cpu(const struct host *h, const struct cpumask *cpus)
{
	for (u32 w = 0; w < CPU_WORDS; w++)
		if (cpus->bits[w])
			return min_u32(h->ncpus, 64 * w + (u32)__builtin_ctzll(cpus->bits[w]));
	return h->ncpus;
}

void irq_affinity(const struct host *h, u32 queue, struct cpumask *cpus)
{
	u32 only = queue % h->ncpus;

	*cpus = (struct cpumask){ { 0 } };
	if (first_cpu(h, &h->irq_affinity[queue]) == h->ncpus) {
		cpus->bits[only / 64] = 1ull << only % 64;
		return;
	}
	for (u32 cpu = 0; cpu < h->ncpus; cpu++)
		if (cpumask_has(&h->irq_affinity[queue], cpu))
			cpus->bits[cpu / 64] |= 1ull << cpu % 64;
}

u32 irq_cpu(const struct host *h, u32 queue)
{
	u32 cpu = first_cpu(h, &h->irq_affinity[queue]);

	return cpu < h->ncpus ? cpu : queue % h->ncpus;
}

u64 irq_count(const struct driver_queue *dq, u32 cpu)
{
	return dq->irqs_by[cpu] + (dq->napi.sd->cpu == cpu ? dq->irqs - dq->irqs_counted : 0);
}

/* Let a reader that polls the queue give it up. Return: 0, or -EBUSY after TURNS_MAX turns */
static int stop_busy_poll(struct driver_queue *dq)
{
	struct softnet_data *sd = dq->napi.sd;

	for (u32 turns = 0; sd->busy.napi == &dq->napi; turns++) {
		if (turns == TURNS_MAX)
			return -EBUSY;
		sd->busy.end = 0;
		machine_turn(sd);
	}
	return 0;
}

/* Send up what GRO holds, and hand over all that this CPU has collected for others. */
static void flush_held(struct driver_queue *dq)
{
	struct napi_struct *n = &dq->napi;
	struct softnet_data *sd = n->sd;

	if (n->gro_bitmask || n->rx_list) {
		machine_turn(sd); /* an idle CPU reads the clock */
		machine_settle(n->host);
		napi_gro_flush(n, 0, GRO_COMPLETE);
		gro_normal_list(n);
		local_bh_enable(sd); /* RPS may have put some into its own backlog */
		cpu_wake(sd, sd->now);
	}
	machine_settle(n->host);
}

static void poll_list_del(struct softnet_data *sd, const struct napi_struct *n)
{
	struct napi_struct *before = NULL;

	for (struct napi_struct *p = sd->poll_list; p; before = p, p = p->next) {
		if (p != n)
			continue;
		if (before)
			before->next = p->next;
		else
			sd->poll_list = p->next;
		if (sd->poll_tail == n)
			sd->poll_tail = before;
		return;
	}
}

static void move_interrupt(struct driver_queue *dq, struct softnet_data *to, u64 at)
{
	struct softnet_data *from = dq->napi.sd;
	struct napi_struct *n = &dq->napi;
	u32 queue = dq->nicq->index;
	u64 raised = cancel_hardirq(from, queue);
	bool scheduled = n->state & NAPI_STATE_SCHED && !(n->state & NAPI_STATE_NPSVC);

	poll_list_del(from, n);
	napi_list_del(n);
	if (scheduled)
		n->state &= ~(u32)(NAPI_STATE_SCHED | NAPI_STATE_MISSED | NAPI_STATE_SCHED_THREADED |
				   NAPI_STATE_IN_BUSY_POLL);
	if (n->timer_ns != NEVER)
		n->timer_ns = max_u64(n->timer_ns, at);
	timer_plan(from);

	COUNT(dq->irqs_by[from->cpu], dq->irqs - dq->irqs_counted);
	dq->irqs_counted = dq->irqs;
	WRITE_ONCE(dq->pool.owner, to);
	napi_list_add(to, n);
	timer_plan(to);
	if (raised != NEVER || scheduled)
		raise_hardirq(to, queue, raised != NEVER && !from->live ? max_u64(at, raised) : at);
	else if (n->timer_ns != NEVER)
		cpu_wake(to, n->timer_ns); /* live: it sleeps until a later timer */
}

static int move(struct driver_queue *dq, struct softnet_data *to)
{
	struct host *h = dq->napi.host;
	int rc;

	machine_settle(h);
	rc = stop_busy_poll(dq);
	if (rc < 0)
		return rc;
	flush_held(dq);
	move_interrupt(dq, to, machine_clock(dq->napi.sd));
	if (h->nic.ntuple)
		arfs_clear(h); /* its filters name queues for CPUs */
	return 0;
}

int irq_set_affinity(struct host *h, u32 queue, const struct cpumask *cpus)
{
	struct cpumask before = h->irq_affinity[queue];
	struct driver_queue *dq = h->dq[queue];
	struct softnet_data *to;
	int rc = 0;

	if (h->nic.external_driver)
		return -EIO;
	if (first_cpu(h, cpus) == h->ncpus)
		return -EINVAL;
	h->irq_affinity[queue] = *cpus;
	to = h->cpu[irq_cpu(h, queue)];
	if (dq && dq->napi.sd != to)
		rc = move(dq, to);
	if (rc < 0)
		h->irq_affinity[queue] = before;
	return rc;
}
