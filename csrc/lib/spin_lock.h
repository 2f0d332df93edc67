/* spin_lock.h - locks held for a few dozen nanoseconds */
#ifndef VNIC_LIB_SPIN_LOCK_H
#define VNIC_LIB_SPIN_LOCK_H

/* In a loop that waits for another core. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* A lock held for a few dozen ns by threads that may outnumber the cores: spin a little, then let the holder run. */
static inline void spin_lock(u32 *lock)
{
	for (u32 tries = 0; __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE); tries++)
		if (tries > 32)
			sched_yield();
}

static inline void spin_unlock(u32 *lock)
{
	smp_store_release(lock, 0); /* Pairs with the exchange in spin_lock(). */
}

/* In virtual time there is one thread, and no lock. */
static inline void lock_if(bool live, u32 *lock)
{
	if (live)
		spin_lock(lock);
}

static inline void unlock_if(bool live, u32 *lock)
{
	if (live)
		spin_unlock(lock);
}

#endif
