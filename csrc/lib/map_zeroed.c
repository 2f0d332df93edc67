/* map_zeroed.c - memory for large tables: zeroed, and none is taken until it is written */
#include "device.h"

#include <sys/mman.h>

void *map_zeroed(u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void unmap_zeroed(void *p, u64 bytes)
{
	if (p)
		munmap(p, bytes);
}
