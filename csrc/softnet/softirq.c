/* softirq.c - hardirqs, and the softirqs that they raise. Linux: kernel/softirq.c
 *
 *   card --raise_hardirq()-->  do_hardirqs(): driver_irq(), IPIs  --raises NET_RX-->  irq_exit(): do_softirq(): net_rx_action()
 *                     more than 10 rounds or 2 ms, or a task's slice is due: ksoftirqd, a task like the readers (sched.c)
 *
 * In virtual time an interrupt is taken at the instant at which it was raised, on top of the CPU's work (cpu_clock.c). Of
 * several, the one raised first comes first; of one instant, the card's queues in order, then the IPI, then watchdogs. Live,
 * a CPU takes its interrupts between two polls.
 *
 * One word holds the pending interrupts of the card's first queues, and of the IPI. A bit of it, IRQ_MORE, stands for the
 * further queues, whose own bits are in irq_more[]: few cards have so many, and the others do not look there.
 */
#include "prelude.h"

#define MAX_SOFTIRQ_RESTART 10
#define MAX_SOFTIRQ_MS 2

_Static_assert(IRQS_MAX == NIC_QUEUES_MAX + 2 && IRQS_MAX <= 64 + 64 * IRQ_MORE_WORDS, "queues, IRQ_MORE, IRQ_IPI");

/* ---- raising ---- */

/* Return: when the first of these interrupts was raised; NEVER: none is pending */
static u64 first_irq(const struct softnet_data *sd, u64 pending)
{
	u64 first = NEVER;

	for (; pending; pending &= pending - 1)
		first = min_u64(first, sd->irq_ns[__builtin_ctzll(pending)]);
	return first;
}

/* Return: when the first interrupt of the further queues was raised; NEVER: none is pending */
static u64 first_more(const struct softnet_data *sd)
{
	u64 first = NEVER;

	for (u32 w = 0; w < IRQ_MORE_WORDS; w++)
		for (u64 bits = sd->irq_more[w]; bits; bits &= bits - 1)
			first = min_u64(first, sd->irq_ns[64 + 64 * w + (u32)__builtin_ctzll(bits)]);
	return first;
}

static void raise(struct softnet_data *sd, u32 irq, u64 now)
{
	u64 bit = 1ull << irq, pending = __atomic_fetch_or(&sd->irq_pending, bit, __ATOMIC_SEQ_CST);

	if (sd->live) {
		cpu_wake(sd, now);
		return;
	}
	sd->irq_ns[irq] = pending & bit ? min_u64(sd->irq_ns[irq], now) : now;
	sd->irq_next = min_u64(sd->irq_next, now);
	if (!sd->in_hardirq)
		cpu_plan(sd, now);
}

static noinline void raise_more(struct softnet_data *sd, u32 queue, u64 now)
{
	u32 at = queue - IRQ_MORE, irq = IRQ_IPI + 1 + at;
	u64 bit = 1ull << at % 64;
	bool again = __atomic_fetch_or(&sd->irq_more[at / 64], bit, __ATOMIC_SEQ_CST) & bit;

	if (!sd->live)
		sd->irq_ns[irq] = again ? min_u64(sd->irq_ns[irq], now) : now;
	raise(sd, IRQ_MORE, now);
}

void raise_hardirq(struct softnet_data *sd, u32 queue, u64 now)
{
	if (likely(queue < IRQ_MORE))
		raise(sd, queue, now);
	else
		raise_more(sd, queue, now);
}

/* Take back IRQ_MORE if no further queue's interrupt is pending; else it is the earliest of them. */
static void more_left(struct softnet_data *sd)
{
	u64 left = first_more(sd);

	sd->irq_ns[IRQ_MORE] = left;
	if (left == NEVER)
		sd->irq_pending &= ~(1ull << IRQ_MORE);
	else
		sd->irq_pending |= 1ull << IRQ_MORE;
	sd->irq_next = first_irq(sd, sd->irq_pending);
}

static u64 cancel_more(struct softnet_data *sd, u32 queue)
{
	u32 at = queue - IRQ_MORE;
	u64 bit = 1ull << at % 64;

	if (!(__atomic_fetch_and(&sd->irq_more[at / 64], ~bit, __ATOMIC_SEQ_CST) & bit))
		return NEVER;
	if (!sd->live) /* live, a bit that stands for none does no harm */
		more_left(sd);
	return sd->irq_ns[IRQ_IPI + 1 + at];
}

