/* event_log.c - what happens to frames, as records of one size. An observer: the stages write, and none reads
 *
 *   card, softnet, sock: "if (events)" -> event_write() -> a ring in memory -> Python (vnic/events), a time line
 *
 * Off, a stage pays one branch, mostly one that the latency split has paid already. A record is 48 bytes. In virtual time
 * all write to one log, in the order of their turns. Live, the card and each CPU have a log of their own, without a lock:
 * one thread writes, one reads.
 *
 * A full log keeps the oldest records, and counts those that found no room. All that is made from it says so.
 */
#include "device.h"

#include <sys/mman.h>

struct event_record *event_memory(u64 records)
{
	u64 bytes = max_u64(records, 1) * sizeof(struct event_record);
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	madvise(at, bytes, MADV_HUGEPAGE); /* a fault for each 85 records costs more than the records */
	return at;
}

void event_memory_free(struct event_record *at, u64 records)
{
	if (at)
		munmap(at, max_u64(records, 1) * sizeof(*at));
}

struct event_log *event_log_new(u64 records)
{
	struct event_log *log = calloc(1, sizeof(*log));

	if (!log)
		return NULL;
	log->until_ns = NEVER;
	if (!records)
		return log;
	log->size = 1ull << (64 - __builtin_clzll(max_u64(records, 2) - 1));
	log->room = records;
	log->slot = event_memory(log->size);
	if (!log->slot) {
		free(log);
		return NULL;
	}
	return log;
}

void event_log_free(struct event_log *log)
{
	if (!log)
		return;
	event_memory_free(log->slot, log->size);
	free(log);
}

/* A chosen frame becomes part of a packet: that packet's records tell its story from here on. */
static bool is_chosen(const struct event_log *log, const struct event_record *e)
{
	u64 *chosen = log->chosen;

	if (!e->frame || e->frame >= log->nchosen || !(READ_ONCE(chosen[e->frame / 64]) >> e->frame % 64 & 1))
		return false;
	if (e->skb && e->skb < log->nchosen) /* live, other CPUs choose too */
		__atomic_fetch_or(&chosen[e->skb / 64], 1ull << e->skb % 64, __ATOMIC_RELAXED);
	return true;
}

static bool is_wanted(const struct event_log *log, const struct event_record *e)
{
	if (unlikely(log->chosen != NULL) && !is_chosen(log, e)) /* first: a frame may join a packet at any time */
		return false;
	return e->t_ns <= log->until_ns && e->t_ns + e->dur_ns >= log->from_ns;
}

void event_write(struct event_log *log, const struct event_record *e)
{
	u64 head = log->head;

	if (unlikely(log->observe != NULL))
		log->observe(log->observer, e);
	if (unlikely(!log->size) || !is_wanted(log, e))
		return;
	if (unlikely(head - smp_load_acquire(&log->tail) == log->room)) {
		COUNT(log->missed, 1);
		return;
	}
	log->slot[head & (log->size - 1)] = *e;
	smp_store_release(&log->head, head + 1);
}
