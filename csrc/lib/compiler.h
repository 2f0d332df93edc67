/* compiler.h - what C lacks: branch hints, loads and stores that another thread pairs with */
#ifndef VNIC_LIB_COMPILER_H
#define VNIC_LIB_COMPILER_H

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((noinline)) /* for rare cases: keeps their registers and stack out of the fast path */
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NEVER UINT64_MAX

/* Loads and stores that another thread, or another process over the memfd, pairs with. Volatile, as in Linux, and not
 * the __atomic builtins: those make gcc forget all it has loaded, at each of a dozen counters a frame. Under
 * ThreadSanitizer they are the builtins, which it understands. */
#if defined(__SANITIZE_THREAD__)
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#else
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#endif
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Add to a counter with one writer, while another thread may read it. gcc makes three instructions of a volatile add. x86 does
 * it in one, and readers see no torn value: with 25 counters a frame, that saves 50 instructions. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define COUNT(x, n) __asm__("add%z0 %1, %0" : "+m"(x) : "er"((__typeof__(x))(n)) : "cc")
#else
#define COUNT(x, n) WRITE_ONCE(x, (__typeof__(x))((x) + (n)))
#endif

#endif