u64 cancel_hardirq(struct softnet_data *sd, u32 queue)
{
	u64 bit, pending;

	if (queue >= IRQ_MORE)
		return cancel_more(sd, queue);
	bit = 1ull << queue;
	pending = __atomic_fetch_and(&sd->irq_pending, ~bit, __ATOMIC_SEQ_CST);

	if (!sd->live) /* live, nothing is planned: handle_irqs_live() takes what is pending */
		sd->irq_next = first_irq(sd, pending & ~bit);
	return pending & bit ? sd->irq_ns[queue] : NEVER;
}

/* Interrupt CPU to, because from has fed its backlog. The interrupt may come before from has paid for sending it. */
void raise_ipi(struct softnet_data *from, struct softnet_data *to)
{
	cpu_event(from, EVENT_IPI, from->now, EVENT_NO_QUEUE, to->cpu);
	raise(to, IRQ_IPI, from->now + from->host->cost[COST_IPI_DELIVERY]);
}

/* ---- hardirq ---- */

static void handle_ipi(struct softnet_data *sd)
{
	const u64 began = sd->now;

	cpu_charge(sd, COST_HARDIRQ_IPI);
	COUNT(sd->hardirqs, 1);
	COUNT(sd->received_rps, 1);
	napi_poll_list_add(&sd->backlog); /* the producer has set SCHED */
	cpu_event(sd, EVENT_HARDIRQ, began, EVENT_NO_QUEUE, HARDIRQ_IPI);
}

static void handle_queue(struct softnet_data *sd, u32 queue)
{
	const u64 began = sd->now;
	struct napi_struct *n;

	cpu_charge(sd, COST_HARDIRQ);
	COUNT(sd->hardirqs, 1);
	n = sd->host->dev.napi[queue];
	if (likely(n->sd == sd))
		sd->host->dev.irq_handler(n);
	else /* the queue moved while the interrupt was on its way */
		raise_hardirq(n->sd, queue, sd->now);
	cpu_event(sd, EVENT_HARDIRQ, began, queue, HARDIRQ_QUEUE);
}

static void handle_more_live(struct softnet_data *sd)
{
	for (u32 w = 0; w < IRQ_MORE_WORDS; w++) {
		u64 bits = __atomic_exchange_n(&sd->irq_more[w], 0, __ATOMIC_SEQ_CST);

		for (; bits; bits &= bits - 1)
			handle_queue(sd, IRQ_MORE + 64 * w + (u32)__builtin_ctzll(bits));
	}
}

/* Take the oldest interrupt of the further queues; of one instant, the first queue's. */
static void handle_oldest_more(struct softnet_data *sd)
{
	u64 oldest = first_more(sd);

	for (u32 at = 0; at < 64 * IRQ_MORE_WORDS; at++) {
		if (!(sd->irq_more[at / 64] >> at % 64 & 1) || sd->irq_ns[IRQ_IPI + 1 + at] != oldest)
			continue;
		sd->irq_more[at / 64] &= ~(1ull << at % 64);
		more_left(sd);
		handle_queue(sd, IRQ_MORE + at);
		return;
	}
}

static noinline void handle_more(struct softnet_data *sd)
{
	if (sd->live)
		handle_more_live(sd);
	else
		handle_oldest_more(sd);
}

static void handle_irq(struct softnet_data *sd, u32 irq)
{
	if (likely(irq < IRQ_MORE))
		handle_queue(sd, irq);
	else if (irq == IRQ_IPI)
		handle_ipi(sd);
	else
		handle_more(sd);
}

static void handle_irqs_live(struct softnet_data *sd)
{
	u64 pending = __atomic_exchange_n(&sd->irq_pending, 0, __ATOMIC_SEQ_CST);

	for (; pending; pending &= pending - 1)
		handle_irq(sd, (u32)__builtin_ctzll(pending));
}

/* Take the oldest interrupt of the card or of another CPU. */
static void handle_oldest_irq(struct softnet_data *sd)
{
	u64 pending = sd->irq_pending;

	while (sd->irq_ns[__builtin_ctzll(pending)] != sd->irq_next)
		pending &= pending - 1;
	sd->irq_pending &= ~(1ull << __builtin_ctzll(pending));
	sd->irq_next = first_irq(sd, sd->irq_pending);
	handle_irq(sd, (u32)__builtin_ctzll(pending));
}

