/* cpu_first.c - virtual time: which CPU acts next, of up to 512
 *
 *   a CPU's next instant changes: cpu_next_set() -> its group is stale -> vtime.c asks cpu_first(): stale groups are looked
 *   through, then what is known of all groups
 *
 * A group is 16 CPUs. A turn changes the instants of a CPU or two, so a machine of 512 looks at 32 or 64 of them at a turn. Up
 * to 16 CPUs are one group.
 */
#include "prelude.h"

/* Put the CPUs of one group, or all groups, in order: the next one's instants are at and then, its number is higher. */
static inline void come_next(struct first_cpu *first, u64 at, u64 then, u32 cpu)
{
	if (at < first->at) {
		first->then = min_u64(first->at, then);
		first->at = at;
		first->cpu = cpu;
	} else if (at < first->then) {
		first->then = at + 1; /* on a tie the lower number acts first */
	}
}

static struct first_cpu of_group(const struct host *h, u32 group)
{
	struct first_cpu first = { NEVER, NEVER, 0 };
	u32 end = min_u32((group + 1) * CPU_GROUP, h->ncpus);

	for (u32 cpu = group * CPU_GROUP; cpu < end; cpu++)
		come_next(&first, h->next[cpu], NEVER, cpu);
	return first;
}

struct first_cpu cpu_first(struct host *h)
{
	struct first_cpu first = { NEVER, NEVER, 0 };

	if (h->ncpus <= CPU_GROUP)
		return of_group(h, 0);
	for (u32 stale = h->next_stale; stale; stale &= stale - 1) {
		u32 group = (u32)__builtin_ctz(stale);

		h->next_of_group[group] = of_group(h, group);
	}
	h->next_stale = 0;
	for (u32 group = 0; group * CPU_GROUP < h->ncpus; group++) {
		const struct first_cpu *g = &h->next_of_group[group];

		come_next(&first, g->at, g->then, g->cpu);
	}
	return first;
}
