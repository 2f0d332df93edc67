/* nic_lend.c - live: while the card's thread reads a TAP, a CPU that idles does what is to be done with what was read
 *
 *   live.c, card's thread:   read a burst -> nic_try_back() -> nic_lend(): OFFERED -> read the next one ...
 *   live.c, an idle CPU:     nic_borrow(): TAKEN -> nic.c nic_receive(), nic_drain() -> OWN
 *
 * A read() of a TAP is the kernel's work nearly to the last, and leaves little of the card in the caches: what costs 45 ns
 * a frame in a loop by itself costs two to three times that between two of them. On another core it costs the wire nothing.
 *
 * All of the card has one owner at a time. The thread lends it only with a full burst, when there is more to read, and only
 * while some CPU does nothing but look for work; it has it back before it does anything but read: sends, turns timers,
 * sleeps, pauses, ends. An offer that nobody took is worked off by itself then, so none has to be woken for one. A borrower
 * may lose his core in the middle of a burst; what is read meanwhile waits in the wire's other bursts, in order, and only
 * when they are full, or the wire is dry, is he waited for. What he gives back to the wire waits in tap_slots.c.
 */
#include "device.h"

enum { OWN, OFFERED, TAKEN };

/* The oldest burst. */
static void work_off(struct nic *nic)
{
	struct wire_burst *b = &nic->wire->ahead[nic->lend.tail % WIRE_AHEAD];

	nic->now = clock_ns();
	nic_receive(nic, b->frame, b->n);
	nic_drain(nic, nic->now);
	smp_store_release(&nic->lend.tail, nic->lend.tail + 1); /* Pairs with nic_lend_room(). */
}

/* nic_try_back() - all of the card is its thread's again? Return: 0: a CPU is at a burst */
int nic_try_back(struct nic *nic)
{
	u32 state = OFFERED;

	if (!nic->wire->lent)
		return 1;
	if (!__atomic_compare_exchange_n(&nic->lend.state, &state, OWN, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE) &&
	    state == TAKEN)
		return 0;
	nic->wire->lent = 0;
	nic->wire->take_back(nic->wire);
	return 1;
}

/* nic_take_back() - wait until it is, microseconds or until the kernel lets the borrower run again; then nothing waits */
void nic_take_back(struct nic *nic)
{
	for (u32 tries = 0; !nic_try_back(nic); tries++) {
		if (tries < 1000)
			cpu_relax();
		else
			sched_yield();
	}
	while (nic->lend.tail != nic->lend.head)
		work_off(nic);
}

/* nic_lend_room() - a burst to read into */
struct frame *nic_lend_room(struct nic *nic)
{
	if (nic->lend.head - smp_load_acquire(&nic->lend.tail) == WIRE_AHEAD) /* Pairs with work_off(). */
		nic_take_back(nic);
	return nic->wire->ahead[nic->lend.head % WIRE_AHEAD].frame;
}

/* nic_lend_append() - n frames were read into it; they come behind what waits already */
void nic_lend_append(struct nic *nic, int n)
{
	nic->wire->ahead[nic->lend.head % WIRE_AHEAD].n = n;
	smp_store_release(&nic->lend.head, nic->lend.head + 1); /* Pairs with nic_borrow(). */
}

/* May a burst of n be lent? */
int nic_may_lend(const struct nic *nic, int n)
{
	return n == BURST && nic->wire->ahead && !nic->python_filter && READ_ONCE(nic->lend.idlers);
}

/* nic_lend() - the burst that was read, and with it the card */
void nic_lend(struct nic *nic)
{
	nic_lend_append(nic, BURST);
	nic->wire->lent = 1;
	smp_store_release(&nic->lend.state, OFFERED); /* Pairs with nic_borrow(). */
}

/* nic_borrow() - one burst, if one is offered: then the CPU may have an interrupt. Others may be behind it. */
void nic_borrow(struct nic *nic)
{
	u32 state = OFFERED;

	if (READ_ONCE(nic->lend.state) != OFFERED ||
	    !__atomic_compare_exchange_n(&nic->lend.state, &state, TAKEN, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	work_off(nic);
	COUNT(nic->lend.bursts, 1);
	state = smp_load_acquire(&nic->lend.head) != nic->lend.tail ? OFFERED : OWN; /* Pairs with nic_lend_append(). */
	smp_store_release(&nic->lend.state, state); /* Pairs with nic_try_back(). */
}
