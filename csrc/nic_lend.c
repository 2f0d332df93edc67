/* nic_lend.c - live: while the card's thread reads the wire, a CPU that idles does what is to be done with the last burst
 *
 *   live.c, card's thread:   read a burst -> nic_take_back() -> nic_lend(): OFFERED -> read the next one ...
 *   live.c, an idle CPU:     nic_borrow(): TAKEN -> nic.c nic_receive(), nic_drain() -> OWN
 *
 * A read() of a TAP is the kernel's work nearly to the last, and leaves little of the card in the caches: what costs 45 ns
 * a frame in a loop by itself costs two to three times that between two of them. On another core it costs the wire nothing.
 *
 * All of the card has one owner at a time. The thread lends it only with a full burst, when there is more to read, and only
 * while some CPU does nothing but look for work; it has it back before it does anything but read: sends, turns timers,
 * sleeps, pauses, ends. An offer that nobody took is worked off by itself then, so none has to be woken for one. Meanwhile
 * the wire is read into the other one of two bursts, and what the borrower gives back to it waits in tap.c.
 */
#include "prelude.h"

enum { OWN, OFFERED, TAKEN };

/* The burst to read into: the one that is not lent. */
struct frame *nic_free_burst(struct nic *nic)
{
	return nic->wire->lent && nic->lend.frames == nic->burst ? nic->burst2 : nic->burst;
}

/* May a burst of n be lent? */
int nic_may_lend(struct nic *nic, int n)
{
	return n == BURST && nic->wire->kind == WIRE_TAP && !nic->python_filter && READ_ONCE(nic->lend.idlers);
}

void nic_lend(struct nic *nic, struct frame *f)
{
	nic->lend.frames = f;
	nic->wire->lent = 1;
	smp_store_release(&nic->lend.state, OFFERED); /* Pairs with nic_borrow(). */
}

static void work_off(struct nic *nic)
{
	nic->now = clock_ns();
	nic_receive(nic, nic->lend.frames, BURST);
	nic_drain(nic, nic->now);
}

/* The borrower is at its burst: microseconds, or until the kernel lets it run again. */
static void wait_for_borrower(const struct nic *nic)
{
	for (u32 tries = 0; smp_load_acquire(&nic->lend.state) != OWN; tries++) { /* Pairs with nic_borrow(). */
		if (tries < 1000)
			cpu_relax();
		else
			sched_yield();
	}
}

/* nic_take_back() - all of it is the card's thread's again. Return: it was lent */
int nic_take_back(struct nic *nic)
{
	u32 state = OFFERED;

	if (!nic->wire->lent)
		return 0;
	if (__atomic_compare_exchange_n(&nic->lend.state, &state, OWN, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		work_off(nic);
	} else {
		wait_for_borrower(nic);
		COUNT(nic->lend.bursts, 1);
	}
	nic->wire->lent = 0;
	tap_take_back(nic->wire);
	return 1;
}

/* nic_borrow() - the burst that is offered, if there is one */
void nic_borrow(struct nic *nic)
{
	u32 state = OFFERED;

	if (READ_ONCE(nic->lend.state) != OFFERED ||
	    !__atomic_compare_exchange_n(&nic->lend.state, &state, TAKEN, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	work_off(nic);
	smp_store_release(&nic->lend.state, OWN);
}
