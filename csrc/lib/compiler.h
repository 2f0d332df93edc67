/* compiler.h - the few words that C has not: branch hints, loads and stores that another thread pairs with */
#ifndef VNIC_LIB_COMPILER_H
#define VNIC_LIB_COMPILER_H

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((noinline)) /* a rare case: its registers and stack are not the usual one's burden */
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NEVER UINT64_MAX

/* Loads and stores that another thread, or another process over the memfd, pairs with. Volatile, as in Linux, and not
 * the __atomic builtins: those make gcc forget everything it has loaded, at each of a dozen counters a frame. For
 * ThreadSanitizer they are the builtins, so that it sees what is meant. */
#if defined(__SANITIZE_THREAD__)
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#else
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#endif
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Counters have one writer: a plain add, but a store that a reader on another thread may race with. gcc makes three
 * instructions of a volatile add, x86 has one that is not torn either: 25 counters a frame, 50 instructions less. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define COUNT(x, n) __asm__("add%z0 %1, %0" : "+m"(x) : "er"((__typeof__(x))(n)) : "cc")
#else
#define COUNT(x, n) WRITE_ONCE(x, (__typeof__(x))((x) + (n)))
#endif

#endif
