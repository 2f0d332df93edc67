/* timing.h - what the benchmarks share: a clock to start and stop, samples, and a JSON line with minimum and median
 *
 * timing_begin() forgets; start() .. stop() adds up; sample() ends a run; report() prints, the caller adds what else there
 * is to say and the closing brace. side_by_side() does all of that for ways to do the same.
 */
#ifndef VNIC_TESTS_TIMING_H
#define VNIC_TESTS_TIMING_H

#include "path.h"

#define RUNS_MAX 1001

static u32 nruns = 51;

static struct {
	u64 sum_ns, sum_cycles, t, c;
	double ns[RUNS_MAX], cycles[RUNS_MAX]; /* per frame, of each run */
} timing;

static inline u64 tsc(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

static inline void timing_begin(void)
{
	timing.sum_ns = timing.sum_cycles = 0;
}

static inline void start(void)
{
	timing.t = clock_ns();
	timing.c = tsc();
}

static inline void stop(void)
{
	timing.sum_cycles += tsc() - timing.c;
	timing.sum_ns += clock_ns() - timing.t;
}

static inline void sample(u32 run, u64 frames)
{
	timing.ns[run] = (double)timing.sum_ns / (double)frames;
	timing.cycles[run] = (double)timing.sum_cycles / (double)frames;
	timing_begin();
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline void report(const char *kind, const char *name, const char *what, u64 frames)
{
	qsort(timing.ns, nruns, sizeof(*timing.ns), by_value);
	qsort(timing.cycles, nruns, sizeof(*timing.cycles), by_value);
	printf("{\"kind\": \"%s\", \"name\": \"%s\", \"what\": \"%s\", \"runs\": %u, \"frames\": %llu, "
	       "\"ns_min\": %.2f, \"ns_median\": %.2f, \"cycles_min\": %.1f, \"cycles_median\": %.1f",
	       kind, name, what, nruns, (unsigned long long)frames, timing.ns[0], timing.ns[nruns / 2],
	       timing.cycles[0], timing.cycles[nruns / 2]);
}

/* One way to do something. run() does it once more (which: how often before, in this run) and says how many frames that
 * was. */
struct way {
	const char *name, *what;
	u64 (*run)(u32 which);
};

/* Two or three ways to do one thing, alternately in one run. */
static inline void side_by_side(const struct way *ways, u32 n, u32 calls)
{
	static double ns[3][RUNS_MAX], cycles[3][RUNS_MAX];
	u64 frames = 0;

	for (u32 run = 0; run < nruns; run++)
		for (u32 w = 0; w < n; w++) {
			u64 done = 0;

			timing_begin();
			start();
			for (u32 i = 0; i < calls; i++)
				done += ways[w].run(i);
			stop();
			sample(0, done);
			ns[w][run] = timing.ns[0];
			cycles[w][run] = timing.cycles[0];
			require(!frames || done == frames, "they disagree about how many frames there are");
			frames = done;
		}
	for (u32 w = 0; w < n; w++) {
		memcpy(timing.ns, ns[w], sizeof(ns[w]));
		memcpy(timing.cycles, cycles[w], sizeof(cycles[w]));
		report("pair", ways[w].name, ways[w].what, frames);
		printf("}\n");
	}
}

#endif
