/* event_sort.c - records in the order of time: sort their times by radix, then copy each record once
 *
 * A record is 48 bytes, its time and number are 16. So the passes move the small ones, and the number of passes follows
 * from how long the run was, not from how many records there are. Each pass is stable.
 */
#include "prelude.h"

#define DIGIT 11u
#define DIGITS (1u << DIGIT)

struct key {
	u64 t, at;
};

/* Sort by DIGIT bits of the time. */
static void pass(const struct key *from, struct key *to, u64 n, u32 shift)
{
	u64 begin[DIGITS] = { 0 }, sum = 0;

	for (u64 i = 0; i < n; i++)
		begin[from[i].t >> shift & (DIGITS - 1)]++;
	for (u32 d = 0; d < DIGITS; d++) {
		u64 here = begin[d];

		begin[d] = sum;
		sum += here;
	}
	for (u64 i = 0; i < n; i++)
		to[begin[from[i].t >> shift & (DIGITS - 1)]++] = from[i];
}

int events_sort(const struct event_record *e, u64 n, struct event_record *to)
{
	struct key *keys = malloc(max_u64(n, 1) * 2 * sizeof(*keys)), *from = keys, *other;
	u64 first = NEVER, last = 0;

	if (!keys)
		return -ENOMEM;
	other = keys + n;
	for (u64 i = 0; i < n; i++) {
		first = min_u64(first, e[i].t_ns);
		last = max_u64(last, e[i].t_ns);
	}
	for (u64 i = 0; i < n; i++)
		from[i] = (struct key){ e[i].t_ns - first, i };
	for (u32 shift = 0; shift < 64 && n && (last - first) >> shift; shift += DIGIT) {
		struct key *swap = from;

		pass(from, other, n, shift);
		from = other;
		other = swap;
	}
	for (u64 i = 0; i < n; i++)
		to[i] = e[from[i].at];
	free(keys);
	return 0;
}
