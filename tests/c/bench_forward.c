/* bench_forward.c - the simplest thing between two TAPs: what one gives, the other gets. A peer of scripts/bench tcp
 *
 *   bench_forward FD FD     until it is killed; frames have virtio headers, so 64 KB are one frame, and nothing is summed
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAMES 64

static char frame[1 << 17];

/* Return: 0; -1: a device is gone. A frame that finds the other queue full is lost. */
static int forward(int from, int to)
{
	for (int i = 0; i < FRAMES; i++) {
		ssize_t n = read(from, frame, sizeof(frame));

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		if (write(to, frame, (size_t)n) < 0 && errno != EAGAIN && errno != ENOBUFS && errno != EIO)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct pollfd fds[2];

	if (argc != 3) {
		fprintf(stderr, "usage: bench_forward FD FD\n");
		return 2;
	}
	for (int i = 0; i < 2; i++)
		fds[i] = (struct pollfd){ .fd = atoi(argv[i + 1]), .events = POLLIN };
	while (poll(fds, 2, -1) > 0 || errno == EINTR)
		for (int i = 0; i < 2; i++)
			if (fds[i].revents && forward(fds[i].fd, fds[1 - i].fd) < 0)
				return 1;
	return 0;
}
