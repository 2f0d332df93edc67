/* fiber.c - stacks: made with a guard page below, switched by fiber_swap.S
 *
 * Not ucontext: swapcontext() costs two system calls. The sanitizers are told of each switch.
 */
#include "device.h"

#include <sys/mman.h>
#include <unistd.h>

#include "lib/fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_BYTES (1024u << 10) /* red zones around each variable */
#else
#define STACK_BYTES (128u << 10) /* random machines touch one page of it; the rest is for captures and taps */
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/**
 * struct fiber - a stack, and where it stopped
 * @sp:    its stack pointer while it is stopped
 * @stack: mapped, with the guard page; NULL: a thread's stack
 * @from:  the fiber that ran before
 * @low, @size, @fake: ASan's: the stack's bounds, and its fake stack
 */
struct fiber {
	void *sp;
	u8 *stack;
	void (*run)(void *arg);
	void *arg;
	struct fiber *from;
	const void *low;
	size_t size;
	void *fake;
	void *tsan;
};

void fiber_swap(void **save, void *sp); /* fiber_swap.S */
void fiber_start(void);
void fiber_main(struct fiber *f);

#define REGISTERS_X86_64 6u /* that fiber_swap() saves; the return address is behind them */
#define REGISTERS_AARCH64 20u

static size_t guard_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Lay out the stack as if fiber_start() had called fiber_swap(). */
static void stack_init(struct fiber *f)
{
	void **top = (void **)(void *)(f->stack + guard_bytes() + STACK_BYTES);

#if defined(__x86_64__)
	void **sp = top - 2 - REGISTERS_X86_64; /* fiber_start() begins with rsp at top - 8 bytes, as behind a call */

	sp[0] = f; /* r15 */
	sp[REGISTERS_X86_64] = (void *)(uintptr_t)fiber_start;
#elif defined(__aarch64__)
	void **sp = top - REGISTERS_AARCH64;

	sp[0] = f; /* x19 */
	sp[11] = (void *)(uintptr_t)fiber_start; /* x30 */
#else
#error "fiber_swap.S has no code for this machine"
#endif
	f->sp = sp;
	f->low = f->stack + guard_bytes();
	f->size = STACK_BYTES;
}

struct fiber *fiber_new(void (*run)(void *arg), void *arg)
{
	struct fiber *f = calloc(1, sizeof(*f));

	if (!f || !run)
		return f;
	f->run = run;
	f->arg = arg;
	f->stack = mmap(NULL, guard_bytes() + STACK_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (f->stack == MAP_FAILED) {
		free(f);
		return NULL;
	}
	mprotect(f->stack, guard_bytes(), PROT_NONE);
	stack_init(f);
#ifdef FIBER_TSAN
	f->tsan = __tsan_create_fiber(0);
#endif
	return f;
}

void fiber_free(struct fiber *f)
{
	if (!f)
		return;
	if (f->stack) {
#ifdef FIBER_ASAN
		__asan_unpoison_memory_region(f->stack + guard_bytes(), STACK_BYTES);
#endif
#ifdef FIBER_TSAN
		__tsan_destroy_fiber(f->tsan);
#endif
		munmap(f->stack, guard_bytes() + STACK_BYTES);
	}
	free(f);
}

/* Tell ASan that the switch is over. The fiber that ran before may be a thread's stack: learn its bounds here. */
static inline void arrived(struct fiber *f)
{
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(f->fake, &f->from->low, &f->from->size);
#else
	(void)f;
#endif
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
#if defined(FIBER_ASAN) || defined(FIBER_TSAN)
	to->from = from;
#endif
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(&from->fake, to->low, to->size);
#endif
#ifdef FIBER_TSAN
	from->tsan = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	fiber_swap(&from->sp, to->sp);
	arrived(from);
}

/* fiber_start() calls this on the fiber's own stack. */
void fiber_main(struct fiber *f)
{
	arrived(f);
	f->run(f->arg);
	abort(); /* run() has no caller to return to */
}
