/* stress_enomem.c - each allocation of driver_set_channels() fails once: then the card uses the queues that it used, all with
 * their buffers, both laws hold, the next time it works, and in the end nothing is left behind
 */
#include "path.h"

#include <sys/mman.h>

#define QUEUES 4u

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *p);
void *__real_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __real_munmap(void *addr, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void __wrap_free(void *p);
void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __wrap_munmap(void *addr, size_t len);

static u32 fails_in; /* 0: none */
static long there; /* blocks and mappings */

static bool fails(void)
{
	return fails_in && --fails_in == 0;
}

void *__wrap_malloc(size_t size)
{
	void *p = fails() ? NULL : __real_malloc(size);

	there += p != NULL;
	return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __real_calloc(n, size);

	there += p != NULL;
	return p;
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	void *p = fails() ? NULL : __real_aligned_alloc(align, size);

	there += p != NULL;
	return p;
}

void __wrap_free(void *p)
{
	there -= p != NULL;
	__real_free(p);
}

void *__wrap_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	void *p = fails() ? MAP_FAILED : __real_mmap(addr, len, prot, flags, fd, off);

	there += p != MAP_FAILED;
	return p;
}

int __wrap_munmap(void *addr, size_t len)
{
	there -= addr != MAP_FAILED;
	return __real_munmap(addr, len);
}

/* With all that a queue can have. */
static struct host *make_host(struct wire *wire, u32 queues)
{
	struct host *h = path_host(QUEUES, wire);

	h->nic.nqueues = queues;
	h->rps_flow_cnt = 16;
	h->nic.adaptive_rx = 1;
	require(host_start(h) == 0, "no memory");
	for (u32 i = 0; i < queues; i++)
		require(rx_pool_keep_ids(&h->dq[i]->pool) == 0, "no memory"); /* a capture is there */
	return h;
}

static u32 napis(const struct host *h)
{
	u32 n = 0;

	for (u32 i = 0; i < h->ncpus; i++)
		n += h->cpu[i]->nnapis;
	return n;
}

static void require_whole(struct host *h, u32 queues)
{
	require(h->nic.nqueues == queues && h->nic.config->nqueues == queues, "the number of queues is another");
	for (u32 i = 0; i < QUEUES; i++) {
		require(!h->dq[i] == (i >= h->nic.nqueues_open), "a queue is half open");
		require(i >= queues || !h->dq[i]->vq.nfree, "a ring is not full");
	}
	require(host_laws(h) == 0, "a law is broken");
}

/* Return: did one fail? */
static bool run(u32 nth, u32 from, u32 to)
{
	long before = there;
	struct mem_wire *w = mem_wire_new(64, 1);
	struct host *h;
	u32 others;
	int rc;

	require(w != NULL, "no memory");
	h = make_host(&w->wire, from);
	others = napis(h) - from;
	for (u32 i = 0; i < RSS_INDIR_SIZE; i++)
		h->nic.rss.indir[i] = 0;
	fails_in = nth;
	rc = driver_set_channels(h, to);
	require(rc == (fails_in ? 0 : -ENOMEM), "the answer is wrong");
	fails_in = 0;
	require_whole(h, rc ? from : to);
	require(driver_set_channels(h, to) == 0, "the next time does not work");
	require_whole(h, to);
	require(napis(h) == others + h->nic.nqueues_open, "a NAPI too many");
	host_free(h);
	mem_wire_free(w);
	require(there == before, "something is left behind");
	return rc != 0;
}

int main(void)
{
	for (u32 i = 0; i < 2; i++) {
		u32 nth = 1;

		while (run(nth, i ? QUEUES : 1, i ? 1 : QUEUES))
			nth++;
		require(nth > QUEUES, "nothing failed");
		printf("from %u queues to %u: %u allocations, each failed once\n", i ? QUEUES : 1, i ? 1 : QUEUES,
		       nth - 1);
	}
	return 0;
}
