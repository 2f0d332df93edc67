/* spin_lock.h - locks held for a few dozen nanoseconds */
#ifndef VNIC_LIB_SPIN_LOCK_H
#define VNIC_LIB_SPIN_LOCK_H

/* cpu_relax() - for a loop that waits for another core */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* Threads may outnumber the cores: spin a little, then yield to the holder. */
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

/* lock_if() - lock if the host is live: virtual time has one thread */
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
