/* nic_lend.c - live: while the card's thread reads a TAP, an idle CPU processes the burst that was read before
 *
 *   threads.c, card's thread:   read a burst -> nic_try_back() -> nic_lend(): OFFERED -> read the next one ...
 *   threads.c, an idle CPU:     nic_borrow(): TAKEN -> nic_receive.c, nic_drain() -> OWN
 *
 * Nearly all of a TAP's read() is kernel work, which evicts the card from the caches: 45 ns of card work a frame, measured in
 * a loop by itself, cost two to three times that between two reads. On another core they cost the wire nothing.
 *
 * The card has one owner at a time. Its thread lends it only with a full burst, while there is more to read and some CPU
 * spins for work. The thread takes it back before it does anything but read: send, run timers, sleep, pause, end. If no CPU
 * took the offer, the thread processes the burst itself, so no CPU has to be woken for one.
 *
 * The borrower may be preempted mid-burst. Newer bursts queue behind it in wire.ahead; the lender waits only when those are
 * full or the wire is dry. Memory that the borrower releases waits in tap_slots.c.
 */
#include "device.h"

enum { OWN, OFFERED, TAKEN };

/* Process the oldest burst. */
static void process_burst(struct nic *nic)
{
	struct wire_burst *b = &nic->wire->ahead[nic->lend.tail % WIRE_AHEAD];

	nic->now = clock_ns();
	nic_receive(nic, b->frame, b->n);
	nic_drain(nic, nic->now);
	smp_store_release(&nic->lend.tail, nic->lend.tail + 1); /* Pairs with nic_lend_room(). */
}

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

/* This takes microseconds, or until the kernel schedules a preempted borrower again. */
void nic_take_back(struct nic *nic)
{
	for (u32 tries = 0; !nic_try_back(nic); tries++) {
		if (tries < 1000)
			cpu_relax();
		else
			sched_yield();
	}
	while (nic->lend.tail != nic->lend.head)
		process_burst(nic);
}

struct frame *nic_lend_room(struct nic *nic)
{
	if (nic->lend.head - smp_load_acquire(&nic->lend.tail) == WIRE_AHEAD) /* Pairs with process_burst(). */
		nic_take_back(nic);
	return nic->wire->ahead[nic->lend.head % WIRE_AHEAD].frame;
}

void nic_lend_append(struct nic *nic, int n)
{
	nic->wire->ahead[nic->lend.head % WIRE_AHEAD].n = n;
	smp_store_release(&nic->lend.head, nic->lend.head + 1); /* Pairs with nic_borrow(). */
}

int nic_may_lend(const struct nic *nic, int n)
{
	return n == BURST && nic->wire->ahead && !nic->python_filter && !nic->flow_control &&
	       READ_ONCE(nic->lend.idlers);
}

void nic_lend(struct nic *nic)
{
	nic_lend_append(nic, BURST);
	nic->wire->lent = 1;
	smp_store_release(&nic->lend.state, OFFERED); /* Pairs with nic_borrow(). */
}

/* One burst only, since the CPU may have an interrupt then. If more bursts are queued, the card is offered again. */
void nic_borrow(struct nic *nic)
{
	u32 state = OFFERED;

	if (READ_ONCE(nic->lend.state) != OFFERED ||
	    !__atomic_compare_exchange_n(&nic->lend.state, &state, TAKEN, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	process_burst(nic);
	COUNT(nic->lend.bursts, 1);
	state = smp_load_acquire(&nic->lend.head) != nic->lend.tail ? OFFERED : OWN; /* Pairs with nic_lend_append(). */
	smp_store_release(&nic->lend.state, state); /* Pairs with nic_try_back(). */
}
