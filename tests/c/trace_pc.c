/* trace_pc.c - which pieces of the data plane ran: a byte for each address that gcc's -fsanitize-coverage=trace-pc calls from
 *
 * The bytes are a file of the process's own in $VNIC_TRACE_DIR, mapped: they outlive the process however it ends, and
 * tests/support/reached.py reads and clears them while it runs. scripts/mutate --random links this; nothing else does.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char etext[] __attribute__((visibility("hidden")));
static unsigned char *ran;

void __sanitizer_cov_trace_pc(void)
{
	if (ran)
		ran[(const char *)__builtin_return_address(0) - __ehdr_start] = 1;
}

/* Before the data plane's own. */
__attribute__((constructor(101))) static void trace_open(void)
{
	const char *dir = getenv("VNIC_TRACE_DIR");
	size_t size = (size_t)(etext - __ehdr_start);
	char name[4096];
	void *map;
	int fd;

	if (!dir || (size_t)snprintf(name, sizeof(name), "%s/%d", dir, (int)getpid()) >= sizeof(name))
		return;
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	ran = map == MAP_FAILED ? NULL : map;
}
