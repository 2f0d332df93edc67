/* clock.c - the time of a live host */
#include "device.h"

/* clock_ns() - CLOCK_MONOTONIC: what the threads of a live host stamp by, and what poll() and timerfds count in */
u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}
