/* path.h - a host on a wire in memory, and packets.h */
#ifndef VNIC_TESTS_PATH_H
#define VNIC_TESTS_PATH_H

#include "packets.h"

/* Every port has a socket and a reader; the wire is pulled (no pace, no link) until the caller says otherwise. */
static inline struct host *path_host(u32 cpus, struct wire *wire)
{
	struct host *h = host_new(cpus);

	require(h != NULL, "no memory");
	nic_plug(&h->nic, wire);
	h->auto_sink = 1;
	return h;
}

/* Run until nothing is left to do. */
static inline void path_run(struct host *h)
{
	while (vtime_run_until(h, NEVER - 1) == EV_SLICE)
		;
}

/* Frames whose fate is known. */
static inline u64 with_fate(struct host *h)
{
	u64 fates[FATE_MAX], sum = 0;

	host_fates(h, fates);
	for (u32 f = 0; f < FATE_MAX; f++)
		sum += fates[f];
	return sum;
}

/* Both laws, and nothing on its way any more. */
static inline void require_laws(struct host *h)
{
	int broken = host_laws(h);

	require(!(broken & 1), "the ledger is open");
	require(!(broken & 2), "a buffer is missing from its pool");
}

#endif
