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

/* A seqcount: readers take no lock, and read again if a writer was there. Writers hold a lock of their own. */

static inline u32 seq_read_begin(const u32 *seq)
{
	u32 n;

	while ((n = smp_load_acquire(seq)) & 1) /* Pairs with seq_write_end(). */
		cpu_relax();
	return n;
}

static inline bool seq_read_again(const u32 *seq, u32 begun)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return READ_ONCE(*seq) != begun;
}

static inline void seq_write_begin(u32 *seq)
{
	WRITE_ONCE(*seq, *seq + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void seq_write_end(u32 *seq)
{
	smp_store_release(seq, *seq + 1); /* Pairs with seq_read_begin(). */
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
