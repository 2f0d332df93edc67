/* lat.c - latency histograms. Called at the end of each stage, if the latency split is on
 *
 * Log-linear: 64 buckets an octave, so a bucket is at most 1.6 % wide; values below 64 ns are exact. Each CPU has one
 * histogram a stage and is its only writer; Python adds them up.
 */
#include "device.h"

static u32 bucket_of(u64 v)
{
	u32 shift;

	if (v < 64)
		return (u32)v;
	v = min_u64(v, INT64_MAX);
	shift = 57 - (u32)__builtin_clzll(v); /* octaves 6 to 62: the top 7 bits */
	return shift * 64 + (u32)(v >> shift);
}

static u64 bucket_top(u32 b)
{
	u32 octave = b / 64 + 5;

	if (b < 64)
		return b;
	return (((u64)(b % 64) + 65) << (octave - 6)) - 1;
}

void lat_record(struct histogram *h, u64 v, u32 frames)
{
	if (!h->count || v < h->min)
		WRITE_ONCE(h->min, v);
	if (v > h->max)
		WRITE_ONCE(h->max, v);
	COUNT(h->count, frames);
	COUNT(h->sum, v * frames);
	COUNT(h->bucket[bucket_of(v)], frames);
}

u64 lat_percentile(const struct histogram *h, double q)
{
	u64 want = (u64)(q * (double)h->count + 0.5), seen = 0;

	if (!h->count)
		return 0;
	for (u32 b = 0; b < LAT_BUCKETS; b++) {
		seen += h->bucket[b];
		if (seen >= want && seen)
			return min_u64(bucket_top(b), h->max);
	}
	return h->max;
}
