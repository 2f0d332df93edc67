/* shared.c - memory that several hold: the rows of a table, and the words of its columns
 *
 *   Python's Events and Frames, each stream that a consumer reads, each batch that it keeps -> a holder each
 *
 * A consumer may be a library with threads of its own, and may keep a batch when Python has forgotten the log. So the count
 * is atomic, and the last holder frees the memory, whichever it is.
 */
#include "prelude.h"

#include <sys/mman.h>

static u64 alive;

struct shared *shared_new(u64 bytes)
{
	struct shared *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->bytes = max_u64(bytes, 1);
	s->at = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s->at == MAP_FAILED) {
		free(s);
		return NULL;
	}
	madvise(s->at, s->bytes, MADV_HUGEPAGE);
	s->holders = 1;
	__atomic_fetch_add(&alive, 1, __ATOMIC_RELAXED);
	return s;
}

struct shared *shared_hold(struct shared *s)
{
	__atomic_fetch_add(&s->holders, 1, __ATOMIC_RELAXED);
	return s;
}

void shared_drop(struct shared *s)
{
	if (!s || __atomic_sub_fetch(&s->holders, 1, __ATOMIC_ACQ_REL))
		return;
	munmap(s->at, s->bytes);
	free(s);
	__atomic_fetch_sub(&alive, 1, __ATOMIC_RELAXED);
}

u64 shared_alive(void)
{
	return __atomic_load_n(&alive, __ATOMIC_RELAXED);
}