static void handle_watchdog(struct softnet_data *sd)
{
	struct napi_struct *const *napi = sd->napis;
	const u64 began = sd->now;

	while ((*napi)->timer_ns != sd->watchdog_next)
		napi++;
	cpu_charge(sd, COST_HARDIRQ);
	napi_watchdog(*napi);
	cpu_event(sd, EVENT_HARDIRQ, began, (*napi)->queue, HARDIRQ_WATCHDOG);
}

/* Linux stops the tick while the CPU is idle: cpu_woken(). */
static void handle_tick(struct softnet_data *sd)
{
	const u64 began = sd->now;

	sd->tick_next += sd->host->jiffy_ns;
	cpu_charge(sd, COST_TICK);
	cpu_event(sd, EVENT_HARDIRQ, began, EVENT_NO_QUEUE, HARDIRQ_TICK);
}

/* Take the oldest of the interrupts that are due. Return: false: none is */
static bool handle_oldest(struct softnet_data *sd)
{
	u64 at = cpu_next_hardirq(sd);

	if (at > sd->now)
		return false;
	if (sd->irq_next == at)
		handle_oldest_irq(sd);
	else if (sd->watchdog_next == at)
		handle_watchdog(sd);
	else
		handle_tick(sd);
	return true;
}

/* Run the softirqs, unless one runs below this interrupt, or they are off. */
static void irq_exit(struct softnet_data *sd)
{
	if (!sd->in_softirq && !sd->bh_off && (sd->softirq_pending || sd->timer_next <= sd->now))
		do_softirq(sd);
}

void do_hardirqs(struct softnet_data *sd)
{
	u64 *account = cpu_account(sd, &sd->hardirq_ns);

	sd->in_hardirq = 1;
	if (sd->live)
		handle_irqs_live(sd);
	while (handle_oldest(sd))
		;
	sd->in_hardirq = 0;
	cpu_account(sd, account);
	cpu_lower_horizon(sd, cpu_next_interrupt(sd));
	irq_exit(sd);
}

/* ---- softirq ---- */

void local_bh_disable(struct softnet_data *sd)
{
	sd->bh_off = 1;
}

void local_bh_enable(struct softnet_data *sd)
{
	sd->bh_off = 0;
	cpu_lower_horizon(sd, sd->timer_next);
	if (!sd->in_softirq && sd->softirq_pending)
		do_softirq(sd);
}

/* Hand the softirqs over to ksoftirqd, and count why. */
static void wakeup_softirqd(struct softnet_data *sd, u64 end, u32 restarts)
{
	if (!sd->ksoftirqd_task.runnable) {
		sd->ksoftirqd_task.runnable = 1;
		task_enqueue(sd, TASK_KSOFTIRQD);
	}
	if (jiffies(sd) >= end)
		COUNT(sd->ksoftirqd_by_time, 1);
	else if (!restarts)
		COUNT(sd->ksoftirqd_by_restarts, 1);
	else
		COUNT(sd->ksoftirqd_by_resched, 1);
}

/* Run NET_RX until no softirq is pending, or ksoftirqd has to go on. Timers that become due come between two runs. */
static void handle_net_rx(struct softnet_data *sd)
{
	u32 restarts = MAX_SOFTIRQ_RESTART;
	u64 end;

	cpu_charge(sd, COST_SOFTIRQ);
	COUNT(sd->softirqs, 1);
	end = jiffies(sd) + (MAX_SOFTIRQ_MS * sd->host->hz + 999) / 1000;
	for (;;) {
		net_rx_action(sd);
		if (unlikely(sd->timer_next <= sd->now))
			run_timers(sd);
		if (!sd->softirq_pending)
			break;
		if (jiffies(sd) >= end || need_resched(sd) || !--restarts) {
			wakeup_softirqd(sd, end, restarts);
			break;
		}
	}
}

void do_softirq(struct softnet_data *sd)
{
	u64 *account = cpu_account(sd, sd->ksoftirqd ? sd->account : &sd->softirq_ns);
	const u64 began = sd->now;

	sd->in_softirq = 1;
	if (unlikely(sd->timer_next <= sd->now))
		run_timers(sd);
	if (sd->softirq_pending)
		handle_net_rx(sd);
	sd->in_softirq = 0;
	cpu_event(sd, EVENT_SOFTIRQ, began, EVENT_NO_QUEUE, sd->ksoftirqd);
	cpu_account(sd, account);
	cpu_lower_horizon(sd, sd->timer_next);
}
