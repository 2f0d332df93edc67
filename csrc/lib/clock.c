/* clock.c - the time of a live host */
#include "device.h"

/* CLOCK_MONOTONIC, because timerfds and poll() count in it too. */
u64 clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}
